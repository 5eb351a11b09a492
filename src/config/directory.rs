//! Names for recipients and for groups of them: the `bulla` mapping at the root of a
//! configuration, which sops ignores.

use super::fields::{ConfigError, Fields, Place, Problem, list, mistyped, text};
use super::rule::{RuleKey, each_once, literal_key, named_keys};
use crate::document::Data;

/// The most letters of a name.
const LONGEST: usize = 64;

/// Everybody who has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Recipients first, then groups, each in the order of the file.
    named: Vec<Named>,
}

/// A name, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The keys that it stands for, each once.
    pub keys: Vec<RuleKey>,
    /// Whether it is a group, else one recipient.
    pub is_group: bool,
}

type Read<T> = Result<T, ConfigError>;

/// A group before its members are looked up.
struct Group<'d> {
    name: &'d str,
    members: Vec<(&'d str, Place)>,
}

impl Directory {
    /// Reads `recipients` and `groups`.
    pub(super) fn read(own: &mut Fields<'_>) -> Read<Self> {
        let mut directory = Self::default();
        if let Some(recipients) = own.mapping("recipients")? {
            for (name, data, place) in recipients.entries() {
                let name = directory.new_name(name, &place)?;
                let keys = each_once(recipient(data, place)?);
                let is_group = false;
                directory.named.push(Named {
                    name,
                    keys,
                    is_group,
                });
            }
        }
        let mut groups = Vec::new();
        if let Some(fields) = own.mapping("groups")? {
            for (name, data, place) in fields.entries() {
                directory.new_name(name, &place)?;
                // It was text a line above.
                let name = std::str::from_utf8(name).unwrap_or_default();
                let members = texts(data, place)?;
                groups.push(Group { name, members });
            }
        }
        directory.add_groups(&groups)?;
        Ok(directory)
    }

    /// True where nobody has a name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// All names.
    #[must_use]
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    /// What a name stands for.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&[RuleKey]> {
        let named = self.named.iter().find(|named| named.name == name);
        named.map(|named| &*named.keys)
    }

    /// The name that somebody may have meant by `word`.
    #[must_use]
    pub fn suggestion(&self, word: &str) -> Option<&str> {
        let names = self.named.iter().map(|named| named.name.as_str());
        closest(word, names)
    }

    /// The keys of a list of names and literal recipients.
    pub(super) fn keys(&self, members: &[(&str, Place)]) -> Read<Vec<RuleKey>> {
        let mut keys = Vec::new();
        for (member, place) in members {
            match (self.resolve(member), literal_key(member)) {
                (Some(known), _) => keys.extend_from_slice(known),
                (None, Some(key)) => keys.push(key),
                (None, None) => return Err(unknown(member, place, self.suggestion(member))),
            }
        }
        Ok(each_once(keys))
    }

    fn new_name(&self, name: &[u8], place: &Place) -> Read<String> {
        let fitting = std::str::from_utf8(name).ok().filter(|name| is_name(name));
        match fitting {
            None => Err(ConfigError::new(place.clone(), Problem::Name)),
            Some(name) if self.resolve(name).is_some() => {
                let name = name.to_owned();
                Err(ConfigError::new(place.clone(), Problem::NameTwice { name }))
            }
            Some(name) => Ok(name.to_owned()),
        }
    }

    /// Looks up the members of all groups, groups within groups before those that hold them.
    fn add_groups(&mut self, groups: &[Group<'_>]) -> Read<()> {
        let names = |directory: &Self, word: &str| {
            let known = directory.named.iter().map(|named| named.name.as_str());
            let all = known.chain(groups.iter().map(|group| group.name));
            closest(word, all).map(str::to_owned)
        };
        for start in 0..groups.len() {
            // groups on the way down, the next member of each, and the keys found so far
            let mut way = vec![(start, 0, Vec::new())];
            while let Some((at, next, keys)) = way.last_mut() {
                let group = &groups[*at];
                if self.resolve(group.name).is_some() {
                    way.pop();
                    continue;
                }
                let Some((member, place)) = group.members.get(*next) else {
                    let named = Named {
                        name: group.name.to_owned(),
                        keys: each_once(std::mem::take(keys)),
                        is_group: true,
                    };
                    self.named.push(named);
                    continue;
                };
                if let Some(known) = self.resolve(member) {
                    keys.extend_from_slice(known);
                    *next += 1;
                } else if let Some(inner) = groups.iter().position(|g| g.name == *member) {
                    // It is known when this place is come to again.
                    if let Some(from) = way.iter().position(|(on_way, ..)| *on_way == inner) {
                        let circle = way[from..].iter().map(|(at, ..)| groups[*at].name);
                        let circle = circle.chain([*member]).map(str::to_owned).collect();
                        return Err(ConfigError::new(place.clone(), Problem::Circle { circle }));
                    }
                    way.push((inner, 0, Vec::new()));
                } else if let Some(key) = literal_key(member) {
                    keys.push(key);
                    *next += 1;
                } else {
                    let meant = names(self, member);
                    return Err(unknown(member, place, meant.as_deref()));
                }
            }
        }
        Ok(())
    }
}

