//! age: recipients `age1…`, post-quantum, of plugins, and ssh keys.

mod bech32;
mod hybrid;
mod identity;
mod locked;
mod plugin;
mod recipient;
mod source;
#[cfg(test)]
mod vectors;

pub use identity::{AgeIdentities, Unlocked};
pub use plugin::{Plugin, PluginError, Plugins};
pub use recipient::RecipientProblem;
pub use source::{AgeError, IdentityProblem, IdentitySource, Reason};

use super::{
    Address, Cause, MasterKey, Prompt, Provider, Unlocker, UnwrapError, Wrapped, Wrapper, field,
};
use crate::document::Data;
use identity::Asking;
use recipient::Recipient;
use zeroize::Zeroizing;

use ::age::secrecy::ExposeSecret;

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "age",
    flag: "age",
    env: "SOPS_AGE_RECIPIENTS",
    config_field: "age",
    has_created_at: false,
    parse: |text, _| Ok(Box::new(AgeKey::new(text)?)),
    from_data: |entry| Box::new(AgeKey::from_data(entry)),
    address: |entry| AgeKey::from_data(entry).address(),
};

/// Somebody with an age identity.
#[derive(Clone)]
pub struct AgeKey {
    recipient: String,
    enc: Option<String>,
}

impl AgeKey {
    /// The key of a recipient, blanks around it cut off; an ssh key keeps its comment.
    ///
    /// # Errors
    /// [`RecipientProblem`] where this version cannot encrypt to it.
    pub fn new(recipient: &str) -> Result<Self, RecipientProblem> {
        let recipient = recipient.trim();
        recipient.parse::<Recipient>()?;
        Ok(Self {
            recipient: recipient.to_owned(),
            enc: None,
        })
    }

    /// The key of an entry in the metadata. Its recipient is looked at when it is used.
    #[must_use]
    pub fn from_data(entry: &Data) -> Self {
        let text = |name| field(entry, name).and_then(Data::text).unwrap_or_default();
        let enc = Some(text("enc")).filter(|enc| !enc.is_empty());
        Self {
            recipient: text("recipient").to_owned(),
            enc: enc.map(str::to_owned),
        }
    }
}

impl MasterKey for AgeKey {
    fn provider(&self) -> &'static str {
        PROVIDER.id
    }

    fn id(&self) -> &str {
        self.recipient.trim()
    }

    fn address(&self) -> Address {
        Address::Age(self.recipient.clone())
    }

    fn wrapped(&self) -> Option<&str> {
        self.enc.as_deref()
    }

    fn take(&mut self, wrapped: Wrapped, _: &str) {
        self.enc = Some(wrapped.enc);
    }

    fn wrap(&mut self, part: &[u8], wrapper: &mut Wrapper<'_>) -> Result<(), Cause> {
        let recipient: Recipient = self.recipient.trim().parse()?;
        let mut nobody = Nobody;
        let prompt: &mut dyn Prompt = match &mut wrapper.prompt {
            Some(prompt) => &mut **prompt,
            None => &mut nobody,
        };
        let host = wrapper.plugins.as_mut().map(|plugins| plugin::Host {
            plugins: &mut **plugins,
            prompt,
        });
        self.enc = Some(recipient.encrypt(part, host).map_err(cause)?);
        Ok(())
    }

    fn unwrap(&self, unlocker: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let Some(enc) = &self.enc else {
            return Err(vec![UnwrapError::NotWrapped]);
        };
        let asking = match &mut unlocker.prompt {
            Some(prompt) => Some(Asking {
                prompt: &mut **prompt,
                plugins: match &mut unlocker.plugins {
                    Some(plugins) => Some(&mut **plugins),
                    None => None,
                },
            }),
            None => None,
        };
        let opened = unlocker.age.open(self.id(), enc, asking);
        unlocker.held_back |= unlocker.prompt.is_none() && unlocker.age.would_ask(self.id());
        opened.map_err(|error| vec![UnwrapError::Provider(Box::new(error))])
    }

    fn to_data(&self) -> Data {
        let enc = self.enc.as_deref().unwrap_or_default();
        Data::Map(vec![
            (b"enc".to_vec(), Data::str(enc)),
            (b"recipient".to_vec(), Data::str(&self.recipient)),
        ])
    }

    fn boxed_clone(&self) -> Box<dyn MasterKey> {
        Box::new(self.clone())
    }
}

/// The plugin's own error, where it is one.
fn cause(error: ::age::EncryptError) -> Cause {
    match error {
        ::age::EncryptError::Io(error) => match error.downcast::<PluginError>() {
            Ok(error) => error.into(),
            Err(error) => error.into(),
        },
        error => error.into(),
    }
}

