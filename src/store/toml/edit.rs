//! Splices that put values into a text and take them out, beside what is there. Comments stay.

use super::emit::{Writer, is_section};
use super::flow;
use super::parse::{self, Line, Role};
use super::spell::{self, Quotes};
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Step, Style, splice};
use crate::store::json::append;
use crate::store::line_end::line_end;
use crate::store::{EmitError, Layout};
use zeroize::Zeroizing;

/// A document and its lines.
struct Text<'d> {
    document: &'d Document,
    source: &'d [u8],
    /// Headers and entries with the table of the header above; none inside of brackets.
    lines: Vec<(Line, NodeId)>,
}

impl<'d> Text<'d> {
    fn new(document: &'d Document) -> Self {
        // The text was parsed before, so it has lines.
        let lines = parse::outline(&document.source).map_or_else(|_| Vec::new(), |found| found.1);
        let mut table = 0;
        let lines = lines.into_iter().filter(|line| line.role != Role::Member);
        let lines = lines.map(|line| {
            if line.role == Role::Header {
                table = line.node;
            }
            (line, table)
        });
        Self {
            document,
            source: &document.source,
            lines: lines.collect(),
        }
    }

    /// The lines of a value and all that is inside of it.
    fn lines_of(&self, id: NodeId) -> impl DoubleEndedIterator<Item = &(Line, NodeId)> {
        let inside = id..self.document.node(id).end;
        let lines = self.lines.iter();
        lines.filter(move |(line, _)| id == 0 || inside.contains(&line.node))
    }

    /// Whether a table has a header of its own; the root needs none.
    fn has_header(&self, id: NodeId) -> bool {
        let is_header = |(line, _): &(Line, NodeId)| line.role == Role::Header && line.node == id;
        id == 0 || self.lines.iter().any(is_header)
    }

    /// The last line of a table that dotted keys make, and the table of the header above it.
    fn dotted(&self, id: NodeId) -> Option<(Line, NodeId)> {
        let inside = id..self.document.node(id).end;
        let is_outside = |(_, table): &&(Line, NodeId)| !inside.contains(table);
        let mut lines = self.lines_of(id).filter(is_outside);
        lines.rfind(|(line, _)| line.role == Role::Entry).copied()
    }

    /// Where the line that holds `at` begins, and whether only blanks stand before `at` on it.
    fn line_start(&self, at: u32) -> usize {
        let before = &self.source[..at as usize];
        let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let bom = "\u{feff}".as_bytes();
        if start == 0 && before.starts_with(bom) {
            bom.len()
        } else {
            start
        }
    }

    /// The place behind the line that holds `at`.
    fn line_behind(&self, at: u32) -> usize {
        let rest = &self.source[at as usize..];
        memchr::memchr(b'\n', rest).map_or(self.source.len(), |end| at as usize + end + 1)
    }

    /// `text` on lines of its own at `at`, where a line begins.
    fn insertion(&self, at: usize, text: &[u8]) -> Splice {
        let line_end = line_end(self.source);
        let mut out = Zeroizing::default();
        let before = &self.source[..at];
        let begins_line =
            before.is_empty() || before.ends_with(b"\n") || at == self.line_start(at as u32);
        if !begins_line {
            append(&mut out, line_end);
        }
        append(&mut out, text);
        Splice {
            span: Span::new(at, at),
            text: out,
        }
    }

    /// The place behind the last line of `id` and the comments right below it, for a new header.
    fn place_of_section(&self, id: NodeId) -> usize {
        let Some((last, _)) = self.lines_of(id).next_back() else {
            return self.source.len();
        };
        let is_behind = |(line, _): &(Line, NodeId)| line.span.start > last.span.start;
        let Some((next, _)) = self.lines.iter().find(|line| is_behind(line)) else {
            return self.source.len();
        };
        let (start, end) = (self.line_behind(last.span.end), next.span.start as usize);
        let between = &self.source[start.min(end)..end];
        // Comments without a blank line behind them are of the next header.
        let blank = [&b"\n\n"[..], b"\n\r\n"];
        let found = blank
            .iter()
            .filter_map(|b| memchr::memmem::find(between, b))
            .min();
        match found {
            Some(at) if !between.starts_with(b"\n") && !between.starts_with(b"\r") => {
                start + at + 1
            }
            _ => start,
        }
    }

