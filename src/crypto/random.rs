//! Where randomness comes from: a parameter of everything that needs it.

use std::sync::Mutex;

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the system")]
pub struct RandomError;

/// A source of uniformly random bytes.
///
/// Keys and nonces are made of these: outside of tests only [`SystemRandom`] will do.
pub trait Random: Send {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`RandomError`] where the source has none to give.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(bytes)
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }
}

/// One source of randomness for several threads; each of them fills through a reference of its own.
pub struct SharedRandom<'r>(Mutex<&'r mut dyn Random>);

impl<'r> SharedRandom<'r> {
    /// Shares `random`.
    #[must_use]
    pub fn new(random: &'r mut dyn Random) -> Self {
        Self(Mutex::new(random))
    }
}

impl Random for &SharedRandom<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        // What a thread that panicked has drawn is of no use to anyone.
        self.0.lock().map_err(|_| RandomError)?.fill(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Counts up, so that a test can say what was drawn.
    pub(crate) struct Counting(pub(crate) u8);

    impl Random for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    /// Has nothing to give.
    pub(crate) struct Exhausted;

    impl Random for Exhausted {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }

    #[test]
    fn the_system_gives_other_bytes_every_time() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut a).unwrap();
        SystemRandom.fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }
}
