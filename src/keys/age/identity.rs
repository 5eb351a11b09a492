//! age identities: what the caller found in its places, and what they open.
//!
//! One source that cannot be used does not stop the others; it is told about where nothing
//! opens a file. What is protected by a passphrase stays shut until nothing else helped.

use super::super::Prompt;
use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Identity};
use std::fmt;
use std::io::{BufRead, Read};
use zeroize::Zeroizing;

/// The largest identity file that is read, in bytes.
pub const MAX_IDENTITY_FILE: usize = 16 << 20;

/// The highest scrypt work factor (log2 of the cost) that is computed; age has the same limit.
const MAX_WORK_FACTOR: u8 = 22;

/// More bytes than any part of a data key has.
const MAX_PART: usize = 128;

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
fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption") || bytes.starts_with(b"-----BEGIN AGE")
}

fn is_private_key(bytes: &[u8]) -> bool {
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
    /// Larger than [`MAX_IDENTITY_FILE`].
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
    /// The file is cut off, or its armor is damaged.
    #[error("the age file is damaged: {0}")]
    Armor(String),
}

impl From<DecryptError> for Reason {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::NoMatchingKeys => Self::NoMatch,
            DecryptError::InvalidHeader => Self::Header,
            DecryptError::UnknownFormat => Self::Format,
            DecryptError::Io(error) => Self::Armor(error.to_string()),
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

/// All age identities at hand.
#[derive(Default)]
pub struct AgeIdentities {
    open: Vec<Opener>,
    locked: Vec<Locked>,
    problems: Vec<(String, IdentityProblem)>,
    missing: Vec<String>,
}

/// An identity that is ready, and the recipient that belongs to it.
struct Opener {
    recipient: String,
    identity: Box<dyn Identity + Send + Sync>,
}

/// Identities that are behind a passphrase.
struct Locked {
    origin: String,
    content: LockedContent,
}

enum LockedContent {
    File(Vec<u8>),
    Ssh {
        recipient: String,
        key: Box<age::ssh::EncryptedKey>,
    },
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeIdentities")
            .field("open", &self.open.len())
            .field("locked", &self.locked.len())
            .field("problems", &self.problems)
            .field("missing", &self.missing)
            .finish()
    }
}

impl AgeIdentities {
    /// The identities of all sources, in their order.
    #[must_use]
    pub fn load(sources: impl IntoIterator<Item = IdentitySource>) -> Self {
        let mut identities = Self::default();
        for source in sources {
            identities.add(source);
        }
        identities
    }

