//! The kinds of master key that the format knows, whether or not this build can use them.

use super::{Cause, ForeignKey, MasterKey, Provider, RecipientError};

/// A kind of master key by its names. What this build can do with it is its [`Provider`]'s to say.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name of its list in the metadata, see [`Provider::id`].
    pub id: &'static str,
    /// The name of its field in a rule, see [`Provider::config_field`].
    pub config_field: &'static str,
}

/// Every kind, in the order in which sops makes a group of what flags name.
pub static KINDS: [Kind; 7] = [
    kind("kms", "kms"),
    kind("pgp", "pgp"),
    kind("gcp_kms", "gcp_kms"),
    kind("hckms", "hckms"),
    kind("azure_kv", "azure_keyvault"),
    kind("hc_vault", "hc_vault"),
    kind("age", "age"),
];

const fn kind(id: &'static str, config_field: &'static str) -> Kind {
    Kind { id, config_field }
}

/// What AWS keys are told beside their ARN; all others have no use for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// The encryption context: names and values.
    pub context: Vec<(String, String)>,
    /// The profile; empty for none.
    pub profile: String,
}

/// Why a text is no encryption context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an encryption context is written name:value,name:value (entry {place} is not)")]
pub struct ContextError {
    /// Which entry, counted from 1.
    pub place: usize,
}

impl AwsOptions {
    /// Reads a context as the option takes it: `name:value,name:value`.
    ///
    /// # Errors
    /// [`ContextError`] at the first entry that is no such pair.
    pub fn new(context: &str, profile: &str) -> Result<Self, ContextError> {
        let entries = context.split(',').filter(|_| !context.is_empty());
        let pair = |(at, entry): (usize, &str)| match entry.split(':').collect::<Vec<_>>()[..] {
            [name, value] => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ContextError { place: at + 1 }),
        };
        Ok(Self {
            context: entries.enumerate().map(pair).collect::<Result<_, _>>()?,
            profile: profile.to_owned(),
        })
    }
}

impl Kind {
    /// The kind with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.id == id)
    }

    /// A new key for what stands at `place` (from 1) in a list. Where this build does not have
    /// the provider, it is one that can be named and compared, but not wrapped for.
    ///
    /// # Errors
    /// [`RecipientError`] where the text names no key of this kind.
    pub fn key(
        &self,
        text: &str,
        place: usize,
        aws: &AwsOptions,
    ) -> Result<Box<dyn MasterKey>, RecipientError> {
        if let Some(provider) = Provider::find(self.id) {
            return provider.parse_one(text, place);
        }
        match ForeignKey::named(self.id, text, aws) {
            Ok(key) => Ok(Box::new(key)),
            Err(error) => Err(RecipientError {
                provider: self.id,
                place,
                cause: Cause::from(error),
            }),
        }
    }

    /// What a key that `text` names is called in files, as far as that can be told.
    #[must_use]
    pub fn id_of(&self, text: &str, aws: &AwsOptions) -> String {
        let key = self.key(text, 1, aws);
        key.map_or_else(|_| text.trim().to_owned(), |key| key.id().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{FIELDS, PROVIDERS};

    #[test]
    fn the_kinds_are_those_of_the_format_and_agree_with_the_providers() {
        assert_eq!(KINDS.len(), FIELDS.len());
        assert!(FIELDS.iter().all(|field| Kind::find(field).is_some()));
        for provider in PROVIDERS {
            let kind = Kind::find(provider.id).expect("a kind");
            assert_eq!(kind.config_field, provider.config_field);
        }
    }

    #[test]
    fn a_context_is_a_list_of_pairs() {
        let context = |text| AwsOptions::new(text, "").map(|aws| aws.context);
        assert_eq!(context(""), Ok(Vec::new()));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(context("b:2,a:1"), Ok(vec![pair("b", "2"), pair("a", "1")]));
        assert_eq!(context("a:1,b"), Err(ContextError { place: 2 }));
        assert_eq!(context("a:b:c"), Err(ContextError { place: 1 }));
    }

    #[test]
    fn a_key_of_a_provider_that_is_not_built_in_has_the_id_that_sops_gives_it() {
        let aws = AwsOptions::new("z:1,b:2", "me").expect("a context");
        let plain = AwsOptions::default();
        let id = |kind, text, aws| Kind::find(kind).expect("a kind").id_of(text, aws);
        let role = " arn:aws:kms:eu:1:key/k + arn:aws:iam::1:role/r ";
        for (kind, text, aws, expected) in [
            ("kms", "arn:k", &plain, "arn:k"),
            (
                "kms",
                role,
                &aws,
                "arn:aws:kms:eu:1:key/k+arn:aws:iam::1:role/r|b:2,z:1|me",
            ),
            ("gcp_kms", "projects/p /x", &plain, "projects/p/x"),
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
            if Provider::find(kind).is_none() {
                assert_eq!(id(kind, text, aws), expected, "{text}");
            }
        }
        for (kind, text) in [("azure_kv", "https://v/n"), ("hc_vault", "v/v1/a/keys/k")] {
            let kind = Kind::find(kind).expect("a kind");
            assert!(kind.key(text, 1, &plain).is_err(), "{text}");
        }
    }
}
