//! What all commands do that write: encrypt a text under known metadata, and put results
//! where they belong.

use super::Context;
use super::args::Destination;
use super::audit::{Action, Event};
use super::failure::{Failure, Outcome, Status, note, warn};
use super::input::{self, Input};
use super::output::{self, Content, OutputError};
use crate::crypto::{Cipher, DataKey, Stash, SystemRandom};
use crate::document::{BeyondSops, Document};
use crate::encrypt::{Encrypted, Encryption, encrypt};
use crate::metadata::Metadata;
use crate::store::{Layout, Store};
use std::path::Path;

/// The version of sops whose files bulla writes.
pub const SOPS_VERSION: &str = "3.13.2";

/// What a plaintext is encrypted with.
pub struct Sealing {
    /// Recipients and selection.
    pub metadata: Metadata,
    /// The key of the tokens.
    pub data_key: DataKey,
    /// The cipher of new tokens.
    pub cipher: Cipher,
    /// Tokens to be used again.
    pub stash: Stash,
    /// Encrypt values that are tokens already.
    pub allow_nested: bool,
    /// How the metadata block is laid out.
    pub layout: Layout,
}

/// Encrypts `document`, which was read from `file`, or from standard input without one, and says
/// what stock sops could not read. The audit log says that it is done.
///
/// # Errors
/// Where it cannot be encrypted, or the result would not decrypt to the same bytes; where the
/// audit log is broken.
pub fn seal(
    context: &Context,
    file: Option<&Path>,
    store: &dyn Store,
    document: &Document,
    sealing: Sealing,
) -> Outcome<Encrypted> {
    let event = Event {
        action: Action::Encrypt,
        file,
        opened_by: &[],
    };
    context.audit.submit(context, &event)?;
    let name = input::name(file);
    let cipher = sealing.cipher;
    let encrypted = sealed(context, &name, store, document, sealing)?;
    say_beyond_sops(&name, store, document, cipher);
    Ok(encrypted)
}

/// As [`seal`], for an edit that could not be saved. It is none of the user's files, and must not
/// be lost, also where the audit log is the reason.
///
/// # Errors
/// Where it cannot be encrypted.
pub fn seal_draft(
    context: &Context,
    store: &dyn Store,
    document: &Document,
    sealing: Sealing,
) -> Outcome<Encrypted> {
    sealed(context, "the draft", store, document, sealing)
}

fn sealed(
    context: &Context,
    name: &str,
    store: &dyn Store,
    document: &Document,
    sealing: Sealing,
) -> Outcome<Encrypted> {
    let mut metadata = sealing.metadata;
    metadata.last_modified = context.now();
    encrypt(
        document,
        Encryption {
            store,
            parsing: context.parsing(),
            metadata,
            data_key: &sealing.data_key,
            cipher: sealing.cipher,
            stash: sealing.stash,
            random: &mut SystemRandom,
            layout: sealing.layout,
            allow_nested: sealing.allow_nested,
        },
    )
    .map_err(|error| Failure::from(error).of(name))
}

fn say_beyond_sops(name: &str, store: &dyn Store, document: &Document, cipher: Cipher) {
    let why = match document.beyond_sops {
        _ if !store.is_known_to_sops() => {
            format!("it has no format named {}", store.name())
        }
        _ if cipher != Cipher::Aes256Gcm => format!("its cipher is {}", cipher.name()),
        Some((BeyondSops::Root, _)) => "its root is not a mapping".to_owned(),
        Some((BeyondSops::Key, id)) => {
            format!("a key of it is not a string (near {})", document.path(id))
        }
        Some((BeyondSops::Number, id)) => {
            format!("the number at {} is out of sops's range", document.path(id))
        }
        Some((BeyondSops::Mark, _)) => "it starts with a byte order mark".to_owned(),
        Some((BeyondSops::Dialect, _)) => "it has comments or trailing commas".to_owned(),
        None => return,
    };
    note(format!("{name}: stock sops cannot read this file: {why}"));
}

/// The sentence for a file that carries metadata already.
pub fn already_encrypted(name: &str) -> Failure {
    let message =
        format!("{name}: the file is encrypted already: it has a `sops` entry at its root");
    Failure::new(Status::AlreadyEncrypted, message)
        .hint("edit it with `bulla edit`; if the entry is yours, rename it: sops reserves the name")
}

/// The sentence for a plaintext that has an entry by the name of the metadata.
pub fn reserved(name: &str) -> Failure {
    let message = format!("{name}: `sops` at the root is reserved: the metadata stands there");
    Failure::new(Status::AlreadyEncrypted, message).hint("give the entry another name")
}

/// Refuses flags that say two destinations.
///
/// # Errors
/// [`Status::Conflict`].
pub fn check_destination(destination: &Destination, has_file: bool) -> Outcome {
    if destination.in_place && destination.output.is_some() {
        let message = "--in-place and --output exclude one another";
        return Err(Failure::new(Status::Conflict, message));
    }
    if destination.in_place && !has_file {
        let message = "--in-place needs a file, not standard input";
        return Err(Failure::new(Status::Conflict, message));
    }
    Ok(())
}

/// Puts `text` where the flags say: back into the input, into another file, or to standard output.
///
/// # Errors
/// Where it cannot be written; what was there is untouched.
pub fn deliver(
    context: &Context,
    input: &Input,
    destination: &Destination,
    text: &[u8],
    content: Content,
) -> Outcome {
    if let Some(path) = &destination.output {
        return finish(
            &path.display().to_string(),
            output::write(path, text, content, &context.environment),
        );
    }
    match &input.original {
        Some(original) if destination.in_place => {
            if content == Content::Encrypted && input.would_be_binary(text) {
                let name = &input.name;
                let message = format!(
                    "{name}: under this name a file of the one entry `data` is a binary file"
                );
                return Err(Failure::new(Status::Emit, message)
                    .hint("let the name end in .json, or give the entry another name"));
            }
            if input.converts() && input.is_misnamed() {
                let (name, format) = (&input.name, input.output.name());
                warn(format!(
                    "{name}: the file is {format} now, its name says something else"
                ));
            }
            let written = output::replace(original, text, content, &context.environment);
            finish(&input.name, written)
        }
        _ => output::stdout(text).map_err(failure),
    }
}

/// Puts `text` back into the file it was read from.
///
/// # Errors
/// Where it cannot be written; what was there is untouched.
pub fn write_back(context: &Context, input: &Input, text: &[u8]) -> Outcome {
    let destination = Destination {
        in_place: true,
        output: None,
    };
    deliver(context, input, &destination, text, Content::Encrypted)
}

/// Says the warnings of a file written well, and makes a failure of an error.
///
/// # Errors
/// The failure.
pub fn finish(name: &str, written: Result<Vec<output::Warning>, OutputError>) -> Outcome {
    for warning in written.map_err(failure)? {
        warn(format!("{name}: {warning}"));
    }
    Ok(())
}

fn failure(error: OutputError) -> Failure {
    let changed = matches!(error, OutputError::Changed { .. });
    let failure = Failure::new(Status::Unwritable, error);
    if changed {
        failure.hint("nothing was written; run the command again")
    } else {
        failure
    }
}
