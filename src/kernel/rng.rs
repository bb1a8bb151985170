//! Seeded randomness as a tree: a stream per (seed, actor, purpose), so that one draw more in one place
//! moves nothing elsewhere.

use std::fmt::Display;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The root, or a branch, of the tree.
#[derive(Debug, Clone)]
pub struct RngTree {
    key: [u8; 32],
}

impl RngTree {
    /// The root of a run.
    pub fn new(seed: u64) -> Self {
        Self {
            key: Sha256::new()
                .chain_update(b"cellbed/rng/v1")
                .chain_update(seed.to_be_bytes())
                .finalize()
                .into(),
        }
    }

    /// The branch that belongs to `actor`.
    pub fn branch(&self, actor: impl Display) -> Self {
        Self { key: self.derive(b"branch", &actor.to_string()) }
    }

    /// The stream that this branch draws from for `purpose`.
    pub fn stream(&self, purpose: &str) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.derive(b"stream", purpose))
    }

    fn derive(&self, kind: &[u8], name: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.key)
            .chain_update((kind.len() as u64).to_be_bytes())
            .chain_update(kind)
            .chain_update(name.as_bytes())
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::RngCore;

    #[test]
    fn streams_are_independent_and_repeatable() {
        let draw =
            |seed, actor: &str, purpose: &str| RngTree::new(seed).branch(actor).stream(purpose).next_u64();
        assert_eq!(draw(7, "ue1", "rand"), draw(7, "ue1", "rand"));
        assert_ne!(draw(7, "ue1", "rand"), draw(8, "ue1", "rand"));
        assert_ne!(draw(7, "ue1", "rand"), draw(7, "ue2", "rand"));
        assert_ne!(draw(7, "ue1", "rand"), draw(7, "ue1", "keys"));
    }
}
