//! What is said when something fails, and the exit status that goes with it.
//!
//! The only printer of errors and warnings. Messages are lower case, name the thing and the
//! place, never a value; a `hint:` line says what to do next. Statuses are those of sops.

use crate::change::ChangeError;
use crate::config::ConfigError;
use crate::decrypt::DecryptError;
use crate::document::PathError;
use crate::encrypt::EncryptError;
use crate::keys::{
    AgeError, Cause, KeyError, PgpError, PluginError, RecipientError, ServiceError, UnwrapError,
    WrapKeysError,
};
use crate::metadata::MetadataError;
use crate::store::EmitError;
use std::fmt::Display;
use std::io::Write;

/// The exit statuses, with sops's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Anything that has no number of its own.
    General = 1,
    /// The input cannot be read or parsed.
    Unreadable = 2,
    /// The output cannot be written.
    Unwritable = 3,
    /// The output format cannot hold the data.
    Emit = 4,
    /// An encryption context that is none.
    BadContext = 6,
    /// A bad index or value for `set` or `unset`.
    BadSet = 7,
    /// Flags that exclude one another.
    Conflict = 8,
    /// The values cannot be encrypted.
    Encrypt = 23,
    /// The values cannot be decrypted.
    Decrypt = 25,
    /// Keys to be added or removed on a file that does not exist.
    MissingForKeys = 49,
    /// The MAC does not match.
    Mac = 51,
    /// A bad path for `--extract`.
    BadExtract = 91,
    /// The input has no documents.
    NoDocuments = 92,
    /// No file was given, or it does not exist.
    NoFile = 100,
    /// The decryption order names a key type twice.
    DuplicateOrder = 112,
    /// The program of `exec-env` or `exec-file` may not be executed; what shells say.
    NotExecutable = 126,
    /// There is no such program as `exec-env` or `exec-file` is to run; what shells say.
    NoProgram = 127,
    /// No key opens the file.
    NoKey = 128,
    /// `edit` without a change.
    Unchanged = 200,
    /// The editor is missing or failed.
    Editor = 201,
    /// The file is encrypted already.
    AlreadyEncrypted = 203,
}

/// A failure to be told to the user.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: Status,
    /// What failed, and where.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

/// What commands return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure without a hint.
    pub fn new(status: Status, message: impl Display) -> Self {
        Self {
            status,
            message: message.to_string(),
            hints: Vec::new(),
        }
    }

    /// The same failure with a hint more.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The same failure with another exit status.
    #[must_use]
    pub fn with(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The same failure with what can be done about its causes, each hint once.
    fn hints_of<'c>(mut self, causes: impl Iterator<Item = &'c Cause>) -> Self {
        let hints = causes.flat_map(|cause| {
            if let Some(error) = cause.downcast_ref::<AgeError>() {
                return error.hints();
            }
            if let Some(error) = cause.downcast_ref::<ServiceError>() {
                return error.hints.clone();
            }
            let plugin = cause.downcast_ref().and_then(PluginError::hint);
            let pgp = cause.downcast_ref().and_then(PgpError::hint);
            plugin.or(pgp).into_iter().collect()
        });
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        self
    }

    /// The same failure with what can be done about keys that did not open.
    #[must_use]
    pub fn hints_of_reasons(self, reasons: &[&UnwrapError]) -> Self {
        self.hints_of(reasons.iter().filter_map(|reason| match reason {
            UnwrapError::Provider(cause) => Some(cause),
            _ => None,
        }))
    }

    /// The same failure, said of the file `name`.
    #[must_use]
    pub fn of(mut self, name: impl Display) -> Self {
        self.message = format!("{name}: {}", self.message);
        self
    }

    /// Prints the failure to stderr.
    pub fn print(&self) {
        say(format_args!("bulla: {}", self.message));
        for hint in &self.hints {
            say(format_args!("hint: {hint}"));
        }
    }
}

/// Prints a warning to stderr; the command goes on.
pub fn warn(message: impl Display) {
    say(format_args!("bulla: warning: {message}"));
}

/// Prints a note to stderr: something worth knowing about what was done.
pub fn note(message: impl Display) {
    say(format_args!("bulla: {message}"));
}

/// The one place that prints to stderr. The terminal may be gone: no reason to stop.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{}", harmless(&line.to_string()));
}

/// A text in which names out of files may stand, without what would steer a terminal or reorder
/// a line.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_unicode());
            }
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        Self::new(Status::General, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Status::General, format!("error loading config: {error}"))
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        Self::new(Status::Emit, error)
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::new(Status::BadSet, error)
            .hint(r#"a path looks like ["database"]["hosts"][0] or database.hosts[0]"#)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let failure = Self::new(Status::NoKey, &error);
        failure.hints_of_reasons(&error.reasons())
    }
}

impl From<RecipientError> for Failure {
    fn from(error: RecipientError) -> Self {
        Self::new(Status::General, &error).hints_of(std::iter::once(&error.cause))
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let failure = Self::new(Status::General, error.message);
        error.hints.into_iter().fold(failure, Self::hint)
    }
}

impl From<WrapKeysError> for Failure {
    fn from(error: WrapKeysError) -> Self {
        let causes = match &error {
            WrapKeysError::Keys(errors) => errors.as_slice(),
            _ => &[],
        };
        let message = format!("could not generate data key: {error}");
        Self::new(Status::General, message).hints_of(causes.iter().flat_map(|error| &error.causes))
    }
}

impl From<EncryptError> for Failure {
    fn from(error: EncryptError) -> Self {
        let hint = match &error {
            EncryptError::NestedToken(_) => {
                "decrypt it first, or pass --allow-nested to encrypt the token itself"
            }
            EncryptError::CommentInKey(_) => "move the comment out of the key, in front of it",
            EncryptError::CommentGuard(_) => {
                "change unencrypted_comment_regex so that it cannot match `ENC[…]`"
            }
            EncryptError::Seal(_) => "nothing was written",
            EncryptError::SelfCheckMetadata => {
                "nothing was written; the file can stay in the format that it has"
            }
            EncryptError::SelfCheck { .. }
            | EncryptError::SelfCheckParse(_)
            | EncryptError::SelfCheckDecrypt(_) => {
                "nothing was written; please report this file's structure as a defect of bulla"
            }
        };
        let mut message = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            message = format!("{message}: {source}");
        }
        Self::new(Status::Encrypt, message).hint(hint)
    }
}

impl From<DecryptError> for Failure {
    fn from(error: DecryptError) -> Self {
        let (status, hint) = match &error {
            DecryptError::NotEncrypted(_) => (
                Status::Decrypt,
                Some("was it added by hand? use `bulla edit` or `bulla set` to add values"),
            ),
            DecryptError::UnknownType(_) | DecryptError::Token(..) | DecryptError::Type { .. } => {
                (Status::Decrypt, None)
            }
            DecryptError::NoMac | DecryptError::LockedMac | DecryptError::Mac => (
                Status::Mac,
                Some(
                    "compare with the last good version in git; --ignore-mac opens the file anyway",
                ),
            ),
        };
        let failure = Self::new(status, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::EmptyPath
            | ChangeError::KeyOnList(_)
            | ChangeError::IndexOnMapping(_)
            | ChangeError::Alias(_) => Status::BadSet,
            ChangeError::NotFound(_) | ChangeError::Scalar(_) => Status::General,
            ChangeError::Emit(_) => Status::Emit,
        };
        Self::new(status, error)
    }
}
