//! Three-way merge of documents: line by line as git does it, and where that does not do, value by
//! value. What no side has touched stays as it is written.

use super::pieces::{Piece, pieces};
use super::tree::{self, Conflict, bare};
use crate::change::{self, ChangeError};
use crate::document::{Data, Document, Path, Step};
use crate::store::{Layout, ParseOptions, Store};
use zeroize::Zeroizing;

/// The merge of two documents.
pub struct Merged {
    /// Its text; ours stands where there is a conflict.
    pub text: Zeroizing<Vec<u8>>,
    /// Where both sides changed the same, differently.
    pub conflicts: Vec<Conflict>,
}

/// Why documents cannot be merged by parts.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Both sides have changed the same lines of a file of several documents.
    #[error(
        "both sides have changed the same lines, and values of several documents are not merged one by one"
    )]
    Documents,
    /// A value of theirs cannot be put among ours.
    #[error("the values of both sides do not fit into one text: {0}")]
    Change(#[from] ChangeError),
    /// A defect: what came of it is not what it should be.
    #[error("the merged text does not hold the merged values")]
    Differs,
}

/// The three versions of a document in one format.
#[derive(Clone, Copy)]
struct Versions<'d> {
    store: &'static dyn Store,
    parsing: ParseOptions,
    layout: Layout,
    base: Option<&'d Document>,
    ours: &'d Document,
    theirs: &'d Document,
}

/// Merges what two sides made of `base`; without one, nothing was there.
///
/// # Errors
/// [`MergeError`], where the whole files are in conflict.
pub fn merge(
    store: &'static dyn Store,
    parsing: ParseOptions,
    layout: Layout,
    base: Option<&Document>,
    [ours, theirs]: [&Document; 2],
) -> Result<Merged, MergeError> {
    let versions = Versions {
        store,
        parsing,
        layout,
        base,
        ours,
        theirs,
    };
    let lines = Lines::merge(versions.base, versions.ours, versions.theirs);
    let merged = versions.parse(&lines.text);
    if lines.is_plain && merged.is_some() {
        return Ok(Merged {
            text: lines.text,
            conflicts: Vec::new(),
        });
    }
    versions.by_values(merged)
}

impl Versions<'_> {
    fn parse(&self, text: &[u8]) -> Option<Document> {
        let text = Zeroizing::new(text.to_vec());
        self.store.parse(text, self.parsing).ok()
    }

    /// Merges the values, and brings them into what came of the lines, where that is a document,
    /// else into ours.
    fn by_values(&self, lines: Option<Document>) -> Result<Merged, MergeError> {
        let mut documents = self.base.into_iter().chain([self.ours, self.theirs]);
        if documents.any(|document| document.branches.len() > 1) {
            return Err(MergeError::Documents);
        }
        let base = self.base.and_then(values);
        let (ours, theirs) = (values(self.ours), values(self.theirs));
        let (wanted, conflicts) = tree::merge(base.as_ref(), ours.as_ref(), theirs.as_ref());
        let wanted = wanted.as_ref();
        // the lines may have brought an anchor or an alias into the way
        let text = lines.and_then(|lines| self.adjusted(lines, wanted).ok());
        let text = match (text, self.parse(&self.ours.source)) {
            (Some(text), _) => text,
            (None, Some(ours)) => self.adjusted(ours, wanted)?,
            (None, None) => return Err(MergeError::Differs),
        };
        Ok(Merged { text, conflicts })
    }

    /// The text of `document` with the values that are wanted.
    fn adjusted(
        &self,
        mut document: Document,
        wanted: Option<&Data>,
    ) -> Result<Zeroizing<Vec<u8>>, MergeError> {
        let mut edits = Vec::new();
        differences(
            values(&document).as_ref(),
            wanted,
            &mut Vec::new(),
            &mut edits,
        );
        for (path, data) in edits {
            let text = match &data {
                Some(data) => change::set(self.store, &document, &path, data, self.layout)?,
                None => Some(change::unset(self.store, &document, &path)?),
            };
            if let Some(text) = text {
                document = self.parse(&text).ok_or(MergeError::Differs)?;
            }
        }
        if values(&document).as_ref() == wanted {
            Ok(document.source.clone())
        } else {
            Err(MergeError::Differs)
        }
    }
}

/// The values of the first document, without comments.
fn values(document: &Document) -> Option<Data> {
    let root = document.branches.first()?.root?;
    Some(bare(document.data(root)))
}

