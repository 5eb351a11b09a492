//! Sealing a value into a token and opening it again.
//!
//! The only code that encrypts. Nonces are drawn here, never passed in, so that
//! none can be used twice; every length and every byte of a token is taken as hostile.

use super::base64::{decode, decode_joined, encode, encoded_len};
use super::gcm::{Gcm, Pieces, TAG};
use super::{DataKey, Nonces, RandomError, Token, TokenType};
use crate::document::secret;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit, inout::InOutBuf};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a large value that are decrypted at once: whole blocks of the cipher, and whole
/// groups of base64.
const PIECE: usize = 12 << 10;

/// The ciphers that a token can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// What sops writes: AES-256-GCM with an IV of 32 bytes.
    #[default]
    Aes256Gcm,
    /// XChaCha20-Poly1305, nonces of 24 bytes. Stock sops cannot read it.
    XChaCha20Poly1305,
}

impl Cipher {
    pub(super) const ALL: [Self; 2] = [Self::Aes256Gcm, Self::XChaCha20Poly1305];

    /// The name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AES256_GCM",
            Self::XChaCha20Poly1305 => "XCHACHA20_POLY1305",
        }
    }

    /// The cipher of that name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name().as_bytes() == name)
    }
}

/// Why a value was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There was no nonce to be had.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The value is empty: no reader takes a token without data. It stays as it is.
    #[error("an empty value cannot be encrypted")]
    Empty,
    /// The value is longer than the cipher allows (64 GiB).
    #[error("the value is too long to be encrypted")]
    Length,
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The encrypted value.
    Data,
    /// The initialisation vector.
    Iv,
    /// The authentication tag.
    Tag,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Iv => "iv",
            Self::Tag => "tag",
        })
    }
}

/// Why a token was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A part is not base64.
    #[error("{0} of the encrypted value is not base64")]
    Base64(Part),
    /// A part has a length that the cipher does not take.
    #[error("{0} of the encrypted value is of the wrong length")]
    Length(Part),
    /// The token names another cipher than the file.
    #[error("the value is encrypted with {}, not {}", .found.name(), .expected.name())]
    Cipher {
        /// The file's cipher.
        expected: Cipher,
        /// The token's cipher.
        found: Cipher,
    },
    /// Another key, another place, or a token that was changed.
    #[error("the encrypted value does not belong to this key and place, or was changed")]
    Forged,
}

/// A cipher under a data key, ready for any number of values.
pub struct Sealer(Engine);

enum Engine {
    Aes(Box<Gcm>),
    XChaCha(Box<XChaCha20Poly1305>),
}

impl Sealer {
    /// Sets `cipher` up under `key`.
    #[must_use]
    pub fn new(key: &DataKey, cipher: Cipher) -> Self {
        let key = key.as_bytes();
        Self(match cipher {
            Cipher::Aes256Gcm => Engine::Aes(Box::new(Gcm::new(key))),
            Cipher::XChaCha20Poly1305 => {
                Engine::XChaCha(Box::new(XChaCha20Poly1305::new(key.into())))
            }
        })
    }

