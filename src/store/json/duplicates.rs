//! Finding a key that stands twice, in time that grows with the keys and not with their square.

use crate::document::NodeId;
use std::hash::{BuildHasher, RandomState};

/// So many keys are compared one with another.
const FEW: usize = 8;

/// The search, with the memory that it uses over again for every object.
#[derive(Default)]
pub(super) struct Duplicates {
    keys: Vec<(u64, NodeId)>,
    /// Has a key of its own, so that nobody can write many keys of one hash.
    hasher: RandomState,
}

impl Duplicates {
    /// The first of `keys` that stood before, behind the place where it did.
    pub(super) fn first<'t>(
        &mut self,
        keys: impl Iterator<Item = NodeId>,
        text: impl Fn(NodeId) -> &'t [u8],
    ) -> Option<(NodeId, NodeId)> {
        self.keys.clear();
        self.keys.extend(keys.map(|key| (0, key)));
        if self.keys.len() <= FEW {
            return among_few(&self.keys, text);
        }
        for (hash, key) in &mut self.keys {
            *hash = self.hasher.hash_one(text(*key));
        }
        self.keys.sort_unstable_by(|a, b| {
            let by_text = || text(a.1).cmp(text(b.1));
            a.0.cmp(&b.0).then_with(by_text).then(a.1.cmp(&b.1))
        });
        self.keys
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0 && text(pair[0].1) == text(pair[1].1))
            .map(|pair| (pair[0].1, pair[1].1))
            .min_by_key(|pair| pair.1)
    }
}

fn among_few<'t>(
    keys: &[(u64, NodeId)],
    text: impl Fn(NodeId) -> &'t [u8],
) -> Option<(NodeId, NodeId)> {
    keys.iter().enumerate().find_map(|(i, &(_, second))| {
        let mut before = keys[..i].iter().map(|key| key.1);
        let first = before.find(|&key| text(key) == text(second))?;
        Some((first, second))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_second_appearance_is_found_among_few_and_many() {
        let mut duplicates = Duplicates::default();
        for count in [0, 1, 5, FEW, FEW + 1, 1_000] {
            let mut texts: Vec<String> = (0..count).map(|i| format!("k{i}")).collect();
            let mut first = |texts: &[String]| {
                let keys = 0..u32::try_from(texts.len()).unwrap();
                duplicates.first(keys, |key| texts[key as usize].as_bytes())
            };
            assert_eq!(first(&texts), None);
            if count < 5 {
                continue;
            }
            // 2 stands again at 3, and 0 at the end.
            texts[count - 1] = texts[0].clone();
            texts[3] = texts[2].clone();
            assert_eq!(first(&texts), Some((2, 3)));
            texts[3] = "other".to_owned();
            let last = u32::try_from(count).unwrap() - 1;
            assert_eq!(first(&texts), Some((0, last)));
        }
    }
}
