//! Tokens in, values out: what stands for a leaf in YAML, and how it is replaced.

use super::spell::{self, Context};
use super::text::{break_len, ends_line};
use crate::document::{Document, Kind, Node, NodeId, Span, Splice, Style, Type, Value, secret};
use zeroize::Zeroizing;

/// Tags that promise a type which a token has not; they cannot stay in front of one.
const TYPED_TAGS: [&[u8]; 6] = [b"int", b"float", b"bool", b"null", b"timestamp", b"binary"];

fn is_typed_tag(tag: &[u8]) -> bool {
    let name = tag.strip_suffix(b">").unwrap_or(tag);
    let from = memchr::memrchr2(b'!', b':', name).map_or(0, |at| at + 1);
    TYPED_TAGS.contains(&&name[from..])
}

fn is_block_scalar(node: &Node) -> bool {
    node.kind == Kind::Scalar && matches!(node.style, Style::Literal | Style::Folded)
}

/// True where only the lines of a block scalar are replaced and its header stays.
fn keeps_header(document: &Document, node: &Node) -> bool {
    is_block_scalar(node) && !is_typed_tag(document.slice(node.tag)) && !node.body().is_empty()
}

/// The lines that a token takes the place of; of a block that keeps blank lines, at the end of a
/// text without line end, all that is left of the text: behind the token it would be a line more.
fn lines(document: &Document, node: &Node) -> Span {
    let keeps = is_open_ended(document, node) && header(document, node).contains(&b'+');
    let end = if keeps {
        document.source.len()
    } else {
        node.span.end as usize
    };
    Span::new(node.body_start as usize, end)
}

/// True for what the metadata block behind it would follow without a line end between: only blanks
/// are left of the text.
fn is_open_ended(document: &Document, node: &Node) -> bool {
    let mut behind = &document.source[node.span.end as usize..];
    if node.body().is_empty() {
        // The rest of the header's line may be a comment.
        let line_end = (0..behind.len()).find(|&at| break_len(behind, at) > 0);
        behind = &behind[line_end.unwrap_or(behind.len())..];
    }
    behind.trim_ascii().is_empty() && !ends_line(&document.source)
}

/// See [`crate::store::Store::region`].
pub fn region(document: &Document, id: NodeId) -> Span {
    let node = document.node(id);
    match node.kind {
        Kind::Comment => node.span,
        _ if keeps_header(document, node) => lines(document, node),
        _ => Span {
            start: region_start(document, node),
            end: node.span.end,
        },
    }
}

/// Tag and anchor belong to the region, unless they stand on a line of their own: a comment may
/// lie between. A typed tag always does.
fn region_start(document: &Document, node: &Node) -> u32 {
    let before = &document.source[node.outer_start as usize..node.span.start as usize];
    let apart = (0..before.len()).any(|at| break_len(before, at) > 0);
    if apart && !is_typed_tag(document.slice(node.tag)) {
        node.span.start
    } else {
        node.outer_start
    }
}

/// Writes tag and anchor of a node as they stay in front of its token, with the blanks behind them.
fn properties(document: &Document, node: &Node, out: &mut Vec<u8>) {
    let start = region_start(document, node);
    let before = &document.source[start as usize..node.span.start as usize];
    let (tag, from) = (node.tag, out.len());
    if tag.is_empty() || !is_typed_tag(document.slice(tag)) {
        out.extend_from_slice(before);
        if before
            .last()
            .is_some_and(|byte| !byte.is_ascii_whitespace())
        {
            out.push(b' ');
        }
        return;
    }
    let (in_front, behind) = before.split_at((tag.start - start) as usize);
    let behind = &behind[tag.range().len()..];
    out.extend_from_slice(in_front);
    out.extend_from_slice(if in_front.is_empty() {
        behind.trim_ascii_start()
    } else {
        behind
    });
    if !out[from..].contains(&b'&') {
        out.truncate(from);
    }
}

/// See [`crate::store::Store::pin`].
pub fn pin(document: &Document, id: NodeId) -> Option<Splice> {
    let node = document.node(id);
    if !is_block_scalar(node) || !is_open_ended(document, node) {
        return None;
    }
    let header = header(document, node);
    if header.contains(&b'-') {
        return None;
    }
    let value = document.value(id);
    let span = Span {
        start: region_start(document, node),
        end: node.span.end,
    };
    if value.text.is_empty() {
        // A blank line would become a line end of the value, unless it is stripped.
        let keeps = header.contains(&b'+');
        let stripped = document.slice(span).iter();
        let stripped = stripped.map(|&byte| if byte == b'+' { b'-' } else { byte });
        return keeps.then(|| Splice::new(span, stripped.collect::<Vec<u8>>()));
    }
    let context = Context {
        is_key: true,
        ..context_of(document, node, value.text)
    };
    let mut text = Vec::new();
    properties(document, node, &mut text);
    spell::write_scalar(value.ty, value.text, &context, &mut text);
    Some(Splice::new(span, text))
}

