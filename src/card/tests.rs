//! Behaviour of the whole card, seen from its contacts.

use proptest::prelude::*;

use super::*;
use crate::crypto::milenage::{Amf, K, Milenage, Opc, Rand, Sqn};
use crate::kernel::{Origin, RngTree};

pub(super) mod applet;
mod files;
mod gsm;
mod image;
mod modem;
mod ota;
mod platform;
mod subscriber;

/// The first card of the test profile, with a trust anchor of 700 bytes.
pub(super) fn card() -> Uicc {
    let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    Uicc::new(&profile.personalise(0).unwrap(), RngTree::new(7).branch("card1"), &trust_anchor()).unwrap()
}

pub(super) fn trust_anchor() -> Vec<u8> {
    (0..700u32).map(|i| i as u8).collect()
}

/// Sends hexadecimal digits, returns them. Spaces in `command` are for the reader.
pub(super) fn send(card: &mut Uicc, command: &str) -> String {
    let command = hex::decode(command.replace(' ', "")).unwrap();
    hex::encode(card.transmit(&command).unwrap())
}

/// A challenge of the home network with sequence number `sqn`.
pub(super) fn challenge(sqn: u64) -> String {
    let k = K::new(&hex::decode("465b5ce8b199b49faa5f0a2ee238a6bc").unwrap().try_into().unwrap());
    let opc = Opc::new(&hex::decode("cd63cb71954a9f4e48a5994e37a02baf").unwrap().try_into().unwrap());
    let rand = Rand::new(&[0x23; 16]);
    let sqn = Sqn::try_from(sqn).unwrap();
    let vector = Milenage::new(&k, &opc).authentication_vector(&rand, &sqn, &Amf::new(&[0x80, 0]));
    format!("10{}10{}", hex::encode(rand.as_octets()), hex::encode(vector.autn().as_octets()))
}

pub(super) const SELECT_USIM: &str = "00a4040407a0000000871002";

#[test]
fn srsue_starts_and_authenticates() {
    let card = &mut card();
    // MF and EF.DIR: exactly 61xx, and a template that ends with its last object.
    let select = |card: &mut Uicc, command: &str| {
        let announced = send(card, command);
        assert_eq!(announced.len(), 4, "{command} gave {announced}");
        assert_eq!(announced[..2], *"61", "{command} gave {announced}");
        let fcp = send(card, &format!("00c00000{}", &announced[2..]));
        assert!(fcp.starts_with("62") && fcp.ends_with("9000") && fcp.len() / 2 - 2 <= 100, "{fcp}");
        fcp
    };
    select(card, "00a40004023f00");
    let dir = select(card, "00a40004022f00");
    assert!(dir.contains("80020060"), "the size of EF.DIR is in {dir}");
    // A record of unknown length: 6Cxx, then the exact length.
    assert_eq!(send(card, "00b20104ff"), "6c20");
    let record = send(card, "00b2010420");
    assert!(record.starts_with("61184f10a0000000871002"), "{record}");
    let adf = select(card, &format!("00a4040410{}", &record[8..40]));
    // PIN status: PIN1 disabled.
    assert!(adf.contains("c60c900160830101"), "{adf}");
    select(card, "00a40004026f07");
    assert_eq!(send(card, "00b0000009"), "0809101000000000109000");
    select(card, "00a40004026fad");
    assert_eq!(send(card, "00b0000004"), "000000029000");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "612c");
    let response = send(card, "00c000002c");
    assert!(response.starts_with("db08") && response.ends_with("9000") && response.len() == 2 * 46);
}

#[test]
fn a_challenge_from_behind_gives_auts() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, &format!("0088008122{}", challenge(64)));
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6110");
    assert!(send(card, "00c0000010").starts_with("dc0e"));
    let forged = challenge(96).replace("10232323", "10242323");
    assert_eq!(send(card, &format!("0088008122{forged}")), "9862");
}

