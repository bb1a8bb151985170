//! The SIM of the card, class A0 (3GPP TS 51.011), seen from the contacts.

use super::*;

/// SELECT of class A0 with its GET RESPONSE: the header without the status word.
fn select(card: &mut Uicc, id: &str) -> String {
    let announced = send(card, &format!("a0a4000002{id}"));
    let length = announced.strip_prefix("9f").unwrap_or_else(|| panic!("{id} gave {announced}"));
    let header = send(card, &format!("a0c00000{length}"));
    header.strip_suffix("9000").unwrap().to_owned()
}

#[test]
fn headers_of_directories_and_files() {
    let card = &mut card();
    // Two directories and five files, five codes, CHV1 disabled, 3 tries and 10.
    assert_eq!(
        select(card, "3f00"),
        "00000000 3f00 01 0000000000 09 b1 02 05 05 00 838a838a".replace(' ', "")
    );
    assert_eq!(
        select(card, "7f20"),
        "00000000 7f20 02 0000000000 09 b1 00 18 05 00 838a838a".replace(' ', "")
    );
    // EF.IMSI, a file of the USIM: CHV1 reads, ADM updates, nobody increases.
    assert_eq!(select(card, "6f07"), "0000 0009 6f07 04 00 14f0ff 01 02 0000".replace(' ', ""));
    assert_eq!(send(card, "a0b0000009"), "0809101000000000109000");
    assert_eq!(select(card, "7f10")[8..14], *"7f1002", "a directory beside the current one");
    assert_eq!(select(card, "6f40"), "0000 001e 6f40 04 00 11f0ff 01 02 011e".replace(' ', ""));
    // CHV2 updates EF.FDN.
    assert_eq!(select(card, "6f3b"), "0000 0096 6f3b 04 00 12f0ff 01 02 011e".replace(' ', ""));
    assert_eq!(select(card, "3f00")[12..14], *"01");
    assert_eq!(select(card, "2fe2"), "0000 000a 2fe2 04 00 04f0ff 01 02 0000".replace(' ', ""));
    for absent in ["6f07", "7fff", "6fff"] {
        assert_eq!(send(card, &format!("a0a4000002{absent}")), "9404", "{absent} from the MF");
    }
}

#[test]
fn a_header_says_what_ef_arr_says_now() {
    let card = &mut card();
    send(card, "a020000a08 3838383838383838");
    send(card, "00a4000c022f06");
    // Record 2, by which EF.ICCID goes: read with PIN1, updated by nobody.
    let rule = format!("800101a4068301019501088001029700{}", "ff".repeat(20));
    assert_eq!(send(card, &format!("00dc020424{rule}")), "9000");
    select(card, "3f00");
    assert_eq!(select(card, "2fe2")[16..22], *"1ff0ff");
    assert_eq!(send(card, "a0d6000001 98"), "9804");
}

#[test]
fn every_file_that_ts_51_011_demands_is_there() {
    let card = &mut card();
    select(card, "2fe2");
    select(card, "7f20");
    // EF.LP, EF.IMSI, EF.Kc, EF.PLMNsel, EF.HPPLMN, EF.SST, EF.BCCH, EF.ACC, EF.FPLMN, EF.LOCI, EF.AD, EF.Phase.
    let mandatory =
        ["6f05", "6f07", "6f20", "6f30", "6f31", "6f38", "6f74", "6f78", "6f7b", "6f7e", "6fad", "6fae"];
    for id in mandatory {
        let header = select(card, id);
        assert_eq!(header[8..14], *format!("{id}04"), "{id}");
        let content = send(card, &format!("a0b00000{}", &header[6..8]));
        assert!(content.ends_with("9000") && content.len() > 4, "{id} gave {content}");
    }
}

#[test]
fn lengths_and_parameters_are_corrected_in_its_own_words() {
    let card = &mut card();
    for (command, refusal) in [
        ("a0b0000001", "9400"),
        ("a0b2010401", "9400"),
        ("a0a4000401 3f", "6b00"),
        ("a0a4000001 3f", "6702"),
        ("a0c0000001", "6f00"),
        ("a0f2000017", "6716"),
        ("a0f2000116", "6b00"),
        ("a0880000 10 23553cbe9637a89d218ae64dae47bf35", "9408"),
        ("a0ee0000", "6d00"),
        ("a0040000", "6d00"),
        ("a0120000 0b", "6f00"),
        ("a0140000 01 00", "6f00"),
        ("a0fa0000", "9000"),
    ] {
        assert_eq!(send(card, command), refusal, "{command}");
    }
    select(card, "7f20");
    select(card, "6f07");
    for (command, refusal) in [
        ("a0b000000a", "6709"),
        ("a0b000090a", "9402"),
        ("a0b0870009", "9402"),
        ("a0b2010409", "9408"),
        ("a0a2000001 09", "9408"),
        ("a032000003 000001", "9408"),
        ("a0880000 0f 23553cbe9637a89d218ae64dae47bf", "6710"),
        ("a0d6000009 080910100000000020", "9804"),
        ("a0c0000116", "6b00"),
    ] {
        assert_eq!(send(card, command), refusal, "{command}");
    }
    // STATUS shows the directory, as much of it as is asked for.
    assert_eq!(send(card, "a0f2000007"), "000000007f20029000");
    // Another command between SELECT and GET RESPONSE, of whatever class.
    for between in ["a0f2000001", "80f2000c00"] {
        send(card, "a0a40000023f00");
        send(card, between);
        assert_eq!(send(card, "a0c0000016"), "6f00", "{between}");
    }
    send(card, "a0a40000023f00");
    assert_eq!(send(card, "a0c0000017"), "6716");
    assert_eq!(send(card, "a1a40000023f00"), "6e00", "a SIM has no logical channels");
}

