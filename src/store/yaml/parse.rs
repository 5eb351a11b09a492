//! From tokens to nodes: the grammar, as a stack of collections that are open.

use super::comments::Pending;
use super::names::{Directive, directive};
use super::scan::{Kind as Sign, Scanner, Token};
use super::text::{Result, break_len, check, error, hinted, is_blank};
use super::tree::{Place, Properties, Tree};
use super::weave::{Insert, weave};
use crate::document::{BeyondSops, Branch, Document, Kind, Node, NodeId, Span, Style, Type};
use crate::store::{MAX_DEPTH, ParseError, ParseOptions};
use zeroize::Zeroizing;

mod attach;

/// What a node is to the collection around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Root,
    Item,
    Key,
    Value,
}

/// What a collection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BlockItem,
    /// An item of a sequence that is not indented deeper than the mapping around it.
    FlatItem,
    BlockKey,
    BlockValue,
    FlowItem,
    FlowKey,
    FlowValue,
    /// Nothing: the key of the entry stands alone.
    FlowAlone,
    /// The key of an item `key: value`, which is a mapping of its own.
    PairKey,
    PairValue,
    PairEnd,
}

/// A collection that is open.
struct Frame {
    node: NodeId,
    role: Role,
    state: State,
    /// Nothing of it has been read.
    first: bool,
    is_key: bool,
    in_flow: bool,
    /// The column of the entries of the innermost block collection.
    indent: u32,
    /// The key of the entry being read.
    key: NodeId,
    /// Where the last node inside of it ends.
    tip: u32,
    /// Comments that go behind the entry being read.
    foot: Vec<usize>,
}

struct Parser<'s> {
    source: &'s [u8],
    scanner: Scanner<'s>,
    tree: Tree<'s>,
    options: ParseOptions,
    frames: Vec<Frame>,
    branches: Vec<Branch>,
    pending: Pending,
    inserts: Vec<Insert>,
    /// The token whose comments have been taken last.
    seen: bool,
}

/// Parses a YAML text, in memory proportional to it and without recursion.
///
/// A branch's [`Branch::root`] is `None` where the document has no content; where it says `null`
/// the root is that scalar.
///
/// # Errors
/// [`ParseError`] where the text is no YAML, a key stands twice in a mapping, or aliases would
/// make it very much larger.
pub fn parse(
    source: Zeroizing<Vec<u8>>,
    options: ParseOptions,
) -> std::result::Result<Document, ParseError> {
    match document(&source, options) {
        Ok(document) => Ok(Document { source, ..document }),
        Err(error) => Err(error.shown_in(&source)),
    }
}

/// The document, yet without its source.
fn document(source: &[u8], options: ParseOptions) -> Result<Document> {
    check(source)?;
    let parser = Parser {
        source,
        scanner: Scanner::new(source),
        tree: Tree::new(source),
        options,
        frames: Vec::new(),
        branches: Vec::new(),
        pending: Pending::default(),
        inserts: Vec::new(),
        seen: false,
    };
    let (mut document, inserts) = parser.stream()?;
    let renumber = weave(&mut document.nodes, &mut document.branches, inserts);
    document.beyond_sops = document.beyond_sops.map(|(what, id)| (what, renumber(id)));
    Ok(document)
}

