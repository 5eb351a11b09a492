//! The file that `encrypt --output` writes over, and whether its data key may serve again, so that
//! values which did not change keep their tokens.
//!
//! Whoever can write the repository could have put a file there whose key they know. It is used
//! again only where the file opens with our identities, is for exactly the recipients that are
//! being written, and holds for the most part what is being written: only somebody who knows
//! those values already could have made it.

use super::args::{Types, Unlocking};
use super::configuration::Plan;
use super::input::{self, Input, Purpose};
use super::keyring::{Keyring, Opening};
use super::save::Sealing;
use super::unlock::{self, Unlocked};
use super::{Context, output};
use crate::document::{Document, LeafKind};
use crate::metadata::Selection;
use crate::store::{Layout, Store};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

/// The file that is there, held against other writers.
pub struct Existing {
    /// Where it was read from.
    pub input: Input,
    /// How to encrypt so that equal values keep their tokens.
    pub kept: Option<Kept>,
}

/// What may be kept of it.
pub enum Kept {
    /// Everything: it holds what is being written.
    All,
    /// Its data key, and the tokens of equal values.
    Key(Box<Sealing>),
}

/// What a file is held against.
pub struct Wanted<'w> {
    /// How a new file would be encrypted.
    pub plan: &'w Plan,
    /// What is being written.
    pub document: &'w Document,
    /// Its format.
    pub store: &'static dyn Store,
    /// How the metadata is laid out.
    pub layout: Layout,
    /// How files are opened.
    pub unlocking: &'w Unlocking,
    /// Encrypt values that are tokens already.
    pub allow_nested: bool,
}

impl Existing {
    /// The file at `path`, if there is one that is going to be replaced.
    pub fn claim(context: &Context, path: &Path, wanted: &Wanted<'_>) -> Option<Self> {
        if !output::replaces(path) {
            return None;
        }
        let types = Types {
            input_type: Some(wanted.store),
            output_type: None,
        };
        let mut input = Input::read(context, Some(path), &types, None, Purpose::Change).ok()?;
        let kept = wanted.kept(context, &mut input);
        Some(Self { input, kept })
    }
}

impl Wanted<'_> {
    fn kept(&self, context: &Context, there: &mut Input) -> Option<Kept> {
        let document = there.parse().ok()?;
        let metadata = unlock::metadata(&there.name, there.store, &document).ok()?;
        let plan = self.plan;
        let is_whole = there.store.envelope().is_some();
        let same = metadata.keys.same_recipients(&plan.keys)
            && metadata.keys.needed() == plan.keys.needed()
            && (is_whole || metadata.selection == plan.selection)
            && metadata.mac_only_encrypted == plan.mac_only_encrypted
            && metadata.cipher() == plan.cipher;
        if !same {
            return None;
        }
        let mut keyring = Keyring::new(context, self.unlocking).ok()?;
        let file = there.file.as_deref();
        let data_key = keyring
            .data_key(file, &metadata.keys, Opening::Decrypt)
            .ok()?;
        let unlocked = Unlocked {
            document,
            metadata,
            data_key,
        };
        let plain = unlocked.decrypt(context, there, false).ok()?;
        if *plain.text == *self.document.source {
            return Some(Kept::All);
        }
        if is_whole {
            // its one value is another one: there is no token to keep
            return None;
        }
        let before = input::parse(&there.name, there.store, plain.text, context.parsing()).ok()?;
        if !mostly_same(&before, self.document, &plan.selection) {
            return None;
        }
        Some(Kept::Key(Box::new(Sealing {
            metadata: unlocked.metadata,
            data_key: unlocked.data_key,
            cipher: plan.cipher,
            stash: plain.stash,
            allow_nested: self.allow_nested,
            layout: self.layout,
        })))
    }
}

/// Whether more than half of the encrypted values of `before` stand at the same places in `after`.
fn mostly_same(before: &Document, after: &Document, selection: &Selection) -> bool {
    let hasher = RandomState::new();
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let mut total = 0;
    each_value(before, selection, &hasher, |hash| {
        *counts.entry(hash).or_default() += 1;
        total += 1;
    });
    let mut found = 0;
    each_value(after, selection, &hasher, |hash| {
        if let Some(count) = counts.get_mut(&hash).filter(|count| **count > 0) {
            *count -= 1;
            found += 1;
        }
    });
    found * 2 > total
}

/// Gives every encrypted value with its place as a number.
fn each_value(
    document: &Document,
    selection: &Selection,
    hasher: &RandomState,
    mut see: impl FnMut(u64),
) {
    let mut leaves = document.leaves(selection);
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        let counts = leaf.kind == LeafKind::Value && !value.text.is_empty();
        if counts && selection.covers(&leaf) {
            see(hasher.hash_one((leaves.aad(), value.ty as u8, value.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ParseOptions, Yaml};
    use zeroize::Zeroizing;

    fn document(text: &str) -> Document {
        let text = Zeroizing::new(text.as_bytes().to_vec());
        Yaml.parse(text, ParseOptions::default()).expect("YAML")
    }

    #[test]
    fn more_than_half_of_what_was_there_has_to_be_there_again() {
        let same = |before: &str, after: &str| {
            mostly_same(&document(before), &document(after), &Selection::default())
        };
        let before = "a: one\nb: two\nc: three\n";
        assert!(same(before, "a: one\nc: three\nb: new\nd: more\n"));
        assert!(!same(before, "a: one\nb: 2\nc: 3\n"));
        assert!(!same("a: one\nb: two\n", "a: one\nb: 2\n"));
        assert!(!same("a_unencrypted: one\n", "a_unencrypted: one\n"));
        assert!(!same("a: one\n", "b: one\n"), "the place counts");
        assert!(!same("a: '1'\n", "a: 1\n"), "the type counts");
        assert!(same("l: [x, x, y]\n", "l: [x, x]\n"));
    }
}
