//! Whoever is behind the services' network: the strangers that a device which has turned speaks to. They exist in the memory of
//! a run only, have no name, and answer what they are sent with packets of the same kind, so that an attack has two sides.
//!
//! | where | who |
//! |---|---|
//! | 198.51.100.0/24 (RFC 5737) | of twenty addresses two refuse a connection, one accepts it, and of the others nobody is there |
//! | 203.0.113.0/24 (RFC 5737) | everybody accepts connections: at ports 22 and 23 each password is wrong, elsewhere what is sent is taken and answered in kind; datagrams reach no port |
//! | the resolver | answers questions of DNS with an address of the second net |
//!
//! Nothing is remembered of a connection: whoever answers takes its numbers from the segment that it answers (RFC 9293).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::guard::generator::RESOLVER;
use crate::kernel::Instant;
use crate::wire::inet::{ACK, FIN, Ipv4, PSH, RST, SYN, Tcp, fold, sum};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where passwords are tried.
const GUESSED: [u16; 2] = [22, 23];
/// Of how many devices it is known when they were last told that no port is there.
const TOLD_MAX: usize = 100_000;
/// No message of ICMP is longer (RFC 1812 clause 4.3.2.3), headers and all.
const LONGEST: usize = 576;
/// What is answered is no longer.
const ANSWER_MAX: usize = 512;

/// The strangers.
#[derive(Debug, Default)]
pub struct Internet {
    /// In which second a device was told last that no port is there: once a second (RFC 1812 clause 4.3.2.8).
    told: BTreeMap<Ipv4Addr, u64>,
}

/// Where a stranger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Scanned,
    Willing,
    Resolver,
}

impl Place {
    fn of(address: Ipv4Addr) -> Option<Self> {
        match address.octets() {
            [198, 51, 100, _] => Some(Self::Scanned),
            [203, 0, 113, _] => Some(Self::Willing),
            _ => (address == RESOLVER).then_some(Self::Resolver),
        }
    }
}

impl Internet {
    /// Whether somebody out there is meant, and no service.
    pub fn is_there(address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        Place::of(address).is_some()
    }

    /// What comes back for a packet of a device, if anything does.
    pub fn answer(&mut self, now: Instant, packet: &[u8]) -> Option<Vec<u8>> {
        let ip = Ipv4::read(packet).filter(|ip| ip.is_whole)?;
        let content = ip.payload()?;
        let (device, stranger) = (ip.source, ip.destination);
        let place = Place::of(stranger)?;
        let (protocol, answer) = match ip.protocol {
            TCP => (TCP, segment(place, stranger, content)?),
            UDP if place == Place::Resolver => (UDP, resolved(content)?),
            UDP if place == Place::Willing => (ICMP, self.no_port(now, device, packet)?),
            _ => return None,
        };
        Some(packet_of(stranger, device, protocol, answer))
    }

    /// The session of a device is over.
    pub fn forget(&mut self, device: IpAddr) {
        let IpAddr::V4(device) = device else { return };
        self.told.remove(&device);
    }

    /// ICMP: the port cannot be reached (RFC 792), with as much of the packet as there is room for.
    fn no_port(&mut self, now: Instant, device: Ipv4Addr, packet: &[u8]) -> Option<Vec<u8>> {
        let second = now.as_micros() / 1_000_000;
        if self.told.len() >= TOLD_MAX || self.told.insert(device, second) == Some(second) {
            return None;
        }
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        message.extend(packet.iter().take(LONGEST - 28));
        let checksum = !fold(sum(&message));
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        Some(message)
    }
}

