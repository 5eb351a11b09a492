//! The lines of a properties text: which are comments, which are joined, where key and value stand.

use super::spell;
use crate::document::Span;
use crate::store::{Excerpt, ParseError};
use zeroize::Zeroizing;

/// A comment, or an entry with all the lines that a backslash joins to it.
pub(super) enum Line {
    /// From its sign to the end of its text.
    Comment(Span),
    Entry(Entry),
}

/// A key and a value: where they are spelled, and what they mean.
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) key_text: Zeroizing<Vec<u8>>,
    pub(super) value: Span,
    pub(super) value_text: Zeroizing<Vec<u8>>,
}

/// Whether a byte ends a line.
pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Whether a byte is space that does not end a line.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

/// The lines of a text; blank ones are left out.
///
/// # Errors
/// [`ParseError`] where an escape is not whole.
pub(super) fn read(source: &[u8]) -> Result<Vec<Line>, ParseError> {
    let (mut lines, mut at) = (Vec::new(), 0);
    let mut joined = Joined::default();
    while let Some(&byte) = source.get(at) {
        if is_blank(byte) || is_break(byte) {
            at += 1;
        } else if matches!(byte, b'#' | b'!') {
            let rest = &source[at..];
            let end = at + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            lines.push(Line::Comment(Span::new(at, end)));
            at = end;
        } else {
            let start = at;
            at = joined.read(source, at);
            // A lone backslash at the end of the text is an entry without key and value for Java;
            // it is none where anything follows.
            if !joined.bytes.is_empty() {
                lines.push(Line::Entry(joined.entry(start)?));
            }
        }
    }
    Ok(lines)
}

/// The place behind the lines that end at `at`, where the text of an entry does.
pub(super) fn end_of_line(source: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = source.get(at) {
        at += 1;
        let is_joined = byte == b'\\' && source.get(at).is_some_and(|b| is_break(*b));
        if is_joined {
            at += break_length(&source[at..]);
        } else if is_break(byte) {
            return at - 1 + break_length(&source[at - 1..]);
        }
    }
    at
}

fn break_length(text: &[u8]) -> usize {
    if text.starts_with(b"\r\n") { 2 } else { 1 }
}

/// Lines put together: their bytes without the backslashes that join them and the blanks behind
/// these, and the place of each byte.
#[derive(Default)]
struct Joined {
    bytes: Zeroizing<Vec<u8>>,
    places: Vec<u32>,
}

impl Joined {
    /// Reads the lines that begin at `at`; the place of what follows.
    fn read(&mut self, source: &[u8], mut at: usize) -> usize {
        self.bytes.clear();
        self.places.clear();
        let mut is_escaped = false;
        while let Some(&byte) = source.get(at) {
            if !is_break(byte) {
                is_escaped = byte == b'\\' && !is_escaped;
                // Its memory is that of the longest line, and wiped in the end.
                super::flat::append(&mut self.bytes, &[byte]);
                self.places.push(Span::new(0, at).end);
                at += 1;
                continue;
            }
            if !is_escaped {
                return at;
            }
            self.pop();
            at += break_length(&source[at..]);
            if self.bytes.is_empty() {
                // What follows may be a comment.
                return at;
            }
            at += source[at..].iter().take_while(|b| is_blank(**b)).count();
            is_escaped = false;
        }
        if is_escaped {
            self.pop();
        }
        at
    }

    fn pop(&mut self) {
        self.bytes.pop();
        self.places.pop();
    }

    /// Key and value of the lines, which begin at `start`.
    fn entry(&self, start: usize) -> Result<Entry, ParseError> {
        let (key_end, value_start) = self.split();
        let key_text = self.meaning(0, key_end)?;
        let value_text = self.meaning(value_start, self.bytes.len())?;
        Ok(Entry {
            key: self.span(0, key_end, start),
            key_text,
            value: self.span(value_start, self.bytes.len(), start),
            value_text,
        })
    }

    /// Where the key ends, and where the value starts.
    fn split(&self) -> (usize, usize) {
        let mut is_escaped = false;
        let ends_key = |&byte: &u8| {
            let ends = !is_escaped && (is_blank(byte) || matches!(byte, b'=' | b':'));
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        };
        let end = self.bytes.iter().position(ends_key);
        let key_end = end.unwrap_or(self.bytes.len());
        let mut at = key_end;
        let mut has_sign = false;
        while let Some(&byte) = self.bytes.get(at) {
            if matches!(byte, b'=' | b':') && !has_sign {
                has_sign = true;
            } else if !is_blank(byte) {
                break;
            }
            at += 1;
        }
        (key_end, at)
    }

    /// Where the bytes from `from` to `to` stand; where there are none, behind the byte before.
    fn span(&self, from: usize, to: usize, start: usize) -> Span {
        let behind = |count: usize| match count.checked_sub(1) {
            Some(last) => self.places[last] as usize + 1,
            None => start,
        };
        if from == to {
            return Span::new(behind(from), behind(from));
        }
        Span::new(self.places[from] as usize, behind(to))
    }

    fn meaning(&self, from: usize, to: usize) -> Result<Zeroizing<Vec<u8>>, ParseError> {
        spell::meaning(&self.bytes[from..to]).map_err(|at| ParseError {
            problem: "an escape that is not `\\u` and four hexadecimal digits".to_owned(),
            offset: self.places[from + at] as usize,
            hint: Some("a backslash is written `\\\\`"),
            excerpt: Excerpt::default(),
        })
    }
}
