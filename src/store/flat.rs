//! What the formats without nesting share: trees of lines as documents, metadata under flat names,
//! values as text.
//!
//! A name is the way to a value, as sops writes it: `age__list_0__map_enc` is `enc` in the first
//! item of the list `age`.

use super::{EmitError, Excerpt, MAX_DEPTH, ParseError};
use crate::document::scalar::{float_dotenv, parse_float};
pub(super) use crate::document::secret::append;
use crate::document::{
    Branch, Data, Document, Kind, Node, NodeId, Span, Style, Text, Type, canonical,
};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const MAP: &[u8] = b"__map_";
const LIST: &[u8] = b"__list_";

/// What is bulla's own in the metadata. A backslash has another spelling there, because one before
/// an n would come back as a line feed.
const OWN: &[u8] = b"bulla__";
const BACKSLASH: &[u8] = b"\\u005c";

/// Every scalar of a map with its flat name, in order. Empty collections and nulls vanish.
/// As deep as a store nests.
pub(super) fn flatten(data: &Data) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut flat = Vec::new();
    if let Data::Map(entries) = data {
        for (key, value) in entries {
            flatten_below(key.clone(), value, &mut flat);
        }
    }
    for (_, text) in flat.iter_mut().filter(|(name, _)| name.starts_with(OWN)) {
        *text = replaced(text, b"\\", BACKSLASH);
    }
    flat
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut new = Vec::with_capacity(text.len());
    let mut done = 0;
    for at in memchr::memmem::find_iter(text, from) {
        new.extend_from_slice(&text[done..at]);
        new.extend_from_slice(to);
        done = at + from.len();
    }
    new.extend_from_slice(&text[done..]);
    new
}

fn flatten_below(name: Vec<u8>, data: &Data, flat: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    match data {
        Data::Map(entries) => {
            let values = entries
                .iter()
                .filter(|(_, v)| !matches!(v, Data::Comment(..)));
            for (key, value) in values {
                flatten_below([&name, MAP, key].concat(), value, flat);
            }
        }
        Data::List(items) => {
            let values = items.iter().filter(|v| !matches!(v, Data::Comment(..)));
            for (index, value) in values.enumerate() {
                let index = index.to_string();
                flatten_below([&name, LIST, index.as_bytes()].concat(), value, flat);
            }
        }
        Data::Scalar(Type::Null, _) | Data::Comment(..) => {}
        Data::Scalar(ty, text) => flat.push((name, spelled(*ty, text))),
    }
}

/// A step of a flat name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(Vec<u8>),
    Index(usize),
}

/// The steps of a flat name. What is no number counts as the index 0, as for sops.
fn steps(name: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut start, mut at, mut is_index) = (0, 0, false);
    loop {
        let next = [MAP, LIST].into_iter().find(|s| name[at..].starts_with(s));
        if next.is_none() && at < name.len() {
            at += 1;
            continue;
        }
        let text = &name[start..at];
        steps.push(if is_index {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            Step::Index(number.unwrap_or(0))
        } else {
            Step::Key(text.to_vec())
        });
        let Some(separator) = next else {
            return steps;
        };
        is_index = separator == LIST;
        at += separator.len();
        start = at;
    }
}

/// A node of the tree that names make.
#[derive(Default)]
struct Slot {
    value: Option<Data>,
    below: BTreeMap<Step, usize>,
}

/// The tree that flat names make.
///
/// # Errors
/// The number of an entry that has no place in it, or of the first one where a list has gaps.
pub(super) fn unflatten(entries: Vec<(Vec<u8>, Data)>) -> Result<Data, usize> {
    let mut slots = vec![Slot::default()];
    for (number, (name, mut value)) in entries.into_iter().enumerate() {
        if let Data::Scalar(_, text) = &mut value
            && name.starts_with(OWN)
        {
            *text = Zeroizing::new(replaced(text, BACKSLASH, b"\\"));
        }
        let steps = steps(&name);
        if steps.len() > MAX_DEPTH {
            return Err(number);
        }
        let mut at = 0;
        for step in steps {
            let new = slots.len();
            let next = *slots[at].below.entry(step).or_insert(new);
            if next == new {
                slots.push(Slot::default());
            }
            at = next;
        }
        if slots[at].value.replace(value).is_some() {
            return Err(number);
        }
    }
    built(&mut slots, 0).ok_or(0)
}

/// What a slot holds; `None` where that is no tree. Not deeper than [`MAX_DEPTH`].
fn built(slots: &mut [Slot], at: usize) -> Option<Data> {
    let Slot { value, below } = std::mem::take(&mut slots[at]);
    if let Some(value) = value {
        return below.is_empty().then_some(value);
    }
    let (mut map, mut list) = (Vec::new(), Vec::new());
    for (step, next) in below {
        let data = built(slots, next)?;
        match step {
            Step::Key(key) => map.push((key, data)),
            Step::Index(index) if index == list.len() => list.push(data),
            Step::Index(_) => return None,
        }
    }
    match (map.is_empty(), list.is_empty()) {
        (_, true) => Some(Data::Map(map)),
        (true, false) => Some(Data::List(list)),
        (false, false) => None,
    }
}

