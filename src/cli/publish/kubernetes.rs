//! Manifests for Kubernetes: a `Secret`, and an `ExternalSecret` by which the External Secrets
//! Operator fetches what was pushed to a store.

use crate::config::{ExternalSecret, ObjectName, SecretManifest};
use crate::document::{Data, Path, Step};
use crate::export::Secret;
use crate::variables::Variable;
use std::collections::HashSet;
use zeroize::Zeroizing;

/// An entry of a `Secret`.
pub struct Entry {
    /// What it is called.
    pub name: String,
    /// The way to the value in its file.
    pub steps: Vec<String>,
    /// What it holds.
    pub content: Zeroizing<Vec<u8>>,
}

/// The manifest of a `Secret`. `file` is the name of the file as it is published.
///
/// # Errors
/// What Kubernetes would refuse.
pub fn secret(manifest: &SecretManifest, file: &str, entries: Vec<Entry>) -> Result<Data, String> {
    let secret = Secret {
        labels: manifest.labels.clone(),
        is_text: manifest.string_data,
        ..named(&manifest.object, file)
    };
    let mut data = made(&secret, entries)?;
    if let (Data::Map(fields), Some(ty)) = (&mut data, &manifest.ty) {
        let field = fields.iter_mut().find(|(name, _)| name == b"type");
        if let Some((_, old)) = field {
            *old = Data::str(ty);
        }
    }
    Ok(data)
}

/// The name of the object that a manifest is about, with its namespace in front.
pub fn object(object: &ObjectName, file: &str) -> String {
    let secret = named(object, file);
    match secret.namespace {
        Some(namespace) => format!("{namespace}/{}", secret.name),
        None => secret.name,
    }
}

fn made(secret: &Secret, entries: Vec<Entry>) -> Result<Data, String> {
    let mut known = HashSet::new();
    if let Some(entry) = entries.iter().find(|entry| !known.insert(&entry.name)) {
        let name = &entry.name;
        return Err(format!(
            "{name:?} would be the name of two entries of the secret"
        ));
    }
    let variables: Vec<Variable> = entries.into_iter().map(variable).collect();
    let manifest = secret.manifest(&variables);
    manifest.map_err(|error| error.to_string())
}

fn variable(entry: Entry) -> Variable {
    let steps = entry.steps.into_iter();
    let steps = steps.map(|step| Step::Key(step.into_bytes()));
    Variable {
        name: entry.name.into_bytes(),
        value: entry.content,
        path: Path(steps.collect()),
    }
}

/// A secret of this name: the one that the rule says, else the file's with what names may not have
/// made dashes.
fn named(object: &ObjectName, file: &str) -> Secret {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let own = || -> String {
        let letters = file.chars();
        let letters = letters.map(|c| if fits(c) { c.to_ascii_lowercase() } else { '-' });
        let name: String = letters.collect();
        name.trim_matches(['-', '.']).to_owned()
    };
    Secret {
        name: object.name.clone().unwrap_or_else(own),
        namespace: object.namespace.clone(),
        ..Secret::default()
    }
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
/// What Kubernetes would refuse.
pub fn external_secret(
    manifest: &ExternalSecret,
    file: &str,
    fetched: &Fetched,
) -> Result<Data, String> {
    let secret = named(&manifest.object, file);
    let names = match fetched {
        Fetched::Object(_) => &[][..],
        Fetched::Each(entries) => entries,
    };
    let empty = |(name, _): &(String, String)| Entry {
        name: name.clone(),
        steps: vec![name.clone()],
        content: Zeroizing::default(),
    };
    // what is fetched becomes a secret of the same name and entries
    let target = made(&secret, names.iter().map(empty).collect())?;
    let metadata = target.entry("metadata").cloned();
    let interval = manifest.refresh_interval.as_deref().unwrap_or("1h");
    let kind = manifest.store_kind.as_deref().unwrap_or("SecretStore");
    let store = map([
        ("name", Data::str(&manifest.store)),
        ("kind", Data::str(kind)),
    ]);
    let key = |key: &str| map([("key", Data::str(key))]);
    let (field, remote) = match fetched {
        Fetched::Object(remote) => {
            let extract = map([("extract", key(remote))]);
            ("dataFrom", Data::List(vec![extract]))
        }
        Fetched::Each(entries) => {
            let item = |(name, remote): &(String, String)| {
                map([("secretKey", Data::str(name)), ("remoteRef", key(remote))])
            };
            ("data", Data::List(entries.iter().map(item).collect()))
        }
    };
    let spec = map([
        ("refreshInterval", Data::str(interval)),
        ("secretStoreRef", store),
        ("target", map([("name", Data::str(&secret.name))])),
        (field, remote),
    ]);
    Ok(map([
        ("apiVersion", Data::str("external-secrets.io/v1")),
        ("kind", Data::str("ExternalSecret")),
        ("metadata", metadata.unwrap_or_else(Data::null)),
        ("spec", spec),
    ]))
}

fn map<const N: usize>(entries: [(&str, Data); N]) -> Data {
    Data::Map(
        entries
            .map(|(name, data)| (name.as_bytes().to_vec(), data))
            .into(),
    )
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

    fn entries(entries: &[(&str, &[u8])]) -> Vec<Entry> {
        let entry = |(name, content): &(&str, &[u8])| Entry {
            name: (*name).to_owned(),
            steps: vec![(*name).to_owned()],
            content: Zeroizing::new(content.to_vec()),
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn a_secret_is_called_like_its_file_where_nothing_else_is_said() {
        let mut manifest = SecretManifest {
            object: ObjectName {
                name: None,
                namespace: Some("apps".to_owned()),
            },
            labels: vec![("a".to_owned(), "b".to_owned())],
            ty: Some("example.com/x".to_owned()),
            ..SecretManifest::default()
        };
        let all = || entries(&[("user", b"x"), ("blob", b"y")]);
        let text = yaml(secret(&manifest, "Dir/My_App.yaml", all()).unwrap());
        assert_eq!(
            text,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: dir-my-app.yaml\n  namespace: apps\n  \
             labels:\n    a: b\ntype: example.com/x\ndata:\n  user: eA==\n  blob: eQ==\n"
        );
        assert_eq!(object(&manifest.object, "F"), "apps/f");
        manifest.object.name = Some("web".to_owned());
        assert_eq!(object(&manifest.object, "F"), "apps/web");
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        let manifest = SecretManifest::default();
        for name in ["a b", "a/b", "..", "ä"] {
            let one = entries(&[(name, b"")]);
            assert!(secret(&manifest, "f", one).is_err(), "{name}");
        }
        for file in ["", "---", "ä"] {
            assert!(secret(&manifest, file, Vec::new()).is_err(), "{file}");
        }
        let twice = entries(&[("a", b"1"), ("a", b"2")]);
        assert!(secret(&manifest, "f", twice).is_err());
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
