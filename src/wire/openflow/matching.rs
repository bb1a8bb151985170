//! What a flow matches: OXM fields (clause 7.2.3). Nothing that is not understood is passed over, since a match would then
//! be wider than it was meant.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::code::{Code, OpenflowError};
use super::octets::{Reader, Writer};

/// `OFPMT_OXM`.
const OXM: u16 = 1;
/// `OFPXMC_OPENFLOW_BASIC`.
const BASIC: u16 = 0x8000;
/// The most fields that a match has: one of each.
const FIELDS_MAX: usize = Field::ALL.len();

/// `OFPVID_PRESENT`, which a VLAN identifier in a match carries.
pub const VLAN_PRESENT: u16 = 0x1000;
/// The EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// The EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// The EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// IP protocol numbers.
pub const ICMP: u8 = 1;
/// The same of TCP.
pub const TCP: u8 = 6;
/// The same of UDP.
pub const UDP: u8 = 17;

/// The row of a field.
struct Row {
    field: Field,
    /// `oxm_field`.
    number: u8,
    name: &'static str,
    /// In bits. On the wire it has as many whole octets.
    bits: u32,
    maskable: bool,
    needs: &'static [(Field, &'static [u64])],
}

/// Declares the fields with their rows.
macro_rules! fields {
    ($($(#[$what:meta])* $field:ident = $number:literal, $name:literal, $bits:literal, $maskable:literal, $needs:expr;)*) => {
        /// A field that a flow may match (table 11 of clause 7.2.3.7). Of IPv6 there are the addresses; SCTP, MPLS and
        /// PBB are not matched here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field {
            $($(#[$what])* $field,)*
        }

        impl Field {
            /// Every field, by its number.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];
        }

        const ROWS: &[Row] = &[$(Row {
            field: Field::$field, number: $number, name: $name, bits: $bits, maskable: $maskable, needs: $needs,
        }),*];
    };
}

const IS_IPV4: &[(Field, &[u64])] = &[(Field::EthType, &[IPV4 as u64])];
const IS_IPV6: &[(Field, &[u64])] = &[(Field::EthType, &[IPV6 as u64])];
/// Of either version.
const IP: &[u64] = &[IPV4 as u64, IPV6 as u64];
const IS_IP: &[(Field, &[u64])] = &[(Field::EthType, IP)];
const IS_ARP: &[(Field, &[u64])] = &[(Field::EthType, &[ARP as u64])];
const IS_TCP: &[(Field, &[u64])] = &[(Field::EthType, IP), (Field::IpProto, &[TCP as u64])];
const IS_UDP: &[(Field, &[u64])] = &[(Field::EthType, IP), (Field::IpProto, &[UDP as u64])];
const IS_ICMP: &[(Field, &[u64])] = &[(Field::EthType, &[IPV4 as u64]), (Field::IpProto, &[ICMP as u64])];
const HAS_VLAN: &[(Field, &[u64])] = &[(Field::VlanVid, &[])];

fields! {
    /// The port that it came in by.
    InPort = 0, "in_port", 32, false, &[];
    /// What the tables before have left.
    Metadata = 2, "metadata", 64, true, &[];
    /// Ethernet destination.
    EthDst = 3, "eth_dst", 48, true, &[];
    /// Ethernet source.
    EthSrc = 4, "eth_src", 48, true, &[];
    /// EtherType, behind a VLAN tag.
    EthType = 5, "eth_type", 16, false, &[];
    /// VLAN identifier with [`VLAN_PRESENT`]; 0 is a frame without a tag.
    VlanVid = 6, "vlan_vid", 13, true, &[];
    /// VLAN priority.
    VlanPcp = 7, "vlan_pcp", 3, false, HAS_VLAN;
    /// Differentiated services code point.
    IpDscp = 8, "ip_dscp", 6, false, IS_IP;
    /// Explicit congestion notification.
    IpEcn = 9, "ip_ecn", 2, false, IS_IP;
    /// IP protocol number.
    IpProto = 10, "ip_proto", 8, false, IS_IP;
    /// IPv4 source.
    Ipv4Src = 11, "ipv4_src", 32, true, IS_IPV4;
    /// IPv4 destination.
    Ipv4Dst = 12, "ipv4_dst", 32, true, IS_IPV4;
    /// TCP source port.
    TcpSrc = 13, "tcp_src", 16, false, IS_TCP;
    /// TCP destination port.
    TcpDst = 14, "tcp_dst", 16, false, IS_TCP;
    /// UDP source port.
    UdpSrc = 15, "udp_src", 16, false, IS_UDP;
    /// UDP destination port.
    UdpDst = 16, "udp_dst", 16, false, IS_UDP;
    /// ICMP type.
    IcmpType = 19, "icmpv4_type", 8, false, IS_ICMP;
    /// ICMP code.
    IcmpCode = 20, "icmpv4_code", 8, false, IS_ICMP;
    /// ARP operation.
    ArpOp = 21, "arp_op", 16, false, IS_ARP;
    /// ARP sender's IPv4 address.
    ArpSpa = 22, "arp_spa", 32, true, IS_ARP;
    /// ARP target's IPv4 address.
    ArpTpa = 23, "arp_tpa", 32, true, IS_ARP;
    /// ARP sender's hardware address.
    ArpSha = 24, "arp_sha", 48, true, IS_ARP;
    /// ARP target's hardware address.
    ArpTha = 25, "arp_tha", 48, true, IS_ARP;
    /// IPv6 source.
    Ipv6Src = 26, "ipv6_src", 128, true, IS_IPV6;
    /// IPv6 destination.
    Ipv6Dst = 27, "ipv6_dst", 128, true, IS_IPV6;
}

impl Field {
    fn row(self) -> &'static Row {
        // The table has a row for each field, in their order, as a test checks.
        &ROWS[self as usize]
    }

    /// The name that OpenFlow gives it, in small letters.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// `oxm_field`.
    pub fn number(self) -> u8 {
        self.row().number
    }

    /// Whether it takes a mask.
    pub fn is_maskable(self) -> bool {
        self.row().maskable
    }

    /// All of its bits.
    pub fn full(self) -> u128 {
        u128::MAX >> (128 - self.row().bits)
    }

    /// How many octets it has on the wire.
    pub fn octets(self) -> usize {
        self.row().bits.div_ceil(8) as usize
    }

    /// Its OXM header (clause 7.2.3.2), as a table says that it serves it.
    pub fn header(self, masked: bool) -> u32 {
        let length = self.octets() << u32::from(masked);
        u32::from(BASIC) << 16 | u32::from(self.number()) << 9 | u32::from(masked) << 8 | length as u32
    }

    fn of(number: u8) -> Option<Self> {
        ROWS.iter().find(|row| row.number == number).map(|row| row.field)
    }
}

/// One field of a match. Numbers stand in the low bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Oxm {
    /// Which field.
    pub field: Field,
    /// What it has to be, where the mask has ones.
    pub value: u128,
    /// Which bits count.
    pub mask: u128,
}

/// What packets a flow is for: all of `fields`. No field is there twice, and what a field depends on stands before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Match {
    fields: Vec<Oxm>,
}

