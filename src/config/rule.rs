//! One creation rule: the files it is for, the keys and selectors they get.

use super::directory::{Directory, texts};
use super::fields::{ConfigError, Fields, Place, Problem, list, mistyped, text};
use crate::document::Data;
use crate::metadata::re2::Pattern;
use crate::metadata::{SELECTORS, Selection};

/// The ciphers that a rule may ask for.
pub const CIPHERS: [&str; 2] = ["AES256_GCM", "XCHACHA20_POLY1305"];

/// A rule for new files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Searched for in the path; `None` matches every file.
    pub path_regex: Option<Pattern>,
    /// The keys of every key group. A rule without keys has one group that is empty.
    pub groups: Vec<Vec<RuleKey>>,
    /// Key groups needed to open the file; 0 stands for all of them.
    pub shamir_threshold: usize,
    /// Which leaves are encrypted; `None` where the rule says nothing.
    pub selection: Option<Selection>,
    /// The MAC covers encrypted leaves only.
    pub mac_only_encrypted: bool,
    /// One of [`CIPHERS`], where the rule says so.
    pub cipher: Option<&'static str>,
    /// A file without a seal is refused.
    pub require_seal: bool,
    /// The other entries of the rule's `bulla`, for versions to come.
    pub bulla: Vec<(Vec<u8>, Data)>,
}

/// A key that a rule names, unparsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleKey {
    /// The field it stands in: `age`, `pgp`, `kms`, `gcp_kms`, `hckms`, `azure_keyvault`
    /// or `hc_vault`.
    pub provider: &'static str,
    /// Its text: a recipient, a fingerprint, an address. For `kms` an ARN, outside of key
    /// groups perhaps with `+` and a role's ARN; for `azure_keyvault` always an address.
    pub id: String,
    /// What else is said of it, a map of texts sorted by name: for `kms` `aws_profile`,
    /// `context` (a map) and `role`; empty for all others.
    pub extra: Data,
}

type Read<T> = Result<T, ConfigError>;

/// How the texts of a flat field are separated from what surrounds them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    /// Around a text.
    Trim,
    /// Everywhere in it.
    Drop,
}

/// The flat fields in their order: field, provider, what happens to spaces.
pub(super) const FLAT_FIELDS: [(&str, &str, Spaces); 7] = [
    ("age", "age", Spaces::Trim),
    ("pgp", "pgp", Spaces::Drop),
    ("kms", "kms", Spaces::Drop),
    ("gcp_kms", "gcp_kms", Spaces::Drop),
    ("hckms", "hckms", Spaces::Trim),
    ("azure_keyvault", "azure_keyvault", Spaces::Trim),
    ("hc_vault_transit_uri", "hc_vault", Spaces::Trim),
];

