//! How strings and numbers are spelled in JSON, in both directions.

use crate::document::scalar::{canonical, float_json, format_float_f};
use crate::document::{Type, Value};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Which characters of a string are escaped besides those that JSON demands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// None: text stands as people write it.
    Few,
    /// `<`, `>`, `&`, U+2028, U+2029 and bytes that are no UTF-8, as sops does.
    Go,
}

/// Appends to `out`; memory that it grows out of is wiped.
pub(in crate::store) fn append(out: &mut Zeroizing<Vec<u8>>, text: &[u8]) {
    let need = out.len() + text.len();
    if need > out.capacity() {
        let mut grown = Vec::with_capacity(need.max(out.capacity() * 2).max(64));
        grown.extend_from_slice(out);
        *out = Zeroizing::new(grown);
    }
    out.extend_from_slice(text);
}

/// Appends what the inside of a string means. A surrogate without its other half is U+FFFD, as in Go.
///
/// # Errors
/// The offset in `raw` of an escape that JSON does not have.
pub(super) fn unescape(raw: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<(), usize> {
    let mut at = 0;
    while let Some(run) = memchr::memchr(b'\\', &raw[at..]) {
        append(out, &raw[at..at + run]);
        at += run;
        let plain = match raw.get(at + 1) {
            Some(&c @ (b'"' | b'\\' | b'/')) => c,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (char, length) = unicode(&raw[at..]).ok_or(at)?;
                append(out, char.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
                continue;
            }
            _ => return Err(at),
        };
        append(out, &[plain]);
        at += 2;
    }
    append(out, &raw[at..]);
    Ok(())
}

/// The character that `text` begins with as `\uXXXX` (or a pair of them), and the length of its spelling.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = code_unit(text)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char, 6));
    }
    let pair = code_unit(&text[6..])
        .filter(|second| first < 0xdc00 && (0xdc00..0xe000).contains(second))
        .and_then(|second| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
    Some(pair.map_or((char::REPLACEMENT_CHARACTER, 6), |char| (char, 12)))
}

fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits
        .iter()
        .try_fold(0, |unit, &d| Some(unit << 4 | char::from(d).to_digit(16)?))
}

/// Appends `text` as a string in quotes. What is no UTF-8 becomes U+FFFD, byte by byte, as in sops.
pub(super) fn quote(text: &[u8], escapes: Escapes, out: &mut Zeroizing<Vec<u8>>) {
    append(out, b"\"");
    for chunk in text.utf8_chunks() {
        escape(chunk.valid().as_bytes(), escapes, out);
        for _ in chunk.invalid() {
            match escapes {
                Escapes::Few => append(out, "\u{fffd}".as_bytes()),
                Escapes::Go => append(out, b"\\ufffd"),
            }
        }
    }
    append(out, b"\"");
}

fn escape(text: &[u8], escapes: Escapes, out: &mut Zeroizing<Vec<u8>>) {
    let mut copied = 0;
    for (at, &byte) in text.iter().enumerate() {
        let (spelling, length): (Cow<'_, str>, usize) = match byte {
            b'"' => ("\\\"".into(), 1),
            b'\\' => ("\\\\".into(), 1),
            0x08 => ("\\b".into(), 1),
            0x0c => ("\\f".into(), 1),
            b'\n' => ("\\n".into(), 1),
            b'\r' => ("\\r".into(), 1),
            b'\t' => ("\\t".into(), 1),
            ..0x20 => (format!("\\u{byte:04x}").into(), 1),
            b'<' | b'>' | b'&' if escapes == Escapes::Go => (format!("\\u{byte:04x}").into(), 1),
            0xe2 if escapes == Escapes::Go => match text.get(at + 1..at + 3) {
                Some([0x80, 0xa8]) => ("\\u2028".into(), 3),
                Some([0x80, 0xa9]) => ("\\u2029".into(), 3),
                _ => continue,
            },
            _ => continue,
        };
        append(out, &text[copied..at]);
        append(out, spelling.as_bytes());
        copied = at + length;
    }
    append(out, &text[copied..]);
}

/// The number at the head of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// Bytes of the literal.
    pub(super) length: usize,
    /// No fraction and no exponent.
    pub(super) is_whole: bool,
}

impl Number {
    /// Reads `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    ///
    /// # Errors
    /// The offset at which a digit is missing.
    pub(super) fn at_head(text: &[u8]) -> Result<Self, usize> {
        let mut at = usize::from(text.first() == Some(&b'-'));
        at = match text.get(at) {
            Some(b'0') => at + 1,
            _ => digits(text, at)?,
        };
        let whole = at;
        if text.get(at) == Some(&b'.') {
            at = digits(text, at + 1)?;
        }
        if matches!(text.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
            at = digits(text, at + 1 + sign)?;
        }
        Ok(Self {
            length: at,
            is_whole: at == whole,
        })
    }
}

