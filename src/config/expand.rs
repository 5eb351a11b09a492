//! A configuration without names: what stock sops makes of it is what bulla makes of it.
//!
//! Says which values of the text have to change, so that the rest of it can stay as it is.

use super::directory::texts;
use super::fields::{Fields, Place};
use super::rule::{FLAT_FIELDS, RuleKey, group_field};
use super::{Config, Directory};
use crate::document::{Data, Path, Step, Type};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A change of a configuration's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The value at a path, which need not be there, becomes another one.
    Set(Path, Data),
    /// The entry at a path goes.
    Unset(Path),
    /// The entry at a path goes where nothing refers to it: sops ignores it anyway.
    Tidy(Path),
}

impl Config {
    /// What has to change in `data`, which this was read from, for a text without names. Names that
    /// stand behind aliases and merge keys are not found: compare the keys afterwards.
    #[must_use]
    pub fn expansion(&self, data: &Data) -> Vec<Edit> {
        let mut expansion = Expansion {
            names: &self.names,
            labels: labels(&self.names),
            edits: Vec::new(),
        };
        let rules = data.entry("creation_rules").map(values).unwrap_or_default();
        let read = self.creation_rules.as_deref().unwrap_or_default();
        for (at, (rule, read)) in rules.into_iter().zip(read).enumerate() {
            let path = below(&below(&Path(Vec::new()), "creation_rules"), at);
            let groups = values(merged(rule, "key_groups").unwrap_or(&Data::null())).len();
            if groups == 0 {
                let keys = read.groups.first().map(Vec::as_slice).unwrap_or_default();
                expansion.flat(rule, keys, &path);
            }
            let own = rule.entry("key_groups").map(values).unwrap_or_default();
            let path = below(&path, "key_groups");
            for (at, group) in own.into_iter().enumerate() {
                expansion.group(group, &below(&path, at));
            }
        }
        expansion.drop_own(data, &Path(Vec::new()), &["recipients", "groups"]);
        expansion.edits
    }

    /// Whether the rules of another configuration name the same keys, in whatever order.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        let keys = |config: &Self| -> Vec<Vec<Vec<String>>> {
            let rules = config.creation_rules.iter().flatten();
            let group = |keys: &Vec<RuleKey>| {
                let mut texts: Vec<String> = keys.iter().map(written).collect();
                texts.sort_unstable();
                texts.dedup();
                texts
            };
            rules
                .map(|rule| rule.groups.iter().map(group).collect())
                .collect()
        };
        keys(self) == keys(other)
    }
}

/// A key as one text, with all that is said of it.
fn written(key: &RuleKey) -> String {
    let mut text = format!("{}:{}", key.provider, key.id);
    let mut rest = vec![&key.extra];
    while let Some(data) = rest.pop() {
        match data {
            Data::Map(entries) => {
                for (name, data) in entries {
                    text += &format!(";{}", String::from_utf8_lossy(name));
                    rest.push(data);
                }
            }
            _ => text += &format!("={}", data.text().unwrap_or_default()),
        }
    }
    text
}

/// The names of single recipients by what they stand for.
fn labels(names: &Directory) -> HashMap<&str, &str> {
    let single = names.named().iter().filter(|named| !named.is_group);
    let pairs = single.flat_map(|named| named.keys.iter().map(|key| (&*key.id, &*named.name)));
    pairs.collect()
}

struct Expansion<'c> {
    names: &'c Directory,
    labels: HashMap<&'c str, &'c str>,
    edits: Vec<Edit>,
}

