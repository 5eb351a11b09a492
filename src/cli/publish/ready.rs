//! Getting a file ready: its rule, what it becomes, and where that goes. All that can fail without
//! a store does so here, before anything is written to one.

use super::files::{File, without_extension};
use super::kubernetes;
#[cfg(feature = "http")]
use super::push::{self, Push};
use super::recreate::{Recreated, recreate};
use super::values;
use crate::cli::Context;
use crate::cli::args::Types;
use crate::cli::configuration::{self, Found};
use crate::cli::decrypt::documents;
use crate::cli::failure::{Failure, Outcome, Status, warn};
use crate::cli::input::{self, Input, Purpose};
use crate::cli::keyring::{Keyring, Opening};
use crate::cli::names::Names;
use crate::cli::unlock::{self, Unlocked};
use crate::cli::updatekeys::difference;
use crate::config::{Content, Destination, DestinationRule, SecretManifest};
use crate::document::{Data, Type};
use crate::metadata::Metadata;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A file that is ready to be published.
pub struct Ready<'c> {
    /// How it is called in messages.
    pub name: String,
    /// Its absolute path.
    pub path: PathBuf,
    /// The changes of its key groups, where there are any.
    pub changes: Option<String>,
    /// What is done with it.
    pub way: Way<'c>,
}

/// What is done with a file.
pub enum Way<'c> {
    /// It goes to a store.
    #[cfg(feature = "http")]
    Push(Push<'c>),
    /// A manifest is made of it.
    Manifest(Manifest),
}

/// A manifest with secrets in it.
pub struct Manifest {
    /// The object's name, with its namespace.
    pub object: String,
    /// The names of its entries.
    pub entries: Vec<String>,
    /// The whole of it.
    pub data: Data,
}

/// A file with its rule.
pub struct Source<'c, 's> {
    pub(super) context: &'c Context,
    pub(super) found: &'s Found,
    pub(super) rule: &'s DestinationRule,
    /// The file.
    pub(super) input: Input,
    /// What it is called where it goes.
    pub(super) name: String,
    /// The file as it stands there, parsed.
    pub(super) document: crate::document::Document,
    pub(super) metadata: Metadata,
}

/// A file as it is published where it stays encrypted.
pub enum Encrypted {
    /// Its own text.
    AsItIs(Zeroizing<Vec<u8>>),
    /// Encrypted anew, and how its key groups change.
    Anew(Recreated, Option<String>),
}

/// What a file becomes in a store of secrets.
pub struct Part {
    /// The way to the value; empty for the whole file.
    pub steps: Vec<String>,
    /// What is stored.
    pub content: Zeroizing<Vec<u8>>,
}

/// Gets a file ready.
///
/// # Errors
/// Where it has no rule, does not open, or cannot become what the rule says.
pub fn ready<'c>(
    context: &'c Context,
    file: &File,
    omit_extensions: bool,
    keyring: &mut Keyring<'_>,
) -> Outcome<Ready<'c>> {
    let path = &file.path;
    let found = configuration::find(context, Some(path))?.ok_or_else(no_configuration)?;
    let rule = rule(&found, file)?;
    let (config, number) = (found.path.display(), rule.index + 1);
    context.tell(format_args!("{config}: destination rule {number} counts"));
    let Some(destination) = &rule.destination else {
        let message = format!(
            "{}: no destination configured for this file",
            path.display()
        );
        return Err(Failure::new(Status::General, message)
            .hint(format!("its rule in {} names none", found.path.display())));
    };
    let mut input = Input::read(context, Some(path), &Types::default(), None, Purpose::Read)?;
    let document = input
        .parse()
        .map_err(|failure| failure.with(Status::General))?;
    let metadata = unlock::metadata(&input.name, input.store, &document)?;
    let name = if omit_extensions || rule.omit_extensions {
        without_extension(&file.name)
    } else {
        &file.name
    };
    let source = Source {
        context,
        found: &found,
        rule: &rule,
        name: name.to_owned(),
        input,
        document,
        metadata,
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let path = crate::config::clean(&absolute);
    let name = source.input.name.clone();
    let (changes, way) = source.way(destination, keyring)?;
    Ok(Ready {
        name,
        path,
        changes,
        way,
    })
}

/// The failure of a command that needs a configuration and finds none.
pub fn no_configuration() -> Failure {
    Failure::new(Status::General, "config file not found")
        .hint("destination_rules in a .sops.yaml say where files are published")
}

fn rule(found: &Found, file: &File) -> Outcome<DestinationRule> {
    let (name, config) = (file.path.display(), found.path.display());
    let rule = found.config.destination_for(&file.path, &found.path)?;
    let Some(rule) = rule else {
        let message =
            format!("{name}: error loading config: no matching destination found in {config}");
        let hint = "path_regex of destination_rules is searched in the path as it is given here, \
                    relative or not, as in sops";
        return Err(Failure::new(Status::General, message).hint(hint));
    };
    for unknown in &rule.unknown {
        warn(format!("{config}: {unknown} means nothing"));
    }
    Ok(rule)
}

