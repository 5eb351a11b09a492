//! Which collection a comment goes into, and where: what go-yaml makes of heads, lines and feet,
//! and sops of those.
//!
//! A few comments are lost to go-yaml. Here they go into the innermost collection around them.

use super::super::weave::{Insert, OUTSIDE};
use super::{Frame, Parser, Role};
use crate::document::{Kind, NodeId, Style};

impl Parser<'_> {
    /// The innermost collection.
    pub(super) fn container(&self) -> NodeId {
        self.frames.last().map_or(OUTSIDE, |frame| frame.node)
    }

    /// Puts comment lines before the node `before`, into `container`.
    pub(super) fn insert(
        &mut self,
        lines: Vec<usize>,
        before: NodeId,
        container: NodeId,
        inline: bool,
    ) {
        let branch = self.branches.len().saturating_sub(1);
        for line in lines {
            self.inserts.push(Insert {
                before,
                front: false,
                container,
                branch,
                span: self.scanner.comments.lines[line],
                inline,
            });
        }
    }

    /// Puts comment lines before everything else in `container`.
    fn insert_front(&mut self, lines: Vec<usize>, container: NodeId) {
        let first = self.inserts.len();
        self.insert(lines, container + 1, container, false);
        for insert in &mut self.inserts[first..] {
            insert.front = true;
        }
    }

    /// The comments of a scalar or alias.
    pub(super) fn leaf_comments(&mut self, role: Role, id: NodeId) {
        let own = std::mem::take(&mut self.pending);
        let container = self.container();
        match role {
            Role::Root | Role::Item => {
                self.insert(own.head, id, container, false);
                self.insert(own.line, id, container, true);
                self.insert(own.foot, id + 1, container, false);
            }
            Role::Key => {
                self.key_foot(own.foot, id);
                self.insert(own.head, id, container, false);
                self.insert(own.line, id, container, false);
            }
            Role::Value => {
                let key = self.frames.last().map_or(id, |frame| frame.key);
                self.insert(own.head, key, container, false);
                self.insert(own.line, key, container, true);
                self.insert(own.foot, id + 1, container, false);
            }
        }
    }

    /// The foot of a key: in a block mapping that of the entry before it, if there is one.
    fn key_foot(&mut self, foot: Vec<usize>, key: NodeId) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let container = frame.node;
        let block = self.tree.nodes[container as usize].style == Style::Block;
        if block && key > container + 1 {
            self.insert(foot, key, container, false);
        } else {
            frame.foot.extend(foot);
        }
    }

    /// The comments of a bracket that opens the innermost collection.
    pub(super) fn open_comments(&mut self) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let (id, role) = (frame.node, frame.role);
        let around = match self.frames.len() {
            0 | 1 => OUTSIDE,
            len => self.frames[len - 2].node,
        };
        let own = std::mem::take(&mut self.pending);
        match role {
            Role::Item | Role::Key => self.insert(own.head, id, around, false),
            Role::Value | Role::Root => self.insert_front(own.head, id),
        }
        self.insert_front(own.line, id);
        self.insert_front(own.foot, id);
    }

    /// The comments at the end of the collection that `frame` was.
    pub(super) fn close_comments(&mut self, frame: &Frame) {
        let (id, behind, around) = (frame.node, self.tree.next(), self.container());
        let own = std::mem::take(&mut self.pending);
        self.insert(own.head, behind, id, false);
        match frame.role {
            Role::Item => self.insert(own.line, id, around, true),
            Role::Key => self.insert(own.line, id, around, false),
            Role::Value | Role::Root => self.insert_front(own.line, id),
        }
        let block = self.tree.nodes[id as usize].style == Style::Block;
        let entry_has_foot = self
            .frames
            .last()
            .is_some_and(|frame| !frame.foot.is_empty());
        match frame.role {
            Role::Item if !block => self.insert(own.foot, behind, around, false),
            Role::Key if !block => self.key_foot(own.foot, id),
            Role::Value if !block && !entry_has_foot => {
                self.insert(own.foot, behind, around, false);
            }
            _ => self.insert(own.foot, behind, id, false),
        }
    }

    /// What is pending at the end of branch `number` becomes the last of its root.
    pub(super) fn end_comments(&mut self, number: usize) {
        if self.pending.is_empty() {
            return;
        }
        let own = std::mem::take(&mut self.pending);
        let mut lines = [own.head, own.line, own.foot].concat();
        lines.sort_unstable();
        let branch = self.branches[number];
        let is_collection = |id: &NodeId| {
            let kind = self.tree.nodes[*id as usize].kind;
            matches!(kind, Kind::Mapping | Kind::Sequence)
        };
        let container = branch.root.filter(is_collection).unwrap_or(OUTSIDE);
        self.insert(lines, branch.end, container, false);
    }
}
