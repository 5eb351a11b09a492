//! Floating point numbers as Go reads and prints them.

/// Go's `strconv.ParseFloat`: decimal and hexadecimal, `inf`, `infinity` and `nan` in any
/// case, single underscores between digits. `None` for anything else and beyond the range.
#[must_use]
pub fn parse_float(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    let number = if let [b'0', b'x' | b'X', digits @ ..] = rest {
        hexadecimal(digits)?
    } else {
        decimal(rest)?
    };
    number.is_finite().then_some(sign * number)
}

/// The digits of a number without its sign and prefix, checked against the grammar
/// `digits [. digits] [exponent]`, underscores removed.
struct Literal {
    /// The digits before and behind the point.
    digits: String,
    /// How many digits stand before the point.
    whole: usize,
    exponent: Option<i64>,
}

fn literal(text: &[u8], radix: u32, after_prefix: bool) -> Option<Literal> {
    let mark = if radix == 16 { b'p' } else { b'e' };
    let mut digits = String::with_capacity(text.len());
    let mut whole = None;
    let mut before = if after_prefix { b'0' } else { b'.' };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'_' if before == b'0' => before = b'_',
            b'.' if whole.is_none() && before != b'_' => {
                whole = Some(digits.len());
                before = b'.';
            }
            _ if char::from(byte).is_digit(radix) => {
                digits.push(char::from(byte));
                before = b'0';
            }
            _ => break,
        }
        at += 1;
    }
    let exponent = match text.get(at) {
        None => None,
        Some(byte) if byte.to_ascii_lowercase() == mark && before != b'_' => {
            Some(exponent(&text[at + 1..])?)
        }
        Some(_) => return None,
    };
    let whole = whole.unwrap_or(digits.len());
    (!digits.is_empty() && before != b'_').then_some(Literal {
        digits,
        whole,
        exponent,
    })
}

/// An exponent without its mark; beyond any float it stays at some value beyond any float.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let mut exponent = 0_i64;
    let mut before = b'_';
    for &byte in digits {
        match byte {
            b'_' if before != b'_' => {}
            b'0'..=b'9' if exponent < 1_000_000_000_000 => {
                exponent = exponent * 10 + i64::from(byte - b'0');
            }
            b'0'..=b'9' => {}
            _ => return None,
        }
        before = byte;
    }
    (before != b'_').then_some(sign * exponent)
}

fn decimal(text: &[u8]) -> Option<f64> {
    let number = literal(text, 10, false)?;
    let (whole, fraction) = number.digits.split_at(number.whole);
    let exponent = number.exponent.unwrap_or(0);
    format!("{whole}.{fraction}e{exponent}").parse().ok()
}

/// A hexadecimal float behind its `0x`, rounded to the nearest, ties to even.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let number = literal(text, 16, true)?;
    let mut exponent = number.exponent?;
    // 61 bits of the mantissa and a last bit that stands for all that follow.
    let mut mantissa = 0_u64;
    let mut places = i64::try_from(number.whole).ok()?;
    for digit in number.digits.chars().filter_map(|c| c.to_digit(16)) {
        if mantissa >> 58 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            places -= 1;
        } else {
            mantissa |= u64::from(digit != 0);
        }
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    exponent = exponent.saturating_add(places.saturating_mul(4));
    Some(scale(mantissa, exponent))
}

/// `mantissa` times two to the `exponent`, rounded once.
fn scale(mantissa: u64, exponent: i64) -> f64 {
    let top = exponent.saturating_add(63 - i64::from(mantissa.leading_zeros()));
    if top > 1023 {
        return f64::INFINITY;
    }
    // Bits below the last one that a float of this size has.
    let last = (top - 52).max(-1074);
    let drop = last.saturating_sub(exponent);
    let kept = match drop {
        ..=0 => mantissa << -drop,
        1..=63 => {
            let kept = mantissa >> drop;
            let rest = mantissa & ((1 << drop) - 1);
            let half = 1 << (drop - 1);
            kept + u64::from(rest > half || rest == half && kept & 1 == 1)
        }
        _ => 0,
    };
    // Both factors are exact: 54 bits at the most, and a power of two in two normal steps.
    let step = |power: i64| f64::from_bits(((power + 1023) as u64) << 52);
    let half = last / 2;
    kept as f64 * step(half) * step(last - half)
}

