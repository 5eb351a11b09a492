//! Comments as nodes: into the tree of tokens goes each comment line, where sops has it.

use crate::document::{Branch, Kind, Node, NodeId, Span, Style, Text, Type};

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

/// The nodes with comments among them, in one pass.
struct Weave<'n> {
    old: &'n [Node],
    new: Vec<Node>,
    /// The collections that are open: their old numbers and their new ones.
    open: Vec<(NodeId, NodeId)>,
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
    let renumber = move |inserts: &[Insert], id: NodeId| {
        id + inserts.partition_point(|insert| insert.before <= id) as NodeId
    };
    if !inserts.is_empty() {
        let mut weave = Weave {
            old: nodes,
            new: Vec::with_capacity(nodes.len() + inserts.len()),
            open: Vec::new(),
        };
        let mut rest = inserts.as_slice();
        for (number, branch) in branches.iter_mut().enumerate() {
            let first = weave.new.len() as NodeId;
            for id in branch.first..branch.end {
                rest = weave.comments(rest, |insert| {
                    insert.before == id && insert.branch == number
                });
                weave.close(|end, _| end <= id);
                weave.node(id, |target| renumber(&inserts, target));
            }
            rest = weave.comments(rest, |insert| insert.branch == number);
            weave.close(|_, _| true);
            branch.root = branch.root.map(|id| renumber(&inserts, id));
            branch.metadata = branch.metadata.map(|id| renumber(&inserts, id));
            branch.first = first;
            branch.end = weave.new.len() as NodeId;
        }
        *nodes = weave.new;
    }
    move |id| renumber(&inserts, id)
}

impl Weave<'_> {
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
            self.close(|end, id| end <= insert.before && id != insert.container);
            self.comment(insert);
            inserts = rest;
        }
        inserts
    }

    /// Ends the innermost collections as long as `ends`, told their old end and number, holds.
    fn close(&mut self, ends: impl Fn(NodeId, NodeId) -> bool) {
        while let Some(&(old, new)) = self.open.last() {
            if !ends(self.old[old as usize].end, old) {
                break;
            }
            self.new[new as usize].end = self.new.len() as NodeId;
            self.open.pop();
        }
    }

    fn node(&mut self, id: NodeId, renumber: impl Fn(NodeId) -> NodeId) {
        let mut node = self.old[id as usize];
        let new = self.new.len() as NodeId;
        node.end = new + 1;
        node.target = if node.kind == Kind::Alias {
            renumber(node.target)
        } else {
            new
        };
        self.new.push(node);
        if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
            self.open.push((id, new));
        }
    }

    fn comment(&mut self, insert: &Insert) {
        let id = self.new.len() as NodeId;
        let container = self.open.last().map(|(_, new)| &self.new[*new as usize]);
        let text = Span {
            start: insert.span.start + 1,
            end: insert.span.end,
        };
        self.new.push(Node {
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
