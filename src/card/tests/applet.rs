//! The IoT SAFE applet in the dialects of the clients that are known to use it, and what it must never do.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::*;
use crate::crypto::milenage::hmac_sha256;

const PSK: [u8; 32] = [0x5a; 32];

/// A card with a pre-shared key, the applet selected on channel 1 without MANAGE CHANNEL, as wolfSSL does.
fn applet() -> Uicc {
    let text = include_str!("../../../sim-profiles/lte-test.toml");
    let text = format!("{text}\n[iot_safe]\npre_shared_key = \"{}\"\n", hex::encode(PSK));
    let p = SimProfile::parse(&text).unwrap().personalise(0).unwrap();
    let mut card = Uicc::new(&p, RngTree::new(7).branch("card1"), &trust_anchor()).unwrap();
    assert_eq!(send(&mut card, "01a4040007a0000005590010"), "9000");
    card
}

/// What stands for a certificate of `public`, X || Y in digits: a SEQUENCE with its key, and `fill` bytes more.
pub(in crate::card) fn certificate(public: &str, fill: usize) -> String {
    let body = format!("03420004{public}{}", "5a".repeat(fill));
    let bytes = body.len() / 2;
    let length = if bytes < 0x80 { format!("{bytes:02x}") } else { format!("82{bytes:04x}") };
    format!("30{length}{body}")
}

/// Generates key pair `id` and returns X || Y in digits.
fn generate(card: &mut Uicc, id: &str) -> String {
    let answer = send(card, &format!("81b9000003 8401{id} 00"));
    let (head, point) = answer.split_at(2 * 13);
    assert_eq!(head, format!("8401{id}8501{id}34454943864104"));
    point.strip_suffix("9000").unwrap().to_owned()
}

fn verifies(public: &str, digest: &[u8], signature: &str) -> bool {
    let key = VerifyingKey::from_sec1_bytes(&hex::decode(format!("04{public}")).unwrap()).unwrap();
    let signature = Signature::from_slice(&hex::decode(signature).unwrap()).unwrap();
    key.verify_prehash(digest, &signature).is_ok()
}

#[test]
fn a_signature_in_each_mode_and_both_forms_of_its_length() {
    let card = &mut applet();
    let public = generate(card, "01");
    let digest = Sha256::digest(b"abc");
    // wolfSSL: class 8x, length on two bytes, session 0.
    assert_eq!(send(card, "812a00000d 840101 a10103 91020001 920104"), "9000");
    let signed = send(card, &format!("812b800022 9e20{} 00", hex::encode(digest)));
    let signature = signed.strip_prefix("330040").unwrap().strip_suffix("9000").unwrap();
    assert!(verifies(&public, &digest, signature));
    // Orange: class 0x, one byte, session 1, and a stray 00 in front of Le.
    assert_eq!(send(card, "012a00010d 840101 a10101 91020001 920104"), "9000");
    let signed = send(card, "012b800105 9b03616263 00 00");
    let signature = signed.strip_prefix("3340").unwrap().strip_suffix("9000").unwrap();
    assert!(verifies(&public, &digest, signature));
    // Thales: by label, the text over two commands, 61xx and GET RESPONSE.
    assert_eq!(send(card, "012a000212 7406646576696365 a10101 91020001 920104"), "9000");
    assert_eq!(send(card, "012b000204 9b036162"), "9000");
    assert_eq!(send(card, "012b800201 63"), "6142");
    let signed = send(card, "01c0000042");
    assert!(verifies(&public, &digest, signed.strip_prefix("3340").unwrap().strip_suffix("9000").unwrap()));
    // Last block: the state behind 64 bytes, then the rest.
    let text: Vec<u8> = (0..100).collect();
    let state = crate::card::iot_safe::state_behind(&text[..64]);
    assert_eq!(send(card, "812a00000d 840101 a10102 91020001 920104"), "9000");
    let (last, state) = (hex::encode(&text[64..]), hex::encode(state));
    let signed = send(card, &format!("812b80004e 9a24{last} 9c20{state} 9d0400000040 00"));
    let signature = signed.strip_prefix("330040").unwrap().strip_suffix("9000").unwrap();
    assert!(verifies(&public, &Sha256::digest(&text), signature));
}

#[test]
fn a_signature_is_verified_with_a_key_that_was_put_in() {
    let card = &mut applet();
    let public = generate(card, "01");
    assert_eq!(send(card, "8124000003 850103"), "9000");
    let (first, rest) = public.split_at(40);
    assert_eq!(send(card, &format!("81d800001b 34454943864104{first}")), "9000", "in two commands");
    assert_eq!(send(card, &format!("81d880002c {rest}")), "9000");
    assert_eq!(send(card, "8124010000"), "9000", "close");
    let digest = hex::encode(Sha256::digest(b"abc"));
    send(card, "812a00000d 840101 a10103 91020001 920104");
    let signed = send(card, &format!("812b800022 9e20{digest} 00"));
    let signature = signed.strip_suffix("9000").unwrap();
    let verify = |card: &mut Uicc, signature: &str| {
        assert_eq!(send(card, "812c00000d 850103 a10103 91020001 920104"), "9000");
        send(card, &format!("812d800065 9e20{digest}{signature}"))
    };
    assert_eq!(verify(card, signature), "9000");
    let (head, last) = signature.split_at(signature.len() - 2);
    let flipped = format!("{head}{:02x}", u8::from_str_radix(last, 16).unwrap() ^ 1);
    assert_eq!(verify(card, &flipped), "6d01");
}

