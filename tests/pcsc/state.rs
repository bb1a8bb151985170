//! What a served card must not forget.

use std::fs;

use cellbed::card::SimProfile;
use oxirush_security::Rand;
use oxirush_security::milenage::{Amf, K, Milenage, Opc, Sqn};

use super::lab::{Lab, PROFILE};

const SELECT_USIM: &str = "00a4040c07a0000000871002";
const SELECT_APPLET: &str = "00a4040007a0000005590010";
const GENERATE: &str = "00b900000384010100";
const READ_PUBLIC: &str = "00cd00000385010100";

/// AUTHENTICATE with a challenge that the profile's first card accepts once.
fn challenge() -> String {
    let card = SimProfile::parse(&fs::read_to_string(PROFILE).unwrap()).unwrap().personalise(0).unwrap();
    let milenage = Milenage::new(&K::new(&card.k), &Opc::new(&card.opc));
    let sqn = Sqn::try_from(card.sqn + 32).unwrap();
    let vector = milenage.authentication_vector(&Rand::new(&[7; 16]), &sqn, &Amf::new(&card.amf));
    format!("0088008122 10{} 10{}", "07".repeat(16), hex::encode(vector.autn().as_octets())).replace(' ', "")
}

#[test]
fn sequence_numbers_and_keys_survive_kill_9() {
    let Some(lab) = Lab::start("sequence numbers and keys survive kill -9") else { return };
    let state = lab.path().join("state");
    let args = ["--state", state.to_str().unwrap()];
    let challenge = challenge();

    let served = lab.serve(&args);
    let before = lab.send(&[SELECT_USIM, &challenge, SELECT_APPLET, GENERATE, READ_PUBLIC]);
    assert!(before[1].starts_with("db08") && before[4].starts_with("34"), "{before:?}");
    served.kill();

    let served = lab.serve(&args);
    let after = lab.send(&[SELECT_USIM, &challenge, SELECT_APPLET, READ_PUBLIC]);
    assert!(after[1].starts_with("dc0e"), "an old challenge is answered: {}", after[1]);
    assert_eq!(after[3], before[4]);

    let second = lab.cellbed(&["card", "serve", PROFILE, "--state", args[1]]);
    assert_eq!(second.status.code(), Some(96));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("another process serves the cards"), "{error}");
    drop(served);

    let other = lab.cellbed(&["card", "serve", PROFILE, "--seed", "8", "--state", args[1]]);
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(error.contains("belongs to another card") && error.contains("seed 8"), "{error}");
}

/// A card that is killed in the hands of a program comes back, although pcscd sees no moment without a card.
#[test]
fn a_card_that_comes_back_at_once_is_seen() {
    let Some(lab) = Lab::start("a card that comes back at once is seen") else { return };
    let served = lab.serve(&[]);
    let mut holder = lab.hold();
    served.kill();
    let _served = lab.serve(&[]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(lab.send(&["00a4000c023f00"]), ["9000"]);
}
