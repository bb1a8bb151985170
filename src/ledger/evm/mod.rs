//! An EVM chain in this process, kept in a store. It follows Ethereum's Osaka rules to the letter, so that any
//! other engine that is given the genesis and the raw transactions comes to the same block hashes.
//!
//! ```text
//! chain    submit, seal, device          the chain in use          commit   when its blocks are due
//! replay   the chain read back           verify   against what is known from elsewhere
//! history  what happened to each device  export   for others' programs
//! genesis  block 0      execute  one block      block  its record
//! world    flat state   trie     state root
//! ```

mod block;
mod chain;
mod commit;
mod execute;
mod export;
mod genesis;
mod history;
mod replay;
mod trie;
mod verify;
mod world;

pub use chain::Ledger;
pub use commit::GroupCommit;
pub use export::{Exported, Part, export};
pub use genesis::Genesis;
pub use history::{DeviceHistory, Entry, History, read_history};
pub use replay::{AHEAD_MAX_S, Depth};
pub use verify::{Anchors, Standing, Verified, verify};
