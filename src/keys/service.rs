//! Services that hold master keys elsewhere: what they are asked, and what they answer.

use super::{Address, Unlocked};
use zeroize::Zeroizing;

/// Somebody elsewhere who wraps and unwraps with master keys: a provider's own service, or a key
/// service that speaks sops's protocol.
pub trait Service {
    /// Whether it is to be asked for this key at all.
    fn serves(&self, _address: &Address) -> bool {
        true
    }

    /// Wraps for every request, all at once; an answer for each, in their order.
    fn wrap(&self, requests: &[WrapRequest<'_>]) -> Vec<Result<Wrapped, ServiceError>>;

    /// Unwraps, all requests at once; an answer for each, in their order. Where `wanted` is
    /// [`Wanted::Any`], what has not been answered when the first part is there is given up.
    fn unwrap(
        &self,
        requests: &[UnwrapRequest],
        wanted: Wanted,
    ) -> Vec<Result<Zeroizing<Vec<u8>>, ServiceError>>;
}

/// Somebody beside this user who holds for a time what was opened, and asks nobody.
pub trait Agent {
    /// The parts that it can tell without asking; an answer for each request, in their order.
    fn open(&self, requests: &[UnwrapRequest]) -> Vec<Option<Zeroizing<Vec<u8>>>>;

    /// Has it hold what somebody had to be asked for.
    fn remember(&self, request: &UnwrapRequest, part: &[u8]);

    /// Has it hold identities that somebody had to be asked for.
    fn take_over(&self, unlocked: Unlocked);
}

/// A data key, or a share of one, to be wrapped.
#[derive(Clone)]
pub struct WrapRequest<'a> {
    /// The master key.
    pub address: Address,
    /// 32 or 33 bytes.
    pub part: &'a [u8],
}

/// A wrapped data key, or share, to be unwrapped.
#[derive(Clone)]
pub struct UnwrapRequest {
    /// The master key.
    pub address: Address,
    /// What the metadata has under `enc`.
    pub enc: String,
}

/// How many answers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One part, whichever comes first.
    Any,
    /// All of them.
    Every,
}

/// What a service wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The text that stands under `enc`.
    pub enc: String,
    /// The version of the key that was used, where the address names none and the service says it.
    pub version: Option<String>,
}

impl Wrapped {
    /// By the version that the address names.
    #[must_use]
    pub fn new(enc: String) -> Self {
        Self { enc, version: None }
    }
}

/// Why a service did not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// What failed: names the service and the reason, in its words where they help; no secret.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl ServiceError {
    /// An error without a hint.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// The same error with a hint more.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
