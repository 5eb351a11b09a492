//! `bulla exec-env`: a command whose environment holds the values of encrypted files.

use super::args::{Unlocking, format};
use super::exec::{self, Program, Running};
use super::failure::{Failure, Outcome, Status};
use super::gather::{Gathering, prefix};
use super::user::User;
use super::{Context, process};
use crate::store::Store;
use crate::variables::{GO_NULL, Naming, Variable};
use clap::Args;
use std::process::{Command, ExitCode, Stdio};

/// Run a command with the values of encrypted files in its environment
///
/// Top-level keys are the names. Numbers and booleans are spelled as in dotenv files, null as
/// `<nil>`, as sops does. The command's exit status is passed on; 128 and the number of the signal
/// where one ended it.
#[derive(Args)]
#[command(
    override_usage = "bulla exec-env [OPTIONS] <FILE> <LINE FOR THE SHELL>\n       \
                            bulla exec-env [OPTIONS] <FILE>... -- <PROGRAM> [ARGUMENT]..."
)]
pub struct ExecEnv {
    /// Nothing but the values in the environment (and what `--user` puts there).
    #[arg(long)]
    pub pristine: bool,
    /// Become the command instead of starting it.
    #[arg(long)]
    pub same_process: bool,
    /// Join the keys of nested values with `_`; items of lists are named by their index.
    #[arg(long)]
    pub flatten: bool,
    /// What to put before every name.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true, value_parser = prefix)]
    pub prefix: String,
    /// The format of the files; without it each file tells by its name or content.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub input_type: Option<&'static dyn Store>,
    #[command(flatten)]
    pub unlocking: Unlocking,
    #[command(flatten)]
    pub running: Running,
}

impl ExecEnv {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let environment = &context.environment;
        let (files, program) = self.running.split("exec-env", environment)?;
        self.running.warn_of_background("exec-env");
        if self.same_process && self.running.background {
            let message = "--same-process and --background exclude one another";
            return Err(Failure::new(Status::Conflict, message));
        }
        let user = self.running.user()?;
        let found = self.gathering().variables(context, &files)?;
        let command = self.command(context, &program, user.as_ref(), found)?;
        if let Some(user) = user {
            user.assume()?;
        }
        self.start(command)
    }

    fn gathering(&self) -> Gathering<'_> {
        Gathering {
            input_type: self.input_type,
            unlocking: &self.unlocking,
            naming: Naming {
                flatten: self.flatten,
                prefix: self.prefix.clone(),
                null: GO_NULL,
                ..Naming::default()
            },
        }
    }

    fn command(
        &self,
        context: &Context,
        program: &Program,
        user: Option<&User>,
        found: Vec<Variable>,
    ) -> Outcome<Command> {
        let environment = &context.environment;
        let mut command = program.command(environment)?;
        if self.pristine {
            command.env_clear();
        }
        self.running.dress(&mut command, environment, user);
        for variable in found {
            let (name, value) = (&variable.name, &variable.value);
            let pair = exec::system_text(name).zip(exec::system_text(value));
            let (name, value) = pair.ok_or_else(|| {
                let message = format!("{}: this system has Unicode variables only", variable.path);
                Failure::new(Status::General, message)
            })?;
            command.env(name, value);
        }
        Ok(command)
    }

    fn start(&self, mut command: Command) -> Outcome<ExitCode> {
        if self.same_process {
            return Err(become_it(command));
        }
        if !self.running.background {
            return exec::supervise(command);
        }
        let nothing = Stdio::null;
        command.stdin(nothing()).stdout(nothing()).stderr(nothing());
        match process::spawn(&mut command) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(exec::not_started(&command, &error)),
        }
    }
}

/// Becomes the command; only a failure to do so comes back.
#[cfg(unix)]
fn become_it(mut command: Command) -> Failure {
    let error = process::become_program(&mut command);
    exec::not_started(&command, &error)
}

#[cfg(not(unix))]
fn become_it(_command: Command) -> Failure {
    let message = "--same-process does not work on this system";
    Failure::new(Status::General, message)
}
