//! `bulla decrypt`: a file, or one value of it, in plaintext.

use super::Context;
use super::args::{Destination, Surplus, Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::output::Content;
use super::{save, unlock};
use crate::document::{Data, Document, Kind, Node, NodeId, Path, Type, unwiped};
use crate::store::{EmitError, Layout, Store};
use clap::Args;
use std::collections::HashSet;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Decrypt a file, byte for byte what was encrypted
#[derive(Args)]
pub struct Decrypt {
    /// The file; standard input without one.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
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
        self.surplus.warn();
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
    let documents = documents(&input.name, document)?;
    let layout = input.layout(context);
    let emitted = input.output.emit(&documents, layout);
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

/// Refuses keys that would be lost where all keys are strings: collections, and those that would
/// become equal to another key of their mapping.
///
/// # Errors
/// For the first such key.
pub fn check_keys(document: &Document) -> Result<(), EmitError> {
    let is_other = |node: &Node| node.is_key && (node.kind, node.ty) != (Kind::Scalar, Type::Str);
    if !document.nodes.iter().any(is_other) {
        return Ok(());
    }
    for (id, node) in document.nodes.iter().enumerate() {
        let mut seen = HashSet::new();
        if node.kind != Kind::Mapping || node.is_key {
            continue;
        }
        let children = document.children(id as NodeId);
        for key in children.filter(|&key| document.node(key).is_key) {
            let kind = document.node(document.node(key).target).kind;
            let problem = match kind {
                Kind::Mapping | Kind::Sequence => "is a collection, and only a string has room",
                Kind::Scalar if !seen.insert(document.key_text(key)) => {
                    "is a string like another key of its mapping"
                }
                _ => continue,
            };
            let path = document.path(document.node(key).end);
            let problem = format!("the key of {path} {problem}");
            return Err(EmitError { problem });
        }
    }
    Ok(())
}

/// Every document of the file that is called `name` as data; an empty one is an empty mapping.
///
/// # Errors
/// Where keys would be lost, as data has strings only.
pub fn documents(name: &str, document: &Document) -> Outcome<Vec<Data>> {
    check_keys(document).map_err(|error| Failure::from(error).of(name))?;
    let branches = document.branches.iter();
    let documents = branches.map(|branch| match branch.root {
        Some(root) => document.data(root),
        None => Data::Map(Vec::new()),
    });
    Ok(documents.collect())
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
    let value = document.value(id);
    let data = if value.ty == Type::Float && is_whole(source) && value.text != source {
        // A whole number too large for sops, which knows it as a rounded float only.
        Data::Scalar(Type::Int, Zeroizing::new(source.to_vec()))
    } else {
        document.data(id)
    };
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
