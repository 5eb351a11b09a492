//! The tree that the lines of a text add up to, while they are read: what a key or header may
//! still define, where comments belong, and at the end the nodes in the order of the tree.

use super::words::{Result, Scalar, Scanner, Word, error};
use crate::document::{Kind, Node, NodeId, Span, Style, Text, Type};
use crate::store::MAX_DEPTH;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The place of an entry in the tree that grows.
pub(super) type Id = u32;

/// The root table.
pub(super) const ROOT: Id = 0;

const NONE: Id = Id::MAX;

/// How a value came to be, which says what may still be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A scalar, a list or an inline table: nothing.
    Value,
    /// On the way of a header: a header of its own, headers and dotted keys below it.
    Way,
    /// On the way of a dotted key: dotted keys beside it, headers below it.
    Dotted,
    /// Has its header: headers below it.
    Header,
    /// The list of what has `[[headers]]`: more items.
    Tables,
}

/// Comments one behind the other, as places in `Tables::comments`.
#[derive(Clone, Copy)]
struct Chain {
    first: Id,
    last: Id,
}

const EMPTY: Chain = Chain {
    first: NONE,
    last: NONE,
};

struct Comment {
    span: Span,
    inline: bool,
    next: Id,
}

/// A value with its key, comments and place.
struct Entry {
    kind: Kind,
    origin: Origin,
    scalar: Scalar,
    key: Option<Word>,
    depth: u32,
    parent: Id,
    first: Id,
    last: Id,
    next: Id,
    /// The next entry whose key has the same hash.
    alike: Id,
    /// Before the entry, or on its line.
    comments: Chain,
    /// Behind the last entry inside.
    trailing: Chain,
}

/// The tree.
pub(super) struct Tables {
    entries: Vec<Entry>,
    comments: Vec<Comment>,
    /// The last entry for the hash of a table and a key.
    keys: HashMap<u64, Id>,
    /// Has a key of its own, so that nobody can write many keys of one hash.
    hasher: RandomState,
}

impl Tables {
    /// Nothing but a root.
    pub(super) fn new(source: &[u8]) -> Self {
        let mut tables = Self {
            entries: Vec::new(),
            comments: Vec::new(),
            keys: HashMap::new(),
            hasher: RandomState::new(),
        };
        let root = collection(Kind::Mapping, Origin::Header, Span::new(0, source.len()));
        tables.entries.push(root);
        tables
    }

    fn entry(&mut self, id: Id) -> &mut Entry {
        &mut self.entries[id as usize]
    }

    /// The table that `[keys]` defines, or the new item of the list that `[[keys]]` adds to.
    ///
    /// # Errors
    /// Where something that is no such table has the name.
    pub(super) fn header(
        &mut self,
        words: &Scanner<'_>,
        keys: &[Word],
        is_item: bool,
        span: Span,
    ) -> Result<Id> {
        let Some((last, way)) = keys.split_last() else {
            return Ok(ROOT);
        };
        let mut table = ROOT;
        for key in way {
            table = self.on_the_way(words, table, key)?;
        }
        let found = self.child(words, table, last);
        let origin = found.map(|id| self.entries[id as usize].origin);
        match (found, origin, is_item) {
            (None, _, false) => {
                let table_of_own = collection(Kind::Mapping, Origin::Header, span);
                self.add(words, table, Some(*last), table_of_own)
            }
            (None, _, true) => {
                let list = collection(Kind::Sequence, Origin::Tables, span);
                let list = self.add(words, table, Some(*last), list)?;
                self.add(
                    words,
                    list,
                    None,
                    collection(Kind::Mapping, Origin::Header, span),
                )
            }
            (Some(id), Some(Origin::Way), false) => {
                let entry = self.entry(id);
                (entry.origin, entry.scalar.span) = (Origin::Header, span);
                Ok(id)
            }
            (Some(list), Some(Origin::Tables), true) => self.add(
                words,
                list,
                None,
                collection(Kind::Mapping, Origin::Header, span),
            ),
            (Some(id), ..) => self.twice(words, id, last),
        }
    }

    /// The table below `table` that a header passes through; the last one of a list of tables.
    fn on_the_way(&mut self, words: &Scanner<'_>, table: Id, key: &Word) -> Result<Id> {
        let Some(id) = self.child(words, table, key) else {
            let table_of_own = collection(Kind::Mapping, Origin::Way, key.span);
            return self.add(words, table, Some(*key), table_of_own);
        };
        match self.entries[id as usize].origin {
            Origin::Value => self.twice(words, id, key),
            Origin::Tables => Ok(self.entries[id as usize].last),
            _ => Ok(id),
        }
    }

