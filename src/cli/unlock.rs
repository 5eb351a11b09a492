//! Opening an encrypted file: its metadata, its data key, its text.

use super::Context;
use super::args::{Unlocking, comma_list};
use super::failure::{Failure, Outcome, Status, warn};
use super::gpg::GpgProgram;
use super::identities::{self, Content, Source};
use super::input::{self, Input};
use super::plugins::PathPlugins;
use super::prompt::Terminal;
use crate::crypto::{DataKey, Stash};
use crate::decrypt::{DecryptOptions, decrypt};
use crate::document::{Data, Document};
use crate::keys::{AgeIdentities, DEFAULT_ORDER, IdentitySource, Unlocker};
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

/// Parses an input and finds its data key.
///
/// # Errors
/// Where the file is not encrypted, or no key opens it.
pub fn unlock(context: &Context, input: &mut Input, flags: &Unlocking) -> Outcome<Unlocked> {
    let document = input.parse()?;
    let metadata = metadata(&input.name, input.store, &document)?;
    say_ignored(&input.name, &document);
    let data_key = data_key(context, &input.name, &metadata, flags)?;
    Ok(Unlocked {
        document,
        metadata,
        data_key,
    })
}

/// The data key of a file, by the identities of this user.
///
/// # Errors
/// Where no key opens the file; the report names every key that was tried.
pub fn data_key(
    context: &Context,
    name: &str,
    metadata: &Metadata,
    flags: &Unlocking,
) -> Outcome<DataKey> {
    let order = decryption_order(flags)?;
    let environment = &context.environment;
    let keys = metadata.keys.groups.iter().flatten();
    let recipients: Vec<&str> = keys
        .filter(|key| key.provider() == "age")
        .map(|key| key.id())
        .collect();
    let commands = recipients
        .iter()
        .flat_map(|recipient| identities::from_commands(environment, Some(*recipient)));
    let mut identities = identities_of(identities::at_hand(environment).chain(commands));
    let unlocker = Unlocker {
        gpg: Some(&mut GpgProgram::new(environment)),
        plugins: Some(&mut PathPlugins::new(environment)),
        opened: Some(&mut context.opened.borrow_mut()),
        prompt: Some(&mut Terminal::new(environment)),
        ..Unlocker::new(&mut identities)
    };
    metadata
        .keys
        .unwrap_data_key(&order, unlocker)
        .map_err(|error| {
            let lacks_identity = !recipients.is_empty() && error.lacks_identity();
            let failure = Failure::from(error).of(name);
            if !lacks_identity {
                return failure;
            }
            failure.hint("no identity yet? `bulla keygen` makes one; then somebody who can open the file adds its recipient with `bulla updatekeys`")
        })
}

/// The age identities in `sources`.
pub fn identities_of(sources: impl Iterator<Item = Source>) -> AgeIdentities {
    AgeIdentities::load(sources.map(|source| {
        if let Some(exposed) = &source.warning {
            warn(exposed);
        }
        let origin = source.origin;
        match source.content {
            Content::Text(bytes) => IdentitySource::sniffed(origin, bytes),
            Content::Missing => IdentitySource::Missing { origin },
            Content::Failed(error) => IdentitySource::Failed {
                origin,
                why: error.to_string(),
            },
        }
    }))
}

fn decryption_order(flags: &Unlocking) -> Outcome<Vec<String>> {
    let Some(order) = &flags.decryption_order else {
        return Ok(DEFAULT_ORDER.map(String::from).to_vec());
    };
    let order = comma_list(order);
    for (i, word) in order.iter().enumerate() {
        if order[..i].contains(word) {
            let message = format!("the decryption order names {word} twice");
            return Err(Failure::new(Status::DuplicateOrder, message));
        }
    }
    Ok(order)
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
