//! Encrypting a file anew for those who are to have what is published.
//!
//! Selector, scope of the MAC and cipher are those of the file where the rule says nothing of them,
//! so that what is published decrypts to what the file holds (sops drops them).

use crate::cli::Context;
use crate::cli::configuration::{self, Found};
use crate::cli::encrypt::{encrypt_whole, new_file, say_clear};
use crate::cli::failure::{Failure, Outcome, Status};
use crate::cli::input::{self, Input};
use crate::cli::keyring::Keyring;
use crate::cli::save::{self, Sealing};
use crate::cli::unlock::{self, Unlocked};
use crate::config::Rule;
use crate::crypto::{DataKey, Hmac, Stash};
use crate::document::{Data, Document};
use crate::keys::KeyGroups;
use crate::metadata::Metadata;
use crate::store::{ParseOptions, Store};
use zeroize::Zeroizing;

/// The entry of `sops.bulla` that says of which file the published one was made.
const ORIGIN: &str = "published_from";

/// A file that was encrypted anew.
pub struct Recreated {
    /// The whole text.
    pub text: Zeroizing<Vec<u8>>,
    /// Who can open it.
    pub keys: KeyGroups,
    /// What tells that it need not be written again.
    pub origin: Origin,
}

/// What a published file was made of: a code over the file and the rule, keyed by the data key of
/// the file, so that it tells nobody anything. Encrypting is never the same twice, this is.
pub struct Origin {
    code: String,
    store: &'static dyn Store,
    parsing: ParseOptions,
}

impl Origin {
    fn new(
        context: &Context,
        input: &Input,
        unlocked: &Unlocked,
        new: &Metadata,
        cipher: &str,
    ) -> Self {
        let key = unlocked.data_key.derive(b"bulla:published_from");
        let mut code = Hmac::new(&key);
        let mut add = |part: &[u8]| {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        };
        add(&unlocked.document.source);
        for group in new.keys.ids() {
            add(b"group");
            for id in group {
                add(id.as_bytes());
            }
        }
        add(&(new.keys.needed() as u64).to_be_bytes());
        add(new.selection.to_string().as_bytes());
        add(&[u8::from(new.mac_only_encrypted)]);
        add(cipher.as_bytes());
        add(new.version.as_bytes());
        let code = code.finish();
        let code = code[..16].iter().map(|byte| format!("{byte:02x}"));
        Self {
            code: code.collect(),
            store: input.store,
            parsing: context.parsing(),
        }
    }

    /// Whether a published text has this origin.
    #[must_use]
    pub fn is_of(&self, text: &[u8]) -> bool {
        let document = self
            .store
            .parse(Zeroizing::new(text.to_vec()), self.parsing);
        let data = document
            .ok()
            .and_then(|document| self.store.metadata(&document).ok()?);
        let metadata = data.and_then(|data| Metadata::from_data(&data).ok());
        metadata.is_some_and(|metadata| {
            let mut others = metadata.bulla.others.iter();
            others.any(|(key, value)| {
                key == ORIGIN.as_bytes() && value.text() == Some(self.code.as_str())
            })
        })
    }
}

/// Encrypts a file anew as `rule` says. The MAC of the file is verified, and what comes of it was
/// decrypted again.
///
/// # Errors
/// Where the file does not open, or there is somebody it cannot be encrypted for.
pub fn recreate(
    context: &Context,
    input: &Input,
    unlocked: &Unlocked,
    (found, rule): (&Found, &Rule),
    keyring: &mut Keyring<'_>,
) -> Outcome<Recreated> {
    let plain = unlocked.plaintext(context, input, false)?;
    let document = input::parse(&input.name, input.store, plain, context.parsing_plain())?;
    let old = &unlocked.metadata;
    let mut plan = configuration::recreation(found, rule)?;
    if rule.selection.is_none() {
        plan.selection = old.selection.clone();
    } else if input.store.envelope().is_some() {
        encrypt_whole(&input.name, &mut plan);
    }
    let mac_only = plan.mac_only_encrypted || old.mac_only_encrypted;
    let cipher = rule.cipher.map_or_else(|| old.cipher(), |_| plan.cipher);
    let (mut metadata, data_key) = new_file(context, plan.keys, plan.selection, mac_only)?;
    let origin = Origin::new(context, input, unlocked, &metadata, cipher.name());
    metadata
        .bulla
        .others
        .push((ORIGIN.into(), Data::str(&origin.code)));
    let selection = metadata.selection.clone();
    let sealing = Sealing {
        metadata,
        data_key: data_key.clone(),
        cipher,
        stash: Stash::new(),
        allow_nested: false,
        layout: input.layout(context),
    };
    let encrypted = save::seal(
        context,
        input.file.as_deref(),
        input.store,
        &document,
        sealing,
    )?;
    say_clear(&input.name, &document, &selection, &encrypted);
    let text = Zeroizing::new(encrypted.text);
    let keys = opened(context, input, text.clone(), &data_key, keyring)?;
    Ok(Recreated { text, keys, origin })
}

/// The keys in a text that is to be published: all of them hold something, and those that are
/// ours open it.
fn opened(
    context: &Context,
    input: &Input,
    text: Zeroizing<Vec<u8>>,
    data_key: &DataKey,
    keyring: &mut Keyring<'_>,
) -> Outcome<KeyGroups> {
    let written: Document = input::parse(&input.name, input.store, text, context.parsing())?;
    let keys = unlock::metadata(&input.name, input.store, &written)?.keys;
    let is_wrapped = keys
        .groups
        .iter()
        .flatten()
        .all(|key| key.wrapped().is_some());
    let is_right = match keyring.open_silently(&keys) {
        Some(key) => key == *data_key,
        None => !keyring.must_open(&keys),
    };
    if is_wrapped && is_right {
        return Ok(keys);
    }
    let name = &input.name;
    let message = format!("{name}: what would be published does not open for whom it is");
    Err(Failure::new(Status::Encrypt, message)
        .hint("nothing was published; please report this file's structure as a defect of bulla"))
}
