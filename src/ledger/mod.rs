//! The device registry: an EVM chain in process, on disk.
//!
//! One Solidity contract (`contracts/DeviceRegistry.sol`) keeps who holds which key and whether it may work, and
//! checks the card's P-256 signature itself (EIP-7951). The chain follows Ethereum's Osaka rules to the letter,
//! so that any other engine that is given the genesis and the raw transactions comes to the same block hashes.
//!
//! ```text
//! chain    submit, seal, device          the ledger in use
//! replay   light and full verification   the ledger read back
//! history  what happened to each device
//! account  operators and their transactions     registry  the contract seen from outside
//! genesis  block 0      execute  one block      block  its record      checkpoint  the signed tree head
//! world    flat state   trie     state root     store  where records are kept
//! ```
#![allow(missing_docs, reason = "fields are called as in the contract and in Ethereum's types")]

mod account;
mod block;
mod chain;
mod checkpoint;
mod execute;
mod genesis;
mod history;
mod registry;
mod replay;
mod store;
mod trie;
mod world;

use std::sync::Arc;

use crate::kernel::Blame;

pub use account::{Account, Operators};
pub use alloy_primitives::Address;
pub use chain::{Head, Ledger, Sealed, TxHash, TxOutcome, TxReceipt};
pub use checkpoint::{CheckpointKey, TreeHead, origin, verifier_key, verify as verify_checkpoint};
pub use genesis::Genesis;
pub use history::{DeviceHistory, Entry, History, read_history};
pub use registry::{
    BadModel, Contract, DeviceRecord, Model, Reason, Registration, RegistryEvent, Status, StatusChanged,
    device_id, registration_message, revert_word,
};
pub use replay::{Depth, Verified, verify};
pub use store::{Contents, MemoryStore, Store, StoreError, Torn};

/// A piece of public-key work, for those who count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerOp {
    /// The contract checked a card's signature.
    P256Verify,
    /// An account signed a transaction.
    Secp256k1Sign,
    /// The sender of a transaction was recovered.
    Secp256k1Recover,
}

/// Who counts, if somebody does.
type Counter = Option<Arc<dyn Fn(LedgerOp) + Send + Sync>>;

/// Why the ledger could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no ledger here; a run with a ledger directory creates one")]
    Empty,
    #[error("the ledger was left before its first block was durable; delete it and create it again")]
    Unfinished,
    #[error("there is something here already; choose an empty place for a new ledger, or open this one")]
    NotEmpty,
    #[error("the genesis is not one of this program: {cause}")]
    Genesis { cause: String },
    #[error("block {number} ({place}) is not in order: {cause}; restore the ledger from a copy")]
    Block { number: u64, place: String, cause: String },
    #[error(
        "the checkpoint covers {covered} blocks, but {held} are readable ({place}: {cause}); \
         restore the ledger from a copy"
    )]
    Missing { covered: u64, held: u64, place: String, cause: String },
    #[error("{held} blocks are stored, but no checkpoint; restore it from a copy")]
    NoCheckpoint { held: u64 },
    #[error("the checkpoint is not in order: {cause}; restore it from a copy")]
    Checkpoint { cause: String },
    #[error("the checkpoint key is not the one of the genesis; a ledger belongs to one seed")]
    WrongKey,
    #[error("the ledger was opened for reading; open it with its checkpoint key")]
    ReadOnly,
    #[error("the ledger failed to write earlier; open it again")]
    Failed,
    /// `reason` is a stable word, as in `wrong-nonce`.
    #[error("the transaction is refused ({reason}): {detail}")]
    Refused { reason: &'static str, detail: String },
    #[error("block {number} could not be executed: {cause}")]
    Execution { number: u64, cause: String },
}

impl LedgerError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Store(error) => error.blame(),
            Self::Refused { .. } => Blame::PeerRefused,
            Self::ReadOnly | Self::Execution { .. } => Blame::Ours,
            Self::Empty
            | Self::Unfinished
            | Self::NotEmpty
            | Self::Genesis { .. }
            | Self::Block { .. }
            | Self::Missing { .. }
            | Self::NoCheckpoint { .. }
            | Self::Checkpoint { .. }
            | Self::WrongKey
            | Self::Failed => Blame::Bench,
        }
    }
}
