//! Documents, and what stands between them.

use super::{Parser, Role};
use crate::document::{BeyondSops, Branch, Document, Kind, Node, NodeId, Span, Style, Type};
use crate::store::yaml::emit;
use crate::store::yaml::names::{Directive, directive};
use crate::store::yaml::text::{Result, bom_len, break_len, error, hinted, is_blank};
use crate::store::yaml::token::Kind as Sign;
use crate::store::yaml::weave::Insert;
use zeroize::Zeroizing;

impl Parser<'_> {
    pub(super) fn stream(mut self) -> Result<(Document, Vec<Insert>)> {
        // Whether a document may begin without `---`.
        let mut bare = true;
        loop {
            let token = self.peek()?;
            match token.kind {
                Sign::StreamEnd => break,
                Sign::DocumentEnd => {
                    bare = true;
                    self.skip();
                }
                Sign::Directive => self.directives()?,
                Sign::DocumentStart => bare = self.document(true)?,
                _ if bare => bare = self.document(false)?,
                _ => {
                    return hinted(
                        token.start as usize,
                        "did not find expected document start",
                        "begin another document with '---', or indent this as what it belongs to",
                    );
                }
            }
        }
        self.comments_left();
        self.tree.check_aliases()?;
        let document = Document {
            indent_step: indent_step(&self.tree.nodes, &self.branches),
            source: Zeroizing::default(),
            cooked: self.tree.cooked,
            nodes: self.tree.nodes,
            branches: self.branches,
            beyond_sops: self.tree.beyond_sops,
        };
        Ok((document, self.inserts))
    }

    /// Comments behind the last document are of it; without any document they make one.
    pub(super) fn comments_left(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.branches.is_empty() {
            let start = bom_len(self.source);
            self.branches.push(Branch {
                first: 0,
                end: 0,
                root: None,
                span: Span::new(start, self.source.len()),
                metadata: None,
            });
        }
        self.end_comments(self.branches.len() - 1);
    }

    /// Reads directives, behind which a document must begin.
    pub(super) fn directives(&mut self) -> Result<()> {
        let mut has_version = false;
        let mut token = self.peek()?;
        while token.kind == Sign::Directive {
            match directive(self.source, token.span())? {
                Directive::Yaml if has_version => {
                    return error(token.start as usize, "found duplicate %YAML directive");
                }
                Directive::Yaml => has_version = true,
                Directive::Tag(handle, prefix) => self.tree.add_handle(handle, prefix)?,
                Directive::Reserved => {}
            }
            self.skip();
            token = self.peek()?;
        }
        if token.kind != Sign::DocumentStart {
            return error(
                token.start as usize,
                "did not find expected '---' behind a directive",
            );
        }
        Ok(())
    }

    /// Behind a document marker that ends at `at`, and behind its line if nothing else is on it.
    pub(super) fn behind_marker(&self, at: usize) -> usize {
        let blanks = self.source[at..]
            .iter()
            .take_while(|b| is_blank(**b))
            .count();
        match break_len(self.source, at + blanks) {
            0 => at,
            len => at + blanks + len,
        }
    }

    /// Finds the metadata, and whether sops has room for such a root.
    pub(super) fn check_root(&mut self, root: NodeId) -> Result<()> {
        let node = self.tree.nodes[root as usize];
        match node.kind {
            Kind::Mapping => {}
            Kind::Scalar if node.ty == Type::Null => return Ok(()),
            _ => {
                self.tree.beyond(BeyondSops::Root, root);
                return Ok(());
            }
        }
        let is_metadata = |key: &NodeId| {
            let node = &self.tree.nodes[*key as usize];
            node.kind == Kind::Scalar && node.ty == Type::Str && self.tree.text(node) == b"sops"
        };
        let mut found = self.tree.keys(root).filter(is_metadata);
        let metadata = found.next();
        if let Some(second) = found.next() {
            return Err(self.tree.duplicate(second));
        }
        drop(found);
        if let Some(branch) = self.branches.last_mut() {
            branch.metadata = metadata;
        }
        Ok(())
    }

    /// Reads a document; true where another may follow without `---`.
    pub(super) fn document(&mut self, explicit: bool) -> Result<bool> {
        let mut start = self.peek()?.start as usize;
        if explicit {
            self.skip();
            start = self.behind_marker(start + 3);
        } else if self.branches.is_empty() {
            start = bom_len(self.source);
        }
        let first = self.tree.next();
        let token = self.peek()?;
        let is_empty = matches!(
            token.kind,
            Sign::DocumentStart | Sign::DocumentEnd | Sign::StreamEnd | Sign::Directive
        );
        let root = (!is_empty).then_some(first);
        self.branches.push(Branch {
            first,
            end: first,
            root,
            span: Span::new(start, start),
            metadata: None,
        });
        if !is_empty {
            self.node(token, Role::Root, true, false)?;
            while !self.frames.is_empty() {
                self.step()?;
            }
            self.check_root(first)?;
        }
        let token = self.peek()?;
        let number = self.branches.len() - 1;
        self.branches[number].end = self.tree.next();
        self.branches[number].span.end = token.start;
        self.end_comments(number);
        self.tree.end_document();
        let ended = token.kind == Sign::DocumentEnd;
        if ended {
            self.skip();
        }
        Ok(ended)
    }
}

/// The columns by which the first inner block collection is indented, else what sops would do.
fn indent_step(nodes: &[Node], branches: &[Branch]) -> u32 {
    let root = branches.iter().find_map(|branch| branch.root);
    let outer = root.map_or(0, |root| nodes[root as usize].indent);
    let is_collection = |node: &&Node| matches!(node.kind, Kind::Mapping | Kind::Sequence);
    nodes
        .iter()
        .filter(is_collection)
        .find(|node| node.style == Style::Block && node.indent > outer)
        .map_or(emit::DEFAULT_INDENT as u32, |node| node.indent - outer)
}
