//! Master keys: who can open a file's data key.
//!
//! A provider is a file here and a row in [`PROVIDERS`]. This layer reaches for nothing outside
//! of itself: what opens keys comes in through [`Unlocker`], what makes them through [`Wrapper`].

pub mod age;
#[cfg(test)]
mod fakes;
mod foreign;
mod groups;
mod kinds;
mod load;
mod opened;
pub mod pgp;
mod report;
mod unwrap;

pub use age::{
    AgeError, AgeIdentities, IdentitySource, Plugin, PluginError, Plugins, keygen, keygen_hybrid,
};
pub use foreign::{ForeignKey, NameError};
pub use groups::{KeyGroup, KeyGroups, WrapError, WrapKeysError};
pub use kinds::{AwsOptions, ContextError, KINDS, Kind};
pub use load::{LoadError, field};
pub use opened::Opened;
pub use pgp::{Gpg, GpgNotRun, GpgOutput, PgpError};
pub use report::{GroupOutcome, KeyError, KeyFailure};
pub use unwrap::{KeyTrial, Trial};

use crate::crypto::Random;
use crate::document::Data;
use zeroize::Zeroizing;

/// The metadata's lists of keys, in the order in which they make up a loaded group.
pub const FIELDS: [&str; 7] = [
    "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age",
];

/// The order in which sops tries the keys of a group, unless told otherwise.
pub const DEFAULT_ORDER: [&str; 2] = ["age", "pgp"];

/// Every provider of keys that this build can use.
pub static PROVIDERS: &[Provider] = &[age::PROVIDER, pgp::PROVIDER];

/// An error of one provider, in its own words; never holds a key.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A kind of master key, and everything that is named after it.
pub struct Provider {
    /// The name of its list in the metadata, and its word in the decryption order.
    pub id: &'static str,
    /// The option that takes its recipients, without dashes.
    pub flag: &'static str,
    /// The environment variable that takes its recipients.
    pub env: &'static str,
    /// The name of its field in a rule of `.sops.yaml`.
    pub config_field: &'static str,
    /// Whether its entries say when they were made.
    pub has_created_at: bool,
    parse: fn(&str) -> Result<Box<dyn MasterKey>, Cause>,
    from_data: fn(&Data) -> Box<dyn MasterKey>,
}

/// Why a text names no recipient. Says the place in the list, since the text may be a secret
/// that was pasted there by mistake.
#[derive(Debug, thiserror::Error)]
#[error("{provider} recipient {place} cannot be used: {cause}")]
pub struct RecipientError {
    /// The provider's id.
    pub provider: &'static str,
    /// Which of the texts, counted from 1.
    pub place: usize,
    /// What is wrong with it.
    #[source]
    pub cause: Cause,
}

impl Provider {
    /// The provider with this id, where this build has it.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|p| p.id == id)
    }

    /// New keys for the recipients in a text, separated by commas as in an option.
    ///
    /// # Errors
    /// [`RecipientError`] at the first that this build cannot use.
    pub fn parse(&self, recipients: &str) -> Result<KeyGroup, RecipientError> {
        let texts = recipients.split(',').map(str::trim);
        let texts = texts.filter(|text| !text.is_empty());
        texts
            .enumerate()
            .map(|(at, text)| self.parse_one(text, at + 1))
            .collect()
    }

    /// A new key for one recipient, which stands at `place` (from 1) in its list.
    ///
    /// # Errors
    /// [`RecipientError`] where this build cannot use it.
    pub fn parse_one(
        &self,
        text: &str,
        place: usize,
    ) -> Result<Box<dyn MasterKey>, RecipientError> {
        (self.parse)(text).map_err(|cause| RecipientError {
            provider: self.id,
            place,
            cause,
        })
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.id)
    }
}

/// Somebody who can open a file: a recipient, and the data key (or a share of it) wrapped for it.
pub trait MasterKey: Send + Sync {
    /// The id of its provider, see [`Provider::id`].
    fn provider(&self) -> &'static str;

    /// What names it in commands and reports, as sops spells it.
    fn id(&self) -> &str;

    /// The wrapped data key or share; `None` before the first [`MasterKey::wrap`].
    fn wrapped(&self) -> Option<&str>;

    /// Wraps a data key or a share of one, in the place of what was wrapped before.
    ///
    /// # Errors
    /// In the provider's words, where that is not possible; nothing is changed then.
    fn wrap(&mut self, part: &[u8], wrapper: &mut Wrapper<'_>) -> Result<(), Cause>;

    /// The data key or share.
    ///
    /// # Errors
    /// Everything that was tried in vain, never empty.
    fn unwrap(&self, unlocker: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>>;

    /// Its entry in the metadata, fields in the order in which sops writes them.
    fn to_data(&self) -> Data;

    /// A copy.
    fn boxed_clone(&self) -> Box<dyn MasterKey>;
}

impl Clone for Box<dyn MasterKey> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

impl dyn MasterKey + '_ {
    /// True for the same key, whatever is wrapped for it.
    #[must_use]
    pub fn is_same_as(&self, other: &dyn MasterKey) -> bool {
        self.provider() == other.provider() && self.id() == other.id()
    }
}

impl std::fmt::Debug for dyn MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.provider(), self.id())
    }
}

