//! The capture: a pcapng file (draft-ietf-opsawg-pcapng) that Wireshark dissects without being told how.
//!
//! Five interfaces, with time stamps of virtual time in nanoseconds, four of raw IPv4 (LINKTYPE_IPV4, 228) and one of what
//! Wireshark calls upper PDUs (LINKTYPE_WIRESHARK_UPPER_PDU, 252):
//!
//! * `uu`: RRC, each message with the name of its dissector, as it is above PDCP;
//! * `s1-mme`: S1AP in SCTP DATA chunks (RFC 9260, PPID 18), port 36412;
//! * `s1-u`: GTP-U in UDP, port 2152, with the packets of the devices inside;
//! * `openflow`: OpenFlow 1.3 in TCP, port 6653, between the switch and its controller;
//! * `card`: APDUs in GSMTAP (UDP port 4729, type SIM), one packet per exchange: command, then response.
//!
//! What is inside these is not written again: NAS is in S1AP, TLS and all that it protects is in GTP-U. The
//! lower layers are synthesised, as the bench has none: only their checksums and counters are real.
//! A comment on each packet says who speaks and what the transcript calls it, as Wireshark has no names for the
//! commands of IoT SAFE. Name resolution blocks give the actors' names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::Ipv4Addr;

use super::summary::title;
use super::{RunFacts, RunSummary, View, text};
use crate::event::{Actor, Body, Event, Message, Role};
use crate::kernel::{EPOCH_UNIX_S, Instant};
use crate::wire::openflow::PORT;
use crate::wire::{Proto, rrc};

mod packet;

/// Interfaces and what runs over them, in the order in which they are declared.
const INTERFACES: [(&str, u16, &str); 5] = [
    ("s1-mme", LINKTYPE_IPV4, "S1AP between base stations and MME, with NAS inside"),
    ("s1-u", LINKTYPE_IPV4, "GTP-U between base stations and gateway, with the devices' packets inside"),
    ("card", LINKTYPE_IPV4, "APDUs between modem or device and card"),
    ("openflow", LINKTYPE_IPV4, "OpenFlow between switch and controller"),
    ("uu", LINKTYPE_UPPER_PDU, "RRC between UEs and base stations, above PDCP, with NAS inside"),
];
const S1_MME: u32 = 0;
const S1_U: u32 = 1;
const CARD: u32 = 2;
const OPENFLOW: u32 = 3;
const UU: u32 = 4;

/// What a reader of the file should know.
const ADVICE: &str = "The lower layers are synthesised; times are virtual. NAS after the Security Mode Command is \
                      ciphered: Wireshark may take it for clear by chance unless nas-eps.null_decipher is off. \
                      View > Name Resolution shows who is who. sslkeylog.txt, where the run left it, opens TLS (tls.keylog_file).";

/// LINKTYPE_IPV4.
const LINKTYPE_IPV4: u16 = 228;

/// LINKTYPE_WIRESHARK_UPPER_PDU: tags that say who takes the PDU apart and between whom it was, then the PDU.
const LINKTYPE_UPPER_PDU: u16 = 252;
/// The tags (Wireshark's `exported_pdu.h`): the name of the dissector, addresses, and the end of the tags.
const TAG_DISSECTOR: u16 = 12;
const TAG_IPV4_SOURCE: u16 = 20;
const TAG_IPV4_DESTINATION: u16 = 21;

/// Block types (clause 11.1).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const NAME_RESOLUTION: u32 = 4;
const ENHANCED_PACKET: u32 = 6;

/// Option codes (clauses 3.5, 4.1 and 4.2).
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;

/// Writes the capture.
pub struct Pcapng<W> {
    out: W,
    /// Next TSN and stream sequence number of each direction of each S1 association.
    associations: BTreeMap<(Actor, Actor), packet::Sequence>,
    /// How many octets each actor has sent to each other on a connection of OpenFlow.
    connections: BTreeMap<(Actor, Actor), u32>,
    /// Commands that wait for their response, with their comments, by card.
    commands: BTreeMap<u32, (Vec<u8>, String)>,
    named: BTreeSet<Ipv4Addr>,
}

