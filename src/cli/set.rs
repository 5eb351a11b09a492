//! `bulla set`: one value of an encrypted file.

use super::args::{Surplus, Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::save::{self, Sealing};
use super::unlock::{self, Unlocked};
use super::{Context, configuration, decrypt, encrypt};
use crate::change::{self, ChangeError};
use crate::crypto::Stash;
use crate::document::{Data, Document, Path as DataPath};
use crate::store::{Json, ParseOptions, Store};
use clap::Args;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Set one value of an encrypted file
///
/// The value is JSON. An argument can be seen by other users of the machine while the command
/// runs and stays in the shell's history: prefer --value-stdin or --value-file for secrets.
#[derive(Args)]
pub struct Set {
    /// The file.
    pub file: Option<PathBuf>,
    /// The path of the value: `["database"]["hosts"][0]` or `database.hosts[0]`.
    pub index: Option<String>,
    /// The value, as JSON; with --value-file the name of a file that holds it.
    #[arg(allow_hyphen_values = true)]
    pub value: Option<String>,
    #[command(flatten)]
    pub surplus: Surplus,
    /// Read the value from the file that the third argument names.
    #[arg(long)]
    pub value_file: bool,
    /// Read the value from standard input.
    #[arg(long)]
    pub value_stdin: bool,
    /// Write nothing where the value is that already.
    #[arg(long)]
    pub idempotent: bool,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// Accepted for sops; has no effect there either.
    #[arg(long, hide = true)]
    pub shamir_secret_sharing_threshold: Option<usize>,
    /// Accepted for sops: set always writes to the file.
    #[arg(short, long, hide = true)]
    pub in_place: bool,
}

impl Set {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus
            .refuse("set takes a file, a path and a value")?;
        if self.value_file && self.value_stdin {
            let message = "--value-file and --value-stdin exclude one another";
            return Err(Failure::new(Status::General, message));
        }
        let (Some(file), Some(index), true) = (
            &self.file,
            &self.index,
            self.value.is_some() != self.value_stdin,
        ) else {
            let message = "set takes a file, a path and a value (with --value-stdin no value)";
            return Err(Failure::new(Status::NoFile, message));
        };
        let path = DataPath::parse(index)?;
        let data = parse_value(&self.text()?)?;
        let edit = |store: &dyn Store, plain: &Document| {
            let layout = configuration::layout(context, Some(file), store);
            change::set(store, plain, &path, &data, layout)
        };
        let request = Request {
            file,
            types: &self.types,
            unlocking: &self.unlocking,
            idempotent: self.idempotent,
            path: &path,
            data: Some(&data),
        };
        change_file(context, &request, edit)
    }

    fn text(&self) -> Outcome<Zeroizing<Vec<u8>>> {
        let value = self.value.as_deref().unwrap_or_default();
        let failed =
            |error| Failure::new(Status::General, format!("cannot read the value: {error}"));
        if self.value_stdin {
            input::standard_input().map_err(failed)
        } else if self.value_file {
            std::fs::read(value).map(Zeroizing::new).map_err(failed)
        } else {
            Ok(Zeroizing::new(value.as_bytes().to_vec()))
        }
    }
}

/// A value given as JSON. Errors say the place, never the text.
fn parse_value(text: &Zeroizing<Vec<u8>>) -> Outcome<Data> {
    let parsed = Json.parse(text.clone(), ParseOptions::default());
    let document = parsed.map_err(|error| {
        let message = format!(
            "the value is not JSON: {error} (at byte {})",
            error.offset + 1
        );
        Failure::new(Status::BadSet, message).hint(r#"a string needs quotes: '"text"'"#)
    })?;
    match document.branches.first().and_then(|b| b.root) {
        Some(root) => Ok(document.data(root)),
        None => Err(Failure::new(Status::BadSet, "the value is empty")),
    }
}

/// A change of one value of a file.
pub struct Request<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its format.
    pub types: &'a Types,
    /// How it is opened.
    pub unlocking: &'a Unlocking,
    /// Write nothing where there is no difference.
    pub idempotent: bool,
    /// Where the value is.
    pub path: &'a DataPath,
    /// The new value; `None` where it is to go.
    pub data: Option<&'a Data>,
}

/// Decrypts a file, lets `change` make a new plaintext of the old one, and writes that back
/// with all tokens of values that did not change. `None` from `change` means no difference.
/// A plaintext in which anything else has changed is never written.
///
/// # Errors
/// See [`Failure`].
pub fn change_file(
    context: &Context,
    request: &Request<'_>,
    change: impl FnOnce(&dyn Store, &Document) -> Result<Option<Zeroizing<Vec<u8>>>, ChangeError>,
) -> Outcome {
    let file = Some(request.file);
    let mut input = Input::read(context, file, request.types, None, Purpose::Change)
        .map_err(missing_is_unreadable)?;
    let unlocked = unlock::unlock(context, &mut input, request.unlocking)?;
    let plain = unlocked.decrypt(context, &input, request.unlocking.ignore_mac)?;
    let parsed = |text| input::parse(&input.name, input.store, text, context.parsing_plain());
    let before = parsed(plain.text)?;
    let changed = change(input.store, &before).map_err(|e| Failure::from(e).of(&input.name))?;
    let document = match changed {
        None if request.idempotent => return Ok(()),
        None => before,
        Some(text) => {
            let after = parsed(text)?;
            let held = request.data.map(|data| input.store.held(data.clone()));
            if !change::is_only_change(&before, &after, request.path, held.as_ref()) {
                let message = format!(
                    "{}: {}: the change would alter other values",
                    input.name, request.path
                );
                return Err(Failure::new(Status::General, message)
                    .hint("nothing was written; make the change with `bulla edit`"));
            }
            after
        }
    };
    write(context, &input, unlocked, plain.stash, document)
}

/// A missing file has another status here than where a command only reads it, as with sops.
fn missing_is_unreadable(failure: Failure) -> Failure {
    match failure.status {
        Status::NoFile => Failure {
            status: Status::Unreadable,
            ..failure
        },
        _ => failure,
    }
}

/// Encrypts `document` under the metadata of the file it came from, and writes it there.
///
/// # Errors
/// See [`Failure`].
pub fn write(
    context: &Context,
    input: &Input,
    unlocked: Unlocked,
    stash: Stash,
    document: Document,
) -> Outcome {
    if document.has_metadata() {
        return Err(save::reserved(&input.name));
    }
    let document = decrypt::convert(context, input, document)?;
    let cipher = unlocked.metadata.cipher();
    let selection = unlocked.metadata.selection.clone();
    let sealing = Sealing {
        metadata: unlocked.metadata,
        data_key: unlocked.data_key,
        cipher,
        stash,
        allow_nested: false,
        layout: input.layout(context),
    };
    let encrypted = save::seal(
        context,
        input.file.as_deref(),
        input.output,
        &document,
        sealing,
    )?;
    encrypt::say_clear(&input.name, &document, &selection, &encrypted);
    save::write_back(context, input, &encrypted.text)
}
