//! Remote file and application management.

use super::*;
use crate::card::package;
use crate::wire::saip::{Image, Package};

/// The card of the package that the test profile makes, after a change.
fn changed(change: impl FnOnce(&mut Image)) -> Uicc {
    let mut image = Package::decode(&package(&personalisation()).encode()).unwrap().image().unwrap();
    change(&mut image);
    let rng = RngTree::new(7).branch("card1");
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(Box::new(InstalledProfile::install(&image, &rng, &trust_anchor()).unwrap())));
    assert_eq!(send(&mut card, ABLE), "9000");
    card
}

#[test]
fn files_are_written_and_read() {
    let (card, server) = &mut lab();
    // EF.SPN of the USIM is the administrator's to write.
    let write = "00a40004026f46 00d6000003 01414141";
    assert_eq!(server.compact(card, USIM, &write.replace("03 01414141", "04 01414141")), "2 9000");
    assert_eq!(server.compact(card, USIM, "00a4000c026f46 00b0000004"), "2 014141419000");
    send(card, SELECT_USIM);
    send(card, "00a4000c026f46");
    assert_eq!(send(card, "00b0000004"), "014141419000");
    assert_eq!(send(card, "00d6000001 02"), "6982", "not the terminal's");
    // Each command of an expanded script answers.
    let read = ["00a4000c022fe2", "00b000000a", "00a40004022f05", "00c0000000"];
    let answers = server.expanded(card, UICC, &read);
    assert_eq!(answers[..2], ["9000", "988812010000000010f19000"].map(str::to_owned));
    assert_eq!(answers[2], format!("61{:02x}", answers[3].len() / 2 - 2));
    assert!(answers[3].starts_with("62") && answers[3].ends_with("9000"), "{answers:?}");
    // A wrong length is corrected, and what fails ends the script.
    let failing =
        server.expanded(card, USIM, &["00a4000c026f07", "00b0000000", "00a4000c026fff", "00b0000001"]);
    assert_eq!(failing, ["9000", "0809101000000000109000", "6a82"]);
    assert_eq!(server.compact(card, USIM, "00a4000c026fff 00b0000001"), "1 6a82");
    assert_eq!(server.compact(card, UICC, "a0a40000027f20 a0c0000016")[..2], *"2 ");
}

#[test]
fn a_script_has_a_selection_and_rights_of_its_own() {
    let (card, server) = &mut lab();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f07");
    // The files of the UICC do not lead to those of an application, and those of one have no rights beside it.
    assert_eq!(server.compact(card, UICC, "00a4000c026f07"), "1 6a82");
    assert_eq!(server.compact(card, UICC, "00a4040c07a0000000871002"), "1 6a81");
    assert_eq!(server.compact(card, USIM, "00a4080c022fe2 00d6000001 98"), "2 6982");
    // Codes are not a server's.
    assert_eq!(server.compact(card, USIM, "0020000108 30303030ffffffff"), "1 6d00");
    assert_eq!(server.compact(card, USIM, "0088008100"), "1 6d00");
    assert_eq!(send(card, "00b0000009"), "0809101000000000109000", "the terminal is where it was");
    // What the server has is gone with its script.
    assert_eq!(send(card, "00a4000c026f46"), "9000");
    assert_eq!(send(card, "00d6000001 02"), "6982");
}

#[test]
fn rights_are_those_of_the_access_domain() {
    let files = "00a4000c022fe2 00d6000001 98";
    for (access, update) in
        [(&[0x00][..], "2 9000"), (&[2, 0, 1, 0], "2 9000"), (&[2, 0, 0, 0], "2 6982"), (&[0xff], "2 6982")]
    {
        let card = &mut changed(|image| image.rfm[0].access_domain = access.to_vec());
        assert_eq!(Server::of(&keys()).compact(card, UICC, files), update, "{access:02x?}");
        assert_eq!(Server::of(&keys()).with(0x1619).counter, 0);
    }
    // ADM1 opens what is the administrator's, and nothing that is the holder's.
    let card = &mut changed(|image| {
        image.rfm[1].adf = image.rfm[1].adf.clone().map(|(aid, _, admin)| (aid, vec![2, 0, 1, 0], admin));
        image.pins[0].attributes |= 1;
    });
    let server = &mut Server::of(&keys());
    assert_eq!(server.compact(card, USIM, "00a4000c026f46 00d6000001 01"), "2 9000");
    assert_eq!(server.compact(card, USIM, "00a4000c026f07 00b0000009"), "2 6982");
}

