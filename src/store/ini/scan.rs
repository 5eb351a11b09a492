//! INI as go-ini reads it: sections, keys, values and the comments before and behind them.

use super::space;
use super::value::{self, Reading, line_end};
use crate::store::{Excerpt, ParseError};
use memchr::{memchr2, memmem, memrchr};
use std::collections::HashMap;
use std::ops::Range;

/// The lines of a comment above a section or key, in the order of the text.
#[derive(Default)]
pub(super) struct Block {
    /// Each line from its sign to its line feed.
    pub(super) lines: Vec<Range<usize>>,
    /// Where the first of its lines starts.
    pub(super) start: usize,
}

/// The line of a section.
pub(super) struct Header {
    pub(super) start: usize,
    pub(super) name: Range<usize>,
    /// What stands behind the bracket, without white space around it.
    pub(super) rest: Range<usize>,
    /// The comment in that, with its sign.
    pub(super) comment: Option<Range<usize>>,
    /// Where the next line starts.
    pub(super) next: usize,
}

/// The name of a key.
#[derive(Clone)]
pub(super) enum Name {
    Source(Range<usize>),
    /// What go-ini makes of a `-`.
    Counted(String),
}

/// A key and its value.
pub(super) struct Entry {
    pub(super) block: Block,
    /// Where its line starts.
    pub(super) start: usize,
    /// Where its key starts, quotes included.
    pub(super) key: usize,
    pub(super) name: Name,
    /// Where the sign between key and value stands.
    pub(super) delimiter: usize,
    pub(super) value: Reading,
}

/// A section.
#[derive(Default)]
pub(super) struct Section {
    pub(super) block: Block,
    /// `None` for what stands before the first header.
    pub(super) header: Option<Header>,
    pub(super) entries: Vec<Entry>,
    /// The comment behind the last key: at the end of the text, or before the metadata.
    pub(super) trailing: Block,
}

impl Block {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn push(&mut self, line_start: usize, line: Range<usize>) {
        if self.lines.is_empty() {
            self.start = line_start;
        }
        self.lines.push(line);
    }
}

impl Name {
    pub(super) fn bytes<'s>(&'s self, source: &'s [u8]) -> &'s [u8] {
        match self {
            Self::Source(range) => &source[range.clone()],
            Self::Counted(name) => name.as_bytes(),
        }
    }
}

impl Entry {
    /// Where the entry starts, with its comment.
    pub(super) fn first(&self) -> usize {
        if self.block.is_empty() {
            self.start
        } else {
            self.block.start
        }
    }
}

impl Section {
    pub(super) fn name<'s>(&self, source: &'s [u8]) -> &'s [u8] {
        self.header
            .as_ref()
            .map_or(b"DEFAULT", |header| &source[header.name.clone()])
    }

    /// Where the section starts, with its comment.
    pub(super) fn first(&self) -> usize {
        let header = self.header.as_ref().map_or(0, |header| header.start);
        if self.block.is_empty() {
            header
        } else {
            self.block.start
        }
    }

    /// The entries as go-ini has them: where a key stands several times, the last one counts, in
    /// the place of the first. Each with the numbers of all.
    pub(super) fn effective(&self, source: &[u8]) -> Vec<Vec<usize>> {
        let mut found: Vec<Vec<usize>> = Vec::new();
        let mut places = HashMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let place = *places
                .entry(entry.name.bytes(source))
                .or_insert(found.len());
            if place == found.len() {
                found.push(Vec::new());
            }
            found[place].push(number);
        }
        found
    }
}

/// Reads a text; the first section is the one without header.
pub(super) fn scan(source: &[u8]) -> Result<Vec<Section>, ParseError> {
    let is_utf16 = source.starts_with(b"\xff\xfe") || source.starts_with(b"\xfe\xff");
    if is_utf16 {
        return error("bytes of UTF-16", 0, Some("save it as UTF-8"));
    }
    let mut scanner = Scanner {
        source,
        sections: vec![Section::default()],
        pending: Block::default(),
        count: 1,
    };
    let mut at = if source.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while at < source.len() {
        at = scanner.line(at)?;
    }
    let pending = std::mem::take(&mut scanner.pending);
    scanner.last().trailing = pending;
    Ok(scanner.sections)
}

struct Scanner<'s> {
    source: &'s [u8],
    sections: Vec<Section>,
    /// The comment for what comes next.
    pending: Block,
    /// The number of the next `-`.
    count: usize,
}

