//! Packets over the air, seen from the contacts of the card and from a server that has the keys.

use super::*;
use crate::card::OtaKeys;
use crate::kernel::Origin;
use crate::wire::ota::{
    Address, Answered, Command, CompactAnswer, Counter, Deliver, Expanded, ExpandedAnswer, Key, KeySet, Kind,
    Part, Reassembly, Response, ResponsePacket, SmsPpDownload, Spi, Status, Submit, TAR_IOT_SAFE, Tar, split,
};

mod attacks;
mod files;
mod iot_safe;
mod platform;
mod vectors;

pub(super) const UICC: Tar = [0xb0, 0x01, 0x20];
pub(super) const USIM: Tar = [0xb0, 0x01, 0x40];
pub(super) const ISSUER: Tar = [0, 0, 0];

/// A terminal that does everything, and one that hands messages over and sends none.
pub(super) const ABLE: &str = "80100000 04 ffffffff";
pub(super) const RECEIVES: &str = "80100000 03 030080";

/// A server that knows the keys of a card.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) keys: KeySet,
    pub(super) spi: Spi,
    /// Of the last packet.
    pub(super) counter: u64,
}

impl Server {
    pub(super) fn of(ota: &OtaKeys) -> Self {
        Self { keys: ota.set.clone(), spi: Spi::PROTECTED, counter: ota.counter.value() }
    }

    pub(super) fn with(&self, spi: u16) -> Self {
        Self { spi: Spi(spi.to_be_bytes()), ..self.clone() }
    }

    /// The next command for `tar`.
    pub(super) fn command(&mut self, tar: Tar, script: &[u8]) -> Command {
        self.counter += 1;
        let counter = Counter::new(self.counter).unwrap();
        Command { header: self.keys.header(self.spi, tar), counter, data: script.to_vec() }
    }

    pub(super) fn seal(&self, command: &Command) -> Vec<u8> {
        command.seal(Some(&self.keys)).unwrap()
    }

    /// What a report of delivery says in answer to `command`.
    pub(super) fn open(&self, command: &Command, report: &[u8]) -> Response {
        let part = Part::parse(report).unwrap();
        assert_eq!(part.kind, Some(Kind::Response));
        let packet = ResponsePacket::read(&part.payload).unwrap();
        packet.open(&command.header, command.counter, Some(&self.keys)).unwrap()
    }

    /// Sends a script, and gives status and data of the answer.
    pub(super) fn ask(&mut self, card: &mut Uicc, tar: Tar, script: &[u8]) -> (Status, Vec<u8>) {
        let command = self.command(tar, script);
        let report = delivered(card, &self.seal(&command));
        assert!(!report.is_empty(), "there is no answer");
        let Response { status, data, .. } = match self.open(&command, &report) {
            Response { status: Status::BY_SUBMIT, .. } => {
                let packet = submitted(card).unwrap();
                let packet = ResponsePacket::read(&packet).unwrap();
                packet.open(&command.header, command.counter, Some(&self.keys)).unwrap()
            }
            response => response,
        };
        (status, data)
    }

    /// The same with a script in compact format.
    pub(super) fn compact(&mut self, card: &mut Uicc, tar: Tar, script: &str) -> String {
        let (status, data) = self.ask(card, tar, &octets(script));
        assert_eq!(status, Status::OK);
        let CompactAnswer { executed, status, data } = CompactAnswer::parse(&data).unwrap();
        format!("{executed} {}{status}", hex::encode(data)).to_lowercase()
    }

    /// The same in expanded format, with the answer to each command.
    pub(super) fn expanded(&mut self, card: &mut Uicc, tar: Tar, commands: &[&str]) -> Vec<String> {
        let commands: Vec<Vec<u8>> = commands.iter().map(|command| octets(command)).collect();
        let script = Expanded::of(commands.iter().map(Vec::as_slice)).encode();
        let (status, data) = self.ask(card, tar, &script);
        assert_eq!(status, Status::OK);
        let answer = ExpandedAnswer::parse(&data).unwrap();
        assert_eq!(usize::from(answer.executed), answer.answers.len());
        answer.answers.iter().map(shown).collect()
    }
}

pub(super) fn shown(answered: &Answered) -> String {
    format!("{}{}", hex::encode(&answered.data), answered.status).to_lowercase()
}

pub(super) fn octets(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

/// The keys of the first card of the test profile.
pub(super) fn keys() -> OtaKeys {
    personalisation().ota.unwrap()
}

pub(super) fn personalisation() -> Personalisation {
    let profile = SimProfile::parse(include_str!("../../../../sim-profiles/lte-test.toml")).unwrap();
    profile.personalise(0).unwrap()
}

/// The first card of the test profile, whose terminal does everything, and a server with its keys.
pub(super) fn lab() -> (Uicc, Server) {
    let mut card = card();
    assert_eq!(send(&mut card, ABLE), "9000");
    (card, Server::of(&keys()))
}

/// The ENVELOPEs that carry a packet.
pub(super) fn envelopes(packet: &[u8]) -> Vec<Vec<u8>> {
    let parts = split(Kind::Command, packet, 0x2a).unwrap();
    parts.iter().map(|part| envelope(part.encode())).collect()
}

/// An ENVELOPE with one message.
pub(super) fn envelope(user_data: Vec<u8>) -> Vec<u8> {
    let originator = Address::new(0x81, "12345678").unwrap();
    let time = [0x62, 0x11, 0x72, 0x02, 0x00, 0x00, 0x00];
    let tpdu = Deliver::to_card(originator, time, user_data).encode().unwrap();
    SmsPpDownload { service_centre: None, tpdu }.command().unwrap()
}

/// Sends a command and fetches what `61xx` announces; data and status word.
pub(super) fn exchange(card: &mut Uicc, command: &[u8]) -> (Vec<u8>, StatusWord) {
    let mut response = card.transmit(command).unwrap();
    if let [0x61, length] = response[..] {
        response = card.transmit(&[0x00, 0xc0, 0x00, 0x00, length]).unwrap();
    }
    let (data, status) = StatusWord::split(&response).unwrap();
    (data.to_vec(), status)
}

/// Hands a packet to the card; what stands in the report of delivery.
pub(super) fn delivered(card: &mut Uicc, packet: &[u8]) -> Vec<u8> {
    let mut report = Vec::new();
    for envelope in envelopes(packet) {
        let (data, status) = exchange(card, &envelope);
        assert!(report.is_empty() && matches!(status.0 >> 8, 0x90 | 0x91), "{status}");
        report = data;
    }
    report
}

/// Sends what the card wants to send: the packet of its answer.
pub(super) fn submitted(card: &mut Uicc) -> Option<Vec<u8>> {
    let mut messages = Reassembly::default();
    loop {
        let (_, status) = exchange(card, &octets("80f2000c"));
        let [0x91, length] = status.to_bytes() else { return None };
        let (command, _) = exchange(card, &[0x80, 0x12, 0x00, 0x00, length]);
        let objects = crate::wire::tlv::find(&command, 0xd0).unwrap();
        let message = Submit::parse(crate::wire::tlv::find(objects, 0x8b).unwrap()).unwrap();
        assert_eq!(message.destination.digits(), "12345678");
        let done = "80140000 0c 810301130082028281830100";
        send(card, done);
        if let Some((kind, packet)) = messages.take(Part::parse(&message.user_data).unwrap()).unwrap() {
            assert_eq!(kind, Kind::Response);
            return Some(packet);
        }
    }
}
