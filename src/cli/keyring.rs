//! The identities of this user: gathered once, and once unlocked open for every file of a run.

#[cfg(feature = "keyservice")]
mod single;

use super::Context;
use super::args::{Unlocking, comma_list};
use super::audit::{Action, Event};
use super::failure::{Failure, Outcome, Status, warn};
use super::gpg::GpgProgram;
use super::identities::{self, Content, Source};
use super::input;
use super::names::Names;
use super::plugins::PathPlugins;
use super::prompt::Terminal;
use crate::crypto::DataKey;
use crate::keys::{
    AgeError, AgeIdentities, Agent, DEFAULT_ORDER, IdentitySource, KeyGroups, MasterKey, Recovered,
    Service, Trial, Unlocker, UnwrapError,
};
use std::collections::HashSet;
use std::path::Path;

/// What a file is opened for; the audit log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// To decrypt values.
    Decrypt,
    /// To decrypt values, and encrypt them with another data key.
    Rotate,
    /// To wrap the data key for others. No value is decrypted.
    Rekey,
}

/// All that this user can open files with.
pub struct Keyring<'c> {
    context: &'c Context,
    order: Vec<String>,
    identities: AgeIdentities,
    /// Recipients for whom the commands of the environment have been run.
    commanded: HashSet<String>,
    /// Where was looked, as it is called in messages.
    places: Vec<String>,
}

impl<'c> Keyring<'c> {
    /// The identities at hand. No command is run and nobody asked before a file needs it.
    ///
    /// # Errors
    /// Where the decryption order is none.
    pub fn new(context: &'c Context, flags: &Unlocking) -> Outcome<Self> {
        let mut keyring = Self {
            context,
            order: decryption_order(flags)?,
            identities: AgeIdentities::default(),
            commanded: HashSet::new(),
            places: Vec::new(),
        };
        keyring.add(identities::at_hand(&context.environment));
        Ok(keyring)
    }

    fn add(&mut self, sources: impl Iterator<Item = Source>) {
        let places = &mut self.places;
        let noted = sources.filter(|source| {
            let known = places.contains(&source.origin);
            if !known {
                places.push(source.origin.clone());
            }
            !(known && matches!(source.content, Content::Missing))
        });
        self.identities.extend(noted.map(identity_source));
    }

    /// Runs the commands of the environment for recipients that they were not run for yet.
    fn ask_commands(&mut self, keys: &KeyGroups) {
        self.ask_commands_for(keys.groups.iter().flatten().map(AsRef::as_ref));
    }

