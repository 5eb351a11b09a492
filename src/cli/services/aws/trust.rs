//! Whose certificates AWS may have: those of the system, or of the bundle that the user names.

use crate::cli::environment::{AWS_CA_BUNDLE, Environment};
use crate::keys::ServiceError;
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;

/// What TLS trusts.
///
/// # Errors
/// Where the bundle cannot be read, or holds what is no certificate.
pub(super) fn context(environment: &Environment) -> Result<TlsContext, ServiceError> {
    let store = match environment.path(AWS_CA_BUNDLE) {
        None => TrustStore::default(),
        Some(path) => TrustStore::empty().with_pem_certificate(bundle(path)?),
    };
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map_err(|error| ServiceError::new(format!("AWS: no TLS: {error}")))
}

/// The certificates of a bundle.
///
/// # Errors
/// Where it cannot be read, or holds what is no certificate.
pub(super) fn roots(path: &Path) -> Result<Vec<Certificate>, ServiceError> {
    let roots = Certificate::from_pem_bundle(&bundle(path)?);
    roots.map_err(|error| unfit(path, &error.to_string()))
}

fn bundle(path: &Path) -> Result<Vec<u8>, ServiceError> {
    let text = std::fs::read(path).map_err(|error| unfit(path, &error.to_string()))?;
    check(&text).map_err(|reason| unfit(path, &reason))?;
    Ok(text)
}

fn unfit(path: &Path, reason: &str) -> ServiceError {
    let name = path.display();
    ServiceError::new(format!("AWS: the bundle {name} (AWS_CA_BUNDLE): {reason}"))
}

/// The client of AWS panics where it is given what is no certificate.
fn check(bundle: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let text = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(check(b"").unwrap_err().contains("no certificate"));
        assert!(check(text.as_bytes()).is_err());
        assert!(check(b"-----BEGIN CERTIFICATE-----\n!").is_err());
    }
}
