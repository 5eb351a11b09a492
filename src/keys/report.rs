//! The report of a data key that could not be recovered, laid out as sops does.
//!
//! Scripts look for its lines: `Group N: FAILED`, two columns in `ID: FAILED`, two more in each
//! reason, wrapped at 60 columns behind `- | ` and `  | `; blank lines between all of them; at
//! the end a paragraph wrapped at 75 columns.

use super::age::AgeError;
use super::{KeyTrial, Trial, UnwrapError};
use crate::crypto::ShamirError;
use std::fmt;

/// Columns of a reason.
const REASON_WIDTH: usize = 60;

/// Columns of the closing paragraph.
const CLOSING_WIDTH: usize = 75;

/// Why a file's data key could not be recovered. Its text is the whole report.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Too few groups could be opened.
    #[error("{}", report(.groups, *.needed, &|_| None))]
    Groups {
        /// What became of each group, in the order of the file.
        groups: Vec<GroupOutcome>,
        /// How many had to be opened.
        needed: usize,
    },
    /// The shares of the groups do not fit together.
    #[error("Failed to get the data key from the shares of the key groups: {0}")]
    Shares(#[from] ShamirError),
    /// What the groups hold makes no key.
    #[error("Failed to get the data key: what the master keys hold has {found} bytes, not 32")]
    Length {
        /// Bytes of it.
        found: usize,
    },
}

impl KeyError {
    /// True unless some identity is there, and only could not be used.
    #[must_use]
    pub fn lacks_identity(&self) -> bool {
        let reasons = self.reasons().into_iter();
        reasons
            .filter_map(UnwrapError::age)
            .all(AgeError::lacks_identity)
    }
}

/// What became of a group.
#[derive(Debug)]
pub enum GroupOutcome {
    /// A key of it yielded its part.
    Opened,
    /// None did; the keys in the order in which they were tried.
    Failed(Vec<KeyFailure>),
}

/// What was tried with one master key.
#[derive(Debug)]
pub struct KeyFailure {
    /// The master key's id.
    pub id: String,
    /// Every reason there is.
    pub reasons: Vec<UnwrapError>,
}

impl KeyError {
    /// Every reason for which a key did not open.
    #[must_use]
    pub fn reasons(&self) -> Vec<&UnwrapError> {
        let Self::Groups { groups, .. } = self else {
            return Vec::new();
        };
        let failures = groups.iter().flat_map(|group| match group {
            GroupOutcome::Failed(keys) => keys.as_slice(),
            GroupOutcome::Opened => &[],
        });
        failures.flat_map(|key| &key.reasons).collect()
    }

    /// The report, with a name behind each key for which `name` has one: `ID: FAILED (alice)`.
    #[must_use]
    pub fn report(&self, name: NameOf<'_>) -> String {
        match self {
            Self::Groups { groups, needed } => report(groups, *needed, name),
            other => other.to_string(),
        }
    }
}

/// What the user calls the key with this id.
type NameOf<'a> = &'a dyn Fn(&str) -> Option<String>;

fn report(groups: &[GroupOutcome], needed: usize, name: NameOf<'_>) -> String {
    let mut blocks = vec!["Failed to get the data key that opens this file.".to_owned()];
    blocks.extend(
        groups
            .iter()
            .enumerate()
            .map(|(n, group)| group_block(n, group, name)),
    );
    blocks.push(wrapped(&closing(groups, needed), CLOSING_WIDTH).join("\n"));
    blocks.join("\n\n")
}

fn group_block(number: usize, group: &GroupOutcome, name: NameOf<'_>) -> String {
    match group {
        GroupOutcome::Opened => format!("Group {number}: SUCCESS"),
        GroupOutcome::Failed(keys) => {
            let block = |key: &KeyFailure| key_block(&key.id, &key.reasons, name);
            let keys: Vec<String> = keys.iter().map(block).collect();
            let body = indented(&keys.join("\n\n"));
            format!("Group {number}: FAILED\n{body}")
        }
    }
}

