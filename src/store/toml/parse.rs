//! The lines of a text: headers, entries, lists and inline tables, and the comments between them.
//!
//! Comments before an entry are of that entry. Those right before a header are of what the header
//! names; a blank line ends the table before. Nothing recurses.

use super::tables::{Id, ROOT, Tables};
use super::words::{Result, Scanner, Word, error};
use crate::document::{Branch, Document, Kind, NodeId, Span};
use zeroize::Zeroizing;

/// The key that holds the metadata.
pub(super) const METADATA_KEY: &[u8] = b"sops";

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `[table]` or `[[item]]`.
    Header,
    /// An entry on lines of its own.
    Entry,
    /// An entry of an inline table.
    Member,
}

/// A header or an entry, in the order of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) role: Role,
    /// From the bracket or key to the end of header or value.
    pub(super) span: Span,
    /// The table of a header, the value of an entry.
    pub(super) node: NodeId,
}

/// Parses a text.
///
/// # Errors
/// [`crate::store::ParseError`].
pub(super) fn parse(source: Zeroizing<Vec<u8>>) -> Result<Document> {
    match outline(&source) {
        Ok((document, _)) => Ok(Document { source, ..document }),
        Err(error) => Err(error.shown_in(&source)),
    }
}

/// The document, yet without its source, and its lines.
///
/// # Errors
/// [`crate::store::ParseError`].
pub(super) fn outline(source: &[u8]) -> Result<(Document, Vec<Line>)> {
    let mut parser = Parser {
        words: Scanner::new(source)?,
        tables: Tables::new(source),
        table: ROOT,
        is_metadata: false,
        keys: Vec::new(),
        apart: Vec::new(),
        comments: Vec::new(),
        lines: Vec::new(),
    };
    parser.lines()?;
    let Parser {
        words,
        tables,
        mut lines,
        ..
    } = parser;
    let (nodes, ids) = tables.into_nodes();
    for line in &mut lines {
        line.node = ids[line.node as usize];
    }
    let mut document = Document {
        source: Zeroizing::default(),
        cooked: words.cooked,
        branches: vec![Branch {
            first: 0,
            end: nodes[0].end,
            root: Some(0),
            span: Span::new(0, source.len()),
            metadata: None,
        }],
        nodes,
        indent_step: 4,
        beyond_sops: None,
    };
    find_metadata(&mut document, source);
    Ok((document, lines))
}

/// Notes where the metadata is. It reaches to the end of the text, so that every comment in it
/// goes with it.
fn find_metadata(document: &mut Document, source: &[u8]) {
    let is_metadata = |id: &NodeId| {
        let key = document.node(*id);
        let is_named = match key.text() {
            crate::document::Text::Source(span) => &source[span.range()] == METADATA_KEY,
            crate::document::Text::Cooked(span) => &document.cooked[span.range()] == METADATA_KEY,
        };
        key.is_key && is_named
    };
    let key = document.children(0).find(is_metadata);
    document.branches[0].metadata = key;
    if let Some(key) = key {
        document.nodes[key as usize + 1].span.end = Span::new(0, source.len()).end;
    }
}

struct Parser<'s> {
    words: Scanner<'s>,
    tables: Tables,
    /// The table that entries now go to.
    table: Id,
    /// Whether that table is of the metadata.
    is_metadata: bool,
    /// The parts of the key at hand.
    keys: Vec<Word>,
    /// Comments that a blank line parts from what follows.
    apart: Vec<Span>,
    /// Comments right before what follows.
    comments: Vec<Span>,
    lines: Vec<Line>,
}

/// A list or inline table that is being read.
struct Open {
    id: Id,
    start: usize,
    is_list: bool,
    /// The last member.
    last: Option<Id>,
    /// The line of the last member has not ended.
    same_line: bool,
    /// A member stands before, without a comma yet.
    wants_comma: bool,
}

