//! Text to nodes. What is a literal is read; what is another expression is passed over as a whole.
//!
//! Blocks and brackets are read by recursion of bounded depth. Every part is first made on its own,
//! its nodes numbered from 0, and put into the whole behind what stands before it, because blocks
//! of one type come to stand together.

use super::{EXPRESSION, LABELS, METADATA_KEY, spell};
use crate::document::{Branch, Document, Kind, Node, NodeId, Span, Style, Text, Type, canonical};
use crate::store::flat::append;
use crate::store::{Excerpt, MAX_DEPTH, ParseError, ParseOptions};
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

/// Levels of blocks, objects and lists; files nest a dozen.
const DEPTH: usize = 150;
/// Labels of one block; HCL has no limit, its programs have two.
const MOST_LABELS: usize = 16;

type Parsed<T> = Result<T, ParseError>;
type Nodes = Vec<Node>;

/// Reads `source`.
///
/// # Errors
/// [`ParseError`] where it is not HCL, too deep or too large.
pub(super) fn parse(source: Zeroizing<Vec<u8>>, options: ParseOptions) -> Parsed<Document> {
    match document(&source, options) {
        Ok(document) => Ok(Document { source, ..document }),
        Err(error) => Err(error.shown_in(&source)),
    }
}

/// The document, yet without its source.
fn document(source: &[u8], options: ParseOptions) -> Parsed<Document> {
    crate::store::flat::check_length(source)?;
    if let Err(bad) = std::str::from_utf8(source) {
        return error("bytes that are not UTF-8", bad.valid_up_to());
    }
    let mut parser = Parser {
        source,
        at: if source.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        },
        cooked: Zeroizing::default(),
        depth: 0,
    };
    let root = node(Kind::Mapping, Style::Block, Span::new(0, source.len()));
    let items = parser.body(false)?;
    let cooked = parser.cooked;
    let key_text = |node: &Node| match node.text() {
        Text::Source(span) => source[span.range()].to_vec(),
        Text::Cooked(span) => cooked[span.range()].to_vec(),
    };
    let mut nodes = vec![root];
    put_items(items, &key_text, &mut nodes);
    let end = close(&mut nodes, 0);
    let may_repeat = |node: &Node| options.allow_duplicate_keys && node.style == Style::Flow;
    for id in 0..nodes.len() {
        if nodes[id].kind == Kind::Mapping && !may_repeat(&nodes[id]) {
            check_keys(&nodes, id, &key_text)?;
        }
    }
    let metadata = children(&nodes, 0).find(|&id| {
        let node = &nodes[id as usize];
        node.is_key && key_text(node) == METADATA_KEY
    });
    let branch = Branch {
        first: 0,
        end,
        root: Some(0),
        span: Span::new(0, source.len()),
        metadata,
    };
    Ok(Document {
        source: Zeroizing::default(),
        cooked,
        nodes,
        branches: vec![branch],
        indent_step: 2,
        beyond_sops: None,
    })
}

/// The children of a collection.
fn children(nodes: &[Node], id: usize) -> impl Iterator<Item = NodeId> + '_ {
    let (mut next, end) = (Span::new(0, id).end + 1, nodes[id].end);
    std::iter::from_fn(move || {
        let child = (next < end).then_some(next)?;
        next = nodes[child as usize].end;
        Some(child)
    })
}

/// Refuses a name that stands twice.
fn check_keys(nodes: &[Node], id: usize, text: &impl Fn(&Node) -> Vec<u8>) -> Parsed<()> {
    let mut met = HashSet::new();
    for child in children(nodes, id) {
        let node = &nodes[child as usize];
        if node.is_key && !met.insert(text(node)) {
            return error("a name that stands twice", node.span.start as usize);
        }
    }
    Ok(())
}

fn error<T>(problem: impl Into<String>, offset: usize) -> Parsed<T> {
    Err(ParseError {
        problem: problem.into(),
        offset,
        hint: None,
        excerpt: Excerpt::default(),
    })
}

