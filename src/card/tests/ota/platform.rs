//! ENVELOPE, and how an answer leaves the card.

use super::*;

const TWO_READS: [&str; 2] = ["80cd00000385010100", "80cd00000385010100"];

fn script(commands: &[&str]) -> Vec<u8> {
    let commands: Vec<Vec<u8>> = commands.iter().map(|command| octets(command)).collect();
    Expanded::of(commands.iter().map(Vec::as_slice)).encode()
}

fn with_key() -> (Uicc, Server) {
    let (mut card, mut server) = lab();
    server.expanded(&mut card, TAR_IOT_SAFE, &["80b90000038401 0100"]);
    (card, server)
}

fn answers(response: &Response) -> Vec<String> {
    ExpandedAnswer::parse(&response.data).unwrap().answers.iter().map(shown).collect()
}

#[test]
fn a_terminal_says_first_that_it_hands_messages_over() {
    let server = &mut Server::of(&keys());
    let command = server.command(UICC, &octets("00a40004023f00"));
    let [envelope] = &envelopes(&server.seal(&command))[..] else { panic!() };
    for (profile, status) in [(None, 0x6985), (Some("80100000 03 010080"), 0x6985), (Some(RECEIVES), 0x9000)]
    {
        let card = &mut card();
        profile.map(|profile| send(card, profile));
        assert_eq!(exchange(card, envelope).1, StatusWord(status), "{profile:?}");
    }
    // EF.UST says so of the card: service 28.
    let card = &mut card();
    send(card, SELECT_USIM);
    send(card, "00a4000c026f38");
    let services = octets(&send(card, "00b0000011"));
    assert_ne!(services[27 / 8] & 1 << (27 % 8), 0);
}

#[test]
fn a_card_without_keys_takes_none() {
    let p = Personalisation { ota: None, ..personalisation() };
    let card = &mut Uicc::new(&p, RngTree::new(7).branch("card1"), &trust_anchor()).unwrap();
    send(card, ABLE);
    let server = &mut Server::of(&keys());
    let command = server.command(UICC, &octets("00a40004023f00"));
    assert_eq!(exchange(card, &envelopes(&server.seal(&command))[0]).1, StatusWord(0x6985));
    send(card, SELECT_USIM);
    send(card, "00a4000c026f38");
    let services = octets(&send(card, "00b0000011"));
    assert_eq!(services[27 / 8] & 1 << (27 % 8), 0);
    assert_eq!(
        exchange(&mut Uicc::without_profile(Origin::Seed), &octets("80c20000 02 d100")).1,
        StatusWord(0x6985)
    );
}

#[test]
fn what_is_no_message_for_the_card_is_refused() {
    let (card, _) = &mut lab();
    for command in
        ["80c20000 01 d1", "80c20000 02 d100", "80c20100 02 d100", "80c20000 04 d6021901", "80c20000"]
    {
        let (_, status) = exchange(card, &octets(command));
        assert!(matches!(status.0, 0x6a80 | 0x6a86), "{command}: {status}");
    }
    let response = envelope(Part::whole(Kind::Response, vec![0; 20]).encode());
    assert_eq!(exchange(card, &response).1, StatusWord(0x6a80));
    let text = envelope(vec![0, b'h', b'i']);
    assert_eq!(exchange(card, &text).1, StatusWord(0x6a80));
}

#[test]
fn an_answer_that_is_too_long_for_the_report_comes_as_messages() {
    let (card, server) = &mut with_key();
    let command = server.command(TAR_IOT_SAFE, &script(&TWO_READS));
    let report = delivered(card, &server.seal(&command));
    assert_eq!(server.open(&command, &report).status, Status::BY_SUBMIT);
    // Until they are sent the card takes nothing else.
    let next = server.command(UICC, &octets("00a40004023f00"));
    assert_eq!(exchange(card, &envelopes(&server.seal(&next))[0]).1, StatusWord(0x9300));
    let packet = submitted(card).unwrap();
    let packet = ResponsePacket::read(&packet).unwrap();
    let response = packet.open(&command.header, command.counter, Some(&server.keys)).unwrap();
    assert_eq!(response.status, Status::OK);
    let [one, two] = &answers(&response)[..] else { panic!() };
    assert!(one == two && one.starts_with("3445") && one.ends_with("9000"), "{one}");
    assert!(!delivered(card, &server.seal(&next)).is_empty());
}

