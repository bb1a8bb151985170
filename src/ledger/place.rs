//! Where a ledger is kept, and apart from it what its signer remembers.

use super::signer::{MemorySignerState, SignerState};
use super::store::{MemoryStore, Store};

/// A place for a ledger.
pub struct Place {
    /// The blocks with their seals, and the checkpoint.
    pub store: Box<dyn Store>,
    /// What was signed last: beside the key, and not beside the blocks.
    pub signer: Box<dyn SignerState>,
}

impl From<Box<MemoryStore>> for Place {
    /// Both are lost with the process.
    fn from(store: Box<MemoryStore>) -> Self {
        Self { store, signer: Box::new(MemorySignerState::default()) }
    }
}
