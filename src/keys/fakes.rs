//! What the tests of this layer share: throw-away keys, and a master key that does as it is told.

use super::age::{AgeIdentities, AgeKey, IdentitySource};
use super::{
    Address, Cause, DEFAULT_ORDER, KeyError, KeyGroup, KeyGroups, MasterKey, Prompt, Unlocker,
    UnwrapError, Wrapped, Wrapper,
};
use crate::crypto::{DataKey, Random, RandomError};
use crate::document::Data;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

pub(super) const KEYS: [&str; 3] = [
    include_str!("../../testdata/keys/a.key"),
    include_str!("../../testdata/keys/b.key"),
    include_str!("../../testdata/keys/c.key"),
];
pub(super) const RECIPIENTS: [&str; 3] = [
    "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu",
    "age17j6m55js63d6sgqwfgqgfcds3mvyacnmd248dfvqyl5am22l2u3svw8ut4",
    "age1wawkfym6xcufeyl670f3q9ktp0sfmxsjwu5k6yvjvz4pntm3c4ws42wzf8",
];

/// A generator that is anything but random.
pub(super) struct Counter(pub(super) u8);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(7);
            *byte = self.0;
        }
        Ok(())
    }
}

/// A key that anybody could guess.
pub(super) fn data_key() -> DataKey {
    DataKey::from_bytes(&[9; 32]).expect("32 bytes")
}

pub(super) struct Nobody;

impl Prompt for Nobody {
    fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
        None
    }
}

/// A key that writes down that it was tried, and yields what it is told to.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) provider: &'static str,
    pub(super) id: &'static str,
    pub(super) wrapped: Option<&'static str>,
    pub(super) yields: Option<Vec<u8>>,
    pub(super) asks: bool,
    pub(super) tried: Arc<Mutex<Vec<String>>>,
}

impl MasterKey for Fake {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn id(&self) -> &str {
        self.id
    }

    fn address(&self) -> Address {
        Address::Hckms(self.id.to_owned())
    }

    fn is_local(&self) -> bool {
        !self.provider.contains("kms")
    }

    fn wrapped(&self) -> Option<&str> {
        self.wrapped
    }

    fn take(&mut self, _: Wrapped, _: &str) {}

    fn wrap(&mut self, part: &[u8], _: &mut Wrapper<'_>) -> Result<(), Cause> {
        self.yields = Some(part.to_vec());
        Ok(())
    }

    fn unwrap(&self, unlocker: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let asking = unlocker.prompt.is_some();
        let how = if asking { "asking " } else { "" };
        self.tried
            .lock()
            .expect("lock")
            .push(format!("{how}{}", self.id));
        unlocker.held_back = self.asks && !asking;
        match &self.yields {
            Some(part) if asking || !self.asks => Ok(Zeroizing::new(part.clone())),
            _ => Err(vec![UnwrapError::NotWrapped]),
        }
    }

    fn to_data(&self) -> Data {
        Data::null()
    }

    fn boxed_clone(&self) -> Box<dyn MasterKey> {
        Box::new(self.clone())
    }
}

pub(super) fn fake(provider: &'static str, id: &'static str) -> Fake {
    let tried = Arc::default();
    Fake {
        provider,
        id,
        wrapped: None,
        yields: None,
        asks: false,
        tried,
    }
}

pub(super) fn group<const N: usize>(fakes: [Fake; N]) -> KeyGroup {
    fakes.into_iter().map(|fake| Box::new(fake) as _).collect()
}

pub(super) fn identities(keys: &[&str]) -> AgeIdentities {
    AgeIdentities::load(keys.iter().map(|key| IdentitySource::Text {
        origin: "K".to_owned(),
        text: Zeroizing::new((*key).to_owned()),
    }))
}

pub(super) fn age_key(recipient: &str, enc: &str) -> Box<dyn MasterKey> {
    Box::new(AgeKey::from_data(&Data::Map(vec![
        (b"recipient".to_vec(), Data::str(recipient)),
        (b"enc".to_vec(), Data::str(enc)),
    ])))
}

pub(super) fn unwrap(groups: &KeyGroups, keys: &[&str]) -> Result<String, KeyError> {
    let (mut age, mut nobody) = (identities(keys), Nobody);
    let unlocker = Unlocker {
        prompt: Some(&mut nobody),
        ..Unlocker::new(&mut age)
    };
    let key = groups.unwrap_data_key(&DEFAULT_ORDER, unlocker)?.key;
    Ok(key
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
