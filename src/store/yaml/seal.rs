//! Tokens in, values out: what stands for a leaf in YAML, and how it is replaced.

use super::spell::{self, Context};
use crate::document::{Document, Kind, Node, NodeId, Span, Splice, Style, Type, Value};

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
    let has_lines = || !document.slice(node.body).trim_ascii().is_empty();
    is_block_scalar(node) && !is_typed_tag(document.slice(node.tag)) && has_lines()
}

/// See [`crate::store::Store::region`].
pub fn region(document: &Document, id: NodeId) -> Span {
    let node = document.node(id);
    match node.kind {
        Kind::Comment => node.span,
        _ if keeps_header(document, node) => node.body,
        _ => Span {
            start: region_start(document, node),
            end: node.span.end,
        },
    }
}

/// Tag and anchor belong to the region, unless they stand on a line of their own: a comment may
/// lie between. A typed tag always does.
fn region_start(document: &Document, node: &Node) -> u32 {
    let before = &document.source[node.outer.start as usize..node.span.start as usize];
    let apart = before.contains(&b'\n') || before.contains(&b'\r');
    if apart && !is_typed_tag(document.slice(node.tag)) {
        node.span.start
    } else {
        node.outer.start
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
    if out[from..].trim_ascii().is_empty() {
        out.truncate(from);
    }
}

/// See [`crate::store::Store::seal`].
pub fn seal(document: &Document, id: NodeId, token: &[u8]) -> Splice {
    let node = document.node(id);
    if node.kind == Kind::Comment {
        return Splice::new(node.span, [b"#", token].concat());
    }
    if keeps_header(document, node) {
        let mut text = vec![b' '; node.indent as usize];
        text.extend_from_slice(token);
        return Splice::new(node.body, text);
    }
    let region = region(document, id);
    let mut text = Vec::with_capacity(token.len() + 2);
    properties(document, node, &mut text);
    quote_token(node, token, &mut text);
    Splice::new(region, text)
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

/// See [`crate::store::Store::open`].
pub fn open(document: &Document, id: NodeId, value: Value<'_>) -> Splice {
    let node = document.node(id);
    if node.kind == Kind::Comment {
        return Splice::new(node.span, comment(value.text));
    }
    let mut text = Vec::with_capacity(value.text.len() + 8);
    if keeps_header(document, node) {
        let context = context_of(document, node, value.text);
        if spell::write_in_style(
            node.style,
            value,
            &context,
            header(document, node),
            &mut text,
        ) {
            return Splice::new(node.body, text);
        }
        text.clear();
    }
    properties(document, node, &mut text);
    write_value(document, node, value, &mut text);
    let span = Span {
        start: region_start(document, node),
        end: node.span.end,
    };
    Splice::new(span, text)
}

fn write_value(document: &Document, node: &Node, value: Value<'_>, out: &mut Vec<u8>) {
    let context = context_of(document, node, value.text);
    let style = match (value.ty, node.style) {
        (Type::Str, Style::Single) if node.in_flow && spell::plain_ok(value.text, true) => {
            Style::Plain
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
    let text = &document.source[node.span.start as usize..node.body.start as usize];
    let end = text
        .iter()
        .position(|b| !matches!(b, b'|' | b'>' | b'+' | b'-' | b'0'..=b'9'));
    &text[..end.unwrap_or(text.len())]
}

/// How `text` is written at the place of `node`. What the source has behind the node and at its
/// line ends is looked up only for a text of several lines: for others it is of no account.
pub fn context_of(document: &Document, node: &Node, text: &[u8]) -> Context {
    let has_lines = memchr::memchr(b'\n', text).is_some();
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
        is_key: node.is_key,
        may_keep: has_lines && may_keep(document, node),
        step,
    }
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

/// The line end that the document uses.
pub fn newline(document: &Document) -> &'static [u8] {
    match memchr::memchr(b'\n', &document.source) {
        Some(at) if at > 0 && document.source[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// A comment's text with its sign, before every line of it.
fn comment(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    out.push(b'#');
    for &byte in text {
        out.push(byte);
        if byte == b'\n' {
            out.push(b'#');
        }
    }
    out
}

/// See [`crate::store::Store::open_list_comment`].
pub fn open_list_comment(document: &Document, id: NodeId, text: &[u8]) -> Splice {
    let node = document.node(id);
    let before = &document.source[..node.outer.start as usize];
    let dash = before.trim_ascii_end().len().saturating_sub(1);
    if node.in_flow || before.get(dash) != Some(&b'-') {
        return Splice::new(node.outer, b"null");
    }
    let span = Span::new(dash, node.span.end as usize);
    Splice::new(span, comment(text))
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
    Splice::new(node.outer, text)
}

/// The scalar `id`, or its token, at the place of the alias `at`.
fn write_leaf(
    document: &Document,
    at: &Node,
    id: NodeId,
    token: Option<Vec<u8>>,
    out: &mut Vec<u8>,
) {
    match token {
        Some(token) => {
            let plain = Node {
                style: Style::Plain,
                ..*at
            };
            quote_token(&plain, &token, out);
        }
        None => {
            let value = document.value(id);
            let context = Context {
                is_key: true,
                ..context_of(document, at, value.text)
            };
            spell::write_scalar(value.ty, value.text, &context, out);
        }
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
