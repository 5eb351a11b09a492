//! gpg-agent as the keeper of passphrases: its socket, and the little of the Assuan protocol
//! that asking needs. An agent that does not run is not started.

use super::environment::Environment;

/// A passphrase that is wanted.
pub struct Request<'a> {
    /// Under which name the agent remembers it; at most 50 characters.
    pub cache_id: &'a str,
    /// What it is the passphrase of.
    pub what: &'a str,
}

/// Why an agent gave none.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Whoever was asked does not want to say it.
    #[error("no passphrase was given to gpg-agent")]
    Cancelled,
    /// The agent's own words.
    #[error("gpg-agent: {0}")]
    Refused(String),
    /// It is gone, or no gpg-agent.
    #[error("cannot talk to gpg-agent: {0}")]
    Io(#[from] std::io::Error),
}

pub use system::Agent;

#[cfg(unix)]
mod system {
    use super::{AgentError, Environment, Request};
    use crate::cli::environment::{Child, DISPLAY, GNUPGHOME, GPG_TTY, TERM, XDG_RUNTIME_DIR};
    use crate::cli::gpg::terminal;
    use std::ffi::{OsStr, OsString};
    use std::io::{self, Read, Write};
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::Duration;
    use zeroize::Zeroizing;

    /// The longest line of the protocol, in bytes.
    const LINE: usize = 1000;

    /// The most bytes of what the passphrase is of that are shown.
    const SHOWN: usize = 200;

    /// The codes of libgpg-error for a user who does not want to.
    const CANCELLED: [u32; 2] = [99, 198];

    /// A connection to gpg-agent.
    pub struct Agent {
        stream: UnixStream,
    }

    impl Agent {
        /// The agent of this user, where one runs.
        pub fn of(environment: &Environment) -> Option<Self> {
            let known = sockets(environment).into_iter().find_map(|s| connect(&s));
            let stream = known.or_else(|| connect(&asked_of_gpgconf(environment)?))?;
            let mut agent = Self { stream };
            // an agent greets at once; somebody else there may never
            let _ = agent.stream.set_read_timeout(Some(Duration::from_secs(2)));
            agent.reply().ok()?;
            let _ = agent.stream.set_read_timeout(None);
            for (option, value) in options(environment) {
                // one that it does not know is none that it needs
                let _ = agent.command(&format!("OPTION {option}={}", value.to_str()?));
            }
            Some(agent)
        }

        /// The passphrase, as the agent remembers it or as the user tells it.
        pub fn passphrase(&mut self, request: &Request) -> Result<Zeroizing<String>, AgentError> {
            let what: String = request.what.chars().take(SHOWN).collect();
            let description = escaped(&format!("Passphrase of the age identity file {what}"));
            let cache_id = request.cache_id;
            let hex = self.command(&format!(
                "GET_PASSPHRASE {cache_id} X Passphrase: {description}"
            ))?;
            let bytes = unhex(&hex).ok_or_else(no_passphrase)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| no_passphrase())?;
            Ok(Zeroizing::new(text.to_owned()))
        }

        /// Has the agent forget a passphrase.
        pub fn forget(&mut self, cache_id: &str) -> Result<(), AgentError> {
            self.command(&format!("CLEAR_PASSPHRASE {cache_id}"))
                .map(|_| ())
        }

        /// Sends a command, and returns what stands behind `OK`.
        fn command(&mut self, command: &str) -> Result<Zeroizing<String>, AgentError> {
            self.stream.write_all(command.as_bytes())?;
            self.stream.write_all(b"\n")?;
            self.reply()
        }

        fn reply(&mut self) -> Result<Zeroizing<String>, AgentError> {
            loop {
                let line = self.line()?;
                let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                match word {
                    "OK" => return Ok(Zeroizing::new(rest.to_owned())),
                    "ERR" => return Err(refused(rest)),
                    "INQUIRE" => self.stream.write_all(b"END\n")?,
                    // comments, states
                    _ => {}
                }
            }
        }

