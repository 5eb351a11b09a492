//! What names a master key towards a service that holds it.

use super::MasterKey;
use super::age::AgeKey;
use super::azure_kv::AzureAddress;
use super::hc_vault::VaultAddress;
use super::kms::KmsAddress;
use super::pgp::PgpKey;
use super::service_key::entry;
use crate::document::Data;

/// A master key by what it takes to ask for it: the alternatives and fields are those of sops's
/// key service protocol (`keyservice.proto`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A key of AWS KMS.
    Kms(KmsAddress),
    /// A PGP key by its fingerprint.
    Pgp(String),
    /// A key of Google Cloud KMS by its resource id.
    GcpKms(String),
    /// A key of Azure Key Vault.
    AzureKv(AzureAddress),
    /// A key of the transit engine of Vault or OpenBao.
    HcVault(VaultAddress),
    /// An age recipient.
    Age(String),
    /// A key of Huawei Cloud KMS, `REGION:UUID`.
    Hckms(String),
}

impl Address {
    /// The id of its provider, see [`super::Provider::id`].
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Kms(_) => "kms",
            Self::Pgp(_) => "pgp",
            Self::GcpKms(_) => "gcp_kms",
            Self::AzureKv(_) => "azure_kv",
            Self::HcVault(_) => "hc_vault",
            Self::Age(_) => "age",
            Self::Hckms(_) => "hckms",
        }
    }

    /// What names the key in commands and reports, as sops spells it.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Kms(key) => key.id(),
            Self::AzureKv(key) => key.id(),
            Self::HcVault(key) => key.id(),
            Self::Pgp(id) | Self::GcpKms(id) | Self::Age(id) | Self::Hckms(id) => id.clone(),
        }
    }

    /// The key with what is wrapped for it, where it is one that needs no service; `enc` is empty
    /// where nothing is wrapped yet.
    #[must_use]
    pub fn local_key(&self, enc: &str) -> Option<Box<dyn MasterKey>> {
        let data = |name, id| Data::Map(vec![entry("enc", enc), entry(name, id)]);
        match self {
            Self::Age(recipient) => {
                Some(Box::new(AgeKey::from_data(&data("recipient", recipient))))
            }
            Self::Pgp(fingerprint) => Some(Box::new(PgpKey::from_data(&data("fp", fingerprint)))),
            _ => None,
        }
    }

    /// True for the same key: a key of Azure without a version is every version of it.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AzureKv(a), Self::AzureKv(b)) => a.is_same_as(b),
            (a, b) => a.provider() == b.provider() && a.id() == b.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;
    use crate::document::Data;
    use crate::keys::service_key::entry;
    use crate::keys::{AwsOptions, MasterKey, Provider};

    fn provider(id: &str) -> &'static Provider {
        Provider::find(id).expect("a provider")
    }

    fn key(id: &str, entries: &[(&str, &str)]) -> Box<dyn MasterKey> {
        let entries = entries.iter().map(|(name, text)| entry(name, text));
        (provider(id).from_data)(&Data::Map(entries.collect()))
    }

    #[test]
    fn ids_are_spelled_as_sops_spells_them() {
        let id = |provider, entries: &[(&str, &str)]| key(provider, entries).id().to_owned();
        assert_eq!(
            id("gcp_kms", &[("resource_id", "projects/p")]),
            "projects/p"
        );
        assert_eq!(id("hckms", &[("key_id", "eu:1")]), "eu:1");
        let azure = [("vault_url", "https://v"), ("name", "n"), ("version", "1")];
        assert_eq!(id("azure_kv", &azure), "https://v/keys/n/1");
        let vault = [
            ("vault_address", "https://v"),
            ("engine_path", "sops"),
            ("key_name", "k"),
        ];
        assert_eq!(id("hc_vault", &vault), "https://v/v1/sops/keys/k");
        assert_eq!(
            id("kms", &[("arn", "arn:1"), ("role", "arn:2")]),
            "arn:1+arn:2"
        );
        assert_eq!(id("kms", &[("arn", "a"), ("aws_profile", "p")]), "a||p");
    }

    #[test]
    fn the_id_of_a_kms_key_holds_its_sorted_context() {
        let context = Data::Map(vec![entry("z", "1"), entry("b", "2")]);
        let entries = vec![entry("arn", "a"), (b"context".to_vec(), context)];
        let key = (provider("kms").from_data)(&Data::Map(entries));
        assert_eq!(key.id(), "a|b:2,z:1");
    }

    #[test]
    fn a_key_that_a_flag_names_has_the_id_that_sops_gives_it() {
        let aws = AwsOptions::new("z:1,b:2", "me").expect("a context");
        let plain = AwsOptions::default();
        let arn = "arn:aws-us-gov:kms:us-gov-west-1:1:alias/k";
        let role = format!(" {arn} + arn:aws:iam::1:role/r ");
        let with_role = format!("{arn}+arn:aws:iam::1:role/r|b:2,z:1|me");
        let gcp = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
        for (id, text, aws, expected) in [
            ("kms", arn, &plain, arn),
            ("kms", &role, &aws, &with_role),
            (
                "gcp_kms",
                "projects/p /locations/l/keyRings/r/cryptoKeys/k",
                &plain,
                gcp,
            ),
            ("hckms", " eu:1 ", &plain, "eu:1"),
            (
                "azure_kv",
                "https://v/keys/n/1",
                &plain,
                "https://v/keys/n/1",
            ),
            ("azure_kv", "https://v/keys/n", &plain, "https://v/keys/n/"),
            (
                "hc_vault",
                "https://v:8200/v1/a/b/keys/k",
                &plain,
                "https://v:8200/v1/a/b/keys/k",
            ),
        ] {
            let key = provider(id).parse_one(text, 1, aws).expect(text);
            assert_eq!(key.id(), expected, "{text}");
            assert_eq!(key.address().id(), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_key_is_refused_and_not_repeated() {
        let plain = AwsOptions::default();
        for (id, text) in [
            ("kms", "hunter2"),
            ("kms", "arn:aws:s3:eu:1:key/k"),
            ("kms", "arn:aws:kms:eu:x:key/k"),
            (
                "gcp_kms",
                "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            ),
            ("hckms", "eu:"),
            ("azure_kv", "https://v/n"),
            ("azure_kv", "http://v/keys/n"),
            ("hc_vault", "v/v1/a/keys/k"),
            ("hc_vault", "https://v/prefix/v1/a/keys/k"),
            ("hc_vault", "https://me:hunter2@v/v1/a/keys/k"),
        ] {
            let error = provider(id).parse_one(text, 1, &plain).unwrap_err();
            assert!(!error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_key_that_needs_no_service_is_found_again_by_its_address() {
        for address in [Address::Age("age1x".into()), Address::Pgp("F1".into())] {
            let key = address.local_key("enc").expect("a key");
            assert_eq!((key.address(), key.wrapped()), (address, Some("enc")));
        }
        let key = Address::Age("age1x".into()).local_key("").expect("a key");
        assert_eq!(key.wrapped(), None);
        assert!(Address::Hckms("eu:1".into()).local_key("enc").is_none());
    }

    #[test]
    fn a_key_of_azure_without_a_version_is_every_version_of_it() {
        let key = |text| {
            provider("azure_kv")
                .parse_one(text, 1, &AwsOptions::default())
                .expect(text)
        };
        let (any, one) = (key("https://v/keys/n"), key("https://v/keys/n/1"));
        assert!(any.is_same_as(&*one) && one.is_same_as(&*any));
        assert!(!one.is_same_as(&*key("https://v/keys/n/2")));
        assert!(!any.is_same_as(&*key("https://v/keys/m/1")));
    }

    #[test]
    fn an_entry_is_kept_as_it_is_until_something_is_wrapped() {
        let entries = [("key_id", "eu:1"), ("new_field", "x"), ("enc", "y")];
        let mut key = key("hckms", &entries);
        let text = |data: &Data| match data {
            Data::Map(entries) => entries
                .iter()
                .map(|(name, data)| {
                    format!(
                        "{}={}",
                        String::from_utf8_lossy(name),
                        data.text().unwrap_or("-")
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            _ => String::new(),
        };
        assert_eq!(text(&key.to_data()), "key_id=eu:1 new_field=x enc=y");
        assert_eq!(key.wrapped(), Some("y"));
        key.take(
            crate::keys::Wrapped::new("z".to_owned()),
            "2026-01-02T03:04:05Z",
        );
        let expected = "created_at=2026-01-02T03:04:05Z enc=z key_id=eu:1 new_field=x";
        assert_eq!(text(&key.to_data()), expected);
    }
}
