//! Manifests for Kubernetes: a `Secret`, and an `ExternalSecret` by which the External Secrets
//! Operator fetches what was pushed to a store.

use crate::config::{ExternalSecret, ObjectName, SecretManifest};
use crate::document::Data;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashSet;
use zeroize::Zeroizing;

/// The longest name of an object, and of an entry of a secret.
const MOST: usize = 253;

/// The manifest of a `Secret`. `file` is the name of the file as it is published, `entries` are
/// names and what they hold.
///
/// # Errors
/// Where a name cannot be one there.
pub fn secret(
    manifest: &SecretManifest,
    file: &str,
    entries: &[(String, Zeroizing<Vec<u8>>)],
) -> Result<Data, String> {
    let (mut encoded, mut texts) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for (name, content) in entries {
        if !known.insert(name) {
            return Err(format!(
                "{name:?} would be the name of two entries of the secret"
            ));
        }
        let name = checked_key(name)?.as_bytes().to_vec();
        if manifest.string_data && std::str::from_utf8(content).is_ok() {
            texts.push((name, Data::str(content)));
        } else {
            let base64 = Zeroizing::new(STANDARD.encode(content));
            encoded.push((name, Data::str(base64.as_bytes())));
        }
    }
    let mut all = head("v1", "Secret", &manifest.object, file, &manifest.labels)?;
    let ty = manifest.ty.as_deref().unwrap_or("Opaque");
    all.push((b"type".to_vec(), Data::str(ty)));
    for (name, entries) in [("data", encoded), ("stringData", texts)] {
        if !entries.is_empty() {
            all.push((name.into(), Data::Map(entries)));
        }
    }
    Ok(Data::Map(all))
}

/// The name of the object that a manifest is about, with its namespace in front.
///
/// # Errors
/// Where a name cannot be one there.
pub fn object(object: &ObjectName, file: &str) -> Result<String, String> {
    let name = name(object, file)?;
    Ok(match &object.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name,
    })
}

/// What of a store becomes which entries of a `Secret`.
pub enum Fetched {
    /// The entries of a JSON object that is stored under this key.
    Object(String),
    /// An entry each: its name, and the key under which it is stored.
    Each(Vec<(String, String)>),
}

/// The manifest of an `ExternalSecret`. `file` is the name of the file as it is published.
///
/// # Errors
/// Where a name cannot be one there.
pub fn external_secret(
    manifest: &ExternalSecret,
    file: &str,
    fetched: &Fetched,
) -> Result<Data, String> {
    let name = name(&manifest.object, file)?;
    let interval = manifest.refresh_interval.as_deref().unwrap_or("1h");
    let kind = manifest.store_kind.as_deref().unwrap_or("SecretStore");
    let mut spec = vec![
        entry("refreshInterval", Data::str(interval)),
        entry(
            "secretStoreRef",
            map([
                ("name", Data::str(&manifest.store)),
                ("kind", Data::str(kind)),
            ]),
        ),
        entry("target", map([("name", Data::str(&name))])),
    ];
    let key = |key: &str| map([("key", Data::str(key))]);
    spec.push(match fetched {
        Fetched::Object(remote) => {
            let extract = map([("extract", key(remote))]);
            entry("dataFrom", Data::List(vec![extract]))
        }
        Fetched::Each(entries) => {
            let mut items = Vec::with_capacity(entries.len());
            for (name, remote) in entries {
                let name = Data::str(checked_key(name)?);
                items.push(map([("secretKey", name), ("remoteRef", key(remote))]));
            }
            entry("data", Data::List(items))
        }
    });
    let api = "external-secrets.io/v1";
    let mut all = head(api, "ExternalSecret", &manifest.object, file, &[])?;
    all.push(entry("spec", Data::Map(spec)));
    Ok(Data::Map(all))
}

fn head(
    api: &str,
    kind: &str,
    object: &ObjectName,
    file: &str,
    labels: &[(String, String)],
) -> Result<Vec<(Vec<u8>, Data)>, String> {
    let mut metadata = vec![entry("name", Data::str(name(object, file)?))];
    if let Some(namespace) = &object.namespace {
        let namespace = checked_name(namespace)?;
        metadata.push(entry("namespace", Data::str(namespace)));
    }
    if !labels.is_empty() {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| entry(name, Data::str(value)));
        metadata.push(entry("labels", Data::Map(labels.collect())));
    }
    Ok(vec![
        entry("apiVersion", Data::str(api)),
        entry("kind", Data::str(kind)),
        entry("metadata", Data::Map(metadata)),
    ])
}