/// The offset behind the digits at `at`, of which there must be one.
fn digits(text: &[u8], at: usize) -> Result<usize, usize> {
    let count = text[at.min(text.len())..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if count == 0 { Err(at) } else { Ok(at + count) }
}

/// What a literal of the JSON grammar means to sops.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) ty: Type,
    /// The canonical text where it is not the literal itself.
    pub(super) canonical: Option<String>,
    /// False where the number is larger than any that sops reads.
    pub(super) in_range: bool,
}

/// The meaning of the number `raw`, all of which is the literal.
pub(super) fn meaning(raw: &[u8], is_whole: bool) -> Meaning {
    let as_is = |ty| Meaning {
        ty,
        canonical: None,
        in_range: true,
    };
    if is_whole && raw == b"-0" {
        return Meaning {
            canonical: Some("0".to_owned()),
            ..as_is(Type::Int)
        };
    }
    // A number of the grammar is ASCII.
    let text = std::str::from_utf8(raw).unwrap_or_default();
    // 18 digits always fit.
    if is_whole && (raw.len() <= 18 || text.parse::<i64>().is_ok()) {
        return as_is(Type::Int);
    }
    if is_short_fraction(raw) {
        return as_is(Type::Float);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Meaning {
            canonical: Some(format_float_f(number)).filter(|c| c != text),
            ..as_is(Type::Float)
        },
        _ => Meaning {
            in_range: false,
            ..as_is(Type::Float)
        },
    }
}

/// Up to 15 digits without exponent and without a zero at the end are their own shortest spelling.
fn is_short_fraction(raw: &[u8]) -> bool {
    raw.len() <= 16
        && raw.last() != Some(&b'0')
        && raw.contains(&b'.')
        && !raw.iter().any(|b| matches!(b, b'e' | b'E'))
}

/// A value that is no text as a literal: a number as it stands where JSON reads it as the same
/// value, else in Go's layout. `None` where JSON has no literal for it (infinity, NaN).
pub(super) fn literal(value: Value<'_>) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value.text).ok()?;
    match value.ty {
        Type::Null => Some("null".into()),
        Type::Bool => match text {
            "True" | "true" | "TRUE" | "t" | "T" | "1" => Some("true".into()),
            "False" | "false" | "FALSE" | "f" | "F" | "0" => Some("false".into()),
            _ => None,
        },
        Type::Int | Type::Float => {
            let canonical = canonical(value.ty, value.text)?;
            let canonical = std::str::from_utf8(&canonical).ok()?;
            // The canonical text is what sops itself puts into a token, and then lays out anew.
            if text != canonical && reads_as(text, canonical) {
                return Some(text.into());
            }
            number(value.ty, canonical)
        }
        Type::Str | Type::Time => None,
    }
}

/// A number in canonical form as sops lays it out in a new text; `None` for infinity and NaN.
pub(super) fn number(ty: Type, canonical: &str) -> Option<Cow<'static, str>> {
    let float = canonical.parse::<f64>().ok()?;
    if ty == Type::Float && float.is_finite() {
        // sops reads `-0` as the whole number 0.
        let is_negative_zero = float == 0.0 && float.is_sign_negative();
        let text = if is_negative_zero {
            Some("-0.0".to_owned())
        } else {
            float_json(float)
        };
        return text.map(Cow::Owned);
    }
    // Whole numbers of any size, and numbers that only JSON can hold.
    let whole = Number::at_head(canonical.as_bytes()).ok()?;
    (whole.length == canonical.len()).then(|| canonical.to_owned().into())
}

