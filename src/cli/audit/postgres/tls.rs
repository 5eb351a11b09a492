//! TLS as lib/pq's `sslmode` has it, which other clients do not know: a certificate may be
//! verified without the host's name, or not at all.

use super::super::BackendError;
use super::dsn::{Mode, Roots, Tls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Where systems keep the certificates that they trust. No variable is asked: with one, whoever
/// is audited could choose whom to trust.
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What makes TLS of a connection.
///
/// # Errors
/// Where a file of certificates cannot be used.
pub fn connector(tls: &Tls) -> Result<MakeRustlsConnect, BackendError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(tls, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BackendError::new)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let own = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| BackendError::new(format!("sslkey: no key in {}", key.display())))?;
            let chain = certificates("sslcert", certificate)?;
            let config = config.with_client_auth_cert(chain, own);
            config.map_err(|error| BackendError::new(format!("sslcert: {error}")))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The certificates of a PEM file, of which there is one at least.
fn certificates(
    parameter: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, BackendError> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(BackendError::new(format!(
            "{parameter}: no certificate in {shown}"
        ))),
        Err(error) => Err(BackendError::new(format!("{parameter}: {shown}: {error}"))),
    }
}

/// What is looked at in the server's certificate.
#[derive(Debug)]
struct Verifier {
    /// Who may have signed it; `None` where that does not matter.
    chain: Option<Chain>,
    /// Whether it must be for the host that was asked for.
    names_host: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Chain {
    verifier: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Self, BackendError> {
        let verifies = matches!(tls.mode, Mode::VerifyCa | Mode::VerifyFull);
        let file = match &tls.roots {
            Roots::File(path) => Some(("sslrootcert", path.clone())),
            Roots::Unsaid | Roots::System if verifies => Some(("sslrootcert=system", system()?)),
            Roots::Unsaid | Roots::System => None,
        };
        let chain = file.map(|(parameter, path)| {
            let trusted = certificates(parameter, &path)?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(trusted.iter().cloned());
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| BackendError::new(format!("{parameter}: {error}")))?;
            Ok(Chain { verifier, trusted })
        });
        Ok(Self {
            chain: chain.transpose()?,
            names_host: tls.mode == Mode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

/// The file of the authorities that this system trusts.
fn system() -> Result<PathBuf, BackendError> {
    let mut known = SYSTEM.iter().map(PathBuf::from);
    known.find(|path| path.is_file()).ok_or_else(|| {
        BackendError::new("this system keeps no list of authorities where it is looked for")
            .hint("name a file with sslrootcert")
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = chain.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if !self.names_host && is_about_name(&error) => {}
            // One that signed itself and is trusted as it is, which is what most databases have.
            Err(error) if is_authority(&error) && chain.trusted.contains(end_entity) => {
                if self.names_host {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
            }
            verified => return verified,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether all is well but the host's name, which is looked at last.
fn is_about_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// Whether the certificate is one of an authority; its dates have been looked at then.
fn is_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.to_string() == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}
