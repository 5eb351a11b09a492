//! Java's `.properties`: read as `java.util.Properties` reads them, byte for byte.
//!
//! A value is what Java makes of it: escapes resolved, lines that a backslash joins put together.
//! `\uXXXX` counts as UTF-8, and bytes beyond ASCII as themselves, whatever their encoding is.
//! Where a key stands twice, Java takes the last: an earlier one is *shadowed*, found by no path,
//! and its value is the text as it is spelled.
//!
//! The metadata are the entries whose key starts with `sops_`. In the document they are one mapping
//! at the end of the root, under the key `sops`.

mod lines;
mod spell;

use super::flat::{self, Tree, refused};
use super::{EmitError, Layout, ParseError, ParseOptions, Store};
use crate::document::{
    Data, Document, Kind, Node, NodeId, Path, Span, Splice, Step, Style, Text, Value,
};
use lines::{Entry, Line, is_break};
use spell::Bytes;
use std::collections::HashSet;
use zeroize::Zeroizing;

/// The store of Java's `.properties`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties;

/// What the keys of metadata start with.
const PREFIX: &[u8] = b"sops_";

impl Store for Properties {
    fn name(&self) -> &'static str {
        "properties"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".properties"]
    }

    fn is_known_to_sops(&self) -> bool {
        false
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        _options: ParseOptions,
    ) -> Result<Document, ParseError> {
        match document(&source) {
            Ok(mut document) => {
                document.branches[0].span = Span::new(0, source.len());
                Ok(Document { source, ..document })
            }
            Err(error) => Err(error.shown_in(&source)),
        }
    }

    fn held(&self, data: Data) -> Data {
        flat::held(data)
    }

    fn region(&self, document: &Document, id: NodeId) -> Span {
        document.node(id).span
    }

    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        if document.node(id).kind == Kind::Comment {
            out.extend_from_slice(sign(document, id));
        }
        out.extend_from_slice(token);
        document.node(id).span
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let node = document.node(id);
        let text = if node.kind == Kind::Comment {
            spell::comment(sign(document, id), value.text)
        } else if node.style == Style::Literal {
            Zeroizing::new(value.text.to_vec())
        } else {
            let text = Zeroizing::new(flat::spelled(value.ty, value.text));
            spell::value(&text, Bytes::Raw, has_sign(document, id))
        };
        flat::append(out, &text);
        node.span
    }

    /// There are no lists: nothing changes.
    fn open_list_comment(&self, document: &Document, id: NodeId, _text: &[u8]) -> Splice {
        insertion(document.node(id).span.start, Zeroizing::default())
    }

    /// There are no aliases, so there is nothing to put in the place of one.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        _leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        insertion(document.node(alias).span.start, Zeroizing::default())
    }

    /// The lines of the metadata follow the text, and end without a line end where it does.
    fn attach(&self, document: &Document, metadata: &Data, _layout: Layout) -> Vec<Splice> {
        let lines: Vec<Zeroizing<Vec<u8>>> = flat::flatten(metadata)
            .iter()
            .map(|(name, value)| entry_line(&[PREFIX, name].concat(), b"=", value, Bytes::Escaped))
            .collect();
        let end = document.source.len();
        vec![insertion(
            Span::new(0, end).end,
            appended(document, end, &lines),
        )]
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        if !document.has_metadata() {
            return Vec::new();
        }
        let lines = metadata_lines(document);
        let start = lines.first().map_or(0, |line| line.start);
        let end = lines.last().map_or(0, |line| line.end);
        let length: usize = lines.iter().map(|line| line.range().len()).sum();
        let (from, to) = (start as usize, end as usize);
        if to < document.source.len() || to - from > length {
            // Somebody put lines behind the metadata, or between them.
            return lines.into_iter().map(|l| Splice::new(l, [])).collect();
        }
        let start = end_of_original(document, from);
        vec![Splice::new(Span::new(start, to), [])]
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        _layout: Layout,
    ) -> Result<Splice, EmitError> {
        let place = document.path(id).to_string();
        let text = Zeroizing::new(flat::text_of(data, &place, self.name())?);
        let span = document.node(id).span;
        let mut new = Zeroizing::default();
        if between(document, id).is_empty() && !text.is_empty() {
            flat::append(&mut new, b"=");
        }
        let has_sign = has_sign(document, id) || !new.is_empty();
        flat::append(&mut new, &spell::value(&text, bytes(document), has_sign));
        Ok(Splice { span, text: new })
    }

    fn insert(
        &self,
        document: &Document,
        _id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        _layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        let Some(key) = key else {
            return refused("properties are a mapping, not a list".to_owned());
        };
        let text = checked(key, data)?;
        let line = entry_line(key, separator(document), &text, bytes(document));
        let block = metadata_lines(document).first().map(|line| line.start);
        let at = block.map_or(document.source.len(), |start| start as usize);
        let mut new = appended(document, at, &[line]);
        if at < document.source.len() && !new.ends_with(newline(document)) {
            flat::append(&mut new, newline(document));
        }
        Ok(vec![insertion(Span::new(0, at).end, new)])
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        let key = document.key_of(id, child);
        let lines = key.map(|key| {
            let (key, value) = (document.node(key).span, document.node(child).span);
            lines_of(&document.source, key, value)
        });
        lines.map(|l| Splice::new(l, [])).into_iter().collect()
    }

    fn emit(&self, branches: &[Data], _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut text = Zeroizing::default();
        for (key, data) in flat::only_branch(branches, self.name())? {
            let line = match data {
                Data::Comment(text, _) => spell::comment(b"#", text),
                _ => entry_line(key, b"=", &checked(key, data)?, Bytes::Escaped),
            };
            flat::append(&mut text, &line);
            flat::append(&mut text, b"\n");
        }
        Ok(text)
    }

    fn emit_value(&self, data: &Data, _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        flat::text_of(data, "the value", self.name()).map(Zeroizing::new)
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

/// The document, yet without its source.
///
/// # Errors
/// [`ParseError`] where the text is none of properties.
fn document(source: &[u8]) -> Result<Document, ParseError> {
    flat::check_length(source)?;
    let lines = lines::read(source)?;
    let mut tree = Tree::new(source.len());
    let mut metadata = Vec::new();
    let mut shadowed = Vec::new();
    let mut last = shadows(&lines).into_iter();
    for line in &lines {
        match line {
            Line::Comment(span) => {
                let text = Span {
                    start: span.start + 1,
                    ..*span
                };
                tree.comment(*span, Text::Source(text), false);
            }
            Line::Entry(entry) if entry.key_text.starts_with(PREFIX) => metadata.push(entry),
            Line::Entry(entry) => {
                let is_shadowed = last.next() == Some(true);
                let key = push(&mut tree, source, entry, is_shadowed);
                shadowed.extend(is_shadowed.then_some(key));
            }
        }
    }
    let key = match metadata.first() {
        Some(first) => Some(push_metadata(&mut tree, &metadata, first.key)?),
        None => None,
    };
    let mut document = tree.finish(Zeroizing::default(), key);
    for key in shadowed {
        document.nodes[key as usize].inline = true;
    }
    Ok(document)
}

fn insertion(at: u32, text: Zeroizing<Vec<u8>>) -> Splice {
    let span = Span { start: at, end: at };
    Splice { span, text }
}

/// For every entry that is no metadata, whether a later one has its key.
fn shadows(lines: &[Line]) -> Vec<bool> {
    let entries = lines.iter().filter_map(|line| match line {
        Line::Entry(entry) if !entry.key_text.starts_with(PREFIX) => Some(&entry.key_text[..]),
        _ => None,
    });
    let keys: Vec<&[u8]> = entries.collect();
    let mut later = HashSet::with_capacity(keys.len());
    let mut shadowed: Vec<bool> = keys.iter().rev().map(|key| !later.insert(*key)).collect();
    shadowed.reverse();
    shadowed
}

/// Adds an entry; the node of its key.
fn push(tree: &mut Tree, source: &[u8], entry: &Entry, is_shadowed: bool) -> NodeId {
    let key = text(tree, source, entry.key, &entry.key_text);
    let key = tree.key(entry.key, key);
    let (style, text) = if is_shadowed {
        (Style::Literal, Text::Source(entry.value))
    } else {
        let text = text(tree, source, entry.value, &entry.value_text);
        (Style::Plain, text)
    };
    tree.scalar(entry.value, style, text);
    key
}

/// Adds the metadata as a tree; the node of its key.
///
/// # Errors
/// Where the names contradict one another.
fn push_metadata(tree: &mut Tree, entries: &[&Entry], place: Span) -> Result<NodeId, ParseError> {
    let flat = entries.iter().map(|entry| {
        let name = entry.key_text[PREFIX.len()..].to_vec();
        (name, Data::str(&entry.value_text[..]))
    });
    let data = flat::unflatten(flat.collect()).map_err(|number| {
        let offset = entries.get(number).map_or(place.start, |e| e.key.start);
        flat::broken_metadata(offset as usize)
    })?;
    let name = tree.cook(b"sops");
    let key = tree.key(place, name);
    push_data(tree, place, &data);
    Ok(key)
}

/// Adds data that stand somewhere at `place`. As deep as flat names nest.
fn push_data(tree: &mut Tree, place: Span, data: &Data) {
    match data {
        Data::Map(entries) => {
            let map = tree.open(place);
            for (name, data) in entries {
                let name = tree.cook(name);
                tree.key(place, name);
                push_data(tree, place, data);
            }
            tree.close(map);
        }
        Data::List(items) => {
            let list = tree.open_list(place);
            for item in items {
                push_data(tree, place, item);
            }
            tree.close(list);
        }
        Data::Scalar(_, text) | Data::Comment(text, _) => {
            let text = tree.cook(text);
            tree.scalar(place, Style::Plain, text);
        }
    }
}

/// What the source says at `span`, in its own place where it is spelled so.
fn text(tree: &mut Tree, source: &[u8], span: Span, meaning: &[u8]) -> Text {
    if source[span.range()] == *meaning {
        Text::Source(span)
    } else {
        tree.cook(meaning)
    }
}

/// The sign of a comment.
fn sign(document: &Document, id: NodeId) -> &[u8] {
    let start = document.node(id).span.start as usize;
    &document.source[start..=start]
}

/// What stands between the value `id` and its key.
fn between(document: &Document, id: NodeId) -> &[u8] {
    // An entry is its key and its value.
    document.slice(Span {
        start: document.node(id - 1).span.end,
        end: document.node(id).span.start,
    })
}

/// Whether more than blanks parts a value from its key.
fn has_sign(document: &Document, id: NodeId) -> bool {
    memchr::memchr2(b'=', b':', between(document, id)).is_some()
}

/// What parts keys and values in the text, as its first entry has it.
fn separator(document: &Document) -> &[u8] {
    let is_value = |node: &Node| node.kind == Kind::Scalar && !node.is_key;
    let first = document.nodes.iter().position(is_value);
    let usual = first.map(|id| between(document, Span::new(0, id).end));
    usual
        .filter(|text| !text.is_empty() && !text.iter().any(|b| is_break(*b) || *b == b'\\'))
        .unwrap_or(b"=")
}

/// How bytes beyond ASCII are put into the text: as they are where it has such of UTF-8.
fn bytes(document: &Document) -> Bytes {
    if !document.source.is_ascii() && std::str::from_utf8(&document.source).is_ok() {
        Bytes::Raw
    } else {
        Bytes::Escaped
    }
}

/// The first line end of the text.
fn newline(document: &Document) -> &'static [u8] {
    let source = &document.source;
    match source.iter().position(|b| is_break(*b)) {
        Some(at) if source[at..].starts_with(b"\r\n") => b"\r\n",
        Some(at) if source[at] == b'\r' => b"\r",
        _ => b"\n",
    }
}

