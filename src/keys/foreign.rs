//! Keys of a provider that this build does not have: kept as they are, shown, never opened.

use super::{AwsOptions, Cause, MasterKey, Unlocker, UnwrapError, Wrapper, field};
use crate::document::Data;
use zeroize::Zeroizing;

/// A master key that can only be carried along.
#[derive(Clone)]
pub struct ForeignKey {
    provider: &'static str,
    id: String,
    data: Data,
}

/// Why a text names no key of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct NameError {
    /// What would have been right.
    pub expected: &'static str,
}

impl ForeignKey {
    /// The key that a text names, as a flag or a rule takes it. It holds nothing yet, and cannot:
    /// it is there to be compared.
    ///
    /// # Errors
    /// [`NameError`] where the text cannot be one.
    pub fn named(provider: &'static str, text: &str, aws: &AwsOptions) -> Result<Self, NameError> {
        let fields = match provider {
            "kms" => kms_fields(&text.replace(' ', ""), aws),
            "gcp_kms" => vec![("resource_id", Data::str(text.replace(' ', "")))],
            "hckms" => vec![("key_id", Data::str(text.trim()))],
            "azure_kv" => azure_fields(text.trim())?,
            "hc_vault" => vault_fields(text.trim())?,
            _ => vec![("fp", Data::str(text.replace(' ', "")))],
        };
        let fields = fields.into_iter();
        let named = fields.map(|(name, data)| (name.as_bytes().to_vec(), data));
        Ok(Self::new(provider, Data::Map(named.collect())))
    }

    /// The key of an entry in the metadata list `provider`.
    #[must_use]
    pub fn new(provider: &'static str, data: Data) -> Self {
        let id = id(provider, &data);
        Self { provider, id, data }
    }
}

impl MasterKey for ForeignKey {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn wrapped(&self) -> Option<&str> {
        let text = field(&self.data, "enc")?.text()?;
        (!text.is_empty()).then_some(text)
    }

    fn wrap(&mut self, _: &[u8], _: &mut Wrapper<'_>) -> Result<(), Cause> {
        let provider = self.provider;
        Err(UnwrapError::NotSupported { provider }.into())
    }

    fn unwrap(&self, _: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let provider = self.provider;
        Err(vec![UnwrapError::NotSupported { provider }])
    }

    fn to_data(&self) -> Data {
        self.data.clone()
    }

    fn boxed_clone(&self) -> Box<dyn MasterKey> {
        Box::new(self.clone())
    }
}

