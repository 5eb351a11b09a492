//! The way back: a data key out of what is wrapped for each master key.

use super::{
    GroupOutcome, KeyError, KeyFailure, KeyGroup, KeyGroups, MasterKey, Prompt, Unlocker,
    UnwrapError, age::AgeIdentities,
};
use crate::crypto::{DataKey, shamir};
use zeroize::Zeroizing;

/// Bytes of a data key.
const KEY_BYTES: usize = 32;

/// Bytes of a share: those of the key, and one for its place.
const SHARE_BYTES: usize = KEY_BYTES + 1;

impl KeyGroups {
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

    /// Tries every key, also where fewer would do: as [`KeyGroups::unwrap_data_key`], and then
    /// each key on its own, without asking again.
    pub fn try_all(
        &self,
        order: &[impl AsRef<str>],
        age: &mut AgeIdentities,
        prompt: &mut dyn Prompt,
    ) -> Trial {
        let key = self.unwrap_data_key(order, age, prompt);
        let mut unlocker = Unlocker {
            age,
            prompt: None,
            held_back: false,
        };
        let bytes = self.part_bytes();
        let mut try_group = |group: &KeyGroup| {
            let attempts = Opening::new(group, order).attempts.into_iter();
            let trial = |attempt: Attempt<'_>| KeyTrial {
                id: attempt.key.id().to_owned(),
                provider: attempt.key.provider(),
                reasons: part(attempt.key, &mut unlocker, bytes)
                    .err()
                    .unwrap_or_default(),
            };
            attempts.map(trial).collect()
        };
        let groups = self.groups.iter().map(&mut try_group).collect();
        Trial { groups, key }
    }

    /// Bytes of what each key of a group holds.
    fn part_bytes(&self) -> usize {
        if self.groups.len() > 1 {
            SHARE_BYTES
        } else {
            KEY_BYTES
        }
    }

    /// Opens groups until there are enough.
    fn open(&self, openings: &mut [Opening<'_>], mut unlocker: Unlocker<'_>) {
        let bytes = self.part_bytes();
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
        DataKey::from_bytes(&key).ok_or(KeyError::Length { found: key.len() })
    }
}

/// What came of trying every key of a file.
#[derive(Debug)]
pub struct Trial {
    /// The keys of each group, in the order in which they are tried.
    pub groups: Vec<Vec<KeyTrial>>,
    /// The data key, where enough of them opened.
    pub key: Result<DataKey, KeyError>,
}

/// What came of trying one key.
#[derive(Debug)]
pub struct KeyTrial {
    /// The master key's id.
    pub id: String,
    /// Its provider's id.
    pub provider: &'static str,
    /// Why it did not open; empty where it did.
    pub reasons: Vec<UnwrapError>,
}

