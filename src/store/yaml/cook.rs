//! What a scalar says, where its source spells it in another way: line breaks folded, escapes
//! decoded, the indentation of a block scalar taken off.

use super::text::{Result, break_len, byte, error, is_blank, line_end};

/// What becomes of the line breaks at the end of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chomp {
    /// One stays; no indicator.
    Clip,
    /// None stays; `-`.
    Strip,
    /// All stay; `+`.
    Keep,
}

/// Writes a plain scalar of several lines: breaks become spaces, blank lines breaks.
pub(super) fn plain(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        if is_blank(text[at]) || break_len(text, at) > 0 {
            at = fold(text, at, false, out);
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
}

/// Writes what stands between single quotes.
pub(super) fn single(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        if is_blank(text[at]) || break_len(text, at) > 0 {
            at = fold(text, at, false, out);
        } else {
            out.push(text[at]);
            // The only quotes in here are doubled.
            at += if text[at] == b'\'' { 2 } else { 1 };
        }
    }
}

/// Writes what stands between double quotes; `offset` is where `text` begins in the source.
///
/// # Errors
/// An escape that YAML does not know.
pub(super) fn double(text: &[u8], offset: usize, out: &mut Vec<u8>) -> Result<()> {
    let mut at = 0;
    while at < text.len() {
        if is_blank(text[at]) || break_len(text, at) > 0 {
            at = fold(text, at, false, out);
        } else if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
        } else if break_len(text, at + 1) > 0 {
            at = fold(text, at + 1 + break_len(text, at + 1), true, out);
        } else {
            at = escape(text, at, offset, out)?;
        }
    }
    Ok(())
}

