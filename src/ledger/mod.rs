//! The device registry on a ledger.
//!
//! One Solidity contract (`contracts/DeviceRegistry.sol`) keeps who holds which key and whether it may work, and
//! checks the card's P-256 signature itself (EIP-7951). Whoever uses the ledger knows the contract and the engine;
//! how blocks come to be is the engine's own affair.
//!
//! ```text
//! engine    transactions in, sealed blocks out, records to be read
//! evm       the chain in this process           store       where it is kept      checkpoint  the signed tree head
//! registry  the contract seen from outside      account     operators and their transactions
//! receipt   what became of transactions         error       what can go wrong     count       public-key work
//! ```
#![allow(missing_docs, reason = "fields are called as in the contract and in Ethereum's types")]

mod account;
mod checkpoint;
mod count;
mod engine;
mod error;
mod evm;
mod receipt;
mod registry;
mod store;

pub use account::{Account, Operators};
pub use alloy_primitives::Address;
pub use checkpoint::{CheckpointKey, TreeHead, origin, verifier_key, verify as verify_checkpoint};

pub use count::LedgerOp;
pub use engine::Engine;
pub use error::LedgerError;
pub use evm::{
    Depth, DeviceHistory, Entry, Genesis, GroupCommit, History, Ledger, Verified, read_history, verify,
};
pub use receipt::{Head, Sealed, TxHash, TxOutcome, TxReceipt};
pub use registry::{
    BadModel, Contract, DeviceRecord, Model, Reason, Registration, RegistryEvent, Status, StatusChanged,
    device_id, registration_message, revert_word,
};
pub use store::{Contents, MemoryStore, Store, StoreError, Torn};
