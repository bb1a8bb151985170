//! A packet of generated traffic, and its bytes: IPv4 (RFC 791) with TCP, UDP, DNS (RFC 1035) or ICMP inside, check sums
//! and all.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::wire::inet::{fold, sum};

/// SYN.
pub const SYN: u8 = 0x02;
/// ACK.
pub const ACK: u8 = 0x10;
/// PSH with ACK.
pub const PUSH: u8 = 0x18;
/// FIN with ACK.
pub const FIN: u8 = 0x11;
/// RST.
pub const RST: u8 = 0x04;

const PORT_DNS: u16 = 53;
/// How long an answer of DNS may be kept, in seconds.
const TTL_S: u32 = 300;

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A TCP segment with these flags and so many bytes.
    Tcp {
        /// Of the header.
        flags: u8,
        /// Bytes behind it.
        bytes: u16,
    },
    /// A UDP datagram with so many bytes.
    Udp {
        /// Behind the header.
        bytes: u16,
    },
    /// A question of DNS for this name, or the answer to it with these addresses.
    Dns {
        /// Labels with dots between them.
        name: Arc<str>,
        /// None in a question.
        answers: Option<Vec<Ipv4Addr>>,
    },
    /// ICMP: the port cannot be reached.
    Unreachable,
}

/// A packet on its way, seen from the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// When it passes, in milliseconds.
    pub at_ms: u64,
    /// From the device.
    pub up: bool,
    /// The other end.
    pub peer: Ipv4Addr,
    /// The port of the device.
    pub local_port: u16,
    /// The port of the other end.
    pub peer_port: u16,
    /// What is inside.
    pub content: Content,
}

impl Flight {
    /// Writes the IPv4 packet of the device with the address `device` into `out`, in place of what is in it.
    pub fn write(&self, device: Ipv4Addr, out: &mut Vec<u8>) {
        self.write_at(device, (1, 1), out);
    }

    /// The same; a segment has the sequence number and the acknowledgement `numbers`.
    pub fn write_at(&self, device: Ipv4Addr, numbers: (u32, u32), out: &mut Vec<u8>) {
        out.clear();
        let (from, to) = if self.up { (device, self.peer) } else { (self.peer, device) };
        let protocol = match self.content {
            Content::Tcp { .. } => 6,
            Content::Udp { .. } | Content::Dns { .. } => 17,
            Content::Unreachable => 1,
        };
        out.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
        out.extend(from.octets());
        out.extend(to.octets());
        let ports =
            if self.up { [self.local_port, self.peer_port] } else { [self.peer_port, self.local_port] };
        match &self.content {
            Content::Tcp { flags, bytes } => {
                out.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                let acknowledged = if flags & ACK != 0 { numbers.1 } else { 0 };
                out.extend([numbers.0, acknowledged].into_iter().flat_map(u32::to_be_bytes));
                out.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                out.resize(out.len() + usize::from(*bytes), 0);
            }
            Content::Udp { bytes } => {
                out.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                out.extend((bytes + 8).to_be_bytes());
                out.extend([0, 0]);
                out.resize(out.len() + usize::from(*bytes), 0);
            }
            Content::Dns { name, answers } => {
                out.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                out.extend([0, 0, 0, 0]);
                dns(name, answers.as_deref(), out);
                let length = (out.len() - 20) as u16;
                out[24..26].copy_from_slice(&length.to_be_bytes());
            }
            Content::Unreachable => {
                out.extend([3, 3, 0, 0, 0, 0, 0, 0]);
                // The header of the packet that could not be delivered, and the ports behind it.
                out.extend([0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0]);
                out.extend(to.octets());
                out.extend(from.octets());
                out.extend(ports.iter().rev().flat_map(|port| port.to_be_bytes()));
                out.extend([0, 8, 0, 0]);
            }
        }
        let length = (out.len() as u16).to_be_bytes();
        out[2..4].copy_from_slice(&length);
        check_sums(protocol, out);
    }

    /// Whether it opens a connection.
    pub fn is_syn(&self) -> bool {
        matches!(self.content, Content::Tcp { flags: SYN, .. })
    }

    /// How long the IPv4 packet is.
    pub fn length(&self) -> usize {
        match &self.content {
            Content::Tcp { bytes, .. } => 40 + usize::from(*bytes),
            Content::Udp { bytes } => 28 + usize::from(*bytes),
            Content::Dns { name, answers } => 46 + name.len() + 16 * answers.as_ref().map_or(0, Vec::len),
            Content::Unreachable => 56,
        }
    }
}

fn dns(name: &str, answers: Option<&[Ipv4Addr]>, out: &mut Vec<u8>) {
    let count = answers.map_or(0, <[_]>::len) as u16;
    let flags: [u8; 2] = if answers.is_some() { [0x81, 0x80] } else { [0x01, 0x00] };
    out.extend([0, 1]);
    out.extend(flags);
    out.extend([0, 1]);
    out.extend(count.to_be_bytes());
    out.extend([0; 4]);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    for answer in answers.into_iter().flatten() {
        out.extend([0xc0, 12, 0, 1, 0, 1]);
        out.extend(TTL_S.to_be_bytes());
        out.extend([0, 4]);
        out.extend(answer.octets());
    }
}

