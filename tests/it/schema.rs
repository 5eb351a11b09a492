//! The JSON Schema of `.sops.yaml`: the one that is shipped is up to date, accepts what bulla reads
//! and refuses mistakes.

use crate::support::{Case, repository};
use bulla::document::Data;
use bulla::store::{Json, Layout, ParseOptions, Store, Yaml};
use serde_json::{Value, json};

fn schema() -> Value {
    let text = std::fs::read_to_string(repository("docs/sops-yaml.schema.json")).expect("schema");
    serde_json::from_str(&text).expect("JSON")
}

/// A YAML text as JSON sees it.
fn instance(text: &str) -> Value {
    let source = zeroize::Zeroizing::new(text.as_bytes().to_vec());
    let document = Yaml.parse(source, ParseOptions::default()).expect("YAML");
    let root = document.branches[0].root;
    let data = root.map_or_else(Data::null, |root| document.data(root));
    let json = Json.emit(&[data], Layout::default()).expect("JSON");
    serde_json::from_slice(&json).expect("JSON")
}

/// Where `value` is not what a schema says. Only the keywords that ours has are known; another one
/// is a failure of the test.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "definitions" => {}
            "$ref" => {
                let name = rule.as_str().expect("a reference");
                let target = root.pointer(name.trim_start_matches('#'));
                faults(root, target.expect("a definition"), value, place, found);
            }
            "allOf" => {
                for one in rule.as_array().expect("schemas") {
                    faults(root, one, value, place, found);
                }
            }
            "anyOf" => {
                let fits = |one: &Value| {
                    let mut inner = Vec::new();
                    faults(root, one, value, place, &mut inner);
                    inner.is_empty()
                };
                if !rule.as_array().expect("schemas").iter().any(fits) {
                    found.push(format!("{place}: fits nothing"));
                }
            }
            "enum" => {
                if !rule.as_array().expect("values").contains(value) {
                    found.push(format!("{place}: not in the list"));
                }
            }
            "type" => {
                let fits = match rule.as_str().expect("a type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64(),
                    other => panic!("type {other} is not known to this test"),
                };
                if !fits {
                    found.push(format!("{place}: not of type {rule}"));
                }
            }
            "minimum" => {
                if value.as_i64() < rule.as_i64() {
                    found.push(format!("{place}: below {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().expect("names") {
                    if value.get(name.as_str().expect("a name")).is_none() {
                        found.push(format!("{place}: lacks {name}"));
                    }
                }
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    faults(root, rule, item, &format!("{place}[{at}]"), found);
                }
            }
            "properties" => {
                for (name, inner) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(name) {
                        faults(root, inner, value, &format!("{place}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                for (name, value) in others {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    let place = format!("{place}.{name}");
                    match rule {
                        Value::Bool(true) => {}
                        Value::Bool(false) => found.push(format!("{place}: not known")),
                        inner => faults(root, inner, value, &place, found),
                    }
                }
            }
            other => panic!("keyword {other} is not known to this test"),
        }
    }
}

fn check(text: &str) -> Vec<String> {
    let (schema, mut found) = (schema(), Vec::new());
    faults(&schema, &schema, &instance(text), "", &mut found);
    found
}

#[test]
fn the_schema_that_is_shipped_is_the_one_that_is_printed() {
    let shipped = std::fs::read(repository("docs/sops-yaml.schema.json")).expect("schema");
    Case::new()
        .args(["config", "schema"])
        .expect_stdout(shipped)
        .run();
}

#[test]
fn the_example_and_the_golden_files_are_valid() {
    for name in [".sops.yaml.example", "testdata/groups.sops.yaml"] {
        let text = std::fs::read_to_string(repository(name)).expect("a file");
        assert_eq!(check(&text), [""; 0], "{name}");
    }
}

#[test]
fn whatever_a_rule_can_say_is_valid() {
    let text = "keys: &a [age1a]\nstores: {yaml: {indent: 2}, json: {indent: -1}, ini: {}}\n\
        bulla: {recipients: {a: age1a, b: [age1a], c: {pgp: F, hckms: [x]}}, groups: {g: [a, b], h: a}}\n\
        destination_rules: [{path_regex: x, s3_bucket: b, vault_kv_version: 2, recreation_rule: {age: a}}, \
        {omit_extensions: true, bulla: {aws_secrets_manager: {prefix: p, content: values, kms_key: k}, external_secret: {store: s}}}, \
        {bulla: {kubernetes: {name: n, labels: {a: b}, string_data: true}}}]\n\
        creation_rules:\n- path_regex: x\n  age: a,b\n  pgp: [F]\n  hckms: [x]\n  aws_profile: me\n  \
        encrypted_regex: ^a$\n  mac_only_encrypted: true\n  cipher: AES256_GCM\n  bulla: {recipients: [g]}\n\
        - shamir_threshold: 2\n  key_groups:\n  - merge: [{age: *a}]\n    kms: [{arn: k, context: {a: b}}]\n  \
        - azure_keyvault: [{vaultUrl: u, key: k}]\n    hc_vault: [v]\n    bulla: {recipients: a}\n";
    assert_eq!(check(text), [""; 0]);
}

#[test]
fn mistakes_are_found() {
    for (text, fault) in [
        (
            "creation_rules: [{ages: a}]",
            ".creation_rules[0].ages: not known",
        ),
        (
            "creation_rules: [{hc_vault_uris: a}]",
            ".creation_rules[0].hc_vault_uris: not known",
        ),
        (
            "creation_rules: {}",
            ".creation_rules: not of type \"array\"",
        ),
        (
            "creation_rules: [{age: 1}]",
            ".creation_rules[0].age: fits nothing",
        ),
        (
            "creation_rules: [{hckms: a}]",
            ".creation_rules[0].hckms: not of type \"array\"",
        ),
        (
            "creation_rules: [{shamir_threshold: -1}]",
            ".creation_rules[0].shamir_threshold: below 0",
        ),
        (
            "creation_rules: [{cipher: ROT13}]",
            ".creation_rules[0].cipher: not in the list",
        ),
        (
            "creation_rules: [{key_groups: [{kms: [{role: a}]}]}]",
            ".creation_rules[0].key_groups[0].kms[0]: lacks \"arn\"",
        ),
        (
            "destination_rules: [{bulla: {azure_key_vault: {content: json}}}]",
            ".destination_rules[0].bulla.azure_key_vault: lacks \"vault\"",
        ),
        (
            "destination_rules: [{bulla: {kubernetes: {content: yaml}}}]",
            ".destination_rules[0].bulla.kubernetes.content: not in the list",
        ),
        ("stores: {yml: {}}", ".stores.yml: not known"),
        ("bulla: {people: {}}", ".bulla.people: not known"),
    ] {
        assert_eq!(check(text), [fault], "{text}");
    }
}

#[test]
fn the_schema_is_one_of_draft_7() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        json!("http://json-schema.org/draft-07/schema#")
    );
}
