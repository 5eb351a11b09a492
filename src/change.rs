//! Changing one value of a plaintext document, by splicing: what was not named stays.

use crate::document::{
    Data, Document, Kind, LeafKind, NoMarking, Node, NodeId, Path, Splice, Step, Type, splice,
};
use crate::store::{EmitError, Layout, Store};
use std::ops::Range;
use zeroize::Zeroizing;

/// Why a document was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The path is empty.
    #[error("the path is empty")]
    EmptyPath,
    /// A key was given where there is a list.
    #[error("{0} is a list: it takes an index, not a key")]
    KeyOnList(Path),
    /// An index was given where there is a mapping.
    #[error("{0} is a mapping: it takes a key, not an index")]
    IndexOnMapping(Path),
    /// Nothing is there.
    #[error("{0} not found")]
    NotFound(Path),
    /// A value is in the way of a path.
    #[error("{0} is a value, nothing lies below it")]
    Scalar(Path),
    /// An alias is in the way.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// The format cannot hold the value there.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

/// How an alias is in the way of a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// The value is reached through an alias; changing it would change it elsewhere, too.
    #[error("{0} is an alias: change the value that it stands for")]
    Reached(Path),
    /// An alias elsewhere stands for the value, or for a part of it, and would lose it.
    #[error("{0} has an anchor that an alias elsewhere stands for: change the alias first")]
    Anchored(Path),
}

/// The text of `document` with the value at `path` set to `data`, or `None` where it is that
/// already. A missing key is appended with all that the path wants, an index behind the end of
/// a list appends, a scalar in the way gives way.
///
/// # Errors
/// [`ChangeError`]; see there.
pub fn set(
    store: &dyn Store,
    document: &Document,
    path: &Path,
    data: &Data,
    layout: Layout,
) -> Result<Option<Zeroizing<Vec<u8>>>, ChangeError> {
    if path.0.is_empty() {
        return Err(ChangeError::EmptyPath);
    }
    let data = &store.held(data.clone());
    let Some(root) = document.branches.first().and_then(|b| b.root) else {
        return append(store, document, None, &path.0, data, layout).map(Some);
    };
    let (found, steps) = descend(document, root, path)?;
    if steps == path.0.len() {
        if same(&document.data(found), data) {
            return Ok(None);
        }
        // Its own anchor stays, those inside of it do not.
        check_aliases(document, found + 1..document.node(found).end, path)?;
        let splices = vec![store.replace(document, found, data, layout)?];
        return Ok(Some(applied(document, splices)));
    }
    let rest = &path.0[steps..];
    if is_collection(document, found) {
        return append(store, document, Some(found), rest, data, layout).map(Some);
    }
    let splices = vec![store.replace(document, found, &nested(rest, data), layout)?];
    Ok(Some(applied(document, splices)))
}

/// The text of `document` without the entry or item at `path`.
///
/// # Errors
/// [`ChangeError`]; see there.
pub fn unset(
    store: &dyn Store,
    document: &Document,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, ChangeError> {
    let Some((_, above)) = path.0.split_last() else {
        return Err(ChangeError::EmptyPath);
    };
    let missing = || ChangeError::NotFound(path.clone());
    let root = document.branches.first().and_then(|b| b.root);
    let (found, steps) = descend(document, root.ok_or_else(missing)?, path)?;
    if steps < path.0.len() {
        return Err(if is_collection(document, found) {
            ChangeError::NotFound(Path(path.0[..=steps].to_vec()))
        } else {
            ChangeError::Scalar(Path(path.0[..steps].to_vec()))
        });
    }
    let parent = document
        .find(0, &Path(above.to_vec()))
        .ok_or_else(missing)?;
    let first = document.key_of(parent, found).unwrap_or(found);
    check_aliases(document, first..document.node(found).end, path)?;
    Ok(applied(document, store.remove(document, parent, found)))
}

/// Refuses what would take the nodes `gone` from an alias that stays.
fn check_aliases(document: &Document, gone: Range<NodeId>, path: &Path) -> Result<(), AliasError> {
    let loses = |(id, node): (usize, &Node)| {
        let stays = !gone.contains(&(id as NodeId));
        node.kind == Kind::Alias && stays && gone.contains(&node.target)
    };
    if document.nodes.iter().enumerate().any(loses) {
        return Err(AliasError::Anchored(path.clone()));
    }
    Ok(())
}

/// Whether `after`, the document `before` with a value set (`data`) or removed (`None`) at `path`,
/// holds just that and is otherwise as it was: every other value at its place, in the same order.
#[must_use]
pub fn is_only_change(
    before: &Document,
    after: &Document,
    path: &Path,
    data: Option<&Data>,
) -> bool {
    let gone = reached(before, path, false)
        .filter(|&id| !is_collection(before, id) || before.find(0, path) == Some(id));
    let new = data.and_then(|_| reached(after, path, true));
    let holds = match (data, new) {
        (Some(data), Some(id)) => same(&after.data(id), data),
        (Some(_), None) => false,
        (None, _) => true,
    };
    holds && others(before, gone) == others(after, new)
}

/// The node that `path` leads to, or the last one on the way. Where items were appended, an index
/// behind the end of a list leads to its last item.
fn reached(document: &Document, path: &Path, appended: bool) -> Option<NodeId> {
    let mut at = document.branches.first()?.root?;
    for step in &path.0 {
        let is_item = |&child: &NodeId| document.node(child).kind != Kind::Comment;
        let last = match step {
            Step::Index(_) if appended => document.children(at).filter(is_item).last(),
            _ => None,
        };
        match document.step(at, step).or(last) {
            Some(child) => at = child,
            None => break,
        }
    }
    Some(at)
}

/// Every value outside of `except`, with the keys on its path.
fn others(document: &Document, except: Option<NodeId>) -> Vec<(Vec<u8>, Type, Zeroizing<Vec<u8>>)> {
    let inside = except.map(|id| id..document.node(id).end);
    let mut found = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let changes = inside
            .as_ref()
            .is_some_and(|inside| inside.contains(&leaf.id));
        if leaf.kind == LeafKind::Value && !changes {
            let value = document.value(leaf.id);
            let text = Zeroizing::new(value.text.to_vec());
            found.push((leaves.aad().to_vec(), value.ty, text));
        }
    }
    found
}

