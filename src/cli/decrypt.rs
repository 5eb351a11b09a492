//! `bulla decrypt`: a file, or one value of it, in plaintext.

use super::Context;
use super::args::{Destination, Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::output::Content;
use super::{save, unlock};
use crate::document::{Data, Document, Path, Type, unwiped};
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
        drop(unwiped(unlocked.document.source));
        let text = match path {
            Some(path) => extract(context, &input, text, &path)?,
            None => converted(context, &input, text)?,
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

/// A plaintext in the output format.
fn emitted(context: &Context, input: &Input, document: &Document) -> Outcome<Zeroizing<Vec<u8>>> {
    let layout = input.layout(context);
    let emitted = input.output.emit(&branches(document), layout);
    emitted.map_err(|error| Failure::from(error).of(&input.name))
}

/// A plaintext in the output format; as it is where that is its own.
///
/// # Errors
/// Where the output format cannot hold it.
pub fn converted(
    context: &Context,
    input: &Input,
    text: Zeroizing<Vec<u8>>,
) -> Outcome<Zeroizing<Vec<u8>>> {
    if !input.converts() {
        return Ok(text);
    }
    let document = input::parse(&input.name, input.store, text, context.parsing_plain())?;
    emitted(context, input, &document)
}

/// A plaintext document in the output format; as it is where that is its own.
///
/// # Errors
/// Where the output format cannot hold it.
pub fn convert(context: &Context, input: &Input, document: Document) -> Outcome<Document> {
    if !input.converts() {
        return Ok(document);
    }
    let text = emitted(context, input, &document)?;
    input::parse(&input.name, input.output, text, context.parsing_plain())
}

/// Every branch as data; an empty one is an empty mapping.
fn branches(document: &Document) -> Vec<Data> {
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
    let document = input::parse(&input.name, input.store, text, context.parsing_plain())?;
    let Some(id) = document.find(0, path) else {
        let message = format!("{}: {path} not found", input.name);
        return Err(Failure::new(Status::General, message));
    };
    let source = document.slice(document.node(id).span);
    if document.value(id).ty == Type::Float && is_whole(source) {
        // A whole number too large for sops, which knows it as a rounded float only.
        return Ok(Zeroizing::new(source.to_vec()));
    }
    let data = document.data(id);
    spelled(input.output, data, input.layout(context))
        .map_err(|error| error.of(format!("{}: {path}", input.name)))
}

fn is_whole(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn spelled(store: &dyn Store, data: Data, layout: Layout) -> Outcome<Zeroizing<Vec<u8>>> {
    match data {
        Data::Scalar(Type::Str, text) => Ok(text),
        Data::Map(_) => Ok(store.emit(&[data], layout)?),
        _ => Ok(store.emit_value(&data, layout)?),
    }
}
