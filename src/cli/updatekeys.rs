//! `bulla updatekeys`: makes the recipients of files those of their creation rules.

use super::args::{Recipients, Selectors, Types, Unlocking};
use super::configuration;
use super::encrypt::SealingFlags;
use super::failure::{Failure, Outcome, Status, note};
use super::input::{Input, Purpose};
use super::keyring::{Keyring, Opening};
use super::names::Names;
use super::rekey::Rekeying;
use super::{Context, output, prompt, save, unlock};
use crate::keys::{KeyGroups, MasterKey};
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Make the recipients of encrypted files those that the configuration says
///
/// The data key stays; a recipient that is removed could still know it. `bulla rotate` makes a
/// new one.
#[derive(Args)]
pub struct Updatekeys {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

impl Updatekeys {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`]; of several files every failure is printed, and the last error counts them.
    pub fn run(self, context: &Context) -> Outcome {
        match self.files.as_slice() {
            [] => Err(super::no_file()),
            [file] => self.update(context, file, &mut Keyring::new(context, &self.unlocking)?),
            files => {
                // one for all, so that nobody is asked for a passphrase twice
                let mut keyring = Keyring::new(context, &self.unlocking)?;
                let mut failed = 0;
                for file in files {
                    if let Err(failure) = self.update(context, file, &mut keyring) {
                        failure.print();
                        failed += 1;
                    }
                }
                if failed == 0 {
                    return Ok(());
                }
                let message = format!("{failed} of {} files failed", files.len());
                Err(Failure::new(Status::General, message))
            }
        }
    }

    fn update(&self, context: &Context, file: &Path, keyring: &mut Keyring<'_>) -> Outcome {
        let mut input = Input::read(context, Some(file), &self.types, None, Purpose::Change)
            .map_err(general)?;
        let document = input.parse().map_err(general)?;
        let metadata = unlock::metadata(&input.name, input.store, &document)?;
        let plan = configuration::rule_plan(
            context,
            file,
            &Recipients::default(),
            &Selectors::default(),
            &SealingFlags::default(),
        )?;
        let mut wanted = plan.keys;
        if wanted.groups.len() < 2 {
            wanted.threshold = 0;
        }
        let same =
            wanted.same_recipients(&metadata.keys) && wanted.needed() == metadata.keys.needed();
        if same {
            note(format!("{}: already up to date", input.name));
            return Ok(());
        }
        let names = Names::near(context, file);
        if !self.confirmed(&input.name, &metadata.keys, &wanted, &names)? {
            return Ok(());
        }
        let data_key = keyring.data_key(input.file.as_deref(), &metadata.keys, Opening::Rekey)?;
        let removed = removes(&metadata.keys, &wanted);
        let rekeying = Rekeying {
            context,
            input: &input,
            document: &document,
            metadata: &metadata,
            data_key: &data_key,
        };
        let text = rekeying.text(wanted, keyring)?;
        save::write_back(context, &input, &text)?;
        note(format!("{}: recipients updated", input.name));
        if removed {
            note(format!(
                "{}: who was removed may have kept the data key: `bulla rotate -i` makes a new one, \
                 and secrets they have seen should be changed",
                input.name
            ));
        }
        Ok(())
    }

    /// Shows what will change, and asks.
    fn confirmed(
        &self,
        name: &str,
        old: &KeyGroups,
        new: &KeyGroups,
        names: &Names,
    ) -> Outcome<bool> {
        let text = format!(
            "{name}: the following changes will be made to the key groups:\n{}",
            difference(old, new, names)
        );
        output::stdout(text.as_bytes()).map_err(|error| Failure::new(Status::Unwritable, error))?;
        if self.yes {
            return Ok(true);
        }
        prompt::confirm("Is this okay? (y/n):")
            .map_err(|error| Failure::new(Status::General, error))
    }
}

fn general(failure: Failure) -> Failure {
    failure.with(Status::General)
}

fn removes(old: &KeyGroups, new: &KeyGroups) -> bool {
    let mut all = old.groups.iter().flatten();
    all.any(|key| !new.groups.iter().any(|group| has(group, &**key)))
}

/// Whether a key stands in a group, be it by another version.
fn has(group: &[Box<dyn MasterKey>], key: &dyn MasterKey) -> bool {
    group.iter().any(|there| there.is_same_as(key))
}

/// The difference of key groups as sops shows it: `+++` for what comes, `---` for what goes. Behind
/// a key its name.
pub fn difference(old: &KeyGroups, new: &KeyGroups, names: &Names) -> String {
    let mut text = String::new();
    match (threshold(old), threshold(new)) {
        (0, 0) => {}
        (old, new) if old == new => line(&mut text, "", format!("shamir_threshold: {new}")),
        (old, new) => {
            line(&mut text, "+++ ", format!("shamir_threshold: {new}"));
            line(&mut text, "--- ", format!("shamir_threshold: {old}"));
        }
    }
    let (old, new) = (&old.groups, &new.groups);
    for i in 0..old.len().max(new.len()) {
        line(&mut text, "", format!("Group {}", i + 1));
        let old = old.get(i).map_or(&[][..], Vec::as_slice);
        let new = new.get(i).map_or(&[][..], Vec::as_slice);
        for (sign, keys, other, there) in [
            ("    ", new, old, true),
            ("+++ ", new, old, false),
            ("--- ", old, new, false),
        ] {
            for key in keys.iter().filter(|key| has(other, &***key) == there) {
                line(&mut text, sign, names.label(key.id()));
            }
        }
    }
    text
}

fn line(out: &mut String, sign: &str, what: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{sign}{what}");
}

fn threshold(keys: &KeyGroups) -> usize {
    if keys.groups.len() < 2 {
        0
    } else {
        keys.needed()
    }
}
