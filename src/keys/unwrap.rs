//! The way back: a data key out of what is wrapped for each master key.

use super::{
    GroupOutcome, KeyError, KeyFailure, KeyGroup, KeyGroups, MasterKey, Service, ServiceError,
    Unlocker, UnwrapError, UnwrapRequest, Wanted,
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
    /// all others last. Nobody is asked for a passphrase before every key of this machine was
    /// tried without; services come last, but for keys that `order` names and that only they can
    /// use. Nothing that was opened before is opened again.
    ///
    /// # Errors
    /// [`KeyError`] with all that was tried.
    pub fn unwrap_data_key(
        &self,
        order: &[impl AsRef<str>],
        mut unlocker: Unlocker<'_>,
    ) -> Result<Recovered, KeyError> {
        let mut openings: Vec<Opening<'_>> = self
            .groups
            .iter()
            .map(|group| Opening::new(group, order))
            .collect();
        let prompt = unlocker.prompt.take();
        self.open(&mut openings, &mut unlocker, Opening::attempt);
        if unlocker.agent.is_some() {
            self.open(&mut openings, &mut unlocker, Opening::ask_agent);
        }
        if prompt.is_some() {
            unlocker.prompt = prompt;
            self.open(&mut openings, &mut unlocker, Opening::attempt);
        }
        self.open(&mut openings, &mut unlocker, Opening::ask_services);
        self.assemble(openings)
    }

    /// Tries every key on its own, also where fewer would do.
    pub fn try_all(&self, order: &[impl AsRef<str>], mut unlocker: Unlocker<'_>) -> Trial {
        let bytes = self.part_bytes();
        let groups = self.groups.iter();
        let mut openings: Vec<_> = groups.map(|group| Opening::new(group, order)).collect();
        for opening in &mut openings {
            // what the agent has need not be asked for
            opening.ask_agent(&mut unlocker, bytes);
            opening.attempt_all(&mut unlocker, bytes);
        }
        let parts = openings
            .iter_mut()
            .filter_map(|opening| opening.part.take());
        let parts: Vec<_> = parts.collect();
        let key = (parts.len() >= self.needed()).then(|| combine(&parts));
        let key = key.and_then(Result::ok);
        let groups = openings.into_iter().map(Opening::trials).collect();
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

    /// Opens groups in one `way` until there are enough.
    fn open<'k>(
        &self,
        openings: &mut [Opening<'k>],
        unlocker: &mut Unlocker<'_>,
        way: fn(&mut Opening<'k>, &mut Unlocker<'_>, usize),
    ) {
        let bytes = self.part_bytes();
        for at in 0..openings.len() {
            if openings.iter().filter(|o| o.part.is_some()).count() >= self.needed() {
                return;
            }
            if openings[at].part.is_none() {
                way(&mut openings[at], unlocker, bytes);
            }
        }
    }

    fn assemble(&self, openings: Vec<Opening<'_>>) -> Result<Recovered, KeyError> {
        let opened = openings.iter().filter(|o| o.part.is_some());
        let by: Vec<_> = opened.filter_map(Opening::opener).collect();
        if by.len() < self.needed() {
            return Err(KeyError::Groups {
                groups: openings.into_iter().map(Opening::outcome).collect(),
                needed: self.needed(),
            });
        }
        let parts: Vec<_> = openings
            .into_iter()
            .filter_map(|opening| opening.part)
            .collect();
        let key = combine(&parts)?;
        Ok(Recovered { key, by })
    }
}

/// A data key, and who yielded it.
#[derive(Debug)]
pub struct Recovered {
    /// The data key.
    pub key: DataKey,
    /// The ids of the master keys that opened it, one a group.
    pub by: Vec<String>,
}

/// The data key out of enough parts.
fn combine(parts: &[Zeroizing<Vec<u8>>]) -> Result<DataKey, KeyError> {
    let key = if let [key] = parts {
        key.clone()
    } else {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_slice()).collect();
        shamir::combine(&parts)?
    };
    DataKey::from_bytes(&key).ok_or(KeyError::Length { found: key.len() })
}

/// What came of trying every key of a file.
#[derive(Debug)]
pub struct Trial {
    /// The keys of each group, in the order in which they are tried.
    pub groups: Vec<Vec<KeyTrial>>,
    /// The data key; `None` where too few groups opened, or what they hold makes no key.
    pub key: Option<DataKey>,
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

/// A part, where it has `expected` bytes; takes note of it.
fn checked(
    key: &dyn MasterKey,
    part: Zeroizing<Vec<u8>>,
    unlocker: &mut Unlocker<'_>,
    expected: usize,
) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
    let found = part.len();
    if found != expected {
        return Err(UnwrapError::Length { found, expected });
    }
    if let Some(opened) = unlocker.opened.as_deref_mut() {
        opened.note(key, &part);
    }
    Ok(part)
}

