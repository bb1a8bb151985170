//! One end of GTP-U tunnels, as a base station and a gateway have it (TS 29.281 clauses 4.3, 7.2 and 7.3; TS 23.007
//! clause 22): which tunnel is whose, where its far end is, and what a datagram asks for.
//!
//! It owns no socket: its owner hands it datagrams and sends what it answers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Error, Received, decode, echo_response, error_indication, user};
use crate::wire::Label;

/// The other end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FarEnd {
    /// The IPv4 address of the peer.
    pub address: Ipv4Addr,
    /// The TEID that the peer has chosen; it stands in the header of what is sent to it.
    pub teid: u32,
}

/// A datagram for the GTP-U port of a far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The IPv4 address of the peer; its port is 2152.
    pub to: Ipv4Addr,
    /// The message, header included.
    pub bytes: Vec<u8>,
    /// Name and TEID for a transcript.
    pub label: Label,
}

/// What a received datagram is.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a, K> {
    /// A user packet for the session `key`.
    Deliver {
        /// Whose tunnel the packet came through.
        key: K,
        /// The IP packet.
        packet: &'a [u8],
    },
    /// Something that its sender is to be answered.
    Answer {
        /// The message to send back to the datagram's source address and port.
        bytes: Vec<u8>,
        /// Its name for a transcript.
        label: Label,
    },
    /// The far end does not know the tunnel of session `key` any more.
    Lost {
        /// Whose tunnel is lost.
        key: K,
    },
    /// Nothing to be done: no message of GTP-U, or one that asks for nothing.
    Nothing,
}

#[derive(Debug)]
struct Tunnel<K> {
    key: K,
    far: Option<FarEnd>,
}

/// The tunnels that end at one address, each of a session that the owner knows by a key `K`.
#[derive(Debug)]
pub struct Endpoint<K> {
    address: Ipv4Addr,
    tunnels: BTreeMap<u32, Tunnel<K>>,
    by_far_end: BTreeMap<FarEnd, u32>,
    next_teid: u32,
}

impl<K: Copy> Endpoint<K> {
    /// An endpoint at `address` without tunnels.
    pub fn new(address: Ipv4Addr) -> Self {
        Self { address, tunnels: BTreeMap::new(), by_far_end: BTreeMap::new(), next_teid: 1 }
    }

    /// Where the tunnels end.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A tunnel of session `key`, whose far end is not known yet. The TEID is what the far end is told; 0 is for
    /// signalling (clause 5.1).
    pub fn open(&mut self, key: K) -> u32 {
        // 2^32 sessions do not fit a run.
        let teid = self.next_teid;
        self.next_teid = self.next_teid.checked_add(1).unwrap_or(1);
        self.tunnels.insert(teid, Tunnel { key, far: None });
        teid
    }

    /// Whose tunnel `teid` is.
    pub fn key(&self, teid: u32) -> Option<K> {
        self.tunnels.get(&teid).map(|tunnel| tunnel.key)
    }

    /// Where tunnel `teid` leads from now on. A tunnel that there is not leads nowhere.
    pub fn connect(&mut self, teid: u32, far: FarEnd) {
        self.disconnect(teid);
        if let Some(tunnel) = self.tunnels.get_mut(&teid) {
            tunnel.far = Some(far);
            self.by_far_end.insert(far, teid);
        }
    }

    /// Tunnel `teid` leads nowhere; what comes in is still its own.
    pub fn disconnect(&mut self, teid: u32) {
        let far = self.tunnels.get_mut(&teid).and_then(|tunnel| tunnel.far.take());
        // The far end may have been given to another tunnel since.
        if let Some(far) = far.filter(|far| self.by_far_end.get(far) == Some(&teid)) {
            self.by_far_end.remove(&far);
        }
    }

    /// Ends tunnel `teid`.
    pub fn close(&mut self, teid: u32) {
        self.disconnect(teid);
        self.tunnels.remove(&teid);
    }

    /// A user packet through tunnel `teid`; `None` where it leads nowhere. Fails on packets over 65,535 bytes.
    pub fn send(&self, teid: u32, packet: &[u8]) -> Result<Option<Datagram>, Error> {
        let Some(far) = self.tunnels.get(&teid).and_then(|tunnel| tunnel.far) else { return Ok(None) };
        let (bytes, label) = user(far.teid, packet)?;
        Ok(Some(Datagram { to: far.address, bytes, label }))
    }

