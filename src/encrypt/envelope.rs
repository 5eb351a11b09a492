//! A file that is one value: sealed where it stands in the new text, without a document in between.
//! Beside the file there is only its encrypted form; the self-check reads that piece by piece.

use super::check::read_back;
use super::{EncryptError, Encrypted, Encryption, ascii};
use crate::crypto::{DataKey, Digest, Mac, Nonces, SealError, Sealer, Token, TokenType};
use crate::decrypt::{self, DecryptError, Place};
use crate::document::{Document, LeafKind, NoMarking, unwiped};
use crate::metadata::{Metadata, Selection};
use crate::store::Envelope;
use std::thread;
use zeroize::Zeroizing;

/// From this size on, in bytes, the MAC is computed beside the encryption.
const WORTH_A_THREAD: usize = 1 << 20;

/// Encrypts the one value of `document`; no selector leaves it in clear, none is written.
pub(super) fn encrypt(
    document: &Document,
    envelope: &dyn Envelope,
    how: Encryption<'_>,
) -> Result<Encrypted, EncryptError> {
    let mut metadata = how.metadata;
    metadata.selection = Selection::All;
    metadata.mac_only_encrypted = false;
    metadata.bulla.spelling.clear();
    let mut leaves = document.leaves(NoMarking);
    let (mut plaintext, mut aad) = (&[][..], Vec::new());
    if let Some(leaf) = leaves.advance().filter(|leaf| leaf.kind == LeafKind::Value) {
        plaintext = document.value(leaf.id).text;
        aad = leaves.aad().to_vec();
    }
    let sealer = Sealer::new(how.data_key, how.cipher);
    let (mut nonces, mut stash) = (Nonces::new(how.random), how.stash);
    let mut text = envelope.head(how.layout);
    let sealed = !plaintext.is_empty();
    let (mac, done) = beside(plaintext, || {
        if let Some(token) = stash.take(&aad, TokenType::Str, plaintext) {
            text.extend_from_slice(token);
        } else if sealed {
            sealer.seal(plaintext, TokenType::Str, &aad, &mut nonces, &mut text)?;
        }
        Ok::<_, SealError>(())
    });
    done?;
    let (date, mut token) = (metadata.last_modified.as_bytes(), Vec::new());
    sealer.seal(
        mac.as_bytes(),
        TokenType::Str,
        date,
        &mut nonces,
        &mut token,
    )?;
    metadata.mac = Some(ascii(&token));
    text.extend_from_slice(&envelope.tail(&metadata.to_data(), how.layout));
    let check = how.store.parse(Zeroizing::new(text), how.parsing);
    let encrypted = check.map_err(EncryptError::SelfCheckParse)?;
    let metadata = read_back(how.store, &encrypted, &metadata)?;
    self_check(plaintext, &encrypted, &metadata, how.data_key, &mac)?;
    Ok(Encrypted {
        text: unwiped(encrypted.source),
        sealed: usize::from(sealed),
        clear: 0,
    })
}

/// What was written holds what was read, and the MAC of it.
fn self_check(
    plaintext: &[u8],
    encrypted: &Document,
    metadata: &Metadata,
    data_key: &DataKey,
    mac: &Digest,
) -> Result<(), EncryptError> {
    let failed = |error| EncryptError::SelfCheckDecrypt(Box::new(error));
    let opener = decrypt::Opener::new(data_key, metadata);
    opener.verify_mac(mac, metadata, false).map_err(failed)?;
    let mut leaves = encrypted.leaves(NoMarking);
    let value = leaves.advance().map(|leaf| encrypted.value(leaf.id).text);
    let holds = match value {
        Some(text) if !text.is_empty() => match Token::parse(text) {
            Ok(token) => opener.holds(&token, leaves.aad(), plaintext),
            Err(_) => Ok(false),
        },
        _ => Ok(plaintext.is_empty()),
    };
    match holds {
        Ok(true) => Ok(()),
        Ok(false) => Err(EncryptError::SelfCheck { offset: 0 }),
        Err(error) => Err(failed(DecryptError::Token(Place(leaves.path()), error))),
    }
}

/// The MAC of `plaintext`, computed in a thread of its own while `work` is done where that helps.
fn beside<T>(plaintext: &[u8], work: impl FnOnce() -> T) -> (Digest, T) {
    let digest = || {
        let mut mac = Mac::new(false);
        mac.update(plaintext);
        mac.finish()
    };
    if plaintext.len() < WORTH_A_THREAD {
        return (digest(), work());
    }
    thread::scope(|scope| {
        let hashing = thread::Builder::new().spawn_scoped(scope, digest);
        let done = work();
        // Where there is no thread to be had, or it came to grief, this one does it.
        let hashed = hashing.ok().and_then(|thread| thread.join().ok());
        (hashed.unwrap_or_else(digest), done)
    })
}
