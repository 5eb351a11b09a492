//! age plugins as programs: found in PATH by their exact name, started, and seen off.

use super::environment::{Child, Environment};
use crate::keys::{Plugin, Plugins};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long a plugin may take to end when nothing is left to be said.
const GRACE: Duration = Duration::from_secs(2);

/// How many of the last bytes of its complaints are kept.
const KEPT: usize = 1024;

/// The plugins in PATH.
pub struct PathPlugins<'a> {
    environment: &'a Environment,
}

impl<'a> PathPlugins<'a> {
    /// The plugins in the PATH of `environment`; entries that are not absolute do not count.
    #[must_use]
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment }
    }
}

impl Plugins for PathPlugins<'_> {
    fn start(&mut self, program: &str, argument: &str) -> io::Result<Option<Box<dyn Plugin>>> {
        let Some(file) = self.environment.program(OsStr::new(program)) else {
            return Ok(None);
        };
        let mut command = Command::new(file);
        command
            .arg(argument)
            // not ours: a plugin must not come to depend on where the user happens to be
            .current_dir(self.environment.temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.environment.scrub(&mut command, Child::Helper);
        let mut process = command.spawn()?;
        let complaints = process.stderr.take().map(last_of);
        Ok(Some(Box::new(Running {
            input: process.stdin.take(),
            output: process.stdout.take(),
            complaints,
            process,
        })))
    }
}

/// A plugin that runs.
struct Running {
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    /// The last of its complaints, once it ended.
    complaints: Option<Receiver<Vec<u8>>>,
    process: Process,
}

impl Read for Running {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.output {
            Some(output) => output.read(bytes),
            None => Ok(0),
        }
    }
}

impl Write for Running {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) => input.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Plugin for Running {
    fn end(&mut self) -> String {
        self.input = None;
        self.output = None;
        let status = if let Some(status) = wait(&mut self.process) {
            status.to_string()
        } else {
            let _ = self.process.kill();
            "it hung up without ending".to_owned()
        };
        // somebody whom it started may have its standard error, and keep it open
        let complaints = self.complaints.take();
        let complaints = complaints.and_then(|c| c.recv_timeout(GRACE / 4).ok());
        let complaints = complaints.unwrap_or_default();
        let last = complaints.trim_ascii().rsplit(|&b| b == b'\n').next();
        match last.unwrap_or_default().trim_ascii() {
            [] => status,
            last => format!("{status} ({})", String::from_utf8_lossy(last)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.input = None;
        self.output = None;
        if wait(&mut self.process).is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The status of a process that ends in time.
fn wait(process: &mut Process) -> Option<std::process::ExitStatus> {
    let start = Instant::now();
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < GRACE => std::thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

/// Reads what a plugin complains of, so that it is never kept waiting, and sends the last of it.
fn last_of(mut stderr: ChildStderr) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut last, mut bytes) = (Vec::new(), [0; KEPT]);
        while let Ok(count @ 1..) = stderr.read(&mut bytes) {
            last.extend_from_slice(&bytes[..count]);
            let surplus = last.len().saturating_sub(KEPT);
            last.drain(..surplus);
        }
        let _ = sender.send(last);
    });
    receiver
}
