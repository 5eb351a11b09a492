//! The command line: the only layer that touches disk, terminal, environment and clock.

#[cfg(all(unix, feature = "keyservice"))]
mod agent;
mod args;
mod audit;
mod completion;
mod config;
mod configuration;
mod decrypt;
mod draft;
mod edit;
pub mod editor;
mod encrypt;
pub mod environment;
mod exec;
mod exec_env;
mod exec_file;
mod explain;
mod export;
mod failure;
mod filestatus;
mod gather;
pub mod gpg;
mod gpg_agent;
mod groups;
pub mod identities;
mod init;
mod input;
mod keyflags;
mod keyring;
#[cfg(feature = "keyservice")]
mod keyservice;
mod legacy;
pub mod lock;
mod merge;
mod names;
mod original;
pub mod output;
mod plugins;
pub mod private_dir;
pub mod process;
pub mod prompt;
#[cfg(feature = "http")]
mod publish;
mod rekey;
mod replacement;
mod resolve;
mod reuse;
mod rotate;
mod save;
mod serve;
#[cfg(feature = "net")]
mod services;
mod set;
mod unlock;
mod unset;
mod updatekeys;
mod user;
mod why;
mod words;

use crate::crypto::{DataKey, SystemRandom};
use crate::keys::{Agent, KeyGroups, Opened, Service, WrapKeysError, Wrapper};
use crate::store::ParseOptions;
use args::Global;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use environment::Environment;
use failure::{Failure, Outcome, Status};
use gpg::GpgProgram;
use plugins::PathPlugins;
use prompt::Terminal;
use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Encrypted files for git: a drop-in for SOPS that keeps every byte you did not mean to change.
///
/// `bulla FILE` edits a file; `bulla init` makes a key and a first configuration.
#[derive(Parser)]
#[command(name = "bulla", disable_version_flag = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Encrypt(Box<encrypt::Encrypt>),
    Decrypt(decrypt::Decrypt),
    Edit(Box<edit::Edit>),
    Set(set::Set),
    Unset(unset::Unset),
    Rotate(rotate::Rotate),
    Updatekeys(updatekeys::Updatekeys),
    Groups(groups::Groups),
    Filestatus(filestatus::Filestatus),
    #[cfg(feature = "http")]
    Publish(publish::Publish),
    ExecEnv(Box<exec_env::ExecEnv>),
    ExecFile(Box<exec_file::ExecFile>),
    Export(Box<export::Export>),
    Init(init::Init),
    Keygen(init::Keygen),
    Explain(Box<explain::Explain>),
    Why(why::Why),
    Config(config::Config),
    Merge(Box<merge::Merge>),
    Resolve(Box<resolve::Resolve>),
    #[cfg(feature = "keyservice")]
    Keyservice(keyservice::Keyservice),
    #[cfg(all(unix, feature = "keyservice"))]
    Agent(agent::Command),
    Completion(completion::Completion),
}

/// What every command knows of the world.
pub(crate) struct Context {
    /// The flags of every command.
    global: Global,
    /// The environment, read once.
    environment: Environment,
    /// What master keys yielded in this run: nobody is asked for the same twice.
    opened: RefCell<Opened>,
    /// Whether keys of this machine, and the providers' services, may be used.
    local: bool,
    /// The key services that are asked beside them.
    #[cfg(feature = "keyservice")]
    key_services: Vec<services::keyservice::ServiceUri>,
    /// Where is written what this run does with secrets.
    audit: audit::Audit,
    /// What was made for the network in this run.
    #[cfg(feature = "net")]
    clients: services::Clients,
}

impl Context {
    /// What flags and environment say.
    ///
    /// # Errors
    /// Where a variable has a value that it cannot have.
    #[cfg_attr(not(feature = "net"), allow(unused_variables))]
    fn new(global: Global, environment: Environment, matches: &ArgMatches) -> Outcome<Self> {
        Ok(Self {
            local: global.enables_local(&environment)?,
            #[cfg(feature = "net")]
            clients: services::Clients::new(matches),
            #[cfg(feature = "keyservice")]
            key_services: keyservice::addresses(&global, &environment),
            ..Self::alone(global, environment)
        })
    }

