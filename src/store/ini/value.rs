//! Values as go-ini reads them, and texts that it reads as a given value.

use super::space;
use crate::document::Style;
use crate::document::secret::append;
use memchr::{memchr, memchr2, memmem};
use std::borrow::Cow;
use std::ops::Range;
use zeroize::Zeroizing;

/// A value and the rest of its lines. Offsets are those of the source.
pub(super) struct Reading {
    /// The value with its quotes, over all its lines.
    pub(super) span: Range<usize>,
    /// Its quotes: [`Style::Literal`] for three, [`Style::Folded`] for backticks.
    pub(super) style: Style,
    /// What it means.
    pub(super) text: Meaning,
    /// The comment behind it, with its sign.
    pub(super) comment: Option<Range<usize>>,
    /// Something stands behind the quotes that go-ini passes over.
    pub(super) has_junk: bool,
    /// The value would read differently if lines followed.
    pub(super) hangs_on_the_end: bool,
    /// Where what stands on its lines ends.
    pub(super) end: usize,
    /// Where the next line starts.
    pub(super) next: usize,
}

/// What a value means.
pub(super) enum Meaning {
    /// A part of the source.
    Source(Range<usize>),
    /// Put together from lines that end in a backslash.
    Joined(Zeroizing<Vec<u8>>),
}

impl Meaning {
    pub(super) fn bytes<'s>(&'s self, source: &'s [u8]) -> &'s [u8] {
        match self {
            Self::Source(range) => &source[range.clone()],
            Self::Joined(text) => text,
        }
    }
}

/// Where the line that `at` is in ends, its line feed included.
pub(super) fn line_end(source: &[u8], at: usize) -> usize {
    memchr(b'\n', &source[at..]).map_or(source.len(), |n| at + n + 1)
}

/// Reads the value that starts at `at`; `None` where quotes do not end.
pub(super) fn read(source: &[u8], at: usize) -> Option<Reading> {
    let next = line_end(source, at);
    let line = at..next;
    let start = at + space::at_start(&source[line.clone()]);
    let text = &source[start..next];
    if text.is_empty() {
        return Some(nothing(source, at, next));
    }
    for (quotes, style) in [(&b"\"\"\""[..], Style::Literal), (b"`", Style::Folded)] {
        // Three quotes at the end of the text are no opening ones.
        if text.starts_with(quotes) && (text.len() > 3 || style == Style::Folded) {
            return in_quotes(source, start, next, quotes, style);
        }
    }
    let end = next - space::at_end(text);
    if source[end - 1] == b'\\' {
        return Some(continued(source, start..end - 1, next));
    }
    let hangs = text == b"\"\"\"";
    let sign = memchr2(b'#', b';', &source[start..end]).map(|n| start + n);
    let behind = sign.unwrap_or(end);
    let value = start..behind - space::at_end(&source[start..behind]);
    let (style, inside) = unquoted(source, value.clone());
    Some(Reading {
        span: value,
        style,
        text: Meaning::Source(inside),
        comment: sign.map(|sign| sign..end),
        has_junk: false,
        hangs_on_the_end: hangs,
        end,
        next,
    })
}

/// No value: its place is behind the blanks.
fn nothing(source: &[u8], at: usize, next: usize) -> Reading {
    let is_blank = |b: &&u8| matches!(b, b' ' | b'\t');
    let place = at + source[at..next].iter().take_while(is_blank).count();
    Reading {
        span: place..place,
        style: Style::Plain,
        text: Meaning::Source(place..place),
        comment: None,
        has_junk: false,
        hangs_on_the_end: false,
        end: place,
        next,
    }
}

/// A value in one pair of quotes without such quotes inside loses them.
fn unquoted(source: &[u8], value: Range<usize>) -> (Style, Range<usize>) {
    let text = &source[value.clone()];
    for (quote, style) in [(b'\'', Style::Single), (b'"', Style::Double)] {
        let closes = text.len() >= 2 && text[0] == quote;
        if closes && memchr(quote, &text[1..]) == Some(text.len() - 2) {
            return (style, value.start + 1..value.end - 1);
        }
    }
    (Style::Plain, value)
}

