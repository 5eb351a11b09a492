//! AES-256-GCM for IVs of any length (NIST SP 800-38D, section 7.2), opening only.
//!
//! What bulla writes has IVs of 32 bytes and goes through the `aes-gcm` crate,
//! whose nonces have their length in the type. sops opens any length, and so
//! does this.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{Array, BlockCipherEncrypt, InnerIvInit, StreamCipherCore, consts::U16};
use ctr::{CtrCore, flavors::Ctr32BE};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

type Block = Array<u8, U16>;

/// Decrypts `buffer` in place where `tag` is right for it; else leaves it as it is
/// and is `false`. `iv` is not empty.
pub(super) fn open(aes: &Aes256, iv: &[u8], aad: &[u8], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
    let ghash = keyed(aes);
    let mut counter: CtrCore<&Aes256, Ctr32BE> =
        CtrCore::inner_iv_init(aes, &first_block(&ghash, iv));
    let mut expected = hash(ghash, aad, buffer);
    let mut mask = Block::default();
    counter.write_keystream_block(&mut mask);
    for (byte, mask) in expected.iter_mut().zip(&mask) {
        *byte ^= mask;
    }
    let equal: Choice = expected.as_slice().ct_eq(tag);
    if !bool::from(equal) {
        return false;
    }
    counter.apply_keystream_partial(buffer.into());
    true
}

/// GHASH under the hash subkey, the encryption of a block of zeros.
fn keyed(aes: &Aes256) -> GHash {
    let mut subkey = Block::default();
    aes.encrypt_block(&mut subkey);
    let ghash = GHash::new(&subkey);
    subkey.zeroize();
    ghash
}

/// J0: the IV and a one where it has 12 bytes, else its hash.
fn first_block(ghash: &GHash, iv: &[u8]) -> Block {
    if iv.len() == 12 {
        let mut block = Block::default();
        block[..12].copy_from_slice(iv);
        block[15] = 1;
        return block;
    }
    hash(ghash.clone(), &[], iv)
}

/// GHASH over both texts, each padded with zeros to whole blocks, and their lengths in bits.
fn hash(mut ghash: GHash, aad: &[u8], text: &[u8]) -> Block {
    ghash.update_padded(aad);
    ghash.update_padded(text);
    let mut lengths = Block::default();
    lengths[..8].copy_from_slice(&bits(aad));
    lengths[8..].copy_from_slice(&bits(text));
    ghash.update(&[lengths]);
    ghash.finalize()
}

/// The length in bits, as GHASH takes it: 64 bits, big-endian.
fn bits(text: &[u8]) -> [u8; 8] {
    (text.len() as u64).wrapping_mul(8).to_be_bytes()
}
