//! The two verbs over REST.

use super::endpoint::Endpoint;
use super::fault::{Failed, Fault};
use super::{KeyName, Opened, SERVICE, Sealed, crc32c};
use crate::cli::services::http::{self, Http, Reply};
use crate::keys::ServiceError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use zeroize::Zeroizing;

/// A client of the REST interface.
pub struct Rest {
    client: Client,
    endpoint: Endpoint,
}

impl Rest {
    /// A client of an endpoint.
    ///
    /// # Errors
    /// Where there are no certificates to trust.
    pub fn new(endpoint: Endpoint, http: &Http) -> Result<Self, ServiceError> {
        let client = if endpoint.is_tls() {
            http.client()?
        } else {
            // what is in clear goes to this machine, not to a proxy
            http::build(http::builder().no_proxy())?
        };
        Ok(Self { client, endpoint })
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
        let body = request("plaintext", part);
        let mut said = self.ask(headers, key, "encrypt", body).await?;
        let sealed = Sealed {
            ciphertext: bytes(&mut said, "ciphertext")?.to_vec(),
            crc32c: number(&said, "ciphertextCrc32c"),
            verified: said["verifiedPlaintextCrc32c"] == true,
        };
        Ok(sealed)
    }

    /// Decrypts.
    ///
    /// # Errors
    /// As [`Rest::encrypt`].
    pub async fn decrypt(
        &self,
        headers: HeaderMap,
        key: &KeyName<'_>,
        sealed: &[u8],
    ) -> Result<Opened, Failed> {
        let body = request("ciphertext", sealed);
        let mut said = self.ask(headers, key, "decrypt", body).await?;
        Ok(Opened {
            plaintext: bytes(&mut said, "plaintext")?,
            crc32c: number(&said, "plaintextCrc32c"),
        })
    }

    async fn ask(
        &self,
        headers: HeaderMap,
        key: &KeyName<'_>,
        verb: &str,
        body: Zeroizing<String>,
    ) -> Result<Value, Failed> {
        let request = self.client.post(self.endpoint.verb(key.id(), verb));
        let request = request
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .body(body.as_bytes().to_vec());
        let reply = http::send(SERVICE, request).await?;
        answer(&reply)
    }
}

/// What a reply says: it is JSON, or it is none of the service's.
fn answer(reply: &Reply) -> Result<Value, Failed> {
    if !reply.status.is_success() {
        return Err(Failed::Said(Fault::of_reply(reply)));
    }
    reply.json().ok_or(Failed::Garbled("it is no JSON"))
}

/// The body of a request: both texts are of the alphabet of base64.
fn request(field: &str, bytes: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(BASE64_STANDARD.encode(bytes));
    let sum = crc32c(bytes);
    Zeroizing::new(format!(
        "{{\"{field}\":\"{}\",\"{field}Crc32c\":\"{sum}\"}}",
        *text
    ))
}

/// A field of bytes, taken out; none where there is none, as proto3 has it.
fn bytes(said: &mut Value, field: &str) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let Some(Value::String(text)) = said.get_mut(field).map(Value::take) else {
        return Ok(Zeroizing::default());
    };
    let bytes = BASE64_STANDARD.decode(&*Zeroizing::new(text));
    let bytes = bytes.map_err(|_| Failed::Garbled("it is not base64"))?;
    Ok(Zeroizing::new(bytes))
}

/// A 64-bit integer, which is a text in the JSON of protocol buffers.
fn number(said: &Value, field: &str) -> Option<i64> {
    let field = said.get(field)?;
    field.as_i64().or_else(|| field.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_its_bytes_and_their_checksum() {
        let body = request("plaintext", b"123456789");
        let expected = r#"{"plaintext":"MTIzNDU2Nzg5","plaintextCrc32c":"3808858755"}"#;
        assert_eq!(*body, expected);
    }

    #[test]
    fn a_number_is_a_text_or_a_number() {
        let said: Value = serde_json::json!({"a": "7", "b": 8, "c": "x"});
        assert_eq!(number(&said, "a"), Some(7));
        assert_eq!(number(&said, "b"), Some(8));
        assert_eq!(number(&said, "c"), None);
        assert_eq!(number(&said, "d"), None);
    }
}