/// The attempts at the keys of one group.
struct Opening<'k> {
    attempts: Vec<Attempt<'k>>,
    part: Option<Zeroizing<Vec<u8>>>,
}

struct Attempt<'k> {
    key: &'k dyn MasterKey,
    reasons: Vec<UnwrapError>,
    /// Not tried here yet, or only without asking.
    open: bool,
    /// It would have had to ask.
    held_back: bool,
    /// Services are to be asked in its turn, not last.
    early: bool,
    /// Services were asked.
    asked: bool,
    /// It yielded the part.
    opened: bool,
}

impl Attempt<'_> {
    /// The part that the key yielded before in this run.
    fn remembered(&self, unlocker: &Unlocker<'_>) -> Option<Zeroizing<Vec<u8>>> {
        unlocker.opened.as_deref()?.part_of(self.key)
    }

    /// Tries the key without a service.
    fn here(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) -> Option<Zeroizing<Vec<u8>>> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        let part = match self.remembered(unlocker) {
            Some(part) => Ok(part),
            None => self.yielded(unlocker),
        };
        let part = part.and_then(|part| {
            checked(self.key, part, unlocker, expected).map_err(|reason| vec![reason])
        });
        self.opened = part.is_ok();
        if let (Ok(part), Some(agent), true) = (&part, unlocker.agent, self.held_back)
            && let Some(request) = self.request()
        {
            agent.remember(&request, part);
        }
        part.map_err(|reasons| self.reasons = reasons).ok()
    }

    /// What the key yields on this machine.
    fn yielded(
        &mut self,
        unlocker: &mut Unlocker<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        if !self.key.is_local() {
            let provider = self.key.provider();
            let wrapped = self.key.wrapped().is_some();
            let reason = if wrapped {
                UnwrapError::NoService { provider }
            } else {
                UnwrapError::NotWrapped
            };
            return Err(vec![reason]);
        }
        if !unlocker.local {
            return Err(vec![UnwrapError::LeftOut]);
        }
        unlocker.held_back = false;
        let part = self.key.unwrap(unlocker);
        self.open = unlocker.held_back;
        self.held_back |= unlocker.held_back;
        part
    }

    /// What a service is asked; `None` where there is nothing to unwrap.
    fn request(&self) -> Option<UnwrapRequest> {
        let enc = self.key.wrapped()?.to_owned();
        let address = self.key.address();
        Some(UnwrapRequest { address, enc })
    }

    /// Takes the answer of a service.
    fn answered(
        &mut self,
        answer: Result<Zeroizing<Vec<u8>>, ServiceError>,
        unlocker: &mut Unlocker<'_>,
        expected: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let cause = |error: ServiceError| UnwrapError::Provider(error.into());
        let part = answer.map_err(cause);
        let part = part.and_then(|part| checked(self.key, part, unlocker, expected));
        self.opened = part.is_ok();
        part.map_err(|reason| self.note(reason)).ok()
    }

    /// Notes one more reason; that there was nobody to ask is none any more.
    fn note(&mut self, reason: UnwrapError) {
        self.reasons
            .retain(|known| !known.is_for_want_of_a_service());
        self.reasons.push(reason);
    }
}

