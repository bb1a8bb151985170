//! A profile that was installed from an image, seen from the card's contacts.

use super::*;
use crate::crypto::tuak::{Lengths, Tuak, USIM_LENGTHS};
use crate::wire::saip::{
    AkaAlgorithm, AppletInstance, Attempts, ElementRef, FileKind, Image, ImageFile, PinImage, PukImage,
    SqnState, Subscription,
};

mod packages;
mod refusals;

const ELEMENT: ElementRef = ElementRef { index: 3, name: "usim" };
const K: [u8; 16] =
    [0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f, 0xaa, 0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc];
const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";
const USIM_1: &str = "a0000000871002ff49ff0589";
const USIM_2: &str = "a0000000871002ff49ff0590";
const ISIM: &str = "a0000000871004ff49ff0589";

// Places of files in the image.
const MF: usize = 0;
const TELECOM: usize = 5;
const USIM: usize = 8;
const USIM_B: usize = 17;
const IM: usize = 14;

fn file(parent: usize, id: u16, kind: FileKind, content: Vec<u8>) -> ImageFile {
    ImageFile {
        element: ELEMENT,
        name: "ef",
        parent,
        id,
        kind,
        sfi: None,
        security: [0x2f, 0x06, 0x01],
        life_cycle: 0x05,
        special: 0,
        content,
    }
}

fn transparent(parent: usize, id: u16, content: &[u8]) -> ImageFile {
    file(parent, id, FileKind::Transparent { size: content.len() }, content.to_vec())
}

fn records(parent: usize, id: u16, record: usize, contents: &[&str]) -> ImageFile {
    let padded = contents.iter().flat_map(|text| {
        let mut bytes = hex::decode(text.replace(' ', "")).unwrap();
        bytes.resize(record, 0xff);
        bytes
    });
    file(parent, id, FileKind::LinearFixed { record, count: contents.len() }, padded.collect())
}

fn directory(parent: usize, id: u16, aid: Option<&str>, pin_status: &str) -> ImageFile {
    let aid = aid.map(|aid| hex::decode(aid).unwrap());
    file(parent, id, FileKind::Directory { aid, pin_status: hex::decode(pin_status).unwrap() }, Vec::new())
}

fn ruled(mut file: ImageFile, arr: u16, record: u8, sfi: Option<u8>) -> ImageFile {
    let [high, low] = arr.to_be_bytes();
    (file.security, file.sfi) = ([high, low, record], sfi);
    file
}

fn pin(owner: usize, key_reference: u8, digits: &[u8; 4], puk: Option<u8>, attributes: u8) -> PinImage {
    let mut value = [0xff; 8];
    value[..4].copy_from_slice(digits);
    let attempts = Attempts { max: 3, left: 3 };
    PinImage { element: ELEMENT, owner, key_reference, value, puk, attributes, attempts }
}

fn subscription(adf: usize, algorithm: AkaAlgorithm) -> Subscription {
    Subscription {
        element: ELEMENT,
        adf,
        algorithm,
        options: 0,
        key: K.to_vec(),
        opc: hex::decode(OPC).unwrap(),
        rotation: [64, 0, 32, 64, 96],
        xoring: [0u128, 1, 2, 4, 8].map(u128::to_be_bytes),
        counter_max: None,
        keccak: 1,
        sqn: SqnState { options: 0x02, delta: 1 << 28, age_limit: 1 << 28, initial: [0; 32] },
        shares_sqn_of: None,
    }
}

fn applet(load_package: &str, class: &str, instance: &str) -> AppletInstance {
    AppletInstance {
        element: ElementRef { index: 9, name: "application" },
        load_package: hex::decode(load_package).unwrap(),
        class: hex::decode(class).unwrap(),
        instance: hex::decode(instance).unwrap(),
        security_domain: None,
        privileges: vec![0],
        life_cycle: 0x07,
        parameters: Vec::new(),
        toolkit: None,
        data: Vec::new(),
    }
}

/// Read by anybody, updated by ADM1 or, with both PINs of the application, by its holder; INCREASE with PIN1.
const RULE_OR: &str = "800101 9000 800102 a01a a406 83010a 950108 af10 a406 830101 950108 a406 830181 950108 \
    840132 a406 830101 950108";