/// The name of an object: the one that the rule says, else the file's with what names may not have
/// made dashes.
fn name(object: &ObjectName, file: &str) -> Result<String, String> {
    if let Some(name) = &object.name {
        return checked_name(name).map(str::to_owned);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let name: String = file
        .chars()
        .map(|c| if fits(c) { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']);
    checked_name(name).map(str::to_owned)
}

fn checked_name(name: &str) -> Result<&str, String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_name = bytes.iter().all(|b| fits(*b)) && ends(bytes.first()) && ends(bytes.last());
    if is_name && bytes.len() <= MOST {
        return Ok(name);
    }
    Err(format!(
        "{name:?}: names of objects are made of small letters, digits, dashes and dots"
    ))
}

fn checked_key(name: &str) -> Result<&str, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_key = !name.is_empty() && name.len() <= MOST && name.bytes().all(fits);
    if is_key && name != "." && !name.starts_with("..") {
        return Ok(name);
    }
    Err(format!(
        "{name:?}: entries of a secret are called by letters, digits, dashes, underscores and dots"
    ))
}

fn entry(name: &str, data: Data) -> (Vec<u8>, Data) {
    (name.as_bytes().to_vec(), data)
}

fn map<const N: usize>(entries: [(&str, Data); N]) -> Data {
    Data::Map(entries.map(|(name, data)| entry(name, data)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Layout, Store, Yaml};

    fn yaml(data: Data) -> String {
        let text = Yaml
            .emit(&[data], Layout { indent: Some(2) })
            .expect("YAML");
        String::from_utf8(text.to_vec()).expect("text")
    }

    fn entries(entries: &[(&str, &[u8])]) -> Vec<(String, Zeroizing<Vec<u8>>)> {
        let entries = entries.iter();
        entries
            .map(|(name, content)| ((*name).to_owned(), Zeroizing::new(content.to_vec())))
            .collect()
    }

    #[test]
    fn a_secret_has_its_values_as_base64_or_as_text_where_they_are_some() {
        let manifest = SecretManifest {
            object: ObjectName {
                name: None,
                namespace: Some("apps".to_owned()),
            },
            labels: vec![("a".to_owned(), "b".to_owned())],
            ..SecretManifest::default()
        };
        let all = entries(&[("user", b"x"), ("blob", b"\xff")]);
        let text = yaml(secret(&manifest, "Dir/My_App.yaml", &all).unwrap());
        assert_eq!(
            text,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: dir-my-app.yaml\n  namespace: apps\n  \
             labels:\n    a: b\ntype: Opaque\ndata:\n  user: eA==\n  blob: /w==\n"
        );
        let manifest = SecretManifest {
            string_data: true,
            ..SecretManifest::default()
        };
        let text = yaml(secret(&manifest, "f", &all).unwrap());
        assert!(
            text.ends_with("data:\n  blob: /w==\nstringData:\n  user: x\n"),
            "{text}"
        );
    }

    #[test]
    fn names_that_kubernetes_refuses_are_refused() {
        let manifest = SecretManifest::default();
        for name in ["a b", "a/b", "", "..", "ä"] {
            assert!(
                secret(&manifest, "f", &entries(&[(name, b"")])).is_err(),
                "{name}"
            );
        }
        for file in ["", "---", "ä"] {
            assert!(secret(&manifest, file, &[]).is_err(), "{file}");
        }
    }

    #[test]
    fn an_external_secret_says_where_each_entry_is() {
        let manifest = ExternalSecret {
            store: "aws".to_owned(),
            store_kind: Some("ClusterSecretStore".to_owned()),
            ..ExternalSecret::default()
        };
        let each = Fetched::Each(vec![("a".to_owned(), "/p/f/a".to_owned())]);
        let text = yaml(external_secret(&manifest, "f", &each).unwrap());
        assert_eq!(
            text,
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: f\nspec:\n  \
             refreshInterval: 1h\n  secretStoreRef:\n    name: aws\n    kind: ClusterSecretStore\n  \
             target:\n    name: f\n  data:\n    - secretKey: a\n      remoteRef:\n        key: /p/f/a\n"
        );
        let object = Fetched::Object("p/f".to_owned());
        let text = yaml(external_secret(&manifest, "f", &object).unwrap());
        assert!(
            text.ends_with("  dataFrom:\n    - extract:\n        key: p/f\n"),
            "{text}"
        );
    }
}
