//! The file `/etc/sops/audit.yaml`: that of sops, and what bulla adds to it.
//!
//! What is not understood is an error: a slip of the pen must not switch the log off.

use crate::config::{ConfigError, Fields, Place};
use crate::document::{Data, Type};
use crate::store::{ParseOptions, Store, Yaml};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Whether an operation that cannot be recorded is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not.
    #[default]
    Stop,
    /// It is, with a warning.
    Warn,
}

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What to do where a backend is broken.
    pub on_failure: OnFailure,
    /// The backends, each with its place in the file.
    pub backends: Vec<(String, BackendSettings)>,
}

/// A backend.
#[derive(PartialEq, Eq)]
pub enum BackendSettings {
    /// A database of `PostgreSQL`, by a connection string, which may hold a password.
    Postgres(Zeroizing<String>),
    /// A file of JSON lines.
    File(FileSettings),
    /// The system's log.
    Syslog(SyslogSettings),
}

impl std::fmt::Debug for BackendSettings {
    /// Shows no connection string.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::File(file) => write!(f, "{file:?}"),
            Self::Syslog(syslog) => write!(f, "{syslog:?}"),
        }
    }
}

/// A file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Where it is: an absolute path.
    pub path: PathBuf,
    /// Its permissions, where bulla makes it.
    pub mode: u32,
    /// Its group, where bulla makes it.
    pub group: Option<String>,
}

/// How entries are told to the system's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogSettings {
    /// The socket: an absolute path.
    pub socket: PathBuf,
    /// The form of a message.
    pub format: Format,
    /// The number of the facility.
    pub facility: u8,
}

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 3164, as the C library writes to the local log; the receiver adds time and host.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}

/// The facilities of RFC 5424 by their usual names; those of the kernel and its like left out.
const FACILITIES: [(&str, u8); 12] = [
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// Why the file cannot be used. Shows nothing of it but places: it holds passwords.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no YAML.
    #[error("line {line}, column {column}: not YAML")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A value of the wrong type.
    #[error("{}: {}", .0.place, .0.problem)]
    Type(#[from] ConfigError),
    /// An entry that means nothing.
    #[error("{0} means nothing here")]
    Unknown(String),
    /// An entry that must be there.
    #[error("{0} is missing")]
    Missing(String),
    /// A text that is none of those that there are.
    #[error("{place}: expected {expected}")]
    Value {
        /// Where.
        place: String,
        /// What would have been right.
        expected: &'static str,
    },
}

type Read<T> = Result<T, SettingsError>;

/// Reads the entry of a backend.
type Reader = fn(&mut Fields<'_>) -> Read<BackendSettings>;

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// Where there is anything in it that is not understood.
    pub fn read(text: Zeroizing<Vec<u8>>) -> Read<Self> {
        let options = ParseOptions {
            is_plain: true,
            ..ParseOptions::default()
        };
        let document = Yaml
            .parse(text, options)
            .map_err(|error| SettingsError::Syntax {
                line: error.excerpt.line,
                column: error.excerpt.column,
            })?;
        let root = document.branches.first().and_then(|branch| branch.root);
        root.map_or_else(
            || Ok(Self::default()),
            |root| Self::of_data(&document.data(root)),
        )
    }

    fn of_data(data: &Data) -> Read<Self> {
        let mut settings = Self::default();
        if is_null(data) {
            return Ok(settings);
        }
        let mut unknown = Vec::new();
        let mut root = Fields::new(data, Place::default())?;
        if let Some(backends) = data.entry("backends") {
            // for sops an empty list of databases is one; a line that was not finished is none
            for name in ["file", "syslog"] {
                if backends.entry(name).is_some_and(is_null) {
                    let place = format!("backends.{name}");
                    let expected = "a list";
                    return Err(SettingsError::Value { place, expected });
                }
            }
        }
        if let Some(mut backends) = root.mapping("backends")? {
            settings.read_backends(&mut backends, &mut unknown)?;
            backends.finish(&mut unknown);
        }
        if let Some(mut own) = root.mapping("bulla")? {
            settings.on_failure = match own.text("on_failure")? {
                None | Some("stop") => OnFailure::Stop,
                Some("warn") => OnFailure::Warn,
                Some(_) => return Err(value(&own, "on_failure", "stop or warn")),
            };
            own.finish(&mut unknown);
        }
        root.finish(&mut unknown);
        match unknown.into_iter().next() {
            Some(place) => Err(SettingsError::Unknown(place)),
            None => Ok(settings),
        }
    }

    fn read_backends(&mut self, backends: &mut Fields<'_>, unknown: &mut Vec<String>) -> Read<()> {
        let readers: [(_, Reader); 3] =
            [("postgres", postgres), ("file", file), ("syslog", syslog)];
        for (name, read) in readers {
            for (item, place) in backends.list(name)?.unwrap_or_default() {
                let shown = place.to_string();
                let mut fields = Fields::new(item, place)?;
                self.backends.push((shown, read(&mut fields)?));
                fields.finish(unknown);
            }
        }
        Ok(())
    }
}

fn postgres(fields: &mut Fields<'_>) -> Read<BackendSettings> {
    let text = fields.text("connection_string")?;
    let text = text.ok_or_else(|| missing(fields, "connection_string"))?;
    Ok(BackendSettings::Postgres(Zeroizing::new(text.to_owned())))
}

fn file(fields: &mut Fields<'_>) -> Read<BackendSettings> {
    let path = absolute(fields, "path")?.ok_or_else(|| missing(fields, "path"))?;
    let mode = match fields.text("mode")? {
        None => 0o600,
        Some(text) => u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| mode & !0o666 == 0 && mode & 0o200 != 0)
            .ok_or_else(|| value(fields, "mode", "permissions such as \"0640\""))?,
    };
    let group = fields.text("group")?.map(String::from);
    Ok(BackendSettings::File(FileSettings { path, mode, group }))
}