/// The error for flat names of metadata that make no tree.
pub(super) fn broken_metadata(offset: usize) -> ParseError {
    ParseError {
        problem: "the names of the metadata contradict one another".to_owned(),
        offset,
        hint: None,
        excerpt: Excerpt::default(),
    }
}

/// A scalar as sops writes it where everything is text, but for the fraction of a second, which
/// sops drops.
pub(super) fn spelled(ty: Type, text: &[u8]) -> Vec<u8> {
    let text = canonical(ty, text).unwrap_or(text.into());
    match ty {
        Type::Bool => text.to_ascii_lowercase(),
        Type::Float => parse_float(&text).map_or(text.to_vec(), |n| float_dotenv(n).into_bytes()),
        Type::Null | Type::Str | Type::Int | Type::Time => text.into_owned(),
    }
}

/// The text of a value, which `name` leads to.
///
/// # Errors
/// [`EmitError`] for what `format` has no way to write: collections and null.
pub(super) fn text_of(data: &Data, name: &str, format: &str) -> Result<Vec<u8>, EmitError> {
    let what = match data {
        Data::Scalar(Type::Null, _) => "null",
        Data::Scalar(ty, text) => return Ok(spelled(*ty, text)),
        Data::List(_) => "a list",
        Data::Map(_) => "a mapping",
        Data::Comment(..) => "a comment",
    };
    refused(format!("{name} is {what}, which {format} cannot hold"))
}

/// What reads back of data: its scalars as text, but for null, which has none. As deep as a store
/// nests.
pub(super) fn held(data: Data) -> Data {
    match data {
        Data::Scalar(Type::Null, _) | Data::Comment(..) => data,
        Data::Scalar(ty, text) => Data::str(Zeroizing::new(spelled(ty, &text)).as_slice()),
        Data::List(items) => Data::List(items.into_iter().map(held).collect()),
        Data::Map(entries) => Data::Map(entries.into_iter().map(|(k, v)| (k, held(v))).collect()),
    }
}

/// An [`EmitError`].
pub(super) fn refused<T>(problem: String) -> Result<T, EmitError> {
    Err(EmitError { problem })
}

/// The one branch of what is to be emitted.
///
/// # Errors
/// [`EmitError`] for several branches, and for a branch that is no mapping.
pub(super) fn only_branch<'d>(
    branches: &'d [Data],
    format: &str,
) -> Result<&'d [(Vec<u8>, Data)], EmitError> {
    match branches {
        [] => Ok(&[]),
        [Data::Map(entries)] => Ok(entries),
        [_] => refused(format!("{format} holds a mapping, nothing else")),
        several => refused(format!(
            "{format} holds one document, not {}",
            several.len()
        )),
    }
}

/// A document that is being made of lines.
pub(super) struct Tree {
    nodes: Vec<Node>,
    cooked: Zeroizing<Vec<u8>>,
}

impl Tree {
    /// A tree of a mapping, the root, for a text of `length` bytes.
    pub(super) fn new(length: usize) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            cooked: Zeroizing::default(),
        };
        tree.open(Span::new(0, length));
        tree
    }

    /// A mapping, to be closed with [`Tree::close`].
    pub(super) fn open(&mut self, span: Span) -> NodeId {
        self.push(Kind::Mapping, span, Text::Source(Span::default()))
    }

    /// A list, to be closed with [`Tree::close`].
    pub(super) fn open_list(&mut self, span: Span) -> NodeId {
        self.push(Kind::Sequence, span, Text::Source(Span::default()))
    }

    /// Ends a mapping or a list.
    pub(super) fn close(&mut self, id: NodeId) {
        self.nodes[id as usize].end = self.nodes.len() as NodeId;
    }

    /// The key of an entry.
    pub(super) fn key(&mut self, span: Span, text: Text) -> NodeId {
        let id = self.scalar(span, Style::Plain, text);
        self.nodes[id as usize].is_key = true;
        id
    }

    /// A string.
    pub(super) fn scalar(&mut self, span: Span, style: Style, text: Text) -> NodeId {
        let id = self.push(Kind::Scalar, span, text);
        let node = &mut self.nodes[id as usize];
        (node.style, node.ty) = (style, Type::Str);
        id
    }

    /// A comment.
    pub(super) fn comment(&mut self, span: Span, text: Text, inline: bool) {
        let id = self.push(Kind::Comment, span, text);
        self.nodes[id as usize].inline = inline;
    }

    /// A text that the source spells in another way.
    pub(super) fn cook(&mut self, text: &[u8]) -> Text {
        let start = self.cooked.len();
        append(&mut self.cooked, text);
        Text::Cooked(Span::new(start, self.cooked.len()))
    }

    fn push(&mut self, kind: Kind, span: Span, text: Text) -> NodeId {
        let id = self.nodes.len() as NodeId;
        let mut node = Node {
            kind,
            style: Style::Block,
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
            end: id + 1,
            target: id,
        };
        node.set_text(text);
        self.nodes.push(node);
        id
    }

    /// The document, `metadata` the key of its metadata.
    pub(super) fn finish(
        mut self,
        source: Zeroizing<Vec<u8>>,
        metadata: Option<NodeId>,
    ) -> Document {
        self.close(0);
        let branch = Branch {
            first: 0,
            end: self.nodes.len() as NodeId,
            root: Some(0),
            span: Span::new(0, source.len()),
            metadata,
        };
        Document {
            source,
            cooked: self.cooked,
            nodes: self.nodes,
            branches: vec![branch],
            indent_step: 4,
            beyond_sops: None,
        }
    }
}

