//! The platform below the profile: another profile is enabled, or none; channels that do not disturb each other.

use super::*;

fn installed(number: u32) -> Box<InstalledProfile> {
    let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
    let rng = RngTree::new(7).branch("card1").branch(number);
    let p = profile.personalise(number).unwrap();
    Box::new(InstalledProfile::personalised(&p, &rng, &trust_anchor()).unwrap())
}

#[test]
fn a_card_without_a_profile_has_an_mf_and_nothing_else() {
    let card = &mut Uicc::without_profile(Origin::Seed);
    assert!(card.profile().is_none());
    assert_eq!(send(card, "00a40004023f00")[..2], *"61");
    for (file, status) in [("2f00", "9000"), ("2f05", "9000"), ("2f06", "9000"), ("2fe2", "6a82")] {
        assert_eq!(send(card, &format!("00a4000c02{file}")), status, "{file}");
    }
    for absent in ["00a4000c027f10", "00a4000c027f20", "00a4040c07a0000000871002", "00a4040c07a0000005590010"]
    {
        assert_eq!(send(card, absent), "6a82");
    }
    send(card, "00a4000c022f00");
    assert_eq!(send(card, "00b2010420"), format!("{}9000", "ff".repeat(32)), "no application is listed");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6985");
    assert_eq!(send(card, "8078000100"), "6985");
    assert_eq!(send(card, "00200001"), "6a88", "no PIN");
    assert_eq!(send(card, "80f2000c00"), "9000");
}

#[test]
fn another_profile_takes_the_place_of_the_first() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "0070000001");
    send(card, "01a4040c07a0000000871004");
    send(card, "00a4000c026f7b");
    send(card, "00d6000003 00f110");
    let before = card.generation();
    let first = card.swap_profile(Some(installed(1))).unwrap();
    assert!(card.dirty() && card.generation() != before);
    // Both channels stand at the MF of the new profile.
    assert_eq!(send(card, "80f2000112"), "6a88");
    assert_eq!(send(card, "01a4000c026f02"), "6a82");
    assert_eq!(send(card, "01a4000c022fe2"), "9000");
    send(card, SELECT_USIM);
    assert_eq!(send(card, "00b0870009"), "0809101000000000209000");
    assert_eq!(send(card, "00a4000c026f7b"), "9000");
    assert_eq!(send(card, "00b0000003"), "ffffff9000");
    let second = card.swap_profile(None).unwrap();
    assert!(card.swap_profile(None).is_none());
    assert_eq!(send(card, SELECT_USIM), "6a82");
    // The first one comes back with what was written.
    assert!(card.swap_profile(Some(first)).is_none());
    send(card, SELECT_USIM);
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "00b0000003"), "00f1109000");
    card.swap_profile(Some(second));
    send(card, SELECT_USIM);
    assert_eq!(send(card, "00b0870009"), "0809101000000000209000");
}

#[test]
fn a_state_belongs_to_the_profile_that_is_enabled() {
    let mut card = card();
    let state = card.save();
    card.swap_profile(Some(installed(1)));
    assert!(matches!(card.restore(&state), Err(CardError::StateForeign { .. })));
    card.swap_profile(None);
    assert!(matches!(card.restore(&state), Err(CardError::StateForeign { .. })));
    let none = card.save();
    assert!(!card.dirty());
    Uicc::without_profile(Origin::Seed).restore(&none).unwrap();
}

#[test]
fn profiles_of_one_card_draw_other_random_numbers() {
    let random = |number| {
        let card = &mut Uicc::without_profile(Origin::Seed);
        card.swap_profile(Some(installed(number)));
        send(card, "00a4040c07a0000005590010");
        send(card, "0084000020")
    };
    assert_ne!(random(0), random(1));
    assert_eq!(random(1), random(1));
}

#[test]
fn a_response_waits_on_its_own_channel() {
    let card = &mut card();
    send(card, "0070000001");
    let first = send(card, SELECT_USIM);
    let second = send(card, "01a40004022fe2");
    assert_ne!(first, second);
    let fcp = send(card, &format!("00c00000{}", &first[2..]));
    assert!(fcp.starts_with("62") && fcp.contains("8410a0000000871002") && fcp.ends_with("9000"), "{fcp}");
    let fcp = send(card, &format!("01c00000{}", &second[2..]));
    assert!(fcp.starts_with("62") && fcp.contains("83022fe2") && fcp.ends_with("9000"), "{fcp}");
    // A command on the same channel ends what waits there, and closing the channel does.
    send(card, SELECT_USIM);
    send(card, "01a40004022fe2");
    send(card, "80f2000c00");
    assert_eq!(send(card, "00c0000001"), "6985");
    send(card, "00708001");
    send(card, "0070000001");
    assert_eq!(send(card, "01c0000001"), "6985");
}

