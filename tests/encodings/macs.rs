//! Keys, integrity codes and ciphers of NAS beside CryptoMobile, which has them in C and Python.

use std::collections::BTreeMap;

use cellbed::id::Plmn;
use cellbed::wire::nas::{Ck, Direction, Ik, Kasme, Message, SecurityContext, SecurityHeader};

use crate::python::Python;
use crate::vectors;

const FILE: &str = "nas-macs.txt";
const CK: [u8; 16] = [0x11; 16];
const IK: [u8; 16] = [0x22; 16];
/// Its first six octets are SQN xor AK.
const AUTN: [u8; 16] = [3; 16];
/// 001-01, as TS 24.301 packs it.
const NETWORK: &str = "00f110";
/// EMM STATUS with cause 111, DETACH ACCEPT, ATTACH COMPLETE.
const UPLINK: &str = "07606f,0746,074300035200c2";
/// EMM STATUS with cause 111, DETACH ACCEPT, AUTHENTICATION REJECT.
const DOWNLINK: &str = "07606f,0746,0754";

/// A context with what has been sent in it.
struct Sender {
    context: SecurityContext,
    sent: u32,
}

fn context(eia: u8, eea: u8) -> SecurityContext {
    let plmn: Plmn = "001-01".parse().unwrap();
    let kasme = Kasme::derive(&Ck::new(&CK), &Ik::new(&IK), plmn, &AUTN).unwrap();
    SecurityContext::new(&kasme, eia, eea).unwrap()
}

#[test]
fn messages_that_another_tool_has_protected_are_taken_and_protected_alike() {
    let mut contexts = BTreeMap::new();
    let text = vectors::text(FILE);
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [eia, eea, way, count, plain, protected] = cells[..] else { panic!("{line}") };
        let (eia, eea): (u8, u8) = (eia.parse().unwrap(), eea.parse().unwrap());
        let (receiver, sender) = contexts
            .entry((eia, eea, way))
            .or_insert_with(|| (context(eia, eea), Sender { context: context(eia, eea), sent: 0 }));
        let way = if way == "0" { Direction::Uplink } else { Direction::Downlink };
        let header = if eea == 0 { SecurityHeader::Integrity } else { SecurityHeader::Ciphered };
        let (whole, count): (_, u32) = (hex::decode(protected).unwrap(), count.parse().unwrap());
        let message = Message::decode(&hex::decode(plain).unwrap(), way).unwrap().message;

        let mut forged = whole.clone();
        forged[4] ^= 1;
        assert!(receiver.unprotect(&forged, way).is_err(), "{line}");
        let taken = receiver.unprotect(&whole, way).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(taken.message, message, "{line}");

        let mut last = Vec::new();
        while sender.sent <= count {
            last = sender.context.protect(&message, header, way).unwrap().octets;
            sender.sent += 1;
        }
        assert_eq!(hex::encode(last), protected, "{line}");
    }
    assert_eq!(contexts.len(), 3 * 4 * 2);
}

#[test]
fn the_protected_messages_are_those_of_the_independent_tool() {
    let unproved = "keys, integrity codes and ciphers of NAS are what CryptoMobile makes today";
    let Some(python) = Python::with_crypto_mobile(unproved) else { return };
    let (ck, ik, sqn_ak) = (hex::encode(CK), hex::encode(IK), hex::encode(&AUTN[..6]));
    let arguments = [&ck, &ik, NETWORK, &sqn_ak, UPLINK, DOWNLINK];
    vectors::is_kept(FILE, &python.run("macs.py", &arguments, String::new()));
}