/// What reading a rule takes, and what it finds besides.
pub(super) struct Reader<'a> {
    /// Names that stand for recipients.
    pub(super) names: &'a Directory,
    /// Keys that mean nothing.
    pub(super) unknown: &'a mut Vec<String>,
    /// Keys without effect.
    pub(super) ignored: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Reads a rule.
    pub(super) fn rule(&mut self, data: &Data, place: Place) -> Read<Rule> {
        let mut fields = Fields::new(data, place)?;
        let threshold = fields.number("shamir_threshold", 0)?.unwrap_or(0);
        let path_regex = path_regex(&mut fields)?;
        let (groups, own) = self.groups(&mut fields)?;
        let mut rule = Rule {
            path_regex,
            groups,
            shamir_threshold: usize::try_from(threshold).unwrap_or(usize::MAX),
            selection: selection(&mut fields)?,
            mac_only_encrypted: fields.truth("mac_only_encrypted")?,
            cipher: cipher(&mut fields)?,
            require_seal: false,
            bulla: Vec::new(),
        };
        if let Some(mut own) = own {
            rule.require_seal = own.truth("require_seal")?;
            rule.bulla = own.rest();
        }
        fields.finish(self.unknown);
        Ok(rule)
    }

    /// The key groups; where there are none, one group of the flat fields. Also what is left of
    /// the rule's own `bulla`.
    #[allow(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    fn groups<'d>(
        &mut self,
        fields: &mut Fields<'d>,
    ) -> Read<(Vec<Vec<RuleKey>>, Option<Fields<'d>>)> {
        let given = fields.list("key_groups")?.unwrap_or_default();
        let mut own = fields.mapping("bulla")?;
        if given.is_empty() {
            let mut keys = flat_group(fields, self.names)?;
            if let Some(own) = &mut own {
                add(&mut keys, self.named(own)?);
            }
            return Ok((vec![keys], own));
        }
        if let Some(own) = &mut own
            && own.take("recipients").is_some()
        {
            let place = own.place("recipients");
            return Err(ConfigError::new(place, Problem::BesideGroups));
        }
        for name in FLAT_FIELDS.iter().map(|flat| flat.0).chain(["aws_profile"]) {
            if fields.take(name).is_some() {
                self.ignored.push(fields.place(name).to_string());
            }
        }
        let groups = given
            .into_iter()
            .map(|(data, place)| self.group(data, place));
        Ok((groups.collect::<Read<_>>()?, own))
    }

    /// The keys that `bulla.recipients` names.
    fn named(&self, own: &mut Fields<'_>) -> Read<Vec<RuleKey>> {
        let place = own.place("recipients");
        match own.take("recipients") {
            None => Ok(Vec::new()),
            Some(data) => self.names.keys(&texts(data, place)?),
        }
    }

    /// A key group: those it merges first, then its own keys, each once. As deep as a store nests.
    fn group(&mut self, data: &Data, place: Place) -> Read<Vec<RuleKey>> {
        let mut fields = Fields::new(data, place)?;
        let mut keys = Vec::new();
        for (item, place) in fields.list("merge")?.unwrap_or_default() {
            keys.extend(self.group(item, place)?);
        }
        for (field, provider, spaces) in FLAT_FIELDS {
            let name = group_field(field, provider);
            for (item, place) in fields.list(name)?.unwrap_or_default() {
                let unknown = &mut *self.unknown;
                match provider {
                    "kms" => keys.push(kms_key(item, place, unknown)?),
                    "gcp_kms" => {
                        keys.push(named_key(provider, "resource_id", item, place, unknown)?);
                    }
                    "hckms" => keys.push(named_key(provider, "key_id", item, place, unknown)?),
                    "azure_keyvault" => keys.push(azure_key(item, place, unknown)?),
                    _ => {
                        let text = text(item, place)?;
                        keys.extend(plain_keys(provider, text, spaces, self.names));
                    }
                }
            }
        }
        if let Some(mut own) = fields.mapping("bulla")? {
            keys.extend(self.named(&mut own)?);
            own.finish(self.unknown);
        }
        fields.finish(self.unknown);
        Ok(each_once(keys))
    }
}

/// Inside of a group a field is called like its provider.
pub(super) fn group_field(field: &'static str, provider: &'static str) -> &'static str {
    if provider == "hc_vault" {
        provider
    } else {
        field
    }
}

