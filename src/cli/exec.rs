//! What `exec-env` and `exec-file` have in common: which words are files and which the command,
//! as whom and in which surroundings it runs, and what its end means.

use super::Context;
use super::environment::{Child, Environment};
use super::failure::{Failure, Outcome, Status, warn};
use super::input::{Input, Purpose};
use super::user::User;
use super::{args::Types, process};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// How a command is run.
#[derive(Args)]
pub struct Running {
    /// Run the command as this user, with that user's groups, HOME, USER and LOGNAME.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Keep bulla's own keys (`SOPS_AGE_KEY` and the like) from the command; always so with `--user`.
    #[arg(long)]
    pub scrub: bool,
    /// Do not wait for the command, which gets no standard streams (deprecated, as in sops).
    #[arg(long)]
    pub background: bool,
    /// The encrypted files; without `--`, one file and a line for the shell.
    #[arg(value_name = "FILE")]
    before: Vec<OsString>,
    /// A program and its arguments, which no shell reads. A single word that is no program is a
    /// line for the shell, as in sops.
    #[arg(last = true, value_name = "COMMAND")]
    behind: Vec<OsString>,
}

/// What is run.
#[derive(Debug, PartialEq, Eq)]
pub enum Program {
    /// A line for the shell.
    Shell(OsString),
    /// A program and its arguments.
    Words(Vec<OsString>),
}

impl Running {
    /// The files and the command; `name` is what bulla was asked to do.
    ///
    /// # Errors
    /// Where one of them is missing, or where it is not plain which is which.
    pub fn split(&self, name: &str, environment: &Environment) -> Outcome<(Vec<PathBuf>, Program)> {
        let (files, program) = match (self.before.as_slice(), self.behind.as_slice()) {
            ([file, line], []) | ([], [file, line]) => {
                (std::slice::from_ref(file), Program::Shell(line.clone()))
            }
            (files @ [_, ..], [line]) if !is_program(line, environment) => {
                (files, Program::Shell(line.clone()))
            }
            (files @ [_, ..], words @ [_, ..]) => (files, Program::Words(words.to_vec())),
            _ => {
                let message = format!("{name} takes a file and a command");
                return Err(Failure::new(Status::General, message).hint(format!(
                    "`bulla {name} FILE 'LINE'` runs a line of the shell, \
                     `bulla {name} FILE... -- PROGRAM ARGUMENT...` a program without a shell"
                )));
            }
        };
        Ok((files.iter().map(PathBuf::from).collect(), program))
    }

    /// The user that `--user` names.
    ///
    /// # Errors
    /// Where there is none.
    pub fn user(&self) -> Outcome<Option<User>> {
        self.user.as_deref().map(User::find).transpose()
    }

    /// Says what there is to say about `--background`.
    pub fn warn_of_background(&self, name: &str) {
        if self.background {
            warn(format!("{name}: --background is deprecated in sops"));
        }
    }

    /// What the command inherits, and what `--user` puts in its place.
    pub fn dress(&self, command: &mut Command, environment: &Environment, user: Option<&User>) {
        // Another user is handed values, not the keys to all files.
        if self.scrub || user.is_some() {
            environment.scrub(command, Child::Helper);
        }
        if let Some(user) = user {
            command.envs(user.variables());
        }
    }
}

fn is_program(word: &OsStr, environment: &Environment) -> bool {
    let found = environment.program(word);
    found.is_some_and(|file| file.is_file())
}

impl Program {
    /// The command, looked for in this process' own `PATH`.
    ///
    /// # Errors
    /// Status 127 where there is no such program.
    pub fn command(&self, environment: &Environment) -> Outcome<Command> {
        let (first, arguments) = match self {
            Self::Shell(line) => return Ok(shell(line)),
            Self::Words(words) => words.split_first().ok_or_else(|| missing(OsStr::new("")))?,
        };
        let file = environment.program(first).ok_or_else(|| missing(first))?;
        let mut command = Command::new(file);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, first);
        command.args(arguments);
        Ok(command)
    }

    /// The same with `change` made to the line, or to each argument.
    #[must_use]
    pub fn map(self, change: impl Fn(&OsStr) -> OsString) -> Self {
        match self {
            Self::Shell(line) => Self::Shell(change(&line)),
            Self::Words(words) => Self::Words(words.iter().map(|word| change(word)).collect()),
        }
    }
}

