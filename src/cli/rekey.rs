//! New master keys for an encrypted file: the keys in its metadata change, and nothing else does.

use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input};
use super::keyring::Keyring;
use super::{Context, unlock};
use crate::crypto::DataKey;
use crate::document::{Document, splice};
use crate::keys::KeyGroups;
use crate::metadata::Metadata;
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
    pub fn text(
        &self,
        mut keys: KeyGroups,
        keyring: &mut Keyring<'_>,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        self.context.wrap(&mut keys, self.data_key)?;
        let input = self.input;
        let mut metadata = self.metadata.clone();
        metadata.keys = keys;
        let body = splice(
            &self.document.source,
            &mut input.store.detach(self.document),
        );
        let body = input::parse(&input.name, input.store, body, self.context.parsing())?;
        let layout = input.layout(self.context);
        let mut splices = input.store.attach(&body, &metadata.to_data(), layout);
        let text = splice(&body.source, &mut splices);
        match self.fault(&body, &metadata, &text, keyring) {
            None => Ok(text),
            Some(fault) => {
                let message = format!(
                    "{}: the result was not as it should be: {fault}",
                    input.name
                );
                Err(Failure::new(Status::Encrypt, message).hint(
                    "nothing was written; please report this file's structure as a defect of bulla",
                ))
            }
        }
    }

    /// What is wrong with the new text: it must parse to the same body, carry the metadata that
    /// was meant, and open with our identities to the same data key, if it opens at all.
    fn fault(
        &self,
        body: &Document,
        wanted: &Metadata,
        text: &[u8],
        keyring: &mut Keyring<'_>,
    ) -> Option<&'static str> {
        let store = self.input.store;
        let text = Zeroizing::new(text.to_vec());
        let Ok(written) = store.parse(text, self.context.parsing()) else {
            return Some("it does not parse");
        };
        let rest = splice(&written.source, &mut store.detach(&written));
        if *rest != *body.source {
            return Some("more than the metadata changed");
        }
        let Ok(metadata) = unlock::metadata(&self.input.name, &written) else {
            return Some("its metadata cannot be read");
        };
        if metadata.to_data() != wanted.to_data() {
            return Some("its metadata is not what was meant");
        }
        if metadata
            .keys
            .groups
            .iter()
            .flatten()
            .any(|key| key.wrapped().is_none())
        {
            return Some("a key of it holds nothing");
        }
        match keyring.open_silently(&metadata.keys) {
            Some(key) if key != *self.data_key => Some("it opens to another data key"),
            _ => None,
        }
    }
}
