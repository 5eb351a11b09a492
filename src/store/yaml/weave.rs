//! Comments as nodes: into the tree of tokens goes each comment line, where sops has it.

use crate::document::{Branch, Kind, Node, NodeId, Span, Style, Type};

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

/// Numbers nodes anew among which there is room for comments, and puts those there.
struct Weave<'n> {
    nodes: &'n mut [Node],
    /// The number of the next node.
    next: NodeId,
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
        make_room(nodes, &inserts);
        let mut weave = Weave {
            nodes,
            next: 0,
            open: Vec::new(),
        };
        let mut rest = inserts.as_slice();
        for (number, branch) in branches.iter_mut().enumerate() {
            let first = weave.next;
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
            branch.end = weave.next;
        }
    }
    move |id| renumber(&inserts, id)
}

/// Moves every node behind the room for what is inserted before it.
fn make_room(nodes: &mut Vec<Node>, inserts: &[Insert]) {
    let mut end = nodes.len();
    let room = inserts.iter().map(comment);
    nodes.reserve_exact(inserts.len());
    nodes.extend(room);
    for (number, insert) in inserts.iter().enumerate().rev() {
        let start = insert.before as usize;
        nodes.copy_within(start..end, start + number + 1);
        end = start;
    }
}

/// The node of a comment, but for its place.
fn comment(insert: &Insert) -> Node {
    let text = Span {
        start: insert.span.start + 1,
        end: insert.span.end,
    };
    Node {
        kind: Kind::Comment,
        style: Style::Plain,
        ty: Type::Null,
        is_key: false,
        in_flow: false,
        inline: insert.inline,
        span: insert.span,
        is_cooked: false,
        body_start: insert.span.start,
        outer_start: insert.span.start,
        tag: Span::default(),
        text_span: text,
        indent: 0,
        end: 0,
        target: 0,
    }
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
            self.nodes[new as usize].end = self.next;
            self.open.pop();
        }
    }

    #[inline]
    fn node(&mut self, id: NodeId, renumber: impl Fn(NodeId) -> NodeId) {
        let new = self.next;
        let node = &mut self.nodes[new as usize];
        if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
            self.open.push((id, node.end, new));
        }
        node.end = new + 1;
        node.target = if node.kind == Kind::Alias {
            renumber(node.target)
        } else {
            new
        };
        self.next += 1;
    }

    fn comment(&mut self, insert: &Insert) {
        let id = self.next;
        let container = self.open.last().map(|open| &self.nodes[open.2 as usize]);
        let mut node = comment(insert);
        node.in_flow = container.is_some_and(|node| node.style == Style::Flow);
        node.indent = container.map_or(0, |node| node.indent);
        (node.end, node.target) = (id + 1, id);
        self.nodes[id as usize] = node;
        self.next += 1;
    }
}
