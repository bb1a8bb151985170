//! One end of GTP-U tunnels, as a base station and a gateway have it (TS 29.281 clauses 4.3, 7.2 and 7.3; TS 23.007
//! clause 22): which tunnel is whose, where its far end is, and what a datagram asks for.
//!
//! It owns no socket: its owner hands it datagrams and sends what it answers. A TEID cannot be guessed, and a datagram
//! counts only where it comes from the peer that signalling has named for its tunnel: from the address at which that
//! ends, or from another of the same peer, where the lab says which there are. The port of the sender is its own affair
//! (clause 4.4.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::{DropCause, Error, Received, decode, echo_response, error_indication, user};
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
    /// A user packet for the session `key`, whose tunnel leads nowhere: the other end is not known yet, or not any more.
    Early {
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
    /// The far end does not know the tunnel of these sessions any more.
    Lost {
        /// Whose tunnels are lost: more than one where the far end has given its number to another meanwhile.
        keys: Vec<K>,
    },
    /// Something that is not believed, or leads nowhere.
    Dropped {
        /// Why.
        why: DropCause,
        /// Whose tunnel it would have come through.
        key: Option<K>,
    },
    /// Nothing to be done: a message that asks for nothing.
    Nothing,
}

#[derive(Debug)]
struct Tunnel<K> {
    key: K,
    far: Option<FarEnd>,
}

/// Peers with more than one address: each group is one peer, which sends from whichever of them it likes (TS 29.281
/// clause 4.4.2.1 leaves the source address of a G-PDU to it).
pub type PeerGroups = Arc<[Vec<Ipv4Addr>]>;

/// The tunnels that end at one address, each of a session that the owner knows by a key `K`.
#[derive(Debug)]
pub struct Endpoint<K> {
    address: Ipv4Addr,
    tunnels: BTreeMap<u32, Tunnel<K>>,
    /// Each far end with each tunnel that leads there.
    by_far_end: BTreeSet<(FarEnd, u32)>,
    teids: ChaCha20Rng,
    groups: PeerGroups,
}

impl<K: Copy> Endpoint<K> {
    /// An endpoint at `address` without tunnels, whose TEIDs are drawn from `teids`. Peers have one address each, but for
    /// those of `groups`.
    pub fn new(address: Ipv4Addr, teids: ChaCha20Rng, groups: PeerGroups) -> Self {
        Self { address, tunnels: BTreeMap::new(), by_far_end: BTreeSet::new(), teids, groups }
    }

