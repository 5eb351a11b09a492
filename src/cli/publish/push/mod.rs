//! Stores of providers, each a file here: what is there is read first, and what is the same is not
//! written again.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure_secrets;
pub mod change;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(feature = "gcp")]
mod gcp_secrets;
#[cfg(feature = "gcp")]
mod gcs;
#[cfg(feature = "aws")]
mod parameter_store;
#[cfg(feature = "aws")]
mod s3;
#[cfg(feature = "aws")]
mod secrets_manager;
pub mod target;
#[cfg(feature = "vault")]
mod vault;

use super::kubernetes::{self, Fetched};
use super::ready::{Encrypted, Source, entry_name};
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome, Status, warn};
use crate::cli::keyring::Keyring;
use crate::config::{Content, Destination};
use crate::document::Data;
use crate::keys::ServiceError;
use change::Change;
use futures_util::stream::{self, StreamExt};
use target::{Entry, Found, Kind, Target};

/// How many entries are looked at at once.
const AT_ONCE: usize = 4;

/// Entries that go to a store.
pub struct Push<'c> {
    target: Box<dyn Target + 'c>,
    /// The entries, whose names are all different.
    pub entries: Vec<Entry>,
    /// Where the file goes, as the question names it.
    pub place: String,
    /// The manifest for who fetches it from there, and its name.
    pub manifest: Option<(String, Data)>,
}

/// What was found of an entry, and so what is to be done.
pub struct Step<'p> {
    push: &'p Push<'p>,
    entry: &'p Entry,
    found: Found,
    /// What writing it changes.
    pub change: Change,
}

/// What a file becomes: how its key groups change, what is stored, the manifest for who fetches it.
type Made = (Option<String>, Vec<Entry>, Option<(String, Data)>);

/// Gets a file ready for a store; also how its key groups change.
///
/// # Errors
/// Where it does not open, or a name cannot be one there.
pub fn ready<'c>(
    source: Source<'c, '_>,
    destination: &Destination,
    keyring: &mut Keyring<'_>,
) -> Outcome<(Option<String>, Push<'c>)> {
    if source.context.global.offline {
        return Err(source.failure("not published (--offline)"));
    }
    let target = target(source.context, destination)
        .map_err(|error| Failure::from(error).of(&source.input.name))?;
    let whole = target.name(&source.name, &[]);
    let whole = whole.map_err(|problem| source.failure(problem))?;
    let place = target.place(&whole);
    let (changes, entries, manifest) = match destination {
        Destination::S3(_) | Destination::Gcs(_) => encrypted(source, whole, keyring)?,
        _ => secrets(source, &*target, content(destination), keyring)?,
    };
    let push = Push {
        target,
        entries,
        place,
        manifest,
    };
    Ok((changes, push))
}

/// The file itself, or what a rule makes of it.
fn encrypted(source: Source<'_, '_>, name: String, keyring: &mut Keyring<'_>) -> Outcome<Made> {
    if source.rule.external_secret.is_some() {
        return Err(source.no_external_secret());
    }
    let (content, kind, changes) = match source.encrypted(keyring)? {
        Encrypted::AsItIs(text) => (text, Kind::Bytes, None),
        Encrypted::Anew(made, changes) => (made.text, Kind::Recreated(made.origin), changes),
    };
    let entry = Entry {
        name,
        steps: Vec::new(),
        content,
        kind,
    };
    Ok((changes, vec![entry], None))
}

/// The values of the file.
fn secrets(
    source: Source<'_, '_>,
    target: &dyn Target,
    content: Option<Content>,
    keyring: &mut Keyring<'_>,
) -> Outcome<Made> {
    let (path, file) = (source.input.name.clone(), source.name.clone());
    let external = source.rule.external_secret.clone();
    let failed = |problem| Failure::new(Status::General, format!("{path}: {problem}"));
    let (content, parts) = source.parts(content, keyring)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(parts.len());
    for part in parts {
        entries.push(Entry {
            name: target.name(&file, &part.steps).map_err(failed)?,
            steps: part.steps,
            content: part.content,
            kind: match content {
                Content::Json => Kind::Values,
                _ => Kind::Bytes,
            },
        });
    }
    let manifest = match external {
        None => None,
        Some(external) => {
            let fetched = fetched(target, &file, content, &entries);
            let object = kubernetes::object(&external.object, &file);
            let data = kubernetes::external_secret(&external, &file, &fetched);
            Some((object, data.map_err(failed)?))
        }
    };
    Ok((None, entries, manifest))
}

