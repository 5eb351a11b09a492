//! `bulla publish`: encrypted files, or what they hold, go where their destination rules say.
//!
//! All files are made ready before the first is written, so that a file that does not open, or
//! fits no rule, leaves nothing half done. Each store is a file in `push`.

// A build with some of the stores leaves out who would use the rest of what they share.
#![cfg_attr(
    not(all(feature = "aws", feature = "gcp", feature = "azure", feature = "vault")),
    allow(dead_code, unreachable_code, unused_imports, unused_variables)
)]

mod files;
mod kubernetes;
#[cfg(feature = "http")]
mod push;
mod ready;
mod recreate;
mod values;

use super::Context;
use super::args::{Surplus, Unlocking};
use super::configuration;
use super::failure::{Failure, Outcome, Status, note};
use super::keyring::Keyring;
use super::output::{self, Content};
use super::{prompt, save};
use crate::document::Data;
use crate::store::{Layout, Store, Yaml};
use clap::Args;
use files::File;
#[cfg(feature = "http")]
use push::{Push, change::Change};
use ready::{Manifest, Ready, Way, ready};
use std::collections::HashMap;
use std::path::PathBuf;

/// Publish encrypted files where their destination rules say
///
/// `destination_rules` in `.sops.yaml` send files to S3 or Google Cloud Storage, encrypted as they
/// are or for other recipients, or their values to Vault, to the secret stores of AWS, Google and
/// Azure, or to Kubernetes. What is there and the same is not written again.
#[derive(Args)]
pub struct Publish {
    /// The file; or a folder, with --recursive.
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Say what would change, by names, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave extensions out of names.
    #[arg(long)]
    pub omit_extensions: bool,
    /// Publish all files below a folder.
    #[arg(long)]
    pub recursive: bool,
    /// Write manifests for Kubernetes to this file; without it they are printed.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Key types in the order in which they are tried, separated by commas.
    #[arg(
        long,
        value_name = "TYPES",
        env = "SOPS_DECRYPTION_ORDER",
        hide_env_values = true
    )]
    pub decryption_order: Option<String>,
}

/// What has become of a run so far.
#[derive(Default)]
struct Tally {
    /// Manifests that are to be printed.
    manifests: Vec<Data>,
    /// How many entries were written, and how many were the same.
    written: usize,
    same: usize,
    /// Where nothing could be written.
    failures: Vec<(String, Failure)>,
}

