//! A server of HTTP/1.1 on the loopback, which answers as the test says and remembers what it was
//! asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a server was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// By names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl HttpRequest {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What it answers.
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpReply {
    /// JSON with a status.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// The same with a header more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server that runs for as long as the test does.
pub(crate) struct HttpServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpServer {
    /// Answers every request by `answer`, each on a thread of its own.
    pub(crate) fn start(
        answer: impl Fn(&HttpRequest) -> HttpReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                thread::spawn(move || serve(stream, &*answer, &noted));
            }
        });
        Self { address, asked }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that it was asked so far.
    pub(crate) fn asked(&self) -> Vec<HttpRequest> {
        self.asked.lock().expect("requests").clone()
    }
}

/// Answers requests on one connection until the other side has enough.
pub(crate) fn serve(
    mut stream: impl Read + Write,
    answer: &dyn Fn(&HttpRequest) -> HttpReply,
    asked: &Mutex<Vec<HttpRequest>>,
) {
    while let Some(request) = read(&mut stream) {
        asked.lock().expect("requests").push(request.clone());
        let reply = answer(&request);
        let mut head = format!("HTTP/1.1 {} Said\r\n", reply.status);
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", reply.body.len());
        let sent = stream.write_all(head.as_bytes());
        if sent.and_then(|()| stream.write_all(&reply.body)).is_err() {
            return;
        }
        let _ = stream.flush();
    }
}

fn read(stream: &mut impl Read) -> Option<HttpRequest> {
    // one byte ahead at most, so that nothing of the next request is taken
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = HttpRequest {
        method: words.next()?,
        path: words.next()?,
        ..HttpRequest::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        request.headers.insert(name, value);
    }
    if request.header("transfer-encoding") == "chunked" {
        request.body = chunks(&mut reader)?;
        return Some(request);
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// A body that comes in pieces, each behind its length, up to one of none.
fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let start = body.len();
        body.resize(start + length + 2, 0);
        reader.read_exact(&mut body[start..]).ok()?;
        body.truncate(start + length);
        if length == 0 {
            return Some(body);
        }
    }
}
