//! Regular expressions as Go's `regexp` reads them, on top of the `regex` crate.
//!
//! What Go refuses is refused here. An escaped surrogate matches nothing (Go lets
//! some such patterns match U+FFFD).

mod sets;
mod translate;

use regex::{Regex, RegexBuilder};
use std::borrow::Cow;

/// The deepest nesting, as in Go.
const NEST_LIMIT: u32 = 1_000;
/// Bytes a compiled pattern may take.
const SIZE_LIMIT: usize = 32 << 20;

/// A compiled pattern, searched for anywhere in a text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {at} of the pattern")]
pub struct PatternError {
    /// What is wrong.
    pub problem: &'static str,
    /// Which character, from 1.
    pub at: usize,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`] where Go's `regexp` refuses it, or it is too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let translated = translate::translate(text)?;
        let regex = RegexBuilder::new(&translated)
            .nest_limit(NEST_LIMIT)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| PatternError {
                problem: match error {
                    regex::Error::CompiledTooBig(_) => "expression too large",
                    _ => "expression nests too deeply",
                },
                at: 1,
            })?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the pattern is found anywhere in `haystack`.
    /// A byte that is not UTF-8 counts as one U+FFFD, as in Go.
    #[must_use]
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.regex.is_match(&decode(haystack))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What sops 3.11.0 did; the file says how it was made.
    const MEASURED: &str = include_str!("../../testdata/re2.tsv");

    fn rows() -> impl Iterator<Item = (String, &'static str)> {
        MEASURED
            .lines()
            .filter(|line| !line.starts_with("# ") && !line.starts_with("keys\t"))
            .map(|line| line.split_once('\t').unwrap())
            .map(|(pattern, verdict)| (serde_json::from_str(pattern).unwrap(), verdict))
    }

    fn keys() -> Vec<String> {
        let line = MEASURED.lines().find_map(|l| l.strip_prefix("keys\t"));
        serde_json::from_str(line.unwrap()).unwrap()
    }

    #[test]
    fn every_pattern_selects_what_sops_selects() {
        let keys = keys();
        let mut wrong = Vec::new();
        for (pattern, verdict) in rows() {
            let ours = match Pattern::new(&pattern) {
                Err(_) => "refused".to_owned(),
                Ok(p) => {
                    let hits = keys.iter().filter(|k| p.is_match(k.as_bytes()));
                    format!("{:?}", hits.collect::<Vec<_>>())
                }
            };
            let theirs = match verdict {
                "refused" => verdict.to_owned(),
                list => format!("{:?}", serde_json::from_str::<Vec<String>>(list).unwrap()),
            };
            if ours != theirs {
                wrong.push(format!("{pattern:.80}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
        assert!(rows().count() > 450 && keys.len() > 80);
        assert!(
            wrong.is_empty(),
            "{} rows\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    #[test]
    fn an_error_names_the_problem_and_the_character() {
        let error = |p| Pattern::new(p).unwrap_err().to_string();
        assert_eq!(
            error("é(a"),
            "missing closing ) at character 2 of the pattern"
        );
        assert_eq!(
            error("ab**"),
            "invalid nested repetition operator at character 4 of the pattern"
        );
        assert_eq!(
            error(r"[a\y]"),
            "invalid escape sequence at character 3 of the pattern"
        );
        assert_eq!(
            error("x[b-a]"),
            "invalid character class range at character 3 of the pattern"
        );
    }

    #[test]
    fn bytes_that_are_no_text_count_one_by_one() {
        let three = Pattern::new("^a...b$").unwrap();
        assert!(three.is_match(b"a\xF0\x9F\x98b"));
        assert!(!three.is_match(b"a\xF0\x9Fb"));
        assert!(Pattern::new("\u{FFFD}").unwrap().is_match(b"\xFF"));
        assert!(Pattern::new("[^a]").unwrap().is_match(b"a\xFF"));
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let problem = |p: &str| Pattern::new(p).unwrap_err().problem;
        let nested = |n| format!("{}a{}", "(?:a|b".repeat(n), ")*".repeat(n));
        assert!(Pattern::new(&nested(240)).unwrap().is_match(b"bba"));
        assert_eq!(problem(&nested(5_000)), "expression nests too deeply");
        let wrapped = format!("a*{}", r"\Q\E*".repeat(100_000));
        assert_eq!(problem(&wrapped), "expression nests too deeply");
        assert_eq!(problem(&"(".repeat(200_000)), "missing closing )");
        assert_eq!(problem(r"(?:\pL{30}){30}"), "expression too large");
    }

    proptest! {
        #[test]
        fn no_pattern_is_too_strange(text in r"[\\()\[\]{}?*+|^$.:QEpPLxiUms<>a-z0-9,&~é-]{0,24}") {
            if let Ok(pattern) = Pattern::new(&text) {
                let _ = pattern.is_match(text.as_bytes());
            }
        }

        #[test]
        fn quoted_text_finds_itself(text in "[^\\\\]{0,12}") {
            let pattern = Pattern::new(&format!(r"^\Q{text}\E$")).unwrap();
            prop_assert!(pattern.is_match(text.as_bytes()));
        }
    }
}
