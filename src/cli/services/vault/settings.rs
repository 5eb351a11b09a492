//! What the environment says about Vault and OpenBao: the variables of their own clients.
//!
//! Vault's client reads `VAULT_…`, OpenBao's `BAO_…` as well. Here the ones of the server that is
//! asked go first: `BAO_…` where `BAO_ADDR` names it, else `VAULT_…`, which is what sops reads.

use super::trust::origin;
use crate::cli::environment::{BAO_ADDR, Environment, VAULT_ADDR, VAULT_HEADERS};
use crate::cli::failure::warn;
use crate::cli::services::http;
use crate::cli::services::limits::{ATTEMPTS, REQUEST};
use crate::keys::ServiceError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, Url};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The token file of Vault's and OpenBao's command lines, in the home directory.
const TOKEN_FILE: &str = ".vault-token";

/// The most files that a folder of certificates is read for.
const MOST_FILES: usize = 4096;

/// The variables for one server.
pub struct Settings<'e> {
    environment: &'e Environment,
    prefixes: [&'static str; 2],
}

impl<'e> Settings<'e> {
    /// The variables for the server at `address`.
    #[must_use]
    pub fn new(environment: &'e Environment, address: &Url) -> Self {
        let asked = origin(address.as_str());
        let names = |variable| environment.text(variable).and_then(origin) == asked;
        let prefixes = if names(BAO_ADDR) && !names(VAULT_ADDR) {
            ["BAO", "VAULT"]
        } else {
            ["VAULT", "BAO"]
        };
        Self {
            environment,
            prefixes,
        }
    }

    /// The value of a variable and its whole name.
    fn named(&self, name: &str) -> Option<(String, &'e str)> {
        self.prefixes.iter().find_map(|prefix| {
            let name = format!("{prefix}_{name}");
            let value = self.environment.text(&name)?;
            Some((name, value))
        })
    }

