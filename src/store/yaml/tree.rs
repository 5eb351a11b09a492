//! The nodes of a document in the making: what they say, what names them, which are refused.

use super::cook;
use super::names::handle_len;
use super::resolve::{by_look, resolve};
use super::text::{Result, error};
use super::token::{Block, Kind as Token, Token as Piece};
use crate::document::{BeyondSops, Kind, Node, NodeId, Span, Style, Text, Type};
use crate::store::ParseError;
use std::borrow::Cow;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// What stands before a node: its tag and its anchor.
#[derive(Clone, Copy, Default)]
pub(super) struct Properties {
    pub(super) tag: Span,
    /// Without its `&`.
    pub(super) anchor: Span,
    /// Both, in whatever order; empty without any.
    pub(super) span: Span,
}

/// Where a node stands in the tree.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) is_key: bool,
    pub(super) in_flow: bool,
    pub(super) indent: u32,
}

/// The prefix that yaml.org's own tags begin with.
const YAML_PREFIX: &[u8] = b"tag:yaml.org,2002:";

/// How much of a key an error names, in characters.
const KEY_SHOWN: usize = 40;

/// Up to how many keys each is compared to each.
const FEW_KEYS: usize = 12;

/// The nodes of a text, in the order of the source and without comments.
pub(super) struct Tree<'s> {
    source: &'s [u8],
    pub(super) nodes: Vec<Node>,
    pub(super) cooked: Zeroizing<Vec<u8>>,
    pub(super) beyond_sops: Option<(BeyondSops, NodeId)>,
    anchors: HashMap<&'s [u8], NodeId>,
    /// The handles of `%TAG` directives and what they stand for.
    handles: HashMap<&'s [u8], Span>,
    has_aliases: bool,
}

impl<'s> Tree<'s> {
    /// No nodes yet.
    pub(super) fn new(source: &'s [u8]) -> Self {
        Self {
            source,
            nodes: Vec::with_capacity(source.len() / 16),
            cooked: Zeroizing::default(),
            beyond_sops: None,
            anchors: HashMap::new(),
            handles: HashMap::new(),
            has_aliases: false,
        }
    }

    /// The number that the next node will have.
    pub(super) fn next(&self) -> NodeId {
        self.nodes.len() as NodeId
    }

    /// Forgets what holds for one document only.
    pub(super) fn end_document(&mut self) {
        self.anchors.clear();
        self.handles.clear();
    }

    /// Takes a `%TAG` directive.
    pub(super) fn add_handle(&mut self, handle: Span, prefix: Span) -> Result<()> {
        let name = &self.source[handle.range()];
        if self.handles.insert(name, prefix).is_some() {
            return error(handle.start as usize, "found duplicate %TAG directive");
        }
        Ok(())
    }

    /// Notes what sops has no room for, the first time.
    pub(super) fn beyond(&mut self, what: BeyondSops, id: NodeId) {
        self.beyond_sops.get_or_insert((what, id));
    }

    #[inline(always)]
    fn push(
        &mut self,
        kind: Kind,
        style: Style,
        span: Span,
        own: Properties,
        place: Place,
    ) -> NodeId {
        let id = self.next();
        let outer_start = if own.span.is_empty() {
            span.start
        } else {
            own.span.start
        };
        self.nodes.push(Node {
            kind,
            style,
            ty: Type::Null,
            is_key: place.is_key,
            in_flow: place.in_flow,
            inline: false,
            span,
            is_cooked: false,
            body_start: span.start,
            outer_start,
            tag: own.tag,
            text_span: Span {
                start: span.start,
                end: span.start,
            },
            indent: place.indent,
            end: id + 1,
            target: id,
        });
        if !own.anchor.is_empty() {
            self.anchors.insert(&self.source[own.anchor.range()], id);
        }
        id
    }

    /// A value that is not there, at `at`.
    pub(super) fn empty(&mut self, at: u32, own: Properties, place: Place) -> Result<NodeId> {
        let span = Span { start: at, end: at };
        let id = self.push(Kind::Scalar, Style::Plain, span, own, place);
        self.resolve(id, Text::Source(span), false)?;
        Ok(id)
    }

