//! What the headers of a packet say: IPv4 (RFC 791), IPv6 (RFC 8200), TCP, UDP, ICMP, and the question and addresses of DNS (RFC 1035).

use crate::fixed::{log2_q8, mark_of};

/// A name that is longer is none (RFC 1035 clause 2.3.4).
const NAME_MAX: usize = 255;
/// How many addresses of an answer are looked at.
const ANSWERS: usize = 4;
/// How many records of an answer are looked at.
const RECORDS: usize = 8;

const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const TCP: u8 = 6;
const UDP: u8 = 17;
const PORT_DNS: u16 = 53;

/// A packet of a device, seen from the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// From the device.
    pub up: bool,
    /// The IPv4 address of the other end, or what stands for its IPv6 address ([`mark_of`] its octets).
    pub peer: u32,
    /// The protocol in the IPv4 header, or the next header in that of IPv6; ICMP has one number in both.
    pub protocol: u8,
    /// The port of the device; 0 without ports.
    pub local_port: u16,
    /// The port of the other end; 0 without ports.
    pub peer_port: u16,
    /// The length of the whole packet, in bytes.
    pub length: u16,
    /// The flags of a TCP segment; 0 of everything else.
    pub flags: u8,
    /// ICMP says that something cannot be reached.
    pub unreachable: bool,
    /// What DNS asks or answers.
    pub dns: Option<Dns>,
}

/// A message of DNS, over UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dns {
    /// What stands for the name that is asked for, as [`mark_of_name`] has it.
    pub name: u32,
    /// Its length in characters, dots among them.
    pub length: u8,
    /// The entropy of its characters without dots, in 1/16 bit.
    pub entropy_q4: u8,
    /// The first addresses of an answer; 0 where there are fewer.
    pub answers: [u32; ANSWERS],
}

/// Why bytes are no packet of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// No IPv4 header, or one that the bytes contradict.
    Malformed,
    /// Neither from the device nor to it.
    OfOthers,
}

impl Packet {
    /// Reads the packet `bytes` of the device with the address `device`. A transport header that is cut off counts as none,
    /// and so does a DNS message that cannot be read: the packet is there all the same.
    ///
    /// # Errors
    /// Where it is no IPv4 packet of the device.
    pub fn parse(bytes: &[u8], device: u32) -> Result<Self, PacketError> {
        let header: &[u8; 20] = bytes.first_chunk().ok_or(PacketError::Malformed)?;
        let (words, length) = (usize::from(header[0] & 0x0f), u16::from_be_bytes([header[2], header[3]]));
        let packet = bytes.get(..usize::from(length)).ok_or(PacketError::Malformed)?;
        let body = packet.get(words * 4..).ok_or(PacketError::Malformed)?;
        if header[0] >> 4 != 4 || words < 5 {
            return Err(PacketError::Malformed);
        }
        let address =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (source, destination) = (address(12), address(16));
        let up = source == device;
        if !up && destination != device {
            return Err(PacketError::OfOthers);
        }
        let mut packet = Self {
            up,
            peer: if up { destination } else { source },
            protocol: header[9],
            local_port: 0,
            peer_port: 0,
            length,
            flags: 0,
            unreachable: false,
            dns: None,
        };
        // The transport header is in the first fragment.
        if u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0 {
            packet.transport(body);
        }
        Ok(packet)
    }

