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
    /// The branches from the root to here, for tests.
    #[cfg(test)]
    path: String,
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
            #[cfg(test)]
            path: String::new(),
        }
    }

    /// The branch that belongs to `actor`.
    pub fn branch(&self, actor: impl Display) -> Self {
        let actor = actor.to_string();
        Self {
            key: self.derive(b"branch", &actor),
            #[cfg(test)]
            path: format!("{}{actor}/", self.path),
        }
    }

    /// The stream that this branch draws from for `purpose`.
    pub fn stream(&self, purpose: &str) -> ChaCha20Rng {
        let seed = self.derive(b"stream", purpose);
        #[cfg(test)]
        watch::note(format!("{}{purpose}", self.path), seed);
        ChaCha20Rng::from_seed(seed)
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

/// Which streams are made, for a test that looks where their bytes went.
#[cfg(test)]
pub mod watch {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::{ChaCha20Rng, SeedableRng};

    /// By the branches that lead to a stream and its purpose, as `card1/iot-safe/keys`.
    pub type Streams = BTreeMap<String, ChaCha20Rng>;

    thread_local!(static MADE: RefCell<Option<Streams>> = const { RefCell::new(None) });

    /// What `work` returns, and the streams that it made on this thread, none of whose bytes are drawn.
    pub fn streams<T>(work: impl FnOnce() -> T) -> (T, Streams) {
        MADE.set(Some(Streams::new()));
        let done = work();
        (done, MADE.take().unwrap_or_default())
    }

    pub(super) fn note(name: String, seed: [u8; 32]) {
        MADE.with_borrow_mut(|made| made.as_mut()?.insert(name, ChaCha20Rng::from_seed(seed)));
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
