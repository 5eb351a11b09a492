//! `bulla decrypt`: a file, or one value of it, in plaintext.

use super::Context;
use super::args::{Destination, Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::output::Content;
use super::{save, unlock};
use crate::document::{Data, Document, Path, Type};
use crate::store::{Layout, Store};
use clap::Args;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Decrypt a file, byte for byte what was encrypted
#[derive(Args)]
pub struct Decrypt {
    /// The file; standard input without one.
    pub file: Option<PathBuf>,
    /// Print only the value at this path: `["database"]["hosts"][0]` or `database.hosts[0]`.
    #[arg(long, value_name = "PATH")]
    pub extract: Option<String>,
    #[command(flatten)]
    pub destination: Destination,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// The name by which the format is told, in the place of the file's own.
    #[arg(long, value_name = "NAME")]
    pub filename_override: Option<PathBuf>,
}

impl Decrypt {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        save::check_destination(&self.destination, self.file.is_some())?;
        let path = self.extract_path()?;
        let purpose = if self.destination.in_place {
            Purpose::Change
        } else {
            Purpose::Read
        };
        let name = self.filename_override.as_deref();
        let mut input = Input::read(context, self.file.as_deref(), &self.types, name, purpose)?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let text = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        drop(unlocked);
        let text = match path {
            Some(path) => extract(context, &input, text, &path)?,
            None if input.output.name() == input.store.name() => text,
            None => convert(context, &input, text)?,
        };
        save::deliver(context, &input, &self.destination, &text, Content::Plain)
    }

    fn extract_path(&self) -> Outcome<Option<Path>> {
        let Some(text) = self.extract.as_deref() else {
            return Ok(None);
        };
        let path = Path::parse(text).map_err(|error| Failure {
            status: Status::BadExtract,
            ..Failure::from(error).of("--extract")
        })?;
        Ok(Some(path).filter(|path| !path.0.is_empty()))
    }
}

/// The plaintext in the output format.
fn convert(
    context: &Context,
    input: &Input,
    text: Zeroizing<Vec<u8>>,
) -> Outcome<Zeroizing<Vec<u8>>> {
    let document = input::parse(&input.name, input.store, text, context.parsing())?;
    let emitted = input.output.emit(&branches(&document), context.layout());
    emitted.map_err(|error| Failure::from(error).of(&input.name))
}

/// Every branch as data; an empty one is an empty mapping.
pub fn branches(document: &Document) -> Vec<Data> {
    let branches = document.branches.iter();
    branches
        .map(|branch| match branch.root {
            Some(root) => document.data(root),
            None => Data::Map(Vec::new()),
        })
        .collect()
}

/// One value: a string as its bytes, a mapping as a file, anything else as the format spells it.
fn extract(
    context: &Context,
    input: &Input,
    text: Zeroizing<Vec<u8>>,
    path: &Path,
) -> Outcome<Zeroizing<Vec<u8>>> {
    let document = input::parse(&input.name, input.store, text, context.parsing())?;
    let Some(id) = document.find(0, path) else {
        let message = format!("{}: {path} not found", input.name);
        return Err(Failure::new(Status::General, message));
    };
    let data = document.data(id);
    spelled(input.output, data, context.layout())
        .map_err(|error| error.of(format!("{}: {path}", input.name)))
}

fn spelled(store: &dyn Store, data: Data, layout: Layout) -> Outcome<Zeroizing<Vec<u8>>> {
    match data {
        Data::Scalar(Type::Str, text) => Ok(text),
        Data::Map(_) => Ok(store.emit(&[data], layout)?),
        _ => Ok(store.emit_value(&data, layout)?),
    }
}
