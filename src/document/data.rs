//! Plain data without a text: metadata, configuration, values to set, conversions.

use super::{Document, Kind, NodeId, Type};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A tree of values that has no source text.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// A scalar: its type and canonical text.
    Scalar(Type, Zeroizing<Vec<u8>>),
    /// Values in order.
    List(Vec<Data>),
    /// Entries in order. A comment among them has an empty key and [`Data::Comment`].
    Map(Vec<(Vec<u8>, Data)>),
    /// A comment: the text behind its sign, and whether it stands on its value's line.
    Comment(Zeroizing<Vec<u8>>, bool),
}

impl std::fmt::Debug for Data {
    /// Shows the shape only: the texts may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(ty, _) => write!(f, "{ty:?}"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f
                .debug_list()
                .entries(entries.iter().map(|e| &e.1))
                .finish(),
            Self::Comment(..) => write!(f, "Comment"),
        }
    }
}

impl Data {
    /// A string.
    #[must_use]
    pub fn str(text: impl AsRef<[u8]>) -> Self {
        Self::Scalar(Type::Str, Zeroizing::new(text.as_ref().to_vec()))
    }

    /// A whole number.
    #[must_use]
    pub fn int(number: i64) -> Self {
        Self::Scalar(Type::Int, Zeroizing::new(number.to_string().into_bytes()))
    }

    /// True or false.
    #[must_use]
    pub fn bool(truth: bool) -> Self {
        let text = if truth { "True" } else { "False" };
        Self::Scalar(Type::Bool, Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// Nothing.
    #[must_use]
    pub fn null() -> Self {
        Self::Scalar(Type::Null, Zeroizing::new(Vec::new()))
    }

    /// The value under `key` of a map; `None` where there is none, or this is no map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Data> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(k, v)| k == key.as_bytes() && !matches!(v, Self::Comment(..)))
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// The canonical text of a scalar as UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(_, text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

impl Document {
    /// The node `id` and all below it as data, aliases resolved.
    #[must_use]
    pub fn data(&self, id: NodeId) -> Data {
        let node = self.node(id);
        match node.kind {
            Kind::Scalar => Data::Scalar(node.ty, Zeroizing::new(self.value(id).text.to_vec())),
            Kind::Comment => {
                Data::Comment(Zeroizing::new(self.value(id).text.to_vec()), node.inline)
            }
            Kind::Alias => self.data(node.target),
            Kind::Sequence => Data::List(self.children(id).map(|c| self.data(c)).collect()),
            Kind::Mapping => Data::Map(self.entries_data(id)),
        }
    }

    fn entries_data(&self, id: NodeId) -> Vec<(Vec<u8>, Data)> {
        let mut entries = Vec::new();
        let mut key = Vec::new();
        let mut is_shadowed = false;
        for child in self.children(id) {
            let node = self.node(child);
            if node.kind == Kind::Comment {
                entries.push((Vec::new(), self.data(child)));
            } else if node.is_key {
                key = self.key_text(child).to_vec();
                is_shadowed = node.inline;
            } else if !is_shadowed {
                entries.push((std::mem::take(&mut key), self.data(child)));
            }
        }
        entries
    }

    /// The children of a collection: comments, keys and values in order, without their own children.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.node(id).end;
        let mut next = id + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = next;
                next = self.node(child).end;
                child
            })
        })
    }

    /// What names a key in messages and spellings: its text; behind `? ` where it is no string,
    /// because `1` and `"1"` are two keys; before `(shadowed)` where a later one takes its place.
    #[must_use]
    pub fn key_name(&self, id: NodeId) -> Cow<'_, [u8]> {
        let key = self.node(self.node(id).target);
        let text = self.key_text(id);
        if self.node(id).inline {
            return Cow::Owned([text, b" (shadowed)"].concat());
        }
        if key.kind == Kind::Scalar && key.ty == Type::Str {
            Cow::Borrowed(text)
        } else {
            Cow::Owned([b"? ", text].concat())
        }
    }

    /// What a key contributes to a path: the canonical text of a scalar, the source of
    /// anything else.
    #[must_use]
    pub fn key_text(&self, id: NodeId) -> &[u8] {
        let node = self.node(id);
        match node.kind {
            Kind::Scalar if node.ty == Type::Null && self.value(id).text.is_empty() => {
                self.slice(node.span)
            }
            Kind::Scalar => self.value(id).text,
            // What a collection holds may be encrypted; its alias stays.
            Kind::Alias if self.node(node.target).kind == Kind::Scalar => {
                self.key_text(node.target)
            }
            _ => self.slice(node.span),
        }
    }
}
