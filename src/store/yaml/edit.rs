//! Changing one place of a YAML text: replacing, appending and removing values.

use super::block::values;
use super::emit;
use super::seal::{context_of, newline};
use super::spell::{self, Context};
use crate::document::{Data, Document, Kind, Node, NodeId, Span, Splice, Style, Type, Value};
use crate::store::Layout;

/// See [`crate::store::Store::replace`].
pub fn replace(document: &Document, id: NodeId, data: &Data, layout: Layout) -> Splice {
    let node = document.node(id);
    let all = Span {
        start: node.outer.start,
        end: node.span.end,
    };
    if node.in_flow || is_empty(data) {
        let mut text = Vec::new();
        if is_block_collection(node) && !is_root(document, id) {
            let span = from_indicator(document, id, all);
            text.push(b' ');
            emit::emit_flow(data, &mut text);
            return Splice::new(span, text);
        }
        emit::emit_flow(data, &mut text);
        return Splice::new(all, text);
    }
    let parent = document.parent(id).map(|parent| document.node(parent));
    let column = parent.map_or(0, |parent| parent.indent as usize);
    if let Data::Scalar(ty, text) = data
        && !is_block_collection(node)
    {
        let value = Value { ty: *ty, text };
        return replace_scalar(document, node, value, column, all);
    }
    let editor = Editor::new(document, layout);
    if is_root(document, id) {
        let mut text = Vec::new();
        emit::emit(std::slice::from_ref(data), editor.indent, &mut text);
        trim_line_end(&mut text);
        return Splice::new(all, text);
    }
    let span = from_indicator(document, id, all);
    let mut text = Vec::new();
    let is_item = parent.is_some_and(|parent| parent.kind == Kind::Sequence);
    editor.value(data, column, is_item, &mut text);
    trim_line_end(&mut text);
    Splice::new(span, text)
}