impl Parser<'_> {
    fn lines(&mut self) -> Result<()> {
        loop {
            self.words.skip_blanks();
            match self.words.peek() {
                None => break,
                Some(b'#') => {
                    let comment = self.words.comment()?;
                    self.comments.push(comment);
                    self.words.line_end()?;
                }
                Some(b'\n' | b'\r') => {
                    self.words.line_end()?;
                    self.apart.append(&mut self.comments);
                }
                Some(b'[') => self.header()?,
                Some(_) => self.entry()?,
            }
        }
        self.apart.append(&mut self.comments);
        self.leave();
        Ok(())
    }

    /// Gives the comments that stand apart to the table before. None is of the metadata: what is
    /// behind it is of the root.
    fn leave(&mut self) {
        let table = if self.is_metadata { ROOT } else { self.table };
        for comment in self.apart.drain(..) {
            self.tables.trailing(table, comment);
        }
    }

    fn header(&mut self) -> Result<()> {
        let start = self.words.at;
        let is_item = self.words.source[start..].starts_with(b"[[");
        let brackets = if is_item { 2 } else { 1 };
        self.words.at += brackets;
        self.keys()?;
        let close = &b"]]"[..brackets];
        if !self.words.source[self.words.at..].starts_with(close) {
            let close = if is_item { "`]]`" } else { "`]`" };
            return error(self.words.at, format!("expected `.` or {close}"), None);
        }
        self.words.at += brackets;
        let span = Span::new(start, self.words.at);
        let table = self.tables.header(&self.words, &self.keys, is_item, span)?;
        let is_metadata = self
            .keys
            .first()
            .is_some_and(|key| self.words.text(key.text) == METADATA_KEY);
        if is_metadata {
            self.apart.append(&mut self.comments);
        }
        self.leave();
        self.put_comments(table);
        (self.table, self.is_metadata) = (table, is_metadata);
        self.line(Role::Header, span, table);
        self.end_line(table)
    }

    fn line(&mut self, role: Role, span: Span, node: Id) {
        self.lines.push(Line { role, span, node });
    }

    /// Puts the comments before an entry.
    fn put_comments(&mut self, id: Id) {
        for comment in self.apart.drain(..).chain(self.comments.drain(..)) {
            self.tables.comment(id, comment, false);
        }
    }

    /// Reads the rest of the line of an entry or header.
    fn end_line(&mut self, id: Id) -> Result<()> {
        self.words.skip_blanks();
        if self.words.peek() == Some(b'#') {
            let comment = self.words.comment()?;
            self.tables.comment(id, comment, true);
        }
        if self.words.line_end()? || self.words.peek().is_none() {
            return Ok(());
        }
        error(self.words.at, "expected the end of the line", None)
    }

    /// Reads a key of one or more parts, and blanks behind it.
    fn keys(&mut self) -> Result<()> {
        self.keys.clear();
        loop {
            self.words.skip_blanks();
            let key = self.words.key()?;
            self.keys.push(key);
            self.words.skip_blanks();
            if self.words.peek() != Some(b'.') {
                return Ok(());
            }
            self.words.at += 1;
        }
    }

    /// Reads a key and the sign behind it: the new entry of `table`.
    fn key_of_entry(&mut self, table: Id) -> Result<Id> {
        self.keys()?;
        if self.words.peek() != Some(b'=') {
            return error(self.words.at, "expected `.` or `=` behind the key", None);
        }
        self.words.at += 1;
        self.words.skip_blanks();
        self.tables.define(&self.words, table, &self.keys)
    }

    fn entry(&mut self) -> Result<()> {
        let start = self.words.at;
        let id = self.key_of_entry(self.table)?;
        self.put_comments(id);
        self.value(id)?;
        self.line(Role::Entry, Span::new(start, self.words.at), id);
        self.end_line(id)
    }

    /// Reads the value of an entry, with all that is inside of it.
    fn value(&mut self, id: Id) -> Result<()> {
        let mut open: Vec<Open> = Vec::new();
        // Where the entries of inline tables begin, whose values are being read.
        let mut starts: Vec<(Id, usize)> = Vec::new();
        let mut next = Some(id);
        loop {
            if let Some(id) = next.take() {
                open.extend(self.scalar_or_bracket(id)?);
            }
            let Some(top) = open.last_mut() else {
                return Ok(());
            };
            if let Some(last) = top.last
                && starts.last().is_some_and(|(id, _)| *id == last)
                && let Some((id, start)) = starts.pop()
            {
                self.line(Role::Member, Span::new(start, self.words.at), id);
            }
            match self.member(top)? {
                Some((id, start)) => {
                    if !top.is_list {
                        starts.push((id, start));
                    }
                    next = Some(id);
                }
                None => {
                    let id = top.id;
                    self.tables.close(id, self.words.at);
                    open.pop();
                }
            }
        }
    }

    /// Reads a scalar, or what opens a list or an inline table.
    fn scalar_or_bracket(&mut self, id: Id) -> Result<Option<Open>> {
        let start = self.words.at;
        let is_list = match self.words.peek() {
            Some(b'[') => true,
            Some(b'{') => false,
            _ => {
                let scalar = self.words.scalar()?;
                self.tables.set_scalar(id, scalar);
                return Ok(None);
            }
        };
        let kind = if is_list {
            Kind::Sequence
        } else {
            Kind::Mapping
        };
        self.tables.open(id, kind, start);
        self.words.at += 1;
        Ok(Some(Open {
            id,
            start,
            is_list,
            last: None,
            same_line: false,
            wants_comma: false,
        }))
    }

    /// Reads up to the next value in brackets: its entry and where that begins;
    /// `None` at the closing bracket.
    fn member(&mut self, top: &mut Open) -> Result<Option<(Id, usize)>> {
        let close = if top.is_list { b']' } else { b'}' };
        loop {
            self.words.skip_blanks();
            let at = self.words.at;
            match self.words.peek() {
                None if top.is_list => return error(top.start, "a list without its `]`", None),
                None => return error(top.start, "an inline table without its `}`", None),
                Some(b'\n' | b'\r') => {
                    self.words.line_end()?;
                    top.same_line = false;
                }
                Some(b'#') => {
                    let comment = self.words.comment()?;
                    match top.last.filter(|_| top.same_line) {
                        Some(last) => self.tables.comment(last, comment, true),
                        None => self.comments.push(comment),
                    }
                }
                Some(b',') if top.wants_comma => {
                    self.words.at += 1;
                    top.wants_comma = false;
                }
                Some(byte) if byte == close => {
                    self.words.at += 1;
                    for comment in self.comments.drain(..) {
                        self.tables.trailing(top.id, comment);
                    }
                    return Ok(None);
                }
                Some(_) if top.wants_comma => {
                    let close = char::from(close);
                    return error(at, format!("expected `,` or `{close}`"), None);
                }
                Some(_) => {
                    let id = if top.is_list {
                        self.tables.item(&self.words, top.id)?
                    } else {
                        self.key_of_entry(top.id)?
                    };
                    self.put_comments(id);
                    (top.last, top.same_line, top.wants_comma) = (Some(id), true, true);
                    return Ok(Some((id, at)));
                }
            }
        }
    }
}
