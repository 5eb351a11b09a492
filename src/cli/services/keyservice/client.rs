//! A key service as somebody who wraps and unwraps: each run connects once a question, and asks
//! for all keys of it at the same time.

use super::messages::{DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, Key};
use super::{CallError, Connection, ServiceUri};
use crate::cli::services::{Clients, answers};
use crate::keys::{Service, ServiceError, UnwrapRequest, Wanted, WrapRequest, Wrapped};
use futures_util::future::join_all;
use std::io;
use tonic::Code;
use zeroize::Zeroizing;

/// A key service.
pub struct KeyService<'c> {
    uri: &'c ServiceUri,
    clients: &'c Clients,
    offline: bool,
}

impl<'c> KeyService<'c> {
    /// The key service at `uri`; where this run is `offline`, it is not asked.
    #[must_use]
    pub fn new(uri: &'c ServiceUri, clients: &'c Clients, offline: bool) -> Self {
        Self {
            uri,
            clients,
            offline,
        }
    }

    async fn connect(&self) -> Result<Connection, ServiceError> {
        if self.offline {
            return Err(self.error("not asked (--offline)"));
        }
        let connection = Connection::open(self.uri).await;
        connection.map_err(|error| self.failed(error))
    }

    async fn wrap_one(
        &self,
        connection: &Connection,
        request: &WrapRequest<'_>,
    ) -> Result<Wrapped, ServiceError> {
        let message = EncryptRequest {
            key: Some(Key::from(&request.address)),
            plaintext: request.part.to_vec(),
        };
        let answer = connection.call("/KeyService/Encrypt", message).await;
        let answer: EncryptResponse = answer.map_err(|error| self.failed(error))?;
        match String::from_utf8(answer.ciphertext) {
            Ok(enc) if !enc.is_empty() => Ok(Wrapped::new(enc)),
            _ => Err(self.error("what it answers is no wrapped key")),
        }
    }

    async fn unwrap_one(
        &self,
        connection: &Connection,
        request: &UnwrapRequest,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let message = DecryptRequest {
            key: Some(Key::from(&request.address)),
            ciphertext: request.enc.clone().into_bytes(),
        };
        let answer = connection.call("/KeyService/Decrypt", message).await;
        let mut answer: DecryptResponse = answer.map_err(|error| self.failed(error))?;
        Ok(Zeroizing::new(std::mem::take(&mut answer.plaintext)))
    }

    fn error(&self, message: &str) -> ServiceError {
        ServiceError::new(format!("key service {}: {message}", self.uri))
    }

    /// What a failed call means, and what to do about it.
    fn failed(&self, error: CallError) -> ServiceError {
        let told = self.error(&error.to_string());
        let uri = self.uri;
        match error {
            CallError::Unreachable(error) => match (error.kind(), uri) {
                (io::ErrorKind::PermissionDenied, _) => told.hint(format!(
                    "the socket of {uri} belongs to somebody else: only its owner may use it"
                )),
                (io::ErrorKind::NotFound, ServiceUri::Unix(path)) => told.hint(format!(
                    "there is no socket {path}: is the key service running, and is that its path?"
                )),
                (io::ErrorKind::ConnectionRefused, _) => told.hint(format!(
                    "nobody listens at {uri}: start the key service there (`bulla keyservice`)"
                )),
                _ => told.hint(format!("can {uri} be reached from here?")),
            },
            CallError::Foreign(_) | CallError::Silent => {
                told.hint(format!("is the address of the key service right? {uri}"))
            }
            CallError::Late(_) => told.hint(
                "does somebody have to answer a question where the key service runs?".to_owned(),
            ),
            CallError::Refused(status) if status.code() == Code::PermissionDenied => told.hint(
                "whoever runs the key service decides what it may be used for (--allow, --prompt)",
            ),
            CallError::Refused(_) => told,
        }
    }
}

impl Service for KeyService<'_> {
    fn wrap(&self, requests: &[WrapRequest<'_>]) -> Vec<Result<Wrapped, ServiceError>> {
        let all = async {
            let connection = self.connect().await?;
            let each = requests.iter();
            let each = each.map(|request| self.wrap_one(&connection, request));
            Ok(join_all(each).await)
        };
        for_each(self.clients.block_on(all).flatten(), requests.len())
    }

    fn unwrap(
        &self,
        requests: &[UnwrapRequest],
        wanted: Wanted,
    ) -> Vec<Result<Zeroizing<Vec<u8>>, ServiceError>> {
        let all = async {
            let connection = self.connect().await?;
            let each = requests.iter();
            let each = each.map(|request| self.unwrap_one(&connection, request));
            Ok(answers(each, wanted).await)
        };
        for_each(self.clients.block_on(all).flatten(), requests.len())
    }
}

/// The answers; where there are none, that is each one's.
fn for_each<T>(
    answers: Result<Vec<Result<T, ServiceError>>, ServiceError>,
    count: usize,
) -> Vec<Result<T, ServiceError>> {
    answers.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
}
