//! Google Cloud KMS: a data key is wrapped and unwrapped by a symmetric key there, over gRPC or
//! REST as sops's variables choose, as whoever [`Credentials`] says.

mod credentials;
mod endpoint;
mod fault;
mod grpc;
mod name;
mod rest;

use super::http::Http;
use super::limits::{Trouble, patiently};
use crate::cli::environment::{Environment, SOPS_GCP_KMS_CLIENT_TYPE};
use crate::keys::{ServiceError, Wrapped};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credentials::Credentials;
use endpoint::Endpoint;
use fault::{Failed, Question};
use grpc::Grpc;
use name::KeyName;
use reqwest::header::HeaderMap;
use rest::Rest;
use std::cell::OnceCell;
use std::rc::Rc;
use zeroize::Zeroizing;

/// What messages call the service.
const SERVICE: &str = "Google Cloud KMS";

/// The client of this run: credentials are looked up and connections made once, for every key.
#[derive(Default)]
pub struct GcpKms {
    client: OnceCell<Client>,
    credentials: OnceCell<Rc<Credentials>>,
}

impl GcpKms {
    /// Wraps `part` for the key with this resource id.
    ///
    /// # Errors
    /// With the service's reason and what to do about it.
    pub async fn wrap(
        &self,
        environment: &Environment,
        http: &Http,
        id: &str,
        part: &[u8],
    ) -> Result<Wrapped, ServiceError> {
        let key = KeyName::parse(id)?;
        let client = self.client(environment, http)?;
        let sealed = patiently(|| client.encrypt(&key, part)).await?;
        Ok(Wrapped::new(BASE64_STANDARD.encode(sealed)))
    }

    /// Unwraps `enc`, standard base64 of what the service made.
    ///
    /// # Errors
    /// As [`GcpKms::wrap`].
    pub async fn unwrap(
        &self,
        environment: &Environment,
        http: &Http,
        id: &str,
        enc: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let key = KeyName::parse(id)?;
        let sealed = BASE64_STANDARD.decode(enc.replace(['\r', '\n'], ""));
        let sealed = sealed.map_err(|_| ServiceError::new("enc is not standard base64"))?;
        let client = self.client(environment, http)?;
        patiently(|| client.decrypt(&key, &sealed)).await
    }

    /// What goes before a request to another service of Google, and the universe that it is in.
    ///
    /// # Errors
    /// Where nobody gives a token, or it is of another universe than the one that is named.
    pub async fn asker(
        &self,
        environment: &Environment,
    ) -> Result<(HeaderMap, String), ServiceError> {
        let credentials = self.credentials(environment)?;
        let universe = endpoint::universe(environment, credentials.universe())?;
        Ok((credentials.headers().await?, universe))
    }

    fn credentials(&self, environment: &Environment) -> Result<&Rc<Credentials>, ServiceError> {
        if let Some(credentials) = self.credentials.get() {
            return Ok(credentials);
        }
        let found = Rc::new(Credentials::find(environment)?);
        Ok(self.credentials.get_or_init(|| found))
    }

    fn client(&self, environment: &Environment, http: &Http) -> Result<&Client, ServiceError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let credentials = Rc::clone(self.credentials(environment)?);
        let client = Client::new(credentials, environment, http)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Credentials, and the way to the service.
struct Client {
    credentials: Rc<Credentials>,
    transport: Transport,
    /// The client type where it is none of the two that there are: sops takes gRPC for it.
    odd_type: Option<String>,
}

enum Transport {
    Grpc(Grpc),
    Rest(Rest),
}

/// What a key made of a plaintext.
struct Sealed {
    ciphertext: Vec<u8>,
    /// Of the ciphertext.
    crc32c: Option<i64>,
    /// The service saw the checksum of the plaintext.
    verified: bool,
}

/// What a key made of a ciphertext.
struct Opened {
    plaintext: Zeroizing<Vec<u8>>,
    /// Of the plaintext.
    crc32c: Option<i64>,
}

impl Client {
    fn new(
        credentials: Rc<Credentials>,
        environment: &Environment,
        http: &Http,
    ) -> Result<Self, ServiceError> {
        let endpoint = Endpoint::find(environment, credentials.universe())?;
        let kind = environment.text(SOPS_GCP_KMS_CLIENT_TYPE).unwrap_or("grpc");
        let transport = if kind.eq_ignore_ascii_case("rest") {
            Transport::Rest(Rest::new(endpoint, http)?)
        } else {
            Transport::Grpc(Grpc::new(&endpoint)?)
        };
        let known = ["grpc", "rest"].map(|known| kind.eq_ignore_ascii_case(known));
        Ok(Self {
            credentials,
            transport,
            odd_type: (known == [false; 2]).then(|| kind.to_owned()),
        })
    }

    async fn encrypt(&self, key: &KeyName<'_>, part: &[u8]) -> Result<Vec<u8>, Trouble> {
        let question = self.question(key, "cloudkms.cryptoKeyVersions.useToEncrypt");
        let headers = self.headers(key).await?;
        let sealed = match &self.transport {
            Transport::Grpc(grpc) => grpc.encrypt(headers, key, part).await,
            Transport::Rest(rest) => rest.encrypt(headers, key, part).await,
        };
        let sealed = sealed.map_err(|failed| question.explain(failed))?;
        // a server that knows nothing of checksums sends none, and did not look at ours
        let seen = sealed.verified || sealed.crc32c.is_none();
        if !seen || !matches(sealed.crc32c, &sealed.ciphertext) {
            return Err(question.explain(Failed::Garbled("the checksums do not match")));
        }
        if sealed.ciphertext.is_empty() {
            return Err(question.explain(Failed::Garbled("there is no ciphertext in it")));
        }
        Ok(sealed.ciphertext)
    }

    async fn decrypt(
        &self,
        key: &KeyName<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let question = self.question(key, "cloudkms.cryptoKeyVersions.useToDecrypt");
        let headers = self.headers(key).await?;
        let opened = match &self.transport {
            Transport::Grpc(grpc) => grpc.decrypt(headers, key, sealed).await,
            Transport::Rest(rest) => rest.decrypt(headers, key, sealed).await,
        };
        let opened = opened.map_err(|failed| question.explain(failed))?;
        if !matches(opened.crc32c, &opened.plaintext) {
            return Err(question.explain(Failed::Garbled("the checksum does not match")));
        }
        Ok(opened.plaintext)
    }

    /// What goes before every request: who asks, and for which key, so that it is routed there.
    async fn headers(&self, key: &KeyName<'_>) -> Result<HeaderMap, Trouble> {
        let headers = self.credentials.headers().await;
        let mut headers = headers.map_err(Trouble::lasting)?;
        headers.insert("x-goog-request-params", key.routing());
        Ok(headers)
    }

    fn question<'q>(&'q self, key: &'q KeyName<'q>, permission: &'static str) -> Question<'q> {
        Question {
            key,
            permission,
            credentials: &self.credentials,
            odd_type: self.odd_type.as_deref(),
        }
    }
}

/// Whether these bytes have the checksum, where one was sent.
fn matches(checksum: Option<i64>, bytes: &[u8]) -> bool {
    checksum.is_none_or(|checksum| checksum == crc32c(bytes))
}

/// CRC-32C (Castagnoli) as the service wants it: a few dozen bytes need no table.
fn crc32c(bytes: &[u8]) -> i64 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(sum & 1))
        })
    });
    i64::from(!sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert!(matches(None, b"x") && !matches(Some(1), b"x"));
    }
}
