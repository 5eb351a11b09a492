//! Changing one place of a YAML text: replacing and appending values.

use super::block::values;
use super::emit;
use super::seal::{newline, pin};
use super::spell::{self, Context};
use super::text::{bom_len, break_len, byte, is_blank, is_break_or_end, line_end};
use crate::document::{Data, Document, Kind, Node, NodeId, Span, Splice, Style, Type, Value};
use crate::store::Layout;

/// A key of more bytes stands behind a `?`, on a line of its own.
const LONGEST_KEY: usize = 128;

/// See [`crate::store::Store::replace`].
pub fn replace(document: &Document, id: NodeId, data: &Data, layout: Layout) -> Splice {
    let node = document.node(id);
    let all = Span {
        start: node.outer_start,
        end: node.span.end,
    };
    if is_root(document, id) {
        return replace_root(document, node, data, all, layout);
    }
    let parent = document.parent(id).map(|parent| document.node(parent));
    let (column, is_item) = parent.map_or((0, false), |parent| {
        (parent.indent as usize, parent.kind == Kind::Sequence)
    });
    let source = &document.source;
    let was_block = is_block_collection(node);
    let has_lines = last_text(data).contains(&b'\n');
    let one_line = node.in_flow
        || is_empty(data)
        || !ends_line(source, all.end as usize) && (has_lines || !was_block)
        || !room_for(data, document, next_line(source, all.end as usize), column);
    let scalar = match data {
        Data::Scalar(ty, text) => Some(Value { ty: *ty, text }),
        _ => None,
    };
    let mut site = Site {
        document,
        column,
        is_item,
        properties: properties(document, node, data),
        comment: Vec::new(),
    };
    let in_place = one_line || scalar.is_some();
    if in_place && !was_block {
        if is_block_scalar(node) {
            site.comment = comment_beside(source, node.span.start, node.body_start);
        }
        let (span, mut text) = before_scalar(document, id, all, column);
        site.line(Some(node), data, scalar, one_line, &mut text);
        return Splice::new(span, text);
    }
    let span = from_indicator(document, id, all);
    let head = if is_block_scalar(node) {
        node.body_start
    } else {
        node.span.start
    };
    site.comment = comment_beside(source, span.start, head);
    let mut text = Vec::new();
    if in_place {
        text.push(b' ');
        site.line(None, data, scalar, one_line, &mut text);
    } else {
        site.lines(data, &Editor::new(document, layout), &mut text);
    }
    Splice::new(span, text)
}

/// A new root: on one line where the text has something else on its lines.
fn replace_root(
    document: &Document,
    node: &Node,
    data: &Data,
    all: Span,
    layout: Layout,
) -> Splice {
    let (start, end) = (all.start as usize, all.end as usize);
    let begins_line = start == bom_len(&document.source) || after_break(&document.source, start);
    let has_lines = last_text(data).contains(&b'\n');
    let mut text = Vec::new();
    if is_empty(data) || has_lines || !begins_line || !ends_line(&document.source, end) {
        text.extend(properties(document, node, data));
        emit::emit_flow(data, &mut text);
    } else {
        let indent = Editor::new(document, layout).indent;
        emit::emit(std::slice::from_ref(data), indent, &mut text);
        text.pop();
    }
    Splice::new(all, text)
}

/// The place of a value that is replaced, and what stays there.
struct Site<'d> {
    document: &'d Document,
    /// The column of the collection around.
    column: usize,
    is_item: bool,
    /// Anchor and tag, a blank behind each.
    properties: Vec<u8>,
    /// The comment that stood between, with its sign; empty where there is none.
    comment: Vec<u8>,
}

impl Site<'_> {
    /// A scalar, or a collection in brackets; the comment behind it. `old` is the scalar whose
    /// style is kept where it can hold the new value.
    fn line(
        &self,
        old: Option<&Node>,
        data: &Data,
        scalar: Option<Value<'_>>,
        one_line: bool,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.properties);
        match scalar {
            Some(value) if !old.is_some_and(|old| old.in_flow) => {
                let style = old.map_or(Style::Plain, |old| quotes(old, value.ty));
                self.scalar(style, value, one_line, out);
            }
            _ => emit::emit_flow(data, out),
        }
        if !self.comment.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&self.comment);
        }
    }

    fn scalar(&self, style: Style, value: Value<'_>, one_line: bool, out: &mut Vec<u8>) {
        let step = self.document.indent_step as usize;
        let context = Context {
            indent: self.column + step,
            step,
            in_flow: false,
            is_key: one_line || !self.comment.is_empty(),
            may_keep: false,
            newline: newline(self.document),
        };
        let start = out.len();
        let keeps = !value.text.contains(&b'\n');
        if !(keeps && spell::write_in_style(style, value, &context, b"", out)) {
            out.truncate(start);
            spell::write_scalar(value.ty, value.text, &context, out);
        }
    }

    /// A collection on lines of its own, behind the indicator and what stays there.
    fn lines(&self, data: &Data, editor: &Editor<'_>, out: &mut Vec<u8>) {
        let mut head = self.properties.clone();
        head.extend_from_slice(&self.comment);
        let head = head.trim_ascii_end();
        if !head.is_empty() {
            out.push(b' ');
            out.extend_from_slice(head);
        }
        let start = out.len();
        editor.value(data, self.column, self.is_item, out);
        // Behind a dash, anchor and comment would be those of the first key.
        if self.is_item && !head.is_empty() {
            let mut line = editor.newline.to_vec();
            line.resize(line.len() + self.column + 2, b' ');
            out.splice(start..=start, line);
        }
    }
}

