//! PDUs of PDCP: none is taken on a bearer with integrity that did not send it, and what comes is as long as it was sent.

use cellbed::wire::nas::Kenb;
use cellbed::wire::pdcp::{Data, End, RadioKeys, Received, SequenceSize, Signalling};

/// Octets.
pub fn run(octets: &[u8]) {
    let keys = Kenb::from_slice(&[7; 32]).and_then(|kenb| RadioKeys::derive(&kenb, 2, 2));
    let Some(keys) = keys else { return };
    let mut plain = Signalling::new(1, End::Ue);
    if let Ok(message) = plain.receive(octets) {
        assert_eq!(Signalling::look(octets), Some(&message[..]));
    }
    let mut secured = Signalling::secured(1, End::Ue, keys.clone());
    let before = secured.send(b"message").ok();
    let _ = secured.receive(octets);
    assert_ne!(secured.send(b"message").ok(), before);
    for (size, header) in [(SequenceSize::Seven, 1), (SequenceSize::Twelve, 2)] {
        let mut data = Data::new(1, End::Ue, size, keys.clone());
        if let Ok(Received::Packet(packet)) = data.receive(octets) {
            assert_eq!(packet.len() + header, octets.len());
            assert_eq!(data.receive(octets), Ok(Received::Old));
        }
    }
}
