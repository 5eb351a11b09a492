//! `bulla unset`: one value out of an encrypted file.

use super::Context;
use super::args::{Surplus, Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::set::{Request, change_file};
use crate::change::{self, ChangeError};
use crate::document::{Document, Path};
use crate::store::Store;
use clap::Args;
use std::path::PathBuf;

/// Remove one value, or everything under a path, from an encrypted file
#[derive(Args)]
pub struct Unset {
    /// The file.
    pub file: Option<PathBuf>,
    /// The path: `["database"]["hosts"][0]` or `database.hosts[0]`.
    pub index: Option<String>,
    #[command(flatten)]
    pub surplus: Surplus,
    /// Do nothing where there is nothing at the path.
    #[arg(long)]
    pub idempotent: bool,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// Accepted for sops; has no effect there either.
    #[arg(long, hide = true)]
    pub shamir_secret_sharing_threshold: Option<usize>,
}

impl Unset {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.refuse("unset takes a file and a path")?;
        let (Some(file), Some(index)) = (&self.file, &self.index) else {
            let message = "unset takes a file and a path";
            return Err(Failure::new(Status::NoFile, message));
        };
        let path = Path::parse(index)?;
        let edit = |store: &dyn Store, plain: &Document| match change::unset(store, plain, &path) {
            Err(ChangeError::NotFound(_)) if self.idempotent => Ok(None),
            changed => changed.map(Some),
        };
        let request = Request {
            file,
            types: &self.types,
            unlocking: &self.unlocking,
            idempotent: self.idempotent,
            path: &path,
            data: None,
        };
        change_file(context, &request, edit)
    }
}
