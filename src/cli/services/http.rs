//! Requests over HTTP for services whose answers are JSON: one client, sane limits, no redirects.

use super::limits::{CONNECT, REQUEST, Trouble};
use crate::keys::ServiceError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};
use std::cell::OnceCell;
use std::time::Duration;
use zeroize::Zeroizing;

/// The most bytes of an answer: far more than a wrapped key or a page of secrets has.
const LIMIT: usize = 8 << 20;

/// The client that services share.
#[derive(Default)]
pub struct Http(OnceCell<Client>);

/// What a service answered, whatever its status.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body; it may hold a key.
    pub body: Zeroizing<Vec<u8>>,
}

impl Http {
    /// The client, made at its first use.
    ///
    /// # Errors
    /// Where there are no certificates to trust.
    pub fn client(&self) -> Result<Client, ServiceError> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = build(builder())?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}

/// A client like that of [`Http`], to be told more.
pub fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("bulla/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        // credentials go to whom they were meant for
        .redirect(Policy::none())
}

/// The client of a builder.
///
/// # Errors
/// Where it cannot be made: certificates that are none, mostly.
pub fn build(builder: ClientBuilder) -> Result<Client, ServiceError> {
    super::use_ring();
    let client = builder.build();
    client.map_err(|error| ServiceError::new(format!("cannot make a client: {}", chain(&error))))
}

/// Sends a request to `service`, and takes its answer whole.
///
/// # Errors
/// Where none came, or one of far too many bytes. A status that says that it may be better in a
/// moment (429, 5xx) is an answer: see [`Reply::is_passing`].
pub async fn send(service: &str, request: RequestBuilder) -> Result<Reply, Trouble> {
    let reached = request.send().await;
    let mut response = reached.map_err(|error| unreached(service, &error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Zeroizing::new(Vec::new());
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| unreached(service, &error))? {
            Some(chunk) if body.len() + chunk.len() > LIMIT => {
                let message = format!("{service}: the answer has more than {LIMIT} bytes");
                return Err(Trouble::lasting(ServiceError::new(message)));
            }
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

impl Reply {
    /// The body as JSON; `None` where it is none.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the same request may be answered in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
    }

    /// The error, to be tried again where the status says so.
    #[must_use]
    pub fn trouble(&self, error: ServiceError) -> Trouble {
        if !self.is_passing() {
            return Trouble::lasting(error);
        }
        let after = self.headers.get(RETRY_AFTER);
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        Trouble::passing(error, after.map(Duration::from_secs))
    }
}

fn unreached(service: &str, error: &reqwest::Error) -> Trouble {
    let message = format!("{service} cannot be reached: {}", chain(error));
    let error_of = ServiceError::new(message)
        .hint("is the network up, the address right, a proxy needed (HTTPS_PROXY)?");
    Trouble::passing(error_of, None)
}

/// An error and its causes; of the address no more than who it is, since the rest may be a secret.
pub fn chain(error: &reqwest::Error) -> String {
    let host = error
        .url()
        .and_then(|url| url.host_str().map(str::to_owned));
    let mut texts: Vec<String> = host.into_iter().collect();
    let mut source = std::error::Error::source(error);
    if source.is_none() {
        texts.push(
            if error.is_timeout() {
                "timed out"
            } else {
                "failed"
            }
            .to_owned(),
        );
    }
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts.join(": ")
}
