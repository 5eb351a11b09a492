//! Groups of flags that several commands share.

use crate::cli::environment::{Environment, SOPS_ENABLE_LOCAL_KEYSERVICE, SOPS_KEYSERVICE};
use crate::cli::failure::{Failure, Outcome, Status, warn};
use crate::store::{self, STORES, Store};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// A format given by name.
///
/// # Errors
/// Where there is no such format; the message lists those that there are.
pub fn format(name: &str) -> Result<&'static dyn Store, String> {
    store::by_name(name).ok_or_else(|| {
        let names: Vec<_> = STORES.iter().map(|store| store.name()).collect();
        format!("there are: {}", names.join(", "))
    })
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// The configuration file; without it, `.sops.yaml` is looked for from the file's directory
    /// upwards, then from the working directory.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SOPS_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// Columns a level of indentation in newly written text.
    #[arg(long, global = true, value_name = "N")]
    pub indent: Option<usize>,
    /// Say on stderr what is done: which configuration and rule count, which key opened a file.
    #[arg(long, global = true)]
    pub verbose: bool,
    /// Accepted for sops; bulla never asks a network for its version.
    #[arg(long, global = true, hide = true)]
    pub disable_version_check: bool,
    /// Accepted for sops; bulla never asks a network for its version.
    #[arg(long, global = true, hide = true)]
    pub check_for_updates: bool,
    /// Accept a key that stands twice in one mapping, to rescue old files.
    #[arg(long, global = true)]
    pub allow_duplicate_keys: bool,
    /// Ask no service over the network, only what is on this machine.
    #[arg(long, global = true)]
    pub offline: bool,
    /// Use keys of this machine; `=false` has key services do it all (`SOPS_ENABLE_LOCAL_KEYSERVICE`).
    #[arg(long, global = true, overrides_with = "no_enable_local_keyservice")]
    pub enable_local_keyservice: bool,
    /// What `--enable-local-keyservice=false` becomes.
    #[arg(
        long,
        global = true,
        hide = true,
        overrides_with = "enable_local_keyservice"
    )]
    pub no_enable_local_keyservice: bool,
    /// A key service to be asked for what keys of this machine do not do: `tcp://HOST:PORT` or
    /// `unix:///PATH`; may be given several times (`SOPS_KEYSERVICE`, separated by commas).
    #[arg(long, global = true, value_name = "URI")]
    pub keyservice: Vec<String>,
}

impl Global {
    /// Whether keys of this machine may be used: by flag, else by environment, else yes.
    ///
    /// # Errors
    /// Where the variable says neither yes nor no.
    pub fn enables_local(&self, environment: &Environment) -> Outcome<bool> {
        if self.enable_local_keyservice || self.no_enable_local_keyservice {
            return Ok(self.enable_local_keyservice);
        }
        let Some(value) = environment.value(SOPS_ENABLE_LOCAL_KEYSERVICE) else {
            return Ok(true);
        };
        match value.to_str() {
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            // as sops has it: set to nothing is no
            Some("" | "0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            _ => {
                let message = format!("{SOPS_ENABLE_LOCAL_KEYSERVICE} is neither true nor false");
                Err(Failure::new(Status::General, message))
            }
        }
    }

    /// The key services that flags name, else those of the environment.
    pub fn key_services(&self, environment: &Environment) -> Vec<String> {
        if !self.keyservice.is_empty() {
            return self.keyservice.clone();
        }
        comma_list(environment.text(SOPS_KEYSERVICE).unwrap_or_default())
    }
}

/// Which format a file has.
#[derive(Args, Clone, Default)]
pub struct Types {
    /// The format of the input (json, jsonc, toml, yaml, hcl, ini, dotenv, properties,
    /// binary); without it the file's name says, and for an encrypted file under another name its
    /// content.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub input_type: Option<&'static dyn Store>,
    /// The format of the output (those of the input); without it that of the file.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub output_type: Option<&'static dyn Store>,
}

/// Which keys may open the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Recipients {
    /// age recipients, separated by commas; they win over the configuration's.
    #[arg(
        short,
        long,
        value_name = "RECIPIENTS",
        env = "SOPS_AGE_RECIPIENTS",
        hide_env_values = true
    )]
    pub age: Option<String>,
    /// PGP fingerprints, separated by commas; a `!` behind one means that very sub-key.
    #[arg(
        short,
        long,
        value_name = "FINGERPRINTS",
        env = "SOPS_PGP_FP",
        hide_env_values = true
    )]
    pub pgp: Option<String>,
    /// ARNs of AWS KMS keys, separated by commas; `+ARN` behind one is a role to be assumed.
    #[arg(
        short,
        long,
        value_name = "ARNS",
        env = "SOPS_KMS_ARN",
        hide_env_values = true
    )]
    pub kms: Option<String>,
    /// The AWS profile of the keys that --kms names.
    #[arg(long, value_name = "PROFILE")]
    pub aws_profile: Option<String>,
    /// The encryption context of the keys that --kms names: `name:value,name:value`.
    #[arg(long, value_name = "PAIRS")]
    pub encryption_context: Option<String>,
    /// Resource ids of Google Cloud KMS keys, separated by commas.
    #[arg(
        long,
        value_name = "IDS",
        env = "SOPS_GCP_KMS_IDS",
        hide_env_values = true
    )]
    pub gcp_kms: Option<String>,
    /// Huawei Cloud KMS keys, `REGION:ID`, separated by commas.
    #[arg(
        long,
        value_name = "IDS",
        env = "SOPS_HUAWEICLOUD_KMS_IDS",
        hide_env_values = true
    )]
    pub hckms: Option<String>,
    /// Addresses of Azure Key Vault keys, separated by commas.
    #[arg(
        long,
        value_name = "URLS",
        env = "SOPS_AZURE_KEYVAULT_URLS",
        hide_env_values = true
    )]
    pub azure_kv: Option<String>,
    /// Addresses of keys of Vault or OpenBao transit engines, separated by commas.
    #[arg(
        long,
        value_name = "URIS",
        env = "SOPS_VAULT_URIS",
        hide_env_values = true
    )]
    pub hc_vault_transit: Option<String>,
}