/// The part that a key holds, of `expected` bytes.
fn part(
    key: &dyn MasterKey,
    unlocker: &mut Unlocker<'_>,
    expected: usize,
) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
    let part = key.unwrap(unlocker)?;
    let found = part.len();
    if found == expected {
        return Ok(part);
    }
    Err(vec![UnwrapError::Length { found, expected }])
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
            attempt.reasons = match part(attempt.key, unlocker, expected) {
                Ok(part) => {
                    self.part = Some(part);
                    return;
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::DEFAULT_ORDER;
    use crate::keys::fakes::{Fake, KEYS, Nobody, RECIPIENTS, age_key, fake, group, unwrap};
    use std::sync::Arc;

    const TWO: [&str; 2] = [
        include_str!("../../testdata/keys/two-a.age"),
        include_str!("../../testdata/keys/two-b.age"),
    ];
    const SHARES: [&str; 3] = [
        include_str!("../../testdata/keys/share-a.age"),
        include_str!("../../testdata/keys/share-b.age"),
        include_str!("../../testdata/keys/share-c.age"),
    ];

    /// The three groups of a file that sops wrote, with a threshold.
    fn shared(threshold: usize) -> KeyGroups {
        let keys = RECIPIENTS.into_iter().zip(SHARES);
        let groups = keys
            .map(|(recipient, enc)| vec![age_key(recipient, enc)])
            .collect();
        KeyGroups { groups, threshold }
    }

    #[test]
    fn either_key_of_a_group_of_sops_opens_the_file() {
        let keys = RECIPIENTS.into_iter().zip(TWO);
        let group = keys
            .map(|(recipient, enc)| age_key(recipient, enc))
            .collect();
        let groups = KeyGroups {
            groups: vec![group],
            threshold: 0,
        };
        let expected = "7a27cb3b5093622fdd61638094cd5515aaa861ac5e6a5b5949531d19aa14e101";
        assert_eq!(unwrap(&groups, &KEYS[..1]).expect("key"), expected);
        assert_eq!(unwrap(&groups, &KEYS[1..2]).expect("key"), expected);
        assert!(unwrap(&groups, &KEYS[2..]).is_err());
    }

    #[test]
    fn any_two_of_three_groups_of_sops_open_the_file() {
        let expected = "8ef54d9a9a937c8301e5ce40788f14839f3bfe2d35d3b8cd79929258bcc128b1";
        for two in [[0, 1], [0, 2], [1, 2]] {
            let keys = two.map(|at| KEYS[at]);
            assert_eq!(unwrap(&shared(2), &keys).expect("key"), expected, "{two:?}");
        }
    }

    #[test]
    fn groups_without_a_threshold_are_all_needed_and_a_threshold_of_one_means_two() {
        assert!(unwrap(&shared(0), &KEYS[..2]).is_err());
        assert!(unwrap(&shared(0), &KEYS).is_ok());
        assert!(unwrap(&shared(1), &KEYS[..1]).is_err());
        assert!(unwrap(&shared(1), &KEYS[..2]).is_ok());
        assert!(unwrap(&shared(4), &KEYS).is_err());
    }

    #[test]
    fn the_report_holds_every_group_and_why_it_failed() {
        let report = unwrap(&shared(2), &KEYS[1..2]).unwrap_err().to_string();
        let lines: Vec<&str> = report.lines().collect();
        assert!(lines[0].starts_with("Failed to get the data key"));
        assert_eq!(lines[2], "Group 0: FAILED");
        assert_eq!(lines[3], format!("  {}: FAILED", RECIPIENTS[0]));
        assert!(lines[4].starts_with("    - | no age identity"));
        assert_eq!(lines[6], "Group 1: SUCCESS");
        assert_eq!(lines[8], "Group 2: FAILED");
    }

    #[test]
    fn no_group_is_opened_once_there_are_enough() {
        let tried = Arc::default();
        let share = |id, place| Fake {
            yields: Some([vec![1; 32], vec![place]].concat()),
            tried: Arc::clone(&tried),
            ..fake("age", id)
        };
        let groups = vec![
            group([share("a", 1)]),
            group([share("b", 2)]),
            group([share("c", 3)]),
        ];
        let groups = KeyGroups {
            groups,
            threshold: 2,
        };
        assert!(unwrap(&groups, &[]).is_ok());
        assert_eq!(*tried.lock().expect("lock"), ["a", "b"]);
    }

    #[test]
    fn keys_are_tried_in_decryption_order_and_unlisted_ones_last() {
        let tried = Arc::default();
        let key = |provider, id| Fake {
            tried: Arc::clone(&tried),
            ..fake(provider, id)
        };
        let keys = [
            key("kms", "k1"),
            key("pgp", "p1"),
            key("kms", "k2"),
            key("age", "a1"),
            key("age", "a2"),
        ];
        let groups = KeyGroups {
            groups: vec![group(keys)],
            threshold: 0,
        };
        let mut none = AgeIdentities::default();
        assert!(
            groups
                .unwrap_data_key(&DEFAULT_ORDER, &mut none, &mut Nobody)
                .is_err()
        );
        assert_eq!(*tried.lock().expect("lock"), ["a1", "a2", "p1", "k1", "k2"]);
        tried.lock().expect("lock").clear();
        assert!(
            groups
                .unwrap_data_key(&[""; 0], &mut none, &mut Nobody)
                .is_err()
        );
        assert_eq!(*tried.lock().expect("lock"), ["k1", "p1", "k2", "a1", "a2"]);
    }

    #[test]
    fn nobody_is_asked_before_every_key_was_tried_without() {
        let tried = Arc::default();
        let key = |id, asks, yields: Option<Vec<u8>>| Fake {
            asks,
            yields,
            tried: Arc::clone(&tried),
            ..fake("age", id)
        };
        let part = Some(vec![1; 32]);
        let keys = [
            key("locked", true, part.clone()),
            key("useless", false, None),
        ];
        let groups = KeyGroups {
            groups: vec![group(keys)],
            threshold: 0,
        };
        assert!(unwrap(&groups, &[]).is_ok());
        assert_eq!(
            *tried.lock().expect("lock"),
            ["locked", "useless", "asking locked"]
        );
        tried.lock().expect("lock").clear();
        let keys = [key("locked", true, part.clone()), key("open", false, part)];
        let groups = KeyGroups {
            groups: vec![group(keys)],
            threshold: 0,
        };
        assert!(unwrap(&groups, &[]).is_ok());
        assert_eq!(*tried.lock().expect("lock"), ["locked", "open"]);
    }

    #[test]
    fn a_trial_tells_of_every_key_also_of_those_that_were_not_needed() {
        let keys = [
            Fake {
                yields: Some(vec![1; 32]),
                ..fake("age", "opens")
            },
            fake("age", "shut"),
        ];
        let groups = KeyGroups {
            groups: vec![group(keys)],
            threshold: 0,
        };
        let mut none = AgeIdentities::default();
        let trial = groups.try_all(&DEFAULT_ORDER, &mut none, &mut Nobody);
        assert!(trial.key.is_ok());
        let keys = trial.groups[0].iter();
        let told: Vec<_> = keys
            .map(|key| (key.id.as_str(), key.reasons.len()))
            .collect();
        assert_eq!(told, [("opens", 0), ("shut", 1)]);
    }

    #[test]
    fn a_part_of_the_wrong_length_is_no_key() {
        let yields = |bytes| Fake {
            yields: Some(vec![1; bytes]),
            ..fake("age", "a")
        };
        let of = |keys| KeyGroups {
            groups: vec![keys],
            threshold: 0,
        };
        let report = unwrap(&of(group([yields(31)])), &[])
            .unwrap_err()
            .to_string();
        assert!(report.contains("31 bytes"), "{report}");
        assert!(unwrap(&of(group([yields(33), yields(32)])), &[]).is_ok());
    }

    #[test]
    fn shares_of_one_place_are_an_error() {
        let share = |id| Fake {
            yields: Some(vec![1; 33]),
            ..fake("age", id)
        };
        let groups = vec![group([share("a")]), group([share("b")])];
        let result = unwrap(
            &KeyGroups {
                groups,
                threshold: 2,
            },
            &[],
        );
        assert!(matches!(result, Err(KeyError::Shares(_))));
    }
}
