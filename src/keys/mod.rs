//! Master keys: who can open a file's data key.
//!
//! A provider is a file here and a row in [`PROVIDERS`]. This layer reaches for nothing outside
//! of itself: what opens keys comes in through [`Unlocker`], what makes them through [`Wrapper`].

mod address;
pub mod age;
mod azure_kv;
#[cfg(test)]
mod fakes;
mod gcp_kms;
mod groups;
mod hc_vault;
mod hckms;
mod kms;
mod load;
mod opened;
pub mod pgp;
mod report;
mod service;
mod service_key;
mod unwrap;

pub use address::Address;
pub use age::{
    AgeError, AgeIdentities, IdentitySource, Plugin, PluginError, Plugins, Unlocked, keygen,
    keygen_hybrid,
};
pub use azure_kv::AzureAddress;
pub use groups::{KeyGroup, KeyGroups, WrapError, WrapKeysError};
pub use hc_vault::VaultAddress;
pub use kms::{AwsOptions, ContextError, KmsAddress};
pub use load::{LoadError, field};
pub use opened::Opened;
pub use pgp::{Gpg, GpgNotRun, GpgOutput, PgpError};
pub use report::{GroupOutcome, KeyError, KeyFailure};
pub use service::{Agent, Service, ServiceError, UnwrapRequest, Wanted, WrapRequest, Wrapped};
pub use service_key::NameError;
pub use unwrap::{KeyTrial, Recovered, Trial};

use crate::crypto::Random;
use crate::document::Data;
use zeroize::Zeroizing;

/// The metadata's lists of keys, in the order in which they make up a loaded group.
pub const FIELDS: [&str; 7] = [
    "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age",
];

/// The order in which sops tries the keys of a group, unless told otherwise.
pub const DEFAULT_ORDER: [&str; 2] = ["age", "pgp"];

/// Every provider of keys, in the order in which sops makes a group of what flags name.
pub static PROVIDERS: [Provider; 7] = [
    kms::PROVIDER,
    pgp::PROVIDER,
    gcp_kms::PROVIDER,
    hckms::PROVIDER,
    azure_kv::PROVIDER,
    hc_vault::PROVIDER,
    age::PROVIDER,
];

/// An error of one provider, in its own words; never holds a key.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The key that a text names.
type Parsed = Result<Box<dyn MasterKey>, Cause>;

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
    parse: fn(&str, &AwsOptions) -> Parsed,
    from_data: fn(&Data) -> Box<dyn MasterKey>,
    /// What names the key of an entry towards a service.
    address: fn(&Data) -> Address,
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
    /// The provider with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|p| p.id == id)
    }

    /// New keys for the recipients in a text, separated by commas as in an option.
    ///
    /// # Errors
    /// [`RecipientError`] at the first that is none.
    pub fn parse(&self, recipients: &str, aws: &AwsOptions) -> Result<KeyGroup, RecipientError> {
        let texts = recipients.split(',').map(str::trim);
        let texts = texts.filter(|text| !text.is_empty());
        texts
            .enumerate()
            .map(|(at, text)| self.parse_one(text, at + 1, aws))
            .collect()
    }

    /// A new key for one recipient, which stands at `place` (from 1) in its list.
    ///
    /// # Errors
    /// [`RecipientError`] where it is none.
    pub fn parse_one(
        &self,
        text: &str,
        place: usize,
        aws: &AwsOptions,
    ) -> Result<Box<dyn MasterKey>, RecipientError> {
        (self.parse)(text, aws).map_err(|cause| RecipientError {
            provider: self.id,
            place,
            cause,
        })
    }

    /// What a key that `text` names is called in files, as far as that can be told.
    #[must_use]
    pub fn id_of(&self, text: &str, aws: &AwsOptions) -> String {
        let key = self.parse_one(text, 1, aws);
        key.map_or_else(|_| text.trim().to_owned(), |key| key.id().to_owned())
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

    /// What names it towards a service.
    fn address(&self) -> Address;

    /// Whether it can be used without a service; [`MasterKey::wrap`] and [`MasterKey::unwrap`]
    /// are of no use on one that cannot.
    fn is_local(&self) -> bool {
        true
    }

    /// The wrapped data key or share; `None` before the first [`MasterKey::wrap`].
    fn wrapped(&self) -> Option<&str>;

    /// Wraps a data key or a share of one, in the place of what was wrapped before.
    ///
    /// # Errors
    /// In the provider's words, where that is not possible; nothing is changed then.
    fn wrap(&mut self, part: &[u8], wrapper: &mut Wrapper<'_>) -> Result<(), Cause>;

    /// Takes what a service wrapped at the time `now`, in the place of what was wrapped before.
    fn take(&mut self, wrapped: Wrapped, now: &str);

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
        self.address().is_same_as(&other.address())
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
    /// Only a service can use it, and there is none to ask.
    #[error("there is no service to ask for {provider} keys")]
    NoService {
        /// The provider's id.
        provider: &'static str,
    },
    /// Keys of this kind are used here, but only a service may be asked.
    #[error("keys of this machine are left out (--enable-local-keyservice=false)")]
    LeftOut,
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
    /// True where there was nobody to ask.
    pub(super) fn is_for_want_of_a_service(&self) -> bool {
        matches!(self, Self::NoService { .. } | Self::LeftOut)
    }

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
    /// Services that hold keys, in the order in which they are asked.
    pub services: &'a [&'a dyn Service],
    /// Whether keys may be used without a service where they can.
    pub local: bool,
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
            services: &[],
            local: true,
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
    /// Services that hold keys, in the order in which they are asked.
    pub services: &'a [&'a dyn Service],
    /// Who holds what was opened before this run, and is asked before any person is.
    pub agent: Option<&'a dyn Agent>,
    /// Whether keys may be used without a service where they can.
    pub local: bool,
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
            services: &[],
            agent: None,
            local: true,
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
        assert_eq!(PROVIDERS.len(), FIELDS.len());
        for field in FIELDS {
            assert!(Provider::find(field).is_some(), "{field}");
        }
        assert!(Provider::find("tpm").is_none());
    }

    #[test]
    fn recipients_are_separated_by_commas_and_may_be_padded() {
        let keys = age::PROVIDER
            .parse(&format!(" {A}, {B} ,"), &AwsOptions::default())
            .expect("recipients");
        assert_eq!(keys.iter().map(|key| key.id()).collect::<Vec<_>>(), [A, B]);
        assert_eq!(
            age::PROVIDER
                .parse("", &AwsOptions::default())
                .expect("nothing")
                .len(),
            0
        );
    }

    #[test]
    fn a_bad_recipient_is_named_by_its_place_and_not_repeated() {
        let error = age::PROVIDER
            .parse(&format!("{A},hunter2"), &AwsOptions::default())
            .unwrap_err();
        assert_eq!(error.place, 2);
        assert!(!error.to_string().contains("hunter2"));
    }
}
