//! What a world holds, part by part.

use super::{Inner, World};
use crate::kernel::Gone;

impl World {
    /// Takes the world down part by part, and names each part once it is gone.
    pub fn take_down(self, gone: Gone<'_>) {
        let Self { queue, topology, fleet, slots, owners, .. } = self;
        drop(fleet);
        gone("fleet");
        drop(queue);
        drop(topology);
        gone("events and links");
        drop(owners);
        gone("whose sessions are");
        for slot in slots {
            if let Inner::Here(node) = slot.node {
                node.take_down(gone);
            }
        }
    }
}