/// The shortest text that reads back as `number`, without an exponent: Go's
/// `FormatFloat(number, 'f', -1, 64)`. This is what sops encrypts and hashes.
#[must_use]
pub fn format_float_f(number: f64) -> String {
    special(number).map_or_else(|| positional(number), str::to_owned)
}

/// As a YAML file of sops has it: an exponent from six digits before the point on
/// (`1e+06`) and below four zeros behind it (`1e-05`); `.inf`, `-.inf`, `.nan`.
#[must_use]
pub fn float_yaml(number: f64) -> String {
    match special(number) {
        Some("+Inf") => ".inf".to_owned(),
        Some("-Inf") => "-.inf".to_owned(),
        Some(_) => ".nan".to_owned(),
        None => general(number),
    }
}

/// As a JSON file of sops has it: an exponent below 1e-6 and from 1e21 on.
/// `None` for infinity and NaN, which JSON does not have.
#[must_use]
pub fn float_json(number: f64) -> Option<String> {
    if special(number).is_some() {
        return None;
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(positional(number));
    }
    Some(with_exponent(number).replace("e-0", "e-"))
}

/// As a dotenv file of sops has it: the digits of [`float_yaml`] with a capital `E`,
/// and `.0` where it would look like a whole number.
#[must_use]
pub fn float_dotenv(number: f64) -> String {
    if let Some(text) = special(number) {
        return text.to_owned();
    }
    let text = general(number).to_ascii_uppercase();
    if text.contains(['.', 'E']) {
        text
    } else {
        text + ".0"
    }
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// The shortest digits that read back as `size`, which is not negative, and the power of ten of the
/// first of them. Where two texts are as short and as near, Go takes the one whose last digit is
/// even, and Rust the larger one.
fn shortest(size: f64) -> (String, i32) {
    let (digits, exponent) = scientific(&format!("{size:e}"));
    let count = digits.len();
    // Only a number of many digits can lie halfway.
    if count < 15 {
        return (digits, exponent);
    }
    let (exact, exponent_below) = scientific(&format!("{size:.*e}", count + 30));
    let (below, rest) = exact.split_at(count);
    let is_halfway = rest.starts_with('5') && rest[1..].bytes().all(|digit| digit == b'0');
    let is_even = below.ends_with(['0', '2', '4', '6', '8']);
    let reads_back =
        || format!("{below}e{}", exponent_below - count as i32 + 1).parse() == Ok(size);
    if is_halfway && is_even && reads_back() {
        return (below.to_owned(), exponent_below);
    }
    (digits, exponent)
}

/// Digits and exponent of a text as `1.25e-7`.
fn scientific(text: &str) -> (String, i32) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// The shortest digits without an exponent.
fn positional(number: f64) -> String {
    let (digits, exponent) = shortest(number.abs());
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let before = exponent + 1;
    match usize::try_from(before) {
        Ok(before) if before >= digits.len() => {
            format!("{sign}{digits}{}", "0".repeat(before - digits.len()))
        }
        Ok(before @ 1..) => format!("{sign}{}.{}", &digits[..before], &digits[before..]),
        _ => format!(
            "{sign}0.{}{digits}",
            "0".repeat(before.unsigned_abs() as usize)
        ),
    }
}

/// Go's `FormatFloat(number, 'g', -1, 64)`.
fn general(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        positional(number)
    } else {
        with_exponent(number)
    }
}

