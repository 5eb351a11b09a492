//! From tokens to nodes: the grammar, as a stack of collections that are open.

use super::comments::Pending;
use super::scan::Scanner;
use super::text::{Result, check, error};
use super::token::{Kind as Sign, Token};
use super::tree::{Place, Properties, Tree};
use super::weave::{Insert, weave};
use crate::document::{BeyondSops, Branch, Document, Kind, NodeId, Span, Style, Type};
use crate::store::{MAX_DEPTH, ParseError, ParseOptions};
use zeroize::Zeroizing;

mod ahead;
mod attach;
mod flow;
mod lines;
mod stream;

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
    by_lines: bool,
    /// What another thread is reading meanwhile.
    ahead: Option<ahead::Expected>,
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
    match ahead::read(&source, options) {
        Ok(document) => Ok(Document { source, ..document }),
        Err(error) => Err(error.shown_in(&source)),
    }
}

/// The document, yet without its source; `by_lines` allows the short cut of [`lines`], and `ahead`
/// is what is read ahead of it, neither of which must make a difference.
fn document(
    source: &[u8],
    options: ParseOptions,
    by_lines: bool,
    ahead: Option<ahead::Expected>,
) -> Result<Document> {
    check(source)?;
    let parser = Parser {
        by_lines,
        ahead,
        ..Parser::new(source, options)
    };
    let (mut document, inserts) = parser.stream()?;
    let renumber = weave(&mut document.nodes, &mut document.branches, inserts);
    document.beyond_sops = document.beyond_sops.map(|(what, id)| (what, renumber(id)));
    Ok(document)
}

impl<'s> Parser<'s> {
    fn new(source: &'s [u8], options: ParseOptions) -> Self {
        Self {
            source,
            scanner: Scanner::new(source),
            tree: Tree::new(source),
            options,
            frames: Vec::new(),
            branches: Vec::new(),
            pending: Pending::default(),
            inserts: Vec::new(),
            seen: false,
            by_lines: true,
            ahead: None,
        }
    }

    /// The next token; its comments are pending from now on.
    #[inline]
    fn peek(&mut self) -> Result<Token> {
        let token = self.scanner.peek()?;
        if self.scanner.comments.any_left() && !self.seen {
            self.scanner
                .comments
                .take(token.kind, token.start, &mut self.pending);
        }
        self.seen = true;
        Ok(token)
    }

    #[inline]
    fn skip(&mut self) {
        self.scanner.skip();
        self.seen = false;
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
        self.node(token, Role::Item, true, false)
    }

