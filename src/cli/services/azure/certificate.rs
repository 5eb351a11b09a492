//! An application that proves itself by a certificate: signed assertions (RFC 7523, in the form
//! that Microsoft Entra documents) instead of a secret.

use crate::cli::environment::{
    AZURE_AUTHORITY_HOST, AZURE_CLIENT_CERTIFICATE_PASSWORD, AZURE_CLIENT_SEND_CERTIFICATE_CHAIN,
    Environment,
};
use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long an assertion is good for, in seconds.
const LIFETIME: i64 = 600;

/// A certificate with its key, and what assertions by it say.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<dyn SigningKey>,
    /// The leaf first.
    chain: Vec<CertificateDer<'static>>,
    sends_chain: bool,
    client: String,
    /// Where tokens are given out.
    audience: String,
}

impl Certificate {
    /// The certificate and the RSA key in a PEM file.
    ///
    /// # Errors
    /// Why the file will not do, in words.
    pub fn read(
        path: &Path,
        tenant: &str,
        client: &str,
        environment: &Environment,
    ) -> Result<Self, String> {
        let pem = std::fs::read(path).map(Zeroizing::new);
        let pem = pem.map_err(|error| format!("{}: {error}", path.display()))?;
        let no = |what: &str| format!("{}: {what}", path.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| {
            no("there is no certificate in PEM; of a PKCS #12 file \
             make one by `openssl pkcs12 -in FILE -out FILE.pem -nodes`")
        })?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            let protected = environment
                .text(AZURE_CLIENT_CERTIFICATE_PASSWORD)
                .is_some();
            no(if protected {
                "there is no private key without a password in it"
            } else {
                "there is no private key in it"
            })
        })?;
        let key = any_supported_type(&key).map_err(|_| no("the private key is of no use"))?;
        if key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .is_none()
        {
            return Err(no("the private key is not an RSA key"));
        }
        let authority = environment.text(AZURE_AUTHORITY_HOST);
        let authority = authority.unwrap_or("https://login.microsoftonline.com");
        let authority = authority.trim_end_matches('/');
        Ok(Self {
            key,
            chain,
            sends_chain: environment.flag(AZURE_CLIENT_SEND_CERTIFICATE_CHAIN),
            client: client.to_owned(),
            audience: format!("{authority}/{tenant}/oauth2/v2.0/token"),
        })
    }

    /// A signed assertion, good from `now` (seconds since 1970) on.
    fn assertion(&self, now: i64) -> Option<String> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).ok()?;
        let mut header = json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t#S256": URL_SAFE_NO_PAD.encode(Sha256::digest(&self.chain[0])),
        });
        if self.sends_chain {
            let chain = self
                .chain
                .iter()
                .map(|certificate| STANDARD.encode(certificate));
            header["x5c"] = chain.collect();
        }
        let claims = json!({
            "aud": self.audience,
            "iss": self.client,
            "sub": self.client,
            "jti": URL_SAFE_NO_PAD.encode(id),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
        });
        let part = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])?;
        let signature = signer.sign(signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let assertion = self.assertion(jiff::Timestamp::now().as_second());
        assertion.ok_or_else(|| {
            azure_core::Error::with_message(ErrorKind::Credential, "cannot sign an assertion")
        })
    }
}