impl Match {
    /// Every packet.
    pub const fn any() -> Self {
        Self { fields: Vec::new() }
    }

    /// The fields, in the order in which they were given.
    pub fn fields(&self) -> &[Oxm] {
        &self.fields
    }

    /// What `field` has to be, and the bits that count.
    pub fn get(&self, field: Field) -> Option<(u128, u128)> {
        self.fields.iter().find(|oxm| oxm.field == field).map(|oxm| (oxm.value, oxm.mask))
    }

    /// The same with one field more, of which all bits count.
    ///
    /// # Errors
    /// See [`with_masked`](Self::with_masked).
    pub fn with(self, field: Field, value: impl Into<u128>) -> Result<Self, OpenflowError> {
        self.with_masked(field, value.into(), field.full())
    }

    /// The same with one field more. A mask without ones adds none.
    ///
    /// # Errors
    /// What a switch would answer: a value that the field cannot have, a mask where none may be, a field twice, or one
    /// whose prerequisites are not there yet.
    pub fn with_masked(mut self, field: Field, value: u128, mask: u128) -> Result<Self, OpenflowError> {
        let refused = |code, what| Err(OpenflowError::refused(code, what));
        if value & !field.full() != 0 || mask & !field.full() != 0 {
            return refused(Code::MATCH_VALUE, "a field has bits that it does not have");
        }
        if value & !mask != 0 {
            return refused(Code::MATCH_WILDCARDS, "a value has bits that its mask leaves out");
        }
        if mask == 0 {
            return Ok(self);
        }
        if mask != field.full() && !field.is_maskable() {
            return refused(Code::MATCH_MASK, "a field that takes no mask has one");
        }
        if self.get(field).is_some() {
            return refused(Code::MATCH_DUPLICATE, "a field stands there twice");
        }
        let met = field.row().needs.iter().all(|(needed, values)| match self.get(*needed) {
            // A tag has to be there.
            Some((value, mask)) if values.is_empty() => value & mask & u128::from(VLAN_PRESENT) != 0,
            Some((value, _)) => values.iter().any(|one| u128::from(*one) == value),
            None => false,
        });
        if !met {
            return refused(Code::MATCH_PREREQUISITE, "a field stands there without what it depends on");
        }
        self.fields.push(Oxm { field, value, mask });
        Ok(self)
    }

