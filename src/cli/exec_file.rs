//! `bulla exec-file`: a command that finds the plaintext of encrypted files in files.
//!
//! These are pipes in a private directory as a rule, so that nothing is stored anywhere. What is
//! in that directory goes with every way out.

use super::args::{Types, Unlocking};
use super::exec::{self, Program, Running};
use super::failure::{Failure, Outcome, Status, warn};
use super::private_dir::{self, PrivateDir, PrivateDirError};
use super::serve::{self, Served};
use super::{Context, decrypt, process, unlock};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use zeroize::Zeroizing;

/// What sops calls its file.
const NAME: &str = "tmp-file";

/// Run a command with the plaintext of encrypted files in files that go with it
///
/// `{}` in the command is replaced by the path of the file; where there are several files, `{1}`,
/// `{2}` and so on by theirs. The file is a pipe that can be read from its start to its end,
/// each time it is opened. The command's exit status is passed on; 128 and the number of the
/// signal where one ended it.
#[derive(Args)]
#[command(
    override_usage = "bulla exec-file [OPTIONS] <FILE> <LINE FOR THE SHELL>\n       \
                            bulla exec-file [OPTIONS] <FILE>... -- <PROGRAM> [ARGUMENT]..."
)]
pub struct ExecFile {
    /// An ordinary file in place of the pipe, for commands that seek in it or ask for its size.
    #[arg(long)]
    pub no_fifo: bool,
    /// The name of the file; folders in it are made.
    #[arg(long, value_name = "NAME")]
    pub filename: Option<PathBuf>,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    #[command(flatten)]
    pub running: Running,
}

impl ExecFile {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let environment = &context.environment;
        let (files, program) = self.running.split("exec-file", environment)?;
        let pipes = self.uses_pipes();
        self.running.warn_of_background("exec-file");
        if self.running.background && !pipes {
            let message = "--background and --no-fifo exclude one another";
            return Err(Failure::new(Status::Conflict, message)
                .hint("nothing would tell when the file may be removed"));
        }
        let names = self.names(files.len())?;
        let user = self.running.user()?;
        let mut texts = Vec::with_capacity(files.len());
        for file in &files {
            texts.push(self.plaintext(context, file)?);
        }
        if let Some(user) = &user {
            // what follows is the user's: directory, files, command
            user.assume()?;
        }
        private_dir::sweep(environment);
        let directory = self.directory(context, pipes, &texts).map_err(general)?;
        let served = if pipes {
            serve::pipes(&directory, &names, texts)
        } else {
            serve::files(&directory, &names, &texts)
        };
        let served = served.map_err(general)?;
        let program = program.map(|text| filled_in(text, served.paths()));
        let ended = self.start(context, &program, user.as_ref(), &served);
        served.end(&directory);
        if let Err(error) = directory.close() {
            warn(error);
        }
        ended
    }

    fn uses_pipes(&self) -> bool {
        let has_pipes = cfg!(all(unix, not(target_vendor = "apple")));
        if !has_pipes && !self.no_fifo {
            warn(
                "there are no pipes with names for us on this system: the file is an ordinary one",
            );
        }
        has_pipes && !self.no_fifo
    }

    /// What the files are called, below the directory.
    fn names(&self, count: usize) -> Outcome<Vec<PathBuf>> {
        let given = self.filename.as_deref();
        let given = given.filter(|name| !name.as_os_str().is_empty());
        match given {
            Some(_) if count > 1 => {
                let message = "--filename names one file, and there are several";
                Err(Failure::new(Status::Conflict, message))
            }
            Some(name) => {
                let local = local(name).ok_or_else(|| {
                    let message = "--filename: the name is not a local path";
                    Failure::new(Status::General, message)
                        .hint("it is a relative path that does not lead out with `..`")
                })?;
                Ok(vec![local])
            }
            None if count == 1 => Ok(vec![NAME.into()]),
            None => Ok((1..=count).map(|n| format!("{NAME}-{n}").into()).collect()),
        }
    }

    fn plaintext(&self, context: &Context, file: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
        let mut input = exec::read(context, file, &self.types)?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let text = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        drop(unlocked);
        decrypt::converted(context, &input, text)
    }

    fn directory(
        &self,
        context: &Context,
        pipes: bool,
        texts: &[Zeroizing<Vec<u8>>],
    ) -> Result<PrivateDir, PrivateDirError> {
        let environment = &context.environment;
        if pipes {
            return PrivateDir::for_pipes(environment);
        }
        let size: usize = texts.iter().map(|text| text.len()).sum();
        let directory = PrivateDir::new(environment, size as u64 + (1 << 20))?;
        if !directory.is_memory() {
            let place = directory.path().display();
            warn(format!(
                "no memory-backed place found: the plaintext is on disk in {place} while the command runs"
            ));
        }
        Ok(directory)
    }

    fn start(
        &self,
        context: &Context,
        program: &Program,
        user: Option<&super::user::User>,
        served: &Served,
    ) -> Outcome<ExitCode> {
        let environment = &context.environment;
        let mut command = program.command(environment)?;
        self.running.dress(&mut command, environment, user);
        if self.running.background {
            leave_behind(command, served)
        } else {
            exec::supervise(command)
        }
    }
}