/// Adds keys that are not there.
fn add(keys: &mut Vec<RuleKey>, more: Vec<RuleKey>) {
    for key in more {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
}

/// The pattern of a rule; `None` matches every file.
pub(super) fn path_regex(fields: &mut Fields<'_>) -> Read<Option<Pattern>> {
    let Some(text) = fields.text("path_regex")? else {
        return Ok(None);
    };
    Pattern::new(text).map(Some).map_err(|source| {
        let pattern = text.to_owned();
        ConfigError::new(fields.own_place(), Problem::PathRegex { pattern, source })
    })
}

fn selection(fields: &mut Fields<'_>) -> Read<Option<Selection>> {
    let mut given = Vec::with_capacity(SELECTORS.len());
    for name in SELECTORS {
        given.push((name, fields.text(name)?.unwrap_or_default()));
    }
    Selection::from_fields(given).map_err(|error| ConfigError::new(fields.own_place(), error))
}

fn cipher(fields: &mut Fields<'_>) -> Read<Option<&'static str>> {
    let Some(name) = fields.text("cipher")? else {
        return Ok(None);
    };
    let known = CIPHERS.iter().find(|known| **known == name);
    known.copied().map(Some).ok_or_else(|| {
        let name = name.to_owned();
        ConfigError::new(fields.place("cipher"), Problem::Cipher { name })
    })
}

/// The keys that lists by kind name, for somebody who has several.
pub(super) fn named_keys(mut fields: Fields<'_>) -> Read<Vec<RuleKey>> {
    let keys = flat_group(&mut fields, &Directory::default())?;
    let place = fields.own_place();
    let mut unknown = Vec::new();
    fields.finish(&mut unknown);
    if keys.is_empty() || !unknown.is_empty() {
        return Err(ConfigError::new(place, Problem::NoRecipient));
    }
    Ok(keys)
}

/// The key that a text names, where the text alone tells its kind.
pub(super) fn literal_key(text: &str) -> Option<RuleKey> {
    let is_fingerprint = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (provider, id) = match text {
        _ if text.starts_with("age1") || text.starts_with("ssh-") => ("age", text.to_owned()),
        _ if text.starts_with("arn:") => ("kms", text.replace(' ', "")),
        _ if text.starts_with("projects/") => ("gcp_kms", text.replace(' ', "")),
        _ if is_fingerprint => ("pgp", text.to_owned()),
        _ => return None,
    };
    Some(RuleKey {
        provider,
        id,
        extra: extra([]),
    })
}

fn flat_group(fields: &mut Fields<'_>, names: &Directory) -> Read<Vec<RuleKey>> {
    let profile = fields.text("aws_profile")?;
    let mut keys = Vec::new();
    for (field, provider, spaces) in FLAT_FIELDS {
        let texts = match field {
            "hckms" => texts_of(fields.list(field)?.unwrap_or_default())?,
            _ => flat_texts(fields, field)?,
        };
        let ids = texts.iter().flat_map(|text| text.split(','));
        for id in ids
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty())
        {
            if let Some(known) = names.resolve(&id) {
                add(&mut keys, known.to_vec());
                continue;
            }
            let profile = profile.filter(|_| provider == "kms");
            keys.push(RuleKey {
                provider,
                id: if spaces == Spaces::Drop {
                    id.replace(' ', "")
                } else {
                    id
                },
                extra: extra([("aws_profile", profile.map(Data::str))]),
            });
        }
    }
    Ok(keys)
}

/// A text or a list of texts.
fn flat_texts<'d>(fields: &mut Fields<'d>, field: &str) -> Read<Vec<&'d str>> {
    let place = fields.place(field);
    match fields.take(field) {
        None => Ok(Vec::new()),
        Some(value @ Data::List(_)) => texts_of(list(value, &place)?),
        Some(value) => text(value, place.clone())
            .map(|text| vec![text])
            .map_err(|_| mistyped(value, place, "a text or a list of texts")),
    }
}

fn texts_of(items: Vec<(&Data, Place)>) -> Read<Vec<&str>> {
    items
        .into_iter()
        .map(|(item, place)| text(item, place))
        .collect()
}

/// The keys without those that stood before.
pub(super) fn each_once(keys: Vec<RuleKey>) -> Vec<RuleKey> {
    let mut kept: Vec<RuleKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if !kept.contains(&key) {
            kept.push(key);
        }
    }
    kept
}

/// The keys of an item that is a text: only for `age` may it hold several.
fn plain_keys(
    provider: &'static str,
    text: &str,
    spaces: Spaces,
    names: &Directory,
) -> Vec<RuleKey> {
    let ids: Vec<&str> = match provider {
        "age" => text.split(',').collect(),
        _ => vec![text],
    };
    let trimmed = ids.into_iter().map(str::trim).filter(|id| !id.is_empty());
    let key = |id: &str| RuleKey {
        provider,
        id: if spaces == Spaces::Drop {
            id.replace(' ', "")
        } else {
            id.to_owned()
        },
        extra: extra([]),
    };
    trimmed
        .flat_map(|id| {
            names
                .resolve(id)
                .map_or_else(|| vec![key(id)], <[_]>::to_vec)
        })
        .collect()
}