fn unknown(word: &str, place: &Place, suggestion: Option<&str>) -> ConfigError {
    // What is no name may be a secret that was pasted there.
    let problem = if is_name(word) {
        Problem::UnknownName {
            name: word.to_owned(),
            suggestion: suggestion.map(str::to_owned),
        }
    } else {
        Problem::NoRecipient
    };
    ConfigError::new(place.clone(), problem)
}

/// A recipient: a text or a list of texts that tell their kind, or lists by kind as in a rule.
fn recipient(data: &Data, place: Place) -> Read<Vec<RuleKey>> {
    if let Data::Map(_) = data {
        return named_keys(Fields::new(data, place)?);
    }
    let key = |(text, place): (&str, Place)| {
        let no_kind = || ConfigError::new(place, Problem::NoRecipient);
        literal_key(text).ok_or_else(no_kind)
    };
    texts(data, place)?.into_iter().map(key).collect()
}

/// A text or a list of texts, each of which may hold several with commas between.
pub(super) fn texts(data: &Data, place: Place) -> Read<Vec<(&str, Place)>> {
    let items = match data {
        Data::List(_) => list(data, &place)?,
        Data::Map(_) => return Err(mistyped(data, place, "a text or a list of texts")),
        _ => vec![(data, place)],
    };
    let mut found = Vec::new();
    for (item, place) in items {
        let words = text(item, place.clone())?.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        found.extend(words.map(|word| (word, place.clone())));
    }
    Ok(found)
}

/// Letters, digits and a few signs, and nothing that could be taken for a key.
fn is_name(word: &str) -> bool {
    let sign = |c: char| c.is_alphanumeric() || "._-@/+".contains(c);
    let is_secret = word.to_ascii_uppercase().starts_with("AGE-");
    (1..=LONGEST).contains(&word.chars().count())
        && word.chars().all(sign)
        && !is_secret
        && literal_key(word).is_none()
}

