//! The values of a document as variables of an environment: what each is called, how a value that
//! is no string is spelled, and what cannot be a variable.
//!
//! The rules are those of sops, which knows no nested values here: to join the keys on the way to
//! one into a name is ours.

use crate::crypto::{Token, TokenType};
use crate::document::scalar::{float_dotenv, parse_float};
use crate::document::time::{Layout, Time};
use crate::document::{Document, Kind, LeafKind, NoMarking, NodeId, Path, Type, Value, Way};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

/// How sops spells a null where everything is text: as Go prints it.
pub const GO_NULL: &str = "<nil>";

/// Which variables there are, and how they get their names.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// Join the keys (and list indexes) on the way to a nested value with `_`.
    pub flatten: bool,
    /// What stands before every name.
    pub prefix: String,
    /// Only what is at this place or below it; names start there, with the last key of the place
    /// where that is a single value.
    pub below: Path,
    /// How a null is spelled.
    pub null: &'static str,
}

/// A variable.
#[derive(Clone)]
pub struct Variable {
    /// Its name: not empty, without `=` and NUL.
    pub name: Vec<u8>,
    /// Its value: without NUL.
    pub value: Zeroizing<Vec<u8>>,
    /// Where the value stands.
    pub path: Path,
}

impl std::fmt::Debug for Variable {
    /// Shows the place only: the value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Variable({})", self.path)
    }
}

/// Why a document cannot be variables. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// A list or a mapping, where names are not joined.
    #[error("cannot use complex value in environment, offending key {0}")]
    Nested(Path),
    /// Values without keys.
    #[error("cannot use a file in environment whose root is not a mapping")]
    Root,
    /// Nothing stands where something was looked for.
    #[error("{0} not found")]
    NotFound(Path),
    /// A key that no name can be made of.
    #[error("cannot use key in environment, offending key {path}: {problem}")]
    Key {
        /// Where.
        path: Path,
        /// Why.
        problem: &'static str,
    },
    /// A value that holds a NUL.
    #[error("cannot use value with a NUL in environment, offending key {0}")]
    Nul(Path),
    /// Two values that would have one name.
    #[error("two values for the variable {name}: {first} and {second}")]
    Twice {
        /// The name.
        name: String,
        /// Where the one stands.
        first: Path,
        /// Where the other stands.
        second: Path,
    },
}

/// Where a plaintext does not show that a whole number is a floating point number.
#[derive(Debug, Default)]
pub struct Floats(HashSet<Path>);

impl Floats {
    /// The places where the tokens of an encrypted document say so; sops prints `1.0` there.
    #[must_use]
    pub fn of(encrypted: &Document) -> Self {
        let mut found = HashSet::new();
        let mut leaves = encrypted.leaves(NoMarking);
        while let Some(leaf) = leaves.advance().filter(|leaf| leaf.branch == 0) {
            let token = Token::parse(encrypted.value(leaf.id).text);
            let is_float = token.is_ok_and(|token| token.ty == TokenType::Float);
            if leaf.kind == LeafKind::Value && is_float {
                found.insert(leaves.path());
            }
        }
        Self(found)
    }
}

