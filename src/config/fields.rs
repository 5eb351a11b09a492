//! Typed reading of a mapping in the configuration: every error knows its place, every
//! key that nobody asked for is remembered, `<<` is merged.

use crate::document::{Data, Type};
use crate::metadata::SelectionError;
use crate::metadata::re2::PatternError;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a configuration file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {place}: {problem}", file.display())]
pub struct ConfigError {
    /// The configuration file.
    pub file: PathBuf,
    /// Where inside the file, such as `creation_rules[1].age`.
    pub place: Place,
    /// What is wrong there.
    #[source]
    pub problem: Problem,
}

/// What is wrong at a place of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}{}", hint(expected, found))]
    Type {
        /// What would have been right.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A `path_regex` that is no pattern.
    #[error("path_regex {pattern:?}: {source}")]
    PathRegex {
        /// Its text.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// Selectors that are contradictory or broken.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A cipher that does not exist.
    #[error("unknown cipher {name:?}, expected one of {}", super::CIPHERS.join(", "))]
    Cipher {
        /// The name in the file.
        name: String,
    },
    /// A word that is no name and no recipient.
    #[error("there is no recipient or group called {name:?}{}", meant(.suggestion.as_deref()))]
    UnknownName {
        /// The word.
        name: String,
        /// A name that is like it.
        suggestion: Option<String>,
    },
    /// A text that is not shown, as it may be a secret.
    #[error(
        "what stands there is neither a name nor a recipient whose kind can be told \
         (age1…, ssh-…, a fingerprint, an ARN; else say it: {{pgp: …}})"
    )]
    NoRecipient,
    /// A key of `recipients` or `groups` that cannot be a name.
    #[error(
        "a name is made of at most 64 letters, digits and . _ - @ / + and does not look like a key"
    )]
    Name,
    /// A name that stands for two things.
    #[error("{name:?} is defined already")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// Groups that hold one another.
    #[error("groups go in a circle: {}", .circle.join(" -> "))]
    Circle {
        /// The groups, the first once more at the end.
        circle: Vec<String>,
    },
    /// `bulla.recipients` in a rule that has key groups.
    #[error("key_groups stand beside it: write it into one of them")]
    BesideGroups,
    /// A destination rule that names several.
    #[error("more than one destination ({}), a rule has one", names.join(", "))]
    Destinations {
        /// The keys that name them.
        names: Vec<&'static str>,
    },
    /// A `content` that does not exist.
    #[error("unknown content {name:?}, expected one of json, file, values")]
    Content {
        /// The name in the file.
        name: String,
    },
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn hint(expected: &str, found: &str) -> &'static str {
    let quotable = matches!(found, "a number" | "true or false" | "a timestamp");
    if quotable && expected.starts_with("a text") {
        " (put it in quotes)"
    } else {
        ""
    }
}

impl ConfigError {
    pub(crate) fn new(place: Place, problem: impl Into<Problem>) -> Self {
        Self {
            file: PathBuf::new(),
            place,
            problem: problem.into(),
        }
    }

    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        file.clone_into(&mut self.file);
        self
    }
}

/// A place inside the file, such as `creation_rules[1].age`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    pub(super) fn key(&self, name: &str) -> Self {
        match &*self.0 {
            "" => Self(name.to_owned()),
            place => Self(format!("{place}.{name}")),
        }
    }

    fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "the root"
        } else {
            &self.0
        })
    }
}

type Read<T> = Result<T, ConfigError>;

#[cfg(test)]
thread_local! {
    /// Every place that was asked for.
    pub(super) static ASKED: std::cell::RefCell<Vec<String>> = const {
        std::cell::RefCell::new(Vec::new())
    };
}

/// The entries of a mapping that have not been asked for yet.
pub(crate) struct Fields<'d> {
    place: Place,
    entries: Vec<(&'d [u8], &'d Data)>,
}

impl<'d> Fields<'d> {
    /// The entries of `data`, those of merge keys (`<<`) behind its own.
    pub(crate) fn new(data: &'d Data, place: Place) -> Read<Self> {
        let Data::Map(own) = data else {
            return Err(mistyped(data, place, "a mapping"));
        };
        let mut entries: Vec<(&[u8], &Data)> = Vec::with_capacity(own.len());
        let mut known = HashSet::new();
        let mut maps = vec![own];
        while let Some(map) = maps.pop() {
            let mut merged = Vec::new();
            for (key, value) in map {
                match value {
                    Data::Comment(..) => {}
                    _ if key == b"<<" => merged.extend(maps_to_merge(value)),
                    _ if known.insert(key) => entries.push((key, value)),
                    _ => {}
                }
            }
            // The first to merge comes off the stack first.
            maps.extend(merged.into_iter().rev());
        }
        Ok(Self { place, entries })
    }