/// Writes the character that the escape at `at` stands for; gives where it ends.
fn escape(text: &[u8], at: usize, offset: usize, out: &mut Vec<u8>) -> Result<usize> {
    let code = byte(text, at + 1);
    let digits = match code {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let Some(c) = number(text, at + 2, digits) else {
            return error(offset + at, "found an escape that is no Unicode character");
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(at + 2 + digits);
    }
    let plain: &str = match code {
        b'0' => "\0",
        b'a' => "\x07",
        b'b' => "\x08",
        b't' | b'\t' => "\t",
        b'n' => "\n",
        b'v' => "\x0B",
        b'f' => "\x0C",
        b'r' => "\r",
        b'e' => "\x1B",
        b' ' => " ",
        b'"' => "\"",
        b'\'' => "'",
        b'/' => "/",
        b'\\' => "\\",
        b'N' => "\u{85}",
        b'_' => "\u{A0}",
        b'L' => "\u{2028}",
        b'P' => "\u{2029}",
        _ => return error(offset + at, "found an unknown escape character"),
    };
    out.extend_from_slice(plain.as_bytes());
    Ok(at + 2)
}

fn number(text: &[u8], at: usize, digits: usize) -> Option<char> {
    let mut value = 0u32;
    for &digit in text.get(at..at + digits)? {
        value = value << 4 | char::from(digit).to_digit(16)?;
    }
    char::from_u32(value)
}

/// Writes what the blanks and breaks from `at` on amount to: themselves on one line, else one
/// space, else a break less than there are. `escaped`: a break before `at` has been taken back.
/// Gives where the run ends.
fn fold(text: &[u8], at: usize, escaped: bool, out: &mut Vec<u8>) -> usize {
    let (start, len) = (at, out.len());
    let (mut at, mut broken, mut space) = (at, escaped, false);
    loop {
        let breaks = break_len(text, at);
        if breaks > 0 {
            // LS and PS are never folded away.
            if broken || breaks == 3 {
                push_break(text, at, out);
            } else {
                space = true;
            }
            broken = true;
            at += breaks;
        } else if is_blank(byte(text, at)) {
            at += 1;
        } else {
            break;
        }
    }
    if !broken {
        out.extend_from_slice(&text[start..at]);
    } else if space && out.len() == len {
        out.push(b' ');
    }
    at
}

fn push_break(text: &[u8], at: usize, out: &mut Vec<u8>) {
    match break_len(text, at) {
        0 => {}
        3 => out.extend_from_slice(&text[at..at + 3]),
        _ => out.push(b'\n'),
    }
}

/// Writes the value of a block scalar. `text` are its lines and the blank lines behind them,
/// `indent` the columns that are not part of the value.
pub(super) fn block(text: &[u8], indent: usize, folded: bool, chomp: Chomp, out: &mut Vec<u8>) {
    let mut blank_lines = Vec::new();
    let mut at = skip_blank_lines(text, 0, indent, &mut blank_lines);
    // Where the break of the line before stands; at the end of the text there is none.
    let mut line_break = text.len();
    let mut indented = true;
    while at < text.len() {
        let indented_now = is_blank(text[at]);
        let folds =
            folded && !indented && !indented_now && matches!(break_len(text, line_break), 1 | 2);
        if !folds {
            push_break(text, line_break, out);
        } else if blank_lines.is_empty() {
            out.push(b' ');
        }
        out.append(&mut blank_lines);
        indented = indented_now;
        line_break = line_end(text, at);
        out.extend_from_slice(&text[at..line_break]);
        at = line_break + break_len(text, line_break);
        at = skip_blank_lines(text, at, indent, &mut blank_lines);
    }
    if chomp != Chomp::Strip {
        push_break(text, line_break, out);
    }
    if chomp == Chomp::Keep {
        out.append(&mut blank_lines);
    }
}

/// Behind blank lines and the indentation of the next one.
fn skip_blank_lines(text: &[u8], mut at: usize, indent: usize, breaks: &mut Vec<u8>) -> usize {
    loop {
        let end = text.len().min(at + indent);
        while at < end && text[at] == b' ' {
            at += 1;
        }
        let len = break_len(text, at);
        if len == 0 {
            return at;
        }
        push_break(text, at, breaks);
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cooked(cook: impl Fn(&[u8], &mut Vec<u8>), text: &str) -> String {
        let mut out = Vec::new();
        cook(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_of_a_plain_scalar_are_joined() {
        assert_eq!(cooked(plain, "a  b"), "a  b");
        assert_eq!(cooked(plain, "a \t\n\t b"), "a b");
        assert_eq!(cooked(plain, "a\r\n\r\n \r\nb"), "a\n\nb");
        assert_eq!(cooked(plain, "a\u{85}b"), "a b");
        assert_eq!(cooked(plain, "a\u{2028}b"), "a\u{2028}b");
    }

    #[test]
    fn quotes_in_single_quotes_are_doubled() {
        assert_eq!(cooked(single, "it''s\n a '' "), "it's a ' ");
    }

    #[test]
    fn double_quotes_know_escapes() {
        let double = |text: &[u8], out: &mut Vec<u8>| double(text, 0, out).unwrap();
        assert_eq!(
            cooked(double, r"\x41\u00e9\U0001F600\n\t\'\/\\"),
            "Aé😀\n\t'/\\"
        );
        assert_eq!(cooked(double, "a \\\n   b\\\n\n c"), "a b\nc");
        assert_eq!(cooked(double, "a \n"), "a ");
    }

    #[test]
    fn a_wrong_escape_is_shown_where_it_stands() {
        for (text, at) in [(r"ab\q", 12), (r"\ud800", 10), (r"\x4", 10), ("\\", 10)] {
            let wrong = double(text.as_bytes(), 10, &mut Vec::new()).unwrap_err();
            assert_eq!(wrong.offset, at, "{text}");
        }
    }

    #[test]
    fn block_scalars_lose_indentation_and_end_as_told() {
        let text = "\n  a\n   b\n\n  c\n\n";
        let literal = |chomp| cooked(|t, out| block(t, 2, false, chomp, out), text);
        assert_eq!(literal(Chomp::Clip), "\na\n b\n\nc\n");
        assert_eq!(literal(Chomp::Strip), "\na\n b\n\nc");
        assert_eq!(literal(Chomp::Keep), "\na\n b\n\nc\n\n");
        let folded = |text| cooked(|t, out| block(t, 1, true, Chomp::Clip, out), text);
        assert_eq!(folded(" a\n b\n\n c\n  d\n e\n"), "a b\nc\n d\ne\n");
        assert_eq!(folded(" no break at the end"), "no break at the end");
    }
}