impl Parser<'_> {
    /// The next token; its comments are pending from now on.
    #[inline]
    fn peek(&mut self) -> Result<Token> {
        let token = self.scanner.peek()?;
        if !self.seen {
            self.seen = true;
            if self.scanner.comments.any_left() {
                self.scanner
                    .comments
                    .take(token.kind, token.start, &mut self.pending);
            }
        }
        Ok(token)
    }

    #[inline]
    fn skip(&mut self) {
        self.scanner.skip();
        self.seen = false;
    }

    fn stream(mut self) -> Result<(Document, Vec<Insert>)> {
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
    fn comments_left(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.branches.is_empty() {
            let start = super::text::bom_len(self.source);
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
    fn directives(&mut self) -> Result<()> {
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

    /// Reads a document; true where another may follow without `---`.
    fn document(&mut self, explicit: bool) -> Result<bool> {
        let mut start = self.peek()?.start as usize;
        if explicit {
            self.skip();
            start = self.behind_marker(start + 3);
        } else if self.branches.is_empty() {
            start = super::text::bom_len(self.source);
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
            self.node(Role::Root, true, false)?;
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

    /// Behind a document marker that ends at `at`, and behind its line if nothing else is on it.
    fn behind_marker(&self, at: usize) -> usize {
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
    fn check_root(&mut self, root: NodeId) -> Result<()> {
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

    /// Reads on in the innermost collection.
    fn step(&mut self) -> Result<()> {
        let Some(frame) = self.frames.last() else {
            return Ok(());
        };
        match frame.state {
            State::BlockItem => self.block_item(),
            State::FlatItem => self.flat_item(),
            State::BlockKey => self.block_key(),
            State::BlockValue => self.block_value(),
            State::FlowItem => self.flow_item(),
            State::FlowKey => self.flow_key(),
            State::FlowValue => self.flow_value(Sign::FlowMappingEnd, State::FlowKey),
            State::FlowAlone => {
                self.set_state(State::FlowKey);
                self.empty(Role::Value, self.tip())
            }
            State::PairKey => self.pair_key(),
            State::PairValue => self.flow_value(Sign::FlowSequenceEnd, State::PairEnd),
            State::PairEnd => self.close(None),
        }
    }

    fn set_state(&mut self, state: State) {
        if let Some(frame) = self.frames.last_mut() {
            frame.state = state;
        }
    }

    /// Where the innermost collection has been read to.
    fn tip(&self) -> u32 {
        self.frames.last().map_or(0, |frame| frame.tip)
    }

    /// `- item`, or the end of the sequence.
    fn block_item(&mut self) -> Result<()> {
        let token = self.peek()?;
        match token.kind {
            Sign::BlockEntry => self.item(token, &[Sign::BlockEntry, Sign::BlockEnd]),
            Sign::BlockEnd => {
                self.close(None)?;
                self.skip();
                Ok(())
            }
            _ => error(token.start as usize, "did not find expected '-' indicator"),
        }
    }

    /// `- item` at the column of the mapping around; anything else ends the sequence.
    fn flat_item(&mut self) -> Result<()> {
        let token = self.peek()?;
        if token.kind == Sign::BlockEntry {
            let behind = [Sign::BlockEntry, Sign::Key, Sign::Value, Sign::BlockEnd];
            return self.item(token, &behind);
        }
        self.close(None)
    }

    /// The item behind `dash`; it is empty where one of `behind` follows.
    fn item(&mut self, dash: Token, behind: &[Sign]) -> Result<()> {
        let heads = self.pending.head.len();
        self.skip();
        let token = self.peek()?;
        if heads > 0 && matches!(token.kind, Sign::BlockSequence | Sign::BlockMapping) {
            // What stands above the dash is of the item as a whole, not of its first entry.
            let stem: Vec<usize> = self.pending.head.drain(..heads).collect();
            self.insert(stem, self.tree.next(), self.container(), false);
        }
        if behind.contains(&token.kind) {
            return self.empty(Role::Item, dash.end);
        }
        self.node(Role::Item, true, false)
    }

    /// A key, or the end of the mapping.
    fn block_key(&mut self) -> Result<()> {
        let token = self.peek()?;
        match token.kind {
            Sign::Key => {
                self.set_state(State::BlockValue);
                self.skip();
                let next = self.peek()?;
                match next.kind {
                    Sign::Key | Sign::Value | Sign::BlockEnd => self.empty(Role::Key, token.end),
                    _ => self.node(Role::Key, true, true),
                }
            }
            Sign::Value => {
                self.set_state(State::BlockValue);
                self.empty(Role::Key, token.start)
            }
            Sign::BlockEnd => {
                self.close(Some(token))?;
                self.skip();
                Ok(())
            }
            _ => error(token.start as usize, "did not find expected key"),
        }
    }

    /// `: value`, or nothing.
    fn block_value(&mut self) -> Result<()> {
        self.set_state(State::BlockKey);
        let token = self.peek()?;
        if token.kind != Sign::Value {
            return self.empty(Role::Value, self.tip());
        }
        self.skip();
        let next = self.peek()?;
        match next.kind {
            Sign::Key | Sign::Value | Sign::BlockEnd => self.empty(Role::Value, token.end),
            _ => self.node(Role::Value, true, true),
        }
    }

    /// Goes over the `,` before any but the first entry; gives the token behind.
    fn flow_entry(&mut self, end: Sign, problem: &str) -> Result<Token> {
        let mut token = self.peek()?;
        let Some(frame) = self.frames.last_mut() else {
            return Ok(token);
        };
        if std::mem::take(&mut frame.first) || token.kind == end {
            return Ok(token);
        }
        if token.kind != Sign::FlowEntry {
            return error(token.start as usize, problem);
        }
        self.skip();
        token = self.peek()?;
        Ok(token)
    }

    /// An item of `[…]`, or its end.
    fn flow_item(&mut self) -> Result<()> {
        let token = self.flow_entry(Sign::FlowSequenceEnd, "did not find expected ',' or ']'")?;
        match token.kind {
            Sign::FlowSequenceEnd => self.flow_end(token),
            Sign::Key | Sign::Value => {
                let none = Properties::default();
                self.open(Kind::Mapping, State::PairKey, Role::Item, token, none)?;
                if token.kind == Sign::Key {
                    self.skip();
                }
                Ok(())
            }
            _ => self.node(Role::Item, false, false),
        }
    }

    /// The key of an item `key: value`.
    fn pair_key(&mut self) -> Result<()> {
        self.set_state(State::PairValue);
        let token = self.peek()?;
        match token.kind {
            Sign::Value | Sign::FlowEntry | Sign::FlowSequenceEnd => {
                self.empty(Role::Key, self.tip())
            }
            _ => self.node(Role::Key, false, false),
        }
    }

    /// A key of `{…}`, or its end.
    fn flow_key(&mut self) -> Result<()> {
        let token = self.flow_entry(Sign::FlowMappingEnd, "did not find expected ',' or '}'")?;
        match token.kind {
            Sign::FlowMappingEnd => return self.flow_end(token),
            Sign::Key => {
                self.skip();
                let next = self.peek()?;
                self.set_state(State::FlowValue);
                if matches!(
                    next.kind,
                    Sign::Value | Sign::FlowEntry | Sign::FlowMappingEnd
                ) {
                    return self.empty(Role::Key, token.end);
                }
            }
            Sign::Value => {
                self.set_state(State::FlowValue);
                return self.empty(Role::Key, token.start);
            }
            _ => self.set_state(State::FlowAlone),
        }
        self.node(Role::Key, false, false)
    }

    /// `: value` in brackets that `end` closes, or nothing.
    fn flow_value(&mut self, end: Sign, then: State) -> Result<()> {
        self.set_state(then);
        let token = self.peek()?;
        if token.kind != Sign::Value {
            return self.empty(Role::Value, self.tip());
        }
        self.skip();
        let next = self.peek()?;
        if next.kind == Sign::FlowEntry || next.kind == end {
            return self.empty(Role::Value, token.end);
        }
        self.node(Role::Value, false, false)
    }

    /// Ends a collection at its closing bracket.
    fn flow_end(&mut self, token: Token) -> Result<()> {
        if let Some(frame) = self.frames.last_mut() {
            frame.tip = token.end;
        }
        self.close(Some(token))?;
        self.skip();
        Ok(())
    }

    /// What a node is that stands here as `role`.
    fn place(&self, role: Role) -> Place {
        match self.frames.last() {
            None => Place {
                is_key: false,
                in_flow: false,
                indent: 0,
            },
            Some(frame) => Place {
                is_key: frame.is_key || role == Role::Key,
                in_flow: frame.in_flow,
                indent: frame.indent,
            },
        }
    }

    /// A node with its properties.
    fn node(&mut self, role: Role, block: bool, flat: bool) -> Result<()> {
        let mut token = self.peek()?;
        if token.kind == Sign::Alias {
            return self.alias(token, role);
        }
        let mut own = Properties::default();
        if matches!(token.kind, Sign::Anchor | Sign::Tag) {
            (own, token) = self.properties(token)?;
        }
        match token.kind {
            Sign::Plain | Sign::Single | Sign::Double | Sign::Literal | Sign::Folded => {
                self.scalar(token, role, own)
            }
            Sign::BlockMapping if block => {
                self.open(Kind::Mapping, State::BlockKey, role, token, own)?;
                self.skip();
                Ok(())
            }
            Sign::BlockSequence if block => {
                self.open(Kind::Sequence, State::BlockItem, role, token, own)?;
                self.skip();
                Ok(())
            }
            Sign::BlockEntry if flat => {
                self.open(Kind::Sequence, State::FlatItem, role, token, own)
            }
            Sign::FlowMapping => self.open_flow(Kind::Mapping, State::FlowKey, role, token, own),
            Sign::FlowSequence => self.open_flow(Kind::Sequence, State::FlowItem, role, token, own),
            Sign::Alias => error(
                token.start as usize,
                "found an alias with a tag or an anchor",
            ),
            _ if !own.span.is_empty() => {
                let place = self.place(role);
                let id = self.tree.empty(own.span.end, own, place)?;
                self.begin(role, id);
                self.finish(role, id);
                Ok(())
            }
            _ => error(token.start as usize, "did not find expected node content"),
        }
    }

    /// The tag and the anchor that begin with `token`, and the token behind them.
    fn properties(&mut self, mut token: Token) -> Result<(Properties, Token)> {
        let mut own = Properties {
            span: token.span(),
            ..Properties::default()
        };
        loop {
            let span = token.span();
            match token.kind {
                Sign::Tag if own.tag.is_empty() => own.tag = span,
                Sign::Anchor if own.anchor.is_empty() => {
                    own.anchor = Span {
                        start: span.start + 1,
                        end: span.end,
                    };
                }
                _ => return Ok((own, token)),
            }
            own.span.end = span.end;
            self.skip();
            token = self.peek()?;
        }
    }

    fn alias(&mut self, token: Token, role: Role) -> Result<()> {
        let place = self.place(role);
        let id = self.tree.alias(token, place)?;
        self.begin(role, id);
        if !self.pending.is_empty() {
            self.leaf_comments(role, id);
        }
        self.skip();
        self.finish(role, id);
        Ok(())
    }

    fn scalar(&mut self, token: Token, role: Role, own: Properties) -> Result<()> {
        let place = self.place(role);
        let block = match token.kind {
            Sign::Literal | Sign::Folded => Some(self.scanner.blocks[token.block as usize]),
            _ => None,
        };
        let id = self.tree.scalar(token, block, own, place)?;
        self.begin(role, id);
        if !self.pending.is_empty() {
            self.leaf_comments(role, id);
        }
        self.skip();
        self.finish(role, id);
        Ok(())
    }

    /// A node without text, at `at`. No comment belongs to it.
    fn empty(&mut self, role: Role, at: u32) -> Result<()> {
        let place = self.place(role);
        let id = self.tree.empty(at, Properties::default(), place)?;
        self.begin(role, id);
        self.finish(role, id);
        Ok(())
    }

    /// Notes where an entry begins.
    #[inline]
    fn begin(&mut self, role: Role, id: NodeId) {
        if role == Role::Key
            && let Some(frame) = self.frames.last_mut()
        {
            frame.key = id;
        }
    }

    /// Notes that a node is whole.
    fn finish(&mut self, role: Role, id: NodeId) {
        let end = self.tree.nodes[id as usize].span.end;
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.tip = end;
        if role == Role::Value && !frame.foot.is_empty() {
            let foot = std::mem::take(&mut frame.foot);
            self.insert(foot, self.tree.next(), self.container(), false);
        }
        if role == Role::Key {
            let key = self.tree.meant(id);
            if key.kind != Kind::Scalar || key.ty != Type::Str {
                self.tree.beyond(BeyondSops::Key, id);
            }
        }
    }

    /// Begins a collection in brackets.
    fn open_flow(
        &mut self,
        kind: Kind,
        state: State,
        role: Role,
        token: Token,
        own: Properties,
    ) -> Result<()> {
        self.open(kind, state, role, token, own)?;
        if !self.pending.is_empty() {
            self.open_comments();
        }
        self.skip();
        Ok(())
    }

    /// Begins a collection at `token`.
    fn open(
        &mut self,
        kind: Kind,
        state: State,
        role: Role,
        token: Token,
        own: Properties,
    ) -> Result<()> {
        if self.frames.len() >= MAX_DEPTH {
            return error(token.start as usize, "the text is nested too deeply");
        }
        let mut place = self.place(role);
        let block = matches!(state, State::BlockItem | State::FlatItem | State::BlockKey);
        if block {
            place.indent = token.column;
        }
        let style = if block { Style::Block } else { Style::Flow };
        let id = self.tree.open(kind, style, token.start, own, place)?;
        self.begin(role, id);
        self.frames.push(Frame {
            node: id,
            role,
            state,
            first: true,
            is_key: place.is_key,
            in_flow: place.in_flow || !block,
            indent: place.indent,
            key: id + 1,
            tip: token.end,
            foot: Vec::new(),
        });
        Ok(())
    }

    /// Ends the innermost collection. Comments are its own that belong to the token `end`.
    fn close(&mut self, end: Option<Token>) -> Result<()> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        self.tree.close(frame.node, frame.tip);
        let kind = self.tree.nodes[frame.node as usize].kind;
        if kind == Kind::Mapping && !self.options.allow_duplicate_keys {
            self.tree.check_keys(frame.node)?;
        }
        if end.is_some() && !self.pending.is_empty() {
            self.close_comments(&frame);
        }
        self.finish(frame.role, frame.node);
        Ok(())
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
        .map_or(super::emit::DEFAULT_INDENT as u32, |node| {
            node.indent - outer
        })
}
