//! Whether a text in the user's own spelling reads as the values of the tokens.

use super::Spellings;
use crate::document::{LeafKind, NoMarking, Path, Type, Value};
use crate::metadata::Spelling;
use crate::store::{ParseOptions, Store};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use zeroize::Zeroizing;

/// Keyed hashes of values and their places, to compare two walks without keeping secrets.
#[derive(Default)]
pub(super) struct Fingerprints {
    state: RandomState,
    hashes: Vec<u64>,
}

impl Fingerprints {
    /// Whole and floating point numbers of one canonical text count as equal, as for the MAC.
    fn of(&self, aad: &[u8], value: Value<'_>) -> u64 {
        let ty = match value.ty {
            Type::Float => Type::Int,
            ty => ty,
        };
        self.state.hash_one((aad, ty, value.text))
    }

    pub(super) fn push(&mut self, aad: &[u8], value: Value<'_>) {
        let hash = self.of(aad, value);
        self.hashes.push(hash);
    }
}

/// The spellings that read as something else than the tokens they stand for.
pub(super) fn misspelled(
    text: &Zeroizing<Vec<u8>>,
    store: &dyn Store,
    parsing: ParseOptions,
    expected: &Fingerprints,
    spellings: &Spellings,
) -> HashSet<String> {
    let all = || spellings.keys().cloned().collect();
    let Ok(document) = store.parse(text.clone(), parsing) else {
        return all();
    };
    let mut wrong = HashSet::new();
    let mut rest = expected.hashes.iter();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        if leaf.kind == LeafKind::Comment || value.ty == Type::Null {
            continue;
        }
        match rest.next() {
            Some(hash) if *hash == expected.of(leaves.aad(), value) => {}
            Some(_) => {
                let path = leaves.path();
                let keys = (0..=path.0.len())
                    .map(|steps| Spelling::key(leaf.branch, &Path(path.0[..steps].to_vec())));
                let before = wrong.len();
                wrong.extend(keys.filter(|key| spellings.contains_key(key)));
                if wrong.len() == before {
                    return all();
                }
            }
            None => return all(),
        }
    }
    if rest.next().is_some() { all() } else { wrong }
}
