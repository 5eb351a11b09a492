//! Whether two programs did the same: encrypted files by what both programs decrypt them to, by
//! who can open them and by which values are in clear; everything else by bytes or by data.

use super::World;
use super::list::Relation;
use crate::support::{bulla, same_data, sops, text};
use bulla::document::{Branch, Data, Document, Type};
use bulla::store::{self, ParseOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeroize::Zeroizing;

/// In what two runs can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Status,
    Stdout,
    Stderr,
    Files,
}

impl Aspect {
    pub(super) const ALL: [Self; 4] = [Self::Status, Self::Stdout, Self::Stderr, Self::Files];
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "status",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Files => "files",
        })
    }
}

/// What a program did.
pub(super) struct Run {
    pub(super) status: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    /// The files that are new or changed.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The files that are no longer there.
    pub(super) gone: BTreeSet<String>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.unwrap_or(-1);
        write!(f, "[{status}]\n{}{}", text(&self.stdout), self.stderr)?;
        for (name, content) in &self.files {
            write!(f, "file {name}:\n{}", text(content))?;
        }
        for name in &self.gone {
            writeln!(f, "gone {name}")?;
        }
        Ok(())
    }
}

/// What scripts look for in messages: where sops says it, bulla does.
const FRAGMENTS: [&str; 9] = [
    "sops metadata not found",
    "MAC mismatch",
    "Group 0: FAILED",
    "Group 0: SUCCESS",
    "Group 1: FAILED",
    "no matching creation rules found",
    "config file not found",
    "error loading config",
    "ould not generate data key",
];

/// In what two runs differ, in the order of [`Aspect`], each at most once.
pub(super) fn differences(
    world: &World,
    relation: Relation,
    ours: &Run,
    theirs: &Run,
) -> Vec<(Aspect, String)> {
    let mut found = Vec::new();
    if ours.status != theirs.status {
        let said = |run: &Run| format!("{:?} {}", run.status, run.stderr.trim());
        let what = format!("sops {}; bulla {}", said(theirs), said(ours));
        found.push((Aspect::Status, what));
    }
    if relation != Relation::Prose
        && let Some(what) = content(world, relation, &ours.stdout, &theirs.stdout)
    {
        found.push((Aspect::Stdout, what));
    }
    let theirs_say = |fragment: &&&str| theirs.stderr.contains(**fragment);
    let missing = FRAGMENTS.iter().filter(theirs_say);
    let missing: Vec<_> = missing.filter(|f| !ours.stderr.contains(**f)).collect();
    if !missing.is_empty() {
        let what = format!("{missing:?} is missing in {}", ours.stderr.trim());
        found.push((Aspect::Stderr, what));
    }
    if let Some(what) = files(world, relation, ours, theirs) {
        found.push((Aspect::Files, what));
    }
    found
}

fn files(world: &World, relation: Relation, ours: &Run, theirs: &Run) -> Option<String> {
    if !ours.files.keys().eq(theirs.files.keys()) || ours.gone != theirs.gone {
        let named = |run: &Run| format!("changed {:?}, gone {:?}", run.files.keys(), run.gone);
        return Some(format!("sops {}; bulla {}", named(theirs), named(ours)));
    }
    ours.files.iter().find_map(|(name, mine)| {
        let what = content(world, relation, mine, &theirs.files[name])?;
        Some(format!("{name}: {what}"))
    })
}

/// How two texts differ that should be the same.
fn content(world: &World, relation: Relation, ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let both = || {
        format!(
            "\n--- sops\n{}\n--- bulla\n{}\n",
            text(theirs).trim_end(),
            text(ours).trim_end()
        )
    };
    match (Encrypted::of(ours), Encrypted::of(theirs)) {
        (Some(ours), Some(theirs)) => encrypted(world, &ours, &theirs),
        (None, None) if relation != Relation::Bytes => {
            data(ours, theirs).map(|what| format!("{what}{}", both()))
        }
        _ => Some(both()),
    }
}

/// In the place of a plaintext that there is not.
pub(super) const NOT_DECRYPTED: &[u8] = b"cannot be decrypted";

/// An encrypted file.
struct Encrypted<'a> {
    bytes: &'a [u8],
    format: &'static str,
}

impl<'a> Encrypted<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        const FORMATS: [&str; 4] = ["json", "yaml", "ini", "dotenv"];
        let found = FORMATS.into_iter().find(|format| {
            metadata(format, bytes).is_some_and(|metadata| metadata.entry("mac").is_some())
        });
        found.map(|format| Self { bytes, format })
    }

    /// Who can open the file and which values it is about, whatever the format.
    fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(metadata) = metadata(self.format, self.bytes) {
            collect_facts(&metadata, "", &mut facts);
        }
        // What every program takes for granted need not be written.
        facts.retain(|fact| fact != "unencrypted_suffix _unencrypted");
        facts.sort();
        facts
    }

    fn documents(&self) -> usize {
        document(self.format, self.bytes).map_or(0, |document| document.branches.len())
    }
}

/// The metadata of a text of a format.
fn metadata(format: &str, bytes: &[u8]) -> Option<Data> {
    let document = document(format, bytes)?;
    store::by_name(format)?.metadata(&document).ok()?
}

/// Recipients with their group, and selectors.
fn collect_facts(data: &Data, group: &str, facts: &mut Vec<String>) {
    const NAMES: [&str; 10] = [
        "recipient",
        "fp",
        "shamir_threshold",
        "mac_only_encrypted",
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ];
    match data {
        Data::Map(entries) => {
            for (key, value) in entries {
                let key = text(key);
                match (value, value.text()) {
                    (_, Some(value)) if NAMES.contains(&key.as_str()) => {
                        facts.push(format!("{group}{key} {value}"));
                    }
                    (Data::List(groups), _) if key == "key_groups" => {
                        for (at, group) in groups.iter().enumerate() {
                            collect_facts(group, &format!("group {at}: "), facts);
                        }
                    }
                    _ => collect_facts(value, group, facts),
                }
            }
        }
        Data::List(items) => items
            .iter()
            .for_each(|item| collect_facts(item, group, facts)),
        Data::Scalar(..) | Data::Comment(..) => {}
    }
}

