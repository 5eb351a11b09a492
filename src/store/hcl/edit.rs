//! Splices that keep the layout of the text around them.

use super::emit::{self, Form};
use super::{LABELS, is_heredoc, newline};
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Style};
use crate::store::flat::{append, refused};
use crate::store::{EmitError, Layout};
use zeroize::Zeroizing;

fn insertion(at: usize, text: impl Into<Vec<u8>>) -> Splice {
    Splice::new(Span::new(at, at), text)
}

/// Adds the metadata as the last attribute. The text ends without a line end where it did before.
pub(super) fn attach(document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
    let newline = newline(document);
    let form = Form::new(newline, b"", layout);
    let block = emit::value(metadata, &form);
    let text = [super::METADATA_KEY, b" = ", &block].concat();
    vec![at_end(document, &text)]
}

fn at_end(document: &Document, line: &[u8]) -> Splice {
    let (source, newline) = (&document.source, newline(document));
    let text = if source.is_empty() || source.ends_with(b"\n") {
        [line, newline].concat()
    } else if source.ends_with(b"\r") {
        // A line feed alone would make one line end of both.
        [b"\r\n", line].concat()
    } else {
        [newline, line].concat()
    };
    insertion(source.len(), text)
}

/// Removes what [`attach`] added.
pub(super) fn detach(document: &Document) -> Option<Splice> {
    let key = document.branches[0].metadata?;
    let span = Span {
        start: document.node(key).span.start,
        end: document.node(key + 1).span.end,
    };
    let lines = lines_of(document, span);
    if lines.end > span.end || (lines.end as usize) < document.source.len() {
        return Some(Splice::new(lines, []));
    }
    let before = &document.source[..lines.start as usize];
    let rest = before.strip_suffix(b"\n").unwrap_or(before);
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    Some(Splice::new(Span::new(rest.len(), lines.end as usize), []))
}