/// The word most like `word`, if it is like it at all.
pub(super) fn closest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let most = 1 + word.chars().count() / 4;
    known
        .filter(|candidate| candidate.chars().count() <= LONGEST)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to be added, removed or replaced to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(2 * LONGEST).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;

    fn read(text: &str) -> Read<Directory> {
        let data = test_yaml::read(text);
        let mut fields = Fields::new(&data, Place::default())?;
        Directory::read(&mut fields)
    }

    fn keys(directory: &Directory, name: &str) -> Vec<String> {
        let keys = directory.resolve(name).expect("a name").iter();
        keys.map(|key| format!("{}:{}", key.provider, key.id))
            .collect()
    }

    fn error(text: &str) -> String {
        let error = read(text).unwrap_err();
        format!("{}: {}", error.place, error.problem)
    }

    #[test]
    fn a_name_stands_for_one_key_or_several_of_any_kind() {
        let fingerprint = "85D77543B3D624B63CEA9E6DBC17301B491B3F21";
        let directory = read(&format!(
            "recipients:\n  alice: age1a\n  bob: [age1b, ssh-ed25519 AAAA bob]\n  \
             carol: {{pgp: 85D7 7543, age: [age1c]}}\n  dave: {fingerprint}\n  \
             cloud: arn:aws:kms:eu-west-1:1:key/k\n"
        ))
        .expect("names");
        assert_eq!(keys(&directory, "alice"), ["age:age1a"]);
        assert_eq!(
            keys(&directory, "bob"),
            ["age:age1b", "age:ssh-ed25519 AAAA bob"]
        );
        assert_eq!(keys(&directory, "carol"), ["age:age1c", "pgp:85D77543"]);
        assert_eq!(keys(&directory, "dave"), [format!("pgp:{fingerprint}")]);
        assert_eq!(
            keys(&directory, "cloud"),
            ["kms:arn:aws:kms:eu-west-1:1:key/k"]
        );
        assert!(directory.resolve("mallory").is_none());
    }

    #[test]
    fn groups_hold_names_recipients_and_groups_that_come_later() {
        let directory = read(
            "groups: {all: [ops, alice, age1x], ops: [bob, dev], dev: 'alice, bob'}\n\
             recipients: {alice: age1a, bob: age1b}\n",
        )
        .expect("groups");
        assert_eq!(
            keys(&directory, "all"),
            ["age:age1b", "age:age1a", "age:age1x"]
        );
        assert_eq!(keys(&directory, "dev"), ["age:age1a", "age:age1b"]);
    }

    #[test]
    fn a_circle_of_groups_is_shown() {
        assert_eq!(
            error("groups: {x: [a], a: [b], b: [c], c: [age1x, a]}"),
            "groups.c[1]: groups go in a circle: a -> b -> c -> a"
        );
        assert_eq!(
            error("groups: {a: [a]}"),
            "groups.a[0]: groups go in a circle: a -> a"
        );
    }

    #[test]
    fn an_unknown_name_comes_with_the_one_that_was_meant() {
        assert_eq!(
            error("recipients: {alice: age1a}\ngroups: {ops: [alcie]}"),
            "groups.ops[0]: there is no recipient or group called \"alcie\"; did you mean \"alice\"?"
        );
        assert_eq!(
            error("groups: {ops: [zoe]}"),
            "groups.ops[0]: there is no recipient or group called \"zoe\""
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for text in [
            "groups: {ops: [AGE-SECRET-KEY-1QQQ]}",
            "recipients: {alice: AGE-SECRET-KEY-1QQQ}",
            "recipients: {alice: hunter two QQQ}",
            "groups: {ops: ['hunter two QQQ']}",
        ] {
            let error = error(text);
            assert!(error.contains("neither a name nor a recipient"), "{error}");
            assert!(!error.contains("QQQ"), "{error}");
        }
    }

    #[test]
    fn a_name_may_not_look_like_a_key_or_stand_for_two_things() {
        for name in ["age1x", "ssh-x", "'a b'", "'a,b'", "''", "\"\\e[2J\""] {
            let error = error(&format!("recipients: {{{name}: age1a}}"));
            assert!(error.contains("a name is made of"), "{error}");
        }
        assert_eq!(
            error("recipients: {alice: age1a}\ngroups: {alice: [age1b]}"),
            "groups.alice: \"alice\" is defined already"
        );
    }

    #[test]
    fn many_groups_within_groups_are_no_bomb() {
        let mut text = "groups:\n  g0: [age1x]\n".to_owned();
        for n in 1..200 {
            text += &format!("  g{n}: [g{}, g{}]\n", n - 1, n - 1);
        }
        assert_eq!(keys(&read(&text).expect("groups"), "g199"), ["age:age1x"]);
    }

    #[test]
    fn words_are_alike_by_letters() {
        assert_eq!(distance("alcie", "alice"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(closest("opps", ["ops", "dev"].into_iter()), Some("ops"));
        assert_eq!(closest("x", ["ops"].into_iter()), None);
    }
}
