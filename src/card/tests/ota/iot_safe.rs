//! The IoT SAFE applet over the air.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};

use super::*;

const SELECT: &str = "00a4040007a0000005590010";
const GENERATE: &str = "80b90000038401 0100";
const READ: &str = "80cd00000385010100";
const COUNT: &str = "80cbdf200384010100";

/// How often the card says that it has made a key.
fn generation(server: &mut Server, card: &mut Uicc) -> u64 {
    let [told] = &server.expanded(card, TAR_IOT_SAFE, &[COUNT])[..] else { panic!() };
    let count = told.strip_suffix("9000").unwrap().strip_prefix("df2008").unwrap();
    u64::from_str_radix(count, 16).unwrap()
}

#[test]
fn a_server_has_a_key_made_and_the_device_signs_with_it() {
    let (card, server) = &mut lab();
    let generated = server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    let read = server.expanded(card, TAR_IOT_SAFE, &[READ]);
    let public = generated[0].strip_prefix("840101850101").unwrap();
    assert_eq!(public, read[0]);
    // The certificate comes over the air, too.
    let point = &public["34454943864104".len()..public.len() - 4];
    let certificate = crate::card::tests::applet::certificate(point, 0);
    let write = format!("80d600004b 830101 5346 {certificate}");
    let file = server.expanded(card, TAR_IOT_SAFE, &[&write, "80b00000038301 0100"]);
    assert_eq!(file, ["9000".to_owned(), format!("{certificate}9000")]);
    send(card, SELECT);
    let read = "00b00000038301 0100";
    assert_eq!(send(card, read), format!("{certificate}63cf"), "the device is told once");
    assert_eq!(send(card, read), format!("{certificate}9000"));
    assert_eq!(send(card, "002a00000d 840101 a10101 91020001 920104"), "9000");
    let signed = octets(&send(card, "002b800005 9b03616263 00"));
    let [0x33, 0x40, signature @ .., 0x90, 0x00] = &signed[..] else { panic!("{signed:02x?}") };
    let point = octets(&public["34454943 8641".len() - 1..public.len() - 4]);
    let key = VerifyingKey::from_sec1_bytes(&point).unwrap();
    key.verify(b"abc", &Signature::from_slice(signature).unwrap()).unwrap();
    // The operator alone takes it away.
    assert_eq!(send(card, "00d6000005 830101 5300"), "6982");
    assert_eq!(server.compact(card, TAR_IOT_SAFE, "80d6000005 830101 5300"), "1 9000");
    assert_eq!(send(card, read), "6b00");
}

#[test]
fn the_count_of_keys_rises_and_stands_beside_what_is_defined() {
    let (card, server) = &mut lab();
    assert_eq!(generation(server, card), 0);
    send(card, SELECT);
    send(card, "00b90000038401 0100");
    assert_eq!(generation(server, card), 1);
    server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    assert_eq!(generation(server, card), 2);
    send(card, SELECT);
    let local = send(card, "00cbc100038401 0100");
    assert!(local.starts_with("c1") && !local.contains("df2008"), "{local}");
    assert_eq!(send(card, "00cbdf2003840101 00"), "df200800000000000000029000");
    assert_eq!(send(card, "00cbdf2003840103 00"), "6a82", "a key of somebody else is none that it makes");
    assert!(!send(card, "00cb0100 00").contains("df20"));
    // It outlives the power, and an older state does not take it back in a card that knows better.
    let state = card.save();
    let mut other = super::card();
    other.restore(&state).unwrap();
    assert_eq!(other.save(), state);
    send(&mut other, ABLE);
    assert_eq!(generation(&mut server.clone(), &mut other), 2);
    server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    card.restore(&state).unwrap();
    send(card, ABLE);
    assert_eq!(generation(server, card), 3);
}

#[test]
fn what_uses_keys_is_refused() {
    let (card, server) = &mut lab();
    server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    for command in [
        "0084000020",
        "0046000006 840101 850103 00",
        "0048000003 860101 00",
        "004a000003 860101 00",
        "002a00000d 840101 a10101 91020001 920104",
        "002b800005 9b03616263 00",
        "002c00000d 850101 a10101 91020001 920104",
        "002d800005 9b03616263 00",
        "00a4040007a000000559001000",
        "0070000001",
    ] {
        assert_eq!(server.compact(card, TAR_IOT_SAFE, command), "1 6d00", "{command}");
    }
    // Policies of objects hold: the trust anchor is not to be written, the secret not to be read.
    assert_eq!(server.compact(card, TAR_IOT_SAFE, "00d6000006 830102 530111"), "1 6985");
    assert_eq!(server.compact(card, TAR_IOT_SAFE, "01cd000003850101"), "1 6e00", "no other channel");
}

#[test]
fn a_key_that_is_replaced_ends_the_sessions_with_it() {
    let (card, server) = &mut lab();
    send(card, SELECT);
    send(card, "00b90000038401 0100");
    assert_eq!(send(card, "002a00000d 840101 a10101 91020001 920104"), "9000");
    server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    assert_eq!(send(card, "002b800005 9b03616263 00"), "6985");
    // Reading alone changes nothing that the device should hear of.
    assert!(send(card, "00cd000003850101 00").ends_with("63cf"));
    server.expanded(card, TAR_IOT_SAFE, &[READ]);
    assert!(send(card, "00cd000003850101 00").ends_with("9000"));
}

#[test]
fn a_public_key_is_put_in_over_the_air() {
    let (card, server) = &mut lab();
    let generated = server.expanded(card, TAR_IOT_SAFE, &[GENERATE]);
    let key = generated[0].strip_prefix("840101850101").unwrap().strip_suffix("9000").unwrap();
    let put = format!("80d8800047 {key}");
    let answers = server.expanded(card, TAR_IOT_SAFE, &["80240000 03 850103", &put, "80cd00000385010300"]);
    assert_eq!(answers, ["9000".to_owned(), "9000".to_owned(), format!("{key}9000")]);
    // A script that leaves it half done leaves nothing.
    server.expanded(card, TAR_IOT_SAFE, &["80240000 03 850103"]);
    assert_eq!(server.expanded(card, TAR_IOT_SAFE, &[&put]), ["6985"]);
}

#[test]
fn less_security_than_all_is_refused() {
    let (card, server) = &mut lab();
    for spi in [0x0619, 0x0e19, 0x1219] {
        let mut weaker = server.with(spi);
        assert_eq!(
            weaker.ask(card, TAR_IOT_SAFE, &octets("aa0b2209")).0,
            Status::SECURITY_LEVEL,
            "{spi:04x}"
        );
    }
    // Without a checksum nobody is anybody.
    for spi in [0x0001, 0x0419, 0x1519] {
        let command = server.with(spi).command(TAR_IOT_SAFE, &octets("80b90000038401 0100"));
        if let Ok(packet) = command.seal(Some(&server.keys)) {
            assert!(delivered(card, &packet).is_empty(), "{spi:04x}");
        }
    }
    assert_eq!(generation(server, card), 0);
}