    /// The value of `name`; a null is no value.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'d Data> {
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.push(self.place(name).0));
        let at = self
            .entries
            .iter()
            .position(|(key, _)| *key == name.as_bytes())?;
        let (_, value) = self.entries.remove(at);
        Some(value).filter(|value| !matches!(value, Data::Scalar(Type::Null, _)))
    }

    /// Where `name` stands.
    pub(crate) fn place(&self, name: &str) -> Place {
        self.place.key(name)
    }

    /// Where the mapping stands.
    pub(super) fn own_place(&self) -> Place {
        self.place.clone()
    }

    /// A text; empty counts as none.
    pub(crate) fn text(&mut self, name: &str) -> Read<Option<&'d str>> {
        let place = self.place(name);
        let text = self
            .take(name)
            .map(|value| text(value, place))
            .transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A truth value, also in the words of YAML 1.1.
    pub(super) fn truth(&mut self, name: &str) -> Read<bool> {
        let Some(value) = self.take(name) else {
            return Ok(false);
        };
        match (value, value.text()) {
            (Data::Scalar(Type::Bool, _), Some(text)) => Ok(text == "True"),
            (Data::Scalar(Type::Str, _), Some(text)) => match text {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(false),
                _ => Err(mistyped(value, self.place(name), "true or false")),
            },
            _ => Err(mistyped(value, self.place(name), "true or false")),
        }
    }

    /// A whole number that is at least `least`.
    pub(super) fn number(&mut self, name: &str, least: i64) -> Read<Option<i64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let expected = "a whole number";
        let number = match value {
            Data::Scalar(Type::Int, _) => value.text().and_then(|text| text.parse().ok()),
            _ => None,
        };
        match number {
            None => Err(mistyped(value, self.place(name), expected)),
            Some(number) if number < least => {
                let found = "a number below the least";
                Err(ConfigError::new(
                    self.place(name),
                    Problem::Type { expected, found },
                ))
            }
            Some(number) => Ok(Some(number)),
        }
    }

    /// A list, each item with its place.
    pub(crate) fn list(&mut self, name: &str) -> Read<Option<Vec<(&'d Data, Place)>>> {
        let place = self.place(name);
        self.take(name).map(|value| list(value, &place)).transpose()
    }

    /// A mapping.
    pub(crate) fn mapping(&mut self, name: &str) -> Read<Option<Fields<'d>>> {
        let place = self.place(name);
        self.take(name)
            .map(|value| Fields::new(value, place))
            .transpose()
    }

    /// What has not been asked for, as data.
    pub(super) fn rest(self) -> Vec<(Vec<u8>, Data)> {
        let owned = |(key, value): (&[u8], &Data)| (key.to_vec(), value.clone());
        self.entries.into_iter().map(owned).collect()
    }

    /// Every entry with its place.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'d [u8], &'d Data, Place)> {
        let Self { place, entries } = self;
        entries.into_iter().map(move |(key, value)| {
            let place = place.key(&String::from_utf8_lossy(key));
            (key, value, place)
        })
    }

    /// Tells the places of what has not been asked for.
    pub(crate) fn finish(self, unknown: &mut Vec<String>) {
        for (key, _) in self.entries {
            unknown.push(self.place.key(&String::from_utf8_lossy(key)).0);
        }
    }
}

fn maps_to_merge(value: &Data) -> Vec<&Vec<(Vec<u8>, Data)>> {
    fn entries(data: &Data) -> Option<&Vec<(Vec<u8>, Data)>> {
        match data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }
    match value {
        Data::List(items) => items.iter().filter_map(entries).collect(),
        _ => entries(value).into_iter().collect(),
    }
}

/// The items of a list with their places.
pub(super) fn list<'d>(value: &'d Data, place: &Place) -> Read<Vec<(&'d Data, Place)>> {
    let Data::List(items) = value else {
        return Err(mistyped(value, place.clone(), "a list"));
    };
    let values = items
        .iter()
        .filter(|item| !matches!(item, Data::Comment(..)));
    Ok(values
        .enumerate()
        .map(|(i, item)| (item, place.index(i)))
        .collect())
}

/// A text. Numbers are none: their spelling is not known any more.
pub(super) fn text(value: &Data, place: Place) -> Read<&str> {
    match (value, value.text()) {
        (Data::Scalar(Type::Str, _), Some(text)) => Ok(text),
        _ => Err(mistyped(value, place, "a text")),
    }
}

/// The error of a value that is not what was expected.
pub(super) fn mistyped(value: &Data, place: Place, expected: &'static str) -> ConfigError {
    let found = match value {
        Data::Scalar(Type::Null, _) => "nothing",
        Data::Scalar(Type::Str, _) => "a text",
        Data::Scalar(Type::Int | Type::Float, _) => "a number",
        Data::Scalar(Type::Bool, _) => "true or false",
        Data::Scalar(Type::Time, _) => "a timestamp",
        Data::List(_) => "a list",
        Data::Map(_) => "a mapping",
        Data::Comment(..) => "a comment",
    };
    ConfigError::new(place, Problem::Type { expected, found })
}
