//! Which type a YAML scalar has and what its canonical text is, as the YAML reader of sops
//! (Go's yaml.v3) sees it: close to YAML 1.2, with octals and underscores of 1.1.

use crate::document::Type;
use crate::document::scalar::{bool_text, format_float_f, is_plain_int, parse_float};
use crate::document::time::{Layout, Time};
use base64::Engine;
use std::borrow::Cow;

/// What a scalar means.
#[derive(Clone, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The type.
    pub ty: Type,
    /// The canonical text, as sops encrypts and hashes it; empty for null.
    pub text: Cow<'a, [u8]>,
    /// True for a number that YAML has room for and sops has not: above the range of `i64`.
    pub beyond_sops: bool,
}

impl std::fmt::Debug for Resolved<'_> {
    /// Shows the type only: the text may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resolved({:?})", self.ty)
    }
}

/// What a tag asks of a scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// Nothing: the style and the text decide.
    None,
    /// This type.
    Of(Type),
    /// Bytes in base64.
    Binary,
    /// Something of an application's own: a string to us.
    Other,
}

/// The type and canonical text of a scalar whose unescaped text is `text`.
///
/// `tag` is the tag as written, with handles expanded to the short form (`!!int`, `!Ref`, empty
/// without one); verbatim tags and the long form are understood. `quoted` is true for every
/// style but plain.
///
/// # Errors
/// What is wrong where the text is not of the type that the tag asks for, or sops could not
/// write the value.
pub fn resolve<'a>(text: &'a [u8], tag: &[u8], quoted: bool) -> Result<Resolved<'a>, &'static str> {
    match self::tag(tag) {
        Tag::None if quoted => Ok(string(text)),
        Tag::None => by_text(text, true),
        Tag::Of(Type::Str) | Tag::Other => Ok(string(text)),
        Tag::Binary => binary(text),
        Tag::Of(ty) => cast(by_text(text, ty == Type::Time)?, ty),
    }
}

/// True where a plain scalar of this text is a string. Cheaper than [`resolve`].
#[must_use]
pub fn is_string(text: &[u8]) -> bool {
    match text.first() {
        None => false,
        Some(first) if HINTS[usize::from(*first)] == Hint::String => true,
        Some(_) => by_text(text, true).is_ok_and(|found| found.ty == Type::Str),
    }
}

/// The type of a plain scalar without tag that is its own canonical text and shows that at once.
#[inline]
pub(super) fn by_look(text: &[u8]) -> Option<Type> {
    match HINTS[usize::from(*text.first()?)] {
        Hint::String => Some(Type::Str),
        Hint::Number if is_plain_int(text) => Some(Type::Int),
        Hint::Number if is_plain_decimal(text) => Some(Type::Float),
        _ => None,
    }
}

/// Whether `text` is a float in canonical form that is seen to be without computing it: no two
/// decimals of at most fifteen digits are the same float.
fn is_plain_decimal(text: &[u8]) -> bool {
    let number = text.strip_prefix(b"-").unwrap_or(text);
    let Some(point) = number
        .iter()
        .position(|b| *b == b'.')
        .filter(|_| number.len() <= 16)
    else {
        return false;
    };
    let (whole, part) = (&number[..point], &number[point + 1..]);
    let no_zeros = whole == b"0" || matches!(whole.first(), Some(b'1'..=b'9'));
    let digits = whole.iter().chain(part).all(u8::is_ascii_digit);
    no_zeros && digits && matches!(part.last(), Some(b'1'..=b'9'))
}

fn tag(tag: &[u8]) -> Tag {
    let Some(first) = tag.first() else {
        return Tag::None;
    };
    let verbatim = tag.strip_prefix(b"!<").and_then(|t| t.strip_suffix(b">"));
    let tag = verbatim.unwrap_or(tag);
    let name = match tag {
        b"!" => return Tag::None,
        [b'!', b'!', name @ ..] => name,
        _ if *first == b'!' && verbatim.is_none() => return Tag::Other,
        _ => match tag.strip_prefix(b"tag:yaml.org,2002:") {
            Some(name) => name,
            None => return Tag::Other,
        },
    };
    match name {
        b"str" => Tag::Of(Type::Str),
        b"int" => Tag::Of(Type::Int),
        b"float" => Tag::Of(Type::Float),
        b"bool" => Tag::Of(Type::Bool),
        b"null" => Tag::Of(Type::Null),
        b"timestamp" => Tag::Of(Type::Time),
        b"binary" => Tag::Binary,
        _ => Tag::Other,
    }
}

