//! What a switch sees of a packet: one key with a place for each field that a flow may match.

use crate::wire::inet::Ipv4;
use crate::wire::openflow::{ARP, Field, ICMP, IPV4, IPV6, Match, TCP, UDP, VLAN_PRESENT};

/// A packet as a port carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An Ethernet frame, from its destination to the end of its content.
    Ethernet(&'a [u8]),
    /// An IP packet without a frame, as SGi carries it.
    Ip(&'a [u8]),
}

/// How long an Ethernet header is without a tag.
const ETHERNET: usize = 14;
/// The EtherType of a VLAN tag (IEEE 802.1Q).
const TAGGED: u16 = 0x8100;

impl<'a> Frame<'a> {
    /// Its octets.
    pub fn octets(self) -> &'a [u8] {
        match self {
            Self::Ethernet(octets) | Self::Ip(octets) => octets,
        }
    }

    /// The IP packet in it, where there is one.
    pub fn ip(self) -> Option<&'a [u8]> {
        match self {
            Self::Ip(packet) => Some(packet),
            Self::Ethernet(frame) => {
                let (kind, at) = ether_type(frame)?;
                matches!(kind, IPV4 | IPV6).then(|| &frame[at..])
            }
        }
    }
}

/// The EtherType behind a tag, where there is one, and where its content begins.
fn ether_type(frame: &[u8]) -> Option<(u16, usize)> {
    let at = |place: usize| frame.get(place..place + 2)?.try_into().ok().map(u16::from_be_bytes);
    match at(12)? {
        TAGGED => Some((at(16)?, ETHERNET + 4)),
        kind => Some((kind, ETHERNET)),
    }
}

/// Nine words with a place for each field. What cannot be in one packet shares its place: IPv4, IPv6 and ARP, ports of TCP
/// and those of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(pub [u64; 9]);

/// The words of an IPv6 address: its first half and its second.
fn halves(field: Field) -> Option<[usize; 2]> {
    match field {
        Field::Ipv6Src => Some([4, 6]),
        Field::Ipv6Dst => Some([7, 8]),
        _ => None,
    }
}

/// The word of a field, and how far up its lowest bit stands; of an IPv6 address, of its first half.
fn place(field: Field) -> (usize, u32) {
    match field {
        Field::InPort => (0, 32),
        Field::EthType => (0, 16),
        Field::IpProto => (0, 8),
        Field::IpDscp => (0, 2),
        Field::IpEcn => (0, 0),
        Field::Metadata => (1, 0),
        Field::EthDst => (2, 16),
        Field::VlanVid => (2, 0),
        Field::EthSrc => (3, 16),
        Field::VlanPcp => (3, 0),
        Field::Ipv6Src => (4, 0),
        Field::Ipv6Dst => (7, 0),
        Field::Ipv4Src | Field::ArpSpa => (4, 32),
        Field::Ipv4Dst | Field::ArpTpa => (4, 0),
        Field::TcpSrc | Field::UdpSrc => (5, 48),
        Field::TcpDst | Field::UdpDst => (5, 32),
        Field::IcmpType => (5, 24),
        Field::IcmpCode => (5, 16),
        Field::ArpOp => (5, 0),
        Field::ArpSha => (6, 0),
        Field::ArpTha => (7, 0),
    }
}

impl Key {
    /// What there is to match in `frame`, which came in by `port`. A field that the packet does not have, or whose octets
    /// are cut off, is zero.
    pub fn of(port: u32, frame: Frame<'_>) -> Self {
        let mut key = Self::default();
        key.set(Field::InPort, port.into());
        match frame {
            Frame::Ip(packet) if packet.first().is_some_and(|first| first >> 4 == 6) => {
                key.set(Field::EthType, IPV6.into());
                key.ipv6(packet);
            }
            Frame::Ip(packet) => {
                key.set(Field::EthType, IPV4.into());
                key.ip(packet);
            }
            Frame::Ethernet(octets) => key.ethernet(octets),
        }
        key
    }

    /// Puts a value into its place, which is empty.
    pub fn set(&mut self, field: Field, value: u128) {
        match halves(field) {
            Some([first, second]) => {
                self.0[first] |= (value >> 64) as u64;
                self.0[second] |= value as u64;
            }
            None => {
                let (word, shift) = place(field);
                self.0[word] |= ((value & field.full()) as u64) << shift;
            }
        }
    }

    /// What stands in the place of a field.
    pub fn get(&self, field: Field) -> u128 {
        match halves(field) {
            Some([first, second]) => u128::from(self.0[first]) << 64 | u128::from(self.0[second]),
            None => {
                let (word, shift) = place(field);
                u128::from(self.0[word] >> shift) & field.full()
            }
        }
    }

    /// Changes the metadata where `mask` has ones.
    pub fn write_metadata(&mut self, value: u64, mask: u64) {
        self.0[1] = self.0[1] & !mask | value & mask;
    }

