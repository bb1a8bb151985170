//! What the operator and the owner knew of each device before it was powered on.

use std::collections::BTreeMap;

use crate::id::{Eid, Iccid};

/// One device, as ordered.
#[derive(Debug, Clone)]
pub struct Entry {
    pub eid: Eid,
    pub model: String,
    /// Hides the EID on the ledger; deleting it makes the record there anonymous for good.
    pub salt: [u8; 32],
    /// Whether the owner expects this device.
    pub allowed: bool,
}

/// The operator's stock of cards and the owner's allow list. The network attests an ICCID; it leads here.
#[derive(Debug, Default)]
pub struct Inventory {
    by_iccid: BTreeMap<Iccid, Entry>,
}

impl Inventory {
    /// Adds a device. The first entry for a card stands: a clone brings no entry of its own.
    pub fn add(&mut self, iccid: Iccid, entry: Entry) {
        self.by_iccid.entry(iccid).or_insert(entry);
    }

    /// The device that was ordered with this card.
    pub fn find(&self, iccid: &Iccid) -> Option<&Entry> {
        self.by_iccid.get(iccid)
    }
}
