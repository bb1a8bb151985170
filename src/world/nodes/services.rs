//! The service network as a node.

use crate::event::{Actor, SessionKey};
use crate::kernel::{Gone, Instant};
use crate::ledger::{DeviceRecord, Status, device_id};
use crate::services::orders::SignedOrder;
use crate::services::{Offices, ServiceInput, ServiceOutput, Services};
use crate::world::WorldError;
use crate::world::books::{Fact, Octets, Tell};
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// Everything that devices reach behind the gateway.
pub struct ServicesNode {
    services: Services,
    /// Who follows the orders of the registrar, as far as they are there.
    followers: Vec<Port>,
}

impl ServicesNode {
    /// The node of `services`.
    pub fn new(services: Services) -> Self {
        Self { services, followers: Vec::new() }
    }

    fn put(now: Instant, output: ServiceOutput, to: &[Port], out: &mut Vec<Output>) {
        match output {
            ServiceOutput::Packet(packet) => out.push(Output::Send {
                at: now,
                from: Port::new(Actor::SERVICES, Iface::SgiLan),
                to: To::Port(Port::new(Actor::SWITCH, Iface::SgiLan)),
                payload: Payload::Bytes(packet),
                label: None,
                session: None,
            }),
            ServiceOutput::Event(body, device) => {
                out.push(Output::Tell { at: now, body, session: device.map(SessionKey::Device) });
            }
            ServiceOutput::Order(SignedOrder { token, label, device }) => {
                let from = Port::new(Actor::REGISTRAR, Iface::Orders);
                out.extend(to.iter().map(|follower| {
                    Output::frame(now, from, To::Port(*follower), token.clone(), label.clone())
                        .about(device.map(SessionKey::Device))
                }));
            }
        }
    }
}

impl Node for ServicesNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let input = match input {
            Input::Frame { at: Iface::SgiLan, payload: Payload::Bytes(packet), .. } => {
                ServiceInput::Packet(packet)
            }
            Input::Frame { at: Iface::Mirror, payload: Payload::Bytes(packet), .. } => {
                ServiceInput::Dropped(packet)
            }
            Input::Frame { at: Iface::SgiAaa, payload: Payload::Bytes(token), .. } => {
                ServiceInput::Session(token)
            }
            Input::Linked { at: Iface::Orders, peer } => {
                self.followers.push(peer);
                ServiceInput::Followed
            }
            Input::Unlinked { at: Iface::Orders, peer } => {
                self.followers.retain(|follower| *follower != peer);
                return Ok(());
            }
            Input::Frame { at: Iface::Alarms, payload: Payload::Bytes(token), .. } => {
                ServiceInput::Alarm(token)
            }
            Input::Operator(act) => ServiceInput::Operator(act),
            Input::Timer | Input::Resume => ServiceInput::Timer,
            _ => return Ok(()),
        };
        // Who comes back is told alone what the others have been told.
        let operates = matches!(input, ServiceInput::Operator(_));
        let may_ask = matches!(input, ServiceInput::Alarm(_) | ServiceInput::Session(_));
        let new = matches!(input, ServiceInput::Followed).then(|| self.followers.len() - 1);
        let mut outputs = Vec::new();
        self.services.handle(now, input, &mut outputs)?;
        let to = &self.followers[new.unwrap_or(0)..];
        outputs.into_iter().for_each(|output| Self::put(now, output, to, out));
        // The run does not end before the ledger has said what becomes of it.
        let Offices { guard, chain, .. } = self.services.offices();
        let asks = operates || may_ask && guard.waits();
        if let (true, Some(at)) = (asks, chain.deadline()) {
            out.push(Output::Resume { at });
        }
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.services.deadline()
    }

    fn books(&self, tell: Tell<'_>) {
        let Offices { inventory, chain, enrolment, .. } = self.services.offices();
        let mut before = None;
        for (iccid, device) in self.services.sessions().holders().iter() {
            let Some(entry) = inventory.find(iccid) else {
                tell(Fact::Reserved { device, iccid: iccid.clone() });
                continue;
            };
            let id = device_id(&entry.salt, entry.eid.as_str());
            // Copies of a card follow one another, and have one record.
            if before.replace(id) != Some(id)
                && let Some(record) = chain.ledger().device(&id)
            {
                tell(record_of(id, &record));
            }
            tell(Fact::Device {
                device,
                iccid: iccid.clone(),
                eid: entry.eid.clone(),
                id: Octets(id),
                name: entry.name,
                model: entry.model.clone(),
                allowed: entry.allowed,
            });
        }
        for record in enrolment.authority().index().records() {
            // Servers have other names.
            if let Ok(name) = record.subject.parse() {
                let (digest, revoked) = (Octets(record.tbs_sha256), record.revoked.is_some());
                tell(Fact::Certificate { name, digest, revoked });
            }
        }
    }

    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        self.services.take_down(gone);
    }
}

/// What the ledger says of a device.
pub fn record_of(id: [u8; 32], record: &DeviceRecord) -> Fact {
    let certificate = (record.cert_hash != [0; 32]).then_some(Octets(record.cert_hash));
    let cut_off = matches!(record.status, Status::Quarantined | Status::Revoked | Status::Retired);
    Fact::Record { id: Octets(id), x: Octets(record.x), y: Octets(record.y), certificate, cut_off }
}
