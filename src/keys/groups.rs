//! Key groups: a data key wrapped for everybody who may open a file, and unwrapped again.
//!
//! One group: any of its keys holds the data key. Several: any key of a group holds the group's
//! share of it, and `threshold` shares make the data key.

use super::{
    Cause, GroupOutcome, KeyError, KeyFailure, MasterKey, Prompt, Unlocker, UnwrapError,
    age::AgeIdentities,
};
use crate::crypto::{DataKey, Random, shamir};
use zeroize::Zeroizing;

/// Bytes of a data key.
const KEY_BYTES: usize = 32;

/// Bytes of a share: those of the key, and one for its place.
const SHARE_BYTES: usize = KEY_BYTES + 1;

/// Keys any of which is enough for their group.
pub type KeyGroup = Vec<Box<dyn MasterKey>>;

/// Everybody who can open a file.
#[derive(Clone, Debug, Default)]
pub struct KeyGroups {
    /// The groups, in the order of the file.
    pub groups: Vec<KeyGroup>,
    /// How many groups it takes, as it stands in the metadata; 0 where it does not.
    pub threshold: usize,
}

/// Why a data key could not be wrapped for one master key.
#[derive(Debug, thiserror::Error)]
#[error("cannot encrypt the data key for \"{id}\": {cause}")]
pub struct WrapError {
    /// The master key's id.
    pub id: String,
    /// The provider's reason.
    #[source]
    pub cause: Cause,
}

