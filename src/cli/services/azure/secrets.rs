//! Secrets of a vault, for who publishes them: asked for with the same care as its keys.

use super::refusal::{self, Operation};
use super::vault::Vault;
use super::{API_VERSION, AzureKv, Question, unlike};
use crate::cli::services::limits::patiently;
use crate::keys::{AzureAddress, ServiceError};
use reqwest::StatusCode;
use serde_json::Value;

/// What a vault makes of a question about a secret.
pub enum Secret {
    /// There is none.
    Nothing,
    /// It may not be read, for this reason.
    Locked(ServiceError),
    /// The secret.
    There(Value),
}

impl AzureKv<'_> {
    /// The secret `name` of the vault at `address`; where there is a `body`, what is made of it by
    /// setting that.
    ///
    /// # Errors
    /// What the vault, or whoever gives out tokens, says.
    pub async fn secret(
        &self,
        address: &str,
        name: &str,
        body: Option<&Value>,
    ) -> Result<Secret, ServiceError> {
        let place = AzureAddress {
            vault_url: address.to_owned(),
            name: name.to_owned(),
            version: String::new(),
        };
        let vault = Vault::of(&place, self.environment)?;
        let question = Question {
            vault: &vault,
            operation: match body {
                Some(_) => Operation::SetSecret,
                None => Operation::GetSecret,
            },
            path: format!("/secrets/{name}"),
            value: None,
        };
        let client = self.http.client()?;
        let token = self.token(&client, &question).await?;
        let sent = body.and_then(|body| body["value"].as_str());
        patiently(|| async {
            let request = match body {
                None => question.request(&client),
                Some(body) => {
                    let url = format!("{}{}?api-version={API_VERSION}", vault.url(), question.path);
                    client.put(url).json(body)
                }
            };
            let reply = question.send(request.bearer_auth(token.as_str())).await?;
            if reply.status.is_success() {
                let secret = reply.json().map(Secret::There);
                return secret.ok_or_else(|| reply.trouble(unlike()));
            }
            let error = refusal::of_vault(question.operation, &vault, &reply, sent);
            match reply.status {
                StatusCode::NOT_FOUND if body.is_none() => Ok(Secret::Nothing),
                StatusCode::FORBIDDEN if body.is_none() => Ok(Secret::Locked(error)),
                _ => Err(reply.trouble(error)),
            }
        })
        .await
    }
}
