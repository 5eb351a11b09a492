//! The one walk: every leaf and comment of a document in the order of sops,
//! aliases expanded, with its additional data and what marks it.

use super::{Document, Kind, NodeId, Path, Step};

/// What decides which keys and comments mark the leaves beneath them.
/// A selector of the metadata is one.
pub trait Marking {
    /// Whether a key marks everything under it.
    fn key(&self, key: &[u8]) -> bool;
    /// Whether a comment marks the value behind it and everything under that.
    fn comment(&self, text: &[u8]) -> bool;
}

impl<M: Marking + ?Sized> Marking for &M {
    fn key(&self, key: &[u8]) -> bool {
        (**self).key(key)
    }
    fn comment(&self, text: &[u8]) -> bool {
        (**self).comment(text)
    }
}

/// Marks nothing.
pub struct NoMarking;

impl Marking for NoMarking {
    fn key(&self, _: &[u8]) -> bool {
        false
    }
    fn comment(&self, _: &[u8]) -> bool {
        false
    }
}

/// Whether a leaf is a value or a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// A scalar (also an empty collection is none: it has no leaf).
    Value,
    /// A comment.
    Comment,
}

/// A leaf or comment met on the walk.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// The scalar or comment; inside an alias the scalar that the alias leads to.
    pub id: NodeId,
    /// The outermost alias through which the walk came here.
    pub via: Option<NodeId>,
    /// The number of the branch, from 0.
    pub branch: usize,
    /// Value or comment.
    pub kind: LeafKind,
    /// Whether any key on the path is marked.
    pub key_marked: bool,
    /// Whether any comment in force is marked; for a comment also the comment itself.
    pub comment_marked: bool,
    /// As `comment_marked`, without the comment itself.
    pub comment_marked_before: bool,
}

struct Frame {
    /// The collection; for a branch its first node.
    id: NodeId,
    end: NodeId,
    /// Where the walk goes on behind this collection, if it came by an alias.
    back: Option<NodeId>,
    /// Length of the additional data of the collection.
    aad: usize,
    steps: usize,
    is_mapping: bool,
    index: usize,
    key_marked: bool,
    /// Any comment of the levels above is in force and marked.
    inherited: bool,
    /// A comment of this level is in force and marked.
    marked: bool,
}

/// The walk over a document. Ask with [`Leaves::advance`], then look at
/// [`Leaves::aad`] and [`Leaves::path`] for the leaf it gave.
pub struct Leaves<'d, M> {
    document: &'d Document,
    marking: M,
    branch: usize,
    at: NodeId,
    stack: Vec<Frame>,
    aad: Vec<u8>,
    /// For every step on the way: its key node, or its list index.
    steps: Vec<Way>,
    via: Option<NodeId>,
    /// How many steps lead to `via`.
    via_steps: usize,
    started: bool,
    /// What is left of a key that is a collection: only its comments are met, as comments of the
    /// mapping.
    key: std::ops::Range<NodeId>,
}

/// One step on the way to a leaf.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Under a key, by its node.
    Key(NodeId),
    /// Into a list; comments do not count.
    Index(usize),
}

impl Document {
    /// The walk over all leaves and comments outside of the metadata.
    pub fn leaves<M: Marking>(&self, marking: M) -> Leaves<'_, M> {
        Leaves {
            document: self,
            marking,
            branch: 0,
            at: 0,
            stack: Vec::with_capacity(16),
            aad: Vec::with_capacity(128),
            steps: Vec::with_capacity(16),
            via: None,
            via_steps: 0,
            started: false,
            key: 0..0,
        }
    }
}

