//! Metadata from and to the tree that a store reads and writes.

use super::fields::{Fields, wrong};
use super::{
    Bulla, Metadata, MetadataError, SELECTORS, Selection, Spelling, Unresolved, timestamp,
};
use crate::document::{Data, Type};
use crate::keys::KeyGroups;

impl Metadata {
    /// Reads what stands under [`super::KEY`]. Unknown fields are dropped, as sops drops them.
    ///
    /// # Errors
    /// [`MetadataError`], also where sops could not compare the version.
    pub fn from_data(data: &Data) -> Result<Self, MetadataError> {
        let metadata = Self::from_data_of_any_version(data)?;
        metadata.check_version()?;
        Ok(metadata)
    }

    /// As [`Metadata::from_data`], but takes any version: enough to say whether a file is
    /// encrypted.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn from_data_of_any_version(data: &Data) -> Result<Self, MetadataError> {
        let Data::Map(entries) = data else {
            return Err(MetadataError::NotAMapping);
        };
        let fields = Fields(entries);
        let last_modified = timestamp::to_seconds(fields.text("lastmodified")?)
            .ok_or_else(|| wrong("lastmodified", "a timestamp as in RFC 3339"))?;
        let mac = fields.text("mac")?;
        Ok(Self {
            last_modified,
            mac: (!mac.is_empty()).then(|| mac.to_owned()),
            selection: selection(&fields)?,
            mac_only_encrypted: fields.truth("mac_only_encrypted")?,
            version: version(&fields)?,
            keys: KeyGroups::from_data(data)?,
            bulla: bulla(&fields)?,
        })
    }

    /// The tree to write: what sops 3.13 writes, sorted by name at every level, and `bulla`.
    #[must_use]
    pub fn to_data(&self) -> Data {
        let mut entries = vec![
            entry("lastmodified", Data::str(&self.last_modified)),
            entry("mac", Data::str(self.mac.as_deref().unwrap_or_default())),
            entry("version", Data::str(&self.version)),
        ];
        let keys = self.keys.to_entries().into_iter();
        entries.extend(keys.map(|(name, data)| entry(name, data)));
        if let Some((name, text)) = self.selection.field() {
            entries.push(entry(name, Data::str(text)));
        }
        if self.mac_only_encrypted {
            entries.push(entry("mac_only_encrypted", Data::bool(true)));
        }
        if let Some(threshold) = i64::try_from(self.keys.threshold).ok().filter(|t| *t > 0) {
            entries.push(entry("shamir_threshold", Data::int(threshold)));
        }
        if self.bulla != Bulla::default() {
            entries.push(entry("bulla", self.bulla.to_data()));
        }
        sorted(Data::Map(entries))
    }
}

impl Bulla {
    fn to_data(&self) -> Data {
        let mut entries = self.others.clone();
        if !self.conflicts.is_empty() {
            let conflicts = self.conflicts.iter().map(unresolved_data).collect();
            entries.push(entry("conflicts", Data::List(conflicts)));
        }
        if let Some(seal) = &self.seal {
            entries.push(entry("seal", Data::str(seal)));
        }
        if !self.spelling.is_empty() {
            // A list, not a map by path: not every format takes every path as a name.
            let spelled = self.spelling.iter().map(|Spelling { path, token }| {
                Data::Map(vec![
                    entry("path", Data::str(path)),
                    entry("token", Data::str(token)),
                ])
            });
            entries.push(entry("spelling", Data::List(spelled.collect())));
        }
        Data::Map(entries)
    }
}

fn unresolved_data(conflict: &Unresolved) -> Data {
    let sides = [("base", &conflict.base), ("theirs", &conflict.theirs)];
    let sides = sides.into_iter();
    let tokens = sides.filter_map(|(side, token)| Some(entry(side, Data::str(token.as_deref()?))));
    let path = entry("path", Data::str(&conflict.path));
    Data::Map(std::iter::once(path).chain(tokens).collect())
}

fn entry(name: &str, data: Data) -> (Vec<u8>, Data) {
    (name.as_bytes().to_vec(), data)
}

/// `data` with the entries of every map sorted by name. As deep as a store nests.
fn sorted(data: Data) -> Data {
    match data {
        Data::List(items) => Data::List(items.into_iter().map(sorted).collect()),
        Data::Map(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Data::Map(entries)
        }
        leaf => leaf,
    }
}

