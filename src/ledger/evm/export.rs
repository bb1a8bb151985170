//! A ledger in the forms that others' programs read: the genesis and the blocks for an Ethereum client, the tree for a
//! client of transparency logs.

use super::genesis::Genesis;
use super::replay::{Depth, Watch, Whole, replay};
use crate::ledger::checkpoint::{self, MerkleLog, origin};
use crate::ledger::error::LedgerError;
use crate::ledger::seal::Certificate;
use crate::ledger::store::{Store, StoreError};
use crate::ledger::tree::Tree;

/// A part of a ledger, in the order of the ledger.
pub enum Part<'a> {
    /// The text of geth's `genesis.json`.
    Genesis(&'a str),
    /// A block as Ethereum's clients write it (RLP), and its seal.
    Block { rlp: Vec<u8>, seal: &'a Certificate },
}

/// What a ledger is besides its blocks.
#[derive(Debug)]
pub struct Exported {
    pub origin: String,
    /// The checkpoint's verifier key in the text form of signed-note.
    pub verifier_key: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// How many blocks the checkpoint covers.
    pub covered: u64,
    /// The tree over all sealed blocks.
    pub tree: Tree,
}

/// Gives each part of a ledger to `take`, after a light verification up to there. The store stays as it is.
///
/// # Errors
/// [`LedgerError`] that names the place of the first damage, and what `take` says.
pub fn export(
    store: &mut dyn Store,
    take: &mut dyn FnMut(Part<'_>) -> Result<(), StoreError>,
) -> Result<Exported, LedgerError> {
    let mut exporting = Exporting { take, hash: [0; 32], tree: Tree::default() };
    let replayed = replay(store, Depth::Light, &None, &mut exporting)?;
    let origin = origin(&exporting.hash);
    Ok(Exported {
        verifier_key: checkpoint::verifier_key(&origin, &replayed.genesis.checkpoint_key)?,
        origin,
        checkpoint: replayed.checkpoint,
        covered: replayed.covered.size,
        tree: exporting.tree,
    })
}

struct Exporting<'a> {
    take: &'a mut dyn FnMut(Part<'_>) -> Result<(), StoreError>,
    hash: [u8; 32],
    tree: Tree,
}

impl Watch for Exporting<'_> {
    fn genesis(&mut self, genesis: &Genesis, hash: [u8; 32], _: &MerkleLog) -> Result<(), LedgerError> {
        self.hash = hash;
        (self.take)(Part::Genesis(&genesis.to_json()))?;
        self.tree.push(hash)
    }

    fn block(&mut self, block: &Whole<'_>) -> Result<(), LedgerError> {
        (self.take)(Part::Block { rlp: alloy_rlp::encode(&block.stored.block), seal: block.seal })?;
        self.tree.push(block.hash)
    }
}
