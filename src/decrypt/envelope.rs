//! A file that is one value: opened straight from the text into the plaintext.

use super::{DecryptError, DecryptOptions, Decrypted, Opener, Place};
use crate::crypto::{Mac, Stash, Token, TokenError, TokenType};
use crate::document::{Document, Type, canonical};
use crate::metadata::Metadata;
use zeroize::Zeroizing;

/// The value of a file that was opened.
struct Opened {
    text: Zeroizing<Vec<u8>>,
    /// Whether the MAC covers it.
    hashed: bool,
}

/// Decrypts the one value of `document`.
pub(super) fn decrypt(
    document: &Document,
    metadata: &Metadata,
    opener: &Opener<'_>,
    options: DecryptOptions,
    stash: Option<&mut Stash>,
) -> Result<Decrypted, DecryptError> {
    let Opened { text, hashed } = open(document, metadata, opener, stash)?;
    let mut mac = Mac::new(metadata.mac_only_encrypted);
    if hashed {
        mac.update(&text);
    }
    let warning = opener.verify_mac(&mac.finish(), metadata, options.ignore_mac)?;
    let warnings = warning.into_iter().collect();
    Ok(Decrypted { text, warnings })
}

/// Opens the one value of `document`; whether the MAC fits is for the caller to say.
fn open(
    document: &Document,
    metadata: &Metadata,
    opener: &Opener<'_>,
    stash: Option<&mut Stash>,
) -> Result<Opened, DecryptError> {
    let mut leaves = document.leaves(&metadata.selection);
    let mut text = Zeroizing::new(Vec::new());
    let Some(leaf) = leaves.advance() else {
        return Ok(Opened { text, hashed: true });
    };
    let value = document.value(leaf.id);
    let covered = metadata.selection.covers(&leaf);
    if value.text.is_empty() || !covered {
        text.extend_from_slice(value.text);
        let hashed = covered || !metadata.mac_only_encrypted;
        return Ok(Opened { text, hashed });
    }
    let place = || Place(leaves.path());
    let token = match Token::parse(value.text) {
        Ok(token) if value.ty == Type::Str => token,
        Err(TokenError::Type) => return Err(DecryptError::UnknownType(place())),
        _ => return Err(DecryptError::NotEncrypted(place())),
    };
    let opened = opener.open(&token, leaves.aad(), &mut text);
    opened.map_err(|error| DecryptError::Token(place(), error))?;
    if token.ty != TokenType::Str {
        // sops writes one where another value than a string was set.
        let read = token.ty.value().and_then(|ty| canonical(ty, &text));
        let read = read.map(|read| Zeroizing::new(read.into_owned()));
        let (place, ty) = (place(), token.ty.name());
        text = read.ok_or(DecryptError::Type { place, ty })?;
    } else if let Some(stash) = stash {
        stash.remember(leaves.aad(), token.ty, &text, token.text);
    }
    Ok(Opened { text, hashed: true })
}