    /// Reads the structure `ofp_match` with its padding.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let refused = |code, what| Err(OpenflowError::refused(code, what));
        let kind = reader.u16()?;
        if kind != OXM {
            return refused(Code::MATCH_TYPE, "a match is not of OXM fields");
        }
        let length = usize::from(reader.u16()?);
        let what = "the length of a match is not that of its fields";
        let Some(inner) = length.checked_sub(4) else { return refused(Code::MATCH_LEN, what) };
        let mut fields = reader.part(inner, Code::MATCH_LEN, what)?;
        reader.pad(length.next_multiple_of(8) - length)?;
        let mut found = Self::any();
        while !fields.is_empty() {
            let class = fields.u16()?;
            let (number, octets) = (fields.u8()?, usize::from(fields.u8()?));
            let known = Field::of(number >> 1).filter(|_| class == BASIC);
            let Some(field) = known else {
                return refused(Code::MATCH_FIELD, "a match has a field that is not known here");
            };
            let masked = number & 1 == 1;
            if masked && !field.is_maskable() {
                return refused(Code::MATCH_MASK, "a field that takes no mask has one");
            }
            if octets != field.octets() << u32::from(masked) {
                return refused(Code::MATCH_LEN, "a field of a match has a length that it does not have");
            }
            let mut number = || {
                Ok(fields.take(field.octets())?.iter().fold(0, |sum, octet| sum << 8 | u128::from(*octet)))
            };
            let value = number()?;
            let mask = if masked { number()? } else { field.full() };
            found = found.with_masked(field, value, mask)?;
        }
        debug_assert!(found.fields.len() <= FIELDS_MAX);
        Ok(found)
    }

    /// Writes the structure `ofp_match` with its padding.
    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        let start = out.octets.len();
        out.u16(OXM).u16(0);
        for Oxm { field, value, mask } in &self.fields {
            let masked = *mask != field.full();
            out.u32(field.header(masked));
            let octets = field.octets();
            out.bytes(&value.to_be_bytes()[16 - octets..]);
            if masked {
                out.bytes(&mask.to_be_bytes()[16 - octets..]);
            }
        }
        out.set_length(start, start + 2)?;
        out.align(start);
        Ok(())
    }
}