/// See [`crate::store::Store::seal_into`].
pub fn seal(document: &Document, id: NodeId, token: &[u8], out: &mut Vec<u8>) -> Span {
    let node = document.node(id);
    if node.kind == Kind::Comment {
        out.push(b'#');
        out.extend_from_slice(token);
        return node.span;
    }
    if keeps_header(document, node) {
        out.resize(out.len() + node.indent as usize, b' ');
        out.extend_from_slice(token);
        return lines(document, node);
    }
    properties(document, node, out);
    quote_token(node, token, out);
    Span {
        start: region_start(document, node),
        end: node.span.end,
    }
}

/// A token in the style of its scalar. In a flow collection, where it must be quoted, single
/// quotes stand for a plain scalar: plain words are what flow collections mostly hold.
fn quote_token(node: &Node, token: &[u8], out: &mut Vec<u8>) {
    let quote: &[u8] = match node.style {
        Style::Double => b"\"",
        Style::Single => b"'",
        _ if node.in_flow => b"'",
        _ => b"",
    };
    out.extend_from_slice(quote);
    out.extend_from_slice(token);
    out.extend_from_slice(quote);
}

/// See [`crate::store::Store::open_into`].
pub fn open(
    document: &Document,
    id: NodeId,
    value: Value<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Span {
    let node = document.node(id);
    secret::reserve(out, value.text.len() + 8);
    if node.kind == Kind::Comment {
        comment(value.text, out);
        return node.span;
    }
    if keeps_header(document, node) {
        let context = context_of(document, node, value.text);
        let (header, start) = (header(document, node), out.len());
        if spell::write_in_style(node.style, value, &context, header, out) {
            return node.body();
        }
        out.truncate(start);
    }
    properties(document, node, out);
    write_value(document, node, value, out);
    Span {
        start: region_start(document, node),
        end: node.span.end,
    }
}

fn write_value(document: &Document, node: &Node, value: Value<'_>, out: &mut Vec<u8>) {
    let context = context_of(document, node, value.text);
    let style = match (value.ty, node.style) {
        // What `quote_token` has made one is told apart by the text.
        (Type::Str, Style::Single | Style::Plain) if node.in_flow => {
            if spell::plain_ok(value.text, true) {
                Style::Plain
            } else {
                Style::Single
            }
        }
        (Type::Str, style @ (Style::Single | Style::Double)) => style,
        _ => Style::Plain,
    };
    let start = out.len();
    if !spell::write_in_style(style, value, &context, b"", out) {
        out.truncate(start);
        spell::write_scalar(value.ty, value.text, &context, out);
    }
}

/// The header of a block scalar, `|2-` and the like, without a comment.
fn header<'d>(document: &'d Document, node: &Node) -> &'d [u8] {
    let text = &document.source[node.span.start as usize..node.body_start as usize];
    let end = text
        .iter()
        .position(|b| !matches!(b, b'|' | b'>' | b'+' | b'-' | b'0'..=b'9'));
    &text[..end.unwrap_or(text.len())]
}

/// How `text` is written at the place of `node`.
pub fn context_of(document: &Document, node: &Node, text: &[u8]) -> Context {
    // What is around the node matters to texts of several lines only.
    let has_lines = memchr::memchr(b'\n', text).is_some();
    // What stands behind the value on its line, and the header of a block scalar that cannot hold
    // it, would become part of a block.
    let needs_one_line = has_lines && (is_block_scalar(node) || is_followed(document, node));
    let step = document.indent_step as usize;
    let indent = if is_block_scalar(node) {
        node.indent as usize
    } else {
        node.indent as usize + step
    };
    Context {
        indent,
        in_flow: node.in_flow,
        newline: if has_lines { newline(document) } else { b"\n" },
        is_key: node.is_key || needs_one_line,
        may_keep: has_lines && !node.in_flow && may_keep(document, node),
        step,
    }
}

/// True where anything but a line end follows the node on its line.
fn is_followed(document: &Document, node: &Node) -> bool {
    let behind = &document.source[node.span.end as usize..];
    let next = behind.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    next.is_some_and(|byte| !matches!(byte, b'\n' | b'\r'))
}

