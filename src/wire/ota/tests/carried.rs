//! Short messages, ENVELOPE and scripts: vectors of other implementations, and properties.

use super::*;
use crate::wire::StatusWord;
use crate::wire::tlv::TlvError;

/// The ENVELOPE that carries the command F5, as pySim makes it.
const ENVELOPE: &str = "80c200004fd14d820283810607911032547698f08b3e400881214365877ff6227052000000002d\
     02700000281516192222495341\
     1e57d0a6482accb7973070fc13732218f2ffa664983f4595f01ce7f17838374a00";

#[test]
fn an_envelope_of_a_second_implementation() {
    let bytes = octets(ENVELOPE);
    let apdu = crate::wire::Command::parse(&bytes).unwrap();
    let download = SmsPpDownload::parse(apdu.data).unwrap();
    assert_eq!(download.service_centre.as_ref().unwrap().digits(), "01234567890");
    let deliver = Deliver::parse(&download.tpdu).unwrap();
    assert_eq!(deliver.originator, Address::new(0x81, "12345678").unwrap());
    assert!(deliver.is_for_card() && deliver.more);
    let part = Part::parse(&deliver.user_data).unwrap();
    assert_eq!(part, Part::whole(Kind::Command, octets(FRESH[4].2.4)));

    assert_eq!(part.encode(), deliver.user_data);
    assert_eq!(deliver.encode().unwrap(), download.tpdu);
    assert_eq!(download.command().unwrap(), bytes);
}

#[test]
fn a_time_stamp_has_its_digits_the_wrong_way_round() {
    // 27 November 2026, 19:05:08 UTC.
    assert_eq!(hex::encode(timestamp(1_795_806_308)), "62117291508000");
}

#[test]
fn an_envelope_for_somebody_else_is_refused() {
    let parse = |hex: &str| SmsPpDownload::parse(&octets(hex));
    assert_eq!(parse("d606020283810b00"), Err(EnvelopeError::Object(TlvError::Missing { tag: 0xd1 })));
    assert_eq!(parse("d106820281838b00"), Err(EnvelopeError::Devices([0x81, 0x83])));
    assert_eq!(parse("d10402028381"), Err(EnvelopeError::Object(TlvError::Missing { tag: 0x0b })));
    // Both forms of the tags are taken.
    assert_eq!(parse("d108020283818b020102").unwrap().tpdu, [1, 2]);
    assert_eq!(parse("d108820283810b020102").unwrap().tpdu, [1, 2]);
    let long = SmsPpDownload { service_centre: None, tpdu: vec![0; 250] };
    assert!(matches!(long.command(), Err(EnvelopeError::Command(_))));
}

#[test]
fn a_message_from_a_real_card() {
    // Published with asterix: SEND SHORT MESSAGE has this SMS-SUBMIT, with a proof of receipt in it.
    let head = octets("4100038119F000F631027100002C0EC00000");
    let bytes = [head, vec![0x5a; 0x31 - 10]].concat();
    let submit = Submit::parse(&[&bytes[..8], &[bytes.len() as u8 - 9], &bytes[9..]].concat()).unwrap();
    assert_eq!((submit.reference, submit.protocol, submit.coding), (0, 0, 0xf6));
    assert_eq!(submit.destination, Address::new(0x81, "910").unwrap());
    let part = Part::parse(&submit.user_data).unwrap();
    assert_eq!((part.kind, part.concatenation), (Some(Kind::Response), None));
    assert_eq!(part.payload[..6], octets("002C0EC00000"));
    assert_eq!(Submit::parse(&submit.encode().unwrap()), Ok(submit.clone()));
    // A relative period of validity is one octet, the other forms are seven.
    for (first, octets) in [(0x51u8, 1), (0x49, 7), (0x59, 7)] {
        let plain = submit.encode().unwrap();
        let with = [&[first][..], &plain[1..8], &vec![0xa7; octets], &plain[8..]].concat();
        assert_eq!(Submit::parse(&with), Ok(submit.clone()), "{first:02x}");
    }
    assert!(matches!(Submit::parse(&octets(&ENVELOPE[44..])), Err(SmsError::Type { .. })));
}

