//! How what is published differs from what is there: by names, never by values.

use super::target::{Entry, Found, Kind};
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::fmt;

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing of this name is there; the names of the values that come.
    Added(Vec<String>),
    /// It is another; what becomes of which value.
    Changed(Vec<(Sign, String)>),
    /// It is the same.
    Same,
    /// It cannot be told whether it is.
    Unknown,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It comes.
    Added,
    /// It becomes another.
    Changed,
    /// It goes.
    Removed,
}

impl Change {
    /// The change that writing `entry` makes, where `found` is there.
    #[must_use]
    pub fn of(entry: &Entry, found: &Found) -> Self {
        match found {
            Found::Nothing => Self::Added(match entry.kind {
                Kind::Values => values(&entry.content).into_keys().collect(),
                _ => Vec::new(),
            }),
            Found::Other => Self::Changed(Vec::new()),
            Found::Unknown(_) => Self::Unknown,
            Found::Content(there) => Self::between(entry, there),
        }
    }

    fn between(entry: &Entry, there: &[u8]) -> Self {
        match &entry.kind {
            Kind::Recreated(origin) if origin.is_of(there) => Self::Same,
            _ if *entry.content == there => Self::Same,
            Kind::Values if is_object(there) => {
                let names = difference(&values(there), &values(&entry.content));
                if names.is_empty() {
                    Self::Same
                } else {
                    Self::Changed(names)
                }
            }
            _ => Self::Changed(Vec::new()),
        }
    }

    /// The names of values that it is about, each with what becomes of it.
    pub fn names(&self) -> Vec<(Sign, &str)> {
        match self {
            Self::Added(names) => names.iter().map(|n| (Sign::Added, n.as_str())).collect(),
            Self::Changed(names) => names.iter().map(|(s, n)| (*s, n.as_str())).collect(),
            Self::Same | Self::Unknown => Vec::new(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added(_) => "added",
            Self::Changed(_) => "changed",
            Self::Same => "same",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        })
    }
}

fn is_object(json: &[u8]) -> bool {
    serde_json::from_slice(json).is_ok_and(|value: Value| value.is_object())
}

/// The values of a JSON text by the way to them; a collection without values is one itself.
fn values(json: &[u8]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut open = vec![(
        String::new(),
        serde_json::from_slice(json).unwrap_or_default(),
    )];
    while let Some((way, value)) = open.pop() {
        let below = |step: &str| match &*way {
            "" => step.to_owned(),
            way => format!("{way}.{step}"),
        };
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                open.extend(entries.into_iter().map(|(key, value)| (below(&key), value)));
            }
            Value::Array(items) if !items.is_empty() => {
                let items = items.into_iter().enumerate();
                open.extend(items.map(|(at, value)| (format!("{way}[{at}]"), value)));
            }
            // An empty root has no values; any other value has a name.
            Value::Object(_) if way.is_empty() => {}
            value => drop(found.insert(way, value)),
        }
    }
    found
}

fn difference(
    there: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> Vec<(Sign, String)> {
    let mut names: Vec<(Sign, String)> = Vec::new();
    for (name, value) in new {
        match there.get(name) {
            None => names.push((Sign::Added, name.clone())),
            Some(known) if !is_same(known, value) => names.push((Sign::Changed, name.clone())),
            Some(_) => {}
        }
    }
    let gone = there.keys().filter(|name| !new.contains_key(*name));
    names.extend(gone.map(|name| (Sign::Removed, name.clone())));
    names.sort_by(|a, b| a.1.cmp(&b.1));
    names
}

/// A store may have rounded a number, or written `1.0` for `1`: writing it again changes nothing.
fn is_same(there: &Value, new: &Value) -> bool {
    match (there, new) {
        (Value::Number(there), Value::Number(new)) => {
            there == new
                || is_exact(new) && there.as_f64() == new.as_f64()
                || is_rounded(there, new)
        }
        _ => there == new,
    }
}

/// Whether no other whole number is the same floating point number.
fn is_exact(number: &Number) -> bool {
    const MOST: u64 = 1 << 53;
    number
        .as_i64()
        .is_none_or(|number| number.unsigned_abs() <= MOST)
}

/// Whether `there` is what floating point makes of `new`.
fn is_rounded(there: &Number, new: &Number) -> bool {
    let rounded = new.as_f64().map(|float| float.to_string());
    rounded.is_some_and(|rounded| rounded == there.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn change(new: &str, there: Option<&str>) -> Change {
        let entry = Entry {
            name: "n".to_owned(),
            steps: Vec::new(),
            content: Zeroizing::new(new.as_bytes().to_vec()),
            kind: Kind::Values,
        };
        let found = there.map_or(Found::Nothing, |there| {
            Found::Content(Zeroizing::new(there.as_bytes().to_vec()))
        });
        Change::of(&entry, &found)
    }

    #[test]
    fn values_are_compared_by_name_whatever_their_order_and_layout() {
        let new = r#"{"a":1,"b":{"c":["x","y"]},"d":{}}"#;
        assert_eq!(
            change(
                new,
                Some("{\"d\": {}, \"b\": {\"c\": [\"x\", \"y\"]},\n\"a\": 1.0}")
            ),
            Change::Same
        );
        let there = r#"{"a":1,"b":{"c":["x","z"]},"old":{"k":1}}"#;
        let names = [
            (Sign::Changed, "b.c[1]"),
            (Sign::Added, "d"),
            (Sign::Removed, "old.k"),
        ];
        assert_eq!(change(new, Some(there)).names(), names);
        let added = change(new, None);
        let names: Vec<_> = added.names().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b.c[0]", "b.c[1]", "d"]);
        assert_eq!(change(new, Some("not json")), Change::Changed(Vec::new()));
    }

    #[test]
    fn a_number_that_the_store_rounds_is_the_same_and_its_neighbour_is_not() {
        let there = r#"{"a":123456789012345680}"#;
        assert_eq!(
            change(r#"{"a":123456789012345678}"#, Some(there)),
            Change::Same
        );
        assert_ne!(
            change(r#"{"a":123456789012345}"#, Some(r#"{"a":123456789012346}"#)),
            Change::Same
        );
        assert_ne!(change(r#"{"a":"1"}"#, Some(r#"{"a":1}"#)), Change::Same);
    }
}
