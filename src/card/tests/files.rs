//! Files, records, access rules, directories and the toolkit, seen from the contacts.

use super::*;

/// SELECT of an application by the beginning of its AID, without data.
fn select_application(card: &mut Uicc, aid: &str) {
    assert_eq!(send(card, &format!("00a4040c{:02x}{aid}", aid.len() / 2)), "9000");
}

/// The whole content of the transparent file at `path`, which begins at the MF.
fn read(card: &mut Uicc, path: &str) -> String {
    let fcp = send(card, &format!("00a40804{:02x}{path}", path.len() / 2));
    assert_eq!(fcp[..2], *"61", "{path}: {fcp}");
    let response = send(card, "00b0000000");
    match response.strip_prefix("6c") {
        Some(length) => send(card, &format!("00b00000{length}")),
        None => response,
    }
}

#[test]
fn df_gsm_shows_files_of_the_usim() {
    let card = &mut card();
    // What pySim-read looks for, by identifiers from the MF on, without an application.
    for (directory, file) in [
        ("7f20", "6f07"),
        ("7f20", "6f3e"),
        ("7f20", "6f3f"),
        ("7f20", "6f46"),
        ("7f20", "6f30"),
        ("7f20", "6f60"),
        ("7f20", "6f61"),
        ("7f20", "6f62"),
        ("7f20", "6f78"),
        ("7f20", "6fad"),
        ("7f20", "6f38"),
        ("7f10", "6f40"),
        ("7f10", "6f42"),
    ] {
        for id in ["3f00", directory, file] {
            let selected = send(card, &format!("00a4000402{id}"));
            assert_eq!(selected[..2], *"61", "{directory}/{file}: {id} gave {selected}");
        }
    }
    assert_eq!(read(card, "7f206f07"), "0809101000000000109000");
    assert_eq!(send(card, "00a40804047fff6f07"), "6a82", "the ADF itself is closed without its AID");
    // Both names are one file.
    send(card, "0020000a08 3838383838383838");
    assert_eq!(send(card, "00d6000009 080910100000000020"), "9000");
    send(card, SELECT_USIM);
    assert_eq!(send(card, "00b0870009"), "0809101000000000209000");
    // The current directory is the one that was gone through.
    send(card, "00a4000c027f20");
    assert_eq!(send(card, "00a4000c026f07"), "9000");
    assert_eq!(send(card, "00a4000c026f38"), "9000");
    assert_eq!(send(card, "00b000000e").len(), 2 * 16, "the service table of a SIM");
}

#[test]
fn the_files_of_5gs_belong_to_the_usim() {
    let card = &mut card();
    assert_eq!(send(card, "00a4000c025fc0"), "6a82");
    select_application(card, "a0000000871002");
    assert_eq!(send(card, "00a4000c025fc0"), "9000");
    assert_eq!(send(card, "00a4000c024f01"), "9000");
    assert_eq!(send(card, "00b0000014"), format!("{}00f110000000019000", "ff".repeat(13)));
    assert_eq!(send(card, "00b08a0004"), "f0ffffff9000", "EF.Routing_Indicator by short identifier");
    assert_eq!(send(card, "00a4000c024f07"), "6a82", "no SUCI calculation in this profile");
    // Services 28, 122 and 123 are offered, 124 and 125 are not.
    assert_eq!(read(card, "7fff6f38"), "02da1f08213600004001108000000026009000");
}

#[test]
fn the_isim_has_its_own_files() {
    let card = &mut card();
    select_application(card, "a0000000871004");
    let text = |bytes: &str| {
        let bytes = hex::decode(bytes).unwrap();
        String::from_utf8(bytes[2..2 + usize::from(bytes[1])].to_vec()).unwrap()
    };
    assert_eq!(text(&read(card, "7fff6f02")), "001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
    assert_eq!(text(&read(card, "7fff6f03")), "ims.mnc001.mcc001.3gppnetwork.org");
    send(card, "00a4000c026f04");
    let record = send(card, "00b2010450");
    assert_eq!(text(&record), "sip:001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
    assert_eq!(read(card, "7fff6f07"), "01009000", "EF.IST, not EF.IMSI");
    assert_eq!(send(card, "80f2000112"), "8410a0000000871004ffffffff89000001009000");
    assert_eq!(send(card, &format!("0088008122{}", challenge(32))), "612c");
    assert_eq!(send(card, &format!("0088008011 10{}", "23".repeat(16))), "9864", "no GSM context");
}

#[test]
fn what_ef_arr_says_is_what_the_card_does() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "00d6000003 00f110"), "9000");
    // The administrator forbids what record 4 permitted: EF.FPLMN can then be read and no longer be written.
    send(card, "0020000a08 3838383838383838");
    send(card, "00a4000c026f06");
    let rule = format!("800101a406830101950108{}", "ff".repeat(25));
    assert_eq!(send(card, &format!("00dc040424{rule}")), "9000");
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "00b0000003"), "00f1109000");
    assert_eq!(send(card, "00d6000003 00f120"), "6982");
    // Other directories have rules of their own.
    send(card, "00a4000c023f00");
    send(card, "00a4000c022f05");
    assert_eq!(send(card, "00d6000002 656e"), "9000");
}

