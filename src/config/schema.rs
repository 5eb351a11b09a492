//! The JSON Schema (draft 7) of `.sops.yaml`, made of the tables that the reader goes by. A test
//! holds it against what the reader asks for.

use super::CIPHERS;
use super::destination::CONTENTS;
use super::rule::{FLAT_FIELDS, group_field};
use crate::document::Data;
use crate::metadata::SELECTORS;

/// The schema as data, to be written as JSON.
///
/// It is stricter than the reader in one way: a key that means nothing in a rule is an error,
/// since it is a mistyped one. At the root such keys are let be, for anchors.
#[must_use]
pub fn schema() -> Data {
    let definitions = [
        ("rule", rule()),
        ("key_group", key_group()),
        ("keys", keys()),
        ("names", names()),
        ("destination_rule", destination_rule()),
    ];
    map([
        (
            "$schema",
            Data::str("http://json-schema.org/draft-07/schema#"),
        ),
        ("title", Data::str(".sops.yaml")),
        (
            "description",
            Data::str("The configuration of bulla and sops: which keys and selectors a file gets."),
        ),
        ("type", Data::str("object")),
        (
            "properties",
            map([
                (
                    "creation_rules",
                    list_of(
                        reference("rule"),
                        "Rules for new files. The first whose path_regex matches decides.",
                    ),
                ),
                (
                    "destination_rules",
                    list_of(reference("destination_rule"), "Rules for publishing."),
                ),
                ("stores", stores()),
                ("bulla", bulla()),
            ]),
        ),
        ("definitions", map(definitions)),
    ])
}

fn rule() -> Data {
    let mut fields = vec![(
        "path_regex",
        text(
            "Searched for in the path, which is relative to this file's folder. A regular expression of Go (RE2). Without it the rule is for every file.",
        ),
    )];
    for (field, _, _) in FLAT_FIELDS {
        let about = format!("{} Ignored beside key_groups.", about(field));
        fields.push(match field {
            "hckms" => (field, list_of(plain("string"), &about)),
            _ => (field, described(reference("keys"), &about)),
        });
    }
    fields.push(("aws_profile", text("The AWS profile of the keys in kms.")));
    fields.push((
        "key_groups",
        list_of(
            reference("key_group"),
            "Key groups: the data key is shared among them, and any key of a group opens its share.",
        ),
    ));
    fields.push((
        "shamir_threshold",
        number(
            0,
            "How many key groups it takes to open the file; 0 for all of them.",
        ),
    ));
    fields.extend(SELECTORS.map(|name| (name, text(selector(name)))));
    fields.push((
        "mac_only_encrypted",
        truth("Whether the MAC leaves values in clear out."),
    ));
    let ciphers = CIPHERS.iter().map(Data::str).collect();
    let cipher = map([("enum", Data::List(ciphers))]);
    let cipher_about =
        "The cipher of new files. Stock sops ignores this, and reads AES256_GCM only.";
    fields.push(("cipher", described(cipher, cipher_about)));
    let own = closed([
        (
            "recipients",
            described(
                reference("names"),
                "Names of recipients and groups, beside the keys that stock sops reads. Not beside key_groups.",
            ),
        ),
        (
            "require_seal",
            truth("Whether a file without a seal is refused."),
        ),
    ]);
    fields.push(("bulla", described(own, OWN)));
    closed(fields)
}

const OWN: &str = "What only bulla knows; stock sops ignores it.";