#[test]
fn the_gsm_algorithm_runs_in_df_gsm() {
    let card = &mut card();
    select(card, "7f20");
    // TS 35.208 test set 1, converted by c2 and c3 (TS 33.102 clause 6.8.1.2).
    assert_eq!(send(card, "a088000010 23553cbe9637a89d218ae64dae47bf35"), "9f0c");
    assert_eq!(send(card, "a0c000000c"), "46f8416aeae4be823af9a08b9000");
    // A file of DF.GSM changes nothing.
    select(card, "6f20");
    assert_eq!(send(card, "a088000010 23553cbe9637a89d218ae64dae47bf35"), "9f0c");
    send(card, "a028000108 30303030ffffffff");
    card.reset().unwrap();
    select(card, "7f20");
    assert_eq!(send(card, "a088000010 23553cbe9637a89d218ae64dae47bf35"), "9804");
    send(card, "a020000108 30303030ffffffff");
    assert_eq!(send(card, "a088000010 23553cbe9637a89d218ae64dae47bf35"), "9f0c");
}

#[test]
fn codes_have_their_numbers_and_counters() {
    let card = &mut card();
    let status = |card: &mut Uicc| send(card, "a0f2000016")[26..44].to_owned();
    assert_eq!(send(card, "a020000108 30303030ffffffff"), "9808", "disabled");
    assert_eq!(send(card, "a024000110 30303030ffffffff31313131ffffffff"), "9808");
    assert_eq!(send(card, "a026000108 30303030ffffffff"), "9808", "disabled already");
    assert_eq!(send(card, "a028000208 30303030ffffffff"), "6b00", "CHV2 is always enabled");
    assert_eq!(send(card, "a028000108 30303030ffffffff"), "9000");
    assert_eq!(status(card), "310205050083 8a838a".replace(' ', ""), "CHV1 is enabled");
    assert_eq!(send(card, "a020000108 39393939ffffffff"), "9804");
    assert_eq!(status(card), "310205050082 8a838a".replace(' ', ""));
    assert_eq!(send(card, "a0200001"), "6708", "the tries cannot be asked for");
    assert_eq!(send(card, "a020000108 39393939ffffffff"), "9804");
    assert_eq!(send(card, "a020000108 39393939ffffffff"), "9840");
    assert_eq!(send(card, "a020000108 30303030ffffffff"), "9840", "blocked");
    assert_eq!(send(card, "a02c000010 3030303030303030 31313131ffffffff"), "9804");
    assert_eq!(status(card), "310205050080 89838a".replace(' ', ""));
    assert_eq!(send(card, "a02c000010 3132333435363738 31313131ffffffff"), "9000");
    assert_eq!(send(card, "a02c000110 3132333435363738 31313131ffffffff"), "6b00", "CHV1 has number 0 there");
    assert_eq!(send(card, "a024000110 31313131ffffffff 32323232ffffffff"), "9000");
    // It is the code of the UICC.
    card.reset().unwrap();
    assert_eq!(send(card, "0020000108 32323232ffffffff"), "9000");
    assert_eq!(send(card, "a026000108 32323232ffffffff"), "9000");
    assert_eq!(send(card, "a020000208 30303030ffffffff"), "9000");
    assert_eq!(send(card, "a020000508 30303030ffffffff"), "6b00");
    assert_eq!(send(card, "a020000a08 3131313131313131"), "9804");
}