    /// The recipients of the identities that are open, without those behind a passphrase.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|opener| opener.recipient.as_str())
    }

    /// Sources that could not be used, and why.
    #[must_use]
    pub fn problems(&self) -> &[(String, IdentityProblem)] {
        &self.problems
    }

    fn add(&mut self, source: IdentitySource) {
        match source {
            IdentitySource::Missing { origin } => self.missing.push(origin),
            IdentitySource::Failed { origin, why } => {
                self.problems.push((origin, IdentityProblem::Failed(why)));
            }
            IdentitySource::Text { origin, text } if is_age_file(text.as_bytes()) => {
                self.add_file(origin, text.as_bytes().to_vec());
            }
            IdentitySource::Text { origin, text } if is_private_key(text.as_bytes()) => {
                self.add_ssh(origin, text.as_bytes());
            }
            IdentitySource::Text { origin, text } => self.add_text(origin, &text),
            IdentitySource::EncryptedFile { origin, bytes } => self.add_file(origin, bytes),
            IdentitySource::Ssh { origin, bytes } => self.add_ssh(origin, &bytes),
        }
    }

    /// Identities word by word; a word that begins with `#` starts a comment.
    fn add_text(&mut self, origin: String, text: &str) {
        let mut found = false;
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            for word in line.split_whitespace().take_while(|w| !w.starts_with('#')) {
                found = true;
                match opener(word, at + 1) {
                    Ok(opener) => self.open.push(opener),
                    Err(problem) => self.problems.push((origin.clone(), problem)),
                }
            }
        }
        if !found {
            self.missing.push(origin);
        }
    }

    fn add_file(&mut self, origin: String, bytes: Vec<u8>) {
        if bytes.len() > MAX_IDENTITY_FILE {
            self.problems.push((origin, IdentityProblem::TooLarge));
            return;
        }
        let content = LockedContent::File(bytes);
        self.locked.push(Locked { origin, content });
    }

    fn add_ssh(&mut self, origin: String, bytes: &[u8]) {
        let identity = age::ssh::Identity::from_buffer(bytes, None).ok();
        let recipient = identity
            .clone()
            .and_then(|i| age::ssh::Recipient::try_from(i).ok());
        let (Some(identity), Some(recipient)) = (identity, recipient) else {
            self.problems.push((origin, IdentityProblem::Ssh));
            return;
        };
        let recipient = recipient.to_string();
        if let age::ssh::Identity::Encrypted(key) = identity {
            let key = Box::new(key);
            let content = LockedContent::Ssh { recipient, key };
            self.locked.push(Locked { origin, content });
        } else {
            let identity = Box::new(identity);
            self.open.push(Opener {
                recipient,
                identity,
            });
        }
    }

    /// True where something behind a passphrase might open what is encrypted to `recipient`.
    pub(super) fn would_ask(&self, recipient: &str) -> bool {
        self.locked.iter().any(|locked| locked.fits(recipient))
    }

    /// What the age file `enc`, made for `recipient`, holds. Nobody is asked without `prompt`.
    pub(super) fn open(
        &mut self,
        recipient: &str,
        enc: &str,
        prompt: Option<&mut (dyn Prompt + '_)>,
    ) -> Result<Zeroizing<Vec<u8>>, AgeError> {
        let mut reason = match self.try_open(recipient, enc, 0) {
            Ok(part) => return Ok(part),
            Err(reason) => reason,
        };
        if let Some(prompt) = prompt {
            while let Some(at) = self.locked.iter().position(|l| l.fits(recipient)) {
                let tried = self.open.len();
                self.unlock(at, prompt);
                match self.try_open(recipient, enc, tried) {
                    Ok(part) => return Ok(part),
                    Err(Reason::NoIdentity) => {}
                    Err(other) => reason = other,
                }
            }
        }
        Err(AgeError {
            reason,
            problems: self.problems.clone(),
            missing: self.missing.clone(),
        })
    }

    /// Tries the identities from the `first`, the one that belongs to `recipient` before others.
    fn try_open(
        &self,
        recipient: &str,
        enc: &str,
        first: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Reason> {
        let mut openers: Vec<&Opener> = self.open[first..].iter().collect();
        openers.sort_by_key(|opener| !same_recipient(&opener.recipient, recipient));
        let mut reason = Reason::NoIdentity;
        for opener in openers {
            match decrypt(enc.trim().as_bytes(), &*opener.identity, MAX_PART) {
                Ok(part) => return Ok(part),
                Err(error) if matches!(reason, Reason::NoIdentity | Reason::NoMatch) => {
                    reason = error.into();
                }
                Err(_) => {}
            }
        }
        Err(reason)
    }

    /// Asks for the passphrase of what is locked at `at`. It is not locked afterwards, but open
    /// or a problem.
    fn unlock(&mut self, at: usize, prompt: &mut (dyn Prompt + '_)) {
        let locked = self.locked.remove(at);
        let origin = locked.origin;
        if let Err(problem) = self.unlock_content(&origin, locked.content, prompt) {
            self.problems.push((origin, problem));
        }
    }

    fn unlock_content(
        &mut self,
        origin: &str,
        content: LockedContent,
        prompt: &mut (dyn Prompt + '_),
    ) -> Result<(), IdentityProblem> {
        let mut ask = |what| {
            let answer = prompt.passphrase(&format!("{what} {origin}"));
            answer.ok_or(IdentityProblem::NoPassphrase)
        };
        match content {
            LockedContent::File(bytes) => {
                check_passphrase_file(&bytes)?;
                let text = open_file(&bytes, &ask("identity")?)?;
                self.add_text(origin.to_owned(), &text);
            }
            LockedContent::Ssh { recipient, key } => {
                let passphrase = SecretString::from(ask("ssh key")?.as_str().to_owned());
                let key = key.decrypt(passphrase);
                let key = key.map_err(|_| IdentityProblem::WrongPassphrase)?;
                let identity = Box::new(age::ssh::Identity::from(key));
                self.open.push(Opener {
                    recipient,
                    identity,
                });
            }
        }
        Ok(())
    }
}

impl Locked {
    /// Identity files hold no ssh keys, and an ssh key says what it opens.
    fn fits(&self, recipient: &str) -> bool {
        match &self.content {
            LockedContent::File(_) => !recipient.starts_with("ssh-"),
            LockedContent::Ssh { recipient: own, .. } => same_recipient(own, recipient),
        }
    }
}

/// True for the same key, whatever comment an ssh key has.
fn same_recipient(one: &str, other: &str) -> bool {
    let key = |text: &str| {
        let words = text.split_ascii_whitespace().take(2);
        words
            .map(|w| w.trim_end_matches('=').to_owned())
            .collect::<Vec<_>>()
    };
    key(one) == key(other)
}

/// The identity that a word is.
fn opener(word: &str, line: usize) -> Result<Opener, IdentityProblem> {
    let kind = word.to_ascii_uppercase();
    let kind = Zeroizing::new(kind);
    if kind.starts_with("AGE-SECRET-KEY-PQ-1") {
        let kind = "post-quantum identities";
        return Err(IdentityProblem::NotSupported { kind, line });
    }
    if kind.starts_with("AGE-PLUGIN-") {
        let kind = "identities of age plugins";
        return Err(IdentityProblem::NotSupported { kind, line });
    }
    if kind.starts_with("AGE1") || kind.starts_with("SSH-") {
        return Err(IdentityProblem::Recipient { line });
    }
    if !kind.starts_with("AGE-SECRET-KEY-1") {
        return Err(IdentityProblem::Unknown { line });
    }
    let identity: age::x25519::Identity = word
        .parse()
        .map_err(|why| IdentityProblem::Damaged { line, why })?;
    Ok(Opener {
        recipient: identity.to_public().to_string(),
        identity: Box::new(identity),
    })
}

/// Fails where asking for a passphrase would lead nowhere.
fn check_passphrase_file(bytes: &[u8]) -> Result<(), IdentityProblem> {
    match decryptor(bytes) {
        Ok(file) if file.is_scrypt() => Ok(()),
        Ok(_) => Err(IdentityProblem::NoPassphraseFile),
        Err(error) => Err(IdentityProblem::File(error.into())),
    }
}

fn open_file(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<String>, IdentityProblem> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let text = decrypt(bytes, &identity, MAX_IDENTITY_FILE).map_err(|error| match error {
        DecryptError::DecryptionFailed => IdentityProblem::WrongPassphrase,
        DecryptError::ExcessiveWork { required, .. } => IdentityProblem::Work { required },
        error => IdentityProblem::File(error.into()),
    })?;
    match std::str::from_utf8(&text) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(IdentityProblem::Failed(
            "what it holds is not text".to_owned(),
        )),
    }
}

fn decryptor(file: &[u8]) -> Result<Decryptor<impl BufRead>, DecryptError> {
    Decryptor::new_buffered(ArmoredReader::new(file))
}

/// What an age file holds, up to `limit` bytes of it.
fn decrypt(
    file: &[u8],
    identity: &dyn Identity,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let reader = decryptor(file)?.decrypt(std::iter::once(identity))?;
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(limit.min(file.len()) + 64));
    reader.take(limit as u64).read_to_end(&mut plain)?;
    Ok(plain)
}