    /// Puts tables under headers at a place where a line begins.
    fn section(&self, at: usize, writer: Writer) -> Splice {
        let line_end = line_end(self.source);
        let before = &self.source[..at];
        let is_apart = before.is_empty()
            || before == "\u{feff}".as_bytes()
            || before.ends_with(b"\n\n")
            || before.ends_with(b"\n\r\n");
        let mut text = Zeroizing::default();
        if !is_apart {
            append(&mut text, line_end);
        }
        append(&mut text, &writer.finish());
        self.insertion(at, &text)
    }

    fn writer(&self, id: NodeId, layout: Layout) -> Writer {
        let path = self.document.path(id).0;
        Writer::new(path, line_end(self.source), layout)
    }
}

/// Puts `data` in the place of the value `id`.
pub(super) fn replace(
    document: &Document,
    id: NodeId,
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    let node = document.node(id);
    let text = Text::new(document);
    if node.style != Style::Block {
        let mut writer = text.writer(id, layout);
        match data {
            Data::Scalar(ty, value) => {
                writer.scalar(*ty, value, Quotes::of(document.slice(node.span)))?;
            }
            other => writer.value(other, 0)?,
        }
        return Ok(Splice {
            span: node.span,
            text: writer.finish(),
        });
    }
    let Some(parent) = document.parent(id) else {
        return replace_root(document, data, layout);
    };
    let is_item = document.node(parent).kind == Kind::Sequence;
    if is_item && !matches!(data, Data::Map(_)) {
        return Err(no_table(document, parent));
    }
    let mut splices = remove(document, parent, id);
    let header = text
        .lines_of(id)
        .find(|(line, _)| line.role == Role::Header)
        .filter(|_| !node.in_flow && is_section(data) && text.dotted(id).is_none());
    if let Some((first, _)) = header {
        let at = without_line(&text, *first).start as usize;
        let mut writer = text.writer(if is_item { parent } else { id }, layout);
        if is_item {
            writer.section(&Data::List(vec![data.clone()]), &[])?;
        } else {
            writer.section(data, &[])?;
        }
        splices.push(text.section(at, writer));
    } else {
        let key = document.key_of(parent, id);
        let key = key.map(|key| document.key_text(key));
        splices.extend(insert(document, parent, key, data, layout)?);
    }
    Ok(merged(document, splices))
}

fn no_table(document: &Document, list: NodeId) -> EmitError {
    EmitError {
        problem: format!(
            "{} is a list of tables: it holds no other values",
            document.path(list)
        ),
    }
}

fn replace_root(document: &Document, data: &Data, layout: Layout) -> Result<Splice, EmitError> {
    let Data::Map(entries) = data else {
        return Err(EmitError {
            problem: "the root of TOML is a table".to_owned(),
        });
    };
    let mut writer = Writer::new(Vec::new(), line_end(&document.source), layout);
    writer.table(entries)?;
    Ok(Splice {
        span: Span::new(0, document.source.len()),
        text: writer.finish(),
    })
}

/// Several splices as one. What is put where something goes stands before that.
fn merged(document: &Document, mut splices: Vec<Splice>) -> Splice {
    let gone: Vec<Span> = splices.iter().map(|s| s.span).collect();
    for splice in splices.iter_mut().filter(|s| s.span.is_empty()) {
        let at = splice.span.start;
        if let Some(gone) = gone.iter().find(|gone| gone.start < at && at < gone.end) {
            (splice.span.start, splice.span.end) = (gone.start, gone.start);
        }
    }
    let start = splices.iter().map(|s| s.span.start).min().unwrap_or(0);
    let end = splices.iter().map(|s| s.span.end).max().unwrap_or(0);
    let whole = splice(&document.source, &mut splices);
    let behind = document.source.len() - end as usize;
    let text = &whole[start as usize..whole.len() - behind];
    Splice::new(Span { start, end }, text)
}