#[test]
fn records_are_read_written_and_sought() {
    let card = &mut card();
    select(card, "7f10");
    select(card, "6f3a");
    for (record, text) in [(1, "616263"), (2, "78616263"), (4, "616264")] {
        let content = format!("{text}{}", "ff".repeat(30 - text.len() / 2));
        assert_eq!(send(card, &format!("a0dc{record:02x}041e{content}")), "9000");
    }
    assert_eq!(send(card, "a0dc010401 00"), "6700");
    assert_eq!(send(card, "a0b201041d"), "671e");
    assert_eq!(send(card, "a0b20b041e"), "9402");
    assert_eq!(send(card, "a0b2010c1e"), "6b00", "no short identifiers");
    let seek = |card: &mut Uicc, p2: &str, pattern: &str| {
        let length = pattern.len() / 2;
        let announced = send(card, &format!("a0a200{p2}{length:02x}{pattern}"));
        if announced == "9f01" { send(card, "a0c0000001") } else { announced }
    };
    assert_eq!(seek(card, "10", "6162"), "019000", "a record that begins so, from the first on");
    assert_eq!(seek(card, "12", "6162"), "049000", "from the next one on");
    assert_eq!(seek(card, "12", "6162"), "9404", "there is no other");
    assert_eq!(seek(card, "13", "6162"), "019000", "backwards from here");
    assert_eq!(seek(card, "11", "6162"), "049000", "from the end backwards");
    assert_eq!(seek(card, "00", "7861"), "9000", "without the number");
    assert!(send(card, "a0b200041e").starts_with("78616263"), "the record pointer went there");
    assert!(send(card, "a0b200031e").starts_with("616263"));
    assert_eq!(seek(card, "04", "61"), "6b00");
    assert_eq!(seek(card, "20", "61"), "6b00");
    assert_eq!(seek(card, "00", &"61".repeat(17)), "6700", "at most 16 bytes");
    // EF.ACM, cyclic: CHV1 reads and increases, CHV2 updates. Its newest record is current once it is selected.
    select(card, "7f20");
    assert_eq!(select(card, "6f39"), "0000 0009 6f39 04 40 1210ff 01 02 0303".replace(' ', ""));
    assert_eq!(send(card, "a032000003 0000ff"), "9f06");
    assert_eq!(send(card, "a0c0000006"), "0000ff0000ff9000");
    assert_eq!(send(card, "a032000003 000001"), "9f06");
    assert_eq!(send(card, "a0b2000403"), "0001009000");
    assert_eq!(send(card, "a032000003 ffffff"), "9850");
    assert_eq!(send(card, "a032000002 0001"), "6703");
    assert_eq!(send(card, "a0dc000303 000000"), "9804");
    assert_eq!(send(card, "a0a2000001 00"), "9408", "SEEK knows linear files only");
    select(card, "6f39");
    assert_eq!(send(card, "a0b2000303"), "0000009000", "before the newest comes the oldest");
}

#[test]
fn a_sim_session_stands_beside_the_channels() {
    let card = &mut card();
    send(card, SELECT_USIM);
    select(card, "7f20");
    assert_eq!(send(card, "00a4000c026f07"), "9000", "the channel is still in the USIM");
    assert_eq!(send(card, "00a40804047fff6f07")[..2], *"61");
    assert_eq!(select(card, "6f38")[4..8], *"000e", "the session is still in DF.GSM");
    // Both write the same file.
    select(card, "6f7b");
    assert_eq!(send(card, "a0d6000003 00f110"), "9000");
    send(card, "00a4000c026f7b");
    assert_eq!(send(card, "00b0000003"), "00f1109000");
    // The applet on a channel does not hear class A0.
    send(card, "00a4040007a0000005590010");
    assert_eq!(send(card, "a0b0000003"), "00f1109000");
    card.reset().unwrap();
    assert_eq!(send(card, "a0f2000007"), "000000003f00019000");
    // A proactive command is announced to a GSM terminal too.
    card.request_refresh(Refresh::UiccReset);
    assert_eq!(send(card, "a010000001 ff"), "910b");
    assert_eq!(send(card, "a012000000"), "670b");
    assert_eq!(send(card, "a01200000b"), "d0098103010104820281829000");
    assert_eq!(send(card, "a01400000c 810301010402028281030100"), "9000");
}

#[test]
fn a_card_without_a_profile_is_no_sim() {
    let card = &mut card();
    select(card, "7f20");
    select(card, "6f07");
    let profile = card.swap_profile(None);
    for command in ["a0b0000009", "a0a40000023f00", "a0f2000016", "a010000001 ff"] {
        assert_eq!(send(card, command), "6e00", "{command}");
    }
    assert_eq!(send(card, "00a4000c023f00"), "9000", "the UICC has its MF");
    // The session does not go on where the profile before had led it.
    card.swap_profile(profile);
    assert_eq!(send(card, "a0f2000007"), "000000003f00019000");
    assert_eq!(send(card, "a0b0000009"), "9400");
}

#[test]
fn a_session_goes_over_the_basic_channel() {
    let card = &mut card();
    send(card, "0070000001");
    send(card, "01a4040007a0000000871002");
    send(card, "a0a40000023f00");
    let fcp = send(card, "81f2000000");
    let length = fcp.strip_prefix("6c").unwrap();
    assert!(send(card, &format!("81f20000{length}")).starts_with("62"));
    assert_eq!(send(card, "a0c0000006"), "000000003f009000", "another channel does not end what waits");
    assert_eq!(send(card, "00a40004023f00")[..2], *"61");
    send(card, "a0f2000001");
    assert_eq!(send(card, "00c0000001"), "6985", "a command of the session does");
}