#[test]
fn authentication_belongs_to_the_usim() {
    let card = &mut card();
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6985");
    assert_eq!(send(card, "00a40004026f07"), "6a82", "no application, no IMSI");
    assert_eq!(send(card, "00a40804047fff6f07"), "6a82");
    send(card, SELECT_USIM);
    assert_eq!(send(card, "00a40804047fff6f07")[..2], *"61");
}

#[test]
fn get_response_is_exact_and_immediate() {
    let card = &mut card();
    let announced = send(card, SELECT_USIM);
    let length = u8::from_str_radix(&announced[2..], 16).unwrap();
    assert_eq!(send(card, "00c00000ff"), format!("6c{length:02x}"));
    // In two parts, on class 8x too.
    assert!(send(card, "00c0000010").ends_with(&format!("61{:02x}", length - 16)));
    assert!(send(card, &format!("80c00000{:02x}", length - 16)).ends_with("9000"));
    assert_eq!(send(card, "00c0000001"), "6985", "nothing waits any more");
    send(card, SELECT_USIM);
    send(card, "80f2000c00");
    assert_eq!(send(card, "00c0000001"), "6985", "another command came between");
}

#[test]
fn wrong_lengths_and_offsets_are_corrected_or_refused() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f07");
    assert_eq!(send(card, "00b0000000"), "6c09");
    assert_eq!(send(card, "00b0000700"), "6c02");
    assert_eq!(send(card, "00b0000900"), "6b00");
    assert_eq!(send(card, "00b2010409"), "6981", "a record of a file without records");
    send(card, "00a4000c026fb7");
    assert_eq!(send(card, "00b0000004"), "6981");
    assert_eq!(send(card, "00b2020404"), "6a83");
    assert_eq!(send(card, "00b2010404"), "11f2ff009000");
    assert_eq!(send(card, "00a4000c026fff"), "6a82");
    assert_eq!(send(card, "00b0870009"), "0809101000000000109000", "by short identifier");
}

#[test]
fn records_are_read_one_after_another() {
    let card = &mut card();
    send(card, "00a4000c022f00");
    assert_eq!(send(card, "00b2000420"), "6a83", "no current record yet");
    assert!(send(card, "00b2000220").starts_with("6118"));
    assert_eq!(send(card, "00b20002ff"), "6c20", "a wrong length does not move on");
    assert!(send(card, "00b2000220").starts_with("6113"));
    assert!(send(card, "00b2000220").starts_with("6118"));
    assert_eq!(send(card, "00b2000220"), "6a83");
    assert!(send(card, "00b2000320").starts_with("6113"));
    assert!(send(card, "00b2000420").starts_with("6113"));
}

#[test]
fn the_terminal_stores_what_it_may() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "00d6000003 00f110"), "9000");
    assert_eq!(send(card, "00b000000c"), "00f110ffffffffffffffffff9000");
    assert_eq!(send(card, "00d6000b03 00f110"), "6700", "beyond the end");
    send(card, "00a4000c026f07");
    assert_eq!(send(card, "00d6000009 080910100000000020"), "6982", "the administrator's");
    assert_eq!(send(card, "0020000a08 3838383838383838"), "9000");
    assert_eq!(send(card, "00d6000009 080910100000000020"), "9000");
    // A reset forgets the verification and keeps what was written.
    card.reset().unwrap();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f07");
    assert_eq!(send(card, "00b0000009"), "0809101000000000209000");
    assert_eq!(send(card, "00d6000009 080910100000000010"), "6982");
}

#[test]
fn pin1_guards_the_usim_once_it_is_enabled() {
    let card = &mut card();
    assert_eq!(send(card, "0020000108 30303030ffffffff"), "6984", "disabled");
    assert_eq!(send(card, "0028000108 30303030ffffffff"), "9000");
    card.reset().unwrap();
    let adf = send(card, SELECT_USIM);
    assert!(send(card, &format!("00c00000{}", &adf[2..])).contains("c60c9001e0830101"));
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6982");
    assert_eq!(send(card, "00200001"), "63c3");
    for left in ["63c2", "63c1", "6983", "6983"] {
        assert_eq!(send(card, "0020000108 39393939ffffffff"), left);
    }
    assert_eq!(send(card, "0020000108 30303030ffffffff"), "6983", "blocked");
    assert_eq!(send(card, "002c000110 3132333435363738 31323334ffffffff"), "9000");
    assert_eq!(send(card, "0024000110 31323334ffffffff 34333231ffffffff"), "9000");
    card.reset().unwrap();
    send(card, SELECT_USIM);
    assert_eq!(send(card, "0020000108 34333231ffffffff"), "9000");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "612c");
    assert_eq!(send(card, "0026000108 34333231ffffffff"), "9000");
}

