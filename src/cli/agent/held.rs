//! What an agent holds, and for how long: identities that were unlocked, and parts of data keys
//! that somebody had to be asked for.

use crate::keys::{Address, AgeIdentities, IdentitySource, Prompt, Unlocked, Unlocker};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

/// The most parts that are held; the oldest makes room.
const MOST: usize = 4096;

/// A moment by both clocks: the one that never goes back stands still while a machine sleeps, and
/// the other one can be set.
#[derive(Clone, Copy)]
pub struct Moment {
    steady: Instant,
    wall: SystemTime,
}

/// All that is held. What is dropped of it is wiped.
pub struct Held {
    lifetime: Duration,
    identities: Vec<Identities>,
    parts: Vec<Part>,
}

/// What one place of identities held.
struct Identities {
    /// Of what was there, to know it again.
    digest: [u8; 32],
    origin: String,
    age: AgeIdentities,
    since: Moment,
}

/// A data key or share.
struct Part {
    address: Address,
    enc: String,
    bytes: Zeroizing<Vec<u8>>,
    since: Moment,
}

/// Something that is held, as it may be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// The id of the key.
    pub id: String,
    /// What of it.
    pub what: String,
    /// For how long yet.
    pub left: Duration,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long ago it is, by the clock that says more.
    fn age(&self, now: Self) -> Duration {
        let steady = now.steady.saturating_duration_since(self.steady);
        let wall = now.wall.duration_since(self.wall).unwrap_or_default();
        steady.max(wall)
    }
}

/// Answers with the passphrase that came with a key.
struct Given(Option<Zeroizing<String>>);

impl Prompt for Given {
    fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
        self.0.take()
    }
}

impl Held {
    /// Nothing, each thing of which will be held for `lifetime`.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            identities: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Holds identities. Those of the same place and content are held once.
    pub fn take_over(&mut self, unlocked: Unlocked, now: Moment) {
        let digest = Sha256::digest(&unlocked.content).into();
        let source = IdentitySource::sniffed(unlocked.origin.clone(), unlocked.content);
        let mut age = AgeIdentities::load([source]);
        age.unlock_all(&mut Given(unlocked.passphrase));
        // what came with it is not needed twice
        drop(age.take_unlocked());
        self.identities.retain(|known| known.digest != digest);
        self.identities.push(Identities {
            digest,
            origin: unlocked.origin,
            age,
            since: now,
        });
    }

    /// Holds a part.
    pub fn remember(
        &mut self,
        address: Address,
        enc: String,
        bytes: Zeroizing<Vec<u8>>,
        now: Moment,
    ) {
        self.parts
            .retain(|known| !(known.enc == enc && known.address.is_same_as(&address)));
        if self.parts.len() >= MOST {
            self.parts.remove(0);
        }
        self.parts.push(Part {
            address,
            enc,
            bytes,
            since: now,
        });
    }

    /// The part that is known, or that an identity opens.
    pub fn open(
        &mut self,
        address: &Address,
        enc: &str,
        now: Moment,
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.expire(now);
        let is_it = |part: &&Part| part.enc == enc && part.address.is_same_as(address);
        if let Some(part) = self.parts.iter().find(is_it) {
            return Some(part.bytes.clone());
        }
        let key = address.local_key(enc)?;
        let mut identities = self.identities.iter_mut();
        identities.find_map(|held| key.unwrap(&mut Unlocker::new(&mut held.age)).ok())
    }

    /// Forgets what has been held for long enough.
    pub fn expire(&mut self, now: Moment) {
        let lifetime = self.lifetime;
        let is_young = |since: &Moment| since.age(now) < lifetime;
        self.identities.retain(|held| is_young(&held.since));
        self.parts.retain(|held| is_young(&held.since));
    }

    /// Forgets everything; how many things that were.
    pub fn forget_all(&mut self) -> usize {
        let count = self.identities.len() + self.parts.len();
        self.identities.clear();
        self.parts.clear();
        count
    }

    /// Forgets what is for one key, or from one place; how many things that were.
    pub fn forget(&mut self, id: &str) -> usize {
        let before = self.identities.len() + self.parts.len();
        self.identities.retain(|held| {
            let mut recipients = held.age.recipients();
            held.origin != id && !recipients.any(|recipient| recipient == id)
        });
        self.parts.retain(|part| part.address.id() != id);
        before - self.identities.len() - self.parts.len()
    }

