//! The device registry on a ledger.
//!
//! One Solidity contract (`contracts/DeviceRegistry.sol`) keeps who holds which key and whether it may work, and
//! checks the card's P-256 signature itself (EIP-7951). Whoever uses the ledger knows the contract and the engine;
//! how blocks come to be is the engine's own affair.
//!
//! ```text
//! engine    transactions in, sealed blocks out, records to be read
//! evm       the chain in this process           store       where it is kept      place     store and memory
//! seal      what makes a block final            signer      who seals, once for each height
//! checkpoint  the signed tree head              tree        proofs and tiles      witness   who has seen it grow
//! registry  the contract seen from outside: identities, keys, records     firmware  releases and reports
//! abi       its interface and bytecode          events      what it says          roles     who may do what
//! slots     where its storage has what          account     operators and their transactions
//! proof     a release, shown to somebody without a ledger
//! examine   what would become of a registration
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
mod examine;
mod firmware;
mod place;
mod proof;
mod receipt;
mod registry;
mod roles;
mod seal;
mod server;
mod signer;
mod slots;
mod store;
mod tree;
mod witness;

pub use account::{Account, Operators};
pub use alloy_primitives::Address;
pub use checkpoint::{
    CheckpointKey, TreeHead, looks_like_checkpoint, origin, verifier_key, verify as verify_checkpoint,
};

pub use count::LedgerOp;
pub use engine::Engine;
pub use error::LedgerError;
pub use events::{RegistryEvent, StatusChanged, revert_word};
pub use evm::{
    AHEAD_MAX_S, Anchors, Depth, DeviceHistory, Entry, Exported, Genesis, GroupCommit, History, Ledger, Part,
    Standing, Verified, export, read_history, verify,
};
pub use examine::Finding;
pub use firmware::{
    Component, FirmwareFault, FirmwareRecord, FirmwareReport, Release, ReleaseRecord, firmware_message,
};
pub use place::Place;
pub use proof::{LightAnchors, ProvedRelease, ReleaseProof};
pub use receipt::{Head, Sealed, Standing as LedgerStanding, TxHash, TxOutcome, TxReceipt};
pub use registry::{
    BadModel, CardKey, Contract, DeviceRecord, Model, Reason, Registration, Rotation, Status, device_id,
    registration_message, rotation_message,
};
pub use roles::Roles;
pub use seal::{Certificate, ChainName, CommitSignature, Validator, ValidatorSet};
pub use server::{ProvedServer, ServerStanding, proved_server, server_key, server_record};
pub use signer::{LedgerKeys, MemorySignerState, Signer, SignerState};
pub use store::{Contents, MemoryStore, Store, StoreError, Torn};
pub use tree::Tree;
pub use witness::{WitnessKey, cosign, cosigned_head};
