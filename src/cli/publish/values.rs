//! The values of a file as a store of secrets takes them: one mapping, JSON, or each by itself.

use crate::cli::failure::{Failure, Outcome, Status};
use crate::document::{Data, Type};
use std::fmt::Write;
use zeroize::Zeroizing;

/// All entries of the documents of a file in one mapping, without comments.
///
/// # Errors
/// Where a document is no mapping, or two have an entry of one name (sops takes the last).
pub fn merged(name: &str, documents: Vec<Data>) -> Outcome<Data> {
    let mut all: Vec<(Vec<u8>, Data)> = Vec::new();
    for document in documents {
        let Data::Map(entries) = document else {
            let message = format!("{name}: only entries of a mapping can be published as values");
            return Err(Failure::new(Status::Emit, message)
                .hint("`content: file` in the destination rule publishes the text as it is"));
        };
        for (key, value) in entries {
            if matches!(value, Data::Comment(..)) {
                continue;
            }
            if all.iter().any(|(known, _)| *known == key) {
                let key = String::from_utf8_lossy(&key);
                let message = format!("{name}: two documents have an entry {key:?}");
                return Err(Failure::new(Status::Emit, message)
                    .hint("as values, all documents of a file are one; make two files of it"));
            }
            all.push((key, value));
        }
    }
    Ok(Data::Map(all))
}

/// Every scalar below `data` with the way to it, in order. As deep as a store nests.
pub fn leaves(data: &Data) -> Vec<(Vec<String>, &Data)> {
    fn walk<'d>(data: &'d Data, way: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'d Data)>) {
        match data {
            Data::Scalar(..) => found.push((way.clone(), data)),
            Data::Comment(..) => {}
            Data::List(items) => {
                let values = items.iter().filter(|item| !is_comment(item));
                for (at, item) in values.enumerate() {
                    way.push(at.to_string());
                    walk(item, way, found);
                    way.pop();
                }
            }
            Data::Map(entries) => {
                for (key, value) in entries {
                    way.push(String::from_utf8_lossy(key).into_owned());
                    walk(value, way, found);
                    way.pop();
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(data, &mut Vec::new(), &mut found);
    found
}

/// A scalar as text: `true`, and nothing for a null.
pub fn text(scalar: &Data) -> Zeroizing<Vec<u8>> {
    match scalar {
        Data::Scalar(Type::Bool, text) => Zeroizing::new(text.to_ascii_lowercase()),
        Data::Scalar(_, text) => text.clone(),
        _ => Zeroizing::default(),
    }
}

/// The data as JSON in one line, without comments.
///
/// # Errors
/// What has no place in JSON, and where.
pub fn json(data: &Data) -> Result<Zeroizing<Vec<u8>>, String> {
    // No growing: what is left behind would not be wiped.
    let mut text = Zeroizing::new(String::with_capacity(longest(data)));
    write_json(data, &mut Vec::new(), &mut text)?;
    Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

/// The most bytes that JSON can take.
fn longest(data: &Data) -> usize {
    let quoted = |text: &[u8]| 6 * text.len() + 8;
    match data {
        Data::Scalar(_, text) => quoted(text),
        Data::Comment(..) => 0,
        Data::List(items) => 2 + items.iter().map(|item| longest(item) + 1).sum::<usize>(),
        Data::Map(entries) => {
            let entries = entries.iter();
            2 + entries
                .map(|(key, value)| quoted(key) + longest(value) + 2)
                .sum::<usize>()
        }
    }
}

fn write_json(data: &Data, way: &mut Vec<String>, out: &mut String) -> Result<(), String> {
    match data {
        Data::Comment(..) => {}
        Data::Scalar(Type::Null, _) => out.push_str("null"),
        Data::Scalar(Type::Bool, text) => {
            out.push_str(if **text == *b"True" { "true" } else { "false" });
        }
        Data::Scalar(Type::Int | Type::Float, text) => out.push_str(number(text, way)?),
        Data::Scalar(Type::Str | Type::Time, text) => quote(text, way, out)?,
        Data::List(items) => {
            out.push('[');
            for (at, item) in items.iter().filter(|item| !is_comment(item)).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                way.push(at.to_string());
                write_json(item, way, out)?;
                way.pop();
            }
            out.push(']');
        }
        Data::Map(entries) => {
            out.push('{');
            let values = entries.iter().filter(|(_, value)| !is_comment(value));
            for (at, (key, value)) in values.enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                way.push(String::from_utf8_lossy(key).into_owned());
                quote(key, way, out)?;
                out.push(':');
                write_json(value, way, out)?;
                way.pop();
            }
            out.push('}');
        }
    }
    Ok(())
}

fn is_comment(data: &Data) -> bool {
    matches!(data, Data::Comment(..))
}

/// Canonical numbers are those of JSON, but for infinities and what is no number.
fn number<'t>(text: &'t [u8], way: &[String]) -> Result<&'t str, String> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let text = std::str::from_utf8(text).ok();
    text.filter(|_| digits.first().is_some_and(u8::is_ascii_digit))
        .ok_or_else(|| format!("JSON has no number for the one at {}", way.join(".")))
}