fn cast(found: Resolved<'_>, ty: Type) -> Result<Resolved<'_>, &'static str> {
    if found.ty == ty {
        return Ok(found);
    }
    if found.ty == Type::Int && ty == Type::Float && !found.beyond_sops {
        // A whole number in decimal reads as the float nearest to it.
        let number = parse_float(&found.text).unwrap_or_default();
        return Ok(float(b"", number));
    }
    Err(match ty {
        Type::Int => "not a whole number, as its tag says",
        Type::Float => "not a number, as its tag says",
        Type::Bool => "not a boolean, as its tag says",
        Type::Null => "not null, as its tag says",
        _ => "not a timestamp, as its tag says",
    })
}

fn binary(text: &[u8]) -> Result<Resolved<'_>, &'static str> {
    // Go's decoder skips line breaks and does not look at the bits behind the last byte.
    const STANDARD: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let joined: Cow<[u8]> = if text.iter().any(is_break) {
        Cow::Owned(text.iter().copied().filter(|b| !is_break(b)).collect())
    } else {
        Cow::Borrowed(text)
    };
    let bytes = STANDARD.decode(&*joined);
    bytes
        .map(|bytes| found(Type::Str, Cow::Owned(bytes)))
        .map_err(|_| "not base64, as its tag says")
}

/// What the first byte of a plain scalar allows it to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    String,
    /// One of the fixed words.
    Word,
    /// A float that starts with its point.
    Point,
    /// A number or a time.
    Number,
}

static HINTS: [Hint; 256] = hints();

const fn hints() -> [Hint; 256] {
    let mut hints = [Hint::String; 256];
    let words = b"nNtTfF~";
    let mut i = 0;
    while i < words.len() {
        hints[words[i] as usize] = Hint::Word;
        i += 1;
    }
    let mut digit = b'0';
    while digit <= b'9' {
        hints[digit as usize] = Hint::Number;
        digit += 1;
    }
    hints[b'+' as usize] = Hint::Number;
    hints[b'-' as usize] = Hint::Number;
    hints[b'.' as usize] = Hint::Point;
    hints
}

/// Resolves a plain scalar by its text; without a tag, or with that of a time, also to a time.
fn by_text(text: &[u8], may_be_time: bool) -> Result<Resolved<'_>, &'static str> {
    let Some(first) = text.first() else {
        return Ok(null());
    };
    match HINTS[usize::from(*first)] {
        Hint::String => Ok(string(text)),
        Hint::Word => Ok(word(text)),
        Hint::Point => Ok(point(text)),
        Hint::Number if is_plain_int(text) => Ok(found(Type::Int, Cow::Borrowed(text))),
        Hint::Number => {
            if may_be_time && let Some(time) = time(text) {
                let text = time
                    .text()
                    .ok_or("the time zone is a day or more away from UTC")?;
                return Ok(found(Type::Time, unless_same(b"", text)));
            }
            Ok(number(text))
        }
    }
}

fn word(text: &[u8]) -> Resolved<'_> {
    match text {
        b"true" | b"True" | b"TRUE" => found(Type::Bool, Cow::Borrowed(bool_text(true))),
        b"false" | b"False" | b"FALSE" => found(Type::Bool, Cow::Borrowed(bool_text(false))),
        b"~" | b"null" | b"Null" | b"NULL" => null(),
        _ => string(text),
    }
}

fn point(text: &[u8]) -> Resolved<'_> {
    let number = match text {
        b".nan" | b".NaN" | b".NAN" => Some(f64::NAN),
        b".inf" | b".Inf" | b".INF" => Some(f64::INFINITY),
        _ => parse_float(text),
    };
    number.map_or_else(|| string(text), |number| float(text, number))
}

fn number(text: &[u8]) -> Resolved<'_> {
    match text {
        b"+.inf" | b"+.Inf" | b"+.INF" => return float(text, f64::INFINITY),
        b"-.inf" | b"-.Inf" | b"-.INF" => return float(text, f64::NEG_INFINITY),
        _ => {}
    }
    let digits: Cow<[u8]> = if memchr::memchr(b'_', text).is_some() {
        Cow::Owned(text.iter().copied().filter(|b| *b != b'_').collect())
    } else {
        Cow::Borrowed(text)
    };
    if let Some(number) = integer(&digits) {
        return Resolved {
            ty: Type::Int,
            text: unless_same(text, number.to_string()),
            beyond_sops: number > i128::from(i64::MAX),
        };
    }
    // No hexadecimal floats and no words here.
    let is_decimal = |b: &u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if digits.iter().all(is_decimal)
        && let Some(number) = parse_float(&digits)
    {
        return float(text, number);
    }
    string(text)
}

