//! The metadata of an encrypted file: everything under its `sops` key.
//!
//! Read liberally (any order, any case, loose types), written as sops 3.13 does.

mod fields;
pub mod re2;
mod selection;
pub mod timestamp;
mod tree;
mod version;

#[cfg(test)]
pub(crate) mod test_yaml;

pub use selection::{DEFAULT_UNENCRYPTED_SUFFIX, SELECTORS, Selection, SelectionError};

use crate::document::Data;

/// The key under which the metadata stands in a file.
pub const KEY: &str = "sops";

/// What a file says of its own encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// When the values were last hashed: RFC 3339, whole seconds. It is the additional data
    /// of [`Metadata::mac`], byte for byte.
    pub last_modified: String,
    /// The token of the MAC; `None` where the file has none.
    pub mac: Option<String>,
    /// Which leaves are encrypted.
    pub selection: Selection,
    /// The MAC covers encrypted leaves only.
    pub mac_only_encrypted: bool,
    /// The version of the program that wrote the file; see [`Metadata::check_version`].
    pub version: String,
    /// The wrapped data keys as they stand in the file: a map of the fields in [`KEY_FIELDS`].
    /// Reading them is the work of `keys`.
    pub key_entries: Data,
    /// Key groups needed to open the file; 0 stands for all of them.
    pub shamir_threshold: usize,
    /// What bulla keeps beside what sops knows; sops ignores it, and drops it on writing.
    pub bulla: Bulla,
}

/// The metadata that only bulla knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bulla {
    /// Spellings that a token cannot hold: the path of a leaf, the token of its source text.
    pub spelling: Vec<(String, String)>,
    /// The token that authenticates what the MAC leaves out.
    pub seal: Option<String>,
    /// All other entries, as they stand in the file.
    pub others: Vec<(Vec<u8>, Data)>,
}

/// The metadata fields that hold wrapped data keys.
pub const KEY_FIELDS: [&str; 8] = [
    "age",
    "azure_kv",
    "gcp_kms",
    "hc_vault",
    "hckms",
    "key_groups",
    "kms",
    "pgp",
];

/// Why metadata cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// There is none.
    #[error("sops metadata not found")]
    NotFound,
    /// The entry for it holds something else.
    #[error("found a sops entry that is not a mapping")]
    NotAMapping,
    /// A field has a value it cannot have.
    #[error("sops.{field}: expected {expected}")]
    Field {
        /// The field, as a path below the metadata.
        field: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// The selectors are contradictory or broken.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The version is no version.
    #[error("sops.version {version:?}: {problem}")]
    Version {
        /// The version in the file.
        version: String,
        /// What is wrong with it, in the words of sops.
        problem: &'static str,
    },
}
