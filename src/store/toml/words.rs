//! The words of TOML: blanks, line ends, comments, keys, strings and what stands without quotes,
//! each read where the scanner is. Knows nothing of tables.

use super::scalar::{self, Meaning};
use crate::document::{Span, Style, Text, Type};
use crate::store::json::append;
use crate::store::{Excerpt, ParseError};
use zeroize::Zeroizing;

/// What everything here gives that can find the text wrong.
pub(super) type Result<T> = std::result::Result<T, ParseError>;

/// A [`ParseError`] at a byte of the source.
#[cold]
pub(super) fn error<T>(
    offset: usize,
    problem: impl Into<String>,
    hint: Option<&'static str>,
) -> Result<T> {
    Err(ParseError {
        problem: problem.into(),
        offset,
        hint,
        excerpt: Excerpt::default(),
    })
}

const NO_CONTROLS: &str = "a control character, which TOML takes only as an escape";
const BARE_RETURN: &str = "a carriage return without a line feed";

/// One part of a key, or the whole of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// With its quotes.
    pub(super) span: Span,
    /// What it means.
    pub(super) text: Text,
}

/// A scalar as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar {
    pub(super) style: Style,
    pub(super) ty: Type,
    pub(super) span: Span,
    pub(super) text: Text,
}

/// A text and the place that is read next.
pub(super) struct Scanner<'s> {
    pub(super) source: &'s [u8],
    /// Meanings that the source spells in another way.
    pub(super) cooked: Zeroizing<Vec<u8>>,
    pub(super) at: usize,
}

impl<'s> Scanner<'s> {
    /// A scanner behind the byte order mark of `source`, which is UTF-8.
    ///
    /// # Errors
    /// [`ParseError`] where it is not, or is too large.
    pub(super) fn new(source: &'s [u8]) -> Result<Self> {
        if source.len() >= u32::MAX as usize {
            return error(0, "a text of 4 GiB or more", None);
        }
        if let Err(found) = std::str::from_utf8(source) {
            let is_utf16 = source.starts_with(b"\xff\xfe") || source.starts_with(b"\xfe\xff");
            let hint = is_utf16.then_some("the text seems to be UTF-16; TOML is UTF-8");
            return error(found.valid_up_to(), "bytes that are not UTF-8", hint);
        }
        Ok(Self {
            source,
            cooked: Zeroizing::default(),
            at: if source.starts_with(BOM) {
                BOM.len()
            } else {
                0
            },
        })
    }

    pub(super) fn text(&self, text: Text) -> &[u8] {
        match text {
            Text::Source(span) => &self.source[span.range()],
            Text::Cooked(span) => &self.cooked[span.range()],
        }
    }

    /// The byte that is read next; `None` at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads a line end, if one is next.
    ///
    /// # Errors
    /// At a carriage return alone.
    pub(super) fn line_end(&mut self) -> Result<bool> {
        let length = match self.source[self.at..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r', ..] => return error(self.at, BARE_RETURN, None),
            _ => 0,
        };
        self.at += length;
        Ok(length > 0)
    }

    /// Reads the comment that is next, to the end of its line.
    ///
    /// # Errors
    /// At a control character.
    pub(super) fn comment(&mut self) -> Result<Span> {
        let (start, rest) = (self.at, &self.source[self.at..]);
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        let ended = length < rest.len();
        let line = line.strip_suffix(b"\r").filter(|_| ended).unwrap_or(line);
        if let Some(at) = line.iter().position(|b| is_control(*b)) {
            let problem = match line[at] {
                b'\r' => BARE_RETURN,
                _ => "a control character in a comment",
            };
            return error(start + at, problem, None);
        }
        self.at = start + line.len();
        Ok(Span::new(start, self.at))
    }

    /// Reads one part of a key: bare, or a string on one line.
    ///
    /// # Errors
    /// Where none is next.
    pub(super) fn key(&mut self) -> Result<Word> {
        let start = self.at;
        let text = match self.peek() {
            Some(b'"') => self.basic()?,
            Some(b'\'') => self.literal()?,
            _ => {
                let is_bare = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                let length = self.source[start..].iter().take_while(is_bare).count();
                if length == 0 {
                    return error(start, "expected a key", self.about_keys());
                }
                self.at += length;
                Text::Source(Span::new(start, self.at))
            }
        };
        let span = Span::new(start, self.at);
        Ok(Word { span, text })
    }

