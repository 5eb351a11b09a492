//! age: recipients `age1…` and ssh keys.

mod identity;
mod recipient;

pub use identity::{AgeError, AgeIdentities, IdentityProblem, IdentitySource, Reason};
pub use recipient::RecipientProblem;

use super::{Cause, MasterKey, Provider, Unlocker, UnwrapError, field};
use crate::crypto::Random;
use crate::document::Data;
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
    parse: |text| Ok(Box::new(AgeKey::new(text)?)),
    from_data: |entry| Box::new(AgeKey::from_data(entry)),
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

    fn wrapped(&self) -> Option<&str> {
        self.enc.as_deref()
    }

    fn wrap(&mut self, part: &[u8], _: &mut dyn Random) -> Result<(), Cause> {
        let recipient: Recipient = self.recipient.trim().parse()?;
        self.enc = Some(recipient.encrypt(part)?);
        Ok(())
    }

    fn unwrap(&self, unlocker: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let Some(enc) = &self.enc else {
            return Err(vec![UnwrapError::NotWrapped]);
        };
        let opened = unlocker
            .age
            .open(self.id(), enc, unlocker.prompt.as_deref_mut());
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

/// A new X25519 identity, and the recipient that belongs to it.
#[must_use]
pub fn keygen() -> (Zeroizing<String>, String) {
    let identity = ::age::x25519::Identity::generate();
    let secret = Zeroizing::new(identity.to_string().expose_secret().to_owned());
    (secret, identity.to_public().to_string())
}
