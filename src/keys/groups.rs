//! Key groups: a data key wrapped for everybody who may open a file.
//!
//! One group: any of its keys holds the data key. Several: any key of a group holds the group's
//! share of it, and `threshold` shares make the data key.

use super::{Cause, MasterKey, ServiceError, UnwrapError, WrapRequest, Wrapped, Wrapper};
use crate::crypto::{DataKey, Random, ShamirError, shamir};
use zeroize::Zeroizing;

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
#[error("cannot encrypt the data key for {id:?}: {}", joined(.causes))]
pub struct WrapError {
    /// The master key's id.
    pub id: String,
    /// The reason of everybody who was asked, never empty.
    pub causes: Vec<Cause>,
}

fn joined(causes: &[Cause]) -> String {
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    texts.join("; ")
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
    Shares(#[from] ShamirError),
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
        let has =
            |group: &KeyGroup, key: &dyn MasterKey| group.iter().any(|there| there.is_same_as(key));
        let same = |(ours, theirs): (&KeyGroup, &KeyGroup)| {
            ours.len() == theirs.len()
                && ours.iter().all(|key| has(theirs, &**key))
                && theirs.iter().all(|key| has(ours, &**key))
        };
        self.groups.len() == other.groups.len() && self.groups.iter().zip(&other.groups).all(same)
    }

    /// True where the same keys are wrapped in the same groups, in whatever order within a group,
    /// and as many groups are needed.
    #[must_use]
    pub fn same_wrapped(&self, other: &Self) -> bool {
        let sorted = |group: &KeyGroup| {
            let keys = group.iter();
            let mut wrapped: Vec<_> = keys
                .map(|k| {
                    (
                        k.provider(),
                        k.id().to_owned(),
                        k.wrapped().map(str::to_owned),
                    )
                })
                .collect();
            wrapped.sort_unstable();
            wrapped
        };
        let (ours, theirs) = (self.groups.iter(), other.groups.iter());
        self.threshold == other.threshold && ours.map(sorted).eq(theirs.map(sorted))
    }

    /// Wraps `key` for every master key: the whole key in a single group, else a share a group.
    /// Where several groups have no threshold, it becomes their number.
    ///
    /// # Errors
    /// [`WrapKeysError`] with every key that failed; nothing is changed then.
    pub fn wrap_all(
        &mut self,
        key: &DataKey,
        wrapper: &mut Wrapper<'_>,
    ) -> Result<(), WrapKeysError> {
        if let Some(group) = self.groups.iter().position(Vec::is_empty) {
            return Err(WrapKeysError::EmptyGroup { group });
        }
        let mut wrapped = self.clone();
        let parts = wrapped.split(key, wrapper.random)?;
        let groups = wrapped.groups.iter_mut().zip(&parts);
        let jobs = groups.flat_map(|(group, part)| group.iter_mut().map(|key| Job::new(key, part)));
        let failed = wrap_each(jobs.collect(), wrapper);
        if !failed.is_empty() {
            return Err(WrapKeysError::Keys(failed));
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
}

/// A master key, and what is to be wrapped for it.
struct Job<'a> {
    key: &'a mut Box<dyn MasterKey>,
    part: &'a [u8],
    causes: Vec<Cause>,
    done: bool,
}

impl<'a> Job<'a> {
    fn new(key: &'a mut Box<dyn MasterKey>, part: &'a [u8]) -> Self {
        Self {
            key,
            part,
            causes: Vec::new(),
            done: false,
        }
    }

    /// Wraps without a service, where that can be.
    fn try_here(&mut self, wrapper: &mut Wrapper<'_>) {
        if wrapper.local && self.key.is_local() {
            let done = self.key.wrap(self.part, wrapper);
            self.done = done.map_err(|cause| self.causes.push(cause)).is_ok();
        }
    }

    fn request(&self) -> WrapRequest<'a> {
        let address = self.key.address();
        let part = self.part;
        WrapRequest { address, part }
    }

    /// Takes the answer of a service.
    fn take(&mut self, answer: Result<Wrapped, ServiceError>, now: &str) {
        match answer {
            Ok(wrapped) => {
                self.key.take(wrapped, now);
                self.done = true;
            }
            Err(error) => self.causes.push(error.into()),
        }
    }

    fn error(mut self) -> WrapError {
        if self.causes.is_empty() {
            let cause = if self.key.is_local() {
                UnwrapError::LeftOut
            } else {
                let provider = self.key.provider();
                UnwrapError::NoService { provider }
            };
            self.causes.push(cause.into());
        }
        WrapError {
            id: self.key.id().to_owned(),
            causes: self.causes,
        }
    }
}

