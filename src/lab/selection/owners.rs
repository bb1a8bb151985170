//! Whose an event is: of the device that it names, or of the one that the session belongs to which it is about.
//!
//! S1AP and S6a do not name a device. An Initial UE Message carries the NAS message that the UE has just sent
//! (TS 36.413 clause 8.6.2.1) and says under which eNB UE S1AP ID the rest will follow; S6a and what the gateway states
//! of a session name the IMSI, the latter with the address that the packets of the session have inside their tunnel.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::event::{Actor, Body, Event, Message, Role};
use crate::wire::s1ap::{InitialUeMessage, Pdu};
use crate::wire::{Fields, Proto, gtpu};

/// The first octets of a TLS record with a handshake message in it (RFC 8446 clause 5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
const CLIENT_HELLO: u8 = 1;
/// Where the random stands in a record with a Client Hello: after two headers and the version.
const CLIENT_RANDOM_AT: usize = 11;

/// What has been seen of devices and their sessions.
#[derive(Default)]
pub(super) struct Owners {
    /// The last NAS message of each UE under way, and back.
    sent: HashMap<u32, Vec<u8>>,
    senders: HashMap<Vec<u8>, u32>,
    by_s1ap_id: HashMap<(u32, u32), u32>,
    by_imsi: HashMap<u64, u32>,
    by_address: HashMap<Ipv4Addr, u32>,
    /// Who the last S6a request was about.
    asked: Option<u32>,
}

impl Owners {
    /// The device whose `event` is; `None` where it is of the network as such, or does not tell. Every event must come
    /// past, in order.
    pub fn of(&mut self, event: &Event) -> Option<u32> {
        match &event.body {
            Body::StepStarted { device, .. } | Body::StepEnded { device, .. } => Some(*device),
            Body::State(state) => state.actor.part_of().or_else(|| self.of_fields(&state.fields)),
            Body::Message(message) => match message.from.part_of().or(message.to.part_of()) {
                Some(device) => {
                    self.learn(device, message);
                    Some(device)
                }
                None => self.of_network(message),
            },
        }
    }

    /// Forgets what is of no use once a device is through.
    pub fn through(&mut self, device: u32) {
        if let Some(nas) = self.sent.remove(&device) {
            self.senders.remove(&nas);
        }
    }

    fn learn(&mut self, device: u32, message: &Message) {
        if message.to != Actor::MME || message.from.role != Role::Ue {
            return;
        }
        self.through(device);
        self.senders.insert(message.bytes.clone(), device);
        self.sent.insert(device, message.bytes.clone());
        if let Some(imsi) = number(&message.label.fields, "imsi") {
            self.by_imsi.insert(imsi, device);
        }
    }

    fn of_network(&mut self, message: &Message) -> Option<u32> {
        match message.label.proto {
            Proto::S1ap => self.of_s1ap(message),
            Proto::S6a if message.from == Actor::HSS => self.asked.take(),
            Proto::S6a => {
                self.asked = self.of_fields(&message.label.fields);
                self.asked
            }
            Proto::Cwt => {
                let device = self.of_fields(&message.label.fields)?;
                if let Some(address) = address(&message.label.fields, "address") {
                    self.by_address.insert(address, device);
                }
                Some(device)
            }
            Proto::GtpU => {
                let gtpu::Received::User { packet, .. } = gtpu::decode(&message.bytes).ok()? else {
                    return None;
                };
                let (source, destination) = gtpu::ipv4_addresses(packet)?;
                let own = if message.from.role.is_base_station() { source } else { destination };
                self.by_address.get(&own).copied()
            }
            _ => None,
        }
    }

    fn of_fields(&self, fields: &Fields) -> Option<u32> {
        let by_imsi = number(fields, "imsi").and_then(|imsi| self.by_imsi.get(&imsi));
        let by_session = || address(fields, "session").and_then(|address| self.by_address.get(&address));
        by_imsi.or_else(by_session).copied()
    }

    fn of_s1ap(&mut self, message: &Message) -> Option<u32> {
        let id = u32::try_from(number(&message.label.fields, "enb-ue-id")?).ok()?;
        let enb = if message.from.role.is_base_station() { message.from } else { message.to };
        let key = (enb.number, id);
        if message.label.name == "InitialUEMessage" {
            let nas =
                Pdu::decode(&message.bytes).ok().and_then(|pdu| Some(InitialUeMessage::read(&pdu).ok()?.nas));
            match nas.and_then(|nas| self.senders.get(&nas)) {
                Some(device) => self.by_s1ap_id.insert(key, *device),
                None => self.by_s1ap_id.remove(&key),
            };
        }
        self.by_s1ap_id.get(&key).copied()
    }
}

/// The client random of the Client Hello that a packet of a device begins, in hexadecimal digits.
pub(super) fn client_random(message: &Message) -> Option<String> {
    if message.label.proto != Proto::GtpU || !message.from.role.is_base_station() {
        return None;
    }
    let gtpu::Received::User { packet, .. } = gtpu::decode(&message.bytes).ok()? else { return None };
    let words = |octet: u8| usize::from(octet) * 4;
    let segment = packet.get(words(packet.first()? & 0x0f)..)?;
    let record = segment.get(words(segment.get(12)? >> 4)..)?;
    let is_hello = record.starts_with(&TLS_HANDSHAKE) && record.get(5) == Some(&CLIENT_HELLO);
    is_hello.then(|| record.get(CLIENT_RANDOM_AT..CLIENT_RANDOM_AT + 32).map(hex::encode))?
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn number(fields: &Fields, name: &str) -> Option<u64> {
    value(fields, name)?.parse().ok()
}

fn address(fields: &Fields, name: &str) -> Option<Ipv4Addr> {
    value(fields, name)?.parse().ok()
}
