//! Ways to look into files: their data, their tokens, their lines.

use super::text;
use serde_json::Value;

/// The data of a JSON text.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error} in {}", text(bytes)))
}

/// Fails where two JSON texts hold different data. Order counts; `1`, `1.0` and `1e0` are one number.
#[track_caller]
pub(crate) fn assert_same_data(ours: &[u8], theirs: &[u8], what: &str) {
    let (ours, theirs) = (json(ours), json(theirs));
    if let Some(path) = difference(&ours, &theirs, String::new()) {
        panic!("{what}: differs at {path}\n--- ours\n{ours:#}\n--- theirs\n{theirs:#}");
    }
}

/// Whether two texts are JSON of the same data, as [`assert_same_data`] sees it; where not, the
/// place, which is empty where one of them is no JSON.
pub(crate) fn same_data(ours: &[u8], theirs: &[u8]) -> Result<(), String> {
    let read = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|_| String::new());
    let (ours, theirs): (Value, Value) = (read(ours)?, read(theirs)?);
    difference(&ours, &theirs, String::new()).map_or(Ok(()), Err)
}

/// Where two values differ first.
fn difference(a: &Value, b: &Value, path: String) -> Option<String> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let same = match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a == b,
                // A whole number that one side writes as a float.
                _ => a.as_f64() == b.as_f64(),
            };
            (!same).then_some(path)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (a, b))| difference(a, b, format!("{path}[{at}]"))),
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => a
            .iter()
            .find_map(|(key, value)| difference(value, &b[key], format!("{path}.{key}"))),
        _ => (a != b).then_some(path),
    }
}

/// An encrypted text without its long runs of base64: whether a short word of a plaintext stands
/// in what is left is not a matter of luck.
pub(crate) fn in_clear(text: &str) -> String {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut clear = text.to_owned();
    for token in tokens(text) {
        clear = clear.replacen(token, "ENC[]", 1);
    }
    clear
        .split_inclusive(|c| !is_base64(c))
        .filter(|run| run.len() < 24)
        .collect()
}

/// Every token of a file, in order, the MAC's and sealed ones included.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    text.match_indices("ENC[")
        .map(|(start, _)| {
            let end = text[start..].find(']').expect("a token's end");
            &text[start..=start + end]
        })
        .collect()
}

/// The one line of a file that starts with `start`, blanks before it aside.
#[track_caller]
pub(crate) fn line_of<'a>(text: &'a str, start: &str) -> &'a str {
    let mut lines = text
        .lines()
        .filter(|line| line.trim_start().starts_with(start));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("no line {start:?} in\n{text}"));
    assert!(lines.next().is_none(), "two lines {start:?} in\n{text}");
    line
}

/// An encrypted YAML file of one document without its metadata block, which stands last.
#[track_caller]
pub(crate) fn strip_metadata(text: &str) -> &str {
    let at = text
        .find("\nsops:\n")
        .unwrap_or_else(|| panic!("no metadata in\n{text}"));
    &text[..=at]
}