/// Goes down as far as the path leads: the node reached and the number of steps taken.
fn descend(document: &Document, root: NodeId, path: &Path) -> Result<(NodeId, usize), ChangeError> {
    let mut at = root;
    for (taken, step) in path.0.iter().enumerate() {
        let here = || Path(path.0[..taken].to_vec());
        match (document.node(at).kind, step) {
            (Kind::Alias, _) => return Err(AliasError::Reached(here()).into()),
            (Kind::Sequence, Step::Key(_)) => return Err(ChangeError::KeyOnList(here())),
            (Kind::Mapping, Step::Index(_)) => return Err(ChangeError::IndexOnMapping(here())),
            _ => {}
        }
        match document.step(at, step) {
            Some(child) => at = child,
            None => return Ok((at, taken)),
        }
    }
    Ok((at, path.0.len()))
}

fn is_collection(document: &Document, id: NodeId) -> bool {
    matches!(document.node(id).kind, Kind::Mapping | Kind::Sequence)
}

/// Appends what `steps` lead to, the first of them in the collection itself.
fn append(
    store: &dyn Store,
    document: &Document,
    collection: Option<NodeId>,
    steps: &[Step],
    data: &Data,
    layout: Layout,
) -> Result<Zeroizing<Vec<u8>>, ChangeError> {
    let Some((first, rest)) = steps.split_first() else {
        return Err(ChangeError::EmptyPath);
    };
    let key = match first {
        Step::Key(key) => Some(key.as_slice()),
        Step::Index(_) => None,
    };
    let data = nested(rest, data);
    let splices = store.insert(document, collection, key, &data, layout)?;
    Ok(applied(document, splices))
}

/// `data` inside of the mappings and one-item lists that `steps` name.
fn nested(steps: &[Step], data: &Data) -> Data {
    steps
        .iter()
        .rev()
        .fold(data.clone(), |inner, step| match step {
            Step::Key(key) => Data::Map(vec![(key.clone(), inner)]),
            Step::Index(_) => Data::List(vec![inner]),
        })
}

/// Equal values; numbers of one canonical text are equal, comments do not count.
fn same(one: &Data, other: &Data) -> bool {
    fn number(ty: Type) -> bool {
        matches!(ty, Type::Int | Type::Float)
    }
    match (one, other) {
        (Data::Scalar(a, x), Data::Scalar(b, y)) => {
            x == y && (a == b || (number(*a) && number(*b)))
        }
        (Data::List(a), Data::List(b)) => {
            let values = |list: &[Data]| -> Vec<Data> {
                let values = list.iter().filter(|d| !matches!(d, Data::Comment(..)));
                values.cloned().collect()
            };
            let (a, b) = (values(a), values(b));
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b))
        }
        (Data::Map(a), Data::Map(b)) => {
            let entries = |map: &[(Vec<u8>, Data)]| -> Vec<(Vec<u8>, Data)> {
                let entries = map.iter().filter(|(_, d)| !matches!(d, Data::Comment(..)));
                entries.cloned().collect()
            };
            let (a, b) = (entries(a), entries(b));
            a.len() == b.len()
                && a.iter()
                    .zip(&b)
                    .all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        _ => false,
    }
}

fn applied(document: &Document, mut splices: Vec<Splice>) -> Zeroizing<Vec<u8>> {
    splice(&document.source, &mut splices)
}

#[cfg(test)]
mod tests;
