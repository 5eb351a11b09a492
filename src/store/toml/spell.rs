//! How keys, strings, comments and other values are spelled.

use super::scalar::{self, Meaning};
use crate::document::{Type, Value, canonical};
use crate::store::json::append;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// The quotes of a string, and the line end that may stand behind the opening ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quotes {
    quote: u8,
    is_multi: bool,
    line_end: Option<&'static [u8]>,
}

impl Quotes {
    /// `"..."`.
    pub(super) const BASIC: Self = Self {
        quote: b'"',
        is_multi: false,
        line_end: None,
    };

    /// `"""`, a line end, and the lines.
    pub(super) fn lines(line_end: &'static [u8]) -> Self {
        Self {
            quote: b'"',
            is_multi: true,
            line_end: Some(line_end),
        }
    }

    /// Those of the value `region`; basic ones where it has none.
    pub(super) fn of(region: &[u8]) -> Self {
        let Some(&quote @ (b'"' | b'\'')) = region.first() else {
            return Self::BASIC;
        };
        let is_multi = region.len() >= 6 && region[..3] == [quote; 3];
        let line_end: Option<&[u8]> = match region.get(3..) {
            Some([b'\n', ..]) => Some(b"\n"),
            Some([b'\r', b'\n', ..]) => Some(b"\r\n"),
            _ => None,
        };
        Self {
            quote,
            is_multi,
            line_end: line_end.filter(|_| is_multi),
        }
    }

    /// Whether `text` can stand between these without an escape.
    fn holds(self, text: &str) -> bool {
        let is_allowed = |b: u8| match b {
            b'\n' => self.is_multi,
            b'\'' => self.is_multi,
            b => b == b'\t' || !super::words::is_control(b),
        };
        text.bytes().all(is_allowed) && !(self.is_multi && text.contains("'''"))
    }
}

/// Appends `text` as a string, in `quotes` where they can hold it. What is no UTF-8 becomes U+FFFD.
pub(super) fn string(text: &[u8], quotes: Quotes, out: &mut Zeroizing<Vec<u8>>) {
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let quotes = match quotes.quote {
        b'\'' if !quotes.holds(&text) => Quotes {
            quote: b'"',
            ..quotes
        },
        _ => quotes,
    };
    let marks = [quotes.quote; 3];
    let marks = if quotes.is_multi {
        &marks[..]
    } else {
        &marks[..1]
    };
    let line_end = quotes.line_end.unwrap_or(b"\n");
    append(out, marks);
    // A line end behind the quotes is not of the text.
    if quotes.line_end.is_some() || (quotes.is_multi && text.starts_with('\n')) {
        append(out, line_end);
    }
    match quotes.quote {
        b'\'' => with_line_ends(text.as_bytes(), line_end, out),
        _ => escape(text.as_bytes(), quotes.is_multi.then_some(line_end), out),
    }
    append(out, marks);
}

fn with_line_ends(text: &[u8], line_end: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            append(out, line_end);
        }
        append(out, line);
    }
}

/// Appends what stands between double quotes; between three of them where there are line ends.
fn escape(text: &[u8], line_end: Option<&[u8]>, out: &mut Zeroizing<Vec<u8>>) {
    let mut copied = 0;
    let mut quotes = 0;
    for (at, &byte) in text.iter().enumerate() {
        quotes = if byte == b'"' { quotes + 1 } else { 0 };
        let code;
        let spelling: &[u8] = match (byte, line_end) {
            (b'"', Some(_)) if quotes < 3 => continue,
            (b'"', _) => {
                quotes = 0;
                b"\\\""
            }
            (b'\\', _) => b"\\\\",
            (b'\n', Some(line_end)) => line_end,
            (b'\n', None) => b"\\n",
            (b'\t', Some(_)) => continue,
            (b'\t', None) => b"\\t",
            (b'\r', _) => b"\\r",
            (0x08, _) => b"\\b",
            (0x0c, _) => b"\\f",
            (..0x20 | 0x7f, _) => {
                code = format!("\\u{byte:04X}");
                code.as_bytes()
            }
            _ => continue,
        };
        append(out, &text[copied..at]);
        append(out, spelling);
        copied = at + 1;
    }
    append(out, &text[copied..]);
}

/// Appends a key: bare where it can be.
pub(super) fn key(key: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    let is_bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.iter().all(is_bare) {
        append(out, key);
    } else {
        string(key, Quotes::BASIC, out);
    }
}

/// Appends keys with points between them.
pub(super) fn keys<'k>(keys: impl Iterator<Item = &'k [u8]>, out: &mut Zeroizing<Vec<u8>>) {
    for (i, one) in keys.enumerate() {
        if i > 0 {
            append(out, b".");
        }
        key(one, out);
    }
}