/// Read with the local PIN.
const RULE_LOCAL: &str = "800101 a406 830181 950108 80011a a406 83010a 950108";

fn image() -> Image {
    let status = "900160 830101 830181 83010a".replace(' ', "");
    let adf_status = "9001e0 830101 950108 830181".replace(' ', "");
    let imsi = hex::decode("080910100000000010").unwrap();
    let deactivated = ImageFile { life_cycle: 0x04, ..transparent(TELECOM, 0x6f44, &[1, 2]) };
    let cyclic = file(USIM, 0x6f39, FileKind::Cyclic { record: 3, count: 2 }, vec![0; 6]);
    let tlv = file(USIM, 0x6fff, FileKind::BerTlv { size: 100, max: None }, vec![0x80, 1, 7]);
    let files = vec![
        ruled(directory(0, 0x3f00, None, &status), 0x2f06, 1, None),
        ruled(records(MF, 0x2f00, 20, &[&format!("610e4f0c{USIM_1}")]), 0x2f06, 1, Some(0x1e)),
        records(MF, 0x2f06, 60, &["800101 9000", RULE_OR, RULE_LOCAL]),
        ruled(transparent(MF, 0x2fe2, &[0x98; 10]), 0x2f06, 1, Some(2)),
        long_file(),
        ruled(directory(MF, 0x7f10, None, &status), 0x2f06, 1, None),
        directory(TELECOM, 0x5f3a, None, &status),
        ruled(transparent(6, 0x4f30, &[0x11; 300]), 0x2f06, 2, Some(4)),
        ruled(directory(MF, 0xa001, Some(USIM_1), &adf_status), 0x2f06, 1, None),
        // The EF.ARR of the USIM: its record 1 is not that of the MF.
        ruled(records(USIM, 0x6f06, 40, &[RULE_LOCAL, "800101 9000"]), 0x2f06, 1, Some(0x17)),
        ruled(transparent(USIM, 0x6f07, &imsi), 0x6f06, 2, Some(7)),
        ruled(cyclic, 0x2f06, 2, None),
        ruled(transparent(USIM, 0x6f3e, &[0xff; 4]), 0x6f06, 1, None),
        ruled(file(USIM, 0x5f3a, FileKind::Link { to: 6 }, Vec::new()), 0, 0, None),
        ruled(directory(MF, 0xa002, Some(ISIM), &adf_status), 0x2f06, 1, None),
        ruled(transparent(IM, 0x6f02, b"sip:alice"), 0x2f06, 3, Some(2)),
        ruled(tlv, 0x6f06, 2, None),
        ruled(directory(MF, 0xa003, Some(USIM_2), "9001e0830101"), 0x2f06, 1, None),
        ruled(directory(MF, 0x7f20, None, &status), 0x2f06, 1, None),
        ruled(file(18, 0x6f07, FileKind::Link { to: 10 }, Vec::new()), 0x6f06, 2, Some(7)),
        deactivated,
    ];
    let puk = |key_reference, digit: u8| PukImage {
        element: ELEMENT,
        key_reference,
        value: [digit; 8],
        attempts: Attempts { max: 10, left: 9 },
    };
    let mut ims = subscription(IM, AkaAlgorithm::Milenage);
    ims.shares_sqn_of = Some(0);
    let mut test = subscription(USIM_B, AkaAlgorithm::Test);
    (test.options, test.counter_max) = (0x02, Some(2));
    Image {
        version: (2, 3),
        profile_type: None,
        iccid: [0x98; 10],
        header: ELEMENT,
        mandatory_services: crate::wire::saip::Services::default(),
        mandatory_aids: Vec::new(),
        files,
        pins: vec![
            pin(MF, 0x01, b"0000", Some(0x01), 0x06),
            pin(MF, 0x0a, b"8888", None, 0x01),
            pin(USIM, 0x81, b"1111", Some(0x81), 0x03),
            pin(IM, 0x81, b"2222", Some(0x81), 0x01),
        ],
        shared_pins: Vec::new(),
        puks: vec![puk(0x01, b'1'), puk(0x81, b'2')],
        subscriptions: vec![subscription(USIM, AkaAlgorithm::Milenage), ims, test],
        applets: vec![
            applet("a0000005590010", "a000000559001001", "a00000055900100102"),
            applet("a000000001", "a00000000101", "a00000000102"),
        ],
        load_packages: vec![crate::wire::saip::LoadPackage {
            element: ELEMENT,
            aid: hex::decode("a000000001").unwrap(),
            security_domain: None,
            block: vec![0xc4, 0],
        }],
        security_domains: Vec::new(),
        rfm: Vec::new(),
        cdma: Vec::new(),
        left_out: Vec::new(),
    }
}