/// Refuses a text that is too long for a [`Span`].
///
/// # Errors
/// [`ParseError`].
pub(super) fn check_length(source: &[u8]) -> Result<(), ParseError> {
    if source.len() < u32::MAX as usize {
        return Ok(());
    }
    Err(ParseError {
        problem: "a text of 4 GiB or more".to_owned(),
        offset: 0,
        hint: None,
        excerpt: Excerpt::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(flat: &[(&str, &str)]) -> Vec<(Vec<u8>, Data)> {
        let entry = |(name, text): &(&str, &str)| (name.as_bytes().to_vec(), Data::str(text));
        flat.iter().map(entry).collect()
    }

    fn tree() -> impl Strategy<Value = Data> {
        let leaf = "[a-z\n]{0,3}".prop_map(Data::str);
        leaf.prop_recursive(4, 20, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 1..4).prop_map(Data::List);
            let map = prop::collection::btree_map("[a-z_]{0,3}[a-z]", inner, 1..4);
            let map = map
                .prop_map(|m| Data::Map(m.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect()));
            prop_oneof![list, map]
        })
    }

    proptest! {
        #[test]
        fn unflattening_undoes_flattening(tree in tree()) {
            let data = Data::Map(vec![(b"a".to_vec(), tree)]);
            let flat = flatten(&data).into_iter().map(|(k, v)| (k, Data::str(v))).collect();
            prop_assert!(unflatten(flat) == Ok(data));
        }

        #[test]
        fn no_names_make_it_panic(names in prop::collection::vec("(a|b|__map_|__list_|0|1|_){0,6}", 0..6)) {
            let _ = unflatten(names.into_iter().map(|n| (n.into_bytes(), Data::null())).collect());
        }
    }

    #[test]
    fn names_are_those_of_sops() {
        let context = Data::Map(vec![(b"Env".to_vec(), Data::str("x"))]);
        let key = Data::Map(vec![
            (b"context".to_vec(), context),
            (b"role".to_vec(), Data::null()),
        ]);
        let data = Data::Map(vec![
            (b"kms".to_vec(), Data::List(vec![key])),
            (b"mac_only_encrypted".to_vec(), Data::bool(true)),
            (b"pgp".to_vec(), Data::List(Vec::new())),
            (b"shamir_threshold".to_vec(), Data::int(2)),
        ]);
        let flat = flatten(&data);
        let lines: Vec<_> = flat
            .iter()
            .map(|(k, v)| String::from_utf8([&k[..], b"=", v].concat()).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                "kms__list_0__map_context__map_Env=x",
                "mac_only_encrypted=true",
                "shamir_threshold=2"
            ]
        );
    }

    #[test]
    fn names_that_make_no_tree_are_refused() {
        for flat in [
            &[("a", "1"), ("a", "2")][..],
            &[("a", "1"), ("a__map_b", "2")],
            &[("a__list_0", "1"), ("a__map_b", "2")],
            &[("a__list_1", "1")],
            &[("a__list_x", "1"), ("a__list_0", "2")],
            &[("a__list_99999999999999999999999", "1"), ("a__list_0", "2")],
        ] {
            assert!(unflatten(entries(flat)).is_err(), "{flat:?}");
        }
        let deep = "a".to_owned() + &"__map_a".repeat(100_000);
        assert!(unflatten(entries(&[(&deep, "1")])).is_err());
    }

    #[test]
    fn order_of_names_does_not_matter() {
        let flat = [("b__list_1", "y"), ("a__map_x", "1"), ("b__list_0", "x")];
        let list = Data::List(vec![Data::str("x"), Data::str("y")]);
        let map = Data::Map(vec![(b"x".to_vec(), Data::str("1"))]);
        let tree = Data::Map(vec![(b"a".to_vec(), map), (b"b".to_vec(), list)]);
        assert!(unflatten(entries(&flat)) == Ok(tree));
    }
}
