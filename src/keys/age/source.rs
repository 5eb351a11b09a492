//! Where age identities may be, and what can be wrong with what is found there.

use super::plugin::PluginError;
use super::recipient::plugin_name;
use age::DecryptError;
use std::fmt;
use zeroize::Zeroizing;

/// The largest identity file that is read, in bytes.
pub(super) const MAX_FILE: usize = 16 << 20;

/// The highest scrypt work factor (log2 of the cost) that is computed; age has the same limit.
pub(super) const MAX_WORK_FACTOR: u8 = 22;

/// A place where identities may be, and what the caller found there.
pub enum IdentitySource {
    /// Identities, one or several a line; or an armored file that a passphrase protects.
    Text {
        /// How the place is called in messages: a path, the name of a variable.
        origin: String,
        /// What stands there.
        text: Zeroizing<String>,
    },
    /// Nothing.
    Missing {
        /// How the place is called in messages.
        origin: String,
    },
    /// Something that could not be read.
    Failed {
        /// How the place is called in messages.
        origin: String,
        /// What went wrong, without any secret.
        why: String,
    },
    /// An age file, binary or armored, with identities in it, that a passphrase protects.
    EncryptedFile {
        /// How the place is called in messages.
        origin: String,
        /// The file.
        bytes: Vec<u8>,
    },
    /// An ssh private key.
    Ssh {
        /// How the place is called in messages.
        origin: String,
        /// The file.
        bytes: Zeroizing<Vec<u8>>,
    },
}

impl IdentitySource {
    /// The source in a file or an output: an encrypted one, an ssh key or identities, as its
    /// first bytes say.
    #[must_use]
    pub fn sniffed(origin: String, bytes: Zeroizing<Vec<u8>>) -> Self {
        if is_age_file(&bytes) {
            let bytes = bytes.to_vec();
            return Self::EncryptedFile { origin, bytes };
        }
        if is_private_key(&bytes) {
            return Self::Ssh { origin, bytes };
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let text = Zeroizing::new(text.to_owned());
                Self::Text { origin, text }
            }
            Err(_) => Self::Failed {
                origin,
                why: "it is not text".to_owned(),
            },
        }
    }
}

/// The starts by which sops knows an encrypted identity file.
pub(super) fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption") || bytes.starts_with(b"-----BEGIN AGE")
}

pub(super) fn is_private_key(bytes: &[u8]) -> bool {
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let first = first.trim_ascii_end();
    first.starts_with(b"-----BEGIN ") && first.ends_with(b"PRIVATE KEY-----")
}

/// Why a source, or something in it, could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityProblem {
    /// It could not be read.
    #[error("{0}")]
    Failed(String),
    /// A word of it is nothing that age knows.
    #[error("line {line} is not an age identity")]
    Unknown {
        /// The line, counted from 1.
        line: usize,
    },
    /// A recipient where an identity belongs.
    #[error("line {line} is a recipient, not the identity that belongs to it")]
    Recipient {
        /// The line, counted from 1.
        line: usize,
    },
    /// `AGE-SECRET-KEY-1…`, but incomplete or mistyped.
    #[error("the identity in line {line} is not whole: {why}")]
    Damaged {
        /// The line, counted from 1.
        line: usize,
        /// The age library's reason.
        why: &'static str,
    },
    /// `AGE-PLUGIN-NAME-1…` with a name that is none.
    #[error("line {line} is an identity of an age plugin whose name could not be a program's")]
    PluginName {
        /// The line, counted from 1.
        line: usize,
    },
    /// Its plugin failed.
    #[error("{0}")]
    Plugin(PluginError),
    /// Larger than any identity file is.
    #[error("it has more than 16 MiB")]
    TooLarge,
    /// An age file that is broken or no identity file.
    #[error("it cannot be opened: {0}")]
    File(Reason),
    /// An age file that is encrypted to recipients.
    #[error("it is encrypted, but not with a passphrase")]
    NoPassphraseFile,
    /// The passphrase does not fit.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// There was no answer to the question.
    #[error("it is protected by a passphrase, and none was given")]
    NoPassphrase,
    /// It would take hours.
    #[error("it asks for the scrypt work factor {required}, and age stops at {MAX_WORK_FACTOR}")]
    Work {
        /// The work factor in the file.
        required: u8,
    },
    /// An ssh key of an unknown or broken kind.
    #[error("it is not an ssh private key that age can use (ssh-ed25519, or ssh-rsa)")]
    Ssh,
}

