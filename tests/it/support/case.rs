//! A command and everything it must say. Stdout, stderr and status are always compared:
//! what a test does not mention must be empty, empty and 0.

use super::{Sandbox, age_key, bulla, text};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command that runs so long hangs.
const TOO_LONG: std::time::Duration = std::time::Duration::from_mins(1);

/// What one of the two output streams must hold.
#[derive(Clone)]
enum Expected {
    Exactly(Vec<u8>),
    Has(Vec<String>),
    Anything,
}

/// A command line in a sandbox, and what must come of it.
pub(crate) struct Case {
    sandbox: Sandbox,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    folder: PathBuf,
    stdout: Expected,
    stderr: Expected,
    never: Vec<String>,
    never_on_stderr: Vec<String>,
    status: i32,
}

/// What a command that did as expected printed, and where it ran.
pub(crate) struct Outcome {
    /// The sandbox it ran in.
    pub(crate) sandbox: Sandbox,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// What it said.
    pub(crate) stderr: String,
}

impl Outcome {
    /// What it printed, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("text on stdout")
    }
}

impl Case {
    /// The program under test in a sandbox of its own, as alice.
    pub(crate) fn new() -> Self {
        Self::within(&Sandbox::new(), bulla())
    }

    /// A program in a sandbox, in a clean environment whose only identity is alice's.
    pub(crate) fn within(sandbox: &Sandbox, program: &Path) -> Self {
        let case = Self {
            sandbox: sandbox.clone(),
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            folder: sandbox.work(),
            stdout: Expected::Exactly(Vec::new()),
            stderr: Expected::Exactly(Vec::new()),
            never: Vec::new(),
            never_on_stderr: Vec::new(),
            status: 0,
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        case.env("PATH", path)
            .env("HOME", sandbox.home())
            .env("XDG_CONFIG_HOME", sandbox.home().join(".config"))
            .env("XDG_CACHE_HOME", sandbox.home().join(".cache"))
            .env("XDG_STATE_HOME", sandbox.home().join(".state"))
            .env("XDG_RUNTIME_DIR", sandbox.run_dir())
            .env("TMPDIR", sandbox.tmp())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("SOPS_DISABLE_VERSION_CHECK", "true")
            .identity("alice")
    }

    /// Writes a file into the sandbox.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.sandbox.file(name, content);
        self
    }

    /// The arguments.
    pub(crate) fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One more argument.
    pub(crate) fn arg(self, arg: &str) -> Self {
        self.args([arg])
    }

