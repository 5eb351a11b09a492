//! Secrets of Azure Key Vault: a file is a secret with a JSON object in it, or each value is one.

use super::target::{Entry, Found, Kind, Target, Work, checked, dashed, joined};
use crate::cli::Context;
use crate::cli::services::Secret;
use crate::config::AzureSecrets;
use crate::keys::ServiceError;
use futures_util::FutureExt;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The secrets of a vault.
pub struct KeyVault<'c> {
    context: &'c Context,
    secrets: AzureSecrets,
}

impl<'c> KeyVault<'c> {
    /// The secrets that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, secrets: &AzureSecrets) -> Self {
        Self {
            context,
            secrets: secrets.clone(),
        }
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let vault = self.context.clients.azure_vaults(&self.context.environment);
        Ok(match vault.secret(&self.secrets.vault, name, None).await? {
            Secret::Nothing => Found::Nothing,
            // who may only set is not kept from it; what is disabled cannot be read either
            Secret::Locked(error) => Found::Unknown(error),
            Secret::There(mut secret) => match secret["value"].take() {
                Value::String(text) => Found::Content(Zeroizing::new(text.into_bytes())),
                _ => Found::Other,
            },
        })
    }

    async fn put(&self, entry: &Entry) -> Result<(), ServiceError> {
        let text = std::str::from_utf8(&entry.content)
            .map_err(|_| ServiceError::new("Azure: a secret holds text, and this is none"))?;
        let mut body = json!({ "value": text });
        if let Kind::Values = entry.kind {
            body["contentType"] = json!("application/json");
        }
        let vault = self.context.clients.azure_vaults(&self.context.environment);
        let set = vault.secret(&self.secrets.vault, &entry.name, Some(&body));
        set.await.map(drop)
    }
}

impl Target for KeyVault<'_> {
    fn name(&self, file: &str, steps: &[String]) -> Result<String, String> {
        let name = joined(&self.secrets.naming.prefix, file, steps, "-");
        checked(dashed(&name, &['_']), &['-'], 127)
    }

    fn place(&self, name: &str) -> String {
        let vault = self.secrets.vault.trim_end_matches('/');
        format!("{vault}/secrets/{name}")
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, _: &'a Found) -> Work<'a, ()> {
        self.put(entry).boxed_local()
    }

    /// Case is not told apart there.
    fn identity(&self, name: &str) -> String {
        self.place(name).to_ascii_lowercase()
    }
}