/// A span with the blanks around it and its line end, where nothing else stands on its lines.
fn lines_of(document: &Document, span: Span) -> Span {
    let source = &document.source;
    let before = source[..span.start as usize].iter().rev();
    let blanks = before.take_while(|b| matches!(b, b' ' | b'\t')).count();
    let start = span.start as usize - blanks;
    let rest = &source[span.end as usize..];
    let blanks = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'));
    let behind = blanks.count();
    let starts_line = start == 0 || source[start - 1] == b'\n';
    match rest.get(behind) {
        None if starts_line && behind == 0 => Span::new(start, span.end as usize),
        Some(b'\n') if starts_line => Span::new(start, span.end as usize + behind + 1),
        _ => span,
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
    if matches!(node.kind, Kind::Mapping | Kind::Sequence) && node.style != Style::Flow {
        return refused(format!("{} is a block, not a value", document.path(id)));
    }
    refuse_comment(data)?;
    let form = Form::at(document, node.span.start as usize, layout);
    let text = emit::value(data, &form);
    let span = node.span;
    Ok(Splice { span, text })
}

fn refuse_comment(data: &Data) -> Result<(), EmitError> {
    match data {
        Data::Comment(..) => refused("a comment is no value".to_owned()),
        _ => Ok(()),
    }
}

/// Puts an entry or item behind the last one of the collection `id`, but before metadata.
pub(super) fn insert(
    document: &Document,
    id: NodeId,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Result<Vec<Splice>, EmitError> {
    refuse_comment(data)?;
    let node = document.node(id);
    match (node.kind, node.style, key) {
        (Kind::Mapping | Kind::Sequence, LABELS, _) => {
            refused(format!("{} holds blocks only", document.path(id)))
        }
        (Kind::Mapping, Style::Block, Some(key)) => into_body(document, id, key, data, layout),
        (Kind::Mapping, _, Some(key)) => {
            let form = form_in(document, id, layout);
            let mut text = Zeroizing::default();
            emit::object_key(key, &mut text);
            append(&mut text, b" = ");
            append(&mut text, &emit::value(data, &form));
            Ok(into_brackets(document, id, &form, &text))
        }
        (Kind::Sequence, _, None) => {
            let form = form_in(document, id, layout);
            let text = emit::value(data, &form);
            Ok(into_brackets(document, id, &form, &text))
        }
        (Kind::Mapping, _, None) => refused("an object takes a value only under a key".to_owned()),
        (Kind::Sequence, _, Some(_)) => refused("a list has no keys".to_owned()),
        _ => refused("only an object or a list takes another value".to_owned()),
    }
}

fn into_body(
    document: &Document,
    id: NodeId,
    key: &[u8],
    data: &Data,
    layout: Layout,
) -> Result<Vec<Splice>, EmitError> {
    let mut line = Zeroizing::default();
    if id == 0 {
        let form = Form::new(newline(document), b"", layout);
        emit::attribute(key, data, &form, &mut line)?;
        let metadata = document.branches[0].metadata;
        return Ok(vec![match metadata {
            Some(key) => {
                append(&mut line, newline(document));
                insertion(document.node(key).span.start as usize, &line[..])
            }
            None => at_end(document, &line),
        }]);
    }
    let form = form_in(document, id, layout);
    emit::attribute(key, data, &form, &mut line)?;
    let span = document.node(id).span;
    let outer = Form::at(document, span.start as usize, layout);
    let (start, end) = (span.start as usize + 1, span.end as usize - 1);
    let inside = &document.source[start..end];
    let text = inside.trim_ascii();
    let kept = text.len() + (inside.len() - inside.trim_ascii_start().len());
    let mut new = Zeroizing::default();
    if memchr::memchr(b'\n', inside).is_some() {
        append(&mut new, &form.line);
        append(&mut new, &line);
        append(&mut new, &outer.line);
        let kept = if text.is_empty() { 0 } else { kept };
        let span = Span::new(start + kept, end);
        return Ok(vec![Splice { span, text: new }]);
    }
    for part in [text, &line[..]].iter().filter(|part| !part.is_empty()) {
        append(&mut new, &form.line);
        append(&mut new, part);
    }
    append(&mut new, &outer.line);
    let span = Span::new(start, end);
    Ok(vec![Splice { span, text: new }])
}

/// The form of a new member of a collection: that of its last one, where this begins a line.
fn form_in(document: &Document, id: NodeId, layout: Layout) -> Form {
    let outer = Form::at(document, document.node(id).span.start as usize, layout);
    match members(document, id).last() {
        Some(last) if begins_line(document, last.start as usize) => {
            Form::at(document, last.start as usize, layout)
        }
        Some(_) if document.node(id).style == Style::Flow => outer,
        _ => outer.deeper(),
    }
}

fn begins_line(document: &Document, at: usize) -> bool {
    let before = &document.source[..at];
    let blanks = before
        .iter()
        .rev()
        .take_while(|b| matches!(b, b' ' | b'\t'));
    let start = at - blanks.count();
    start == 0 || document.source[start - 1] == b'\n'
}

/// From the first byte of every member of a collection to its last one.
fn members(document: &Document, id: NodeId) -> impl Iterator<Item = Span> {
    let mut start = None;
    document.children(id).filter_map(move |child| {
        let node = document.node(child);
        if node.kind == Kind::Comment {
            return None;
        }
        if node.is_key {
            start = Some(node.span.start);
            return None;
        }
        Some(Span {
            start: start.take().unwrap_or(node.span.start),
            end: node.span.end,
        })
    })
}

/// What stands behind a member.
struct Gap {
    /// Its comma.
    comma: Option<usize>,
    /// Behind the member, its comma and the comments on their lines.
    end: usize,
    /// A comment was met.
    has_comment: bool,
    /// The line ends there.
    ends_line: bool,
}

fn gap(document: &Document, from: usize) -> Gap {
    let source = &document.source[..];
    let (mut at, mut is_same_line) = (from, true);
    let mut gap = Gap {
        comma: None,
        end: from,
        has_comment: false,
        ends_line: false,
    };
    while let Some(&byte) = source.get(at) {
        let rest = &source[at..];
        let length = match byte {
            b' ' | b'\t' | b'\r' => 1,
            b'\n' => {
                gap.ends_line |= is_same_line;
                is_same_line = false;
                1
            }
            b',' if gap.comma.is_none() => {
                gap.comma = Some(at);
                (is_same_line, gap.ends_line, gap.end) = (true, false, at + 1);
                1
            }
            b'#' => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"//") => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                memchr::memmem::find(&rest[2..], b"*/").map_or(rest.len(), |n| n + 4)
            }
            _ => break,
        };
        at += length;
        if length > 1 || byte == b'#' {
            gap.has_comment = true;
            if is_same_line {
                gap.end = at;
            }
        }
    }
    gap
}

