//! What happened to each device, read from the receipts of the stored blocks.

use std::collections::BTreeMap;

use super::block::StoredBlock;
use super::replay::{Depth, replay};
use crate::ledger::checkpoint;
use crate::ledger::error::LedgerError;
use crate::ledger::events::RegistryEvent;
use crate::ledger::registry::{Contract, DeviceRecord};
use crate::ledger::slots;
use crate::ledger::store::Store;

/// A ledger as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub contract: Contract,
    /// The number, hash and time of the last block.
    pub head: u64,
    pub head_hash: [u8; 32],
    pub timestamp: u64,
    pub transactions: u64,
    /// How many blocks the checkpoint covers, the genesis included.
    pub covered: u64,
    /// The checkpoint's verifier key in the text form of signed-note.
    pub verifier_key: String,
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
    let contents = store.read_all()?;
    let mut entries: BTreeMap<[u8; 32], Vec<Entry>> = BTreeMap::new();
    let replayed = replay(store, &contents, Depth::Light, &None, &mut |stored, contract| {
        collect(stored, contract, &mut entries);
    })?;
    let devices = entries
        .into_iter()
        .filter_map(|(id, entries)| {
            let slot = |at| replayed.world.slot(replayed.contract.address, at);
            let record = slots::device(slot, &id)?;
            Some((id, DeviceHistory { record, entries }))
        })
        .collect();
    Ok(History {
        contract: replayed.contract,
        head: replayed.head.number,
        head_hash: replayed.head.hash().0,
        timestamp: replayed.head.timestamp,
        transactions: replayed.transactions,
        covered: replayed.covered.map_or(0, |covered| covered.size),
        verifier_key: checkpoint::verifier_key(replayed.genesis.chain_id, &replayed.genesis.checkpoint_key)?,
        devices,
    })
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
