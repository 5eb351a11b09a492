//! One destination rule: where the files that it is for are published, and in which form. Read
//! when something is to be published, and no sooner: what is wrong with it does no harm elsewhere.

use super::fields::{ConfigError, Fields, Place, Problem, list, mistyped, text};
use super::rule::{Reader, path_regex};
use super::{Config, Rule};
use crate::document::Data;
use std::path::Path;

/// What is done with files whose path matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRule {
    /// Its place in `destination_rules`, from 0.
    pub index: usize,
    /// Where they go; `None` where the rule names nothing.
    pub destination: Option<Destination>,
    /// How they are encrypted anew. Its `path_regex` means nothing.
    pub recreation: Option<Rule>,
    /// Their names go without extension.
    pub omit_extensions: bool,
    /// The manifest that goes with what was pushed to a store.
    pub external_secret: Option<ExternalSecret>,
    /// Keys that mean nothing, as paths inside the file.
    pub unknown: Vec<String>,
}

/// Where files are published. The first three are those of sops, the others stand under `bulla`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Encrypted, as an object of Amazon S3.
    S3(Bucket),
    /// Encrypted, as an object of Google Cloud Storage.
    Gcs(Bucket),
    /// In clear, as a secret of the KV engine of Vault or `OpenBao`.
    Vault(VaultKv),
    /// In clear, as secrets of AWS Secrets Manager.
    SecretsManager(AwsSecrets),
    /// In clear, as secure parameters of the AWS Systems Manager.
    ParameterStore(AwsSecrets),
    /// In clear, as secrets of the Secret Manager of Google.
    GcpSecretManager(GcpSecrets),
    /// In clear, as secrets of Azure Key Vault.
    AzureKeyVault(AzureSecrets),
    /// In clear, as a manifest of a `Secret`.
    Kubernetes(SecretManifest),
}

/// A bucket, and what stands in front of names there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub bucket: String,
    /// As it is written: a slash at its end makes a folder of it.
    pub prefix: String,
}

/// A folder of a KV engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultKv {
    /// The server, where the rule names one.
    pub address: Option<String>,
    /// Where the engine is mounted, with a slash at its end.
    pub mount: String,
    /// The folder, with a slash at its end.
    pub path: String,
    /// 1 or 2.
    pub version: u8,
}

/// What one entry of a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All values of a file, as a JSON object.
    Json,
    /// The text of a file, as it is.
    File,
    /// One value.
    Values,
}

/// The names of [`Content`] in the file.
pub(super) const CONTENTS: [(&str, Content); 3] = [
    ("json", Content::Json),
    ("file", Content::File),
    ("values", Content::Values),
];

/// What all stores are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Stands in front of names.
    pub prefix: String,
    /// What an entry holds, where the rule says it.
    pub content: Option<Content>,
}

/// Secrets of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsSecrets {
    /// Names and what they stand for.
    pub naming: Naming,
    /// Where; without it as the user's own configuration of AWS says.
    pub region: Option<String>,
    /// Whose credentials; without it as for everything else.
    pub profile: Option<String>,
    /// The KMS key that the store itself encrypts with.
    pub kms_key: Option<String>,
}

/// Secrets of Google Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcpSecrets {
    /// Names and what they stand for.
    pub naming: Naming,
    /// The project.
    pub project: String,
    /// Where new secrets are kept; anywhere where the list is empty.
    pub locations: Vec<String>,
}

/// Secrets of a vault of Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureSecrets {
    /// Names and what they stand for.
    pub naming: Naming,
    /// The address of the vault.
    pub vault: String,
}

/// The name of an object of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectName {
    /// Without it the name is made of the file's.
    pub name: Option<String>,
    /// Without it the manifest says nothing about it.
    pub namespace: Option<String>,
}

/// A manifest of a `Secret`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretManifest {
    /// What it is called.
    pub object: ObjectName,
    /// What its entries hold.
    pub content: Option<Content>,
    /// The type of the secret; `Opaque` without it.
    pub ty: Option<String>,
    /// Labels, by name.
    pub labels: Vec<(String, String)>,
    /// Values stand in `stringData`, as they are, and not in `data`, as base64.
    pub string_data: bool,
}