/// The text of a value that goes under `key`.
///
/// # Errors
/// [`EmitError`] where it is no text, or the key is one of metadata.
fn checked(key: &[u8], data: &Data) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let place = Path(vec![Step::Key(key.to_vec())]).to_string();
    if key.starts_with(PREFIX) {
        return refused(format!(
            "{place} starts with `sops_`, which is kept for metadata"
        ));
    }
    flat::text_of(data, &place, "properties").map(Zeroizing::new)
}

/// An entry without its line end.
fn entry_line(key: &[u8], separator: &[u8], value: &[u8], bytes: Bytes) -> Zeroizing<Vec<u8>> {
    let mut line = spell::key(key, bytes);
    flat::append(&mut line, separator);
    let has_sign = memchr::memchr2(b'=', b':', separator).is_some();
    flat::append(&mut line, &spell::value(value, bytes, has_sign));
    line
}

/// Lines as they are put at the end of the text before `at`: with a line end behind each where it
/// has one at its end, else before each. A blank line goes before them where they would be joined
/// to a line that ends in a backslash.
fn appended(document: &Document, at: usize, lines: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let newline = newline(document);
    let text = &document.source[..at];
    let has_end = text.last().is_none_or(|b| is_break(*b));
    let mut out = Zeroizing::default();
    if is_joined(document, at) {
        let is_lone_return = text.ends_with(b"\r");
        flat::append(&mut out, if is_lone_return { b"\r" } else { newline });
    }
    for line in lines {
        if !has_end {
            flat::append(&mut out, newline);
        }
        flat::append(&mut out, line);
        if has_end {
            flat::append(&mut out, newline);
        }
    }
    out
}

