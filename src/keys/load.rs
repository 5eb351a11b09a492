//! Key groups out of the metadata and back, read as liberally as any sops did.

use super::{FIELDS, KeyGroup, KeyGroups, Provider};
use crate::document::{Data, Type};

/// Lists that sops writes in a group even where they are empty.
const ALWAYS_IN_GROUP: [&str; 2] = ["age", "hc_vault"];

/// Why the metadata holds no usable list of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no key in it.
    #[error("no keys found in file")]
    NoKeys,
    /// A list is something else.
    #[error("`{field}` in the metadata is not a list")]
    NoList {
        /// The list's name.
        field: &'static str,
    },
    /// An item of a list is something else than a mapping.
    #[error("item {place} of `{field}` in the metadata is not a mapping")]
    NoMap {
        /// The list's name.
        field: &'static str,
        /// Which item, counted from 1.
        place: usize,
    },
    /// The threshold is no count of groups.
    #[error("`shamir_threshold` in the metadata is not a count of groups")]
    Threshold,
}

/// The value of a metadata field: under its exact name, else under its name in any case.
#[must_use]
pub fn field<'a>(map: &'a Data, name: &str) -> Option<&'a Data> {
    let Data::Map(entries) = map else {
        return None;
    };
    let any_case = || {
        let mut found = entries
            .iter()
            .filter(|(_, v)| !matches!(v, Data::Comment(..)));
        found.find(|(k, _)| k.eq_ignore_ascii_case(name.as_bytes()))
    };
    map.entry(name).or_else(|| any_case().map(|(_, v)| v))
}

impl KeyGroups {
    /// The key groups and the threshold of a file, out of its `sops` mapping.
    ///
    /// # Errors
    /// [`LoadError`] where there is no key, or something that is none.
    pub fn from_data(metadata: &Data) -> Result<Self, LoadError> {
        let threshold = threshold(field(metadata, "shamir_threshold"))?;
        let top = group_from_data(metadata)?;
        let groups = if top.is_empty() {
            let groups = maps("key_groups", field(metadata, "key_groups"))?;
            groups
                .into_iter()
                .map(group_from_data)
                .collect::<Result<_, _>>()?
        } else {
            vec![top]
        };
        if groups.iter().all(Vec::is_empty) {
            return Err(LoadError::NoKeys);
        }
        Ok(Self { groups, threshold })
    }

    /// The metadata fields that hold the keys, sorted by name: for one group its lists that are
    /// not empty, else `key_groups`. The threshold is not among them.
    #[must_use]
    pub fn to_entries(&self) -> Vec<(&'static str, Data)> {
        match &self.groups[..] {
            [group] => lists(group, &[]),
            groups => vec![(
                "key_groups",
                Data::List(groups.iter().map(group_to_data).collect()),
            )],
        }
    }
}

fn group_to_data(group: &KeyGroup) -> Data {
    let lists = lists(group, &ALWAYS_IN_GROUP);
    let named = |(name, list): (&str, Data)| (name.as_bytes().to_vec(), list);
    Data::Map(lists.into_iter().map(named).collect())
}

/// The lists of a group sorted by name: those with a key in them, and those in `always`.
fn lists(group: &KeyGroup, always: &[&str]) -> Vec<(&'static str, Data)> {
    let mut names = FIELDS;
    names.sort_unstable();
    let list = |name: &'static str| {
        let keys = group.iter().filter(|key| key.provider() == name);
        let items: Vec<Data> = keys.map(|key| key.to_data()).collect();
        (name, items)
    };
    names
        .into_iter()
        .map(list)
        .filter(|(name, items)| !items.is_empty() || always.contains(name))
        .map(|(name, items)| (name, Data::List(items)))
        .collect()
}

fn group_from_data(group: &Data) -> Result<KeyGroup, LoadError> {
    let mut keys = KeyGroup::new();
    for name in FIELDS {
        let entries = maps(name, field(group, name))?;
        if let Some(provider) = Provider::find(name) {
            keys.extend(entries.into_iter().map(provider.from_data));
        }
    }
    Ok(keys)
}

/// The mappings of a list. Nothing at all is an empty list, a mapping a list of one.
fn maps<'a>(field: &'static str, list: Option<&'a Data>) -> Result<Vec<&'a Data>, LoadError> {
    let items: Vec<&Data> = match list {
        None => Vec::new(),
        Some(Data::List(items)) => items.iter().filter(|i| !is_nothing(i)).collect(),
        Some(item) if is_nothing(item) => Vec::new(),
        Some(Data::Map(entries)) if entries.is_empty() => Vec::new(),
        Some(map @ Data::Map(_)) => vec![map],
        Some(_) => return Err(LoadError::NoList { field }),
    };
    match items.iter().position(|item| !matches!(item, Data::Map(_))) {
        Some(at) => Err(LoadError::NoMap {
            field,
            place: at + 1,
        }),
        None => Ok(items),
    }
}

fn is_nothing(data: &Data) -> bool {
    match data {
        Data::Scalar(ty, text) => *ty == Type::Null || text.is_empty(),
        Data::Comment(..) => true,
        Data::List(_) | Data::Map(_) => false,
    }
}

/// A count in any spelling that some sops wrote or read: a number, its text, `2.000000`, `true`.
fn threshold(data: Option<&Data>) -> Result<usize, LoadError> {
    let Some(data) = data.filter(|data| !is_nothing(data)) else {
        return Ok(0);
    };
    let text = data.text().ok_or(LoadError::Threshold)?.trim();
    count(text).ok_or(LoadError::Threshold)
}

