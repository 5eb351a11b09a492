//! Comments of JSON: where they end, and the place they take among the nodes.
//!
//! A comment behind a scalar on its line belongs to it, as in YAML, and comes to stand before it;
//! so does one between a key and its value. Every other stays where the text has it.

use super::tokens::{Parser, error};
use crate::document::{BeyondSops, Kind, NodeId, Span, Style, Text, Type};
use crate::store::ParseError;

/// The offset behind the comment that begins at `at`; `None` where there is none, or no end of it.
pub(super) fn end(source: &[u8], at: usize) -> Option<usize> {
    let inside = source.get(at + 2..)?;
    match &source[at..at + 2] {
        b"//" => Some(at + 2 + memchr::memchr2(b'\n', b'\r', inside).unwrap_or(inside.len())),
        b"/*" => memchr::memmem::find(inside, b"*/").map(|length| at + 4 + length),
        _ => None,
    }
}

/// Whether the comment that begins at `at` ends with its line.
pub(super) fn is_line(source: &[u8], at: usize) -> bool {
    source[at..].starts_with(b"//")
}

impl Parser<'_> {
    /// Reads the comment at the slash; false where there is none.
    ///
    /// # Errors
    /// [`ParseError`] for one without an end.
    pub(super) fn comment(&mut self) -> Result<bool, ParseError> {
        let start = self.at;
        let Some(end) = end(self.source, start) else {
            if self.source[start..].starts_with(b"/*") {
                return error("a comment without its `*/`", start, None);
            }
            return Ok(false);
        };
        let is_line = is_line(self.source, start);
        let signs = if is_line { 0 } else { 2 };
        let text = Text::Source(Span::new(start + 2, end - signs));
        let span = Span::new(start, end);
        self.at = end;
        let id = self.push(Kind::Comment, Style::Plain, Type::Null, span, text);
        self.beyond_sops.get_or_insert((BeyondSops::Dialect, id));
        if let Some(member) = self.on_line
            && (is_line || !self.behind_comma || self.is_last_on_line())
        {
            self.nodes[id as usize].inline = true;
            self.move_to(id, member);
            self.on_line = Some(member + 1);
        }
        Ok(true)
    }

    /// Whether no other value begins behind a block comment on its line.
    fn is_last_on_line(&self) -> bool {
        let behind = self.source[self.at..]
            .iter()
            .find(|b| !matches!(b, b' ' | b'\t'));
        matches!(behind, None | Some(b'\n' | b'\r' | b'}' | b']'))
    }

    /// Moves the leaf `id`, the last node, to the place of `before`, behind which only leaves are.
    fn move_to(&mut self, id: NodeId, before: NodeId) {
        self.nodes[before as usize..].rotate_right(1);
        self.renumber(before, id);
        if let Some((_, beyond)) = &mut self.beyond_sops
            && *beyond >= before
        {
            *beyond = if *beyond == id { before } else { *beyond + 1 };
        }
    }

    /// Moves `key` behind the comments that follow it, the last nodes.
    pub(super) fn move_behind(&mut self, key: NodeId) {
        let last = self.next_id() - 1;
        self.nodes[key as usize..].rotate_left(1);
        self.renumber(key, last);
        if let Some((_, beyond)) = &mut self.beyond_sops
            && *beyond > key
        {
            *beyond -= 1;
        }
    }

    /// Moves `key` back before the comments that stand behind it in the text; its new place.
    pub(super) fn move_before(&mut self, key: NodeId) -> NodeId {
        let start = self.nodes[key as usize].span.start;
        let nodes = self.nodes[..key as usize].iter().rev();
        let moved = nodes.take_while(|node| node.kind == Kind::Comment && node.span.start > start);
        let to = key - Span::new(0, moved.count()).end;
        self.nodes[to as usize..=key as usize].rotate_right(1);
        self.renumber(to, key);
        to
    }

    /// Says the leaves from `first` to `last` where they stand.
    fn renumber(&mut self, first: NodeId, last: NodeId) {
        for id in first..=last {
            let node = &mut self.nodes[id as usize];
            (node.end, node.target) = (id + 1, id);
        }
    }
}