impl Recipients {
    /// The lists of recipients given by flag or environment, each with its provider's id, in the
    /// order in which sops makes a group of them.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let lists = [
            ("kms", &self.kms),
            ("gcp_kms", &self.gcp_kms),
            ("hckms", &self.hckms),
            ("azure_kv", &self.azure_kv),
            ("pgp", &self.pgp),
            ("hc_vault", &self.hc_vault_transit),
            ("age", &self.age),
        ];
        let lists = lists.into_iter();
        lists.filter_map(|(provider, list)| Some((provider, list.as_deref()?)))
    }
}

/// The entries of a list that commas separate, blanks around them removed.
pub fn comma_list(text: &str) -> Vec<String> {
    let entries = text.split(',').map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(String::from)
        .collect()
}

/// Which values are encrypted; they win over the configuration's.
#[derive(Args, Clone, Debug, Default)]
pub struct Selectors {
    /// Leave values in clear whose key ends so.
    #[arg(long, value_name = "SUFFIX")]
    pub unencrypted_suffix: Option<String>,
    /// Encrypt only values whose key ends so.
    #[arg(long, value_name = "SUFFIX")]
    pub encrypted_suffix: Option<String>,
    /// Leave values in clear whose key matches.
    #[arg(long, value_name = "REGEX")]
    pub unencrypted_regex: Option<String>,
    /// Encrypt only values whose key matches.
    #[arg(long, value_name = "REGEX")]
    pub encrypted_regex: Option<String>,
    /// Leave values in clear under a comment that matches.
    #[arg(long, value_name = "REGEX")]
    pub unencrypted_comment_regex: Option<String>,
    /// Encrypt only values under a comment that matches.
    #[arg(long, value_name = "REGEX")]
    pub encrypted_comment_regex: Option<String>,
    /// Compute the MAC over encrypted values only.
    #[arg(long)]
    pub mac_only_encrypted: bool,
}

impl Selectors {
    /// The selectors that were given, by the names of the metadata.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("unencrypted_suffix", &self.unencrypted_suffix),
            ("encrypted_suffix", &self.encrypted_suffix),
            ("unencrypted_regex", &self.unencrypted_regex),
            ("encrypted_regex", &self.encrypted_regex),
            ("unencrypted_comment_regex", &self.unencrypted_comment_regex),
            ("encrypted_comment_regex", &self.encrypted_comment_regex),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value.as_deref().filter(|v| !v.is_empty())?)))
            .collect()
    }
}

/// How a file is opened.
#[derive(Args, Clone, Debug, Default)]
pub struct Unlocking {
    /// Key types in the order in which they are tried, separated by commas.
    #[arg(
        long,
        value_name = "TYPES",
        env = "SOPS_DECRYPTION_ORDER",
        hide_env_values = true
    )]
    pub decryption_order: Option<String>,
    /// Open the file though its MAC does not match.
    #[arg(long)]
    pub ignore_mac: bool,
}

/// Arguments behind those that a command has a use for.
#[derive(Args, Clone, Debug, Default)]
pub struct Surplus {
    #[arg(hide = true)]
    surplus: Vec<OsString>,
}

impl Surplus {
    /// Leaves them alone, as sops does, and says so.
    pub fn warn(&self) {
        if !self.surplus.is_empty() {
            warn("more than one file given, all but the first are ignored");
        }
    }

    /// Refuses them, as sops does; `takes` says what would be right.
    ///
    /// # Errors
    /// Where there are any.
    pub fn refuse(&self, takes: &str) -> Outcome {
        if self.surplus.is_empty() {
            return Ok(());
        }
        let message = format!("too many arguments: {takes}");
        Err(Failure::new(Status::NoFile, message).hint("what has blanks in it needs quotes"))
    }
}

/// Where a result goes.
#[derive(Args, Clone, Debug, Default)]
pub struct Destination {
    /// Write back to the file.
    #[arg(short, long)]
    pub in_place: bool,
    /// Write to this file.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
