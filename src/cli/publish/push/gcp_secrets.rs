//! Secret Manager of Google Cloud: a file is a secret with a JSON object in it, or each value is
//! one; what is new is a new version.

use super::gcp::{Api, Request, Service};
use super::target::{Entry, Found, Target, Work, checked, dashed, joined};
use crate::cli::Context;
use crate::cli::services::Reply;
use crate::config::GcpSecrets;
use crate::keys::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

static SERVICE: Service = Service {
    title: "Google Secret Manager",
    host: "secretmanager",
    emulator: None,
};

/// The secrets of a project.
pub struct SecretManager<'c> {
    api: Api<'c>,
    secrets: GcpSecrets,
}

type Answer = Result<Reply, (Reply, ServiceError)>;

impl<'c> SecretManager<'c> {
    /// The secrets that a rule names.
    ///
    /// # Errors
    /// Where the project is none.
    pub fn new(context: &'c Context, secrets: &GcpSecrets) -> Result<Self, ServiceError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-:.".contains(c);
        if !secrets.project.chars().all(fits) || secrets.project.starts_with('.') {
            let project = &secrets.project;
            return Err(ServiceError::new(format!(
                "{project:?} is no project of Google Cloud"
            )));
        }
        Ok(Self {
            api: Api::new(context, &SERVICE),
            secrets: secrets.clone(),
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        permission: &'static str,
    ) -> Result<Answer, ServiceError> {
        let body = Zeroizing::new(body.map(Value::to_string).unwrap_or_default());
        let project = &self.secrets.project;
        let request = Request {
            method,
            path: &format!("/v1/projects/{project}/secrets{path}"),
            content_type: "application/json",
            body: body.as_bytes(),
            permission,
        };
        self.api.send(&request).await
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let path = format!("/{name}/versions/latest:access");
        let permission = "secretmanager.versions.access";
        let reply = match self.ask(Method::GET, &path, None, permission).await? {
            Ok(reply) => reply,
            Err((reply, error)) => {
                return match reply.status {
                    StatusCode::NOT_FOUND => Ok(Found::Nothing),
                    StatusCode::FORBIDDEN => Ok(Found::Unknown(error)),
                    // the latest version is disabled or destroyed
                    StatusCode::BAD_REQUEST if is_state(&reply) => Ok(Found::Other),
                    _ => Err(error),
                };
            }
        };
        let json = reply.json().unwrap_or_default();
        let data = json["payload"]["data"].as_str().unwrap_or_default();
        let data = STANDARD.decode(data).ok();
        Ok(data.map_or(Found::Other, |data| Found::Content(Zeroizing::new(data))))
    }

    async fn put(&self, entry: &Entry, found: &Found) -> Result<(), ServiceError> {
        let is_new = matches!(found, Found::Nothing);
        if is_new {
            self.create(&entry.name).await?;
        }
        let data = Zeroizing::new(STANDARD.encode(&entry.content));
        let body = json!({ "payload": { "data": data.as_str() } });
        let path = format!("/{}:addVersion", entry.name);
        let permission = "secretmanager.versions.add";
        let answer = self
            .ask(Method::POST, &path, Some(&body), permission)
            .await?;
        match answer {
            Ok(_) => Ok(()),
            // it could not be looked at, since there is nothing
            Err((reply, _)) if reply.status == StatusCode::NOT_FOUND && !is_new => {
                self.put(entry, &Found::Nothing).boxed_local().await
            }
            Err((_, error)) => Err(error),
        }
    }

    async fn create(&self, name: &str) -> Result<(), ServiceError> {
        let locations = self.secrets.locations.iter();
        let replicas: Vec<Value> = locations
            .map(|location| json!({ "location": location }))
            .collect();
        let replication = if replicas.is_empty() {
            json!({ "automatic": {} })
        } else {
            json!({ "userManaged": { "replicas": replicas } })
        };
        let body = json!({ "replication": replication });
        let path = format!("?secretId={name}");
        let permission = "secretmanager.secrets.create";
        match self
            .ask(Method::POST, &path, Some(&body), permission)
            .await?
        {
            Ok(_) => Ok(()),
            // a secret without a version, or somebody was faster
            Err((reply, _)) if reply.status == StatusCode::CONFLICT => Ok(()),
            Err((_, error)) => Err(error),
        }
    }
}

fn is_state(reply: &Reply) -> bool {
    let json = reply.json().unwrap_or_default();
    json["error"]["status"] == "FAILED_PRECONDITION"
}

impl Target for SecretManager<'_> {
    fn name(&self, file: &str, steps: &[String]) -> Result<String, String> {
        let name = joined(&self.secrets.naming.prefix, file, steps, "-");
        checked(dashed(&name, &[]), &['-', '_'], 255)
    }

    fn place(&self, name: &str) -> String {
        format!("projects/{}/secrets/{name}", self.secrets.project)
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, found: &'a Found) -> Work<'a, ()> {
        self.put(entry, found).boxed_local()
    }
}
