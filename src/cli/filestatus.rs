//! `bulla filestatus`: whether a file is encrypted, without any key.

use super::args::{Surplus, Types};
use super::failure::{Failure, Outcome, Status};
use super::input::{Input, Purpose};
use super::{Context, output, unlock};
use crate::document::Data;
use crate::metadata::{Metadata, MetadataError};
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
        let metadata =
            unlock::metadata_data(&input.name, input.store, &document).map_err(general)?;
        let encrypted = match metadata {
            Some(data) => {
                let has = |name| {
                    data.entry(name)
                        .and_then(Data::text)
                        .is_some_and(|t| !t.is_empty())
                };
                match Metadata::from_data(&data) {
                    Ok(_) => has("version") && has("mac"),
                    Err(MetadataError::Version { .. })
                        if !has("version") && has("lastmodified") =>
                    {
                        false
                    }
                    Err(error) => return Err(Failure::from(error).of(&input.name)),
                }
            }
            None => false,
        };
        let line = format!("{{\"encrypted\":{encrypted}}}\n");
        output::stdout(line.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))
    }
}