/// What the External Secrets Operator finds.
fn fetched(target: &dyn Target, file: &str, content: Content, entries: &[Entry]) -> Fetched {
    let key = |entry: &Entry| target.remote_key(&entry.name);
    if let (Content::Json, [whole]) = (content, entries) {
        return Fetched::Object(key(whole));
    }
    let name = |entry: &Entry| entry_name(file, content, &entry.steps);
    Fetched::Each(entries.iter().map(|e| (name(e), key(e))).collect())
}

/// What entries hold in a store of secrets, where the rule says it.
fn content(destination: &Destination) -> Option<Content> {
    match destination {
        Destination::S3(_) | Destination::Gcs(_) => None,
        Destination::Vault(_) => Some(Content::Json),
        Destination::SecretsManager(aws) | Destination::ParameterStore(aws) => aws.naming.content,
        Destination::GcpSecretManager(gcp) => gcp.naming.content,
        Destination::AzureKeyVault(azure) => azure.naming.content,
        Destination::Kubernetes(manifest) => manifest.content,
    }
}

/// The store that a rule names.
fn target<'c>(
    context: &'c Context,
    destination: &Destination,
) -> Result<Box<dyn Target + 'c>, ServiceError> {
    Ok(match destination {
        #[cfg(feature = "aws")]
        Destination::S3(bucket) => Box::new(s3::S3::new(context, bucket)),
        #[cfg(feature = "gcp")]
        Destination::Gcs(bucket) => Box::new(gcs::Gcs::new(context, bucket)),
        #[cfg(feature = "vault")]
        Destination::Vault(kv) => Box::new(vault::Kv::new(context, kv)),
        #[cfg(feature = "aws")]
        Destination::SecretsManager(secrets) => {
            Box::new(secrets_manager::SecretsManager::new(context, secrets))
        }
        #[cfg(feature = "aws")]
        Destination::ParameterStore(secrets) => {
            Box::new(parameter_store::ParameterStore::new(context, secrets))
        }
        #[cfg(feature = "gcp")]
        Destination::GcpSecretManager(secrets) => {
            Box::new(gcp_secrets::SecretManager::new(context, secrets)?)
        }
        #[cfg(feature = "azure")]
        Destination::AzureKeyVault(secrets) => {
            Box::new(azure_secrets::KeyVault::new(context, secrets))
        }
        #[allow(
            unreachable_patterns,
            reason = "which are left depends on the features"
        )]
        _ => {
            return Err(
                ServiceError::new("this build has no client for its destination")
                    .hint("the features aws, gcp, azure and vault are on in ordinary builds"),
            );
        }
    })
}

impl Push<'_> {
    /// What tells an entry from all others of a run.
    pub fn identities(&self) -> impl Iterator<Item = String> {
        let entries = self.entries.iter();
        entries.map(|entry| self.target.identity(&entry.name))
    }

    /// Looks at what is there, a few entries at once; of each what is to be done, or why that
    /// cannot be found out.
    ///
    /// # Errors
    /// Where there is no network to be had.
    pub fn look(&self, context: &Context) -> Outcome<Vec<Result<Step<'_>, Failure>>> {
        let looks = self.entries.iter().map(|entry| self.look_at(entry));
        let all = stream::iter(looks).buffered(AT_ONCE);
        Ok(context.clients.block_on(all.collect())?)
    }

    async fn look_at<'p>(&'p self, entry: &'p Entry) -> Result<Step<'p>, Failure> {
        let found = self.target.read(&entry.name).await;
        let found = found.map_err(|error| self.failure(entry, error))?;
        Ok(Step {
            push: self,
            entry,
            change: Change::of(entry, &found),
            found,
        })
    }

    fn failure(&self, entry: &Entry, error: ServiceError) -> Failure {
        Failure::from(error).of(self.target.place(&entry.name))
    }
}

impl Step<'_> {
    /// Where the entry is.
    pub fn place(&self) -> String {
        self.push.target.place(&self.entry.name)
    }

    /// Writes the entry, unless the same is there.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub fn write(&self, context: &Context) -> Outcome {
        if self.change == Change::Same {
            return Ok(());
        }
        if let Found::Unknown(error) = &self.found {
            warn(format!(
                "{}: it cannot be told what is there, so it is written even if it is the same: {error}",
                self.place()
            ));
        }
        let written = self.push.target.write(self.entry, &self.found);
        let written = context.clients.block_on(written)?;
        written.map_err(|error| self.push.failure(self.entry, error))
    }
}
