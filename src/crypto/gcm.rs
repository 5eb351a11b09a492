//! AES-256-GCM for IVs of any length (NIST SP 800-38D, section 7): sops writes 32 bytes, and opens
//! whatever there is.
//!
//! Made of the block cipher, the counter mode and the hash of `RustCrypto`. What a token holds is
//! short: its key stream is computed at once, and so is its hash, which takes half of the time that
//! a block after the other takes.

use aes::Aes256;
use aes::cipher::{
    Array, BlockCipherEncrypt, InOutBuf, InnerIvInit, KeyInit, StreamCipherCore, consts::U16,
};
use ctr::{CtrCore, flavors::Ctr32BE};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

type Block = Array<u8, U16>;

/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// The most bytes that may be encrypted under one IV.
const MOST: u64 = (1 << 36) - 32;

/// Blocks that are computed at once: of the hash, and of the key stream, whose first hides the hash.
const AT_ONCE: usize = 8;

/// The cipher under a key.
pub(super) struct Gcm {
    aes: Aes256,
    ghash: GHash,
}

impl Gcm {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256::new(key.into());
        let mut subkey = Block::default();
        aes.encrypt_block(&mut subkey);
        let ghash = GHash::new(&subkey);
        subkey.zeroize();
        Self { aes, ghash }
    }

    /// Encrypts `plaintext` into `ciphertext`, which is as long. The tag, or `None` where that is
    /// too long; `iv` is not empty.
    pub(super) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
    ) -> Option<[u8; TAG]> {
        let text = InOutBuf::new(plaintext, &mut *ciphertext).ok()?;
        if text.len() as u64 > MOST {
            return None;
        }
        let stream = Stream::new(self, iv, text.len());
        let mask = *stream.mask();
        stream.apply(text);
        Some(self.tag(&mask, aad, ciphertext))
    }

    /// Decrypts `buffer` in place where `tag` is right for it; else leaves it as it is
    /// and is `false`. `iv` is not empty.
    pub(super) fn open(&self, iv: &[u8], aad: &[u8], buffer: &mut [u8], tag: &[u8; TAG]) -> bool {
        let stream = Stream::new(self, iv, buffer.len());
        let expected = self.tag(stream.mask(), aad, buffer);
        let is_right: bool = expected.ct_eq(tag).into();
        if is_right {
            stream.apply(buffer.into());
        }
        is_right
    }

    fn counter(&self, first: &Block) -> CtrCore<&Aes256, Ctr32BE> {
        CtrCore::inner_iv_init(&self.aes, first)
    }

    /// J0: the IV and a one where it has 12 bytes, else its hash.
    fn first_block(&self, iv: &[u8]) -> Block {
        if iv.len() == 12 {
            let mut block = Block::default();
            block[..12].copy_from_slice(iv);
            block[15] = 1;
            return block;
        }
        self.hash(&[], iv, [0, iv.len()])
    }

    fn tag(&self, mask: &Block, aad: &[u8], text: &[u8]) -> [u8; TAG] {
        hidden(self.hash(aad, text, [aad.len(), text.len()]), mask)
    }

    /// GHASH over both texts, each padded with zeros to whole blocks, and two lengths.
    fn hash(&self, aad: &[u8], text: &[u8], lengths: [usize; 2]) -> Block {
        let mut ghash = self.ghash.clone();
        let count = aad.len().div_ceil(16) + text.len().div_ceil(16) + 1;
        if count > AT_ONCE {
            ghash.update_padded(aad);
            ghash.update_padded(text);
            ghash.update(&[in_bits(lengths)]);
            return ghash.finalize();
        }
        // Blocks of zeros in front change nothing, and make whole groups.
        let start = AT_ONCE - count;
        let mut blocks = [Block::default(); AT_ONCE];
        let behind = fill(&mut blocks[start..], aad);
        let behind = fill(behind, text);
        behind[0] = in_bits(lengths);
        ghash.update(&blocks[start / 4 * 4..]);
        ghash.finalize()
    }
}

/// The key stream of a text: what hides its hash, and what is added to it.
enum Stream<'a> {
    Short([Block; AT_ONCE]),
    Long(Block, CtrCore<&'a Aes256, Ctr32BE>),
}

