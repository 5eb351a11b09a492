//! Connection strings as sops's client (Go's lib/pq) takes them: `postgres://…`, or `key=value`
//! pairs.
//!
//! Variables of the environment are not read: with them, whoever is audited could say where to.

use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

/// Where the database is, and who asks.
#[derive(Default)]
pub struct Dsn {
    hosts: Vec<String>,
    ports: Vec<u16>,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    database: Option<String>,
    application: Option<String>,
    options: String,
    writable: bool,
    /// The longest wait for a connection.
    pub connect_timeout: Option<Duration>,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether, and what is verified.
    pub mode: Mode,
    /// Whose signatures are trusted.
    pub roots: Roots,
    /// The certificate of the client and its key, both PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What is verified of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// There is no TLS.
    Disable,
    /// Nothing; no TLS where the server has none.
    Prefer,
    /// Nothing, unless there is an authority to verify with.
    #[default]
    Require,
    /// Who signed its certificate.
    VerifyCa,
    /// Who signed its certificate, and that it is for this host.
    VerifyFull,
}

/// Whose signatures are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Nothing is said: those of the system where something is verified.
    #[default]
    Unsaid,
    /// Those of the system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// Why a connection string is none. Shows nothing of it: any piece could be one of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// A name without `=`.
    #[error("there is no `=` behind a name")]
    NoEquals,
    /// A quote that does not end.
    #[error("a quoted value does not end")]
    Quote,
    /// A `\` at the end.
    #[error("nothing stands behind the last `\\`")]
    Backslash,
    /// What stands before a `=` is no name.
    #[error("what stands in front of a `=` is no name; values that hold blanks need quotes")]
    Name,
    /// A `%` without two digits, or what is no text.
    #[error("a `%` of the URL is not followed by two digits (a `%` itself is `%25`)")]
    Percent,
    /// A value that does not fit its name.
    #[error("{0} has a value that does not fit it")]
    Value(&'static str),
    /// A parameter that bulla has no use for.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// Parameters that change what must happen, and that bulla cannot do.
const UNSUPPORTED: [&str; 11] = [
    "hostaddr",
    "krbsrvname",
    "krbspn",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "require_auth",
    "service",
    "ssl_max_protocol_version",
    "sslinline",
    "sslnegotiation",
];

/// Parameters that mean nothing for one row of text.
const IDLE: [&str; 8] = [
    "binary_parameters",
    "client_encoding",
    "datestyle",
    "disable_prepared_binary_result",
    "fallback_application_name",
    "load_balance_hosts",
    "ssl_min_protocol_version",
    "sslsni",
];

type Pairs = Vec<(String, Zeroizing<String>)>;

impl Dsn {
    /// Reads a connection string.
    ///
    /// # Errors
    /// [`DsnError`].
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        let url = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"));
        let pairs = match url {
            Some(rest) => of_url(rest)?,
            None => of_pairs(text)?,
        };
        let mut dsn = Self::default();
        let mut files = (None, None);
        for (name, value) in &pairs {
            match &**name {
                "sslcert" => files.0 = path(value),
                "sslkey" => files.1 = path(value),
                name => dsn.set(name, value)?,
            }
        }
        dsn.tls.identity = match files {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, Some(_)) => return Err(DsnError::Value("sslcert")),
            (Some(_), None) => return Err(DsnError::Value("sslkey")),
        };
        dsn.complete(&pairs)
    }

    fn set(&mut self, name: &str, value: &Zeroizing<String>) -> Result<(), DsnError> {
        let some = || Some(value.to_string()).filter(|value| !value.is_empty());
        match name {
            "host" => self.hosts = value.split(',').map(String::from).collect(),
            "port" => self.ports = ports(value)?,
            "user" => self.user = some(),
            "password" => self.password = Some(value.clone()),
            "dbname" => self.database = some(),
            "application_name" => self.application = some(),
            "options" => self.add_options(value),
            "connect_timeout" => {
                let seconds: i64 = value
                    .parse()
                    .map_err(|_| DsnError::Value("connect_timeout"))?;
                let seconds = u64::try_from(seconds).unwrap_or(0);
                self.connect_timeout = Some(Duration::from_secs(seconds)).filter(|t| !t.is_zero());
            }
            "sslmode" => self.tls.mode = mode(value)?,
            "sslrootcert" => {
                self.tls.roots = match &***value {
                    "" => Roots::Unsaid,
                    "system" => Roots::System,
                    file => Roots::File(file.into()),
                }
            }
            "target_session_attrs" => match &***value {
                "any" => self.writable = false,
                "read-write" | "primary" => self.writable = true,
                _ => return Err(DsnError::Value("target_session_attrs")),
            },
            _ => return self.set_other(name, value),
        }
        Ok(())
    }

    /// What the client has no name for is a run-time parameter of the server.
    fn set_other(&mut self, name: &str, value: &str) -> Result<(), DsnError> {
        if let Some(name) = UNSUPPORTED.iter().find(|known| **known == name) {
            return match (*name, value) {
                ("sslinline", "" | "0" | "f" | "false") | ("sslnegotiation", "postgres") => Ok(()),
                _ => Err(DsnError::Unsupported(name)),
            };
        }
        if IDLE.contains(&name) {
            return Ok(());
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(DsnError::Name);
        }
        let name = if name == "tz" { "timezone" } else { name };
        let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
        self.add_options(&format!("-c {name}={value}"));
        Ok(())
    }

    fn add_options(&mut self, more: &str) {
        if !self.options.is_empty() {
            self.options.push(' ');
        }
        self.options.push_str(more);
    }

    /// What follows from several parameters.
    fn complete(mut self, pairs: &Pairs) -> Result<Self, DsnError> {
        if self.hosts.iter().all(String::is_empty) {
            self.hosts = vec!["localhost".to_owned()];
        }
        if self.ports.is_empty() {
            self.ports = vec![5432];
        }
        if self.ports.len() != 1 && self.ports.len() != self.hosts.len() {
            return Err(DsnError::Value("port"));
        }
        if self.hosts.iter().any(|host| is_socket(host)) {
            // nobody listens in between
            self.tls.mode = Mode::Disable;
        } else if self.tls.roots == Roots::System {
            let is_said = pairs.iter().any(|(name, _)| name == "sslmode");
            if is_said && self.tls.mode != Mode::VerifyFull {
                return Err(DsnError::Value("sslmode"));
            }
            self.tls.mode = Mode::VerifyFull;
        }
        Ok(self)
    }

    /// What the client is told. Without a user it is that of the system.
    pub fn config(&self, user: &str) -> Config {
        let mut config = Config::new();
        for host in &self.hosts {
            config.host(host);
        }
        for port in &self.ports {
            config.port(*port);
        }
        let user = self.user.as_deref().unwrap_or(user);
        config
            .user(user)
            .dbname(self.database.as_deref().unwrap_or(user))
            .options(&self.options)
            .application_name(self.application.as_deref().unwrap_or("bulla"))
            .ssl_mode(match self.tls.mode {
                Mode::Disable => SslMode::Disable,
                Mode::Prefer => SslMode::Prefer,
                Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
            });
        if let Some(password) = &self.password {
            config.password(&**password);
        }
        if self.writable {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config
    }

    /// How the database is called in messages: its host, port and name, nothing else.
    pub fn name(&self, user: &str) -> String {
        let (hosts, port) = (self.hosts.join(","), self.ports[0]);
        let user = self.user.as_deref().unwrap_or(user);
        let database = self.database.as_deref().unwrap_or(user);
        format!("database {database} at {hosts}:{port}")
    }
}

