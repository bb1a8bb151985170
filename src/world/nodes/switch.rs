//! The switch behind the gateway as a node: SGi to the gateway, the services' network, and OpenFlow to its controller.

use crate::event::{Actor, Body, SessionKey};
use crate::kernel::Instant;
use crate::sdn::{Direction, Switch, SwitchConfig, SwitchInput, SwitchOutput, Tap, TapVerdict};
use crate::wire::gtpu::DropCause;
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// The one controller that a run has.
const CHANNEL: u32 = 1;

/// Of what is dropped in a second, the guard is shown so many packets.
const MIRRORED_MAX: u32 = 1_000;

/// The switch through which all packets of devices go.
pub struct SwitchNode {
    switch: Switch,
    /// Whether somebody wants to see what is dropped.
    mirrors: bool,
    /// In which second how many packets were shown.
    mirrored: (u64, u32),
}

impl SwitchNode {
    /// The node of `switch`. With `mirrors` a guard is shown what devices send and the switch drops.
    pub fn new(switch: Switch, mirrors: bool) -> Self {
        Self { switch, mirrors, mirrored: (0, 0) }
    }

    /// Whether one more packet may be shown at `now`.
    fn may_mirror(mirrored: &mut (u64, u32), now: Instant) -> bool {
        let second = now.as_micros() / 1_000_000;
        if mirrored.0 != second {
            *mirrored = (second, 0);
        }
        mirrored.1 += 1;
        mirrored.1 <= MIRRORED_MAX
    }

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
        let mirrored = &mut self.mirrored;
        let mirrors = self.mirrors;
        let mut watch = |tap: Tap<'_>| {
            // What no flow takes is of nobody who has a session.
            let is_dropped = tap.verdict == TapVerdict::Dropped(DropCause::FlowDrops);
            if mirrors && is_dropped && tap.direction == Direction::Up && Self::may_mirror(mirrored, now) {
                out.push(Output::Send {
                    at: now,
                    from: Port::new(Actor::SWITCH, Iface::Mirror),
                    to: To::Port(Port::new(Actor::SERVICES, Iface::Mirror)),
                    payload: Payload::Bytes(tap.packet.to_vec()),
                    label: None,
                    session: None,
                });
            }
        };
        self.switch.handle(now, input, &mut watch, &mut outputs)?;
        out.extend(outputs.into_iter().filter_map(|output| Self::put(now, output)));
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.switch.deadline()
    }

    fn counters(&self, tell: &mut dyn FnMut(String, u64)) {
        self.switch.drops().for_each(|(why, count)| tell(format!("switch.dropped.{}", why.name()), count));
        tell("switch.flows".to_owned(), self.switch.flows().len() as u64);
    }
}
