//! Splices that keep the layout of the text around them.

use super::emit::{self, Form};
use super::scan::{Entry, Section, scan};
use super::{space, value};
use crate::document::secret::append;
use crate::document::{Data, Document, NodeId, Span, Splice};
use crate::store::EmitError;
use crate::store::flat::{self, refused};
use crate::store::line_end::line_end;
use zeroize::Zeroizing;

/// The sections of a text that was parsed once.
fn sections(document: &Document) -> Vec<Section> {
    scan(&document.source).unwrap_or_default()
}

/// The number of the section whose mapping is `id`.
fn number(document: &Document, id: NodeId) -> Option<usize> {
    let keys = document.children(0).filter(|&c| !document.node(c).is_key);
    keys.into_iter().position(|child| child == id)
}

/// Where the data end: before the section of the metadata, or with the text.
fn end_of_data(document: &Document, sections: &[Section]) -> usize {
    let block = document.branches[0].metadata.map(|key| key + 1);
    let section = block.and_then(|id| sections.get(number(document, id)?));
    section.map_or(document.source.len(), Section::first)
}

/// Removes what [`super::emit::metadata`] makes, wherever it stands now.
pub(super) fn detach(document: &Document) -> Vec<Splice> {
    let Some(key) = document.branches[0].metadata else {
        return Vec::new();
    };
    let (source, sections) = (&document.source, sections(document));
    let Some(at) = number(document, key + 1) else {
        return Vec::new();
    };
    let Some(header) = &sections[at].header else {
        return Vec::new();
    };
    let start = header.start;
    if let Some(next) = sections.get(at + 1) {
        return vec![Splice::new(Span::new(start, next.first()), [])];
    }
    let ends: &[u8] = if source[..header.next].ends_with(b"\r\n") {
        b"\r\n"
    } else {
        b"\n"
    };
    let before = &source[..start];
    let start = before.strip_suffix(ends).unwrap_or(before).len();
    vec![Splice::new(Span::new(start, source.len()), [])]
}

/// Puts `data` in the place of the value or section `id`.
pub(super) fn replace(document: &Document, id: NodeId, data: &Data) -> Result<Splice, EmitError> {
    let node = document.node(id);
    if let Some(at) = number(document, id) {
        return replace_section(document, id, at, data);
    }
    let place = document.path(id).to_string();
    let text = Zeroizing::new(flat::text_of(data, &place, "INI")?);
    let Some(text) = value::spelled(&text, node.style) else {
        return refused(format!("{place} holds a text that INI has no quotes for"));
    };
    let span = node.span;
    Ok(Splice { span, text })
}

fn replace_section(
    document: &Document,
    id: NodeId,
    at: usize,
    data: &Data,
) -> Result<Splice, EmitError> {
    let (source, sections) = (&document.source, sections(document));
    let section = &sections[at];
    let name = section.name(source);
    let Data::Map(keys) = data else {
        let place = document.path(id);
        return refused(format!("{place} is a section, which holds keys"));
    };
    let first = section.entries.first().map(Entry::first);
    let start = first.unwrap_or_else(|| body_start(document, section));
    let end = section.entries.last().map_or(start, |last| last.value.next);
    let form = Form {
        line_feed: line_end(source),
        ..Form::SOPS
    };
    let lines = emit::lines(name, keys, &form)?;
    let span = Span::new(start, end);
    let text = on_a_line_of_its_own(source, start, &lines);
    Ok(Splice { span, text })
}

/// Where the first key of a section goes.
fn body_start(document: &Document, section: &Section) -> usize {
    match &section.header {
        Some(header) => header.next,
        None if document.source.starts_with(b"\xef\xbb\xbf") => 3,
        None => 0,
    }
}

/// Lines that are put at `at`: behind a line end, where the text has none there.
fn on_a_line_of_its_own(source: &[u8], at: usize, lines: &[u8]) -> Zeroizing<Vec<u8>> {
    let before = &source[..at];
    let is_start = before.is_empty() || before == b"\xef\xbb\xbf" || before.ends_with(b"\n");
    if is_start {
        return Zeroizing::new(lines.to_vec());
    }
    let end = line_end(source);
    let lines = lines.strip_suffix(end).unwrap_or(lines);
    Zeroizing::new([end, lines].concat())
}

