//! Profile management: what may be enabled, disabled and deleted, REFRESH, rules, the ISD-R from its contacts.

use cellbed::card::{CardPort, Uicc};
use cellbed::wire::rsp::{
    EuiccInfo2, FinalResult, Icon, NotificationEvents, OperatorId, PolicyRules, ProfileClass, ProfileFilter,
    ProfileId, Switch, SwitchKind, parse_profile_list, parse_result,
};
use cellbed::wire::saip::Package;
use proptest::prelude::*;

use super::download::result;
use super::lab::*;

fn switch(card: &mut Uicc, kind: SwitchKind, iccid: [u8; 10], refresh: bool) -> u64 {
    let request = Switch { kind, profile: ProfileId::Iccid(iccid), refresh };
    parse_result(kind as u16, &es10(card, &request.to_bytes())).unwrap()
}

fn bootstrap_iccid() -> [u8; 10] {
    bcd("8988211000000000011")
}

/// The bundled package under another ICCID.
pub fn package_with(iccid: [u8; 10]) -> Vec<u8> {
    let bytes = TS48.to_vec();
    let old = ts48_iccid();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(&old) {
            out.extend_from_slice(&iccid);
            at += old.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    assert_ne!(out, bytes);
    assert_eq!(Package::decode(&out).unwrap().image().unwrap().iccid, iccid);
    out
}

#[test]
fn what_sgp32_adds_to_the_information_may_be_left_out() {
    let card = &mut Maker::default().card();
    let further = |card: &mut Uicc| EuiccInfo2::parse(&es10(card, &EuiccInfo2::request())).unwrap().further;
    // ipaMode 0 (IPAd); iotSpecificInfo with version 1.2.0 and the fallback mechanism.
    assert_eq!(hex::encode(further(card)), "900100b409a00504030102008200");
    card.leave_out_iot_info();
    assert!(further(card).is_empty());
}

/// A card with the profile of `smdp`, and what GetProfilesInfo says of it under each list of tags.
fn information_of(change: impl Fn(&mut Smdp), lists: &[&[u8]]) -> Vec<String> {
    let maker = Maker::default();
    let card = &mut maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    change(&mut smdp);
    assert!(matches!(result(&maker, &smdp.download(card)).result, FinalResult::Success { .. }));
    let mut ask = |tags: &&[u8]| {
        let request = ProfileFilter { tags: tags.to_vec(), ..ProfileFilter::default() };
        hex::encode(es10(card, &request.to_bytes()))
    };
    lists.iter().map(&mut ask).collect()
}

/// SGP.22 v2.5 annex H: the data of a vendor that the eUICC stores come back where their tag is asked for, those that it
/// does not store never.
#[test]
fn service_specific_data_is_kept_and_returned() {
    let stored = "bf22123010800767811201020100a1050403020105";
    let not_stored = "bf23123010800767811201020100a1050403020105";
    let further = hex::decode(format!("{stored}{not_stored}")).unwrap();
    let answers = information_of(
        |smdp| smdp.metadata.further = further.clone(),
        &[&[0xbf, 0x22], &[0xbf, 0x23], &[0x95]],
    );
    assert_eq!(
        answers,
        [format!("bf2d19a017e315{stored}"), "bf2d04a002e300".to_owned(), "bf2d07a005e303950102".to_owned()]
    );
}

#[test]
fn an_icon_and_its_type_are_returned_one_by_one() {
    let icon = Icon { kind: Some(1), image: Some(vec![1, 2, 3]) };
    let answers =
        information_of(|smdp| smdp.metadata.icon = Some(icon.clone()), &[&[0x93], &[0x94], &[0x93, 0x94]]);
    assert_eq!(
        answers,
        ["bf2d07a005e303930101", "bf2d09a007e3059403010203", "bf2d0ca00ae3089301019403010203"]
    );
}

#[test]
fn profiles_change_their_state_and_say_so() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let card = &mut maker.card();
    Smdp::new(&maker.pki).download(card);
    let (first, second) = (bootstrap_iccid(), ts48_iccid());
    use SwitchKind::{Delete, Disable, Enable};
    assert_eq!(switch(card, Enable, [9; 10], false), 1);
    assert_eq!(switch(card, Enable, first, false), 2);
    assert_eq!(switch(card, Disable, second, false), 2);
    assert_eq!(switch(card, Delete, first, false), 2, "what is enabled is not deleted");
    assert_eq!(switch(card, Enable, second, false), 0);
    let list = parse_profile_list(&es10(card, &ProfileFilter::default().to_bytes())).unwrap();
    let states: Vec<_> =
        list.iter().map(|info| (info.name.clone().unwrap(), info.state.unwrap() as u8)).collect();
    assert_eq!(states, [("bootstrap".to_owned(), 0), ("ts48".to_owned(), 1)]);
    assert_eq!(switch(card, Disable, second, false), 0);
    assert!(card.profile().is_none());
    // Only what is asked for is said.
    let filter = ProfileFilter {
        class: Some(ProfileClass::Operational),
        tags: vec![0x5a, 0x9f, 0x70, 0xb6],
        ..Default::default()
    };
    let list = parse_profile_list(&es10(card, &filter.to_bytes())).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].iccid, list[0].name.as_deref()), (Some(second), None));
    assert_eq!(list[0].notifications[0].events, NotificationEvents::ALL);
    assert_eq!(switch(card, Delete, second, false), 0);
    assert_eq!(switch(card, Delete, second, false), 1);
    // A downloaded profile may come again.
    let response = Smdp::new(&maker.pki).download(card);
    assert!(matches!(result(&maker, &response).result, FinalResult::Success { .. }));
}

