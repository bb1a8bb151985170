//! The service network as a node.

use crate::event::{Actor, SessionKey};
use crate::kernel::{Gone, Instant};
use crate::services::{ServiceInput, ServiceOutput, Services};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// Everything that devices reach behind the gateway.
pub struct ServicesNode(pub Services);

impl Node for ServicesNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let input = match input {
            Input::Frame { at: Iface::Sgi, payload: Payload::Bytes(packet), .. } => {
                ServiceInput::Packet(packet)
            }
            Input::Frame { at: Iface::SgiAaa, payload: Payload::Bytes(token), .. } => {
                ServiceInput::Session(token)
            }
            Input::Timer => ServiceInput::Timer,
            _ => return Ok(()),
        };
        let mut outputs = Vec::new();
        self.0.handle(now, input, &mut outputs)?;
        out.extend(outputs.into_iter().map(|output| match output {
            ServiceOutput::Packet(packet) => Output::Send {
                at: now,
                from: Port::new(Actor::SERVICES, Iface::Sgi),
                to: To::Port(Port::new(Actor::GATEWAY, Iface::Sgi)),
                payload: Payload::Bytes(packet),
                label: None,
                session: None,
            },
            ServiceOutput::Event(body, device) => {
                Output::Tell { at: now, body, session: device.map(SessionKey::Device) }
            }
        }));
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.deadline()
    }

    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        self.0.take_down(gone);
    }
}
