//! The MAC of a file: SHA-512 over the canonical text of its values, without
//! names, lengths or separators.

use crate::document::secret;
use sha2::{Digest as _, Sha512};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What the hash starts with where only encrypted values go into it: SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The hash in the making.
#[derive(Clone)]
pub struct Mac(Sha512);

impl Mac {
    /// Starts a hash; `only_encrypted` where values left in clear do not go into it
    /// (`mac_only_encrypted`).
    #[must_use]
    pub fn new(only_encrypted: bool) -> Self {
        let init: &[u8] = if only_encrypted { &ONLY_ENCRYPTED } else { &[] };
        Self(Sha512::new_with_prefix(init))
    }

    /// Adds the canonical text of a value. Nulls and comments are not added.
    pub fn update(&mut self, value: &[u8]) {
        self.0.update(value);
    }

    /// The hash as it stands, encrypted, in the metadata.
    #[must_use]
    pub fn finish(self) -> Digest {
        let hash = Zeroizing::new(<[u8; 64]>::from(self.0.finalize()));
        let mut text = Zeroizing::new([0; Digest::LEN]);
        for (pair, byte) in text.chunks_exact_mut(2).zip(&hash[..]) {
            pair[0] = upper_hex(byte >> 4);
            pair[1] = upper_hex(byte & 15);
        }
        Digest(text)
    }
}

/// The values of one share of a file. Those of the first are hashed as they come, those of the
/// others are kept until all before them are.
pub enum MacShare {
    /// The first share.
    First(Mac),
    /// Values one behind the other, as they are hashed.
    Later(Zeroizing<Vec<u8>>),
}

impl MacShare {
    /// As [`Mac::update`].
    pub fn update(&mut self, value: &[u8]) {
        match self {
            Self::First(mac) => mac.update(value),
            Self::Later(text) => secret::append(text, value),
        }
    }

    /// A share that holds nothing yet; `only_encrypted` as in [`Mac::new`].
    #[must_use]
    pub fn new(is_first: bool, only_encrypted: bool) -> Self {
        if is_first {
            Self::First(Mac::new(only_encrypted))
        } else {
            Self::Later(Zeroizing::default())
        }
    }

    /// Takes over the values of the next share, which is empty then.
    pub fn append(&mut self, next: &mut Self) {
        if let Self::Later(text) = next {
            self.update(text);
            text.clear();
        }
    }

    /// The hash; of a share that is not the first that of its own values.
    #[must_use]
    pub fn into_mac(self) -> Mac {
        match self {
            Self::First(mac) => mac,
            Self::Later(text) => {
                let mut mac = Mac::new(false);
                mac.update(&text);
                mac
            }
        }
    }
}

impl fmt::Debug for Mac {
    /// Shows nothing of what went in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(..)")
    }
}

/// A finished MAC: 128 upper-case hexadecimal digits.
///
/// As secret as the values: who knows all but one of them can try that one out against it.
#[derive(Clone)]
pub struct Digest(Zeroizing<[u8; Digest::LEN]>);

impl Digest {
    /// The length of the text in bytes.
    pub const LEN: usize = 128;

    /// The text, to be sealed as a string.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// True where `other`, the MAC that a file holds, is this one; in constant time.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for Digest {
    /// Shows that it is a digest, not which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The digit of a number below 16, without a table that a cache could tell of.
fn upper_hex(nibble: u8) -> u8 {
    // 7 lies between `9` and `A`; the mask is all ones from 10 on.
    b'0' + nibble + ((9u8.wrapping_sub(nibble) >> 7).wrapping_neg() & 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Sha256;

    #[test]
    fn shares_make_the_hash_of_the_whole() {
        for only_encrypted in [false, true] {
            let mut whole = Mac::new(only_encrypted);
            let mut shares = [0, 1, 2].map(|n| MacShare::new(n == 0, only_encrypted));
            for (number, value) in VALUES.iter().enumerate() {
                whole.update(value.as_bytes());
                shares[number * 3 / VALUES.len()].update(value.as_bytes());
            }
            let [mut joined, mut second, mut third] = shares;
            joined.append(&mut second);
            joined.append(&mut third);
            let joined = joined.into_mac().finish();
            assert!(joined.matches(whole.finish().as_bytes()));
        }
    }

    /// The values of the reference's example, in order.
    const VALUES: [&str; 13] = [
        "hello",
        "42",
        "3.5",
        "True",
        "False",
        "",
        "2024-01-02T00:00:00Z",
        "a",
        "b",
        "c",
        "plain",
        "y",
        "colon",
    ];

    fn text(mac: Mac) -> String {
        String::from_utf8(mac.finish().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn it_is_sha_512_in_upper_case_hex_over_the_values_end_to_end() {
        let mut mac = Mac::new(false);
        for value in VALUES {
            mac.update(value.as_bytes());
        }
        let plain = Sha512::digest(VALUES.concat());
        let hex: String = plain.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(text(mac), hex);
        assert!(text(Mac::new(false)).starts_with("CF83E1357EEFB8BDF1542850D66D8007D620E405"));
    }

    #[test]
    fn over_encrypted_values_only_it_starts_with_the_hash_of_sops() {
        assert_eq!(Sha256::digest("sops")[..], ONLY_ENCRYPTED);
        let mut spelled = Mac::new(false);
        spelled.update(&ONLY_ENCRYPTED);
        assert_eq!(text(Mac::new(true)), text(spelled));
    }

    #[test]
    fn it_matches_its_own_text_only() {
        let digest = Mac::new(false).finish();
        let mut other = digest.as_bytes().to_vec();
        assert!(digest.matches(&other));
        assert!(!digest.matches(&other[..127]));
        assert!(!digest.matches(&other.to_ascii_lowercase()));
        other[127] ^= 1;
        assert!(!digest.matches(&other));
        assert!(!digest.matches(b""));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Mac::new(true)), "Mac(..)");
        assert_eq!(format!("{:?}", Mac::new(true).finish()), "Digest(..)");
    }
}