    /// The scalar that `token` is; `block` is its rest if it is a block scalar.
    pub(super) fn scalar(
        &mut self,
        token: Piece,
        block: Option<Block>,
        own: Properties,
        place: Place,
    ) -> Result<NodeId> {
        let span = token.span();
        let style = match token.kind {
            Token::Single => Style::Single,
            Token::Double => Style::Double,
            Token::Literal => Style::Literal,
            Token::Folded => Style::Folded,
            _ => Style::Plain,
        };
        let id = self.push(Kind::Scalar, style, span, own, place);
        let quotes = u32::from(matches!(style, Style::Single | Style::Double));
        let inner = Span {
            start: span.start + quotes,
            end: span.end - quotes,
        };
        let text = if token.cook {
            self.cook(style, inner, block)?
        } else {
            Text::Source(inner)
        };
        if let Some(block) = block {
            let node = &mut self.nodes[id as usize];
            node.body_start = block.body.start;
            node.indent = block.indent;
        }
        if style == Style::Plain || !own.tag.is_empty() {
            self.resolve(id, text, style != Style::Plain)?;
        } else {
            let node = &mut self.nodes[id as usize];
            node.ty = Type::Str;
            node.set_text(text);
        }
        Ok(id)
    }

    /// A scalar on one line without properties, whose text stands in the source as it is; with its
    /// type.
    #[inline]
    pub(super) fn leaf(
        &mut self,
        style: Style,
        span: Span,
        place: Place,
    ) -> Result<(NodeId, Type)> {
        let id = self.push(Kind::Scalar, style, span, Properties::default(), place);
        let quotes = u32::from(style != Style::Plain);
        let text = Span {
            start: span.start + quotes,
            end: span.end - quotes,
        };
        let ty = match style {
            Style::Plain => by_look(&self.source[text.range()]),
            _ => Some(Type::Str),
        };
        let node = &mut self.nodes[id as usize];
        node.text_span = text;
        if let Some(ty) = ty {
            node.ty = ty;
            return Ok((id, ty));
        }
        self.resolve(id, Text::Source(text), false)?;
        Ok((id, self.nodes[id as usize].ty))
    }

    /// Writes to `cooked` what `inner` means.
    fn cook(&mut self, style: Style, inner: Span, block: Option<Block>) -> Result<Text> {
        let from = self.cooked.len();
        let text = &self.source[inner.range()];
        // An escape of two bytes may stand for three.
        self.reserve(text.len() * 3 / 2);
        let out = &mut *self.cooked;
        match (style, block) {
            (Style::Plain, _) => cook::plain(text, out),
            (Style::Single, _) => cook::single(text, out),
            (Style::Double, _) => cook::double(text, inner.start as usize, out)?,
            (_, Some(block)) => {
                let lines = &self.source[block.lines.range()];
                let folded = style == Style::Folded;
                cook::block(lines, block.indent as usize, folded, block.chomp, out);
            }
            _ => {}
        }
        Ok(Text::Cooked(Span::new(from, self.cooked.len())))
    }