impl<'a> Stream<'a> {
    /// That of a text of `length` bytes.
    fn new(gcm: &'a Gcm, iv: &[u8], length: usize) -> Self {
        let first = gcm.first_block(iv);
        if length > (AT_ONCE - 1) * 16 {
            let mut counter = gcm.counter(&first);
            let mut mask = Block::default();
            counter.write_keystream_block(&mut mask);
            return Self::Long(mask, counter);
        }
        let mut blocks = [first; AT_ONCE];
        let mut count = u32::from_be_bytes([first[12], first[13], first[14], first[15]]);
        for block in &mut blocks {
            block[12..].copy_from_slice(&count.to_be_bytes());
            count = count.wrapping_add(1);
        }
        gcm.aes.encrypt_blocks(&mut blocks);
        Self::Short(blocks)
    }

    fn mask(&self) -> &Block {
        match self {
            Self::Short(blocks) => &blocks[0],
            Self::Long(mask, _) => mask,
        }
    }

    /// Encrypts or decrypts the text.
    fn apply(self, mut text: InOutBuf<'_, '_, u8>) {
        match self {
            Self::Short(blocks) => {
                let length = text.len();
                let stream = Array::slice_as_flattened(&blocks[1..]);
                text.xor_in2out(&stream[..length]);
            }
            Self::Long(_, counter) => counter.apply_keystream_partial(text),
        }
    }
}

/// Puts `bytes` into the first of `blocks`, which are zeros; the blocks behind.
fn fill<'b>(blocks: &'b mut [Block], bytes: &[u8]) -> &'b mut [Block] {
    let (whole, tail) = Array::slice_as_chunks(bytes);
    let (filled, behind) = blocks.split_at_mut(bytes.len().div_ceil(16));
    filled[..whole.len()].copy_from_slice(whole);
    if let Some(last) = filled.get_mut(whole.len()) {
        last[..tail.len()].copy_from_slice(tail);
    }
    behind
}

/// A hash as it stands in a tag.
fn hidden(hash: Block, mask: &Block) -> [u8; TAG] {
    let mut tag: [u8; TAG] = hash.into();
    for (byte, mask) in tag.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    tag
}

/// Two lengths in bits, as GHASH takes them: 64 bits each, big-endian.
fn in_bits(bytes: [usize; 2]) -> Block {
    let mut block = Block::default();
    for (half, length) in block.chunks_exact_mut(8).zip(bytes) {
        half.copy_from_slice(&(length as u64).wrapping_mul(8).to_be_bytes());
    }
    block
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
    pub(super) fn new(gcm: &'a Gcm, iv: &[u8], aad: &[u8]) -> Self {
        let mut counter = gcm.counter(&gcm.first_block(iv));
        let mut mask = Block::default();
        counter.write_keystream_block(&mut mask);
        let mut ghash = gcm.ghash.clone();
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
    pub(super) fn verifies(mut self, tag: &[u8; TAG]) -> bool {
        self.ghash.update(&[in_bits(self.lengths)]);
        hidden(self.ghash.finalize(), &self.mask).ct_eq(tag).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::AesGcm;
    use aes_gcm::aead::{AeadInOut, consts::U32};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_the_crate_makes(
            key: [u8; 32],
            iv: [u8; 32],
            aad in prop::collection::vec(any::<u8>(), 0..200),
            text in prop::collection::vec(any::<u8>(), 0..300),
            bit in any::<prop::sample::Index>(),
        ) {
            let (gcm, other) = (Gcm::new(&key), AesGcm::<Aes256, U32>::new(&key.into()));
            let mut sealed = vec![0; text.len()];
            let mut tag = gcm.seal(&iv, &aad, &text, &mut sealed).unwrap();
            let mut expected = text.clone();
            let expected_tag = other.encrypt_inout_detached(&iv.into(), &aad, expected.as_mut_slice().into());
            prop_assert_eq!(&sealed, &expected);
            prop_assert_eq!(tag, <[u8; TAG]>::from(expected_tag.unwrap()));
            let mut opened = sealed.clone();
            prop_assert!(gcm.open(&iv, &aad, &mut opened, &tag));
            prop_assert_eq!(&opened, &text);
            let bit = bit.index(8 * TAG);
            tag[bit / 8] ^= 1 << (bit % 8);
            opened.clone_from(&sealed);
            prop_assert!(!gcm.open(&iv, &aad, &mut opened, &tag));
            prop_assert_eq!(&opened, &sealed, "what is not authentic is not decrypted");
        }
    }
}
