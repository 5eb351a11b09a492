//! Questions to the user: passphrases on the terminal itself, yes or no where sops asks it.

use super::process;
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

/// Asks on standard output until standard input says `y` or `n`, as sops does:
/// `Is this okay? (y/n):`.
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
        write!(output, "{question} (y/n):")?;
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

#[cfg(unix)]
mod terminal {
    use crate::cli::process::{Cleanup, on_exit_signal};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::{fs::File, io};

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
        let answer = ask("Is this okay?", &mut input.as_bytes(), &mut output);
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
