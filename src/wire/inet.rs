//! What the Internet's protocols have in common: the check sum of IPv4, TCP, UDP and ICMP (RFC 1071), the flags of TCP
//! (RFC 9293 clause 3.1), and the headers of IPv4 (RFC 791 clause 3.1) and TCP as whoever looks at packets reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// The numbers begin.
pub const SYN: u8 = 0x02;
/// The connection is reset.
pub const RST: u8 = 0x04;
/// What was received is to be handed on.
pub const PSH: u8 = 0x08;
/// The acknowledgment number counts.
pub const ACK: u8 = 0x10;

/// The sum of big-endian 16-bit words; an odd byte is padded with zero.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + rest.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// A sum, or several, in the 16 bits whose complement is sent.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What the header of an IPv4 packet says, and what is behind it. Check sums are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4<'a> {
    /// The type of service: DSCP and ECN.
    pub service: u8,
    /// Who has sent it.
    pub source: Ipv4Addr,
    /// Whom it is for.
    pub destination: Ipv4Addr,
    /// What is in it, by number.
    pub protocol: u8,
    /// Where its content stands among that of the datagram, in units of eight octets; 0 of the first fragment.
    pub offset: u16,
    /// Whether it is a datagram, and no part of one.
    pub is_whole: bool,
    /// All octets behind the header, those beyond the length that it says included; none where the header is too short to be
    /// one.
    pub content: &'a [u8],
    /// How many of them the header says there are; none where that is less than the header.
    length: Option<usize>,
}

impl<'a> Ipv4<'a> {
    /// Reads the header of `packet`; nothing of what is no IPv4, or is cut off in its first 20 octets.
    pub fn read(packet: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = packet.first_chunk()?;
        if header[0] >> 4 != 4 {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        let begin = usize::from(header[0] & 0x0f) * 4;
        let fits = begin >= header.len();
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        Some(Self {
            service: header[1],
            source: address(12),
            destination: address(16),
            protocol: header[9],
            offset: fragment & 0x1fff,
            is_whole: fragment & 0x3fff == 0,
            content: packet.get(begin..).filter(|_| fits).unwrap_or_default(),
            length: total.checked_sub(begin).filter(|_| fits),
        })
    }

    /// Its content by the length that the header says; none where octets are missing.
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.content.get(..self.length?)
    }
}

/// What the header of a TCP segment says, and what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp<'a> {
    /// The port of who sends.
    pub source: u16,
    /// The port of whom it is for.
    pub destination: u16,
    /// The number of its first octet.
    pub sequence: u32,
    /// The next number that the sender awaits; it counts with [`ACK`].
    pub acknowledged: u32,
    /// Its six flags.
    pub flags: u8,
    /// The octets that it carries.
    pub data: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// Reads a segment; nothing of one that is cut off in its header.
    pub fn read(segment: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = segment.first_chunk()?;
        let number =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        Some(Self {
            source: port(0),
            destination: port(2),
            sequence: number(4),
            acknowledged: number(8),
            flags: header[13] & 0x3f,
            data: segment.get(usize::from(header[12] >> 4) * 4..)?,
        })
    }
}

/// The source address of an IP packet of either version, and its destination (RFC 791 clause 3.1, RFC 8200 clause 3). `None`
/// for anything that is no IP packet.
pub fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<20>()?;
            let at = |i: usize| Ipv4Addr::new(header[i], header[i + 1], header[i + 2], header[i + 3]);
            Some((at(12).into(), at(16).into()))
        }
        6 => {
            let header = packet.first_chunk::<40>()?;
            let at = |i: usize| Some(Ipv6Addr::from(*header.get(i..)?.first_chunk::<16>()?));
            Some((at(8)?.into(), at(24)?.into()))
        }
        _ => None,
    }
}

/// What the session with this address is known by: a session of IPv6 has 64 bits, and whatever is behind them (TS 23.401
/// clause 5.3.1.2.2).
pub fn session_address(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => prefix_address(prefix_of(six)).into(),
    }
}

