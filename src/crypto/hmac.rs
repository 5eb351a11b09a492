//! HMAC with SHA-512 (RFC 2104), keyed by a data key.

use super::DataKey;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

/// The block of SHA-512 in bytes.
const BLOCK: usize = 128;

/// An authentication code over a stream of bytes.
#[derive(Clone)]
pub struct Hmac {
    inner: Sha512,
    outer: Sha512,
}

impl Hmac {
    /// Starts a code under `key`.
    #[must_use]
    pub fn new(key: &DataKey) -> Self {
        Self::keyed(key.as_bytes())
    }

    /// `key` is at most a block; longer keys, which RFC 2104 hashes first, do not occur.
    fn keyed(key: &[u8]) -> Self {
        Self {
            inner: Sha512::new_with_prefix(pad(key, 0x36)),
            outer: Sha512::new_with_prefix(pad(key, 0x5c)),
        }
    }

    /// Adds `bytes`. Nothing marks where they end: a transcript puts lengths between its parts.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    /// The code of all that was added.
    #[must_use]
    pub fn finish(self) -> Zeroizing<[u8; 64]> {
        let inner = Zeroizing::new(<[u8; 64]>::from(self.inner.finalize()));
        Zeroizing::new(self.outer.chain_update(&inner[..]).finalize().into())
    }
}

impl std::fmt::Debug for Hmac {
    /// Shows nothing of the key or the bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hmac(..)")
    }
}

fn pad(key: &[u8], with: u8) -> Zeroizing<[u8; BLOCK]> {
    let mut block = Zeroizing::new([with; BLOCK]);
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_codes_are_those_of_rfc_4231() {
        let mut first = Hmac::keyed(&[0x0b; 20]);
        first.update(b"Hi There");
        assert_eq!(
            hex(&first.finish()[..]),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
        );
        let mut second = Hmac::keyed(b"Jefe");
        second.update(b"what do ya want ");
        second.update(b"for nothing?");
        assert_eq!(
            hex(&second.finish()[..]),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn debug_shows_nothing() {
        let key = DataKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!(format!("{:?}", Hmac::new(&key)), "Hmac(..)");
    }
}