/// A whole number within `i64`, or without a sign within `u64`. Binary and octal ones may
/// have their sign behind the prefix (`0b-1`).
fn integer(text: &[u8]) -> Option<i128> {
    let (sign, (radix, digits)) = match text {
        [b'0', b'b', sign @ (b'+' | b'-'), digits @ ..] => (Some(*sign), (2, digits)),
        [b'0', b'o', sign @ (b'+' | b'-'), digits @ ..] => (Some(*sign), (8, digits)),
        [sign @ (b'+' | b'-'), rest @ ..] => (Some(*sign), prefixed(rest)),
        _ => (None, prefixed(text)),
    };
    if !digits.first()?.is_ascii_alphanumeric() {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    match sign {
        None => Some(number),
        Some(b'-') => (-number >= i128::from(i64::MIN)).then_some(-number),
        Some(_) => (number <= i128::from(i64::MAX)).then_some(number),
    }
}

/// The base that the start of a number names, and its digits.
fn prefixed(text: &[u8]) -> (u32, &[u8]) {
    match text {
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        _ => (10, text),
    }
}

fn time(text: &[u8]) -> Option<Time> {
    let [a, b, c, d, b'-', ..] = text else {
        return None;
    };
    if ![a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    [
        (Some(b'T'), true),
        (Some(b't'), true),
        (Some(b' '), false),
        (None, false),
    ]
    .into_iter()
    .find_map(|(separator, zone)| {
        let layout = Layout {
            fixed: false,
            separator,
            zone,
        };
        Time::parse(text, layout)
    })
}

fn found(ty: Type, text: Cow<'_, [u8]>) -> Resolved<'_> {
    Resolved {
        ty,
        text,
        beyond_sops: false,
    }
}

fn string(text: &[u8]) -> Resolved<'_> {
    found(Type::Str, Cow::Borrowed(text))
}

fn null<'a>() -> Resolved<'a> {
    found(Type::Null, Cow::Borrowed(b""))
}

fn float(text: &[u8], number: f64) -> Resolved<'_> {
    found(Type::Float, unless_same(text, format_float_f(number)))
}

fn unless_same(text: &[u8], canonical: String) -> Cow<'_, [u8]> {
    if text == canonical.as_bytes() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(canonical.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = include_str!("../../../testdata/yaml_resolution_sops_3.11.tsv");

    fn is(text: &str, tag: &str, quoted: bool, ty: Type, canonical: &str) {
        let found = resolve(text.as_bytes(), tag.as_bytes(), quoted).unwrap();
        assert_eq!(found.ty, ty, "{tag} {text}");
        assert_eq!(
            String::from_utf8_lossy(&found.text),
            canonical,
            "{tag} {text}"
        );
    }

    /// A cell of the first column: tag, text, whether it is quoted.
    fn scalar(cell: &str) -> (&str, &str, bool) {
        for quote in ['"', '\''] {
            if let Some(text) = cell.strip_prefix(quote) {
                return ("", text.strip_suffix(quote).unwrap(), true);
            }
        }
        if cell.starts_with('!') {
            (cell, "", false)
        } else {
            ("", cell, false)
        }
    }

    /// The canonical text of what sops printed.
    fn printed(ty: Type, text: &str) -> String {
        match (ty, text) {
            (Type::Bool, "true") => "True".to_owned(),
            (Type::Bool, "false") => "False".to_owned(),
            (Type::Float, ".inf") => "+Inf".to_owned(),
            (Type::Float, "-.inf") => "-Inf".to_owned(),
            (Type::Float, ".nan") => "NaN".to_owned(),
            (Type::Float, text) => format_float_f(text.parse().unwrap()),
            (Type::Null, "null") => String::new(),
            (_, text) => text.to_owned(),
        }
    }

    #[test]
    fn every_scalar_is_what_sops_takes_it_for() {
        let mut rows = 0;
        for line in TABLE.lines().skip(1).filter(|line| !line.is_empty()) {
            let cells: Vec<&str> = line.split('\t').collect();
            let (tag, text, quoted) = scalar(cells[0]);
            let answer = resolve(text.as_bytes(), tag.as_bytes(), quoted);
            rows += 1;
            if cells[1] == "REJECT" {
                match cells[0] {
                    // No scalars at all.
                    "@a" | "-" | "?" => {}
                    _ if tag.is_empty() => assert!(answer.unwrap().beyond_sops, "{line}"),
                    _ => assert!(answer.is_err(), "{line}"),
                }
                continue;
            }
            let ty = match cells[1] {
                "str" | "PLAIN:\"\"" => Type::Str,
                "int" => Type::Int,
                "float" => Type::Float,
                "bool" => Type::Bool,
                "time" => Type::Time,
                "PLAIN:null" => Type::Null,
                other => panic!("unknown type {other}"),
            };
            let answer = answer.unwrap();
            assert_eq!(answer.ty, ty, "{line}");
            assert!(!answer.beyond_sops, "{line}");
            let canonical = match ty {
                Type::Str => text.to_owned(),
                ty => printed(ty, cells[2].strip_prefix("k: ").unwrap()),
            };
            assert_eq!(String::from_utf8_lossy(&answer.text), canonical, "{line}");
        }
        assert!(rows > 170, "only {rows} rows");
    }

    #[test]
    fn a_tag_asks_for_a_type() {
        is("12", "!", false, Type::Int, "12");
        is("12", "!", true, Type::Str, "12");
        is("12", "!Ref", false, Type::Str, "12");
        is("12", "!!str", false, Type::Str, "12");
        is("12", "!!foo", false, Type::Str, "12");
        is("0x1F", "!!int", true, Type::Int, "31");
        is("12", "!!float", true, Type::Float, "12");
        is("true", "!!bool", true, Type::Bool, "True");
        is("~", "!!null", true, Type::Null, "");
        is(
            "2001-01-01",
            "!!timestamp",
            true,
            Type::Time,
            "2001-01-01T00:00:00Z",
        );
        is("7", "!<tag:yaml.org,2002:int>", true, Type::Int, "7");
        is("7", "tag:yaml.org,2002:int", true, Type::Int, "7");
        is("7", "!<!int>", true, Type::Str, "7");
        is("<<", "", false, Type::Str, "<<");
    }

    #[test]
    fn a_text_of_another_type_than_its_tag_is_refused() {
        for (text, tag) in [
            ("x", "!!null"),
            ("5.0", "!!int"),
            ("2001-01-01", "!!int"),
            ("yes", "!!bool"),
            ("9223372036854775808", "!!float"),
            ("2001", "!!timestamp"),
            ("aGVs bG8=", "!!binary"),
            ("aGVsbG8", "!!binary"),
        ] {
            assert!(
                resolve(text.as_bytes(), tag.as_bytes(), true).is_err(),
                "{tag} {text}"
            );
        }
        assert!(resolve(b"2001-01-01T0:0:0+24:00", b"", false).is_err());
    }

    #[test]
    fn binary_is_a_string_of_bytes() {
        is("aGVs\r\nbG8=\n", "!!binary", true, Type::Str, "hello");
        is("aGVsbG9=", "!!binary", false, Type::Str, "hello");
        is("", "!!binary", false, Type::Str, "");
    }

    #[test]
    fn oddities_of_the_reader_of_sops() {
        is("0b-1", "", false, Type::Int, "-1");
        is("0o+7", "", false, Type::Int, "7");
        is("0x-7", "", false, Type::Str, "0x-7");
        is("-0b-1", "", false, Type::Str, "-0b-1");
        is("-_1", "", false, Type::Int, "-1");
        is(".5_0e1_0", "", false, Type::Float, "5000000000");
        is("1_0_e3", "", false, Type::Float, "10000");
        is(
            "0777777777777777777777777",
            "",
            false,
            Type::Float,
            "777777777777777800000000",
        );
        is("-infinity", "", false, Type::Str, "-infinity");
        is(
            "2001-01-01   10:20:30",
            "",
            false,
            Type::Time,
            "2001-01-01T10:20:30Z",
        );
        is(
            "2001-01-01T1:2:3,50Z",
            "",
            false,
            Type::Time,
            "2001-01-01T01:02:03.5Z",
        );
        is(
            "2001-01-01T01:02:03.5",
            "",
            false,
            Type::Str,
            "2001-01-01T01:02:03.5",
        );
        is("2001-02-30", "", false, Type::Str, "2001-02-30");
    }

    #[test]
    fn strings_and_plain_numbers_are_borrowed() {
        for text in ["some text", "no", "7", "-12", "1.5", "1-2", "0.0.0.0", "<<"] {
            let found = resolve(text.as_bytes(), b"", false).unwrap();
            assert!(matches!(found.text, Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_seen_at_once_is_what_is_computed(text in "-?(0|[0-9]{1,9})[.]?[0-9]{0,9}") {
            if let Some(ty) = by_look(text.as_bytes()) {
                let found = number(text.as_bytes());
                prop_assert_eq!((found.ty, &*found.text), (ty, text.as_bytes()));
            }
        }

        #[test]
        fn decimals_are_seen_at_once(whole in 0u32..100_000, part in 0u32..100_000_000) {
            let text = format!("{whole}.{part:08}1");
            prop_assert_eq!(by_look(text.as_bytes()), Some(Type::Float));
        }

        #[test]
        fn canonical_texts_of_numbers_resolve_to_themselves(text in "[-+]?[0-9box_.eE:TZ+-]{1,12}") {
            let Ok(first) = resolve(text.as_bytes(), b"", false) else { return Ok(()) };
            if matches!(first.ty, Type::Int | Type::Time) {
                prop_assert_eq!(&resolve(&first.text, b"", false), &Ok(first.clone()));
            }
            prop_assert_eq!(is_string(text.as_bytes()), first.ty == Type::Str);
        }
    }
}
