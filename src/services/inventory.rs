//! What the operator and the owner knew of each device before it was powered on.

use std::collections::BTreeMap;

use crate::corenet::Attestation;
use crate::id::{DeviceName, Eid, Iccid, Imei, Tac};
use crate::ledger::device_id;

/// One device, as ordered.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The identifier of its card (eUICC).
    pub eid: Eid,
    /// The model, as the registrar records it on the ledger.
    pub model: String,
    /// Hides the EID on the ledger; deleting it makes the record there anonymous for good.
    pub salt: [u8; 32],
    /// The name that stands for it in its certificate and towards the cloud, and says nothing of what is above.
    pub name: DeviceName,
    /// Whether the owner expects this device.
    pub allowed: bool,
    /// The model of the equipment that the card was ordered for, where that is known.
    pub equipment: Option<Tac>,
}

/// The operator's stock of cards and the owner's allow list. The network attests an ICCID; it leads to the card
/// that holds this subscription, and the card to the device.
#[derive(Debug, Default)]
pub struct Inventory {
    devices: BTreeMap<Eid, Entry>,
    cards: BTreeMap<Iccid, Eid>,
    /// The same by the identity on the ledger; made when somebody asks for the first time.
    by_id: Option<BTreeMap<[u8; 32], Eid>>,
}

impl Entry {
    /// Whether the network has the card in equipment of another model. Equipment that has not told what it is is not held
    /// against it.
    pub fn is_elsewhere(&self, attestation: &Attestation) -> bool {
        let found = attestation.imei.as_ref().map(Imei::tac);
        self.equipment.zip(found).is_some_and(|(ordered, found)| ordered != found)
    }
}

impl Inventory {
    /// Adds a device with its card. The first entry stands: a clone brings no entry of its own.
    pub fn add(&mut self, iccid: Iccid, entry: Entry) {
        self.bind(iccid, entry.eid.clone());
        self.by_id = None;
        self.devices.entry(entry.eid.clone()).or_insert(entry);
    }

    /// Notes that the card with this EID holds the subscription: the SM-DP+ has installed it there, and the card has
    /// proved its EID with its certificate. The first card stands.
    pub fn bind(&mut self, iccid: Iccid, eid: Eid) {
        self.cards.entry(iccid).or_insert(eid);
    }

    /// The device that the ledger knows by `id`.
    pub fn of_id(&mut self, id: &[u8; 32]) -> Option<&Entry> {
        let by_id = self.by_id.get_or_insert_with(|| {
            let identity = |entry: &Entry| (device_id(&entry.salt, entry.eid.as_str()), entry.eid.clone());
            self.devices.values().map(identity).collect()
        });
        self.devices.get(by_id.get(id)?)
    }

    /// The subscriptions that the card with this EID holds.
    pub fn subscriptions<'a>(&'a self, eid: &'a Eid) -> impl Iterator<Item = &'a Iccid> {
        self.cards.iter().filter(move |(_, holder)| *holder == eid).map(|(iccid, _)| iccid)
    }

    /// The device that holds this subscription.
    pub fn find(&self, iccid: &Iccid) -> Option<&Entry> {
        self.devices.get(self.cards.get(iccid)?)
    }
}
