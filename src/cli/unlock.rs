//! Opening an encrypted file: its metadata, its data key, its text.

use super::Context;
use super::args::Unlocking;
use super::failure::{Failure, Outcome, Status, warn};
use super::input::{self, Input};
use super::keyring::{Keyring, Opening};
use crate::crypto::{DataKey, Stash};
use crate::decrypt::{DecryptOptions, decrypt};
use crate::document::{Data, Document};
use crate::metadata::{Metadata, MetadataError};
use crate::store::Store;
use zeroize::Zeroizing;

/// An encrypted file that was parsed, and the key to it.
pub struct Unlocked {
    /// The file as it is.
    pub document: Document,
    /// Its metadata.
    pub metadata: Metadata,
    /// The key of its tokens.
    pub data_key: DataKey,
}

/// A decrypted file.
pub struct Plain {
    /// The plaintext.
    pub text: Zeroizing<Vec<u8>>,
    /// The tokens of its values.
    pub stash: Stash,
}

/// Reads the metadata of a parsed file.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub fn metadata(name: &str, store: &dyn Store, document: &Document) -> Outcome<Metadata> {
    let data = metadata_data(name, store, document)?.ok_or(MetadataError::NotFound);
    data.and_then(|data| Metadata::from_data(&data))
        .map_err(|error| Failure::from(error).of(name))
}

/// The metadata of a file as data.
///
/// # Errors
/// Where it is there and cannot be read.
pub fn metadata_data(name: &str, store: &dyn Store, document: &Document) -> Outcome<Option<Data>> {
    let found = store.metadata(document);
    found.map_err(|error| input::not_parsed(name, &error))
}

/// Says which documents carry metadata of their own, which nobody reads.
fn say_ignored(name: &str, document: &Document) {
    let block = |key| document.data(document.node(key).end);
    let blocks = document.branches.iter().enumerate();
    let mut blocks = blocks.filter_map(|(at, branch)| Some((at + 1, block(branch.metadata?))));
    let Some((_, first)) = blocks.next() else {
        return;
    };
    for (number, _) in blocks.filter(|(_, other)| *other != first) {
        warn(format!(
            "{name}: the metadata of document {number} is not that of the first, and is ignored"
        ));
    }
}

/// Parses an input and finds its data key, to decrypt it.
///
/// # Errors
/// Where the file is not encrypted, or no key opens it.
pub fn unlock(context: &Context, input: &mut Input, flags: &Unlocking) -> Outcome<Unlocked> {
    unlock_for(context, input, flags, Opening::Decrypt)
}

/// As [`unlock`], for something else.
///
/// # Errors
/// As there.
pub fn unlock_for(
    context: &Context,
    input: &mut Input,
    flags: &Unlocking,
    opening: Opening,
) -> Outcome<Unlocked> {
    // As with sops: what is no encrypted file of its format has no status of its own.
    let document = input
        .parse()
        .map_err(|failure| failure.with(Status::General))?;
    let metadata = metadata(&input.name, input.store, &document)?;
    say_ignored(&input.name, &document);
    let mut keyring = Keyring::new(context, flags)?;
    let data_key = keyring.data_key(input.file.as_deref(), &metadata.keys, opening)?;
    Ok(Unlocked {
        document,
        metadata,
        data_key,
    })
}

impl Unlocked {
    /// Decrypts the file; the MAC is verified unless `ignore_mac`.
    ///
    /// # Errors
    /// Where a token or the MAC does not fit.
    pub fn decrypt(&self, context: &Context, input: &Input, ignore_mac: bool) -> Outcome<Plain> {
        let mut stash = Stash::new();
        let text = self.run(context, input, ignore_mac, Some(&mut stash))?;
        Ok(Plain { text, stash })
    }

    /// As [`Unlocked::decrypt`], for those who write nothing back.
    ///
    /// # Errors
    /// As there.
    pub fn plaintext(
        &self,
        context: &Context,
        input: &Input,
        ignore_mac: bool,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        self.run(context, input, ignore_mac, None)
    }

    fn run(
        &self,
        context: &Context,
        input: &Input,
        ignore_mac: bool,
        stash: Option<&mut Stash>,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        let options = DecryptOptions {
            ignore_mac,
            parsing: context.parsing(),
        };
        let decrypted = decrypt(
            &self.document,
            input.store,
            &self.metadata,
            &self.data_key,
            options,
            stash,
        )
        .map_err(|error| Failure::from(error).of(&input.name))?;
        for warning in &decrypted.warnings {
            warn(format!("{}: {warning}", input.name));
        }
        Ok(decrypted.text)
    }
}
