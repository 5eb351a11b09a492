//! New master keys for an encrypted file: the keys in its metadata change, and nothing else does.

use super::Context;
use super::failure::{Failure, Outcome, Status};
use super::input::Input;
use super::keyring::Keyring;
use crate::crypto::DataKey;
use crate::document::{Document, splice};
use crate::keys::KeyGroups;
use crate::metadata::Metadata;
use crate::store::{ParseOptions, Store};
use zeroize::Zeroizing;

/// An encrypted file whose master keys are going to be others.
pub struct Rekeying<'r> {
    /// The world.
    pub context: &'r Context,
    /// Where the file came from.
    pub input: &'r Input,
    /// The file.
    pub document: &'r Document,
    /// Its metadata.
    pub metadata: &'r Metadata,
    /// Its data key, which stays.
    pub data_key: &'r DataKey,
}

impl Rekeying<'_> {
    /// The text of the file with the data key wrapped for `keys`.
    ///
    /// # Errors
    /// Where a key cannot be wrapped for, or the text that came of it is not what it should be.
    pub fn text(&self, mut keys: KeyGroups, keyring: &mut Keyring<'_>) -> Outcome<Vec<u8>> {
        self.context.wrap(&mut keys, self.data_key)?;
        let input = self.input;
        let mut metadata = self.metadata.clone();
        metadata.keys = keys;
        let (data, layout) = (metadata.to_data(), input.layout(self.context));
        let parsing = self.context.parsing();
        let text = input
            .store
            .with_metadata(self.document, &data, layout, parsing)
            .map_err(|error| Failure::new(Status::Unreadable, error).of(&input.name))?;
        let check = Check {
            store: input.store,
            parsing,
            before: self.document,
            metadata: &metadata,
            data_key: self.data_key,
        };
        let mut open = |keys: &KeyGroups| match keyring.open_silently(keys) {
            Some(key) => Opened::To(key),
            None if keyring.must_open(keys) => Opened::Not,
            None => Opened::Unknown,
        };
        let Some(fault) = check.fault(&text, &mut open) else {
            return Ok(text);
        };
        let message = format!(
            "{}: the result was not as it should be: {fault}",
            input.name
        );
        Err(Failure::new(Status::Encrypt, message)
            .hint("nothing was written; please report this file's structure as a defect of bulla"))
    }
}

/// What the identities at hand make of new keys.
enum Opened {
    /// They open them to this data key.
    To(DataKey),
    /// They should open them, and do not.
    Not,
    /// They are not among those who can.
    Unknown,
}

/// What a new text is held against.
struct Check<'c> {
    store: &'static dyn Store,
    parsing: ParseOptions,
    before: &'c Document,
    metadata: &'c Metadata,
    data_key: &'c DataKey,
}

