//! Shamir's secret sharing over GF(2^8), in the layout of sops.
//!
//! A share is one byte for every byte of the secret, and behind them the place
//! it belongs to. All arithmetic on secret bytes is without tables and branches.

use super::{Random, RandomError};
use zeroize::Zeroizing;

/// The bytes of one share. Any threshold of them are the secret.
pub type Share = Zeroizing<Vec<u8>>;

/// Why a secret was not split or combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// Not `2 <= threshold <= parts <= 255`.
    #[error(
        "a threshold of {threshold} for {parts} parts: it must be at least 2 and at most the parts, of which there can be 255"
    )]
    Threshold {
        /// The parts that were wanted.
        parts: usize,
        /// How many of them were to be enough.
        threshold: usize,
    },
    /// There is nothing to split.
    #[error("an empty secret cannot be split")]
    EmptySecret,
    /// Fewer than two shares.
    #[error("{0} of at least 2 parts of the key")]
    TooFew(usize),
    /// The share at this index (from 0) has no byte of the secret, or not as many as the first.
    #[error("part {0} of the key is of the wrong length")]
    Length(usize),
    /// The share at this index (from 0) has the place of one before it, or place 0, which is none.
    #[error("part {0} of the key is at an impossible place")]
    Place(usize),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Splits `secret` into `parts` shares, any `threshold` of which are enough.
/// The share at index `i` has the place `i + 1`.
///
/// # Errors
/// [`ShamirError::Threshold`], [`ShamirError::EmptySecret`], [`ShamirError::Random`].
pub fn split(
    secret: &[u8],
    parts: usize,
    threshold: usize,
    random: &mut dyn Random,
) -> Result<Vec<Share>, ShamirError> {
    let last = u8::try_from(parts).unwrap_or(0);
    if threshold < 2 || threshold > usize::from(last) {
        return Err(ShamirError::Threshold { parts, threshold });
    }
    if secret.is_empty() {
        return Err(ShamirError::EmptySecret);
    }
    // For every byte a polynomial whose value at 0 it is; its other coefficients are random.
    let degree = threshold - 1;
    let mut coefficients = Zeroizing::new(vec![0; secret.len() * degree]);
    random.fill(&mut coefficients)?;
    let share = |place: u8| {
        let mut share = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
        for (&byte, higher) in secret.iter().zip(coefficients.chunks_exact(degree)) {
            share.push(evaluate(byte, higher, place));
        }
        share.push(place);
        share
    };
    Ok((1..=last).map(share).collect())
}

/// The secret of `shares`, at least as many as the threshold was; more do no harm.
///
/// Nothing in the shares tells a right secret from a wrong one: too few of them, or a forged
/// one, give bytes that are not the secret.
///
/// # Errors
/// [`ShamirError::TooFew`], [`ShamirError::Length`], [`ShamirError::Place`].
pub fn combine<S: AsRef<[u8]>>(shares: &[S]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    if shares.len() < 2 {
        return Err(ShamirError::TooFew(shares.len()));
    }
    let len = shares[0].as_ref().len();
    let mut places = Vec::with_capacity(shares.len());
    for (index, share) in shares.iter().enumerate() {
        match share.as_ref() {
            [_, .., place] if share.as_ref().len() == len => {
                // A share at 0 would be the secret, whatever the others say.
                if *place == 0 || places.contains(place) {
                    return Err(ShamirError::Place(index));
                }
                places.push(*place);
            }
            _ => return Err(ShamirError::Length(index)),
        }
    }
    let mut secret = Zeroizing::new(vec![0; len - 1]);
    for (share, &place) in shares.iter().zip(&places) {
        let weight = weight(place, &places);
        for (byte, &y) in secret.iter_mut().zip(share.as_ref()) {
            *byte ^= multiply(y, weight);
        }
    }
    Ok(secret)
}

/// The value at `x` of the polynomial with the coefficients `constant` and `higher` (Horner).
fn evaluate(constant: u8, higher: &[u8], x: u8) -> u8 {
    let sum = higher.iter().rev().fold(0, |sum, &c| multiply(sum, x) ^ c);
    multiply(sum, x) ^ constant
}