#[test]
fn refresh_is_announced_and_the_change_follows_it() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let card = &mut maker.card();
    Smdp::new(&maker.pki).download(card);
    assert_eq!(send(card, "80100000 02 ffff"), "9000");
    let request = Switch { kind: SwitchKind::Enable, profile: ProfileId::Iccid(ts48_iccid()), refresh: true };
    let (data, status) = store_in_blocks(card, &request.to_bytes(), 255);
    assert_eq!(parse_result(0xbf31, &data), Ok(0));
    assert_eq!(status, 0x910b, "REFRESH is announced with the last of the response");
    assert!(card.installed_profiles()[0].enabled);
    // Until the terminal is through, no further change.
    assert_eq!(switch(card, SwitchKind::Disable, bootstrap_iccid(), true), 5);
    assert_eq!(send(card, "801200000b"), "d0098103010104820281829000", "UICC reset");
    assert_eq!(send(card, "8014000003 830120"), "910b", "the terminal is busy for now");
    send(card, "801200000b");
    assert_eq!(send(card, "8014000003 830100"), "9000");
    assert!(card.installed_profiles()[1].enabled);
}

#[test]
fn a_refresh_that_the_terminal_cannot_do_changes_nothing_before_the_reset() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let card = &mut maker.card();
    Smdp::new(&maker.pki).download(card);
    assert_eq!(send(card, "80100000 02 ffff"), "9000");
    let fail = |card: &mut Uicc| {
        assert_eq!(switch(card, SwitchKind::Enable, ts48_iccid(), true), 0);
        send(card, "801200000b");
        assert_eq!(send(card, "8014000003 830130"), "9000", "beyond the capabilities of the terminal");
        assert!(card.installed_profiles()[0].enabled, "REFRESH was not done");
    };
    fail(card);
    // It is not busy for ever: the same may be asked again, and is done when the terminal can.
    assert_eq!(switch(card, SwitchKind::Enable, ts48_iccid(), true), 0);
    send(card, "801200000b");
    assert_eq!(send(card, "8014000003 830100"), "9000");
    assert!(card.installed_profiles()[1].enabled);
    // A reset does what REFRESH would have asked for.
    let card = &mut maker.card();
    Smdp::new(&maker.pki).download(card);
    send(card, "80100000 02 ffff");
    fail(card);
    card.reset().unwrap();
    assert!(card.installed_profiles()[1].enabled);
}

#[test]
fn channels_of_the_profile_are_closed_and_others_stay() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let card = &mut maker.card();
    Smdp::new(&maker.pki).download(card);
    assert_eq!(send(card, "0070000001"), "029000");
    assert_eq!(send(card, "02a4040c07a0000000871002"), "9000");
    assert_eq!(switch(card, SwitchKind::Enable, ts48_iccid(), false), 0);
    assert_eq!(send(card, "02f2000c00"), "6881");
    // The ISD-R on channel 1 goes on.
    assert!(!es10(card, &[0xbf, 0x20, 0]).is_empty());
    assert_eq!(send(card, "00a4000c022fe2"), "9000");
}