impl Check<'_> {
    /// What is wrong with the new text: it must be the same but for its metadata, carry the metadata that
    /// was meant, and open with our identities to the same data key, if it is theirs to open.
    fn fault(
        &self,
        text: &[u8],
        open: &mut dyn FnMut(&KeyGroups) -> Opened,
    ) -> Option<&'static str> {
        let text = Zeroizing::new(text.to_vec());
        let Ok(written) = self.store.parse(text, self.parsing) else {
            return Some("it does not parse");
        };
        let bare = |document: &Document| splice(&document.source, &mut self.store.detach(document));
        if bare(&written) != bare(self.before) {
            return Some("more than the metadata changed");
        }
        let metadata = self.store.metadata(&written).ok().flatten();
        let metadata = metadata.and_then(|data| Metadata::from_data(&data).ok());
        let Some(metadata) = metadata else {
            return Some("its metadata cannot be read");
        };
        if metadata.to_data() != self.metadata.to_data() {
            return Some("its metadata is not what was meant");
        }
        let mut keys = metadata.keys.groups.iter().flatten();
        if keys.any(|key| key.wrapped().is_none()) {
            return Some("a key of it holds nothing");
        }
        match open(&metadata.keys) {
            Opened::To(key) if key != *self.data_key => Some("it opens to another data key"),
            Opened::Not => Some("it does not open with the identity that it is for"),
            Opened::To(_) | Opened::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemRandom;
    use crate::keys::{
        AgeIdentities, AwsOptions, DEFAULT_ORDER, IdentitySource, Provider, Unlocker, Wrapper,
    };
    use crate::metadata::Selection;
    use crate::store::{Layout, Yaml};

    fn document(text: &str) -> Document {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        Yaml.parse(text, ParseOptions::default()).expect("YAML")
    }

    fn data_key(byte: u8) -> DataKey {
        DataKey::from_bytes(&[byte; 32]).expect("32 bytes")
    }

    /// The metadata of a file whose data key is wrapped for somebody, and how they open it.
    fn metadata(key: &DataKey) -> (Metadata, AgeIdentities) {
        let (secret, recipient) = crate::keys::keygen();
        let age = Provider::find("age").expect("age");
        let mut keys = KeyGroups {
            groups: vec![
                age.parse(&recipient, &AwsOptions::default())
                    .expect("a recipient"),
            ],
            threshold: 0,
        };
        let mut random = SystemRandom;
        keys.wrap_all(key, &mut Wrapper::new(&mut random))
            .expect("wrapped");
        let mut metadata = Metadata::new(keys, Selection::default(), false, "3.13.2");
        metadata.last_modified = "2026-01-01T00:00:00Z".to_owned();
        metadata.mac = Some("mac".to_owned());
        let source = IdentitySource::Text {
            origin: "K".to_owned(),
            text: secret,
        };
        (metadata, AgeIdentities::load([source]))
    }

    fn attached(metadata: &Metadata) -> String {
        let body = document("a: x # c\n");
        let mut splices = Yaml.attach(&body, &metadata.to_data(), Layout::default());
        let text = splice(&body.source, &mut splices);
        String::from_utf8(text.to_vec()).expect("text")
    }

    /// What is wrong with `text`, where `metadata` was meant and the data key is one of `7`.
    fn fault(text: &str, metadata: &Metadata, mut age: AgeIdentities) -> Option<&'static str> {
        let (before, _) = self::metadata(&data_key(1));
        let check = Check {
            store: &Yaml,
            parsing: ParseOptions::default(),
            before: &document(&attached(&before)),
            metadata,
            data_key: &data_key(7),
        };
        check.fault(text.as_bytes(), &mut |keys| {
            let unlocker = Unlocker::new(&mut age);
            match keys.unwrap_data_key(&DEFAULT_ORDER, unlocker) {
                Ok(recovered) => Opened::To(recovered.key),
                Err(_) => Opened::Not,
            }
        })
    }

    #[test]
    fn a_text_with_nothing_but_new_keys_is_as_it_should_be() {
        let (metadata, age) = metadata(&data_key(7));
        assert_eq!(fault(&attached(&metadata), &metadata, age), None);
    }

    #[test]
    fn a_text_that_is_not_what_was_meant_is_found_out() {
        let (good, _) = metadata(&data_key(7));
        let text = attached(&good);
        for (text, expected) in [
            (
                text.replace("a: x", "a: y"),
                "more than the metadata changed",
            ),
            (text.replace("a: x", "a: [x"), "it does not parse"),
            (
                text.replace("mac: mac", "mac: other"),
                "its metadata is not what was meant",
            ),
            (
                text.replace("sops:", "soap:"),
                "more than the metadata changed",
            ),
            (
                text.replace("lastmodified:", "lostmodified:"),
                "its metadata cannot be read",
            ),
        ] {
            let found = fault(&text, &good, AgeIdentities::default());
            assert_eq!(found, Some(expected), "{text}");
        }
    }

    #[test]
    fn keys_that_open_to_something_else_or_not_at_all_are_found_out() {
        let (other, age) = metadata(&data_key(8));
        let found = fault(&attached(&other), &other, age);
        assert_eq!(found, Some("it opens to another data key"));
        let (good, _) = metadata(&data_key(7));
        let found = fault(&attached(&good), &good, AgeIdentities::default());
        assert_eq!(
            found,
            Some("it does not open with the identity that it is for")
        );
    }
}