fn count(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "true" => return Some(1),
        "false" => return Some(0),
        _ => {}
    }
    if let Some(digits) = lower.strip_prefix("0x") {
        return usize::from_str_radix(digits, 16).ok();
    }
    let (whole, fraction) = lower.split_once('.').unwrap_or((&lower, ""));
    let whole = whole.parse().ok()?;
    fraction.bytes().all(|b| b == b'0').then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn map(entries: Vec<(&str, Data)>) -> Data {
        let named = |(name, data): (&str, Data)| (name.as_bytes().to_vec(), data);
        Data::Map(entries.into_iter().map(named).collect())
    }

    fn age(recipient: &str) -> Data {
        map(vec![
            ("enc", Data::str(format!("for {recipient}"))),
            ("recipient", Data::str(recipient)),
        ])
    }

    fn pgp(fp: &str) -> Data {
        map(vec![
            ("created_at", Data::str("2026-01-01T00:00:00Z")),
            ("enc", Data::str("x")),
            ("fp", Data::str(fp)),
        ])
    }

    fn list(items: &[Data]) -> Data {
        Data::List(items.to_vec())
    }

    fn ids(metadata: &Data) -> Vec<Vec<String>> {
        let groups = KeyGroups::from_data(metadata).expect("keys");
        let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect();
        groups.ids().into_iter().map(owned).collect()
    }

    #[test]
    fn keys_load_in_the_order_of_the_format_whatever_order_they_stand_in() {
        let metadata = map(vec![
            ("age", list(&[age("age1b"), age("age1a")])),
            ("pgp", list(&[pgp("F1")])),
            ("kms", list(&[map(vec![("arn", Data::str("arn:k"))])])),
        ]);
        assert_eq!(ids(&metadata), [["arn:k", "F1", "age1b", "age1a"]]);
    }

    #[test]
    fn key_groups_count_only_where_no_key_stands_at_the_top() {
        let groups = list(&[
            map(vec![("age", list(&[age("age1a")]))]),
            map(vec![("pgp", list(&[pgp("F1")])), ("age", list(&[]))]),
        ]);
        let both = map(vec![
            ("key_groups", groups.clone()),
            ("age", list(&[age("age1x")])),
        ]);
        assert_eq!(ids(&both), [["age1x"]]);
        let only = map(vec![("age", list(&[])), ("key_groups", groups)]);
        assert_eq!(ids(&only), [["age1a"], ["F1"]]);
    }

    #[test]
    fn null_a_lone_mapping_comments_and_other_cases_of_a_name_are_read() {
        let comment = Data::Comment(Zeroizing::new(b" me".to_vec()), false);
        let metadata = map(vec![
            ("kms", Data::null()),
            ("Age", age("age1a")),
            (
                "pgp",
                list(&[comment, Data::null(), map(vec![("FP", Data::str("F1"))])]),
            ),
            ("key_groups", Data::null()),
        ]);
        assert_eq!(ids(&metadata), [["F1", "age1a"]]);
    }

    #[test]
    fn an_exact_name_goes_before_another_case_of_it() {
        let metadata = map(vec![
            ("AGE", list(&[age("age1b")])),
            ("age", list(&[age("age1a")])),
        ]);
        assert_eq!(ids(&metadata), [["age1a"]]);
    }

    #[test]
    fn what_is_no_list_of_keys_is_said() {
        let load = |metadata| {
            KeyGroups::from_data(&map(metadata))
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(load(vec![]), LoadError::NoKeys);
        assert_eq!(
            load(vec![("key_groups", list(&[map(vec![])]))]),
            LoadError::NoKeys
        );
        let words = vec![("age", Data::str("age1a"))];
        assert_eq!(load(words), LoadError::NoList { field: "age" });
        let items = vec![("pgp", list(&[pgp("F"), Data::str("F1")]))];
        assert_eq!(
            load(items),
            LoadError::NoMap {
                field: "pgp",
                place: 2
            }
        );
    }

    #[test]
    fn a_threshold_is_read_in_every_spelling_that_sops_had() {
        let read = |data| threshold(Some(&data));
        assert_eq!(read(Data::int(2)), Ok(2));
        for text in ["2", " 2 ", "2.000000", "0x2"] {
            assert_eq!(read(Data::str(text)), Ok(2), "{text}");
        }
        assert_eq!(read(Data::bool(true)), Ok(1));
        assert_eq!(read(Data::null()), Ok(0));
        assert_eq!(threshold(None), Ok(0));
        for text in ["two", "-1", "2.5", "1e3", "99999999999999999999999"] {
            assert_eq!(read(Data::str(text)), Err(LoadError::Threshold), "{text}");
        }
    }

    #[test]
    fn one_group_is_written_as_lists_sorted_by_name() {
        let metadata = map(vec![
            ("age", list(&[age("age1b"), age("age1a")])),
            ("kms", list(&[map(vec![("arn", Data::str("arn:k"))])])),
        ]);
        let Data::Map(entries) = &metadata else {
            unreachable!()
        };
        let written = KeyGroups::from_data(&metadata).expect("keys").to_entries();
        let written = map(written);
        assert!(written == Data::Map(entries.clone()));
    }

    #[test]
    fn groups_are_written_with_the_empty_lists_that_sops_writes() {
        let metadata = map(vec![(
            "key_groups",
            list(&[
                map(vec![("age", list(&[age("age1a")]))]),
                map(vec![("pgp", list(&[pgp("F1")]))]),
            ]),
        )]);
        let written = map(KeyGroups::from_data(&metadata).expect("keys").to_entries());
        let expected = map(vec![(
            "key_groups",
            list(&[
                map(vec![
                    ("age", list(&[age("age1a")])),
                    ("hc_vault", list(&[])),
                ]),
                map(vec![
                    ("age", list(&[])),
                    ("hc_vault", list(&[])),
                    ("pgp", list(&[pgp("F1")])),
                ]),
            ]),
        )]);
        assert!(written == expected);
    }
}
