//! Neighbour discovery as far as a link between one host and one router needs it: Router Solicitation and Router
//! Advertisement (RFC 4861 clauses 4.1 and 4.2) in ICMPv6 (RFC 4443), with the options for a prefix and the MTU.
//!
//! What is not sent as the specification wants it is no message: a hop limit of 255 says that no router lies between, and
//! the check sum covers both addresses (RFC 4861 clauses 6.1.1 and 6.1.2).

use std::net::Ipv6Addr;

use super::inet::{fold, sum};

/// Every router on the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Every host on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// ICMPv6 as next header.
const ICMP6: u8 = 58;
const HOP_LIMIT: u8 = 255;
const HEADER: usize = 40;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Option types (RFC 4861 clauses 4.6.2 and 4.6.4).
const PREFIX: u8 = 3;
const MTU: u8 = 5;
/// The prefix is for addresses of the hosts' own making.
const AUTONOMOUS: u8 = 0x40;
/// A lifetime without end.
const FOR_EVER: u32 = u32::MAX;

/// A message between a host and its router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A host asks for an advertisement.
    Solicitation,
    /// A router says what the link is.
    Advertisement(Advertisement),
}

/// What a router says of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// For how long it is a router of the link, in seconds; 0: it is none.
    pub lifetime_s: u16,
    /// The first 64 bits of the addresses that a host makes for itself (RFC 4862 clause 5.5.3).
    pub prefix: Option<[u8; 8]>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
}