impl<W: Write> Pcapng<W> {
    /// Begins a capture in `out`.
    pub fn new(mut out: W, facts: &RunFacts) -> io::Result<Self> {
        // Byte order magic, version 1.0, section length unknown.
        let mut header = Vec::new();
        header.extend_from_slice(&0x1a2b_3c4du32.to_le_bytes());
        header.extend_from_slice(&1u16.to_le_bytes());
        header.extend_from_slice(&0u16.to_le_bytes());
        header.extend_from_slice(&u64::MAX.to_le_bytes());
        let recorded = facts.recorded().map_or_else(String::new, |which| format!("This file {which}.\n"));
        option(&mut header, OPT_COMMENT, format!("{}\n{recorded}{ADVICE}", title(facts)).as_bytes());
        option(&mut header, SHB_USERAPPL, b"cellbed");
        end_of_options(&mut header);
        block(&mut out, SECTION_HEADER, &header)?;

        for (name, link_type, what) in INTERFACES {
            let mut description = Vec::new();
            description.extend_from_slice(&link_type.to_le_bytes());
            description.extend_from_slice(&[0; 6]);
            option(&mut description, IF_NAME, name.as_bytes());
            option(&mut description, IF_DESCRIPTION, what.as_bytes());
            // A power of ten: nanoseconds.
            option(&mut description, IF_TSRESOL, &[9]);
            end_of_options(&mut description);
            block(&mut out, INTERFACE_DESCRIPTION, &description)?;
        }
        let (associations, connections, commands, named) = Default::default();
        Ok(Self { out, associations, connections, commands, named })
    }

    fn message(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        match message.label.proto {
            Proto::S1ap => self.s1ap(at, message),
            Proto::GtpU => self.gtp_u(at, message),
            Proto::Apdu => self.apdu(at, message),
            Proto::Openflow => self.openflow(at, message),
            Proto::Rrc => self.rrc(at, message),
            _ => Ok(()),
        }
    }

    fn s1ap(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        let (from, to) = (message.from.transport_address(), message.to.transport_address());
        let comment = comment(message);
        let sequence = self.associations.entry((message.from, message.to)).or_default();
        for datagram in packet::sctp(from, to, &message.bytes, sequence) {
            self.names(message)?;
            self.packet(S1_MME, at, &datagram, &comment)?;
        }
        Ok(())
    }

    fn gtp_u(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        let (from, to) = (message.from.transport_address(), message.to.transport_address());
        let datagram = packet::udp((from, packet::GTP_U_PORT), (to, packet::GTP_U_PORT), &message.bytes)?;
        self.names(message)?;
        self.packet(S1_U, at, &datagram, &comment(message))
    }

    /// The label says on which logical channel the message was.
    fn rrc(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        let Some(channel) = rrc::Channel::of(&message.label) else { return Ok(()) };
        let mut pdu = Vec::new();
        let mut tag = |number: u16, value: &[u8]| {
            pdu.extend_from_slice(&number.to_be_bytes());
            pdu.extend_from_slice(&(value.len().next_multiple_of(4) as u16).to_be_bytes());
            pdu.extend_from_slice(value);
            pad(&mut pdu);
        };
        tag(TAG_DISSECTOR, channel.dissector().as_bytes());
        tag(TAG_IPV4_SOURCE, &message.from.transport_address().octets());
        tag(TAG_IPV4_DESTINATION, &message.to.transport_address().octets());
        tag(0, &[]);
        pdu.extend_from_slice(&message.bytes);
        self.names(message)?;
        self.packet(UU, at, &pdu, &comment(message))
    }

