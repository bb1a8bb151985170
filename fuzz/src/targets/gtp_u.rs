//! GTP-U: datagrams to an endpoint with a tunnel. Octets are a message or dropped; a user packet comes out as it went in; an
//! answer is shorter than 64 bytes, so that nobody is flooded by way of it.

use std::net::Ipv4Addr;

use cellbed::wire::gtpu::{Endpoint, Event, FarEnd, Received, decode, ipv4_addresses, label_of, user};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 53, 1, 2);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);

/// Octets.
pub fn run(octets: &[u8]) {
    let _ = (label_of(octets), ipv4_addresses(octets));
    if let Ok(Received::User { teid, packet }) = decode(octets) {
        let (built, _) = user(teid, packet).expect("a packet that came in goes out");
        assert_eq!(decode(&built), Ok(Received::User { teid, packet }));
    }
    let mut endpoint = Endpoint::new(HERE);
    let teid = endpoint.open('a');
    endpoint.connect(teid, FarEnd { address: THERE, teid: 7 });
    match endpoint.receive(octets) {
        Ok(Event::Answer { bytes, .. }) => assert!(bytes.len() < 64 && decode(&bytes).is_ok()),
        Ok(Event::Deliver { key, packet }) => assert!(key == 'a' && packet.len() <= octets.len()),
        Ok(Event::Lost { key }) => assert_eq!(key, 'a'),
        Ok(Event::Nothing) => {}
        Err(error) => panic!("{error}"),
    }
}