    fn ask_commands_for<'k>(&mut self, keys: impl Iterator<Item = &'k dyn MasterKey>) {
        let environment = &self.context.environment;
        let age = keys.filter(|key| key.provider() == "age");
        for recipient in age.map(MasterKey::id) {
            if self.commanded.insert(recipient.to_owned()) {
                self.add(identities::from_commands(environment, Some(recipient)));
            }
        }
    }

    /// The data key of `file`, or of standard input without one. The only way to it, and what it
    /// is wanted for stands in the audit log before it is given out.
    ///
    /// # Errors
    /// Where no key opens it; the report names every key that was tried, the hints what to do.
    /// Where the audit log is broken.
    pub fn data_key(
        &mut self,
        file: Option<&Path>,
        keys: &KeyGroups,
        opening: Opening,
    ) -> Outcome<DataKey> {
        self.context.audit.prepare(self.context)?;
        if opening == Opening::Rotate {
            self.submit(Action::Rotate, file, &[])?;
        }
        let recovered = self.recover(&input::name(file), keys)?;
        let action = match opening {
            Opening::Decrypt | Opening::Rotate => Action::Decrypt,
            Opening::Rekey => Action::Rekey,
        };
        self.submit(action, file, &recovered.by)?;
        Ok(recovered.key)
    }

    fn submit(&self, action: Action, file: Option<&Path>, opened_by: &[String]) -> Outcome {
        let event = Event {
            action,
            file,
            opened_by,
        };
        self.context.audit.submit(self.context, &event)
    }

    fn recover(&mut self, name: &str, keys: &KeyGroups) -> Outcome<Recovered> {
        let opened = self.with_all(keys, |order, unlocker| {
            keys.unwrap_data_key(order, unlocker)
        });
        if let Ok(recovered) = &opened {
            let by = recovered.by.join(", ");
            self.context.tell(format_args!("{name}: opened by {by}"));
        }
        opened.map_err(|error| {
            let names = Names::near(self.context, Path::new(name));
            let report = error.report(&|id| names.name(id));
            let hints = self.hints(keys, &error.reasons(), &names);
            let mut failure = Failure::from(error);
            failure.message = report;
            hints.into_iter().fold(failure.of(name), Failure::hint)
        })
    }

    /// The data key of a text that was just made, if what is open already opens it: to compare.
    pub fn open_silently(&mut self, keys: &KeyGroups) -> Option<DataKey> {
        let unlocker = Unlocker::new(&mut self.identities);
        let opened = keys.unwrap_data_key(&self.order, unlocker);
        opened.ok().map(|recovered| recovered.key)
    }

    /// Whether what is open must be able to open a file with these keys.
    pub fn must_open(&self, keys: &KeyGroups) -> bool {
        let own: Vec<&str> = self.identities.recipients().collect();
        let groups = keys.ids().into_iter();
        let opened = groups.filter(|ids| ids.iter().any(|id| own.contains(id)));
        opened.count() >= keys.needed()
    }

    /// Tries every key of a file.
    pub fn try_all(&mut self, keys: &KeyGroups) -> Trial {
        self.with_all(keys, |order, unlocker| keys.try_all(order, unlocker))
    }

    /// Works with everything that may open keys of this user, in the decryption order.
    fn with_all<T>(
        &mut self,
        keys: &KeyGroups,
        work: impl FnOnce(&[String], Unlocker<'_>) -> T,
    ) -> T {
        self.ask_commands(keys);
        let environment = &self.context.environment;
        let services = self.context.services();
        let services: Vec<&dyn Service> = services.iter().map(AsRef::as_ref).collect();
        let agent = self.context.agent();
        let unlocker = Unlocker {
            services: &services,
            agent: agent.as_deref(),
            local: self.context.is_local(),
            gpg: Some(&mut GpgProgram::new(environment)),
            opened: Some(&mut self.context.opened.borrow_mut()),
            plugins: Some(&mut PathPlugins::new(environment)),
            prompt: Some(&mut Terminal::new(environment)),
            ..Unlocker::new(&mut self.identities)
        };
        let done = work(&self.order, unlocker);
        self.hand_over(agent.as_deref());
        done
    }

    /// Has the agent hold what somebody was asked for.
    fn hand_over(&mut self, agent: Option<&dyn Agent>) {
        let unlocked = self.identities.take_unlocked();
        if let Some(agent) = agent {
            for one in unlocked {
                agent.take_over(one);
            }
        }
    }

    /// What to do about keys that did not open.
    pub fn hints(&self, keys: &KeyGroups, reasons: &[&UnwrapError], names: &Names) -> Vec<String> {
        let mut hints = vec![self.summary(keys, names)];
        let own: Vec<&str> = self.identities.recipients().collect();
        let ids = keys.ids().concat();
        let mut age = reasons.iter().filter_map(|reason| reason.age());
        let lacks_identity = age.all(AgeError::lacks_identity);
        if !has_age(keys) {
            return hints;
        }
        let damaged = |id: &&str| own.contains(id);
        if let Some(id) = ids.iter().find(|id| damaged(id)) {
            let label = names.label(id);
            hints.push(format!(
                "you have the identity of {label}, so what the file holds for it may be damaged: \
                 compare it with the last good version in git"
            ));
        } else if lacks_identity && own.is_empty() {
            hints.push(
                "no identity yet? `bulla keygen` makes one; then somebody who can open the file \
                 adds its recipient with `bulla updatekeys`"
                    .to_owned(),
            );
        } else if lacks_identity {
            hints.push(
                "somebody who can open the file adds your recipient to .sops.yaml and runs \
                 `bulla updatekeys`"
                    .to_owned(),
            );
        }
        hints
    }

    /// Who the file is for, who the user is, and where was looked.
    fn summary(&self, keys: &KeyGroups, names: &Names) -> String {
        let is_for = names.list(keys.ids().concat());
        if !has_age(keys) {
            return format!("this file is for {is_for}");
        }
        let own: Vec<&str> = self.identities.recipients().collect();
        let have = if own.is_empty() {
            "no identity that is open".to_owned()
        } else {
            names.list(own)
        };
        let places = self.places.join(", ");
        format!("this file is for {is_for}; you have {have}; looked in {places}")
    }
}

/// Whether age identities are of any use.
fn has_age(keys: &KeyGroups) -> bool {
    let mut keys = keys.groups.iter().flatten();
    keys.any(|key| key.provider() == "age")
}

/// The age identities in `sources`.
pub fn identities_of(sources: impl Iterator<Item = Source>) -> AgeIdentities {
    AgeIdentities::load(sources.map(identity_source))
}

fn identity_source(source: Source) -> IdentitySource {
    if let Some(exposed) = &source.warning {
        warn(exposed);
    }
    let origin = source.origin;
    match source.content {
        Content::Text(bytes) => IdentitySource::sniffed(origin, bytes),
        Content::Missing => IdentitySource::Missing { origin },
        Content::Failed(error) => IdentitySource::Failed {
            origin,
            why: error.to_string(),
        },
    }
}

fn decryption_order(flags: &Unlocking) -> Outcome<Vec<String>> {
    let Some(order) = &flags.decryption_order else {
        return Ok(DEFAULT_ORDER.map(String::from).to_vec());
    };
    let order = comma_list(order);
    for (i, word) in order.iter().enumerate() {
        if order[..i].contains(word) {
            let message = format!("the decryption order names {word} twice");
            return Err(Failure::new(Status::DuplicateOrder, message));
        }
    }
    Ok(order)
}