    /// The controller listens at the port of OpenFlow.
    fn openflow(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        let end = |actor: Actor| {
            let port = if actor.role == Role::Controller { PORT } else { packet::SWITCH_PORT };
            (actor.transport_address(), port)
        };
        let peer = self.connections.get(&(message.to, message.from)).copied().unwrap_or_default();
        let own = self.connections.entry((message.from, message.to)).or_default();
        let sent = packet::Sent { own: *own, peer };
        *own = own.wrapping_add(message.bytes.len() as u32);
        let comment = comment(message);
        for packet in packet::tcp(end(message.from), end(message.to), &message.bytes, sent) {
            self.names(message)?;
            self.packet(OPENFLOW, at, &packet, &comment)?;
        }
        Ok(())
    }

    /// Keeps a command until its response is there: the dissector reads both from one packet.
    fn apdu(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        if message.to.role == Role::Card {
            self.commands.insert(message.to.number, (message.bytes.clone(), comment(message)));
            return Ok(());
        }
        if message.from.role != Role::Card {
            return Ok(());
        }
        let Some((command, asked)) = self.commands.remove(&message.from.number) else { return Ok(()) };
        let exchange = [packet::GSMTAP_SIM_HEADER.as_slice(), &command, &message.bytes].concat();
        // The card is the one that is asked: command and response go under the command's direction.
        let (from, to) = (message.to.transport_address(), message.from.transport_address());
        let datagram = packet::udp((from, packet::GSMTAP_PORT), (to, packet::GSMTAP_PORT), &exchange)?;
        self.names(message)?;
        self.packet(CARD, at, &datagram, &format!("{asked}; answer {}", named(message)))
    }

    fn packet(&mut self, interface: u32, at: Instant, data: &[u8], comment: &str) -> io::Result<()> {
        let time = (EPOCH_UNIX_S * 1_000_000_000).saturating_add(at.as_nanos());
        let length = u32::try_from(data.len()).map_err(io::Error::other)?;
        let mut body = Vec::with_capacity(data.len() + comment.len() + 40);
        body.extend_from_slice(&interface.to_le_bytes());
        body.extend_from_slice(&((time >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(time as u32).to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(data);
        pad(&mut body);
        option(&mut body, OPT_COMMENT, comment.as_bytes());
        end_of_options(&mut body);
        block(&mut self.out, ENHANCED_PACKET, &body)
    }

    /// Says, before an address is first used, whose it is (clause 4.5).
    fn names(&mut self, message: &Message) -> io::Result<()> {
        for actor in [message.from, message.to] {
            if !self.named.insert(actor.transport_address()) {
                continue;
            }
            let mut record = actor.transport_address().octets().to_vec();
            record.extend_from_slice(actor.to_string().as_bytes());
            record.push(0);
            let mut body = Vec::new();
            // nrb_record_ipv4.
            body.extend_from_slice(&1u16.to_le_bytes());
            body.extend_from_slice(&(record.len() as u16).to_le_bytes());
            body.extend_from_slice(&record);
            pad(&mut body);
            // nrb_record_end.
            body.extend_from_slice(&[0; 4]);
            block(&mut self.out, NAME_RESOLUTION, &body)?;
        }
        Ok(())
    }
}

impl<W: Write> View for Pcapng<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.body {
            Body::Message(message) => self.message(event.at, message),
            Body::State(_) | Body::StepStarted { .. } | Body::StepEnded { .. } => Ok(()),
        }
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        self.out.flush()
    }
}

fn comment(message: &Message) -> String {
    format!("{} > {}: {}", message.from, message.to, named(message))
}

/// Name and fields.
fn named(message: &Message) -> String {
    let (name, fields) = (text::one_line(&message.label.name), text::fields(&message.label.fields));
    format!("{name} {fields}").trim_end().to_owned()
}

/// Writes one block: type, length, body, length again (clause 3.1).
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

/// Adds one option. A value that an option cannot hold is cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(0xfff0)];
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend_from_slice(&[0; 4]);
}

/// Fills up to a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;
