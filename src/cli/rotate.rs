//! `bulla rotate`: a new data key, and with it new tokens for everything.

use super::Context;
use super::args::{Destination, Surplus, Types, Unlocking};
use super::configuration::keys_of;
use super::decrypt::convert;
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::output::Content;
use super::save::{self, Sealing};
use super::unlock;
use crate::crypto::{DataKey, Stash, SystemRandom};
use crate::keys::{KeyGroup, KeyGroups};
use clap::Args;
use std::path::PathBuf;

/// Give a file a new data key, and encrypt everything anew
#[derive(Args)]
pub struct Rotate {
    /// The file.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
    #[command(flatten)]
    pub destination: Destination,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// age recipients to be added to the first key group, separated by commas.
    #[arg(long, value_name = "RECIPIENTS")]
    pub add_age: Option<String>,
    /// age recipients to be removed, separated by commas.
    #[arg(long, value_name = "RECIPIENTS")]
    pub rm_age: Option<String>,
    /// PGP fingerprints to be added to the first key group, separated by commas.
    #[arg(long, value_name = "FINGERPRINTS")]
    pub add_pgp: Option<String>,
    /// PGP fingerprints to be removed, separated by commas.
    #[arg(long, value_name = "FINGERPRINTS")]
    pub rm_pgp: Option<String>,
    /// The name by which the format is told, in the place of the file's own.
    #[arg(long, value_name = "NAME")]
    pub filename_override: Option<PathBuf>,
    /// Called in the old form, where a missing file has another status.
    #[arg(long, hide = true)]
    pub old_form: bool,
}

impl Rotate {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.warn();
        let file = self.file.as_deref().ok_or_else(super::no_file)?;
        save::check_destination(&self.destination, true)?;
        let purpose = if self.destination.in_place {
            Purpose::Change
        } else {
            Purpose::Read
        };
        let name = self.filename_override.as_deref();
        let mut input = Input::read(context, Some(file), &self.types, name, purpose)
            .map_err(|failure| self.missing(failure))?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let plain = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        let document = input::parse(&input.name, input.store, plain, context.parsing_plain())?;
        let document = convert(context, &input, document)?;
        let cipher = unlocked.metadata.cipher();
        let mut metadata = unlocked.metadata;
        self.change_keys(&mut metadata.keys)?;
        let data_key = DataKey::generate(&mut SystemRandom)
            .map_err(|error| Failure::new(Status::General, error))?;
        context.wrap(&mut metadata.keys, &data_key)?;
        let sealing = Sealing {
            metadata,
            data_key,
            cipher,
            stash: Stash::new(),
            allow_nested: false,
            layout: input.layout(context),
        };
        let encrypted = save::seal(context, &input.name, input.output, &document, sealing)?;
        save::deliver(
            context,
            &input,
            &self.destination,
            &encrypted.text,
            Content::Encrypted,
        )
    }

    fn missing(&self, failure: Failure) -> Failure {
        if failure.status != Status::NoFile {
            return failure;
        }
        let lists = [&self.add_age, &self.rm_age, &self.add_pgp, &self.rm_pgp];
        let changes_keys = lists.iter().any(|list| list.is_some());
        Failure {
            status: match (changes_keys, self.old_form) {
                (true, _) => Status::MissingForKeys,
                (false, true) => Status::NoFile,
                (false, false) => Status::Unreadable,
            },
            ..failure
        }
    }

    fn change_keys(&self, keys: &mut KeyGroups) -> Outcome {
        let gone = listed(self.rm_pgp.as_deref(), self.rm_age.as_deref())?;
        for group in &mut keys.groups {
            group.retain(|key| !gone.iter().any(|gone| gone.is_same_as(&**key)));
        }
        let new = listed(self.add_pgp.as_deref(), self.add_age.as_deref())?;
        if keys.groups.is_empty() {
            keys.groups.push(Vec::new());
        }
        for key in new {
            if !keys.groups[0].iter().any(|there| there.is_same_as(&*key)) {
                keys.groups[0].push(key);
            }
        }
        Ok(())
    }
}

/// The keys of both lists, in the order in which sops adds them.
fn listed(pgp: Option<&str>, age: Option<&str>) -> Outcome<KeyGroup> {
    let mut keys = keys_of("pgp", pgp.unwrap_or_default())?;
    keys.extend(keys_of("age", age.unwrap_or_default())?);
    Ok(keys)
}
