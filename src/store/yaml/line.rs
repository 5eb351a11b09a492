//! Lines that need no reading ahead: `key: value`, `key:`, `- value` and `- key: value`, without
//! property, bracket, escape or anything else out of the ordinary. Comments may stand directly
//! above, in the same column, and behind a value. Whatever is not surely one of these is left to
//! the scanner.

use super::text::byte;
use crate::document::{Span, Style};

/// A plain line.
#[derive(Clone, Copy)]
pub(super) struct Line {
    /// The line break that ends the line before.
    pub(super) gap: usize,
    /// How many line breaks there are from `gap` on to `start`.
    pub(super) breaks: u32,
    /// Where the first comment above begins; `start` without any.
    pub(super) comments: usize,
    /// Where its text begins, and the column.
    pub(super) start: usize,
    pub(super) column: usize,
    /// It begins with `- `.
    pub(super) dash: bool,
    /// The key; empty where the line is an item of a list without.
    pub(super) key: Span,
    /// The value, quotes included; empty where a key stands alone.
    pub(super) value: Span,
    /// How the value is written.
    pub(super) style: Style,
    /// The comment behind the value; empty without one.
    pub(super) comment: Span,
    /// The line break at its end.
    end: usize,
}

/// How far behind a value a comment may begin to be of it.
const FAR: usize = 256;

impl Line {
    /// The line of `source` whose text begins at `start`, in `column`.
    #[inline(always)]
    pub(super) fn read(source: &[u8], start: usize, column: usize) -> Option<Self> {
        let mut line = Self {
            gap: start,
            breaks: 0,
            comments: start,
            start,
            column,
            dash: false,
            key: Span::default(),
            value: Span::default(),
            style: Style::Plain,
            comment: Span::default(),
            end: 0,
        };
        let mut at = start;
        if byte(source, at) == b'-' && byte(source, at + 1) == b' ' {
            line.dash = true;
            at = blanks_end(source, at + 1);
        } else if matches!(byte(source, at), b'-' | b'.') {
            // Perhaps a document marker.
            return None;
        }
        if !is_plain_start(source, at) {
            return line.quoted(source, at).filter(|line| line.dash);
        }
        let end = plain_end(source, at)?;
        if byte(source, end) != b':' {
            return line.plain(source, at, end).filter(|line| line.dash);
        }
        if source[end - 1] == b' ' {
            return None;
        }
        line.key = Span::new(at, end);
        at = blanks_end(source, end + 1);
        if byte(source, at) == b'\n' {
            line.end = at;
            return Some(line);
        }
        if !is_plain_start(source, at) {
            return line.quoted(source, at);
        }
        let end = plain_end(source, at)?;
        line.plain(source, at, end)
    }

    /// The line behind this one; blank lines and comments between are no lines.
    #[inline(always)]
    pub(super) fn next(&self, source: &[u8]) -> Option<Self> {
        let (mut at, mut breaks) = (self.end, 0);
        // Where the first comment begins, and its column.
        let mut comments = None;
        loop {
            let start = at + 1;
            at = blanks_end(source, start);
            breaks += 1;
            match byte(source, at) {
                b'\n' if comments.is_none() => {}
                b'#' if at - start < FAR => {
                    let (_, column) = *comments.get_or_insert((at, at - start));
                    at = comment_end(source, at).filter(|_| column == at - start)?;
                }
                _ => {
                    let mut line = Self::read(source, at, at - start)?;
                    let (above, column) = comments.unwrap_or((at, line.column));
                    (line.gap, line.breaks, line.comments) = (self.end, breaks, above);
                    return (column == line.column).then_some(line);
                }
            }
        }
    }

    /// The comments above it, each from its sign to the end of its line.
    pub(super) fn comments_above<'s>(
        &self,
        source: &'s [u8],
    ) -> impl Iterator<Item = Span> + use<'s> {
        let (mut at, end, column) = (self.comments, self.start, self.column);
        std::iter::from_fn(move || {
            let comment = Span::new(at, (at < end).then(|| comment_end(source, at))??);
            at = comment.end as usize + 1 + column;
            Some(comment)
        })
    }

    /// The column of its key, or of its dash where it has none: what is deeper belongs to it.
    #[inline]
    pub(super) fn depth(&self) -> usize {
        if self.key.is_empty() {
            return self.column;
        }
        self.column + self.key.start as usize - self.start
    }

    /// With the plain value from `start` to what is at `end`: its line's break or a comment.
    #[inline(always)]
    fn plain(mut self, source: &[u8], start: usize, end: usize) -> Option<Self> {
        let mut text_end = end;
        while source[text_end - 1] == b' ' {
            text_end -= 1;
        }
        self.value = Span::new(start, text_end);
        self.ended(source, end)
    }

    /// With what is at `at`, behind the value and blanks: the line's break, or a comment before it.
    #[inline(always)]
    fn ended(mut self, source: &[u8], at: usize) -> Option<Self> {
        self.end = at;
        let value_end = self.value.end as usize;
        match byte(source, at) {
            b'\n' => return Some(self),
            b'#' if at > value_end && at - value_end < FAR => {}
            _ => return None,
        }
        self.end = comment_end(source, at)?;
        self.comment = Span::new(at, self.end);
        Some(self)
    }

    /// With the quoted value at `start`, if that is one and means what it says.
    #[inline]
    fn quoted(mut self, source: &[u8], start: usize) -> Option<Self> {
        let quote = byte(source, start);
        self.style = match quote {
            b'"' => Style::Double,
            b'\'' => Style::Single,
            _ => return None,
        };
        let mut at = start + 1;
        loop {
            at = find(source, at, quote, b'\\');
            match byte(source, at) {
                found if found == quote => break,
                b'\\' if quote == b'\'' => at += 1,
                _ => at = beyond_ascii_end(source, at)?,
            }
        }
        self.value = Span::new(start, at + 1);
        self.ended(source, blanks_end(source, at + 1))
    }
}