#[cfg(unix)]
fn shell(line: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

#[cfg(not(unix))]
fn shell(line: &OsStr) -> Command {
    let mut command = Command::new("cmd.exe");
    command.arg("/C").arg(line);
    command
}

fn missing(word: &OsStr) -> Failure {
    let message = format!("{}: no such program", Path::new(word).display());
    Failure::new(Status::NoProgram, message)
}

/// The failure of a command that did not start.
pub fn not_started(command: &Command, error: &io::Error) -> Failure {
    let status = match error.kind() {
        io::ErrorKind::NotFound => Status::NoProgram,
        io::ErrorKind::PermissionDenied => Status::NotExecutable,
        _ => Status::General,
    };
    let program = Path::new(command.get_program()).display();
    let failure = Failure::new(status, format!("cannot start {program}: {error}"));
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => failure.hint(
            "the system has no room for values of this size in an environment; use exec-file",
        ),
        _ => failure,
    }
}

/// Runs the command, and ends as it ends.
///
/// # Errors
/// Where it does not start.
pub fn supervise(mut command: Command) -> Outcome<ExitCode> {
    let ended = process::supervise(&mut command);
    let status = ended.map_err(|error| not_started(&command, &error))?;
    Ok(ExitCode::from(process::code(status)))
}

/// Reads one of the files; one that is missing is unreadable, as in sops.
///
/// # Errors
/// Where it cannot be read, or its format is not known.
pub fn read(context: &Context, file: &Path, types: &Types) -> Outcome<Input> {
    Input::read(context, Some(file), types, None, Purpose::Read).map_err(|failure| {
        let status = match failure.status {
            Status::NoFile => Status::Unreadable,
            status => status,
        };
        Failure { status, ..failure }
    })
}

/// Bytes as the system's text; `None` where it has no such text (Windows knows Unicode only).
#[cfg_attr(
    unix,
    allow(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are text")
)]
pub fn system_text(bytes: &[u8]) -> Option<OsString> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(OsStr::from_bytes(bytes).to_owned())
    }
    #[cfg(not(unix))]
    {
        std::str::from_utf8(bytes).ok().map(OsString::from)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn split(before: &[&str], behind: &[&str]) -> Option<(Vec<PathBuf>, Program)> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect();
        let running = Running {
            user: None,
            scrub: false,
            background: false,
            before: words(before),
            behind: words(behind),
        };
        let environment = [("PATH", "/bin")].into_iter().collect();
        running.split("exec-env", &environment).ok()
    }

    #[test]
    fn files_stand_before_the_dashes_and_the_command_behind() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let shell = |line: &str| Program::Shell(line.into());
        let words = |words: &[&str]| Program::Words(words.iter().map(OsString::from).collect());
        for (before, behind, expected) in [
            (&["f", "l -x"][..], &[][..], (files(&["f"]), shell("l -x"))),
            (&[], &["f", "ls"], (files(&["f"]), shell("ls"))),
            (&["f"], &["ls"], (files(&["f"]), words(&["ls"]))),
            (&["f"], &["/bin/ls"], (files(&["f"]), words(&["/bin/ls"]))),
            (&["f"], &["ls -l"], (files(&["f"]), shell("ls -l"))),
            (
                &["f"],
                &["/bin/ls -l"],
                (files(&["f"]), shell("/bin/ls -l")),
            ),
            (&["f"], &["no", "x"], (files(&["f"]), words(&["no", "x"]))),
            (
                &["f", "g"],
                &["ls", "x"],
                (files(&["f", "g"]), words(&["ls", "x"])),
            ),
        ] {
            assert_eq!(
                split(before, behind),
                Some(expected),
                "{before:?} {behind:?}"
            );
        }
        for (before, behind) in [
            (&[][..], &[][..]),
            (&["f"], &[]),
            (&["f", "g", "l"], &[]),
            (&[], &["f"]),
            (&[], &["f", "g", "l"]),
        ] {
            assert_eq!(split(before, behind), None, "{before:?} {behind:?}");
        }
    }
}