    /// Without key services, whatever flags and environment say.
    fn alone(global: Global, environment: Environment) -> Self {
        Self {
            global,
            environment,
            opened: RefCell::default(),
            audit: audit::Audit::default(),
            local: true,
            #[cfg(feature = "keyservice")]
            key_services: Vec::new(),
            #[cfg(feature = "net")]
            clients: services::Clients::default(),
        }
    }

    fn parsing(&self) -> ParseOptions {
        ParseOptions {
            allow_duplicate_keys: self.global.allow_duplicate_keys,
            is_plain: false,
        }
    }

    /// As `parsing`, for texts that are known to be plaintext.
    fn parsing_plain(&self) -> ParseOptions {
        ParseOptions {
            is_plain: true,
            ..self.parsing()
        }
    }

    /// The time as sops writes it: RFC 3339, whole seconds, UTC.
    fn now(&self) -> String {
        jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    }

    /// Says what is done, where the user wants to know (`--verbose`).
    fn tell(&self, message: impl std::fmt::Display) {
        if self.global.verbose {
            failure::note(message);
        }
    }

    /// Whether keys of this machine, and the providers' services, may be used.
    fn is_local(&self) -> bool {
        self.local
    }

    /// The services that hold keys, in the order in which they are asked.
    fn services(&self) -> Vec<Box<dyn Service + '_>> {
        #[cfg_attr(not(feature = "net"), expect(unused_mut, reason = "there are none"))]
        let mut services: Vec<Box<dyn Service + '_>> = Vec::new();
        #[cfg(feature = "net")]
        if self.is_local() {
            services.push(Box::new(services::Providers::new(self)));
        }
        #[cfg(feature = "keyservice")]
        for uri in &self.key_services {
            let offline = self.global.offline;
            let service = services::keyservice::KeyService::new(uri, &self.clients, offline);
            services.push(Box::new(service));
        }
        services
    }

    /// The agent of this user, where one is to be asked.
    fn agent(&self) -> Option<Box<dyn Agent + '_>> {
        #[cfg(all(unix, feature = "keyservice"))]
        if self.is_local() {
            return agent::Client::of(self).map(|agent| Box::new(agent) as _);
        }
        None
    }

    /// Wraps a data key for everybody in `keys`.
    ///
    /// # Errors
    /// As [`KeyGroups::wrap_all`].
    fn wrap(&self, keys: &mut KeyGroups, data_key: &DataKey) -> Result<(), WrapKeysError> {
        let services = self.services();
        let services: Vec<&dyn Service> = services.iter().map(AsRef::as_ref).collect();
        let mut wrapper = Wrapper {
            random: &mut SystemRandom,
            gpg: Some(&mut GpgProgram::new(&self.environment)),
            plugins: Some(&mut PathPlugins::new(&self.environment)),
            prompt: Some(&mut Terminal::new(&self.environment)),
            services: &services,
            local: self.is_local(),
            now: &self.now(),
        };
        keys.wrap_all(data_key, &mut wrapper)
    }
}

/// Runs the program: arguments, environment and standard streams are those of the process.
#[must_use]
pub fn run() -> ExitCode {
    process::harden();
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    // made once: the flags of all commands take a good part of a short run
    let command = Cli::command();
    let rewritten = legacy::rewrite(arguments.collect(), &command);
    let outcome = rewritten.and_then(|arguments| match arguments.as_slice() {
        [] => Err(no_file()),
        [only] if only == "--version" => version(&program).map(|()| ExitCode::SUCCESS),
        _ => dispatch(command, arguments),
    });
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status as u8)
        }
    }
}