/// The variables that the first branch of `document`, a plaintext, stands for, in its order. Whole
/// numbers at one of `floats` are floating point numbers. Of a key that stands twice in one
/// mapping the last counts.
///
/// # Errors
/// [`VariableError`] for the first thing that cannot be one.
pub fn variables(
    document: &Document,
    floats: &Floats,
    naming: &Naming,
) -> Result<Vec<Variable>, VariableError> {
    let below = &naming.below;
    let Some(root) = document.find(0, below) else {
        let is_all = below.0.is_empty();
        let missing = || VariableError::NotFound(below.clone());
        return if is_all {
            Ok(Vec::new())
        } else {
            Err(missing())
        };
    };
    let root = document.node(root).target;
    match document.node(root).kind {
        Kind::Mapping if naming.flatten => {}
        Kind::Mapping => check_flat(document, root)?,
        Kind::Sequence if naming.flatten => {}
        Kind::Scalar if !below.0.is_empty() => {}
        _ => return Err(VariableError::Root),
    }
    let mut found: Vec<Variable> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance().filter(|leaf| leaf.branch == 0) {
        if leaf.kind == LeafKind::Comment {
            continue;
        }
        let path = leaves.path();
        if !path.0.starts_with(&below.0) {
            continue;
        }
        let name = naming.name(document, leaves.way(), &path)?;
        let mut value = document.value(leaf.id);
        let source = document.slice(document.node(leaf.id).span);
        if value.ty == Type::Int && floats.0.contains(&path) {
            value.ty = Type::Float;
        } else if value.ty == Type::Float && is_whole(source) {
            // too large for sops, which would round it
            value.text = source;
            value.ty = Type::Int;
        }
        let value = spelled(value, naming.null);
        if value.contains(&0) {
            return Err(VariableError::Nul(path));
        }
        let variable = Variable { name, value, path };
        match places.entry(variable.name.clone()) {
            Entry::Vacant(place) => {
                place.insert(found.len());
                found.push(variable);
            }
            Entry::Occupied(place) if found[*place.get()].path == variable.path => {
                found[*place.get()] = variable;
            }
            Entry::Occupied(place) => {
                return Err(VariableError::Twice {
                    name: String::from_utf8_lossy(&variable.name).into_owned(),
                    first: found.swap_remove(*place.get()).path,
                    second: variable.path,
                });
            }
        }
    }
    Ok(found)
}

/// Nothing nested, not even empty: the walk would pass that over.
fn check_flat(document: &Document, root: NodeId) -> Result<(), VariableError> {
    let nested = document.children(root).find(|&child| {
        let node = document.node(child);
        let kind = document.node(node.target).kind;
        !node.is_key && matches!(kind, Kind::Mapping | Kind::Sequence)
    });
    nested.map_or(Ok(()), |child| {
        Err(VariableError::Nested(document.path(child)))
    })
}

impl Naming {
    fn name(
        &self,
        document: &Document,
        way: &[Way],
        path: &Path,
    ) -> Result<Vec<u8>, VariableError> {
        let mut name = self.prefix.clone().into_bytes();
        // the place itself is in no name, but for a value that stands right there
        let above = self.below.0.len().min(way.len().saturating_sub(1));
        for (at, step) in way[above..].iter().enumerate() {
            if at > 0 {
                name.push(b'_');
            }
            match *step {
                Way::Index(index) => name.extend_from_slice(index.to_string().as_bytes()),
                Way::Key(key) => {
                    let text = document.key_text(key);
                    if let Some(problem) = unfit(document, key, text) {
                        let path = path.clone();
                        return Err(VariableError::Key { path, problem });
                    }
                    name.extend_from_slice(text);
                }
            }
        }
        Ok(name)
    }
}

/// Why a key cannot be (a part of) a name.
fn unfit(document: &Document, key: NodeId, text: &[u8]) -> Option<&'static str> {
    let node = document.node(document.node(key).target);
    if node.kind != Kind::Scalar || node.ty != Type::Str {
        Some("it is not a string")
    } else if text.is_empty() {
        Some("it is empty")
    } else if text.contains(&b'=') {
        Some("it contains `=`")
    } else if text.contains(&0) {
        Some("it contains a NUL")
    } else {
        None
    }
}