/// Asks a service for the parts of `attempts`, and takes note of what it answers; the first part
/// there is.
fn ask(
    service: &dyn Service,
    attempts: &mut [&mut Attempt<'_>],
    unlocker: &mut Unlocker<'_>,
    expected: usize,
    wanted: Wanted,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut asked = Vec::new();
    let mut requests = Vec::new();
    for attempt in attempts.iter_mut() {
        if let Some(request) = attempt.request().filter(|r| service.serves(&r.address)) {
            asked.push(&mut **attempt);
            requests.push(request);
        }
    }
    if requests.is_empty() {
        return None;
    }
    let mut first = None;
    for (attempt, answer) in asked.into_iter().zip(service.unwrap(&requests, wanted)) {
        attempt.asked = true;
        if let Some(part) = attempt.answered(answer, unlocker, expected) {
            attempt.reasons.clear();
            first.get_or_insert(part);
        }
    }
    first
}

/// As [`ask`], of one service after the other; those that one has opened are done.
fn ask_in_turn(
    attempts: &mut [&mut Attempt<'_>],
    unlocker: &mut Unlocker<'_>,
    expected: usize,
    wanted: Wanted,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut first = None;
    for service in unlocker.services {
        let closed = attempts.iter_mut().filter(|attempt| !attempt.opened);
        let mut closed: Vec<_> = closed.map(|attempt| &mut **attempt).collect();
        let part = ask(*service, &mut closed, unlocker, expected, wanted);
        first = first.or(part);
        if first.is_some() && wanted == Wanted::Any {
            return first;
        }
    }
    first
}

impl<'k> Opening<'k> {
    fn new(group: &'k KeyGroup, order: &[impl AsRef<str>]) -> Self {
        let rank = |key: &dyn MasterKey| {
            let at = order.iter().position(|id| id.as_ref() == key.provider());
            at.unwrap_or(order.len())
        };
        let mut keys: Vec<&dyn MasterKey> = group.iter().map(AsRef::as_ref).collect();
        keys.sort_by_key(|key| rank(*key));
        let attempt = |key: &'k dyn MasterKey| Attempt {
            key,
            reasons: Vec::new(),
            open: true,
            held_back: false,
            early: !key.is_local() && rank(key) < order.len(),
            asked: false,
            opened: false,
        };
        Self {
            attempts: keys.into_iter().map(attempt).collect(),
            part: None,
        }
    }

    /// Tries its keys here until one yields a part of `expected` bytes.
    fn attempt(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) {
        for attempt in &mut self.attempts {
            self.part = attempt.here(unlocker, expected);
            if self.part.is_none() && attempt.early && !attempt.asked {
                let mut alone = [attempt];
                self.part = ask_in_turn(&mut alone, unlocker, expected, Wanted::Any);
            }
            if self.part.is_some() {
                return;
            }
        }
    }

    /// Asks the agent for what is not open. That it cannot help is no reason to be told.
    fn ask_agent(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) {
        let Some(agent) = unlocker.agent else {
            return;
        };
        let asked = self.attempts.iter_mut();
        let asked = asked.filter(|attempt| attempt.key.is_local() && !attempt.opened);
        let asked = asked.filter_map(|attempt| Some((attempt.request()?, attempt)));
        let (requests, asked): (Vec<_>, Vec<_>) = asked.unzip();
        if requests.is_empty() {
            return;
        }
        for (attempt, part) in asked.into_iter().zip(agent.open(&requests)) {
            let part = part.and_then(|part| checked(attempt.key, part, unlocker, expected).ok());
            attempt.opened |= part.is_some();
            self.part = self.part.take().or(part);
        }
    }

    /// Asks the services for all of its keys that they were not asked for yet.
    fn ask_services(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) {
        let left = self.attempts.iter_mut().filter(|attempt| !attempt.asked);
        self.part = ask_in_turn(
            &mut left.collect::<Vec<_>>(),
            unlocker,
            expected,
            Wanted::Any,
        );
    }

    /// Tries all of its keys.
    fn attempt_all(&mut self, unlocker: &mut Unlocker<'_>, expected: usize) {
        for attempt in self.attempts.iter_mut().filter(|attempt| !attempt.opened) {
            let part = attempt.here(unlocker, expected);
            self.part = self.part.take().or(part);
        }
        let left = self.attempts.iter_mut().filter(|attempt| !attempt.opened);
        let part = ask_in_turn(
            &mut left.collect::<Vec<_>>(),
            unlocker,
            expected,
            Wanted::Every,
        );
        self.part = self.part.take().or(part);
    }

    /// The id of the key that yielded the part.
    fn opener(&self) -> Option<String> {
        let mut attempts = self.attempts.iter();
        let opener = attempts.find(|attempt| attempt.opened);
        opener.map(|attempt| attempt.key.id().to_owned())
    }

    fn trials(self) -> Vec<KeyTrial> {
        let attempts = self.attempts.into_iter();
        let trial = |attempt: Attempt<'_>| KeyTrial {
            id: attempt.key.id().to_owned(),
            provider: attempt.key.provider(),
            reasons: attempt.reasons,
        };
        attempts.map(trial).collect()
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
    use crate::keys::fakes::{Fake, KEYS, Nobody, RECIPIENTS, age_key, fake, group, unwrap};
    use crate::keys::{
        Address, AgeIdentities, Agent, DEFAULT_ORDER, Opened, Unlocked, WrapRequest, Wrapped,
    };
    use std::sync::{Arc, Mutex};

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
    fn keys_are_tried_in_decryption_order_and_services_last_unless_it_names_them() {
        let tried: Arc<Mutex<Vec<String>>> = Arc::default();
        let key = |provider, id| Fake {
            tried: Arc::clone(&tried),
            wrapped: Some("enc"),
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
        let in_vain = InVain(Arc::clone(&tried));
        let order = |order: &[&str]| {
            tried.lock().expect("lock").clear();
            let mut none = AgeIdentities::default();
            let unlocker = Unlocker {
                services: &[&in_vain],
                ..Unlocker::new(&mut none)
            };
            assert!(groups.unwrap_data_key(order, unlocker).is_err());
            tried.lock().expect("lock").join(" ")
        };
        assert_eq!(order(&DEFAULT_ORDER), "a1 a2 p1 k1+k2");
        assert_eq!(order(&[]), "p1 a1 a2 k1+k2");
        assert_eq!(order(&["kms", "age"]), "k1 k2 a1 a2 p1");
    }

    /// An agent that holds one part, and writes down what it is to remember.
    struct Holds(Option<Vec<u8>>, Mutex<Vec<String>>);

    impl Agent for Holds {
        fn open(&self, requests: &[UnwrapRequest]) -> Vec<Option<Zeroizing<Vec<u8>>>> {
            let part = || self.0.clone().map(Zeroizing::new);
            requests.iter().map(|_| part()).collect()
        }

        fn remember(&self, request: &UnwrapRequest, _: &[u8]) {
            let id = request.address.id();
            self.1.lock().expect("lock").push(id);
        }

        fn take_over(&self, _: Unlocked) {}
    }

    #[test]
    fn an_agent_is_asked_before_a_person_and_told_what_a_person_was_asked_for() {
        let tried: Arc<Mutex<Vec<String>>> = Arc::default();
        let key = |id, asks| Fake {
            wrapped: Some("enc"),
            yields: Some(vec![1; 32]),
            tried: Arc::clone(&tried),
            asks,
            ..fake("age", id)
        };
        let open = |asks, part: Option<Vec<u8>>| {
            tried.lock().expect("lock").clear();
            let groups = KeyGroups {
                groups: vec![group([key("a", asks)])],
                threshold: 0,
            };
            let agent = Holds(part, Mutex::default());
            let (mut age, mut nobody) = (AgeIdentities::default(), Nobody);
            let unlocker = Unlocker {
                agent: Some(&agent),
                prompt: Some(&mut nobody),
                ..Unlocker::new(&mut age)
            };
            assert!(groups.unwrap_data_key(&DEFAULT_ORDER, unlocker).is_ok());
            let told = agent.1.lock().expect("lock").join(" ");
            (tried.lock().expect("lock").join(", "), told)
        };
        let pair = |tried: &str, told: &str| (tried.to_owned(), told.to_owned());
        assert_eq!(open(false, None), pair("a", ""));
        assert_eq!(open(true, Some(vec![1; 32])), pair("a", ""));
        assert_eq!(open(true, None), pair("a, asking a", "a"));
        // what it holds is no part of this file
        assert_eq!(open(true, Some(vec![1; 31])), pair("a, asking a", "a"));
    }

    /// A service for keys of services that never opens any.
    struct InVain(Arc<Mutex<Vec<String>>>);

    impl Service for InVain {
        fn serves(&self, address: &Address) -> bool {
            address.id().starts_with('k')
        }

        fn wrap(&self, _: &[WrapRequest<'_>]) -> Vec<Result<Wrapped, ServiceError>> {
            Vec::new()
        }

        fn unwrap(
            &self,
            requests: &[UnwrapRequest],
            _: Wanted,
        ) -> Vec<Result<Zeroizing<Vec<u8>>, ServiceError>> {
            let ids: Vec<_> = requests
                .iter()
                .map(|request| request.address.id())
                .collect();
            self.0.lock().expect("lock").push(ids.join("+"));
            requests
                .iter()
                .map(|_| Err(ServiceError::new("no")))
                .collect()
        }
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
        let trial = groups.try_all(&DEFAULT_ORDER, Unlocker::new(&mut none));
        assert!(trial.key.is_some());
        let keys = trial.groups[0].iter();
        let told: Vec<_> = keys
            .map(|key| (key.id.as_str(), key.reasons.len()))
            .collect();
        assert_eq!(told, [("opens", 0), ("shut", 1)]);
    }

    #[test]
    fn what_was_opened_before_is_not_opened_again() {
        let groups = |id| {
            let key = Fake {
                wrapped: Some("enc"),
                yields: Some(vec![1; 32]),
                ..fake("pgp", id)
            };
            let tried = Arc::clone(&key.tried);
            let groups = KeyGroups {
                groups: vec![group([key])],
                threshold: 0,
            };
            (groups, tried)
        };
        let mut opened = Opened::default();
        let mut open = |groups: &KeyGroups| {
            let mut none = AgeIdentities::default();
            let unlocker = Unlocker {
                opened: Some(&mut opened),
                ..Unlocker::new(&mut none)
            };
            groups.unwrap_data_key(&DEFAULT_ORDER, unlocker).is_ok()
        };
        let (first, tried) = groups("a");
        assert!(open(&first) && open(&first));
        assert_eq!(*tried.lock().expect("lock"), ["a"]);
        let (same, tried) = groups("b");
        assert!(open(&same) && tried.lock().expect("lock").is_empty());
        assert_eq!(format!("{opened:?}"), "Opened(1)");
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