/// The style that a new scalar of type `ty` takes over from an old one.
fn quotes(old: &Node, ty: Type) -> Style {
    match old.style {
        Style::Single | Style::Double if ty == Type::Str && old.kind == Kind::Scalar => old.style,
        _ => Style::Plain,
    }
}

/// Where a scalar goes in the place of what is none of a block collection, and what leads to it:
/// a blank, or the `:` that an entry without a value may lack.
fn before_scalar(document: &Document, id: NodeId, all: Span, column: usize) -> (Span, Vec<u8>) {
    let node = document.node(id);
    if !all.is_empty() || blank_before(document, all.start as usize) {
        return (all, Vec::new());
    }
    if indicator(document, id).is_some() {
        return (all, b" ".to_vec());
    }
    if node.in_flow {
        return (all, b": ".to_vec());
    }
    let end = line_end(&document.source, all.end as usize);
    let mut lead = newline(document).to_vec();
    lead.resize(lead.len() + column, b' ');
    lead.extend_from_slice(b": ");
    (Span::new(end, end), lead)
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

pub(super) fn is_block_scalar(node: &Node) -> bool {
    node.kind == Kind::Scalar && matches!(node.style, Style::Literal | Style::Folded)
}

fn is_root(document: &Document, id: NodeId) -> bool {
    document.branches.iter().any(|b| b.root == Some(id))
}

/// The string that `data` ends in.
fn last_text(mut data: &Data) -> &[u8] {
    loop {
        let last = match data {
            Data::Scalar(Type::Str, text) => return text,
            Data::List(items) => items.last(),
            Data::Map(entries) => entries.last().map(|(_, value)| value),
            _ => None,
        };
        match last {
            Some(last) => data = last,
            None => return b"",
        }
    }
}

/// True where `data`, in a collection at `column` and before the line at `next`, may end in a
/// block scalar: with the line end that it needs, and no line behind it that would join it.
fn room_for(data: &Data, document: &Document, next: Option<usize>, column: usize) -> bool {
    let text = last_text(data);
    if !text.contains(&b'\n') {
        return true;
    }
    let Some(mut at) = next else {
        return !text.ends_with(b"\n");
    };
    let source = &document.source;
    loop {
        let blanks = blanks_at(source, at);
        let is_deeper = blanks > column;
        match byte(source, at + blanks) {
            _ if is_break_or_end(source, at + blanks) => {
                if is_deeper {
                    return false;
                }
            }
            b'#' => return !is_deeper,
            b'\t' => return false,
            _ => return true,
        }
        match next_line(source, at) {
            Some(next) => at = next,
            None => return true,
        }
    }
}

/// The spaces that the line at `at` begins with.
pub(super) fn blanks_at(source: &[u8], at: usize) -> usize {
    source[at..].iter().take_while(|&&b| b == b' ').count()
}

/// The start of the line behind that of `at`; `None` where no line end is left.
pub(super) fn next_line(source: &[u8], at: usize) -> Option<usize> {
    let end = line_end(source, at);
    let length = break_len(source, end);
    (length > 0).then_some(end + length)
}

/// True where nothing is left of the line, not even a blank.
fn ends_line(source: &[u8], at: usize) -> bool {
    is_break_or_end(source, at)
}

/// True right behind a line end.
pub(super) fn after_break(source: &[u8], at: usize) -> bool {
    (1..=3).any(|length| at >= length && break_len(source, at - length) == length)
}

/// The comment on the line of `start`, if it begins before `end`.
fn comment_beside(source: &[u8], start: u32, end: u32) -> Vec<u8> {
    let (start, end) = (start as usize, end as usize);
    let line = &source[start..line_end(source, start).min(end)];
    let is_sign = |&at: &usize| line[at] == b'#' && at > 0 && is_blank(line[at - 1]);
    let sign = (0..line.len()).find(is_sign);
    sign.map_or(Vec::new(), |at| line[at..].to_vec())
}

/// What stays before a new value: the anchor, by which others stand for it, and for a string a tag
/// of the user's own. A blank follows each.
fn properties(document: &Document, node: &Node, data: &Data) -> Vec<u8> {
    let span = node.outer_start as usize..node.span.start.max(node.outer_start) as usize;
    let is_string = matches!(data, Data::Scalar(Type::Str, _));
    let mut kept = Vec::new();
    for line in document.source[span].split(|&b| b == b'\n') {
        let words = line.split(u8::is_ascii_whitespace);
        for word in words.take_while(|word| !word.starts_with(b"#")) {
            let own_tag =
                word.starts_with(b"!") && !matches!(word.get(1), None | Some(b'!' | b'<'));
            if word.starts_with(b"&") || own_tag && is_string {
                kept.extend_from_slice(word);
                kept.push(b' ');
            }
        }
    }
    kept
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
pub(super) fn indicator(document: &Document, id: NodeId) -> Option<usize> {
    let parent = document.parent(id)?;
    let sign = match document.node(parent).kind {
        Kind::Mapping => b':',
        _ => b'-',
    };
    let before = match sign {
        b':' => document.key_of(parent, id),
        _ => values(document, parent).take_while(|&c| c < id).last(),
    };
    let from = match before {
        Some(before) => document.node(before).span.end,
        None => document.node(parent).span.start,
    };
    let end = document.node(id).outer_start as usize;
    sign_between(document, sign, from as usize, end)
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
    let source = &document.source;
    let Some(id) = id else {
        return vec![editor.line(first_line(document), 0, key, data)];
    };
    let node = document.node(id);
    if node.style == Style::Flow {
        return vec![editor.flow_entry(id, key, data)];
    }
    let last = values(document, id).last().unwrap_or(id);
    let end = document.node(last).span.end as usize;
    let at = next_line(source, end).unwrap_or(source.len());
    let mut splices = Vec::new();
    if at == source.len() {
        // Without a line end, a block scalar may not have its own last one yet.
        let last = document.nodes.iter().rposition(|n| n.kind == Kind::Scalar);
        splices.extend(last.and_then(|last| pin(document, last as NodeId)));
    }
    splices.push(editor.line(at, node.indent as usize, key, data));
    splices
}

/// Where the first entry goes of a branch that has none.
fn first_line(document: &Document) -> usize {
    let source = &document.source;
    let start = bom_len(source);
    let branch = document.branches.first();
    let at = branch.map_or(start, |b| b.span.end as usize);
    if at == start || after_break(source, at) {
        return at;
    }
    next_line(source, at).unwrap_or(source.len())
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
        let source = &self.document.source;
        let open = at > bom_len(source) && !after_break(source, at);
        let mut text = Vec::new();
        if open {
            text.extend_from_slice(self.newline);
        }
        text.resize(text.len() + column, b' ');
        match key {
            Some(key) => self.key(key, column, &mut text),
            None => text.push(b'-'),
        }
        let next = (!open).then_some(at);
        if room_for(data, self.document, next, column) {
            self.value(data, column, key.is_none(), &mut text);
        } else {
            text.push(b' ');
            emit::emit_flow(data, &mut text);
        }
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

    /// A key at `column` and its `:`; a long one behind a `?` on a line of its own.
    fn key(&self, key: &[u8], column: usize, out: &mut Vec<u8>) {
        let is_long = key.len() > LONGEST_KEY;
        if is_long {
            out.extend_from_slice(b"? ");
        }
        self.key_text(key, false, out);
        if is_long {
            out.extend_from_slice(self.newline);
            out.resize(out.len() + column, b' ');
        }
        out.push(b':');
    }

    fn key_text(&self, key: &[u8], in_flow: bool, out: &mut Vec<u8>) {
        let context = Context {
            indent: 0,
            in_flow,
            newline: self.newline,
            is_key: true,
            may_keep: false,
            step: self.indent,
        };
        spell::write_string(key, &context, out);
    }

    fn flow_entry(&self, id: NodeId, key: Option<&[u8]>, data: &Data) -> Splice {
        let mut text = Vec::new();
        let at = match values(self.document, id).last() {
            Some(last) => {
                let end = self.document.node(last).span.end as usize;
                // The `:` of an empty value would be taken for a part of its key.
                if self.document.source[end - 1] == b':' {
                    text.push(b' ');
                }
                text.extend_from_slice(b", ");
                end
            }
            None => self.document.node(id).span.start as usize + 1,
        };
        if let Some(key) = key {
            let is_long = key.len() > LONGEST_KEY;
            text.extend_from_slice(if is_long { b"? " } else { b"" });
            self.key_text(key, true, &mut text);
            text.extend_from_slice(if is_long { b" : " } else { b": " });
        }
        emit::emit_flow(data, &mut text);
        Splice::new(Span::new(at, at), text)
    }
}

/// The first `sign` from `at` to `end` that is in no comment.
pub(super) fn sign_between(
    document: &Document,
    sign: u8,
    mut at: usize,
    end: usize,
) -> Option<usize> {
    while at < end {
        match document.source[at] {
            b'#' => at = line_end(&document.source, at),
            byte if byte == sign => return Some(at),
            _ => at += 1,
        }
    }
    None
}
