//! The key log of a run that records only some of its devices: the TLS secrets of those, and of connections that are of no
//! device.

use std::collections::HashMap;

use crate::crypto::tls::KeyLogSink;
use crate::event::Message;
use crate::wire::{Proto, gtpu};

/// The first octets of a TLS record with a handshake message in it (RFC 8446 clause 5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
const CLIENT_HELLO: u8 = 1;
/// Where the random stands in a record with a Client Hello: after two headers and the version.
const CLIENT_RANDOM_AT: usize = 11;

/// Where TLS secrets come from, and where those that are recorded go.
pub(super) struct Keys {
    from: KeyLogSink,
    to: KeyLogSink,
    /// Whose a connection is, by its client random in hexadecimal digits.
    owners: HashMap<String, u32>,
    /// The connections of a device that is under way, and the lines of their secrets.
    held: HashMap<u32, Held>,
}

#[derive(Default)]
struct Held {
    randoms: Vec<String>,
    lines: Vec<String>,
}

impl Keys {
    pub fn new(from: KeyLogSink, to: KeyLogSink) -> Self {
        Self { from, to, owners: HashMap::new(), held: HashMap::new() }
    }

    /// A connection of `device`, which is under way.
    pub fn opened(&mut self, device: u32, random: String) {
        self.held.entry(device).or_default().randoms.push(random.clone());
        self.owners.insert(random, device);
    }

    /// Takes in the secrets that have come meanwhile.
    pub fn drain(&mut self) {
        for line in self.from.take() {
            // LABEL client-random secret
            let owner = line.split(' ').nth(1).and_then(|random| self.owners.get(random));
            match owner.and_then(|device| self.held.get_mut(device)) {
                Some(held) => held.lines.push(line),
                None => self.to.add(line),
            }
        }
    }

    /// `device` is recorded, or only counted.
    pub fn decided(&mut self, device: u32, recorded: bool) {
        self.drain();
        let Some(held) = self.held.remove(&device) else { return };
        for random in &held.randoms {
            self.owners.remove(random);
        }
        if recorded {
            held.lines.into_iter().for_each(|line| self.to.add(line));
        }
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