    /// The cipher.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        match self.0 {
            Engine::Aes(_) => Cipher::Aes256Gcm,
            Engine::XChaCha(_) => Cipher::XChaCha20Poly1305,
        }
    }

    /// Appends to `out` the token of `plaintext`, bound to `aad`, with a new nonce.
    ///
    /// # Errors
    /// [`SealError`]; nothing is appended then.
    pub fn seal(
        &self,
        plaintext: &[u8],
        ty: TokenType,
        aad: &[u8],
        nonces: &mut Nonces<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        match self.cipher() {
            Cipher::Aes256Gcm => self.seal_with(plaintext, ty, aad, &nonces.take::<32>()?, out),
            Cipher::XChaCha20Poly1305 => {
                self.seal_with(plaintext, ty, aad, &nonces.take::<24>()?, out)
            }
        }
    }

    /// The nonce has the length that the cipher takes.
    fn seal_with(
        &self,
        plaintext: &[u8],
        ty: TokenType,
        aad: &[u8],
        nonce: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        if plaintext.is_empty() {
            return Err(SealError::Empty);
        }
        let (start, len) = (out.len(), self.token_len(plaintext, ty, nonce));
        out.reserve_exact(len);
        out.resize(start + len, 0);
        let mut token = Writer(&mut out[start..]);
        token.text(b"ENC[");
        token.text(self.cipher().name().as_bytes());
        token.text(b",data:");
        // The raw ciphertext stands at the end of the place of its base64 until that is written.
        let data = token.next(encoded_len(plaintext.len()));
        let behind = data.len() - plaintext.len();
        let Some(tag) = self.encrypt(nonce, aad, plaintext, &mut data[behind..]) else {
            out.truncate(start);
            return Err(SealError::Length);
        };
        spread(data, behind);
        token.text(b",iv:");
        token.base64(nonce);
        token.text(b",tag:");
        token.base64(&tag);
        token.text(b",type:");
        token.text(ty.name().as_bytes());
        token.text(b"]");
        out.truncate(start + len);
        Ok(())
    }

    fn token_len(&self, plaintext: &[u8], ty: TokenType, nonce: &[u8]) -> usize {
        const FIXED: usize = "ENC[,data:,iv:,tag:,type:]".len();
        let names = self.cipher().name().len() + ty.name().len();
        let groups = [plaintext.len(), nonce.len(), TAG].map(encoded_len);
        FIXED + names + groups.iter().sum::<usize>()
    }

    /// Encrypts into `ciphertext`, which is as long as `plaintext`; the tag, or `None`
    /// where the nonce or the plaintext has no length for this cipher.
    fn encrypt(
        &self,
        nonce: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
    ) -> Option<[u8; TAG]> {
        match &self.0 {
            Engine::Aes(gcm) => gcm.seal(nonce, aad, plaintext, ciphertext),
            Engine::XChaCha(chacha) => {
                let text = InOutBuf::new(plaintext, ciphertext).ok()?;
                let tag = chacha.encrypt_inout_detached(nonce.try_into().ok()?, aad, text);
                tag.ok().map(Into::into)
            }
        }
    }

    /// Appends to `out` the plaintext of `token`, which was bound to `aad`.
    /// As in sops the border between data and tag is of no account: the tag is the last 16 bytes.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is appended then.
    pub fn open(
        &self,
        token: &Token<'_>,
        aad: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), OpenError> {
        let (expected, found) = (self.cipher(), token.cipher);
        if expected != found {
            return Err(OpenError::Cipher { expected, found });
        }
        let start = out.len();
        let opened = self.open_behind(start, token, aad, out);
        out.truncate(start + opened.unwrap_or(0));
        opened.map(|_| ())
    }

    /// Decodes data, tag and IV to the end of `out`, where the data is then decrypted in place.
    /// The length of the plaintext.
    fn open_behind(
        &self,
        start: usize,
        token: &Token<'_>,
        aad: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<usize, OpenError> {
        let room = |text: &[u8]| text.len().div_ceil(4) * 3;
        let needed = room(token.data) + room(token.tag) + room(token.iv);
        secret::reserve(out, needed);
        out.resize(start + needed, 0);
        let buffer = &mut out[start..];
        let data = decode(token.data, buffer).ok_or(OpenError::Base64(Part::Data))?;
        let tag = decode(token.tag, &mut buffer[data..]).ok_or(OpenError::Base64(Part::Tag))?;
        let (sealed, rest) = buffer.split_at_mut(data + tag);
        let iv = decode(token.iv, rest).ok_or(OpenError::Base64(Part::Iv))?;
        let (text, tag) = sealed
            .split_last_chunk_mut::<TAG>()
            .ok_or(OpenError::Length(Part::Tag))?;
        self.decrypt(&rest[..iv], aad, text, tag)?;
        Ok(text.len())
    }

    /// Whether `token`, bound to `aad`, opens to `plaintext`. Nothing is kept of what it holds,
    /// and of a token as we write it there is never more than a piece.
    ///
    /// # Errors
    /// [`OpenError`] where it does not open.
    pub fn holds(
        &self,
        token: &Token<'_>,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<bool, OpenError> {
        if let Some(holds) = self.holds_by_pieces(token, aad, plaintext) {
            return Ok(holds);
        }
        let mut opened = Zeroizing::new(Vec::new());
        self.open(token, aad, &mut opened)?;
        Ok(*opened == plaintext)
    }

    /// As [`Sealer::holds`]; `None` where only opening the token whole can tell.
    fn holds_by_pieces(&self, token: &Token<'_>, aad: &[u8], plaintext: &[u8]) -> Option<bool> {
        let Engine::Aes(gcm) = &self.0 else {
            return None;
        };
        let (mut iv, mut tag) = ([0; 48], [0; 18]);
        let iv_len = decode_joined(token.iv, &mut iv)?;
        let tag_len = decode_joined(token.tag, &mut tag)?;
        if token.cipher != self.cipher() || iv_len == 0 || tag_len != TAG {
            return None;
        }
        let mut pieces = Pieces::new(gcm, &iv[..iv_len], aad);
        let mut piece = Zeroizing::new([0; PIECE]);
        let (mut rest, mut same) = (plaintext, true);
        for text in token.data.chunks(PIECE / 3 * 4) {
            let len = decode_joined(text, &mut piece[..])?;
            let found = &mut piece[..len];
            pieces.next(found);
            let (expected, behind) = rest.split_at_checked(len)?;
            same &= *expected == *found;
            rest = behind;
        }
        let verifies = pieces.verifies(tag.first_chunk()?);
        verifies.then_some(same && rest.is_empty())
    }

    /// Decrypts `text` in place; leaves it as it is where that fails.
    fn decrypt(
        &self,
        iv: &[u8],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), OpenError> {
        let verifies = match &self.0 {
            Engine::Aes(_) if iv.is_empty() => return Err(OpenError::Length(Part::Iv)),
            Engine::Aes(gcm) => gcm.open(iv, aad, text, tag),
            Engine::XChaCha(chacha) => {
                let iv = iv.try_into().map_err(|_| OpenError::Length(Part::Iv))?;
                chacha
                    .decrypt_inout_detached(iv, aad, text.into(), tag.into())
                    .is_ok()
            }
        };
        verifies.then_some(()).ok_or(OpenError::Forged)
    }
}

