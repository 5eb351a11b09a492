//! The metadata service of a cloud's machine: credentials for whoever runs there. It is close by
//! or not there at all, and no proxy stands before it.

use super::http::{Reply, build, builder, send};
use super::limits::{Trouble, patiently};
use crate::cli::environment::{BULLA_METADATA_URL, Environment};
use crate::keys::ServiceError;
use reqwest::{Client, RequestBuilder};
use std::time::Duration;

/// Where clouds have it.
pub const ADDRESS: &str = "http://169.254.169.254";

/// The longest wait for a connection to what may not exist.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The address of the service without a slash at its end; `None` where it is not to be asked.
#[must_use]
pub fn address(environment: &Environment) -> Option<&str> {
    match environment.text(BULLA_METADATA_URL) {
        Some("none") => None,
        Some(address) => Some(address.trim_end_matches('/')),
        None => Some(ADDRESS),
    }
}

/// A client that asks nobody but the service itself.
///
/// # Errors
/// As [`build`].
pub fn client() -> Result<Client, ServiceError> {
    build(
        builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(ANSWER),
    )
}

/// Its answer, whatever the status: asked again where it is busy, not where it is not there.
///
/// # Errors
/// Where none came.
pub async fn ask(request: impl Fn() -> RequestBuilder) -> Result<Reply, ServiceError> {
    patiently(|| async {
        let reply = send("the metadata service", request()).await;
        let reply = reply.map_err(|trouble| Trouble::lasting(trouble.error))?;
        if reply.is_passing() {
            let message = format!("the metadata service answers {}", reply.status);
            return Err(reply.trouble(ServiceError::new(message)));
        }
        Ok(reply)
    })
    .await
}
