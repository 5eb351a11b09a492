//! Base64 as Go reads and writes it: with padding, whatever stands in the unused bits of the last
//! digit, line ends between digits of no account.
//!
//! Most of what a token holds is shorter than a line; for that the tables here take a third of the
//! time of the `base64` crate, which does what is long.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const CRATE: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// From this size on, in bytes, the crate is faster.
const LONG: usize = 256;

/// The digits of six bits each.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Two digits for every twelve bits.
static PAIRS: [[u8; 2]; 1 << 12] = pairs();

/// What a digit adds to the 24 bits of its group, by its place in the group; [`NO_DIGIT`] for
/// everything else.
static VALUES: [[u32; 256]; 4] = values();

const NO_DIGIT: u32 = 1 << 31;

const fn pairs() -> [[u8; 2]; 1 << 12] {
    let mut pairs = [[0; 2]; 1 << 12];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [DIGITS[bits >> 6], DIGITS[bits & 63]];
        bits += 1;
    }
    pairs
}

const fn values() -> [[u32; 256]; 4] {
    let mut values = [[NO_DIGIT; 256]; 4];
    let mut digit = 0;
    while digit < 64 {
        let mut place = 0;
        while place < 4 {
            values[place][DIGITS[digit] as usize] = (digit as u32) << (18 - 6 * place);
            place += 1;
        }
        digit += 1;
    }
    values
}

/// The length of `len` bytes in base64.
pub(super) fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// Writes `bytes` to `out`, which is as long as [`encoded_len`] says.
pub(super) fn encode(bytes: &[u8], out: &mut [u8]) {
    if bytes.len() >= LONG {
        let written = CRATE.encode_slice(bytes, out);
        debug_assert!(written.is_ok(), "the place has the very length of the text");
        return;
    }
    let (threes, rest) = bytes.as_chunks::<3>();
    let (fours, _) = out.as_chunks_mut::<4>();
    for (three, four) in threes.iter().zip(&mut *fours) {
        *four = group(*three);
    }
    if let (false, Some(last)) = (rest.is_empty(), fours.last_mut()) {
        let mut three = [0; 3];
        three[..rest.len()].copy_from_slice(rest);
        *last = group(three);
        last[rest.len() + 1..].fill(b'=');
    }
}

#[inline]
fn group(three: [u8; 3]) -> [u8; 4] {
    let [a, b, c] = three.map(usize::from);
    let [one, two] = PAIRS[a << 4 | b >> 4];
    let [three, four] = PAIRS[(b & 15) << 8 | c];
    [one, two, three, four]
}

/// Decodes `text` to the start of `out`, which has room for three bytes a group; the length, or
/// `None` where it is no base64.
pub(super) fn decode(text: &[u8], out: &mut [u8]) -> Option<usize> {
    if let Some(len) = decode_joined(text, out) {
        return Some(len);
    }
    let mut joined = text.to_vec();
    joined.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    if joined.len() == text.len() {
        return None;
    }
    decode_joined(&joined, out)
}

/// As [`decode`], for a text without line ends.
pub(super) fn decode_joined(text: &[u8], out: &mut [u8]) -> Option<usize> {
    if text.len() >= LONG {
        return CRATE.decode_slice(text, out).ok();
    }
    let (fours, []) = text.as_chunks::<4>() else {
        return None;
    };
    let Some((last, whole)) = fours.split_last() else {
        return Some(0);
    };
    let (threes, _) = out.as_chunks_mut::<3>();
    let (place, threes) = threes.get_mut(..fours.len())?.split_last_mut()?;
    let mut bad = 0;
    for (four, three) in whole.iter().zip(threes) {
        let bits = bits(*four);
        bad |= bits;
        *three = bytes(bits);
    }
    let (last, len) = match *last {
        [one, two, b'=', b'='] => ([one, two, b'A', b'A'], 1),
        [one, two, three, b'='] => ([one, two, three, b'A'], 2),
        digits => (digits, 3),
    };
    bad |= bits(last);
    *place = bytes(bits(last));
    (bad & NO_DIGIT == 0).then_some(whole.len() * 3 + len)
}

#[inline]
fn bits(four: [u8; 4]) -> u32 {
    let [a, b, c, d] = four.map(usize::from);
    VALUES[0][a] | VALUES[1][b] | VALUES[2][c] | VALUES[3][d]
}

#[inline]
fn bytes(bits: u32) -> [u8; 3] {
    let [_, one, two, three] = bits.to_be_bytes();
    [one, two, three]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = vec![0; encoded_len(bytes.len())];
        encode(bytes, &mut text);
        String::from_utf8(text).unwrap()
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = vec![0; text.len() + 3];
        let len = decode(text.as_bytes(), &mut bytes)?;
        bytes.truncate(len);
        Some(bytes)
    }

    proptest! {
        #[test]
        fn it_is_what_the_crate_makes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = encoded(&bytes);
            prop_assert_eq!(&text, &CRATE.encode(&bytes));
            prop_assert_eq!(decoded(&text), Some(bytes));
        }

        #[test]
        fn it_reads_what_the_crate_reads(text in "[A-Da-d/+=_]{0,12}") {
            prop_assert_eq!(decoded(&text), CRATE.decode(&text).ok());
        }
    }

    #[test]
    fn line_ends_and_unused_bits_do_not_count() {
        assert_eq!(decoded("QU\r\nJD\n"), Some(b"ABC".to_vec()));
        assert_eq!(decoded("QUJ="), decoded("QUI="));
        assert_eq!(decoded("QU JD"), None);
    }
}
