//! `bulla keyservice`: the keys of this machine for other processes, by the protocol of sops.

use super::args::Global;
use super::environment::Environment;
use super::failure::{Failure, Outcome, Status, note, warn};
use super::services::keyservice::{Guard, KeyServer, Listener, ServiceUri, Terms, Workers, serve};
use super::{Context, process};
use crate::keys::PROVIDERS;
use clap::Args;
use std::io;

/// Use the keys of this machine for other processes
///
/// Whoever connects can have data keys encrypted and decrypted; `--keyservice tcp://HOST:PORT` or
/// `--keyservice unix:///PATH` of bulla and of sops does. A socket is for processes of this user
/// and of root alone. A port is for everybody who reaches it: the protocol knows neither
/// passwords nor encryption. Runs until it is told to end (Ctrl-C, SIGTERM).
#[derive(Args)]
pub struct Keyservice {
    /// How it is reached: tcp or unix.
    #[arg(
        long,
        visible_alias = "net",
        value_name = "NETWORK",
        default_value = "tcp"
    )]
    pub network: String,
    /// Where it is reached: HOST:PORT, or the path of a socket.
    #[arg(
        long,
        visible_alias = "addr",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:5000"
    )]
    pub address: String,
    /// Ask on standard input before each operation, and say who wants it.
    #[arg(long)]
    pub prompt: bool,
    /// Use this key alone (its id, as files and reports name it), or keys of this kind (age, pgp,
    /// kms, …); may be given several times.
    #[arg(long, value_name = "KEY")]
    pub allow: Vec<String>,
}

impl Keyservice {
    /// Runs the command.
    ///
    /// # Errors
    /// Where it cannot listen there.
    pub fn run(self, context: &Context) -> Outcome {
        let guard = Guard {
            allowed: self.allow.clone(),
            asks: self.prompt,
        };
        guard.check().map_err(unknown_kind)?;
        let listener = self.listen()?;
        let uri = listener.uri().map_err(failed)?;
        if listener.is_open_to_network().map_err(failed)? {
            warn(format_args!(
                "{uri}: everybody who reaches this port can use the keys of this machine, and \
                 whoever listens in can read data keys"
            ));
        }
        let terms = Terms {
            global: context.global.clone(),
            environment: context.environment.clone(),
            guard,
            asks: true,
        };
        let workers = Workers::start(&terms).map_err(failed)?;
        process::serve_until_told().map_err(failed)?;
        note(format_args!("listening on {uri}"));
        let served = context
            .clients
            .block_on(serve(listener, KeyServer::new(workers)));
        let served = served.map_err(|error| Failure::new(Status::General, error))?;
        served.map_err(failed)
    }

    fn listen(&self) -> Outcome<Listener> {
        let (network, address) = (self.network.as_str(), self.address.as_str());
        let listener = match network {
            "tcp" | "tcp4" | "tcp6" => Listener::tcp(address),
            "unix" => unix(address),
            _ => {
                let message = format!("unknown network {network:?}");
                return Err(Failure::new(Status::General, message).hint("there are: tcp, unix"));
            }
        };
        listener.map_err(|error| {
            let failure = Failure::new(
                Status::General,
                format!("cannot listen on {address}: {error}"),
            );
            if error.kind() == io::ErrorKind::AddrInUse {
                return failure.hint("is a key service running there already?");
            }
            failure
        })
    }
}

#[cfg(unix)]
fn unix(path: &str) -> io::Result<Listener> {
    use super::services::keyservice::Socket;
    Socket::bind(std::path::Path::new(path)).map(Listener::Unix)
}

#[cfg(not(unix))]
fn unix(_: &str) -> io::Result<Listener> {
    Err(io::Error::other("there are no such sockets on this system"))
}

fn failed(error: io::Error) -> Failure {
    Failure::new(Status::General, format!("cannot serve: {error}"))
}

fn unknown_kind(text: &str) -> Failure {
    let kinds: Vec<_> = PROVIDERS.iter().map(|provider| provider.id).collect();
    let message = format!("--allow: {text:?} is neither a kind of key nor the id of one");
    Failure::new(Status::General, message).hint(format!("the kinds are: {}", kinds.join(", ")))
}

/// An address without the name and password that may stand in it.
fn bare(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() {
        return host.to_owned();
    }
    format!("{scheme}://{host}")
}

/// The key services that flags and environment name; what is no address is passed over, as sops
/// does.
pub fn addresses(global: &Global, environment: &Environment) -> Vec<ServiceUri> {
    let texts = global.key_services(environment).into_iter();
    let parsed = texts.filter(|text| !text.is_empty()).map(|text| {
        let parsed = text.parse();
        parsed.map_err(|error| {
            warn(format_args!(
                "key service {:?} is passed over: {error}",
                bare(&text)
            ));
        })
    });
    parsed.filter_map(Result::ok).collect()
}
