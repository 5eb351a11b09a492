//! A program that goes on while the test does other things, and ends with it.

use super::Case;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long is waited for anything, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    /// Starts a command; what it prints and says goes to the file `said`.
    pub(crate) fn start(case: &Case, said: &Path) -> Self {
        let log = File::create(said).unwrap();
        let child = case
            .command()
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = said.to_owned();
        Self { child, said }
    }

    /// What it has printed and said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.said).unwrap()).into_owned()
    }

    /// Waits until it has said something.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(|running| running.said().contains(text), text);
    }

    /// Waits until there is such a file.
    #[track_caller]
    pub(crate) fn wait_for_file(&mut self, path: &Path) {
        self.wait_until(|_| path.exists(), &path.display().to_string());
    }

    #[track_caller]
    fn wait_until(&mut self, done: impl Fn(&Self) -> bool, what: &str) {
        let start = Instant::now();
        while !done(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                // what it said last may tell
                assert!(
                    done(self),
                    "it ended ({status}) before {what}: {}",
                    self.said()
                );
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a line on its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends it a signal, and waits for its end.
    pub(crate) fn end_by(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(sent.unwrap().success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "{signal} does not end it");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
