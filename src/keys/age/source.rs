//! Where age identities may be, and what can be wrong with what is found there.

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
    /// A post-quantum identity or one of a plugin.
    #[error("{kind} in line {line} are not supported yet by this version")]
    NotSupported {
        /// What it is.
        kind: &'static str,
        /// The line, counted from 1.
        line: usize,
    },
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
}

impl From<DecryptError> for Reason {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::NoMatchingKeys => Self::NoMatch,
            DecryptError::InvalidHeader => Self::Header,
            DecryptError::UnknownFormat => Self::Format,
            DecryptError::Io(error) => Self::Damaged(error.to_string()),
            _ => Self::Changed,
        }
    }
}

/// Why no identity opened a data key: the reason, and all that was in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeError {
    /// The reason.
    pub reason: Reason,
    /// Sources that could not be used: origin and problem.
    pub problems: Vec<(String, IdentityProblem)>,
    /// Places where nothing was.
    pub missing: Vec<String>,
}

impl std::error::Error for AgeError {}

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
