//! Drafts: an edited text that could not be saved, kept encrypted to the file's own recipients.
//!
//! A draft is an ordinary encrypted JSON file in the user's state directory; any key that opens
//! the file opens its drafts. A new draft never takes the place of an older one that is not in it.

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

/// The entry that holds the fingerprint of the text that the edit began with.
const BASE: &str = "base";

/// A draft as it is brought back.
pub struct Draft {
    /// What was typed.
    pub text: Zeroizing<Vec<u8>>,
    /// The [`fingerprint`] of the text that the edit began with.
    pub base: String,
    /// Where the draft is.
    pub path: PathBuf,
}

/// Tells two plaintexts apart. Kept only within a draft, encrypted: a short text could be guessed.
pub fn fingerprint(text: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// Where the drafts of `file` are kept, the oldest first; `None` without a home.
fn places(context: &Context, file: &Path) -> Option<impl Iterator<Item = PathBuf>> {
    let absolute = std::fs::canonicalize(file)
        .or_else(|_| std::path::absolute(file))
        .ok()?;
    let digest = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
    let name: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let directory = context.environment.state_dir()?.join("drafts");
    let names = (1_u32..).map(move |number| match number {
        1 => format!("{name}.json"),
        _ => format!("{name}-{number}.json"),
    });
    Some(names.map(move |name| directory.join(name)))
}

/// The latest draft of `file`, where there is one.
pub fn of(context: &Context, file: &Path) -> Option<PathBuf> {
    places(context, file)?
        .take_while(|path| path.is_file())
        .last()
}

/// Keeps `text` as a draft of `file`: in the place of `resumed`, the draft that it was made of,
/// else beside the older ones. `base` is the fingerprint of what the edit began with.
///
/// # Errors
/// Where it cannot be kept.
pub fn keep(
    context: &Context,
    file: &Path,
    metadata: &Metadata,
    data_key: &DataKey,
    text: &[u8],
    base: &str,
    resumed: Option<&Path>,
) -> Outcome {
    let path = resumed
        .map(Path::to_path_buf)
        .or_else(|| places(context, file)?.find(|path| !path.exists()))
        .ok_or_else(|| Failure::new(Status::Unwritable, "there is no place for a draft"))?;
    if let Some(directory) = path.parent() {
        make_private(directory).map_err(|error| {
            let message = format!("{}: {error}", directory.display());
            Failure::new(Status::Unwritable, message)
        })?;
    }
    let encoded = Zeroizing::new(STANDARD.encode(text));
    let data = Data::Map(vec![
        (TEXT.into(), Data::str(encoded.as_bytes())),
        (BASE.into(), Data::str(base.as_bytes())),
    ]);
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
    let encrypted = save::seal_draft(context, &Json, &document, sealing)?;
    let written = output::write(
        &path,
        &encrypted.text,
        // as closely kept as plain text: only this user has any use for it
        Content::Plain,
        &context.environment,
    );
    save::finish(&path.display().to_string(), written)
}

/// Makes a directory that only this user can look into, with what is in it, also where an older
/// version of bulla made it.
fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(directory)?;
        set_permissions(directory, Permissions::from_mode(0o700))?;
        for draft in std::fs::read_dir(directory)?.flatten() {
            if draft.file_type().is_ok_and(|kind| kind.is_file()) {
                set_permissions(draft.path(), Permissions::from_mode(0o600))?;
            }
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(directory)
}

/// The latest draft of `file`.
///
/// # Errors
/// Where there is none, or it cannot be opened.
pub fn load(context: &Context, file: &Path, flags: &Unlocking) -> Outcome<Draft> {
    let Some(path) = of(context, file) else {
        let message = format!("{}: there is no unsaved edit of this file", file.display());
        return Err(Failure::new(Status::General, message));
    };
    let mut input = Input::read(context, Some(&path), &Types::default(), None, Purpose::Read)?;
    let unlocked = unlock::unlock(context, &mut input, flags)?;
    let plain = unlocked.plaintext(context, &input, false)?;
    let document = input::parse(&input.name, &Json, plain, context.parsing())?;
    let entry = |name: &str| {
        let path = DataPath(vec![Step::Key(name.into())]);
        document.find(0, &path).map(|id| document.value(id).text)
    };
    let decoded = entry(TEXT).and_then(|text| STANDARD.decode(text).ok());
    let Some(text) = decoded.map(Zeroizing::new) else {
        let message = format!("{} is no draft", path.display());
        return Err(Failure::new(Status::Unreadable, message));
    };
    let base = entry(BASE).unwrap_or_default();
    let base = String::from_utf8_lossy(base).into_owned();
    Ok(Draft { text, base, path })
}

/// Removes a draft: it was saved.
pub fn discard(path: &Path) {
    // Left behind it would only be offered again.
    let _ = std::fs::remove_file(path);
}
