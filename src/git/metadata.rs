//! Three-way merge of what files say of their encryption: recipients as sets, the rest field by
//! field. What is computed (date, MAC, spellings) is of no account.

use crate::keys::{KeyGroup, KeyGroups, MasterKey};
use crate::metadata::{Metadata, Selection};

/// A field that both sides have changed, differently: ours counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// How many key groups there are.
    Groups,
    /// Who is in a group: together they have taken out everybody.
    Recipients,
    /// How many of them are needed.
    Threshold,
    /// Which values are encrypted.
    Selection,
    /// Which values the MAC covers.
    MacOnlyEncrypted,
}

impl Field {
    /// What it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Groups => "the key groups",
            Self::Recipients => "the recipients, so that nobody is left",
            Self::Threshold => "the threshold of the key groups",
            Self::Selection => "the selection of values",
            Self::MacOnlyEncrypted => "mac_only_encrypted",
        }
    }
}

/// Merges what two sides made of `base`; without a base, nothing was there. The merged metadata is
/// ours but for what theirs has changed.
#[must_use]
pub fn merge_metadata(
    base: Option<&Metadata>,
    ours: &Metadata,
    theirs: &Metadata,
) -> (Metadata, Vec<Field>) {
    let mut fields = Vec::new();
    let mut merged = ours.clone();
    let selection = |metadata: &Metadata| shown(&metadata.selection);
    if chosen(
        base.map(selection),
        selection(ours),
        selection(theirs),
        Field::Selection,
        &mut fields,
    ) {
        merged.selection = theirs.selection.clone();
    }
    let only = |metadata: &Metadata| metadata.mac_only_encrypted;
    if chosen(
        base.map(only),
        only(ours),
        only(theirs),
        Field::MacOnlyEncrypted,
        &mut fields,
    ) {
        merged.mac_only_encrypted = theirs.mac_only_encrypted;
    }
    merged.raise_version(&theirs.version);
    merged.keys = keys(
        base.map(|base| &base.keys),
        &ours.keys,
        &theirs.keys,
        &mut fields,
    );
    (merged, fields)
}

fn shown(selection: &Selection) -> Option<(&'static str, String)> {
    let (name, text) = selection.field()?;
    Some((name, text.to_owned()))
}

/// Whether theirs counts: it has changed, and ours has not. Where both have, the field is noted.
fn chosen<T: PartialEq>(
    base: Option<T>,
    ours: T,
    theirs: T,
    field: Field,
    fields: &mut Vec<Field>,
) -> bool {
    if ours == theirs || base.as_ref() == Some(&theirs) {
        return false;
    }
    if base.as_ref() == Some(&ours) {
        return true;
    }
    fields.push(field);
    false
}

fn keys(
    base: Option<&KeyGroups>,
    ours: &KeyGroups,
    theirs: &KeyGroups,
    fields: &mut Vec<Field>,
) -> KeyGroups {
    let count = |keys: &KeyGroups| keys.groups.len();
    if count(ours) != count(theirs) {
        let taken = chosen(
            base.map(count),
            count(ours),
            count(theirs),
            Field::Groups,
            fields,
        );
        return if taken { theirs } else { ours }.clone();
    }
    let threshold = |keys: &KeyGroups| keys.needed();
    let (mut merged, before) = (ours.clone(), base.filter(|base| count(base) == count(ours)));
    if chosen(
        before.map(threshold),
        threshold(ours),
        threshold(theirs),
        Field::Threshold,
        fields,
    ) {
        merged.threshold = theirs.threshold;
    }
    for (at, group) in merged.groups.iter_mut().enumerate() {
        let before = before.map_or(&[][..], |base| &base.groups[at]);
        let left = members(before, &ours.groups[at], &theirs.groups[at]);
        if left.is_empty() {
            fields.push(Field::Recipients);
        } else {
            *group = left;
        }
    }
    merged
}

/// The keys of both sides but for those that one of them has taken out.
fn members(base: &[Box<dyn MasterKey>], ours: &KeyGroup, theirs: &KeyGroup) -> KeyGroup {
    let has = |group: &[Box<dyn MasterKey>], key: &dyn MasterKey| {
        group.iter().any(|there| there.is_same_as(key))
    };
    let kept = ours.iter();
    let kept = kept.filter(|key| has(theirs, &***key) || !has(base, &***key));
    let new = theirs.iter();
    let new = new.filter(|key| !has(ours, &***key) && !has(base, &***key));
    kept.chain(new).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{AwsOptions, Provider};

    const NAMES: [&str; 4] = ["r:a", "r:b", "r:c", "r:d"];

    fn metadata(groups: &[&[usize]], threshold: usize, regex: Option<&str>) -> Metadata {
        let provider = Provider::find("hckms").expect("a provider");
        let group = |members: &&[usize]| -> KeyGroup {
            let names: Vec<_> = members.iter().map(|&member| NAMES[member]).collect();
            provider
                .parse(&names.join(","), &AwsOptions::default())
                .expect("keys")
        };
        let groups = groups.iter().map(group).collect();
        let fields = regex.map(|regex| ("encrypted_regex", regex));
        let selection = Selection::from_fields(fields)
            .expect("a pattern")
            .unwrap_or_default();
        Metadata::new(KeyGroups { groups, threshold }, selection, false, "3.13.2")
    }

    fn merged(versions: [Metadata; 3]) -> (String, Vec<Field>) {
        let [base, ours, theirs] = versions;
        let (merged, fields) = merge_metadata(Some(&base), &ours, &theirs);
        let groups = merged.keys.ids().into_iter().map(|ids| ids.join(" "));
        let shown = merged
            .selection
            .field()
            .map_or("", |(_, regex)| regex)
            .to_owned();
        let groups: Vec<_> = groups.collect();
        (
            format!("{}/{}/{shown}", groups.join("|"), merged.keys.threshold),
            fields,
        )
    }

    #[test]
    fn recipients_merge_as_sets() {
        let one = |members: &[usize]| metadata(&[members], 0, None);
        assert_eq!(
            merged([one(&[0, 1]), one(&[0, 1, 2]), one(&[1, 3])]),
            ("r:b r:c r:d/0/_unencrypted".to_owned(), vec![])
        );
    }

    #[test]
    fn groups_merge_one_by_one_and_the_threshold_like_a_value() {
        let base = metadata(&[&[0], &[1]], 2, None);
        let ours = metadata(&[&[0, 2], &[1]], 2, None);
        let theirs = metadata(&[&[0], &[1, 3]], 2, Some("^p"));
        assert_eq!(
            merged([base, ours, theirs]),
            ("r:a r:c|r:b r:d/2/^p".to_owned(), vec![])
        );
    }

    #[test]
    fn a_field_that_both_changed_is_noted_and_ours_counts() {
        let base = metadata(&[&[0]], 0, None);
        let ours = metadata(&[&[0]], 0, Some("^a"));
        let theirs = metadata(&[&[0], &[1]], 2, Some("^b"));
        let (shown, fields) = merged([base, ours, theirs]);
        assert_eq!(
            (shown.as_str(), fields),
            ("r:a|r:b/2/^a", vec![Field::Selection])
        );
    }
}
