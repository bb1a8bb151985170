//! How a host on a link with one router comes to its IPv6 address by itself (RFC 4861 clause 6.3, RFC 4862 clause 5.5).
//!
//! The network has given the interface identifier of the link-local address (TS 23.401 clause 5.3.1.2.2). The address that
//! the host is reached by has another one, of its own choice: it does not tell what the network calls the host. No other
//! host is on the link, so that nobody is asked whether an address is taken.

use std::net::Ipv6Addr;

use crate::kernel::{Duration, Instant};
use crate::wire::inet::{link_local, with_interface};
use crate::wire::ndp::{self, ALL_ROUTERS, Message};

/// RTR_SOLICITATION_INTERVAL and MAX_RTR_SOLICITATIONS (RFC 4861 clause 10).
const AGAIN_AFTER: Duration = Duration::from_secs(4);
const ASKED_MAX: u8 = 3;

/// A host that looks for its prefix.
#[derive(Debug)]
pub struct Slaac {
    link_local: Ipv6Addr,
    interface: [u8; 8],
    asked: u8,
    due: Option<Instant>,
    address: Option<Ipv6Addr>,
}

impl Slaac {
    /// A host whose link-local address has the identifier `given`, and whose other address shall have `interface`. It asks for
    /// a router from `now` on.
    pub fn new(now: Instant, given: [u8; 8], interface: [u8; 8]) -> Self {
        Self { link_local: link_local(given), interface, asked: 0, due: Some(now), address: None }
    }

    /// When it asks next.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The Router Solicitation that is due, if one is.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.due.filter(|due| *due <= now)?;
        if self.asked == ASKED_MAX {
            self.due = None;
            return None;
        }
        self.asked += 1;
        self.due = Some(now + AGAIN_AFTER);
        Some(ndp::packet(self.link_local, ALL_ROUTERS, &Message::Solicitation))
    }

    /// Looks at a packet from the link. Returns the address that follows from it, where that is new.
    pub fn receive(&mut self, packet: &[u8]) -> Option<Ipv6Addr> {
        let (_, Message::Advertisement(advertisement)) = ndp::read(packet)? else { return None };
        if advertisement.lifetime_s > 0 {
            self.due = None;
        }
        let address = with_interface(advertisement.prefix?, self.interface);
        // A prefix does not change while the session lasts (TS 23.401 clause 5.3.1.2.2).
        if self.address.is_some() {
            return None;
        }
        self.address = Some(address);
        Some(address)
    }

    /// Its address, once it has one.
    pub fn address(&self) -> Option<Ipv6Addr> {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ndp::{ALL_NODES, Advertisement};

    fn advertised(prefix: Option<[u8; 8]>, lifetime_s: u16) -> Vec<u8> {
        let message = Message::Advertisement(Advertisement { lifetime_s, prefix, mtu: None });
        ndp::packet("fe80::1".parse().unwrap(), ALL_NODES, &message)
    }

    #[test]
    fn a_host_asks_three_times_and_no_more() {
        let mut slaac = Slaac::new(Instant::ZERO, [9; 8], [7; 8]);
        let mut asked = Vec::new();
        while let Some(at) = slaac.deadline() {
            asked.extend(slaac.poll(at).map(|packet| (at.as_micros() / 1_000_000, packet)));
        }
        assert_eq!(asked.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [0, 4, 8]);
        let from: Ipv6Addr = "fe80::909:909:909:909".parse().unwrap();
        assert_eq!(ndp::read(&asked[0].1), Some((from, Message::Solicitation)));
        assert_eq!(slaac.address(), None);
    }

    #[test]
    fn an_address_is_made_of_the_prefix_once() {
        let mut slaac = Slaac::new(Instant::ZERO, [9; 8], [7; 8]);
        let (first, second) = ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1], [0x20, 1, 0xd, 0xb8, 0, 0, 0, 2]);
        assert_eq!(slaac.receive(&advertised(None, 1800)), None);
        assert_eq!(slaac.deadline(), None, "there is a router");
        let address: Ipv6Addr = "2001:db8:0:1:707:707:707:707".parse().unwrap();
        assert_eq!(slaac.receive(&advertised(Some(first), 1800)), Some(address));
        assert_eq!(slaac.receive(&advertised(Some(second), 1800)), None);
        assert_eq!(slaac.address(), Some(address));
    }

    #[test]
    fn who_is_no_router_ends_no_search() {
        let mut slaac = Slaac::new(Instant::ZERO, [9; 8], [7; 8]);
        slaac.receive(&advertised(None, 0));
        assert_eq!(slaac.deadline(), Some(Instant::ZERO));
        assert_eq!(
            slaac.receive(&ndp::packet("fe80::2".parse().unwrap(), ALL_ROUTERS, &Message::Solicitation)),
            None
        );
    }
}