fn key_group() -> Data {
    let object = |fields: &[(&'static str, &str, bool)]| {
        let properties = fields.iter().map(|(name, about, _)| (*name, text(about)));
        let required = fields.iter().filter(|field| field.2);
        let required = required.map(|(name, ..)| Data::str(name)).collect();
        with(closed(properties), "required", Data::List(required))
    };
    let mut fields = vec![(
        "merge",
        list_of(
            reference("key_group"),
            "Groups whose keys are added to this one.",
        ),
    )];
    for (field, provider, _) in FLAT_FIELDS {
        let item = match provider {
            "kms" => {
                let texts = object(&[
                    ("arn", "The ARN of the key.", true),
                    ("role", "The ARN of a role that is assumed.", false),
                    ("aws_profile", "The AWS profile.", false),
                ]);
                with_property(texts, "context", text_map("The encryption context."))
            }
            "gcp_kms" => object(&[("resource_id", "The key's resource.", true)]),
            "hckms" => object(&[("key_id", "REGION:KEY.", true)]),
            "azure_keyvault" => object(&[
                ("vaultUrl", "The address of the vault.", true),
                ("key", "The name of the key.", true),
                ("version", "The version of the key.", false),
            ]),
            _ => plain("string"),
        };
        fields.push((group_field(field, provider), list_of(item, about(field))));
    }
    let own = closed([(
        "recipients",
        described(reference("names"), "Names of recipients and groups."),
    )]);
    fields.push(("bulla", described(own, OWN)));
    closed(fields)
}

fn bulla() -> Data {
    let several = FLAT_FIELDS.map(|(field, ..)| match field {
        "hckms" => (field, list_of(plain("string"), about(field))),
        _ => (field, described(reference("keys"), about(field))),
    });
    let several = with_property(closed(several), "aws_profile", text("The AWS profile."));
    let recipient = map([(
        "anyOf",
        Data::List(vec![plain("string"), strings(), several]),
    )]);
    let open = |values: Data, about: &str| {
        let object = with(plain("object"), "additionalProperties", values);
        described(object, about)
    };
    let own = closed([
        (
            "recipients",
            open(
                recipient,
                "Recipients by name. A text tells its kind (age1…, ssh-…, a fingerprint, an ARN); a mapping says it.",
            ),
        ),
        (
            "groups",
            open(
                reference("names"),
                "Groups by name: names of recipients and of other groups.",
            ),
        ),
    ]);
    described(own, OWN)
}

fn destination_rule() -> Data {
    let mut fields = vec![(
        "path_regex",
        text("Searched for in the path as it is given on the command line."),
    )];
    fields.extend(
        [
            ("s3_bucket", "The S3 bucket to publish to."),
            ("s3_prefix", "Put in front of names in the bucket."),
            (
                "gcs_bucket",
                "The Google Cloud Storage bucket to publish to.",
            ),
            ("gcs_prefix", "Put in front of names in the bucket."),
            ("vault_path", "The path in HashiCorp Vault to publish to."),
            ("vault_address", "The address of the Vault."),
            ("vault_kv_mount_name", "Where the KV engine is mounted."),
        ]
        .map(|(name, about)| (name, text(about))),
    );
    let version = map([("enum", Data::List(vec![Data::int(1), Data::int(2)]))]);
    fields.push((
        "vault_kv_version",
        described(version, "The version of the KV engine."),
    ));
    fields.push((
        "recreation_rule",
        described(
            reference("rule"),
            "How what is published is encrypted anew.",
        ),
    ));
    fields.push((
        "omit_extensions",
        truth("Whether names are published without their extension."),
    ));
    fields.push(("bulla", described(own_destinations(), OWN)));
    closed(fields)
}

/// Destinations that stock sops has not, and what goes with any of them.
fn own_destinations() -> Data {
    let naming = || {
        [
            ("prefix", text("Put in front of names.")),
            ("content", content()),
        ]
    };
    let aws = |about| {
        let own = [
            ("region", text("The region.")),
            ("profile", text("The AWS profile.")),
            ("kms_key", text("The KMS key that the store encrypts with.")),
        ];
        described(closed(naming().into_iter().chain(own)), about)
    };
    let google = [
        ("project", text("The project.")),
        (
            "locations",
            described(
                strings(),
                "Where new secrets are kept; anywhere without it.",
            ),
        ),
    ];
    let google = needing(closed(naming().into_iter().chain(google)), "project");
    let azure = [("vault", text("The address of the vault."))];
    let azure = needing(closed(naming().into_iter().chain(azure)), "vault");
    let object = || {
        [
            ("name", text("The name; without it that of the file.")),
            ("namespace", text("The namespace.")),
        ]
    };
    let kubernetes = [
        ("content", content()),
        ("type", text("The type of the secret; Opaque without it.")),
        ("labels", text_map("Labels of the secret.")),
        (
            "string_data",
            truth("Whether values stand in stringData, and not as base64 in data."),
        ),
    ];
    let external = [
        (
            "store",
            text("The SecretStore that reaches the destination."),
        ),
        ("store_kind", text("SecretStore or ClusterSecretStore.")),
        (
            "refresh_interval",
            text("How often the operator looks, as 1h."),
        ),
    ];
    let external = needing(closed(object().into_iter().chain(external)), "store");
    closed([
        (
            "aws_secrets_manager",
            aws("Publish the values to AWS Secrets Manager."),
        ),
        (
            "aws_parameter_store",
            aws("Publish the values to the Parameter Store of AWS, as SecureString."),
        ),
        (
            "gcp_secret_manager",
            described(google, "Publish the values to Google Secret Manager."),
        ),
        (
            "azure_key_vault",
            described(azure, "Publish the values to Azure Key Vault."),
        ),
        (
            "kubernetes",
            described(
                closed(object().into_iter().chain(kubernetes)),
                "Print a manifest of a Secret.",
            ),
        ),
        (
            "external_secret",
            described(
                external,
                "Print a manifest of an ExternalSecret for what was published.",
            ),
        ),
    ])
}

fn content() -> Data {
    let names = CONTENTS.iter().map(|(name, _)| Data::str(name)).collect();
    described(
        map([("enum", Data::List(names))]),
        "What an entry holds: all values as a JSON object, the text of the file, or one value.",
    )
}

/// A mapping's schema, one of whose keys must be there.
fn needing(schema: Data, name: &str) -> Data {
    with(schema, "required", Data::List(vec![Data::str(name)]))
}

fn stores() -> Data {
    let indent = |least, about| closed([("indent", number(least, about))]);
    let json = "Columns a level; 0 or -1 for tabs.";
    let stores = closed([
        ("yaml", indent(0, "Columns a level; 0 for the default, 4.")),
        ("json", indent(-1, json)),
        ("json_binary", indent(-1, json)),
        ("dotenv", closed([])),
        ("ini", closed([])),
    ]);
    described(stores, "How new text is laid out.")
}

/// A text with keys between commas, or a list of such texts.
fn keys() -> Data {
    map([("anyOf", Data::List(vec![plain("string"), strings()]))])
}

/// As [`keys`], for names.
fn names() -> Data {
    described(
        keys(),
        "A name or several, separated by commas or as a list; recipients whose kind can be told may stand among them.",
    )
}

fn about(field: &str) -> &'static str {
    match field {
        "age" => "age recipients, ssh keys, or names out of the file's bulla.recipients.",
        "pgp" => "PGP fingerprints.",
        "kms" => "Keys of AWS KMS.",
        "gcp_kms" => "Keys of Google Cloud KMS.",
        "hckms" => "Keys of Huawei Cloud KMS.",
        "azure_keyvault" => "Keys of Azure Key Vault.",
        _ => "Keys of HashiCorp Vault's transit engine, as addresses.",
    }
}