/// Where nobody can be asked.
struct Nobody;

impl Prompt for Nobody {
    fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
        None
    }
}

/// A new X25519 identity, and the recipient that belongs to it.
#[must_use]
pub fn keygen() -> (Zeroizing<String>, String) {
    let identity = ::age::x25519::Identity::generate();
    let secret = Zeroizing::new(identity.to_string().expose_secret().to_owned());
    (secret, identity.to_public().to_string())
}

/// A new post-quantum identity, and the recipient that belongs to it.
#[must_use]
pub fn keygen_hybrid() -> (Zeroizing<String>, String) {
    let identity = hybrid::Identity::generate();
    (identity.to_text(), identity.to_public().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";

    use crate::crypto::{Random, RandomError};

    struct NoRandom;

    impl Random for NoRandom {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
            unreachable!("age has its own source")
        }
    }

    fn wrap(key: &mut AgeKey, part: &[u8]) -> Result<(), Cause> {
        key.wrap(part, &mut Wrapper::new(&mut NoRandom))
    }

    fn identities(text: &str) -> AgeIdentities {
        let text = Zeroizing::new(text.to_owned());
        let origin = "K".to_owned();
        AgeIdentities::load([IdentitySource::Text { origin, text }])
    }

    fn unwrap(key: &AgeKey, age: &mut AgeIdentities) -> Result<Vec<u8>, Vec<UnwrapError>> {
        key.unwrap(&mut Unlocker::new(age))
            .map(|part| part.to_vec())
    }

    #[test]
    fn what_is_wrapped_for_a_new_identity_is_unwrapped_with_it() {
        for (kind, (secret, recipient)) in [
            ("AGE-SECRET-KEY-1", keygen()),
            ("AGE-SECRET-KEY-PQ-1", keygen_hybrid()),
        ] {
            assert!(secret.starts_with(kind));
            let mut key = AgeKey::new(&recipient).expect("recipient");
            for part in [&[7; 32][..], &[8; 33]] {
                wrap(&mut key, part).expect("wrapped");
                assert_eq!(unwrap(&key, &mut identities(&secret)).expect("part"), part);
            }
        }
    }

    #[test]
    fn what_is_wrapped_for_an_ssh_key_is_unwrapped_with_it() {
        for (public, secret) in [
            (
                include_str!("../../../testdata/keys/ssh.pub"),
                include_str!("../../../testdata/keys/ssh.key"),
            ),
            (
                include_str!("../../../testdata/keys/rsa.pub"),
                include_str!("../../../testdata/keys/rsa.key"),
            ),
        ] {
            let mut key = AgeKey::new(public).expect("recipient");
            assert_eq!(key.id(), public.trim());
            wrap(&mut key, &[7; 32]).expect("wrapped");
            assert_eq!(
                unwrap(&key, &mut identities(secret)).expect("part"),
                [7; 32]
            );
        }
    }

    #[test]
    fn a_wrapped_key_is_laid_out_as_sops_does() {
        let mut key = AgeKey::new(A).expect("recipient");
        wrap(&mut key, &[7; 32]).expect("wrapped");
        let enc = key.wrapped().expect("wrapped").to_owned();
        let lines: Vec<&str> = enc.split('\n').collect();
        let [first, body @ .., last, ""] = &lines[..] else {
            panic!("no line end behind {enc}")
        };
        assert_eq!(*first, "-----BEGIN AGE ENCRYPTED FILE-----");
        assert_eq!(*last, "-----END AGE ENCRYPTED FILE-----");
        assert!(body[..body.len() - 1].iter().all(|line| line.len() == 64));
    }

    #[test]
    fn an_entry_goes_through_unchanged_whoever_it_is_for() {
        for recipient in [A, "age1pq1qq", "age1yubikey1qq", "whatever"] {
            let entry = Data::Map(vec![
                (b"enc".to_vec(), Data::str("-----BEGIN\nx\n")),
                (b"recipient".to_vec(), Data::str(recipient)),
            ]);
            assert!(AgeKey::from_data(&entry).to_data() == entry);
        }
    }

    #[test]
    fn a_recipient_of_a_file_is_looked_at_when_it_is_used() {
        let entry = Data::Map(vec![(b"recipient".to_vec(), Data::str("age1pq1qq"))]);
        let mut key = AgeKey::from_data(&entry);
        let error = wrap(&mut key, &[7; 32]).unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(RecipientProblem::Hybrid(_))
        ));
        let reasons = unwrap(&key, &mut identities("")).unwrap_err();
        assert!(matches!(reasons[..], [UnwrapError::NotWrapped]));
    }
}