/// A key whose only field is its name.
fn named_key(
    provider: &'static str,
    field: &str,
    data: &Data,
    place: Place,
    unknown: &mut Vec<String>,
) -> Read<RuleKey> {
    let mut fields = Fields::new(data, place)?;
    let id = required(&mut fields, field)?.trim().to_owned();
    fields.finish(unknown);
    Ok(RuleKey {
        provider,
        id,
        extra: extra([]),
    })
}

fn kms_key(data: &Data, place: Place, unknown: &mut Vec<String>) -> Read<RuleKey> {
    let mut fields = Fields::new(data, place)?;
    let id = required(&mut fields, "arn")?.trim().to_owned();
    let role = fields.text("role")?.map(Data::str);
    let profile = fields.text("aws_profile")?.map(Data::str);
    let context = fields.mapping("context")?.map(context).transpose()?;
    fields.finish(unknown);
    Ok(RuleKey {
        provider: "kms",
        id,
        extra: extra([
            ("aws_profile", profile),
            ("context", context.flatten()),
            ("role", role),
        ]),
    })
}

/// An encryption context: texts by name, sorted; `None` where it is empty.
fn context(fields: Fields<'_>) -> Read<Option<Data>> {
    let places = fields.own_place();
    let mut entries = fields.rest();
    for (_, value) in &entries {
        text(value, places.clone())?;
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((!entries.is_empty()).then_some(Data::Map(entries)))
}

/// A key vault's key, written as the address that the flat field takes.
fn azure_key(data: &Data, place: Place, unknown: &mut Vec<String>) -> Read<RuleKey> {
    let mut fields = Fields::new(data, place)?;
    let vault = required(&mut fields, "vaultUrl")?;
    let key = required(&mut fields, "key")?;
    let mut id = format!("{}/keys/{key}", vault.trim_end_matches('/'));
    if let Some(version) = fields.text("version")? {
        id.push('/');
        id.push_str(version);
    }
    fields.finish(unknown);
    Ok(RuleKey {
        provider: "azure_keyvault",
        id,
        extra: extra([]),
    })
}

fn required<'d>(fields: &mut Fields<'d>, name: &str) -> Read<&'d str> {
    let nothing = || mistyped(&Data::null(), fields.place(name), "a text");
    let error = nothing();
    fields.text(name)?.ok_or(error)
}

