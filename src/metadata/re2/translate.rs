//! From Go's syntax to that of the `regex` crate.
//!
//! The grammar is followed token by token; every atom is written out with its flags
//! resolved, so that nothing is left to the places where the two differ.

use super::sets::{self, NOTHING};
use super::{NEST_LIMIT, PatternError};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The flags that change what matches. Go's `U` only changes how long a match is.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
}

/// What was written last: what a repetition operator repeats.
struct Atom {
    /// Where it starts in the output.
    start: usize,
    /// The product of the nested repeat counts in it.
    weight: u32,
    /// It ends with a repetition operator.
    repeated: bool,
}

/// An open group, or the whole pattern.
#[derive(Default)]
struct Frame {
    /// Where it starts in the output.
    start: usize,
    /// Where it starts in the pattern.
    at: usize,
    /// The flags that hold again behind it.
    outer: Flags,
    /// The greatest weight of the atoms in it.
    weight: u32,
    last: Option<Atom>,
}

/// One pass over a pattern.
struct Translator<'p> {
    pattern: &'p str,
    /// Byte of the pattern that is read next.
    at: usize,
    out: String,
    flags: Flags,
    frame: Frame,
    outer: Vec<Frame>,
    /// The operator just before is a repetition; another may not follow.
    stacked: bool,
    /// How often something already written had to be put in a group.
    wrapped: usize,
}

type Translated<T> = Result<T, PatternError>;

/// Writes `pattern` in the syntax of the `regex` crate.
///
/// # Errors
/// [`PatternError`] where Go refuses it.
pub(super) fn translate(pattern: &str) -> Translated<String> {
    Translator::new(pattern).translate()
}