fn quote(text: &[u8], way: &[String], out: &mut String) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| {
        format!(
            "what stands at {} is no text, and JSON has only text",
            way.join(".")
        )
    })?;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;
    use proptest::prelude::*;

    fn shown(data: &Data) -> String {
        String::from_utf8(json(data).expect("JSON").to_vec()).expect("text")
    }

    #[test]
    fn json_has_types_and_no_comments() {
        let data =
            test_yaml::read("a: 1\nb: 1.50\nc: [x, {k: true}]\nd: null\ne: {}\nf: \"q\\\"\\n\"\n");
        assert_eq!(
            shown(&data),
            r#"{"a":1,"b":1.5,"c":["x",{"k":true}],"d":null,"e":{},"f":"q\"\n"}"#
        );
        let comment = Data::Comment(Zeroizing::new(b"c".to_vec()), false);
        let list = Data::List(vec![comment.clone(), Data::int(1), comment]);
        assert_eq!(shown(&list), "[1]");
    }

    #[test]
    fn what_json_cannot_hold_is_refused_by_its_place() {
        let infinite = Data::Scalar(Type::Float, Zeroizing::new(b"+Inf".to_vec()));
        let data = Data::Map(vec![(b"a".to_vec(), Data::List(vec![infinite]))]);
        assert_eq!(
            json(&data).unwrap_err(),
            "JSON has no number for the one at a.0"
        );
        let data = Data::Map(vec![(b"k".to_vec(), Data::str(b"\xff"))]);
        assert!(
            json(&data)
                .unwrap_err()
                .starts_with("what stands at k is no text")
        );
    }

    #[test]
    fn leaves_have_their_way_and_their_text() {
        let data = test_yaml::read("a: {b: [x, true]}\nc: null\n");
        let leaves: Vec<_> = leaves(&data)
            .into_iter()
            .map(|(way, value)| {
                format!(
                    "{}={}",
                    way.join("/"),
                    String::from_utf8_lossy(&text(value))
                )
            })
            .collect();
        assert_eq!(leaves, ["a/b/0=x", "a/b/1=true", "c="]);
    }

    #[test]
    fn documents_are_one_mapping_and_never_lose_an_entry() {
        let read = |texts: &[&str]| merged("f", texts.iter().map(|t| test_yaml::read(t)).collect());
        assert_eq!(
            shown(&read(&["a: 1\n", "b: 2\n"]).unwrap()),
            r#"{"a":1,"b":2}"#
        );
        assert!(
            read(&["a: 1\n", "a: 2\n"])
                .unwrap_err()
                .message
                .contains("\"a\"")
        );
        assert!(read(&["[1]\n"]).is_err());
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_json(text in ".*") {
            let written = json(&Data::str(&text)).unwrap();
            let read: String = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(read, text.clone());
            prop_assert!(written.len() <= longest(&Data::str(&text)));
        }
    }
}
