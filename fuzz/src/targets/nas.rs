//! NAS messages of EPS in both directions: octets are a message or refused, and what is built of what was read is what
//! was read. Nothing that was not made with the key of a security context gets through it.

use cellbed::id::Plmn;
use cellbed::wire::nas::{Ck, Direction, Error, Ik, Kasme, Message, SecurityContext};

/// A direction, and octets.
pub fn run(bytes: &[u8]) {
    let Some((first, octets)) = bytes.split_first() else { return };
    let direction = if first & 1 == 0 { Direction::Uplink } else { Direction::Downlink };
    match Message::decode(octets, direction) {
        Ok(received) => {
            if let Ok(encoded) = received.message.encode() {
                let again = Message::decode(&encoded.octets, direction).expect("what was built is a message");
                assert_eq!(again.message, received.message);
            }
        }
        Err(Error::Malformed { answer, .. }) => {
            assert!(answer.is_none_or(|answer| answer.encode().is_ok()), "an answer can be built");
        }
        Err(other) => panic!("{other:?}"),
    }
    let plmn: Plmn = "001-01".parse().expect("a PLMN");
    let kasme = Kasme::derive(&Ck::new(&[1; 16]), &Ik::new(&[2; 16]), plmn, &[3; 16]).expect("a key");
    for (eia, eea) in [(1, 1), (2, 2), (3, 3), (2, 0)] {
        let mut context = SecurityContext::new(&kasme, eia, eea).expect("a context");
        assert!(context.unprotect(octets, direction).is_err(), "a message without the key was taken");
    }
}