fn extra<const N: usize>(fields: [(&str, Option<Data>); N]) -> Data {
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.as_bytes().to_vec(), value?)));
    Data::Map(present.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;

    /// Reads one rule; its unknown and its ignored keys beside it.
    fn parse(text: &str) -> Read<(Rule, Vec<String>)> {
        parse_with(&Directory::default(), text)
    }

    fn parse_with(names: &Directory, text: &str) -> Read<(Rule, Vec<String>)> {
        let (mut unknown, mut ignored) = (Vec::new(), Vec::new());
        let mut reader = Reader {
            names,
            unknown: &mut unknown,
            ignored: &mut ignored,
        };
        let rule = reader.rule(&test_yaml::read(text), Place::default())?;
        assert_eq!(unknown, [""; 0]);
        Ok((rule, ignored))
    }

    fn rule(text: &str) -> Rule {
        parse(text).unwrap().0
    }

    /// The keys of every group, as `provider:id` and their extra fields.
    fn keys(text: &str) -> Vec<String> {
        let shown = |key: &RuleKey| format!("{}:{}{}", key.provider, key.id, show(&key.extra));
        let group = |keys: &Vec<RuleKey>| keys.iter().map(shown).collect::<Vec<_>>().join(" ");
        rule(text).groups.iter().map(group).collect()
    }

    fn show(extra: &Data) -> String {
        let Data::Map(entries) = extra else {
            return extra.text().unwrap_or_default().to_owned();
        };
        let field = |(name, value): &(Vec<u8>, Data)| {
            format!("({}={})", String::from_utf8_lossy(name), show(value))
        };
        entries.iter().map(field).collect()
    }

    #[test]
    fn texts_are_split_at_commas_and_trimmed() {
        assert_eq!(keys("age: 'a1 ,a2,, a3,'"), ["age:a1 age:a2 age:a3"]);
        assert_eq!(keys("age: |\n  a1,\n  a2\n"), ["age:a1 age:a2"]);
        assert_eq!(
            keys("age: |\n  a1\n  a2\n"),
            ["age:a1\na2"],
            "a line end separates nothing"
        );
    }

    #[test]
    fn an_item_of_a_list_may_hold_several_keys() {
        assert_eq!(keys("age: ['a1,a2', ' a3 ']"), ["age:a1 age:a2 age:a3"]);
        assert_eq!(keys("hckms: ['r:1,r:2']"), ["hckms:r:1 hckms:r:2"]);
    }

    #[test]
    fn spaces_inside_of_fingerprints_and_names_go() {
        assert_eq!(keys("pgp: AA BB, CC"), ["pgp:AABB pgp:CC"]);
        assert_eq!(keys("kms: ['arn:k + arn:r']"), ["kms:arn:k+arn:r"]);
        assert_eq!(
            keys("hc_vault_transit_uri: https://v/x y"),
            ["hc_vault:https://v/x y"]
        );
    }

    #[test]
    fn flat_keys_come_in_the_order_of_sops_and_twice_if_written_twice() {
        let text = "hc_vault_transit_uri: v\nazure_keyvault: z\nhckms: [h]\ngcp_kms: g\nkms: k\npgp: p\nage: a,a\naws_profile: me\n";
        assert_eq!(
            keys(text),
            [
                "age:a age:a pgp:p kms:k(aws_profile=me) gcp_kms:g hckms:h azure_keyvault:z hc_vault:v"
            ]
        );
    }

    #[test]
    fn a_rule_without_keys_has_an_empty_group() {
        assert_eq!(keys("path_regex: a"), [""]);
        assert_eq!(keys("key_groups: []\nage: ''\npgp: null"), [""]);
    }

    #[test]
    fn key_groups_replace_the_flat_fields() {
        let (rule, ignored) =
            parse("key_groups: [{age: [a]}, {pgp: [p]}]\nage: b\nkms: 5").unwrap();
        assert_eq!(rule.groups.len(), 2);
        assert_eq!(ignored, ["age", "kms"]);
    }

    #[test]
    fn a_group_has_its_merged_keys_first_and_every_key_once() {
        let text = "key_groups:\n- age: [a, b]\n  merge:\n  - pgp: [p, p]\n    merge: [{age: [b]}]\n  - age: [c]\n- age: [a]\n";
        assert_eq!(keys(text), ["age:b pgp:p age:c age:a", "age:a"]);
    }

    #[test]
    fn the_objects_of_a_group_keep_what_they_say() {
        let text = "key_groups:\n- hc_vault: [v]\n  azure_keyvault: [{vaultUrl: u, key: k, version: '1'}, {vaultUrl: u/, key: k}]\n  \
            hckms: [{key_id: h}]\n  gcp_kms: [{resource_id: g}]\n  \
            kms:\n  - {arn: k, role: r, context: {b: '2', a: '1'}, aws_profile: me}\n  - {arn: k, aws_profile: ''}\n  - {arn: k}\n";
        assert_eq!(
            keys(text),
            [
                "kms:k(aws_profile=me)(context=(a=1)(b=2))(role=r) kms:k gcp_kms:g hckms:h \
              azure_keyvault:u/keys/k/1 azure_keyvault:u/keys/k hc_vault:v"
            ]
        );
    }

    #[test]
    fn a_list_of_a_group_has_to_be_one() {
        for (text, message) in [
            (
                "key_groups: [{age: a}]",
                "key_groups[0].age: expected a list, found a text",
            ),
            (
                "key_groups: [{kms: [a]}]",
                "key_groups[0].kms[0]: expected a mapping, found a text",
            ),
            (
                "key_groups: [{kms: [{role: a}]}]",
                "key_groups[0].kms[0].arn: expected a text, found nothing",
            ),
            (
                "key_groups: [{merge: [{age: [1]}]}]",
                "key_groups[0].merge[0].age[0]: expected a text, found a number (put it in quotes)",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(format!("{}: {}", error.place, error.problem), message);
        }
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let text = "<<: [{age: a, pgp: p}, {age: b, path_regex: x}]\nage: own\n";
        assert_eq!(keys(text), ["age:own pgp:p"]);
        assert_eq!(rule(text).path_regex.unwrap().as_str(), "x");
    }

    #[test]
    fn the_options_of_a_rule_are_read() {
        let rule = rule(
            "path_regex: x\nshamir_threshold: 2\nencrypted_regex: ^data$\nmac_only_encrypted: yes\n\
             cipher: XCHACHA20_POLY1305\nbulla: {require_seal: true, later: [1]}\n",
        );
        assert_eq!(rule.shamir_threshold, 2);
        assert_eq!(
            rule.selection.unwrap().field(),
            Some(("encrypted_regex", "^data$"))
        );
        assert!(rule.mac_only_encrypted && rule.require_seal);
        assert_eq!(rule.cipher, Some("XCHACHA20_POLY1305"));
        assert_eq!(rule.bulla.len(), 1);
    }

    fn directory() -> Directory {
        let data = test_yaml::read(
            "recipients: {alice: age1a, bob: {pgp: F1}}\ngroups: {ops: [alice, bob]}",
        );
        let mut fields = Fields::new(&data, Place::default()).unwrap();
        Directory::read(&mut fields).unwrap()
    }

    fn keys_with_names(text: &str) -> Vec<Vec<String>> {
        let (rule, _) = parse_with(&directory(), text).unwrap();
        let shown = |key: &RuleKey| format!("{}:{}", key.provider, key.id);
        let groups = rule.groups.iter();
        groups
            .map(|keys| keys.iter().map(shown).collect())
            .collect()
    }

    #[test]
    fn names_stand_where_recipients_do() {
        assert_eq!(
            keys_with_names("age: [alice, age1x]"),
            [["age:age1a", "age:age1x"]]
        );
        assert_eq!(
            keys_with_names("age: 'ops, age1x'"),
            [["age:age1a", "pgp:F1", "age:age1x"]]
        );
        assert_eq!(
            keys_with_names("key_groups: [{age: [alice]}, {pgp: [bob]}]"),
            [["age:age1a"], ["pgp:F1"]]
        );
    }

    #[test]
    fn names_beside_plain_fields_add_to_them() {
        assert_eq!(
            keys_with_names("age: age1a\nbulla: {recipients: [ops, age1y]}"),
            [["age:age1a", "pgp:F1", "age:age1y"]]
        );
        assert_eq!(
            keys_with_names("key_groups: [{age: [age1x], bulla: {recipients: bob}}]"),
            [["age:age1x", "pgp:F1"]]
        );
        let error = parse_with(
            &directory(),
            "key_groups: [{age: [a]}]\nbulla: {recipients: [ops]}",
        );
        assert_eq!(error.unwrap_err().problem, Problem::BesideGroups);
        let error = parse_with(&directory(), "bulla: {recipients: [bop]}").unwrap_err();
        assert_eq!(
            error.problem.to_string(),
            "there is no recipient or group called \"bop\"; did you mean \"bob\"?"
        );
    }

    #[test]
    fn what_a_rule_cannot_ask_for() {
        for (text, message) in [
            (
                "cipher: ROT13",
                "cipher: unknown cipher \"ROT13\", expected one of AES256_GCM, XCHACHA20_POLY1305",
            ),
            (
                "encrypted_regex: a\nencrypted_suffix: b",
                "the root: cannot use more than one of encrypted_regex, encrypted_suffix",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(format!("{}: {}", error.place, error.problem), message);
        }
    }
}
