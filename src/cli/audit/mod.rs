//! The audit log: who opens and writes which file, told to every backend that
//! `/etc/sops/audit.yaml` names, before the plaintext or the file is there.
//!
//! There are two call points, and no way around them for a command on files: [`Keyring::data_key`] for whatever opens a
//! file, and [`seal`] for whatever encrypts one. The path of the configuration is a constant: were
//! there a variable or a flag for it, whoever is audited could point it elsewhere.
//!
//! [`Keyring::data_key`]: super::keyring::Keyring::data_key
//! [`seal`]: super::save::seal

mod file;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod settings;
#[cfg(unix)]
mod syslog;

use super::Context;
use super::failure::{Failure, Outcome, Status, warn};
use record::Record;
use settings::{BackendSettings, OnFailure, Settings};
use std::cell::{OnceCell, RefCell};
use std::path::Path;
use zeroize::Zeroizing;

/// Where the configuration stands, as with sops.
const FILE: &str = "/etc/sops/audit.yaml";

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Values are encrypted.
    Encrypt,
    /// Values are decrypted.
    Decrypt,
    /// The data key is going to be another one.
    Rotate,
    /// The data key is taken out to be wrapped for others; no value is decrypted.
    Rekey,
}

impl Action {
    /// The word for it in the log; those of sops where it has one.
    fn word(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Rotate => "rotate",
            Self::Rekey => "rekey",
        }
    }
}

/// Something that is to be known before it happens.
pub struct Event<'e> {
    /// What is done.
    pub action: Action,
    /// With which file, as the user named it; `None` for standard input.
    pub file: Option<&'e Path>,
    /// The ids of the master keys that opened it; none where it is not opened, or not yet.
    pub opened_by: &'e [String],
}

/// Why a backend cannot be written to. Names no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackendError {
    message: String,
    hints: Vec<String>,
}

impl BackendError {
    fn new(message: impl std::fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            hints: Vec::new(),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn of(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let failure = Self::new(Status::General, format!("audit log: {}", error.message));
        error.hints.into_iter().fold(failure, Self::hint)
    }
}

/// A place where events are written.
trait Backend {
    /// Writes an event, and returns when it is kept.
    fn write(&mut self, context: &Context, record: &Record) -> Result<(), BackendError>;

    /// Whether events of this kind are written there.
    fn takes(&self, _action: Action) -> bool {
        true
    }
}

/// The audit log of this run: nothing before the first event.
#[derive(Default)]
pub struct Audit {
    log: OnceCell<Result<Log, BackendError>>,
}

impl Audit {
    /// Opens the backends, where there are any: who would not be recorded is not asked for a
    /// passphrase first.
    ///
    /// # Errors
    /// Where the configuration or a backend is broken.
    pub fn prepare(&self, context: &Context) -> Outcome {
        self.log(context).map(drop)
    }

    /// Writes an event to every backend. What it is about may be done afterwards.
    ///
    /// # Errors
    /// Where the configuration or a backend is broken: it must not be done then.
    pub fn submit(&self, context: &Context, event: &Event<'_>) -> Outcome {
        let log = self.log(context)?;
        if log.backends.borrow().is_empty() {
            return Ok(());
        }
        let record = Record::of(event, &context.environment)?;
        log.write(context, event.action, &record)
    }

    fn log(&self, context: &Context) -> Outcome<&Log> {
        let log = self.log.get_or_init(|| Log::open(context));
        log.as_ref().map_err(|error| error.clone().into())
    }
}

/// The backends that are open.
#[derive(Default)]
struct Log {
    on_failure: OnFailure,
    backends: RefCell<Vec<(String, Box<dyn Backend>)>>,
}

impl Log {
    /// Every backend of the configuration; none where there is no configuration.
    fn open(context: &Context) -> Result<Self, BackendError> {
        let Some(settings) = read()? else {
            return Ok(Self::default());
        };
        let log = Self {
            on_failure: settings.on_failure,
            backends: RefCell::default(),
        };
        for (place, backend) in &settings.backends {
            let place = format!("{FILE}: {place}");
            match open(backend, context) {
                Ok(backend) => log.backends.borrow_mut().push((place, backend)),
                Err(error) => log.failed(error.of(&place))?,
            }
        }
        Ok(log)
    }

    fn write(&self, context: &Context, action: Action, record: &Record) -> Outcome {
        for (place, backend) in self.backends.borrow_mut().iter_mut() {
            if !backend.takes(action) {
                continue;
            }
            let written = backend.write(context, record);
            written.or_else(|error| self.failed(error.of(place)))?;
        }
        Ok(())
    }

    /// What is done where a backend is broken.
    fn failed(&self, error: BackendError) -> Result<(), BackendError> {
        match self.on_failure {
            OnFailure::Stop => Err(error.hint(format!(
                "nothing was decrypted or written: what is not recorded is not done, unless the \
                 administrator writes `bulla: {{on_failure: warn}}` into {FILE}"
            ))),
            OnFailure::Warn => {
                warn(format!("audit log: {}; not recorded there", error.message));
                Ok(())
            }
        }
    }
}

/// The configuration; `None` where there is none.
fn read() -> Result<Option<Settings>, BackendError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let text = match std::fs::read(FILE) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        // to go on would let everybody who may not read it go on unseen
        Err(error) => {
            return Err(BackendError::new(format!("cannot read {FILE}: {error}"))
                .hint("everybody who decrypts on this machine must be able to read it"));
        }
    };
    let settings = Settings::read(text).map_err(|error| {
        BackendError::new(format!("{FILE}: {error}"))
            .hint("docs/audit.md has an example of the file")
    });
    settings.map(Some)
}

fn open(settings: &BackendSettings, context: &Context) -> Result<Box<dyn Backend>, BackendError> {
    match settings {
        #[cfg(feature = "postgres")]
        BackendSettings::Postgres(connection) => {
            Ok(Box::new(postgres::Postgres::open(connection, context)?))
        }
        #[cfg(not(feature = "postgres"))]
        BackendSettings::Postgres(_) => {
            let _ = context;
            Err(BackendError::new(
                "this build has no client for PostgreSQL (the feature postgres)",
            ))
        }
        BackendSettings::File(file) => Ok(Box::new(file::JsonLines::open(file)?)),
        #[cfg(unix)]
        BackendSettings::Syslog(syslog) => Ok(Box::new(syslog::Syslog::open(syslog)?)),
        #[cfg(not(unix))]
        BackendSettings::Syslog(_) => Err(BackendError::new("there is no syslog on this system")),
    }
}