/// A file of generic file management, with a content that is longer than what one command reads.
fn long_file() -> ImageFile {
    let content: Vec<u8> = (0..700u32).map(|i| i as u8).collect();
    ruled(transparent(MF, 0x2f11, &content), 0x2f06, 1, Some(9))
}

fn installed(image: &Image) -> Box<InstalledProfile> {
    let rng = RngTree::new(7).branch("card1").branch("profile 1");
    Box::new(InstalledProfile::install(image, &rng, &trust_anchor()).unwrap())
}

fn card_of(image: &Image) -> Uicc {
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(installed(image)));
    card
}

fn response(card: &mut Uicc, command: &str) -> String {
    let announced = send(card, command);
    match announced.strip_prefix("61") {
        Some(length) => send(card, &format!("00c00000{length}")),
        None => announced,
    }
}

fn select(card: &mut Uicc, aid: &str) -> String {
    response(card, &format!("00a40404{:02x}{aid}", aid.len() / 2))
}

#[test]
fn files_are_selected_by_path_identifier_and_short_identifier() {
    let card = &mut card_of(&image());
    assert_eq!(card.profile().unwrap().iccid(), Some([0x98; 10]));
    assert_eq!(send(card, "00b082000a"), format!("{}9000", "98".repeat(10)));
    // By offset beyond one command.
    assert_eq!(send(card, "00a4080c022f11"), "9000");
    assert_eq!(send(card, "00b002ba02"), "babb9000");
    assert_eq!(send(card, "00b002bb02"), "6c01");
    // Deeper than a personalised card goes, and back.
    assert_eq!(send(card, "00a4080c067f105f3a4f30"), "9000");
    assert_eq!(send(card, "00b0012b01"), "119000");
    assert_eq!(send(card, "00b0840001"), "119000", "the current directory is 5F3A");
    assert_eq!(send(card, "00a4030c"), "9000");
    assert_eq!(send(card, "00a4010c025f3a"), "9000", "a child of 7F10");
    assert_eq!(send(card, "00a4010c024f30"), "6a82", "which is no directory");
    assert_eq!(send(card, "00a4000c02a001"), "6a82", "the identifier of an ADF is for the package only");
    assert_eq!(send(card, "00a4080c04a0016f07"), "6a82");
    let directory = select(card, USIM_1);
    assert!(directory.contains("83027fff") && directory.contains(&format!("840c{USIM_1}")), "{directory}");
    assert_eq!(send(card, "00b0870009"), "0809101000000000109000");
    assert_eq!(send(card, "00a4080c047fff6f07"), "9000");
    assert_eq!(send(card, "00a4080c047fff6f02"), "6a82", "of the other application");
}

#[test]
fn links_show_files_and_directories() {
    let card = &mut card_of(&image());
    // DF.GSM shows the IMSI without the application, under its own short identifier.
    assert_eq!(send(card, "00a4080c047f206f07"), "9000");
    assert_eq!(send(card, "00b0000009"), "0809101000000000109000");
    assert!(response(card, "00a40004026f07").contains("880138"), "SFI 7");
    assert_eq!(send(card, "00b0870009"), "0809101000000000109000");
    // The phonebook of the USIM is that below DF.TELECOM.
    select(card, USIM_1);
    assert_eq!(send(card, "00a4000c025f3a"), "9000");
    assert_eq!(send(card, "00a4000c024f30"), "9000");
    assert_eq!(send(card, "0020008108 31313131ffffffff"), "9000");
    assert_eq!(send(card, "00d600000155"), "9000");
    send(card, "00a4080c067f105f3a4f30");
    assert_eq!(send(card, "00b0000001"), "559000");
}