    fn about_keys(&self) -> Option<&'static str> {
        let is_other = self.peek().is_some_and(|b| b > b' ' && b != b'=');
        is_other.then_some("a key of other characters than A-Z a-z 0-9 _ - needs quotes")
    }

    /// Reads a scalar.
    ///
    /// # Errors
    /// Where none is next.
    pub(super) fn scalar(&mut self) -> Result<Scalar> {
        let start = self.at;
        let rest = &self.source[start..];
        let (style, text) = match rest {
            [b'"', b'"', b'"', ..] => (Style::Folded, self.multi_line(b'"')?),
            [b'\'', b'\'', b'\'', ..] => (Style::Literal, self.multi_line(b'\'')?),
            [b'"', ..] => (Style::Double, self.basic()?),
            [b'\'', ..] => (Style::Single, self.literal()?),
            _ => return self.bare(),
        };
        Ok(Scalar {
            style,
            ty: Type::Str,
            span: Span::new(start, self.at),
            text,
        })
    }

    /// Reads what stands without quotes: a number, a truth value, a date or a time.
    fn bare(&mut self) -> Result<Scalar> {
        let start = self.at;
        let rest = &self.source[start..];
        let length = scalar::bare_length(rest);
        if length == 0 {
            return error(start, "expected a value", None);
        }
        self.at += length;
        let span = Span::new(start, self.at);
        let Meaning { ty, canonical } = match scalar::meaning(&rest[..length]) {
            Ok(meaning) => meaning,
            Err(problem) => return error(start, problem, hint_at(&rest[..length])),
        };
        let text = match canonical {
            None => Text::Source(span),
            Some(canonical) => {
                let from = self.cooked.len();
                append(&mut self.cooked, canonical.as_bytes());
                self.cooked_since(from)?
            }
        };
        Ok(Scalar {
            style: Style::Plain,
            ty,
            span,
            text,
        })
    }

    fn cooked_since(&self, from: usize) -> Result<Text> {
        if self.cooked.len() >= u32::MAX as usize {
            return error(self.at, "values of 4 GiB or more", None);
        }
        Ok(Text::Cooked(Span::new(from, self.cooked.len())))
    }

    /// Reads `'...'`.
    fn literal(&mut self) -> Result<Text> {
        let (open, start) = (self.at, self.at + 1);
        let rest = &self.source[start..];
        match rest.iter().position(|b| *b == b'\'' || is_control(*b)) {
            Some(end) if rest[end] == b'\'' => {
                self.at = start + end + 1;
                Ok(Text::Source(Span::new(start, start + end)))
            }
            other => self.broken(open, start + other.unwrap_or(rest.len())),
        }
    }

    /// Reads `"..."`.
    fn basic(&mut self) -> Result<Text> {
        let (open, start, from) = (self.at, self.at + 1, self.cooked.len());
        let mut copied = start;
        self.at = start;
        loop {
            let rest = &self.source[self.at..];
            let found = rest
                .iter()
                .position(|b| matches!(b, b'"' | b'\\') || is_control(*b));
            let end = self.at + found.unwrap_or(rest.len());
            match self.source.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    if copied == start {
                        return Ok(Text::Source(Span::new(start, end)));
                    }
                    append(&mut self.cooked, &self.source[copied..end]);
                    return self.cooked_since(from);
                }
                Some(b'\\') => {
                    append(&mut self.cooked, &self.source[copied..end]);
                    self.at = end;
                    self.escape()?;
                    copied = self.at;
                }
                _ => return self.broken(open, end),
            }
        }
    }

    /// The error of a string that opens at `open` and does not go on at `at`.
    #[cold]
    fn broken<T>(&self, open: usize, at: usize) -> Result<T> {
        match self.source.get(at) {
            None | Some(b'\n') => error(open, "a string without a closing quote", None),
            Some(b'\r') if self.source.get(at + 1) == Some(&b'\n') => {
                error(open, "a string without a closing quote", None)
            }
            Some(b'\r') => error(at, BARE_RETURN, None),
            Some(_) => error(at, NO_CONTROLS, None),
        }
    }

    /// Reads a string in three quotes, whose lines end in a line feed whatever the source has.
    fn multi_line(&mut self, quote: u8) -> Result<Text> {
        let open = self.at;
        self.at += 3;
        self.line_end()?;
        let (start, from) = (self.at, self.cooked.len());
        let mut copied = start;
        loop {
            let rest = &self.source[self.at..];
            let stops = |b: &u8| {
                *b == quote || (*b == b'\\' && quote == b'"') || (is_control(*b) && *b != b'\n')
            };
            let end = self.at + rest.iter().position(stops).unwrap_or(rest.len());
            self.at = end;
            match self.source[end..] {
                [] => return error(open, "a string without its three closing quotes", None),
                [b'\r', b'\n', ..] => {
                    append(&mut self.cooked, &self.source[copied..end]);
                    (copied, self.at) = (end + 1, end + 2);
                }
                [b'\\', ..] if quote == b'"' => {
                    append(&mut self.cooked, &self.source[copied..end]);
                    if !self.joined_lines()? {
                        self.escape()?;
                    }
                    copied = self.at;
                }
                [byte, ..] if byte == quote => {
                    let run = self.source[end..].iter().take_while(|b| **b == quote);
                    // Up to two quotes before the closing ones are of the text.
                    let run = run.count().min(5);
                    self.at += run;
                    if run < 3 {
                        continue;
                    }
                    let end = self.at - 3;
                    if copied == start {
                        return Ok(Text::Source(Span::new(start, end)));
                    }
                    append(&mut self.cooked, &self.source[copied..end]);
                    return self.cooked_since(from);
                }
                [b'\r', ..] => return error(end, BARE_RETURN, None),
                _ => return error(end, NO_CONTROLS, None),
            }
        }
    }

    /// Reads a backslash that ends its line, with all blanks and line ends behind it.
    fn joined_lines(&mut self) -> Result<bool> {
        let backslash = self.at;
        self.at += 1;
        self.skip_blanks();
        if !self.line_end()? {
            self.at = backslash;
            return Ok(false);
        }
        loop {
            self.skip_blanks();
            if !self.line_end()? {
                return Ok(true);
            }
        }
    }

    /// Reads an escape and puts what it means behind the cooked text.
    fn escape(&mut self) -> Result<()> {
        let start = self.at;
        let byte = self.source.get(start + 1).copied().unwrap_or_default();
        self.at += 2;
        let plain = match byte {
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'e' => 0x1b,
            b'"' | b'\\' => byte,
            b'x' => return self.code_point(2),
            b'u' => return self.code_point(4),
            b'U' => return self.code_point(8),
            _ => {
                let hint = "write a backslash as `\\\\`, or the string in single quotes";
                return error(start, "an escape that TOML does not have", Some(hint));
            }
        };
        append(&mut self.cooked, &[plain]);
        Ok(())
    }

    /// Reads the digits of `\x`, `\u` and `\U`.
    fn code_point(&mut self, digits: usize) -> Result<()> {
        let start = self.at - 2;
        let number = self
            .source
            .get(self.at..self.at + digits)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match number.map(char::from_u32) {
            Some(Some(char)) => {
                let mut buffer = [0; 4];
                append(&mut self.cooked, char.encode_utf8(&mut buffer).as_bytes());
                self.at += digits;
                Ok(())
            }
            Some(None) => error(start, "an escape for what is no character", None),
            None => error(start, format!("expected {digits} hexadecimal digits"), None),
        }
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What TOML allows neither in strings nor in comments; a line end is one.
pub(super) fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

fn hint_at(word: &[u8]) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_slice() {
        b"true" | b"false" | b"inf" | b"nan" => Some("it is written in small letters"),
        b"null" | b"nil" | b"none" => Some("TOML has no null: leave the key out"),
        [b'a'..=b'z', ..] => Some("a text stands in quotes"),
        _ => None,
    }
}