    /// The same of IPv6, of the device whose addresses have the first 64 bits `prefix`. Behind a header of an extension is
    /// nothing that is looked at.
    ///
    /// # Errors
    /// Where it is no IPv6 packet of the device.
    pub fn parse_v6(bytes: &[u8], prefix: [u8; 8]) -> Result<Self, PacketError> {
        let header: &[u8; 40] = bytes.first_chunk().ok_or(PacketError::Malformed)?;
        let payload = u16::from_be_bytes([header[4], header[5]]);
        let length = payload.checked_add(40).ok_or(PacketError::Malformed)?;
        let body = bytes.get(40..usize::from(length)).ok_or(PacketError::Malformed)?;
        if header[0] >> 4 != 6 {
            return Err(PacketError::Malformed);
        }
        let up = header[8..16] == prefix;
        if !up && header[24..32] != prefix {
            return Err(PacketError::OfOthers);
        }
        let peer = if up { &header[24..40] } else { &header[8..24] };
        let mut packet = Self {
            up,
            peer: mark_of(peer.iter().copied()),
            protocol: header[6],
            local_port: 0,
            peer_port: 0,
            length,
            flags: 0,
            unreachable: false,
            dns: None,
        };
        if packet.protocol == ICMP6 {
            packet.protocol = ICMP;
            packet.unreachable = body.first() == Some(&1);
        } else if packet.protocol != ICMP {
            packet.transport(body);
        }
        Ok(packet)
    }

    fn transport(&mut self, body: &[u8]) {
        match (self.protocol, body) {
            (ICMP, [kind, ..]) => self.unreachable = *kind == 3,
            (TCP | UDP, [a, b, c, d, ..]) => {
                let (from, to) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                (self.local_port, self.peer_port) = if self.up { (from, to) } else { (to, from) };
                if self.protocol == TCP {
                    self.flags = body.get(13).copied().unwrap_or(0);
                } else if self.peer_port == PORT_DNS {
                    self.dns = body.get(8..).and_then(Dns::parse);
                }
            }
            _ => {}
        }
    }

    /// The same, which the network has dropped on its way: it counts as what cannot be reached.
    #[must_use]
    pub fn dropped(self) -> Self {
        Self { unreachable: true, ..self }
    }

    /// The port that names the service: the smaller one, since clients take theirs from the upper range.
    pub fn service_port(&self) -> u16 {
        self.local_port.min(self.peer_port)
    }

    /// Nothing but an acknowledgement, with or without timestamps: it says what the other side does.
    pub(crate) fn only_acknowledges(&self) -> bool {
        self.protocol == TCP && self.flags & 0x1f == 0x10 && self.length <= 52
    }

    /// SYN without ACK: somebody opens a connection.
    pub(crate) fn opens(&self) -> bool {
        self.flags & 0x12 == 0x02
    }

    /// SYN with ACK.
    pub(crate) fn accepts(&self) -> bool {
        self.flags & 0x12 == 0x12
    }

    /// RST.
    pub(crate) fn resets(&self) -> bool {
        self.flags & 0x04 != 0
    }

    /// FIN or RST.
    pub(crate) fn closes(&self) -> bool {
        self.flags & 0x05 != 0
    }
}

/// What stands for a name, in whatever case it is written (RFC 4343).
pub fn mark_of_name(name: &[u8]) -> u32 {
    mark_of(name.iter().map(u8::to_ascii_lowercase))
}

impl Dns {
    fn parse(message: &[u8]) -> Option<Self> {
        let header: &[u8; 12] = message.first_chunk()?;
        let (questions, records) = (header[5] as usize | (header[4] as usize) << 8, header[7]);
        if questions != 1 {
            return None;
        }
        let (mut name, mut length, mut at) = ([0; NAME_MAX], 0, 12);
        loop {
            let label = usize::from(*message.get(at)?);
            if label == 0 {
                break;
            }
            if label > 63 || length + label + 1 > NAME_MAX {
                return None;
            }
            if length > 0 {
                name[length] = b'.';
                length += 1;
            }
            name[length..length + label].copy_from_slice(message.get(at + 1..at + 1 + label)?);
            length += label;
            at += 1 + label;
        }
        let name = &name[..length];
        let mut dns = Self {
            name: mark_of_name(name),
            length: length as u8,
            entropy_q4: entropy_q4(name),
            answers: [0; ANSWERS],
        };
        if header[2] & 0x80 != 0 {
            dns.addresses(message, at + 5, usize::from(records).min(RECORDS));
        }
        Some(dns)
    }

