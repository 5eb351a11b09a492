//! A document is a source text and the places of its nodes in it.
//!
//! It knows no file format and no key: a store parses text into it, and every
//! verb changes text by splicing into it. What is not spliced cannot change.

mod data;
mod draft;
mod float;
mod path;
pub mod scalar;
pub(crate) mod secret;
pub mod share;
mod splice;
pub mod time;
mod walk;

pub use data::Data;
pub use draft::Draft;
pub use path::{Path, PathError, Step};
pub use scalar::canonical;
pub use splice::{Splice, drop_contained, splice, unwiped};
pub use walk::{Leaf, LeafKind, Leaves, Marking, NoMarking, Way, same_leaves};

use zeroize::Zeroizing;

/// The place of a node in [`Document::nodes`].
pub type NodeId = u32;

/// A range of bytes of the source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`, both offsets in bytes.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        // A store refuses texts of 4 GiB and more before it makes a span.
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// True where nothing lies between start and end.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The span as a range of `usize`, for slicing.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keys and values, in order.
    Mapping,
    /// Values in order.
    Sequence,
    /// A leaf with a value.
    Scalar,
    /// Another node, named by its anchor; see [`Node::target`].
    Alias,
    /// A comment; its value is the text behind the comment sign.
    Comment,
}

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// A scalar in single quotes.
    Single,
    /// A scalar in double quotes.
    Double,
    /// A block scalar that keeps its line ends, `|`.
    Literal,
    /// A block scalar whose lines are folded, `>`.
    Folded,
    /// A collection by indentation.
    Block,
    /// A collection in brackets.
    Flow,
}

/// The type of a scalar, as the file format of sops knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Nothing; never encrypted and never hashed.
    Null,
    /// Text, or bytes that are no text.
    Str,
    /// A whole number.
    Int,
    /// A floating point number.
    Float,
    /// True or false.
    Bool,
    /// A point in time.
    Time,
}

/// The type of a scalar and its canonical text: the bytes that sops encrypts
/// and hashes (`7` for `007`, `True` for `true`, `1000` for `1e3`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The type.
    pub ty: Type,
    /// The canonical text; for a string its bytes.
    pub text: &'a [u8],
}

impl std::fmt::Debug for Value<'_> {
    /// Shows the type only: the text may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?})", self.ty)
    }
}

/// Where the canonical text of a scalar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// In the source, as it is.
    Source(Span),
    /// In [`Document::cooked`], because the source spells it in another way.
    Cooked(Span),
}

/// A node: a collection, a leaf, an alias or a comment. There are many, so it is kept small.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// How it is written.
    pub style: Style,
    /// The type of a scalar; [`Type::Null`] for everything else.
    pub ty: Type,
    /// True for the key of a mapping's entry (and the nodes inside such a key).
    pub is_key: bool,
    /// True inside a flow collection, where a line end does not end a value.
    pub in_flow: bool,
    /// True for a comment on the line of its value; and for a key that a later one of the same
    /// name shadows, where the format takes the last.
    pub inline: bool,
    /// True where `text_span` is one of [`Document::cooked`].
    pub is_cooked: bool,
    /// The whole node without tag and anchor: quotes, brackets, block header included;
    /// a comment from its sign to the end of its text, without the line end.
    pub span: Span,
    /// Where [`Node::body`] starts.
    pub body_start: u32,
    /// Where [`Node::outer`] starts.
    pub outer_start: u32,
    /// The tag as written (`!!str`, `!Ref`); empty without one.
    pub tag: Span,
    /// Where [`Node::text`] stands.
    pub text_span: Span,
    /// For a block scalar the columns its lines are indented by; for a block collection
    /// the column of its entries; for everything else the indentation of the parent.
    pub indent: u32,
    /// The node behind the last one inside this node.
    pub end: NodeId,
    /// For an alias the node it names, else the node itself.
    pub target: NodeId,
}

impl Node {
    /// What a token replaces: for a block scalar its lines without the header, else `span`.
    #[must_use]
    pub fn body(&self) -> Span {
        Span {
            start: self.body_start,
            end: self.span.end,
        }
    }

    /// `span`, begun at the first of tag and anchor.
    #[must_use]
    pub fn outer(&self) -> Span {
        Span {
            start: self.outer_start,
            end: self.span.end,
        }
    }

    /// The canonical text of a scalar or comment.
    #[must_use]
    pub fn text(&self) -> Text {
        if self.is_cooked {
            Text::Cooked(self.text_span)
        } else {
            Text::Source(self.text_span)
        }
    }

    /// Says where the canonical text stands.
    pub fn set_text(&mut self, text: Text) {
        (self.is_cooked, self.text_span) = match text {
            Text::Source(span) => (false, span),
            Text::Cooked(span) => (true, span),
        };
    }
}

/// One tree of a file: YAML has one for every document in the stream, every other format one.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// The first node; `nodes[root]` is a comment where comments stand before an empty root.
    pub first: NodeId,
    /// The node behind the last.
    pub end: NodeId,
    /// The root value; `None` for an empty branch (comments at the most).
    pub root: Option<NodeId>,
    /// Where in the text the branch's content lies; what is appended to it goes to the end.
    pub span: Span,
    /// The entry that holds the metadata of an encrypted file: its key's node.
    pub metadata: Option<NodeId>,
}

/// Why stock sops could not read this document once it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondSops {
    /// A list or a scalar at the root.
    Root,
    /// A key that is not a string.
    Key,
    /// A number outside of sops's range.
    Number,
    /// A byte order mark, where sops reads none.
    Mark,
    /// What the format's strict form, which sops reads, does not have: a comment in JSON.
    Dialect,
}

/// A parsed text.
pub struct Document {
    /// The source text, every byte of it.
    pub source: Zeroizing<Vec<u8>>,
    /// Canonical texts that the source spells in another way.
    pub cooked: Zeroizing<Vec<u8>>,
    /// All nodes, parents before children, in the order in which sops walks them.
    /// An entry of a mapping is its comments, its key, its value.
    pub nodes: Vec<Node>,
    /// The trees of the file.
    pub branches: Vec<Branch>,
    /// Columns a level of indentation, as the text has them; what sops would use where it has none.
    pub indent_step: u32,
    /// The first thing found that stock sops has no room for, and where.
    pub beyond_sops: Option<(BeyondSops, NodeId)>,
}

impl Document {
    /// The node at `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The bytes of the source in `span`.
    #[must_use]
    pub fn slice(&self, span: Span) -> &[u8] {
        &self.source[span.range()]
    }

    /// The type and canonical text of a scalar, or the text of a comment (as a string).
    #[must_use]
    pub fn value(&self, id: NodeId) -> Value<'_> {
        let node = self.node(id);
        let ty = match node.kind {
            Kind::Comment => Type::Str,
            _ => node.ty,
        };
        Value {
            ty,
            text: self.text(node),
        }
    }

    fn text(&self, node: &Node) -> &[u8] {
        match node.text() {
            Text::Source(span) => &self.source[span.range()],
            Text::Cooked(span) => &self.cooked[span.range()],
        }
    }

    /// Whether there are comments, and whether there are aliases.
    #[must_use]
    pub fn has_comments_and_aliases(&self) -> (bool, bool) {
        // Without a branch, the loop is done many nodes at a time.
        self.nodes
            .iter()
            .fold((false, false), |(comments, aliases), node| {
                let is = |kind| node.kind == kind;
                (comments | is(Kind::Comment), aliases | is(Kind::Alias))
            })
    }

    /// True where the file carries a metadata block.
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        self.branches.iter().any(|b| b.metadata.is_some())
    }
}