impl Trial {
    /// Every reason for which a key did not open.
    #[must_use]
    pub fn reasons(&self) -> Vec<&UnwrapError> {
        let keys = self.groups.iter().flatten();
        keys.flat_map(|key| &key.reasons).collect()
    }

    /// What came of each key of each group, laid out as the report of a failure, but with the
    /// keys that opened.
    #[must_use]
    pub fn report(&self, name: NameOf<'_>) -> String {
        let group = |(number, keys): (usize, &Vec<KeyTrial>)| {
            let opened = keys.iter().any(|key| key.reasons.is_empty());
            let verdict = if opened { "SUCCESS" } else { "FAILED" };
            let block = |key: &KeyTrial| key_block(&key.id, &key.reasons, name);
            let keys: Vec<String> = keys.iter().map(block).collect();
            let body = indented(&keys.join("\n\n"));
            format!("Group {number}: {verdict}\n{body}")
        };
        let blocks: Vec<String> = self.groups.iter().enumerate().map(group).collect();
        blocks.join("\n\n")
    }
}

/// A key and why it failed; without a reason it did not.
fn key_block(id: &str, reasons: &[UnwrapError], name: NameOf<'_>) -> String {
    let known = name(id).map(|name| format!(" ({})", Printable(&name)));
    let known = known.unwrap_or_default();
    if reasons.is_empty() {
        return format!("{}: SUCCESS{known}", Printable(id));
    }
    let reasons: Vec<String> = reasons.iter().map(reason_block).collect();
    let body = indented(&reasons.join("\n\n"));
    format!("{}: FAILED{known}\n{body}", Printable(id))
}

fn reason_block(reason: &UnwrapError) -> String {
    let text = Printable(&reason.to_string()).to_string();
    let lines = wrapped(&text, REASON_WIDTH);
    let marks = std::iter::once("- | ").chain(std::iter::repeat("  | "));
    let lines: Vec<String> = marks
        .zip(&lines)
        .map(|(mark, line)| format!("{mark}{line}"))
        .collect();
    lines.join("\n")
}

fn closing(groups: &[GroupOutcome], needed: usize) -> String {
    if let [_] = groups {
        return "None of the master keys could open the file, and one of them is enough. \
                A key opens it where its secret half, or the right to use it, is at hand."
            .to_owned();
    }
    let opened = groups
        .iter()
        .filter(|g| matches!(g, GroupOutcome::Opened))
        .count();
    format!(
        "The data key is shared among {} key groups, and {needed} of them have to be opened. \
         Only {opened} could be. Any key of a group opens that group.",
        groups.len()
    )
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// Breaks `text` between words into lines of at most `width` characters; a longer word has a
/// line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let columns = word.chars().count();
        if used > 0 && used + 1 + columns > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += columns;
    }
    lines.push(line);
    lines
}