#[test]
fn applications_are_listed_and_not_loaded() {
    let (card, server) = &mut lab();
    assert_eq!(
        server.compact(card, ISSUER, "80f28002024f0000"),
        "1 e3134f08a0000001510000009f70010fc5038000009000"
    );
    let all = server.expanded(card, ISSUER, &["80f24002024f0000"]);
    for aid in ["a0000000871002ffffffff8900000100", "a0000005590010", "a00000055910100001"] {
        assert!(all[0].contains(aid), "{aid} {all:?}");
    }
    let untagged = server.compact(card, ISSUER, "80f24000094f07a000000559001000");
    assert_eq!(untagged, "1 07a000000559001007009000");
    assert_eq!(server.compact(card, ISSUER, "80f24002044f02ffff00"), "1 6a88");
    // INSTALL, LOAD, DELETE, PUT KEY, STORE DATA.
    for command in ["80e60c0001 00", "80e8000001 00", "80e4000001 00", "80d8018101 00", "80e2900001 00"] {
        assert_eq!(server.compact(card, ISSUER, command), "1 6d00", "{command}");
    }
    // Which keys there are, and of them no more than that.
    let template = server.compact(card, ISSUER, "80ca00e000");
    assert_eq!(template, "1 e00cc00401018810c004020188109000");
}

#[test]
fn a_downloaded_profile_has_the_keys_of_its_subscriber() {
    use crate::esim::smdp::Producer;
    let profile = SimProfile::parse(include_str!("../../../../sim-profiles/lte-test.toml")).unwrap();
    let producer = Producer::new(profile, "lte-test", "smdp.example", RngTree::new(7));
    let (made, subscriber) = producer.make(1).unwrap();
    assert_ne!(subscriber.ota.set, producer.make(2).unwrap().1.ota.set);
    let image = Package::decode(&made.package).unwrap().image().unwrap();
    let rng = RngTree::new(7).branch("card1");
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(Box::new(InstalledProfile::install(&image, &rng, &trust_anchor()).unwrap())));
    assert_eq!(send(&mut card, RECEIVES), "9000");
    let server = &mut Server::of(&subscriber.ota);
    let answers = server.expanded(&mut card, TAR_IOT_SAFE, &["80b90000038401 0100"]);
    assert!(answers[0].starts_with("840101850101") && answers[0].ends_with("9000"), "{answers:?}");
    let shown = format!("{subscriber:?} {:?}", subscriber.ota);
    for key in [subscriber.ota.set.kic(), subscriber.ota.set.kid()] {
        assert!(
            !shown.contains(&hex::encode(key.octets())) && !shown.contains(&format!("{:?}", key.octets()))
        );
    }
}

#[test]
fn a_public_package_has_its_files_managed_with_its_own_keys() {
    let bytes = include_bytes!("../../../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");
    let image = Package::decode(bytes).unwrap().image().unwrap();
    let rng = RngTree::new(7).branch("card1");
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(Box::new(InstalledProfile::install(&image, &rng, &[]).unwrap())));
    assert_eq!(send(&mut card, ABLE), "9000");
    let key: Vec<u8> = (0..16).collect();
    let set = KeySet::new(2, Key::aes(&key).unwrap(), Key::aes(&key).unwrap(), 8).unwrap();
    let server = &mut Server { keys: set, spi: Spi::PROTECTED, counter: 0 };
    let iccid = format!("2 {}9000", hex::encode(image.iccid));
    assert_eq!(server.compact(&mut card, UICC, "00a4000c022fe2 00b000000a"), iccid);
    assert!(server.compact(&mut card, ISSUER, "80f28002024f0000").starts_with("1 e3"));
    let triple = KeySet::new(1, Key::triple_des(&key).unwrap(), Key::triple_des(&key).unwrap(), 8).unwrap();
    let server = &mut Server { keys: triple, spi: Spi::PROTECTED, counter: 0 };
    assert_eq!(
        server.compact(&mut card, UICC, "00a4000c022fe2 00b000000a"),
        iccid,
        "each set counts for itself"
    );
}
