//! The KV engines of Vault and `OpenBao`, both versions: the values of a file are a secret.

use super::target::{Entry, Found, Target, Work};
use crate::cli::Context;
use crate::cli::environment::VAULT_ADDR;
use crate::config::VaultKv;
use crate::keys::ServiceError;
use futures_util::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Where Vault is where nobody says it.
const DEFAULT: &str = "https://127.0.0.1:8200";

/// A folder of an engine.
pub struct Kv<'c> {
    context: &'c Context,
    address: String,
    folder: VaultKv,
}

impl<'c> Kv<'c> {
    /// The folder that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, kv: &VaultKv) -> Self {
        let own = || context.environment.text(VAULT_ADDR).unwrap_or(DEFAULT);
        let address = kv.address.as_deref().unwrap_or_else(own);
        Self {
            context,
            address: address.trim_end_matches('/').to_owned(),
            folder: kv.clone(),
        }
    }

    /// Where a secret is, below `v1/`.
    fn path(&self, name: &str) -> String {
        let data = if self.folder.version == 2 {
            "data/"
        } else {
            ""
        };
        format!("{}{data}{name}", self.folder.mount)
    }

    async fn ask(
        &self,
        method: Method,
        name: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, ServiceError> {
        let vault = self.context.clients.vault();
        let server = vault.server(&self.context.environment, &self.address)?;
        server.request(method, &self.path(name), body).await
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let answer = match self.ask(Method::GET, name, None).await {
            Ok(answer) => answer,
            // as sops: who may only write is not kept from it
            Err(error) if error.message.contains("permission denied") => {
                return Ok(Found::Unknown(error));
            }
            Err(error) => return Err(error),
        };
        let Some(mut answer) = answer else {
            return Ok(Found::Nothing);
        };
        let mut data = answer["data"].take();
        if self.folder.version == 2 {
            data = data["data"].take();
        }
        if data.is_null() {
            return Ok(Found::Nothing);
        }
        Ok(Found::Content(Zeroizing::new(
            data.to_string().into_bytes(),
        )))
    }

    async fn put(&self, entry: &Entry) -> Result<(), ServiceError> {
        let data: Value = serde_json::from_slice(&entry.content)
            .map_err(|error| ServiceError::new(format!("Vault: the values: {error}")))?;
        let body = match self.folder.version {
            1 => data,
            _ => json!({ "data": data }),
        };
        self.ask(Method::PUT, &entry.name, Some(&body))
            .await
            .map(drop)
    }
}

impl Target for Kv<'_> {
    fn name(&self, file: &str, _: &[String]) -> Result<String, String> {
        Ok(format!("{}{file}", self.folder.path))
    }

    fn place(&self, name: &str) -> String {
        format!("{}/v1/{}", self.address, self.path(name))
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, _: &'a Found) -> Work<'a, ()> {
        self.put(entry).boxed_local()
    }
}
