//! The operating system's random source, through the one cryptographic backend.

use zeroize::Zeroizing;

use crate::kernel::{Blame, ServedRng};

/// Why nothing can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; nothing is served without them")]
pub struct EntropyError;

impl EntropyError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}

/// Fills `bytes`.
///
/// # Errors
/// [`EntropyError`]; `bytes` must not be used then.
pub fn fill(bytes: &mut [u8]) -> Result<(), EntropyError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyError)
}

/// A tree of randomness that nobody can draw again, rooted in 256 bits of the system.
///
/// # Errors
/// [`EntropyError`].
pub fn fresh() -> Result<ServedRng, EntropyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    Ok(ServedRng::from_system(&bytes))
}

/// What the user has asked for: a tree of `seed`, whose keys are public, or a fresh one.
///
/// # Errors
/// [`EntropyError`].
pub fn asked_for(seed: Option<u64>) -> Result<ServedRng, EntropyError> {
    seed.map_or_else(fresh, |seed| Ok(ServedRng::from_public_seed(seed)))
}

#[cfg(test)]
mod tests {
    use rand_core::RngCore;

    use super::*;

    #[test]
    fn fresh_randomness_is_fresh_and_a_seed_is_not() {
        let draw = |seed| asked_for(seed).unwrap().tree().stream("x").next_u64();
        assert_ne!(draw(None), draw(None));
        assert_eq!(draw(Some(7)), draw(Some(7)));
    }
}