    /// A new entry under dotted `keys` in `table`, which yet has no value.
    ///
    /// # Errors
    /// Where the key, or a part of it, has a value already.
    pub(super) fn define(
        &mut self,
        words: &Scanner<'_>,
        mut table: Id,
        keys: &[Word],
    ) -> Result<Id> {
        let Some((last, way)) = keys.split_last() else {
            return error(words.at, "expected a key", None);
        };
        for key in way {
            table = match self.child(words, table, key) {
                None => {
                    let dotted = collection(Kind::Mapping, Origin::Dotted, key.span);
                    self.add(words, table, Some(*key), dotted)?
                }
                Some(id) => match self.entries[id as usize].origin {
                    Origin::Dotted => id,
                    Origin::Way => {
                        self.entry(id).origin = Origin::Dotted;
                        id
                    }
                    _ => return self.twice(words, id, key),
                },
            };
        }
        if let Some(id) = self.child(words, table, last) {
            return self.twice(words, id, last);
        }
        self.add(words, table, Some(*last), value(last.span))
    }

    /// A new item of a list in brackets, which yet has no value.
    ///
    /// # Errors
    /// Where it is nested too deep.
    pub(super) fn item(&mut self, words: &Scanner<'_>, list: Id) -> Result<Id> {
        self.add(words, list, None, value(Span::new(words.at, words.at)))
    }

    /// Says that an entry is a scalar.
    pub(super) fn set_scalar(&mut self, id: Id, scalar: Scalar) {
        self.entry(id).scalar = scalar;
    }

    /// Says that an entry is a collection in brackets, which opens at `start`.
    pub(super) fn open(&mut self, id: Id, kind: Kind, start: usize) {
        let entry = self.entry(id);
        entry.kind = kind;
        entry.scalar.style = Style::Flow;
        entry.scalar.ty = Type::Null;
        entry.scalar.span = Span::new(start, start);
    }

    /// Says where a collection in brackets ends.
    pub(super) fn close(&mut self, id: Id, end: usize) {
        let span = &mut self.entry(id).scalar.span;
        span.end = Span::new(0, end).end;
    }

    /// A comment before an entry, or on its line.
    pub(super) fn comment(&mut self, id: Id, span: Span, inline: bool) {
        let chain = self.entries[id as usize].comments;
        let chain = self.chain(chain, span, inline);
        self.entry(id).comments = chain;
    }

    /// A comment behind the last entry of a collection.
    pub(super) fn trailing(&mut self, id: Id, span: Span) {
        let chain = self.entries[id as usize].trailing;
        let chain = self.chain(chain, span, false);
        self.entry(id).trailing = chain;
    }

    fn chain(&mut self, chain: Chain, span: Span, inline: bool) -> Chain {
        // No more comments than bytes.
        let id = Span::new(0, self.comments.len()).end;
        self.comments.push(Comment {
            span,
            inline,
            next: NONE,
        });
        if let Some(last) = self.comments.get_mut(chain.last as usize) {
            last.next = id;
        }
        let first = if chain.first == NONE { id } else { chain.first };
        Chain { first, last: id }
    }

    fn hash(&self, words: &Scanner<'_>, table: Id, key: &Word) -> u64 {
        self.hasher.hash_one((table, words.text(key.text)))
    }

    /// The entry of `table` under `key`.
    fn child(&self, words: &Scanner<'_>, table: Id, key: &Word) -> Option<Id> {
        let mut id = *self.keys.get(&self.hash(words, table, key))?;
        while let Some(entry) = self.entries.get(id as usize) {
            let is_same = |word: &Word| words.text(word.text) == words.text(key.text);
            if entry.parent == table && entry.key.as_ref().is_some_and(is_same) {
                return Some(id);
            }
            id = entry.alike;
        }
        None
    }

    fn add(
        &mut self,
        words: &Scanner<'_>,
        parent: Id,
        key: Option<Word>,
        mut entry: Entry,
    ) -> Result<Id> {
        // No more entries than bytes, but for the item of a header.
        let id = Span::new(0, self.entries.len()).end;
        if id >= NONE / 2 {
            return error(words.at, "too many values", None);
        }
        let above = self.entry(parent);
        (entry.parent, entry.key, entry.depth) = (parent, key, above.depth + 1);
        if entry.depth as usize > MAX_DEPTH {
            let problem = format!("nested deeper than {MAX_DEPTH} levels");
            return error(words.at, problem, None);
        }
        let before = std::mem::replace(&mut above.last, id);
        match before {
            NONE => above.first = id,
            before => self.entry(before).next = id,
        }
        if let Some(key) = key {
            let hash = self.hash(words, parent, &key);
            entry.alike = self.keys.insert(hash, id).unwrap_or(NONE);
        }
        self.entries.push(entry);
        Ok(id)
    }

    /// The error of a name that cannot be given to what now wants it.
    #[cold]
    fn twice<T>(&self, words: &Scanner<'_>, first: Id, key: &Word) -> Result<T> {
        const SHOWN: usize = 40;
        let entry = &self.entries[first as usize];
        let text = String::from_utf8_lossy(words.text(key.text));
        let mut name: String = text
            .chars()
            .take(SHOWN)
            .flat_map(char::escape_debug)
            .collect();
        if text.chars().nth(SHOWN).is_some() {
            name.push('…');
        }
        let place = entry.key.map_or(0, |word| word.span.start as usize);
        let line = 1 + memchr::memchr_iter(b'\n', &words.source[..place]).count();
        let what = match entry.origin {
            Origin::Value => "has a value",
            Origin::Tables => "is a list of tables",
            _ => "is a table",
        };
        let problem = format!("\"{name}\" {what} already, from line {line}");
        error(key.span.start as usize, problem, None)
    }