impl Publish {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`]; of several files every failure is printed, and the last error counts them.
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.warn();
        let inside = self.path.as_ref().map(|path| path.join("file"));
        let is_configured = configuration::locate(context, inside.as_deref()).is_ok();
        // below a folder there may be one of its own
        if !is_configured && !self.recursive {
            return Err(ready::no_configuration());
        }
        let path = self.path.as_ref().ok_or_else(super::no_file)?;
        let files = files::below(path, self.recursive)?;
        let all = self.all_ready(context, &files)?;
        check_names(&all)?;
        let mut tally = Tally::default();
        for file in &all {
            let done = self.publish(context, file, &mut tally);
            if let Err(failure) = done {
                tally.say();
                return Err(failure);
            }
        }
        self.deliver(context, &tally)?;
        tally.outcome()
    }

    fn all_ready<'c>(&self, context: &'c Context, files: &[File]) -> Outcome<Vec<Ready<'c>>> {
        let flags = Unlocking {
            decryption_order: self.decryption_order.clone(),
            ignore_mac: false,
        };
        // one for all, so that nobody is asked for a passphrase twice
        let mut keyring = Keyring::new(context, &flags)?;
        let mut failures = Vec::new();
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            match ready(context, file, self.omit_extensions, &mut keyring) {
                Ok(ready) => all.push(ready),
                Err(failure) => failures.push(failure),
            }
        }
        if failures.is_empty() {
            return Ok(all);
        }
        if files.len() == 1 {
            return Err(failures.remove(0));
        }
        failures.iter().for_each(Failure::print);
        let (failed, files) = (failures.len(), files.len());
        let message = format!("{failed} of {files} files cannot be published");
        Err(Failure::new(Status::General, message).hint("nothing was published"))
    }

    fn publish(&self, context: &Context, file: &Ready<'_>, tally: &mut Tally) -> Outcome {
        if let Some(changes) = &file.changes {
            print(changes)?;
        }
        match &file.way {
            Way::Manifest(manifest) => {
                if self.dry_run {
                    return print(&would_print(&file.name, manifest));
                }
                tally.manifests.push(manifest.data.clone());
                Ok(())
            }
            #[cfg(feature = "http")]
            Way::Push(push) if self.dry_run => dry_run(context, file, push, tally),
            #[cfg(feature = "http")]
            Way::Push(push) => {
                if self.is_wanted(file, push)? {
                    write(context, push, tally)?;
                }
                Ok(())
            }
        }
    }

    /// Asks, as sops does.
    #[cfg(feature = "http")]
    fn is_wanted(&self, file: &Ready<'_>, push: &Push<'_>) -> Outcome<bool> {
        if self.yes {
            return Ok(true);
        }
        let path = file.path.display();
        let question = format!("uploading {path} to {} ? (y/n): ", push.place);
        let answer = prompt::confirm(&question);
        if answer.map_err(|error| Failure::new(Status::General, error))? {
            return Ok(true);
        }
        let message = format!("Publication of {path} canceled");
        if self.recursive {
            print(&format!("{message}\n"))?;
            return Ok(false);
        }
        Err(Failure::new(Status::General, message))
    }

    /// Writes what was made for Kubernetes.
    fn deliver(&self, context: &Context, tally: &Tally) -> Outcome {
        if tally.manifests.is_empty() {
            return Ok(());
        }
        let text = Yaml.emit(&tally.manifests, Layout { indent: Some(2) })?;
        let Some(path) = &self.output else {
            return output::stdout(&text).map_err(|error| Failure::new(Status::Unwritable, error));
        };
        let name = path.display().to_string();
        if std::fs::read(path).is_ok_and(|there| there == *text) {
            note(format!("{name}: the same already"));
            return Ok(());
        }
        let written = output::write(path, &text, Content::Plain, &context.environment);
        save::finish(&name, written)
    }
}

/// Refuses two entries of one name: the second would take the place of the first.
fn check_names(all: &[Ready<'_>]) -> Outcome {
    let mut known: HashMap<String, &str> = HashMap::new();
    for file in all {
        let identities: Vec<String> = match &file.way {
            Way::Manifest(manifest) => vec![format!("Secret {}", manifest.object)],
            #[cfg(feature = "http")]
            Way::Push(push) => push.identities().collect(),
        };
        for identity in identities {
            if let Some(other) = known.get(&identity) {
                let name = &file.name;
                let message =
                    format!("{name}: {identity} would be written twice (also for {other})");
                return Err(Failure::new(Status::General, message)
                    .hint("another prefix, or names with their extensions, tell them apart"));
            }
            known.insert(identity, &file.name);
        }
    }
    Ok(())
}

#[cfg(feature = "http")]
fn write(context: &Context, push: &Push<'_>, tally: &mut Tally) -> Outcome {
    let before = tally.failures.len();
    for step in push.look(context)? {
        let done = step.and_then(|step| step.write(context).map(|()| step));
        match done {
            Ok(step) if step.change == Change::Same => {
                note(format!("{}: the same already", step.place()));
                tally.same += 1;
            }
            Ok(step) => {
                note(format!("{}: published", step.place()));
                tally.written += 1;
            }
            Err(failure) => tally.failures.push((push.place.clone(), failure)),
        }
    }
    if tally.failures.len() == before {
        tally
            .manifests
            .extend(push.manifest.iter().map(|(_, data)| data.clone()));
    }
    Ok(())
}

/// Shows what would change. Names only.
#[cfg(feature = "http")]
fn dry_run(context: &Context, file: &Ready<'_>, push: &Push<'_>, tally: &mut Tally) -> Outcome {
    for step in push.look(context)? {
        match step {
            Ok(step) => {
                let mut text = format!("{} -> {}: {}\n", file.name, step.place(), step.change);
                for (sign, name) in step.change.names() {
                    text += &format!("    {sign}: {name}\n");
                }
                print(&text)?;
            }
            Err(failure) => tally.failures.push((push.place.clone(), failure)),
        }
    }
    match &push.manifest {
        Some((object, _)) => print(&format!("{} -> ExternalSecret {object}\n", file.name)),
        None => Ok(()),
    }
}

fn would_print(name: &str, manifest: &Manifest) -> String {
    let mut text = format!("{name} -> Secret {}\n", manifest.object);
    for entry in &manifest.entries {
        text += &format!("    {entry}\n");
    }
    text
}

fn print(text: &str) -> Outcome {
    output::stdout(text.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))
}

impl Tally {
    /// Prints the failures.
    fn say(&self) {
        self.failures
            .iter()
            .for_each(|(_, failure)| failure.print());
    }

    /// How the run ended: where something failed, what did and what did not.
    fn outcome(mut self) -> Outcome {
        let all = self.written + self.same + self.failures.len();
        match self.failures.len() {
            0 => Ok(()),
            1 if all == 1 => Err(self.failures.remove(0).1),
            failed => {
                self.say();
                let (written, same) = (self.written, self.same);
                let message = format!(
                    "{failed} of {all} failed; {written} published, {same} the same already"
                );
                Err(Failure::new(Status::General, message)
                    .hint("what was published stays; what is the same is not written again by another run"))
            }
        }
    }
}
