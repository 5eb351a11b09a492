//! How the text at hand is laid out, so that new text can look like it.

use super::emit::Form;
use super::spell::Escapes;
use crate::document::{Document, NodeId, Span};
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
    let mut children = document.children(id);
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
    document.branches[0].first
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
fn indentation(space: &[u8]) -> Option<&[u8]> {
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
    let ids = 1..document.nodes.len();
    ids.filter(|&i| document.nodes[i].is_key || !document.nodes[i - 1].is_key)
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
        Some(colon) if !colon.contains(&b'\n') => colon,
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