#[test]
fn rules_are_looked_up_in_the_table() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let with = |rules: u8, owner: Option<OperatorId>, class| {
        let mut smdp = Smdp::new(&maker.pki);
        smdp.metadata.rules = PolicyRules(rules);
        smdp.metadata.owner = owner;
        smdp.metadata.class = class;
        smdp
    };
    let owner = || Some(OperatorId { mcc_mnc: [0x00, 0xf1, 0x10], gid1: None, gid2: None });
    let outcome = |card: &mut Uicc, smdp: Smdp| match result(&maker, &smdp.download(card)).result {
        FinalResult::Success { .. } => 0,
        FinalResult::Error { reason, .. } => reason,
    };
    assert_eq!(outcome(card, with(0x40, None, ProfileClass::Operational)), 15, "nobody owns it");
    assert_eq!(outcome(card, with(0x40, owner(), ProfileClass::Test)), 15);
    assert_eq!(outcome(card, with(0x60, owner(), ProfileClass::Operational)), 0);
    let iccid = ts48_iccid();
    assert_eq!(switch(card, SwitchKind::Delete, iccid, false), 3, "PPR2");
    assert_eq!(switch(card, SwitchKind::Enable, iccid, false), 0);
    assert_eq!(switch(card, SwitchKind::Disable, iccid, false), 3, "PPR1");
    // PPR1 of a second profile, and a third one in its place.
    let mut second = with(0x40, owner(), ProfileClass::Operational);
    second.metadata.iccid = bcd("8988211000000000029");
    second.package = package_with(second.metadata.iccid);
    assert_eq!(outcome(card, second), 15);
    let mut third = with(0, owner(), ProfileClass::Operational);
    third.metadata.iccid = bcd("8988211000000000029");
    third.package = package_with(third.metadata.iccid);
    assert_eq!(outcome(card, third), 0);
    assert_eq!(switch(card, SwitchKind::Enable, bcd("8988211000000000029"), false), 3);
    // A memory reset takes all of them, whatever their rules.
    assert_eq!(hex::encode(es10(card, &hex::decode("bf340482020780").unwrap())), "bf3403800100");
    assert!(card.installed_profiles().is_empty() && card.profile().is_none());
    assert_eq!(hex::encode(es10(card, &hex::decode("bf340482020780").unwrap())), "bf3403800101");
}

#[test]
fn forbidden_rules_and_a_table_without_the_operator() {
    for config in [
        (|mut config: cellbed::card::EuiccConfig| {
            config.forbidden_rules = PolicyRules::PPR2;
            config
        }) as fn(_) -> _,
        |mut config| {
            config.rules[0].operators[0].mcc_mnc = [0x62, 0xf2, 0x10];
            config
        },
    ] {
        let maker = Maker { config, ..Maker::default() };
        let card = &mut maker.card();
        let mut smdp = Smdp::new(&maker.pki);
        smdp.metadata.rules = PolicyRules::PPR2;
        let result = result(&maker, &smdp.download(card)).result;
        assert!(matches!(result, FinalResult::Error { command: 2, reason: 15, .. }), "{result:?}");
    }
}

#[test]
fn a_test_profile_takes_the_place_of_another_for_a_while() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let card = &mut maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    smdp.metadata.class = ProfileClass::Test;
    let test = ts48_iccid();
    assert!(matches!(result(&maker, &smdp.download(card)).result, FinalResult::Success { .. }));
    let mut other = Smdp::new(&maker.pki);
    other.metadata.iccid = bcd("8988211000000000029");
    other.package = package_with(other.metadata.iccid);
    other.download(card);
    assert_eq!(switch(card, SwitchKind::Enable, test, false), 0);
    assert_eq!(
        switch(card, SwitchKind::Enable, other.metadata.iccid, false),
        4,
        "not what was enabled before"
    );
    assert_eq!(switch(card, SwitchKind::Disable, test, false), 0);
    assert!(card.installed_profiles()[0].enabled, "what was enabled before is enabled again");
}

