//! Secrets of Azure Key Vault: a file is a secret with a JSON object in it, or each value is one.

use super::target::{Entry, Found, Kind, Target, Work, checked, dashed, joined};
use crate::cli::Context;
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

    /// Asks for a secret, or sets it; `None` where there is none.
    async fn ask(&self, name: &str, body: Option<&Value>) -> Result<Option<Value>, ServiceError> {
        let clients = &self.context.clients;
        let vault = clients.azure(&self.context.environment);
        vault.secret(&self.secrets.vault, name, body).await
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let answer = match self.ask(name, None).await {
            Ok(answer) => answer,
            // who may only set is not kept from it; a secret that is disabled cannot be read either
            Err(error) if error.message.contains("Forbidden") => return Ok(Found::Unknown(error)),
            Err(error) => return Err(error),
        };
        let Some(mut answer) = answer else {
            return Ok(Found::Nothing);
        };
        Ok(match answer["value"].take() {
            Value::String(text) => Found::Content(Zeroizing::new(text.into_bytes())),
            _ => Found::Other,
        })
    }

    async fn put(&self, entry: &Entry) -> Result<(), ServiceError> {
        let text = std::str::from_utf8(&entry.content)
            .map_err(|_| ServiceError::new("Azure: a secret holds text, and this is none"))?;
        let mut body = json!({ "value": text });
        if let Kind::Values = entry.kind {
            body["contentType"] = json!("application/json");
        }
        self.ask(&entry.name, Some(&body)).await.map(drop)
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