/// Text from a file, with what could steer a terminal or reorder a line made visible.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes read back from a report of sops whose sentences are masked.
    fn groups_of(report: &str) -> Vec<GroupOutcome> {
        let mut groups = Vec::new();
        for line in report.lines() {
            if line.starts_with("Group ") && line.ends_with(": SUCCESS") {
                groups.push(GroupOutcome::Opened);
            } else if line.starts_with("Group ") {
                groups.push(GroupOutcome::Failed(Vec::new()));
            } else if let Some(GroupOutcome::Failed(keys)) = groups.last_mut() {
                read_key_line(keys, line);
            }
        }
        groups
    }

    fn read_key_line(keys: &mut Vec<KeyFailure>, line: &str) {
        if let Some(id) = line.strip_suffix(": FAILED") {
            let (id, reasons) = (id.trim().to_owned(), Vec::new());
            keys.push(KeyFailure { id, reasons });
        } else if let (Some((_, words)), Some(key)) = (line.split_once("| "), keys.last_mut()) {
            let before = key.reasons.pop().map(|reason| reason.to_string());
            let text = before.map_or(words.to_owned(), |before| format!("{before} {words}"));
            key.reasons.push(UnwrapError::Provider(text.into()));
        }
    }

    /// The report without its first and its last paragraph, and the last one.
    fn body_and_closing(report: &str) -> (&str, &str) {
        let (_, rest) = report
            .trim_end_matches('\n')
            .split_once("\n\n")
            .expect("first sentence");
        rest.rsplit_once("\n\n").expect("closing paragraph")
    }

    #[test]
    fn reports_are_laid_out_as_sops_lays_them_out() {
        for (theirs, count) in [
            (include_str!("../../testdata/keys/report-none.txt"), 1),
            (include_str!("../../testdata/keys/report-wrong.txt"), 1),
            (
                include_str!("../../testdata/keys/report-one-of-three.txt"),
                3,
            ),
        ] {
            let groups = groups_of(theirs);
            assert_eq!(groups.len(), count);
            let ours = KeyError::Groups { groups, needed: 2 }.to_string();
            let (our_body, _) = body_and_closing(&ours);
            let (their_body, their_closing) = body_and_closing(theirs);
            assert_eq!(our_body, their_body);
            assert_eq!(
                wrapped(their_closing, CLOSING_WIDTH).join("\n"),
                their_closing
            );
        }
    }

    #[test]
    fn several_reasons_stand_apart() {
        let reasons = vec![
            UnwrapError::NoService { provider: "kms" },
            UnwrapError::NotWrapped,
        ];
        let groups = vec![GroupOutcome::Failed(vec![KeyFailure {
            id: "arn:k".to_owned(),
            reasons,
        }])];
        let report = KeyError::Groups { groups, needed: 1 }.to_string();
        let (body, _) = body_and_closing(&report);
        let expected = "Group 0: FAILED\n  arn:k: FAILED\n    \
             - | there is no service to ask for kms keys\n    \n    \
             - | the file holds no data key for this recipient";
        assert_eq!(body, expected);
    }

    #[test]
    fn a_name_stands_behind_what_scripts_look_for() {
        let reasons = vec![UnwrapError::NotWrapped];
        let groups = vec![GroupOutcome::Failed(vec![KeyFailure {
            id: "age1a".to_owned(),
            reasons,
        }])];
        let error = KeyError::Groups { groups, needed: 1 };
        let alice = |id: &str| (id == "age1a").then(|| "alice".to_owned());
        assert!(error.report(&alice).contains("\n  age1a: FAILED (alice)\n"));
        assert_eq!(error.report(&|_| None), error.to_string());
    }

    #[test]
    fn a_trial_shows_what_opened_and_what_did_not() {
        let key = |id: &str, reasons| KeyTrial {
            id: id.to_owned(),
            provider: "age",
            reasons,
        };
        let trial = Trial {
            groups: vec![
                vec![key("a", vec![]), key("b", vec![UnwrapError::NotWrapped])],
                vec![key("c", vec![UnwrapError::NotWrapped])],
            ],
            key: None,
        };
        let lines = "Group 0: SUCCESS\n  a: SUCCESS\n  \n  b: FAILED\n    \
            - | the file holds no data key for this recipient\n\n\
            Group 1: FAILED\n  c: FAILED\n    - | the file holds no data key for this recipient";
        assert_eq!(trial.report(&|_| None), lines);
    }

    #[test]
    fn a_long_word_has_its_own_line_and_is_not_broken() {
        let long = "x".repeat(70);
        assert_eq!(wrapped(&format!("a {long} b"), 60), ["a", &long, "b"]);
        assert_eq!(wrapped("", 60), [""]);
    }

    #[test]
    fn a_recipient_cannot_steer_the_terminal() {
        let id = "age1\u{1b}[2J\nGroup 1: SUCCESS\u{202e}".to_owned();
        let reasons = vec![UnwrapError::Provider("bad\u{7}".into())];
        let groups = vec![GroupOutcome::Failed(vec![KeyFailure { id, reasons }])];
        let report = KeyError::Groups { groups, needed: 1 }.to_string();
        let strange = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!report.contains(strange));
        assert_eq!(
            report
                .lines()
                .filter(|line| line.starts_with("Group "))
                .count(),
            1
        );
    }
}