fn is_whole(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// A value as sops spells it in dotenv files and environments, but for a null.
fn spelled(value: Value<'_>, null: &str) -> Zeroizing<Vec<u8>> {
    let text = value.text;
    let spelled = match value.ty {
        Type::Str | Type::Int => text.to_vec(),
        Type::Null => null.as_bytes().to_vec(),
        Type::Bool => text.to_ascii_lowercase(),
        Type::Float => match parse_float(text) {
            Some(number) => float_dotenv(number).into_bytes(),
            // out of sops's range: as it is
            None => text.to_vec(),
        },
        Type::Time => whole_seconds(text),
    };
    Zeroizing::new(spelled)
}

/// A point in time (RFC 3339) without the fraction of its second.
fn whole_seconds(time: &[u8]) -> Vec<u8> {
    let digits = |rest: &[u8]| rest.iter().take_while(|b| b.is_ascii_digit()).count();
    match memchr::memchr(b'.', time) {
        Some(point) if Time::parse(time, Layout::RFC3339).is_some() => {
            let behind = &time[point + 1..];
            [&time[..point], &behind[digits(behind)..]].concat()
        }
        _ => time.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Json, ParseOptions, Store, Yaml};
    use proptest::prelude::*;

    fn parsed(store: &dyn Store, text: &str) -> Document {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        let options = ParseOptions {
            allow_duplicate_keys: true,
            ..ParseOptions::default()
        };
        store.parse(text, options).unwrap()
    }

    /// The variables as `NAME=value`, or the error.
    fn listed(store: &dyn Store, text: &str, naming: &Naming) -> Result<Vec<String>, String> {
        let found = variables(&parsed(store, text), &Floats::default(), naming)
            .map_err(|error| error.to_string())?;
        let shown = found.iter().map(|variable| {
            let (name, value) = (&variable.name, &variable.value);
            format!(
                "{}={}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        });
        Ok(shown.collect())
    }

    fn flat(text: &str) -> Result<Vec<String>, String> {
        let naming = Naming {
            null: GO_NULL,
            ..Naming::default()
        };
        listed(&Yaml, text, &naming)
    }

    fn flattened(text: &str) -> Result<Vec<String>, String> {
        let naming = Naming {
            flatten: true,
            null: GO_NULL,
            ..Naming::default()
        };
        listed(&Yaml, text, &naming)
    }

    #[test]
    fn values_are_spelled_as_sops_spells_them() {
        let text = "s: a b \ni: 007\nf: 1.5\ng: 2e6\nh: 200000.0\nb: yes\nc: TRUE\nt: 2024-01-02\n\
                    u: 2024-01-02T03:04:05.678+01:00\nn: ~\ne: ''\n# no\nm: |\n  x\n  y\nz: 1e-7\n\
                    inf: .inf\n";
        let expected = [
            "s=a b",
            "i=7",
            "f=1.5",
            "g=2E+06",
            "h=200000.0",
            "b=yes",
            "c=true",
            "t=2024-01-02T00:00:00Z",
            "u=2024-01-02T03:04:05+01:00",
            "n=<nil>",
            "e=",
            "m=x\ny\n",
            "z=1E-07",
            "inf=+Inf",
        ];
        assert_eq!(flat(text).unwrap(), expected);
    }

    #[test]
    fn a_float_stays_one_where_only_its_token_shows_it() {
        let token =
            "ENC[AES256_GCM,data:yA==,iv:AAAAAAAAAAAAAAAA,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:float]";
        let encrypted = parsed(&Yaml, &format!("a: {token}\nb: {token}\nc: 1\n"));
        let plain = parsed(&Yaml, "a: 1\nb: '1'\nc: 1\n");
        let found = variables(&plain, &Floats::of(&encrypted), &Naming::default()).unwrap();
        let values: Vec<&[u8]> = found.iter().map(|v| v.value.as_slice()).collect();
        assert_eq!(values, [&b"1.0"[..], b"1", b"1"]);
    }

    #[test]
    fn numbers_that_sops_has_no_room_for_stay_as_they_are() {
        let text = r#"{"a": 18446744073709551616, "b": -92233720368547758080}"#;
        let found = listed(&Json, text, &Naming::default()).unwrap();
        assert_eq!(found, ["a=18446744073709551616", "b=-92233720368547758080"]);
    }

    #[test]
    fn nested_values_need_joined_names() {
        for text in ["x: 1\na: {b: 1}\n", "x: 1\na: []\n", "x: 1\na: {}\n"] {
            let error = "cannot use complex value in environment, offending key a";
            assert_eq!(flat(text).unwrap_err(), error);
        }
        assert_eq!(
            flattened("a:\n  b: 1\n  c:\n  - x\n  # no\n  - {y: 2}\nd: {}\ne: []\n").unwrap(),
            ["a_b=1", "a_c_0=x", "a_c_1_y=2"]
        );
        assert_eq!(flattened("- x\n- y\n").unwrap(), ["0=x", "1=y"]);
    }

    #[test]
    fn aliases_stand_for_what_they_name() {
        assert_eq!(flat("a: &x 1\nb: *x\n").unwrap(), ["a=1", "b=1"]);
        assert!(
            flattened("a: &x {c: 1}\nb: *x\n")
                .unwrap()
                .contains(&"b_c=1".to_owned())
        );
        assert!(flat("a: &x 1\nb: &y {c: 1}\nd: *y\n").is_err());
    }

    #[test]
    fn names_that_meet_are_an_error_that_says_where() {
        assert_eq!(
            flattened("a_b: 1\na: {b: 2}\n").unwrap_err(),
            "two values for the variable a_b: a_b and a.b"
        );
        assert_eq!(flat("a: 1\nb: 2\na: 3\n").unwrap(), ["a=3", "b=2"]);
    }

    #[test]
    fn keys_that_are_no_names_are_errors() {
        for (text, problem) in [
            ("'': 1\n", "empty"),
            ("a=b: 1\n", "`=`"),
            ("\"a\\0\": 1\n", "NUL"),
            ("1: 1\n", "not a string"),
        ] {
            let error = flat(text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        assert!(
            flat("a: \"x\\0hunter2\"\n")
                .unwrap_err()
                .ends_with("offending key a")
        );
        assert!(flattened("a: {'': 1}\n").is_err());
        assert!(flat("scalar\n").is_err() && flat("[a]\n").is_err());
    }

    #[test]
    fn only_the_first_branch_counts_and_an_empty_one_is_nothing() {
        assert_eq!(flat("a: 1\n---\nb: 2\n").unwrap(), ["a=1"]);
        assert_eq!(flat("# nothing\n").unwrap(), [""; 0]);
        assert_eq!(flat("---\n# nothing\n---\nb: [1]\n").unwrap(), [""; 0]);
    }

    #[test]
    fn a_prefix_stands_before_every_name() {
        let naming = Naming {
            flatten: true,
            prefix: "APP_".into(),
            ..Naming::default()
        };
        let found = listed(&Yaml, "a: {b: 1}\nc: 2\n", &naming);
        assert_eq!(found.unwrap(), ["APP_a_b=1", "APP_c=2"]);
    }

    #[test]
    fn names_start_below_the_place_that_is_asked_for() {
        let text = "x: 1\na: &a\n  b: {c: 2, d: ~}\n  l: [5, 6]\n  s: 'y'\n'1': *a\n";
        for (below, flatten, expected) in [
            ("a.b", false, Ok("c=2 d=")),
            ("a", true, Ok("b_c=2 b_d= l_0=5 l_1=6 s=y")),
            ("a.s", false, Ok("s=y")),
            ("a.l[1]", false, Ok("1=6")),
            ("[\"1\"][\"b\"]", false, Ok("c=2 d=")),
            ("a.l", false, Err("root is not a mapping")),
            ("a", false, Err("offending key a.b")),
            ("a.z", false, Err("a.z not found")),
            ("x.y", false, Err("x.y not found")),
        ] {
            let naming = Naming {
                flatten,
                below: Path::parse(below).unwrap(),
                ..Naming::default()
            };
            let found = listed(&Yaml, text, &naming);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.join(" "), expected, "{below}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{below}: {error}"),
                (found, _) => panic!("{below}: {found:?}"),
            }
        }
    }

    proptest! {
        /// What the operating system demands holds for everything that is let through.
        #[test]
        fn every_variable_can_be_one(text in "([ab=_0\\[\\]{}:,\"' \n-]|\\\\0){0,24}", flatten: bool) {
            let source = Zeroizing::new(text.into_bytes());
            let Ok(document) = Yaml.parse(source, ParseOptions::default()) else {
                return Ok(());
            };
            let naming = Naming { flatten, ..Naming::default() };
            let found = variables(&document, &Floats::default(), &naming).unwrap_or_default();
            let mut names: Vec<_> = found.iter().map(|variable| &variable.name).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), found.len());
            for variable in &found {
                prop_assert!(!variable.name.is_empty());
                prop_assert!(!variable.name.iter().any(|b| matches!(b, b'=' | 0)));
                prop_assert!(!variable.value.contains(&0));
            }
        }
    }
}