/// The status is another than success only where it is that of a command that was run.
fn dispatch(command: clap::Command, arguments: Vec<OsString>) -> Outcome<ExitCode> {
    let name = OsString::from("bulla");
    let words = std::iter::once(name).chain(arguments);
    let matches = command.try_get_matches_from(words);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error).map(|()| ExitCode::SUCCESS),
    };
    let context = Context::new(cli.global, Environment::of_process(), &matches)?;
    #[cfg(not(feature = "keyservice"))]
    if !context.global.key_services(&context.environment).is_empty() {
        failure::warn("key services are not asked: this build has no client for them");
    }
    let done = match cli.command {
        Command::ExecEnv(command) => return command.run(&context),
        Command::ExecFile(command) => return command.run(&context),
        Command::Export(command) => command.run(&context),
        Command::Encrypt(command) => command.run(&context),
        Command::Decrypt(command) => command.run(&context),
        Command::Edit(command) => command.run(&context),
        Command::Set(command) => command.run(&context),
        Command::Unset(command) => command.run(&context),
        Command::Rotate(command) => command.run(&context),
        Command::Updatekeys(command) => command.run(&context),
        Command::Groups(command) => command.run(&context),
        Command::Filestatus(command) => command.run(&context),
        #[cfg(feature = "http")]
        Command::Publish(command) => command.run(&context),
        Command::Init(command) => command.run(&context),
        Command::Keygen(command) => command.run(&context),
        Command::Explain(command) => command.run(&context),
        Command::Why(command) => command.run(&context),
        Command::Config(command) => command.run(&context),
        Command::Merge(command) => return command.run(&context),
        Command::Resolve(command) => command.run(&context),
        #[cfg(feature = "keyservice")]
        Command::Keyservice(command) => command.run(&context),
        #[cfg(all(unix, feature = "keyservice"))]
        Command::Agent(command) => command.run(&context),
        Command::Completion(command) => command.run(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Help goes to standard output; a wrong use is status 1, as with sops.
fn usage(error: &clap::Error) -> Outcome {
    if !error.use_stderr() {
        return output::stdout(error.render().to_string().as_bytes())
            .map_err(|error| Failure::new(Status::Unwritable, error));
    }
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word,
        _ => return told(error),
    };
    if !word.starts_with('-') {
        // it may be half of a value that was not quoted
        return Err(Failure::new(Status::General, "too many arguments")
            .hint("a value with blanks in it needs quotes; `--help` lists what a command takes"));
    }
    if is_about_exec(error) {
        let message = format!("unexpected argument {word}");
        return Err(Failure::new(Status::General, message)
            .hint("the flags of a program stand behind `--`: FILE -- PROGRAM -x"));
    }
    told(error)
}

/// Whether the command is one that runs another, whose flags are easily taken for its own.
fn is_about_exec(error: &clap::Error) -> bool {
    error.render().to_string().contains("Usage: bulla exec-")
}

fn told(error: &clap::Error) -> Outcome {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    Err(Failure::new(Status::General, text.trim_end()))
}

/// `bulla X.Y.Z`; for tools that call a link named `sops` the version of sops comes first.
fn version(program: &OsString) -> Outcome {
    let ours = env!("CARGO_PKG_VERSION");
    let is_sops = Path::new(program)
        .file_stem()
        .is_some_and(|stem| stem == "sops");
    let line = if is_sops {
        format!("sops {} (bulla {ours})\n", save::SOPS_VERSION)
    } else {
        format!("bulla {ours}\n")
    };
    output::stdout(line.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))
}

fn no_file() -> Failure {
    Failure::new(Status::NoFile, "no file specified")
        .hint("`bulla FILE` edits a file, `bulla --help` lists the commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that has flags, by the words that call it.
    fn commands(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands() {
            let name = format!("{name} {}", below.get_name());
            commands(below, name.trim(), found);
        }
        if command.get_subcommands().next().is_none() {
            found.push((name.to_owned(), command.clone()));
        }
    }

    #[test]
    fn every_command_and_flag_stands_on_the_page_of_compatibility() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");
        let page = std::fs::read_to_string(path).unwrap();
        let mut found = Vec::new();
        commands(&Cli::command(), "", &mut found);
        let mut missing = Vec::new();
        for (name, command) in found {
            let heading = format!("\n### {name}\n");
            let Some(at) = page.find(&heading) else {
                missing.push(name);
                continue;
            };
            let section = &page[at + heading.len()..];
            let section = section.split("\n### ").next().unwrap_or(section);
            let flags = command.get_arguments().filter(|flag| !flag.is_global_set());
            let flags = flags.filter_map(clap::Arg::get_long);
            missing.extend(
                flags
                    .filter(|flag| !section.contains(&format!("`--{flag}`")))
                    .map(|flag| format!("{name}: --{flag}")),
            );
        }
        assert!(missing.is_empty(), "not on the page: {missing:#?}");
    }
}