#[test]
fn an_answer_comes_as_a_message_where_that_is_asked_for() {
    let (card, server) = &mut with_key();
    let mut server = server.with(0x1639);
    let command = server.command(TAR_IOT_SAFE, &script(&TWO_READS[..1]));
    assert!(delivered(card, &server.seal(&command)).is_empty());
    let packet = submitted(card).unwrap();
    let packet = ResponsePacket::read(&packet).unwrap();
    assert_eq!(packet.open(&command.header, command.counter, Some(&server.keys)).unwrap().status, Status::OK);
}

#[test]
fn where_the_terminal_sends_nothing_an_answer_is_cut() {
    let (card, server) = &mut with_key();
    card.reset().unwrap();
    send(card, RECEIVES);
    let command = server.command(TAR_IOT_SAFE, &script(&TWO_READS));
    let report = delivered(card, &server.seal(&command));
    assert!(report.len() <= 128);
    let response = server.open(&command, &report);
    let [one, two] = &answers(&response)[..] else { panic!() };
    assert!(
        one.ends_with("9000") && two.ends_with("62f1") && one.starts_with(&two[..two.len() - 4]),
        "{two}"
    );
    // In a message: there is none.
    let mut by_message = server.with(0x1639);
    let command = by_message.command(TAR_IOT_SAFE, &script(&TWO_READS));
    assert!(delivered(card, &by_message.seal(&command)).is_empty());
    assert_eq!(submitted(card), None);
}

#[test]
fn proofs_are_given_when_they_are_asked_for() {
    let (card, server) = &mut lab();
    for (spi, at_once, again) in [
        (0x1600, false, false),
        (0x161a, false, true),
        (0x161b, false, false),
        (0x1619, true, true),
        (0x1609, true, true),
        (0x1601, true, true),
    ] {
        server.spi = Spi(u16::to_be_bytes(spi));
        let command = server.command(UICC, &octets("00a40004023f00"));
        let packet = server.seal(&command);
        assert_eq!(!delivered(card, &packet).is_empty(), at_once, "{spi:04x}");
        // A packet that was done before is an error.
        let report = delivered(card, &packet);
        assert_eq!(!report.is_empty(), again, "{spi:04x}");
        if again {
            assert_eq!(server.open(&command, &report).status, Status::COUNTER_LOW);
        }
    }
}

#[test]
fn a_packet_comes_in_several_messages_in_any_order() {
    let (card, server) = &mut lab();
    send(card, "00a4040007a0000005590010");
    let generated = send(card, "00b90000038401 0100");
    let public = &generated["8401018501013445494386 4104".len() - 1..generated.len() - 4];
    let certificate = crate::card::tests::applet::certificate(public, 128);
    let write = format!("80d60000ce 830101 5381c8 {certificate}");
    let command = server.command(TAR_IOT_SAFE, &script(&[&write, "80cbc3000383010100"]));
    let parts = envelopes(&server.seal(&command));
    assert_eq!(parts.len(), 2);
    assert_eq!(exchange(card, &parts[1]), (Vec::new(), StatusWord::OK));
    assert_eq!(exchange(card, &parts[1]), (Vec::new(), StatusWord::OK), "once more changes nothing");
    let (report, _) = exchange(card, &parts[0]);
    let told = answers(&server.open(&command, &report));
    assert!(told[0] == "9000" && told[1].contains("200200c8"), "{told:?}");
    // A reset forgets parts.
    let command = server.command(UICC, &[&octets("00a40004023f00")[..], &[0; 5].repeat(40)].concat());
    let parts = envelopes(&server.seal(&command));
    exchange(card, &parts[0]);
    card.reset().unwrap();
    send(card, ABLE);
    assert_eq!(exchange(card, &parts[1]), (Vec::new(), StatusWord::OK));
}

#[test]
fn scripts_that_are_none_are_told_so() {
    let (card, server) = &mut lab();
    for (data, answer) in [
        ("aa0381 0100", "ab0880010081010190"),
        ("aa039901 00", "ab03900101"),
        ("aa05220980b9", "ab03900102"),
        ("aa03830100", "ab06800100830102"),
        ("00a4", "006700"),
        ("", "006700"),
    ] {
        let (status, told) = server.ask(card, UICC, &octets(data));
        assert_eq!(status, Status::OK);
        let told = hex::encode(told);
        let expected = if data == "aa0381 0100" { "ab06800100810101" } else { answer };
        assert!(told == expected || told.contains("9001"), "{data}: {told}");
    }
}
