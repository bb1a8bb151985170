//! An EVM chain in this process, kept in a store. It follows Ethereum's Osaka rules to the letter, so that any
//! other engine that is given the genesis and the raw transactions comes to the same block hashes.
//!
//! ```text
//! chain    submit, seal, device          the chain in use          commit   when its blocks are due
//! replay   light and full verification   the chain read back
//! history  what happened to each device
//! genesis  block 0      execute  one block      block  its record
//! world    flat state   trie     state root
//! ```

mod block;
mod chain;
mod commit;
mod execute;
mod genesis;
mod history;
mod replay;
mod trie;
mod world;

pub use chain::Ledger;
pub use commit::GroupCommit;
pub use genesis::Genesis;
pub use history::{DeviceHistory, Entry, History, read_history};
pub use replay::{Depth, Verified, verify};