fn selector(name: &str) -> &'static str {
    match name {
        "unencrypted_suffix" => "Leave values in clear whose key ends so. At most one selector.",
        "encrypted_suffix" => "Encrypt only values whose key ends so. At most one selector.",
        "unencrypted_regex" => "Leave values in clear whose key matches. At most one selector.",
        "encrypted_regex" => "Encrypt only values whose key matches. At most one selector.",
        "unencrypted_comment_regex" => {
            "Leave values in clear under a comment that matches. At most one selector."
        }
        _ => "Encrypt only values under a comment that matches. At most one selector.",
    }
}

fn map(entries: impl IntoIterator<Item = (&'static str, Data)>) -> Data {
    let entries = entries.into_iter();
    Data::Map(
        entries
            .map(|(name, data)| (name.as_bytes().to_vec(), data))
            .collect(),
    )
}

fn with(schema: Data, name: &'static str, data: Data) -> Data {
    match schema {
        Data::Map(mut entries) => {
            entries.push((name.as_bytes().to_vec(), data));
            Data::Map(entries)
        }
        other => other,
    }
}

/// A mapping's schema with a property more.
fn with_property(schema: Data, name: &'static str, property: Data) -> Data {
    let Data::Map(entries) = schema else {
        return schema;
    };
    let grown = entries.into_iter().map(|(key, data)| match &*key {
        b"properties" => (key, with(data, name, property.clone())),
        _ => (key, data),
    });
    Data::Map(grown.collect())
}

/// A mapping that has these keys and no others.
fn closed(fields: impl IntoIterator<Item = (&'static str, Data)>) -> Data {
    map([
        ("type", Data::str("object")),
        ("additionalProperties", Data::bool(false)),
        ("properties", map(fields)),
    ])
}

fn described(schema: Data, about: &str) -> Data {
    match schema {
        // What stands beside a reference is ignored in draft 7.
        reference if reference.entry("$ref").is_some() => map([
            ("description", Data::str(about)),
            ("allOf", Data::List(vec![reference])),
        ]),
        other => with(other, "description", Data::str(about)),
    }
}

fn plain(ty: &str) -> Data {
    map([("type", Data::str(ty))])
}

fn text(about: &str) -> Data {
    described(plain("string"), about)
}

fn truth(about: &str) -> Data {
    described(plain("boolean"), about)
}

fn number(least: i64, about: &str) -> Data {
    let schema = with(plain("integer"), "minimum", Data::int(least));
    described(schema, about)
}

fn strings() -> Data {
    with(plain("array"), "items", plain("string"))
}

fn text_map(about: &str) -> Data {
    let texts = with(plain("object"), "additionalProperties", plain("string"));
    described(texts, about)
}

fn list_of(items: Data, about: &str) -> Data {
    described(with(plain("array"), "items", items), about)
}

fn reference(definition: &str) -> Data {
    map([("$ref", Data::str(format!("#/definitions/{definition}")))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::fields::ASKED;
    use crate::metadata::test_yaml;
    use std::collections::BTreeSet;

    /// Every field that the schema has, as `creation_rules[].age`; a named one is `*`.
    fn fields(schema: &Data) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![(String::new(), schema)];
        while let Some((place, at)) = open.pop() {
            // a group within a group is a group, and a rule within a rule a rule
            if place.ends_with("merge[].merge") || place.ends_with("recreation_rule") {
                continue;
            }
            let inside = |name: &str| match &*place {
                "" => name.to_owned(),
                place => format!("{place}.{name}"),
            };
            for (keyword, value) in entries(at) {
                match (keyword, value) {
                    ("properties", properties) => {
                        for (name, property) in entries(properties) {
                            found.insert(inside(name));
                            open.push((inside(name), property));
                        }
                    }
                    ("additionalProperties", value @ Data::Map(_))
                        if !place.ends_with("context") && !place.ends_with("labels") =>
                    {
                        open.push((inside("*"), value));
                    }
                    ("items", items) => open.push((format!("{place}[]"), items)),
                    ("anyOf" | "allOf", Data::List(all)) => {
                        open.extend(all.iter().map(|one| (place.clone(), one)));
                    }
                    ("$ref", name) => {
                        let name = name.text().expect("a reference");
                        let name = name.trim_start_matches("#/definitions/");
                        let definitions = schema.entry("definitions").expect("definitions");
                        open.push((
                            place.clone(),
                            definitions.entry(name).expect("a definition"),
                        ));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    fn entries(data: &Data) -> Vec<(&str, &Data)> {
        let Data::Map(entries) = data else {
            return Vec::new();
        };
        let name = |key| std::str::from_utf8(key).expect("a name");
        entries
            .iter()
            .map(|(key, value)| (name(key), value))
            .collect()
    }

    #[test]
    fn the_schema_has_the_fields_that_the_reader_asks_for_and_no_others() {
        let text = "bulla: {recipients: {alice: {age: age1a}}, groups: {ops: [alice]}}\n\
            stores: {yaml: {}, json: {}, json_binary: {}, dotenv: {}, ini: {}}\n\
            creation_rules:\n- bulla: {recipients: [ops]}\n- key_groups:\n  - merge: [{}]\n    bulla: {}\n    \
            kms: [{arn: a, context: {a: b}}]\n    gcp_kms: [{resource_id: a}]\n    hckms: [{key_id: a}]\n    \
            azure_keyvault: [{vaultUrl: a, key: b}]\ndestination_rules:\n- recreation_rule: {}\n  bulla:\n    \
            aws_secrets_manager: {}\n    external_secret: {store: s}\n- bulla: {aws_parameter_store: {}}\n\
            - bulla: {gcp_secret_manager: {project: p}}\n- bulla: {azure_key_vault: {vault: v}}\n\
            - bulla: {kubernetes: {}}\n";
        ASKED.take();
        let config = std::path::Path::new("c");
        let rules = test_yaml::read(text);
        let mut config_read = Config::from_data(&rules, config).expect("read");
        let Some(Data::List(destinations)) = config_read.destination_rules.take() else {
            panic!("no destination rules");
        };
        for rule in destinations {
            config_read.destination_rules = Some(Data::List(vec![rule]));
            let read = config_read.destination_for(config, config);
            read.expect("a rule").expect("one that matches");
        }
        let unnumbered = |place: String| {
            let parts = place.split('[');
            let parts: Vec<&str> = parts
                .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()))
                .collect();
            parts.join("[")
        };
        let asked: BTreeSet<String> = ASKED
            .take()
            .into_iter()
            .map(|place| unnumbered(place).replace(".alice", ".*"))
            .filter(|place| !place.contains("merge[].") && !place.contains("recreation_rule."))
            .collect();
        let known = fields(&schema()).into_iter();
        let known: BTreeSet<String> = known.filter(|place| !place.contains("merge[].")).collect();
        assert_eq!(asked, known);
    }
}