#[test]
fn partial_aids_find_one_application_after_another() {
    let card = &mut card();
    let mut name = |select: &str| {
        let status = send(card, select);
        if status != "9000" {
            return status;
        }
        let aid = send(card, "80f2000112");
        if aid.starts_with("84") { aid[4..18].to_owned() } else { aid }
    };
    assert_eq!(name("00a4040c05a000000087"), "a0000000871002");
    assert_eq!(name("00a4040e05a000000087"), "a0000000871004", "next");
    assert_eq!(name("00a4040e05a000000087"), "6a82", "no further one");
    assert_eq!(name("00a4040f05a000000087"), "a0000000871002", "previous");
    assert_eq!(name("00a4040d05a000000087"), "a0000000871004", "last");
    assert_eq!(name("00a4040c05a000000088"), "6a82");
}

#[test]
fn a_change_of_profile_is_announced() {
    let card = &mut card();
    send(card, "80100000 02 ffff");
    card.request_refresh(Refresh::EuiccProfileStateChange);
    assert_eq!(send(card, "80f2000c00"), "910b");
    assert_eq!(send(card, "801200000b"), "d0098103010109820281829000");
}

#[test]
fn a_class_that_an_instruction_does_not_have_is_said_to_be_none() {
    let card = &mut card();
    for (command, status) in [
        ("80a40004023f00", "6e00"),
        ("8070000001", "6e00"),
        ("80b000000a", "6e00"),
        ("00f2000c00", "6e00"),
        ("ffa40004023f00", "6e00"),
        ("ff00000000", "6e00"),
        ("20a40004023f00", "6e00"),
        ("00ff000000", "6d00"),
    ] {
        assert_eq!(send(card, command), status, "{command}");
    }
    // Whatever is selected.
    send(card, "00a4040007a0000005590010");
    assert_eq!(send(card, "80a40004023f00"), "6e00");
    assert_eq!(send(card, "ff84000008"), "6e00");
}

#[test]
fn no_suspension_is_promised() {
    let card = &mut card();
    assert_eq!(send(card, "00a4000c022f08"), "9000");
    let umpc = send(card, "00b0000005");
    assert_eq!(umpc, "32050000009000");
    assert_eq!(send(card, "8076000000"), "6d00", "SUSPEND UICC is not there");
}

#[test]
fn a_pin_is_four_to_eight_digits() {
    let card = &mut card();
    // PIN1 is disabled in this profile.
    let (old, new) = ("30303030ffffffff", "31323334ffffffff");
    assert_eq!(send(card, &format!("0028000108 {old}")), "9000");
    for wrong in
        ["0000000000000000", "ffffffffffffffff", "313233ffffffffff", "3132333400000000", "31323334ff353637"]
    {
        assert_eq!(send(card, &format!("0024000110 {old}{wrong}")), "6a80", "{wrong}");
        assert_eq!(send(card, &format!("002c000110 3131313131313131{wrong}")), "6a80", "{wrong}");
    }
    assert_eq!(send(card, "00200001"), "63c3", "no try is spent");
    assert_eq!(send(card, "002c0001"), "63ca");
    assert_eq!(send(card, &format!("0024000110 {old}{new}")), "9000");
    assert_eq!(send(card, &format!("0020000108 {new}")), "9000");
    // An administrative code may be anything.
    let adm = "3838383838383838";
    assert_eq!(send(card, &format!("0024000a10 {adm}00000000000000ff")), "9000");
}

#[test]
fn an_application_whose_pin_has_no_code_is_closed() {
    let mut profile = installed(0);
    profile.pins = crate::card::pin::Pins::none();
    let card = &mut card();
    card.swap_profile(Some(profile));
    assert!(send(card, SELECT_USIM).starts_with("9000") || send(card, SELECT_USIM).starts_with("61"));
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "6982");
}