/// Wraps for every key: here where that can be, else by the first service that does it. Every
/// service is asked for all keys at once.
fn wrap_each(mut jobs: Vec<Job<'_>>, wrapper: &mut Wrapper<'_>) -> Vec<WrapError> {
    for job in &mut jobs {
        job.try_here(wrapper);
    }
    for service in wrapper.services {
        let serves = |job: &&mut Job<'_>| !job.done && service.serves(&job.key.address());
        let mut asked: Vec<_> = jobs.iter_mut().filter(serves).collect();
        let requests: Vec<_> = asked.iter().map(|job| job.request()).collect();
        if requests.is_empty() {
            continue;
        }
        let answers = service.wrap(&requests);
        for (job, answer) in asked.iter_mut().zip(answers) {
            job.take(answer, wrapper.now);
        }
    }
    let failed = jobs.into_iter().filter(|job| !job.done);
    failed.map(Job::error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Data;
    use crate::keys::age::keygen;
    use crate::keys::fakes::{Counter, RECIPIENTS, age_key, data_key, fake, group, unwrap};
    use crate::keys::{Provider, Service, UnwrapRequest, Wanted};

    #[test]
    fn a_key_wrapped_for_groups_comes_back_from_any_enough_of_them() {
        let (secrets, recipients): (Vec<_>, Vec<_>) = (0..3).map(|_| keygen()).unzip();
        let groups = recipients.iter().map(|r| vec![age_key(r, "")]).collect();
        let mut groups = KeyGroups {
            groups,
            threshold: 2,
        };
        groups
            .wrap_all(&data_key(), &mut Wrapper::new(&mut Counter(1)))
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
        let key = data_key();
        let mut three = KeyGroups {
            groups: groups().collect(),
            threshold: 0,
        };
        three
            .wrap_all(&key, &mut Wrapper::new(&mut Counter(1)))
            .expect("wrapped");
        assert_eq!(three.threshold, 3);
        let mut one = KeyGroups {
            groups: groups().take(1).collect(),
            threshold: 0,
        };
        one.wrap_all(&key, &mut Wrapper::new(&mut Counter(1)))
            .expect("wrapped");
        assert_eq!(one.threshold, 0);
    }

    #[test]
    fn one_key_that_fails_stops_the_wrapping_and_changes_nothing() {
        let entry = Data::Map(vec![(b"resource_id".to_vec(), Data::str("F1"))]);
        let gcp = Provider::find("gcp_kms").expect("a provider");
        let foreign = (gcp.from_data)(&entry);
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
            .wrap_all(&data_key(), &mut Wrapper::new(&mut Counter(1)))
            .unwrap_err();
        let WrapKeysError::Keys(failed) = &error else {
            panic!("{error}")
        };
        let ids: Vec<&str> = failed.iter().map(|failure| failure.id.as_str()).collect();
        assert_eq!(ids, ["F1", "age1pq1qq"]);
        assert!(
            error
                .to_string()
                .contains("no service to ask for gcp_kms keys")
        );
        assert!(groups.groups[0].iter().all(|key| key.wrapped().is_none()));
    }

    #[test]
    fn nothing_is_wrapped_for_nobody() {
        let key = data_key();
        let wrap = |groups, threshold| {
            let mut groups = KeyGroups { groups, threshold };
            groups
                .wrap_all(&key, &mut Wrapper::new(&mut Counter(1)))
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

    #[test]
    fn wrapped_keys_are_the_same_only_with_what_is_wrapped_and_how_many_it_takes() {
        let of = |group, threshold| KeyGroups {
            groups: vec![group],
            threshold,
        };
        let (a, b) = (|| age_key("a", "1"), || age_key("b", "2"));
        assert!(of(vec![a(), b()], 0).same_wrapped(&of(vec![b(), a()], 0)));
        assert!(!of(vec![a()], 0).same_wrapped(&of(vec![age_key("a", "2")], 0)));
        assert!(!of(vec![a()], 0).same_wrapped(&of(vec![a(), b()], 0)));
        assert!(!of(vec![a()], 0).same_wrapped(&of(vec![a()], 1)));
    }

    /// A service that wraps for the keys that it knows, and says how often it was asked.
    struct Knows(&'static [&'static str], std::cell::Cell<usize>);

    impl Service for Knows {
        fn wrap(&self, requests: &[WrapRequest<'_>]) -> Vec<Result<Wrapped, ServiceError>> {
            self.1.set(self.1.get() + 1);
            let answer = |request: &WrapRequest<'_>| {
                let id = request.address.id();
                if self.0.contains(&id.as_str()) {
                    return Ok(Wrapped::new(format!("{id} by {}", self.0.len())));
                }
                Err(ServiceError::new(format!(
                    "{id} is unknown to {}",
                    self.0.len()
                )))
            };
            requests.iter().map(answer).collect()
        }

        fn unwrap(
            &self,
            _: &[UnwrapRequest],
            _: Wanted,
        ) -> Vec<Result<Zeroizing<Vec<u8>>, ServiceError>> {
            Vec::new()
        }
    }

    fn hckms(ids: &[&str]) -> KeyGroups {
        let provider = Provider::find("hckms").expect("a provider");
        let group = provider.parse(&ids.join(","), &crate::keys::AwsOptions::default());
        KeyGroups {
            groups: vec![group.expect("keys")],
            threshold: 0,
        }
    }

    #[test]
    fn services_are_asked_for_all_keys_at_once_and_the_next_for_what_is_left() {
        let (one, both) = (Knows(&["r:1"], 0.into()), Knows(&["r:1", "r:2"], 0.into()));
        let mut groups = hckms(&["r:1", "r:2"]);
        let mut random = Counter(1);
        let mut wrapper = Wrapper {
            services: &[&one, &both],
            ..Wrapper::new(&mut random)
        };
        groups.wrap_all(&data_key(), &mut wrapper).expect("wrapped");
        let enc: Vec<_> = groups.groups[0].iter().map(|key| key.wrapped()).collect();
        assert_eq!(enc, [Some("r:1 by 1"), Some("r:2 by 2")]);
        assert_eq!((one.1.get(), both.1.get()), (1, 1));
    }

    #[test]
    fn every_service_that_failed_says_why() {
        let (one, both) = (Knows(&["r:1"], 0.into()), Knows(&["r:1", "r:2"], 0.into()));
        let mut random = Counter(1);
        let mut wrapper = Wrapper {
            services: &[&one, &both],
            ..Wrapper::new(&mut random)
        };
        let error = hckms(&["r:3"])
            .wrap_all(&data_key(), &mut wrapper)
            .unwrap_err();
        let expected = "\"r:3\": r:3 is unknown to 1; r:3 is unknown to 2";
        assert!(error.to_string().ends_with(expected), "{error}");
    }

    #[test]
    fn keys_of_this_machine_are_wrapped_elsewhere_where_they_may_not_be_used_here() {
        let (secret, recipient) = keygen();
        let mut groups = KeyGroups {
            groups: vec![vec![age_key(&recipient, "")]],
            threshold: 0,
        };
        let mut random = Counter(1);
        let mut wrapper = Wrapper {
            local: false,
            ..Wrapper::new(&mut random)
        };
        let error = groups.wrap_all(&data_key(), &mut wrapper).unwrap_err();
        assert!(error.to_string().contains("left out"), "{error}");
        wrapper.local = true;
        groups.wrap_all(&data_key(), &mut wrapper).expect("wrapped");
        assert!(unwrap(&groups, &[&secret]).is_ok());
    }
}
