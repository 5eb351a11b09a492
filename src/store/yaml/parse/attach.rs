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

#[cfg(test)]
mod tests {
    use crate::document::{Document, Kind, NodeId};
    use crate::store::ParseOptions;
    use crate::store::yaml::parse::parse;
    use zeroize::Zeroizing;

    fn show(document: &Document, id: NodeId, out: &mut String) {
        let node = document.node(id);
        match node.kind {
            Kind::Comment => {
                let sign = if node.inline { "=" } else { "#" };
                out.push_str(sign);
                out.push_str(std::str::from_utf8(document.value(id).text).unwrap().trim());
            }
            Kind::Mapping | Kind::Sequence => {
                out.push('(');
                for (n, child) in document.children(id).enumerate() {
                    if n > 0 {
                        out.push(' ');
                    }
                    show(document, child, out);
                }
                out.push(')');
            }
            _ => out.push_str(std::str::from_utf8(document.slice(node.span)).unwrap()),
        }
    }

    /// The tree: collections in parentheses, `#comment` or, on the line of a value, `=comment`.
    fn tree(text: &str) -> String {
        let source = Zeroizing::new(text.as_bytes().to_vec());
        let document = parse(source, ParseOptions::default()).unwrap();
        let mut branches = Vec::new();
        for branch in &document.branches {
            let mut out = String::new();
            let mut id = branch.first;
            while id < branch.end {
                show(&document, id, &mut out);
                id = document.node(id).end;
            }
            branches.push(out);
        }
        branches.join(" | ")
    }

    // What sops makes of each of these has been looked up with its own parser.

    #[test]
    fn comments_above_and_beside_a_key_come_before_it() {
        assert_eq!(tree("# x\n\n# y\na: 1 # z\n"), "(#x #y =z a 1)");
        assert_eq!(tree("a: # x\n  b: 1\n"), "(#x a (b 1))");
        assert_eq!(tree("a: |  # x\n  b\nc: 1\n"), "(=x a |  # x\n  b c 1)");
    }

    #[test]
    fn a_foot_stays_with_the_block_it_is_indented_as() {
        assert_eq!(
            tree("a:\n  b: 1\n  # x\n\n# y\nc: 1\n"),
            "(a (b 1 #x) #y c 1)"
        );
        assert_eq!(tree("a:\n  b: 1\n# x\nc: 1\n"), "(a (b 1) #x c 1)");
        assert_eq!(tree("a:\n  - b\n  # x\nc: 1\n# y\n"), "(a (b #x) c 1 #y)");
    }

    #[test]
    fn comments_in_sequences_are_of_the_sequence() {
        assert_eq!(
            tree("a:\n  # x\n  - b # y\n  # z\n  - c\n"),
            "(a (#x =y b #z c))"
        );
        assert_eq!(tree("- # x\n  a: 1\n"), "((#x a 1))");
        assert_eq!(tree("a:\n# x\n- b: 1\n"), "(a (#x (b 1)))");
    }

    #[test]
    fn comments_beside_brackets_go_inside() {
        assert_eq!(tree("a: [1, 2] # x\n"), "(a (#x 1 2))");
        assert_eq!(
            tree("a: [1, # x\n  2 # y\n  # z\n  ]\n"),
            "(a (=x 1 =y 2 #z))"
        );
        assert_eq!(tree("a: { # x\n  b: 1 }\n"), "(a (#x b 1))");
    }

    #[test]
    fn no_comment_is_lost_at_the_ends() {
        assert_eq!(
            tree("# x\n--- # y\na: 1\n... # z\n# end\n"),
            "(#x #y a 1 #z #end)"
        );
        assert_eq!(tree("%YAML 1.1 # x\n---\na: 1\n"), "(#x a 1)");
        assert_eq!(tree("---\n# x\n"), "#x");
        assert_eq!(tree("a: 1\n# x\n---\n# y\nb: 2\n"), "(a 1 #x) | (#y b 2)");
    }
}