/// Puts an entry into the table `id`, or an item behind the last of the list `id`.
pub(super) fn insert(
    document: &Document,
    id: NodeId,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Result<Vec<Splice>, EmitError> {
    let node = document.node(id);
    let problem = match (node.kind, key) {
        (Kind::Mapping, Some(_)) | (Kind::Sequence, None) => None,
        (Kind::Mapping, None) => Some("a table takes a value only under a key"),
        (Kind::Sequence, Some(_)) => Some("a list has no keys"),
        _ => Some("only a table or a list takes another value"),
    };
    if let Some(problem) = problem {
        return Err(EmitError {
            problem: problem.to_owned(),
        });
    }
    let text = Text::new(document);
    match key {
        _ if node.style == Style::Flow || node.in_flow => {
            let around = flow::around(document, id);
            let mut keys = keys_between(document, around, id);
            keys.extend(key.map(<[u8]>::to_vec));
            let writer = text.writer(around, layout);
            flow::insert(document, around, &keys, data, writer)
        }
        None => insert_item(&text, id, data, layout).map(|splice| vec![splice]),
        Some(key) => insert_entry(&text, id, key, data, layout).map(|splice| vec![splice]),
    }
}

/// The keys on the way from one table down to another.
fn keys_between(document: &Document, above: NodeId, below: NodeId) -> Vec<Vec<u8>> {
    let steps = document.path(above).0.len();
    let below = document.path(below).0.into_iter().skip(steps);
    let keys = below.filter_map(|step| match step {
        Step::Key(key) => Some(key),
        Step::Index(_) => None,
    });
    keys.collect()
}

fn insert_item(
    text: &Text<'_>,
    id: NodeId,
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    if !matches!(data, Data::Map(_)) {
        return Err(no_table(text.document, id));
    }
    let mut writer = text.writer(id, layout);
    writer.section(&Data::List(vec![data.clone()]), &[])?;
    Ok(text.section(text.place_of_section(id), writer))
}

fn insert_entry(
    text: &Text<'_>,
    id: NodeId,
    key: &[u8],
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    let has_header = text.has_header(id);
    if !has_header && let Some((last, table)) = text.dotted(id) {
        let mut prefix = Zeroizing::default();
        for key in keys_between(text.document, table, id) {
            spell::key(&key, &mut prefix);
            append(&mut prefix, b".");
        }
        return line_behind(text, id, last, &prefix, (key, data), layout);
    }
    if is_section(data) || !has_header {
        let mut writer = text.writer(id, layout);
        if has_header {
            let entry = [(key.to_vec(), data.clone())];
            writer.table(&entry)?;
        } else {
            writer.section(&Data::Map(vec![(key.to_vec(), data.clone())]), &[])?;
        }
        return Ok(text.section(text.place_of_section(id), writer));
    }
    let last = text.lines.iter().rfind(|(_, table)| *table == id);
    match last {
        Some((last, _)) => line_behind(text, id, *last, b"", (key, data), layout),
        None => first_line(text, key, data, layout),
    }
}

/// An entry on the line behind `last`, indented like it.
fn line_behind(
    text: &Text<'_>,
    id: NodeId,
    last: Line,
    prefix: &[u8],
    (key, data): (&[u8], &Data),
    layout: Layout,
) -> Result<Splice, EmitError> {
    let mut writer = text.writer(id, layout);
    writer.member(key, data, 0)?;
    let start = text.line_start(last.span.start);
    let mut line = Zeroizing::default();
    append(&mut line, &text.source[start..last.span.start as usize]);
    append(&mut line, prefix);
    append(&mut line, &writer.finish());
    append(&mut line, line_end(text.source));
    Ok(text.insertion(text.line_behind(last.span.end), &line))
}

/// The first entry of a root that has none: before the first header and the comments right
/// above it.
fn first_line(
    text: &Text<'_>,
    key: &[u8],
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    let mut writer = text.writer(0, layout);
    writer.member(key, data, 0)?;
    let line_end = line_end(text.source);
    let mut line = writer.finish();
    append(&mut line, line_end);
    let Some((header, _)) = text.lines.first() else {
        return Ok(text.insertion(text.source.len(), &line));
    };
    append(&mut line, line_end);
    let mut at = text.line_start(header.span.start);
    while at > 0 && text.source[at - 1] == b'\n' {
        let above = text.line_start(at as u32 - 1);
        let is_comment = text.source[above..].trim_ascii_start().starts_with(b"#");
        if !is_comment || text.source[above..at].trim_ascii().is_empty() {
            break;
        }
        at = above;
    }
    Ok(text.insertion(at, &line))
}

/// Removes the entry or item `child` of `id`.
pub(super) fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    if document.node(child).in_flow {
        return flow::remove(document, flow::around(document, id), child);
    }
    let text = Text::new(document);
    let mut spans: Vec<Span> = text
        .lines_of(child)
        .map(|(line, _)| without_line(&text, *line))
        .collect();
    // What then begins the text begins it without the blank lines that parted it from what went.
    if let Some(last) = spans.last().copied()
        && spans[0].start as usize == text.line_start(0)
        && spans.windows(2).all(|pair| pair[0].end == pair[1].start)
    {
        let rest = &text.source[last.end as usize..];
        let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
        let end = last.end as usize + blank.count();
        spans = vec![Span::new(spans[0].start as usize, end)];
    }
    spans
        .into_iter()
        .map(|span| Splice::new(span, []))
        .collect()
}