#[test]
fn logical_channels_keep_their_own_selection() {
    let card = &mut card();
    send(card, SELECT_USIM);
    assert_eq!(send(card, "01a4000c023f00"), "6881", "not open");
    assert_eq!(send(card, "0070000000"), "6c01");
    assert_eq!(send(card, "0070000001"), "019000");
    assert_eq!(send(card, "01a4000c022fe2"), "9000");
    assert_eq!(send(card, "01b000000a"), "988812010000000010f19000");
    assert_eq!(send(card, "00a4000c026f07"), "9000", "the basic channel is still in the USIM");
    assert_eq!(send(card, "0070000300"), "9000", "a channel of the terminal's choice");
    assert_eq!(send(card, "0070000001"), "029000");
    for number in 4..20 {
        assert_eq!(send(card, "0070000001"), format!("{number:02x}9000"));
    }
    assert_eq!(send(card, "0070000001"), "6a81", "all are open");
    // Channel 19 by its class byte, and GET RESPONSE on it.
    let announced = send(card, "4fa40004022fe2");
    assert!(send(card, &format!("4fc00000{}", &announced[2..])).starts_with("62"));
    assert_eq!(send(card, "4fb000000a"), "988812010000000010f19000");
    assert_eq!(send(card, "00708013"), "9000");
    assert_eq!(send(card, "4fb000000a"), "6881");
    assert_eq!(send(card, "00708014"), "6a86", "there is no channel 20");
    assert_eq!(send(card, "00708001"), "9000");
    assert_eq!(send(card, "01b000000a"), "6881");
    assert_eq!(send(card, "00708000"), "6a86", "the basic channel stays open");
    assert_eq!(send(card, "007080ff"), "6a86");
}

#[test]
fn classes_and_instructions_that_are_not_there() {
    let card = &mut card();
    assert_eq!(send(card, "00ee0000"), "6d00");
    assert_eq!(send(card, "00f2000000"), "6e00", "STATUS has class 8x");
    assert_eq!(send(card, "41a40000023f00"), "6881");
    assert_eq!(send(card, "10a40000023f00"), "6884");
    assert_eq!(send(card, "0ca40000023f00"), "6882");
    assert_eq!(send(card, "00a4"), "6700");
}

#[test]
fn status_names_the_application() {
    let card = &mut card();
    let mf = send(card, "80f2000000");
    assert_eq!(mf[..2], *"6c");
    assert!(send(card, &format!("80f20000{}", &mf[2..])).starts_with("62"));
    assert_eq!(send(card, "80f2000112"), "6a88");
    send(card, SELECT_USIM);
    assert_eq!(send(card, "80f2000112"), "8410a0000000871002ffffffff89000001009000");
    assert_eq!(send(card, "80f2000c00"), "9000");
    assert_eq!(send(card, "80aa000005a903830180"), "9000", "TERMINAL CAPABILITY");
}

#[test]
fn the_answer_to_reset_is_sound() {
    let atr = card().reset().unwrap();
    assert_eq!(atr[0], 0x3b);
    assert_eq!(atr[1..].iter().fold(0, |x, b| x ^ b), 0, "TCK");
    // TD1 offers T=0 first; as many historical bytes as T0 says.
    assert_eq!(atr[3] & 0x0f, 0);
    assert_eq!(usize::from(atr[1] & 0x0f), atr.len() - 6 - 1);
}

