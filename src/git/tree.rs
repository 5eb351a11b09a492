//! Three-way merge of values: entry by entry, item by item, and what cannot be merged.

use super::pieces::{Piece, pieces};
use crate::document::{Data, Path, Step};

/// A place at which both sides have changed the same, differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The place.
    pub path: Path,
    /// What stood there; `None` for nothing.
    pub base: Option<Data>,
    /// What we have made of it.
    pub ours: Option<Data>,
    /// What they have made of it.
    pub theirs: Option<Data>,
}

/// The values of two sides that came from `base`; where they are in conflict, ours.
pub(super) fn merge(
    base: Option<&Data>,
    ours: Option<&Data>,
    theirs: Option<&Data>,
) -> (Option<Data>, Vec<Conflict>) {
    let mut merging = Merging::default();
    let data = merging.value(base, ours, theirs);
    (data, merging.conflicts)
}

/// The same without comments, in which nobody is in conflict.
pub(super) fn bare(data: Data) -> Data {
    let is_value = |data: &Data| !matches!(data, Data::Comment(..));
    match data {
        Data::List(items) => Data::List(items.into_iter().filter(is_value).map(bare).collect()),
        Data::Map(entries) => {
            let entries = entries.into_iter().filter(|(_, data)| is_value(data));
            Data::Map(entries.map(|(key, data)| (key, bare(data))).collect())
        }
        scalar => scalar,
    }
}

#[derive(Default)]
struct Merging {
    path: Vec<Step>,
    conflicts: Vec<Conflict>,
}

type Place<'d> = Option<&'d Data>;

impl Merging {
    fn value(&mut self, base: Place<'_>, ours: Place<'_>, theirs: Place<'_>) -> Option<Data> {
        if ours == theirs || theirs == base {
            return ours.cloned();
        }
        if ours == base {
            return theirs.cloned();
        }
        match (base, ours, theirs) {
            (base, Some(Data::Map(ours)), Some(Data::Map(theirs))) => {
                let base = match base {
                    Some(Data::Map(base)) => base.as_slice(),
                    _ => &[],
                };
                Some(Data::Map(self.entries(base, ours, theirs)))
            }
            (Some(Data::List(base)), Some(Data::List(ours)), Some(Data::List(theirs))) => {
                let items = self.items(base, ours, theirs);
                items
                    .map(Data::List)
                    .or_else(|| self.conflict(Some(base), ours, theirs))
            }
            (base, ours, theirs) => {
                self.conflicts.push(Conflict {
                    path: Path(self.path.clone()),
                    base: base.cloned(),
                    ours: ours.cloned(),
                    theirs: theirs.cloned(),
                });
                ours.cloned()
            }
        }
    }

    /// Lists that are in conflict as a whole.
    fn conflict(&mut self, base: Option<&[Data]>, ours: &[Data], theirs: &[Data]) -> Option<Data> {
        let list = |items: &[Data]| Some(Data::List(items.to_vec()));
        self.conflicts.push(Conflict {
            path: Path(self.path.clone()),
            base: base.and_then(list),
            ours: list(ours),
            theirs: list(theirs),
        });
        list(ours)
    }

    fn at<T>(&mut self, step: Step, work: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let done = work(self);
        self.path.pop();
        done
    }

    /// Entries in the order of ours; what is new of theirs behind all.
    fn entries(&mut self, base: &[Entry], ours: &[Entry], theirs: &[Entry]) -> Vec<Entry> {
        let new = theirs.iter().filter(|(key, _)| find(ours, key).is_none());
        let keys = ours.iter().chain(new).map(|(key, _)| key);
        let keys: Vec<_> = keys.collect();
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let (base, ours, theirs) = (find(base, key), find(ours, key), find(theirs, key));
            let step = Step::Key(key.clone());
            let value = self.at(step, |merging| merging.value(base, ours, theirs));
            entries.extend(value.map(|value| (key.clone(), value)));
        }
        entries
    }

    /// Items, each at its place where no side has more or fewer; else as stretches that were put
    /// in, taken out or changed. `None` where that cannot be told apart.
    fn items(&mut self, base: &[Data], ours: &[Data], theirs: &[Data]) -> Option<Vec<Data>> {
        if base.len() == ours.len() && base.len() == theirs.len() {
            let each = base.iter().zip(ours).zip(theirs).enumerate();
            let item = |(at, ((base, ours), theirs))| {
                self.at(Step::Index(at), |merging| {
                    merging.value(Some(base), Some(ours), Some(theirs))
                })
            };
            return each.map(item).collect();
        }
        let codes = [base, ours, theirs].map(|items| items.iter().map(code).collect::<Vec<_>>());
        let [b, o, t] = codes.each_ref().map(|codes| {
            let codes = codes.iter().map(|code| code.as_slice());
            codes.collect::<Vec<_>>()
        });
        let mut items = Vec::new();
        for piece in pieces(&b, &o, &t) {
            items.extend_from_slice(match piece {
                Piece::Base(range) => &base[range],
                Piece::Ours(range) => &ours[range],
                Piece::Theirs(range) => &theirs[range],
                Piece::Both(..) | Piece::Conflict(..) => return None,
            });
        }
        Some(items)
    }
}