    fn text(&self, name: &str) -> Option<&'e str> {
        self.named(name).map(|(_, value)| value)
    }

    /// The token: of the variable, else of the file that `vault login` writes.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub fn token(&self) -> Result<Option<Zeroizing<String>>, ServiceError> {
        let token = |text: &str| {
            let text = text.trim();
            (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
        };
        if let Some(text) = self.text("TOKEN") {
            return Ok(token(text));
        }
        let Some(path) = self.environment.home().map(|home| home.join(TOKEN_FILE)) else {
            return Ok(None);
        };
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Ok(token(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    /// The namespace that keys are in, where not in that of the root.
    #[must_use]
    pub fn namespace(&self) -> Option<&'e str> {
        self.text("NAMESPACE")
    }

    /// The agent or proxy that is asked in the place of every server.
    #[must_use]
    pub fn agent(&self) -> Option<&'e str> {
        self.text("AGENT_ADDR")
    }

    /// The name that the server's certificate has, where it is not that of the address.
    #[must_use]
    pub fn server_name(&self) -> Option<&'e str> {
        self.text("TLS_SERVER_NAME")
    }

    /// How often a request may be repeated.
    ///
    /// # Errors
    /// Where the variable holds no number.
    pub fn retries(&self) -> Result<u32, ServiceError> {
        let Some((name, text)) = self.named("MAX_RETRIES") else {
            return Ok(ATTEMPTS - 1);
        };
        let retries = text.parse::<u32>();
        retries.map_err(|_| malformed(&name, "a number"))
    }

    /// Headers that every request has: `VAULT_HEADERS`, a mapping in JSON.
    ///
    /// # Errors
    /// Where it is none, or sets what is Vault's own.
    pub fn headers(&self) -> Result<HeaderMap, ServiceError> {
        let Some(text) = self.environment.text(VAULT_HEADERS) else {
            return Ok(HeaderMap::new());
        };
        let wrong = || malformed(VAULT_HEADERS, "a mapping of header names to texts, as JSON");
        let parsed = serde_json::from_str(text).map_err(|_| wrong())?;
        let serde_json::Value::Object(entries) = parsed else {
            return Err(wrong());
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &entries {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            if header.as_str().starts_with("x-vault-") {
                return Err(malformed(
                    VAULT_HEADERS,
                    "no header whose name starts with X-Vault-",
                ));
            }
            headers.insert(
                header,
                secret_header(value.as_str().ok_or_else(wrong)?, VAULT_HEADERS)?,
            );
        }
        Ok(headers)
    }

    /// A client for the server at `address`, as these variables want it.
    ///
    /// # Errors
    /// Where one of them is malformed, or names a file that cannot be read.
    pub fn client(&self, address: &Url) -> Result<Client, ServiceError> {
        let mut builder = http::builder().timeout(self.timeout()?);
        if let Some(roots) = self.roots()? {
            builder = builder.tls_certs_only(roots);
        }
        if let Some(identity) = self.identity()? {
            builder = builder.identity(identity);
        }
        if self.is_unverified()? {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some((name, proxy)) = self
            .named("PROXY_ADDR")
            .or_else(|| self.named("HTTP_PROXY"))
        {
            let proxy = Proxy::all(proxy).map_err(|_| malformed(&name, "the URL of a proxy"))?;
            builder = builder.proxy(proxy);
        }
        http::build(self.resolved(builder, address))
    }

    /// Under another name than that of the address, the same server is reached.
    fn resolved(&self, builder: ClientBuilder, address: &Url) -> ClientBuilder {
        match (self.server_name(), address.host_str()) {
            (Some(name), Some(host)) => builder.dns_resolver(Arc::new(Instead {
                name: name.to_owned(),
                host: host.trim_matches(['[', ']']).to_owned(),
            })),
            _ => builder,
        }
    }

    fn timeout(&self) -> Result<Duration, ServiceError> {
        let Some((name, text)) = self.named("CLIENT_TIMEOUT") else {
            return Ok(REQUEST);
        };
        let expected = "seconds, or a time like 30s";
        let time = duration(text).ok_or_else(|| malformed(&name, expected))?;
        Ok(if time.is_zero() { REQUEST } else { time })
    }

    fn is_unverified(&self) -> Result<bool, ServiceError> {
        let Some((name, text)) = self.named("SKIP_VERIFY") else {
            return Ok(false);
        };
        let skip = match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => return Err(malformed(&name, "true or false")),
        };
        if skip {
            warn(format!(
                "{name}: the server's certificate is not checked: whoever is on the way can read \
                 token and keys; {}_CACERT names a certificate to trust",
                self.prefixes[0]
            ));
        }
        Ok(skip)
    }

    /// The certificates of authorities that are trusted, where not the system's.
    fn roots(&self) -> Result<Option<Vec<Certificate>>, ServiceError> {
        if let Some((name, file)) = self.named("CACERT") {
            return certificates(&name, &read(Path::new(file))?).map(Some);
        }
        if let Some((name, text)) = self.named("CACERT_BYTES") {
            return certificates(&name, text.as_bytes()).map(Some);
        }
        let Some((name, folder)) = self.named("CAPATH") else {
            return Ok(None);
        };
        let mut roots = Vec::new();
        for file in files_below(Path::new(folder))? {
            roots.extend(certificates(&name, &read(&file)?)?);
        }
        Ok(Some(roots))
    }

    /// The certificate that we show.
    fn identity(&self) -> Result<Option<Identity>, ServiceError> {
        let of = |file: &str, bytes: &str| -> Result<Option<Zeroizing<Vec<u8>>>, ServiceError> {
            if let Some(path) = self.text(file) {
                return read(Path::new(path)).map(Some);
            }
            let bytes = self.text(bytes);
            Ok(bytes.map(|text| Zeroizing::new(text.as_bytes().to_vec())))
        };
        let certificate = of("CLIENT_CERT", "CLIENT_CERT_BYTES")?;
        let key = of("CLIENT_KEY", "CLIENT_KEY_BYTES")?;
        let names = format!("{0}_CLIENT_CERT and {0}_CLIENT_KEY", self.prefixes[0]);
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => return Err(ServiceError::new(format!("Vault: {names} go together"))),
        };
        let both = Zeroizing::new([certificate.as_slice(), b"\n", key.as_slice()].concat());
        let identity = Identity::from_pem(&both);
        let expected = "a certificate and its private key, as PEM";
        identity.map(Some).map_err(|_| malformed(&names, expected))
    }
}

