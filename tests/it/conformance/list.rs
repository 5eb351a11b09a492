//! Reads the list of cases; the head of `cases.txt` says how it is written.

use super::compare::Aspect;
use crate::support::repository;
use std::collections::BTreeMap;
use std::fmt;

/// What `$NAME` stands for in the list.
pub(super) type Variables = BTreeMap<String, String>;

/// How the results of the two programs are to relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// Plaintext has the same bytes.
    Bytes,
    /// Plaintext has the same data.
    Data,
    /// What is printed is for people, and not compared.
    Prose,
}

/// A case of the list.
pub(super) struct Entry {
    /// Its line in the list.
    pub(super) number: usize,
    /// The heading it stands under.
    pub(super) heading: String,
    /// The command line as it is written there.
    pub(super) text: String,
    pub(super) relation: Relation,
    /// Where it differs, and why.
    pub(super) difference: Option<Difference>,
}

/// A difference that is meant.
pub(super) struct Difference {
    /// What differs, in the order of [`Aspect`].
    pub(super) aspects: Vec<Aspect>,
    pub(super) reason: String,
}

/// What a command reads from stdin.
pub(super) enum Input {
    Nothing,
    Text(String),
    File(String),
}

/// A command line whose variables have their values.
pub(super) struct Line {
    pub(super) folder: Option<String>,
    /// Variables that are set, and those that are taken away.
    pub(super) environment: Vec<(String, Option<String>)>,
    pub(super) args: Vec<String>,
    pub(super) input: Input,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cases.txt:{}: {}", self.number, self.text)
    }
}

/// Every case of the list.
pub(super) fn read() -> Vec<Entry> {
    let path = repository("tests/it/conformance/cases.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    let mut heading = String::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut heading);
        } else if let Some(difference) = line.strip_prefix("    differs in ") {
            let entry = entries.last_mut().expect("a case before its exception");
            entry.difference = Some(read_difference(difference, number));
        } else {
            let (sign, text) = line.split_once(' ').unwrap_or((line, ""));
            let relation = match sign {
                "=" => Relation::Bytes,
                "~" => Relation::Data,
                "." => Relation::Prose,
                _ => panic!("cases.txt:{number}: no relation: {line}"),
            };
            entries.push(Entry {
                number,
                heading: heading.clone(),
                text: text.trim().to_owned(),
                relation,
                difference: None,
            });
        }
    }
    entries
}

fn read_difference(text: &str, number: usize) -> Difference {
    let (aspects, reason) = text
        .split_once(": ")
        .unwrap_or_else(|| panic!("cases.txt:{number}: an exception needs a reason"));
    let named = |name: &str| {
        Aspect::ALL
            .into_iter()
            .find(|aspect| aspect.to_string() == name)
            .unwrap_or_else(|| panic!("cases.txt:{number}: no aspect is called {name}"))
    };
    let mut aspects: Vec<Aspect> = aspects.split(", ").map(named).collect();
    aspects.sort();
    Difference {
        aspects,
        reason: reason.to_owned(),
    }
}

impl Entry {
    /// The command line, its variables replaced.
    pub(super) fn line(&self, variables: &Variables) -> Line {
        let mut line = Line {
            folder: None,
            environment: Vec::new(),
            args: Vec::new(),
            input: Input::Nothing,
        };
        let mut words = words(&self.text, variables).into_iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().expect("a word behind the sign").text;
            match word.text.as_str() {
                "<" if word.bare => line.input = Input::File(next()),
                "<<<" if word.bare => line.input = Input::Text(next() + "\n"),
                text if !line.args.is_empty() => line.args.push(text.to_owned()),
                text if word.bare && text.starts_with('@') => {
                    line.folder = Some(text[1..].to_owned());
                }
                text if word.bare && text.starts_with('!') => {
                    line.environment.push((text[1..].to_owned(), None));
                }
                text => match text.split_once('=') {
                    Some((name, value)) if is_variable(name) => line
                        .environment
                        .push((name.to_owned(), Some(value.to_owned()))),
                    _ => line.args.push(text.to_owned()),
                },
            }
        }
        line
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A word of a command line.
struct Word {
    text: String,
    /// It is written without quotes.
    bare: bool,
}

/// Splits a line as a shell does: quotes, and variables outside of single quotes.
fn words(text: &str, variables: &Variables) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quote.is_none() && c == ' ' {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert(Word {
            text: String::new(),
            bare: true,
        });
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.bare = false;
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.text.extend(chars.next()),
            (None | Some('"'), '$') => {
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_uppercase() || *c == '_') {
                    name.push(c);
                }
                let value = variables.get(&name);
                word.text += value.unwrap_or_else(|| panic!("no variable ${name}: {text}"));
            }
            (_, c) => word.text.push(c),
        }
    }
    assert!(quote.is_none(), "an open quote: {text}");
    words.extend(word);
    words
}
