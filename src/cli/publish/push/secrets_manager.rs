//! AWS Secrets Manager: a file is a secret with a JSON object in it, or each value is one.

use super::aws::{Api, Service};
use super::target::{Entry, Found, Target, Work, checked, joined};
use crate::cli::Context;
use crate::config::AwsSecrets;
use crate::crypto::{Random, SystemRandom};
use crate::keys::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

static SERVICE: Service = Service {
    title: "AWS Secrets Manager",
    id: "Secrets Manager",
    name: "secretsmanager",
    target: "secretsmanager",
};

/// The secrets of a region.
pub struct SecretsManager<'c> {
    api: Api<'c>,
    secrets: AwsSecrets,
}

impl<'c> SecretsManager<'c> {
    /// The secrets that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, secrets: &AwsSecrets) -> Self {
        let (profile, region) = (secrets.profile.as_deref(), secrets.region.as_deref());
        Self {
            api: Api::new(context, &SERVICE, profile, region),
            secrets: secrets.clone(),
        }
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let body = json!({ "SecretId": name });
        let permission = "secretsmanager:GetSecretValue";
        let answer = self.api.call("GetSecretValue", permission, &body).await?;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                return match &*refusal.code {
                    "ResourceNotFoundException" => self.without_value(name).await,
                    "AccessDeniedException" => Ok(Found::Unknown(refusal.error)),
                    "InvalidRequestException" => Err(deleted(refusal.error)),
                    _ => Err(refusal.error),
                };
            }
        };
        if let Value::String(text) = answer["SecretString"].take() {
            return Ok(Found::Content(Zeroizing::new(text.into_bytes())));
        }
        let bytes = answer["SecretBinary"].as_str();
        let bytes = bytes.and_then(|text| STANDARD.decode(text).ok());
        Ok(bytes.map_or(Found::Other, |bytes| Found::Content(Zeroizing::new(bytes))))
    }

    /// What is there where no value is: nothing, or a secret that never had one.
    async fn without_value(&self, name: &str) -> Result<Found, ServiceError> {
        let body = json!({ "SecretId": name });
        let permission = "secretsmanager:DescribeSecret";
        match self.api.call("DescribeSecret", permission, &body).await? {
            Ok(answer) if !answer["DeletedDate"].is_null() => {
                let message = format!("{}: the secret is to be deleted", SERVICE.title);
                Err(deleted(ServiceError::new(message)))
            }
            Ok(_) => Ok(Found::Other),
            // who may not look finds out by writing
            Err(_) => Ok(Found::Nothing),
        }
    }

    async fn put(&self, entry: &Entry, found: &Found) -> Result<(), ServiceError> {
        let mut body = Map::new();
        let token = token().map_err(|error| ServiceError::new(error.to_string()))?;
        body.insert("ClientRequestToken".to_owned(), json!(token));
        match std::str::from_utf8(&entry.content) {
            Ok(text) => body.insert("SecretString".to_owned(), json!(text)),
            Err(_) => body.insert(
                "SecretBinary".to_owned(),
                json!(STANDARD.encode(&entry.content)),
            ),
        };
        if let Found::Nothing = found {
            let mut new = body.clone();
            new.insert("Name".to_owned(), json!(entry.name));
            if let Some(key) = &self.secrets.kms_key {
                new.insert("KmsKeyId".to_owned(), json!(key));
            }
            let (permission, new) = ("secretsmanager:CreateSecret", Value::Object(new));
            let made = self.api.call("CreateSecret", permission, &new);
            match made.await? {
                Ok(_) => return Ok(()),
                // it was not seen, or somebody was faster
                Err(refusal) if refusal.code == "ResourceExistsException" => {}
                Err(refusal) => return Err(refusal.error),
            }
        }
        body.insert("SecretId".to_owned(), json!(entry.name));
        let permission = "secretsmanager:PutSecretValue";
        let mut put = self
            .api
            .call("PutSecretValue", permission, &Value::Object(body))
            .await?;
        if let (Found::Unknown(_), Err(refusal)) = (found, &put)
            && refusal.code == "ResourceNotFoundException"
        {
            // it could not be looked at, since there is nothing
            return self.put(entry, &Found::Nothing).boxed_local().await;
        }
        if let Err(refusal) = &mut put
            && refusal.code == "InvalidRequestException"
        {
            refusal.error = deleted(refusal.error.clone());
        }
        put.map(drop).map_err(|refusal| refusal.error)
    }
}

/// Tells the service which requests are one, should it get it twice.
fn token() -> Result<String, crate::crypto::RandomError> {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn deleted(error: ServiceError) -> ServiceError {
    error.hint("a secret that is to be deleted takes no value: `aws secretsmanager restore-secret`")
}

impl Target for SecretsManager<'_> {
    fn name(&self, file: &str, steps: &[String]) -> Result<String, String> {
        let name = joined(&self.secrets.naming.prefix, file, steps, "/");
        checked(name, &['/', '_', '+', '=', '.', '@', '-'], 512)
    }

    fn place(&self, name: &str) -> String {
        match &self.secrets.region {
            Some(region) => format!("secretsmanager://{region}/{name}"),
            None => format!("secretsmanager://{name}"),
        }
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, found: &'a Found) -> Work<'a, ()> {
        self.put(entry, found).boxed_local()
    }
}