/// Why a master key did not yield its part of the data key.
#[derive(Debug, thiserror::Error)]
pub enum UnwrapError {
    /// A provider that this build does not have.
    #[error("{provider} keys are not supported by this build")]
    NotSupported {
        /// The provider's id.
        provider: &'static str,
    },
    /// The entry holds nothing to unwrap.
    #[error("the file holds no data key for this recipient")]
    NotWrapped,
    /// What was unwrapped is no key.
    #[error("what it holds has {found} bytes, and a data key or share here {expected}")]
    Length {
        /// Bytes of what was unwrapped.
        found: usize,
        /// Bytes that a key or share of this file has.
        expected: usize,
    },
    /// The provider's own reason.
    #[error(transparent)]
    Provider(Cause),
}

impl UnwrapError {
    /// Why no age identity opened it, where that is what failed.
    #[must_use]
    pub fn age(&self) -> Option<&AgeError> {
        match self {
            Self::Provider(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

/// Asks somebody: for secrets, and what programs want to know.
pub trait Prompt {
    /// The passphrase of `what` (`ssh key id_rsa`); `None` where nobody can or will answer.
    fn passphrase(&mut self, what: &str) -> Option<Zeroizing<String>>;

    /// The passphrase of an identity file, under whose `cache_id` an agent may remember it.
    fn file_passphrase(&mut self, origin: &str, _cache_id: &str) -> Option<Zeroizing<String>> {
        self.passphrase(&format!("identity {origin}"))
    }

    /// The passphrase of that `cache_id` was wrong: nobody may remember it.
    fn forget(&mut self, _cache_id: &str) {}

    /// A secret that a program asks for: a PIN, a passphrase.
    fn secret(&mut self, _program: &str, _question: &str) -> Option<Zeroizing<String>> {
        None
    }

    /// A text that a program asks for, and that everybody may see.
    fn line(&mut self, _program: &str, _question: &str) -> Option<Zeroizing<String>> {
        None
    }

    /// Whether the answer to a program's question is `yes`; else it is `no`, where there is that.
    fn choose(
        &mut self,
        _program: &str,
        _question: &str,
        _yes: &str,
        _no: Option<&str>,
    ) -> Option<bool> {
        None
    }

    /// Shows what a program has to say; false where nobody sees it.
    fn message(&mut self, _program: &str, _text: &str) -> bool {
        false
    }
}

/// What wraps data keys: all that this layer is given of the world outside for it.
pub struct Wrapper<'a> {
    /// Where randomness comes from.
    pub random: &'a mut dyn Random,
    /// gpg, where there is one to ask.
    pub gpg: Option<&'a mut dyn Gpg>,
    /// age plugins, where programs may be run.
    pub plugins: Option<&'a mut dyn Plugins>,
    /// Who those may ask.
    pub prompt: Option<&'a mut dyn Prompt>,
    /// The time, in RFC 3339, to whole seconds: when new entries say that they were made.
    pub now: &'a str,
}

impl<'a> Wrapper<'a> {
    /// Wraps without any program, in 1970.
    #[must_use]
    pub fn new(random: &'a mut dyn Random) -> Self {
        Self {
            random,
            gpg: None,
            plugins: None,
            prompt: None,
            now: "1970-01-01T00:00:00Z",
        }
    }
}

/// What opens master keys: all that this layer is given of the world outside for it.
pub struct Unlocker<'a> {
    /// The age identities at hand.
    pub age: &'a mut AgeIdentities,
    /// gpg, where there is one to ask.
    pub gpg: Option<&'a mut dyn Gpg>,
    /// age plugins, where programs may be run; they may ask, so not before others may.
    pub plugins: Option<&'a mut dyn Plugins>,
    /// What was opened before, and need not be again.
    pub opened: Option<&'a mut Opened>,
    /// Who to ask; `None` for as long as there is hope of opening the file without asking.
    pub prompt: Option<&'a mut dyn Prompt>,
    /// Set by a key that would have asked.
    pub held_back: bool,
}

impl<'a> Unlocker<'a> {
    /// Opens with age identities alone, and asks nobody.
    #[must_use]
    pub fn new(age: &'a mut AgeIdentities) -> Self {
        Self {
            age,
            gpg: None,
            plugins: None,
            opened: None,
            prompt: None,
            held_back: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";
    const B: &str = "age17j6m55js63d6sgqwfgqgfcds3mvyacnmd248dfvqyl5am22l2u3svw8ut4";

    #[test]
    fn every_provider_is_one_that_the_format_knows() {
        for provider in PROVIDERS {
            assert!(FIELDS.contains(&provider.id), "{provider:?}");
            assert!(Provider::find(provider.id).is_some());
        }
        assert!(Provider::find("kms").is_none());
    }

    #[test]
    fn recipients_are_separated_by_commas_and_may_be_padded() {
        let keys = age::PROVIDER
            .parse(&format!(" {A}, {B} ,"))
            .expect("recipients");
        assert_eq!(keys.iter().map(|key| key.id()).collect::<Vec<_>>(), [A, B]);
        assert_eq!(age::PROVIDER.parse("").expect("nothing").len(), 0);
    }

    #[test]
    fn a_bad_recipient_is_named_by_its_place_and_not_repeated() {
        let error = age::PROVIDER.parse(&format!("{A},hunter2")).unwrap_err();
        assert_eq!(error.place, 2);
        assert!(!error.to_string().contains("hunter2"));
    }
}