    /// What a datagram on the GTP-U port asks for. Octets that are no message are dropped silently (clause 11).
    pub fn receive<'a>(&self, bytes: &'a [u8]) -> Result<Event<'a, K>, Error> {
        let Ok(received) = decode(bytes) else { return Ok(Event::Nothing) };
        let (bytes, label) = match received {
            Received::User { teid, packet } => match self.key(teid) {
                Some(key) => return Ok(Event::Deliver { key, packet }),
                None => error_indication(teid, self.address)?,
            },
            Received::EchoRequest { sequence } => echo_response(sequence)?,
            Received::ErrorIndication { teid, address } => {
                let lost = self.by_far_end.get(&FarEnd { address, teid }).and_then(|teid| self.key(*teid));
                return Ok(lost.map_or(Event::Nothing, |key| Event::Lost { key }));
            }
            Received::Other => return Ok(Event::Nothing),
        };
        Ok(Event::Answer { bytes, label })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);
    const THERE: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);

    fn far(teid: u32) -> FarEnd {
        FarEnd { address: THERE, teid }
    }

    #[test]
    fn packets_pass_where_a_tunnel_leads() {
        let mut endpoint = Endpoint::new(HERE);
        let teid = endpoint.open('a');
        assert_eq!(endpoint.send(teid, b"up"), Ok(None));
        endpoint.connect(teid, far(7));
        let sent = endpoint.send(teid, b"up").unwrap().unwrap();
        assert_eq!((sent.to, decode(&sent.bytes)), (THERE, Ok(Received::User { teid: 7, packet: b"up" })));
        let (bytes, _) = user(teid, b"down").unwrap();
        assert_eq!(endpoint.receive(&bytes), Ok(Event::Deliver { key: 'a', packet: b"down" }));
        endpoint.disconnect(teid);
        assert_eq!(endpoint.send(teid, b"up"), Ok(None));
        assert_eq!(endpoint.receive(&bytes), Ok(Event::Deliver { key: 'a', packet: b"down" }));
    }

    #[test]
    fn unknown_tunnels_and_echo_are_answered() {
        let mut endpoint = Endpoint::new(HERE);
        let teid = endpoint.open('a');
        endpoint.close(teid);
        let (bytes, _) = user(teid, b"down").unwrap();
        let Event::Answer { bytes, label } = endpoint.receive(&bytes).unwrap() else { panic!("no answer") };
        assert_eq!(decode(&bytes), Ok(Received::ErrorIndication { teid, address: HERE }));
        assert_eq!(label.name, "Error Indication");
        // Echo Request of TS 29.281 clause 7.2.1 with sequence number 7.
        let echo = hex::decode("320100040000000000070000").unwrap();
        let Event::Answer { bytes, .. } = endpoint.receive(&echo).unwrap() else { panic!("no answer") };
        // Echo Response with the Recovery that clause 7.2.2 wants, 0.
        assert_eq!(hex::encode(bytes), "3202000600000000000700000e00");
    }

    #[test]
    fn a_far_end_tells_which_tunnel_it_lost() {
        let mut endpoint = Endpoint::new(HERE);
        let (a, b) = (endpoint.open('a'), endpoint.open('b'));
        endpoint.connect(a, far(7));
        let (lost, _) = error_indication(7, THERE).unwrap();
        assert_eq!(endpoint.receive(&lost), Ok(Event::Lost { key: 'a' }));
        // The far end gives its number to another tunnel before it is said that the first ended.
        endpoint.connect(b, far(7));
        endpoint.disconnect(a);
        assert_eq!(endpoint.receive(&lost), Ok(Event::Lost { key: 'b' }));
        endpoint.close(b);
        assert_eq!(endpoint.receive(&lost), Ok(Event::Nothing));
        endpoint.connect(b, far(7));
        assert_eq!(endpoint.receive(&lost), Ok(Event::Nothing), "a tunnel that ended leads nowhere");
    }

    proptest::proptest! {
        #[test]
        fn any_datagram_is_taken_answered_or_dropped(bytes: Vec<u8>) {
            let mut endpoint = Endpoint::new(HERE);
            endpoint.open('a');
            proptest::prop_assert!(endpoint.receive(&bytes).is_ok());
        }
    }
}
