//! gpg as a child process: which program it is, what it is given and what it leaves behind.
//!
//! It gets the environment and the terminal as they are, so that its agent and pinentry work as
//! the user has set them up; our own keys are kept from it.

use super::environment::{Child, Environment, GPG_TTY, SOPS_GPG_EXEC};
use super::original::read_whole;
use crate::keys::{Gpg, GpgNotRun, GpgOutput};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use zeroize::Zeroizing;

/// The most bytes that are read of its output: far more than a wrapped key or a data key has.
const LIMIT: u64 = 64 << 10;

/// The most bytes that are read of what it says.
const SAID_LIMIT: u64 = 1 << 20;

/// The user's gpg: the program that `SOPS_GPG_EXEC` names, else the `gpg` of `PATH`.
pub struct GpgProgram<'e> {
    environment: &'e Environment,
}

impl<'e> GpgProgram<'e> {
    /// The gpg of an environment. It is looked for when it is run.
    #[must_use]
    pub fn new(environment: &'e Environment) -> Self {
        Self { environment }
    }

    fn name(&self) -> &OsStr {
        let named = self.environment.path(SOPS_GPG_EXEC);
        named.map_or(OsStr::new("gpg"), AsRef::as_ref)
    }

    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let program = self.environment.program(self.name()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "there is no such program in PATH")
        })?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.environment.scrub(&mut command, Child::Helper);
        // gpg looks at its standard input, which is a pipe here, for the terminal to ask on
        if self.environment.path(GPG_TTY).is_none()
            && let Some(terminal) = terminal::name()
        {
            command.env(GPG_TTY, terminal);
        }
        Ok(command)
    }
}

impl Gpg for GpgProgram<'_> {
    fn run(&mut self, arguments: &[&str], input: &[u8]) -> Result<GpgOutput, GpgNotRun> {
        let command = self.command(arguments);
        command
            .and_then(|mut command| exchange(&mut command, input))
            .map_err(|error| GpgNotRun {
                program: self.name().to_string_lossy().into_owned(),
                why: error.to_string(),
            })
    }
}

/// Runs a command with all three streams at once: it may speak before it has read everything.
fn exchange(command: &mut Command, input: &[u8]) -> io::Result<GpgOutput> {
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (printed, said) = thread::scope(|scope| {
        scope.spawn(move || {
            // that it did not read all shows in its status
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let said = scope.spawn(move || {
            let mut said = Vec::new();
            let read = stderr.map(|stderr| stderr.take(SAID_LIMIT).read_to_end(&mut said));
            read.transpose().map(|_| said)
        });
        let printed = match stdout {
            Some(stdout) => read_whole(stdout.take(LIMIT + 1), 0),
            None => Ok(Zeroizing::default()),
        };
        if !printed.as_ref().is_ok_and(|printed| fits(printed)) {
            // no more of it is of use; gone already is as good
            let _ = child.kill();
        }
        (printed, said.join())
    });
    let status = child.wait()?;
    let stdout = printed?;
    let said = said.unwrap_or_else(|_| Ok(Vec::new()))?;
    let mut stderr = String::from_utf8_lossy(&said).into_owned();
    if !fits(&stdout) {
        "more was printed than any key has".clone_into(&mut stderr);
    } else if stderr.trim().is_empty() && !status.success() {
        stderr = status.to_string();
    }
    Ok(GpgOutput {
        success: status.success() && fits(&stdout),
        stdout,
        stderr,
    })
}

fn fits(printed: &[u8]) -> bool {
    printed.len() as u64 <= LIMIT
}

#[cfg(unix)]
pub(super) mod terminal {
    use rustix::termios::ttyname;
    use std::{ffi::OsString, io, os::unix::ffi::OsStringExt};

    /// The terminal of this process, where one of its streams is one.
    pub(in crate::cli) fn name() -> Option<OsString> {
        let name = ttyname(io::stdin(), Vec::new())
            .or_else(|_| ttyname(io::stderr(), Vec::new()))
            .or_else(|_| ttyname(io::stdout(), Vec::new()));
        Some(OsString::from_vec(name.ok()?.into_bytes()))
    }
}

#[cfg(not(unix))]
pub(super) mod terminal {
    /// Windows asks in windows.
    pub(in crate::cli) fn name() -> Option<std::ffi::OsString> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// What a script of the shell leaves behind in the place of gpg.
    fn run(script: &str, input: &[u8]) -> io::Result<GpgOutput> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        exchange(&mut command, input)
    }

    #[test]
    fn all_three_streams_are_served_at_once() {
        let long = vec![b'x'; 1 << 20];
        let noisy = "head -c 500000 /dev/zero >&2; cat > /dev/null; printf done";
        let output = run(noisy, &long).unwrap();
        assert!(output.success);
        assert_eq!(output.stdout.as_slice(), b"done");
        let deaf = run("printf 'no' >&2; exit 2", &long).unwrap();
        assert_eq!((deaf.success, deaf.stderr.as_str()), (false, "no"));
    }

    #[test]
    fn a_silent_failure_still_says_something() {
        assert_eq!(run("exit 7", b"").unwrap().stderr, "exit status: 7");
        assert!(run("kill -9 $$", b"").unwrap().stderr.contains("signal: 9"));
    }

    #[test]
    fn a_flood_is_cut_off() {
        let start = Instant::now();
        let output = run("exec cat /dev/zero", b"").unwrap();
        assert!(!output.success && output.stderr.contains("more was printed"));
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_was_looked_for_is_named() {
        let run = |variables: &[(&str, &str)]| {
            let environment: Environment = variables.iter().copied().collect();
            GpgProgram::new(&environment)
                .run(&["-d"], b"")
                .err()
                .unwrap()
        };
        let none = run(&[("PATH", "/nowhere"), ("SOPS_GPG_EXEC", "")]);
        assert_eq!(none.program, "gpg");
        assert!(none.why.contains("PATH"), "{none}");
        let named = run(&[("PATH", "/bin"), ("SOPS_GPG_EXEC", "/no/such/gpg")]);
        assert_eq!(named.program, "/no/such/gpg");
    }
}