/// A text as a header that is never shown.
///
/// # Errors
/// Where it has characters that no header has; `source` is where it came from.
pub fn secret_header(text: &str, source: &str) -> Result<HeaderValue, ServiceError> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| malformed(source, "printable characters only"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn malformed(name: &str, expected: &str) -> ServiceError {
    ServiceError::new(format!("Vault: {name}: expected {expected}"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> ServiceError {
    ServiceError::new(format!("Vault: cannot read {}: {error}", path.display()))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    let bytes = std::fs::read(path).map(Zeroizing::new);
    bytes.map_err(|error| unreadable(path, &error))
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<Certificate>, ServiceError> {
    let found = Certificate::from_pem_bundle(pem).ok();
    let found = found.filter(|found| !found.is_empty());
    found.ok_or_else(|| malformed(name, "certificates, as PEM"))
}

/// The files of a folder and of those in it, sorted.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, ServiceError> {
    let mut folders = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            // a link to a folder is none here, so that there is no circle
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
        if files.len() + folders.len() > MOST_FILES {
            let message = format!("Vault: {}: too many files", folder.display());
            return Err(ServiceError::new(message));
        }
    }
    files.sort();
    Ok(files)
}

/// Seconds, or what Go takes for a duration: `1m30s`, `1.5s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let unit = &unit[..unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len())];
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = &rest[end + unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

/// Finds `host` where `name` is looked for, and every other name as ever.
struct Instead {
    name: String,
    host: String,
}

impl Resolve for Instead {
    fn resolve(&self, name: Name) -> Resolving {
        let is_ours = name.as_str().eq_ignore_ascii_case(&self.name);
        let host = if is_ours {
            self.host.clone()
        } else {
            name.as_str().to_owned()
        };
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    fn token(variables: &[(&str, &str)], address: &str) -> Option<String> {
        let environment = environment(variables);
        let settings = Settings::new(&environment, &address.parse().expect("a URL"));
        let token = settings.token().expect("a token");
        token.map(|token| token.as_str().to_owned())
    }

    #[test]
    fn a_token_goes_to_the_server_that_it_is_of() {
        let both = [
            ("VAULT_TOKEN", "v"),
            ("BAO_TOKEN", "b\n"),
            ("VAULT_ADDR", "https://vault"),
            ("BAO_ADDR", "https://bao:443/"),
        ];
        assert_eq!(token(&both, "https://vault/").as_deref(), Some("v"));
        assert_eq!(token(&both, "https://bao/").as_deref(), Some("b"));
        assert_eq!(token(&both, "https://other/").as_deref(), Some("v"));
        assert_eq!(token(&both[1..2], "https://o/").as_deref(), Some("b"));
        assert_eq!(token(&[("HOME", "/nowhere")], "https://o/"), None);
    }

    #[test]
    fn times_are_seconds_or_what_go_takes() {
        for (text, milliseconds) in [
            ("5", Some(5000)),
            ("1m1.5s", Some(61_500)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("5x", None),
            ("-5s", None),
            ("5.5.5s", None),
            ("999999999999999999999h", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_names_the_variable_and_not_its_value() {
        let address: Url = "https://v".parse().expect("a URL");
        for (name, value) in [
            ("VAULT_SKIP_VERIFY", "hunter2"),
            ("BAO_CLIENT_TIMEOUT", "hunter2"),
            ("VAULT_CACERT_BYTES", "hunter2"),
            ("VAULT_CACERT", "/nowhere/hunter3"),
            ("BAO_CLIENT_KEY_BYTES", "hunter2"),
            ("VAULT_PROXY_ADDR", "http://[hunter2"),
        ] {
            let environment = environment(&[(name, value)]);
            let client = Settings::new(&environment, &address).client(&address);
            let error = client.expect_err(name).message;
            let told = error.contains(name) || value.starts_with('/') && error.contains(value);
            let told = told || name.contains("KEY") && error.contains("CLIENT_KEY");
            assert!(told && !error.contains("hunter2"), "{error}");
        }
        for (name, value) in [
            ("VAULT_HEADERS", "[\"hunter2\"]"),
            ("VAULT_HEADERS", "{\"X-Vault-Token\": \"hunter2\"}"),
            ("VAULT_HEADERS", "{\"a\": 1}"),
        ] {
            let environment = environment(&[(name, value)]);
            let error = Settings::new(&environment, &address).headers().unwrap_err();
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        let environment = environment(&[("VAULT_HEADERS", "{\"Cf-Id\": \"x\"}")]);
        let headers = Settings::new(&environment, &address).headers();
        assert_eq!(headers.expect("headers")["cf-id"], "x");
    }
}
