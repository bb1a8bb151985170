//! The engine boundary: transactions in, sealed blocks out, records to be read. Offices know this and the contract
//! ([`super::Registration`], [`super::Account`]), and not how blocks come to be.
//!
//! What the signatures promise, so that engines of three kinds fit behind them:
//!
//! * A raw transaction is the same for all, and its hash is known when it is submitted. What becomes of it comes later,
//!   as one receipt in one [`Sealed`] block, be it that it could not be in a block at all
//!   ([`super::TxOutcome::Invalid`]).
//! * [`Engine::poll`] gives blocks that stay, in the chain's order: none, one or several. A record that can be read
//!   is one of such a block; what may yet be undone is neither given nor read.
//! * An engine wakes only at its deadline or for a message, so it works in virtual time. What it is kept in or talks
//!   through it is given when it is opened, as [`Ledger`] has its [`super::Store`].
//! * An error says by [`super::LedgerError::blame`] who has to do something about it.
//!
//! ```text
//! the chain in this process (Evm)
//!     submit(raw)  check; pending += raw; due = due or now + 20 ms
//!     poll         if due: execute pending, store.append, store.sync -> [block]
//!     device(id)   the slots of the state
//!
//! a node somewhere else, by JSON-RPC; confirmed = the block that the mirror stands at
//!     submit(raw)  hash = keccak256(raw); waiting[hash] = raw; ask eth_sendRawTransaction; due = now + interval
//!     poll         head = the answer to eth_getBlockByNumber(latest)
//!                  blocks confirmed + 1 ..= head - depth: mirror += slots::device(slots of eth_getProof) -> blocks
//!                  a parent changed above confirmed: ask again from the fork, send again what is waiting
//!                  a parent changed below: error, blame the keeper; a refusal by the node: a receipt, Invalid
//!     deadline     the next question, while something waits
//!     device(id)   the mirror
//!
//! several operators who vote
//!     submit(raw)  pool += raw; send it to the others; due = the end of this round
//!     poll         mine to propose: execute the pool, send block and vote; theirs: execute it, vote if it comes out
//!                  votes of more than two thirds: store.append, store.sync -> [block]; next height
//!                  round over: next round, the next operator proposes; what was proposed goes back to the pool
//!     deadline     the end of the round, while the pool is not empty or a proposal is under way
//!     device(id)   the slots of the state after the last voted block
//! ```

use super::error::LedgerError;
use super::evm::{GroupCommit, Ledger};
use super::examine::Finding;
use super::firmware::Component;
use super::proof::ReleaseProof;
use super::receipt::{Sealed, Standing, TxHash};
use super::registry::{Contract, DeviceRecord, Model, Registration};
use crate::kernel::Instant;

/// What runs the contract.
#[derive(Debug)]
pub enum Engine {
    /// The EVM chain in this process.
    Evm(GroupCommit),
}

impl From<Ledger> for Engine {
    fn from(ledger: Ledger) -> Self {
        Self::Evm(GroupCommit::new(ledger))
    }
}

impl Engine {
    /// The registry that transactions and signatures are bound to.
    pub fn contract(&self) -> Contract {
        match self {
            Self::Evm(chain) => chain.ledger().contract(),
        }
    }

    /// The record of a device as the blocks have it; none if they do not know it.
    pub fn device(&self, id: &[u8; 32]) -> Option<DeviceRecord> {
        match self {
            Self::Evm(chain) => chain.ledger().device(id),
        }
    }

    /// The identity that a public key belongs to as the blocks have it.
    pub fn id_of_key(&self, x: &[u8; 32], y: &[u8; 32]) -> Option<[u8; 32]> {
        match self {
            Self::Evm(chain) => chain.ledger().id_of_key(x, y),
        }
    }

    /// What proves a release to somebody without a ledger; `None` as long as there is nothing to prove it by.
    pub fn prove_release(
        &self,
        manifest: &[u8; 32],
        model: Model,
        component: Component,
    ) -> Option<ReleaseProof> {
        match self {
            Self::Evm(chain) => chain.ledger().prove_release(manifest, model, component),
        }
    }

    /// What the contract would do with a registration, as the blocks have it now.
    pub fn examine(&self, registration: &Registration) -> Finding {
        match self {
            Self::Evm(chain) => chain.ledger().examine(registration),
        }
    }

    /// What the ledger is called, and how far it has come.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Evm(chain) => chain.ledger().standing(),
        }
    }

    /// The number of transactions that are under way.
    pub fn pending(&self) -> usize {
        match self {
            Self::Evm(chain) => chain.ledger().pending(),
        }
    }

    /// Takes a raw transaction (EIP-2718). Its receipt comes with a block of [`Engine::poll`], under this hash.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] where it is known at once that no block can have it; the transaction is then forgotten.
    pub fn submit(&mut self, now: Instant, raw: &[u8]) -> Result<TxHash, LedgerError> {
        match self {
            Self::Evm(chain) => chain.submit(now, raw),
        }
    }

    /// When [`Engine::poll`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Evm(chain) => chain.deadline(),
        }
    }

    /// Does what is due, and gives the blocks that have been sealed for good since, in their order.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then, and the engine has to be opened
    /// again.
    pub fn poll(&mut self, now: Instant) -> Result<Vec<Sealed>, LedgerError> {
        match self {
            Self::Evm(chain) => Ok(chain.poll(now)?.into_iter().collect()),
        }
    }
}