#[test]
fn a_long_proof_of_receipt_takes_two_messages() {
    let packet = octets(FRESH[10].3.2);
    let parts = split(Kind::Response, &packet, 0x42).unwrap();
    let [first, second] = &parts[..] else { panic!("{parts:?}") };
    let (one, other) = (first.encode(), second.encode());
    assert_eq!((hex::encode(&one[..8]), one.len()), ("0700034202017100".to_owned(), USER_DATA_MAX));
    assert_eq!(hex::encode(&other[..6]), "050003420202");
    // In whatever order they come, and however often.
    let mut reassembly = Reassembly::default();
    let read = |bytes: &[u8]| Part::parse(bytes).unwrap();
    assert_eq!(reassembly.take(read(&other)), Ok(None));
    assert_eq!(reassembly.take(read(&other)), Ok(None));
    assert_eq!(reassembly.take(read(&one)), Ok(Some((Kind::Response, packet.clone()))));
    // A message of another packet drops what there was.
    assert_eq!(reassembly.take(read(&one)), Ok(None));
    let mut stray = second.clone();
    stray.concatenation = Some(Concatenation { reference: 0x1234, parts: 2, number: 2 });
    assert_eq!(Part::parse(&stray.encode()).unwrap(), stray);
    assert_eq!(reassembly.take(stray), Ok(None));
    assert_eq!(reassembly.take(read(&other)), Ok(None));
    assert_eq!(reassembly.take(read(&one)), Ok(Some((Kind::Response, packet))));
    assert!(matches!(split(Kind::Command, &[0; 1200], 1), Err(SmsError::TooManyParts { found: 1200 })));
}

#[test]
fn elements_of_user_data_come_in_any_order() {
    let part = Part::parse(&octets("09 7000 05 0b84 0b84 aa")).unwrap_err();
    assert_eq!(part, SmsError::CutOff { field: "header of user data" });
    let part = Part::parse(&octets("0d 7000 0504 0b840b84 0003070201 aa")).unwrap();
    assert_eq!(part.kind, Some(Kind::Command));
    assert_eq!(part.concatenation, Some(Concatenation { reference: 7, parts: 2, number: 1 }));
    assert_eq!(part.payload, [0xaa]);
    for wrong in ["05 0003070200", "05 0003070203", "05 0003070901"] {
        assert!(matches!(Part::parse(&octets(wrong)), Err(SmsError::Part { .. })), "{wrong}");
    }
    let unnamed = Part { kind: None, concatenation: None, payload: vec![1] };
    assert_eq!(Reassembly::default().take(unnamed), Err(SmsError::Kind));
}

#[test]
fn compact_scripts() {
    let read = |hex: &str| {
        let bytes = octets(hex);
        Compact::parse(&bytes).map(|script| script.0.iter().map(hex::encode).collect::<Vec<_>>())
    };
    let commands = read("00a40004022fe200b000000a").unwrap();
    assert_eq!(commands, ["00a40004022fe2", "00b000000a"]);
    assert_eq!(read("a0a40000027f20a0c0000016").unwrap(), ["a0a40000027f20", "a0c0000016"]);
    // A last command with data and Le, and one that has neither in the middle.
    assert_eq!(read("004400000080f24002024f0000").unwrap(), ["0044000000", "80f24002024f0000"]);
    assert_eq!(read(""), Err(ScriptError::Empty));
    assert_eq!(read("00a40004022fe200b0"), Err(ScriptError::CutOff { number: 2 }));
    assert_eq!(read("00a4000402"), Ok(vec!["00a4000402".to_owned()]), "a bare P3 is Le");
    let answer = CompactAnswer { executed: 2, status: StatusWord::OK, data: octets("98001032547698103254") };
    assert_eq!(hex::encode(answer.encode()), FRESH[0].3.1);
    assert_eq!(CompactAnswer::parse(&octets(FRESH[0].3.1)), Ok(answer));
    assert_eq!(CompactAnswer::parse(&[1, 0x90]), Err(ScriptError::CompactAnswer { found: 2 }));
}

