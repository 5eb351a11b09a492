//! AES-256-GCM for IVs of any length (NIST SP 800-38D, section 7.2), opening only.
//!
//! What bulla writes has IVs of 32 bytes and goes through the `aes-gcm` crate,
//! whose nonces have their length in the type. sops opens any length, and so
//! does this.

use aes_gcm::aead::inout::InOutBuf;
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

/// A ciphertext that is read piece by piece. Only for comparing with a plaintext that is known:
/// what a piece holds is not authentic before the end.
pub(super) struct Pieces<'a> {
    ghash: GHash,
    counter: CtrCore<&'a Aes256, Ctr32BE>,
    /// What the hash is hidden by in the tag.
    mask: Block,
    /// Bytes of the additional data, and of the pieces so far.
    lengths: [usize; 2],
}

impl<'a> Pieces<'a> {
    /// Begins with the first piece; `iv` is not empty.
    pub(super) fn new(aes: &'a Aes256, iv: &[u8], aad: &[u8]) -> Self {
        let mut ghash = keyed(aes);
        let mut counter = CtrCore::inner_iv_init(aes, &first_block(&ghash, iv));
        let mut mask = Block::default();
        counter.write_keystream_block(&mut mask);
        ghash.update_padded(aad);
        let lengths = [aad.len(), 0];
        Self {
            ghash,
            counter,
            mask,
            lengths,
        }
    }

    /// Decrypts the next piece in place. All but the last are whole blocks of 16 bytes.
    pub(super) fn next(&mut self, piece: &mut [u8]) {
        self.ghash.update_padded(piece);
        self.lengths[1] += piece.len();
        let (blocks, mut tail) = InOutBuf::from(piece).into_chunks();
        self.counter.apply_keystream_blocks_inout(blocks);
        if !tail.is_empty() {
            let mut stream = Block::default();
            self.counter.write_keystream_block(&mut stream);
            let length = tail.len();
            tail.xor_in2out(&stream[..length]);
        }
    }

    /// Whether `tag` is right for all pieces together.
    pub(super) fn verifies(mut self, tag: &[u8; 16]) -> bool {
        self.ghash.update(&[lengths(self.lengths)]);
        let mut expected = self.ghash.finalize();
        for (byte, mask) in expected.iter_mut().zip(&self.mask) {
            *byte ^= mask;
        }
        expected.as_slice().ct_eq(tag).into()
    }
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
    ghash.update(&[lengths([aad.len(), text.len()])]);
    ghash.finalize()
}

/// Two lengths in bits, as GHASH takes them: 64 bits each, big-endian.
fn lengths(bytes: [usize; 2]) -> Block {
    let mut block = Block::default();
    for (half, length) in block.chunks_exact_mut(8).zip(bytes) {
        half.copy_from_slice(&(length as u64).wrapping_mul(8).to_be_bytes());
    }
    block
}