/// Whether `text` is a number of JSON, and one with this canonical text.
fn reads_as(text: &str, canonical: &str) -> bool {
    let raw = text.as_bytes();
    let Ok(number) = Number::at_head(raw) else {
        return false;
    };
    let read = || meaning(raw, number.is_whole).canonical;
    number.length == raw.len() && read().as_deref().unwrap_or(text) == canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &[u8], escapes: Escapes) -> String {
        let mut out = Zeroizing::default();
        quote(text, escapes, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn unescaped(raw: &str) -> Result<String, usize> {
        let mut out = Zeroizing::default();
        unescape(raw.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    fn read(raw: &str) -> (Type, String, bool) {
        let number = Number::at_head(raw.as_bytes()).unwrap();
        assert_eq!(number.length, raw.len());
        let m = meaning(raw.as_bytes(), number.is_whole);
        (m.ty, m.canonical.unwrap_or(raw.to_owned()), m.in_range)
    }

    #[test]
    fn every_escape_is_read() {
        let all = unescaped(r#"\"\\\/\b\f\n\r\tx\u0041\u00e9\u20AC\ud83d\ude00"#);
        assert_eq!(all.unwrap(), "\"\\/\u{8}\u{c}\n\r\txAé€😀");
        assert_eq!(unescaped(r"ab\q"), Err(2));
        assert_eq!(unescaped(r"a\u12g4"), Err(1));
        assert_eq!(unescaped(r"\u123"), Err(0));
    }

    #[test]
    fn lone_surrogates_are_replaced_as_in_go() {
        assert_eq!(unescaped(r"\ud800").unwrap(), "\u{fffd}");
        assert_eq!(unescaped(r"\udc00\ud800").unwrap(), "\u{fffd}\u{fffd}");
        assert_eq!(unescaped(r"\ud800\u0041").unwrap(), "\u{fffd}A");
        assert_eq!(unescaped(r"\ud800\ud83d\ude00").unwrap(), "\u{fffd}😀");
    }

    #[test]
    fn strings_are_escaped_as_json_demands_or_as_go_does() {
        let text = "\u{0}\u{8}\u{c}\n\r\t\u{1f}\"\\/<>&\u{2028}\u{2029}\u{202a}é\u{7f}";
        assert_eq!(
            quoted(text.as_bytes(), Escapes::Few),
            "\"\\u0000\\b\\f\\n\\r\\t\\u001f\\\"\\\\/<>&\u{2028}\u{2029}\u{202a}é\u{7f}\""
        );
        assert_eq!(
            quoted(text.as_bytes(), Escapes::Go),
            "\"\\u0000\\b\\f\\n\\r\\t\\u001f\\\"\\\\/\\u003c\\u003e\\u0026\\u2028\\u2029\u{202a}é\u{7f}\""
        );
        assert_eq!(
            quoted(b"a\xe2\x80z", Escapes::Few),
            "\"a\u{fffd}\u{fffd}z\""
        );
        assert_eq!(quoted(b"a\xe2\x80z", Escapes::Go), "\"a\\ufffd\\ufffdz\"");
    }

    #[test]
    fn numbers_mean_what_sops_reads() {
        let int = |text: &str| (Type::Int, text.to_owned(), true);
        let float = |text: &str| (Type::Float, text.to_owned(), true);
        assert_eq!(read("0"), int("0"));
        assert_eq!(read("-0"), int("0"));
        assert_eq!(read("9223372036854775807"), int("9223372036854775807"));
        assert_eq!(read("-9223372036854775808"), int("-9223372036854775808"));
        assert_eq!(read("9223372036854775808"), float("9223372036854776000"));
        assert_eq!(read("12345678901234567890"), float("12345678901234567000"));
        assert_eq!(read("-0.0"), float("-0"));
        assert_eq!(read("1.50"), float("1.5"));
        assert_eq!(read("1e3"), float("1000"));
        assert_eq!(read("1E-7"), float("0.0000001"));
        assert_eq!(read("0.1"), float("0.1"));
        assert_eq!(read("1234.56789"), float("1234.56789"));
        assert_eq!(read("0.30000000000000004"), float("0.30000000000000004"));
        assert_eq!(
            read("0.300000000000000040001"),
            float("0.30000000000000004")
        );
        assert_eq!(read("1e-999"), float("0"));
        assert_eq!(read("1E400"), (Type::Float, "1E400".to_owned(), false));
    }

    #[test]
    fn what_is_no_number_is_refused_where_the_digit_is_missing() {
        for (text, at) in [
            ("-", 1),
            ("1.", 2),
            (".5", 0),
            ("1e", 2),
            ("1e+", 3),
            ("+1", 0),
        ] {
            assert_eq!(Number::at_head(text.as_bytes()), Err(at), "{text}");
        }
        assert_eq!(Number::at_head(b"01").unwrap().length, 1);
    }

    #[test]
    fn a_literal_keeps_its_spelling_where_json_reads_the_same_value() {
        let written = |ty, text: &'static str| {
            literal(Value {
                ty,
                text: text.as_bytes(),
            })
        };
        let same = [
            "1.50",
            "1e3",
            "1000",
            "1E400",
            "-0.0",
            "12345678901234567890",
        ];
        for text in same {
            assert_eq!(written(Type::Float, text).unwrap(), text);
        }
        assert_eq!(written(Type::Float, "-0").unwrap(), "-0.0");
        assert_eq!(written(Type::Float, ".5").unwrap(), "0.5");
        assert_eq!(written(Type::Float, "1.").unwrap(), "1");
        assert_eq!(written(Type::Float, "+1e21").unwrap(), "1e+21");
        assert_eq!(written(Type::Float, "+1e-7").unwrap(), "1e-7");
        assert_eq!(written(Type::Float, "+Inf"), None);
        assert_eq!(written(Type::Float, "NaN"), None);
        assert_eq!(written(Type::Int, "007").unwrap(), "7");
        assert_eq!(written(Type::Int, "+7").unwrap(), "7");
        assert_eq!(written(Type::Int, "-0").unwrap(), "-0");
        assert_eq!(
            written(Type::Int, "18446744073709551615").unwrap(),
            "18446744073709551615"
        );
        assert_eq!(written(Type::Bool, "True").unwrap(), "true");
        assert_eq!(written(Type::Null, "").unwrap(), "null");
    }
}
