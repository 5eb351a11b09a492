//! The messages of the key service, by the field numbers of sops, and what they say of a key.

use crate::keys::{Address, AzureAddress, KmsAddress, VaultAddress};
use prost::{Message, Oneof};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize;

/// A master key.
#[derive(Clone, PartialEq, Message)]
pub struct Key {
    /// Of which kind it is; none where the other side knows a kind that we do not.
    #[prost(oneof = "KeyType", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub key_type: Option<KeyType>,
}

/// The kinds of master keys.
#[derive(Clone, PartialEq, Oneof)]
pub enum KeyType {
    /// AWS KMS.
    #[prost(message, tag = "1")]
    Kms(KmsKey),
    /// PGP.
    #[prost(message, tag = "2")]
    Pgp(PgpKey),
    /// Google Cloud KMS.
    #[prost(message, tag = "3")]
    GcpKms(GcpKmsKey),
    /// Azure Key Vault.
    #[prost(message, tag = "4")]
    AzureKeyvault(AzureKeyvaultKey),
    /// The transit engine of Vault.
    #[prost(message, tag = "5")]
    Vault(VaultKey),
    /// age.
    #[prost(message, tag = "6")]
    Age(AgeKey),
    /// Huawei Cloud KMS.
    #[prost(message, tag = "7")]
    Hckms(HckmsKey),
}

/// A key of AWS KMS.
#[derive(Clone, PartialEq, Message)]
pub struct KmsKey {
    /// Its ARN.
    #[prost(string, tag = "1")]
    pub arn: String,
    /// The role to be assumed for it.
    #[prost(string, tag = "2")]
    pub role: String,
    /// The encryption context.
    #[prost(btree_map = "string, string", tag = "3")]
    pub context: BTreeMap<String, String>,
    /// The profile.
    #[prost(string, tag = "4")]
    pub aws_profile: String,
}

/// A PGP key.
#[derive(Clone, PartialEq, Message)]
pub struct PgpKey {
    /// Its fingerprint.
    #[prost(string, tag = "1")]
    pub fingerprint: String,
}

/// A key of Google Cloud KMS.
#[derive(Clone, PartialEq, Message)]
pub struct GcpKmsKey {
    /// Its resource id.
    #[prost(string, tag = "1")]
    pub resource_id: String,
}

/// A key of Vault.
#[derive(Clone, PartialEq, Message)]
pub struct VaultKey {
    /// The server.
    #[prost(string, tag = "1")]
    pub vault_address: String,
    /// Where the engine is mounted.
    #[prost(string, tag = "2")]
    pub engine_path: String,
    /// The key's name.
    #[prost(string, tag = "3")]
    pub key_name: String,
}

/// A key of Azure Key Vault.
#[derive(Clone, PartialEq, Message)]
pub struct AzureKeyvaultKey {
    /// The vault.
    #[prost(string, tag = "1")]
    pub vault_url: String,
    /// The key's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "3")]
    pub version: String,
}

/// An age recipient.
#[derive(Clone, PartialEq, Message)]
pub struct AgeKey {
    /// As it stands in the file.
    #[prost(string, tag = "1")]
    pub recipient: String,
}

/// A key of Huawei Cloud KMS.
#[derive(Clone, PartialEq, Message)]
pub struct HckmsKey {
    /// `REGION:UUID`.
    #[prost(string, tag = "1")]
    pub key_id: String,
}

/// What is to be wrapped.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct EncryptRequest {
    /// For whom.
    #[prost(message, optional, tag = "1")]
    pub key: Option<Key>,
    /// The data key, or a share of one.
    #[prost(bytes = "vec", tag = "2")]
    pub plaintext: Vec<u8>,
}

/// What was wrapped.
#[derive(Clone, PartialEq, Message)]
pub struct EncryptResponse {
    /// The text that stands under `enc`.
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
}

/// What is to be unwrapped.
#[derive(Clone, PartialEq, Message)]
pub struct DecryptRequest {
    /// With which key.
    #[prost(message, optional, tag = "1")]
    pub key: Option<Key>,
    /// The text that stands under `enc`.
    #[prost(bytes = "vec", tag = "2")]
    pub ciphertext: Vec<u8>,
}

/// What was unwrapped.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct DecryptResponse {
    /// The data key, or a share of one.
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
}

/// Without what is to be wrapped.
impl fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptRequest")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Without what was unwrapped.
impl fmt::Debug for DecryptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptResponse").finish_non_exhaustive()
    }
}