fn node(kind: Kind, style: Style, span: Span) -> Node {
    Node {
        kind,
        style,
        ty: Type::Null,
        is_key: false,
        in_flow: false,
        inline: false,
        is_cooked: false,
        span,
        body_start: span.start,
        outer_start: span.start,
        tag: Span::default(),
        text_span: Span::default(),
        indent: 0,
        end: 1,
        target: 0,
    }
}

/// Puts a part behind `nodes`.
fn put(part: Nodes, nodes: &mut Nodes) {
    let offset = Span::new(0, nodes.len()).end;
    nodes.extend(part.into_iter().map(|node| Node {
        end: node.end + offset,
        target: node.target + offset,
        ..node
    }));
}

/// Puts comments behind `nodes`, each of them a part of its own.
fn put_each(comments: Nodes, nodes: &mut Nodes) {
    for comment in comments {
        put(vec![comment], nodes);
    }
}

/// Ends the collection at `id`, the innermost one; the node behind it.
fn close(nodes: &mut Nodes, id: usize) -> NodeId {
    let end = Span::new(0, nodes.len()).end;
    nodes[id].end = end;
    end
}

/// What stands in a body.
enum Item {
    /// A comment, or an attribute: its key and its value.
    Nodes(Nodes),
    Block(Block),
}

struct Block {
    comments: Nodes,
    /// Its type and its labels.
    names: Vec<Node>,
    body: Nodes,
}