/// The packet of a message from `from` to `to`. A prefix holds for ever, as TS 29.061 clause 11.2.1.3.4 has it, and is not
/// on the link: every packet goes to the router.
pub fn packet(from: Ipv6Addr, to: Ipv6Addr, message: &Message) -> Vec<u8> {
    let mut body = Vec::new();
    match message {
        Message::Solicitation => body.extend([SOLICITATION, 0, 0, 0, 0, 0, 0, 0]),
        Message::Advertisement(Advertisement { lifetime_s, prefix, mtu }) => {
            // The hop limit of packets, no DHCPv6, and no times for reachability.
            body.extend([ADVERTISEMENT, 0, 0, 0, 64, 0]);
            body.extend(lifetime_s.to_be_bytes());
            body.extend([0; 8]);
            if let Some(mtu) = mtu {
                body.extend([MTU, 1, 0, 0]);
                body.extend(mtu.to_be_bytes());
            }
            if let Some(prefix) = prefix {
                body.extend([PREFIX, 4, 64, AUTONOMOUS]);
                body.extend([FOR_EVER.to_be_bytes(), FOR_EVER.to_be_bytes(), [0; 4]].concat());
                body.extend(prefix);
                body.extend([0; 8]);
            }
        }
    }
    let check = !checked(from, to, &body);
    body[2..4].copy_from_slice(&check.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0, 0, body.len() as u8, ICMP6, HOP_LIMIT];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

/// The sender and the message of `packet`; `None` where it is none, or not as it has to be sent.
pub fn read(packet: &[u8]) -> Option<(Ipv6Addr, Message)> {
    let header = packet.first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let body = packet.get(HEADER..HEADER + length)?;
    if header[0] >> 4 != 6 || header[6] != ICMP6 || header[7] != HOP_LIMIT {
        return None;
    }
    let address = |at: usize| Some(Ipv6Addr::from(*header.get(at..)?.first_chunk::<16>()?));
    let (from, to) = (address(8)?, address(24)?);
    if checked(from, to, body) != 0xffff {
        return None;
    }
    let message = match body {
        [SOLICITATION, 0, _, _, _, _, _, _, options @ ..] => {
            for option in Options(options) {
                option?;
            }
            Message::Solicitation
        }
        [ADVERTISEMENT, 0, _, _, _, _, high, low, _, _, _, _, _, _, _, _, options @ ..] => {
            if !from.is_unicast_link_local() {
                return None;
            }
            let mut found =
                Advertisement { lifetime_s: u16::from_be_bytes([*high, *low]), prefix: None, mtu: None };
            for option in Options(options) {
                match option? {
                    [MTU, _, _, _, octets @ ..] => {
                        found.mtu = octets.first_chunk().map(|n| u32::from_be_bytes(*n))
                    }
                    [PREFIX, 4, 64, flags, octets @ ..] if flags & AUTONOMOUS != 0 => {
                        found.prefix = found.prefix.or(usable(octets));
                    }
                    _ => {}
                }
            }
            Message::Advertisement(found)
        }
        _ => return None,
    };
    Some((from, message))
}

/// The prefix of an option, from its lifetimes on, where it may be used (RFC 4862 clause 5.5.3).
fn usable(option: &[u8]) -> Option<[u8; 8]> {
    let lifetime = |at: usize| Some(u32::from_be_bytes(*option.get(at..)?.first_chunk()?));
    let (valid, preferred) = (lifetime(0)?, lifetime(4)?);
    let prefix: [u8; 8] = *option.get(12..)?.first_chunk()?;
    let link_local = prefix[0] == 0xfe && prefix[1] & 0xc0 == 0x80;
    (valid > 0 && preferred <= valid && !link_local && prefix[0] != 0xff).then_some(prefix)
}

/// The sum of a message with its pseudo-header (RFC 8200 clause 8.1).
fn checked(from: Ipv6Addr, to: Ipv6Addr, body: &[u8]) -> u16 {
    fold(sum(&from.octets()) + sum(&to.octets()) + body.len() as u64 + u64::from(ICMP6) + sum(body))
}

/// Options one after the other; `None` where one has no length or is cut off (RFC 4861 clause 4.6).
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = match self.0 {
            [] => return None,
            [_, length, ..] if *length > 0 => usize::from(*length) * 8,
            _ => usize::MAX,
        };
        let split = self.0.split_at_checked(length);
        self.0 = split.map_or(&[], |(_, rest)| rest);
        Some(split.map(|(option, _)| option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn host() -> Ipv6Addr {
        "fe80::211:22ff:fe33:4455".parse().unwrap()
    }

    fn router() -> Ipv6Addr {
        "fe80::1".parse().unwrap()
    }

    fn advertisement() -> Advertisement {
        let prefix = Some([0x20, 0x01, 0x0d, 0xb8, 0x40, 0, 0, 7]);
        Advertisement { lifetime_s: 65_535, prefix, mtu: Some(1400) }
    }

    /// The octets that scapy 2.6.1 writes for
    /// `IPv6(src="fe80::211:22ff:fe33:4455", dst="ff02::2", hlim=255)/ICMPv6ND_RS()` and
    /// `IPv6(src="fe80::1", dst="ff02::1", hlim=255)/ICMPv6ND_RA(chlim=64, prf=0, routerlifetime=65535)
    /// /ICMPv6NDOptMTU(mtu=1400)/ICMPv6NDOptPrefixInfo(prefixlen=64, L=0, A=1, R=0, validlifetime=0xffffffff,
    /// preferredlifetime=0xffffffff, prefix="2001:db8:4000:7::")`.
    #[test]
    fn another_encoder_writes_the_same_octets() {
        let asked = packet(host(), ALL_ROUTERS, &Message::Solicitation);
        assert_eq!(hex::encode(asked), include_str!("../../tests/vectors/router-solicitation.hex").trim());
        let said = packet(router(), ALL_NODES, &Message::Advertisement(advertisement()));
        assert_eq!(hex::encode(said), include_str!("../../tests/vectors/router-advertisement.hex").trim());
    }

    #[test]
    fn messages_survive() {
        let asked = packet(host(), ALL_ROUTERS, &Message::Solicitation);
        assert_eq!(read(&asked), Some((host(), Message::Solicitation)));
        for advertisement in [advertisement(), Advertisement { lifetime_s: 0, prefix: None, mtu: None }] {
            let message = Message::Advertisement(advertisement);
            assert_eq!(read(&packet(router(), ALL_NODES, &message)), Some((router(), message)));
        }
    }

    #[test]
    fn what_was_not_sent_on_this_link_is_none() {
        let message = Message::Advertisement(advertisement());
        let good = packet(router(), ALL_NODES, &message);
        for at in 0..good.len() {
            let mut bent = good.clone();
            bent[at] ^= 1;
            // Traffic class and flow label are outside the sum, and say nothing here.
            let outside = (0..4).contains(&at) && bent[0] >> 4 == 6;
            assert_eq!(read(&bent).is_none(), !outside, "octet {at}");
            assert_eq!(read(&good[..at]), None);
        }
        // A router is heard by its link-local address alone.
        assert_eq!(read(&packet("2001:db8::1".parse().unwrap(), ALL_NODES, &message)), None);
    }

    #[test]
    fn a_prefix_that_may_not_be_used_is_passed_over() {
        let with = |change: fn(&mut [u8])| {
            let mut packet = packet(router(), ALL_NODES, &Message::Advertisement(advertisement()));
            change(&mut packet[HEADER + 24..]);
            packet[HEADER + 2..HEADER + 4].fill(0);
            let check = !checked(router(), ALL_NODES, &packet[HEADER..]);
            packet[HEADER + 2..HEADER + 4].copy_from_slice(&check.to_be_bytes());
            match read(&packet).unwrap().1 {
                Message::Advertisement(found) => found.prefix,
                Message::Solicitation => panic!("an advertisement"),
            }
        };
        assert_eq!(with(|_| {}), advertisement().prefix);
        assert_eq!(with(|option| option[2] = 56), None, "another length than 64");
        assert_eq!(with(|option| option[3] = 0x80), None, "not for addresses of one's own making");
        assert_eq!(with(|option| option[4..8].fill(0)), None, "not valid any more");
        assert_eq!(with(|option| option[4] = 0), None, "preferred for longer than valid");
        assert_eq!(with(|option| option[16..18].copy_from_slice(&[0xfe, 0x80])), None, "link-local");
    }

    proptest! {
        #[test]
        fn any_octets_are_a_message_or_none(octets in prop_oneof![
            bent(packet(router(), ALL_NODES, &Message::Advertisement(advertisement()))),
            bent(packet(host(), ALL_ROUTERS, &Message::Solicitation)),
            proptest::collection::vec(any::<u8>(), 0..120),
        ]) {
            if let Some((from, message)) = read(&octets) {
                let to = if message == Message::Solicitation { ALL_ROUTERS } else { ALL_NODES };
                prop_assert_eq!(read(&packet(from, to, &message)), Some((from, message)));
            }
        }
    }
}
