//! What outside parties do with a world: frames that come from them and go to them, that they come and go, and nodes
//! that are switched off and on.

use super::{Host, Inner, Sink, Slot, World};
use crate::event::Actor;
use crate::kernel::Alarm;
use crate::services::guard::OperatorAct;
use crate::wire::{self, Label};
use crate::world::WorldError;
use crate::world::node::{Input, Node};
use crate::world::port::{Iface, Payload, Port, To};

/// How many frames may wait for an outside party before the bench says that it does not take them.
const OUTBOUND_MAX: usize = 10_000;

/// What is for an outside party.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Outbound {
    Frame {
        from: Port,
        to: Port,
        payload: Payload,
    },
    /// The association between its port `own` and `peer` is up, or lost.
    Link {
        own: Port,
        peer: Port,
        up: bool,
    },
}

impl Outbound {
    /// Whom it is for.
    pub fn who(&self) -> Actor {
        match self {
            Self::Frame { to, .. } => to.who,
            Self::Link { own, .. } => own.who,
        }
    }
}

impl World {
    /// Puts a frame on its way from a port whose node is not in this world, or in its name.
    ///
    /// # Errors
    /// Where the frame has no way.
    pub fn inject(&mut self, from: Port, to: To, payload: Payload, sink: Sink<'_>) -> Result<(), WorldError> {
        let label = name(from.at, &payload);
        self.send(self.now, from, to, payload, (label, None), sink)
    }

    /// The frames that have arrived for outside parties since the last call.
    pub fn take_outbound(&mut self) -> impl Iterator<Item = Outbound> + '_ {
        self.outbound.drain(..)
    }

    /// The outside party that plays `actor` is there, or is not any more: its associations come up, or are lost.
    ///
    /// # Errors
    /// Where the bench is at fault, or nobody outside plays `actor`.
    pub fn joined(&mut self, actor: Actor, is_there: bool, sink: Sink<'_>) -> Result<(), WorldError> {
        self.begin(sink)?;
        let slot = self.hosts.get(&actor).and_then(|place| self.slots.get_mut(*place));
        let Some(Slot { node: Inner::Outside { joined }, .. }) = slot else {
            return Err(WorldError::NotOutside { who: actor });
        };
        *joined = is_there;
        if !is_there {
            self.outbound.retain(|waiting| waiting.who() != actor);
        }
        let links = self.topology.links_of(actor);
        links.into_iter().try_for_each(|number| self.set_link(number, is_there, sink))
    }

    /// An operator acts now.
    ///
    /// # Errors
    /// Where the bench is at fault; the world is of no use afterwards.
    pub fn operate(&mut self, act: OperatorAct, sink: Sink<'_>) -> Result<(), WorldError> {
        self.begin(sink)?;
        match self.hosts.get(&Actor::GUARD) {
            Some(place) => self.give(Host::Node(*place), Input::Operator(act), sink),
            None => Ok(()),
        }
    }

    /// Switches a node off and on again: `node` takes its place, and knows nothing of what was before. Its links are
    /// down for that moment.
    ///
    /// # Errors
    /// Where the bench is at fault, or no node here plays `actor`.
    pub fn restart(&mut self, actor: Actor, node: Box<dyn Node>, sink: Sink<'_>) -> Result<(), WorldError> {
        self.begin(sink)?;
        let place = self.here(actor)?;
        let links = self.topology.links_of(actor);
        links.iter().try_for_each(|number| self.set_link(*number, false, sink))?;
        if let Some(slot) = self.slots.get_mut(place) {
            (slot.node, slot.alarm) = (Inner::Here(node), Alarm::default());
        }
        self.give(Host::Node(place), Input::Start, sink)?;
        links.iter().try_for_each(|number| self.set_link(*number, true, sink))
    }

    /// Resumes a node now, so that what it was made to do by somebody who holds it as well is carried.
    ///
    /// # Errors
    /// Where the bench is at fault, or no node here plays `actor`.
    pub fn poke(&mut self, actor: Actor, sink: Sink<'_>) -> Result<(), WorldError> {
        self.begin(sink)?;
        let place = self.here(actor)?;
        self.give(Host::Node(place), Input::Resume, sink)
    }

    /// The place of the node of this world that plays `actor`.
    fn here(&self, actor: Actor) -> Result<usize, WorldError> {
        let place = self.hosts.get(&actor).copied();
        let here = place.filter(|place| self.outside(Host::Node(*place)).is_none());
        here.ok_or(WorldError::NotHere { who: actor })
    }

    pub(super) fn queue_outbound(&mut self, item: Outbound) -> Result<(), WorldError> {
        if self.outbound.len() == OUTBOUND_MAX {
            return Err(WorldError::Deaf { who: item.who(), frames: OUTBOUND_MAX });
        }
        self.outbound.push_back(item);
        Ok(())
    }
}

/// How a frame that comes from outside is called: as it calls itself, not as its sender does.
fn name(iface: Iface, payload: &Payload) -> Option<Label> {
    match (iface, payload) {
        (Iface::S1Mme, Payload::Bytes(bytes)) => Some(wire::s1ap::label_of(bytes)),
        (Iface::S1U, Payload::Bytes(bytes)) => Some(wire::gtpu::label_of(bytes)),
        _ => None,
    }
}