/// A manifest for the External Secrets Operator, which fetches what was pushed to a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalSecret {
    /// What it is called, and the `Secret` that is made of it.
    pub object: ObjectName,
    /// The `SecretStore` by which the operator reaches the store.
    pub store: String,
    /// `SecretStore` or `ClusterSecretStore`.
    pub store_kind: Option<String>,
    /// How often it looks, as `1h`.
    pub refresh_interval: Option<String>,
}

type Read<T> = Result<T, ConfigError>;

impl Config {
    /// The rule that decides where `file` is published: the first whose `path_regex` is found in
    /// its path, as the user wrote it. `None` where there is none. `config` is the path of the
    /// configuration file, which errors name.
    ///
    /// # Errors
    /// [`ConfigError`] where the rule, or the pattern of one before it, is broken. (sops passes over
    /// a pattern that is, and publishes by a later rule.)
    pub fn destination_for(&self, file: &Path, config: &Path) -> Read<Option<DestinationRule>> {
        let path = file.as_os_str().as_encoded_bytes();
        let found = self.first_destination(path);
        found.map_err(|error| error.in_file(config))
    }

    fn first_destination(&self, path: &[u8]) -> Read<Option<DestinationRule>> {
        let Some(rules) = &self.destination_rules else {
            return Ok(None);
        };
        let place = Place::default().key("destination_rules");
        for (index, (data, place)) in list(rules, &place)?.into_iter().enumerate() {
            let mut fields = Fields::new(data, place)?;
            if path_regex(&mut fields)?.is_none_or(|pattern| pattern.is_match(path)) {
                return self.destination(index, fields).map(Some);
            }
        }
        Ok(None)
    }

    fn destination(&self, index: usize, mut fields: Fields<'_>) -> Read<DestinationRule> {
        let place = fields.own_place();
        let mut unknown = Vec::new();
        let recreation_place = fields.place("recreation_rule");
        let recreation = match fields.take("recreation_rule") {
            None => None,
            Some(data) => Some(
                Reader {
                    names: &self.names,
                    unknown: &mut unknown,
                    ignored: &mut Vec::new(),
                }
                .rule(data, recreation_place)?,
            ),
        };
        let mut found = of_sops(&mut fields)?;
        let mut external_secret = None;
        if let Some(mut own) = fields.mapping("bulla")? {
            found.extend(of_bulla(&mut own, &mut unknown)?);
            external_secret = self::external_secret(&mut own, &mut unknown)?;
            own.finish(&mut unknown);
        }
        let names: Vec<&'static str> = found.iter().map(|(name, _)| *name).collect();
        if names.len() > 1 {
            return Err(ConfigError::new(place, Problem::Destinations { names }));
        }
        let rule = DestinationRule {
            index,
            destination: found.pop().map(|(_, destination)| destination),
            recreation,
            omit_extensions: fields.truth("omit_extensions")?,
            external_secret,
            unknown: Vec::new(),
        };
        fields.finish(&mut unknown);
        Ok(DestinationRule { unknown, ..rule })
    }
}

