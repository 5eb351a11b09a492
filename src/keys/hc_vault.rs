//! The transit engine of HashiCorp Vault and OpenBao: a key is named by its address.

use super::service_key::{Fields, entry, service_key, text};
use super::{Address, Cause, NameError, Provider};
use crate::document::Data;

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "hc_vault",
    flag: "hc-vault-transit",
    env: "SOPS_VAULT_URIS",
    config_field: "hc_vault",
    has_created_at: true,
    parse: |text, _| Ok(service_key(&PROVIDER, fields(text)?)),
    from_data: |data| super::service_key::from_data(&PROVIDER, data),
    address: |data| Address::HcVault(VaultAddress::new(data)),
};

/// A key of a transit engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultAddress {
    /// The server, `https://HOST:8200`.
    pub address: String,
    /// Where the engine is mounted, with slashes where it has them.
    pub engine_path: String,
    /// The key's name.
    pub key_name: String,
}

impl VaultAddress {
    fn new(data: &Data) -> Self {
        Self {
            address: text(data, "vault_address"),
            engine_path: text(data, "engine_path"),
            key_name: text(data, "key_name"),
        }
    }

    pub(super) fn id(&self) -> String {
        format!(
            "{}/v1/{}/keys/{}",
            self.address, self.engine_path, self.key_name
        )
    }
}

/// `SCHEME://HOST/vN/ENGINE/keys/NAME`.
fn fields(uri: &str) -> Result<Fields, Cause> {
    let parse = || {
        let (scheme, rest) = uri.trim().split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        // a name and a password would stand in the file, and in messages
        let host = Some(host).filter(|host| !host.contains('@'))?;
        let (version, path) = path.split_once('/')?;
        let (path, name) = path.trim_end_matches('/').rsplit_once('/')?;
        let (engine, _) = path.rsplit_once('/')?;
        let is_version = version.strip_prefix('v')?.parse::<u32>().is_ok();
        let parts = [scheme, host, engine, name];
        (is_version && parts.iter().all(|part| !part.is_empty())).then(|| {
            vec![
                entry("vault_address", &format!("{scheme}://{host}")),
                entry("engine_path", engine),
                entry("key_name", name),
            ]
        })
    };
    let expected = "an address like https://VAULT:8200/v1/transit/keys/NAME";
    parse().ok_or_else(|| NameError { expected }.into())
}