#[test]
fn partial_aids_go_through_the_applications_of_the_image() {
    let card = &mut card_of(&image());
    let found = |card: &mut Uicc, p2: &str| {
        send(card, &format!("00a404{p2}07a0000000871002"));
        send(card, "80f200010e")
    };
    assert_eq!(found(card, "0c"), format!("840c{USIM_1}9000"));
    assert_eq!(found(card, "0e"), format!("840c{USIM_2}9000"));
    assert_eq!(send(card, "00a4040e07a0000000871002"), "6a82");
    assert_eq!(found(card, "0f"), format!("840c{USIM_1}9000"));
}

#[test]
fn access_rules_are_those_of_the_nearest_ef_arr() {
    let card = &mut card_of(&image());
    select(card, USIM_1);
    // 6F3E refers to record 1 of 6F06 in the USIM, which wants the local PIN.
    send(card, "00a4000c026f3e");
    assert_eq!(send(card, "00b0000004"), "6982");
    assert_eq!(send(card, "0020008108 31313131ffffffff"), "9000");
    assert_eq!(send(card, "00b0000004"), "ffffffff9000");
    // The cyclic file refers to 2F06 of the MF: ADM1, or both PINs, of which PIN1 is disabled.
    send(card, "00a4000c026f39");
    assert_eq!(send(card, "00dc0003 03 000005"), "9000");
    assert_eq!(response(card, "80320000 03 000001"), "0000060000019000", "INCREASE by tag 84");
    card.reset().unwrap();
    select(card, USIM_1);
    send(card, "00a4000c026f39");
    assert_eq!(send(card, "00dc0003 03 000005"), "6982", "PIN2 is not verified");
    assert_eq!(send(card, "0020000a08 38383838ffffffff"), "9000");
    assert_eq!(send(card, "00dc0003 03 000007"), "9000");
    // No rule says who may update the IMSI.
    send(card, "00a4000c026f07");
    assert_eq!(send(card, "00d6000001 08"), "6982");
    // A file that is deactivated, and one whose objects cannot be reached.
    send(card, "00a4080c047f106f44");
    assert_eq!(send(card, "00b0000002"), "6984");
    assert!(response(card, "00a40004026f44").contains("8a0104"));
    send(card, "00a4080c047fff6fff");
    assert_eq!(send(card, "00b0000002"), "6981");
    assert!(response(card, "00a40004026fff").contains("82027921"));
    assert_eq!(send(card, "80cb0000028001"), "6d00");
}

#[test]
fn what_is_deactivated_is_open_where_the_special_file_information_says_so() {
    // TS 102 222: bit 8 is high update activity, bit 7 readable and updatable when deactivated.
    for (special, read, header, sim_read) in
        [(0x80, "6984", "00", "9810"), (0x40, "01029000", "04", "01029000")]
    {
        let mut image = image();
        let file = image.files.iter_mut().find(|file| file.life_cycle == 0x04).unwrap();
        file.special = special;
        let card = &mut card_of(&image);
        send(card, "00a4080c047f106f44");
        assert_eq!(send(card, "00b0000002"), read, "{special:02x}");
        send(card, "a0a40000027f10");
        send(card, "a0a40000026f44");
        assert_eq!(send(card, "a0c000000f")[22..24], *header, "{special:02x}");
        assert_eq!(send(card, "a0b0000002"), sim_read, "{special:02x}");
    }
}

#[test]
fn pins_belong_to_their_directories() {
    let card = &mut card_of(&image());
    assert_eq!(send(card, "00200081"), "6a88", "the MF has no local PIN");
    let usim = select(card, USIM_1);
    // The bits say that PIN1 is disabled and 81 enabled; there is no third key.
    assert!(usim.contains("c60c900160830101950108830181"), "{usim}");
    assert_eq!(send(card, "0020008108 31313131ffffffff"), "9000");
    assert_eq!(send(card, "0026008108 31313131ffffffff"), "6a81", "it cannot be disabled");
    assert_eq!(send(card, "0024008110 31313131ffffffff 33333333ffffffff"), "9000");
    select(card, ISIM);
    send(card, "00a4000c026f02");
    assert_eq!(send(card, "00b0000009"), "6982", "the PIN of the other application does not count");
    assert_eq!(send(card, "0020008108 33333333ffffffff"), "63c2");
    assert_eq!(send(card, "0020008108 32323232ffffffff"), "9000");
    assert_eq!(send(card, "00b0000009"), "7369703a616c6963659000");
    assert_eq!(send(card, "0024008110 32323232ffffffff 33333333ffffffff"), "6a81", "it cannot be changed");
    // Both local PINs have one PUK, whose counter is one.
    assert_eq!(send(card, "002c0081"), "63c9");
    assert_eq!(send(card, "002c008110 3030303030303030 34343434ffffffff"), "63c8");
    select(card, USIM_1);
    assert_eq!(send(card, "002c0081"), "63c8");
    assert_eq!(send(card, "002c008110 3232323232323232 34343434ffffffff"), "9000");
    assert_eq!(send(card, "0020008108 34343434ffffffff"), "9000");
    // PIN1 may be enabled; then it guards the application, and the status says so.
    assert_eq!(send(card, "0028000108 30303030ffffffff"), "9000");
    card.reset().unwrap();
    let usim = select(card, USIM_1);
    assert!(usim.contains("9001e0830101"), "{usim}");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6982");
    assert_eq!(send(card, "0020000108 30303030ffffffff"), "9000");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "612c");
    // An ADM code has no PUK.
    assert_eq!(send(card, "002c000a10 3030303030303030 34343434ffffffff"), "6a88");
}