#[test]
fn expanded_scripts() {
    // From the tests of a later pySim.
    let (status, select) = (octets("80f24002024f0000"), octets("00a40004023f0000"));
    for (commands, hex) in [
        (vec![&status[..]], "aa0a220880f24002024f0000"),
        (vec![&status[..], &select], "aa14220880f24002024f0000220800a40004023f0000"),
    ] {
        let script = Expanded::of(commands);
        assert_eq!(hex::encode(script.encode()), hex);
        assert_eq!(Expanded::parse(&octets(hex)), Ok(script.clone()));
        let open = Expanded { open: true, ..script };
        let bytes = open.encode();
        assert_eq!((hex::encode(&bytes[..2]), bytes.ends_with(&[0, 0])), ("ae80".to_owned(), true));
        assert_eq!(Expanded::parse(&bytes), Ok(open.clone()));
    }
    let long = [0x5a; 200];
    assert!(hex::encode(Expanded::of([&long[..]]).encode()).starts_with("aa81cb2281c8"));

    let answer = |hex: &str| ExpandedAnswer::parse(&octets(hex)).unwrap();
    let selected = Answered { data: vec![], status: StatusWord(0x6132) };
    let one = ExpandedAnswer { executed: 1, answers: vec![selected], ..ExpandedAnswer::default() };
    assert_eq!(answer("ab0780010123026132"), one);
    for (hex, trouble) in [
        ("ab06800101900101", Trouble::BadFormat(1)),
        ("ab06800101810101", Trouble::ImmediateAction(1)),
        ("ab06800101830102", Trouble::Chaining(2)),
    ] {
        assert_eq!(answer(hex).trouble, Some(trouble));
        assert_eq!(hex::encode(answer(hex).encode()), hex);
    }
    let two = answer(FRESH[6].3.1);
    assert_eq!((two.executed, two.answers.len(), two.answers[1].status), (2, 2, StatusWord(0x6a88)));
    assert_eq!(hex::encode(two.encode()), FRESH[6].3.1);
    let open = ExpandedAnswer { open: true, executed: 0, ..two };
    assert_eq!(ExpandedAnswer::parse(&open.encode()), Ok(open));

    let parse = |hex: &str| Expanded::parse(&octets(hex)).unwrap_err();
    assert_eq!(parse("aa00"), ScriptError::Empty);
    assert_eq!(parse("ab022200"), ScriptError::Tag { tag: 0xab });
    assert_eq!(parse("aa022300"), ScriptError::Tag { tag: 0x23 });
    assert_eq!(parse("aa0222000000"), ScriptError::Rest { left: 2 });
    assert_eq!(parse("ae802200ff"), ScriptError::Open);
    let value = ExpandedAnswer::parse(&octets("ab03800200")).unwrap_err();
    assert!(matches!(value, ScriptError::Object(_)), "{value}");
    assert!(
        is_expanded(&octets("ae80")) && is_expanded(&[0xaa]) && !is_expanded(&[0x00]) && !is_expanded(&[])
    );
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_refused(bytes in bent(octets(ENVELOPE)[22..84].to_vec())) {
        if let Ok(deliver) = Deliver::parse(&bytes) {
            prop_assert_eq!(Deliver::parse(&deliver.encode().unwrap()).unwrap(), deliver);
        }
        if let Ok(submit) = Submit::parse(&bytes) {
            prop_assert_eq!(Submit::parse(&submit.encode().unwrap()).unwrap(), submit);
        }
        if let Ok(part) = Part::parse(&bytes) {
            prop_assert_eq!(Part::parse(&part.encode()).unwrap(), part);
        }
    }

    #[test]
    fn any_octets_are_an_envelope_or_refused(bytes in bent(octets(ENVELOPE)[5..84].to_vec())) {
        if let Ok(download) = SmsPpDownload::parse(&bytes)
            && let Ok(command) = download.command()
        {
            let data = crate::wire::Command::parse(&command).unwrap().data;
            prop_assert_eq!(SmsPpDownload::parse(data).unwrap(), download);
        }
    }

    #[test]
    fn what_was_split_is_whole_again(
        packet in proptest::collection::vec(any::<u8>(), 0..1070),
        reference: u8,
        order: u64,
    ) {
        let mut parts = split(Kind::Command, &packet, reference).unwrap();
        prop_assert!(parts.iter().all(|part| part.encode().len() <= USER_DATA_MAX));
        // Some order: a rotation.
        let by = order as usize % parts.len();
        parts.rotate_left(by);
        let mut reassembly = Reassembly::default();
        let last = parts.len() - 1;
        for (n, part) in parts.into_iter().enumerate() {
            let whole = (n == last).then(|| (Kind::Command, packet.clone()));
            prop_assert_eq!(reassembly.take(Part::parse(&part.encode()).unwrap()).unwrap(), whole);
        }
        prop_assert_eq!(reassembly, Reassembly::default());
    }

    #[test]
    fn a_flood_of_parts_takes_the_room_of_one_packet(
        parts in proptest::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), 0usize..134), 0..60),
    ) {
        let mut reassembly = Reassembly::default();
        for (reference, parts, number, octets) in parts {
            let concatenation = Some(Concatenation { reference, parts, number });
            let taken = reassembly.take(Part { kind: None, concatenation, payload: vec![0; octets] });
            prop_assert!(number > 0 && number <= parts && parts <= PARTS_MAX || taken.is_err());
            prop_assert!(reassembly.octets() <= usize::from(PARTS_MAX) * USER_DATA_MAX);
        }
    }

    #[test]
    fn any_octets_are_a_script_or_refused(bytes in bent(octets("aa14220880f24002024f0000220800a40004023f0000"))) {
        if let Ok(script) = Compact::parse(&bytes) {
            prop_assert_eq!(script.encode(), &bytes[..]);
        }
        if let Ok(script) = Expanded::parse(&bytes) {
            let again = script.encode();
            prop_assert_eq!(Expanded::parse(&again).unwrap(), script);
        }
    }

    #[test]
    fn any_octets_are_what_a_script_gave_or_refused(bytes in bent(octets(FRESH[6].3.1))) {
        if let Ok(answer) = CompactAnswer::parse(&bytes) {
            prop_assert_eq!(answer.encode(), &bytes[..]);
        }
        if let Ok(answer) = ExpandedAnswer::parse(&bytes) {
            let again = ExpandedAnswer::parse(&answer.encode()).unwrap();
            prop_assert_eq!(again, answer);
        }
    }
}