impl Expansion<'_> {
    /// A rule without key groups, whose keys are known.
    fn flat(&mut self, rule: &Data, keys: &[RuleKey], path: &Path) {
        for (field, provider, _) in FLAT_FIELDS {
            let texts = merged(rule, field).map(plain_texts).unwrap_or_default();
            let wanted: Vec<&str> = keys
                .iter()
                .filter(|key| key.provider == provider)
                .map(|key| key.id.as_str())
                .collect();
            let has_name = texts.iter().any(|text| self.names.resolve(text).is_some());
            if !has_name && wanted.len() == texts.len() {
                continue;
            }
            let path = below(path, field);
            self.edits.push(if wanted.is_empty() {
                Edit::Unset(path)
            } else {
                Edit::Set(path, self.list(&wanted))
            });
        }
        self.drop_own(rule, path, &["recipients"]);
    }

    /// A key group, and those that it merges. As deep as a store nests.
    fn group(&mut self, group: &Data, path: &Path) {
        let merged = group.entry("merge").map(values).unwrap_or_default();
        for (at, inner) in merged.into_iter().enumerate() {
            self.group(inner, &below(&below(path, "merge"), at));
        }
        let named = self.named_in(group);
        for (field, provider, _) in FLAT_FIELDS {
            let name = group_field(field, provider);
            let there = group.entry(name).filter(|data| !is_null(data));
            let more: Vec<&RuleKey> = named.iter().filter(|k| k.provider == provider).collect();
            let mut items: Vec<Data> = there
                .map(|data| values(data).into_iter().cloned().collect())
                .unwrap_or_default();
            let before = items.len();
            items.retain(|item| !self.has_name(item));
            if more.is_empty() && items.len() == before {
                continue;
            }
            for key in more {
                items.extend(self.labelled(&key.id, item(key)));
            }
            let path = below(path, name);
            self.edits.push(if items.is_empty() {
                Edit::Unset(path)
            } else {
                Edit::Set(path, Data::List(items))
            });
        }
        self.drop_own(group, path, &["recipients"]);
    }

    /// The keys that the names in a group stand for, and literal ones that stand among names.
    fn named_in(&self, group: &Data) -> Vec<RuleKey> {
        let mut keys = Vec::new();
        for (field, provider, _) in FLAT_FIELDS {
            let items = group.entry(group_field(field, provider)).map(values);
            for item in items
                .unwrap_or_default()
                .into_iter()
                .filter(|i| self.has_name(i))
            {
                for text in plain_texts(item) {
                    match self.names.resolve(text) {
                        Some(known) => keys.extend_from_slice(known),
                        None => keys.push(RuleKey {
                            provider,
                            id: text.to_owned(),
                            extra: Data::Map(Vec::new()),
                        }),
                    }
                }
            }
        }
        let own = group.entry("bulla").and_then(|own| own.entry("recipients"));
        if let Some(members) = own.and_then(|own| texts(own, Place::default()).ok()) {
            keys.extend(self.names.keys(&members).unwrap_or_default());
        }
        super::rule::each_once(keys)
    }

    fn has_name(&self, item: &Data) -> bool {
        let mut texts = plain_texts(item).into_iter();
        texts.any(|text| self.names.resolve(text).is_some())
    }

    fn list(&self, ids: &[&str]) -> Data {
        let items = ids.iter().flat_map(|id| self.labelled(id, Data::str(id)));
        Data::List(items.collect())
    }

    /// An item of a list, with the name of its recipient beside it.
    fn labelled(&self, id: &str, item: Data) -> impl Iterator<Item = Data> + use<> {
        let name = self.labels.get(id).map(|name| format!(" {name}"));
        let comment = name.map(|name| Data::Comment(Zeroizing::new(name.into_bytes()), true));
        comment.into_iter().chain([item])
    }

    /// Drops entries of a mapping's `bulla`, and it itself where nothing else is in it.
    fn drop_own(&mut self, data: &Data, path: &Path, gone: &[&str]) {
        let Some(own @ Data::Map(entries)) = data.entry("bulla") else {
            return;
        };
        let path = below(path, "bulla");
        let values = entries.iter().filter(|(_, data)| !is_comment(data));
        let goes = |(name, _): &&(Vec<u8>, Data)| gone.iter().any(|gone| gone.as_bytes() == name);
        if values.clone().all(|entry| goes(&entry)) {
            self.edits.push(Edit::Tidy(path));
            return;
        }
        let there = gone.iter().filter(|name| own.entry(name).is_some());
        self.edits
            .extend(there.map(|name| Edit::Tidy(below(&path, *name))));
    }
}

/// A key as an item of its list in a key group.
fn item(key: &RuleKey) -> Data {
    let map = |fields: Vec<(&str, &str)>| {
        let fields = fields.into_iter();
        let fields = fields.map(|(name, text)| (name.as_bytes().to_vec(), Data::str(text)));
        Data::Map(fields.collect())
    };
    match key.provider {
        "kms" => match key.id.split_once("+arn:") {
            Some((arn, role)) => map(vec![("arn", arn), ("role", &format!("arn:{role}"))]),
            None => map(vec![("arn", &key.id)]),
        },
        "gcp_kms" => map(vec![("resource_id", &key.id)]),
        "hckms" => map(vec![("key_id", &key.id)]),
        "azure_keyvault" => {
            let (vault, rest) = key.id.split_once("/keys/").unwrap_or((&key.id, ""));
            let (name, version) = rest.split_once('/').unwrap_or((rest, ""));
            map(vec![
                ("vaultUrl", vault),
                ("key", name),
                ("version", version),
            ])
        }
        _ => Data::str(&key.id),
    }
}

/// The value of a mapping's own entry, else of one that a merge key brings.
fn merged<'d>(data: &'d Data, name: &str) -> Option<&'d Data> {
    Fields::new(data, Place::default()).ok()?.take(name)
}

