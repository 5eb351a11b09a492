//! How single values of HCL are spelled, in both directions.

use super::lines;
use crate::document::scalar::{canonical, format_float_f, parse_float};
use crate::document::{Document, Node, Style, Type, Value};
use crate::store::flat::{append, spelled};
use zeroize::Zeroizing;

/// What stands before the token of an expression, and behind it.
pub(super) const OPENING: &[u8] = b"\"${\"";
pub(super) const CLOSING: &[u8] = b"\"}\"";

/// What the inside of a string means; `None` for a template, and for what HCL refuses.
pub(super) fn unquote(raw: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut at = 0;
    while let Some(run) = memchr::memchr3(b'\\', b'$', b'%', &raw[at..]) {
        append(&mut out, &raw[at..at + run]);
        at += run;
        at += if raw[at] == b'\\' {
            escape(&raw[at..], &mut out)?
        } else {
            sign(&raw[at..], &mut out)?
        };
    }
    append(&mut out, &raw[at..]);
    Some(out)
}

/// Appends the sign that `text` begins with; its length. `None` where a template begins.
fn sign(text: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Option<usize> {
    let sign = text[0];
    if text.get(1) == Some(&b'{') {
        return None;
    }
    if text.get(1) == Some(&sign) && text.get(2) == Some(&b'{') {
        append(out, &[sign, b'{']);
        return Some(3);
    }
    append(out, &[sign]);
    Some(1)
}

fn escape(text: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Option<usize> {
    let plain = match text.get(1)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        &c @ (b'"' | b'\\') => c,
        b'u' => return character(text, 4, out),
        b'U' => return character(text, 8, out),
        _ => return None,
    };
    append(out, &[plain]);
    Some(2)
}

fn character(text: &[u8], digits: usize, out: &mut Zeroizing<Vec<u8>>) -> Option<usize> {
    let digits = text.get(2..2 + digits)?;
    let digit = |unit: u32, &d: &u8| Some(unit << 4 | char::from(d).to_digit(16)?);
    let character = char::from_u32(digits.iter().try_fold(0, digit)?)?;
    append(out, character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(2 + digits.len())
}

/// Appends a text as a string in quotes. What is no UTF-8 becomes U+FFFD.
pub(super) fn quote(text: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    append(out, b"\"");
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let text = text.as_bytes();
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => append(out, &[b'\\', byte]),
            b'\n' => append(out, b"\\n"),
            b'\r' => append(out, b"\\r"),
            b'\t' => append(out, b"\\t"),
            b'$' | b'%' if text.get(at + 1) == Some(&b'{') => append(out, &[byte, byte]),
            ..0x20 | 0x7f => append(out, format!("\\u{byte:04x}").as_bytes()),
            _ => append(out, &[byte]),
        }
    }
    append(out, b"\"");
}

/// A value as a literal, else as a string.
pub(super) fn scalar(value: Value<'_>) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::default();
    match value.ty {
        Type::Null => append(&mut out, b"null"),
        Type::Bool => append(&mut out, &spelled(Type::Bool, value.text)),
        Type::Int | Type::Float if is_number(value.text) => append(&mut out, value.text),
        Type::Float => match parse_float(value.text).map(format_float_f) {
            Some(text) if is_number(text.as_bytes()) => append(&mut out, text.as_bytes()),
            _ => quote(value.text, &mut out),
        },
        Type::Int => match canonical(Type::Int, value.text) {
            Some(text) if is_number(&text) => append(&mut out, &text),
            _ => quote(value.text, &mut out),
        },
        Type::Str | Type::Time => quote(value.text, &mut out),
    }
    out
}

fn is_number(text: &[u8]) -> bool {
    number(text).is_some_and(|(length, _)| length == text.len())
}

/// The length of the number at the head of `text`, and whether it is whole.
pub(super) fn number(text: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let mut at = digits(usize::from(text.first() == Some(&b'-')))?;
    let whole = at;
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let signed = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(signed))?;
    }
    Some((at, at == whole))
}

/// The blanks that all lines of an indented heredoc begin with; none for another.
pub(super) fn indentation<'d>(document: &'d Document, node: &Node) -> &'d [u8] {
    if node.style == Style::Literal {
        return b"";
    }
    common_blanks(document.slice(lines(document, node)))
}

/// The blanks that all lines but blank ones begin with, as the first has them.
pub(super) fn common_blanks(text: &[u8]) -> &[u8] {
    let mut common: Option<&[u8]> = None;
    for line in text.split(|b| *b == b'\n').filter(|l| !is_empty(l)) {
        let blanks = line.iter().take_while(|b| is_blank(**b)).count();
        let before = common.map_or(blanks, <[u8]>::len);
        common = Some(&common.unwrap_or(line)[..blanks.min(before)]);
    }
    common.unwrap_or_default()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_empty(line: &[u8]) -> bool {
    line.iter().all(|b| is_blank(*b) || *b == b'\r')
}

/// What the lines of a heredoc mean; `None` for a template.
pub(super) fn unindented(text: &[u8], is_indented: bool) -> Option<Zeroizing<Vec<u8>>> {
    let blanks = if is_indented {
        common_blanks(text).len()
    } else {
        0
    };
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text.split_inclusive(|b| *b == b'\n') {
        let own = line.iter().take_while(|b| is_blank(**b)).count();
        let mut line = &line[own.min(blanks)..];
        while let Some(run) = memchr::memchr2(b'$', b'%', line) {
            append(&mut out, &line[..run]);
            let length = sign(&line[run..], &mut out)?;
            line = &line[run + length..];
        }
        append(&mut out, line);
    }
    Some(out)
}

/// A value as the lines of the heredoc `node`; `None` where it cannot hold it.
pub(super) fn heredoc(
    document: &Document,
    node: &Node,
    value: Value<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let is_text = value.ty == Type::Str && value.text.ends_with(b"\n");
    if !is_text || std::str::from_utf8(value.text).is_err() {
        return None;
    }
    let head = &document.source[node.span.start as usize..node.body_start as usize];
    let marker = head.trim_ascii_end();
    let marker = marker.trim_ascii_start().strip_prefix(b"<<")?;
    let marker = marker.strip_prefix(b"-").unwrap_or(marker);
    let indent = indentation(document, node);
    let mut out = Zeroizing::new(Vec::with_capacity(value.text.len() * 2));
    for line in value.text.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii() == marker {
            return None;
        }
        if !is_empty(line.trim_ascii_end()) {
            append(&mut out, indent);
        }
        for (at, &byte) in line.iter().enumerate() {
            if matches!(byte, b'$' | b'%') && line.get(at + 1) == Some(&b'{') {
                append(&mut out, &[byte]);
            }
            append(&mut out, &[byte]);
        }
    }
    let again = unindented(&out, node.style == Style::Folded)?;
    (*again == *value.text).then_some(out)
}

/// A comment behind `sign`; what would end it early is written in another way.
pub(super) fn comment(sign: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(sign.to_vec());
    for (at, &byte) in text.iter().enumerate() {
        append(&mut out, &[byte]);
        if sign == b"/*" && byte == b'*' && text.get(at + 1) == Some(&b'/') {
            append(&mut out, b" ");
        } else if sign != b"/*" && byte == b'\n' {
            append(&mut out, sign);
        }
    }
    if sign == b"/*" {
        append(&mut out, b"*/");
    }
    out
}