type Fields = Vec<(&'static str, Data)>;

/// `ARN[+ROLE]`, with what the options add.
fn kms_fields(text: &str, aws: &AwsOptions) -> Fields {
    let role = text.find("+arn:").filter(|at| *at > 0);
    let (arn, role) = role.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let pairs = aws.context.iter();
    let pairs = pairs.map(|(name, value)| (name.as_bytes().to_vec(), Data::str(value)));
    vec![
        ("arn", Data::str(arn)),
        ("role", Data::str(role)),
        ("context", Data::Map(pairs.collect())),
        ("aws_profile", Data::str(&aws.profile)),
    ]
}

/// `https://HOST/keys/NAME[/VERSION]`.
fn azure_fields(url: &str) -> Result<Fields, NameError> {
    let parts: Vec<&str> = url.split('/').collect();
    let (host, name, version) = match parts[..] {
        ["https:", "", host, "keys", name] => (host, name, ""),
        ["https:", "", host, "keys", name, version] => (host, name, version),
        _ => ("", "", ""),
    };
    if host.is_empty() || name.is_empty() {
        let expected = "an address like https://VAULT/keys/NAME/VERSION";
        return Err(NameError { expected });
    }
    Ok(vec![
        ("vault_url", Data::str(format!("https://{host}"))),
        ("name", Data::str(name)),
        ("version", Data::str(version)),
    ])
}

/// `SCHEME://HOST/vN/ENGINE/keys/NAME`.
fn vault_fields(uri: &str) -> Result<Fields, NameError> {
    let expected = "an address like https://VAULT:8200/v1/transit/keys/NAME";
    let parse = || {
        let (scheme, rest) = uri.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let (version, path) = path.split_once('/')?;
        let (path, name) = path.trim_end_matches('/').rsplit_once('/')?;
        let (engine, _) = path.rsplit_once('/')?;
        let is_version = version.strip_prefix('v')?.parse::<u32>().is_ok();
        let whole = [scheme, host, engine, name]
            .iter()
            .all(|part| !part.is_empty());
        (is_version && whole).then(|| {
            vec![
                ("vault_address", Data::str(format!("{scheme}://{host}"))),
                ("engine_path", Data::str(engine)),
                ("key_name", Data::str(name)),
            ]
        })
    };
    parse().ok_or(NameError { expected })
}

/// What sops calls the key of an entry.
fn id(provider: &str, data: &Data) -> String {
    let text = |name| field(data, name).and_then(Data::text).unwrap_or_default();
    match provider {
        "kms" => kms_id(data, text("arn"), text("role"), text("aws_profile")),
        "gcp_kms" => text("resource_id").to_owned(),
        "hckms" => text("key_id").to_owned(),
        "azure_kv" => {
            let (url, name, version) = (text("vault_url"), text("name"), text("version"));
            format!("{url}/keys/{name}/{version}")
        }
        _ => {
            let (address, engine) = (text("vault_address"), text("engine_path"));
            format!("{address}/v1/{engine}/keys/{}", text("key_name"))
        }
    }
}

/// `ARN[+ROLE][|CONTEXT][|PROFILE]`: with a profile the context is always there, if empty.
fn kms_id(data: &Data, arn: &str, role: &str, profile: &str) -> String {
    let mut id = arn.to_owned();
    if !role.is_empty() {
        id = format!("{id}+{role}");
    }
    let context = kms_context(data);
    if !context.is_empty() || !profile.is_empty() {
        id = format!("{id}|{context}");
    }
    if !profile.is_empty() {
        id = format!("{id}|{profile}");
    }
    id
}

/// The encryption context as `name:value,name:value`, sorted.
fn kms_context(data: &Data) -> String {
    let Some(Data::Map(entries)) = field(data, "context") else {
        return String::new();
    };
    let mut pairs: Vec<String> = entries
        .iter()
        .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value.text()?)))
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    pairs.sort_unstable();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Data {
        let entry = |&(name, text): &(&str, &str)| (name.as_bytes().to_vec(), Data::str(text));
        Data::Map(entries.iter().map(entry).collect())
    }

    fn id_of(provider: &'static str, entries: &[(&str, &str)]) -> String {
        ForeignKey::new(provider, map(entries)).id().to_owned()
    }

    #[test]
    fn ids_are_spelled_as_sops_spells_them() {
        assert_eq!(
            id_of("gcp_kms", &[("resource_id", "projects/p")]),
            "projects/p"
        );
        assert_eq!(id_of("hckms", &[("key_id", "eu:1")]), "eu:1");
        let azure = [("vault_url", "https://v"), ("name", "n"), ("version", "1")];
        assert_eq!(id_of("azure_kv", &azure), "https://v/keys/n/1");
        let vault = [
            ("vault_address", "https://v"),
            ("engine_path", "sops"),
            ("key_name", "k"),
        ];
        assert_eq!(id_of("hc_vault", &vault), "https://v/v1/sops/keys/k");
        assert_eq!(
            id_of("kms", &[("arn", "arn:1"), ("role", "arn:2")]),
            "arn:1+arn:2"
        );
        assert_eq!(id_of("kms", &[("arn", "a"), ("aws_profile", "p")]), "a||p");
    }

    #[test]
    fn the_id_of_a_kms_key_holds_its_sorted_context() {
        let Data::Map(mut entries) = map(&[("arn", "a"), ("aws_profile", "")]) else {
            unreachable!()
        };
        entries.push((b"context".to_vec(), map(&[("z", "1"), ("b", "2")])));
        assert_eq!(ForeignKey::new("kms", Data::Map(entries)).id(), "a|b:2,z:1");
    }

    #[test]
    fn an_entry_is_kept_as_it_is() {
        let data = map(&[("key_id", "eu:1"), ("new_field", "x"), ("enc", "y")]);
        let key = ForeignKey::new("hckms", data.clone());
        assert!(key.to_data() == data);
        assert_eq!(key.wrapped(), Some("y"));
    }
}