/// Whether two documents hold the same values and comments in the same order at the same places.
#[must_use]
pub fn same_leaves(one: &Document, other: &Document) -> bool {
    let (mut ours, mut theirs) = (one.leaves(NoMarking), other.leaves(NoMarking));
    loop {
        match (ours.advance(), theirs.advance()) {
            (None, None) => return true,
            (Some(a), Some(b)) => {
                let same = a.kind == b.kind
                    && ours.aad() == theirs.aad()
                    && one.value(a.id) == other.value(b.id);
                if !same {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

impl<M: Marking> Leaves<'_, M> {
    /// The next leaf, `None` at the end.
    pub fn advance(&mut self) -> Option<Leaf> {
        loop {
            if self.stack.is_empty() && !self.enter_branch() {
                return None;
            }
            if let Some(leaf) = self.step() {
                return Some(leaf);
            }
        }
    }

    /// The additional data of the leaf just given: every key on its path with a `:` behind it;
    /// for a comment the path of its container.
    #[must_use]
    pub fn aad(&self) -> &[u8] {
        if self.aad.is_empty() { b":" } else { &self.aad }
    }

    /// The path of the leaf just given; for a comment that of its container.
    #[must_use]
    pub fn path(&self) -> Path {
        Path(self.steps.iter().map(|way| self.named(*way)).collect())
    }

    /// The steps to the leaf just given; for a comment those to its container.
    #[must_use]
    pub fn way(&self) -> &[Way] {
        &self.steps
    }

    /// The path of the outermost alias that led to the leaf just given;
    /// without an alias the path of the leaf.
    #[must_use]
    pub fn path_to_alias(&self) -> Path {
        let mut path = self.path();
        if self.via.is_some() {
            path.0.truncate(self.via_steps);
        }
        path
    }

    /// The collections that hold the leaf just given, from the root down: the node
    /// (an alias where one led into it) and the number of steps on the path to it.
    pub fn containers(&self) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        self.stack
            .iter()
            .skip(1)
            .map(|frame| (frame.id, frame.steps))
    }

    fn named(&self, way: Way) -> Step {
        match way {
            Way::Key(key) => Step::Key(self.document.key_name(key).into_owned()),
            Way::Index(index) => Step::Index(index),
        }
    }

    /// Puts the frame of the next branch on the stack. A branch is walked like a
    /// sequence without steps, whose items are its comments and its root.
    fn enter_branch(&mut self) -> bool {
        if self.started {
            self.branch += 1;
        }
        self.started = true;
        let Some(branch) = self.document.branches.get(self.branch) else {
            return false;
        };
        self.at = branch.first;
        self.aad.clear();
        self.steps.clear();
        self.stack.push(Frame {
            id: branch.first,
            end: branch.end,
            back: None,
            aad: 0,
            steps: 0,
            is_mapping: false,
            index: usize::MAX,
            key_marked: false,
            inherited: false,
            marked: false,
        });
        true
    }

    fn step(&mut self) -> Option<Leaf> {
        let frame = self.stack.last_mut()?;
        self.aad.truncate(frame.aad);
        self.steps.truncate(frame.steps);
        if let Some(id) = self
            .key
            .find(|&id| self.document.node(id).kind == Kind::Comment)
        {
            return self.comment(id);
        }
        if self.at >= frame.end {
            self.leave();
            return None;
        }
        let document = self.document;
        let node = document.node(self.at);
        if node.kind == Kind::Comment {
            self.at += 1;
            return self.comment(self.at - 1);
        }
        let is_collection = node.end > self.at + 1;
        if frame.is_mapping && is_collection && self.key.end != node.end {
            self.key = self.at + 1..node.end;
            return None;
        }
        let mut key_marked = frame.key_marked;
        if frame.is_mapping {
            let key = self.at;
            self.at = node.end;
            if document.branches[self.branch].metadata == Some(key) {
                let block = document.node(self.at);
                // A comment behind the block on its line is not of it.
                let behind = |&id: &NodeId| document.node(id).span.start >= block.span.end;
                let first = (self.at + 1..block.end).find(behind);
                self.key = first.unwrap_or(block.end)..block.end;
                self.at = block.end;
                return None;
            }
            let text = document.key_text(key);
            key_marked |= self.marking.key(text);
            self.aad.extend_from_slice(text);
            self.aad.push(b':');
            self.steps.push(Way::Key(key));
        } else if frame.index != usize::MAX {
            self.steps.push(Way::Index(frame.index));
            frame.index += 1;
        }
        self.value(key_marked)
    }

    fn comment(&mut self, id: NodeId) -> Option<Leaf> {
        if self.via.is_some() {
            return None;
        }
        let hit = self.marking.comment(self.document.value(id).text);
        let frame = self.stack.last_mut()?;
        let before = frame.marked || frame.inherited;
        frame.marked |= hit;
        Some(Leaf {
            id,
            via: None,
            branch: self.branch,
            kind: LeafKind::Comment,
            key_marked: frame.key_marked,
            comment_marked: before || hit,
            comment_marked_before: before,
        })
    }

    /// Meets the value at `self.at`: a leaf is given, a collection entered, an alias followed.
    fn value(&mut self, key_marked: bool) -> Option<Leaf> {
        let document = self.document;
        let (id, target) = (self.at, document.node(self.at).target);
        let behind = document.node(id).end;
        let (via, is_alias) = (self.via, document.node(id).kind == Kind::Alias);
        let frame = self.stack.last_mut()?;
        let comment_marked = frame.marked || frame.inherited;
        // The comments before a value are in force for it and for what is under it, no further.
        frame.marked = false;
        let node = document.node(target);
        if node.kind == Kind::Scalar {
            self.at = behind;
            return Some(Leaf {
                id: target,
                via: via.or(is_alias.then_some(id)),
                branch: self.branch,
                kind: LeafKind::Value,
                key_marked,
                comment_marked,
                comment_marked_before: comment_marked,
            });
        }
        if is_alias && via.is_none() {
            self.via = Some(id);
            self.via_steps = self.steps.len();
        }
        self.stack.push(Frame {
            id,
            end: node.end,
            back: is_alias.then_some(behind),
            aad: self.aad.len(),
            steps: self.steps.len(),
            is_mapping: node.kind == Kind::Mapping,
            index: 0,
            key_marked,
            inherited: comment_marked,
            marked: false,
        });
        self.at = target + 1;
        None
    }

    fn leave(&mut self) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        if let Some(back) = frame.back {
            self.at = back;
            if !self.stack.iter().any(|f| f.back.is_some()) {
                self.via = None;
            }
        }
    }
}