/// What answers a segment, without its check sum.
fn segment(place: Place, stranger: Ipv4Addr, segment: &[u8]) -> Option<Vec<u8>> {
    let Tcp { source, destination: port, sequence: begin, acknowledged, flags, data } = Tcp::read(segment)?;
    if flags & RST != 0 {
        return None;
    }
    let ended = u32::from(flags & FIN != 0);
    let behind = begin.wrapping_add(data.len() as u32).wrapping_add(ended);
    let (flags, sequence, acknowledged, answer): (u8, u32, u32, Vec<u8>) = if flags & (SYN | ACK) == SYN {
        let who = u32::from(stranger).wrapping_mul(0x9e37_79b1) >> 8;
        let chance = (who ^ u32::from(port)) % 20;
        let flags = match place {
            Place::Willing => SYN | ACK,
            Place::Scanned if chance == 2 => SYN | ACK,
            Place::Scanned if chance < 2 => RST | ACK,
            _ => return None,
        };
        let sequence = if flags & RST == 0 { who } else { 0 };
        (flags, sequence, begin.wrapping_add(1), Vec::new())
    } else if flags & ACK == 0 || (data.is_empty() && ended == 0) {
        return None;
    } else if ended == 1 {
        (FIN | ACK, acknowledged, behind, Vec::new())
    } else if GUESSED.contains(&port) {
        (PSH | ACK, acknowledged, behind, b"Permission denied, please try again.\r\n".to_vec())
    } else if flags & PSH != 0 && data.len() < ANSWER_MAX {
        (PSH | ACK, acknowledged, behind, vec![0; data.len()])
    } else {
        (ACK, acknowledged, behind, Vec::new())
    };
    let mut out = Vec::with_capacity(20 + answer.len());
    out.extend_from_slice(&port.to_be_bytes());
    out.extend_from_slice(&source.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    out.extend(acknowledged.to_be_bytes());
    out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(answer);
    Some(out)
}

/// The answer to a question of DNS in a datagram (RFC 1035 clause 4.1), without its check sum.
fn resolved(datagram: &[u8]) -> Option<Vec<u8>> {
    let ports: &[u8; 4] = datagram.first_chunk()?;
    let question = datagram.get(8..).filter(|message| message.len() <= ANSWER_MAX)?;
    let header: &[u8; 12] = question.first_chunk()?;
    // One question, and nothing else.
    if ports[2..] != [0, 53] || header[2] & 0x80 != 0 || header[4..] != [0, 1, 0, 0, 0, 0, 0, 0] {
        return None;
    }
    let mut message = question.to_vec();
    message[2..4].copy_from_slice(&[0x81, 0x80]);
    message[7] = 1;
    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 53]);
    let mut out = vec![ports[2], ports[3], ports[0], ports[1]];
    out.extend(((message.len() + 8) as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(message);
    Some(out)
}

/// An IPv4 packet (RFC 791) with `content`, whose check sum is set.
fn packet_of(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, mut content: Vec<u8>) -> Vec<u8> {
    let at = match protocol {
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    };
    if let Some(at) = at {
        let pseudo =
            [&from.octets()[..], &to.octets(), &[0, protocol], &(content.len() as u16).to_be_bytes()]
                .concat();
        let checksum = !fold(sum(&pseudo) + sum(&content));
        content[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    let length = (content.len() + 20) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let checksum = !fold(sum(&packet));
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(content);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{Content, Flight};
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv4Packet, Icmpv4Repr, Ipv4Packet, Ipv4Repr, TcpPacket, TcpRepr, UdpPacket, UdpRepr,
    };

    const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 44, 0, 2);

    fn answered(
        internet: &mut Internet,
        now_s: u64,
        peer: [u8; 4],
        peer_port: u16,
        content: Content,
    ) -> Option<Vec<u8>> {
        let flight = Flight { at_ms: 0, up: true, peer: peer.into(), local_port: 61_000, peer_port, content };
        let mut bytes = Vec::new();
        flight.write(DEVICE, &mut bytes);
        internet.answer(Instant::from_nanos(now_s * 1_000_000_000), &bytes)
    }

    /// smoltcp reads what comes back, with every check sum.
    fn segment_of(answer: &[u8]) -> (u8, usize, u32, u32) {
        let sums = ChecksumCapabilities::default();
        let packet = Ipv4Packet::new_checked(answer).unwrap();
        let header = Ipv4Repr::parse(&packet, &sums).unwrap();
        assert_eq!(header.dst_addr, DEVICE);
        let segment = TcpPacket::new_checked(packet.payload()).unwrap();
        let repr = TcpRepr::parse(&segment, &header.src_addr.into(), &header.dst_addr.into(), &sums).unwrap();
        (answer[33], repr.payload.len(), repr.seq_number.0 as u32, repr.ack_number.map_or(0, |n| n.0 as u32))
    }

    #[test]
    fn a_command_server_accepts_and_answers_in_kind_and_a_guessed_one_refuses() {
        let mut internet = Internet::default();
        let mut to = |port, flags, bytes| {
            let answer = answered(&mut internet, 0, [203, 0, 113, 9], port, Content::Tcp { flags, bytes });
            answer.map(|answer| segment_of(&answer))
        };
        let (flags, _, sequence, acknowledged) = to(6_667, SYN, 0).unwrap();
        assert_eq!((flags, acknowledged), (SYN | ACK, 2));
        assert!(sequence != 0);
        assert_eq!(to(6_667, PSH | ACK, 120), Some((PSH | ACK, 120, 1, 121)));
        assert_eq!(to(443, PSH | ACK, 1_360), Some((ACK, 0, 1, 1_361)), "bulk is taken");
        assert_eq!(to(22, PSH | ACK, 120).map(|answer| (answer.0, answer.1)), Some((PSH | ACK, 38)));
        assert_eq!(to(6_667, FIN | ACK, 0), Some((FIN | ACK, 0, 1, 2)));
        assert_eq!((to(6_667, ACK, 0), to(6_667, RST, 0)), (None, None));
    }

    #[test]
    fn of_twenty_that_are_scanned_few_are_there() {
        let mut internet = Internet::default();
        let mut counts = [0; 3];
        for host in 1..=250 {
            let answer =
                answered(&mut internet, 0, [198, 51, 100, host], 23, Content::Tcp { flags: SYN, bytes: 0 });
            match answer.map(|answer| segment_of(&answer).0) {
                None => counts[0] += 1,
                Some(flags) if flags == RST | ACK => counts[1] += 1,
                Some(flags) => {
                    assert_eq!(flags, SYN | ACK);
                    counts[2] += 1;
                }
            }
        }
        assert!((190..=235).contains(&counts[0]) && counts[1] >= 12 && counts[2] >= 4, "{counts:?}");
    }

    #[test]
    fn floods_reach_no_port_and_names_are_resolved() {
        let mut internet = Internet::default();
        let sums = ChecksumCapabilities::default();
        let flood = Content::Udp { bytes: 100 };
        let answer = answered(&mut internet, 1, [203, 0, 113, 9], 80, flood.clone()).unwrap();
        let packet = Ipv4Packet::new_checked(&answer[..]).unwrap();
        let message = Icmpv4Packet::new_checked(packet.payload()).unwrap();
        assert!(matches!(Icmpv4Repr::parse(&message, &sums), Ok(Icmpv4Repr::DstUnreachable { .. })));
        assert_eq!(answered(&mut internet, 1, [203, 0, 113, 9], 80, flood.clone()), None, "once a second");
        assert!(answered(&mut internet, 2, [203, 0, 113, 9], 80, flood.clone()).is_some());
        assert_eq!(answered(&mut internet, 3, [198, 51, 100, 9], 80, flood.clone()), None);
        assert_eq!(answered(&mut internet, 3, [192, 0, 2, 9], 80, flood), None, "a service");
        internet.forget(DEVICE.into());
        assert!(internet.told.is_empty());
        let question = Content::Dns { name: "abc.t.evil.example".into(), answers: None };
        let answer = answered(&mut internet, 3, RESOLVER.octets(), 53, question).unwrap();
        let packet = Ipv4Packet::new_checked(&answer[..]).unwrap();
        let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
        UdpRepr::parse(&datagram, &packet.src_addr().into(), &packet.dst_addr().into(), &sums).unwrap();
        let read = cellbed_guard::Packet::parse(&answer, DEVICE.into()).unwrap().dns.unwrap();
        assert_eq!((read.length, read.answers[0]), (18, 0xcb00_7135));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_answer_is_longer_than_its_bound(mut bytes: Vec<u8>, place in 0..3_usize, protocol in 0..3_usize) {
            if bytes.len() >= 20 {
                bytes[0] = 0x45;
                let length = bytes.len() as u16;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[6..8].copy_from_slice(&[0, 0]);
                bytes[9] = [ICMP, TCP, UDP][protocol];
                bytes[16..20].copy_from_slice(&[[198, 51, 100, 7], [203, 0, 113, 7], RESOLVER.octets()][place]);
            }
            if let Some(answer) = Internet::default().answer(Instant::ZERO, &bytes) {
                prop_assert!(answer.len() <= LONGEST);
                prop_assert_eq!(Ipv4Packet::new_checked(&answer[..]).unwrap().total_len() as usize, answer.len());
            }
        }
    }
}
