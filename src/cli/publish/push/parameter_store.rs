//! The Parameter Store of AWS Systems Manager: a file is a `SecureString` with a JSON object in it,
//! or each value is one, in a hierarchy like that of the file.

use super::aws::{Api, Service};
use super::target::{Entry, Found, Target, Work, checked, joined};
use crate::cli::Context;
use crate::config::AwsSecrets;
use crate::keys::ServiceError;
use futures_util::FutureExt;
use serde_json::{Value, json};
use zeroize::Zeroizing;

static SERVICE: Service = Service {
    title: "AWS Parameter Store",
    id: "SSM",
    name: "ssm",
    target: "AmazonSSM",
};

/// The parameters of a region.
pub struct ParameterStore<'c> {
    api: Api<'c>,
    secrets: AwsSecrets,
}

impl<'c> ParameterStore<'c> {
    /// The parameters that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, secrets: &AwsSecrets) -> Self {
        let (profile, region) = (secrets.profile.as_deref(), secrets.region.as_deref());
        Self {
            api: Api::new(context, &SERVICE, profile, region),
            secrets: secrets.clone(),
        }
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let body = json!({ "Name": name, "WithDecryption": true });
        let answer = self.api.call("GetParameter", "ssm:GetParameter", &body);
        let mut answer = match answer.await? {
            Ok(answer) => answer,
            Err(refusal) => {
                return match &*refusal.code {
                    "ParameterNotFound" => Ok(Found::Nothing),
                    "AccessDeniedException" => Ok(Found::Unknown(refusal.error)),
                    _ => Err(refusal.error),
                };
            }
        };
        let parameter = &mut answer["Parameter"];
        if parameter["Type"] != "SecureString" {
            return Ok(Found::Other);
        }
        Ok(match parameter["Value"].take() {
            Value::String(text) => Found::Content(Zeroizing::new(text.into_bytes())),
            _ => Found::Other,
        })
    }

    async fn put(&self, entry: &Entry) -> Result<(), ServiceError> {
        let problem = |problem: &str| ServiceError::new(format!("{}: {problem}", SERVICE.title));
        let text = std::str::from_utf8(&entry.content)
            .map_err(|_| problem("a parameter holds text, and this is none"))?;
        if text.is_empty() {
            return Err(problem("a parameter cannot be empty")
                .hint("leave the value out, or publish the whole file as one (`content: json`)"));
        }
        let mut body = json!({
            "Name": entry.name, "Value": text, "Type": "SecureString", "Overwrite": true,
        });
        if let Some(key) = &self.secrets.kms_key {
            body["KeyId"] = json!(key);
        }
        let put = self
            .api
            .call("PutParameter", "ssm:PutParameter", &body)
            .await?;
        put.map(drop).map_err(|refusal| {
            let is_long = text.len() > 4096 && refusal.code == "ValidationException";
            if is_long {
                return refusal
                    .error
                    .hint("a standard parameter has at most 4096 bytes; `content: values` makes one of each value");
            }
            refusal.error
        })
    }
}

impl Target for ParameterStore<'_> {
    /// A name with slashes is a path, and starts with one.
    fn name(&self, file: &str, steps: &[String]) -> Result<String, String> {
        let mut name = joined(&self.secrets.naming.prefix, file, steps, "/");
        if name.contains('/') && !name.starts_with('/') {
            name.insert(0, '/');
        }
        checked(name, &['/', '_', '.', '-'], 1011)
    }

    fn place(&self, name: &str) -> String {
        match &self.secrets.region {
            Some(region) => format!("ssm://{region}/{}", name.trim_start_matches('/')),
            None => format!("ssm://{name}"),
        }
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, _: &'a Found) -> Work<'a, ()> {
        self.put(entry).boxed_local()
    }
}
