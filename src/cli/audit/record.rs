//! One entry of the audit log, and how it is spelled as JSON. Never holds a value.

use super::Event;
use crate::cli::environment::Environment;
use crate::cli::failure::{Failure, Outcome, Status};
use crate::config::clean;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What is known about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When: RFC 3339, milliseconds, UTC.
    pub time: String,
    /// The name of the user; the number where the system knows no name.
    pub user: String,
    /// The number of the user; `None` where users have none.
    pub uid: Option<u32>,
    /// What was done.
    pub action: &'static str,
    /// With which file: the absolute path, as sops has it.
    pub file: String,
    /// The ids of the master keys that opened it.
    pub opened_by: Vec<String>,
}

impl Record {
    /// An event of now, by this user.
    ///
    /// # Errors
    /// Where the current folder is gone, so that nobody can tell which file is meant.
    pub fn of(event: &Event<'_>, environment: &Environment) -> Outcome<Self> {
        let file = absolute(event.file).map_err(|error| {
            let message = format!("audit log: cannot tell the path of the file: {error}");
            Failure::new(Status::General, message)
        })?;
        let (user, uid) = user(environment);
        Ok(Self {
            time: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string(),
            user,
            uid,
            action: event.action.word(),
            file: file.to_string_lossy().into_owned(),
            opened_by: event.opened_by.to_vec(),
        })
    }

    /// The entry as one line of JSON, without its line end.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::from("{\"time\":");
        string(&self.time, &mut line);
        line.push_str(",\"user\":");
        string(&self.user, &mut line);
        let uid = self
            .uid
            .map_or("null".to_owned(), |number| number.to_string());
        line.push_str(&format!(",\"uid\":{uid},\"action\":"));
        string(self.action, &mut line);
        line.push_str(",\"file\":");
        string(&self.file, &mut line);
        line.push_str(",\"opened_by\":[");
        for (at, id) in self.opened_by.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            string(id, &mut line);
        }
        line.push_str("],\"bulla\":");
        string(env!("CARGO_PKG_VERSION"), &mut line);
        line.push('}');
        line
    }
}

/// A JSON string. Nothing in it can end the line, or command a terminal that shows it.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The path as sops records it: absolute, without `.` and `..`, links not followed. For standard
/// input it is the current folder.
fn absolute(file: Option<&Path>) -> std::io::Result<PathBuf> {
    let folder = std::env::current_dir()?;
    Ok(match file {
        Some(file) => clean(&folder.join(file)),
        None => folder,
    })
}

/// The user whose process this is, by the system's own list: variables could say anything.
#[cfg(unix)]
pub(super) fn user(_environment: &Environment) -> (String, Option<u32>) {
    use nix::unistd::{User, getuid};
    let uid = getuid();
    let known = User::from_uid(uid).ok().flatten();
    let name = known.map_or_else(|| uid.to_string(), |user| user.name);
    (name, Some(uid.as_raw()))
}

#[cfg(not(unix))]
pub(super) fn user(environment: &Environment) -> (String, Option<u32>) {
    let name = environment.text(crate::cli::environment::USERNAME);
    (name.unwrap_or("unknown").to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            time: "2026-01-02T03:04:05.678Z".into(),
            user: "alice".into(),
            uid: Some(1000),
            action: "decrypt",
            file: "/srv/app/secrets.yaml".into(),
            opened_by: vec!["age1x".into(), "arn:aws:kms:y".into()],
        }
    }

    #[test]
    fn an_entry_is_one_object_on_one_line() {
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"{{"time":"2026-01-02T03:04:05.678Z","user":"alice","uid":1000,"action":"decrypt","file":"/srv/app/secrets.yaml","opened_by":["age1x","arn:aws:kms:y"],"bulla":"{version}"}}"#
        );
        assert_eq!(record().line(), expected);
    }

    #[test]
    fn a_file_cannot_write_entries_by_its_name() {
        let name = "a\"\n{\"user\":\"root\"}\\\u{1b}[2J\u{7f}\u{9b}\u{2028}é";
        let line = Record {
            file: name.into(),
            ..record()
        }
        .line();
        assert!(!line.chars().any(char::is_control), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["file"], name);
        assert_eq!(read["user"], "alice");
    }

    #[test]
    fn a_path_is_absolute_and_clean() {
        let here = std::env::current_dir().unwrap();
        let path = |text: &str| absolute(Some(Path::new(text))).unwrap();
        assert_eq!(path("./a/../b.yaml"), here.join("b.yaml"));
        assert_eq!(path("/x/./y//../z"), Path::new("/x/z"));
        assert_eq!(absolute(None).unwrap(), here);
    }
}
