//! Conflicts as a file carries them: sealed under its data key, until somebody settles them.

use super::Conflict;
use crate::crypto::{
    DataKey, Nonces, OpenError, Random, SealError, Sealer, Token, TokenError, TokenType,
};
use crate::document::Data;
use crate::metadata::{Metadata, Unresolved};
use crate::store::{EmitError, Json, Layout, ParseError, ParseOptions, Store};
use zeroize::Zeroizing;

/// Why conflicts cannot be put into a file, or read from it.
#[derive(Debug, thiserror::Error)]
pub enum UnresolvedError {
    /// A value has no JSON form.
    #[error("{path}: {source}")]
    Emit {
        /// The place.
        path: String,
        /// What JSON cannot hold.
        source: EmitError,
    },
    /// A value cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A side is no token.
    #[error("{path}: what the file holds of the conflict cannot be read: {source}")]
    Token {
        /// The place.
        path: String,
        /// What is wrong with it.
        source: TokenError,
    },
    /// A side does not open.
    #[error("{path}: what the file holds of the conflict does not open: {source}")]
    Open {
        /// The place.
        path: String,
        /// Why.
        source: OpenError,
    },
    /// A side is no value.
    #[error("{path}: what the file holds of the conflict is no value")]
    Value {
        /// The place.
        path: String,
    },
}

/// Both sides of a conflict that stands in a file, as JSON; `None` for nothing.
pub struct Sides {
    /// The place, as it is written in commands.
    pub path: String,
    /// What stood there before.
    pub base: Option<Zeroizing<Vec<u8>>>,
    /// What the other side has made of it.
    pub theirs: Option<Zeroizing<Vec<u8>>>,
}

/// Seals what is not in the file of each conflict.
///
/// # Errors
/// [`UnresolvedError`].
pub fn seal_conflicts(
    conflicts: &[Conflict],
    metadata: &Metadata,
    key: &DataKey,
    random: &mut dyn Random,
) -> Result<Vec<Unresolved>, UnresolvedError> {
    let sealer = Sealer::new(key, metadata.cipher());
    let mut nonces = Nonces::new(random);
    let mut seal = |path: &str, side: &str, data: &Option<Data>| -> Result<_, UnresolvedError> {
        let Some(data) = data else {
            return Ok(None);
        };
        let emitted = Json.emit_value(data, Layout { indent: Some(0) });
        let emit = |source| UnresolvedError::Emit {
            path: path.to_owned(),
            source,
        };
        let (text, mut token) = (emitted.map_err(emit)?, Vec::new());
        let aad = Unresolved::aad(path, side);
        sealer.seal(&text, TokenType::Str, &aad, &mut nonces, &mut token)?;
        Ok(Some(String::from_utf8_lossy(&token).into_owned()))
    };
    let each = conflicts.iter().map(|conflict| {
        let path = conflict.path.to_string();
        let base = seal(&path, "base", &conflict.base)?;
        let theirs = seal(&path, "theirs", &conflict.theirs)?;
        Ok(Unresolved { path, base, theirs })
    });
    each.collect()
}

/// Opens what a file holds of its conflicts.
///
/// # Errors
/// [`UnresolvedError`].
pub fn open_conflicts(metadata: &Metadata, key: &DataKey) -> Result<Vec<Sides>, UnresolvedError> {
    let sealer = Sealer::new(key, metadata.cipher());
    let open = |path: &str, side: &str, token: &Option<String>| -> Result<_, UnresolvedError> {
        let Some(token) = token else {
            return Ok(None);
        };
        let path_of = || path.to_owned();
        let token = Token::parse(token.as_bytes()).map_err(|source| UnresolvedError::Token {
            path: path_of(),
            source,
        })?;
        let mut text = Zeroizing::new(Vec::new());
        let opened = sealer.open(&token, &Unresolved::aad(path, side), &mut text);
        opened.map_err(|source| UnresolvedError::Open {
            path: path_of(),
            source,
        })?;
        Ok(Some(text))
    };
    let each = metadata.bulla.conflicts.iter().map(|conflict| {
        let path = &conflict.path;
        Ok(Sides {
            path: path.clone(),
            base: open(path, "base", &conflict.base)?,
            theirs: open(path, "theirs", &conflict.theirs)?,
        })
    });
    each.collect()
}

/// The value of a side.
///
/// # Errors
/// [`UnresolvedError::Value`] where the text is not JSON.
pub fn value_of(path: &str, json: &Zeroizing<Vec<u8>>) -> Result<Data, UnresolvedError> {
    let parsed: Result<_, ParseError> = Json.parse(json.clone(), ParseOptions::default());
    let document = parsed.ok();
    let value = document.as_ref().and_then(|document| {
        let root = document.branches.first()?.root?;
        Some(document.data(root))
    });
    value.ok_or_else(|| UnresolvedError::Value {
        path: path.to_owned(),
    })
}