/// Why a data key could not be wrapped for all.
#[derive(Debug, thiserror::Error)]
pub enum WrapKeysError {
    /// There is no group.
    #[error("no master keys to encrypt the data key for")]
    NoGroups,
    /// A group has no key, so nobody could ever contribute its share.
    #[error("empty key group provided (group {group})")]
    EmptyGroup {
        /// Which group, counted from 0.
        group: usize,
    },
    /// The threshold and the number of groups do not fit together.
    #[error(transparent)]
    Shares(#[from] shamir::Error),
    /// Keys that failed, all of them.
    #[error("{}", listed(.0))]
    Keys(Vec<WrapError>),
}

fn listed(errors: &[WrapError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl KeyGroups {
    /// How many groups have to be opened.
    #[must_use]
    pub fn needed(&self) -> usize {
        match (self.groups.len(), self.threshold) {
            (0 | 1, _) => 1,
            (groups, 0) => groups,
            (_, threshold) => threshold.max(2),
        }
    }

    /// The ids of the keys of each group, in the order of the file.
    #[must_use]
    pub fn ids(&self) -> Vec<Vec<&str>> {
        let groups = self.groups.iter();
        groups
            .map(|group| group.iter().map(|key| key.id()).collect())
            .collect()
    }

    /// True where the same keys stand in the same groups, in whatever order within a group.
    #[must_use]
    pub fn same_recipients(&self, other: &Self) -> bool {
        let sorted = |group: &KeyGroup| {
            let keys = group.iter();
            let mut ids: Vec<_> = keys.map(|k| (k.provider(), k.id().to_owned())).collect();
            ids.sort_unstable();
            ids
        };
        self.groups
            .iter()
            .map(sorted)
            .eq(other.groups.iter().map(sorted))
    }

    /// Wraps `key` for every master key: the whole key in a single group, else a share a group.
    /// Where several groups have no threshold, it becomes their number.
    ///
    /// # Errors
    /// [`WrapKeysError`] with every key that failed; nothing is changed then.
    pub fn wrap_all(
        &mut self,
        key: &DataKey,
        random: &mut dyn Random,
    ) -> Result<(), WrapKeysError> {
        if let Some(group) = self.groups.iter().position(Vec::is_empty) {
            return Err(WrapKeysError::EmptyGroup { group });
        }
        let mut wrapped = self.clone();
        let parts = wrapped.split(key, random)?;
        let mut errors = Vec::new();
        for (group, part) in wrapped.groups.iter_mut().zip(&parts) {
            for key in group {
                if let Err(cause) = key.wrap(part, random) {
                    let id = key.id().to_owned();
                    errors.push(WrapError { id, cause });
                }
            }
        }
        if !errors.is_empty() {
            return Err(WrapKeysError::Keys(errors));
        }
        *self = wrapped;
        Ok(())
    }

    /// What each group gets of `key`.
    fn split(
        &mut self,
        key: &DataKey,
        random: &mut dyn Random,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, WrapKeysError> {
        let bytes: &[u8] = key.as_bytes();
        match self.groups.len() {
            0 => Err(WrapKeysError::NoGroups),
            1 => Ok(vec![Zeroizing::new(bytes.to_vec())]),
            groups => {
                if self.threshold == 0 {
                    self.threshold = groups;
                }
                Ok(shamir::split(bytes, groups, self.threshold, random)?)
            }
        }
    }

    /// The data key, from as many groups as are needed and no more.
    ///
    /// Within a group, keys are tried in the order in which their providers stand in `order`,
    /// all others last. Nobody is asked for a passphrase before every key was tried without.
    ///
    /// # Errors
    /// [`KeyError`] with all that was tried.
    pub fn unwrap_data_key(
        &self,
        order: &[impl AsRef<str>],
        age: &mut AgeIdentities,
        prompt: &mut dyn Prompt,
    ) -> Result<DataKey, KeyError> {
        let mut openings: Vec<Opening<'_>> = self
            .groups
            .iter()
            .map(|group| Opening::new(group, order))
            .collect();
        let silent = Unlocker {
            age: &mut *age,
            prompt: None,
            held_back: false,
        };
        self.open(&mut openings, silent);
        let asking = Unlocker {
            age,
            prompt: Some(prompt),
            held_back: false,
        };
        self.open(&mut openings, asking);
        self.assemble(openings)
    }

    /// Opens groups until there are enough.
    fn open(&self, openings: &mut [Opening<'_>], mut unlocker: Unlocker<'_>) {
        let bytes = if self.groups.len() > 1 {
            SHARE_BYTES
        } else {
            KEY_BYTES
        };
        for at in 0..openings.len() {
            if openings.iter().filter(|o| o.part.is_some()).count() >= self.needed() {
                return;
            }
            openings[at].attempt(&mut unlocker, bytes);
        }
    }

    fn assemble(&self, openings: Vec<Opening<'_>>) -> Result<DataKey, KeyError> {
        let parts: Vec<&[u8]> = openings
            .iter()
            .filter_map(|o| o.part.as_deref())
            .map(Vec::as_slice)
            .collect();
        if parts.len() < self.needed() {
            return Err(KeyError::Groups {
                groups: openings.into_iter().map(Opening::outcome).collect(),
                needed: self.needed(),
            });
        }
        let key = match parts[..] {
            [key] => Zeroizing::new(key.to_vec()),
            _ => shamir::combine(&parts)?,
        };
        let bytes: Zeroizing<[u8; KEY_BYTES]> = match key.as_slice().try_into() {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(_) => return Err(KeyError::Length { found: key.len() }),
        };
        Ok(DataKey::from_bytes(*bytes))
    }
}

/// The attempts at the keys of one group.
struct Opening<'k> {
    attempts: Vec<Attempt<'k>>,
    part: Option<Zeroizing<Vec<u8>>>,
}

struct Attempt<'k> {
    key: &'k dyn MasterKey,
    reasons: Vec<UnwrapError>,
    /// Not tried yet, or only without asking.
    open: bool,
}

impl<'k> Opening<'k> {
    fn new(group: &'k KeyGroup, order: &[impl AsRef<str>]) -> Self {
        let mut keys: Vec<&dyn MasterKey> = group.iter().map(AsRef::as_ref).collect();
        let rank = |key: &&dyn MasterKey| {
            let at = order.iter().position(|id| id.as_ref() == key.provider());
            at.unwrap_or(order.len())
        };
        keys.sort_by_key(rank);
        let attempt = |key| Attempt {
            key,
            reasons: Vec::new(),
            open: true,
        };
        Self {
            attempts: keys.into_iter().map(attempt).collect(),
            part: None,
        }
    }

    /// Tries its keys until one yields a part of `expected` bytes.
    fn attempt(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) {
        if self.part.is_some() {
            return;
        }
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.open) {
            unlocker.held_back = false;
            attempt.reasons = match attempt.key.unwrap(unlocker) {
                Ok(part) if part.len() == expected => {
                    self.part = Some(part);
                    return;
                }
                Ok(part) => vec![UnwrapError::Length {
                    found: part.len(),
                    expected,
                }],
                Err(reasons) => reasons,
            };
            attempt.open = unlocker.held_back;
        }
    }

    fn outcome(self) -> GroupOutcome {
        if self.part.is_some() {
            return GroupOutcome::Opened;
        }
        let failure = |attempt: Attempt<'_>| KeyFailure {
            id: attempt.key.id().to_owned(),
            reasons: attempt.reasons,
        };
        GroupOutcome::Failed(self.attempts.into_iter().map(failure).collect())
    }
}
