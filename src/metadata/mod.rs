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

use crate::crypto::{Cipher, Token};
use crate::document::{Data, Path};
use crate::keys::{KeyGroups, LoadError};

/// The key under which the metadata stands in a file.
pub const KEY: &str = "sops";

/// What a file says of its own encryption.
#[derive(Clone, Debug)]
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
    /// Who can open the file, with the wrapped data keys.
    pub keys: KeyGroups,
    /// What bulla keeps beside what sops knows; sops ignores it, and drops it on writing.
    pub bulla: Bulla,
}

/// The metadata that only bulla knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bulla {
    /// Spellings that a token cannot hold.
    pub spelling: Vec<Spelling>,
    /// The token that authenticates what the MAC leaves out.
    pub seal: Option<String>,
    /// What a merge could not settle; ours stands in the file.
    pub conflicts: Vec<Unresolved>,
    /// All other entries, as they stand in the file.
    pub others: Vec<(Vec<u8>, Data)>,
}

/// A value that both sides of a merge have changed, differently. The tokens hold JSON; there is
/// none where a side has nothing at the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The place, see [`Path`].
    pub path: String,
    /// What stood there before.
    pub base: Option<String>,
    /// What the other side has made of it.
    pub theirs: Option<String>,
}

impl Unresolved {
    /// The additional data of the token of a `side`, `base` or `theirs`.
    #[must_use]
    pub fn aad(path: &str, side: &str) -> Vec<u8> {
        format!("bulla:conflict:{path}:{side}:").into_bytes()
    }
}

/// In front of the name of a place whose key is meant.
const KEY_SIGN: &str = "? ";

/// The source text of a leaf or alias that style alone cannot bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// Where it belongs; see [`Spelling::key`].
    pub path: String,
    /// The token of the source text.
    pub token: String,
}

impl Spelling {
    /// In the place of a path: the spelling is the whole text, which was encrypted in normal form.
    /// No path is written like this.
    pub const WHOLE: &str = "*";

    /// The name of a place: the path in the branch, in front of it `2#` in the second branch
    /// and so on; `.` is the root.
    #[must_use]
    pub fn key(branch: usize, path: &Path) -> String {
        let place = if path.0.is_empty() {
            ".".to_owned()
        } else {
            path.to_string()
        };
        match branch {
            0 => place,
            _ => format!("{}#{place}", branch + 1),
        }
    }

    /// The name of the key at a place; see [`Spelling::key`].
    #[must_use]
    pub fn of_key(branch: usize, path: &Path) -> String {
        format!("{KEY_SIGN}{}", Self::key(branch, path))
    }

    /// Branch and path of a name that [`Spelling::of_key`] made; `None` for others.
    #[must_use]
    pub fn place_of_key(name: &str) -> Option<(usize, Path)> {
        let place = name.strip_prefix(KEY_SIGN)?;
        let (branch, path) = match place.split_once('#') {
            Some((number, path)) if number.parse().is_ok_and(|n: usize| n > 1) => {
                (number.parse::<usize>().ok()? - 1, path)
            }
            _ => (0, place),
        };
        Some((branch, Path::parse(path).ok()?))
    }

    /// The additional data of the token of a spelling.
    #[must_use]
    pub fn aad(path: &str) -> Vec<u8> {
        format!("bulla:spelling:{path}:").into_bytes()
    }
}

impl Metadata {
    /// The metadata of a new file, without date and MAC.
    #[must_use]
    pub fn new(
        keys: KeyGroups,
        selection: Selection,
        mac_only_encrypted: bool,
        version: &str,
    ) -> Self {
        Self {
            last_modified: String::new(),
            mac: None,
            selection,
            mac_only_encrypted,
            version: version.to_owned(),
            keys,
            bulla: Bulla::default(),
        }
    }

    /// The cipher of the file: that of its MAC.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        let mac = self.mac.as_deref().unwrap_or_default();
        Token::parse(mac.as_bytes()).map_or_else(|_| Cipher::default(), |token| token.cipher)
    }
}

/// Why metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is none.
    #[error("sops metadata not found")]
    NotFound,
    /// The entry for it holds something else.
    #[error("found a sops entry that is not a mapping")]
    NotAMapping,
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] LoadError),
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
