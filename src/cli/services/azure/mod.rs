//! Azure Key Vault and Managed HSM: wraps and unwraps with RSA keys over their REST interface.
//!
//! The address of a vault stands in the file, which anybody may have written. A token is sent to
//! none but a host of Microsoft's domains (or of the user's own cloud), and only after the host has
//! asked for a token for that very domain, as Microsoft's own clients verify it.

mod certificate;
mod chain;
mod refusal;
mod secrets;
mod transport;
mod vault;

pub use secrets::Secret;

use super::http::{Http, Reply, send};
use super::limits::{Trouble, patiently};
use super::once::Once;
use crate::cli::environment::Environment;
use crate::keys::{AzureAddress, ServiceError, Wrapped};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refusal::Operation;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use vault::{Audience, Vault};
use zeroize::Zeroizing;

/// The version of the REST interface.
const API_VERSION: &str = "7.4";

/// The one algorithm of sops.
const ALGORITHM: &str = "RSA-OAEP-256";

/// What is known of vaults and tokens in this run.
#[derive(Default)]
pub struct State {
    audiences: Once<String, Result<Audience, ServiceError>>,
    tokens: Once<Audience, Result<Zeroizing<String>, ServiceError>>,
}

/// The client of vaults.
pub struct AzureKv<'c> {
    environment: &'c Environment,
    http: &'c Http,
    state: &'c State,
}

/// A request to a vault, but for the token.
struct Question<'q> {
    vault: &'q Vault,
    operation: Operation,
    path: String,
    /// What is to be wrapped or unwrapped, in base64url; nothing where a key is looked at.
    value: Option<&'q str>,
}

impl<'c> AzureKv<'c> {
    /// A client that knows what others of this run have found out.
    #[must_use]
    pub fn new(environment: &'c Environment, http: &'c Http, state: &'c State) -> Self {
        Self {
            environment,
            http,
            state,
        }
    }

    /// Wraps by the version that the address names, else by the current one, which is returned.
    ///
    /// # Errors
    /// What the vault, or whoever gives out tokens, says.
    pub async fn wrap(&self, key: &AzureAddress, part: &[u8]) -> Result<Wrapped, ServiceError> {
        let vault = Vault::of(key, self.environment)?;
        let version = self.version(&vault, key).await?;
        let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(part));
        let enc = self
            .operate(&vault, key, &version, Operation::Encrypt, &value)
            .await?;
        let enc = enc.trim_end_matches('=');
        if URL_SAFE_NO_PAD.decode(enc).is_err() {
            return Err(unlike());
        }
        Ok(Wrapped {
            enc: enc.to_owned(),
            version: key.version.is_empty().then_some(version),
        })
    }

    /// Unwraps `enc`.
    ///
    /// # Errors
    /// As [`Self::wrap`], and where `enc` or the answer is no base64url.
    pub async fn unwrap(
        &self,
        key: &AzureAddress,
        enc: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let enc = enc.trim_end_matches('=');
        if URL_SAFE_NO_PAD.decode(enc).is_err() {
            return Err(fault("what the file has under enc is not base64url"));
        }
        let vault = Vault::of(key, self.environment)?;
        let version = self.version(&vault, key).await?;
        let value = self
            .operate(&vault, key, &version, Operation::Decrypt, enc)
            .await?;
        let part = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok();
        part.map(Zeroizing::new).ok_or_else(unlike)
    }

    /// The version that the address names, else the current one.
    async fn version(&self, vault: &Vault, key: &AzureAddress) -> Result<String, ServiceError> {
        if !key.version.is_empty() {
            return Ok(key.version.clone());
        }
        let question = Question {
            vault,
            operation: Operation::Get,
            path: format!("/keys/{}", key.name),
            value: None,
        };
        let mut answer = self.answer(&question).await?;
        let id = answer["key"]["kid"].take();
        let version = id.as_str().and_then(|id| id.rsplit('/').next());
        let version = version.filter(|version| vault::is_word(version));
        version.map(str::to_owned).ok_or_else(unlike)
    }

    async fn operate(
        &self,
        vault: &Vault,
        key: &AzureAddress,
        version: &str,
        operation: Operation,
        value: &str,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let verb = operation.verb();
        let question = Question {
            vault,
            operation,
            path: format!("/keys/{}/{version}/{verb}", key.name),
            value: Some(value),
        };
        match self.answer(&question).await?["value"].take() {
            Value::String(value) if !value.is_empty() => Ok(Zeroizing::new(value)),
            _ => Err(unlike()),
        }
    }

    /// The token that a question takes.
    async fn token(
        &self,
        client: &Client,
        question: &Question<'_>,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let host = question.vault.host.clone();
        let audience = self
            .state
            .audiences
            .answer(host, challenge(client, question))
            .await?;
        let ask = chain::token(self.environment, self.http, &audience);
        self.state.tokens.answer(audience.clone(), ask).await
    }

    async fn answer(&self, question: &Question<'_>) -> Result<Value, ServiceError> {
        let client = self.http.client()?;
        let token = self.token(&client, question).await?;
        let reply = patiently(|| async {
            let request = question.request(&client).bearer_auth(token.as_str());
            let reply = question.send(request).await?;
            if reply.status.is_success() {
                return Ok(reply);
            }
            Err(reply.trouble(question.refused(&reply)))
        });
        reply.await?.json().ok_or_else(unlike)
    }
}

/// Asks without a token and without what the question is about, for the vault to say whose token
/// it wants.
async fn challenge(client: &Client, question: &Question<'_>) -> Result<Audience, ServiceError> {
    let bare = Question {
        value: None,
        path: question.path.clone(),
        ..*question
    };
    let reply = patiently(|| async {
        let reply = bare.send(bare.request(client)).await?;
        match reply.status {
            StatusCode::UNAUTHORIZED => Ok(reply),
            _ => Err(reply.trouble(question.refused(&reply))),
        }
    });
    let reply = reply.await?;
    let asks = reply.headers.get(WWW_AUTHENTICATE);
    let asks = asks.and_then(|asks| asks.to_str().ok()).unwrap_or_default();
    question.vault.audience(asks)
}

impl Question<'_> {
    fn request(&self, client: &Client) -> RequestBuilder {
        let url = format!(
            "{}{}?api-version={API_VERSION}",
            self.vault.url(),
            self.path
        );
        let request = client.request(self.method(), url);
        match self.value {
            // what base64url is made of needs no escape
            Some(value) => request
                .header(CONTENT_TYPE, "application/json")
                .body(format!(r#"{{"alg":"{ALGORITHM}","value":"{value}"}}"#)),
            None if self.method() == Method::GET => request,
            None => request.header(CONTENT_LENGTH, HeaderValue::from_static("0")),
        }
    }

    fn method(&self) -> Method {
        match self.operation {
            // who sets a secret asks for it first, to be told whose token it takes
            Operation::Get | Operation::GetSecret | Operation::SetSecret => Method::GET,
            Operation::Encrypt | Operation::Decrypt => Method::POST,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, Trouble> {
        let sent = send("Azure Key Vault", request).await;
        sent.map_err(|mut trouble| {
            let hint = "is there a vault of this name, and may it be reached from here?";
            trouble.error = trouble.error.hint(hint);
            trouble
        })
    }

    fn refused(&self, reply: &Reply) -> ServiceError {
        refusal::of_vault(self.operation, self.vault, reply, self.value)
    }
}

fn fault(what: &str) -> ServiceError {
    ServiceError::new(format!("Azure Key Vault: {what}"))
}

fn unlike() -> ServiceError {
    fault("the answer is not what a vault answers")
}