    /// A variable of the environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self = self.without(name.as_ref());
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable out of the environment.
    pub(crate) fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name.as_ref());
        self
    }

    /// The key to decrypt with, instead of alice's.
    pub(crate) fn identity(self, name: &str) -> Self {
        let file = self.sandbox.key_file(name);
        self.env("SOPS_AGE_KEY_FILE", file)
    }

    /// Several keys to decrypt with, instead of alice's.
    pub(crate) fn identities(self, names: &[&str]) -> Self {
        let keys: Vec<String> = names.iter().map(|name| age_key(name).identity).collect();
        self.no_identity().env("SOPS_AGE_KEY", keys.join("\n"))
    }

    /// No key to decrypt with.
    pub(crate) fn no_identity(self) -> Self {
        self.without("SOPS_AGE_KEY_FILE")
    }

    /// What `edit` starts.
    pub(crate) fn editor(self, command: &str) -> Self {
        self.env("EDITOR", command)
    }

    /// What comes in on stdin.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// The folder to run in, below the work folder.
    pub(crate) fn folder(mut self, name: &str) -> Self {
        self.folder = self.sandbox.path(name);
        self
    }

    /// Stdout must be exactly this.
    pub(crate) fn expect_stdout(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdout = Expected::Exactly(bytes.as_ref().to_vec());
        self
    }

    /// Stdout must hold this, among other things.
    pub(crate) fn expect_stdout_has(mut self, fragment: &str) -> Self {
        self.stdout = has(self.stdout, fragment);
        self
    }

    /// Stdout is looked at by the test itself.
    pub(crate) fn any_stdout(mut self) -> Self {
        self.stdout = Expected::Anything;
        self
    }

    /// Stderr must hold this, among other things.
    pub(crate) fn expect_stderr_has(mut self, fragment: &str) -> Self {
        self.stderr = has(self.stderr, fragment);
        self
    }

    /// Stderr is looked at by the test itself.
    pub(crate) fn any_stderr(mut self) -> Self {
        self.stderr = Expected::Anything;
        self
    }

    /// Neither stream may hold this: a secret.
    pub(crate) fn never_says(mut self, secret: &str) -> Self {
        self.never.push(secret.to_owned());
        self
    }

    /// Stderr may not hold this: a secret that stdout shows rightly.
    pub(crate) fn never_says_on_stderr(mut self, secret: &str) -> Self {
        self.never_on_stderr.push(secret.to_owned());
        self
    }

    /// The exit status, where it is not 0.
    pub(crate) fn status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// The command itself, in its environment and folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder);
        command
    }

    /// Runs the command; what it printed and its status are the caller's to judge.
    pub(crate) fn output(&self) -> std::process::Output {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let mut pipe = child.stdin.take().expect("a pipe");
        let input = self.stdin.clone();
        // A command that does not read all of its input closes the pipe: no matter.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let id = child.id().to_string();
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if end.recv_timeout(TOO_LONG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-9", &id]).status();
            }
        });
        let output = child.wait_with_output().expect("the command's end");
        drop(ended);
        watch.join().expect("the watch");
        writer.join().expect("the writer");
        output
    }

    /// Runs the command and compares; one report of all that differs.
    pub(crate) fn run(self) -> Outcome {
        let output = self.output();

        let mut faults = Vec::new();
        if output.status.code() != Some(self.status) {
            faults.push(format!(
                "status: expected {}, got {}",
                self.status, output.status
            ));
        }
        compare("stdout", &self.stdout, &output.stdout, &mut faults);
        compare("stderr", &self.stderr, &output.stderr, &mut faults);
        for secret in &self.never {
            let said = |bytes: &[u8]| text(bytes).contains(secret.as_str());
            if said(&output.stdout) || said(&output.stderr) {
                faults.push(format!("it gives away {secret:?}"));
            }
        }
        for secret in &self.never_on_stderr {
            if text(&output.stderr).contains(secret.as_str()) {
                faults.push(format!("stderr gives away {secret:?}"));
            }
        }
        assert!(
            faults.is_empty(),
            "{} {:?}\n{}\n--- stdout\n{}\n--- stderr\n{}",
            self.program.display(),
            self.args,
            faults.join("\n"),
            text(&output.stdout),
            text(&output.stderr),
        );
        Outcome {
            sandbox: self.sandbox,
            stdout: output.stdout,
            stderr: text(&output.stderr),
        }
    }
}

/// Adds a fragment to what a stream must hold.
fn has(expected: Expected, fragment: &str) -> Expected {
    let mut fragments = match expected {
        Expected::Has(fragments) => fragments,
        Expected::Exactly(_) | Expected::Anything => Vec::new(),
    };
    fragments.push(fragment.to_owned());
    Expected::Has(fragments)
}

/// Notes where a stream differs from what was expected.
fn compare(stream: &str, expected: &Expected, got: &[u8], faults: &mut Vec<String>) {
    match expected {
        Expected::Anything => {}
        Expected::Exactly(bytes) if bytes == got => {}
        Expected::Exactly(bytes) => {
            faults.push(format!("{stream}: expected exactly {:?}", text(bytes)));
        }
        Expected::Has(fragments) => {
            let got = text(got);
            for fragment in fragments.iter().filter(|f| !got.contains(f.as_str())) {
                faults.push(format!("{stream}: expected to find {fragment:?}"));
            }
        }
    }
}
