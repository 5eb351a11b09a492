//! What the plaintext of a token means, and how sops spells it.
//!
//! The conversions are those of Go's standard library, because the MAC of sops is
//! over what they print. Knows no file format but the layouts of floats in each.

use super::Type;
use super::time::{Layout, Time};
use std::borrow::Cow;
use std::num::IntErrorKind;

pub use super::float::{float_dotenv, float_json, float_yaml, format_float_f, parse_float};

/// The canonical text of `raw`, read as sops reads a token's plaintext of type `ty`.
///
/// `None` where sops could not read it, and for [`Type::Null`], which has no plaintext.
/// Borrows where `raw` is canonical already.
#[must_use]
pub fn canonical(ty: Type, raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    match ty {
        Type::Null => None,
        Type::Str => Some(Cow::Borrowed(raw)),
        Type::Int => int(raw),
        Type::Float => float(raw),
        Type::Bool => bool(raw).map(|truth| Cow::Borrowed(bool_text(truth))),
        Type::Time => Some(unless_same(raw, Time::parse(raw, Layout::RFC3339)?.text()?)),
    }
}

/// The canonical text of a boolean.
#[must_use]
pub fn bool_text(truth: bool) -> &'static [u8] {
    if truth { b"True" } else { b"False" }
}

/// True where `text` is how sops prints a whole number of 18 digits or less, which
/// needs no other check.
#[must_use]
pub fn is_plain_int(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits.first() {
        Some(b'1'..=b'9') => true,
        Some(b'0') => text.len() == 1,
        _ => false,
    };
    canonical && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit)
}

/// Go's `strconv.Atoi`. A number that is too large for it stands for itself: sops has no room
/// for it, bulla keeps it.
fn int(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_plain_int(raw) {
        return Some(Cow::Borrowed(raw));
    }
    match std::str::from_utf8(raw).ok()?.parse::<i64>() {
        Ok(number) => Some(unless_same(raw, number.to_string())),
        Err(error) if is_overflow(*error.kind()) => Some(Cow::Borrowed(raw)),
        Err(_) => None,
    }
}

fn is_overflow(kind: IntErrorKind) -> bool {
    matches!(kind, IntErrorKind::PosOverflow | IntErrorKind::NegOverflow)
}

/// Go's `strconv.ParseFloat`. A decimal number beyond the range stands for itself, as in [`int`].
fn float(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(number) = parse_float(raw) {
        return Some(unless_same(raw, format_float_f(number)));
    }
    let number: f64 = std::str::from_utf8(raw).ok()?.parse().ok()?;
    (number.is_infinite() && raw.iter().any(u8::is_ascii_digit)).then_some(Cow::Borrowed(raw))
}

/// Go's `strconv.ParseBool`.
fn bool(raw: &[u8]) -> Option<bool> {
    match raw {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Some(false),
        _ => None,
    }
}

fn unless_same(raw: &[u8], text: String) -> Cow<'_, [u8]> {
    if raw == text.as_bytes() {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ty: Type, raw: &str) -> Option<String> {
        canonical(ty, raw.as_bytes()).map(|text| String::from_utf8(text.into_owned()).unwrap())
    }

    #[test]
    fn a_number_loses_its_spelling() {
        for (raw, text) in [
            ("7", "7"),
            ("007", "7"),
            ("+7", "7"),
            ("-0", "0"),
            ("-12", "-12"),
        ] {
            assert_eq!(read(Type::Int, raw).as_deref(), Some(text), "{raw}");
        }
        let most = "9223372036854775807";
        assert_eq!(read(Type::Int, most).as_deref(), Some(most));
        let least = "-9223372036854775808";
        assert_eq!(read(Type::Int, least).as_deref(), Some(least));
    }

    #[test]
    fn what_atoi_refuses_is_no_number() {
        for raw in ["", "-", "+", "--1", " 1", "1 ", "1_0", "0x10", "1.0"] {
            assert_eq!(read(Type::Int, raw), None, "{raw}");
        }
    }

    #[test]
    fn numbers_too_large_for_sops_stand_for_themselves() {
        let (whole, float) = ("9223372036854775808", "-1E400");
        assert_eq!(read(Type::Int, whole).as_deref(), Some(whole));
        assert_eq!(read(Type::Float, float).as_deref(), Some(float));
    }

    #[test]
    fn booleans_are_those_of_parse_bool() {
        for raw in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(read(Type::Bool, raw).as_deref(), Some("True"), "{raw}");
        }
        for raw in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(read(Type::Bool, raw).as_deref(), Some("False"), "{raw}");
        }
        for raw in ["", "yes", "tRUE", "true "] {
            assert_eq!(read(Type::Bool, raw), None, "{raw}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (raw, text) in [
            ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"),
            ("2024-01-02T00:00:00.120Z", "2024-01-02T00:00:00.12Z"),
            ("2024-01-02T00:00:00,5+00:00", "2024-01-02T00:00:00.5Z"),
            ("2024-01-02T1:00:00-05:30", "2024-01-02T01:00:00-05:30"),
        ] {
            assert_eq!(read(Type::Time, raw).as_deref(), Some(text), "{raw}");
        }
        for raw in [
            "2024-01-02",
            "2024-1-2T00:00:00Z",
            "2024-01-02t00:00:00Z",
            "2024-01-02T00:00:00+24:00",
        ] {
            assert_eq!(read(Type::Time, raw), None, "{raw}");
        }
    }

    #[test]
    fn strings_stay_and_nothing_has_no_plaintext() {
        assert_eq!(
            canonical(Type::Str, b"\xFF 007").as_deref(),
            Some(&b"\xFF 007"[..])
        );
        assert_eq!(canonical(Type::Null, b""), None);
    }

    #[test]
    fn canonical_texts_are_borrowed() {
        for (ty, raw) in [
            (Type::Int, "-12"),
            (Type::Float, "3.5"),
            (Type::Bool, "True"),
            (Type::Time, "2024-01-02T00:00:00.5+01:00"),
        ] {
            assert!(
                matches!(canonical(ty, raw.as_bytes()), Some(Cow::Borrowed(_))),
                "{raw}"
            );
        }
    }
}
