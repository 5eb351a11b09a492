//! The configuration file, `.sops.yaml`: which keys and selectors a new file gets.
//!
//! Knows no disk and no key: paths are compared as texts, recipients are kept as they
//! are written. Unknown keys are ignored, but remembered for a linter.

mod destination;
mod directory;
mod expand;
mod fields;
mod lint;
mod paths;
mod rule;
mod schema;

pub use destination::{
    AwsSecrets, AzureSecrets, Bucket, Content, Destination, DestinationRule, ExternalSecret,
    GcpSecrets, Naming, ObjectName, SecretManifest, VaultKv,
};
pub use directory::{Directory, Named};
pub use expand::Edit;
pub(crate) use fields::Fields;
pub use fields::{ConfigError, Place, Problem};
pub use lint::secret_like;
pub use paths::{candidates, clean, companion, subject};
pub use rule::{CIPHERS, Rule, RuleKey};
pub use schema::schema;

use crate::document::{Data, Type};
use rule::Reader;
use std::path::Path;

/// A configuration file that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The rules for new files, in order. `None` where the file has no `creation_rules`: it
    /// then says nothing about keys. An empty list says that no file has any.
    pub creation_rules: Option<Vec<Rule>>,
    /// The rules for publishing, as they stand in the file: see [`Config::destination_for`].
    pub destination_rules: Option<Data>,
    /// How formats are laid out.
    pub stores: Stores,
    /// Names for recipients.
    pub names: Directory,
    /// Keys that mean nothing here, as paths inside the file.
    pub unknown: Vec<String>,
    /// Keys without effect, because `key_groups` beside them replace them.
    pub ignored: Vec<String>,
}

/// The `stores` of a configuration file: columns a level; 0 stands for tabs in JSON.
/// `None` where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stores {
    /// `stores.yaml.indent`.
    pub yaml: Option<usize>,
    /// `stores.json.indent`.
    pub json: Option<usize>,
    /// `stores.json_binary.indent`.
    pub json_binary: Option<usize>,
}

/// The rule that decides about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched<'c> {
    /// Its place in `creation_rules`, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'c Rule,
    /// All other rules, in order, and why they do not decide.
    pub others: Vec<(usize, Passed)>,
}

/// Why a rule does not decide about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Passed {
    /// Its `path_regex` is not found in the path.
    #[error("does not match")]
    Differs,
    /// It matches as well, but an earlier rule did first.
    #[error("matches too, but an earlier rule comes first")]
    TooLate,
}

impl Config {
    /// Reads the configuration file at `path`, which errors name. All patterns are compiled.
    ///
    /// # Errors
    /// [`ConfigError`] where a value has the wrong type, a pattern does not compile, or a rule
    /// contradicts itself. None of these need stop a decryption: see [`Stores::from_data`].
    pub fn from_data(data: &Data, path: &Path) -> Result<Self, ConfigError> {
        read(data).map_err(|error| error.in_file(path))
    }

    /// The rule for `file`: the first whose `path_regex` is found in [`subject`].
    /// Both paths are absolute; they are not looked up.
    #[must_use]
    pub fn rule_for(&self, file: &Path, config_dir: &Path) -> Option<Matched<'_>> {
        let rules = self.creation_rules.as_deref()?;
        let subject = subject(file, config_dir);
        let matches = |rule: &Rule| {
            let text = subject.as_os_str().as_encoded_bytes();
            rule.path_regex.as_ref().is_none_or(|p| p.is_match(text))
        };
        let index = rules.iter().position(matches)?;
        let others = rules.iter().enumerate().filter(|(i, _)| *i != index);
        let why = |rule| {
            if matches(rule) {
                Passed::TooLate
            } else {
                Passed::Differs
            }
        };
        Some(Matched {
            index,
            rule: &rules[index],
            others: others.map(|(i, rule)| (i, why(rule))).collect(),
        })
    }
}

impl Stores {
    /// Reads `stores` only: what a decryption needs, however broken the rules are.
    ///
    /// # Errors
    /// [`ConfigError`] where `stores` itself is broken.
    pub fn from_data(data: &Data, path: &Path) -> Result<Self, ConfigError> {
        if is_null(data) {
            return Ok(Self::default());
        }
        Fields::new(data, Place::default())
            .and_then(|mut root| stores(&mut root, &mut Vec::new()))
            .map_err(|error| error.in_file(path))
    }
}