#[test]
fn pin2_guards_what_is_bound_to_it() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f3b");
    let number = format!("54{}", "ff".repeat(29));
    assert_eq!(send(card, &format!("00dc01041e{number}")), "6982");
    assert_eq!(send(card, "0020008108 30303030ffffffff"), "9000");
    assert_eq!(send(card, &format!("00dc01041e{number}")), "9000");
    assert_eq!(send(card, "0026008108 30303030ffffffff"), "6a81", "PIN2 cannot be disabled");
    for left in ["63c2", "63c1", "6983"] {
        assert_eq!(send(card, "0020008108 39393939ffffffff"), left);
    }
    assert_eq!(send(card, "002c008110 3030303030303030 34343434ffffffff"), "9000");
    assert_eq!(send(card, "0020008108 34343434ffffffff"), "9000");
    assert_eq!(send(card, "0020000508 34343434ffffffff"), "6a88", "no such PIN");
}

#[test]
fn records_are_searched() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f3b");
    send(card, "0020008108 30303030ffffffff");
    for (record, text) in [(1, "616263"), (2, "646566"), (4, "78616263")] {
        let content = format!("{text}{}", "ff".repeat(30 - text.len() / 2));
        assert_eq!(send(card, &format!("00dc{record:02x}041e{content}")), "9000");
    }
    let search = |card: &mut Uicc, command: &str| {
        let announced = send(card, command);
        match announced.strip_prefix("61") {
            Some(length) => send(card, &format!("00c00000{length}")),
            None => announced,
        }
    };
    assert_eq!(search(card, "00a20104 03 616263"), "01049000", "forward from record 1");
    assert_eq!(search(card, "00a20204 03 616263"), "049000", "forward from record 2");
    assert_eq!(search(card, "00a20305 03 616263"), "019000", "backward from record 3");
    assert_eq!(search(card, "00a20104 03 7a7a7a"), "6282");
    assert_eq!(search(card, "00a20604 03 616263"), "6a83", "there is no record 6");
    assert_eq!(search(card, "00a20106 05 0401616263"), "049000", "from offset 1 on");
    assert_eq!(search(card, "00a20106 04 0c786162"), "049000", "behind the first x");
    // The first match has become the current record.
    assert_eq!(search(card, "00a20104 03 646566"), "029000");
    assert!(send(card, "00b200041e").starts_with("646566"));
    assert_eq!(search(card, "00a20006 05 0600616263"), "049000", "from the next record on");
    send(card, "00a4000c026f7b");
    assert_eq!(search(card, "00a20104 01 ff"), "6981");
}

#[test]
fn a_counter_is_increased_and_keeps_its_history() {
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f39");
    assert_eq!(send(card, "80320000 03 0000ff"), "6106");
    assert_eq!(send(card, "00c0000006"), "0000ff0000ff9000", "new value, then what was added");
    assert_eq!(send(card, "80320000 03 000001"), "6106");
    assert_eq!(send(card, "00b2010403"), "0001009000");
    assert_eq!(send(card, "00b2020403"), "0000ff9000");
    // A cyclic file begins again past its ends.
    assert_eq!(send(card, "00b2000303"), "0000009000", "before the newest comes the oldest");
    assert_eq!(send(card, "00b2000203"), "0001009000");
    assert_eq!(send(card, "80320000 03 ffffff"), "9850");
    assert_eq!(send(card, "00dc0003 03 000000"), "6982", "setting it takes PIN2");
    send(card, "0020008108 30303030ffffffff");
    assert_eq!(send(card, "00dc0003 03 000000"), "9000");
    assert_eq!(send(card, "00b2010403"), "0000009000");
    assert_eq!(send(card, "00dc0104 03 000000"), "6a86", "a cyclic file is written with PREVIOUS only");
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "80320000 03 000001"), "6981");
}

#[test]
fn refresh_is_announced_to_a_terminal_with_a_profile() {
    let card = &mut card();
    assert_eq!(send(card, "801200000b"), "6985");
    card.request_refresh(Refresh::UiccReset);
    assert_eq!(send(card, "00a4000c022fe2"), "9000", "this terminal has no toolkit");
    assert_eq!(send(card, "80100000 02 ffff"), "910b");
    assert_eq!(send(card, "00b000000a"), "988812010000000010f1910b");
    assert_eq!(send(card, "8012000000"), "6c0b");
    assert_eq!(send(card, "801200000b"), "d0098103010104820281829000");
    assert_eq!(send(card, "80140000 0c 810301010482028281830120"), "910b", "busy: asked again");
    send(card, "801200000b");
    assert_eq!(send(card, "80140000 0c 810301010482028281830100"), "9000");
    assert_eq!(send(card, "00a4000c022fe2"), "9000");
    assert_eq!(send(card, "80140000 0c 810301010482028281830100"), "6985", "nothing was fetched");
    assert_eq!(send(card, "80aa0000 03 830180"), "6a80", "TERMINAL CAPABILITY without its template");
}