impl<'c> Source<'c, '_> {
    fn way(
        self,
        destination: &Destination,
        keyring: &mut Keyring<'_>,
    ) -> Outcome<(Option<String>, Way<'c>)> {
        let is_encrypted = matches!(destination, Destination::S3(_) | Destination::Gcs(_));
        if self.rule.recreation.is_some() && !is_encrypted {
            warn(format!(
                "{}: recreation_rule is without effect: values are published in clear there",
                self.input.name
            ));
        }
        if let Destination::Kubernetes(manifest) = destination {
            if self.rule.external_secret.is_some() {
                return Err(self.no_external_secret());
            }
            let manifest = self.manifest(manifest, keyring)?;
            return Ok((None, Way::Manifest(manifest)));
        }
        #[cfg(feature = "http")]
        {
            let (changes, push) = push::ready(self, destination, keyring)?;
            Ok((changes, Way::Push(push)))
        }
        #[cfg(not(feature = "http"))]
        {
            let message = format!(
                "{}: this build has no client for its destination",
                self.input.name
            );
            Err(Failure::new(Status::General, message)
                .hint("the features aws, gcp, azure and vault are on in ordinary builds"))
        }
    }

    /// The failure of a rule that asks for a manifest nobody could make use of.
    pub fn no_external_secret(&self) -> Failure {
        let message = format!(
            "{}: external_secret is for values that are pushed to a store of secrets",
            self.input.name
        );
        Failure::new(Status::General, message).hint(format!(
            "take it out of the rule in {}, or name another destination",
            self.found.path.display()
        ))
    }

    /// The failure of something about this file.
    pub fn failure(&self, problem: impl std::fmt::Display) -> Failure {
        Failure::new(Status::General, format!("{}: {problem}", self.input.name))
    }

    /// What is published of the file: itself, or where the rule names keys, itself encrypted anew.
    pub fn encrypted(self, keyring: &mut Keyring<'_>) -> Outcome<Encrypted> {
        let Some(rule) = &self.rule.recreation else {
            return Ok(Encrypted::AsItIs(self.document.source));
        };
        if rule.groups.iter().all(Vec::is_empty) {
            warn(format!(
                "{}: recreation_rule names no key, so the file is published as it is",
                self.input.name
            ));
            return Ok(Encrypted::AsItIs(self.document.source));
        }
        let (context, found) = (self.context, self.found);
        let (input, unlocked) = self.unlocked(keyring)?;
        let made = recreate(context, &input, &unlocked, (found, rule), keyring)?;
        let old = &unlocked.metadata.keys;
        let changes = (!made.keys.same_recipients(old)).then(|| {
            let names = Names::of(Some(found));
            let difference = difference(old, &made.keys, &names);
            format!("The following changes will be made to the file's key groups:\n{difference}")
        });
        Ok(Encrypted::Anew(made, changes))
    }

    fn unlocked(self, keyring: &mut Keyring<'_>) -> Outcome<(Input, Unlocked)> {
        let data_key = keyring.data_key(
            self.input.file.as_deref(),
            &self.metadata.keys,
            Opening::Decrypt,
        )?;
        let unlocked = Unlocked {
            document: self.document,
            metadata: self.metadata,
            data_key,
        };
        Ok((self.input, unlocked))
    }

    /// What `content` makes of the values of the file. The MAC is verified.
    ///
    /// # Errors
    /// Where the file does not open, or its values cannot be had like this.
    pub fn parts(
        self,
        content: Option<Content>,
        keyring: &mut Keyring<'_>,
    ) -> Outcome<(Content, Vec<Part>)> {
        let context = self.context;
        let content = content.unwrap_or(match self.input.store.envelope() {
            Some(_) => Content::File,
            None => Content::Json,
        });
        let (input, unlocked) = self.unlocked(keyring)?;
        let plain = unlocked.plaintext(context, &input, false)?;
        let whole = |content| Part {
            steps: Vec::new(),
            content,
        };
        if content == Content::File {
            return Ok((content, vec![whole(plain)]));
        }
        let document = input::parse(&input.name, input.store, plain, context.parsing_plain())?;
        let data = values::merged(&input.name, documents(&input.name, &document)?)?;
        if content == Content::Json {
            let json = values::json(&data).map_err(|problem| {
                Failure::new(Status::Emit, format!("{}: {problem}", input.name))
                    .hint("`content: file` in the destination rule publishes the text as it is")
            })?;
            return Ok((content, vec![whole(json)]));
        }
        let leaves = values::leaves(&data).into_iter();
        // a null is no value
        let leaves = leaves.filter(|(_, value)| !matches!(value, Data::Scalar(Type::Null, _)));
        let parts = leaves.map(|(steps, value)| Part {
            steps,
            content: values::text(value),
        });
        Ok((content, parts.collect()))
    }

    fn manifest(self, manifest: &SecretManifest, keyring: &mut Keyring<'_>) -> Outcome<Manifest> {
        let (file, name) = (self.name.clone(), self.input.name.clone());
        let content = match (manifest.content, self.input.store.envelope()) {
            (None, None) => Some(Content::Values),
            (content, _) => content,
        };
        let (content, parts) = self.parts(content, keyring)?;
        let entry = |part: Part| kubernetes::Entry {
            name: entry_name(&file, content, &part.steps),
            steps: part.steps,
            content: part.content,
        };
        let entries: Vec<kubernetes::Entry> = parts.into_iter().map(entry).collect();
        let names = entries.iter().map(|entry| entry.name.clone()).collect();
        let data = kubernetes::secret(manifest, &file, entries);
        Ok(Manifest {
            object: kubernetes::object(&manifest.object, &file),
            entries: names,
            data: data
                .map_err(|problem| Failure::new(Status::Emit, format!("{name}: {problem}")))?,
        })
    }
}

/// What a part of a file is called in a `Secret`.
pub fn entry_name(file: &str, content: Content, steps: &[String]) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    match content {
        Content::Values => steps.join("."),
        Content::File => base.to_owned(),
        Content::Json => format!("{}.json", without_extension(base)),
    }
}
