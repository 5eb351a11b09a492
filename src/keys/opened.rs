//! What master keys yielded in this run, so that nobody is asked for the same twice.

use super::MasterKey;
use std::collections::HashMap;
use std::fmt;
use zeroize::Zeroizing;

/// Data keys and shares, by provider and wrapped form.
#[derive(Default)]
pub struct Opened(HashMap<(&'static str, String), Zeroizing<Vec<u8>>>);

impl Opened {
    /// What `key` yielded before.
    pub(super) fn part_of(&self, key: &dyn MasterKey) -> Option<Zeroizing<Vec<u8>>> {
        let name = (key.provider(), key.wrapped()?.to_owned());
        self.0.get(&name).cloned()
    }

    /// Takes note of what `key` yielded.
    pub(super) fn note(&mut self, key: &dyn MasterKey, part: &Zeroizing<Vec<u8>>) {
        if let Some(wrapped) = key.wrapped() {
            let name = (key.provider(), wrapped.to_owned());
            self.0.insert(name, part.clone());
        }
    }
}

/// How many there are, and none of them.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.0.len())
    }
}