/// Puts the items of a body into `nodes`, the blocks of one type at the place of the first.
fn put_items(items: Vec<Item>, text: &impl Fn(&Node) -> Vec<u8>, nodes: &mut Nodes) {
    let mut places: HashMap<(Vec<u8>, usize), usize> = HashMap::new();
    let mut groups: Vec<Vec<Block>> = Vec::new();
    let mut order: Vec<Result<Nodes, usize>> = Vec::new();
    for item in items {
        match item {
            Item::Nodes(part) => order.push(Ok(part)),
            Item::Block(block) => {
                let name = (text(&block.names[0]), block.names.len());
                let place = *places.entry(name).or_insert_with(|| {
                    order.push(Err(groups.len()));
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                groups[place].push(block);
            }
        }
    }
    for item in order {
        match item {
            Ok(part) => put(part, nodes),
            Err(place) => put_blocks(std::mem::take(&mut groups[place]), 0, text, nodes),
        }
    }
}

/// Puts blocks whose names are alike up to `level` into `nodes`, as one entry.
fn put_blocks(
    mut blocks: Vec<Block>,
    level: usize,
    text: &impl Fn(&Node) -> Vec<u8>,
    nodes: &mut Nodes,
) {
    let name = blocks[0].names[level];
    let is_last = blocks[0].names.len() == level + 1;
    if is_last && blocks.len() == 1 {
        let block = blocks.remove(0);
        put_each(block.comments, nodes);
        put(vec![name], nodes);
        return put(block.body, nodes);
    }
    put(vec![name], nodes);
    let id = nodes.len();
    let kind = if is_last {
        Kind::Sequence
    } else {
        Kind::Mapping
    };
    put(vec![node(kind, LABELS, name.span)], nodes);
    if is_last {
        for block in blocks {
            put_each(block.comments, nodes);
            put(block.body, nodes);
        }
    } else {
        let mut places = HashMap::new();
        let mut groups: Vec<Vec<Block>> = Vec::new();
        for block in blocks {
            let place = *places
                .entry(text(&block.names[level + 1]))
                .or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(block);
        }
        for group in groups {
            put_blocks(group, level + 1, text, nodes);
        }
    }
    close(nodes, id);
}

/// What a value stands in, which says where it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Body,
    Object,
    List,
}

struct Parser<'s> {
    source: &'s [u8],
    at: usize,
    cooked: Zeroizing<Vec<u8>>,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return error(format!("more than {DEPTH} levels of nesting"), self.at);
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes over blanks, comments and, where `lines`, line ends. Gives each comment with whether it
    /// stands on the line on which this began.
    fn space(&mut self, lines: bool) -> Parsed<Vec<(Node, bool)>> {
        let (mut comments, mut is_same_line) = (Vec::new(), true);
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'\n') if lines => {
                    self.at += 1;
                    is_same_line = false;
                }
                _ => match self.comment()? {
                    Some(comment) => comments.push((comment, is_same_line)),
                    None => return Ok(comments),
                },
            }
        }
    }

    fn comment(&mut self) -> Parsed<Option<Node>> {
        let start = self.at;
        let rest = self.rest();
        let (text, end) = if rest.starts_with(b"#") || rest.starts_with(b"//") {
            // A carriage return is one of the line end only where that follows.
            let end = match memchr::memchr(b'\n', rest) {
                Some(end) => rest[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len),
                None => rest.len(),
            };
            (if rest[0] == b'#' { 1..end } else { 2..end }, end)
        } else if rest.starts_with(b"/*") {
            match memchr::memmem::find(&rest[2..], b"*/") {
                Some(length) => (2..2 + length, length + 4),
                None => return error("a comment without its `*/`", start),
            }
        } else {
            return Ok(None);
        };
        self.at += end;
        let mut comment = node(Kind::Comment, Style::Plain, Span::new(start, self.at));
        comment.text_span = Span::new(start + text.start, start + text.end);
        Ok(Some(comment))
    }

    /// Reads attributes and blocks, up to the brace that closes their block.
    fn body(&mut self, is_block: bool) -> Parsed<Vec<Item>> {
        let mut items: Vec<Item> = Vec::new();
        let mut pending: Nodes = Vec::new();
        loop {
            for (mut comment, is_same_line) in self.space(true)? {
                let on_leaf = matches!(items.last(), Some(Item::Nodes(part)) if part.len() == 2);
                if is_same_line && on_leaf && pending.is_empty() {
                    comment.inline = true;
                    let last = items.len() - 1;
                    items.insert(last, Item::Nodes(vec![comment]));
                    // The attribute is the last item still.
                    continue;
                }
                pending.push(comment);
            }
            match self.peek() {
                None if is_block => return error("a block without its `}`", self.at),
                Some(b'}') if !is_block => return error("a `}` without a block", self.at),
                None | Some(b'}') => {
                    items.extend(pending.into_iter().map(|c| Item::Nodes(vec![c])));
                    return Ok(items);
                }
                _ => self.item(&mut pending, &mut items)?,
            }
        }
    }

    fn item(&mut self, pending: &mut Nodes, items: &mut Vec<Item>) -> Parsed<()> {
        let Some(name) = self.identifier() else {
            return error("expected the name of an attribute or block", self.at);
        };
        let start = name.start as usize;
        pending.extend(self.space(false)?.into_iter().map(|c| c.0));
        let key = key(name, Text::Source(name));
        if self.peek() == Some(b'=') && !self.rest().starts_with(b"==") {
            self.at += 1;
            pending.extend(self.space(false)?.into_iter().map(|c| c.0));
            let value = self.value(Place::Body)?;
            let mut part = vec![key];
            put(value, &mut part);
            let comments = std::mem::take(pending).into_iter();
            items.extend(comments.map(|c| Item::Nodes(vec![c])));
            items.push(Item::Nodes(part));
            return self.end_of_line();
        }
        let names = self.labels(key, pending)?;
        let body = self.at;
        self.at += 1;
        self.deeper()?;
        let inside = self.body(true)?;
        self.depth -= 1;
        self.at += 1;
        let mut mapping = node(Kind::Mapping, Style::Block, Span::new(body, self.at));
        mapping.outer_start = Span::new(0, start).end;
        let mut nodes = vec![mapping];
        let (source, cooked) = (self.source, &self.cooked);
        let text = |node: &Node| match node.text() {
            Text::Source(span) => source[span.range()].to_vec(),
            Text::Cooked(span) => cooked[span.range()].to_vec(),
        };
        put_items(inside, &text, &mut nodes);
        close(&mut nodes, 0);
        items.push(Item::Block(Block {
            comments: std::mem::take(pending),
            names,
            body: nodes,
        }));
        self.end_of_line()
    }

    /// The type `first` and the labels of a block, up to its brace.
    fn labels(&mut self, first: Node, pending: &mut Nodes) -> Parsed<Vec<Node>> {
        let mut names = vec![first];
        loop {
            pending.extend(self.space(false)?.into_iter().map(|c| c.0));
            match self.peek() {
                Some(b'{') => return Ok(names),
                _ if names.len() > MOST_LABELS => {
                    return error(format!("more than {MOST_LABELS} labels"), self.at);
                }
                Some(b'"') => {
                    let start = self.at;
                    let Some((end, text)) = self.string()? else {
                        return error("a label that is no plain string", start);
                    };
                    self.at = end;
                    names.push(key(Span::new(start, end), text));
                }
                _ => match self.identifier() {
                    Some(name) => names.push(key(name, Text::Source(name))),
                    None => return error("expected `=`, a label or `{`", self.at),
                },
            }
        }
    }

    /// Behind an attribute or block nothing else stands on its line.
    fn end_of_line(&self) -> Parsed<()> {
        let rest = self.rest();
        let blanks = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'));
        let blanks = blanks.count();
        match rest.get(blanks) {
            None | Some(b'\n' | b'#' | b'/' | b'}') => Ok(()),
            Some(_) => error("expected the end of the line", self.at + blanks),
        }
    }

    fn identifier(&mut self) -> Option<Span> {
        let is_first = |b: &u8| b.is_ascii_alphabetic() || *b == b'_' || *b >= 0x80;
        let is_part = |b: &&u8| is_first(b) || b.is_ascii_digit() || **b == b'-';
        let rest = self.rest();
        if !rest.first().is_some_and(is_first) {
            return None;
        }
        let length = rest.iter().take_while(is_part).count();
        self.at += length;
        Some(Span::new(self.at - length, self.at))
    }

    /// Reads a value: a literal, else the source of an expression.
    fn value(&mut self, place: Place) -> Parsed<Nodes> {
        let start = self.at;
        if let Some(nodes) = self.literal()?
            && self.is_at_end(place)?
        {
            return Ok(nodes);
        }
        self.at = start;
        let end = self.skip(place)?;
        if end == start {
            return error("expected a value", start);
        }
        self.at = end;
        let span = Span::new(start, end);
        let raw = &self.source[span.range()];
        let inside = raw
            .strip_prefix(spell::OPENING)
            .and_then(|text| text.strip_suffix(spell::CLOSING));
        let text = match inside {
            Some(token) if token.starts_with(b"ENC[") && !token.contains(&b'"') => {
                let from = start + spell::OPENING.len();
                Span::new(from, from + token.len())
            }
            _ => span,
        };
        Ok(vec![scalar(
            span,
            EXPRESSION,
            Type::Str,
            Text::Source(text),
        )])
    }

    /// Whether nothing of the same expression follows.
    fn is_at_end(&mut self, place: Place) -> Parsed<bool> {
        let at = self.at;
        self.space(place == Place::List)?;
        let next = self.peek();
        self.at = at;
        Ok(match place {
            Place::List => matches!(next, Some(b',' | b']')),
            Place::Object => matches!(next, None | Some(b'\n' | b'}' | b',')),
            Place::Body => matches!(next, None | Some(b'\n' | b'}')),
        })
    }

    /// Reads a literal; `None` where there is none.
    fn literal(&mut self) -> Parsed<Option<Nodes>> {
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        match first {
            b'[' => return self.list(),
            b'{' => return self.object(),
            b'<' => return Ok(self.heredoc_literal()),
            b'"' => {
                let Some((end, text)) = self.string()? else {
                    return Ok(None);
                };
                self.at = end;
                let span = Span::new(start, end);
                return Ok(Some(vec![scalar(span, Style::Double, Type::Str, text)]));
            }
            _ => {}
        }
        if let Some((length, is_whole)) = spell::number(self.rest()) {
            let ty = if is_whole { Type::Int } else { Type::Float };
            let span = Span::new(start, start + length);
            let raw = &self.source[span.range()];
            let Some(read) = canonical(ty, raw) else {
                return Ok(None);
            };
            let text = if *read == *raw {
                Text::Source(span)
            } else {
                self.cook(&read)
            };
            self.at += length;
            return Ok(Some(vec![scalar(span, Style::Plain, ty, text)]));
        }
        let Some(word) = self.identifier() else {
            return Ok(None);
        };
        let (ty, meaning): (Type, &[u8]) = match &self.source[word.range()] {
            b"true" => (Type::Bool, b"True"),
            b"false" => (Type::Bool, b"False"),
            b"null" => (Type::Null, b""),
            _ => return Ok(None),
        };
        let text = self.cook(meaning);
        Ok(Some(vec![scalar(word, Style::Plain, ty, text)]))
    }

    fn cook(&mut self, text: &[u8]) -> Text {
        let start = self.cooked.len();
        append(&mut self.cooked, text);
        Text::Cooked(Span::new(start, self.cooked.len()))
    }

    /// The end and the meaning of the string here; `None` where it is a template.
    fn string(&mut self) -> Parsed<Option<(usize, Text)>> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let run = memchr::memchr3(
                b'"',
                b'\\',
                b'\n',
                &self.source[at.min(self.source.len())..],
            );
            let found = run.map(|run| at + run);
            match found.map(|found| (found, self.source[found])) {
                Some((end, b'"')) => {
                    let raw = &self.source[start..end];
                    let Some(meaning) = spell::unquote(raw) else {
                        return Ok(None);
                    };
                    let text = if *meaning == *raw {
                        Text::Source(Span::new(start, end))
                    } else {
                        self.cook(&meaning)
                    };
                    return Ok(Some((end + 1, text)));
                }
                Some((escape, b'\\')) => at = escape + 2,
                // A template may go on here; if not, that is said when it is passed over.
                _ => return Ok(None),
            }
        }
    }

    fn heredoc_literal(&mut self) -> Option<Nodes> {
        let start = self.at;
        let (lines, end) = heredoc(self.source, start)?;
        let is_indented = self.source[start + 2] == b'-';
        let raw = &self.source[lines.range()];
        let meaning = spell::unindented(raw, is_indented)?;
        let text = if *meaning == *raw {
            Text::Source(lines)
        } else {
            self.cook(&meaning)
        };
        let style = if is_indented {
            Style::Folded
        } else {
            Style::Literal
        };
        let mut found = scalar(Span::new(start, end), style, Type::Str, text);
        found.body_start = lines.start;
        self.at = end;
        Some(vec![found])
    }

    fn list(&mut self) -> Parsed<Option<Nodes>> {
        let start = self.at;
        self.at += 1;
        self.deeper()?;
        let mut nodes = vec![node(Kind::Sequence, Style::Flow, Span::default())];
        let mut last = None;
        loop {
            put_comments(self.space(true)?, &mut last, &mut nodes);
            match self.peek() {
                Some(b']') => break,
                Some(b',') if last.is_some_and(|(_, behind_comma)| !behind_comma) => {
                    self.at += 1;
                    last = last.map(|(id, _)| (id, true));
                    continue;
                }
                None => return error("a list without its `]`", start),
                _ if last.is_some_and(|(_, behind_comma)| !behind_comma) => {
                    return error("expected `,` or `]`", self.at);
                }
                _ if self.is_for() => {
                    self.depth -= 1;
                    return Ok(None);
                }
                _ => {}
            }
            let value = self.value(Place::List)?;
            last = Some(((value.len() == 1).then_some(nodes.len()), false));
            put(value, &mut nodes);
        }
        Ok(Some(self.closed(start, nodes)))
    }

    fn object(&mut self) -> Parsed<Option<Nodes>> {
        let start = self.at;
        self.at += 1;
        self.deeper()?;
        let mut nodes = vec![node(Kind::Mapping, Style::Flow, Span::default())];
        let mut last = None;
        loop {
            put_comments(self.space(true)?, &mut last, &mut nodes);
            match self.peek() {
                Some(b'}') => break,
                Some(b',') if last.is_some_and(|(_, behind_comma)| !behind_comma) => {
                    self.at += 1;
                    last = last.map(|(id, _)| (id, true));
                    continue;
                }
                None => return error("an object without its `}`", start),
                _ if self.is_for() => {
                    self.depth -= 1;
                    return Ok(None);
                }
                _ => {}
            }
            let Some((key, comments)) = self.object_key()? else {
                self.depth -= 1;
                return Ok(None);
            };
            let value = self.value(Place::Object)?;
            put_each(comments, &mut nodes);
            last = Some(((value.len() == 1).then_some(nodes.len()), false));
            put(vec![key], &mut nodes);
            put(value, &mut nodes);
        }
        Ok(Some(self.closed(start, nodes)))
    }

    /// A key up to its value, and the comments between; `None` where it is an expression.
    fn object_key(&mut self) -> Parsed<Option<(Node, Nodes)>> {
        let start = self.at;
        let found = if self.peek() == Some(b'"') {
            self.string()?
                .map(|(end, text)| (Span::new(start, end), text))
        } else {
            let number = spell::number(self.rest()).filter(|n| n.1);
            let number = number.map(|(length, _)| Span::new(start, start + length));
            let name = number.or_else(|| self.identifier());
            name.map(|span| (span, Text::Source(span)))
        };
        let Some((span, text)) = found else {
            return Ok(None);
        };
        self.at = span.end as usize;
        let mut comments: Nodes = self.space(false)?.into_iter().map(|c| c.0).collect();
        let rest = self.rest();
        let is_sign = rest.starts_with(b":") || rest.starts_with(b"=") && !rest.starts_with(b"==");
        if !is_sign {
            return Ok(None);
        }
        self.at += 1;
        comments.extend(self.space(true)?.into_iter().map(|c| c.0));
        Ok(Some((key(span, text), comments)))
    }

    /// A collection whose bracket is here.
    fn closed(&mut self, start: usize, mut nodes: Nodes) -> Nodes {
        self.at += 1;
        self.depth -= 1;
        nodes[0].span = Span::new(start, self.at);
        (nodes[0].body_start, nodes[0].outer_start) = (nodes[0].span.start, nodes[0].span.start);
        close(&mut nodes, 0);
        nodes
    }

    fn is_for(&self) -> bool {
        let rest = self.rest().strip_prefix(b"for");
        rest.is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'\t' | b'\r' | b'\n')))
    }

    /// The end of the expression here, of whatever kind it is.
    fn skip(&mut self, place: Place) -> Parsed<usize> {
        let start = self.at;
        let mut open: Vec<u8> = Vec::new();
        while let Some(byte) = self.peek() {
            if open.len() > MAX_DEPTH {
                return error(format!("more than {MAX_DEPTH} levels of nesting"), self.at);
            }
            if open.last() == Some(&b'"') {
                self.skip_in_string(byte, &mut open)?;
                continue;
            }
            let is_outermost = open.is_empty();
            let ends_line = place != Place::List && is_outermost;
            let rest = self.rest();
            match byte {
                b'\n' if ends_line => break,
                b',' if is_outermost => break,
                b'#' if ends_line => break,
                b'/' if ends_line && rest.starts_with(b"//") => break,
                b'"' => open.push(b'"'),
                b'(' => open.push(b')'),
                b'[' => open.push(b']'),
                b'{' => open.push(b'}'),
                b')' | b']' | b'}' if open.last() == Some(&byte) => drop(open.pop()),
                b')' | b']' | b'}' if is_outermost => break,
                b')' | b']' | b'}' => {
                    return error("a bracket that closes another one", self.at);
                }
                b'#' | b'/' if self.comment()?.is_some() => continue,
                b'<' => {
                    if let Some((_, end)) = heredoc(self.source, self.at) {
                        self.at = end;
                        continue;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        match open.last() {
            Some(b'"') => error("a string without its closing quote", self.at),
            Some(_) => error("an expression without its closing bracket", start),
            None => {
                let text = self.source[start..self.at].trim_ascii_end();
                Ok(start + text.len())
            }
        }
    }

    fn skip_in_string(&mut self, byte: u8, open: &mut Vec<u8>) -> Parsed<()> {
        let next = |at: usize| self.source.get(self.at + at).copied();
        match byte {
            b'\\' => self.at += 2.min(self.source.len() - self.at),
            b'"' => {
                open.pop();
                self.at += 1;
            }
            b'$' | b'%' if next(1) == Some(byte) && next(2) == Some(b'{') => self.at += 3,
            b'$' | b'%' if next(1) == Some(b'{') => {
                open.push(b'}');
                self.at += 2;
            }
            b'\n' => return error("a string without its closing quote", self.at),
            _ => self.at += 1,
        }
        Ok(())
    }
}

/// The lines of the heredoc that begins at `at`, and its end; `None` where there is none.
fn heredoc(source: &[u8], at: usize) -> Option<(Span, usize)> {
    let head = source[at..].strip_prefix(b"<<")?;
    let head = head.strip_prefix(b"-").unwrap_or(head);
    let line = memchr::memchr(b'\n', head)?;
    let marker = head[..line].strip_suffix(b"\r").unwrap_or(&head[..line]);
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-') || *b >= 0x80;
    if marker.is_empty() || !marker.iter().all(is_part) {
        return None;
    }
    let start = source.len() - head.len() + line + 1;
    let mut from = start;
    while from <= source.len() {
        let rest = &source[from..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        if rest[..length].trim_ascii() == marker {
            let end = from + rest[..length].trim_ascii_end().len();
            return Some((Span::new(start, from), end));
        }
        from += length + 1;
    }
    None
}

fn scalar(span: Span, style: Style, ty: Type, text: Text) -> Node {
    let mut node = node(Kind::Scalar, style, span);
    node.ty = ty;
    node.set_text(text);
    node
}

fn key(span: Span, text: Text) -> Node {
    let mut node = scalar(span, Style::Plain, Type::Str, text);
    node.is_key = true;
    node
}

/// The first node of the last member, where it is a leaf, and whether its comma was read.
type Last = Option<(Option<usize>, bool)>;

/// Puts comments into a collection: those on the line of a leaf before it.
fn put_comments(comments: Vec<(Node, bool)>, last: &mut Last, nodes: &mut Nodes) {
    for (mut comment, is_same_line) in comments {
        match last {
            Some((Some(leaf), _)) if is_same_line => {
                comment.inline = true;
                put(vec![comment], nodes);
                nodes[*leaf..].rotate_right(1);
                for (id, node) in nodes.iter_mut().enumerate().skip(*leaf) {
                    node.target = Span::new(0, id).end;
                    node.end = node.target + 1;
                }
                *leaf += 1;
            }
            _ => put(vec![comment], nodes),
        }
    }
}