fn is_socket(host: &str) -> bool {
    Path::new(host).is_absolute() || host.starts_with('@')
}

fn path(text: &str) -> Option<PathBuf> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
}

fn ports(text: &str) -> Result<Vec<u16>, DsnError> {
    let ports = text.split(',').map(|port| match port {
        "" => Ok(5432),
        port => port.parse(),
    });
    let ports: Result<_, _> = ports.collect();
    ports.map_err(|_| DsnError::Value("port"))
}

fn mode(text: &str) -> Result<Mode, DsnError> {
    Ok(match text {
        "disable" => Mode::Disable,
        "allow" | "prefer" => Mode::Prefer,
        "" | "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => return Err(DsnError::Value("sslmode")),
    })
}

/// The parameters of a URL, of which the scheme was taken away.
fn of_url(rest: &str) -> Result<Pairs, DsnError> {
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = split_host(host);
    let mut pairs = Pairs::new();
    for (name, value) in [
        ("user", user),
        ("password", password),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ] {
        if !value.is_empty() {
            pairs.push((name.to_owned(), decoded(value)?));
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let blanks = |text: &str| Zeroizing::new(text.replace('+', " "));
        let name = decoded(&blanks(name))?.to_string();
        let value = decoded(&blanks(value))?;
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

/// Host and port; an IPv6 address stands in brackets.
fn split_host(text: &str) -> (&str, &str) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return (address, rest.strip_prefix(':').unwrap_or_default());
    }
    text.rsplit_once(':').unwrap_or((text, ""))
}

fn decoded(text: &str) -> Result<Zeroizing<String>, DsnError> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_whole = |at: usize| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2));
    if text.match_indices('%').any(|(at, _)| !is_whole(at)) {
        return Err(DsnError::Percent);
    }
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| DsnError::Percent)?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

/// The parameters of `key=value` pairs: blanks around names and `=`, quotes around values, and a
/// `\` in front of what is meant as it is.
fn of_pairs(text: &str) -> Result<Pairs, DsnError> {
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace());
        let (name, behind) = rest.split_at(end.ok_or(DsnError::NoEquals)?);
        let behind = behind.trim_start();
        let behind = behind.strip_prefix('=').ok_or(DsnError::NoEquals)?;
        let (value, behind) = value(behind.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(pairs)
}

