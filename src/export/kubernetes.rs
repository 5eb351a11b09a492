//! For Kubernetes: the manifest of a `Secret`.

use super::{ExportError, NOT_UTF8, refuse};
use crate::document::Data;
use crate::variables::Variable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The most bytes of all values together, and of their names.
const MOST_BYTES: usize = 1 << 20;

/// What a `Secret` is called, and how it holds its values.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its namespace; without one, that of whoever applies it.
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Whether values stand as they are (`stringData`), and not as base64 (`data`).
    pub is_text: bool,
}

/// Why there is no such `Secret`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A name, namespace or label that Kubernetes refuses.
    #[error("{what} {text:?}: expected {expected}")]
    Name {
        /// Which.
        what: &'static str,
        /// What was given.
        text: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A value that has no room.
    #[error(transparent)]
    Value(#[from] ExportError),
    /// All values together have none.
    #[error("the values have {0} bytes, and a Secret has room for {MOST_BYTES}")]
    Size(usize),
}

impl Secret {
    /// The manifest that holds `variables`.
    ///
    /// # Errors
    /// [`SecretError`] for what Kubernetes would refuse.
    pub fn manifest(&self, variables: &[Variable]) -> Result<Data, SecretError> {
        self.check()?;
        let size = variables
            .iter()
            .map(|each| each.name.len() + each.value.len());
        let size = size.sum();
        if size > MOST_BYTES {
            return Err(SecretError::Size(size));
        }
        let values = variables.iter().map(|variable| self.entry(variable));
        let values = Data::Map(values.collect::<Result<_, _>>()?);
        let field = if self.is_text { "stringData" } else { "data" };
        Ok(Data::Map(vec![
            entry("apiVersion", Data::str("v1")),
            entry("kind", Data::str("Secret")),
            entry("metadata", self.metadata()),
            entry("type", Data::str("Opaque")),
            entry(field, values),
        ]))
    }

    fn metadata(&self) -> Data {
        let mut fields = vec![entry("name", Data::str(&self.name))];
        if let Some(namespace) = &self.namespace {
            fields.push(entry("namespace", Data::str(namespace)));
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter();
            let labels = labels.map(|(name, value)| entry(name, Data::str(value)));
            fields.push(entry("labels", Data::Map(labels.collect())));
        }
        Data::Map(fields)
    }

    fn entry(&self, variable: &Variable) -> Result<(Vec<u8>, Data), ExportError> {
        let (name, value) = (&variable.name, variable.value.as_slice());
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
        let is_key = name.len() <= 253 && name.iter().all(is_part);
        let is_key = is_key && name != b"." && !name.starts_with(b"..");
        refuse(
            !is_key,
            variable,
            "a key of a Secret has letters, digits, `-`, `.` and `_`",
        )?;
        if self.is_text {
            refuse(std::str::from_utf8(value).is_err(), variable, NOT_UTF8)?;
            return Ok((name.clone(), Data::str(value)));
        }
        let encoded = Zeroizing::new(STANDARD.encode(value));
        Ok((name.clone(), Data::str(encoded.as_str())))
    }

    fn check(&self) -> Result<(), SecretError> {
        let wrong = |what, text: &str, expected| {
            let text = text.to_owned();
            Err(SecretError::Name {
                what,
                text,
                expected,
            })
        };
        if !self.name.split('.').all(|label| is_label(label, 253)) || self.name.len() > 253 {
            let expected = "small letters, digits, `-` and `.`, as in names of hosts";
            return wrong("the name", &self.name, expected);
        }
        if let Some(namespace) = self.namespace.as_deref().filter(|name| !is_label(name, 63)) {
            let expected = "small letters, digits and `-`, 63 at most";
            return wrong("the namespace", namespace, expected);
        }
        for (name, value) in &self.labels {
            let (prefix, own) = name.rsplit_once('/').unwrap_or(("a", name));
            let is_prefix =
                prefix.len() <= 253 && prefix.split('.').all(|part| is_label(part, 253));
            if !is_prefix || own.is_empty() || !is_word(own) {
                let expected = "a name like app.kubernetes.io/part-of";
                return wrong("the label", name, expected);
            }
            if !is_word(value) {
                let expected = "letters, digits, `-`, `_` and `.`, 63 at most";
                return wrong("the value of a label", value, expected);
            }
        }
        Ok(())
    }
}

fn entry(name: &str, data: Data) -> (Vec<u8>, Data) {
    (name.as_bytes().to_vec(), data)
}

/// A part of a name of hosts.
fn is_label(text: &str, most: usize) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    text.len() <= most
        && bytes.iter().all(|&byte| is_end(byte) || byte == b'-')
        && ends.is_some_and(|(&first, &last)| is_end(first) && is_end(last))
}

/// What labels are made of; may be empty.
fn is_word(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes
            .iter()
            .all(|byte| is_end(byte) || b"-_.".contains(byte))
        && bytes.first().is_none_or(is_end)
        && bytes.last().is_none_or(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::variable;

    fn secret(name: &str) -> Secret {
        Secret {
            name: name.to_owned(),
            ..Secret::default()
        }
    }

    #[test]
    fn values_are_base64_or_as_they_are() {
        let value = |secret: &Secret, value: &[u8]| {
            let manifest = secret.manifest(&[variable("a.b", value)]).ok()?;
            let field = if secret.is_text { "stringData" } else { "data" };
            let text = manifest.entry(field)?.entry("a.b")?.text()?.to_owned();
            Some(text)
        };
        let encoded = secret("web");
        assert_eq!(value(&encoded, b"\xff\n").as_deref(), Some("/wo="));
        let text = Secret {
            is_text: true,
            ..secret("web")
        };
        assert_eq!(value(&text, b"a\n").as_deref(), Some("a\n"));
        assert_eq!(value(&text, b"\xff"), None);
        assert!(encoded.manifest(&[variable("a/b", "x")]).is_err());
        let large = variable("a", vec![b'x'; MOST_BYTES]);
        assert!(encoded.manifest(&[large]).is_err());
    }

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for (name, expected) in [
            ("web-1.prod", true),
            ("Web", false),
            ("-web", false),
            ("web-", false),
            ("web..x", false),
            ("", false),
        ] {
            assert_eq!(secret(name).manifest(&[]).is_ok(), expected, "{name}");
        }
        for (label, value, expected) in [
            ("app", "web", true),
            ("app.kubernetes.io/part-of", "Web_1.x", true),
            ("app", "", true),
            ("app", "a b", false),
            ("App.io/x", "a", false),
            ("a/b/c", "a", false),
            ("", "a", false),
        ] {
            let mut secret = secret("web");
            secret.labels = vec![(label.to_owned(), value.to_owned())];
            assert_eq!(secret.manifest(&[]).is_ok(), expected, "{label}={value}");
        }
        let mut secret = secret("web");
        secret.namespace = Some("a.b".to_owned());
        assert!(secret.manifest(&[]).is_err());
    }
}