/// The values of a list, or nothing.
fn values(data: &Data) -> Vec<&Data> {
    match data {
        Data::List(items) => items.iter().filter(|item| !is_comment(item)).collect(),
        _ => Vec::new(),
    }
}

/// The texts of a text or a list of texts, separated at commas.
fn plain_texts(data: &Data) -> Vec<&str> {
    let found = texts(data, Place::default()).unwrap_or_default();
    found.into_iter().map(|(text, _)| text).collect()
}

fn is_null(data: &Data) -> bool {
    matches!(data, Data::Scalar(Type::Null, _))
}

fn is_comment(data: &Data) -> bool {
    matches!(data, Data::Comment(..))
}

/// The path to an entry or an item.
fn below(path: &Path, step: impl Into<Below>) -> Path {
    let mut path = path.clone();
    path.0.push(step.into().0);
    path
}

struct Below(Step);

impl From<&str> for Below {
    fn from(key: &str) -> Self {
        Self(Step::Key(key.as_bytes().to_vec()))
    }
}

impl From<usize> for Below {
    fn from(index: usize) -> Self {
        Self(Step::Index(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;

    fn edits(text: &str) -> Vec<String> {
        let data = test_yaml::read(text);
        let config = Config::from_data(&data, std::path::Path::new("c")).expect("a configuration");
        let shown = |edit: &Edit| match edit {
            Edit::Set(path, data) => format!("{path} = {}", show(data)),
            Edit::Unset(path) => format!("{path} goes"),
            Edit::Tidy(path) => format!("{path} goes if it can"),
        };
        config.expansion(&data).iter().map(shown).collect()
    }

    fn show(data: &Data) -> String {
        match data {
            Data::List(items) => items.iter().map(show).collect::<Vec<_>>().join(","),
            Data::Map(entries) => {
                let entries = entries.iter();
                let shown =
                    entries.map(|(k, v)| format!("{}={}", String::from_utf8_lossy(k), show(v)));
                format!("{{{}}}", shown.collect::<Vec<_>>().join(" "))
            }
            Data::Comment(text, _) => format!("#{}", String::from_utf8_lossy(text)),
            Data::Scalar(..) => data.text().unwrap_or_default().to_owned(),
        }
    }

    const NAMES: &str = "bulla:\n  recipients: {alice: age1a, bob: {pgp: F1}, cloud: arn:k+arn:r}\n  \
        groups: {ops: [alice, bob]}\n";

    #[test]
    fn names_become_what_they_stand_for() {
        assert_eq!(
            edits(&format!(
                "{NAMES}creation_rules:\n- age: [ops, age1x]\n- age: age1z\n"
            )),
            [
                "creation_rules[0].age = # alice,age1a,age1x",
                "creation_rules[0].pgp = # bob,F1",
                "bulla goes if it can",
            ]
        );
        assert_eq!(
            edits(&format!("{NAMES}creation_rules:\n- age: bob\n")),
            [
                "creation_rules[0].age goes",
                "creation_rules[0].pgp = # bob,F1",
                "bulla goes if it can",
            ]
        );
    }

    #[test]
    fn what_stands_beside_plain_fields_joins_them() {
        assert_eq!(
            edits(&format!(
                "{NAMES}creation_rules:\n- age: age1x\n  bulla: {{recipients: [alice], require_seal: false}}\n"
            )),
            [
                "creation_rules[0].age = age1x,# alice,age1a",
                "creation_rules[0].bulla.recipients goes if it can",
                "bulla goes if it can",
            ]
        );
    }

    #[test]
    fn groups_take_keys_as_their_kinds_are_written_there() {
        assert_eq!(
            edits(&format!(
                "{NAMES}creation_rules:\n- key_groups:\n  - age: [age1x, 'alice, age1y']\n    \
                 merge: [{{bulla: {{recipients: cloud}}}}]\n  - pgp: [F2]\n"
            )),
            [
                "creation_rules[0].key_groups[0].merge[0].kms = # cloud,{arn=arn:k role=arn:r}",
                "creation_rules[0].key_groups[0].merge[0].bulla goes if it can",
                "creation_rules[0].key_groups[0].age = age1x,# alice,age1a,age1y",
                "bulla goes if it can",
            ]
        );
    }

    #[test]
    fn a_plain_configuration_stays_as_it_is() {
        for text in [
            "creation_rules:\n- age: [a, 'b,c']\n  pgp: F 1\n- kms: [x]\n",
            "x: &x {age: a, pgp: p}\ncreation_rules:\n- <<: *x\n",
            "x: &x {key_groups: [{age: [a]}, {age: [b]}]}\ncreation_rules:\n- <<: *x\n",
        ] {
            assert!(edits(text).is_empty(), "{text}");
        }
    }
}