        /// A line, read byte by byte so that no buffer keeps a passphrase.
        fn line(&mut self) -> io::Result<Zeroizing<String>> {
            let mut line = Zeroizing::new(Vec::with_capacity(LINE + 1));
            let mut byte = [0];
            loop {
                self.stream.read_exact(&mut byte)?;
                match byte[0] {
                    b'\n' => break,
                    _ if line.len() == LINE => return Err(io::ErrorKind::InvalidData.into()),
                    byte => line.push(byte),
                }
            }
            match std::str::from_utf8(&line) {
                Ok(line) => Ok(Zeroizing::new(line.to_owned())),
                Err(_) => Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn refused(rest: &str) -> AgentError {
        let (code, words) = rest.split_once(' ').unwrap_or((rest, ""));
        // the upper bits say which part of GnuPG it is from
        match code.parse::<u32>() {
            Ok(code) if CANCELLED.contains(&(code & 0xffff)) => AgentError::Cancelled,
            _ => AgentError::Refused(words.chars().filter(|c| !c.is_control()).collect()),
        }
    }

    fn no_passphrase() -> AgentError {
        AgentError::Refused("what it answers is no passphrase".to_owned())
    }

    /// Where the socket is as a rule.
    fn sockets(environment: &Environment) -> Vec<PathBuf> {
        let name = "S.gpg-agent";
        if let Some(home) = environment.path(GNUPGHOME) {
            return vec![home.join(name)];
        }
        let uid = rustix::process::geteuid().as_raw();
        let run = environment.path(XDG_RUNTIME_DIR).map(Path::to_path_buf);
        let run = run.into_iter().chain([format!("/run/user/{uid}").into()]);
        let run = run.map(|directory| directory.join("gnupg").join(name));
        let home = environment
            .home()
            .map(|home| home.join(".gnupg").join(name));
        run.chain(home).collect()
    }

    /// Where gpgconf says that it is: with another home, below a directory with a hash for a name.
    fn asked_of_gpgconf(environment: &Environment) -> Option<PathBuf> {
        let mut command = Command::new(environment.program(OsStr::new("gpgconf"))?);
        command.args(["--list-dirs", "agent-socket"]);
        environment.scrub(&mut command, Child::Helper);
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let path = output.stdout.trim_ascii_end().to_vec();
        Some(PathBuf::from(OsString::from_vec(path)))
    }

    /// A connection, where the socket is this user's own.
    fn connect(socket: &Path) -> Option<UnixStream> {
        let owner = socket.metadata().ok()?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return None;
        }
        UnixStream::connect(socket).ok()
    }

    /// What the agent has to know for the window or terminal that it asks on.
    fn options(environment: &Environment) -> Vec<(&'static str, OsString)> {
        let value = |name: &str| environment.value(name).map(OsStr::to_os_string);
        let options = [
            ("ttyname", value(GPG_TTY).or_else(terminal::name)),
            ("ttytype", value(TERM)),
            ("display", value(DISPLAY)),
        ];
        let set = options
            .into_iter()
            .filter_map(|(option, value)| Some((option, value?)));
        let plain = |value: &OsString| {
            let bytes = value.as_encoded_bytes();
            !bytes.is_empty()
                && bytes.len() < LINE / 2
                && bytes.is_ascii()
                && !bytes.iter().any(u8::is_ascii_control)
        };
        set.filter(|(_, value)| plain(value)).collect()
    }

    /// An argument: blanks as `+`, whatever is neither a letter nor a digit as `%XX`.
    fn escaped(text: &str) -> String {
        let escaped = text.bytes().map(|byte| match byte {
            b' ' => "+".to_owned(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        });
        escaped.collect()
    }

    fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
        for pair in digits.chunks(2) {
            let value = |digit: u8| char::from(digit).to_digit(16);
            bytes.push((value(pair[0])? * 16 + value(pair[1])?) as u8);
        }
        Some(bytes)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_argument_holds_neither_blanks_nor_line_ends() {
            assert_eq!(escaped("a b\n+%é"), "a+b%0A%2B%25%C3%A9");
        }

        #[test]
        fn a_passphrase_comes_in_hex() {
            assert_eq!(unhex("6869"), Some(b"hi".to_vec().into()));
            assert_eq!(unhex(""), Some(Zeroizing::default()));
            assert_eq!((unhex("686"), unhex("6x")), (None, None));
        }

        #[test]
        fn to_cancel_is_told_from_other_errors() {
            let cancelled = refused("83886179 Operation cancelled <Pinentry>");
            assert!(matches!(cancelled, AgentError::Cancelled));
            let other = refused("67108949 No pinentry <GPG Agent>");
            assert_eq!(other.to_string(), "gpg-agent: No pinentry <GPG Agent>");
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::{AgentError, Environment, Request};
    use zeroize::Zeroizing;

    /// Nobody: gpg-agent has no socket of this kind here.
    pub enum Agent {}

    impl Agent {
        /// None.
        pub fn of(_: &Environment) -> Option<Self> {
            None
        }

        /// Never called.
        pub fn passphrase(&mut self, _: &Request) -> Result<Zeroizing<String>, AgentError> {
            match *self {}
        }

        /// Never called.
        pub fn forget(&mut self, _: &str) -> Result<(), AgentError> {
            match *self {}
        }
    }
}