fn into_brackets(document: &Document, id: NodeId, form: &Form, text: &[u8]) -> Vec<Splice> {
    let node = document.node(id);
    let Some(last) = members(document, id).last() else {
        let (start, end) = (node.span.start as usize + 1, node.span.end as usize - 1);
        let inside = &document.source[start..end];
        let is_object = node.kind == Kind::Mapping;
        return vec![if !inside.trim_ascii().is_empty() {
            insertion(start, [text, b","].concat())
        } else if is_object {
            Splice::new(Span::new(start, end), [b" ", text, b" "].concat())
        } else {
            Splice::new(Span::new(start, end), text)
        }];
    };
    let end = last.end as usize;
    let gap = gap(document, end);
    let is_list = node.kind == Kind::Sequence;
    let breaks = gap.ends_line || begins_line(document, last.start as usize);
    let space: &[u8] = if breaks { &form.line } else { b" " };
    if gap.comma.is_some() {
        return vec![insertion(gap.end, [space, text, b","].concat())];
    }
    if !is_list && breaks {
        return vec![insertion(gap.end, [space, text].concat())];
    }
    // Nothing may stand on the line that ends a heredoc.
    let is_behind_heredoc = document
        .children(id)
        .last()
        .is_some_and(|last| is_heredoc(document.node(last)));
    if is_behind_heredoc {
        let comma = [newline(document), b","].concat();
        return vec![insertion(end, [&comma, space, text].concat())];
    }
    if gap.end == end {
        return vec![insertion(end, [b",", space, text].concat())];
    }
    vec![
        insertion(end, b","),
        insertion(gap.end, [space, text].concat()),
    ]
}

/// Removes the entry or item of collection `id` whose value is `child`. Comments stay.
pub(super) fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let value = document.node(child);
    if value.kind != Kind::Scalar && value.style != Style::Flow {
        return remove_blocks(document, child);
    }
    let start = document
        .key_of(id, child)
        .map_or(value.span.start, |key| document.node(key).span.start);
    let span = Span {
        start,
        end: value.span.end,
    };
    if document.node(id).style != Style::Flow {
        return vec![Splice::new(lines_of(document, span), [])];
    }
    let gap = gap(document, span.end as usize);
    let mut splices = Vec::new();
    let mut whole = span;
    match gap.comma {
        Some(comma)
            if document.source[span.end as usize..comma]
                .trim_ascii()
                .is_empty() =>
        {
            whole.end = Span::new(0, comma + 1).end;
        }
        Some(comma) => splices.push(Splice::new(Span::new(comma, comma + 1), [])),
        None => {}
    }
    let lines = lines_of(document, whole);
    if lines != whole {
        whole = lines;
    } else if gap.comma.is_none() && !begins_line(document, whole.start as usize) {
        whole.start = before_comma(document, whole.start);
    }
    splices.push(Splice::new(whole, []));
    splices
}

/// The place before the comma that stands directly before `at`; `at` where none does.
fn before_comma(document: &Document, at: u32) -> u32 {
    let before = &document.source[..at as usize];
    let blanks = before
        .iter()
        .rev()
        .take_while(|b| matches!(b, b' ' | b'\t'));
    let end = before.len() - blanks.count();
    match before[..end].strip_suffix(b",") {
        Some(rest) => Span::new(0, rest.len()).end,
        None => at,
    }
}

/// Removes every block under `id`.
fn remove_blocks(document: &Document, id: NodeId) -> Vec<Splice> {
    let mut splices = Vec::new();
    let mut at = id;
    while at < document.node(id).end {
        let node = document.node(at);
        if node.kind == Kind::Mapping && node.style == Style::Block {
            splices.push(Splice::new(lines_of(document, node.outer()), []));
            at = node.end;
        } else {
            at += 1;
        }
    }
    splices
}