#[test]
fn a_verification_ends_where_its_key_is_replaced() {
    let card = &mut applet();
    let put = |card: &mut Uicc, point: &str| {
        assert_eq!(send(card, "0124000003 850103"), "9000");
        assert_eq!(send(card, &format!("01d8800047 34454943864104{point}")), "9000");
    };
    put(
        card,
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    );
    assert_eq!(send(card, "012c00000d 850103 a10103 91020001 920104"), "9000");
    put(
        card,
        "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978\
         07775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    );
    // Made with the second key, over a hash.
    let verify = "012d800064 9e202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\
                  334056d790425339fbb8c90dc686751ffdcf74190bd1be53256d3d9e0c5facac0dec\
                  b033b1e9bddb18074dd7714d6b4167ae1c18475c6312f946af33e77086252cdb";
    assert_eq!(send(card, verify), "6985", "the session began with the first key");
}

#[test]
fn public_keys_come_in_over_each_channel_for_itself() {
    let card = &mut applet();
    let public = generate(card, "01");
    assert_eq!(send(card, "02a4040007a0000005590010"), "9000");
    assert_eq!(send(card, "8124000003 850103"), "9000");
    let (first, rest) = public.split_at(40);
    assert_eq!(send(card, &format!("81d800001b 34454943864104{first}")), "9000");
    // Another channel begins, sends something else, and closes.
    assert_eq!(send(card, "8224000003 850103"), "9000");
    assert_eq!(send(card, "82d8000002 3445"), "9000");
    assert_eq!(send(card, "8224010000"), "9000");
    assert_eq!(send(card, "82d8800002 4943"), "6985");
    assert_eq!(send(card, &format!("81d880002c {rest}")), "9000", "the first one is not disturbed");
    assert!(send(card, "81cd000003 850103 00").contains(&public));
}

#[test]
fn a_certificate_is_whole_and_of_this_key_or_is_not_taken() {
    let card = &mut applet();
    let public = generate(card, "01");
    let certificate_of = certificate;
    let certificate = certificate_of(&public, 150);
    let (first, rest) = certificate.split_at(2 * 120);
    let write = |card: &mut Uicc, channel: u8, at: u16, part: &str| {
        let bytes = part.len() / 2;
        let object = format!(
            "53{}{part}",
            if bytes < 0x80 { format!("{bytes:02x}") } else { format!("81{bytes:02x}") }
        );
        let data = format!("830101{object}");
        send(card, &format!("{:02x}d6{at:04x}{:02x}{data}", 0x80 | channel, data.len() / 2))
    };
    let held = |card: &mut Uicc| send(card, "81b0000003 830101 00");
    assert_eq!(write(card, 1, 0, first), "9000");
    assert_eq!(held(card), "6b00", "half of one is none");
    assert_eq!(write(card, 1, 120, rest), "9000");
    assert_eq!(held(card), format!("{certificate}9000"));
    // Neither the beginning of another one, nor an end, nor an empty file, nor one of another key takes its place.
    assert_eq!(write(card, 1, 0, "30"), "9000");
    assert_eq!(write(card, 1, 5, "00"), "6b00");
    assert_eq!(write(card, 1, 0, ""), "6982");
    assert_eq!(write(card, 1, 0, "11223344"), "6a80");
    let other = certificate_of(&"11".repeat(64), 40);
    assert_eq!(write(card, 1, 0, &other), "6a80");
    assert_eq!(write(card, 1, 0, &format!("{}00", &certificate[..2 * 100])), "9000");
    assert_eq!(send(card, "02a4040007a0000005590010"), "9000");
    assert_eq!(write(card, 2, 101, &certificate[2 * 101..]), "6b00", "of another channel");
    assert_eq!(write(card, 1, 0, "3082ffff"), "6a84", "more than the file holds");
    assert_eq!(held(card), format!("{certificate}9000"));
}

#[test]
fn two_sides_agree_on_a_secret() {
    let (mut a, mut b) = (applet(), applet());
    let ours = generate(&mut a, "02");
    generate(&mut b, "02");
    let theirs = generate(&mut b, "02");
    assert_ne!(ours, theirs);
    let mut shared = Vec::new();
    for (card, peer) in [(&mut a, &theirs), (&mut b, &ours)] {
        assert_eq!(send(card, "8124000003 850103"), "9000");
        assert_eq!(send(card, &format!("81d8800047 34454943864104{peer}")), "9000");
        shared.push(send(card, "8146000006 840102 850103 00"));
    }
    assert_eq!(shared[0], shared[1]);
    assert_eq!(shared[0].len(), 2 * 34);
    // A point that is not on the curve is no public key.
    assert_eq!(send(&mut a, "8124000003 850103"), "9000");
    assert_eq!(send(&mut a, &format!("81d8800047 34454943864104{}", "11".repeat(64))), "6a80");
}

#[test]
fn secrets_derive_and_are_not_told() {
    let card = &mut applet();
    let secret = send(card, "81cbc40003 860101 00");
    assert_eq!(secret, "c417760370736b8601016001004a01014b01a06101089401039000");
    // Mode 0: the IETF's P_SHA256 vector, first 48 bytes.
    let general = "8148000031 d1109bbe436ba940f017b17652849a71db35 \
                   d21a74657374206c6162656ca0ba9f936cda311827a6f796ffd5198c d30110 00";
    assert_eq!(send(card, general), "e3f229ba727be17b8d122620557cd4539000");
    // Modes 1 and 2 against RFC 4279 and RFC 5489 by hand.
    let expect = |premaster: Vec<u8>| {
        let a = hmac_sha256(&premaster, b"seed");
        hex::encode(*hmac_sha256(&premaster, &[&a[..], b"seed"].concat()))
    };
    let plain = [&[0, 32][..], &[0; 32], &[0, 32], &PSK].concat();
    assert_eq!(send(card, "814801000c 860101 d20473656564 d30120 00"), format!("{}9000", expect(plain)));
    let mixed = [&[0, 2, 0xaa, 0xbb, 0, 32][..], &PSK].concat();
    let command = "8148020012 7603 70736b d402aabb d20473656564 d30120 00";
    assert_eq!(send(card, command), format!("{}9000", expect(mixed)));
    // HKDF-Extract: RFC 5869 test case 1.
    let extract = "814a00002b d1160b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b \
                   d50d000102030405060708090a0b0c 91020001 00";
    let expected = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e59000";
    assert_eq!(send(card, extract), expected);
    assert_eq!(send(card, "8148030006 860101 d30120"), "6a86");
    assert_eq!(send(card, "8148010006 860102 d30120"), "6a82");
    assert_eq!(send(card, "814801000c 860101 d20473656564 d30100"), "6a80", "nothing wanted");
    // A card without that key says so.
    let card = &mut super::card();
    send(card, "00a4040007a0000005590010");
    assert_eq!(send(card, "0048010009 860101 d20161 d30120"), "6985");
}

#[test]
fn policies_of_objects_hold() {
    let card = &mut applet();
    for (command, status) in [
        ("81b9000003 840103", "6a82"), // the peer's container has no private half
        ("81cd000003 850101", "6985"), // no key yet
        ("812a00000d 840102 a10103 91020001 920104", "6985"), // a key for agreement does not sign
        ("8124000003 850101", "6985"), // the device's public key cannot be overwritten
        ("81d6000006 830102 530100", "6985"), // the trust anchor cannot be written
        ("81d60a0006 830101 530100", "6b00"), // what has no beginning
        ("81b0000003 830103", "6a82"), // no such file
        ("81b0000003 830101", "6b00"), // an empty file
        ("8146000006 840101 850101", "6985"), // the device's key does not agree
    ] {
        assert_eq!(send(card, command), status, "{command}");
    }
    // The volatile key is gone after a reset, the other one stays.
    generate(card, "01");
    generate(card, "02");
    card.reset().unwrap();
    assert_eq!(send(card, "01a4040007a0000005590010"), "9000");
    assert_eq!(send(card, "81cd000003 850102"), "6985");
    assert_eq!(send(card, "81cd000003 850101"), "6147");
}

#[test]
fn no_command_whatever_reads_a_private_key() {
    let card = &mut applet();
    let names = ["", "840101", "7406646576696365", "860101", "850101", "840101850101", "4a01015a0100"];
    generate(card, "01");
    for class in [0x01u8, 0x81] {
        for instruction in 0..=0xffu8 {
            for p1 in [0x00u8, 0x01, 0x80, 0xc1, 0xc4] {
                for name in names {
                    let name = hex::decode(name).unwrap();
                    let mut command = vec![class, instruction, p1, 0x00];
                    if !name.is_empty() {
                        command.push(name.len() as u8);
                        command.extend(&name);
                    }
                    command.push(0);
                    let said = card.transmit(&command).unwrap();
                    for secret in card.private_scalars() {
                        for half in secret.chunks(secret.len() / 2) {
                            assert!(!contains(&said, half), "{}", hex::encode(&command));
                        }
                    }
                    // The sweep may have closed or reselected the channel.
                    if instruction == 0x70 || instruction == 0xa4 {
                        send(card, "01a4040007a0000005590010");
                    }
                }
            }
        }
    }
    assert!(card.private_scalars().len() >= 2, "the key pair and the shared secret are still there");
}
