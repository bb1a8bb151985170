//! The switch behind the gateway as a node: SGi to the gateway, the services' network, and OpenFlow to its controller.

use crate::event::{Actor, Body, SessionKey};
use crate::kernel::Instant;
use crate::sdn::{Switch, SwitchConfig, SwitchInput, SwitchOutput, Tap};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// The one controller that a run has.
const CHANNEL: u32 = 1;

/// The switch through which all packets of devices go.
pub struct SwitchNode(pub Switch);

impl SwitchNode {
    fn put(now: Instant, output: SwitchOutput) -> Option<Output> {
        let own = |at| Port::new(Actor::SWITCH, at);
        Some(match output {
            SwitchOutput::Message { octets, label, .. } => {
                let to = To::Port(Port::new(Actor::CONTROLLER, Iface::OpenFlow));
                Output::frame(now, own(Iface::OpenFlow), to, octets, label)
            }
            // The association is the world's to end.
            SwitchOutput::Close { .. } => return None,
            SwitchOutput::Packet { port, octets } => {
                let (at, peer) = match port {
                    SwitchConfig::DEVICES => (Iface::Sgi, Actor::GATEWAY),
                    _ => (Iface::SgiLan, Actor::SERVICES),
                };
                let (from, to, payload) = (own(at), To::Port(Port::new(peer, at)), Payload::Bytes(octets));
                Output::Send { at: now, from, to, payload, label: None, session: None }
            }
            SwitchOutput::Dropped { address, direction, why, count } => {
                let mut fields =
                    vec![("direction", direction.name().to_owned()), ("reason", why.name().to_owned())];
                if let Some(address) = address {
                    fields.insert(0, ("session", address.to_string()));
                }
                fields.push(("count", count.to_string()));
                let body = Body::note(Actor::SWITCH, "packet dropped", fields);
                Output::Tell { at: now, body, session: address.map(SessionKey::Address) }
            }
        })
    }
}

impl Node for SwitchNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let message;
        let input = match input {
            Input::Linked { at: Iface::OpenFlow, .. } => SwitchInput::Connected { channel: CHANNEL },
            Input::Unlinked { at: Iface::OpenFlow, .. } => SwitchInput::Lost { channel: CHANNEL },
            Input::Frame { at: Iface::OpenFlow, payload: Payload::Bytes(octets), .. } => {
                message = octets;
                SwitchInput::Message { channel: CHANNEL, octets: &message }
            }
            Input::Frame { at: Iface::Sgi, payload: Payload::Bytes(octets), .. } => {
                SwitchInput::Packet { port: SwitchConfig::DEVICES, octets }
            }
            Input::Frame { at: Iface::SgiLan, payload: Payload::Bytes(octets), .. } => {
                SwitchInput::Packet { port: SwitchConfig::SERVICES, octets }
            }
            Input::Timer => SwitchInput::Timer,
            _ => return Ok(()),
        };
        let mut outputs = Vec::new();
        // Whoever watches the packets of devices looks in here.
        let mut watch = |_: Tap<'_>| {};
        self.0.handle(now, input, &mut watch, &mut outputs)?;
        out.extend(outputs.into_iter().filter_map(|output| Self::put(now, output)));
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.deadline()
    }

    fn counters(&self, tell: &mut dyn FnMut(String, u64)) {
        self.0.drops().for_each(|(why, count)| tell(format!("switch.dropped.{}", why.name()), count));
        tell("switch.flows".to_owned(), self.0.flows().len() as u64);
    }
}