    /// Where the tunnels end.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A tunnel of session `key`, whose far end is not known yet. The TEID is what the far end is told; 0 is for
    /// signalling (clause 5.1).
    pub fn open(&mut self, key: K) -> u32 {
        // 2^32 sessions do not fit a run.
        let teid = loop {
            let candidate = self.teids.next_u32();
            if candidate != 0 && !self.tunnels.contains_key(&candidate) {
                break candidate;
            }
        };
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
            self.by_far_end.insert((far, teid));
        }
    }

    /// Tunnel `teid` leads nowhere; what comes in is still its own.
    pub fn disconnect(&mut self, teid: u32) {
        if let Some(far) = self.tunnels.get_mut(&teid).and_then(|tunnel| tunnel.far.take()) {
            self.by_far_end.remove(&(far, teid));
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

    /// What a datagram from `from` on the GTP-U port asks for. Octets that are no message are dropped silently
    /// (clause 11).
    pub fn receive<'a>(&self, from: Ipv4Addr, bytes: &'a [u8]) -> Result<Event<'a, K>, Error> {
        let dropped = |why, key| Ok(Event::Dropped { why, key });
        let Ok(received) = decode(bytes) else { return dropped(DropCause::NotGtpU, None) };
        let (bytes, label) = match received {
            Received::User { teid, packet } => match self.tunnels.get(&teid) {
                Some(Tunnel { key, far }) => {
                    return match far {
                        None => Ok(Event::Early { key: *key, packet }),
                        Some(far) if !self.same_peer(far.address, from) => {
                            dropped(DropCause::ForeignPeer, Some(*key))
                        }
                        Some(_) => Ok(Event::Deliver { key: *key, packet }),
                    };
                }
                // Nothing is said of a tunnel that cannot be (clause 7.3.1).
                None if teid == 0 => return dropped(DropCause::NoBearer, None),
                None => error_indication(teid, self.address)?,
            },
            Received::EchoRequest { sequence } => echo_response(sequence)?,
            Received::ErrorIndication { teid, address } => {
                return Ok(match self.lost(FarEnd { address, teid }) {
                    keys if keys.is_empty() => {
                        Event::Dropped { why: DropCause::ForgedErrorIndication, key: None }
                    }
                    keys if self.same_peer(address, from) => Event::Lost { keys },
                    keys => {
                        Event::Dropped { why: DropCause::ForgedErrorIndication, key: keys.first().copied() }
                    }
                });
            }
            Received::Other => return Ok(Event::Nothing),
        };
        Ok(Event::Answer { bytes, label })
    }

    /// Whose tunnels lead to `far`.
    fn lost(&self, far: FarEnd) -> Vec<K> {
        let there = self.by_far_end.range((far, 0)..=(far, u32::MAX));
        there.filter_map(|(_, teid)| self.key(*teid)).collect()
    }

    /// Whether two addresses are those of one peer.
    pub fn same_peer(&self, a: Ipv4Addr, b: Ipv4Addr) -> bool {
        a == b || self.groups.iter().any(|group| group.contains(&a) && group.contains(&b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::kernel::RngTree;

    const HERE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);
    const THERE: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);
    /// Another address of the same peer.
    const THERE_TOO: Ipv4Addr = Ipv4Addr::new(10, 53, 9, 1);
    const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 2);

    fn endpoint() -> Endpoint<char> {
        let groups = vec![vec![STRANGER], vec![THERE, THERE_TOO]];
        Endpoint::new(HERE, RngTree::new(1).stream("teid"), groups.into())
    }

    fn far(teid: u32) -> FarEnd {
        FarEnd { address: THERE, teid }
    }

    fn dropped(why: DropCause, key: Option<char>) -> Result<Event<'static, char>, Error> {
        Ok(Event::Dropped { why, key })
    }

    #[test]
    fn packets_pass_where_a_tunnel_leads_and_from_there_alone() {
        let mut endpoint = endpoint();
        let teid = endpoint.open('a');
        let (bytes, _) = user(teid, b"down").unwrap();
        assert_eq!(endpoint.send(teid, b"up"), Ok(None));
        assert_eq!(endpoint.receive(THERE, &bytes), Ok(Event::Early { key: 'a', packet: b"down" }));
        endpoint.connect(teid, far(7));
        let sent = endpoint.send(teid, b"up").unwrap().unwrap();
        assert_eq!((sent.to, decode(&sent.bytes)), (THERE, Ok(Received::User { teid: 7, packet: b"up" })));
        for from in [THERE, THERE_TOO] {
            assert_eq!(endpoint.receive(from, &bytes), Ok(Event::Deliver { key: 'a', packet: b"down" }));
        }
        assert_eq!(endpoint.receive(STRANGER, &bytes), dropped(DropCause::ForeignPeer, Some('a')));
        endpoint.disconnect(teid);
        assert_eq!(endpoint.send(teid, b"up"), Ok(None));
        assert_eq!(endpoint.receive(THERE, &bytes), Ok(Event::Early { key: 'a', packet: b"down" }));
    }

    #[test]
    fn nobody_guesses_a_tunnel() {
        let draw = |seed| {
            let mut endpoint = Endpoint::new(HERE, RngTree::new(seed).stream("teid"), PeerGroups::default());
            (0..1_000).map(|_| endpoint.open('a')).collect::<Vec<u32>>()
        };
        let teids = draw(1);
        assert_eq!(teids, draw(1), "a run is a function of its seed");
        assert_ne!(teids, draw(2));
        // As many differences between neighbours as there are neighbours, and all 32 bits are used.
        let steps: BTreeSet<u32> = teids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert_eq!(steps.len(), teids.len() - 1);
        assert!((0..32).all(|bit| teids.iter().any(|teid| teid >> bit & 1 == 1)));
        assert!(!teids.contains(&0));
    }

    #[test]
    fn unknown_tunnels_and_echo_are_answered() {
        let mut endpoint = endpoint();
        let teid = endpoint.open('a');
        endpoint.close(teid);
        let (bytes, _) = user(teid, b"down").unwrap();
        let Event::Answer { bytes, label } = endpoint.receive(THERE, &bytes).unwrap() else {
            panic!("no answer")
        };
        assert_eq!(decode(&bytes), Ok(Received::ErrorIndication { teid, address: HERE }));
        assert_eq!(label.name, "Error Indication");
        // Clause 7.3.1: of TEID 0 nothing is said.
        let (bytes, _) = user(0, b"down").unwrap();
        assert_eq!(endpoint.receive(THERE, &bytes), dropped(DropCause::NoBearer, None));
        // Echo Request of TS 29.281 clause 7.2.1 with sequence number 7.
        let echo = hex::decode("320100040000000000070000").unwrap();
        let Event::Answer { bytes, .. } = endpoint.receive(THERE, &echo).unwrap() else {
            panic!("no answer")
        };
        // Echo Response with the Recovery that clause 7.2.2 wants, 0.
        assert_eq!(hex::encode(bytes), "3202000600000000000700000e00");
    }

    #[test]
    fn a_far_end_tells_which_tunnel_it_lost_and_nobody_else_does() {
        let mut endpoint = endpoint();
        let (a, b) = (endpoint.open('a'), endpoint.open('b'));
        endpoint.connect(a, far(7));
        let (lost, _) = error_indication(7, THERE).unwrap();
        assert_eq!(endpoint.receive(STRANGER, &lost), dropped(DropCause::ForgedErrorIndication, Some('a')));
        // A stranger that speaks for itself has no tunnel here.
        let (own, _) = error_indication(7, STRANGER).unwrap();
        assert_eq!(endpoint.receive(STRANGER, &own), dropped(DropCause::ForgedErrorIndication, None));
        for from in [THERE, THERE_TOO] {
            assert_eq!(endpoint.receive(from, &lost), Ok(Event::Lost { keys: vec!['a'] }));
        }
        // The far end gives its number to another tunnel before it is said that the first ended: both are lost, and
        // that the first ends takes nothing from the second.
        endpoint.connect(b, far(7));
        let Ok(Event::Lost { mut keys }) = endpoint.receive(THERE, &lost) else { panic!("none is lost") };
        keys.sort_unstable();
        assert_eq!(keys, ['a', 'b']);
        endpoint.disconnect(a);
        assert_eq!(endpoint.receive(THERE, &lost), Ok(Event::Lost { keys: vec!['b'] }));
        endpoint.close(b);
        assert_eq!(endpoint.receive(THERE, &lost), dropped(DropCause::ForgedErrorIndication, None));
        endpoint.connect(b, far(7));
        let nowhere = dropped(DropCause::ForgedErrorIndication, None);
        assert_eq!(endpoint.receive(THERE, &lost), nowhere, "a tunnel that ended leads nowhere");
    }

    proptest::proptest! {
        #[test]
        fn any_datagram_is_taken_answered_or_dropped(bytes: Vec<u8>) {
            let mut endpoint = endpoint();
            endpoint.open('a');
            proptest::prop_assert!(endpoint.receive(THERE, &bytes).is_ok());
        }
    }
}
