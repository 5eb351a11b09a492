//! How the text at hand is laid out, so that new text can look like it.

use super::comments;
use super::emit::Form;
use super::spell::Escapes;
use crate::document::{Document, Kind, NodeId, Span};
use crate::store::Layout;

/// An entry or item of a collection.
#[derive(Clone, Copy)]
pub(super) struct Member {
    /// The key of an entry; an item itself.
    pub(super) first: NodeId,
    pub(super) value: NodeId,
    /// From its key to the end of its value.
    pub(super) span: Span,
}

/// The entries or items of a collection; none of a scalar.
pub(super) fn members(document: &Document, id: NodeId) -> impl Iterator<Item = Member> + '_ {
    let is_comment = |id: &NodeId| document.node(*id).kind == Kind::Comment;
    let mut children = document.children(id).filter(move |id| !is_comment(id));
    std::iter::from_fn(move || {
        let first = children.next()?;
        let value = if document.node(first).is_key {
            children.next()?
        } else {
            first
        };
        let span = Span {
            start: document.node(first).span.start,
            end: document.node(value).span.end,
        };
        Some(Member { first, value, span })
    })
}

/// The members of a collection without the metadata.
pub(super) fn own_members(document: &Document, id: NodeId) -> Vec<Member> {
    members(document, id)
        .filter(|m| !is_metadata(document, *m))
        .collect()
}

fn is_metadata(document: &Document, member: Member) -> bool {
    document.branches[0].metadata == Some(member.first)
}

/// The collection around a node; `None` for the outermost value.
pub(super) fn parent(document: &Document, id: NodeId) -> Option<NodeId> {
    (0..id).rev().find(|&p| document.node(p).end > id)
}

/// True where the root stands in an object of ours, beside the metadata.
pub(super) fn is_wrapped(document: &Document) -> bool {
    document.branches[0].first > 0
}

/// The root value.
pub(super) fn root(document: &Document) -> NodeId {
    document.branches[0].root.unwrap_or_default()
}

/// The outermost value: the root, or the object that was put around it.
pub(super) fn outermost(document: &Document) -> NodeId {
    let mut nodes = document.nodes.iter();
    let place = nodes.position(|node| node.kind != Kind::Comment);
    Span::new(0, place.unwrap_or_default()).end
}

/// The root with the comments around it.
pub(super) fn with_comments(document: &Document) -> Span {
    let branch = document.branches[0];
    let mut span = document.node(root(document)).span;
    let inside = document.node(root(document)).end;
    for id in (branch.first..root(document)).chain(inside..branch.end) {
        let comment = document.node(id).span;
        span.start = span.start.min(comment.start);
        span.end = span.end.max(comment.end);
    }
    span
}

/// The end of a comma or comment, or of the value before them.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) at: u32,
    /// A line end has to follow.
    pub(super) is_line_comment: bool,
}

/// What stands between a value and the next one, or the closing bracket: space, a comma, comments.
pub(super) struct Gap {
    /// Where the comma stands.
    pub(super) comma: Option<u32>,
    pub(super) has_comment: bool,
    /// A comment stands on the line on which the gap begins.
    pub(super) has_comment_on_line: bool,
    /// Behind the comma and all that stands on its line.
    pub(super) line: Edge,
    /// Where a comma may be put on that line: not behind a comment that ends with it.
    pub(super) room: u32,
    /// Behind the last comment or the comma.
    pub(super) last: Edge,
}

/// The gap that begins at `from`.
pub(super) fn gap(document: &Document, from: u32) -> Gap {
    let source = &document.source[..];
    let edge = |at, is_line_comment| Edge {
        at: Span::new(0, at).end,
        is_line_comment,
    };
    let mut at = from as usize;
    let mut gap = Gap {
        comma: None,
        has_comment: false,
        has_comment_on_line: false,
        line: edge(at, false),
        room: from,
        last: edge(at, false),
    };
    let (mut is_same_line, mut is_first_line) = (true, true);
    while let Some(&byte) = source.get(at) {
        if is_space(byte) {
            let ends_line = matches!(byte, b'\n' | b'\r');
            is_same_line &= !ends_line;
            is_first_line &= !ends_line;
            at += 1;
        } else if byte == b',' && gap.comma.is_none() {
            gap.comma = Some(edge(at, false).at);
            at += 1;
            (gap.line, gap.last) = (edge(at, false), edge(at, false));
            is_same_line = true;
        } else if let Some(end) = comments::end(source, at) {
            gap.has_comment = true;
            gap.has_comment_on_line |= is_first_line;
            gap.last = edge(end, comments::is_line(source, at));
            if is_same_line {
                gap.line = gap.last;
            }
            if is_same_line && !gap.last.is_line_comment {
                gap.room = gap.last.at;
            }
            at = end;
        } else {
            break;
        }
    }
    gap
}

