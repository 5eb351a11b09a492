//! AWS KMS: a key is named by its ARN, and maybe a role, an encryption context and a profile.

use super::service_key::{Fields, entry, service_key, text};
use super::{Address, Cause, NameError, Provider, field};
use crate::document::Data;
use std::collections::BTreeMap;

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "kms",
    flag: "kms",
    env: "SOPS_KMS_ARN",
    config_field: "kms",
    has_created_at: true,
    parse: |text, aws| Ok(service_key(&PROVIDER, fields(text, aws)?)),
    from_data: |data| super::service_key::from_data(&PROVIDER, data),
    address: |data| Address::Kms(KmsAddress::new(data)),
};

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

/// A key of AWS KMS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KmsAddress {
    /// The ARN of the key or of an alias.
    pub arn: String,
    /// The ARN of a role to be assumed for it; empty for none.
    pub role: String,
    /// The encryption context.
    pub context: BTreeMap<String, String>,
    /// The profile; empty for that of the environment.
    pub aws_profile: String,
}

impl KmsAddress {
    fn new(data: &Data) -> Self {
        Self {
            arn: text(data, "arn"),
            role: text(data, "role"),
            context: context(data),
            aws_profile: text(data, "aws_profile"),
        }
    }

    /// `ARN[+ROLE][|CONTEXT][|PROFILE]`: with a profile the context is always there, if empty.
    pub(super) fn id(&self) -> String {
        let mut id = self.arn.clone();
        if !self.role.is_empty() {
            id = format!("{id}+{}", self.role);
        }
        let pairs = self.context.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        if !pairs.is_empty() || !self.aws_profile.is_empty() {
            id = format!("{id}|{}", pairs.join(","));
        }
        if !self.aws_profile.is_empty() {
            id = format!("{id}|{}", self.aws_profile);
        }
        id
    }

    /// The region that the ARN names.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let region = self.arn.split(':').nth(3)?;
        (!region.is_empty()).then_some(region)
    }
}

fn context(data: &Data) -> BTreeMap<String, String> {
    let Some(Data::Map(entries)) = field(data, "context") else {
        return BTreeMap::new();
    };
    let pair = |(name, value): &(Vec<u8>, Data)| {
        let name = String::from_utf8(name.clone()).ok()?;
        Some((name, value.text()?.to_owned()))
    };
    entries.iter().filter_map(pair).collect()
}

/// `ARN[+ROLE]`, with what the options add.
fn fields(text: &str, aws: &AwsOptions) -> Result<Fields, Cause> {
    let text = text.replace(' ', "");
    let role = text.find("+arn:").filter(|at| *at > 0);
    let (arn, role) = role.map_or((&text[..], ""), |at| (&text[..at], &text[at + 1..]));
    if !is_arn(arn) {
        let expected = "an ARN like arn:aws:kms:eu-west-1:111122223333:key/ID or …:alias/NAME";
        return Err(NameError { expected }.into());
    }
    let mut fields = vec![entry("arn", arn)];
    if !role.is_empty() {
        fields.push(entry("role", role));
    }
    if !aws.context.is_empty() {
        let pairs = aws.context.iter().map(|(name, value)| entry(name, value));
        fields.push((b"context".to_vec(), Data::Map(pairs.collect())));
    }
    fields.push(entry("aws_profile", &aws.profile));
    Ok(fields)
}

/// `arn:PARTITION:kms:REGION:ACCOUNT:(key|alias)/…`, every partition.
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let rest = partition.strip_prefix("aws").unwrap_or("?");
    arn == "arn"
        && rest.chars().all(is_word)
        && service == "kms"
        && !region.is_empty()
        && !account.is_empty()
        && account.bytes().all(|b| b.is_ascii_digit())
        && (resource.starts_with("key/") || resource.starts_with("alias/"))
}
