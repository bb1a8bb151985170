//! Images that cannot be, and random ones: each is refused with its element, or the card stands whatever it is
//! sent.

use super::*;
use crate::wire::saip::{PeStatusCode, SharedPins};

fn refusal(change: impl FnOnce(&mut Image)) -> String {
    let mut image = image();
    change(&mut image);
    let rng = RngTree::new(7);
    match InstalledProfile::install(&image, &rng, &[]) {
        Ok(_) => "installed".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_image_itself_is_installed() {
    assert_eq!(refusal(|_| {}), "installed");
}

#[test]
fn a_tree_that_is_none_is_refused() {
    assert!(refusal(|i| i.files.clear()).contains("no MF"));
    assert!(refusal(|i| i.files[0].id = 0x3f01).contains("not the MF"));
    let cycle = refusal(|i| (i.files[5].parent, i.files[6].parent) = (6, 5));
    assert!(
        cycle.starts_with("element 3 (usim), ef (7F10)") && cycle.contains("does not stand before it"),
        "{cycle}"
    );
    assert!(refusal(|i| i.files[7].parent = 7).contains("does not stand before it"));
    assert!(refusal(|i| i.files[7].parent = usize::MAX).contains("does not stand before it"));
    assert!(
        refusal(|i| i.files[10].parent = 1).contains("does not stand before it"),
        "a file is no directory"
    );
    assert!(refusal(|i| i.files[3].id = 0x2f00).contains("another file with this identifier"));
    assert!(refusal(|i| i.files[3].sfi = Some(0x1e)).contains("short identifier 30"));
    assert!(refusal(|i| i.files[3].sfi = Some(31)).contains("not 1 to 30"));
    assert!(refusal(|i| i.files[3].id = 0x7fff).contains("reserved"));
    let same = |i: &mut Image| i.files[USIM_B].kind = i.files[USIM].kind.clone();
    assert!(refusal(same).contains("AID is that of another ADF"));
    let mut many = Vec::new();
    let too_many = refusal(|i| {
        many.extend((0..2100).map(|n| transparent(0, 0x1000 + n, &[0])));
        i.files.append(&mut many);
    });
    assert!(too_many.contains("not-enough-memory"), "{too_many}");
}

#[test]
fn links_that_lead_nowhere_or_round_are_refused() {
    let linked = |to| refusal(move |i| i.files[13].kind = FileKind::Link { to });
    assert!(linked(99).contains("which is not there") && linked(13).contains("which is not there"));
    assert!(linked(19).contains("a link to a link"));
    for within in [0, USIM] {
        assert!(linked(within).contains("a directory that it is in"));
    }
    assert_eq!(linked(5), "installed");
}

#[test]
fn files_of_other_sizes_than_their_content_are_refused() {
    let of = |kind, content: usize| {
        refusal(move |i| (i.files[7].kind, i.files[7].content) = (kind, vec![0; content]))
    };
    assert!(of(FileKind::Transparent { size: 299 }, 300).contains("holds 299 bytes, its content has 300"));
    assert!(of(FileKind::Transparent { size: 0x8100 }, 0x8100).contains("not-enough-memory"));
    assert_eq!(of(FileKind::Transparent { size: 0x80ff }, 0x80ff), "installed");
    assert!(of(FileKind::Transparent { size: usize::MAX }, 1).contains("are possible"));
    for (record, count) in [(0, 1), (1, 0), (256, 1), (1, 255), (usize::MAX, usize::MAX)] {
        assert!(of(FileKind::LinearFixed { record, count }, 1).contains("are possible"), "{record} {count}");
        assert!(of(FileKind::Cyclic { record, count }, 1).contains("are possible"));
    }
    assert!(of(FileKind::BerTlv { size: 2, max: None }, 3).contains("holds 2 bytes"));
    assert!(refusal(|i| i.files[13].content = vec![1]).contains("holds 0 bytes"), "a link has no content");
    let status = FileKind::Directory { aid: None, pin_status: vec![0x90, 9] };
    assert!(refusal(|i| i.files[18].kind = status).contains("PIN status"));
    let aid = FileKind::Directory { aid: Some(vec![0xa0; 17]), pin_status: Vec::new() };
    assert!(refusal(|i| i.files[18].kind = aid).contains("5 to 16 bytes"));
    let total = refusal(|i| {
        i.files.extend((0..20).map(|n| transparent(0, 0x1000 + n, &[0; 0x8000])));
    });
    assert!(total.contains("524288 bytes"), "{total}");
}

#[test]
fn codes_that_cannot_be_are_refused() {
    assert!(refusal(|i| i.pins[0].key_reference = 0x09).contains("key reference 09"));
    assert!(refusal(|i| i.pins[2].owner = 10).contains("no directory"));
    assert!(refusal(|i| i.pins[2].owner = 1000).contains("no directory"));
    assert!(refusal(|i| i.pins[0].puk = Some(0x05)).contains("pin-code-missing"));
    assert!(refusal(|i| i.pins[3].owner = USIM).contains("another PIN"));
    assert!(refusal(|i| i.pins[0].attempts = Attempts { max: 0, left: 0 }).contains("1 to 15"));
    assert!(refusal(|i| i.puks[0].attempts = Attempts { max: 3, left: 4 }).contains("1 to 15"));
    assert!(refusal(|i| i.puks[0].key_reference = 0x81).contains("another PUK"));
    assert!(refusal(|i| i.puks[0].key_reference = 0x0a).contains("01 to 08"));
    let shared = SharedPins { element: ELEMENT, owner: 10, with: USIM };
    assert!(refusal(|i| i.shared_pins.push(shared)).contains("no directory"));
}

#[test]
fn subscriptions_that_cannot_be_are_refused() {
    assert!(refusal(|i| i.subscriptions[0].rotation[0] = 8).contains("constants r and c"));
    assert!(refusal(|i| i.subscriptions[0].xoring[0][0] = 8).contains("feature-not-supported"));
    assert!(refusal(|i| i.subscriptions[0].opc.clear()).contains("OPc has 0 bytes instead of 16"));
    assert!(refusal(|i| i.subscriptions[2].options = 0x40).contains("options 40"));
    assert!(refusal(|i| i.subscriptions[0].sqn.options = 0x40).contains("sqnOptions"));
    assert!(refusal(|i| i.subscriptions[0].adf = TELECOM).contains("no ADF"));
    assert!(refusal(|i| i.subscriptions[0].adf = usize::MAX).contains("no ADF"));
    assert!(refusal(|i| i.subscriptions[2].adf = USIM).contains("already"));
    for shares in [1, 2000] {
        assert!(refusal(|i| i.subscriptions[1].shares_sqn_of = Some(shares)).contains("mappingParameter"));
    }
    let tuak = |change: fn(&mut Subscription)| {
        refusal(|i| {
            i.subscriptions[0].algorithm = AkaAlgorithm::Tuak;
            i.subscriptions[0].opc = vec![0; 32];
            change(&mut i.subscriptions[0]);
        })
    };
    assert_eq!(tuak(|_| {}), "installed");
    assert!(tuak(|s| s.options = 4).contains("options 04"));
    assert!(tuak(|s| s.keccak = 0).contains("Keccak"));
    assert!(tuak(|s| s.key = vec![0; 20]).contains("instead of 16 or 32"));
    assert!(tuak(|s| s.opc = vec![0; 16]).contains("TOPc has 16 bytes"));
}

#[test]
fn applications_that_cannot_be_are_refused() {
    let missing = refusal(|i| i.load_packages.clear());
    assert!(missing.starts_with("element 9 (application)"), "{missing}");
    assert!(missing.contains("A000000001 is neither in the profile nor on the card"), "{missing}");
    assert!(missing.contains("lib-not-supported"), "{missing}");
    let second = applet("a0000005590010", "a000000559001001", "a00000055900100103");
    assert!(refusal(|i| i.applets.push(second)).contains("one IoT SAFE applet"));
    assert!(
        refusal(|i| i.applets[1].instance = i.applets[0].instance.clone()).contains("another application")
    );
    assert!(
        refusal(|i| i.applets[1].instance = hex::decode(USIM_1).unwrap()).contains("another application")
    );
    assert!(refusal(|i| i.applets[1].instance = vec![1]).contains("5 to 16 bytes"));
    let rng = RngTree::new(7);
    let error = InstalledProfile::install(&image(), &rng, &[0; 5000]).err().unwrap();
    assert_eq!(error.status, PeStatusCode::NOT_ENOUGH_MEMORY);
}

fn kind() -> impl Strategy<Value = FileKind> {
    let aid = prop::option::of(prop::collection::vec(prop::sample::select(vec![0xa0u8, 0, 0x87, 2]), 4..18));
    let status = prop_oneof![
        Just(hex::decode("900160830101830181").unwrap()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop_oneof![
        (aid, status).prop_map(|(aid, pin_status)| FileKind::Directory { aid, pin_status }),
        (0usize..300).prop_map(|size| FileKind::Transparent { size }),
        (0usize..20, 0usize..6).prop_map(|(record, count)| FileKind::LinearFixed { record, count }),
        (0usize..20, 0usize..6).prop_map(|(record, count)| FileKind::Cyclic { record, count }),
        (0usize..20).prop_map(|size| FileKind::BerTlv { size, max: None }),
        (0usize..14).prop_map(|to| FileKind::Link { to }),
    ]
}

fn content_of(kind: &FileKind) -> usize {
    match kind {
        FileKind::Transparent { size } => *size,
        FileKind::LinearFixed { record, count } | FileKind::Cyclic { record, count } => record * count,
        _ => 0,
    }
}

/// A file somewhere in the MF or in one of the first directories, most often of the right size.
fn some_file() -> impl Strategy<Value = ImageFile> {
    let id = prop::sample::select(vec![0x2f06u16, 0x6f06, 0x6f07, 0x5f3a, 0x7f10, 0x7f20, 0x4f30, 0x7fff]);
    let rule = prop::sample::select(vec![[0u8, 0, 0], [0x2f, 6, 1], [0x6f, 6, 1], [0x6f, 6, 0]]);
    (0usize..6, id, kind(), prop::option::of(0u8..32), rule, 0u8..40, any::<[u8; 8]>()).prop_map(
        |(parent, id, kind, sfi, security, odd, fill)| {
            let length = content_of(&kind) + usize::from(odd == 0);
            let content = fill.into_iter().cycle().take(length).collect();
            ImageFile { sfi, security, life_cycle: 0x05 - (odd & 1), ..file(parent, id, kind, content) }
        },
    )
}

/// Commands about the files of random images.
fn some_command() -> impl Strategy<Value = Vec<u8>> {
    let paths =
        ["3f00", "7f10", "7fff", "5f3a4f30", "7fff6f07", "a0", "a0000087", "6f06", "7f206f07", "800101"];
    let data = prop::sample::select(paths.map(|path| hex::decode(path).unwrap()).to_vec());
    let instruction = prop::sample::select(vec![
        0xa4u8, 0xa4, 0xa4, 0xb0, 0xb2, 0xd6, 0xdc, 0xa2, 0x32, 0xf2, 0x20, 0x24, 0x26, 0x28, 0x2c, 0x88,
        0x78, 0xc0,
    ]);
    let parameter = || prop::sample::select(vec![0u8, 1, 2, 3, 4, 8, 9, 0x0a, 0x0c, 0x81, 0x87, 0x9e, 0xff]);
    let body = prop_oneof![data, prop::collection::vec(any::<u8>(), 0..20)];
    (any::<bool>(), instruction, parameter(), parameter(), body, prop::option::of(any::<u8>())).prop_map(
        |(etsi, instruction, p1, p2, body, le)| {
            let mut bytes = vec![if etsi { 0x80 } else { 0x00 }, instruction, p1, p2];
            if !body.is_empty() {
                bytes.push(body.len() as u8);
                bytes.extend(&body);
            }
            bytes.extend(le);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_break_a_card_of_a_random_image(
        files in prop::collection::vec(some_file(), 0..12),
        commands in prop::collection::vec(some_command(), 1..80),
    ) {
        let mut image = image();
        image.files.truncate(3);
        image.files.extend(files);
        for at in (3..image.files.len()).rev() {
            // Most files get a directory that stands before them.
            image.files[at].parent %= at + 1;
        }
        image.subscriptions.clear();
        image.pins.retain(|pin| pin.owner == MF);
        let rng = RngTree::new(7);
        // What cannot be is left out, file by file, until the rest can.
        while let Err(error) = InstalledProfile::install(&image, &rng, &[]) {
            prop_assert!(!error.cause.is_empty() && image.files.len() > 3, "{error}");
            image.files.pop();
        }
        let card = &mut card_of(&image);
        for command in &commands {
            let response = card.transmit(command).unwrap();
            prop_assert!((2..=258).contains(&response.len()));
        }
        let state = card.save();
        let mut again = card_of(&image);
        again.restore(&state).unwrap();
        prop_assert_eq!(again.save(), state);
    }

    #[test]
    fn no_image_is_installed_by_halves(
        at in 0usize..21, parent in 0usize..30, kind in kind(), owner in 0usize..30, reference: u8, adf in 0usize..30,
    ) {
        let mut image = image();
        image.files[at].parent = parent;
        image.files[at].content = vec![0; content_of(&kind)];
        image.files[at].kind = kind;
        image.pins[2].owner = owner;
        image.puks[0].key_reference = reference;
        image.subscriptions[1].adf = adf;
        image.subscriptions[1].shares_sqn_of = Some(parent);
        match InstalledProfile::install(&image, &RngTree::new(7), &[]) {
            // A profile that is installed is one that can be used and kept.
            Ok(profile) => {
                let state = profile.save();
                let mut again = installed(&image);
                prop_assert_eq!(again.restore(&state), Ok(()));
                prop_assert_eq!(again.save(), state);
                prop_assert_eq!(send(&mut card_of(&image), "00a4000c023f00"), "9000");
            }
            Err(error) => prop_assert!(!error.cause.is_empty() && !error.to_string().is_empty()),
        }
    }
}
