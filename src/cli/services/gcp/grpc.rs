//! The two verbs over gRPC: `google.cloud.kms.v1.KeyManagementService`.

use super::endpoint::Endpoint;
use super::fault::{Failed, Fault};
use super::{KeyName, Opened, SERVICE, Sealed, crc32c};
use crate::cli::services::limits::{CONNECT, REQUEST, Trouble};
use crate::keys::ServiceError;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use prost::Message;
use reqwest::header::HeaderMap;
use std::error::Error;
use tokio::time::timeout;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use zeroize::{Zeroize, Zeroizing};

const ENCRYPT: &str = "/google.cloud.kms.v1.KeyManagementService/Encrypt";
const DECRYPT: &str = "/google.cloud.kms.v1.KeyManagementService/Decrypt";

/// A client of the gRPC interface; it connects when it is first used.
pub struct Grpc {
    channel: Channel,
    host: String,
}

/// `google.cloud.kms.v1.EncryptRequest`, as far as it is used.
#[derive(Message)]
#[prost(skip_debug)]
struct EncryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    plaintext: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    plaintext_crc32c: Option<i64>,
}

impl Drop for EncryptRequest {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

/// `google.cloud.kms.v1.EncryptResponse`, as far as it is used.
#[derive(Message)]
struct EncryptResponse {
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    ciphertext_crc32c: Option<i64>,
    #[prost(bool, tag = "5")]
    verified_plaintext_crc32c: bool,
}

/// `google.cloud.kms.v1.DecryptRequest`, as far as it is used.
#[derive(Message)]
struct DecryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    ciphertext_crc32c: Option<i64>,
}

/// `google.cloud.kms.v1.DecryptResponse`, as far as it is used.
#[derive(Message)]
#[prost(skip_debug)]
struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    plaintext_crc32c: Option<i64>,
}

impl Grpc {
    /// A client of an endpoint.
    ///
    /// # Errors
    /// Where there are no certificates to trust, or the proxy is of a kind that is not known.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ServiceError> {
        let origin = endpoint.origin();
        let channel = channel(endpoint, &origin).map_err(|error| {
            let reason = chain(error.as_ref());
            ServiceError::new(format!("cannot make a client of {SERVICE}: {reason}"))
        })?;
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let host = host.to_owned();
        Ok(Self { channel, host })
    }

    /// Encrypts.
    ///
    /// # Errors
    /// What the service says, or that it says nothing.
    pub async fn encrypt(
        &self,
        headers: HeaderMap,
        key: &KeyName<'_>,
        part: &[u8],
    ) -> Result<Sealed, Failed> {
        let request = EncryptRequest {
            name: key.id().to_owned(),
            plaintext: part.to_vec(),
            plaintext_crc32c: Some(crc32c(part)),
        };
        let said: EncryptResponse = self.ask(headers, ENCRYPT, request).await?;
        Ok(Sealed {
            ciphertext: said.ciphertext,
            crc32c: said.ciphertext_crc32c,
            verified: said.verified_plaintext_crc32c,
        })
    }

    /// Decrypts.
    ///
    /// # Errors
    /// As [`Grpc::encrypt`].
    pub async fn decrypt(
        &self,
        headers: HeaderMap,
        key: &KeyName<'_>,
        sealed: &[u8],
    ) -> Result<Opened, Failed> {
        let request = DecryptRequest {
            name: key.id().to_owned(),
            ciphertext: sealed.to_vec(),
            ciphertext_crc32c: Some(crc32c(sealed)),
        };
        let said: DecryptResponse = self.ask(headers, DECRYPT, request).await?;
        Ok(Opened {
            plaintext: Zeroizing::new(said.plaintext),
            crc32c: said.plaintext_crc32c,
        })
    }

    async fn ask<Q, A>(&self, headers: HeaderMap, path: &'static str, ask: Q) -> Result<A, Failed>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut request = Request::new(ask);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let work = async {
            let ready = client.ready().await;
            ready.map_err(|error| Status::from_error(Box::new(error)))?;
            let codec = ProstCodec::<Q, A>::default();
            let path = PathAndQuery::from_static(path);
            client.unary(request, path, codec).await
        };
        match timeout(REQUEST, work).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failed(&status)),
            Err(_) => Err(self.unreached("timed out")),
        }
    }

    /// A status is what the service said, unless it was made here of a connection that failed.
    fn failed(&self, status: &Status) -> Failed {
        match status.source() {
            Some(source) => self.unreached(&chain(source)),
            None => Failed::Said(Fault::of_status(status)),
        }
    }

    fn unreached(&self, reason: &str) -> Failed {
        let message = format!("{SERVICE} cannot be reached: {}: {reason}", self.host);
        let error = ServiceError::new(message)
            .hint("is the network up, the address right, a proxy needed (HTTPS_PROXY)?")
            .hint("where gRPC is not let through, SOPS_GCP_KMS_CLIENT_TYPE=rest may be");
        Failed::Trouble(Trouble::passing(error, None))
    }
}

/// The connection, through the proxy that the environment names for it.
fn channel(endpoint: &Endpoint, origin: &str) -> Result<Channel, Box<dyn Error + Send + Sync>> {
    let mut target = Channel::from_shared(origin.to_owned())?
        .user_agent(concat!("bulla/", env!("CARGO_PKG_VERSION")))?
        .connect_timeout(CONNECT);
    if !endpoint.is_tls() {
        // what is in clear goes to this machine, not to a proxy
        return Ok(target.connect_lazy());
    }
    target = target.tls_config(ClientTlsConfig::new().with_native_roots())?;
    let uri: Uri = origin.parse()?;
    let Some(proxy) = Matcher::from_system().intercept(&uri) else {
        return Ok(target.connect_lazy());
    };
    if proxy.uri().scheme_str() != Some("http") {
        return Err("the proxy is none of HTTP (HTTPS_PROXY)".into());
    }
    let mut tunnel = Tunnel::new(proxy.uri().clone(), HttpConnector::new());
    if let Some(authorization) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    Ok(target.connect_with_connector_lazy(tunnel))
}

/// An error and its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}
