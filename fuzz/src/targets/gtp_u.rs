//! GTP-U: datagrams to an endpoint with a tunnel. Octets are a message or dropped; a user packet comes out as it went in; an
//! answer is shorter than 64 bytes, so that nobody is flooded by way of it.

use std::net::Ipv4Addr;

use cellbed::kernel::RngTree;
use cellbed::wire::gtpu::{Endpoint, Event, FarEnd, PeerGroups, Received, decode, label_of, user};
use cellbed::wire::inet::addresses;
use cellbed::wire::ndp;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 2);

/// Octets.
pub fn run(octets: &[u8]) {
    let _ = (label_of(octets), addresses(octets), ndp::read(octets));
    if let Ok(Received::User { teid, packet }) = decode(octets) {
        let (built, _) = user(teid, packet).expect("a packet that came in goes out");
        assert_eq!(decode(&built), Ok(Received::User { teid, packet }));
    }
    let mut endpoint = Endpoint::new(HERE, RngTree::new(1).stream("teid"), PeerGroups::default());
    let teid = endpoint.open('a');
    endpoint.connect(teid, FarEnd { address: THERE, teid: 7 });
    // As it is, and for the tunnel that there is.
    let mut mine = octets.to_vec();
    if let Some(field) = mine.get_mut(4..8) {
        field.copy_from_slice(&teid.to_be_bytes());
    }
    for octets in [octets, &mine] {
        for from in [THERE, STRANGER] {
            match endpoint.receive(from, octets) {
                Ok(Event::Answer { bytes, .. }) => assert!(bytes.len() < 64 && decode(&bytes).is_ok()),
                Ok(Event::Deliver { key, packet }) => {
                    assert!(key == 'a' && from == THERE && packet.len() <= octets.len());
                }
                Ok(Event::Lost { keys }) => assert_eq!((keys, from), (vec!['a'], THERE)),
                Ok(Event::Early { .. }) => panic!("the tunnel leads somewhere"),
                Ok(Event::Dropped { .. } | Event::Nothing) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
