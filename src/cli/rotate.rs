//! `bulla rotate`: a new data key, and with it new tokens for everything.

use super::Context;
use super::args::{Destination, Surplus, Types, Unlocking};
use super::configuration;
use super::decrypt::convert;
use super::failure::{Failure, Outcome, Status, warn};
use super::input::{self, Input, Purpose};
use super::keyflags::{Added, Removed};
use super::keyring::Opening;
use super::output::Content;
use super::save::{self, Sealing};
use super::unlock;
use crate::crypto::{DataKey, Stash, SystemRandom};
use crate::keys::{KeyGroups, MasterKey};
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
    #[command(flatten)]
    pub added: Added,
    #[command(flatten)]
    pub removed: Removed,
    /// The encryption context of AWS keys that are added or removed: `name:value,name:value`.
    #[arg(long, value_name = "CONTEXT", hide = true)]
    pub encryption_context: Option<String>,
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
        let unlocked = unlock::unlock_for(context, &mut input, &self.unlocking, Opening::Rotate)?;
        let plain = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        let document = input::parse(&input.name, input.store, plain, context.parsing_plain())?;
        let document = convert(context, &input, document)?;
        if !unlocked.metadata.bulla.conflicts.is_empty() {
            let message = format!("{}: it holds conflicts of a merge", input.name);
            return Err(Failure::new(Status::General, message)
                .hint(format!("`bulla resolve {}` settles them", input.name)));
        }
        let cipher = unlocked.metadata.cipher();
        let mut metadata = unlocked.metadata;
        self.change_keys(&input.name, &mut metadata.keys)?;
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
        let encrypted = save::seal(
            context,
            input.file.as_deref(),
            input.output,
            &document,
            sealing,
        )?;
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
        let changes_keys = !(self.added.is_empty() && self.removed.is_empty());
        Failure {
            status: match (changes_keys, self.old_form) {
                (true, _) => Status::MissingForKeys,
                (false, true) => Status::NoFile,
                (false, false) => Status::Unreadable,
            },
            ..failure
        }
    }

    fn change_keys(&self, name: &str, keys: &mut KeyGroups) -> Outcome {
        let aws = configuration::aws_options(self.encryption_context.as_deref(), None)?;
        let named = self.added.names("kms") || self.removed.names("kms");
        configuration::warn_of_idle(&aws, named);
        let new = self.added.keys(&aws)?;
        for (provider, place, text) in self.removed.texts() {
            // A file may hold what is no key, and it must be possible to be rid of it.
            let key = provider.parse_one(text, place, &aws);
            let is_meant = |there: &dyn MasterKey| match &key {
                Ok(key) => there.is_same_as(&**key),
                Err(_) => (there.provider(), there.id()) == (provider.id, text),
            };
            let before = keys.groups.iter().flatten().count();
            for group in &mut keys.groups {
                group.retain(|there| !is_meant(&**there));
            }
            if keys.groups.iter().flatten().count() == before {
                // What is no key at all is a slip of the pen, and somebody would keep access;
                // but for these two, any text is a key to sops.
                let id = match key {
                    Ok(key) => key.id().to_owned(),
                    Err(_) if ["kms", "gcp_kms"].contains(&provider.id) => text.to_owned(),
                    Err(error) => return Err(error.into()),
                };
                warn(format!(
                    "{name}: there is no {} key {id:?} to be removed",
                    provider.id
                ));
            }
        }
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
