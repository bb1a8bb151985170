//! The subscriber on the card: TUAK, the GSM context, concealed identities.

use super::super::aka::Aka;
use super::*;
use crate::crypto::tuak::{Tuak, USIM_LENGTHS};

pub(super) fn profile(change: impl FnOnce(String) -> String) -> Uicc {
    let text = change(include_str!("../../../sim-profiles/lte-test.toml").to_owned());
    let p = SimProfile::parse(&text).unwrap().personalise(0).unwrap();
    Uicc::new(&p, RngTree::new(7).branch("card1"), &trust_anchor()).unwrap()
}

fn response(card: &mut Uicc, command: &str) -> String {
    let announced = send(card, command);
    match announced.strip_prefix("61") {
        Some(length) => send(card, &format!("00c00000{length}")),
        None => announced,
    }
}

#[test]
fn a_tuak_card_authenticates() {
    let (k, topc) = ([0xab; 16], [0x42; 32]);
    let card = &mut profile(|text| {
        text.replace("465b5ce8b199b49faa5f0a2ee238a6bc", &hex::encode(k)).replace(
            "opc = \"cd63cb71954a9f4e48a5994e37a02baf\"",
            &format!("topc = \"{}\"", hex::encode(topc)),
        )
    });
    let network = Tuak::new(&k, topc, 1, USIM_LENGTHS);
    let rand = [0x23; 16];
    let autn = |sqn: u64| {
        let sqn: [u8; 6] = sqn.to_be_bytes()[2..].try_into().unwrap();
        let ak = network.f2345(&rand).ak;
        let concealed: Vec<u8> = sqn.iter().zip(ak).map(|(a, b)| a ^ b).collect();
        [&concealed[..], &[0x80, 0x00], &network.f1(&rand, &sqn, &[0x80, 0x00])].concat()
    };
    let command = |sqn| format!("0088008122 10{}10{}", hex::encode(rand), hex::encode(autn(sqn)));
    send(card, SELECT_USIM);
    let keys = network.f2345(&rand);
    let expected = [&[0xdb, 8][..], &keys.res, &[16], &keys.ck, &[16], &keys.ik, &[0x90, 0]].concat();
    assert_eq!(response(card, &command(64)), hex::encode(expected));
    // An old challenge gives AUTS, from which the network reads what the card has.
    let auts = hex::decode(response(card, &command(32))).unwrap();
    assert_eq!(auts[..2], [0xdc, 14]);
    let sqn: Vec<u8> = auts[2..8].iter().zip(network.f5_star(&rand)).map(|(a, b)| a ^ b).collect();
    assert_eq!(sqn, [0, 0, 0, 0, 0, 64]);
    assert_eq!(auts[8..16], network.f1_star(&rand, &[0, 0, 0, 0, 0, 64], &[0, 0]));
    let mut forged = hex::decode(command(96).replace(' ', "")).unwrap();
    forged[38] ^= 1;
    let forged = hex::encode(forged);
    assert_eq!(send(card, &forged), "9862");
}

#[test]
fn the_gsm_context_converts() {
    // TS 35.208 clause 4.3, test set 1: SRES and Kc of the conversion functions.
    let card = &mut card();
    let command = "0088008011 10 23553cbe9637a89d218ae64dae47bf35";
    send(card, SELECT_USIM);
    assert_eq!(response(card, command), "0446f8416a08eae4be823af9a08b9000");
    assert_eq!(send(card, "0088008010 23553cbe9637a89d218ae64dae47bf35"), "6700");
    assert_eq!(send(card, "0088008411 10 23553cbe9637a89d218ae64dae47bf35"), "9864", "no GBA");
}

#[test]
fn algorithms_are_told_by_the_operators_constant() {
    let p = |from: &str, to: &str| {
        SimProfile::parse(&include_str!("../../../sim-profiles/lte-test.toml").replace(from, to))
    };
    let opc = "opc = \"cd63cb71954a9f4e48a5994e37a02baf\"";
    let top = p(opc, &format!("top = \"{}\"", "55".repeat(32))).unwrap().personalise(0).unwrap();
    assert!(matches!(Aka::new(&top), Aka::Tuak(_)));
    let both = p(opc, &format!("{opc}\ntop = \"{}\"", "55".repeat(32))).unwrap_err().to_string();
    assert!(both.contains("keys of Milenage and TUAK"), "{both}");
}

const SUCI: &str = "[suci]\ncalculated_by = \"card\"\nrouting_indicator = \"17\"\nscheme = \"a\"\nkey_id = 27\n\
    public_key = \"5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650\"\n";

#[test]
fn the_card_conceals_its_identity() {
    let card = &mut profile(|text| format!("{text}\n{SUCI}"));
    assert_eq!(send(card, "8078000100"), "6985", "the USIM is not selected");
    send(card, SELECT_USIM);
    assert_eq!(send(card, "8078000100"), "6c37");
    let first = send(card, "8078000137");
    // SUCI, 001-01, routing indicator 17, profile A, key 27, then ephemeral key, five bytes and MAC.
    assert!(first.starts_with("a1350100f11071ff011b"), "{first}");
    let second = send(card, "8078000137");
    assert_ne!(first, second, "an ephemeral key is used once");
    assert!(card.dirty());
    let mut later = profile(|text| format!("{text}\n{SUCI}"));
    later.restore(&card.save()).unwrap();
    send(&mut later, SELECT_USIM);
    let third = send(&mut later, "8078000137");
    assert!(third != first && third != second);
    assert_eq!(send(card, "8078000200"), "6a86");
    // The terminal is not shown what it would calculate with, and the service table says so.
    send(card, "00a4000c025fc0");
    assert_eq!(send(card, "00a4000c024f07"), "6a82");
    send(card, "00a4000c027fff");
    assert_eq!(send(card, "00b0840f02"), "3e009000");
}

#[test]
fn the_terminal_calculates_where_the_profile_says_so() {
    let card = &mut profile(|text| format!("{text}\n{}", SUCI.replace("card", "terminal")));
    send(card, SELECT_USIM);
    assert_eq!(send(card, "8078000100"), "6985");
    send(card, "00a4000c025fc0");
    assert_eq!(send(card, "00a4000c024f07"), "9000");
    let info = send(card, "00b000002b");
    assert!(info.starts_with("a0020101a12580011b81205a8d38864820"), "{info}");
    let card = &mut profile(|text| format!("{text}\n[suci]\ncalculated_by = \"card\"\nscheme = \"null\"\n"));
    send(card, SELECT_USIM);
    assert_eq!(send(card, "807800010f"), "a10d0100f110f0ff000000000000109000");
}
