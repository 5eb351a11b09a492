//! Services of clouds, by their real names and over TLS, without leaving this machine: a proxy for
//! `HTTPS_PROXY` that connects nobody anywhere but answers for the host itself, as the test says,
//! with a certificate of an authority that only the test trusts.

use super::http::{HttpReply, HttpRequest, serve};
use super::{Case, repository};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// A file that `make.sh` beside it made.
pub(crate) fn tls(name: &str) -> PathBuf {
    repository("tests/it/support/tls").join(name)
}

/// The same as text.
pub(crate) fn tls_text(name: &str) -> String {
    std::fs::read_to_string(tls(name)).expect("a file of tests/it/support/tls")
}

/// What a host answers to a request; `None` where there is no such host.
type Answer = dyn Fn(&str, &HttpRequest) -> Option<HttpReply> + Send + Sync;

/// Hosts that live as long as the test does.
pub(crate) struct Cloud {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, HttpRequest)>>>,
    connected: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    /// Hosts that are there under these names (`*.` before one is any below it), and answer by
    /// `answer`.
    pub(crate) fn start(
        hosts: &'static [&'static str],
        answer: impl Fn(&str, &HttpRequest) -> HttpReply + Send + Sync + 'static,
    ) -> Self {
        let there = move |name: &str| {
            hosts.iter().any(|host| match host.strip_prefix("*.") {
                Some(domain) => name
                    .strip_suffix(domain)
                    .is_some_and(|label| label.ends_with('.')),
                None => *host == name,
            })
        };
        let answer: Arc<Answer> = Arc::new(move |host: &str, request: &HttpRequest| {
            there(host).then(|| answer(host, request))
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let cloud = Self {
            address: listener.local_addr().expect("its address"),
            asked: Arc::default(),
            connected: Arc::default(),
        };
        let (asked, connected) = (Arc::clone(&cloud.asked), Arc::clone(&cloud.connected));
        let config = Arc::new(config());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, connected) = (Arc::clone(&asked), Arc::clone(&connected));
                let (answer, config) = (Arc::clone(&answer), Arc::clone(&config));
                thread::spawn(move || {
                    let Some(host) = tunnel(&stream) else { return };
                    connected.lock().expect("hosts").push(host.clone());
                    let name = host.strip_suffix(":443").unwrap_or(&host).to_owned();
                    speak(stream, &name, there(&name), &*answer, &asked, config);
                });
            }
        });
        cloud
    }

    /// Makes a command live among these hosts, and nowhere else.
    pub(crate) fn around(&self, case: Case) -> Case {
        case.env("HTTPS_PROXY", format!("http://{}", self.address))
            .env("SSL_CERT_FILE", tls("authority.pem"))
            .env("BULLA_METADATA_URL", "none")
    }

    /// What was asked since this was last called: hosts and requests.
    pub(crate) fn asked(&self) -> Vec<(String, HttpRequest)> {
        std::mem::take(&mut self.asked.lock().expect("requests"))
    }

    /// The same in one line each: `POST HOST PATH`, with a `+` where there was a token.
    pub(crate) fn told(&self) -> Vec<String> {
        let asked = self.asked();
        let line = |(host, request): &(String, HttpRequest)| {
            let token = request.header("authorization");
            let mark = if token.is_empty() { "" } else { " +" };
            format!("{} {host}{}{mark}", request.method, request.path)
        };
        asked.iter().map(line).collect()
    }

    /// Whom anybody wanted to be connected to since this was last called, there or not.
    pub(crate) fn connected(&self) -> Vec<String> {
        std::mem::take(&mut self.connected.lock().expect("hosts"))
    }
}

fn config() -> ServerConfig {
    let pem = std::fs::read(tls("server.pem")).expect("a certificate");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let key = PrivateKeyDer::from_pem_file(tls("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.expect("versions of TLS").with_no_client_auth();
    let chain = chain.expect("certificates");
    builder.with_single_cert(chain, key).expect("a server")
}

/// The `HOST:PORT` of a `CONNECT`.
fn tunnel(stream: &TcpStream) -> Option<String> {
    // no byte ahead: what follows is TLS
    let mut reader = BufReader::with_capacity(1, stream);
    let mut host = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("CONNECT"), Some(name)) => host = Some(name.to_owned()),
            (None, _) => return host,
            _ => {}
        }
    }
}

fn speak(
    mut stream: TcpStream,
    host: &str,
    is_there: bool,
    answer: &Answer,
    asked: &Mutex<Vec<(String, HttpRequest)>>,
    config: Arc<ServerConfig>,
) {
    if !is_there {
        let _ = stream.write_all(b"HTTP/1.1 502 No such host\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    if stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").is_err() {
        return;
    }
    let connection = ServerConnection::new(config).expect("a connection");
    let answer = |request: &HttpRequest| {
        let note = (host.to_owned(), request.clone());
        asked.lock().expect("requests").push(note);
        answer(host, request).expect("a host that is there")
    };
    serve(
        StreamOwned::new(connection, stream),
        &answer,
        &Mutex::default(),
    );
}
