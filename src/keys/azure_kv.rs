//! Azure Key Vault: a key is named by its address, with or without a version.

use super::service_key::{Fields, entry, service_key, text};
use super::{Address, Cause, NameError, Provider};
use crate::document::Data;

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "azure_kv",
    flag: "azure-kv",
    env: "SOPS_AZURE_KEYVAULT_URLS",
    config_field: "azure_keyvault",
    has_created_at: true,
    parse: |text, _| Ok(service_key(&PROVIDER, fields(text)?)),
    from_data: |data| super::service_key::from_data(&PROVIDER, data),
    address: |data| Address::AzureKv(AzureAddress::new(data)),
};

/// A key of Azure Key Vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AzureAddress {
    /// The vault, `https://HOST`.
    pub vault_url: String,
    /// The key's name.
    pub name: String,
    /// The version; empty for the one that is current when something is wrapped.
    pub version: String,
}

impl AzureAddress {
    fn new(data: &Data) -> Self {
        Self {
            vault_url: text(data, "vault_url"),
            name: text(data, "name"),
            version: text(data, "version"),
        }
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let versions = [&self.version, &other.version];
        let same_version = self.version == other.version || versions.contains(&&String::new());
        same_version && (&self.vault_url, &self.name) == (&other.vault_url, &other.name)
    }

    pub(super) fn id(&self) -> String {
        format!("{}/keys/{}/{}", self.vault_url, self.name, self.version)
    }
}

/// `https://HOST/keys/NAME[/VERSION]`.
fn fields(url: &str) -> Result<Fields, Cause> {
    let parts: Vec<&str> = url.trim().split('/').collect();
    let (host, name, version) = match parts[..] {
        ["https:", "", host, "keys", name] => (host, name, ""),
        ["https:", "", host, "keys", name, version] => (host, name, version),
        _ => ("", "", ""),
    };
    if host.is_empty() || name.is_empty() {
        let expected = "an address like https://VAULT/keys/NAME/VERSION";
        return Err(NameError { expected }.into());
    }
    Ok(vec![
        entry("vault_url", &format!("https://{host}")),
        entry("name", name),
        entry("version", version),
    ])
}