impl fmt::Debug for Sealer {
    /// Shows the cipher, nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.cipher().name())
    }
}

/// Writes a token into the place made for it, piece by piece.
struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    fn text(&mut self, text: &[u8]) {
        self.next(text.len()).copy_from_slice(text);
    }

    fn base64(&mut self, bytes: &[u8]) {
        encode(bytes, self.next(encoded_len(bytes.len())));
    }

    fn next(&mut self, len: usize) -> &'a mut [u8] {
        let (next, rest) = std::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        next
    }
}

/// Turns the bytes from `at` on into base64 that fills the whole place, which has just the room:
/// what is written never passes what is still to be read.
fn spread(place: &mut [u8], at: usize) {
    const STEP: usize = 768;
    let mut step = [0; STEP];
    let (mut from, mut to) = (at, 0);
    while from < place.len() {
        let bytes = &mut step[..STEP.min(place.len() - from)];
        bytes.copy_from_slice(&place[from..from + bytes.len()]);
        from += bytes.len();
        let end = to + encoded_len(bytes.len());
        encode(bytes, &mut place[to..end]);
        to = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemRandom;
    use proptest::prelude::*;

    fn sealed(sealer: &Sealer, plaintext: &[u8]) -> Vec<u8> {
        let mut token = b"before".to_vec();
        let mut random = SystemRandom;
        let mut nonces = Nonces::new(&mut random);
        let done = sealer.seal(plaintext, TokenType::Str, b"a:", &mut nonces, &mut token);
        done.unwrap();
        token.split_off("before".len())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_token_holds_what_was_sealed_and_nothing_else(
            len in prop_oneof![1..100_usize, 12_200..12_400_usize, 24_500..24_700_usize],
            at in any::<prop::sample::Index>(),
            seed: u8,
        ) {
            let key = DataKey::from_bytes(&[7; 32]).unwrap();
            for cipher in Cipher::ALL {
                let sealer = Sealer::new(&key, cipher);
                let plaintext: Vec<u8> = (0..len).map(|n| (n as u8).wrapping_mul(seed | 1)).collect();
                let text = sealed(&sealer, &plaintext);
                let token = Token::parse(&text).unwrap();
                prop_assert_eq!(token.text.len(), text.len());
                let mut opened = Zeroizing::new(Vec::new());
                sealer.open(&token, b"a:", &mut opened).unwrap();
                prop_assert_eq!(&*opened, &plaintext);
                let holds = |token: &Token<'_>, plain: &[u8]| sealer.holds(token, b"a:", plain);
                prop_assert_eq!(holds(&token, &plaintext), Ok(true));
                let mut other = plaintext.clone();
                other[at.index(len)] ^= 1;
                prop_assert_eq!(holds(&token, &other), Ok(false));
                prop_assert_eq!(holds(&token, &plaintext[1..]), Ok(false));
                prop_assert_eq!(holds(&token, &[&plaintext[..], b"x"].concat()), Ok(false));
                prop_assert_eq!(sealer.holds(&token, b"b:", &plaintext), Err(OpenError::Forged));
                let mut forged = token.data.to_vec();
                let place = at.index(len.div_ceil(3)) * 4;
                forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
                let forged = Token { data: &forged, ..token };
                prop_assert_eq!(holds(&forged, &plaintext), Err(OpenError::Forged));
            }
        }
    }
}
