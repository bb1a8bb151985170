//! The service network as a node.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::rc::Rc;

use crate::corenet::Epc;
use crate::event::Actor;
use crate::kernel::Instant;
use crate::services::{ServiceInput, ServiceOutput, Services};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// Everything that devices reach behind the gateway.
pub struct ServicesNode {
    pub services: Rc<RefCell<Services>>,
    pub epc: Rc<RefCell<Epc>>,
    pub addresses: Rc<RefCell<BTreeMap<Ipv4Addr, u32>>>,
}

impl Node for ServicesNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let input = match input {
            Input::Frame { at: Iface::Sgi, payload: Payload::Bytes(packet), .. } => {
                ServiceInput::Packet(packet)
            }
            Input::Timer => ServiceInput::Timer,
            _ => return Ok(()),
        };
        let mut outputs = Vec::new();
        let (epc, addresses) = (self.epc.borrow(), self.addresses.borrow());
        self.services.borrow_mut().handle(now, input, &epc, &addresses, &mut outputs)?;
        out.extend(outputs.into_iter().map(|output| match output {
            ServiceOutput::Packet(packet) => Output::Send {
                at: now,
                from: Port::new(Actor::SERVICES, Iface::Sgi),
                to: To::Port(Port::new(Actor::GATEWAY, Iface::Sgi)),
                payload: Payload::Bytes(packet),
                label: None,
            },
            ServiceOutput::Event(body) => Output::Tell { at: now, body },
        }));
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.services.borrow().deadline()
    }
}