/// Appends a key to a section, or a section to the root.
pub(super) fn insert(
    document: &Document,
    id: NodeId,
    key: &[u8],
    data: &Data,
) -> Result<Splice, EmitError> {
    let Some(at) = number(document, id) else {
        return insert_section(document, key, data);
    };
    let (source, sections) = (&document.source, sections(document));
    let section = &sections[at];
    let last = section.entries.last();
    let sign = last.map_or(Form::SOPS.sign.to_vec(), |last| sign_like(source, last));
    let form = Form {
        indent: last.map_or(b"", |last| &source[last.start..last.key]),
        sign: &sign,
        line_feed: line_end(source),
    };
    let keys = [(key.to_vec(), data.clone())];
    let mut line = emit::lines(section.name(source), &keys, &form)?;
    let place = last.map_or_else(|| body_start(document, section), |last| last.value.next);
    if last.is_none() && section.header.is_none() && sections.len() > 1 {
        append(&mut line, form.line_feed);
    }
    let span = Span::new(place, place);
    let text = on_a_line_of_its_own(source, place, &line);
    Ok(Splice { span, text })
}

/// What stands between key and value in `entry`, without the blanks of a table.
fn sign_like(source: &[u8], entry: &Entry) -> Vec<u8> {
    let is_blank = |at: usize| matches!(source.get(at), Some(b' ' | b'\t'));
    let mut sign = Vec::new();
    if is_blank(entry.delimiter - 1) {
        sign.push(b' ');
    }
    sign.push(source[entry.delimiter]);
    if is_blank(entry.delimiter + 1) {
        sign.push(b' ');
    }
    sign
}

fn insert_section(document: &Document, name: &[u8], data: &Data) -> Result<Splice, EmitError> {
    let (source, sections) = (&document.source, sections(document));
    let at = end_of_data(document, &sections);
    let Data::Map(keys) = data else {
        let name = String::from_utf8_lossy(name);
        return refused(format!("{name} is no section, and INI holds nothing else"));
    };
    let form = Form {
        line_feed: line_end(source),
        ..Form::SOPS
    };
    let header = emit::header(name, form.line_feed)?;
    let lines = emit::lines(name, keys, &form)?;
    let is_first = space::trimmed(&source[..at]).is_empty();
    let gap: &[u8] = if is_first { b"" } else { form.line_feed };
    let behind: &[u8] = if at < source.len() {
        form.line_feed
    } else {
        b""
    };
    let text = [gap, &header, &lines, behind].concat();
    let text = on_a_line_of_its_own(source, at, &text);
    let span = Span::new(at, at);
    Ok(Splice { span, text })
}

/// Removes a key with its line, or a section with all that is in it.
pub(super) fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let (source, sections) = (&document.source, sections(document));
    if let Some(at) = number(document, child) {
        return remove_section(source, &sections, at);
    }
    let Some(section) = number(document, id).and_then(|at| sections.get(at)) else {
        return Vec::new();
    };
    let start = document.node(child).span.start as usize;
    let is_it = |entry: &&Entry| entry.value.span.start == start;
    let Some(found) = section.entries.iter().find(is_it) else {
        return Vec::new();
    };
    let name = found.name.bytes(source);
    // One that a later one hides would come back.
    let all = section.entries.iter();
    all.filter(|entry| entry.name.bytes(source) == name)
        .map(|entry| Splice::new(Span::new(entry.start, entry.value.next), []))
        .collect()
}

fn remove_section(source: &[u8], sections: &[Section], at: usize) -> Vec<Splice> {
    let section = &sections[at];
    let start = match (&section.header, section.entries.first()) {
        (Some(_), _) => section.first(),
        (None, Some(first)) => first.first(),
        (None, None) => return Vec::new(),
    };
    let last = section.entries.last().map(|last| last.value.next);
    let end = match (&section.trailing, sections.get(at + 1)) {
        (trailing, _) if !trailing.is_empty() => trailing.start,
        _ if section.header.is_none() => last.unwrap_or(start),
        (_, Some(next)) => next.first(),
        (_, None) => source.len(),
    };
    vec![Splice::new(Span::new(start, end), [])]
}
