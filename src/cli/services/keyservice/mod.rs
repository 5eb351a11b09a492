//! The key service protocol of sops: a master key is used by another process, here or elsewhere.
//!
//! gRPC over HTTP/2 without encryption or authentication, over TCP or a Unix socket; whoever
//! serves it says on what terms.

mod client;
mod connection;
mod guard;
mod listener;
mod messages;
mod server;
mod uri;
mod workers;

pub use client::KeyService;
pub use connection::{CallError, Connection};
pub use guard::Guard;
use guard::{Allowed, Operation};
#[cfg(unix)]
pub use listener::Socket;
pub use listener::{Listener, Peer};
pub use messages::{DecryptRequest, DecryptResponse, Key};
pub use server::{Body, KeyServer, Methods, answer, serve};
pub use uri::ServiceUri;
use workers::Work;
pub use workers::{Terms, Workers};
