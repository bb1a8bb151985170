//! The packets of other implementations, on a card with their keys.

use super::*;
use crate::card::package;
use crate::wire::ota::tests::{FRESH, Keys, PUBLISHED};
use crate::wire::saip::{Image, Package, SecurityDomainKey};

/// A card with the key set of a vector, whose last counter is `counter`, and with applications for its references.
/// EF.ICCID and EF.IMSI hold what the vectors read.
fn card_of((aes, version, kic, kid): Keys, checksum: usize, counter: u64) -> (Uicc, KeySet) {
    let mut image = Package::decode(&package(&personalisation()).encode()).unwrap().image().unwrap();
    let counter = Counter::new(counter).unwrap().to_bytes().to_vec();
    let key = |identifier, octets: &str| SecurityDomainKey {
        usage: vec![0x18],
        access: 0,
        identifier,
        version,
        counter: Some(counter.clone()),
        components: vec![(vec![if aes { 0x88 } else { 0x80 }], self::octets(octets), checksum as u8)],
    };
    image.security_domains[0].keys = vec![key(1, kic), key(2, kid)];
    if let Some(toolkit) = &mut image.security_domains[0].instance.toolkit {
        toolkit.tars.clear();
    }
    let [uicc, usim] = &mut image.rfm[..] else { panic!() };
    usim.minimum_security_level = 0x02;
    uicc.minimum_security_level = 0x02;
    uicc.tars.extend([[0xb0, 0, 0x10], [0xb0, 0, 0x11], [0xc0, 0, 0], [0xc2, 0, 0x10], [0, 0, 0]]);
    hold(&mut image, &[0x2fe2], "98001032547698103254");
    hold(&mut image, &[0x7fd0, 0x6f07], "089910070000000010");
    let rng = RngTree::new(7).branch("card1");
    let profile = InstalledProfile::install(&image, &rng, &trust_anchor()).unwrap();
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(Box::new(profile)));
    assert_eq!(send(&mut card, ABLE), "9000");
    let octets = [kic, kid].map(octets);
    let key = |octets: &[u8]| if aes { Key::aes(octets) } else { Key::triple_des(octets) }.unwrap();
    (card, KeySet::new(version, key(&octets[0]), key(&octets[1]), checksum).unwrap())
}

fn hold(image: &mut Image, path: &[u16], content: &str) {
    let at = image.find(path).unwrap();
    image.files[at].content = octets(content);
}

/// What the card answers to a packet, opened: status and data, and the packet itself. `None` for silence.
fn answer(card: &mut Uicc, keys: &KeySet, packet: &[u8]) -> Option<(u8, String, String)> {
    let header = crate::wire::ota::CommandPacket::read(packet).unwrap().header();
    let command = crate::wire::ota::CommandPacket::read(packet).unwrap().open(Some(keys)).unwrap();
    let report = delivered(card, packet);
    let bytes = match header.spi.proof_by_submit() {
        true => submitted(card)?,
        false => report.strip_prefix(&[0x02, 0x71, 0x00]).map(<[u8]>::to_vec)?,
    };
    let response = ResponsePacket::read(&bytes).unwrap().open(&header, command.counter, Some(keys)).unwrap();
    Some((response.status.0, hex::encode(response.data), hex::encode(bytes)))
}

#[test]
fn the_fresh_vectors_are_answered_as_their_other_implementation_answers() {
    for (name, keys, (spi, _, counter, _, packet), (status, data, response)) in FRESH {
        // The last counter is such that the vector's status comes out.
        let last = match status {
            2 => counter,
            3 => counter - 7,
            4 => 0xff_ffff_ffff,
            _ => counter.saturating_sub(1),
        };
        let (card, keys) = &mut card_of(keys, 8, last);
        let expanded = data.starts_with("ab");
        if expanded && name != "F5" {
            // The vectors read a key that is no point of the curve; this card makes one.
            let select = "00a4040007a0000005590010";
            assert_eq!(send(card, select), "9000", "{name}");
            assert!(send(card, "00b90000038401 0100").ends_with("9000"));
            assert_eq!(send(card, "00a4000c023f00"), "9000");
        }
        let answered = answer(card, keys, &octets(packet));
        match name {
            // No answer was asked for, or one that does not say what the vector does.
            "F4" | "F8" | "F10" => {
                // SELECT without Le announces its data, as pySim's real card has it; the vector has none to announce.
                let (answered, data, _) = answered.expect(name);
                assert_eq!((answered, &data[..4]), (0, "0161"), "{name}");
            }
            // This card's key fits into the report.
            "E4-0b" => assert_eq!(answered.expect(name).0, 0),
            _ if expanded => {
                let (answered, own, bytes) = answered.expect(name);
                assert_eq!((answered, own.len(), bytes.len()), (0, data.len(), response.len()), "{name}");
                let head = if name == "F5" { 32 } else { 26 };
                assert_eq!(own[..head], data[..head], "{name}");
            }
            _ => assert_eq!(answered, Some((status, data.to_owned(), response.to_owned())), "{name} {spi}"),
        }
    }
}

#[test]
fn published_packets_are_let_in() {
    for (name, (keys, checksum), (spi, _, counter, script, packet)) in PUBLISHED {
        let (card, keys) = &mut card_of(keys, checksum, counter.saturating_sub(1));
        let before = card.generation();
        let packet = octets(packet);
        let report = delivered(card, &packet);
        if spi == "1535" {
            // A redundancy check keeps noise out and nobody else.
            assert_eq!((report.len(), card.generation()), (0, before), "{name}");
            continue;
        }
        let command = crate::wire::ota::CommandPacket::read(&packet).unwrap().open(Some(keys)).unwrap();
        let proof = command.header.spi.0[1] & 0x03 != 0;
        assert_eq!(report.is_empty(), !proof, "{name}");
        if proof {
            let response =
                Server { keys: keys.clone(), spi: command.header.spi, counter }.open(&command, &report);
            let wanted = match script {
                // DF.GSM: the header of a directory.
                "a0a40000027f20a0c0000016" => "0290000000",
                // What is no script is told so.
                "000E0AB0001000000018180000049000" => "006700",
                _ if script.starts_with("A0") => "019f",
                _ => "0161",
            };
            assert!(
                hex::encode(&response.data).starts_with(wanted),
                "{name}: {response:?} {:02x?}",
                response.data
            );
        }
        assert_eq!(card.generation() > before, counter > 0, "{name}: the counter has moved");
        if counter > 0 {
            assert!(delivered(card, &packet).is_empty() || proof, "{name}");
        }
    }
}
