//! Questions to the user: passphrases on the terminal itself, yes or no where sops asks it.

use super::environment::Environment;
use super::failure::{note, warn};
use super::gpg_agent::{Agent, AgentError, Request};
use super::process;
use crate::keys::Prompt;
use std::io::{self, BufRead, Write};
use zeroize::Zeroizing;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Nobody can be asked.
    #[error("there is no terminal to ask on: {0}")]
    NoTerminal(#[source] io::Error),
    /// The input ended before there was an answer.
    #[error("the input ended without an answer")]
    NoAnswer,
    /// The question or the answer did not get through.
    #[error("cannot ask: {0}")]
    Io(#[from] io::Error),
}

/// Asks for a passphrase on the terminal, whatever standard input and output are. It is not
/// shown; the terminal is set right again on every way out, and Ctrl-C ends this process.
///
/// # Errors
/// [`PromptError::NoTerminal`] where there is none, [`PromptError::NoAnswer`] at its end.
pub fn passphrase(question: &str) -> Result<Zeroizing<String>, PromptError> {
    let _restored = terminal::restore_on_signal().map_err(PromptError::NoTerminal)?;
    match rpassword::prompt_password(question) {
        Ok(answer) => Ok(Zeroizing::new(answer)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(PromptError::NoAnswer),
        // the terminal does not turn Ctrl-C into a signal while it asks
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            process::end_by(signal_hook::consts::SIGINT)
        }
        Err(error) => Err(PromptError::Io(error)),
    }
}

/// Asks for a line on the terminal itself, which shows what is typed.
///
/// # Errors
/// As [`passphrase`].
pub fn line(question: &str) -> Result<Zeroizing<String>, PromptError> {
    let (mut input, mut output) = terminal::open().map_err(PromptError::NoTerminal)?;
    output.write_all(question.as_bytes())?;
    output.flush()?;
    let mut line = Zeroizing::new(String::new());
    if input.read_line(&mut line)? == 0 {
        return Err(PromptError::NoAnswer);
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// Asks on standard output until standard input says `y` or `n`, as sops does. The question is
/// shown as it is, such as `Is this okay? (y/n):`.
///
/// # Errors
/// [`PromptError::NoAnswer`] where the input ends, [`PromptError::Io`].
pub fn confirm(question: &str) -> Result<bool, PromptError> {
    ask(question, &mut io::stdin().lock(), &mut io::stdout())
}

fn ask(
    question: &str,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<bool, PromptError> {
    let mut line = Vec::new();
    loop {
        write!(output, "{question}")?;
        output.flush()?;
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Err(PromptError::NoAnswer);
        }
        match line.trim_ascii() {
            b"y" | b"Y" => return Ok(true),
            b"n" | b"N" => return Ok(false),
            _ => {}
        }
    }
}

/// Asks whoever sits at the terminal, or has a gpg-agent.
pub struct Terminal<'a> {
    environment: &'a Environment,
}

impl<'a> Terminal<'a> {
    /// The terminal of this process; the agent is where `environment` says.
    #[must_use]
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment }
    }
}

impl Prompt for Terminal<'_> {
    fn passphrase(&mut self, what: &str) -> Option<Zeroizing<String>> {
        answered(passphrase(&format!("Passphrase of {what}: ")))
    }

    fn file_passphrase(&mut self, origin: &str, cache_id: &str) -> Option<Zeroizing<String>> {
        let what = origin;
        let request = Request { cache_id, what };
        let asked = Agent::of(self.environment).map(|mut agent| agent.passphrase(&request));
        match asked {
            Some(Ok(passphrase)) => return Some(passphrase),
            Some(Err(error @ AgentError::Cancelled)) => {
                warn(error);
                return None;
            }
            Some(Err(error)) => warn(error),
            None => {}
        }
        self.passphrase(&format!("identity {origin}"))
    }

    fn forget(&mut self, cache_id: &str) {
        if let Some(Err(error)) = Agent::of(self.environment).map(|mut a| a.forget(cache_id)) {
            warn(error);
        }
    }

    fn secret(&mut self, program: &str, question: &str) -> Option<Zeroizing<String>> {
        answered(passphrase(&format!("{program} asks: {question} ")))
    }

    fn line(&mut self, program: &str, question: &str) -> Option<Zeroizing<String>> {
        answered(line(&format!("{program} asks: {question} ")))
    }

    fn choose(
        &mut self,
        program: &str,
        question: &str,
        yes: &str,
        no: Option<&str>,
    ) -> Option<bool> {
        let Some(no) = no else {
            let question = format!("{program} asks: {question}\n[Enter] {yes} ");
            return answered(line(&question)).map(|_| true);
        };
        let question = format!("{program} asks: {question}\n[1] {yes}  [2] {no}: ");
        loop {
            match answered(line(&question))?.trim() {
                "1" => return Some(true),
                "2" => return Some(false),
                _ => {}
            }
        }
    }

    fn message(&mut self, program: &str, text: &str) -> bool {
        note(format_args!("{program}: {text}"));
        true
    }
}

fn answered(answer: Result<Zeroizing<String>, PromptError>) -> Option<Zeroizing<String>> {
    answer.map_err(warn).ok()
}

#[cfg(unix)]
mod terminal {
    use crate::cli::process::{Cleanup, on_exit_signal};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::fs::File;
    use std::io::{self, BufReader};

    /// The terminal to read from and to write to.
    pub(super) fn open() -> io::Result<(BufReader<File>, File)> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        Ok((BufReader::new(terminal.try_clone()?), terminal))
    }

    /// Shows again what is typed if a signal ends this process while it asks.
    pub(super) fn restore_on_signal() -> io::Result<Cleanup> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        on_exit_signal(move || {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        })
    }
}

#[cfg(not(unix))]
mod terminal {
    use std::fs::File;
    use std::io::{self, BufReader};

    /// The console to read from and to write to.
    pub(super) fn open() -> io::Result<(BufReader<File>, File)> {
        let input = File::options().read(true).open("CONIN$")?;
        let output = File::options().write(true).open("CONOUT$")?;
        Ok((BufReader::new(input), output))
    }

    /// The console is set right by the system.
    pub(super) fn restore_on_signal() -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(input: &str) -> (Result<bool, PromptError>, String) {
        let mut output = Vec::new();
        let answer = ask("Is this okay? (y/n):", &mut input.as_bytes(), &mut output);
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn it_asks_until_the_answer_is_yes_or_no() {
        let (yes, shown) = answer("y\n");
        assert!(yes.unwrap());
        assert_eq!(shown, "Is this okay? (y/n):");
        let (no, shown) = answer("\nmaybe\r\nn\r\ny\n");
        assert!(!no.unwrap());
        assert_eq!(shown.matches("(y/n):").count(), 3);
    }

    #[test]
    fn the_end_of_the_input_is_no_answer() {
        for input in ["", "maybe"] {
            assert!(matches!(answer(input).0, Err(PromptError::NoAnswer)));
        }
    }
}