    /// Makes room in `cooked`, and wipes what was there if it has to move.
    fn reserve(&mut self, len: usize) {
        let needed = self.cooked.len() + len;
        if needed > self.cooked.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.cooked);
            self.cooked = larger;
        }
    }

    /// Gives the scalar `id`, spelled `text`, its type and canonical text.
    fn resolve(&mut self, id: NodeId, text: Text, quoted: bool) -> Result<()> {
        let node = &self.nodes[id as usize];
        let (span, written) = (node.span, node.tag);
        let tag = if written.is_empty() {
            Cow::Borrowed(&[][..])
        } else {
            self.tag(written)?
        };
        let cooked;
        let spelled = match text {
            Text::Source(span) => &self.source[span.range()],
            Text::Cooked(span) => {
                cooked = Zeroizing::new(self.cooked[span.range()].to_vec());
                cooked.as_slice()
            }
        };
        let resolved = match resolve(spelled, &tag, quoted) {
            Ok(resolved) => resolved,
            Err(problem) => return error(span.start as usize, problem),
        };
        let (ty, beyond_sops) = (resolved.ty, resolved.beyond_sops);
        let text = match resolved.text {
            Cow::Borrowed(same) if std::ptr::eq(same, spelled) => text,
            Cow::Borrowed(word) => self.push_cooked(word),
            Cow::Owned(canonical) => self.push_cooked(&Zeroizing::new(canonical)),
        };
        let node = &mut self.nodes[id as usize];
        node.ty = ty;
        node.set_text(text);
        if beyond_sops {
            self.beyond(BeyondSops::Number, id);
        }
        Ok(())
    }

    /// Takes over canonical texts of another tree. Where they begin.
    pub(super) fn take_cooked(&mut self, cooked: &[u8]) -> u32 {
        self.reserve(cooked.len());
        let from = self.cooked.len() as u32;
        self.cooked.extend_from_slice(cooked);
        from
    }

    #[inline]
    fn push_cooked(&mut self, text: &[u8]) -> Text {
        self.reserve(text.len());
        let from = self.cooked.len();
        self.cooked.extend_from_slice(text);
        Text::Cooked(Span::new(from, self.cooked.len()))
    }

    /// The tag at `span` in its short form, `!!str` or `!own`, handles resolved; empty without one.
    fn tag(&self, span: Span) -> Result<Cow<'s, [u8]>> {
        let written = &self.source[span.range()];
        if written.len() < 2 {
            return Ok(Cow::Borrowed(written));
        }
        if let Some(uri) = written.strip_prefix(b"!<") {
            let uri = uri.strip_suffix(b">").unwrap_or(uri);
            return Ok(short(Cow::Borrowed(uri)));
        }
        let (handle, suffix) = written.split_at(handle_len(written));
        match (self.handles.get(handle), handle) {
            (None, b"!" | b"!!") => Ok(unescaped(Cow::Borrowed(written))),
            (None, _) => error(span.start as usize, "found undefined tag handle"),
            (Some(prefix), _) => {
                let uri = [&self.source[prefix.range()], suffix].concat();
                Ok(short(unescaped(Cow::Owned(uri))))
            }
        }
    }

    /// The alias that `token` is.
    pub(super) fn alias(&mut self, token: Piece, place: Place) -> Result<NodeId> {
        let name = &self.source[token.start as usize + 1..token.end as usize];
        let Some(&target) = self.anchors.get(name) else {
            return error(
                token.start as usize,
                "found an alias whose anchor is not defined before it",
            );
        };
        if self.nodes[target as usize].end == NodeId::MAX {
            return error(token.start as usize, "found an alias that refers to itself");
        }
        let none = Properties::default();
        let id = self.push(Kind::Alias, Style::Plain, token.span(), none, place);
        self.nodes[id as usize].target = target;
        self.has_aliases = true;
        Ok(id)
    }

    /// Begins a collection at `start`.
    pub(super) fn open(
        &mut self,
        kind: Kind,
        style: Style,
        start: u32,
        own: Properties,
        place: Place,
    ) -> Result<NodeId> {
        if !own.tag.is_empty() {
            self.tag(own.tag)?;
        }
        let span = Span { start, end: start };
        let id = self.push(kind, style, span, own, place);
        self.nodes[id as usize].end = NodeId::MAX;
        Ok(id)
    }

    /// Ends the collection `id` at `end`.
    pub(super) fn close(&mut self, id: NodeId, end: u32) {
        let next = self.next();
        let node = &mut self.nodes[id as usize];
        node.end = next;
        node.span.end = end;
    }

    /// The node that `id` stands for: itself, or what it is an alias of.
    pub(super) fn meant(&self, id: NodeId) -> &Node {
        &self.nodes[self.nodes[id as usize].target as usize]
    }

    /// The canonical text of a scalar.
    pub(super) fn text(&self, node: &Node) -> &[u8] {
        match node.text() {
            Text::Source(span) => &self.source[span.range()],
            Text::Cooked(span) => &self.cooked[span.range()],
        }
    }

    /// The keys of a mapping.
    pub(super) fn keys(&self, mapping: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.nodes[mapping as usize].end;
        let mut next = mapping + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let key = next;
                let value = self.nodes[key as usize].end;
                next = self.nodes[value as usize].end;
                key
            })
        })
    }

    /// Refuses a mapping in which a key stands twice.
    ///
    /// # Errors
    /// Names the key, at its second place.
    pub(super) fn check_keys(&self, mapping: NodeId) -> Result<()> {
        const NONE: (&[u8], bool) = (&[], false);
        let (mut few, mut count) = ([NONE; FEW_KEYS], 0);
        for key in self.keys(mapping) {
            let meant = self.meant(key);
            if meant.kind != Kind::Scalar {
                continue;
            }
            if count == FEW_KEYS {
                return self.check_many_keys(mapping);
            }
            let key_is = (self.text(meant), meant.ty == Type::Str);
            if few[..count].contains(&key_is) {
                return Err(self.duplicate(key));
            }
            few[count] = key_is;
            count += 1;
        }
        Ok(())
    }

    /// As [`Tree::check_keys`], by a table of digests.
    fn check_many_keys(&self, mapping: NodeId) -> Result<()> {
        const EMPTY: (u64, NodeId) = (0, NodeId::MAX);
        let count = self.keys(mapping).count();
        let mut table = vec![EMPTY; (2 * count).next_power_of_two()];
        // Who writes a text can choose keys that meet in the table.
        let mut patience = 4 * count;
        for key in self.keys(mapping) {
            let meant = self.meant(key);
            if meant.kind != Kind::Scalar {
                continue;
            }
            let digest = digest(self.text(meant));
            let mut at = digest as usize % table.len();
            while table[at].1 != NodeId::MAX {
                if table[at].0 == digest && self.same_key(table[at].1, key) {
                    return Err(self.duplicate(key));
                }
                if patience == 0 {
                    return self.check_ordered_keys(mapping);
                }
                patience -= 1;
                at = (at + 1) % table.len();
            }
            table[at] = (digest, key);
        }
        Ok(())
    }

    /// As [`Tree::check_keys`], in the same time whatever the keys are.
    fn check_ordered_keys(&self, mapping: NodeId) -> Result<()> {
        let keys = self
            .keys(mapping)
            .filter(|key| self.meant(*key).kind == Kind::Scalar);
        let mut keys: Vec<NodeId> = keys.collect();
        let key_is = |key: NodeId| {
            let meant = self.meant(key);
            (self.text(meant), meant.ty == Type::Str, key)
        };
        keys.sort_unstable_by(|one, other| key_is(*one).cmp(&key_is(*other)));
        let twice = keys.windows(2).filter(|two| self.same_key(two[0], two[1]));
        match twice.map(|two| two[1]).min() {
            Some(key) => Err(self.duplicate(key)),
            None => Ok(()),
        }
    }

    fn same_key(&self, one: NodeId, other: NodeId) -> bool {
        let (one, other) = (self.meant(one), self.meant(other));
        self.text(one) == self.text(other) && (one.ty == Type::Str) == (other.ty == Type::Str)
    }

    /// The error that `key` stands in its mapping for the second time.
    #[cold]
    #[allow(
        clippy::unnecessary_box_returns,
        reason = "boxed like every error of the scanner"
    )]
    pub(super) fn duplicate(&self, key: NodeId) -> Box<ParseError> {
        let text = String::from_utf8_lossy(self.text(self.meant(key)));
        let shown: String = text.chars().take(KEY_SHOWN).collect();
        Box::new(ParseError {
            problem: format!("found the key {shown:?} twice in one mapping"),
            offset: self.nodes[key as usize].span.start as usize,
            hint: Some("rename or remove one of them"),
            excerpt: crate::store::Excerpt::default(),
        })
    }

    /// Refuses a text whose aliases, written out, would make it many times as large.
    ///
    /// # Errors
    /// At the alias that is one too many.
    pub(super) fn check_aliases(&self) -> Result<()> {
        if !self.has_aliases {
            return Ok(());
        }
        let allowed = (self.nodes.len() as u64 * 100).max(1_000_000);
        // sums[n] is how many nodes the first n are, written out.
        let mut sums = Vec::with_capacity(self.nodes.len() + 1);
        let mut sum = 0u64;
        for node in &self.nodes {
            sums.push(sum);
            sum += 1;
            if node.kind == Kind::Alias {
                let target = &self.nodes[node.target as usize];
                sum += sums[target.end as usize] - sums[node.target as usize];
            }
            if sum > allowed {
                let problem = "the aliases of this text stand for too many nodes";
                return error(node.span.start as usize, problem);
            }
        }
        Ok(())
    }
}

/// A number that is the same for the same texts, and seldom for others.
fn digest(text: &[u8]) -> u64 {
    // An odd number of which half the bits are set.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let (eights, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mix = |sum: u64, eight: &[u8; 8]| {
        (sum ^ u64::from_le_bytes(*eight))
            .wrapping_mul(FACTOR)
            .rotate_left(29)
    };
    mix(eights.iter().fold(text.len() as u64, mix), &last)
}

/// `!!str` for `tag:yaml.org,2002:str`, anything else as it is.
fn short(uri: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match uri.strip_prefix(YAML_PREFIX) {
        Some(name) => Cow::Owned([b"!!", name].concat()),
        None => uri,
    }
}

/// Decodes `%41`; what is no escape stays, the scanner has refused it.
fn unescaped(uri: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if !uri.contains(&b'%') {
        return uri;
    }
    let mut out = Vec::with_capacity(uri.len());
    let mut at = 0;
    while let Some(&byte) = uri.get(at) {
        let digits = uri
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let octet = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet {
            Some(octet) if byte == b'%' => {
                out.push(octet);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}
