//! What happened to each device, read from the receipts of the stored blocks.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use super::block::StoredBlock;
use super::genesis::Genesis;
use super::replay::{Depth, Watch, Whole, replay};
use crate::ledger::checkpoint::{self, MerkleLog, origin};
use crate::ledger::error::LedgerError;
use crate::ledger::events::RegistryEvent;
use crate::ledger::receipt::Head;
use crate::ledger::registry::{Contract, DeviceRecord};
use crate::ledger::slots;
use crate::ledger::store::Store;

/// A ledger as a reader sees it, up to its last sealed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub contract: Contract,
    /// Whether the keys are those of a run.
    pub lab: bool,
    /// The last sealed block.
    pub head: Head,
    /// When it was sealed, in milliseconds since the Unix epoch.
    pub sealed_ms: u64,
    pub transactions: u64,
    /// How many blocks the checkpoint covers, the genesis included.
    pub covered: u64,
    /// The checkpoint's verifier key in the text form of signed-note.
    pub verifier_key: String,
    pub validators: Vec<Address>,
    /// Who has the role VALIDATOR in the registry, which nobody follows yet.
    pub named_validators: Vec<Address>,
    /// The number of a block that has no seal.
    pub unsealed: Option<u64>,
    /// The devices by identity.
    pub devices: BTreeMap<[u8; 32], DeviceHistory>,
}

/// A device and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHistory {
    pub record: DeviceRecord,
    /// In the order of happening.
    pub entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The block and its time, in seconds since the Unix epoch.
    pub block: u64,
    pub timestamp: u64,
    pub event: RegistryEvent,
}

/// Reads a stored ledger (after a light verification) with the history of every device. The store stays as it is.
///
/// # Errors
/// [`LedgerError`] that names the place of the first damage.
pub fn read_history(store: &mut dyn Store) -> Result<History, LedgerError> {
    let mut collected = Collected::default();
    let replayed = replay(store, Depth::Light, &None, &mut collected)?;
    let devices = collected
        .entries
        .into_iter()
        .filter_map(|(id, entries)| {
            let slot = |at| replayed.world.slot(replayed.contract.address, at);
            let record = slots::device(slot, &id)?;
            Some((id, DeviceHistory { record, entries }))
        })
        .collect();
    let genesis = &replayed.genesis;
    let head = &replayed.head;
    Ok(History {
        contract: replayed.contract,
        lab: genesis.lab,
        head: Head { number: head.number, hash: head.hash().0, timestamp: head.timestamp },
        sealed_ms: replayed.time_ms,
        transactions: replayed.transactions,
        covered: replayed.covered.size,
        verifier_key: checkpoint::verifier_key(&origin(&collected.genesis), &genesis.checkpoint_key)?,
        validators: genesis.validators.validators().iter().map(|one| one.address).collect(),
        named_validators: slots::validators(|at| replayed.world.slot(replayed.contract.address, at)),
        unsealed: replayed.unsealed.map(|block| block.number),
        devices,
    })
}

#[derive(Default)]
struct Collected {
    genesis: [u8; 32],
    entries: BTreeMap<[u8; 32], Vec<Entry>>,
}

impl Watch for Collected {
    fn genesis(&mut self, _: &Genesis, hash: [u8; 32], _: &MerkleLog) -> Result<(), LedgerError> {
        self.genesis = hash;
        Ok(())
    }

    fn block(&mut self, block: &Whole<'_>) -> Result<(), LedgerError> {
        collect(block.stored, block.contract, &mut self.entries);
        Ok(())
    }
}

fn collect(stored: &StoredBlock, contract: Contract, entries: &mut BTreeMap<[u8; 32], Vec<Entry>>) {
    let header = &stored.block.header;
    for log in stored.receipts.iter().flat_map(|receipt| &receipt.logs) {
        let Some(event) = RegistryEvent::read(contract.address, log) else { continue };
        let entry = |event| Entry { block: header.number, timestamp: header.timestamp, event };
        let Some(id) = event.device() else { continue };
        entries.entry(id).or_default().push(entry(event));
    }
}