    /// The nodes in the order of the tree, and for every entry its value's node.
    pub(super) fn into_nodes(self) -> (Vec<Node>, Vec<NodeId>) {
        let count = 2 * self.entries.len() + self.comments.len();
        let mut flat = Flat {
            nodes: Vec::with_capacity(count),
            ids: vec![0; self.entries.len()],
            tables: &self,
        };
        flat.value(ROOT, false);
        let mut open = vec![(ROOT, self.entries[0].first)];
        while let Some((id, next)) = open.last_mut() {
            let is_flow = self.entries[*id as usize].scalar.style == Style::Flow;
            let is_flow = is_flow || flat.nodes[flat.ids[*id as usize] as usize].in_flow;
            if let Some(child) = self.entries.get(*next as usize) {
                let id = std::mem::replace(next, child.next);
                flat.comments(child.comments, is_flow);
                flat.key(child, is_flow);
                flat.value(id, is_flow);
                if child.kind != Kind::Scalar {
                    open.push((id, child.first));
                }
                continue;
            }
            flat.comments(self.entries[*id as usize].trailing, is_flow);
            flat.finish(*id);
            open.pop();
        }
        (flat.nodes, flat.ids)
    }
}

/// The nodes while they are made.
struct Flat<'t> {
    nodes: Vec<Node>,
    ids: Vec<NodeId>,
    tables: &'t Tables,
}

impl Flat<'_> {
    fn push(&mut self, kind: Kind, scalar: Scalar, in_flow: bool) -> &mut Node {
        let id = Span::new(0, self.nodes.len()).end;
        let (span, start) = (scalar.span, scalar.span.start);
        let mut node = Node {
            kind,
            style: scalar.style,
            ty: scalar.ty,
            is_key: false,
            in_flow,
            inline: false,
            span,
            is_cooked: false,
            body_start: start,
            outer_start: start,
            tag: Span { start, end: start },
            text_span: span,
            indent: 0,
            end: id + 1,
            target: id,
        };
        node.set_text(scalar.text);
        self.nodes.push(node);
        &mut self.nodes[id as usize]
    }

    fn comments(&mut self, chain: Chain, in_flow: bool) {
        let tables = self.tables;
        let mut next = chain.first;
        while let Some(comment) = tables.comments.get(next as usize) {
            let span = comment.span;
            let text = Text::Source(Span {
                start: span.start + 1,
                end: span.end,
            });
            let scalar = Scalar {
                style: Style::Plain,
                ty: Type::Null,
                span,
                text,
            };
            self.push(Kind::Comment, scalar, in_flow).inline = comment.inline;
            next = comment.next;
        }
    }

    fn key(&mut self, entry: &Entry, in_flow: bool) {
        let Some(Word { span, text }) = entry.key else {
            return;
        };
        let scalar = Scalar {
            style: Style::Plain,
            ty: Type::Str,
            span,
            text,
        };
        self.push(Kind::Scalar, scalar, in_flow).is_key = true;
    }

    fn value(&mut self, id: Id, in_flow: bool) {
        self.ids[id as usize] = Span::new(0, self.nodes.len()).end;
        let entry = &self.tables.entries[id as usize];
        self.push(entry.kind, entry.scalar, in_flow);
    }

    /// Ends a collection; one of several lines reaches to the end of the last of them.
    fn finish(&mut self, id: Id) {
        let end = Span::new(0, self.nodes.len()).end;
        let at = self.ids[id as usize] as usize;
        self.nodes[at].end = end;
        let reach = self.nodes[at].span.end;
        if id != ROOT {
            let above = self.ids[self.tables.entries[id as usize].parent as usize];
            let above = &mut self.nodes[above as usize];
            if above.style == Style::Block {
                above.span.end = above.span.end.max(reach);
            }
        }
    }
}

fn value(span: Span) -> Entry {
    Entry {
        kind: Kind::Scalar,
        origin: Origin::Value,
        scalar: Scalar {
            style: Style::Plain,
            ty: Type::Str,
            span,
            text: Text::Source(span),
        },
        key: None,
        depth: 0,
        parent: NONE,
        first: NONE,
        last: NONE,
        next: NONE,
        alike: NONE,
        comments: EMPTY,
        trailing: EMPTY,
    }
}

/// A collection of lines.
fn collection(kind: Kind, origin: Origin, span: Span) -> Entry {
    let mut entry = value(span);
    (entry.kind, entry.origin) = (kind, origin);
    (entry.scalar.style, entry.scalar.ty) = (Style::Block, Type::Null);
    entry
}