fn syslog(fields: &mut Fields<'_>) -> Read<BackendSettings> {
    let socket = absolute(fields, "socket")?.unwrap_or_else(|| PathBuf::from("/dev/log"));
    let format = match fields.text("format")? {
        None | Some("rfc3164") => Format::Rfc3164,
        Some("rfc5424") => Format::Rfc5424,
        Some(_) => return Err(value(fields, "format", "rfc3164 or rfc5424")),
    };
    let name = fields.text("facility")?.unwrap_or("authpriv");
    let known = FACILITIES.iter().find(|(known, _)| *known == name);
    let expected = "user, daemon, auth, authpriv, or local0 to local7";
    let (_, facility) = *known.ok_or_else(|| value(fields, "facility", expected))?;
    Ok(BackendSettings::Syslog(SyslogSettings {
        socket,
        format,
        facility,
    }))
}

/// A path that does not depend on where the command runs.
fn absolute(fields: &mut Fields<'_>, name: &str) -> Read<Option<PathBuf>> {
    let Some(text) = fields.text(name)? else {
        return Ok(None);
    };
    if !Path::new(text).is_absolute() {
        return Err(value(fields, name, "an absolute path"));
    }
    Ok(Some(text.into()))
}

fn is_null(data: &Data) -> bool {
    matches!(data, Data::Scalar(Type::Null, _))
}

fn missing(fields: &Fields<'_>, name: &str) -> SettingsError {
    SettingsError::Missing(fields.place(name).to_string())
}

fn value(fields: &Fields<'_>, name: &str, expected: &'static str) -> SettingsError {
    let place = fields.place(name).to_string();
    SettingsError::Value { place, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Read<Settings> {
        Settings::read(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn error(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn the_file_of_sops_is_read_as_it_is() {
        let text = "backends:\n  postgres:\n    - connection_string: \"postgres://u:p@h/d\"\n    - connection_string: host=x\n";
        let settings = read(text).unwrap();
        let backend = |text: &str| BackendSettings::Postgres(Zeroizing::new(text.into()));
        assert_eq!(
            settings.backends,
            [
                ("backends.postgres[0]".into(), backend("postgres://u:p@h/d")),
                ("backends.postgres[1]".into(), backend("host=x")),
            ]
        );
        assert_eq!(settings.on_failure, OnFailure::Stop);
        assert!(!format!("{settings:?}").contains("u:p"));
        for empty in [
            "",
            "---\n",
            "# nothing\n",
            "backends:\n",
            "backends: {postgres: }\n",
        ] {
            assert_eq!(read(empty), Ok(Settings::default()), "{empty:?}");
        }
    }

    #[test]
    fn files_and_syslog_have_defaults_that_can_be_changed() {
        let text = "backends:\n  file:\n  - path: /a\n  - {path: /b, mode: \"0620\", group: adm}\n  \
                    syslog:\n  - {}\n  - {socket: /s, format: rfc5424, facility: local3}\n\
                    bulla: {on_failure: warn}\n";
        let settings = read(text).unwrap();
        let file = |path: &str, mode, group: Option<&str>| {
            BackendSettings::File(FileSettings {
                path: path.into(),
                mode,
                group: group.map(String::from),
            })
        };
        let syslog = |socket: &str, format, facility| {
            BackendSettings::Syslog(SyslogSettings {
                socket: socket.into(),
                format,
                facility,
            })
        };
        let backends: Vec<_> = settings.backends.into_iter().map(|(_, b)| b).collect();
        assert_eq!(
            backends,
            [
                file("/a", 0o600, None),
                file("/b", 0o620, Some("adm")),
                syslog("/dev/log", Format::Rfc3164, 10),
                syslog("/s", Format::Rfc5424, 19),
            ]
        );
        assert_eq!(settings.on_failure, OnFailure::Warn);
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_says_where_and_not_what() {
        for (text, expected) in [
            ("backend: {}\n", "backend means nothing here"),
            (
                "backends: {mysql: []}\n",
                "backends.mysql means nothing here",
            ),
            (
                "backends: {file: [{path: /a, sync: no}]}\n",
                "backends.file[0].sync means nothing here",
            ),
            (
                "backends: {file: [{}]}\n",
                "backends.file[0].path is missing",
            ),
            ("backends: {file: }\n", "backends.file: expected a list"),
            ("backends: {syslog: }\n", "backends.syslog: expected a list"),
            (
                "backends: {syslog: true}\n",
                "backends.syslog: expected a list, found true or false",
            ),
            (
                "backends: {file: [{path: a}]}\n",
                "backends.file[0].path: expected an absolute path",
            ),
            (
                "backends: {file: [{path: /a, mode: 0640}]}\n",
                "backends.file[0].mode: expected a text, found a number (put it in quotes)",
            ),
            (
                "backends: {file: [{path: /a, mode: \"755\"}]}\n",
                "backends.file[0].mode: expected permissions such as \"0640\"",
            ),
            (
                "backends: {postgres: [{}]}\n",
                "backends.postgres[0].connection_string is missing",
            ),
            (
                "bulla: {on_failure: ignore}\n",
                "bulla.on_failure: expected stop or warn",
            ),
            ("- a\n", "the root: expected a mapping, found a list"),
            ("backends: [secret\n", "line 2, column 1: not YAML"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_in_the_file_breaks_the_reader(text in "[ -~\n\t]{0,200}") {
            let _ = read(&text);
            let _ = read(&format!("backends:\n  file:\n  - {text}"));
        }
    }
}
