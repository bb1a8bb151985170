//! Randomness as a tree: a stream per (root, actor, purpose), so that one draw more in one place moves nothing
//! elsewhere. The root is a seed, for what is simulated, or 32 bytes of the operating system, for what is served.

use std::fmt::{self, Display};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The root, or a branch, of the tree.
#[derive(Clone)]
pub struct RngTree {
    key: Zeroizing<[u8; 32]>,
    origin: Origin,
    /// The branches from the root to here, for tests.
    #[cfg(test)]
    path: String,
}

/// What the root of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A number that a user gives or the source holds: whoever knows it has every key that was drawn.
    Seed,
    /// Bytes of the operating system, which nobody can draw again.
    System,
}

impl RngTree {
    /// The root of a run, which is a function of its seed. Every key drawn from it is public.
    pub fn new(seed: u64) -> Self {
        let root = Sha256::new().chain_update(b"cellbed/rng/v1").chain_update(seed.to_be_bytes());
        Self::rooted(root, Origin::Seed)
    }

    fn rooted(root: Sha256, origin: Origin) -> Self {
        Self {
            key: Zeroizing::new(root.finalize().into()),
            origin,
            #[cfg(test)]
            path: String::new(),
        }
    }

    /// What the root of the tree is.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The branch that belongs to `actor`.
    pub fn branch(&self, actor: impl Display) -> Self {
        let actor = actor.to_string();
        Self {
            key: Zeroizing::new(self.derive(b"branch", &actor)),
            origin: self.origin,
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
            .chain_update(*self.key)
            .chain_update((kind.len() as u64).to_be_bytes())
            .chain_update(kind)
            .chain_update(name.as_bytes())
            .finalize()
            .into()
    }
}

impl fmt::Debug for RngTree {
    /// Never the key: whatever is drawn from the tree follows from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RngTree({:?})", self.origin)
    }
}

/// The randomness of what is served to somebody outside or kept on disk. What serves asks for this type, so that the
/// seed of a run does not get there by accident.
#[derive(Debug, Clone)]
pub struct ServedRng {
    tree: RngTree,
    seed: Option<u64>,
}

impl ServedRng {
    /// Rooted in `bytes` of the operating system's random source, which `io::entropy` draws.
    pub fn from_system(bytes: &[u8; 32]) -> Self {
        let root = Sha256::new().chain_update(b"cellbed/rng/system/v1").chain_update(bytes);
        Self { tree: RngTree::rooted(root, Origin::System), seed: None }
    }

    /// Rooted in a seed that the user has asked for: every key is public, and the user has to be told so.
    pub fn from_public_seed(seed: u64) -> Self {
        Self { tree: RngTree::new(seed), seed: Some(seed) }
    }

    /// The tree.
    pub fn tree(&self) -> &RngTree {
        &self.tree
    }

    /// The seed that whoever knows it has every key with; none where the system is the root.
    pub fn public_seed(&self) -> Option<u64> {
        self.seed
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

    #[test]
    fn what_the_system_gave_is_no_seed_and_is_not_shown() {
        // The bytes of a seed are another root than the seed.
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&7u64.to_be_bytes());
        let served = ServedRng::from_system(&bytes);
        assert_eq!((served.public_seed(), served.tree().origin()), (None, Origin::System));
        assert_eq!(served.tree().branch("card1").origin(), Origin::System);
        let draw = |tree: &RngTree| tree.stream("x").next_u64();
        assert_ne!(draw(served.tree()), draw(&RngTree::new(7)));
        let public = ServedRng::from_public_seed(7);
        assert_eq!((public.public_seed(), public.tree().origin()), (Some(7), Origin::Seed));
        assert_eq!(draw(public.tree()), draw(&RngTree::new(7)));
        assert_eq!(format!("{:?}", served.tree()), "RngTree(System)");
    }
}
