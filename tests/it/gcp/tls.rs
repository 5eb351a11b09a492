//! What stands between a client and the service: TLS with a certificate of the tests' own
//! authority, and a proxy that tunnels (RFC 9110, 9.3.6) every host to one address.

use crate::support::http::{HttpReply, HttpRequest, serve};
use crate::support::{repository, text};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// The certificate of who may be trusted.
pub(crate) fn authority() -> PathBuf {
    repository("testdata/keys/tls-authority.pem")
}

/// The certificate of `kms.test` and its key, as PEM.
pub(crate) fn identity() -> Vec<u8> {
    std::fs::read(repository("testdata/keys/tls-server.pem")).unwrap()
}

/// Starts a server of HTTP/1.1 over TLS.
pub(crate) fn start(
    answer: impl Fn(&HttpRequest) -> HttpReply + Send + Sync + 'static,
) -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity()).collect();
    let key = PrivateKeyDer::from_pem_slice(&identity()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.unwrap(), key)
        .unwrap();
    let (config, answer) = (Arc::new(config), Arc::new(answer));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let answer = Arc::clone(&answer);
            // head and body are written one after the other
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || {
                let stream = StreamOwned::new(connection, stream);
                serve(stream, &*answer, &Mutex::default());
            });
        }
    });
    address
}

/// A proxy, and the heads of the requests that it got.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy that leads to `target`, whoever is asked for.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || tunnel(stream, target, &noted));
            }
        });
        Self { address, heads }
    }

    /// What it got since the last call.
    pub(crate) fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

fn tunnel(mut client: TcpStream, target: SocketAddr, heads: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.extend(byte);
    }
    heads.lock().unwrap().push(text(&head));
    if !head.starts_with(b"CONNECT ") {
        let _ = client.write_all(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let server = TcpStream::connect(target).unwrap();
    let _ = client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || pass(from, to));
    pass(server, client);
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
