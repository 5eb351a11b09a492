//! Huawei Cloud KMS: wraps and unwraps over its REST interface, every request signed.

mod credentials;
mod endpoint;
mod refusal;
mod signing;

use super::http::{Http, Reply, send};
use super::limits::patiently;
use super::once::Once;
use crate::cli::environment::Environment;
use crate::keys::{ServiceError, Wrapped};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credentials::Credentials;
use endpoint::Endpoint;
use refusal::Operation;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use signing::{Request, Signed};
use zeroize::Zeroizing;

/// The one algorithm of sops.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

/// What was found out in this run.
#[derive(Default)]
pub struct State {
    credentials: Once<(), Result<Credentials, ServiceError>>,
    projects: Once<String, Result<String, ServiceError>>,
}

/// The client of KMS.
pub struct HuaweiKms<'c> {
    environment: &'c Environment,
    http: &'c Http,
    state: &'c State,
}

/// A request but for its signature.
struct Question<'q> {
    method: Method,
    endpoint: &'q Endpoint,
    path: &'q str,
    query: &'q str,
    body: &'q str,
    project: Option<&'q str>,
}

impl<'c> HuaweiKms<'c> {
    /// A client that knows what others of this run have found out.
    #[must_use]
    pub fn new(environment: &'c Environment, http: &'c Http, state: &'c State) -> Self {
        Self {
            environment,
            http,
            state,
        }
    }

    /// Wraps with the key `REGION:ID`.
    ///
    /// # Errors
    /// What the service says, or that there are no credentials for it.
    pub async fn wrap(&self, id: &str, part: &[u8]) -> Result<Wrapped, ServiceError> {
        let (region, key) = named(id)?;
        let text = Zeroizing::new(STANDARD.encode(part));
        let body = json!({
            "key_id": key,
            "plain_text": text.as_str(),
            "encryption_algorithm": ALGORITHM,
        });
        let sent = (body, text.as_str());
        let mut answer = self.operate(region, Operation::Encrypt, sent).await?;
        match answer["cipher_text"].take() {
            Value::String(enc) if !enc.is_empty() => Ok(Wrapped::new(enc)),
            _ => Err(unlike()),
        }
    }

    /// Unwraps `enc` with the key `REGION:ID`.
    ///
    /// # Errors
    /// As [`Self::wrap`], and where the answer is no base64.
    pub async fn unwrap(&self, id: &str, enc: &str) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let (region, key) = named(id)?;
        let body = json!({
            "cipher_text": enc,
            "encryption_algorithm": ALGORITHM,
            "key_id": key,
        });
        let mut answer = self
            .operate(region, Operation::Decrypt, (body, enc))
            .await?;
        let Value::String(text) = answer["plain_text"].take() else {
            return Err(unlike());
        };
        let part = STANDARD.decode(Zeroizing::new(text).as_bytes()).ok();
        part.map(Zeroizing::new).ok_or_else(unlike)
    }

    /// Asks KMS of a region; `secret` is what must not be repeated in an error.
    async fn operate(
        &self,
        region: &str,
        operation: Operation,
        (body, secret): (Value, &str),
    ) -> Result<Value, ServiceError> {
        let endpoint = Endpoint::of_kms(region, self.environment)?;
        let find = credentials::find(self.environment);
        let credentials = self.state.credentials.answer((), find).await?;
        let project = if let Some(project) = &credentials.project {
            project.clone()
        } else {
            let find = self.project(region, &credentials);
            self.state.projects.answer(region.to_owned(), find).await?
        };
        let body = Zeroizing::new(body.to_string());
        let question = Question {
            method: Method::POST,
            endpoint: &endpoint,
            path: &format!("/v1.0/{project}/kms/{}", operation.path()),
            query: "",
            body: &body,
            project: Some(&project),
        };
        let refused = |reply: &Reply| refusal::of_kms(operation, &endpoint, reply, secret);
        let reply = self.answer(&question, &credentials, refused).await?;
        reply.json().ok_or_else(unlike)
    }

    /// The id of the project that stands for a region in the account.
    async fn project(
        &self,
        region: &str,
        credentials: &Credentials,
    ) -> Result<String, ServiceError> {
        let endpoint = Endpoint::of_iam(region, self.environment)?;
        let question = Question {
            method: Method::GET,
            endpoint: &endpoint,
            path: "/v3/projects",
            query: &format!("name={region}"),
            body: "",
            project: None,
        };
        let refused = |reply: &Reply| refusal::of_iam(&endpoint, reply);
        let reply = self.answer(&question, credentials, refused).await?;
        let mut answer = reply.json().ok_or_else(unlike)?;
        let hint = "set HUAWEICLOUD_SDK_PROJECT_ID to the project's id";
        match answer["projects"].as_array_mut().map(Vec::as_mut_slice) {
            Some([one]) => match one["id"].take() {
                Value::String(id) if credentials::is_word(&id) => Ok(id),
                _ => Err(unlike()),
            },
            Some([]) => Err(fault(&format!("the account has no project of {region}")).hint(hint)),
            Some(_) => {
                Err(fault(&format!("the account has several projects of {region}")).hint(hint))
            }
            None => Err(unlike()),
        }
    }

    async fn answer(
        &self,
        question: &Question<'_>,
        credentials: &Credentials,
        refused: impl Fn(&Reply) -> ServiceError,
    ) -> Result<Reply, ServiceError> {
        let client = self.http.client()?;
        let asked = patiently(|| async {
            let Question {
                endpoint,
                path,
                query,
                ..
            } = question;
            let mark = if query.is_empty() { "" } else { "?" };
            let url = format!("{}{path}{mark}{query}", endpoint.url());
            let mut request = client.request(question.method.clone(), url);
            for (name, value) in question.signed(credentials).headers() {
                // reqwest names the host itself
                if name != "host" {
                    request = request.header(name, value);
                }
            }
            if !question.body.is_empty() {
                let kind = "application/json;charset=UTF-8";
                request = request
                    .header(CONTENT_TYPE, kind)
                    .body(question.body.to_owned());
            }
            let reply = send("Huawei Cloud", request).await?;
            if reply.status.is_success() {
                return Ok(reply);
            }
            Err(reply.trouble(refused(&reply)))
        });
        asked.await
    }
}

impl Question<'_> {
    /// The headers that are signed, and the signature, as of now.
    fn signed(&self, credentials: &Credentials) -> Signed {
        let now = jiff::Timestamp::now();
        let mut headers = vec![
            ("host", self.endpoint.authority().to_owned()),
            ("x-sdk-date", now.strftime(signing::DATE).to_string()),
        ];
        if let Some(project) = self.project {
            headers.push(("x-project-id", project.to_owned()));
        }
        if let Some(token) = &credentials.token {
            headers.push(("x-security-token", token.to_string()));
        }
        Request {
            method: self.method.as_str(),
            path: self.path,
            query: self.query,
            body: self.body,
            headers,
        }
        .by(&credentials.access, &credentials.secret)
    }
}

/// The region and the key of an id.
fn named(id: &str) -> Result<(&str, &str), ServiceError> {
    let parts = id.split_once(':');
    parts
        .map(|(region, key)| (region.trim(), key.trim()))
        .filter(|(region, key)| !region.is_empty() && !key.is_empty())
        .ok_or_else(|| fault("the key's id is not REGION:ID"))
}

fn fault(what: &str) -> ServiceError {
    ServiceError::new(format!("Huawei Cloud KMS: {what}"))
}

fn unlike() -> ServiceError {
    fault("the answer is not what the service answers")
}
