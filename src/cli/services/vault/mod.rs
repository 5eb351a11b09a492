//! Vault and OpenBao: the transit engine, which wraps data keys, and requests for whoever else
//! has something to ask there.

mod answer;
mod settings;
mod trust;

pub use trust::named;

use super::http;
use super::limits::{Trouble, patiently};
use crate::cli::environment::{Environment, SOPS_HC_VAULT_ALLOWLIST};
use crate::cli::failure::warn;
use crate::keys::{ServiceError, VaultAddress, Wrapped};
use answer::Asked;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use settings::{Settings, secret_header};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use zeroize::Zeroizing;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Agents answer nobody who does not send it: a browser cannot.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// The servers that were asked in this run.
#[derive(Default)]
pub struct Vault {
    /// Keys that flags of the command line name.
    flags: Vec<String>,
    servers: RefCell<HashMap<String, Rc<Server>>>,
}

impl Vault {
    /// Knows the servers of these keys for the user's own, besides those of the environment.
    #[must_use]
    pub fn new(flags: Vec<String>) -> Self {
        Self {
            flags,
            ..Self::default()
        }
    }

    /// The server at an address, made at its first use.
    ///
    /// # Errors
    /// Where the address is none, or may not be asked (see [`trust`]), or where the settings of
    /// the environment cannot be used.
    pub fn server(
        &self,
        environment: &Environment,
        address: &str,
    ) -> Result<Rc<Server>, ServiceError> {
        if let Some(server) = self.servers.borrow().get(address) {
            return Ok(Rc::clone(server));
        }
        let server = Rc::new(self.new_server(environment, address)?);
        let mut servers = self.servers.borrow_mut();
        servers.insert(address.to_owned(), Rc::clone(&server));
        Ok(server)
    }

    fn new_server(&self, environment: &Environment, address: &str) -> Result<Server, ServiceError> {
        let named = parsed(address)?;
        let settings = Settings::new(environment, &named);
        // the user's own agent is asked in the place of whatever a file names; a list counts still
        if settings.agent().is_none() || environment.text(SOPS_HC_VAULT_ALLOWLIST).is_some() {
            trust::check(address, environment, &self.flags)?;
        }
        Server::new(&settings, named)
    }

    /// Wraps `part` with a key of a transit engine.
    ///
    /// # Errors
    /// Where the server does not.
    pub async fn wrap(
        &self,
        environment: &Environment,
        key: &VaultAddress,
        part: &[u8],
    ) -> Result<Wrapped, ServiceError> {
        let plaintext = Zeroizing::new(STANDARD.encode(part));
        let body = json!({ "plaintext": plaintext.as_str() });
        let ciphertext = self.transit(environment, key, "encrypt", &body, "ciphertext");
        let ciphertext = ciphertext.await?;
        Ok(Wrapped::new(ciphertext.as_str().to_owned()))
    }

    /// Unwraps `enc` with a key of a transit engine.
    ///
    /// # Errors
    /// Where the server does not.
    pub async fn unwrap(
        &self,
        environment: &Environment,
        key: &VaultAddress,
        enc: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let body = json!({ "ciphertext": enc });
        let plaintext = self.transit(environment, key, "decrypt", &body, "plaintext");
        let part = STANDARD.decode(plaintext.await?.as_bytes());
        part.map(Zeroizing::new).map_err(|_| {
            let address = &key.address;
            ServiceError::new(format!(
                "Vault at {address}: the key in its answer is not base64"
            ))
        })
    }

    /// Asks a transit engine to do `verb`; the text that the answer has under `field`.
    async fn transit(
        &self,
        environment: &Environment,
        key: &VaultAddress,
        verb: &str,
        body: &Value,
        field: &str,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let server = self.server(environment, &key.address)?;
        let path = format!("{}/{verb}/{}", key.engine_path, key.key_name);
        let mut answer = server.request(Method::PUT, &path, Some(body)).await?;
        let found = answer
            .as_mut()
            .and_then(|answer| answer.get_mut("data")?.get_mut(field));
        match found.map(Value::take) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Zeroizing::new(text)),
            _ => {
                let message = format!(
                    "Vault at {}: {path}: the answer has no {field}",
                    key.address
                );
                Err(ServiceError::new(message)
                    .hint("is it a transit engine that is mounted there?"))
            }
        }
    }
}

/// A server with all that it takes to ask it.
pub struct Server {
    base: Url,
    headers: HeaderMap,
    client: Client,
    retries: u32,
}

