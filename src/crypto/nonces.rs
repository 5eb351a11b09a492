//! Nonces, drawn from the system many at a time: a draw for each would take
//! longer than the encryption.

use super::{Random, RandomError};

/// The bytes of the first draw: enough for a small file.
const FIRST: usize = 256;
/// The most bytes in one draw; larger ones are no faster.
const MOST: usize = 4096;

/// A supply of nonces. No byte is ever given twice.
pub struct Nonces<'r> {
    random: Box<dyn Random + 'r>,
    /// Drawn bytes, of which those from `at` on are still to be given.
    drawn: Vec<u8>,
    at: usize,
}

impl<'r> Nonces<'r> {
    /// A supply out of `random`. Nothing is drawn before the first nonce is asked for;
    /// draws grow from 256 bytes to 4 KiB.
    #[must_use]
    pub fn new(random: impl Random + 'r) -> Self {
        Self {
            random: Box::new(random),
            drawn: Vec::new(),
            at: 0,
        }
    }

    /// A new nonce of `N` bytes.
    ///
    /// # Errors
    /// [`RandomError`] where the source of randomness fails.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], RandomError> {
        if self.drawn.len() - self.at < N {
            self.draw(N)?;
        }
        let mut nonce = [0; N];
        nonce.copy_from_slice(&self.drawn[self.at..self.at + N]);
        self.at += N;
        Ok(nonce)
    }

    /// Replaces what is left by a new draw of at least `needed` bytes.
    fn draw(&mut self, needed: usize) -> Result<(), RandomError> {
        let size = (self.drawn.len() * 2).clamp(FIRST, MOST).max(needed);
        self.drawn.resize(size, 0);
        // Should the draw fail, nothing of the old bytes may be given again.
        self.at = size;
        self.random.fill(&mut self.drawn)?;
        self.at = 0;
        Ok(())
    }
}

impl std::fmt::Debug for Nonces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::tests::Exhausted;
    use super::*;
    use crate::crypto::SystemRandom;
    use std::collections::HashSet;

    /// Gives once, then fails; counts the bytes asked for.
    struct Once(usize);

    impl Random for Once {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
            if self.0 > 0 {
                return Err(RandomError);
            }
            self.0 = bytes.len();
            bytes.fill(9);
            Ok(())
        }
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut system = SystemRandom;
        let mut nonces = Nonces::new(&mut system);
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            assert!(seen.insert(nonces.take::<32>().unwrap().to_vec()));
            assert!(seen.insert(nonces.take::<24>().unwrap().to_vec()));
        }
    }

    #[test]
    fn one_draw_serves_many_and_a_failed_one_gives_nothing_old() {
        let mut once = Once(0);
        let mut nonces = Nonces::new(&mut once);
        for _ in 0..8 {
            assert_eq!(nonces.take::<32>(), Ok([9; 32]));
        }
        assert_eq!(nonces.take::<32>(), Err(RandomError));
        assert_eq!(nonces.take::<24>(), Err(RandomError));
        drop(nonces);
        assert_eq!(once.0, 256);
    }

    #[test]
    fn nothing_is_drawn_before_it_is_needed_and_any_length_can_be() {
        let mut exhausted = Exhausted;
        assert_eq!(Nonces::new(&mut exhausted).take::<0>(), Ok([]));
        let mut system = SystemRandom;
        assert_ne!(Nonces::new(&mut system).take::<5000>(), Ok([0; 5000]));
    }
}