#[test]
fn isd_r_and_ecasd_from_their_contacts() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let fci = "6f1f8410a0000005591010ffffffff8900000100 a5049f6501ff e0058203020500".replace(' ', "");
    assert_eq!(send(card, "00a4040010a0000005591010ffffffff8900000100"), format!("61{:02x}", fci.len() / 2));
    assert_eq!(send(card, &format!("00c00000{:02x}", fci.len() / 2)), format!("{fci}9000"));
    assert_eq!(send(card, "00a4040c10a0000005591010ffffffff8900000200"), "9000");
    assert_eq!(send(card, "80ca005a00"), format!("5a10{}9000", eid().as_str()));
    assert_eq!(send(card, "80ca004200"), "6a88");
    // The certificate has more than one response takes.
    let start = send(card, "80ca7f2100");
    assert!(
        start.starts_with("7f2182") && start.ends_with("61ff") || start[start.len() - 4..].starts_with("61")
    );
    // On an extended channel.
    assert_eq!(send(card, "00700005"), "9000");
    assert_eq!(send(card, "41a4040c10a0000005591010ffffffff8900000100"), "9000");
    assert_eq!(send(card, "c1e2910006bf3e035c015a"), "6115");
    assert_eq!(send(card, "c1c0000015"), format!("bf3e125a10{}9000", eid().as_str()));
    // Blocks in the wrong order, of the wrong kind, and commands that are none.
    for (command, status) in [
        ("81e2110002bf3e", "9000"),
        ("81e2910202035c", "6a86"),
        ("81e2910102035c", "6a86"),
        ("81e2800003bf2000", "6a86"),
        ("81e2910003bf6000", "6a88"),
        ("81e2910002bf3e", "6a80"),
        ("81e2910003bf3600", "6985"),
        ("81e29100028600", "6a88"),
        ("81e29100", "6a80"),
        ("00e2910003bf2000", "6d00"),
    ] {
        assert_eq!(send(card, command), status, "{command}");
    }
    // Another command between two blocks, and a chain on each of two channels.
    assert_eq!(send(card, "81e2110003bf3e03"), "9000");
    assert_eq!(send(card, "c1e2110001bf"), "9000");
    assert_eq!(send(card, "81e29101035c015a"), "6115");
    assert_eq!(send(card, "c1e2910102").len(), 4);
    // A plain card has none of this.
    let profile = cellbed::card::SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    let p = profile.personalise(0).unwrap();
    let mut plain = Uicc::new(&p, cellbed::kernel::RngTree::new(1), &[]).unwrap();
    assert_eq!(send(&mut plain, "00a4040c10a0000005591010ffffffff8900000100"), "6a82");
}

#[test]
fn a_config_that_does_not_fit_is_refused() {
    let maker = Maker::default();
    let other = maker.pki.euicc(&eid(), &cellbed::kernel::RngTree::new(8)).unwrap();
    let refused = |change: &dyn Fn(&mut cellbed::card::EuiccConfig)| {
        let mut config = maker.config();
        change(&mut config);
        Uicc::with_euicc(config, cellbed::kernel::RngTree::new(1), Vec::new()).err().unwrap().to_string()
    };
    assert!(refused(&|config| config.key = other.0.clone()).contains("not on its key"));
    assert!(refused(&|config| config.eid = config.eid.plus(1).unwrap()).contains("another EID"));
    assert!(refused(&|config| config.anchors.clear()).contains("CI"));
}

proptest! {
    #[test]
    fn any_command_is_answered_and_changes_nothing(
        commands in proptest::collection::vec(
            (prop::sample::select(vec![0x11u8, 0x91, 0x80]), 0u8..3,
             prop::sample::select(vec![0xbf20u16, 0xbf21, 0xbf22, 0xbf23, 0xbf28, 0xbf29, 0xbf2b, 0xbf2d, 0xbf30,
                0xbf31, 0xbf32, 0xbf33, 0xbf35, 0xbf36, 0xbf38, 0xbf3c, 0xbf3e, 0xbf41, 0xbf43]),
             proptest::collection::vec(any::<u8>(), 0..120)), 1..12),
        raw in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let maker = Maker::default();
        let mut card = maker.card();
        let state = card.save();
        for (p1, p2, tag, body) in &commands {
            let [high, low] = tag.to_be_bytes();
            let data = [&[high, low, body.len() as u8][..], body].concat();
            card.transmit(&[&[0x81, 0xe2, *p1, *p2, data.len() as u8][..], &data].concat()).unwrap();
        }
        for body in &raw {
            card.transmit(&[&[0x81, 0xe2, 0x91, 0, body.len() as u8][..], body].concat()).unwrap();
        }
        prop_assert_eq!(card.save(), state);
    }

    #[test]
    fn a_damaged_state_is_refused_and_changes_nothing(at in 0usize..60_000, bit in 0u8..8) {
        let maker = Maker { bootstrap: true, ..Maker::default() };
        let mut card = maker.card();
        let state = card.save();
        let mut bad = state.clone();
        let at = at % bad.len();
        bad[at] ^= 1 << bit;
        prop_assert!(card.restore(&bad).is_err());
        prop_assert_eq!(card.save(), state);
    }
}
