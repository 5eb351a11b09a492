//! What a value without quotes means: truth values, numbers, dates and times.
//!
//! A date or time without offset is no point in time, so it is a text to sops; that it stands
//! without quotes is kept by its spelling.

use crate::document::time::{Layout, Time};
use crate::document::{Type, canonical};

/// The type of a value and, where it is not the source itself, its canonical text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) ty: Type,
    pub(super) canonical: Option<String>,
}

/// The length of the value that `text` begins with.
pub(super) fn bare_length(text: &[u8]) -> usize {
    let ends = |b: &u8| {
        matches!(
            b,
            b',' | b']' | b'}' | b'#' | b'=' | b' ' | b'\t' | b'\r' | b'\n'
        )
    };
    let word = |text: &[u8]| text.iter().position(ends).unwrap_or(text.len());
    let length = word(text);
    // A blank may stand between a date and its time.
    let is_date = length == 10 && date(text).is_some();
    match text.get(length..) {
        Some([b' ', behind @ ..]) if is_date && behind.first().is_some_and(u8::is_ascii_digit) => {
            length + 1 + word(behind)
        }
        _ => length,
    }
}

/// The meaning of `raw`, all of which is the value.
///
/// # Errors
/// What is wrong with it.
pub(super) fn meaning(raw: &[u8]) -> Result<Meaning, &'static str> {
    match raw {
        b"true" => return Ok(cooked(Type::Bool, "True")),
        b"false" => return Ok(cooked(Type::Bool, "False")),
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..]
        | [b'0'..=b'9', b'0'..=b'9', b':', ..] => return moment(raw).ok_or("no such date or time"),
        [b'+' | b'-' | b'0'..=b'9' | b'i' | b'n', ..] => {}
        _ => return Err("expected a value"),
    }
    let unsigned = raw.strip_prefix(b"+").or(raw.strip_prefix(b"-"));
    let unsigned = unsigned.unwrap_or(raw);
    match unsigned {
        b"inf" if raw[0] == b'-' => Ok(cooked(Type::Float, "-Inf")),
        b"inf" => Ok(cooked(Type::Float, "+Inf")),
        b"nan" => Ok(cooked(Type::Float, "NaN")),
        [b'0', b'x', digits @ ..] if raw == unsigned => radix(digits, 16),
        [b'0', b'o', digits @ ..] if raw == unsigned => radix(digits, 8),
        [b'0', b'b', digits @ ..] if raw == unsigned => radix(digits, 2),
        [b'i' | b'n', ..] => Err("expected a value"),
        _ => decimal(raw, unsigned),
    }
}

fn cooked(ty: Type, text: impl Into<String>) -> Meaning {
    Meaning {
        ty,
        canonical: Some(text.into()),
    }
}

const NOT_A_NUMBER: &str = "a number that TOML does not have";
const TOO_LARGE: &str = "a whole number of more than 64 bits";

fn radix(digits: &[u8], radix: u32) -> Result<Meaning, &'static str> {
    if run(digits, |b| char::from(b).is_digit(radix)) != Some(digits.len()) {
        return Err(NOT_A_NUMBER);
    }
    let number = i64::from_str_radix(&plain(digits), radix).map_err(|_| TOO_LARGE)?;
    Ok(cooked(Type::Int, number.to_string()))
}

/// The length of the digits that `text` begins with, `_` between two of them; `None` where there
/// is none, or a `_` in another place.
fn run(text: &[u8], is_digit: impl Fn(u8) -> bool) -> Option<usize> {
    let mut before = b'_';
    let mut length = 0;
    for &byte in text {
        if byte == b'_' && before == b'_' {
            return None;
        }
        if byte != b'_' && !is_digit(byte) {
            break;
        }
        before = byte;
        length += 1;
    }
    (before != b'_').then_some(length)
}

/// Digits without what separates them. They are ASCII.
fn plain(digits: &[u8]) -> String {
    let digits = digits.iter().filter(|b| **b != b'_');
    digits.map(|b| char::from(*b)).collect()
}

fn decimal(raw: &[u8], unsigned: &[u8]) -> Result<Meaning, &'static str> {
    let digits = |text: &[u8]| run(text, |b| b.is_ascii_digit()).ok_or(NOT_A_NUMBER);
    let whole = digits(unsigned)?;
    if whole > 1 && unsigned[0] == b'0' {
        return Err("a number that starts with 0");
    }
    let mut at = whole;
    if unsigned.get(at) == Some(&b'.') {
        at += 1 + digits(&unsigned[at + 1..])?;
    }
    if matches!(unsigned.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(unsigned.get(at + 1), Some(b'+' | b'-')));
        at += digits(&unsigned[at..])?;
    }
    if at < unsigned.len() {
        return Err(NOT_A_NUMBER);
    }
    let ty = if at == whole { Type::Int } else { Type::Float };
    let text = plain(raw);
    if ty == Type::Int && text.parse::<i64>().is_err() {
        return Err(TOO_LARGE);
    }
    let read = canonical(ty, text.as_bytes()).ok_or(NOT_A_NUMBER)?;
    let same = *read == *raw;
    let read = String::from_utf8_lossy(&read).into_owned();
    Ok(Meaning {
        ty,
        canonical: (!same).then_some(read),
    })
}