/// The first 64 bits.
pub fn prefix_of(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

/// The address of which the first 64 bits are `prefix`, and the others zero.
pub fn prefix_address(prefix: [u8; 8]) -> Ipv6Addr {
    with_interface(prefix, [0; 8])
}

/// The address of which the first 64 bits are `prefix` and the others `interface`.
pub fn with_interface(prefix: [u8; 8], interface: [u8; 8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&prefix);
    octets[8..].copy_from_slice(&interface);
    octets.into()
}

/// The link-local address with this interface identifier (RFC 4291 clause 2.5.6).
pub fn link_local(interface: [u8; 8]) -> Ipv6Addr {
    with_interface([0xfe, 0x80, 0, 0, 0, 0, 0, 0], interface)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::wire::{Ipv4Packet, TcpPacket};

    proptest! {
        /// smoltcp, which checks more, reads the same of whatever it takes.
        #[test]
        fn headers_are_read_as_smoltcp_reads_them(
            mut octets in proptest::collection::vec(any::<u8>(), 0..90),
            likely in any::<bool>(),
        ) {
            if likely && octets.len() > 40 {
                octets[0] = 0x45 + octets[0] % 3;
                let length = octets.len() as u16;
                octets[2..4].copy_from_slice(&length.to_be_bytes());
                octets[9] = 6;
            }
            let ours = Ipv4::read(&octets);
            let Ok(theirs) = Ipv4Packet::new_checked(&octets[..]) else { return Ok(()) };
            if theirs.version() != 4 {
                prop_assert_eq!(ours, None);
                return Ok(());
            }
            let ours = ours.unwrap();
            prop_assert_eq!((ours.source, ours.destination), (theirs.src_addr(), theirs.dst_addr()));
            prop_assert_eq!(ours.protocol, u8::from(theirs.next_header()));
            prop_assert_eq!(ours.offset * 8, theirs.frag_offset());
            prop_assert_eq!(ours.is_whole, theirs.frag_offset() == 0 && !theirs.more_frags());
            prop_assert_eq!(ours.service, theirs.dscp() << 2 | theirs.ecn());
            if theirs.header_len() < 20 {
                prop_assert_eq!((ours.content, ours.payload()), (&[][..], None));
                return Ok(());
            }
            prop_assert_eq!(ours.payload(), Some(theirs.payload()));
            let Ok(segment) = TcpPacket::new_checked(theirs.payload()) else { return Ok(()) };
            let tcp = Tcp::read(theirs.payload()).unwrap();
            prop_assert_eq!((tcp.source, tcp.destination), (segment.src_port(), segment.dst_port()));
            prop_assert_eq!(tcp.sequence as i32, segment.seq_number().0);
            prop_assert_eq!(tcp.acknowledged as i32, segment.ack_number().0);
            prop_assert_eq!(tcp.data, segment.payload());
            let flags = [(FIN, segment.fin()), (SYN, segment.syn()), (RST, segment.rst()), (PSH, segment.psh()), (ACK, segment.ack())];
            for (flag, is_set) in flags {
                prop_assert_eq!(tcp.flags & flag != 0, is_set);
            }
        }
    }

    #[test]
    fn addresses_of_both_versions() {
        let mut four = [0u8; 20];
        four[0] = 0x45;
        four[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(addresses(&four), Some(([10, 0, 0, 1].into(), [10, 0, 0, 2].into())));
        assert_eq!(addresses(&four[..19]), None);
        four[0] = 0x65;
        assert_eq!(addresses(&four), None, "too short for a header of IPv6");
        let mut six = [0u8; 40];
        six[0] = 0x60;
        let (from, to): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "fe80::2".parse().unwrap());
        six[8..24].copy_from_slice(&from.octets());
        six[24..].copy_from_slice(&to.octets());
        assert_eq!(addresses(&six), Some((from.into(), to.into())));
        assert_eq!(addresses(&six[..39]), None);
    }

    #[test]
    fn a_session_of_ipv6_is_known_by_half_of_an_address() {
        let of = |text: &str| session_address(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:4000:7:1:2:3:4"), "2001:db8:4000:7::");
        assert_eq!(of("10.44.0.2"), "10.44.0.2");
        assert_eq!(link_local([2, 0, 0, 0, 0, 0, 0, 9]).to_string(), "fe80::200:0:0:9");
    }

    proptest! {
        #[test]
        fn any_octets_have_addresses_or_none(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let least = match octets.first().map(|first| first >> 4) {
                Some(4) => 20,
                Some(6) => 40,
                _ => usize::MAX,
            };
            prop_assert_eq!(addresses(&octets).is_some(), octets.len() >= least);
        }
    }
}
