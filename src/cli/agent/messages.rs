//! The messages between commands and their agent. Both are of one version of this program, or
//! nearly so: fields are added, never given another meaning.

use crate::cli::services::keyservice::Key;
use prost::Message;
use std::fmt;
use zeroize::Zeroize;

/// What stands under a key in a file.
#[derive(Clone, PartialEq, Message)]
pub struct Wrapped {
    /// The key.
    #[prost(message, optional, tag = "1")]
    pub key: Option<Key>,
    /// The text under `enc`.
    #[prost(string, tag = "2")]
    pub enc: String,
}

/// Asks for parts.
#[derive(Clone, PartialEq, Message)]
pub struct OpenRequest {
    /// Of which keys.
    #[prost(message, repeated, tag = "1")]
    pub wrapped: Vec<Wrapped>,
}

/// The parts, in the order of the request.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct OpenResponse {
    /// A data key or share; empty where it is not known.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub parts: Vec<Vec<u8>>,
}

/// Has a part held.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct RememberRequest {
    /// Of what.
    #[prost(message, optional, tag = "1")]
    pub wrapped: Option<Wrapped>,
    /// The data key or share.
    #[prost(bytes = "vec", tag = "2")]
    pub part: Vec<u8>,
}

/// Has identities held.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct TakeOverRequest {
    /// Where they are from.
    #[prost(string, tag = "1")]
    pub origin: String,
    /// Identities as text, or a private ssh key.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
    /// The passphrase of the ssh key; empty for none.
    #[prost(string, tag = "3")]
    pub passphrase: String,
}

/// Has something forgotten.
#[derive(Clone, PartialEq, Message)]
pub struct ForgetRequest {
    /// The id of a key or the path of an identity file; empty for everything.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// How many things were forgotten.
#[derive(Clone, PartialEq, Message)]
pub struct ForgetResponse {
    /// The number.
    #[prost(uint32, tag = "1")]
    pub count: u32,
}

/// Neither a question nor an answer that says anything.
#[derive(Clone, PartialEq, Message)]
pub struct Empty {}

/// What the agent is, and holds.
#[derive(Clone, PartialEq, Message)]
pub struct StatusResponse {
    /// Its process.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// How long it holds something, in seconds.
    #[prost(uint64, tag = "2")]
    pub lifetime: u64,
    /// Whether its memory is never written to a disk.
    #[prost(bool, tag = "3")]
    pub locked_memory: bool,
    /// What it holds.
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<Entry>,
}

/// Something that is held.
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    /// The id of the key.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What of it.
    #[prost(string, tag = "2")]
    pub what: String,
    /// For how long yet.
    #[prost(uint64, tag = "3")]
    pub seconds_left: u64,
}

/// How many parts there are, and none of them.
impl fmt::Debug for OpenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenResponse({})", self.parts.len())
    }
}

/// Without the part.
impl fmt::Debug for RememberRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RememberRequest").finish_non_exhaustive()
    }
}

/// Without identities and passphrase.
impl fmt::Debug for TakeOverRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TakeOverRequest({})", self.origin)
    }
}

impl Drop for OpenResponse {
    fn drop(&mut self) {
        self.parts.zeroize();
    }
}

impl Drop for RememberRequest {
    fn drop(&mut self) {
        self.part.zeroize();
    }
}

impl Drop for TakeOverRequest {
    fn drop(&mut self) {
        self.content.zeroize();
        self.passphrase.zeroize();
    }
}
