//! `bulla exec-env`: a command whose environment holds the values of encrypted files.

use super::args::{Types, Unlocking, format};
use super::exec::{self, Program, Running};
use super::failure::{Failure, Outcome, Status, warn};
use super::user::User;
use super::{Context, input, process, unlock};
use crate::store::Store;
use crate::variables::{Floats, Naming, Variable, VariableError, variables};
use clap::Args;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
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

fn prefix(text: &str) -> Result<String, &'static str> {
    if text.contains(['=', '\0']) {
        return Err("names of variables contain no `=` and no NUL");
    }
    Ok(text.to_owned())
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
        let found = self.collect(context, &files)?;
        let command = self.command(context, &program, user.as_ref(), found)?;
        if let Some(user) = user {
            user.assume()?;
        }
        self.start(command)
    }

    /// The variables of all files.
    fn collect(&self, context: &Context, files: &[PathBuf]) -> Outcome<Vec<Variable>> {
        let mut owners: HashMap<Vec<u8>, &Path> = HashMap::new();
        let mut all = Vec::new();
        for file in files {
            for variable in self.of_file(context, file)? {
                if let Some(other) = owners.insert(variable.name.clone(), file) {
                    let message = format!(
                        "the variable {} is in two files: {} and {}",
                        String::from_utf8_lossy(&variable.name),
                        other.display(),
                        file.display()
                    );
                    return Err(Failure::new(Status::General, message)
                        .hint("leave it in one of them, or run the command with one file"));
                }
                all.push(variable);
            }
        }
        Ok(all)
    }

    fn of_file(&self, context: &Context, file: &Path) -> Outcome<Vec<Variable>> {
        let types = Types {
            input_type: self.input_type,
            output_type: None,
        };
        let mut input = exec::read(context, file, &types)?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let text = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        let floats = Floats::of(&unlocked.document);
        drop(unlocked);
        let document = input::parse(&input.name, input.store, text, context.parsing_plain())?;
        if document.branches.len() > 1 {
            warn(format!(
                "{}: only the first of its documents is used",
                input.name
            ));
        }
        let naming = Naming {
            flatten: self.flatten,
            prefix: self.prefix.clone(),
        };
        variables(&document, &floats, &naming).map_err(|error| failure(&error).of(&input.name))
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

fn failure(error: &VariableError) -> Failure {
    let failure = Failure::new(Status::General, error);
    match error {
        VariableError::Nested(_) => {
            failure.hint("--flatten joins the keys of nested values with `_`")
        }
        _ => failure,
    }
}
