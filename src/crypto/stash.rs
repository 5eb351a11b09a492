//! The tokens of an opened file, for the values that did not change: so these
//! keep their token to the byte, and a diff shows what changed and nothing else.

use super::TokenType;
use crate::document::secret;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use zeroize::Zeroizing;

/// Remembers what each token holds and hands it out again, once.
///
/// Equal values at one place (items of a list) have one token each, in order: never do two
/// values get the same one. Time and memory are linear in the bytes remembered.
#[derive(Default)]
pub struct Stash {
    /// Which entries have that identity.
    queues: HashMap<u128, Queue>,
    entries: Vec<Entry>,
    plaintexts: Zeroizing<Vec<u8>>,
    tokens: Vec<u8>,
    /// The tokens that are known, where the same may be met again.
    met: Option<HashSet<u128>>,
    /// Two hashes under secret keys: who writes a file cannot choose values that collide.
    hashers: [RandomState; 2],
}

/// The entries of one identity that are still to be handed out.
struct Queue {
    first: Option<usize>,
    last: usize,
}

struct Entry {
    plaintext: Range<usize>,
    token: Range<usize>,
    next: Option<usize>,
}

impl Stash {
    /// A stash without tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stash for several files with tokens in common, each of which it hands out once.
    #[must_use]
    pub fn of_relatives() -> Self {
        Self {
            met: Some(HashSet::new()),
            ..Self::default()
        }
    }

    /// True where nothing was remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Remembers that `token` holds `plaintext` of type `ty`, bound to `aad`.
    pub fn remember(&mut self, aad: &[u8], ty: TokenType, plaintext: &[u8], token: &[u8]) {
        if self.met.is_some() {
            let name = self.identity(aad, ty, token);
            if !self.met.as_mut().is_some_and(|met| met.insert(name)) {
                return;
            }
        }
        let (id, plain, text) = (self.entries.len(), self.plaintexts.len(), self.tokens.len());
        secret::append(&mut self.plaintexts, plaintext);
        self.tokens.extend_from_slice(token);
        self.entries.push(Entry {
            plaintext: plain..self.plaintexts.len(),
            token: text..self.tokens.len(),
            next: None,
        });
        let identity = self.identity(aad, ty, plaintext);
        let queue = self.queues.entry(identity).or_insert(Queue {
            first: None,
            last: id,
        });
        if queue.first.is_some() {
            self.entries[queue.last].next = Some(id);
        } else {
            queue.first = Some(id);
        }
        queue.last = id;
    }

    /// The first token of that value at that place which was not yet handed out.
    pub fn take(&mut self, aad: &[u8], ty: TokenType, plaintext: &[u8]) -> Option<&[u8]> {
        if self.is_empty() {
            return None;
        }
        let identity = self.identity(aad, ty, plaintext);
        let queue = self.queues.get_mut(&identity)?;
        let entry = &self.entries[queue.first?];
        if self.plaintexts[entry.plaintext.clone()] != *plaintext {
            return None;
        }
        queue.first = entry.next;
        Some(&self.tokens[entry.token.clone()])
    }

    /// 128 bits that stand for a value and its place. The place is in them only: to keep it for
    /// every value would take more memory than the file, where keys are long and deep.
    fn identity(&self, aad: &[u8], ty: TokenType, plaintext: &[u8]) -> u128 {
        let [high, low] = [0, 1].map(|which: usize| {
            let mut hasher = self.hashers[which].build_hasher();
            hasher.write_usize(aad.len());
            hasher.write(aad);
            hasher.write_u8(ty as u8);
            hasher.write(plaintext);
            u128::from(hasher.finish())
        });
        high << 64 | low
    }
}

impl std::fmt::Debug for Stash {
    /// Shows how many tokens were remembered.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stash({})", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_for_the_same_value_at_the_same_place_only() {
        let mut stash = Stash::new();
        stash.remember(b"a:", TokenType::Str, b"value", b"token");
        assert_eq!(stash.take(b"b:", TokenType::Str, b"value"), None);
        assert_eq!(stash.take(b"a:", TokenType::Int, b"value"), None);
        assert_eq!(stash.take(b"a:", TokenType::Str, b"valu"), None);
        assert_eq!(stash.take(b"a:v", TokenType::Str, b"alue"), None);
        let found = stash.take(b"a:", TokenType::Str, b"value");
        assert_eq!(found, Some(&b"token"[..]));
        assert_eq!(stash.take(b"a:", TokenType::Str, b"value"), None);
    }

    #[test]
    fn equal_values_of_one_list_keep_their_own_tokens_in_order() {
        let mut stash = Stash::new();
        for token in [b"1", b"2", b"3"] {
            stash.remember(b"list:", TokenType::Str, b"same", token);
        }
        let mut take = || {
            stash
                .take(b"list:", TokenType::Str, b"same")
                .map(<[u8]>::to_vec)
        };
        let taken = [take(), take()];
        assert_eq!(taken, [Some(b"1".to_vec()), Some(b"2".to_vec())]);
        stash.remember(b"list:", TokenType::Str, b"same", b"4");
        let mut take = || {
            stash
                .take(b"list:", TokenType::Str, b"same")
                .map(<[u8]>::to_vec)
        };
        assert_eq!(take(), Some(b"3".to_vec()));
        assert_eq!(take(), Some(b"4".to_vec()));
        assert_eq!(take(), None);
        stash.remember(b"list:", TokenType::Str, b"same", b"5");
        let last = stash.take(b"list:", TokenType::Str, b"same");
        assert_eq!(last, Some(&b"5"[..]));
    }

    #[test]
    fn a_hundred_thousand_equal_values_take_linear_time() {
        let mut stash = Stash::new();
        for number in 0..100_000u32 {
            stash.remember(b"list:", TokenType::Int, b"7", &number.to_be_bytes());
        }
        for number in 0..100_000u32 {
            let token = stash.take(b"list:", TokenType::Int, b"7");
            assert_eq!(token, Some(&number.to_be_bytes()[..]));
        }
        assert_eq!(stash.take(b"list:", TokenType::Int, b"7"), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let mut stash = Stash::new();
        stash.remember(b"a:", TokenType::Str, b"hunter2", b"token");
        assert_eq!(format!("{stash:?}"), "Stash(1)");
    }
}