#[test]
fn shared_pins_are_those_of_the_other_directory() {
    let mut image = image();
    image.pins.pop();
    let shared = crate::wire::saip::SharedPins { element: ELEMENT, owner: IM, with: USIM };
    image.shared_pins.push(shared);
    let card = &mut card_of(&image);
    select(card, ISIM);
    assert_eq!(send(card, "0020008108 31313131ffffffff"), "9000");
    send(card, "00a4000c026f02");
    assert_eq!(send(card, "00b0000009")[18..], *"9000");
}

#[test]
fn applications_authenticate_with_their_own_keys() {
    let card = &mut card_of(&image());
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6985");
    select(card, USIM_1);
    assert_eq!(response(card, &format!("0088008122{}", challenge(64)))[..4], *"db08");
    select(card, ISIM);
    assert_eq!(response(card, &format!("0088008122{}", challenge(64)))[..4], *"dc0e", "the same numbers");
    assert_eq!(response(card, &format!("0088008122{}", challenge(96)))[..4], *"db08");
    assert_eq!(
        send(card, &format!("0088008011 10{}", "23".repeat(16))),
        "9864",
        "an ISIM has no GSM context"
    );
    // The test algorithm of the second USIM: RES of 16 bytes, any sequence number, and two answers.
    select(card, USIM_2);
    let xdout: Vec<u8> = K.iter().map(|k| k ^ 0x23).collect();
    let command = |sqn: u8, amf: [u8; 2]| {
        let cdout = [0, 0, 0, 0, 0, sqn, amf[0], amf[1]];
        let mac: Vec<u8> = xdout.iter().zip(cdout).map(|(x, c)| x ^ c).collect();
        let concealed: Vec<u8> = xdout[3..9].iter().zip(cdout).map(|(x, c)| x ^ c).collect();
        format!(
            "0088008122 10{} 10{}{}{}",
            "23".repeat(16),
            hex::encode(concealed),
            hex::encode(amf),
            hex::encode(mac)
        )
    };
    assert_eq!(response(card, &command(1, [0x80, 0]))[..36], format!("db10{}", hex::encode(&xdout)));
    assert_eq!(response(card, &command(1, [0xff, 0xff]))[..4], *"dc0e", "AMF asks for it");
    assert_eq!(send(card, &command(1, [0x80, 0])), "6985", "it has answered twice");
}

#[test]
fn tuak_comes_with_its_constant_and_the_length_of_its_result() {
    let mut image = image();
    let topc = [0x42; 32];
    let subscription = &mut image.subscriptions[0];
    subscription.options = 0x02;
    (subscription.algorithm, subscription.opc) = (AkaAlgorithm::Tuak, topc.to_vec());
    let card = &mut card_of(&image);
    let network = Tuak::new(&K, topc, 1, Lengths { res: 16, ..USIM_LENGTHS });
    let rand = [0x23; 16];
    let sqn = [0, 0, 0, 0, 0, 0x20];
    let keys = network.f2345(&rand);
    let concealed: Vec<u8> = sqn.iter().zip(keys.ak).map(|(a, b)| a ^ b).collect();
    let autn = [&concealed[..], &[0x80, 0], &network.f1(&rand, &sqn, &[0x80, 0])].concat();
    select(card, USIM_1);
    let answer = response(card, &format!("0088008122 10{} 10{}", hex::encode(rand), hex::encode(autn)));
    assert_eq!(answer[..36], format!("db10{}", hex::encode(keys.res)));
}

