//! Where a key service listens: `tcp://HOST:PORT` or `unix:///PATH`.

use std::fmt;

/// The address of a key service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceUri {
    /// `HOST:PORT`.
    Tcp(String),
    /// The path of a socket.
    Unix(String),
}

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected tcp://HOST:PORT or unix:///PATH")]
pub struct UriError;

impl std::str::FromStr for ServiceUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError)?;
        match scheme.to_ascii_lowercase().as_str() {
            "tcp" | "tcp4" | "tcp6" => tcp(rest).ok_or(UriError),
            "unix" => unix(rest).ok_or(UriError),
            _ => Err(UriError),
        }
    }
}

/// What a URI of TCP names: a host and a port, and nothing else.
fn tcp(rest: &str) -> Option<ServiceUri> {
    let authority = rest.strip_prefix("//")?.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_six = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(inner) => !inner.is_empty() && inner.chars().all(is_six),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    let port: u16 = port.parse().ok()?;
    is_host.then(|| ServiceUri::Tcp(format!("{host}:{port}")))
}

/// What a URI of a socket names: the path behind an empty host, or one without slashes before it.
fn unix(rest: &str) -> Option<ServiceUri> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        // there are no sockets on other hosts
        Some(_) => return None,
        None => rest,
    };
    (!path.is_empty()).then(|| ServiceUri::Unix(path.to_owned()))
}

impl fmt::Display for ServiceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Option<String> {
        text.parse::<ServiceUri>().ok().map(|uri| uri.to_string())
    }

    #[test]
    fn a_service_is_at_a_port_or_a_socket() {
        for (text, expected) in [
            ("tcp://127.0.0.1:5000", "tcp://127.0.0.1:5000"),
            ("tcp://keys.example:5000/", "tcp://keys.example:5000"),
            ("TCP4://localhost:1", "tcp://localhost:1"),
            ("tcp://[::1]:5000", "tcp://[::1]:5000"),
            ("unix:///run/keys.sock", "unix:///run/keys.sock"),
            ("unix:/run/keys.sock", "unix:///run/keys.sock"),
            ("unix:keys.sock", "unix://keys.sock"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_names_neither_is_refused() {
        for text in [
            "",
            "foo",
            ":bad",
            "127.0.0.1:5000",
            "udp://x:1",
            "tcp://x",
            "tcp://x:70000",
            "tcp://:5000",
            "tcp://[]:1",
            "tcp://a b:1",
            "tcp://user@x:1",
            "tcp:x:1",
            "unix:",
            "unix://",
            "unix://host/path",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_what_it_shows(text in ".{0,30}") {
            if let Ok(uri) = text.parse::<ServiceUri>()
                && let ServiceUri::Tcp(_) = uri
            {
                prop_assert_eq!(uri.to_string().parse::<ServiceUri>(), Ok(uri));
            }
        }
    }
}