fn is_empty(data: &Data) -> bool {
    match data {
        Data::List(items) => items.is_empty(),
        Data::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn is_block_collection(node: &Node) -> bool {
    matches!(node.kind, Kind::Mapping | Kind::Sequence) && node.style == Style::Block
}

fn is_root(document: &Document, id: NodeId) -> bool {
    document.branches.iter().any(|b| b.root == Some(id))
}

/// A scalar for a scalar keeps the style where it can hold the new value.
fn replace_scalar(
    document: &Document,
    node: &Node,
    value: Value<'_>,
    column: usize,
    all: Span,
) -> Splice {
    let context = Context {
        indent: column + document.indent_step as usize,
        ..context_of(document, node, value.text)
    };
    let quoted = matches!(node.style, Style::Single | Style::Double);
    let style = match value.ty {
        Type::Str if quoted && node.kind == Kind::Scalar => node.style,
        _ => Style::Plain,
    };
    let mut text = Vec::new();
    if node.span.is_empty() && !blank_before(document, node.outer.start as usize) {
        text.push(b' ');
    }
    let start = text.len();
    let keeps = !value.text.contains(&b'\n');
    if !(keeps && spell::write_in_style(style, value, &context, b"", &mut text)) {
        text.truncate(start);
        spell::write_scalar(value.ty, value.text, &context, &mut text);
    }
    trim_line_end(&mut text);
    Splice::new(all, text)
}

fn blank_before(document: &Document, at: usize) -> bool {
    at == 0 || document.source[at - 1].is_ascii_whitespace()
}

/// `span`, begun right behind the `:` or `-` of the value `id`.
fn from_indicator(document: &Document, id: NodeId, span: Span) -> Span {
    let at = indicator(document, id).map_or(span.start as usize, |at| at + 1);
    Span::new(at, span.end as usize)
}

/// The place of the `:` or `-` that introduces the value `id`.
fn indicator(document: &Document, id: NodeId) -> Option<usize> {
    let parent = document.parent(id)?;
    let sign = match document.node(parent).kind {
        Kind::Mapping => b':',
        _ => b'-',
    };
    let before = match sign {
        b':' => document.key_of(parent, id),
        _ => values(document, parent).take_while(|&c| c < id).last(),
    };
    let mut at = match before {
        Some(before) => document.node(before).span.end as usize,
        None => document.node(parent).span.start as usize,
    };
    let end = document.node(id).outer.start as usize;
    while at < end {
        match document.source[at] {
            b'#' => at += memchr::memchr(b'\n', &document.source[at..end])?,
            byte if byte == sign => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn trim_line_end(text: &mut Vec<u8>) {
    while text.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        text.pop();
    }
}

/// See [`crate::store::Store::insert`].
pub fn insert(
    document: &Document,
    id: Option<NodeId>,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Vec<Splice> {
    let editor = Editor::new(document, layout);
    let Some(id) = id else {
        let at = document.branches.first().map_or(0, |b| b.span.end as usize);
        return vec![editor.line(at, 0, key, data)];
    };
    let node = document.node(id);
    if node.style == Style::Flow {
        return vec![editor.flow_entry(id, key, data)];
    }
    let last = values(document, id).last().unwrap_or(id);
    let end = document.node(last).span.end as usize;
    let at = memchr::memchr(b'\n', &document.source[end..])
        .map_or(document.source.len(), |n| end + n + 1);
    vec![editor.line(at, node.indent as usize, key, data)]
}

struct Editor<'d> {
    document: &'d Document,
    indent: usize,
    newline: &'static [u8],
}

impl<'d> Editor<'d> {
    fn new(document: &'d Document, layout: Layout) -> Self {
        let chosen = layout.indent.filter(|&n| n > 0);
        Self {
            document,
            indent: chosen.unwrap_or(document.indent_step as usize),
            newline: newline(document),
        }
    }

    /// A new line at `at`, which is a line's start or the end of the text.
    fn line(&self, at: usize, column: usize, key: Option<&[u8]>, data: &Data) -> Splice {
        let open = at > 0 && self.document.source[at - 1] != b'\n';
        let mut text = Vec::new();
        if open {
            text.extend_from_slice(self.newline);
        }
        text.resize(text.len() + column, b' ');
        match key {
            Some(key) => self.key(key, &mut text),
            None => text.push(b'-'),
        }
        self.value(data, column, key.is_none(), &mut text);
        trim_line_end(&mut text);
        if !open {
            text.extend_from_slice(self.newline);
        }
        Splice::new(Span::new(at, at), text)
    }

    /// A value behind the `:` or `-` in `column`.
    fn value(&self, data: &Data, column: usize, is_item: bool, out: &mut Vec<u8>) {
        let emit = if is_item {
            emit::emit_item
        } else {
            emit::emit_block
        };
        emit(data, column, self.indent, self.newline, out);
    }

    fn key(&self, key: &[u8], out: &mut Vec<u8>) {
        let context = Context {
            indent: 0,
            in_flow: false,
            newline: self.newline,
            is_key: true,
            may_keep: false,
            step: self.indent,
        };
        spell::write_string(key, &context, out);
        out.push(b':');
    }

    fn flow_entry(&self, id: NodeId, key: Option<&[u8]>, data: &Data) -> Splice {
        let mut text = Vec::new();
        let at = match values(self.document, id).last() {
            Some(last) => {
                text.extend_from_slice(b", ");
                self.document.node(last).span.end as usize
            }
            None => self.document.node(id).span.start as usize + 1,
        };
        if let Some(key) = key {
            self.key(key, &mut text);
            text.push(b' ');
        }
        emit::emit_flow(data, &mut text);
        Splice::new(Span::new(at, at), text)
    }
}

/// See [`crate::store::Store::remove`].
pub fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let parts = Parts::of(document, id, child);
    let node = document.node(id);
    if parts.before.is_none() && parts.next.is_none() {
        let empty = match node.kind {
            Kind::Mapping => Data::Map(Vec::new()),
            _ => Data::List(Vec::new()),
        };
        return vec![replace(document, id, &empty, Layout::default())];
    }
    let span = if node.style == Style::Flow {
        parts.flow_span(document)
    } else {
        parts.block_span(document, node.kind == Kind::Sequence)
    };
    vec![Splice::new(span, b"")]
}

/// An entry or item among its neighbours.
struct Parts {
    /// The key of the entry, or the item itself.
    first: NodeId,
    value: NodeId,
    /// The value before.
    before: Option<NodeId>,
    /// The key or item behind.
    next: Option<NodeId>,
}

impl Parts {
    fn of(document: &Document, id: NodeId, child: NodeId) -> Self {
        let first = document.key_of(id, child).unwrap_or(child);
        Self {
            first,
            value: child,
            before: values(document, id).take_while(|&c| c < first).last(),
            next: values(document, id).find(|&c| c > child),
        }
    }

    fn flow_span(&self, document: &Document) -> Span {
        match (self.before, self.next) {
            (Some(before), _) => Span {
                start: document.node(before).span.end,
                end: document.node(self.value).span.end,
            },
            (None, next) => Span {
                start: document.node(self.first).outer.start,
                end: next.map_or(document.node(self.value).span.end, |next| {
                    document.node(next).outer.start
                }),
            },
        }
    }

    /// Whole lines; for the first entry of a mapping behind a dash up to the next entry.
    fn block_span(&self, document: &Document, is_item: bool) -> Span {
        let source = &document.source;
        let begin = |id: NodeId| {
            let start = document.node(id).outer.start as usize;
            let dash = is_item.then(|| indicator(document, id)).flatten();
            dash.unwrap_or(start)
        };
        let start = begin(self.first);
        let line = memchr::memrchr(b'\n', &source[..start]).map_or(0, |n| n + 1);
        let alone = source[line..start].iter().all(|&b| b == b' ');
        if !alone && let Some(next) = self.next {
            return Span::new(start, begin(next));
        }
        let value_end = document.node(self.value).span.end as usize;
        let end = memchr::memchr(b'\n', &source[value_end..]).map(|n| value_end + n + 1);
        match end {
            Some(end) => Span::new(line, end),
            // The last line has no line end: the one before it goes instead.
            None => Span::new(line.saturating_sub(1), source.len()),
        }
    }
}