type Entry = (Vec<u8>, Data);

fn find<'d>(entries: &'d [Entry], key: &[u8]) -> Option<&'d Data> {
    let entry = entries.iter().find(|(known, _)| known == key);
    entry.map(|(_, data)| data)
}

/// A text that two values share only where they are the same.
fn code(data: &Data) -> zeroize::Zeroizing<Vec<u8>> {
    let mut code = zeroize::Zeroizing::new(Vec::new());
    encode(data, &mut code);
    code
}

fn encode(data: &Data, code: &mut Vec<u8>) {
    let mut counted = |mark: u8, length: usize| {
        code.push(mark);
        code.extend((length as u64).to_le_bytes());
    };
    match data {
        Data::Scalar(ty, text) => {
            counted(b's', text.len());
            code.push(*ty as u8);
            code.extend_from_slice(text);
        }
        Data::Comment(text, _) => {
            counted(b'c', text.len());
            code.extend_from_slice(text);
        }
        Data::List(items) => {
            counted(b'l', items.len());
            for item in items {
                encode(item, code);
            }
        }
        Data::Map(entries) => {
            counted(b'm', entries.len());
            for (key, value) in entries {
                encode(&Data::str(key), code);
                encode(value, code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::store::{ParseOptions, Store, Yaml};
    use zeroize::Zeroizing;

    fn data(text: &str) -> Data {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        let document: Document = Yaml.parse(text, ParseOptions::default()).expect("YAML");
        let root = document.branches.first().and_then(|branch| branch.root);
        bare(root.map_or_else(Data::null, |root| document.data(root)))
    }

    /// Merges flow mappings; the paths in conflict.
    fn conflicts(base: &str, ours: &str, theirs: &str, expected: &str) -> Vec<String> {
        let (base, ours, theirs) = (data(base), data(ours), data(theirs));
        let (merged, conflicts) = merge(Some(&base), Some(&ours), Some(&theirs));
        assert!(merged == Some(data(expected)), "not {expected}");
        conflicts
            .iter()
            .map(|conflict| conflict.path.to_string())
            .collect()
    }

    #[test]
    fn different_entries_merge_and_the_same_one_is_in_conflict() {
        let none: [&str; 0] = [];
        assert_eq!(
            conflicts(
                "{a: 1, b: 1}",
                "{a: 2, b: 1}",
                "{a: 1, b: 2}",
                "{a: 2, b: 2}"
            ),
            none
        );
        assert_eq!(
            conflicts(
                "{a: 1}",
                "{a: 1, n: 1}",
                "{a: 1, m: 2}",
                "{a: 1, n: 1, m: 2}"
            ),
            none
        );
        assert_eq!(
            conflicts("{a: 1, b: 1}", "{b: 1}", "{a: 1, b: 2}", "{b: 2}"),
            none
        );
        assert_eq!(
            conflicts("{x: {a: 1}}", "{x: {a: 2}}", "{x: {a: 3}}", "{x: {a: 2}}"),
            ["x.a"]
        );
        assert_eq!(
            conflicts("{a: 1, b: 1}", "{b: 1}", "{a: 2, b: 1}", "{b: 1}"),
            ["a"]
        );
        assert_eq!(
            conflicts("{}", "{n: {a: 1}}", "{n: {b: 2}}", "{n: {a: 1, b: 2}}"),
            none
        );
    }

    #[test]
    fn items_merge_where_it_is_clear_which_is_which() {
        let none: [&str; 0] = [];
        assert_eq!(
            conflicts("[1, 2, 3]", "[9, 2, 3]", "[1, 2, 7]", "[9, 2, 7]"),
            none
        );
        assert_eq!(
            conflicts("[1, 2]", "[0, 1, 2]", "[1, 2, 3]", "[0, 1, 2, 3]"),
            none
        );
        assert_eq!(
            conflicts("{l: [1]}", "{l: [1, 2]}", "{l: [1, 3]}", "{l: [1, 2]}"),
            ["l"]
        );
        assert_eq!(
            conflicts(
                "[{a: 1, b: 1}]",
                "[{a: 2, b: 1}]",
                "[{a: 1, b: 2}]",
                "[{a: 2, b: 2}]"
            ),
            none
        );
    }

    #[test]
    fn types_count() {
        assert_eq!(
            conflicts("{a: 1}", "{a: '1'}", "{a: true}", "{a: '1'}"),
            ["a"]
        );
    }
}
