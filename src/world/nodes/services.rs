//! The service network as a node.

use crate::event::{Actor, SessionKey};
use crate::kernel::{Gone, Instant};
use crate::ledger::{DeviceRecord, device_id};
use crate::services::{Offices, ServiceInput, ServiceOutput, Services};
use crate::world::WorldError;
use crate::world::books::{Fact, Octets, Tell};
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

    fn books(&self, tell: Tell<'_>) {
        let Offices { inventory, chain, enrolment, .. } = self.0.offices();
        let mut before = None;
        for (iccid, device) in self.0.sessions().holders().iter() {
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
        self.0.take_down(gone);
    }
}

/// What the ledger says of a device.
pub fn record_of(id: [u8; 32], record: &DeviceRecord) -> Fact {
    let certificate = (record.cert_hash != [0; 32]).then_some(Octets(record.cert_hash));
    Fact::Record { id: Octets(id), x: Octets(record.x), y: Octets(record.y), certificate }
}