/// Behind the spaces from `at` on.
#[inline]
fn blanks_end(source: &[u8], mut at: usize) -> usize {
    while byte(source, at) == b' ' {
        at += 1;
    }
    at
}

/// Whether plain text begins at `at`, and surely nothing else.
#[inline]
fn is_plain_start(source: &[u8], at: usize) -> bool {
    match byte(source, at) {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => true,
        b'_' | b'/' | b'.' | b'$' | b'(' | b'<' | b'=' | b'+' | b'~' | b'^' | b'\\' => true,
        b'-' => byte(source, at + 1).is_ascii_alphanumeric(),
        _ => false,
    }
}

/// Where the plain text from `start` on ends: at its line's break, at the colon behind a key, or
/// at a comment.
#[inline(always)]
fn plain_end(source: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at = find(source, at, b':', b'#');
        match byte(source, at) {
            b'\n' => return Some(at),
            b':' if matches!(byte(source, at + 1), b' ' | b'\n') => return Some(at),
            b'#' if source[at - 1] == b' ' => return Some(at),
            b':' | b'#' => at += 1,
            _ => at = beyond_ascii_end(source, at)?,
        }
    }
}

/// The line break at the end of the comment at `start`.
#[inline]
fn comment_end(source: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at = find(source, at, b'\n', b'\n');
        match byte(source, at) {
            b'\n' => return Some(at),
            _ => at = beyond_ascii_end(source, at)?,
        }
    }
}

/// Behind the bytes from `at` on that are no ASCII; `None` where there are none, or where they may
/// be a line break.
fn beyond_ascii_end(source: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while byte(source, at) >= 0x80 {
        if matches!(byte(source, at), 0xC2 | 0xE2) {
            return None;
        }
        at += 1;
    }
    (at > start).then_some(at)
}

/// The first place from `at` on with `one`, `other`, a control character or what is no ASCII;
/// behind the end where there is none. It looks at eight bytes at a time.
#[inline(always)]
fn find(source: &[u8], mut at: usize, one: u8, other: u8) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (one_each, other_each) = (ONES * u64::from(one), ONES * u64::from(other));
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    while let Some(eight) = source.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*eight);
        // A borrow can only make the bits above the first true one wrong.
        let hits =
            below(word, 0x20) | below(word ^ one_each, 1) | below(word ^ other_each, 1) | word;
        if hits & HIGH != 0 {
            return at + (hits & HIGH).trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_hit = |b: &u8| *b < 0x20 || *b >= 0x80 || *b == one || *b == other;
    let rest = source.get(at..).unwrap_or(&[]);
    at + rest.iter().position(is_hit).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(bool, &str, &str)> {
        let line = Line::read(text.as_bytes(), 0, 0)?;
        Some((
            line.dash,
            &text[line.key.range()],
            &text[line.value.range()],
        ))
    }

    #[test]
    fn plain_lines_are_taken_apart() {
        assert_eq!(read("a: b c  \n"), Some((false, "a", "b c")));
        assert_eq!(read("a:  \n"), Some((false, "a", "")));
        assert_eq!(read("- -1\n"), Some((true, "", "-1")));
        assert_eq!(read("-  a: x#y:z[ü]\n"), Some((true, "a", "x#y:z[ü]")));
        assert_eq!(
            read("a: \"b # c: ü\" \n"),
            Some((false, "a", "\"b # c: ü\""))
        );
        assert_eq!(read("- 'b\\'\n"), Some((true, "", "'b\\'")));
    }

    #[test]
    fn comments_may_stand_above_and_behind() {
        let text = "a: b # c\n\n  # d\n  # e\n  f: 'g'  #\n";
        let shown = |span: Span| &text[span.range()];
        let line = Line::read(text.as_bytes(), 0, 0).unwrap();
        assert_eq!((shown(line.value), shown(line.comment)), ("b", "# c"));
        let next = line.next(text.as_bytes()).unwrap();
        assert_eq!((next.gap, next.breaks, next.column), (8, 4, 2));
        let above: Vec<&str> = next.comments_above(text.as_bytes()).map(shown).collect();
        assert_eq!(above, ["# d", "# e"]);
        assert_eq!((shown(next.value), shown(next.comment)), ("'g'", "#"));
        for text in ["a: b\n # c\nd: e\n", "a: b\n# c\n\nd: e\n"] {
            let line = Line::read(text.as_bytes(), 0, 0).unwrap();
            assert!(line.next(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for text in [
            "a",
            "a: b",
            "a b\n",
            "a: b: c\n",
            "a: b:\n",
            "a: # c\n",
            "a : b\n",
            "\"a\": b\n",
            "a: [b]\n",
            "a: &b c\n",
            "a: 'b''c'\n",
            "a: \"b\\n\"\n",
            "a: 'b\n",
            "- - a\n",
            "---\n",
            "...\n",
            "-\n",
            "a:\tb\n",
            "a: b\r\n",
            "a: \u{85}\n",
            "a: b\u{2028}\n",
            "? a\n",
            "a: |\n",
            "a: - b\n",
            "# a\n",
            "a: 'b' c\n",
            "'a'\n",
            "%a: b\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn eight_at_a_time_finds_what_one_at_a_time_does(text in "[a-c:#\\x1f\\x20\"ü\n]{0,40}") {
            let bytes = text.as_bytes();
            let slow = bytes.iter().position(|b| *b < 0x20 || *b >= 0x80 || matches!(b, b':' | b'#'));
            prop_assert_eq!(find(bytes, 0, b':', b'#'), slow.unwrap_or(bytes.len()));
        }
    }
}