impl Server {
    /// The server at `named`, or the agent that is asked in its place.
    fn new(settings: &Settings<'_>, named: Url) -> Result<Self, ServiceError> {
        let mut headers = settings.headers()?;
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(token) = settings.token()? {
            headers.insert(TOKEN, secret_header(&token, "the token")?);
        }
        if let Some(namespace) = settings.namespace() {
            headers.insert(NAMESPACE, secret_header(namespace, "the namespace")?);
        }
        let retries = settings.retries()?;
        let (mut base, client) = reached(settings, named)?;
        if base.scheme() == "http" && !trust::is_loopback(&base) {
            let address = base.origin().ascii_serialization();
            warn(format!(
                "{address}: token and data keys go there in clear, without TLS"
            ));
        }
        if let Some(name) = settings.server_name().filter(|_| base.scheme() == "https") {
            headers.insert(HOST, secret_header(&authority(&base), "the host")?);
            let wrong = "Vault: VAULT_TLS_SERVER_NAME: expected the name of a server";
            base.set_host(Some(name))
                .map_err(|_| ServiceError::new(wrong))?;
        }
        Ok(Self {
            base,
            headers,
            client,
            retries,
        })
    }

    /// Asks for `path` (below `v1/`), again where that may help; `None` where nothing is there.
    ///
    /// # Errors
    /// Where the server did not do as it was asked, with its reason and what to do.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, ServiceError> {
        let asked = Asked {
            server: &self.base,
            method: &method,
            path,
            with_token: self.headers.contains_key(TOKEN),
        };
        let url = self.url(&asked)?;
        let left = Cell::new(self.retries);
        patiently(|| async {
            let tried = self.once(&asked, &url, body).await;
            tried.map_err(|trouble| Trouble {
                again: trouble.again && left.replace(left.get().saturating_sub(1)) > 0,
                ..trouble
            })
        })
        .await
    }

    async fn once(
        &self,
        asked: &Asked<'_>,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Trouble> {
        let request = self.client.request(asked.method.clone(), url.clone());
        let mut request = request.headers(self.headers.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let service = format!("Vault at {}", self.base.origin().ascii_serialization());
        let reply = http::send(&service, request).await;
        asked.value(&reply.map_err(of_tls)?)
    }

    /// Names in files are no way to other requests: `..` leads nowhere.
    fn url(&self, asked: &Asked<'_>) -> Result<Url, ServiceError> {
        let wrong = || asked.error("this cannot be the path of an engine and the name of a key");
        let mut url = self.base.clone();
        {
            let mut segments = url.path_segments_mut().map_err(|()| wrong())?;
            segments.pop_if_empty().push("v1");
            for name in asked.path.split('/').filter(|name| !name.is_empty()) {
                if matches!(name, "." | "..") || name.contains(char::is_control) {
                    return Err(wrong());
                }
                segments.push(name);
            }
        }
        Ok(url)
    }
}

/// Who is asked, the server at `named` or the user's agent, and by what client.
fn reached(settings: &Settings<'_>, named: Url) -> Result<(Url, Client), ServiceError> {
    let base = match settings.agent() {
        None => named,
        Some(agent) => {
            if let Some(socket) = agent.strip_prefix("unix://") {
                return Ok((parsed("http://localhost")?, on_socket(socket)?));
            }
            parsed(agent)?
        }
    };
    let client = settings.client(&base)?;
    Ok((base, client))
}

/// The host and port of an address.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The address of a server.
fn parsed(address: &str) -> Result<Url, ServiceError> {
    let url = Url::parse(address.trim()).ok().filter(|url| {
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        is_plain && matches!(url.scheme(), "http" | "https")
    });
    url.ok_or_else(|| {
        ServiceError::new("Vault: the address of the server is none: expected https://HOST:PORT")
    })
}

#[cfg(unix)]
fn on_socket(path: &str) -> Result<Client, ServiceError> {
    http::build(http::builder().unix_socket(path))
}

#[cfg(not(unix))]
fn on_socket(_: &str) -> Result<Client, ServiceError> {
    Err(ServiceError::new(
        "Vault: there are no unix sockets on this system",
    ))
}

/// An attempt that TLS stopped: with what to do, and not to be repeated.
fn of_tls(trouble: Trouble) -> Trouble {
    let message = trouble.error.message;
    let hint = if message.contains("certificate") {
        "if the server's certificate is of an authority of your own, name that one's certificate: \
         VAULT_CACERT=FILE (VAULT_TLS_SERVER_NAME where it is for another name)"
    } else if message.contains("InvalidContentType") || message.contains("corrupt message") {
        "does the server speak plain http? its address says https"
    } else {
        return Trouble {
            error: ServiceError {
                message,
                ..trouble.error
            },
            ..trouble
        };
    };
    Trouble::lasting(ServiceError::new(message).hint(hint))
}
