//! The device registry on a ledger.
//!
//! One Solidity contract (`contracts/DeviceRegistry.sol`) keeps who holds which key and whether it may work, and
//! checks the card's P-256 signature itself (EIP-7951). Whoever uses the ledger knows the contract and the engine;
//! how blocks come to be is the engine's own affair.
//!
//! ```text
//! engine    transactions in, sealed blocks out, records to be read
//! evm       the chain in this process           store       where it is kept      checkpoint  the signed tree head
//! registry  the contract seen from outside: identities, keys, records     firmware  releases and reports
//! abi       its interface and bytecode          events      what it says          roles       who may do what
//! slots     where its storage has what          account     operators and their transactions
//! receipt   what became of transactions         error       what can go wrong     count       public-key work
//! ```
#![allow(missing_docs, reason = "fields are called as in the contract and in Ethereum's types")]

mod abi;
mod account;
mod checkpoint;
mod count;
mod engine;
mod error;
mod events;
mod evm;
mod firmware;
mod receipt;
mod registry;
mod roles;
mod slots;
mod store;

pub use account::{Account, Operators};
pub use alloy_primitives::Address;
pub use checkpoint::{CheckpointKey, TreeHead, origin, verifier_key, verify as verify_checkpoint};

pub use count::LedgerOp;
pub use engine::Engine;
pub use error::LedgerError;
pub use events::{RegistryEvent, StatusChanged, revert_word};
pub use evm::{
    Depth, DeviceHistory, Entry, Genesis, GroupCommit, History, Ledger, Verified, read_history, verify,
};
pub use firmware::{
    Component, FirmwareFault, FirmwareRecord, FirmwareReport, Release, ReleaseRecord, firmware_message,
};
pub use receipt::{Head, Sealed, TxHash, TxOutcome, TxReceipt};
pub use registry::{
    BadModel, CardKey, Contract, DeviceRecord, Model, Reason, Registration, Rotation, Status, device_id,
    registration_message, rotation_message,
};
pub use roles::Roles;
pub use store::{Contents, MemoryStore, Store, StoreError, Torn};