/// How two encrypted files differ in anything but ciphertext.
fn encrypted(world: &World, ours: &Encrypted<'_>, theirs: &Encrypted<'_>) -> Option<String> {
    if ours.format != theirs.format {
        return Some(format!("sops {}, bulla {}", theirs.format, ours.format));
    }
    let (mine, yours) = (ours.facts(), theirs.facts());
    if mine != yours {
        return Some(format!("metadata: sops {yours:?}, bulla {mine:?}"));
    }
    if let Some(what) = in_clear(ours, theirs) {
        return Some(format!("{what} is in clear in one of them only"));
    }
    let from = ours.format;
    let mut to = if theirs.documents() > 1 { from } else { "json" };
    let mut expected = world.decrypted(sops(), theirs.bytes, from, to);
    if expected == NOT_DECRYPTED {
        // JSON has no infinity, for one.
        to = from;
        expected = world.decrypted(sops(), theirs.bytes, from, to);
    }
    [
        (sops(), ours, "what bulla wrote, read by sops"),
        (bulla(), ours, "what bulla wrote, read by bulla"),
        (bulla(), theirs, "what sops wrote, read by bulla"),
    ]
    .into_iter()
    .find_map(|(program, file, which)| {
        let got = world.decrypted(program, file.bytes, from, to);
        let what = data(&got, &expected)?;
        Some(format!(
            "{which}: {what}\n{}\ninstead of\n{}",
            text(&got),
            text(&expected)
        ))
    })
}

/// The first leaf that is a token in one file and in clear in the other.
fn in_clear(ours: &Encrypted<'_>, theirs: &Encrypted<'_>) -> Option<String> {
    let clear = |file: &Encrypted<'_>| {
        let mut leaves = BTreeSet::new();
        for branch in parsed(file.format, file.bytes)? {
            leaves_in_clear(&branch, "", &mut leaves);
        }
        Some(leaves)
    };
    let (ours, theirs) = (clear(ours)?, clear(theirs)?);
    ours.symmetric_difference(&theirs).next().cloned()
}

/// The paths of all leaves that are no token; items of a list all have the path of the list.
fn leaves_in_clear(data: &Data, path: &str, leaves: &mut BTreeSet<String>) {
    match data {
        Data::Map(entries) => entries.iter().for_each(|(key, value)| {
            leaves_in_clear(value, &format!("{path}/{}", text(key)), leaves);
        }),
        Data::List(items) => items
            .iter()
            .for_each(|item| leaves_in_clear(item, path, leaves)),
        Data::Scalar(_, text) if !text.starts_with(b"ENC[") && !text.is_empty() => {
            leaves.insert(path.to_owned());
        }
        Data::Scalar(..) | Data::Comment(..) => {}
    }
}

/// A text as a document of a format; `None` where it is not of that format.
fn document(format: &str, bytes: &[u8]) -> Option<Document> {
    let options = ParseOptions {
        allow_duplicate_keys: true,
        ..ParseOptions::default()
    };
    let store = store::by_name(format)?;
    store.parse(Zeroizing::new(bytes.to_vec()), options).ok()
}

/// The branches of a text, metadata aside.
fn parsed(format: &str, bytes: &[u8]) -> Option<Vec<Data>> {
    let document = document(format, bytes)?;
    let data = |branch: &Branch| branch.root.map(|root| document.data(root));
    let roots = document.branches.iter().map(data);
    // An empty document is what is left of an empty mapping.
    let mut branches: Vec<Data> = roots
        .map(|root| root.unwrap_or(Data::Map(Vec::new())))
        .collect();
    for branch in &mut branches {
        if let Data::Map(entries) = branch {
            entries.retain(|(key, _)| key != b"sops" && !key.starts_with(b"sops_"));
        }
    }
    Some(branches)
}

/// How two plaintexts differ as data, in whichever format both are.
fn data(ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs || same_data(ours, theirs).is_ok() {
        return None;
    }
    for format in ["yaml", "json", "dotenv", "ini"] {
        if let (Some(ours), Some(theirs)) = (parsed(format, ours), parsed(format, theirs)) {
            let same =
                ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| same(a, b));
            return (!same).then(|| format!("not the same {format} data"));
        }
    }
    Some("not the same".to_owned())
}

/// Whether two trees hold the same values in the same order; comments aside, and `1` is `1.0`.
fn same(a: &Data, b: &Data) -> bool {
    let is_value = |data: &&Data| !matches!(data, Data::Comment(..));
    match (a, b) {
        (Data::Map(a), Data::Map(b)) => {
            let a: Vec<_> = a.iter().filter(|(_, value)| is_value(&value)).collect();
            let b: Vec<_> = b.iter().filter(|(_, value)| is_value(&value)).collect();
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        (Data::List(a), Data::List(b)) => {
            let a: Vec<_> = a.iter().filter(is_value).collect();
            let b: Vec<_> = b.iter().filter(is_value).collect();
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Data::Scalar(a_type, a), Data::Scalar(b_type, b)) => {
            let is_number = |ty: &Type| matches!(ty, Type::Int | Type::Float);
            a == b && a_type == b_type
                || is_number(a_type)
                    && is_number(b_type)
                    && text(a).parse::<f64>().ok() == text(b).parse::<f64>().ok()
        }
        _ => false,
    }
}
