//! Stand-in for the layer of keys and ciphers.

pub mod shamir;

use zeroize::Zeroizing;

/// The key that encrypts a file's values.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey")
    }
}

/// A source of random bytes.
pub trait Random {
    /// Fills `bytes` with random ones.
    fn fill(&mut self, bytes: &mut [u8]);
}