/// Why an age file stays shut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no identity to try.
    #[error("there is no age identity at hand")]
    NoIdentity,
    /// Identities were tried, none fits.
    #[error("no age identity at hand belongs to this recipient")]
    NoMatch,
    /// An identity fits, but the file does not hold what was written.
    #[error("the age file was damaged or changed")]
    Changed,
    /// The head of the file is no age header.
    #[error("the age file has an invalid header")]
    Header,
    /// A version of age that does not exist yet.
    #[error("the age file has an unknown format")]
    Format,
    /// The file is cut off, or a part of it was damaged or changed.
    #[error("the age file is damaged: {0}")]
    Damaged(String),
    /// The plugin that the recipient is of failed.
    #[error("{0}")]
    Plugin(PluginError),
}

impl Reason {
    /// Becomes `other`, where that says more.
    pub(super) fn learn(&mut self, other: Self) {
        match (&self, &other) {
            (Self::NoIdentity, _) => *self = other,
            (Self::NoMatch, Self::NoIdentity) => {}
            (Self::NoMatch, _) => *self = other,
            _ => {}
        }
    }
}

impl From<DecryptError> for Reason {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::NoMatchingKeys => Self::NoMatch,
            DecryptError::InvalidHeader => Self::Header,
            DecryptError::UnknownFormat => Self::Format,
            DecryptError::Io(error) => match error.downcast() {
                Ok(error) => Self::Plugin(error),
                Err(error) => Self::Damaged(error.to_string()),
            },
            _ => Self::Changed,
        }
    }
}

/// Why no identity opened a data key: the reason, and all that was in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeError {
    /// The reason.
    pub reason: Reason,
    /// Who the data key is encrypted to.
    pub recipient: Box<str>,
    /// Sources that could not be used: origin and problem.
    pub problems: Vec<(String, IdentityProblem)>,
    /// Places where nothing was.
    pub missing: Vec<String>,
}

impl std::error::Error for AgeError {}

impl AgeError {
    /// What to do about it, where that is something else than to find an X25519 identity.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hints: Vec<String> = self.problems.iter().filter_map(problem_hint).collect();
        match &self.reason {
            Reason::NoIdentity | Reason::NoMatch if hints.is_empty() => {
                recipient_hint(&self.recipient).into_iter().collect()
            }
            Reason::Plugin(error) => hints.into_iter().chain(error.hint()).collect(),
            _ => hints,
        }
    }

    /// True where no identity at hand is the right one, and none of them could not be used.
    #[must_use]
    pub fn lacks_identity(&self) -> bool {
        matches!(self.reason, Reason::NoIdentity | Reason::NoMatch)
            && self
                .problems
                .iter()
                .all(|problem| problem_hint(problem).is_none())
    }
}

fn problem_hint((origin, problem): &(String, IdentityProblem)) -> Option<String> {
    match problem {
        IdentityProblem::WrongPassphrase => Some(format!(
            "the passphrase of '{origin}' was wrong: run the command again to be asked again"
        )),
        IdentityProblem::NoPassphrase => Some(format!(
            "run the command in a terminal, or beside a gpg-agent, to be asked for the passphrase of '{origin}'"
        )),
        IdentityProblem::Plugin(error) => error.hint(),
        _ => None,
    }
}

fn recipient_hint(recipient: &str) -> Option<String> {
    let (kind, opener) = if recipient.starts_with("age1pq1") {
        let opener = "the AGE-SECRET-KEY-PQ-1… identity that belongs to it: put it in SOPS_AGE_KEY_FILE or keys.txt";
        (
            "a post-quantum recipient (age1pq1…)".to_owned(),
            opener.to_owned(),
        )
    } else if let Some(name) = plugin_name(recipient) {
        let opener = format!(
            "an AGE-PLUGIN-{}-1… identity: put it in SOPS_AGE_KEY_FILE or keys.txt",
            name.to_ascii_uppercase()
        );
        (format!("a recipient of age-plugin-{name}"), opener)
    } else if recipient.starts_with("ssh-") {
        let opener = "its private key: ~/.ssh/id_ed25519, ~/.ssh/id_rsa or the file in SOPS_AGE_SSH_PRIVATE_KEY_FILE";
        ("an ssh recipient".to_owned(), opener.to_owned())
    } else {
        return None;
    };
    Some(format!("{kind} opens with {opener}"))
}

impl fmt::Display for AgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        for (origin, problem) in &self.problems {
            write!(f, "; '{origin}': {problem}")?;
        }
        match &self.missing[..] {
            [] => Ok(()),
            [place] => write!(f, "; nothing found in '{place}'"),
            [places @ .., last] => {
                write!(
                    f,
                    "; nothing found in '{}' and '{last}'",
                    places.join("', '")
                )
            }
        }
    }
}