/// True where nothing but blanks follows on the line.
pub(super) fn ends_line(document: &Document, at: u32) -> bool {
    let mut behind = document.source[at as usize..].iter();
    let next = behind.find(|b| !matches!(b, b' ' | b'\t'));
    matches!(next, None | Some(b'\n' | b'\r'))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The space before `at`.
pub(super) fn space_before(document: &Document, at: u32) -> &[u8] {
    let before = &document.source[..at as usize];
    let length = before.iter().rev().take_while(|b| is_space(**b)).count();
    &before[before.len() - length..]
}

/// What follows the last line end in `space`; `None` where there is none.
pub(super) fn indentation(space: &[u8]) -> Option<&[u8]> {
    memchr::memrchr(b'\n', space).map(|at| &space[at + 1..])
}

/// The line end of the text.
pub(super) fn line_end(document: &Document) -> &'static [u8] {
    match memchr::memchr(b'\n', &document.source) {
        Some(at) if at > 0 && document.source[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// The indentation of one level: that of the first key or item that begins a line.
fn unit(document: &Document, layout: Layout) -> Vec<u8> {
    if let Some(columns) = layout.indent {
        return vec![b' '; columns];
    }
    let ids = outermost(document) as usize + 1..document.nodes.len();
    ids.filter(|&i| document.nodes[i].kind != Kind::Comment)
        .filter(|&i| document.nodes[i].is_key || !document.nodes[i - 1].is_key)
        .find_map(|i| indentation(space_before(document, document.nodes[i].span.start)))
        .unwrap_or(b"\t")
        .to_vec()
}

/// What stands between the first key and its value.
fn colon(document: &Document) -> &[u8] {
    let key = document.nodes.iter().position(|n| n.is_key);
    let between = key.map(|k| Span {
        start: document.nodes[k].span.end,
        end: document.nodes[k + 1].span.start,
    });
    match between.map(|span| document.slice(span)) {
        Some(colon) if colon.iter().all(|b| matches!(b, b':' | b' ' | b'\t')) => colon,
        _ => b": ",
    }
}

/// The space before a member that is put behind `members`, as the last one has it.
pub(super) fn space_before_next(document: &Document, members: &[Member]) -> Vec<u8> {
    let Some(last) = members.last() else {
        return Vec::new();
    };
    let space = space_before(document, last.span.start);
    if space.is_empty() && members.len() == 1 && colon(document).ends_with(b" ") {
        return b" ".to_vec();
    }
    space.to_vec()
}

/// The form of what stands where `space` stands before the key or item.
pub(super) fn form_behind(document: &Document, space: &[u8], layout: Layout) -> Form {
    let line = indentation(space).map(|indent| [line_end(document), indent].concat());
    Form {
        gap: if line.is_none() {
            space.to_vec()
        } else {
            Vec::new()
        },
        line,
        unit: unit(document, layout),
        colon: colon(document).to_vec(),
        escapes: Escapes::Few,
        comments: false,
    }
}

/// The form of a root that is put in the place of the present one.
pub(super) fn form_of_root(document: &Document, layout: Layout) -> Form {
    let members = own_members(document, root(document));
    let space = space_before_next(document, &members);
    let mut form = form_behind(document, &space, layout);
    if members.is_empty() || form.line.is_some() {
        form.line = Some(line_end(document).to_vec());
    }
    form
}

/// The form of the value `id`.
pub(super) fn form_of(document: &Document, id: NodeId, layout: Layout) -> Form {
    let Some(parent) = parent(document, id).filter(|_| id != root(document)) else {
        return form_of_root(document, layout);
    };
    let before: Vec<Member> = members(document, parent)
        .take_while(|m| m.first <= id)
        .collect();
    form_behind(document, &space_before_next(document, &before), layout)
}