/// What goes with a line: all of it, but for a comment at its end, and the blank lines before
/// a header.
fn without_line(text: &Text<'_>, line: Line) -> Span {
    let source = text.source;
    let end = line.span.end as usize;
    let blanks = source[end..]
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'));
    let comment = end + blanks.count();
    if source.get(comment) == Some(&b'#') {
        return Span::new(line.span.start as usize, comment);
    }
    let mut start = text.line_start(line.span.start);
    while line.role == Role::Header && start > 0 && source[start - 1] == b'\n' {
        let above = text.line_start(start as u32 - 1);
        if above == start || !source[above..start].trim_ascii().is_empty() {
            break;
        }
        start = above;
    }
    Span::new(start, text.line_behind(line.span.end))
}

/// Puts a comment in the place of a list item, with a line end behind it.
pub(super) fn open_list_comment(document: &Document, id: NodeId, text: &[u8]) -> Splice {
    let span = document.node(id).span;
    let end = flow::comma_behind(&document.source, span.end as usize);
    let between = end.map(|end| &document.source[span.end as usize..end]);
    let end = match (end, between) {
        // A comment on the way to the comma would go with it.
        (Some(end), Some(between)) if !between.contains(&b'#') => end + 1,
        _ => span.end as usize,
    };
    let mut out = Zeroizing::default();
    spell::comment(text, &mut out);
    append(&mut out, line_end(&document.source));
    Splice {
        span: Span::new(span.start as usize, end),
        text: out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Path;
    use crate::store::toml::Toml;
    use crate::store::{ParseOptions, Store};

    fn parsed(text: &str) -> Document {
        let source = Zeroizing::new(text.as_bytes().to_vec());
        Toml.parse(source, ParseOptions::default()).unwrap()
    }

    fn applied(document: &Document, mut splices: Vec<Splice>) -> String {
        let text = String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap();
        parsed(&text);
        text
    }

    fn at(document: &Document, path: &str) -> NodeId {
        document.find(0, &Path::parse(path).unwrap()).unwrap()
    }

    fn map(entries: &[(&str, Data)]) -> Data {
        let entry = |(key, data): &(&str, Data)| (key.as_bytes().to_vec(), data.clone());
        Data::Map(entries.iter().map(entry).collect())
    }

    #[track_caller]
    fn inserts(text: &str, path: &str, key: Option<&str>, data: &Data, expected: &str) {
        let document = parsed(text);
        let key = key.map(str::as_bytes);
        let splices = insert(&document, at(&document, path), key, data, Layout::default());
        assert_eq!(applied(&document, splices.unwrap()), expected);
    }

    #[track_caller]
    fn replaces(text: &str, path: &str, data: &Data, expected: &str) {
        let document = parsed(text);
        let splice = replace(&document, at(&document, path), data, Layout::default());
        assert_eq!(applied(&document, vec![splice.unwrap()]), expected);
    }

    #[track_caller]
    fn removes(text: &str, path: &str, expected: &str) {
        let document = parsed(text);
        let id = at(&document, path);
        let splices = remove(&document, document.parent(id).unwrap(), id);
        assert_eq!(applied(&document, splices), expected);
    }

    #[test]
    fn an_entry_goes_behind_the_last_one_of_its_table() {
        let one = Data::int(1);
        for (text, path, expected) in [
            ("", "", "new = 1\n"),
            ("a = 0", "", "a = 0\nnew = 1\n"),
            ("a = 0\n\n[t]\n", "", "a = 0\nnew = 1\n\n[t]\n"),
            (
                "# head\n\n# of t\n[t]\n",
                "",
                "# head\n\nnew = 1\n\n# of t\n[t]\n",
            ),
            (
                "[t]\r\n  a = 0 # c\r\n\r\n[u]\r\n",
                "t",
                "[t]\r\n  a = 0 # c\r\n  new = 1\r\n\r\n[u]\r\n",
            ),
            ("[t]\n\n[t.u]\n", "t", "[t]\nnew = 1\n\n[t.u]\n"),
            ("[t.u]\na = 0\n", "t", "[t.u]\na = 0\n\n[t]\nnew = 1\n"),
            ("t.u.a = 0\nb = 0\n", "t", "t.u.a = 0\nt.new = 1\nb = 0\n"),
            (
                "[x]\nt.'u v'.a = 0\n",
                "x.t[\"u v\"]",
                "[x]\nt.'u v'.a = 0\nt.\"u v\".new = 1\n",
            ),
            (
                "[[l]]\na = 0\n\n[[l]]\n",
                "l[0]",
                "[[l]]\na = 0\nnew = 1\n\n[[l]]\n",
            ),
            ("t = {}\n", "t", "t = { new = 1 }\n"),
            ("t = { a = 0 } # c\n", "t", "t = { a = 0, new = 1 } # c\n"),
            (
                "t = {\n  a = 0, # c\n}\n",
                "t",
                "t = {\n  a = 0, # c\n  new = 1,\n}\n",
            ),
            ("t = { a.b = 0 }\n", "t.a", "t = { a.b = 0, a.new = 1 }\n"),
        ] {
            inserts(text, path, Some("new"), &one, expected);
        }
    }

    #[test]
    fn a_table_gets_a_header_at_the_end_of_the_table_around_it() {
        let data = map(&[("x", Data::int(1)), ("y", map(&[("z", Data::bool(true))]))]);
        for (text, path, expected) in [
            ("", "", "[new]\nx = 1\n\n[new.y]\nz = true\n"),
            (
                "[t]\na = 0\n# of t\n\n# of u\n[u]\n",
                "t",
                "[t]\na = 0\n# of t\n\n[t.new]\nx = 1\n\n[t.new.y]\nz = true\n\n# of u\n[u]\n",
            ),
            (
                "[[l]]\n\n[[l]]\n",
                "l[0]",
                "[[l]]\n\n[l.new]\nx = 1\n\n[l.new.y]\nz = true\n\n[[l]]\n",
            ),
            (
                "t.a = 0\n",
                "t",
                "t.a = 0\nt.new = { x = 1, y = { z = true } }\n",
            ),
            (
                "l = [1]\n",
                "",
                "l = [1]\n\n[new]\nx = 1\n\n[new.y]\nz = true\n",
            ),
        ] {
            inserts(text, path, Some("new"), &data, expected);
        }
    }

    #[test]
    fn an_item_looks_like_the_ones_before_it() {
        let two = Data::int(2);
        for (text, expected) in [
            ("l = []\n", "l = [2]\n"),
            ("l = [1]\n", "l = [1, 2]\n"),
            ("l = [1,]\n", "l = [1, 2,]\n"),
            ("l = [\n    1 # one\n]\n", "l = [\n    1, # one\n    2\n]\n"),
            ("l = [\n\t1, # one\n]\n", "l = [\n\t1, # one\n\t2,\n]\n"),
            ("l = [ # none\n]\n", "l = [ # none\n2]\n"),
        ] {
            inserts(text, "l", None, &two, expected);
        }
        let item = map(&[("a", two)]);
        let expected = "[[l]]\na = 1\n\n[[l]]\na = 2\n\n[t]\n";
        inserts("[[l]]\na = 1\n\n[t]\n", "l", None, &item, expected);
    }

    #[test]
    fn a_value_is_put_in_the_place_of_another() {
        let text = Data::str("it");
        for (before, data, expected) in [
            ("a = 'x' # c\n", text.clone(), "a = 'it' # c\n"),
            (
                "a = \"\"\"\nx\"\"\"\n",
                text.clone(),
                "a = \"\"\"\nit\"\"\"\n",
            ),
            ("a = 1\n", text.clone(), "a = \"it\"\n"),
            ("a = 1\n", Data::str("x\ny\n"), "a = \"\"\"\nx\ny\n\"\"\"\n"),
            (
                "a = [1, 2]\n",
                map(&[("b", Data::int(1))]),
                "a = { b = 1 }\n",
            ),
            (
                "x = 0\n\n[a]\n# c\nb = 1\n\n[d]\n",
                text.clone(),
                "x = 0\na = \"it\"\n# c\n\n[d]\n",
            ),
            (
                "[x]\n\n[a.b]\nc = 1\n\n[d]\n",
                map(&[("e", text)]),
                "[x]\n\n[a]\ne = \"it\"\n\n[d]\n",
            ),
            ("a.b = 1\nc = 2\n", Data::int(3), "c = 2\na = 3\n"),
        ] {
            replaces(before, "a", &data, expected);
        }
        let document = parsed("[[l]]\na = 1\n");
        let error = replace(
            &document,
            at(&document, "l[0]"),
            &Data::int(1),
            Layout::default(),
        );
        let problem = error.err().unwrap().problem;
        assert_eq!(problem, "l is a list of tables: it holds no other values");
    }

    #[test]
    fn what_is_removed_leaves_comments_and_layout() {
        for (text, path, expected) in [
            ("# of a\na = 1\nb = 2\n", "a", "# of a\nb = 2\n"),
            ("a = 1 # why\nb = 2\n", "a", "# why\nb = 2\n"),
            (
                "a = \"\"\"\nx\n\"\"\"\nb = 2",
                "b",
                "a = \"\"\"\nx\n\"\"\"\n",
            ),
            (
                "x = 1\n\n[a]\ny = 1\n\n[a.b]\n\n[c]\n",
                "a",
                "x = 1\n\n[c]\n",
            ),
            ("[[l]]\na = 1\n\n[[l]]\na = 2\n", "l[1]", "[[l]]\na = 1\n"),
            ("[[l]]\na = 1\n\n[[l]]\na = 2\n", "l[0]", "[[l]]\na = 2\n"),
            ("a.b = 1\na.c = 2\nd = 3\n", "a", "d = 3\n"),
            ("l = [1, 2, 3]\n", "l[0]", "l = [2, 3]\n"),
            ("l = [1, 2, 3]\n", "l[2]", "l = [1, 2]\n"),
            ("l = [ 1, ]\n", "l[0]", "l = []\n"),
            (
                "l = [\n  1, # one\n  2, # two\n]\n",
                "l[0]",
                "l = [\n  # one\n  2, # two\n]\n",
            ),
            (
                "l = [\n  1,\n  2,\n  3\n]\n",
                "l[1]",
                "l = [\n  1,\n  3\n]\n",
            ),
            (
                "l = [\n  1, # one\n  2\n]\n",
                "l[1]",
                "l = [\n  1 # one\n]\n",
            ),
            (
                "l = { a.b = 1, c = 2, a.d = 3 }\n",
                "l.a",
                "l = { c = 2 }\n",
            ),
        ] {
            removes(text, path, expected);
        }
    }
}