/// Starts a command that nobody waits for, and stays until it has read every pipe, or has ended.
fn leave_behind(mut command: Command, served: &Served) -> Outcome<ExitCode> {
    let nothing = Stdio::null;
    command.stdin(nothing()).stdout(nothing()).stderr(nothing());
    let started = process::spawn(&mut command);
    let mut child = started.map_err(|error| exec::not_started(&command, &error))?;
    let ended = served.teller();
    let waiting = std::thread::Builder::new().spawn(move || {
        let _ = child.wait();
        ended.tell_ended();
    });
    if waiting.is_ok() {
        served.wait_until_read();
    }
    Ok(ExitCode::SUCCESS)
}

/// A failure with sops's status for it.
fn general(error: PrivateDirError) -> Failure {
    Failure::new(Status::General, error)
}

/// A path that stays below the folder it is joined to, without `.` and `..`, as Go's
/// `filepath.IsLocal` has it.
fn local(path: &Path) -> Option<PathBuf> {
    let mut local = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => local.push(name),
            Component::CurDir => {}
            Component::ParentDir if local.pop() => {}
            _ => return None,
        }
    }
    (!local.as_os_str().is_empty()).then_some(local)
}

/// `{}` by the one path, or `{1}`, `{2}`, … by several.
fn filled_in(text: &OsStr, paths: &[PathBuf]) -> OsString {
    let bytes = text.as_encoded_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'{', rest) {
        out.extend_from_slice(&rest[..at]);
        let behind = &rest[at + 1..];
        let end = memchr::memchr(b'}', behind);
        let place = end.and_then(|end| Some((end, path_of(&behind[..end], paths)?)));
        if let Some((end, path)) = place {
            out.extend_from_slice(path.as_os_str().as_encoded_bytes());
            rest = &behind[end + 1..];
        } else {
            out.push(b'{');
            rest = behind;
        }
    }
    out.extend_from_slice(rest);
    exec::system_text(&out).unwrap_or_else(|| text.to_owned())
}

fn path_of<'a>(number: &[u8], paths: &'a [PathBuf]) -> Option<&'a PathBuf> {
    match paths {
        [only] => number.is_empty().then_some(only),
        several => {
            let is_number = number.first().is_some_and(|b| (b'1'..=b'9').contains(b));
            let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
            several.get(number.checked_sub(1)?).filter(|_| is_number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_become_paths() {
        let one = [PathBuf::from("/p q")];
        let two = [PathBuf::from("/p"), PathBuf::from("/{1}")];
        for (text, paths, expected) in [
            (
                "cat {} {}; echo ${x} { } {1}",
                &one[..],
                "cat /p q /p q; echo ${x} { } {1}",
            ),
            ("--env-file={}", &one, "--env-file=/p q"),
            (
                "{2}{1} {} {0} {3} {01} {+1} {",
                &two,
                "/{1}/p {} {0} {3} {01} {+1} {",
            ),
            ("{{1}}", &two, "{/p}"),
            ("", &two, ""),
        ] {
            assert_eq!(filled_in(OsStr::new(text), paths), expected, "{text}");
        }
    }

    #[test]
    fn only_local_names_are_taken() {
        for (name, expected) in [
            ("a", Some("a")),
            ("./a/b.env", Some("a/b.env")),
            ("a/../b", Some("b")),
            ("..a", Some("..a")),
            ("/a", None),
            ("../a", None),
            ("a/../../b", None),
            ("..", None),
            (".", None),
            ("a/..", None),
        ] {
            assert_eq!(
                local(Path::new(name)).as_deref(),
                expected.map(Path::new),
                "{name}"
            );
        }
    }
}