fn selection(fields: &Fields<'_>) -> Result<Selection, MetadataError> {
    let mut given = Vec::with_capacity(SELECTORS.len());
    for name in SELECTORS {
        given.push((name, fields.text(name)?));
    }
    Ok(Selection::from_fields(given)?.unwrap_or_default())
}

fn version(fields: &Fields<'_>) -> Result<String, MetadataError> {
    let text = fields.text("version")?;
    // An unquoted `1.0`: the number has no fraction left.
    match fields.value("version") {
        Some(Data::Scalar(Type::Float, _)) if text == "1" => Ok("1.0".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn bulla(fields: &Fields<'_>) -> Result<Bulla, MetadataError> {
    let entries = match fields.value("bulla") {
        None => return Ok(Bulla::default()),
        Some(Data::Map(entries)) => entries,
        Some(_) => return Err(wrong("bulla", "a mapping")),
    };
    let fields = Fields(entries);
    let seal = fields
        .text("seal")
        .map_err(|_| wrong("bulla.seal", "a text"))?;
    let ours = |key: &[u8]| matches!(key, b"conflicts" | b"seal" | b"spelling");
    let others = entries
        .iter()
        .filter(|(key, value)| !ours(key) && !matches!(value, Data::Comment(..)));
    Ok(Bulla {
        spelling: spelling(&fields)?,
        conflicts: conflicts(&fields)?,
        seal: (!seal.is_empty()).then(|| seal.to_owned()),
        others: others.cloned().collect(),
    })
}

fn spelling(fields: &Fields<'_>) -> Result<Vec<Spelling>, MetadataError> {
    list(fields, "spelling", "bulla.spelling", |text| {
        let (path, token) = (text("path")?, text("token")?);
        Some(Spelling { path, token })
    })
}

fn conflicts(fields: &Fields<'_>) -> Result<Vec<Unresolved>, MetadataError> {
    list(fields, "conflicts", "bulla.conflicts", |text| {
        let (path, base, theirs) = (text("path")?, text("base"), text("theirs"));
        Some(Unresolved { path, base, theirs })
    })
}

/// The items of a list, each made of the texts of its entries.
fn list<T>(
    fields: &Fields<'_>,
    name: &'static str,
    place: &'static str,
    item: impl Fn(&dyn Fn(&str) -> Option<String>) -> Option<T>,
) -> Result<Vec<T>, MetadataError> {
    let malformed = || wrong(place, "a list of paths and tokens");
    let items = match fields.value(name) {
        None => return Ok(Vec::new()),
        Some(Data::List(items)) => items,
        Some(_) => return Err(malformed()),
    };
    let values = items.iter().filter(|i| !matches!(i, Data::Comment(..)));
    let made = values.map(|data| item(&|name| data.entry(name)?.text().map(str::to_owned)));
    made.map(|made| made.ok_or_else(malformed)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_yaml::read;
    use super::*;

    const MINIMAL: &str = "age: [{recipient: r, enc: e}]\nlastmodified: '2026-11-21T11:04:46Z'\nmac: ENC[m]\nversion: 3.13.2\n";

    fn metadata(text: &str) -> Result<Metadata, MetadataError> {
        Metadata::from_data(&read(text))
    }

    fn with(line: &str) -> Result<Metadata, MetadataError> {
        metadata(&format!("{MINIMAL}{line}\n"))
    }

    fn names(data: &Data) -> Vec<String> {
        match data {
            Data::Map(entries) => entries
                .iter()
                .map(|(key, _)| String::from_utf8(key.clone()).unwrap())
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let found = metadata(MINIMAL).unwrap();
        assert_eq!(found.last_modified, "2026-11-21T11:04:46Z");
        assert_eq!(found.mac.as_deref(), Some("ENC[m]"));
        assert_eq!(found.selection, Selection::default());
        assert_eq!((found.mac_only_encrypted, found.keys.threshold), (false, 0));
        assert_eq!(found.bulla, Bulla::default());
    }

    #[test]
    fn types_are_loose() {
        for line in [
            "shamir_threshold: 2",
            "shamir_threshold: '0x2'",
            "shamir_threshold: 2.0",
            "shamir_threshold: '2.000000'",
            "SHAMIR_Threshold: 2",
        ] {
            assert_eq!(with(line).unwrap().keys.threshold, 2, "{line}");
        }
        for line in [
            "mac_only_encrypted: true",
            "mac_only_encrypted: 'true'",
            "mac_only_encrypted: 1",
        ] {
            assert!(with(line).unwrap().mac_only_encrypted, "{line}");
        }
        let nothing = with("pgp: []\nkms:\nshamir_threshold: null\nencrypted_regex: ''").unwrap();
        assert_eq!(nothing.keys.ids(), [["r"]]);
    }

    #[test]
    fn wrong_values_are_named() {
        let error = |line| with(line).unwrap_err().to_string();
        assert_eq!(
            error("shamir_threshold: -1"),
            "`shamir_threshold` in the metadata is not a count of groups"
        );
        assert_eq!(
            error("mac_only_encrypted: maybe"),
            "sops.mac_only_encrypted: expected true or false"
        );
        assert_eq!(
            error("encrypted_regex: [a]"),
            "sops.encrypted_regex: expected a text"
        );
        assert_eq!(error("bulla: 1"), "sops.bulla: expected a mapping");
        assert_eq!(
            error("bulla: {spelling: [x]}"),
            "sops.bulla.spelling: expected a list of paths and tokens"
        );
        let untimed =
            metadata("age: [{recipient: r, enc: e}]\nmac: x\nversion: 3.0.0").unwrap_err();
        assert_eq!(
            untimed.to_string(),
            "sops.lastmodified: expected a timestamp as in RFC 3339"
        );
    }

    #[test]
    fn selectors_exclude_each_other() {
        let error = with("encrypted_regex: a\nunencrypted_suffix: b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use more than one of encrypted_regex, unencrypted_suffix"
        );
        assert!(matches!(
            with("encrypted_regex: '('"),
            Err(MetadataError::Selection(_))
        ));
    }

    #[test]
    fn the_version_is_checked_but_for_the_question_whether_a_file_is_encrypted() {
        let text = MINIMAL.replace("3.13.2", "3.13");
        assert_eq!(
            metadata(&text).unwrap_err().to_string(),
            "sops.version \"3.13\": No Major.Minor.Patch elements found"
        );
        assert!(Metadata::from_data_of_any_version(&read(&text)).is_ok());
        assert_eq!(
            metadata(&MINIMAL.replace("3.13.2", "1.0")).unwrap().version,
            "1.0"
        );
        let missing = MINIMAL.replace("version: 3.13.2\n", "");
        assert_eq!(
            metadata(&missing).unwrap_err().to_string(),
            "sops.version \"\": Version string empty"
        );
    }

    #[test]
    fn what_is_no_mapping_is_not_metadata() {
        for text in ["- a", "text", "null", "1"] {
            let error = metadata(text).unwrap_err();
            assert!(matches!(error, MetadataError::NotAMapping), "{text}");
        }
    }

    #[test]
    fn it_is_written_in_order_at_every_level() {
        let text = "version: 3.13.2\nunknown: gone\nunencrypted_suffix: _x\nshamir_threshold: 2\n\
            mac_only_encrypted: true\nmac: ENC[m]\nlastmodified: '2026-11-21T11:04:46+00:00'\n\
            kms: [{enc: e, aws_profile: '', arn: a}]\nage: [{recipient: r, enc: e}]\n\
            bulla: {spelling: [{token: t, path: p}], seal: s, later: {b: 1, a: 2}}\n";
        let found = metadata(text).unwrap();
        let (path, token) = ("p".to_owned(), "t".to_owned());
        assert_eq!(found.bulla.spelling, [Spelling { path, token }]);
        let written = found.to_data();
        assert_eq!(
            names(&written),
            [
                "age",
                "bulla",
                "kms",
                "lastmodified",
                "mac",
                "mac_only_encrypted",
                "shamir_threshold",
                "unencrypted_suffix",
                "version"
            ]
        );
        assert_eq!(
            names(written.entry("bulla").unwrap()),
            ["later", "seal", "spelling"]
        );
        let Some(Data::List(kms)) = written.entry("kms") else {
            panic!()
        };
        assert_eq!(names(&kms[0]), ["arn", "aws_profile", "enc"]);
        assert_eq!(
            written.entry("lastmodified").unwrap().text(),
            Some("2026-11-21T11:04:46Z")
        );
        assert_eq!(Metadata::from_data(&written).unwrap().to_data(), written);
    }
}
