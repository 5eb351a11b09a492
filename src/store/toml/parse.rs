//! The lines of a text: headers, entries, lists and inline tables, and the comments between them.
//!
//! Comments before an entry are of that entry. Those right before a header are of what the header
//! names; a blank line ends the table before. Nothing recurses.

use super::tables::{Id, ROOT, Tables};
use super::words::{Result, Scanner, Word, error};
use crate::document::{Branch, Document, Kind, NodeId, Span, Text};
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
            Text::Source(span) => &source[span.range()] == METADATA_KEY,
            Text::Cooked(span) => &document.cooked[span.range()] == METADATA_KEY,
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
            if let Some((id, start)) = self.member(top)? {
                if !top.is_list {
                    starts.push((id, start));
                }
                next = Some(id);
            } else {
                let id = top.id;
                self.tables.close(id, self.words.at);
                open.pop();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{LeafKind, Marking, NoMarking};

    fn read(text: impl AsRef<[u8]>) -> Result<Document> {
        parse(Zeroizing::new(text.as_ref().to_vec()))
    }

    /// Path and text of every leaf, a line each.
    fn leaves(text: &str) -> String {
        let document = read(text).unwrap();
        let mut leaves = document.leaves(NoMarking);
        let mut lines = String::new();
        while let Some(leaf) = leaves.advance() {
            let value = document.value(leaf.id);
            let sign = if leaf.kind == LeafKind::Comment {
                "#"
            } else {
                ""
            };
            let text = String::from_utf8_lossy(value.text);
            lines.push_str(&format!("{}{sign}={text}\n", leaves.path()));
        }
        lines
    }

    #[test]
    fn a_table_is_one_wherever_its_parts_stand() {
        let text = "a.b = 1\n[x.y]\nc = 2\n[[l]]\nd = 3\n[x]\ne.f = 4\n[[l]]\n[l.m]\ng = 5\n[x.e.h]\ni = 6\n";
        assert_eq!(
            leaves(text),
            "a.b=1\nx.y.c=2\nx.e.f=4\nx.e.h.i=6\nl[0].d=3\nl[1].m.g=5\n"
        );
    }

    #[test]
    fn comments_are_of_the_table_around_what_they_are_about() {
        let text = "# head\n\n# of a\na = 1 # on a\n# of t\n[t] # on t\nb.c = [ # of 1\n1, # on 1\n# end\n]\n# last of t\n\n# of l\n[[l]]\n# last\n";
        assert_eq!(
            leaves(text),
            "#= head\n#= of a\n#= on a\na=1\n#= of t\n#= on t\nt.b.c#= of 1\nt.b.c#= on 1\nt.b.c[0]=1\nt.b.c#= end\nt#= last of t\nl#= of l\nl[0]#= last\n"
        );
    }

    #[test]
    fn what_is_behind_the_metadata_is_of_the_root() {
        let text = "a = 1\n# end\n[sops]\n# in\nmac = 'x' # on\n[sops.b] # b\n# behind\n\n# of c\n[c]\nd = 1\n";
        assert_eq!(leaves(text), "a=1\n#= of c\nc.d=1\n#= end\n#= behind\n");
    }

    /// Marks by comments that say `mark`.
    struct Marks;
    impl Marking for Marks {
        fn key(&self, _: &[u8]) -> bool {
            false
        }
        fn comment(&self, text: &[u8]) -> bool {
            text == b" mark"
        }
    }

    #[test]
    fn a_comment_marks_the_entry_below_or_beside_it_or_the_whole_table() {
        let text = "# mark\na.b = 1\na.c = 2\nd = 3 # mark\n[u]\ne = 4\n# mark\n[t]\nf = 5\n# mark\n\n[v]\ng = 6\n[t.w]\nh = 7\n[x]\ni = [1, # mark\n2]\n";
        let document = read(text).unwrap();
        let mut leaves = document.leaves(Marks);
        let mut marked = Vec::new();
        while let Some(leaf) = leaves.advance() {
            if leaf.kind == LeafKind::Value && leaf.comment_marked {
                marked.push(leaves.path().to_string());
            }
        }
        assert_eq!(marked, ["a.b", "d", "t.f", "t.w.h", "x.i[0]"]);
    }

    #[test]
    fn the_place_and_the_reason_of_a_mistake_are_told() {
        for (text, offset, problem) in [
            ("a", 1, "expected `.` or `=` behind the key"),
            ("= 1", 0, "expected a key"),
            ("a = ", 4, "expected a value"),
            ("a = b", 4, "expected a value"),
            ("a = 1 b = 2", 6, "expected the end of the line"),
            (
                "a = 1\n\"a\" = 2",
                6,
                "\"a\" has a value already, from line 1",
            ),
            ("[t]\n[t]", 5, "\"t\" is a table already, from line 1"),
            (
                "[[t]]\n[t]",
                7,
                "\"t\" is a list of tables already, from line 1",
            ),
            ("[t", 2, "expected `.` or `]`"),
            ("[[t]", 3, "expected `.` or `]]`"),
            ("a = [1 2]", 7, "expected `,` or `]`"),
            ("a = [1", 4, "a list without its `]`"),
            ("a = {b = 1", 4, "an inline table without its `}`"),
            ("a = {b = 1,, }", 11, "expected a key"),
            ("a = [,]", 5, "expected a value"),
            ("a = 'b\n'", 4, "a string without a closing quote"),
            ("a = '''b", 4, "a string without its three closing quotes"),
            ("a = \"\\q\"", 5, "an escape that TOML does not have"),
            ("a = \"\\ud800\"", 5, "an escape for what is no character"),
            ("a = \"\\x4\"", 5, "expected 2 hexadecimal digits"),
            ("a = 1979-02-29", 4, "no such date or time"),
            ("a = 1\r", 5, "a carriage return without a line feed"),
            ("# \u{1}", 2, "a control character in a comment"),
            ("é = 1", 0, "expected a key"),
        ] {
            let error = read(text).err().unwrap();
            assert_eq!(
                (error.offset, &error.problem[..]),
                (offset, problem),
                "{text}"
            );
        }
        let error = read(b"\xff\xfea\0").err().unwrap();
        assert!(error.hint.unwrap().contains("UTF-16"));
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_no_further() {
        let limit = crate::store::MAX_DEPTH;
        let lists = |n: usize| format!("a = {}{}", "[".repeat(n), "]".repeat(n));
        let dotted = |n: usize| format!("{}a = 1", "a.".repeat(n - 1));
        assert!(read(lists(limit)).is_ok() && read(dotted(limit)).is_ok());
        assert!(read(lists(limit + 1)).is_err() && read(dotted(limit + 1)).is_err());
        assert!(read(lists(1_000_000)).is_err());
        assert!(read(format!("[{}]", dotted(100_000).replace(" = 1", ""))).is_err());
    }
}
