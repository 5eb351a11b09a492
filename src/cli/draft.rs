//! Drafts: an edited text that could not be saved, kept encrypted to the file's own recipients.
//!
//! A draft is an ordinary encrypted JSON file in the user's state directory, one a file; any
//! key that opens the file opens its draft.

use super::args::{Types, Unlocking};
use super::failure::{Failure, Outcome, Status};
use super::input::{Input, Purpose};
use super::output::{self, Content};
use super::save::{self, Sealing};
use super::{Context, input, unlock};
use crate::crypto::{Cipher, DataKey, Stash};
use crate::document::{Data, Path as DataPath, Step};
use crate::metadata::{Metadata, Selection};
use crate::store::{Json, Layout, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The entry that holds the text, as base64: a text that does not parse may be no UTF-8 either.
const TEXT: &str = "text";

/// Where the draft of `file` is kept; `None` without a home.
fn place(context: &Context, file: &Path) -> Option<PathBuf> {
    let absolute = std::fs::canonicalize(file)
        .or_else(|_| std::path::absolute(file))
        .ok()?;
    let digest = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
    let name: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let directory = context.environment.state_dir()?.join("drafts");
    Some(directory.join(format!("{name}.json")))
}

/// The draft of `file`, where there is one.
pub fn of(context: &Context, file: &Path) -> Option<PathBuf> {
    place(context, file).filter(|path| path.is_file())
}

/// Keeps `text` as the draft of `file`, in the place of an older one.
///
/// # Errors
/// Where it cannot be kept.
pub fn keep(
    context: &Context,
    file: &Path,
    metadata: &Metadata,
    data_key: &DataKey,
    text: &[u8],
) -> Outcome {
    let path = place(context, file)
        .ok_or_else(|| Failure::new(Status::Unwritable, "there is no place for a draft"))?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            let message = format!("{}: {error}", directory.display());
            Failure::new(Status::Unwritable, message)
        })?;
    }
    let encoded = Zeroizing::new(STANDARD.encode(text));
    let data = Data::Map(vec![(TEXT.into(), Data::str(encoded.as_bytes()))]);
    let plain = Json.emit(&[data], Layout::default())?;
    let document = input::parse("the draft", &Json, plain, context.parsing())?;
    let mut metadata = metadata.clone();
    metadata.selection = Selection::default();
    let sealing = Sealing {
        metadata,
        data_key: data_key.clone(),
        cipher: Cipher::Aes256Gcm,
        stash: Stash::new(),
        allow_nested: false,
        layout: Layout::default(),
    };
    let encrypted = save::seal(context, "the draft", &Json, &document, sealing)?;
    let written = output::write(
        &path,
        &encrypted.text,
        Content::Encrypted,
        &context.environment,
    );
    save::finish(&path.display().to_string(), written)
}

/// The text of the draft of `file`.
///
/// # Errors
/// Where there is none, or it cannot be opened.
pub fn load(context: &Context, file: &Path, flags: &Unlocking) -> Outcome<Zeroizing<Vec<u8>>> {
    let Some(path) = of(context, file) else {
        let message = format!("{}: there is no unsaved edit of this file", file.display());
        return Err(Failure::new(Status::General, message));
    };
    let mut input = Input::read(context, Some(&path), &Types::default(), None, Purpose::Read)?;
    let unlocked = unlock::unlock(context, &mut input, flags)?;
    let plain = unlocked.plaintext(context, &input, false)?;
    let document = input::parse(&input.name, &Json, plain, context.parsing())?;
    let text = DataPath(vec![Step::Key(TEXT.into())]);
    let encoded = document.find(0, &text).map(|id| document.value(id).text);
    let decoded = encoded.and_then(|text| STANDARD.decode(text).ok());
    decoded.map(Zeroizing::new).ok_or_else(|| {
        Failure::new(
            Status::Unreadable,
            format!("{} is no draft", path.display()),
        )
    })
}

/// Removes the draft of `file`: it was saved.
pub fn discard(context: &Context, file: &Path) {
    if let Some(path) = of(context, file) {
        // Left behind it would only be offered again.
        let _ = std::fs::remove_file(path);
    }
}