/// A value up to the last closing quotes of the first line that has any.
fn in_quotes(
    source: &[u8],
    start: usize,
    next: usize,
    quotes: &[u8],
    style: Style,
) -> Option<Reading> {
    let open = start + quotes.len();
    let (mut from, mut next) = (open, next);
    let close = loop {
        match memmem::rfind(&source[from..next], quotes) {
            Some(found) => break from + found,
            None if next == source.len() => return None,
            None => (from, next) = (next, line_end(source, next)),
        }
    };
    let behind = close + quotes.len();
    let end = next - space::at_end(&source[behind..next]);
    let rest = &source[behind..end];
    // Behind a value on one line go-ini does not even look for a comment.
    let is_long = from != open;
    let sign = memchr2(b'#', b';', rest).filter(|_| is_long);
    let junk = &rest[..sign.unwrap_or(rest.len())];
    Some(Reading {
        span: start..behind,
        style,
        text: Meaning::Source(open..close),
        comment: sign.map(|sign| behind + sign..end),
        has_junk: space::at_start(junk) < junk.len(),
        hangs_on_the_end: false,
        end,
        next,
    })
}

/// A value that goes on, because a backslash stands at the end of its line.
fn continued(source: &[u8], first: Range<usize>, next: usize) -> Reading {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * first.len()));
    text.extend_from_slice(&source[first.clone()]);
    let (mut end, mut next) = (first.end + 1, next);
    let mut hangs = false;
    loop {
        if next == source.len() {
            hangs = !source.ends_with(b"\n");
            break;
        }
        let (start, behind) = (next, line_end(source, next));
        let line = &source[start..behind];
        next = behind;
        let from = start + space::at_start(line);
        if from == behind {
            break;
        }
        end = behind - space::at_end(line);
        let goes_on = source[end - 1] == b'\\';
        let to = end - usize::from(goes_on);
        append(&mut text, &source[from..to]);
        if !goes_on {
            break;
        }
    }
    Reading {
        span: first.start..end,
        style: Style::Plain,
        text: Meaning::Joined(text),
        comment: None,
        has_junk: false,
        hangs_on_the_end: hangs,
        end,
        next,
    }
}

/// A text that go-ini reads as `value`: in quotes of `style` where that is one, else as sops
/// writes it where go-ini reads that back, else in any quotes in which it does.
pub(super) fn spelled(value: &[u8], style: Style) -> Option<Zeroizing<Vec<u8>>> {
    let all = [
        style,
        as_sops(value),
        Style::Plain,
        Style::Double,
        Style::Single,
        Style::Folded,
        Style::Literal,
    ];
    let texts = all.into_iter().map(|style| quoted(value, style));
    texts.into_iter().find(|text| reads_as(text, value))
}

/// The quotes in which sops writes a value.
pub(super) fn as_sops(value: &[u8]) -> Style {
    if memchr2(b'\n', b'`', value).is_some() {
        Style::Literal
    } else if memchr2(b'#', b';', value).is_some() {
        Style::Folded
    } else if space::at_start(value) + space::at_end(value) > 0 {
        Style::Double
    } else {
        Style::Plain
    }
}

/// `value` in quotes.
pub(super) fn quoted(value: &[u8], style: Style) -> Zeroizing<Vec<u8>> {
    let quotes: Cow<'_, [u8]> = match style {
        Style::Single => b"'".into(),
        Style::Double => b"\"".into(),
        Style::Literal => b"\"\"\"".into(),
        Style::Folded => b"`".into(),
        Style::Plain | Style::Block | Style::Flow => b"".into(),
    };
    Zeroizing::new([&quotes, value, &quotes].concat())
}

fn reads_as(text: &[u8], value: &[u8]) -> bool {
    let line = Zeroizing::new([text, b"\nx"].concat());
    read(&line, 0).is_some_and(|reading| {
        reading.span == (0..text.len())
            && reading.text.bytes(&line) == value
            && reading.comment.is_none()
            && !matches!(reading.text, Meaning::Joined(_))
            && reading.next == text.len() + 1
    })
}