type Named = (&'static str, Destination);

/// The destinations that sops knows.
fn of_sops(fields: &mut Fields<'_>) -> Read<Vec<Named>> {
    let mut found = Vec::new();
    for (bucket, prefix, make) in [
        ("s3_bucket", "s3_prefix", Destination::S3 as fn(_) -> _),
        ("gcs_bucket", "gcs_prefix", Destination::Gcs),
    ] {
        let prefix = owned(fields.text(prefix)?).unwrap_or_default();
        if let Some(name) = owned(fields.text(bucket)?) {
            let place = Bucket {
                bucket: name,
                prefix,
            };
            found.push((bucket, make(place)));
        }
    }
    let vault = VaultKv {
        address: owned(fields.text("vault_address")?),
        mount: folder(fields.text("vault_kv_mount_name")?.unwrap_or("secret")),
        path: String::new(),
        version: match fields.number("vault_kv_version", i64::MIN)? {
            Some(1) => 1,
            _ => 2,
        },
    };
    if let Some(path) = fields.text("vault_path")? {
        let path = folder(path);
        let vault = VaultKv { path, ..vault };
        found.push(("vault_path", Destination::Vault(vault)));
    }
    Ok(found)
}

/// With a slash at its end.
fn folder(path: &str) -> String {
    if path.ends_with('/') {
        path.to_owned()
    } else {
        format!("{path}/")
    }
}

/// The destinations that only bulla knows.
fn of_bulla(own: &mut Fields<'_>, unknown: &mut Vec<String>) -> Read<Vec<Named>> {
    let mut found = Vec::new();
    for (name, make) in [
        (
            "aws_secrets_manager",
            Destination::SecretsManager as fn(_) -> _,
        ),
        ("aws_parameter_store", Destination::ParameterStore),
    ] {
        if let Some(mut fields) = own.mapping(name)? {
            let secrets = AwsSecrets {
                naming: naming(&mut fields)?,
                region: owned(fields.text("region")?),
                profile: owned(fields.text("profile")?),
                kms_key: owned(fields.text("kms_key")?),
            };
            fields.finish(unknown);
            found.push((name, make(secrets)));
        }
    }
    if let Some(mut fields) = own.mapping("gcp_secret_manager")? {
        let secrets = GcpSecrets {
            naming: naming(&mut fields)?,
            project: required(&mut fields, "project")?,
            locations: texts(&mut fields, "locations")?,
        };
        fields.finish(unknown);
        found.push(("gcp_secret_manager", Destination::GcpSecretManager(secrets)));
    }
    if let Some(mut fields) = own.mapping("azure_key_vault")? {
        let secrets = AzureSecrets {
            naming: naming(&mut fields)?,
            vault: required(&mut fields, "vault")?,
        };
        fields.finish(unknown);
        found.push(("azure_key_vault", Destination::AzureKeyVault(secrets)));
    }
    if let Some(mut fields) = own.mapping("kubernetes")? {
        let manifest = SecretManifest {
            object: object_name(&mut fields)?,
            content: content(&mut fields)?,
            ty: owned(fields.text("type")?),
            labels: pairs(&mut fields, "labels")?,
            string_data: fields.truth("string_data")?,
        };
        fields.finish(unknown);
        found.push(("kubernetes", Destination::Kubernetes(manifest)));
    }
    Ok(found)
}

fn external_secret(
    own: &mut Fields<'_>,
    unknown: &mut Vec<String>,
) -> Read<Option<ExternalSecret>> {
    let Some(mut fields) = own.mapping("external_secret")? else {
        return Ok(None);
    };
    let manifest = ExternalSecret {
        object: object_name(&mut fields)?,
        store: required(&mut fields, "store")?,
        store_kind: owned(fields.text("store_kind")?),
        refresh_interval: owned(fields.text("refresh_interval")?),
    };
    fields.finish(unknown);
    Ok(Some(manifest))
}

fn naming(fields: &mut Fields<'_>) -> Read<Naming> {
    Ok(Naming {
        prefix: owned(fields.text("prefix")?).unwrap_or_default(),
        content: content(fields)?,
    })
}

fn content(fields: &mut Fields<'_>) -> Read<Option<Content>> {
    let Some(word) = fields.text("content")? else {
        return Ok(None);
    };
    let known = CONTENTS.iter().find(|(name, _)| *name == word);
    known.map(|(_, content)| Some(*content)).ok_or_else(|| {
        let name = word.to_owned();
        ConfigError::new(fields.place("content"), Problem::Content { name })
    })
}

fn object_name(fields: &mut Fields<'_>) -> Read<ObjectName> {
    Ok(ObjectName {
        name: owned(fields.text("name")?),
        namespace: owned(fields.text("namespace")?),
    })
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn required(fields: &mut Fields<'_>, name: &str) -> Read<String> {
    let nothing = mistyped(&Data::null(), fields.place(name), "a text");
    fields.text(name)?.map(str::to_owned).ok_or(nothing)
}

fn texts(fields: &mut Fields<'_>, name: &str) -> Read<Vec<String>> {
    let items = fields.list(name)?.unwrap_or_default().into_iter();
    items
        .map(|(item, place)| text(item, place).map(str::to_owned))
        .collect()
}

fn pairs(fields: &mut Fields<'_>, name: &str) -> Read<Vec<(String, String)>> {
    let Some(entries) = fields.mapping(name)? else {
        return Ok(Vec::new());
    };
    entries
        .entries()
        .map(|(key, value, place)| {
            let key = String::from_utf8_lossy(key).into_owned();
            Ok((key, text(value, place)?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::test_yaml;

    fn rule_for(text: &str, file: &str) -> Result<Option<DestinationRule>, String> {
        let config = Config::from_data(&test_yaml::read(text), Path::new("/r/.sops.yaml"));
        let config = config.map_err(|error| error.to_string())?;
        let found = config.destination_for(Path::new(file), Path::new("/r/.sops.yaml"));
        found.map_err(|error| error.to_string())
    }

    fn destination(rule: &str) -> Destination {
        let found = rule_for(&format!("destination_rules: [{rule}]"), "f.yaml");
        found.unwrap().unwrap().destination.unwrap()
    }

    #[test]
    fn the_first_rule_that_matches_the_path_as_given_decides() {
        let text = "destination_rules:\n- {path_regex: ^prod/, s3_bucket: a}\n- {s3_bucket: b}\n";
        let bucket = |file| match rule_for(text, file).unwrap().unwrap().destination {
            Some(Destination::S3(bucket)) => bucket.bucket,
            other => panic!("{other:?}"),
        };
        assert_eq!(bucket("prod/f.yaml"), "a");
        assert_eq!(bucket("./prod/f.yaml"), "b");
        assert_eq!(bucket("/r/prod/f.yaml"), "b");
        for text in ["creation_rules: []", "destination_rules: []"] {
            assert_eq!(rule_for(text, "f"), Ok(None));
        }
    }

    #[test]
    fn vault_has_the_defaults_of_sops() {
        let vault = VaultKv {
            address: None,
            mount: "secret/".to_owned(),
            path: "a/".to_owned(),
            version: 2,
        };
        for rule in [
            "{vault_path: a}",
            "{vault_path: a/, vault_kv_version: 7, vault_kv_mount_name: secret}",
        ] {
            assert_eq!(destination(rule), Destination::Vault(vault.clone()));
        }
        let first = destination("{vault_path: a, vault_kv_version: 1, vault_address: x}");
        let address = Some("x".to_owned());
        let expected = VaultKv {
            address,
            version: 1,
            ..vault
        };
        assert_eq!(first, Destination::Vault(expected));
    }

    #[test]
    fn what_only_bulla_knows_stands_under_its_own_key() {
        let Destination::ParameterStore(store) = destination(
            "{bulla: {aws_parameter_store: {prefix: /p/, content: values, region: r, profile: q, kms_key: k}}}",
        ) else {
            panic!("another destination");
        };
        assert_eq!(store.naming.content, Some(Content::Values));
        assert_eq!(store.region.as_deref(), Some("r"));
        let rule = rule_for(
            "destination_rules:\n- vault_path: a\n  bulla: {external_secret: {store: s, name: n, nam: x}}\n",
            "f",
        );
        let rule = rule.unwrap().unwrap();
        assert_eq!(rule.external_secret.unwrap().store, "s");
        assert_eq!(
            rule.unknown,
            ["destination_rules[0].bulla.external_secret.nam"]
        );
    }

    #[test]
    fn broken_rules_are_told_by_their_place_and_only_where_they_decide() {
        for (rules, expected) in [
            (
                "{s3_bucket: a, bulla: {kubernetes: {}}}",
                "destination_rules[0]: more than one destination (s3_bucket, kubernetes), a rule has one",
            ),
            (
                "{path_regex: '(', s3_bucket: a}",
                "destination_rules[0]: path_regex \"(\": missing closing ) at character 1 of the pattern",
            ),
            (
                "{bulla: {gcp_secret_manager: {}}}",
                "destination_rules[0].bulla.gcp_secret_manager.project: expected a text, found nothing",
            ),
            (
                "{bulla: {kubernetes: {content: yaml}}}",
                "destination_rules[0].bulla.kubernetes.content: unknown content \"yaml\", expected one of json, file, values",
            ),
        ] {
            let error = rule_for(&format!("destination_rules: [{rules}]"), "f").unwrap_err();
            assert_eq!(error, format!("/r/.sops.yaml: {expected}"));
            let text = format!("destination_rules: [{{s3_bucket: b}}, {rules}]");
            assert!(rule_for(&text, "f").is_ok(), "{rules}");
        }
    }
}
