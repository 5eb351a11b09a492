//! Keys, ciphers and hashes: the only place with key bytes.
//!
//! It knows tokens, not files. Randomness comes in as a parameter, so that a
//! test can repeat every byte. No error and no `Debug` here shows a key, a
//! plaintext or a hash of one.

mod base64;
mod cipher;
mod data_key;
mod gcm;
mod hmac;
mod mac;
mod nonces;
mod random;
pub mod shamir;
mod stash;
mod token;

pub use cipher::{Cipher, OpenError, Part, SealError, Sealer};
pub use data_key::DataKey;
pub use hmac::Hmac;
pub use mac::{Digest, Mac, MacShare};
pub use nonces::Nonces;
pub use random::{Random, RandomError, SharedRandom, SystemRandom};
pub use shamir::ShamirError;
pub use stash::Stash;
pub use token::{Token, TokenError, TokenType};

#[cfg(test)]
mod vectors;
