//! Comments as nodes: into the tree of tokens goes each comment line, where sops has it.

use crate::document::{Branch, Kind, Node, NodeId, Span, Style, Text, Type};
use std::collections::VecDeque;

/// No collection: the comment stands beside the root.
pub(super) const OUTSIDE: NodeId = NodeId::MAX;

/// A comment line that is to become a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insert {
    /// Before which node, as they are numbered without comments.
    pub(super) before: NodeId,
    /// True where it is one of the first things in its collection, whatever was found before it.
    pub(super) front: bool,
    /// The collection it goes into, [`OUTSIDE`] without one.
    pub(super) container: NodeId,
    /// The number of its branch.
    pub(super) branch: usize,
    /// From its `#` to the end of its line.
    pub(super) span: Span,
    /// True for a comment on the line of its value.
    pub(super) inline: bool,
}

/// Puts comments among nodes in one pass, in the room of the nodes themselves.
struct Weave<'n> {
    nodes: &'n mut Vec<Node>,
    /// How many nodes have been taken out.
    read: usize,
    /// How many have been put back, comments among them.
    written: usize,
    /// Taken out to make room, and next to be put back.
    saved: VecDeque<Node>,
    /// The collections that are open: their old numbers, old ends and new numbers.
    open: Vec<(NodeId, NodeId, NodeId)>,
}

/// Puts `inserts` among `nodes`, and numbers everything anew. Gives what turns an old number
/// into a new one.
pub(super) fn weave(
    nodes: &mut Vec<Node>,
    branches: &mut [Branch],
    mut inserts: Vec<Insert>,
) -> impl Fn(NodeId) -> NodeId + use<> {
    // In the order in which they were found, except for what goes to the front.
    inserts.sort_by_key(|insert| (insert.before, !insert.front));
    let renumber = |inserts: &[Insert], id: NodeId| {
        id + inserts.partition_point(|insert| insert.before <= id) as NodeId
    };
    if !inserts.is_empty() {
        nodes.reserve_exact(inserts.len());
        let mut weave = Weave {
            nodes,
            read: 0,
            written: 0,
            saved: VecDeque::new(),
            open: Vec::new(),
        };
        let mut rest = inserts.as_slice();
        for (number, branch) in branches.iter_mut().enumerate() {
            let first = weave.next();
            for id in branch.first..branch.end {
                rest = weave.comments(rest, |insert| {
                    insert.before == id && insert.branch == number
                });
                weave.close(|_, end| end <= id);
                weave.node(id, |target| renumber(&inserts, target));
            }
            rest = weave.comments(rest, |insert| insert.branch == number);
            weave.close(|_, _| true);
            branch.root = branch.root.map(|id| renumber(&inserts, id));
            branch.metadata = branch.metadata.map(|id| renumber(&inserts, id));
            branch.first = first;
            branch.end = weave.next();
        }
    }
    move |id| renumber(&inserts, id)
}

impl Weave<'_> {
    /// The number of the next node to be put back.
    fn next(&self) -> NodeId {
        self.written as NodeId
    }

    fn take(&mut self) -> Node {
        self.saved.pop_front().unwrap_or_else(|| {
            self.read += 1;
            self.nodes[self.read - 1]
        })
    }

    fn put(&mut self, node: Node) {
        if let Some(unread) = self
            .nodes
            .get(self.read)
            .filter(|_| self.read == self.written)
        {
            self.saved.push_back(*unread);
            self.read += 1;
        }
        match self.nodes.get_mut(self.written) {
            Some(slot) => *slot = node,
            None => self.nodes.push(node),
        }
        self.written += 1;
    }

    /// Places the comments at the start of `inserts` for which `here` holds; gives the others.
    fn comments<'i>(
        &mut self,
        mut inserts: &'i [Insert],
        here: impl Fn(&Insert) -> bool,
    ) -> &'i [Insert] {
        while let Some((insert, rest)) = inserts.split_first() {
            if !here(insert) {
                break;
            }
            self.close(|id, end| end <= insert.before && id != insert.container);
            self.comment(insert);
            inserts = rest;
        }
        inserts
    }

    /// Ends the innermost collections as long as `ends`, told their old number and end, holds.
    fn close(&mut self, ends: impl Fn(NodeId, NodeId) -> bool) {
        while let Some(&(id, end, new)) = self.open.last() {
            if !ends(id, end) {
                break;
            }
            self.nodes[new as usize].end = self.next();
            self.open.pop();
        }
    }

    fn node(&mut self, id: NodeId, renumber: impl Fn(NodeId) -> NodeId) {
        let mut node = self.take();
        let new = self.next();
        if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
            self.open.push((id, node.end, new));
        }
        node.end = new + 1;
        node.target = if node.kind == Kind::Alias {
            renumber(node.target)
        } else {
            new
        };
        self.put(node);
    }

    fn comment(&mut self, insert: &Insert) {
        let id = self.next();
        let container = self.open.last().map(|open| &self.nodes[open.2 as usize]);
        let text = Span {
            start: insert.span.start + 1,
            end: insert.span.end,
        };
        self.put(Node {
            kind: Kind::Comment,
            style: Style::Plain,
            ty: Type::Null,
            is_key: false,
            in_flow: container.is_some_and(|node| node.style == Style::Flow),
            inline: insert.inline,
            span: insert.span,
            body: insert.span,
            outer: insert.span,
            tag: Span::default(),
            text: Text::Source(text),
            indent: container.map_or(0, |node| node.indent),
            end: id + 1,
            target: id,
        });
    }
}