/// Go's `FormatFloat(number, 'e', -1, 64)`: a sign and two digits or more behind the `e`.
fn with_exponent(number: f64) -> String {
    let (digits, exponent) = shortest(number.abs());
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let direction = if exponent < 0 { '-' } else { '+' };
    let places = exponent.unsigned_abs();
    format!("{sign}{first}{point}{rest}e{direction}{places:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_are_those_of_go() {
        for (text, canonical) in [
            ("3.5", "3.5"),
            ("99.97036743164062", "99.97036743164062"),
            ("99.97036743164063", "99.97036743164062"),
            ("1e3", "1000"),
            ("1.50", "1.5"),
            ("-0", "-0"),
            (".5", "0.5"),
            ("1.", "1"),
            ("1E+2", "100"),
            ("1e23", "100000000000000000000000"),
            ("inf", "+Inf"),
            ("-Infinity", "-Inf"),
            ("nAn", "NaN"),
            ("1_0.0_1e0_1", "100.1"),
            ("1e-99999999999999999999", "0"),
            ("0x1p-2", "0.25"),
            ("0X1.8P+1", "3"),
            ("0x_1_0p0", "16"),
            ("0x1fffffffffffff8p0", "144115188075855870"),
            ("0x1.00000000000008p0", "1"),
            ("0x1.00000000000018p0", "1.0000000000000004"),
        ] {
            let number = parse_float(text.as_bytes()).map(format_float_f);
            assert_eq!(number.as_deref(), Some(canonical), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_no_float() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "+nan", "infi", "1 ", "_1", "1_", "1__0", "1_.0",
            "1._0", "1e_1", "1e1_", "0x1", "0xp1", "0x1_p1", "1e400", "-1e400", "0x1p1024",
            "1.0.0",
        ] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn layouts_differ_by_format() {
        for (number, yaml, json, dotenv) in [
            (1.0, "1", "1", "1.0"),
            (-0.0, "-0", "-0", "-0.0"),
            (100_000.5, "100000.5", "100000.5", "100000.5"),
            (1e6, "1e+06", "1000000", "1E+06"),
            (1_234_567.5, "1.2345675e+06", "1234567.5", "1.2345675E+06"),
            (0.0001, "0.0001", "0.0001", "0.0001"),
            (0.00001, "1e-05", "0.00001", "1E-05"),
            (1e-7, "1e-07", "1e-7", "1E-07"),
            (1.5e-10, "1.5e-10", "1.5e-10", "1.5E-10"),
            (1e21, "1e+21", "1e+21", "1E+21"),
            (-2e100, "-2e+100", "-2e+100", "-2E+100"),
        ] {
            assert_eq!(float_yaml(number), yaml);
            assert_eq!(float_json(number).as_deref(), Some(json));
            assert_eq!(float_dotenv(number), dotenv);
        }
        assert_eq!(float_yaml(f64::NEG_INFINITY), "-.inf");
        assert_eq!(float_json(f64::NAN), None);
        assert_eq!(float_dotenv(f64::INFINITY), "+Inf");
    }

    #[test]
    fn the_smallest_hexadecimal_floats_are_rounded_once() {
        assert_eq!(parse_float(b"0x1p-1074"), Some(5e-324));
        assert_eq!(parse_float(b"0x1p-1075"), Some(0.0));
        assert_eq!(parse_float(b"0x1.8p-1074"), Some(1e-323));
        assert_eq!(parse_float(b"0x1.fffffffffffff8p1023"), None);
        assert_eq!(parse_float(b"0x1.fffffffffffffp1023"), Some(f64::MAX));
    }

    proptest! {
        #[test]
        fn every_layout_reads_back(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for text in [
                format_float_f(number),
                float_yaml(number),
                float_dotenv(number),
                float_json(number).unwrap(),
            ] {
                let again = parse_float(text.as_bytes()).map(f64::to_bits);
                prop_assert_eq!(again, Some(bits), "{}", text);
            }
        }

        #[test]
        fn hexadecimal_texts_give_the_bits(mantissa in 0..1_u64 << 52, exponent in -1022..1024_i64) {
            let text = format!("0x1.{mantissa:013x}p{exponent}");
            let bits = ((exponent + 1023) as u64) << 52 | mantissa;
            prop_assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn no_text_panics(text in "[-+]?(0x)?[0-9a-fA-F_.]{0,20}([eEpP][-+]?[0-9_]{0,6})?") {
            let _ = parse_float(text.as_bytes());
        }
    }
}
