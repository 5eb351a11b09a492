//! Stand-in for secret sharing over GF(2^8), shares laid out as sops does.

use super::Random;
use zeroize::Zeroizing;

/// Why a secret cannot be split, or shares not be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More shares needed than made.
    #[error("parts cannot be less than threshold")]
    FewParts,
    /// A threshold below two.
    #[error("threshold must be at least 2")]
    LowThreshold,
    /// More shares than the field has room for.
    #[error("parts cannot exceed 255")]
    ManyParts,
    /// Shares that do not belong together.
    #[error("the shares do not fit together")]
    Shares,
}

/// Splits `secret` into `parts` shares, any `threshold` of which restore it.
///
/// # Errors
/// [`Error`] unless 2 <= threshold <= parts <= 255.
pub fn split(
    secret: &[u8],
    parts: usize,
    threshold: usize,
    random: &mut dyn Random,
) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
    if parts < threshold {
        return Err(Error::FewParts);
    }
    if threshold < 2 {
        return Err(Error::LowThreshold);
    }
    let count = u8::try_from(parts).map_err(|_| Error::ManyParts)?;
    let mut shares: Vec<_> = (1..=count)
        .map(|_| Zeroizing::new(Vec::with_capacity(secret.len() + 1)))
        .collect();
    let mut polynomial = Zeroizing::new(vec![0; threshold]);
    for &byte in secret {
        random.fill(&mut polynomial);
        polynomial[0] = byte;
        for (x, share) in (1..=count).zip(&mut shares) {
            share.push(polynomial.iter().rev().fold(0, |y, c| mul(y, x) ^ c));
        }
    }
    for (x, share) in (1..=count).zip(&mut shares) {
        share.push(x);
    }
    Ok(shares)
}

/// Restores a secret.
///
/// # Errors
/// [`Error::Shares`] unless two or more of one length, each of another place.
pub fn combine(shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length = shares.first().map_or(0, |s| s.len());
    let places: Vec<u8> = shares.iter().filter_map(|s| s.last().copied()).collect();
    let distinct = places
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    if shares.len() < 2 || length < 2 || distinct < shares.len() {
        return Err(Error::Shares);
    }
    if places.contains(&0) || shares.iter().any(|s| s.len() != length) {
        return Err(Error::Shares);
    }
    let weight = |i: usize| {
        places
            .iter()
            .enumerate()
            .filter(|&(j, _)| j != i)
            .fold(1, |w, (_, &x)| mul(w, mul(x, inverse(x ^ places[i]))))
    };
    let weights: Vec<u8> = (0..shares.len()).map(weight).collect();
    let byte = |at: usize| {
        shares
            .iter()
            .zip(&weights)
            .fold(0, |b, (s, &w)| b ^ mul(s[at], w))
    };
    Ok(Zeroizing::new((0..length - 1).map(byte).collect()))
}

fn mul(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        product ^= a * (b & 1);
        a = (a << 1) ^ (0x1b * (a >> 7));
        b >>= 1;
    }
    product
}

fn inverse(a: u8) -> u8 {
    (0..253).fold(a, |power, _| mul(power, a))
}
