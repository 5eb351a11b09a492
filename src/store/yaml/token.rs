//! What the scanner makes of a text: tokens, and what the longest of them hold.

use super::cook::Chomp;
use crate::document::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A place where a key may begin; nothing, or [`Kind::Key`] once its `:` is found.
    Candidate,
    StreamStart,
    StreamEnd,
    /// `%YAML`, `%TAG` or another directive.
    Directive,
    DocumentStart,
    DocumentEnd,
    /// A block sequence begins.
    BlockSequence,
    /// A block mapping begins.
    BlockMapping,
    /// A block collection ends.
    BlockEnd,
    FlowSequence,
    FlowSequenceEnd,
    FlowMapping,
    FlowMappingEnd,
    /// `,`
    FlowEntry,
    /// `-`
    BlockEntry,
    /// `?`, or nothing before a key without.
    Key,
    /// `:`
    Value,
    Alias,
    Anchor,
    Tag,
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// For a scalar: its value is not in the source as it is.
    pub(super) cook: bool,
    /// For a key: the first of a block mapping, which begins here too.
    pub(super) opens: bool,
    /// Offset of its first byte. For [`Kind::BlockEnd`] only a mark for comments.
    pub(super) start: u32,
    /// Offset behind its last byte.
    pub(super) end: u32,
    /// Bytes between the start of the line and the token.
    pub(super) column: u32,
    /// For a block scalar its place in [`Scanner::blocks`].
    pub(super) block: u32,
}

impl Token {
    /// The token of a scalar.
    pub(super) fn scalar(kind: Kind, span: Span, column: usize, cook: bool) -> Self {
        Self {
            kind,
            cook,
            opens: false,
            start: span.start,
            end: span.end,
            column: column as u32,
            block: 0,
        }
    }

    /// A token without text, which says that a block collection begins or ends.
    pub(super) fn mark(kind: Kind, at: usize, column: usize) -> Self {
        Self::scalar(kind, Span::new(at, at), column, false)
    }

    /// Where it stands.
    pub(super) fn span(self) -> Span {
        Span {
            start: self.start,
            end: self.end,
        }
    }
}

/// What a block scalar's token does not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Its lines, blank lines behind the last one included.
    pub(super) lines: Span,
    /// Its lines as far as they make the value, without the last break.
    pub(super) body: Span,
    /// Columns that are not part of the value.
    pub(super) indent: u32,
    pub(super) chomp: Chomp,
}