#[test]
fn a_package_conceals_the_identity_by_its_files() {
    let mut image = image();
    let mut services = [0; 17];
    services[15] = 0x18; // 124 and 125
    let key = "5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650";
    let info = hex::decode(format!("a0020101 a125 80011b 8120{key}").replace(' ', "")).unwrap();
    let saip = image.files.len() + 2;
    image.files.push(transparent(USIM, 0x6f38, &services));
    image.files.push(transparent(USIM, 0x6fad, &[0, 0, 0, 2]));
    image.files.push(directory(USIM, 0x5fd0, None, ""));
    image.files.push(transparent(saip, 0x4f01, &info));
    let card = &mut card_of(&image);
    select(card, USIM_1);
    let first = send(card, "8078000137");
    assert!(first.starts_with("a1350100f110f0ff011b"), "{first}");
    assert_ne!(send(card, "8078000137"), first);
    assert!(card.dirty());
    select(card, USIM_2);
    assert_eq!(send(card, "8078000137"), "6985");
}

#[test]
fn applets_come_with_the_package() {
    let card = &mut card_of(&image());
    assert_eq!(send(card, "00a4040c09a00000055900100102"), "9000");
    assert!(send(card, "00b90000038401 0100").starts_with("840101850101"));
    assert_eq!(send(card, "00a4040c07a0000002480400"), "6a82", "only the instance's AID selects");
    assert_eq!(send(card, "00a4040c06a00000000102"), "6a82", "it is stored and not run");
    assert_eq!(card.profile().unwrap().stored_applications(), [hex::decode("a00000000102").unwrap()]);
    let mut installed = image();
    installed.applets[0].life_cycle = 0x03;
    assert_eq!(send(&mut card_of(&installed), "00a4040c09a00000055900100102"), "6a82", "not selectable");
}

#[test]
fn what_has_changed_outlives_the_power() {
    let mut old = installed(&image());
    let mut card = Uicc::without_profile(Origin::Seed);
    card.swap_profile(Some(old));
    let old_card = &mut card;
    select(old_card, USIM_1);
    send(old_card, "0020008108 31313131ffffffff");
    send(old_card, "0024008110 31313131ffffffff 33333333ffffffff");
    send(old_card, "00a4000c025f3a");
    send(old_card, "00a4000c024f30");
    assert_eq!(send(old_card, "00d600000155"), "9000");
    send(old_card, &format!("0088008122{}", challenge(64)));
    select(old_card, ISIM);
    send(old_card, "0020008108 39393939ffffffff");
    select(old_card, USIM_2);
    send(old_card, &format!("0088008111 10{}", "23".repeat(16)));
    send(old_card, &format!("0088008011 10{}", "23".repeat(16)));
    send(old_card, "00a4040c09a00000055900100102");
    let key = send(old_card, "00b90000038401 0100");
    old = card.swap_profile(None).unwrap();
    let state = old.save();

    let mut new = installed(&image());
    new.restore(&state).unwrap();
    assert_eq!(new.save(), state);
    let mut other = image();
    other.iccid[9] = 0x89;
    assert!(matches!(installed(&other).restore(&state), Err(CardError::StateForeign { .. })));
    card.swap_profile(Some(new));
    let new_card = &mut card;
    select(new_card, USIM_1);
    assert_eq!(send(new_card, "0020008108 33333333ffffffff"), "9000");
    send(new_card, "00a4080c067f105f3a4f30");
    assert_eq!(send(new_card, "00b0000001"), "559000");
    assert_eq!(response(new_card, &format!("0088008122{}", challenge(64)))[..4], *"dc0e");
    select(new_card, ISIM);
    assert_eq!(send(new_card, "00200081"), "63c2");
    select(new_card, USIM_2);
    send(new_card, &format!("0088008011 10{}", "23".repeat(16)));
    assert_eq!(send(new_card, &format!("0088008011 10{}", "23".repeat(16))), "6985", "two answers in all");
    send(new_card, "00a4040c09a00000055900100102");
    assert!(key.ends_with(&send(new_card, "00cd0000038501 0100")));
}
