//! What the crate of Azure's credentials works with: our limits, our TLS, our environment.

use super::refusal;
use crate::cli::environment::{Child, Environment};
use crate::cli::services::http::{Reply, send};
use crate::cli::services::limits::patiently;
use crate::cli::services::metadata;
use crate::keys::ServiceError;
use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, Method, Request, RetryOptions, Transport,
};
use azure_identity::Executor;
use reqwest::{Client, RequestBuilder};
use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Asks for tokens. What a giver of tokens says when it refuses is kept, since the crate does not
/// hand it on whole.
#[derive(Debug)]
pub struct Asker {
    client: Client,
    /// For what this machine itself gives out.
    near: Client,
    metadata: Option<String>,
    refusal: Mutex<Option<ServiceError>>,
}

impl Asker {
    /// Who asks with this client, and on this machine with one of its own.
    ///
    /// # Errors
    /// Where that cannot be made.
    pub fn new(environment: &Environment, client: Client) -> Result<Arc<Self>, ServiceError> {
        Ok(Arc::new(Self {
            client,
            near: metadata::client()?,
            metadata: metadata::address(environment).map(str::to_owned),
            refusal: Mutex::new(None),
        }))
    }

    /// The options of a credential that asks through this.
    #[must_use]
    pub fn options(self: &Arc<Self>) -> ClientOptions {
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::clone(self) as Arc<dyn HttpClient>)),
            ..ClientOptions::default()
        }
    }

    /// What was said when a token was last refused.
    #[must_use]
    pub fn refusal(&self) -> Option<ServiceError> {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.take()
    }

    async fn ask(&self, request: &Request) -> Result<Reply, ServiceError> {
        let reply = if request.url().scheme() == "http" {
            let url = self.near_url(request.url().as_str())?;
            metadata::ask(|| prepared(&self.near, &url, request)).await?
        } else {
            let url = request.url().as_str();
            let asked = patiently(|| async {
                let reply = send("the authority", prepared(&self.client, url, request)).await?;
                if reply.is_passing() {
                    return Err(reply.trouble(refusal::of_authority(&reply)));
                }
                Ok(reply)
            });
            asked.await?
        };
        if reply.status.is_success() {
            return Ok(reply);
        }
        Err(refusal::of_authority(&reply))
    }

    /// The address of what this machine gives out; its metadata service may stand elsewhere.
    fn near_url(&self, url: &str) -> Result<String, ServiceError> {
        let Some(path) = url.strip_prefix(metadata::ADDRESS) else {
            return Ok(url.to_owned());
        };
        match &self.metadata {
            Some(address) => Ok(format!("{address}{path}")),
            None => Err(ServiceError::new("not asked (BULLA_METADATA_URL=none)")),
        }
    }
}

fn prepared(client: &Client, url: &str, request: &Request) -> RequestBuilder {
    let mut prepared = match request.method() {
        Method::Post => client.post(url),
        _ => client.get(url),
    };
    for (name, value) in request.headers().iter() {
        prepared = prepared.header(name.as_str(), value.as_str());
    }
    match request.body() {
        Body::Bytes(bytes) if !bytes.is_empty() => prepared.body(bytes.clone()),
        _ => prepared,
    }
}

#[async_trait]
impl HttpClient for Asker {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        match self.ask(request).await {
            Ok(reply) => Ok(AsyncRawResponse::from_bytes(
                reply.status.as_u16().into(),
                Headers::default(),
                reply.body.to_vec(),
            )),
            Err(error) => {
                let message = error.message.clone();
                let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
                *refusal = Some(error);
                Err(azure_core::Error::with_message(
                    ErrorKind::Credential,
                    message,
                ))
            }
        }
    }
}

/// Runs `az` and `azd`, without the keys that are in our environment.
#[derive(Debug)]
pub struct Runner(pub Environment);

#[async_trait]
impl Executor for Runner {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        self.0.scrub(&mut command, Child::Helper);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true).output().await
    }
}
