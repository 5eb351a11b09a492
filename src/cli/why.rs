//! `bulla why`: which keys of a file open with the identities at hand, and what is wrong with the
//! others. No value is decrypted.

use super::args::{Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{Input, Purpose};
use super::keyring::Keyring;
use super::names::Names;
use super::{Context, output, unlock};
use clap::Args;
use std::path::PathBuf;

/// Show which keys open a file, and why the others do not
///
/// Every key is tried, no value is decrypted. The exit status is 0 where the file can be opened.
#[derive(Args)]
pub struct Why {
    /// The file.
    pub file: PathBuf,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

impl Why {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the file cannot be read, or its data key cannot be recovered.
    pub fn run(self, context: &Context) -> Outcome {
        let mut input = Input::read(context, Some(&self.file), &self.types, None, Purpose::Read)?;
        let document = input.parse()?;
        let metadata = unlock::metadata(&input.name, input.store, &document)?;
        let names = Names::near(context, &self.file);
        let mut keyring = Keyring::new(context, &self.unlocking)?;
        let trial = keyring.try_all(&metadata.keys);
        let report = trial.report(&|id| names.name(id));
        let verdict = match &trial.key {
            Some(_) => format!("{}: the data key can be recovered", input.name),
            None => format!("{}: the data key cannot be recovered", input.name),
        };
        let text = format!("{report}\n\n{verdict}\n");
        output::stdout(text.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))?;
        if trial.key.is_some() {
            return Ok(());
        }
        let failure = Failure::new(Status::NoKey, verdict).hints_of_reasons(&trial.reasons());
        let hints = keyring.hints(&metadata.keys, &trial.reasons(), &names);
        Err(hints.into_iter().fold(failure, Failure::hint))
    }
}