    /// The bits that `mask` has.
    pub fn masked(&self, mask: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & mask.0[word]))
    }

    /// Values and bits that count of a match.
    pub fn of_match(matching: &Match) -> (Self, Self) {
        let (mut value, mut mask) = (Self::default(), Self::default());
        for oxm in matching.fields() {
            value.set(oxm.field, oxm.value);
            mask.set(oxm.field, oxm.mask);
        }
        (value, mask)
    }

    fn ethernet(&mut self, frame: &[u8]) {
        let number = |from: usize, count: usize| {
            let octets = frame.get(from..from + count)?;
            Some(octets.iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet)))
        };
        let (Some(to), Some(from)) = (number(0, 6), number(6, 6)) else { return };
        self.set(Field::EthDst, to);
        self.set(Field::EthSrc, from);
        let Some((kind, at)) = ether_type(frame) else { return };
        self.set(Field::EthType, kind.into());
        if at > ETHERNET
            && let Some(tag) = number(14, 2)
        {
            self.set(Field::VlanVid, tag & 0xfff | u128::from(VLAN_PRESENT));
            self.set(Field::VlanPcp, tag >> 13);
        }
        match kind {
            IPV4 => self.ip(&frame[at..]),
            IPV6 => self.ipv6(&frame[at..]),
            ARP => {
                let mut put =
                    |field, from, count| self.set(field, number(at + from, count).unwrap_or_default());
                put(Field::ArpOp, 6, 2);
                put(Field::ArpSha, 8, 6);
                put(Field::ArpSpa, 14, 4);
                put(Field::ArpTha, 18, 6);
                put(Field::ArpTpa, 24, 4);
            }
            _ => {}
        }
    }

    /// IPv4 (RFC 791). Ports and ICMP are those of the first fragment; a later one has none.
    fn ip(&mut self, packet: &[u8]) {
        let Some(ip) = Ipv4::read(packet) else { return };
        self.set(Field::Ipv4Src, u32::from(ip.source).into());
        self.set(Field::Ipv4Dst, u32::from(ip.destination).into());
        self.set(Field::IpProto, ip.protocol.into());
        self.set(Field::IpDscp, u128::from(ip.service >> 2));
        self.set(Field::IpEcn, ip.service.into());
        if ip.offset == 0 {
            self.transport(ip.protocol, ip.content);
        }
    }

    /// IPv6 (RFC 8200). Behind a header of an extension is nothing that is looked at.
    fn ipv6(&mut self, packet: &[u8]) {
        let Some(header) = packet.first_chunk::<40>() else { return };
        if header[0] >> 4 != 6 {
            return;
        }
        let address =
            |at: usize| header[at..at + 16].iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet));
        self.set(Field::Ipv6Src, address(8));
        self.set(Field::Ipv6Dst, address(24));
        self.set(Field::IpProto, header[6].into());
        let class = header[0] << 4 | header[1] >> 4;
        self.set(Field::IpDscp, u128::from(class >> 2));
        self.set(Field::IpEcn, u128::from(class));
        self.transport(header[6], &packet[40..]);
    }

    /// What stands behind the header of IP.
    fn transport(&mut self, protocol: u8, body: &[u8]) {
        let number = |from: usize, count: usize| {
            let octets = body.get(from..from + count)?;
            Some(octets.iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet)))
        };
        let mut put = |field, from, count| self.set(field, number(from, count).unwrap_or_default());
        match protocol {
            TCP => {
                put(Field::TcpSrc, 0, 2);
                put(Field::TcpDst, 2, 2);
            }
            UDP => {
                put(Field::UdpSrc, 0, 2);
                put(Field::UdpDst, 2, 2);
            }
            ICMP => {
                put(Field::IcmpType, 0, 1);
                put(Field::IcmpCode, 1, 1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_two_fields_of_one_packet_share_a_place() {
        let together = |left: Field, right: Field| {
            let kinds = |field: Field| match field {
                Field::ArpOp | Field::ArpSpa | Field::ArpTpa | Field::ArpSha | Field::ArpTha => "arp",
                Field::TcpSrc | Field::TcpDst => "tcp",
                Field::UdpSrc | Field::UdpDst => "udp",
                Field::Ipv4Src | Field::Ipv4Dst => "ip",
                Field::Ipv6Src | Field::Ipv6Dst => "ipv6",
                _ => "",
            };
            let (left, right) = (kinds(left), kinds(right));
            left.is_empty() || right.is_empty() || left == right
        };
        for left in Field::ALL {
            for right in Field::ALL {
                let bits = |field: &Field| {
                    let mut key = Key::default();
                    key.set(*field, field.full());
                    key.0
                };
                let both = bits(left).into_iter().zip(bits(right));
                let apart = both.into_iter().all(|(one, other)| one & other == 0);
                assert_eq!(
                    bits(left).iter().map(|word| word.count_ones()).sum::<u32>(),
                    left.full().count_ones()
                );
                assert!(left == right || apart || !together(*left, *right), "{left:?} and {right:?}");
            }
        }
    }

    #[test]
    fn fields_of_a_tagged_udp_packet() {
        // 802.1Q tag with priority 3 and identifier 5, IPv4 with DSCP 46 and ECN 1, an option of four octets, UDP.
        let frame = hex::decode(concat!(
            "010000000002020000000001810060050800",
            "46b9001c00010000401100000a2c00020a63000a01010100",
            "c350003500080000",
        ))
        .unwrap();
        let key = Key::of(7, Frame::Ethernet(&frame));
        let seen = |field| key.get(field);
        assert_eq!((seen(Field::InPort), seen(Field::EthType), seen(Field::IpProto)), (7, 0x0800, 17));
        assert_eq!((seen(Field::EthDst), seen(Field::EthSrc)), (0x0100_0000_0002, 0x0200_0000_0001));
        assert_eq!((seen(Field::VlanVid), seen(Field::VlanPcp)), (0x1005, 3));
        assert_eq!((seen(Field::IpDscp), seen(Field::IpEcn)), (46, 1));
        assert_eq!((seen(Field::Ipv4Src), seen(Field::Ipv4Dst)), (0x0a2c_0002, 0x0a63_000a));
        assert_eq!((seen(Field::UdpSrc), seen(Field::UdpDst)), (50_000, 53));
        assert_eq!(Frame::Ethernet(&frame).ip(), Some(&frame[18..]));
        // The same without a frame.
        let bare = Key::of(7, Frame::Ip(&frame[18..]));
        let fields = [Field::EthType, Field::Ipv4Src, Field::Ipv4Dst, Field::IpProto, Field::UdpDst];
        assert!(fields.iter().all(|field| bare.get(*field) == key.get(*field)));
        assert_eq!(bare.get(Field::VlanVid), 0);
        // A later fragment has no ports.
        let mut later = frame.clone();
        later[18 + 7] = 1;
        assert_eq!(Key::of(7, Frame::Ethernet(&later)).get(Field::UdpDst), 0);
    }

    #[test]
    fn fields_of_an_ipv6_packet() {
        // Traffic class of DSCP 46 and ECN 1, TCP.
        let packet = hex::decode(
            concat!(
                "6b900000",
                "0014",
                "06",
                "40",
                "20010db8400000070000000000000002",
                "20010db80099000000000000 0a63001e",
                "c35001bb0000000000000000500200000000 0000",
            )
            .replace(' ', ""),
        )
        .unwrap();
        let key = Key::of(1, Frame::Ip(&packet));
        let seen = |field| key.get(field);
        assert_eq!((seen(Field::EthType), seen(Field::IpProto)), (0x86dd, 6));
        assert_eq!(seen(Field::Ipv6Src), 0x2001_0db8_4000_0007_0000_0000_0000_0002);
        assert_eq!(seen(Field::Ipv6Dst), 0x2001_0db8_0099_0000_0000_0000_0a63_001e);
        assert_eq!((seen(Field::IpDscp), seen(Field::IpEcn)), (46, 1));
        assert_eq!((seen(Field::TcpSrc), seen(Field::TcpDst)), (50_000, 443));
        let framed = [&[2; 12][..], &[0x86, 0xdd], &packet].concat();
        assert_eq!(Key::of(1, Frame::Ethernet(&framed)).get(Field::Ipv6Src), seen(Field::Ipv6Src));
        assert_eq!(Frame::Ethernet(&framed).ip(), Some(&packet[..]));
    }

    #[test]
    fn metadata_is_written_where_the_mask_has_ones() {
        let mut key = Key::default();
        key.write_metadata(0x0123_4567_89ab_cdef, u64::MAX);
        key.write_metadata(u64::MAX, 0xff00);
        assert_eq!(key.get(Field::Metadata), 0x0123_4567_89ab_ffef);
        key.write_metadata(0, 0xff << 56);
        assert_eq!(key.get(Field::Metadata), 0x0023_4567_89ab_ffef);
    }

    #[test]
    fn fields_of_an_arp_request() {
        let frame = hex::decode(concat!(
            "ffffffffffff0200000000010806",
            "00010800060400010200000000010a0000010000000000000a000002",
        ))
        .unwrap();
        let key = Key::of(1, Frame::Ethernet(&frame));
        assert_eq!((key.get(Field::ArpOp), key.get(Field::ArpSha)), (1, 0x0200_0000_0001));
        assert_eq!((key.get(Field::ArpSpa), key.get(Field::ArpTpa)), (0x0a00_0001, 0x0a00_0002));
        assert_eq!(Frame::Ethernet(&frame).ip(), None);
    }

    proptest! {
        #[test]
        fn any_octets_have_a_key(octets in proptest::collection::vec(any::<u8>(), 0..80), port: u32) {
            for frame in [Frame::Ethernet(&octets), Frame::Ip(&octets)] {
                let key = Key::of(port, frame);
                prop_assert_eq!(key.get(Field::InPort), u128::from(port));
                prop_assert!(frame.ip().is_none_or(|packet| octets.ends_with(packet)));
            }
        }
    }
}
