//! Requests to services of Google Cloud: the token of whoever uses its KMS, sent by the client that
//! services share.

use super::target::patience;
use crate::cli::Context;
use crate::cli::services::{Reply, patiently, said, send};
use crate::keys::ServiceError;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A service of Google.
pub struct Service {
    /// What messages call it.
    pub title: &'static str,
    /// Its name in hosts.
    pub host: &'static str,
    /// The variable by which Google's own clients know an emulator of it, which takes no token.
    pub emulator: Option<&'static str>,
}

/// Who asks a service.
pub struct Api<'c> {
    context: &'c Context,
    service: &'static Service,
}

/// A request.
pub struct Request<'r> {
    /// `GET`, `POST`.
    pub method: Method,
    /// Behind the host.
    pub path: &'r str,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: &'r [u8],
    /// The permission that it takes.
    pub permission: &'static str,
}

impl<'c> Api<'c> {
    /// Nothing is looked for before the first request.
    #[must_use]
    pub fn new(context: &'c Context, service: &'static Service) -> Self {
        Self { context, service }
    }

    /// Sends a request, again where that may help. What is refused for good is an answer, with what
    /// to say of it.
    ///
    /// # Errors
    /// Where no answer came, or nobody can ask.
    pub async fn send(
        &self,
        request: &Request<'_>,
    ) -> Result<Result<Reply, (Reply, ServiceError)>, ServiceError> {
        let environment = &self.context.environment;
        let emulator = self
            .service
            .emulator
            .and_then(|name| environment.text(name));
        let (headers, base) = if let Some(address) = emulator {
            (HeaderMap::new(), with_scheme(address))
        } else {
            let asker = self.context.clients.gcp().asker(environment);
            let (headers, universe) = asker.await?;
            (headers, format!("https://{}.{universe}", self.service.host))
        };
        let url = format!("{}{}", base.trim_end_matches('/'), request.path);
        let client = self.context.clients.http().client()?;
        patiently(|| async {
            let sent = client
                .request(request.method.clone(), &url)
                .timeout(patience(request.body))
                .headers(headers.clone())
                .header("content-type", request.content_type)
                .body(request.body.to_vec());
            let reply = send(self.service.title, sent).await?;
            if reply.status.is_success() {
                return Ok(Ok(reply));
            }
            let error = self.refused(&reply, request.permission);
            if reply.is_passing() {
                return Err(reply.trouble(error));
            }
            Ok(Err((reply, error)))
        })
        .await
    }

    fn refused(&self, reply: &Reply, permission: &str) -> ServiceError {
        let (title, status) = (self.service.title, reply.status);
        let json = reply.json().unwrap_or_default();
        let text = |name: &str| json["error"][name].as_str().map(|text| said(text, None));
        let code = text("status").unwrap_or_else(|| status.as_u16().to_string());
        let error = match text("message") {
            Some(message) => ServiceError::new(format!("{title}: {code}: {message}")),
            None => ServiceError::new(format!("{title}: {code}")),
        };
        match status {
            StatusCode::UNAUTHORIZED => {
                error.hint("the token is none, or too old: `gcloud auth application-default login`")
            }
            StatusCode::FORBIDDEN if is_off(&json) => error.hint(
                "the service has to be switched on for the project: `gcloud services enable`",
            ),
            StatusCode::FORBIDDEN => error.hint(format!("it takes the permission {permission}")),
            _ => error,
        }
    }
}

/// Whether the service is not in use in the project at all.
fn is_off(json: &Value) -> bool {
    let details = json["error"]["details"].as_array();
    details.is_some_and(|details| details.iter().any(|of| of["reason"] == "SERVICE_DISABLED"))
}

/// An emulator is often named without a scheme.
fn with_scheme(own: &str) -> String {
    if own.contains("://") {
        own.to_owned()
    } else {
        format!("http://{own}")
    }
}
