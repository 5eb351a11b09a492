//! `bulla groups`: a key group more or less, and new shares of the data key for all of them.

use super::args::{Destination, Types, Unlocking};
use super::configuration;
use super::failure::{Failure, Outcome, Status, note};
use super::input::{Input, Purpose};
use super::keyflags::Members;
use super::keyring::{Keyring, Opening};
use super::names::Names;
use super::output::Content;
use super::rekey::Rekeying;
use super::{Context, save, unlock};
use crate::keys::KeyGroups;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// Add a key group to an encrypted file, or delete one
///
/// The data key stays, and so do all values; it is shared among the groups anew.
#[derive(Args)]
pub struct Groups {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(Box<Add>),
    Delete(Delete),
}

/// Add a key group to an encrypted file
#[derive(Args)]
struct Add {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: Members,
    /// The encryption context of AWS keys: `name:value,name:value`.
    #[arg(long, value_name = "CONTEXT", hide = true)]
    encryption_context: Option<String>,
    /// The profile of AWS keys.
    #[arg(long, value_name = "NAME", hide = true)]
    aws_profile: Option<String>,
}

/// Delete a key group from an encrypted file
#[derive(Args)]
struct Delete {
    /// Which group, counted from 0 as in the file.
    index: String,
    #[command(flatten)]
    target: Target,
}

/// The file, and where it goes.
#[derive(Args)]
struct Target {
    /// The file.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write back to the file.
    #[arg(short, long)]
    in_place: bool,
    /// How many key groups it takes to open the file.
    #[arg(long, value_name = "N")]
    shamir_secret_sharing_threshold: Option<usize>,
    /// The format of the file (yaml or json); without it the file's name says.
    #[arg(long, value_name = "FORMAT", value_parser = super::args::format)]
    input_type: Option<&'static dyn crate::store::Store>,
}

impl Groups {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`]; the file is untouched then. Status 1 for what has no number, as with sops.
    pub fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Add(add) => add.run(context),
            Verb::Delete(delete) => delete.run(context),
        }
        .map_err(|failure| match failure.status {
            Status::BadContext | Status::Unwritable => failure,
            Status::NoFile => failure.with(Status::Unreadable),
            _ => failure.with(Status::General),
        })
    }
}

impl Add {
    fn run(self, context: &Context) -> Outcome {
        let aws = configuration::aws_options(
            self.encryption_context.as_deref(),
            self.aws_profile.as_deref(),
        )?;
        configuration::warn_of_idle(&aws, self.keys.names("kms"));
        let group = self.keys.keys(&aws)?;
        if group.is_empty() {
            let message = "no keys given for the new group";
            return Err(Failure::new(Status::General, message)
                .hint("for example: bulla groups add -i -f FILE --age RECIPIENT"));
        }
        self.target.rekey(context, |keys| {
            keys.groups.push(group);
            Ok(keys.groups.len() - 1)
        })
    }
}

impl Delete {
    fn run(self, context: &Context) -> Outcome {
        let Ok(index) = self.index.parse::<usize>() else {
            let message = "the group to delete is given by its number, counted from 0";
            return Err(Failure::new(Status::General, message));
        };
        self.target.rekey(context, |keys| {
            let count = keys.groups.len();
            if index >= count {
                let groups = if count == 1 { "group" } else { "groups" };
                let message = format!(
                    "there is no group {index}: the file has {count} key {groups}, counted from 0"
                );
                return Err(Failure::new(Status::General, message));
            }
            if count == 1 {
                let message = "the only key group cannot be deleted: nobody could open the file";
                return Err(Failure::new(Status::General, message));
            }
            keys.groups.remove(index);
            Ok(index)
        })
    }
}

impl Target {
    /// Changes the key groups, shares the data key among them, and puts the file where it belongs.
    fn rekey(
        &self,
        context: &Context,
        change: impl FnOnce(&mut KeyGroups) -> Outcome<usize>,
    ) -> Outcome {
        let file = self.file.as_deref().ok_or_else(|| {
            Failure::new(Status::NoFile, "no file specified").hint("name it with -f FILE")
        })?;
        let purpose = if self.in_place {
            Purpose::Change
        } else {
            Purpose::Read
        };
        let types = Types {
            input_type: self.input_type,
            output_type: self.input_type,
        };
        let mut input = Input::read(context, Some(file), &types, None, purpose)?;
        let document = input.parse()?;
        let metadata = unlock::metadata(&input.name, input.store, &document)?;
        let mut wanted = metadata.keys.clone();
        let group = change(&mut wanted).map_err(|failure| failure.of(&input.name))?;
        self.set_threshold(&mut wanted)
            .map_err(|failure| failure.of(&input.name))?;
        let mut keyring = Keyring::new(context, &Unlocking::default())?;
        let data_key = keyring.data_key(input.file.as_deref(), &metadata.keys, Opening::Rekey)?;
        let rekeying = Rekeying {
            context,
            input: &input,
            document: &document,
            metadata: &metadata,
            data_key: &data_key,
        };
        let text = rekeying.text(wanted.clone(), &mut keyring)?;
        let destination = Destination {
            in_place: self.in_place,
            output: None,
        };
        save::deliver(context, &input, &destination, &text, Content::Encrypted)?;
        if self.in_place {
            say(context, file, &metadata.keys, &wanted, group);
        }
        Ok(())
    }

    /// The threshold of the flag, else that of the file. One group has none.
    fn set_threshold(&self, keys: &mut KeyGroups) -> Outcome {
        let count = keys.groups.len();
        let given = self.shamir_secret_sharing_threshold.filter(|n| *n > 0);
        let threshold = given.unwrap_or(keys.threshold);
        if threshold > count {
            let message = format!(
                "{threshold} key groups would be needed to open the file, and there would be {count}"
            );
            let flag = "--shamir-secret-sharing-threshold";
            return Err(Failure::new(Status::General, message)
                .hint(format!("lower the threshold with {flag} {count}")));
        }
        keys.threshold = if count == 1 { 0 } else { threshold };
        Ok(())
    }
}

/// Says what was done, and what follows from it.
fn say(context: &Context, file: &Path, old: &KeyGroups, new: &KeyGroups, group: usize) {
    let names = Names::near(context, file);
    let name = file.display();
    let is_added = new.groups.len() > old.groups.len();
    let (done, changed) = if is_added {
        ("added", new)
    } else {
        ("deleted", old)
    };
    let keys = names.list(changed.ids()[group].iter().copied());
    let count = new.groups.len();
    let rest = match count {
        1 => "one key group is left, which any of its keys opens".to_owned(),
        _ => format!(
            "{} of {count} groups open the file",
            new.threshold
                .max(if new.threshold == 0 { count } else { 2 })
        ),
    };
    note(format!("{name}: key group {group} {done} ({keys}); {rest}"));
    if !is_added {
        note(format!(
            "{name}: who was removed may have kept the data key: `bulla rotate -i` makes a new one, \
             and secrets they have seen should be changed"
        ));
    }
}