/// Appends a comment; every line of it gets its sign.
pub(super) fn comment(text: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    for (i, line) in String::from_utf8_lossy(text).split('\n').enumerate() {
        append(out, if i > 0 { b"\n#" } else { b"#" });
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut rest = line;
        while let Some(at) = rest.bytes().position(super::words::is_control) {
            append(out, &rest.as_bytes()[..at]);
            append(out, "\u{fffd}".as_bytes());
            rest = &rest[at + 1..];
        }
        append(out, rest.as_bytes());
    }
}

/// A value that is no string, as it stands where TOML reads it as the same value, else as TOML
/// spells it. `None` where it has no way to.
pub(super) fn literal(value: Value<'_>) -> Option<Cow<'_, str>> {
    if matches!(value.ty, Type::Str | Type::Null) {
        return None;
    }
    let canonical = canonical(value.ty, value.text)?;
    let canonical = std::str::from_utf8(&canonical).ok()?;
    let reads_as = |text: &str| {
        let meaning = scalar::meaning(text.as_bytes());
        meaning.is_ok_and(|Meaning { ty, canonical: c }| {
            ty == value.ty && c.as_deref().unwrap_or(text) == canonical
        })
    };
    let text = std::str::from_utf8(value.text).ok()?;
    if reads_as(text) {
        return Some(text.into());
    }
    let spelled = match (value.ty, canonical) {
        (Type::Bool, "True") => "true".to_owned(),
        (Type::Bool, _) => "false".to_owned(),
        (Type::Float, "+Inf") => "inf".to_owned(),
        (Type::Float, "-Inf") => "-inf".to_owned(),
        (Type::Float, "NaN") => "nan".to_owned(),
        (Type::Float, whole) if !whole.contains(['.', 'e', 'E']) => format!("{whole}.0"),
        (_, other) => other.to_owned(),
    };
    reads_as(&spelled).then_some(spelled.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, like: &str) -> String {
        let mut out = Zeroizing::default();
        string(text.as_bytes(), Quotes::of(like.as_bytes()), &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_string_keeps_the_quotes_it_had() {
        for (text, like, expected) in [
            ("a", "'x'", "'a'"),
            ("a", "\"x\"", "\"a\""),
            ("a", "7", "\"a\""),
            ("C:\\a", "'x'", "'C:\\a'"),
            ("it's", "'x'", "\"it's\""),
            ("a\nb", "'x'", "\"a\\nb\""),
            ("a\n\"b\"\t", "\"\"", "\"a\\n\\\"b\\\"\\t\""),
            ("a\nb\n", "\"\"\"\nx\"\"\"", "\"\"\"\na\nb\n\"\"\""),
            ("a\nb\n", "\"\"\"\r\nx\"\"\"", "\"\"\"\r\na\r\nb\r\n\"\"\""),
            ("a", "'''x'''", "'''a'''"),
            ("'a''", "'''x'''", "''''a'''''"),
            ("\na\\", "'''x'''", "'''\n\na\\'''"),
            ("a'''", "'''x'''", "\"\"\"a'''\"\"\""),
            ("\"\"\"\"", "\"\"\"x\"\"\"", "\"\"\"\"\"\\\"\"\"\"\""),
            ("\u{1b}\u{7f}\r", "\"x\"", "\"\\u001B\\u007F\\r\""),
        ] {
            assert_eq!(written(text, like), expected);
        }
    }

    #[test]
    fn values_that_sops_spells_in_its_way_are_spelled_in_tomls() {
        for (ty, text, expected) in [
            (Type::Bool, "True", Some("true")),
            (Type::Bool, "false", Some("false")),
            (Type::Int, "+7", Some("+7")),
            (Type::Int, "007", Some("7")),
            (Type::Int, "99999999999999999999", None),
            (Type::Float, "1", Some("1.0")),
            (Type::Float, "1.50", Some("1.50")),
            (Type::Float, "-Inf", Some("-inf")),
            (Type::Float, "1e400", Some("1e400")),
            (
                Type::Time,
                "2001-01-01T1:00:00,5Z",
                Some("2001-01-01T01:00:00.5Z"),
            ),
            (Type::Str, "7", None),
        ] {
            let text = text.as_bytes();
            assert_eq!(literal(Value { ty, text }).as_deref(), expected);
        }
    }

    #[test]
    fn no_comment_ends_its_line() {
        let mut out = Zeroizing::default();
        comment(b" a\r\nb\x00", &mut out);
        assert_eq!(out.as_slice(), "# a\n#b\u{fffd}".as_bytes());
    }
}