#[test]
fn a_thousand_cards_are_small() {
    assert!(std::mem::size_of::<Uicc>() < 1200, "{} bytes", std::mem::size_of::<Uicc>());
    let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    let oversized = vec![0; 5000];
    let p = profile.personalise(1).unwrap();
    assert!(matches!(
        Uicc::new(&p, RngTree::new(1), &oversized),
        Err(CardError::TrustAnchor { bytes: 5000, .. })
    ));
    let p = Personalisation { sqn: 1 << 48, ..p };
    assert!(matches!(Uicc::new(&p, RngTree::new(1), &[]), Err(CardError::Sqn { .. })));
}

/// Commands near enough to real ones to get past the first checks.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![0x00u8, 0x01, 0x02, 0x41, 0x4f, 0x80, 0x81, 0xa0, 0xc1]);
    let instruction = prop::sample::select(vec![
        0xa4u8, 0xb0, 0xb2, 0xd6, 0xdc, 0xf2, 0x20, 0x24, 0x26, 0x28, 0x2c, 0x88, 0x70, 0xc0, 0x84, 0xb9,
        0xcd, 0x24, 0xd8, 0x46, 0x2a, 0x2b, 0x2d, 0xcb, 0x48, 0x4a, 0x2c, 0xa2, 0x32, 0x78, 0x10, 0x12, 0x14,
        0xaa,
    ]);
    let parameter = || prop_oneof![Just(0u8), Just(0x04), Just(0x80), Just(0x81), Just(0xc1), any::<u8>()];
    let known = [
        "a0000000871002",
        "a0000005590010",
        "3f00",
        "6f07",
        "6f7b",
        "7fff6f07",
        "840101",
        "840102",
        "850101",
        "850103",
        "830101",
        "830102",
        "830101530411223344",
        "840101a1010191020001920104",
        "850101a1010391020001920104",
        "9b03616263",
        "840102850103",
    ];
    let known: Vec<Vec<u8>> = known.iter().map(|h| hex::decode(h).unwrap()).collect();
    let data = prop_oneof![
        Just(Vec::new()),
        prop::sample::select(known),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    let le = prop::option::of(any::<u8>());
    let shaped =
        (class, instruction, parameter(), parameter(), data, le).prop_map(|(c, i, p1, p2, data, le)| {
            let mut bytes = vec![c, i, p1, p2];
            if !data.is_empty() {
                bytes.push(data.len() as u8);
                bytes.extend(data);
            }
            bytes.extend(le);
            bytes
        });
    prop_oneof![9 => shaped, 1 => prop::collection::vec(any::<u8>(), 0..280)]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

proptest! {
    #[test]
    fn no_bytes_break_the_card_or_get_a_key_out_of_it(
        commands in prop::collection::vec(command(), 1..120),
    ) {
        let card = &mut card();
        let k = hex::decode("465b5ce8b199b49faa5f0a2ee238a6bc").unwrap();
        let opc = hex::decode("cd63cb71954a9f4e48a5994e37a02baf").unwrap();
        send(card, "0070000001");
        send(card, "01a4040007a0000005590010");
        send(card, "81b9000003840101");
        let mut said = Vec::new();
        for command in &commands {
            let response = card.transmit(command).unwrap();
            prop_assert!((2..=258).contains(&response.len()));
            said.push(response);
            for secret in card.private_scalars().iter().map(Vec::as_slice).chain([&k[..], &opc]) {
                // A secret that comes out in two halves has come out as well.
                let (head, tail) = secret.split_at(secret.len() / 2);
                let response = &said[said.len() - 1];
                prop_assert!(!contains(response, head) && !contains(response, tail));
            }
        }
        // What only the administrator may change is as it was, and the card still works.
        card.reset().unwrap();
        send(card, "00a4000c022fe2");
        prop_assert_eq!(send(card, "00b000000a"), "988812010000000010f19000");
        prop_assert_eq!(send(card, SELECT_USIM)[..2].to_owned(), "61");
        prop_assert_eq!(send(card, &format!("0088008122{}", challenge(64))), "612c");
    }
}