/// The value at the start of `text`, and what stands behind it.
fn value(text: &str) -> Result<(Zeroizing<String>, &str), DsnError> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            '\\' => match chars.next() {
                Some((_, escaped)) => value.push(escaped),
                None if quoted => return Err(DsnError::Quote),
                None => return Err(DsnError::Backslash),
            },
            c => value.push(c),
        }
    }
    if quoted {
        return Err(DsnError::Quote);
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let dsn = Dsn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        format!(
            "{} {:?} as {} with {}; {:?}; {}",
            dsn.hosts.join(","),
            dsn.ports,
            dsn.user.as_deref().unwrap_or("-"),
            dsn.password.as_ref().map_or("-", |password| password),
            dsn.tls.mode,
            dsn.options,
        )
    }

    #[test]
    fn both_forms_say_the_same() {
        let expected = "db.example [6432] as me with p w'; VerifyFull; ";
        for text in [
            "postgres://me:p%20w%27@db.example:6432/logs?sslmode=verify-full",
            "postgresql://me@db.example/logs?port=6432&password=p+w%27&sslmode=verify-full",
            r"host=db.example port=6432 user=me password='p w\'' dbname=logs sslmode=verify-full",
            r"  host = db.example  port=6432 user=me password=p\ w\' sslmode = 'verify-full' ",
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn defaults_are_those_of_lib_pq() {
        assert_eq!(shown(""), "localhost [5432] as - with -; Require; ");
        assert_eq!(shown("password="), "localhost [5432] as - with ; Require; ");
        let dsn = Dsn::parse("postgres://h").unwrap();
        assert_eq!(dsn.name("root"), "database root at h:5432");
        let config = dsn.config("root");
        assert_eq!(
            (config.get_user(), config.get_dbname()),
            (Some("root"), Some("root"))
        );
        assert_eq!(
            shown("postgres://[::1]:1/d"),
            "::1 [1] as - with -; Require; "
        );
        assert_eq!(
            shown("postgres://a,b/d?port=1,2"),
            "a,b [1, 2] as - with -; Require; "
        );
    }

    #[test]
    fn a_local_socket_needs_no_tls_and_the_roots_of_the_system_want_all_of_it() {
        let mode = |text: &str| Dsn::parse(text).map(|dsn| dsn.tls.mode);
        assert_eq!(
            mode("host=/run/postgresql sslmode=require"),
            Ok(Mode::Disable)
        );
        assert_eq!(mode("host=h sslrootcert=system"), Ok(Mode::VerifyFull));
        let weak = mode("host=h sslrootcert=system sslmode=require");
        assert_eq!(weak, Err(DsnError::Value("sslmode")));
    }

    #[test]
    fn what_the_client_does_not_know_goes_to_the_server() {
        let text = r"search_path='my logs,public' options='-c geqo=off' tz=UTC sslsni=0";
        let options = r"-c search_path=my\ logs,public -c geqo=off -c timezone=UTC";
        assert!(
            shown(text).ends_with(&format!("Require; {options}")),
            "{}",
            shown(text)
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_a_piece_of_it() {
        for (text, expected) in [
            ("hunter2", DsnError::NoEquals),
            ("password=a hunter2 user=b", DsnError::NoEquals),
            ("password='hunter2", DsnError::Quote),
            (r"password=hunter2\", DsnError::Backslash),
            (r"password='hunter2\", DsnError::Quote),
            ("hunter-2=x", DsnError::Name),
            ("=x", DsnError::Name),
            ("postgres://u:100%hunter@h/d", DsnError::Percent),
            ("postgres://u:%ff@h/d", DsnError::Percent),
            ("port=hunter", DsnError::Value("port")),
            ("host=a,b port=1,2,3", DsnError::Value("port")),
            ("sslmode=hunter", DsnError::Value("sslmode")),
            ("connect_timeout=x", DsnError::Value("connect_timeout")),
            ("sslcert=/a", DsnError::Value("sslkey")),
            ("service=x", DsnError::Unsupported("service")),
            ("sslinline=true", DsnError::Unsupported("sslinline")),
        ] {
            let error = Dsn::parse(text).err().expect(text);
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter"));
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_reader(text in "[ -~é]{0,60}") {
            let _ = Dsn::parse(&text);
            let _ = Dsn::parse(&format!("postgres://{text}"));
        }

        #[test]
        fn a_quoted_password_is_what_it_was(password in "\\PC{1,20}") {
            let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
            let dsn = Dsn::parse(&format!("user=u password='{quoted}' host=h"));
            let read = dsn.ok().and_then(|dsn| dsn.password);
            prop_assert_eq!(read.as_ref().map(|text| text.as_str()), Some(&*password));
        }
    }
}