    /// A key, or the end of the mapping.
    fn block_key(&mut self) -> Result<()> {
        let token = self.peek()?;
        match token.kind {
            Sign::Key => {
                if self.lines(token)? {
                    return Ok(());
                }
                self.set_state(State::BlockValue);
                self.skip();
                let next = self.peek()?;
                match next.kind {
                    Sign::Key | Sign::Value | Sign::BlockEnd => self.empty(Role::Key, token.end),
                    _ => self.node(next, Role::Key, true, true),
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
            _ => self.node(next, Role::Value, true, true),
        }
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

    /// The node that begins with `token`, which has been peeked at; `block` and `flat` say which
    /// collections may stand here.
    fn node(&mut self, mut token: Token, role: Role, block: bool, flat: bool) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Node;

    fn read(text: &str) -> Document {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        parse(text, ParseOptions::default()).unwrap_or_else(|e| panic!("{e} at {}", e.offset))
    }

    fn refused(text: &str) -> (String, usize) {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        match parse(text, ParseOptions::default()) {
            Ok(_) => panic!("it was read"),
            Err(wrong) => (wrong.problem, wrong.offset),
        }
    }

    fn text(document: &Document, span: Span) -> &str {
        std::str::from_utf8(document.slice(span)).unwrap()
    }

    /// The only scalar that is no key.
    fn value(document: &Document) -> &Node {
        let mut values = document
            .nodes
            .iter()
            .filter(|n| n.kind == Kind::Scalar && !n.is_key);
        let value = values.next().unwrap();
        assert!(values.next().is_none());
        value
    }

    #[test]
    fn a_span_is_a_node_without_tag_and_anchor() {
        let d = read("a: !!str &x  'b' # c\n");
        let node = value(&d);
        assert_eq!(text(&d, node.span), "'b'");
        assert_eq!(text(&d, node.outer()), "!!str &x  'b'");
        assert_eq!(text(&d, node.tag), "!!str");
        assert_eq!(node.body(), node.span);
    }

    #[test]
    fn the_body_of_a_block_scalar_is_its_lines() {
        for (source, span, body) in [
            ("a: |\n  b\n  c\n\nd: 1\n", "|\n  b\n  c", "  b\n  c"),
            ("a: >- # x\n\n   b\n", ">- # x\n\n   b", "\n   b"),
            ("a: |+\n  b\n\n\nd: 1\n", "|+\n  b\n\n", "  b\n\n"),
            ("a: |2\r\n   b\r\n", "|2\r\n   b", "   b"),
            ("a: |\nd: 1\n", "|", ""),
            ("a: |+\n\n\nd: 1\n", "|+\n\n", "\n"),
            ("a: |\n  b", "|\n  b", "  b"),
        ] {
            let d = read(source);
            let node = d
                .nodes
                .iter()
                .find(|n| matches!(n.style, Style::Literal | Style::Folded));
            let node = node.unwrap();
            assert_eq!(text(&d, node.span), span, "{source:?}");
            assert_eq!(text(&d, node.body()), body, "{source:?}");
        }
        let indents = |source| {
            read(source)
                .nodes
                .iter()
                .map(|n| n.indent)
                .collect::<Vec<_>>()
        };
        assert_eq!(indents("a:\n  b: |\n     c\n"), [0, 0, 2, 2, 5]);
        assert_eq!(indents("a:\n - [b]\n"), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn what_is_not_there_is_a_null_behind_its_sign() {
        for (source, at) in [
            ("a:", 2),
            ("a: # c\n", 2),
            ("- \n", 1),
            ("? a\n", 3),
            ("[a: ]", 3),
            ("{a}", 2),
            ("a: &x\n", 5),
        ] {
            let d = read(source);
            let node = d
                .nodes
                .iter()
                .find(|n| n.kind == Kind::Scalar && n.span.is_empty());
            assert_eq!(
                node.map(|n| (n.ty, n.span.start)),
                Some((Type::Null, at)),
                "{source:?}"
            );
        }
    }

    #[test]
    fn a_collection_reaches_from_its_first_entry_to_the_end_of_its_last() {
        let d = read("x:\n  &k a: 1\n  b:\n  - c # d\n\ne: {f: [1, 2 ] }\n");
        let spans: Vec<&str> = d
            .nodes
            .iter()
            .filter(|n| matches!(n.kind, Kind::Mapping | Kind::Sequence))
            .map(|n| text(&d, n.span))
            .collect();
        assert_eq!(
            spans[1..],
            ["&k a: 1\n  b:\n  - c", "- c", "{f: [1, 2 ] }", "[1, 2 ]"]
        );
    }

    #[test]
    fn an_alias_names_the_latest_anchor_before_it() {
        let d = read("a: &x 1\nb: *x\nc: &x 2\nd: [*x]\n");
        let targets: Vec<&str> = d
            .nodes
            .iter()
            .filter(|n| n.kind == Kind::Alias)
            .map(|n| text(&d, d.node(n.target).span))
            .collect();
        assert_eq!(targets, ["1", "2"]);
        assert_eq!(refused("a: *x\n").1, 3);
        assert_eq!(refused("a: &x 1\n---\nb: *x\n").1, 15);
        let (problem, at) = refused("a: &x [*x]\n");
        assert!(problem.contains("refers to itself"), "{problem}");
        assert_eq!(at, 7);
    }

    #[test]
    fn aliases_cannot_blow_a_text_up() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..9 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb += &format!("a{n}: &a{n} [{aliases}]\n");
        }
        assert!(refused(&bomb).0.contains("aliases"));
        let many: String = (0..500).map(|n| format!("b{n}: *a\n")).collect();
        read(&format!("a: &a [1, 2, 3]\n{many}"));
    }

    #[test]
    fn a_key_stands_once_in_a_mapping_of_any_document() {
        let (problem, at) = refused("a: 1\nb: {c: secret, c: 3}\n");
        assert_eq!(
            (problem.as_str(), at),
            ("found the key \"c\" twice in one mapping", 20)
        );
        assert_eq!(refused("a: 1\n---\na: 1\n'a': 2\n").1, 14);
        let many: String = (0..100).map(|n| format!("k{n}: {n}\n")).collect();
        read(&many);
        assert_eq!(refused(&format!("{many}k7: 1\n")).1, many.len());
        let twice = Zeroizing::new(b"a: 1\na: 2\n".to_vec());
        let allow = ParseOptions {
            allow_duplicate_keys: true,
            ..ParseOptions::default()
        };
        assert!(parse(twice, allow).is_ok());
        let metadata = Zeroizing::new(b"sops: 1\nsops: 2\n".to_vec());
        assert!(parse(metadata, allow).is_err());
    }

    #[test]
    fn branches_reach_to_the_next_marker() {
        let source = "# x\n---\na: 1\n\n# y\n---\n...\n--- # z\nsops: 2\n";
        let d = read(source);
        let spans: Vec<&str> = d.branches.iter().map(|b| text(&d, b.span)).collect();
        assert_eq!(spans, ["a: 1\n\n# y\n", "", " # z\nsops: 2\n"]);
        let roots: Vec<bool> = d.branches.iter().map(|b| b.root.is_some()).collect();
        assert_eq!(roots, [true, false, true]);
        let metadata = d.branches[2].metadata.unwrap();
        assert_eq!(text(&d, d.node(metadata).span), "sops");
        assert_eq!(d.branches[0].metadata, None);
        assert!(read("").branches.is_empty());
        assert!(read("\n...\n").branches.is_empty());
        assert_eq!(text(&d, read("\u{FEFF}a: 1").branches[0].span).len(), 4);
        let only = read("# just a comment\n");
        assert_eq!((only.branches.len(), only.nodes.len()), (1, 1));
        assert_eq!(only.branches[0].root, None);
    }

    #[test]
    fn what_sops_has_no_room_for_is_noted() {
        let beyond = |source| read(source).beyond_sops.map(|(what, _)| what);
        assert_eq!(beyond("a: 1\n---\n~\n"), None);
        assert_eq!(beyond("- a\n"), Some(BeyondSops::Root));
        assert_eq!(beyond("a: 1\n---\nb\n"), Some(BeyondSops::Root));
        assert_eq!(beyond("a: {? [b] : c}\n"), Some(BeyondSops::Key));
        assert_eq!(beyond("~: 1\n"), Some(BeyondSops::Key));
        assert_eq!(beyond("<<: {a: b}\n"), None);
    }

    #[test]
    fn depth_is_bounded_in_every_style() {
        for (open, close) in [
            ("[", "]"),
            ("{a: ", "}"),
            ("- ", ""),
            ("? ", ""),
            ("[? ", "]"),
        ] {
            let nested = |n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
            let deep = nested(100_000);
            assert!(refused(&deep).0.contains("nested too deeply"), "{open}");
            read(&nested(MAX_DEPTH / 2));
        }
        let deep: String = (0..2000)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect();
        assert!(refused(&deep).0.contains("nested too deeply"));
    }

    #[test]
    fn tags_find_their_handles() {
        read("%TAG !e! tag:example.com,2000:\n---\na: !e!b c\n");
        let (problem, at) = refused("a: !e!b c\n");
        assert!(problem.contains("undefined tag handle"), "{problem}");
        assert_eq!(at, 3);
        assert_eq!(refused("a: !e!b []\n").1, 3);
        assert_eq!(refused("%TAG ! a\n%TAG ! b\n---\n").1, 14);
        assert_eq!(refused("%YAML 2.0\n---\n").1, 6);
    }

    #[test]
    fn errors_never_hold_values() {
        for source in [
            "a: 's3cret",
            "a: s3cret\n b: c",
            "a: \"s3cret\\q\"",
            "s3cret: a\ns3cret",
            "- s3cret\ns3cret",
        ] {
            let (problem, at) = refused(source);
            assert!(!problem.contains("s3cret"), "{problem}");
            assert!(at <= source.len());
        }
    }
}
