//! Who is told what the parties of a run have in their books.

use std::collections::BTreeMap;

use super::{Inner, World};
use crate::world::books::{Fact, Tell};

/// Who is told what the card of a device holds when it leaves.
pub type Witness = Box<dyn FnMut(Fact)>;

impl World {
    /// Has `witness` told what the card of each device holds when the device leaves.
    pub fn witnessed(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    pub(super) fn ask_card(&mut self, number: u32) {
        if let Some(witness) = &mut self.witness
            && let Some(running) = self.fleet.running(number)
        {
            witness(running.node.card());
        }
    }

    /// What everybody has in his books at the end: the cards of those who have not left, and what stands behind the
    /// network. The witness is told nothing any more.
    pub fn books(&mut self, tell: Tell<'_>) {
        self.witness = None;
        self.fleet.each_running(|device, running| {
            tell(Fact::UnderWay { device });
            tell(running.node.card());
        });
        for slot in &self.slots {
            if let Inner::Here(node) = &slot.node {
                node.books(tell);
            }
        }
    }

    /// What nodes have counted, by name: sums over all nodes of a kind.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for slot in &self.slots {
            if let Inner::Here(node) = &slot.node {
                node.counters(&mut |name, count| *counted.entry(name).or_default() += count);
            }
        }
        counted
    }
}