/// Whether the text before `at`, without line ends at its end, ends in a backslash that joins lines.
fn is_joined(document: &Document, at: usize) -> bool {
    let text = &document.source[..at];
    let blank = text.iter().rev().take_while(|b| is_break(**b)).count();
    let body = &text[..at - blank];
    let backslashes = body.iter().rev().take_while(|b| **b == b'\\').count();
    let ends = |node: &Node| node.kind == Kind::Comment && node.span.end as usize == body.len();
    backslashes % 2 == 1 && !document.nodes.iter().any(ends)
}

/// Where the text ended to which metadata that begin at `from`, and end the text, were appended.
fn end_of_original(document: &Document, from: usize) -> usize {
    let source = &document.source[..];
    let without = |end: usize| {
        let text = &source[..end];
        let rest = text.strip_suffix(b"\r\n");
        let rest = rest.or_else(|| text.strip_suffix(b"\n"));
        rest.or_else(|| text.strip_suffix(b"\r"))
            .map_or(end, <[u8]>::len)
    };
    let is_joined = is_joined(document, from);
    if from == 0 {
        return 0;
    }
    if source.last().is_some_and(|b| is_break(*b)) {
        return if is_joined { without(from) } else { from };
    }
    let end = without(from);
    if is_joined { without(end) } else { end }
}

/// The lines of the metadata, in the order of the text.
fn metadata_lines(document: &Document) -> Vec<Span> {
    if !document.has_metadata() {
        return Vec::new();
    }
    // What was parsed once is parsed again.
    let lines = lines::read(&document.source).unwrap_or_default();
    let metadata = lines.iter().filter_map(|line| match line {
        Line::Entry(entry) if entry.key_text.starts_with(PREFIX) => {
            Some(lines_of(&document.source, entry.key, entry.value))
        }
        _ => None,
    });
    metadata.collect()
}

/// The lines of an entry, with their line end.
fn lines_of(source: &[u8], key: Span, value: Span) -> Span {
    let start = key.start as usize;
    let before = source[..start].iter().rev();
    let blanks = before.take_while(|b| lines::is_blank(**b)).count();
    Span::new(
        start - blanks,
        lines::end_of_line(source, value.end as usize),
    )
}

const EXAMPLE: &str = "\
# Replace what stands here by your own secrets.
greeting=Hello
database.user=admin
database.password=correct horse battery staple
several.lines=one\\ntwo\\nthree
";

#[cfg(test)]
mod tests;
