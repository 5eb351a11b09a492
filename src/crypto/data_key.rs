//! The data key: the 32 bytes that every value of a file is encrypted with.

use super::{Hmac, Random, RandomError};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A symmetric key of 32 bytes, wiped when dropped, compared in constant time.
///
/// The bytes stand in one place on the heap: moving the key does not copy them.
#[derive(Clone)]
pub struct DataKey(Box<Zeroizing<[u8; DataKey::LEN]>>);

impl DataKey {
    /// The length of a data key in bytes.
    pub const LEN: usize = 32;

    /// A new key.
    ///
    /// # Errors
    /// [`RandomError`] where `random` fails.
    pub fn generate(random: &mut dyn Random) -> Result<Self, RandomError> {
        let mut key = Self::zero();
        random.fill(&mut key.0[..])?;
        Ok(key)
    }

    /// The key of these bytes; `None` unless there are 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == Self::LEN).then(|| {
            let mut key = Self::zero();
            key.0.copy_from_slice(bytes);
            key
        })
    }

    /// The bytes: for wrapping by a master key, for nothing else.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key that belongs to `label`: HKDF-Expand with SHA-512 (RFC 5869, section 2.3),
    /// the data key as pseudorandom key, `label` as info, 32 bytes.
    ///
    /// The extraction step is left out, as section 3.3 allows: a data key is uniformly random.
    /// Two labels give keys that say nothing of each other nor of the data key.
    #[must_use]
    pub fn derive(&self, label: &[u8]) -> Self {
        let mut hmac = Hmac::new(self);
        hmac.update(label);
        hmac.update(&[1]);
        let mut key = Self::zero();
        // One round gives 64 bytes.
        key.0.copy_from_slice(&hmac.finish()[..Self::LEN]);
        key
    }

    fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; Self::LEN])))
    }
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0[..]).into()
    }
}

impl Eq for DataKey {}

impl fmt::Debug for DataKey {
    /// Shows that it is a key, not which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::tests::{Counting, Exhausted};
    use super::*;

    #[test]
    fn a_key_is_made_of_32_drawn_bytes() {
        let key = DataKey::generate(&mut Counting(1)).unwrap();
        assert_eq!(key.as_bytes()[..4], [1, 2, 3, 4]);
        assert_eq!(DataKey::generate(&mut Exhausted), Err(RandomError));
    }

    #[test]
    fn only_32_bytes_are_a_key() {
        assert_eq!(DataKey::from_bytes(&[7; 31]), None);
        assert_eq!(DataKey::from_bytes(&[7; 33]), None);
        assert_eq!(DataKey::from_bytes(&[7; 32]).unwrap().as_bytes(), &[7; 32]);
    }

    #[test]
    fn keys_are_equal_where_all_bytes_are() {
        let key = DataKey::from_bytes(&[7; 32]).unwrap();
        let mut bytes = [7; 32];
        assert_eq!(key, DataKey::from_bytes(&bytes).unwrap());
        bytes[31] = 8;
        assert_ne!(key, DataKey::from_bytes(&bytes).unwrap());
    }

    #[test]
    fn debug_shows_no_byte() {
        let key = DataKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "DataKey(..)");
    }
}