impl Scanner<'_> {
    fn last(&mut self) -> &mut Section {
        if self.sections.is_empty() {
            self.sections.push(Section::default());
        }
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    /// Reads the line at `at`, and those that belong to it; where the next one starts.
    fn line(&mut self, at: usize) -> Result<usize, ParseError> {
        let next = line_end(self.source, at);
        let start = at + space::at_start(&self.source[at..next]);
        let line = &self.source[start..next];
        match line.first() {
            None => Ok(next),
            Some(b'#' | b';') => {
                let end = next - usize::from(line.ends_with(b"\n"));
                self.pending.push(at, start..end);
                Ok(next)
            }
            Some(b'[') => self.header(at, start, next),
            Some(_) => self.entry(at, start, next),
        }
    }

    fn header(&mut self, at: usize, start: usize, next: usize) -> Result<usize, ParseError> {
        let source = self.source;
        let Some(close) = memrchr(b']', &source[start..next]).map(|n| start + n) else {
            return error("a section without `]`", start, None);
        };
        if close == start + 1 {
            return error("a section without a name", start, None);
        }
        let end = next - space::at_end(&source[close + 1..next]);
        let from = close + 1 + space::at_start(&source[close + 1..end]);
        let sign = memchr2(b'#', b';', &source[from..end]).map(|n| from + n);
        let header = Header {
            start: at,
            name: start + 1..close,
            rest: from..end,
            comment: sign.map(|sign| sign..end),
            next,
        };
        let mut block = std::mem::take(&mut self.pending);
        if &source[header.name.clone()] == super::METADATA {
            // sops does not look at it there: it belongs to the end of the data.
            self.last().trailing = std::mem::take(&mut block);
        }
        self.sections.push(Section {
            block,
            header: Some(header),
            ..Section::default()
        });
        self.count = 1;
        Ok(next)
    }

    fn entry(&mut self, at: usize, start: usize, next: usize) -> Result<usize, ParseError> {
        let source = self.source;
        let (name, delimiter) = key(source, start, next)?;
        let name = if &source[name.clone()] == b"-" {
            self.count += 1;
            Name::Counted(format!("#{}", self.count - 1))
        } else {
            Name::Source(name)
        };
        let Some(value) = value::read(source, delimiter + 1) else {
            return error("quotes that do not end", delimiter + 1, None);
        };
        let next = value.next;
        let block = std::mem::take(&mut self.pending);
        self.last().entries.push(Entry {
            block,
            start: at,
            key: start,
            name,
            delimiter,
            value,
        });
        Ok(next)
    }
}

/// The name of a key, and where the sign behind it stands.
fn key(source: &[u8], start: usize, next: usize) -> Result<(Range<usize>, usize), ParseError> {
    let line = &source[start..next];
    let quotes: &[u8] = match line {
        [b'"', b'"', b'"', ..] if line.len() > 6 => b"\"\"\"",
        [b'"', ..] => b"\"",
        [b'`', ..] => b"`",
        _ => b"",
    };
    let inside = quotes.len();
    let close = match memmem::find(&line[inside..], quotes) {
        _ if quotes.is_empty() => 0,
        Some(found) => inside + found,
        None => return error("quotes of a key that do not end", start, None),
    };
    let Some(delimiter) = memchr2(b'=', b':', &line[close + inside..]) else {
        let hint = "a line is `key = value`, `[section]`, or a comment behind `;` or `#`";
        return error("expected a key and `=`", start, Some(hint));
    };
    let delimiter = close + inside + delimiter;
    let name = if quotes.is_empty() {
        &line[..delimiter]
    } else {
        &line[inside..close]
    };
    let skipped = space::at_start(name);
    let from = start + inside + skipped;
    let name = from..from + space::trimmed(name).len();
    if name.is_empty() {
        return error("a key without a name", start, None);
    }
    Ok((name, start + delimiter))
}

fn error<T>(problem: &str, offset: usize, hint: Option<&'static str>) -> Result<T, ParseError> {
    Err(ParseError {
        problem: problem.to_owned(),
        offset,
        hint,
        excerpt: Excerpt::default(),
    })
}

/// The text of a comment of these lines as sops has it: without the signs and blanks that it starts
/// with. Lines of nothing but signs are left out at the start: sops cannot write such a comment.
pub(super) fn comment_text(lines: &[&[u8]]) -> Vec<u8> {
    let is_bare = |line: &&&[u8]| space::trimmed(behind_signs(line)).is_empty();
    let kept = lines.iter().skip_while(is_bare).copied();
    let text = kept.collect::<Vec<_>>().join(&b'\n');
    let text = behind_signs(&text);
    text[..text.len() - space::at_end(text)].to_vec()
}

/// A comment without the signs and blanks that it starts with.
pub(super) fn behind_signs(comment: &[u8]) -> &[u8] {
    let Some(&sign) = comment.first() else {
        return comment;
    };
    let is_sign = |&&byte: &&u8| byte == sign || byte == b' ';
    &comment[comment.iter().take_while(is_sign).count()..]
}