    /// Takes the addresses of `records` records that begin at `at`, as far as they can be read.
    fn addresses(&mut self, message: &[u8], mut at: usize, records: usize) {
        let mut places = self.answers.iter_mut();
        for _ in 0..records {
            let Some(begin) = behind_name(message, at) else { return };
            let Some(fixed) = message.get(begin..begin + 10) else { return };
            let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            let Some(data) = message.get(begin + 10..begin + 10 + length) else { return };
            // A record of type A in the class IN (RFC 1035 clause 3.4.1).
            if let ([0, 1, 0, 1, ..], [a, b, c, d]) = (fixed, data)
                && let Some(place) = places.next()
            {
                *place = u32::from_be_bytes([*a, *b, *c, *d]);
            }
            at = begin + 10 + length;
        }
    }
}

/// Where the name that begins at `at` is over; it may end in a pointer (RFC 1035 clause 4.1.4).
fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            label @ 1..64 => at += 1 + usize::from(label),
            _ => return None,
        }
    }
}

/// The entropy of the characters of `name` without its dots, in 1/16 bit.
fn entropy_q4(name: &[u8]) -> u8 {
    let mut counts = [0_u8; 256];
    let mut total: u32 = 0;
    for character in name.iter().filter(|character| **character != b'.') {
        let count = &mut counts[usize::from(character.to_ascii_lowercase())];
        *count = count.saturating_add(1);
        total += 1;
    }
    if total == 0 {
        return 0;
    }
    // H = log2 n - (sum of c log2 c) / n, in 1/256.
    let log = |n: u32| log2_q8(u64::from(n)) as u32;
    let sum: u32 = counts.iter().map(|count| u32::from(*count) * log(u32::from(*count))).sum();
    (log(total).saturating_sub(sum / total) / 16) as u8
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const DEVICE: u32 = 0x0a2d_0002;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// A question for `example.com` and its answer, with two addresses, as RFC 1035 clause 4.1 lays them out.
    const QUESTION: &str = "4500 0039 0000 0000 40 11 0000 0a2d0002 08080808 c001 0035 0025 0000
        abcd 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001";
    const ANSWER: &str = "4500 0067 0000 0000 40 11 0000 08080808 0a2d0002 0035 c001 0053 0000
        abcd 8180 0001 0003 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001
        c00c 0005 0001 00000e10 0002 c00c
        c00c 0001 0001 00000e10 0004 5db8d822 c00c 0001 0001 00000e10 0004 5db8d823";

    #[test]
    fn a_packet_of_ipv6_is_read_as_one_of_ipv4() {
        let (own, far) = ([0x20, 1, 0xd, 0xb8, 0x40, 0, 0, 7], [0x20, 1, 0xd, 0xb8, 0, 0x99, 0, 0]);
        let mut bytes = [0u8; 60];
        (bytes[0], bytes[5], bytes[6], bytes[7]) = (0x60, 20, TCP, 64);
        bytes[8..16].copy_from_slice(&own);
        bytes[24..32].copy_from_slice(&far);
        bytes[39] = 0x1e;
        bytes[40..44].copy_from_slice(&[0xc3, 0x50, 0x01, 0xbb]);
        bytes[53] = 0x02;
        let packet = Packet::parse_v6(&bytes, own).unwrap();
        assert_eq!((packet.up, packet.protocol, packet.length), (true, TCP, 60));
        assert_eq!((packet.local_port, packet.peer_port, packet.opens()), (50_000, 443, true));
        assert_eq!(packet.peer, mark_of(bytes[24..40].iter().copied()));
        // The other end sees it the other way round.
        let other = Packet::parse_v6(&bytes, far).unwrap();
        assert_eq!((other.up, other.peer_port), (false, 50_000));
        assert_eq!(Packet::parse_v6(&bytes, [1; 8]), Err(PacketError::OfOthers));
        assert_eq!(Packet::parse_v6(&bytes[..59], own), Err(PacketError::Malformed));
        assert_eq!(Packet::parse(&bytes, 0), Err(PacketError::Malformed));
        // Destination unreachable (RFC 4443 clause 3.1).
        (bytes[6], bytes[40]) = (ICMP6, 1);
        let packet = Packet::parse_v6(&bytes, own).unwrap();
        assert_eq!((packet.protocol, packet.unreachable, packet.local_port), (ICMP, true, 0));
    }

    #[test]
    fn a_question_and_its_answer_are_read() {
        let question = Packet::parse(&unhex(QUESTION), DEVICE).unwrap();
        assert_eq!((question.up, question.peer, question.local_port), (true, 0x0808_0808, 0xc001));
        assert_eq!((question.service_port(), question.length), (53, 57));
        let dns = question.dns.unwrap();
        assert_eq!((dns.name, dns.length), (mark_of_name(b"Example.COM"), 11));
        // Of "examplecom" e and m stand twice: log2 10 - 0.4 = 2.92.
        assert_eq!(dns.entropy_q4, 46);
        assert_eq!(dns.answers, [0; 4]);
        let answer = Packet::parse(&unhex(ANSWER), DEVICE).unwrap();
        assert!(!answer.up);
        assert_eq!(answer.dns.unwrap().answers, [0x5db8_d822, 0x5db8_d823, 0, 0]);
        // Cut off inside the last record, by both lengths: the record is not taken.
        let mut cut = unhex(ANSWER);
        cut.truncate(99);
        cut[3] = 99;
        assert_eq!(Packet::parse(&cut, DEVICE).unwrap().dns.unwrap().answers, [0x5db8_d822, 0, 0, 0]);
    }

    #[test]
    fn tcp_icmp_fragments_and_what_is_not_ours() {
        let syn = "4500 0028 0000 4000 40 06 0000 0a2d0002 01020304 c001 01bb 00000000 00000000 5002 0000 0000 0000";
        let packet = Packet::parse(&unhex(syn), DEVICE).unwrap();
        assert!(packet.opens() && !packet.accepts() && !packet.closes() && packet.peer_port == 443);
        assert_eq!(Packet::parse(&unhex(syn), 7), Err(PacketError::OfOthers));
        let later = syn.replacen("4000", "2001", 1);
        assert_eq!(Packet::parse(&unhex(&later), DEVICE).unwrap().peer_port, 0, "not the first fragment");
        let first = syn.replacen("4000", "2000", 1);
        assert_eq!(Packet::parse(&unhex(&first), DEVICE).unwrap().peer_port, 443, "the first of several");
        let unreachable = "4500 001c 0000 0000 40 01 0000 01020304 0a2d0002 0301 0000 0000 0000";
        assert!(Packet::parse(&unhex(unreachable), DEVICE).unwrap().unreachable);
        for (from, to) in [("4500", "6500"), ("4500", "4400"), ("0028", "0029"), ("4500", "4f00")] {
            let bent = syn.replacen(from, to, 1);
            assert_eq!(Packet::parse(&unhex(&bent), DEVICE), Err(PacketError::Malformed), "{to}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, up: bool, dns: bool) {
            if bytes.len() >= 29 {
                let length = bytes.len() as u16;
                bytes[0] = 0x45;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[6] = 0;
                bytes[7] = 0;
                if dns {
                    bytes[9] = UDP;
                    bytes[22..24].copy_from_slice(&[0, 53]);
                }
                let at = if up { 12 } else { 16 };
                bytes[at..at + 4].copy_from_slice(&DEVICE.to_be_bytes());
                prop_assert_eq!(Packet::parse(&bytes, DEVICE).unwrap().length, length);
            } else {
                prop_assert!(Packet::parse(&bytes, DEVICE).is_err() || bytes.len() >= 20);
            }
        }
    }
}
