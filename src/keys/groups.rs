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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Data;
    use crate::keys::age::{AgeKey, IdentitySource, keygen};
    use crate::keys::{DEFAULT_ORDER, ForeignKey};
    use std::sync::{Arc, Mutex};

    const KEYS: [&str; 3] = [
        include_str!("../../testdata/keys/a.key"),
        include_str!("../../testdata/keys/b.key"),
        include_str!("../../testdata/keys/c.key"),
    ];
    const RECIPIENTS: [&str; 3] = [
        "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu",
        "age17j6m55js63d6sgqwfgqgfcds3mvyacnmd248dfvqyl5am22l2u3svw8ut4",
        "age1wawkfym6xcufeyl670f3q9ktp0sfmxsjwu5k6yvjvz4pntm3c4ws42wzf8",
    ];
    const TWO: [&str; 2] = [
        include_str!("../../testdata/keys/two-a.age"),
        include_str!("../../testdata/keys/two-b.age"),
    ];
    const SHARES: [&str; 3] = [
        include_str!("../../testdata/keys/share-a.age"),
        include_str!("../../testdata/keys/share-b.age"),
        include_str!("../../testdata/keys/share-c.age"),
    ];

    /// A generator that is anything but random.
    struct Counter(u8);

    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(7);
                *byte = self.0;
            }
        }
    }

    struct Nobody;

    impl Prompt for Nobody {
        fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
            None
        }
    }

    /// A key that writes down that it was tried, and yields what it is told to.
    #[derive(Clone)]
    struct Fake {
        provider: &'static str,
        id: &'static str,
        yields: Option<Vec<u8>>,
        asks: bool,
        tried: Arc<Mutex<Vec<String>>>,
    }

    impl MasterKey for Fake {
        fn provider(&self) -> &'static str {
            self.provider
        }

        fn id(&self) -> &str {
            self.id
        }

        fn wrapped(&self) -> Option<&str> {
            None
        }

        fn wrap(&mut self, part: &[u8], _: &mut dyn Random) -> Result<(), Cause> {
            self.yields = Some(part.to_vec());
            Ok(())
        }

        fn unwrap(
            &self,
            unlocker: &mut Unlocker<'_>,
        ) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
            let asking = unlocker.prompt.is_some();
            let how = if asking { "asking " } else { "" };
            self.tried
                .lock()
                .expect("lock")
                .push(format!("{how}{}", self.id));
            unlocker.held_back = self.asks && !asking;
            match &self.yields {
                Some(part) if asking || !self.asks => Ok(Zeroizing::new(part.clone())),
                _ => Err(vec![UnwrapError::NotWrapped]),
            }
        }

        fn to_data(&self) -> Data {
            Data::null()
        }

        fn boxed_clone(&self) -> Box<dyn MasterKey> {
            Box::new(self.clone())
        }
    }

    fn fake(provider: &'static str, id: &'static str) -> Fake {
        let tried = Arc::default();
        Fake {
            provider,
            id,
            yields: None,
            asks: false,
            tried,
        }
    }

    fn group<const N: usize>(fakes: [Fake; N]) -> KeyGroup {
        fakes.into_iter().map(|fake| Box::new(fake) as _).collect()
    }

    fn identities(keys: &[&str]) -> AgeIdentities {
        AgeIdentities::load(keys.iter().map(|key| IdentitySource::Text {
            origin: "K".to_owned(),
            text: Zeroizing::new((*key).to_owned()),
        }))
    }

    fn age_key(recipient: &str, enc: &str) -> Box<dyn MasterKey> {
        Box::new(AgeKey::from_data(&Data::Map(vec![
            (b"recipient".to_vec(), Data::str(recipient)),
            (b"enc".to_vec(), Data::str(enc)),
        ])))
    }

    /// The three groups of a file that sops wrote, with a threshold.
    fn shared(threshold: usize) -> KeyGroups {
        let keys = RECIPIENTS.into_iter().zip(SHARES);
        let groups = keys
            .map(|(recipient, enc)| vec![age_key(recipient, enc)])
            .collect();
        KeyGroups { groups, threshold }
    }

    fn unwrap(groups: &KeyGroups, keys: &[&str]) -> Result<String, KeyError> {
        let key = groups.unwrap_data_key(&DEFAULT_ORDER, &mut identities(keys), &mut Nobody)?;
        Ok(key
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
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
    fn a_part_of_the_wrong_length_is_no_key() {
        let short = Fake {
            yields: Some(vec![1; 31]),
            ..fake("age", "short")
        };
        let groups = KeyGroups {
            groups: vec![group([short])],
            threshold: 0,
        };
        let report = unwrap(&groups, &[]).unwrap_err().to_string();
        assert!(report.contains("31 bytes"), "{report}");
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

    #[test]
    fn a_key_wrapped_for_groups_comes_back_from_any_enough_of_them() {
        let (secrets, recipients): (Vec<_>, Vec<_>) = (0..3).map(|_| keygen()).unzip();
        let groups = recipients.iter().map(|r| vec![age_key(r, "")]).collect();
        let mut groups = KeyGroups {
            groups,
            threshold: 2,
        };
        groups
            .wrap_all(&DataKey::from_bytes([9; 32]), &mut Counter(1))
            .expect("wrapped");
        assert_eq!(
            unwrap(&groups, &[&secrets[2], &secrets[0]]).expect("key"),
            "09".repeat(32)
        );
        assert!(unwrap(&groups, &[&secrets[1]]).is_err());
    }

    #[test]
    fn a_missing_threshold_is_filled_in_where_shares_are_made() {
        let groups = || RECIPIENTS.iter().map(|r| vec![age_key(r, "")]);
        let key = DataKey::from_bytes([9; 32]);
        let mut three = KeyGroups {
            groups: groups().collect(),
            threshold: 0,
        };
        three.wrap_all(&key, &mut Counter(1)).expect("wrapped");
        assert_eq!(three.threshold, 3);
        let mut one = KeyGroups {
            groups: groups().take(1).collect(),
            threshold: 0,
        };
        one.wrap_all(&key, &mut Counter(1)).expect("wrapped");
        assert_eq!(one.threshold, 0);
    }

    #[test]
    fn one_key_that_fails_stops_the_wrapping_and_changes_nothing() {
        let entry = Data::Map(vec![(b"fp".to_vec(), Data::str("F1"))]);
        let foreign = Box::new(ForeignKey::new("pgp", entry));
        let keys: KeyGroup = vec![
            age_key(RECIPIENTS[0], ""),
            foreign,
            age_key("age1pq1qq", ""),
        ];
        let mut groups = KeyGroups {
            groups: vec![keys],
            threshold: 0,
        };
        let error = groups
            .wrap_all(&DataKey::from_bytes([9; 32]), &mut Counter(1))
            .unwrap_err();
        let WrapKeysError::Keys(failed) = &error else {
            panic!("{error}")
        };
        let ids: Vec<&str> = failed.iter().map(|failure| failure.id.as_str()).collect();
        assert_eq!(ids, ["F1", "age1pq1qq"]);
        assert!(
            error
                .to_string()
                .contains("pgp keys are not supported by this build")
        );
        assert!(groups.groups[0].iter().all(|key| key.wrapped().is_none()));
    }

    #[test]
    fn nothing_is_wrapped_for_nobody() {
        let key = DataKey::from_bytes([9; 32]);
        let mut wrap = |groups, threshold| {
            let mut groups = KeyGroups { groups, threshold };
            groups
                .wrap_all(&key, &mut Counter(1))
                .unwrap_err()
                .to_string()
        };
        let full = || group([fake("age", "a")]);
        assert!(wrap(vec![], 0).contains("no master keys"));
        assert!(wrap(vec![full(), vec![]], 0).contains("empty key group provided"));
        assert!(wrap(vec![full(), full()], 3).contains("parts"));
        assert!(wrap(vec![full(), full()], 1).contains("threshold"));
    }

    #[test]
    fn recipients_are_the_same_in_any_order_within_a_group() {
        let ab = || vec![age_key("a", "1"), age_key("b", "2")];
        let ba = || vec![age_key("b", ""), age_key("a", "")];
        let of = |groups| KeyGroups {
            groups,
            threshold: 0,
        };
        assert!(of(vec![ab(), ba()]).same_recipients(&of(vec![ba(), ab()])));
        assert!(!of(vec![ab()]).same_recipients(&of(vec![ab(), ba()])));
        assert!(!of(vec![vec![age_key("a", "")]]).same_recipients(&of(vec![ab()])));
        assert!(!of(vec![ab(), vec![]]).same_recipients(&of(vec![vec![], ab()])));
    }
}