/// What the share at `place` counts for in the value at 0 (Lagrange's basis polynomial).
fn weight(place: u8, places: &[u8]) -> u8 {
    let others = places.iter().filter(|&&other| other != place);
    others.fold(1, |product, &other| {
        multiply(product, multiply(other, inverse(other ^ place)))
    })
}

/// The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        product ^= a & (b >> bit & 1).wrapping_neg();
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
    }
    product
}

/// The inverse of `a`, which is not 0: `a` to the power of 254, the product of its
/// powers of 2, 4, 8, … 128.
fn inverse(a: u8) -> u8 {
    let (mut square, mut product) = (a, 1);
    for _ in 0..7 {
        square = multiply(square, square);
        product = multiply(product, square);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::super::random::tests::{Counting, Exhausted};
    use super::*;
    use crate::crypto::vectors::{lines, unhex};
    use crate::crypto::{DataKey, SystemRandom};
    use proptest::prelude::*;

    #[test]
    fn every_number_but_zero_has_an_inverse() {
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
        // FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
    }

    #[test]
    fn shares_of_sops_give_its_key() {
        let [key, a, b, c] = &lines(include_str!("../../testdata/vectors/shamir.txt"))[..] else {
            panic!("a key and three shares");
        };
        let (key, shares) = (unhex(key[1]), [a, b, c].map(|line| unhex(line[1])));
        let [a, b, c] = &shares;
        for some in [vec![a, b], vec![c, a], vec![b, c], vec![b, a, c]] {
            assert_eq!(*combine(&some).unwrap(), key);
        }
        assert!(DataKey::from_bytes(&key).is_some());
    }

    #[test]
    fn the_place_stands_last_and_the_polynomial_is_the_drawn_one() {
        // Threshold 2: y = secret + x * drawn.
        let shares = split(&[0x0a, 0x14], 3, 2, &mut Counting(1)).unwrap();
        assert_eq!(*shares[0], [0x0a ^ 1, 0x14 ^ 2, 1]);
        assert_eq!(*shares[1], [0x0a ^ 2, 0x14 ^ 4, 2]);
        assert_eq!(*shares[2], [0x0a ^ 3, 0x14 ^ 6, 3]);
    }

    #[test]
    fn impossible_splits_are_refused() {
        for (parts, threshold) in [(3, 1), (3, 0), (2, 3), (256, 2), (0, 0), (1, 1)] {
            assert_eq!(
                split(b"s", parts, threshold, &mut SystemRandom),
                Err(ShamirError::Threshold { parts, threshold })
            );
        }
        let empty = split(b"", 3, 2, &mut SystemRandom);
        assert_eq!(empty, Err(ShamirError::EmptySecret));
        let failed = split(b"s", 3, 2, &mut Exhausted);
        assert_eq!(failed, Err(ShamirError::Random(RandomError)));
    }

    #[test]
    fn impossible_shares_are_refused() {
        let combine = |shares: &[&[u8]]| combine(shares).unwrap_err();
        assert_eq!(combine(&[]), ShamirError::TooFew(0));
        assert_eq!(combine(&[&[1, 1]]), ShamirError::TooFew(1));
        assert_eq!(combine(&[&[1], &[2]]), ShamirError::Length(0));
        assert_eq!(combine(&[&[1, 1], &[5, 2, 2]]), ShamirError::Length(1));
        assert_eq!(combine(&[&[1, 7], &[2, 7]]), ShamirError::Place(1));
        assert_eq!(combine(&[&[1, 0], &[2, 7]]), ShamirError::Place(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_threshold_of_the_shares_is_the_secret_and_one_less_is_not(
            secret in prop::collection::vec(any::<u8>(), 16..64),
            parts in 2usize..20,
            threshold in 2usize..20,
            from in 0usize..20,
        ) {
            let threshold = threshold.min(parts);
            let mut shares = split(&secret, parts, threshold, &mut SystemRandom).unwrap();
            shares.rotate_left(from % parts);
            prop_assert_eq!(&*combine(&shares[..threshold]).unwrap(), &secret);
            prop_assert_eq!(&*combine(&shares).unwrap(), &secret);
            if threshold > 2 {
                prop_assert_ne!(&*combine(&shares[..threshold - 1]).unwrap(), &secret);
            }
        }
    }
}