    /// All of it, as it may be shown.
    pub fn shown(&mut self, now: Moment) -> Vec<Shown> {
        self.expire(now);
        let left = |since: &Moment| self.lifetime.saturating_sub(since.age(now));
        let identities = self.identities.iter().map(|held| {
            let ids: Vec<&str> = held.age.recipients().collect();
            Shown {
                id: ids.join(", "),
                what: format!("identity of {}", held.origin),
                left: left(&held.since),
            }
        });
        let parts = self.parts.iter().map(|part| Shown {
            id: part.address.id(),
            what: "a data key".to_owned(),
            left: left(&part.since),
        });
        identities.chain(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";
    const A_KEY: &[u8] = include_bytes!("../../../testdata/keys/a.key");
    const FOR_A: &str = include_str!("../../../testdata/keys/cli.age");
    const HOUR: Duration = Duration::from_hours(1);

    fn identity(origin: &str) -> Unlocked {
        Unlocked {
            origin: origin.to_owned(),
            content: Zeroizing::new(A_KEY.to_vec()),
            passphrase: None,
        }
    }

    fn age() -> Address {
        Address::Age(A.to_owned())
    }

    fn pgp() -> Address {
        Address::Pgp("F1".to_owned())
    }

    fn full(now: Moment) -> Held {
        let mut held = Held::new(HOUR);
        held.take_over(identity("/keys"), now);
        held.take_over(identity("/keys"), now);
        held.remember(pgp(), "enc".to_owned(), Zeroizing::new(vec![7; 32]), now);
        held
    }

    #[test]
    fn what_is_held_opens_and_is_held_once() {
        let now = Moment::now();
        let mut held = full(now);
        assert_eq!(
            held.open(&age(), FOR_A, now).map(|part| part.len()),
            Some(32)
        );
        assert_eq!(held.open(&pgp(), "enc", now).as_deref(), Some(&vec![7; 32]));
        assert_eq!(held.open(&pgp(), "other", now), None);
        assert_eq!(held.open(&Address::Pgp("F2".to_owned()), "enc", now), None);
        let shown = held.shown(now);
        let ids: Vec<&str> = shown.iter().map(|shown| shown.id.as_str()).collect();
        assert_eq!(ids, [A, "F1"]);
        assert_eq!(shown[0].left, HOUR);
    }

    #[test]
    fn nothing_is_held_for_longer_than_its_time_by_either_clock() {
        let start = Moment::now();
        let later = |steady, wall| Moment {
            steady: start.steady + steady,
            wall: start.wall + wall,
        };
        let almost = HOUR.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(
            full(start)
                .open(&pgp(), "enc", later(almost, almost))
                .is_some()
        );
        // a machine that slept, and one whose clock was set back
        for now in [later(Duration::ZERO, HOUR), later(HOUR, Duration::ZERO)] {
            let mut held = full(start);
            assert_eq!(held.open(&pgp(), "enc", now), None);
            assert_eq!(held.open(&age(), FOR_A, now), None);
            assert_eq!(held.shown(now), []);
        }
    }

    #[test]
    fn what_is_forgotten_opens_nothing() {
        let now = Moment::now();
        for id in [A, "/keys"] {
            let mut held = full(now);
            assert_eq!(held.forget(id), 1, "{id}");
            assert_eq!(held.open(&age(), FOR_A, now), None);
            assert!(held.open(&pgp(), "enc", now).is_some());
        }
        let mut held = full(now);
        assert_eq!(
            (held.forget("F2"), held.forget_all(), held.forget_all()),
            (0, 2, 0)
        );
        assert_eq!(held.open(&pgp(), "enc", now), None);
    }

    #[test]
    fn the_oldest_part_makes_room_for_a_new_one() {
        let now = Moment::now();
        let mut held = Held::new(HOUR);
        for number in 0..=MOST {
            held.remember(pgp(), number.to_string(), Zeroizing::default(), now);
        }
        assert_eq!(held.open(&pgp(), "0", now), None);
        assert!(held.open(&pgp(), "1", now).is_some());
    }
}