/// What has to be set (or removed, `None`) at which places to make `is` what is `wanted`.
fn differences(
    is: Option<&Data>,
    wanted: Option<&Data>,
    path: &mut Vec<Step>,
    edits: &mut Vec<(Path, Option<Data>)>,
) {
    if is == wanted {
        return;
    }
    let (Some(Data::Map(have)), Some(Data::Map(want))) = (is, wanted) else {
        if let (Some(Data::List(have)), Some(Data::List(want))) = (is, wanted)
            && have.len() == want.len()
        {
            for (at, (have, want)) in have.iter().zip(want).enumerate() {
                path.push(Step::Index(at));
                differences(Some(have), Some(want), path, edits);
                path.pop();
            }
            return;
        }
        edits.push((Path(path.clone()), wanted.cloned()));
        return;
    };
    let find = |entries: &[(Vec<u8>, Data)], key: &[u8]| {
        let entry = entries.iter().position(|(known, _)| known == key);
        entry.map(|at| entries[at].1.clone())
    };
    let new = want.iter().filter(|(key, _)| find(have, key).is_none());
    let keys: Vec<_> = have.iter().chain(new).map(|(key, _)| key).collect();
    for key in keys {
        path.push(Step::Key(key.clone()));
        differences(
            find(have, key).as_ref(),
            find(want, key).as_ref(),
            path,
            edits,
        );
        path.pop();
    }
}

/// Merges texts of which nothing is known but their lines: as git does it, with marks around what
/// both sides have changed differently; how many of these there are.
#[must_use]
pub fn merge_lines([base, ours, theirs]: [&[u8]; 3]) -> (Zeroizing<Vec<u8>>, usize) {
    let [base, ours, theirs] = [base, ours, theirs].map(lines);
    let mut text = Zeroizing::new(Vec::new());
    let mut conflicts = 0;
    for piece in pieces(&base, &ours, &theirs) {
        match piece {
            Piece::Base(range) => text.extend(base[range].concat()),
            Piece::Ours(range) => text.extend(ours[range].concat()),
            Piece::Theirs(range) => text.extend(theirs[range].concat()),
            Piece::Both(o, t) | Piece::Conflict(o, t) => {
                conflicts += 1;
                for (mark, side) in [("<<<<<<< ours", &ours[o]), ("=======", &theirs[t])] {
                    text.extend(mark.as_bytes());
                    text.push(b'\n');
                    text.extend(side.concat());
                    if text.last() != Some(&b'\n') {
                        text.push(b'\n');
                    }
                }
                text.extend(b">>>>>>> theirs\n");
            }
        }
    }
    (text, conflicts)
}

/// The merge of the lines of texts.
struct Lines {
    text: Zeroizing<Vec<u8>>,
    /// No line was changed by both sides, and nothing put by both into the same place.
    is_plain: bool,
}

impl Lines {
    fn merge(base: Option<&Document>, ours: &Document, theirs: &Document) -> Self {
        let base = base.map_or(Vec::new(), |base| lines(&base.source));
        let (ours, theirs) = (lines(&ours.source), lines(&theirs.source));
        let mut text = Zeroizing::new(Vec::new());
        let mut is_plain = true;
        for piece in pieces(&base, &ours, &theirs) {
            match piece {
                Piece::Base(range) => text.extend(base[range].concat()),
                Piece::Ours(range) => text.extend(ours[range].concat()),
                Piece::Theirs(range) => text.extend(theirs[range].concat()),
                Piece::Both(o, t) => {
                    is_plain = false;
                    text.extend(ours[o].concat());
                    text.extend(theirs[t].concat());
                }
                Piece::Conflict(o, _) => {
                    is_plain = false;
                    text.extend(ours[o].concat());
                }
            }
        }
        Self { text, is_plain }
    }
}