/// The meaning of a date, a time, or both, with or without an offset from UTC.
fn moment(raw: &[u8]) -> Option<Meaning> {
    let local = Meaning {
        ty: Type::Str,
        canonical: None,
    };
    let Some((day, rest)) = date(raw) else {
        let (_, rest) = clock(raw)?;
        return rest.is_empty().then_some(local);
    };
    let rest = match rest {
        [] => return Some(local),
        [b'T' | b't' | b' ', rest @ ..] => rest,
        _ => return None,
    };
    let (time, zone) = clock(rest)?;
    let zone = match zone {
        [] => return Some(local),
        b"Z" | b"z" => "Z",
        [b'+' | b'-', offset @ ..] => {
            let [_, _, b':', _, _] = offset else {
                return None;
            };
            let is_real = number(&offset[..2])? < 24 && number(&offset[3..])? < 60;
            std::str::from_utf8(zone).ok().filter(|_| is_real)?
        }
        _ => return None,
    };
    // A leap second is real, but not to sops: such a time is a text.
    let text = format!("{day}T{time}{zone}");
    let Some(time) = Time::parse(text.as_bytes(), Layout::RFC3339) else {
        return Some(local);
    };
    let text = time.text()?;
    Some(Meaning {
        ty: Type::Time,
        canonical: (text.as_bytes() != raw).then_some(text),
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// The date that `text` begins with, and what is behind it.
fn date(text: &[u8]) -> Option<(&str, &[u8])> {
    let (date, rest) = text.split_at_checked(10)?;
    let layout = Layout {
        fixed: true,
        separator: None,
        zone: false,
    };
    Time::parse(date, layout)?;
    Some((std::str::from_utf8(date).ok()?, rest))
}

/// The time of day that `text` begins with, its seconds written out, and what is behind it.
fn clock(text: &[u8]) -> Option<(String, &[u8])> {
    let (hour, rest) = (number(text.get(..2)?)?, text[2..].strip_prefix(b":")?);
    let (minute, mut rest) = (number(rest.get(..2)?)?, &rest[2..]);
    let (mut second, mut fraction) = (0, "");
    if let Some(behind) = rest.strip_prefix(b":") {
        (second, rest) = (number(behind.get(..2)?)?, &behind[2..]);
        if let Some(behind) = rest.strip_prefix(b".") {
            let digits = behind.iter().take_while(|b| b.is_ascii_digit()).count();
            fraction = std::str::from_utf8(&rest[..=digits]).ok()?;
            rest = &behind[digits..];
            if digits == 0 {
                return None;
            }
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((format!("{hour:02}:{minute:02}:{second:02}{fraction}"), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<(Type, String)> {
        let Meaning { ty, canonical } = meaning(raw.as_bytes()).ok()?;
        Some((ty, canonical.unwrap_or_else(|| raw.to_owned())))
    }

    #[test]
    fn values_have_the_type_and_text_that_sops_would_give_them() {
        for (raw, ty, text) in [
            ("true", Type::Bool, "True"),
            ("0", Type::Int, "0"),
            ("-0", Type::Int, "0"),
            ("+17", Type::Int, "17"),
            ("1_000", Type::Int, "1000"),
            ("0xDEAD_beef", Type::Int, "3735928559"),
            ("0o755", Type::Int, "493"),
            ("0b0101", Type::Int, "5"),
            ("-9223372036854775808", Type::Int, "-9223372036854775808"),
            ("3.10", Type::Float, "3.1"),
            ("1.0", Type::Float, "1"),
            ("5e+2", Type::Float, "500"),
            ("1e06", Type::Float, "1000000"),
            ("-2_0.5E-1", Type::Float, "-2.05"),
            ("inf", Type::Float, "+Inf"),
            ("-inf", Type::Float, "-Inf"),
            ("-nan", Type::Float, "NaN"),
            ("1979-05-27T07:32:00Z", Type::Time, "1979-05-27T07:32:00Z"),
            ("1979-05-27 07:32z", Type::Time, "1979-05-27T07:32:00Z"),
            (
                "1979-05-27t07:32:01.50-07:00",
                Type::Time,
                "1979-05-27T07:32:01.5-07:00",
            ),
            ("1979-05-27T07:32:60Z", Type::Str, "1979-05-27T07:32:60Z"),
            ("1979-05-27T07:32:00.5", Type::Str, "1979-05-27T07:32:00.5"),
            ("1979-05-27 07:32", Type::Str, "1979-05-27 07:32"),
            ("1979-05-27", Type::Str, "1979-05-27"),
            ("07:32:00", Type::Str, "07:32:00"),
        ] {
            assert_eq!(read(raw), Some((ty, text.to_owned())), "{raw}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for raw in [
            "True",
            "TRUE",
            "yes",
            "_1",
            "1_",
            "1__0",
            "01",
            "+01",
            "0x",
            "0X1",
            "0x_1",
            "+0x1",
            "0o8",
            "0b2",
            "9223372036854775808",
            "0x8000000000000000",
            "1.",
            ".5",
            "1.e5",
            "1._5",
            "1e",
            "1e5.0",
            "1e_5",
            "+-1",
            "++1",
            "Inf",
            "infinity",
            "+",
            "1979-13-01",
            "1979-02-29",
            "1979-05-27T",
            "1979-05-27T24:00",
            "1979-05-27T07:32:61Z",
            "1979-05-27T07:32:00.Z",
            "1979-05-27T07:32Z1",
            "1979-05-27T07:32+24:00",
            "1979-05-27T07:32+01:60",
            "1979-05-27T07:32+0100",
            "07:3",
            "7:32",
            "07:32Z",
            "1979-5-27",
            "10000-01-01",
        ] {
            assert_eq!(read(raw), None, "{raw}");
        }
    }

    #[test]
    fn a_blank_is_of_a_value_only_between_date_and_time() {
        for (text, length) in [
            ("1979-05-27 07:32:00Z # c", 20),
            ("1979-05-27 # c", 10),
            ("1979-05-27  07:32", 10),
            ("12 34", 2),
            ("true, 1", 4),
            ("1]", 1),
        ] {
            assert_eq!(bare_length(text.as_bytes()), length, "{text}");
        }
    }
}
