//! What opens single tokens, and the MAC of a file.

use super::{DecryptError, DecryptWarning};
use crate::crypto::{DataKey, Digest, OpenError, Sealer, Token};
use crate::metadata::Metadata;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Opens tokens of both ciphers; a file has one, so the other is hardly ever set up.
pub(crate) struct Opener<'k> {
    data_key: &'k DataKey,
    usual: Sealer,
    other: OnceLock<Sealer>,
}

impl<'k> Opener<'k> {
    pub(crate) fn new(data_key: &'k DataKey, metadata: &Metadata) -> Self {
        Self {
            data_key,
            usual: Sealer::new(data_key, metadata.cipher()),
            other: OnceLock::new(),
        }
    }

    pub(super) fn open(
        &self,
        token: &Token<'_>,
        aad: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), OpenError> {
        if token.cipher == self.usual.cipher() {
            return self.usual.open(token, aad, out);
        }
        let other = || Sealer::new(self.data_key, token.cipher);
        self.other.get_or_init(other).open(token, aad, out)
    }

    /// Whether a token holds `plaintext`.
    pub(crate) fn holds(
        &self,
        token: &Token<'_>,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<bool, OpenError> {
        if token.cipher == self.usual.cipher() {
            return self.usual.holds(token, aad, plaintext);
        }
        let mut opened = Zeroizing::new(Vec::new());
        self.open(token, aad, &mut opened)?;
        Ok(*opened == plaintext)
    }

    /// Compares the MAC of the file with that of its values; a warning where it is wrong and
    /// the user said to go on.
    pub(crate) fn verify_mac(
        &self,
        computed: &Digest,
        metadata: &Metadata,
        ignore: bool,
    ) -> Result<Option<DecryptWarning>, DecryptError> {
        let verified = match self.stored_mac(metadata) {
            Ok(stored) if computed.matches(&stored) => Ok(()),
            Ok(_) => Err(DecryptError::Mac),
            Err(error) => Err(error),
        };
        match verified {
            Ok(()) => Ok(None),
            Err(_) if ignore => Ok(Some(DecryptWarning::MacIgnored)),
            Err(error) => Err(error),
        }
    }

    fn stored_mac(&self, metadata: &Metadata) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let text = metadata.mac.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Err(DecryptError::NoMac);
        }
        let mut stored = Zeroizing::new(Vec::new());
        let Ok(token) = Token::parse(text.as_bytes()) else {
            return Err(DecryptError::LockedMac);
        };
        let aad = metadata.last_modified.as_bytes();
        match self.open(&token, aad, &mut stored) {
            Ok(()) => Ok(stored),
            Err(_) => Err(DecryptError::LockedMac),
        }
    }
}
