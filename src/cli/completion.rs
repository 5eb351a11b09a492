//! `bulla completion`: a completion script for a shell.

use super::failure::{Failure, Outcome, Status};
use super::{Cli, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script
///
/// For bash: source <(bulla completion bash)
#[derive(Args)]
pub struct Completion {
    /// The shell.
    pub shell: Shell,
}

impl Completion {
    /// Runs the command.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "bulla", &mut script);
        output::stdout(&script).map_err(|error| Failure::new(Status::Unwritable, error))
    }
}