fn read(data: &Data) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    if is_null(data) {
        return Ok(config);
    }
    let mut root = Fields::new(data, Place::default())?;
    config.stores = stores(&mut root, &mut config.unknown)?;
    config.destination_rules = root.take("destination_rules").cloned();
    if let Some(mut own) = root.mapping("bulla")? {
        config.names = Directory::read(&mut own)?;
        own.finish(&mut config.unknown);
    }
    if let Some(items) = root.list("creation_rules")? {
        let mut rules = Vec::with_capacity(items.len());
        for (item, place) in items {
            let rule = Reader {
                names: &config.names,
                unknown: &mut config.unknown,
                ignored: &mut config.ignored,
            }
            .rule(item, place)?;
            rules.push(rule);
        }
        config.creation_rules = Some(rules);
    }
    root.finish(&mut config.unknown);
    Ok(config)
}

/// An empty file.
fn is_null(data: &Data) -> bool {
    matches!(data, Data::Scalar(Type::Null, _))
}

fn stores(root: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Stores, ConfigError> {
    let mut found = Stores::default();
    let Some(mut stores) = root.mapping("stores")? else {
        return Ok(found);
    };
    // sops writes YAML with its own default for 0, and JSON with tabs for -1.
    found.yaml = indent(&mut stores, "yaml", 0, unknown)?.filter(|columns| *columns > 0);
    found.json = indent(&mut stores, "json", -1, unknown)?;
    found.json_binary = indent(&mut stores, "json_binary", -1, unknown)?;
    for without_options in ["dotenv", "ini"] {
        if let Some(options) = stores.mapping(without_options)? {
            options.finish(unknown);
        }
    }
    stores.finish(unknown);
    Ok(found)
}

fn indent(
    stores: &mut Fields<'_>,
    name: &'static str,
    least: i64,
    unknown: &mut Vec<String>,
) -> Result<Option<usize>, ConfigError> {
    let Some(mut options) = stores.mapping(name)? else {
        return Ok(None);
    };
    let columns = options.number("indent", least)?;
    options.finish(unknown);
    Ok(columns.map(|columns| usize::try_from(columns).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;

    fn config(text: &str) -> Config {
        Config::from_data(&test_yaml::read(text), Path::new("/r/.sops.yaml")).unwrap()
    }

    fn error(text: &str) -> String {
        let read = Config::from_data(&test_yaml::read(text), Path::new("/r/.sops.yaml"));
        read.unwrap_err().to_string()
    }

    fn matched(config: &Config, file: &str) -> Option<usize> {
        let found = config.rule_for(Path::new(file), Path::new("/r"));
        found.map(|matched| matched.index)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let config = config(
            "creation_rules:\n- path_regex: \\.prod\\.yaml$\n- path_regex: ^sub/\n- {}\n- path_regex: a\n",
        );
        assert_eq!(matched(&config, "/r/sub/a.prod.yaml"), Some(0));
        assert_eq!(matched(&config, "/r/sub/b.yaml"), Some(1));
        assert_eq!(matched(&config, "/r/other/sub/b"), Some(2));
    }

    #[test]
    fn the_other_rules_say_why_they_do_not_decide() {
        let config =
            config("creation_rules:\n- path_regex: x\n- path_regex: ^a\n- path_regex: b\n- {}\n");
        let matched = config.rule_for(Path::new("/r/a"), Path::new("/r")).unwrap();
        assert_eq!(
            (matched.index, matched.others),
            (
                1,
                vec![
                    (0, Passed::Differs),
                    (2, Passed::Differs),
                    (3, Passed::TooLate)
                ]
            )
        );
    }

    #[test]
    fn a_path_below_the_configuration_is_relative_and_every_other_whole() {
        let config = config("creation_rules:\n- path_regex: ^secrets/\n- path_regex: ^/o/\n");
        assert_eq!(matched(&config, "/r/secrets/a"), Some(0));
        assert_eq!(matched(&config, "/r/x/../secrets/a"), Some(0));
        assert_eq!(matched(&config, "/r/../o/a"), Some(1));
        assert_eq!(matched(&config, "/r/o/a"), None);
        assert_eq!(matched(&config, "/rr/secrets/a"), None);
    }

    #[test]
    fn no_rules_an_empty_list_and_no_match_are_different_things() {
        for text in ["null", "stores: {}", "creation_rules: null"] {
            assert_eq!(config(text).creation_rules, None, "{text}");
        }
        let empty = config("creation_rules: []");
        assert_eq!(empty.creation_rules, Some(Vec::new()));
        assert_eq!(matched(&empty, "/r/a"), None);
    }

    #[test]
    fn unknown_keys_are_ignored_but_told() {
        let config = config(
            "keys: [a]\nstores: {json: {indents: 2}, xml: {}}\ncreation_rules:\n- {}\n- age: a\n  hc_vault_uris: b\n  \
             key_groups: []\n  bulla: {later: 1}\n- key_groups: [{kms: [{arn: a, region: b}], merge: [{ages: []}]}]\n",
        );
        assert_eq!(
            config.unknown,
            [
                "stores.json.indents",
                "stores.xml",
                "creation_rules[1].hc_vault_uris",
                "creation_rules[2].key_groups[0].merge[0].ages",
                "creation_rules[2].key_groups[0].kms[0].region",
                "keys",
            ]
        );
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        for (text, place, expected, found) in [
            ("[]", "the root", "a mapping", "a list"),
            (
                "creation_rules: {}",
                "creation_rules",
                "a list",
                "a mapping",
            ),
            (
                "creation_rules: [a]",
                "creation_rules[0]",
                "a mapping",
                "a text",
            ),
            (
                "creation_rules: [{}, {age: 1}]",
                "creation_rules[1].age",
                "a text or a list of texts",
                "a number",
            ),
            (
                "creation_rules: [{pgp: [a, {}]}]",
                "creation_rules[0].pgp[1]",
                "a text",
                "a mapping",
            ),
            (
                "creation_rules: [{path_regex: 1}]",
                "creation_rules[0].path_regex",
                "a text",
                "a number",
            ),
            (
                "creation_rules: [{hckms: a}]",
                "creation_rules[0].hckms",
                "a list",
                "a text",
            ),
            (
                "creation_rules: [{shamir_threshold: two}]",
                "creation_rules[0].shamir_threshold",
                "a whole number",
                "a text",
            ),
            (
                "creation_rules: [{mac_only_encrypted: 1}]",
                "creation_rules[0].mac_only_encrypted",
                "true or false",
                "a number",
            ),
            (
                "stores: {yaml: {indent: -1}}",
                "stores.yaml.indent",
                "a whole number",
                "a number below the least",
            ),
        ] {
            let text = error(text);
            let wanted = format!("/r/.sops.yaml: {place}: expected {expected}, found {found}");
            assert!(text.starts_with(&wanted), "{text}\n{wanted}");
        }
    }

    #[test]
    fn a_pattern_that_does_not_compile_names_rule_and_pattern() {
        assert_eq!(
            error("creation_rules: [{}, {path_regex: 'a(?=b)'}]"),
            "/r/.sops.yaml: creation_rules[1]: path_regex \"a(?=b)\": \
             invalid or unsupported Perl syntax at character 2 of the pattern"
        );
        assert_eq!(
            error("creation_rules: [{encrypted_regex: 'a{2}{3}'}]"),
            "/r/.sops.yaml: creation_rules[0]: encrypted_regex \"a{2}{3}\": \
             invalid nested repetition operator at character 5 of the pattern"
        );
    }

    #[test]
    fn the_layout_is_read_even_from_a_file_whose_rules_are_broken() {
        let text = "stores: {yaml: {indent: 2}, json: {indent: -1}, json_binary: {indent: 3}}\ncreation_rules: 1";
        let stores = Stores::from_data(&test_yaml::read(text), Path::new("c")).unwrap();
        assert_eq!(
            (stores.yaml, stores.json, stores.json_binary),
            (Some(2), Some(0), Some(3))
        );
        assert_eq!(
            Stores::from_data(&test_yaml::read(""), Path::new("c")),
            Ok(Stores::default())
        );
        assert_eq!(
            config("stores: {yaml: {indent: 0}, dotenv: {}, ini: {}}").stores,
            Stores::default()
        );
    }
}