impl fmt::Display for Match {
    /// As in `in_port=1,eth_type=0x0800,ipv4_src=10.44.0.2`; `any` where there is nothing to match.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fields.is_empty() {
            return f.write_str("any");
        }
        for (place, Oxm { field, value, mask }) in self.fields.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}=", field.name())?;
            match field {
                Field::Ipv4Src | Field::Ipv4Dst | Field::ArpSpa | Field::ArpTpa => {
                    write!(f, "{}", Ipv4Addr::from(*value as u32))?;
                }
                Field::Ipv6Src | Field::Ipv6Dst => write!(f, "{}", Ipv6Addr::from(*value))?,
                Field::Metadata | Field::EthDst | Field::EthSrc | Field::EthType => write!(f, "{value:#x}")?,
                _ => write!(f, "{value}")?,
            }
            if *mask != field.full() {
                write!(f, "/{mask:#x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_field_in_its_place() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.field as usize, place);
            assert_eq!(Field::of(row.number), Some(row.field));
        }
        assert_eq!(Field::of(28), None);
        // OXM_OF_IPV6_SRC, OXM_OF_IPV6_DST_W.
        assert_eq!((Field::Ipv6Src.header(false), Field::Ipv6Dst.header(true)), (0x8000_3410, 0x8000_3720));
        // From openflow.h of the specification: OXM_OF_IPV4_SRC_W, OXM_OF_IN_PORT.
        assert_eq!((Field::Ipv4Src.header(true), Field::InPort.header(false)), (0x8000_1708, 0x8000_0004));
    }

    #[test]
    fn what_a_match_cannot_be_is_refused_with_its_own_code() {
        let ip = || Match::any().with(Field::EthType, IPV4).unwrap();
        let code = |found: Result<Match, OpenflowError>| found.unwrap_err().code().unwrap();
        assert_eq!(code(Match::any().with(Field::Ipv4Src, 1_u64)), Code::MATCH_PREREQUISITE);
        assert_eq!(code(ip().with(Field::TcpDst, 443_u64)), Code::MATCH_PREREQUISITE);
        let udp = ip().with(Field::IpProto, UDP).unwrap();
        assert_eq!(code(udp.clone().with(Field::TcpDst, 443_u64)), Code::MATCH_PREREQUISITE);
        assert!(udp.with(Field::UdpDst, 53_u64).is_ok());
        assert_eq!(code(ip().with(Field::EthType, ARP)), Code::MATCH_DUPLICATE);
        assert_eq!(code(ip().with(Field::IpDscp, 64_u64)), Code::MATCH_VALUE);
        assert_eq!(code(ip().with_masked(Field::Ipv4Src, 3, 2)), Code::MATCH_WILDCARDS);
        assert_eq!(code(ip().with_masked(Field::IpProto, 2, 2)), Code::MATCH_MASK);
        assert_eq!(code(Match::any().with(Field::VlanPcp, 1_u64)), Code::MATCH_PREREQUISITE);
        let untagged = Match::any().with(Field::VlanVid, 0_u64).unwrap();
        assert_eq!(code(untagged.with(Field::VlanPcp, 1_u64)), Code::MATCH_PREREQUISITE);
        let six = Match::any().with(Field::EthType, IPV6).unwrap();
        assert_eq!(code(ip().with(Field::Ipv6Src, 1_u64)), Code::MATCH_PREREQUISITE);
        assert_eq!(code(six.clone().with(Field::Ipv4Src, 1_u64)), Code::MATCH_PREREQUISITE);
        assert!(six.with(Field::IpProto, TCP).and_then(|m| m.with(Field::TcpDst, 443_u64)).is_ok());
        // A mask without ones is no field.
        assert_eq!(ip().with_masked(Field::Ipv4Src, 0, 0), Ok(ip()));
    }
}