/// True where no empty line follows the node, so that a block scalar may end in empty lines.
fn may_keep(document: &Document, node: &Node) -> bool {
    let behind = &document.source[node.span.end as usize..];
    let Some(line_end) = memchr::memchr(b'\n', behind) else {
        return true;
    };
    let next = behind[line_end + 1..].split(|&b| b == b'\n').next();
    next.is_none_or(|line| !line.trim_ascii().is_empty())
}

/// How far into a document its first line end is looked for.
const LONGEST_LINE: usize = 1 << 16;

/// The line end that the document uses.
pub fn newline(document: &Document) -> &'static [u8] {
    let head = &document.source[..document.source.len().min(LONGEST_LINE)];
    match memchr::memchr(b'\n', head) {
        Some(at) if at > 0 && document.source[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// Writes a comment's text with its sign before every line of it.
fn comment(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'#');
    for &byte in text {
        out.push(byte);
        if byte == b'\n' {
            out.push(b'#');
        }
    }
}

/// See [`crate::store::Store::open_list_comment`].
pub fn open_list_comment(document: &Document, id: NodeId, text: &[u8]) -> Splice {
    let node = document.node(id);
    let before = &document.source[..node.outer_start as usize];
    let dash = before.trim_ascii_end().len().saturating_sub(1);
    if node.in_flow || before.get(dash) != Some(&b'-') {
        return Splice::new(node.outer(), b"null");
    }
    let end = node.span.end as usize;
    let (mut start, mut out) = (dash, Vec::new());
    if let Some(behind) = empties(document, id) {
        start = behind;
        out.extend_from_slice(b" []");
        out.extend_from_slice(&document.source[start..dash]);
    }
    comment(text, &mut out);
    Splice::new(Span::new(start, end), out)
}

/// Behind the `:` or `-` of the list around `id`, where that is the first of its items and all
/// are tokens of comments: without them the list is empty, not nothing.
fn empties(document: &Document, id: NodeId) -> Option<usize> {
    let list = document.parent(id)?;
    let mut items = super::block::values(document, list);
    let is_comment = |id: NodeId| {
        let text = document.value(id).text;
        text.starts_with(b"ENC[") && text.ends_with(b",type:comment]")
    };
    let first = items.next()?;
    (first == id && is_comment(id) && items.all(is_comment)).then_some(())?;
    super::edit::indicator(document, list).map(|at| at + 1)
}

/// See [`crate::store::Store::expand`].
pub fn expand(
    document: &Document,
    alias: NodeId,
    leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
) -> Splice {
    let node = document.node(alias);
    let target = document.node(node.target);
    let mut text = Vec::new();
    if target.kind == Kind::Scalar {
        write_leaf(document, node, node.target, leaf(node.target), &mut text);
    } else {
        flow(document, node.target, leaf, &mut text);
    }
    Splice::new(node.outer(), text)
}

/// The scalar `id`, or its token, at the place of the alias `at`.
fn write_leaf(
    document: &Document,
    at: &Node,
    id: NodeId,
    token: Option<Vec<u8>>,
    out: &mut Vec<u8>,
) {
    if let Some(token) = token {
        let plain = Node {
            style: Style::Plain,
            ..*at
        };
        quote_token(&plain, &token, out);
    } else if document.node(id).is_key && document.node(id).ty == Type::Null {
        // As it is spelled, because that is what names it.
        out.extend_from_slice(document.slice(document.node(id).span));
    } else {
        let value = document.value(id);
        let context = Context {
            is_key: true,
            ..context_of(document, at, value.text)
        };
        spell::write_scalar(value.ty, value.text, &context, out);
    }
}

/// The node `id` as one line of flow YAML. Depth is bounded by the parser.
fn flow(
    document: &Document,
    id: NodeId,
    leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    out: &mut Vec<u8>,
) {
    let node = document.node(document.node(id).target);
    let target = document.node(id).target;
    let (open, close) = match node.kind {
        Kind::Mapping => (b'{', b'}'),
        Kind::Sequence => (b'[', b']'),
        _ => {
            let at = Node {
                in_flow: true,
                ..*node
            };
            return write_leaf(document, &at, target, leaf(target), out);
        }
    };
    out.push(open);
    let mut first = true;
    for child in document.children(target) {
        let child_node = document.node(child);
        if child_node.kind == Kind::Comment {
            continue;
        }
        let is_entry = node.kind == Kind::Sequence || child_node.is_key;
        if is_entry && !std::mem::take(&mut first) {
            out.extend_from_slice(b", ");
        }
        if child_node.is_key && node.kind == Kind::Mapping {
            flow(document, child, &mut |_| None, out);
            out.extend_from_slice(b": ");
        } else {
            flow(document, child, leaf, out);
        }
    }
    out.push(close);
}
