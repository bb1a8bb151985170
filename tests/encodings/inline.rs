//! Requests of SGP.22 that an eUICC reads where it does what they ask, so that nothing writes them again: each value that
//! the independent encoder makes is given to a card, which has to do it or to refuse it by a code of its function.

use cellbed::card::{CardPort, EuiccConfig, Uicc};
use cellbed::crypto::Tally;
use cellbed::esim::{Pki, PkiOptions};
use cellbed::id::Eid;
use cellbed::kernel::RngTree;

use crate::python::Python;
use crate::vectors::{self, Vector};

const FILE: &str = "inline.txt";

/// The requests.
const TYPES: &[&str] = &[
    "SetNicknameRequest",
    "SetDefaultDpAddressRequest",
    "EuiccMemoryResetRequest",
    "GetEuiccDataRequest",
    "GetRatRequest",
    "LoadCRLRequest",
    "EuiccConfiguredAddressesRequest",
];

fn card() -> Uicc {
    let pki = Pki::new(&RngTree::new(1), &PkiOptions::default()).unwrap();
    let eid: Eid = "89049032123451234512345678901235".parse().unwrap();
    let (key, chain) = pki.euicc(&eid, &RngTree::new(2)).unwrap();
    let config = EuiccConfig::new(eid, key, chain, vec![pki.anchor(None, &Tally::new()).unwrap()]);
    let mut card = Uicc::with_euicc(config, RngTree::new(3).branch("card1"), Vec::new()).unwrap();
    assert_eq!(send(&mut card, "0070000001"), [0x01, 0x90, 0x00]);
    assert_eq!(send(&mut card, "01a4040010a0000005591010ffffffff8900000100")[0], 0x61);
    card
}

fn send(card: &mut Uicc, command: &str) -> Vec<u8> {
    card.transmit(&hex::decode(command).unwrap()).unwrap()
}

/// Response data and status word of a whole request.
fn ask(card: &mut Uicc, request: &[u8]) -> (Vec<u8>, u16) {
    let blocks: Vec<&[u8]> = request.chunks(255).collect();
    let mut answer = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let p1 = if number + 1 == blocks.len() { 0x91 } else { 0x11 };
        let head = [0x81, 0xe2, p1, number as u8, block.len() as u8];
        answer = card.transmit(&[&head[..], block].concat()).unwrap();
    }
    let mut data = Vec::new();
    while let [.., 0x61, length] = answer[..] {
        data.extend_from_slice(&answer[..answer.len() - 2]);
        answer = card.transmit(&[0x01, 0xc0, 0x00, 0x00, length]).unwrap();
    }
    let (rest, status) = answer.split_at(answer.len() - 2);
    data.extend_from_slice(rest);
    (data, u16::from_be_bytes([status[0], status[1]]))
}

/// What is refused as no request at all, and why.
const KEPT_OUT: &[(&str, &str, &str)] =
    &[("GetEuiccDataRequest", "", "the one list of tags that may stand there is 5A (SGP.22 clause 5.7.20)")];

/// The type of the answer to a request.
fn answered_with(kind: &str) -> String {
    kind.replace("Request", "Response")
}

/// Each request with the answer to it.
fn answers() -> Vec<(Vector, Vec<u8>)> {
    let mut answers = Vec::new();
    for vector in vectors::read(FILE) {
        let (data, status) = ask(&mut card(), &vector.der);
        let Vector { kind, what, der } = &vector;
        if KEPT_OUT.iter().any(|(of, start, _)| of == kind && what.starts_with(start)) && status == 0x6a80 {
            continue;
        }
        let told =
            format!("{kind}, {what}: {} is answered {} {status:04x}", hex::encode(der), hex::encode(&data));
        assert!(status == 0x9000 || status >> 8 == 0x91, "{told}");
        assert!(data.starts_with(&der[..2]), "{told}");
        answers.push((vector, data));
    }
    answers
}

#[test]
fn what_an_independent_encoder_writes_is_done_or_refused_by_a_code() {
    let mut answers = answers();
    // A tag list that can be.
    let eid = hex::decode("bf3e035c015a").unwrap();
    let (data, status) = ask(&mut card(), &eid);
    assert_eq!(
        (hex::encode(data), status),
        ("bf3e125a1089049032123451234512345678901235".to_owned(), 0x9000)
    );
    answers.retain(|(vector, _)| vector.kind == "SetDefaultDpAddressRequest");
    assert!(answers.iter().all(|(_, data)| hex::encode(data) == "bf3f03800100") && answers.len() > 1);
}

#[test]
fn the_inline_requests_are_those_of_the_independent_encoder_which_reads_the_answers() {
    let unproved = "requests that an eUICC reads in place are what an independent encoder makes, and it reads the answers";
    let Some(python) = Python::find(unproved) else { return };
    vectors::are_those_of(&python, FILE, "RSPDefinitions", TYPES);
    let answers = answers();
    let kinds: Vec<String> = answers.iter().map(|(vector, _)| answered_with(&vector.kind)).collect();
    let lines: Vec<(&str, &str, Vec<u8>)> = kinds
        .iter()
        .zip(&answers)
        .map(|(kind, (_, data))| ("RSPDefinitions", &kind[..], data.clone()))
        .collect();
    for ((kind, (vector, data)), again) in kinds.iter().zip(&answers).zip(python.again(&lines)) {
        assert_eq!(again, hex::encode(data), "{kind} to {}", vector.what);
    }
}
