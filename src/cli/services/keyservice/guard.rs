//! On what terms a key service uses a key: what is allowed, and whether somebody is asked first.

use super::Peer;
use crate::cli::prompt::confirm;
use crate::keys::{Address, PROVIDERS};
use std::fmt;

/// What is to be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To wrap a data key.
    Encrypt,
    /// To unwrap one.
    Decrypt,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        })
    }
}

/// The terms.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Key ids and kinds of keys; all, where there are none.
    pub allowed: Vec<String>,
    /// Whether somebody is asked before every operation.
    pub asks: bool,
}

/// How far a key is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever key of its kind it really is.
    Kind,
    /// That very key: what opens must be nothing else.
    Key,
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not among those that may be.
    #[error("this key service is not allowed to use the key (--allow)")]
    NotAllowed,
    /// Whoever was asked does not want it.
    #[error("the request was rejected by the user of the key service")]
    Rejected,
}

impl Guard {
    /// Whether the terms name kinds of keys that there are, and keys that could be.
    ///
    /// # Errors
    /// The first that is neither.
    pub fn check(&self) -> Result<(), &str> {
        let is_word = |text: &&String| {
            !text.contains([':', '/', '!'])
                && text.len() < 8
                && !PROVIDERS.iter().any(|provider| provider.id == **text)
        };
        match self.allowed.iter().find(is_word) {
            Some(unknown) => Err(unknown),
            None => Ok(()),
        }
    }

    /// Lets an operation through, or not; may ask somebody, and wait for the answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(
        &self,
        operation: Operation,
        address: &Address,
        peer: &Peer,
    ) -> Result<Allowed, Refusal> {
        let allowed = self.allows(address).ok_or(Refusal::NotAllowed)?;
        if !self.asks {
            return Ok(allowed);
        }
        let (kind, id) = (address.provider(), printable(&address.id()));
        let question =
            format!("{peer} wants to {operation} with the {kind} key {id}: allow it? (y/n):");
        // the end of the input is no yes
        match confirm(&question) {
            // what was said yes to is that key
            Ok(true) => Ok(Allowed::Key),
            _ => Err(Refusal::Rejected),
        }
    }

    fn allows(&self, address: &Address) -> Option<Allowed> {
        let kind = address.provider();
        if self.allowed.is_empty() || self.allowed.iter().any(|text| text == kind) {
            return Some(Allowed::Kind);
        }
        let is_it = |text: &String| names(text, address);
        self.allowed.iter().any(is_it).then_some(Allowed::Key)
    }
}

/// Whether a text of the list names this key.
fn names(text: &str, address: &Address) -> bool {
    let text = text.trim();
    match address {
        Address::Age(recipient) => same_words(text, recipient),
        Address::Pgp(fingerprint) => {
            text.replace(' ', "").to_uppercase() == fingerprint.replace(' ', "").to_uppercase()
        }
        // in whatever context; a role or a profile of this machine has to be named with it
        Address::Kms(key) => {
            let is_plain = key.role.is_empty() && key.aws_profile.is_empty();
            is_plain && text == key.arn || text == address.id()
        }
        // whatever version
        Address::AzureKv(key) => {
            text == address.id()
                || text.trim_end_matches('/') == format!("{}/keys/{}", key.vault_url, key.name)
        }
        _ => text == address.id(),
    }
}

/// The same recipient; the comment of an ssh key is none of it.
fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace()
        .take(2)
        .eq(other.split_whitespace().take(2))
}

/// A text of somebody else, without what would do something to a terminal.
pub(super) fn printable(text: &str) -> String {
    let shown = text.chars().take(300);
    shown
        .map(|c| match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KmsAddress;

    fn guard(allowed: &[&str]) -> Guard {
        Guard {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            asks: false,
        }
    }

    fn age(recipient: &str) -> Address {
        Address::Age(recipient.to_owned())
    }

    #[test]
    fn without_a_list_every_key_may_be_used() {
        assert_eq!(guard(&[]).allows(&age("age1x")), Some(Allowed::Kind));
    }

    #[test]
    fn a_list_names_kinds_and_keys() {
        let listed = guard(&[
            "pgp",
            "age1xxxxxx",
            "ssh-ed25519 AAAA me@here",
            "arn:aws:kms:eu:1:key/k",
        ]);
        assert_eq!(listed.check(), Ok(()));
        let allows = |address: &Address| listed.allows(address);
        assert_eq!(allows(&Address::Pgp("F1".to_owned())), Some(Allowed::Kind));
        assert_eq!(allows(&age("age1xxxxxx")), Some(Allowed::Key));
        assert_eq!(allows(&age("ssh-ed25519 AAAA other")), Some(Allowed::Key));
        for not in ["age1yyyyyy", "ssh-ed25519 AAAB me@here", ""] {
            assert_eq!(allows(&age(not)), None, "{not}");
        }
        let kms = |arn: &str, role: &str| {
            Address::Kms(KmsAddress {
                arn: arn.to_owned(),
                role: role.to_owned(),
                context: std::collections::BTreeMap::default(),
                aws_profile: String::new(),
            })
        };
        let arn = "arn:aws:kms:eu:1:key/k";
        assert_eq!(allows(&kms(arn, "")), Some(Allowed::Key));
        assert_eq!(allows(&kms(arn, "arn:aws:iam::1:role/any")), None);
        assert_eq!(allows(&kms("arn:aws:kms:eu:1:key/l", "")), None);
    }

    #[test]
    fn a_fingerprint_is_the_same_however_it_is_spelled() {
        let listed = guard(&["ab CD"]);
        let pgp = |text: &str| listed.allows(&Address::Pgp(text.to_owned()));
        assert_eq!(pgp("ABCD"), Some(Allowed::Key));
        assert_eq!(pgp("BCD"), None);
    }

    #[test]
    fn a_kind_that_there_is_not_is_said() {
        assert_eq!(guard(&["age", "agee"]).check(), Err("agee"));
    }

    #[test]
    fn a_key_that_would_write_over_the_question_is_shown_without() {
        assert_eq!(printable("a\x1b[2K\rb"), "a\u{fffd}[2K\u{fffd}b");
    }
}
