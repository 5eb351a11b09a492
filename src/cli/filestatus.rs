//! `bulla filestatus`: whether a file is encrypted, without any key.

use super::args::{Surplus, Types};
use super::failure::{Failure, Outcome, Status};
use super::input::{Input, Purpose};
use super::{Context, output, unlock};
use crate::metadata::Metadata;
use clap::Args;
use std::path::PathBuf;

/// Say whether a file is encrypted, as JSON
#[derive(Args)]
pub struct Filestatus {
    /// The file.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
    #[command(flatten)]
    pub types: Types,
}

impl Filestatus {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the file cannot be read, or its metadata is broken.
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.warn();
        let file = self.file.ok_or_else(super::no_file)?;
        let general = |failure: Failure| Failure {
            status: Status::General,
            ..failure
        };
        let mut input =
            Input::read(context, Some(&file), &self.types, None, Purpose::Read).map_err(general)?;
        let document = input.parse().map_err(general)?;
        let encrypted =
            match unlock::metadata_data(&input.name, input.store, &document).map_err(general)? {
                Some(data) => {
                    let metadata =
                        Metadata::from_data(&data).map_err(|e| Failure::from(e).of(&input.name))?;
                    !metadata.version.is_empty() && metadata.mac.is_some_and(|mac| !mac.is_empty())
                }
                None => false,
            };
        let line = format!("{{\"encrypted\":{encrypted}}}\n");
        output::stdout(line.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))
    }
}