/// The greatest repeat count, also of nested repeats multiplied.
const MAX_REPEAT: u32 = 1_000;

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self {
            pattern,
            at: 0,
            out: String::with_capacity(pattern.len() * 2),
            flags: Flags::default(),
            frame: Frame::default(),
            outer: Vec::new(),
            stacked: false,
            wrapped: 0,
        }
    }

    fn translate(mut self) -> Translated<String> {
        while let Some(c) = self.peek() {
            let repeats = self.token(c)?;
            self.stacked = repeats;
        }
        if self.outer.is_empty() {
            Ok(self.out)
        } else {
            self.fail("missing closing )", self.frame.at)
        }
    }

    /// Reads one token of the pattern; true where it is a repetition operator.
    fn token(&mut self, c: char) -> Translated<bool> {
        match c {
            '(' => self.open_group()?,
            ')' => self.close_group()?,
            '|' => {
                self.at += 1;
                self.end_atom();
                self.out.push('|');
            }
            '[' => self.class()?,
            '\\' => self.escape()?,
            '*' | '+' | '?' => {
                let start = self.at;
                self.at += 1;
                self.repeat(start, c.encode_utf8(&mut [0; 4]), None)?;
                return Ok(true);
            }
            '{' => return self.counted(),
            _ => {
                self.at += c.len_utf8();
                self.plain(c);
            }
        }
        Ok(false)
    }

    fn plain(&mut self, c: char) {
        match c {
            '^' if self.flags.multi_line => self.atom("(?m:^)"),
            '^' => self.atom(r"\A"),
            '$' if self.flags.multi_line => self.atom("(?m:$)"),
            '$' => self.atom(r"\z"),
            '.' if self.flags.dot_newline => self.atom("(?s:.)"),
            '.' => self.atom("."),
            _ => self.literal(c),
        }
    }

    fn literal(&mut self, c: char) {
        let escaped = regex::escape(c.encode_utf8(&mut [0; 4]));
        if self.flags.fold_case {
            self.atom(&format!("(?i:{escaped})"));
        } else {
            self.atom(&escaped);
        }
    }

    fn atom(&mut self, text: &str) {
        self.end_atom();
        self.frame.last = Some(Atom {
            start: self.out.len(),
            weight: 1,
            repeated: false,
        });
        self.out.push_str(text);
    }

    fn end_atom(&mut self) {
        if let Some(last) = self.frame.last.take() {
            self.frame.weight = self.frame.weight.max(last.weight);
        }
    }

    /// `(`, `(?:`, `(?P<name>`, `(?<name>`, `(?flags:` and `(?flags)`.
    fn open_group(&mut self) -> Translated<()> {
        let start = self.at;
        let outer = self.flags;
        self.at += 1;
        if self.eat("?P<") || self.eat("?<") {
            self.group_name(start)?;
        } else if self.eat("?") && self.group_flags(start)? == ')' {
            return Ok(());
        }
        self.end_atom();
        let frame = Frame {
            start: self.out.len(),
            at: start,
            outer,
            ..Frame::default()
        };
        self.outer.push(std::mem::replace(&mut self.frame, frame));
        self.out.push_str("(?:");
        Ok(())
    }

    fn group_name(&mut self, start: usize) -> Translated<()> {
        let name = self.rest().split('>').next().unwrap_or_default();
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        self.at += name.len();
        if name.is_empty() || !name.bytes().all(valid) || !self.eat(">") {
            return self.fail("invalid named capture", start);
        }
        Ok(())
    }

    /// Reads flags up to and with the `:` or `)` behind them, and sets them.
    fn group_flags(&mut self, start: usize) -> Translated<char> {
        let mut flags = self.flags;
        let (mut on, mut seen) = (true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => {}
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    self.flags = flags;
                    return Ok(c);
                }
                _ => break,
            }
            seen = true;
        }
        self.fail("invalid or unsupported Perl syntax", start)
    }

    fn close_group(&mut self) -> Translated<()> {
        self.end_atom();
        let Some(outer) = self.outer.pop() else {
            return self.fail("unexpected )", self.at);
        };
        self.at += 1;
        self.out.push(')');
        let group = std::mem::replace(&mut self.frame, outer);
        self.flags = group.outer;
        self.frame.last = Some(Atom {
            start: group.start,
            weight: group.weight.max(1),
            repeated: false,
        });
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; everything else is a literal `{`.
    fn counted(&mut self) -> Translated<bool> {
        let start = self.at;
        let Some((min, max, length)) = counts(self.rest()) else {
            self.at += 1;
            self.literal('{');
            return Ok(false);
        };
        let greatest = max.unwrap_or(min).max(min);
        if greatest > MAX_REPEAT || max.is_some_and(|max| max < min) {
            return self.fail("invalid repeat count", start);
        }
        self.at += length;
        let operator = match max {
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        // Go stops multiplying at a count of nothing.
        let factor = if max == Some(0) { 0 } else { greatest.max(1) };
        self.repeat(start, &operator, Some(factor))?;
        Ok(true)
    }

    /// Applies a repetition operator to the last atom. A `?` behind it asks for a
    /// shorter match, which makes no difference to whether there is one.
    fn repeat(&mut self, start: usize, operator: &str, factor: Option<u32>) -> Translated<()> {
        self.eat("?");
        if self.stacked {
            return self.fail("invalid nested repetition operator", start);
        }
        let Some(mut atom) = self.frame.last.take() else {
            return self.fail("missing argument to repetition operator", start);
        };
        // A weight is never above MAX_REPEAT, nor a factor.
        atom.weight *= factor.unwrap_or(1);
        if atom.weight > MAX_REPEAT {
            return self.fail("invalid repeat count", start);
        }
        if atom.repeated {
            self.wrapped += 1;
            if self.wrapped > NEST_LIMIT as usize {
                return self.fail("expression nests too deeply", start);
            }
            self.out.insert_str(atom.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(operator);
        atom.repeated = true;
        self.frame.last = Some(atom);
        Ok(())
    }

    /// A `\` outside of a class.
    fn escape(&mut self) -> Translated<()> {
        if self.eat(r"\Q") {
            self.quoted();
        } else if self.eat(r"\A") {
            self.atom(r"\A");
        } else if self.eat(r"\z") {
            self.atom(r"\z");
        } else if self.eat(r"\b") {
            self.atom(r"(?-u:\b)");
        } else if self.eat(r"\B") {
            self.atom(r"(?-u:\B)");
        } else if let Some(set) = self.named_set()? {
            self.set(&set);
        } else {
            let code = self.escaped_character()?;
            match char::from_u32(code) {
                Some(c) => self.literal(c),
                None => self.atom(NOTHING),
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        let rest = self.rest();
        let (text, length) = match rest.find(r"\E") {
            Some(end) => (&rest[..end], end + 2),
            None => (rest, rest.len()),
        };
        self.at += length;
        for c in text.chars() {
            self.literal(c);
        }
    }

    fn set(&mut self, items: &str) {
        let fold = if self.flags.fold_case { "(?i:" } else { "(?:" };
        self.atom(&format!("{fold}[{items}])"));
    }

    /// `[…]`.
    fn class(&mut self) -> Translated<()> {
        let start = self.at;
        self.at += 1;
        let negated = self.eat("^");
        // An empty set in front: all others may turn out to be empty as well.
        let mut items = NOTHING.to_owned();
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            if let Some(set) = self.posix_set()? {
                items.push_str(&set);
            } else if let Some(set) = self.named_set()? {
                items.push_str(&set);
            } else {
                sets::push_range(&mut items, self.range(start)?);
            }
        }
        self.at += 1;
        let sign = if negated { "^" } else { "" };
        self.set(&format!("{sign}{items}"));
        Ok(())
    }

    fn range(&mut self, class: usize) -> Translated<RangeInclusive<u32>> {
        let start = self.at;
        let low = self.class_character(class)?;
        let mut high = low;
        let rest = self.rest();
        if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
            self.at += 1;
            high = self.class_character(class)?;
        }
        if high < low {
            return self.fail("invalid character class range", start);
        }
        Ok(low..=high)
    }

    fn class_character(&mut self, class: usize) -> Translated<u32> {
        match self.peek() {
            None => self.fail("missing closing ]", class),
            Some('\\') => self.escaped_character(),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(u32::from(c))
            }
        }
    }

    /// `[:name:]` and `[:^name:]` inside of a class.
    fn posix_set(&mut self) -> Translated<Option<String>> {
        let rest = self.rest();
        let Some(end) = rest.strip_prefix("[:").and_then(|name| name.find(":]")) else {
            return Ok(None);
        };
        let name = &rest[2..2 + end];
        let Some(set) = sets::posix(name) else {
            return self.fail("invalid character class range", self.at);
        };
        self.at += end + 4;
        Ok(Some(set))
    }

    /// `\d`, `\pL`, `\p{Greek}` and the like, as an item of a class.
    fn named_set(&mut self) -> Translated<Option<Cow<'static, str>>> {
        let mut ahead = self.rest().chars();
        let (Some('\\'), Some(letter)) = (ahead.next(), ahead.next()) else {
            return Ok(None);
        };
        if matches!(letter, 'p' | 'P') {
            return self.unicode_set(letter == 'P').map(Some);
        }
        let set = sets::perl(letter);
        if set.is_some() {
            self.at += 2;
        }
        Ok(set.map(Cow::Borrowed))
    }

    fn unicode_set(&mut self, mut negated: bool) -> Translated<Cow<'static, str>> {
        let start = self.at;
        let rest = &self.rest()[2..];
        let (mut name, length) = if let Some(braced) = rest.strip_prefix('{') {
            let end = braced.find('}').unwrap_or(braced.len());
            (&braced[..end], (end + 2).min(rest.len() + 1))
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            (rest.get(..length).unwrap_or_default(), length)
        };
        if length <= rest.len() {
            self.at += 2 + length;
            if let Some(positive) = name.strip_prefix('^') {
                (name, negated) = (positive, !negated);
            }
            if let Some(set) = sets::unicode(name, negated) {
                return Ok(set);
            }
        }
        self.fail("invalid character class range", start)
    }

    /// An escape that stands for one character; a surrogate counts as one.
    fn escaped_character(&mut self) -> Translated<u32> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.next() else {
            return self.fail("trailing backslash at end of expression", start);
        };
        let code = match c {
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            'x' => self.hexadecimal(),
            '0' => Some(self.octal(0)),
            '1'..='7' if self.rest().starts_with(|c| matches!(c, '0'..='7')) => {
                Some(self.octal(u32::from(c) - u32::from('0')))
            }
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        code.map_or_else(|| self.fail("invalid escape sequence", start), Ok)
    }

    /// Up to two more octal digits behind the first.
    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
            self.at += 1;
        }
        code
    }

    /// `41` or `{1F600}` behind `\x`.
    fn hexadecimal(&mut self) -> Option<u32> {
        let rest = self.rest();
        let (digits, length) = match rest.strip_prefix('{') {
            Some(braced) => braced.find('}').map(|end| (&braced[..end], end + 2))?,
            None => (rest.get(..2)?, 2),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += length;
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Some(0);
        }
        let code = u32::from_str_radix(significant, 16).ok()?;
        (code <= u32::from(char::MAX)).then_some(code)
    }

    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn fail<T>(&self, problem: &'static str, byte: usize) -> Translated<T> {
        let at = self.pattern[..byte].chars().count() + 1;
        Err(PatternError { problem, at })
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`: the counts and the bytes they take.
/// Counts out of range come as [`u32::MAX`].
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let inside = text[..end].strip_prefix('{')?;
    let (min, max) = match inside.split_once(',') {
        None => (inside, Some(inside)),
        Some((min, "")) => (min, None),
        Some((min, max)) => (min, Some(max)),
    };
    let max = match max {
        Some(max) => Some(count(max)?),
        None => None,
    };
    Some((count(min)?, max, end + 1))
}

fn count(digits: &str) -> Option<u32> {
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || leading_zero || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