/// Sets the check sums of header and content (RFC 1071).
fn check_sums(protocol: u8, packet: &mut [u8]) {
    let header = fold(sum(&packet[..20]));
    packet[10..12].copy_from_slice(&(!header).to_be_bytes());
    let (pseudo, at) = match protocol {
        1 => (0, 22),
        _ => {
            let length = (packet.len() - 20) as u64;
            let addresses = u64::from(protocol) + length + sum(&packet[12..20]);
            (addresses, if protocol == 6 { 36 } else { 26 })
        }
    };
    let content = fold(pseudo + sum(&packet[20..]));
    packet[at..at + 2].copy_from_slice(&(!content).to_be_bytes());
}

/// The question of `name` and its answer, `rtt_ms` later.
pub(crate) fn lookup(
    at_ms: u64,
    rtt_ms: u64,
    resolver: Ipv4Addr,
    local_port: u16,
    name: &Arc<str>,
    answers: Vec<Ipv4Addr>,
) -> [Flight; 2] {
    let question = Flight {
        at_ms,
        up: true,
        peer: resolver,
        local_port,
        peer_port: PORT_DNS,
        content: Content::Dns { name: name.clone(), answers: None },
    };
    let content = Content::Dns { name: name.clone(), answers: Some(answers) };
    let answer = Flight { at_ms: at_ms + rtt_ms, up: false, content, ..question.clone() };
    [question, answer]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cellbed_guard::{Packet, mark_of_name};
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv4Packet, Icmpv4Repr, Ipv4Packet, Ipv4Repr, TcpPacket, TcpRepr, UdpPacket, UdpRepr,
    };

    const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
    const PEER: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 2);

    fn flights() -> Vec<Flight> {
        let name: Arc<str> = "pool.ntp.example".into();
        let contents = [
            Content::Tcp { flags: SYN, bytes: 0 },
            Content::Tcp { flags: PUSH, bytes: 333 },
            Content::Udp { bytes: 48 },
            Content::Udp { bytes: 1 },
            Content::Dns { name: name.clone(), answers: None },
            Content::Dns { name, answers: Some(vec![PEER, Ipv4Addr::new(198, 18, 1, 3)]) },
            Content::Unreachable,
        ];
        let flight = |(content, up)| {
            let peer_port = if matches!(content, Content::Dns { .. }) { 53 } else { 443 };
            Flight { at_ms: 0, up, peer: PEER, local_port: 50_000, peer_port, content }
        };
        contents
            .into_iter()
            .flat_map(|content| [(content.clone(), true), (content, false)])
            .map(flight)
            .collect()
    }

    /// smoltcp reads what is written, with every check sum.
    #[test]
    fn a_foreign_stack_reads_the_packets() {
        let sums = ChecksumCapabilities::default();
        let mut bytes = Vec::new();
        for flight in flights() {
            flight.write(DEVICE, &mut bytes);
            assert_eq!(bytes.len(), flight.length(), "{flight:?}");
            let packet = Ipv4Packet::new_checked(&bytes[..]).unwrap();
            let header = Ipv4Repr::parse(&packet, &sums).unwrap();
            let ends = if flight.up { (DEVICE, PEER) } else { (PEER, DEVICE) };
            assert_eq!((header.src_addr, header.dst_addr), ends);
            let (source, destination) = (header.src_addr.into(), header.dst_addr.into());
            match &flight.content {
                Content::Tcp { bytes, .. } => {
                    let segment = TcpPacket::new_checked(packet.payload()).unwrap();
                    let segment = TcpRepr::parse(&segment, &source, &destination, &sums).unwrap();
                    assert_eq!(segment.payload.len(), usize::from(*bytes));
                }
                Content::Udp { .. } | Content::Dns { .. } => {
                    let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
                    UdpRepr::parse(&datagram, &source, &destination, &sums).unwrap();
                }
                Content::Unreachable => {
                    let message = Icmpv4Packet::new_checked(packet.payload()).unwrap();
                    assert!(matches!(
                        Icmpv4Repr::parse(&message, &sums),
                        Ok(Icmpv4Repr::DstUnreachable { .. })
                    ));
                }
            }
        }
    }

    #[test]
    fn the_guard_reads_what_was_meant() {
        let mut bytes = Vec::new();
        for flight in flights() {
            flight.write(DEVICE, &mut bytes);
            let packet = Packet::parse(&bytes, DEVICE.into()).unwrap();
            assert_eq!((packet.up, packet.peer), (flight.up, PEER.into()));
            assert_eq!(packet.unreachable, flight.content == Content::Unreachable);
            match &flight.content {
                Content::Tcp { flags, .. } => assert_eq!(packet.flags, *flags),
                Content::Dns { name, answers } => {
                    let dns = packet.dns.unwrap();
                    assert_eq!(
                        (dns.name, usize::from(dns.length)),
                        (mark_of_name(name.as_bytes()), name.len())
                    );
                    let found: Vec<_> =
                        dns.answers.into_iter().filter(|a| *a != 0).map(Ipv4Addr::from).collect();
                    assert_eq!(&found, answers.as_ref().unwrap_or(&vec![]));
                }
                Content::Udp { .. } | Content::Unreachable => assert_eq!(packet.dns, None),
            }
        }
    }
}