impl Drop for EncryptRequest {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Drop for DecryptResponse {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl From<&Address> for Key {
    fn from(address: &Address) -> Self {
        let key_type = match address.clone() {
            Address::Kms(KmsAddress {
                arn,
                role,
                context,
                aws_profile,
            }) => KeyType::Kms(KmsKey {
                arn,
                role,
                context,
                aws_profile,
            }),
            Address::Pgp(fingerprint) => KeyType::Pgp(PgpKey { fingerprint }),
            Address::GcpKms(resource_id) => KeyType::GcpKms(GcpKmsKey { resource_id }),
            Address::AzureKv(AzureAddress {
                vault_url,
                name,
                version,
            }) => KeyType::AzureKeyvault(AzureKeyvaultKey {
                vault_url,
                name,
                version,
            }),
            Address::HcVault(VaultAddress {
                address,
                engine_path,
                key_name,
            }) => KeyType::Vault(VaultKey {
                vault_address: address,
                engine_path,
                key_name,
            }),
            Address::Age(recipient) => KeyType::Age(AgeKey { recipient }),
            Address::Hckms(key_id) => KeyType::Hckms(HckmsKey { key_id }),
        };
        Self {
            key_type: Some(key_type),
        }
    }
}

impl From<KeyType> for Address {
    fn from(key: KeyType) -> Self {
        match key {
            KeyType::Kms(key) => Self::Kms(KmsAddress {
                arn: key.arn,
                role: key.role,
                context: key.context,
                aws_profile: key.aws_profile,
            }),
            KeyType::Pgp(key) => Self::Pgp(key.fingerprint),
            KeyType::GcpKms(key) => Self::GcpKms(key.resource_id),
            KeyType::AzureKeyvault(key) => Self::AzureKv(AzureAddress {
                vault_url: key.vault_url,
                name: key.name,
                version: key.version,
            }),
            KeyType::Vault(key) => Self::HcVault(VaultAddress {
                address: key.vault_address,
                engine_path: key.engine_path,
                key_name: key.key_name,
            }),
            KeyType::Age(key) => Self::Age(key.recipient),
            KeyType::Hckms(key) => Self::Hckms(key.key_id),
        }
    }
}

impl Key {
    /// What it names; `None` where that is nothing, or of a kind that we do not know.
    pub fn address(self) -> Option<Address> {
        self.key_type.map(Address::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<Address> {
        let text = str::to_owned;
        vec![
            Address::Kms(KmsAddress {
                arn: text("arn:aws:kms:eu-west-1:1:key/k"),
                role: text("arn:aws:iam::1:role/r"),
                context: BTreeMap::from([(text("a"), text("1")), (text("b"), text(""))]),
                aws_profile: text("me"),
            }),
            Address::Pgp(text("F1")),
            Address::GcpKms(text("projects/p/locations/l/keyRings/r/cryptoKeys/k")),
            Address::AzureKv(AzureAddress {
                vault_url: text("https://v.vault.azure.net"),
                name: text("n"),
                version: text("1"),
            }),
            Address::HcVault(VaultAddress {
                address: text("https://v:8200"),
                engine_path: text("a/b"),
                key_name: text("k"),
            }),
            Address::Age(text("age1x")),
            Address::Hckms(text("eu:1")),
        ]
    }

    #[test]
    fn every_kind_of_key_goes_over_the_wire_and_comes_back() {
        for address in addresses() {
            let bytes = Key::from(&address).encode_to_vec();
            let key = Key::decode(bytes.as_slice()).expect("a key");
            assert_eq!(key.address(), Some(address));
        }
    }

    #[test]
    fn the_bytes_are_those_that_sops_sends() {
        let bytes: Vec<Vec<u8>> = addresses()
            .iter()
            .map(|address| Key::from(address).encode_to_vec())
            .collect();
        // the first byte is the number of the field and its kind
        let firsts: Vec<u8> = bytes.iter().map(|bytes| bytes[0]).collect();
        assert_eq!(firsts, [0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a]);
        assert_eq!(bytes[1], b"\x12\x04\x0a\x02F1");
        assert_eq!(bytes[3][2..5], *b"\x0a\x19h");
        let request = DecryptRequest {
            key: Some(Key::from(&Address::Pgp("F1".to_owned()))),
            ciphertext: b"enc".to_vec(),
        };
        assert_eq!(
            request.encode_to_vec(),
            b"\x0a\x06\x12\x04\x0a\x02F1\x12\x03enc"
        );
    }

    #[test]
    fn a_kind_that_is_not_known_is_no_key() {
        let unknown = b"\x42\x04\x0a\x02xx";
        assert_eq!(Key::decode(&unknown[..]).expect("skipped").address(), None);
    }

    #[test]
    fn no_message_shows_a_data_key() {
        let plaintext = b"hunter2".to_vec();
        let request = EncryptRequest {
            key: None,
            plaintext: plaintext.clone(),
        };
        let shown = format!("{request:?} {:?}", DecryptResponse { plaintext });
        assert!(!shown.contains("104"), "{shown}");
    }
}
