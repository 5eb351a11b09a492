//! How keys and values of a properties text are spelled, in both directions.

use crate::store::flat::append;
use zeroize::Zeroizing;

/// How bytes beyond ASCII are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// As they are.
    Raw,
    /// As `\uXXXX`, which means the same in every encoding.
    Escaped,
}

/// What joined lines mean. Half of a surrogate pair is kept, in the form that UTF-8 would give it.
///
/// # Errors
/// The offset of a `\u` without four digits.
pub(super) fn meaning(spelled: &[u8]) -> Result<Zeroizing<Vec<u8>>, usize> {
    let mut out = Zeroizing::new(Vec::with_capacity(spelled.len()));
    let mut at = 0;
    while let Some(run) = memchr::memchr(b'\\', &spelled[at..]) {
        append(&mut out, &spelled[at..at + run]);
        at += run;
        let plain = match spelled.get(at + 1) {
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b'f') => b'\x0c',
            Some(b'u') => {
                at += unicode(&spelled[at..], &mut out).ok_or(at)?;
                continue;
            }
            Some(&other) => other,
            None => break,
        };
        append(&mut out, &[plain]);
        at += 2;
    }
    append(
        &mut out,
        spelled[at..].strip_prefix(b"\\").unwrap_or(&spelled[at..]),
    );
    Ok(out)
}

/// Appends the character that `text` begins with as `\uXXXX`, or a pair of them; its length.
fn unicode(text: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Option<usize> {
    let unit = code_unit(text)?;
    let low = code_unit(&text[6..]).filter(|low| (0xdc00..0xe000).contains(low));
    if let (0xd800..0xdc00, Some(low)) = (unit, low) {
        let pair = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        let char = char::from_u32(pair)?;
        append(out, char.encode_utf8(&mut [0; 4]).as_bytes());
        return Some(12);
    }
    match char::from_u32(unit) {
        Some(char) => append(out, char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => append(out, &surrogate(unit)),
    }
    Some(6)
}

fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digit = |unit, &d: &u8| Some(unit << 4 | char::from(d).to_digit(16)?);
    digits.iter().try_fold(0, digit)
}

/// Half of a pair as the three bytes that UTF-8 would have for it.
fn surrogate(unit: u32) -> [u8; 3] {
    let six = |shift: u32| 0x80 | (unit >> shift & 0x3f) as u8;
    [0xed, six(6), six(0)]
}

/// A key as it is written.
pub(super) fn key(text: &[u8], bytes: Bytes) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    for (at, &byte) in text.iter().enumerate() {
        if matches!(byte, b' ' | b'=' | b':') || at == 0 && matches!(byte, b'#' | b'!') {
            append(&mut out, &[b'\\', byte]);
        } else {
            write(text, at, bytes, &mut out);
        }
    }
    out
}

/// A value as it is written behind its key; `has_sign` tells that `=` or `:` stands between.
pub(super) fn value(text: &[u8], bytes: Bytes, has_sign: bool) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    for (at, &byte) in text.iter().enumerate() {
        let is_sign = matches!(byte, b'=' | b':') && !has_sign;
        if at == 0 && (byte == b' ' || is_sign) {
            append(&mut out, &[b'\\', byte]);
        } else {
            write(text, at, bytes, &mut out);
        }
    }
    out
}

/// Appends what the byte at `at` contributes: of a character its first byte writes all.
fn write(text: &[u8], at: usize, bytes: Bytes, out: &mut Zeroizing<Vec<u8>>) {
    match text[at] {
        b'\\' => append(out, b"\\\\"),
        b'\n' => append(out, b"\\n"),
        b'\r' => append(out, b"\\r"),
        b'\t' => append(out, b"\\t"),
        b'\x0c' => append(out, b"\\f"),
        byte @ (..0x20 | 0x7f) if bytes == Bytes::Escaped => escape(u32::from(byte), out),
        byte @ 0x80.. if bytes == Bytes::Escaped => escape_character(text, at, byte, out),
        byte => append(out, &[byte]),
    }
}

/// The character of UTF-8 that begins at `at`. What is none counts as Latin-1, as for Java.
fn escape_character(text: &[u8], at: usize, byte: u8, out: &mut Zeroizing<Vec<u8>>) {
    let start = (at.saturating_sub(3)..at)
        .rev()
        .find(|&start| length(&text[start..]).is_some_and(|length| start + length > at));
    if start.is_some() {
        return;
    }
    let Some(length) = length(&text[at..]) else {
        return escape(u32::from(byte), out);
    };
    if let Ok(character) = std::str::from_utf8(&text[at..at + length]) {
        for unit in character.encode_utf16() {
            escape(u32::from(unit), out);
        }
        return;
    }
    let bits = |byte: u8| u32::from(byte & 0x3f);
    escape(0xd000 | bits(text[at + 1]) << 6 | bits(text[at + 2]), out);
}

/// The length of the character of two bytes and more that `text` begins with, or of half a pair.
fn length(text: &[u8]) -> Option<usize> {
    if let [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] = text {
        return Some(3);
    }
    let head = &text[..text.len().min(4)];
    let first = head.utf8_chunks().next()?.valid().chars().next()?;
    Some(first.len_utf8()).filter(|&length| length > 1)
}

fn escape(unit: u32, out: &mut Zeroizing<Vec<u8>>) {
    append(out, format!("\\u{unit:04X}").as_bytes());
}

/// A comment, each line of it behind the sign.
pub(super) fn comment(sign: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(sign.to_vec());
    for &byte in text {
        append(&mut out, &[byte]);
        if super::is_break(byte) {
            append(&mut out, sign);
        }
    }
    out
}