/// The lines of a text, each with its end.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Dotenv, Ini, Json, Toml, Yaml};

    fn document(store: &dyn Store, text: &str) -> Document {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        store
            .parse(text, ParseOptions::default())
            .unwrap_or_else(|error| panic!("{}: {error}", store.name()))
    }

    /// The merged text, and the paths in conflict.
    fn merged(store: &'static dyn Store, versions: [&str; 3]) -> (String, Vec<String>) {
        let [base, ours, theirs] = versions.map(|text| document(store, text));
        let (parsing, layout) = (ParseOptions::default(), Layout::default());
        let merged = merge(store, parsing, layout, Some(&base), [&ours, &theirs]).expect("a merge");
        let text = String::from_utf8(merged.text.to_vec()).expect("UTF-8");
        let paths = merged
            .conflicts
            .iter()
            .map(|conflict| conflict.path.to_string());
        (text, paths.collect())
    }

    fn clean(store: &'static dyn Store, versions: [&str; 3]) -> String {
        let (text, conflicts) = merged(store, versions);
        assert_eq!(conflicts, [""; 0]);
        text
    }

    #[test]
    fn comments_and_layout_of_both_sides_stay() {
        let base = "# head\na: 1\n\nb:   'x'  # why\nc: [1, 2]\n";
        let ours = "# head\na: 2\n\nb:   'x'  # why\nc: [1, 2]\n";
        let theirs = "# new head\na: 1\n\nb:   'x'  # because\nc: [ 1, 2 ]\n\n# end\n";
        let expected = "# new head\na: 2\n\nb:   'x'  # because\nc: [ 1, 2 ]\n\n# end\n";
        assert_eq!(clean(&Yaml, [base, ours, theirs]), expected);
    }

    #[test]
    fn different_keys_merge_even_where_git_sees_a_conflict() {
        assert_eq!(
            clean(&Yaml, ["a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 1\nb: 2\n"]),
            "a: 2\nb: 2\n"
        );
        let both = ["a: 1\n", "a: 1\nx: 2\n", "a: 1\ny: 3\n"];
        assert_eq!(clean(&Yaml, both), "a: 1\nx: 2\ny: 3\n");
        let one_line = [
            "{\"a\": 1, \"b\": 1}\n",
            "{\"a\": 2, \"b\": 1}\n",
            "{\"a\": 1, \"b\": 2}\n",
        ];
        assert_eq!(clean(&Json, one_line), "{\"a\": 2, \"b\": 2}\n");
        let ends = [
            "{\n  \"a\": 1\n}\n",
            "{\n  \"a\": 1,\n  \"x\": 2\n}\n",
            "{\n  \"a\": 1,\n  \"y\": 3\n}\n",
        ];
        assert_eq!(
            clean(&Json, ends),
            "{\n  \"a\": 1,\n  \"x\": 2,\n  \"y\": 3\n}\n"
        );
    }

    #[test]
    fn the_same_key_is_in_conflict_and_holds_ours() {
        let (text, conflicts) = merged(&Yaml, ["a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 3\nb: 5\n"]);
        assert_eq!(
            (text.as_str(), conflicts),
            ("a: 2\nb: 5\n", vec!["a".to_owned()])
        );
    }

    #[test]
    fn the_same_new_key_with_one_value_is_no_conflict_and_with_two_it_is() {
        assert_eq!(
            clean(&Yaml, ["a: 1\n", "a: 1\nx: 2\n", "a: 1\nx: 2\n"]),
            "a: 1\nx: 2\n"
        );
        let (text, conflicts) = merged(&Yaml, ["a: 1\n", "a: 1\nx: 2\n", "a: 1\nx: 3\n"]);
        assert_eq!(
            (text.as_str(), conflicts),
            ("a: 1\nx: 2\n", vec!["x".to_owned()])
        );
    }

    #[test]
    fn a_key_that_one_side_removed_and_the_other_changed_is_in_conflict() {
        let (text, conflicts) = merged(&Yaml, ["a: 1\nb: 1\n", "b: 1\n", "a: 2\nb: 1\n"]);
        assert_eq!((text.as_str(), conflicts), ("b: 1\n", vec!["a".to_owned()]));
    }

    #[test]
    fn every_format_merges() {
        let env = ["A=1\nB=1\n", "A=2\nB=1\n", "A=1\nB=2\n"];
        assert_eq!(clean(&Dotenv, env), "A=2\nB=2\n");
        let ini = [
            "[s]\na = 1\nb = 1\n",
            "[s]\na = 2\nb = 1\n",
            "[s]\na = 1\nb = 2\n",
        ];
        assert_eq!(clean(&Ini, ini), "[s]\na = 2\nb = 2\n");
        let toml = [
            "[s]\na = 1\nb = 1\n",
            "[s]\na = 2\nb = 1\n",
            "[s]\na = 1\nb = 2 # x\n",
        ];
        assert_eq!(clean(&Toml, toml), "[s]\na = 2\nb = 2 # x\n");
    }

    #[test]
    fn several_documents_merge_line_by_line() {
        let versions = [
            "a: 1\n---\nb: 1\n",
            "a: 2\n---\nb: 1\n",
            "a: 1\n---\nb: 2\n",
        ];
        assert_eq!(clean(&Yaml, versions), "a: 2\n---\nb: 2\n");
    }
}
