//! The card behind the AT commands of a modem.

use super::*;

/// What the terminal sees after it has sent `lines`; the modem does not echo.
fn talk(modem: &mut Modem, card: &mut Uicc, lines: &str) -> String {
    let answer = String::from_utf8(modem.receive(lines.as_bytes(), card)).unwrap();
    answer.replace("\r\n", "|").replace("||", "|")
}

fn quiet() -> Modem {
    let mut modem = Modem::default();
    assert_eq!(modem.receive(b"ATE0\r", &mut card()), b"ATE0\r\r\nOK\r\n");
    modem
}

#[test]
fn csim_passes_commands_as_they_are() {
    let (modem, card) = (&mut quiet(), &mut card());
    assert_eq!(talk(modem, card, "AT\r\n"), "|OK|");
    assert_eq!(talk(modem, card, "AT+CSIM=?\r"), "|OK|");
    // As clients of IoT SAFE send it: SELECT on channel 1, which that opens.
    assert_eq!(talk(modem, card, "AT+CSIM=24,\"01A4040007A0000005590010\"\r\n"), "|+CSIM: 4,\"9000\"|OK|");
    assert_eq!(talk(modem, card, "AT+CSIM=10,\"8184000002\"\r\n").len(), "|+CSIM: 8,\"xxxx9000\"|OK|".len());
    assert_eq!(talk(modem, card, "AT+CSIM=14,\"A0A40000023F00\"\r"), "|+CSIM: 4,\"9F16\"|OK|");
    for wrong in
        ["AT+CSIM=14,\"00A4\"", "AT+CSIM=4,\"00A4\"", "AT+CSIM=8", "AT+CSIM=8,\"00A4000Z\"", "AT+CSIM?"]
    {
        assert_eq!(talk(modem, card, &format!("{wrong}\r")), "|ERROR|", "{wrong}");
    }
    assert_eq!(talk(modem, card, "AT+CMEE=1;+CMEE?;+CSIM=8,\"00A4\"\r"), "|+CMEE: 1|+CME ERROR: 50|");
}

#[test]
fn channels_are_sessions() {
    let (modem, card) = (&mut quiet(), &mut card());
    assert_eq!(talk(modem, card, "AT+CMEE=2;+CCHO=?\r"), "|OK|");
    assert_eq!(talk(modem, card, "AT+CCHO=\"A0000000871002\"\r"), "|+CCHO: 1|OK|");
    assert_eq!(talk(modem, card, "AT+CCHO=\"A0000005590010\"\r"), "|+CCHO: 2|OK|");
    // The channel is the session's, whatever the class byte says.
    assert_eq!(
        talk(modem, card, "AT+CGLA=1,10,\"03B0870009\"\r"),
        "|+CGLA: 22,\"0809101000000000109000\"|OK|"
    );
    assert_eq!(talk(modem, card, "AT+CGLA=2,10,\"80B9000001\"\r"), "|+CGLA: 4,\"6A80\"|OK|");
    // An application that is not there leaves no channel open behind it.
    assert_eq!(talk(modem, card, "AT+CCHO=\"A000000999\"\r"), "|+CME ERROR: not found|");
    assert_eq!(talk(modem, card, "AT+CCHC=2;+CCHO=\"A0000005590010\"\r"), "|+CCHO: 2|OK|");
    for wrong in ["AT+CCHC=0", "AT+CCHC=3", "AT+CGLA=255,8,\"00A40000\"", "AT+CCHC=256"] {
        assert_eq!(talk(modem, card, &format!("{wrong}\r")), "|+CME ERROR: invalid index|", "{wrong}");
    }
    for wrong in ["AT+CCHO=\"\"", "AT+CCHO=\"A0000\"", "AT+CCHC=x", "AT+CGLA=1"] {
        assert_eq!(talk(modem, card, &format!("{wrong}\r")), "|+CME ERROR: incorrect parameters|", "{wrong}");
    }
    while talk(modem, card, "AT+CCHO=\"A0000000871002\"\r").ends_with("OK|") {}
    assert_eq!(talk(modem, card, "AT+CCHO=\"A0000000871002\"\r"), "|+CME ERROR: operation not allowed|");
}

#[test]
fn a_modem_has_its_settings() {
    let (modem, card) = (&mut Modem::default(), &mut card());
    assert_eq!(talk(modem, card, "ATV0\r"), "ATV0\r0\r");
    assert_eq!(talk(modem, card, "ATI\r"), "ATI\rcellbed modem|0\r");
    assert_eq!(talk(modem, card, "ATX5\r"), "ATX5\r4\r");
    assert_eq!(talk(modem, card, "ATQ1E0\r"), "ATQ1E0\r");
    assert_eq!(talk(modem, card, "AT\r\r\n\r"), "");
    assert_eq!(talk(modem, card, "ATZ\r"), "|OK|");
    assert_eq!(talk(modem, card, "ATE2\r"), "ATE2\r|ERROR|");
    assert_eq!(talk(modem, card, "hello\r"), "hello\r|ERROR|");
    // Nothing behind the command that fails is done.
    assert_eq!(talk(modem, card, "AT+COPS?;E0\r"), "AT+COPS?;E0\r|ERROR|");
    assert_eq!(talk(modem, card, "AT\r"), "AT\r|OK|");
}

/// A card that was pulled out.
struct Gone;

impl CardPort for Gone {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, PortError> {
        Err(PortError::Removed)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        Err(PortError::Removed)
    }
}

#[test]
fn a_card_that_is_gone_is_said() {
    let mut modem = quiet();
    let answer = modem.receive(b"AT+CMEE=1;+CSIM=10,\"00B0000009\"\r", &mut Gone);
    assert_eq!(answer, b"\r\n+CME ERROR: 10\r\n");
}

proptest! {
    #[test]
    fn no_characters_break_the_modem(
        lines in prop::collection::vec(prop_oneof![
            "AT(E0|V1|Q0|I|\\+CCHO=\"A0000000871002\"|\\+CCHC=[0-9]|\\+CGLA=1,10,\"00B0870009\"|\\+CSIM=10,\"[0-9A-F]{10}\"){1,3}",
            "[ -~]{0,40}",
        ], 1..8),
    ) {
        let (mut modem, card) = (Modem::default(), &mut card());
        for line in lines {
            let answer = modem.receive(format!("{line}\r").as_bytes(), card);
            prop_assert!(answer.len() <= 2048 + 4 * line.len());
        }
        modem.receive(b"\rATZ\r", card);
        prop_assert!(modem.receive(b"AT\r", card).ends_with(b"OK\r\n"));
    }
}

#[test]
fn what_hosts_ask_first_is_answered() {
    let (modem, card) = (&mut quiet(), &mut card());
    // A host has something selected on the basic channel, which stays so.
    assert_eq!(talk(modem, card, "AT+CSIM=14,\"00A4000C022FE2\"\r"), "|+CSIM: 4,\"9000\"|OK|");
    assert_eq!(talk(modem, card, "AT+CPIN?\r"), "|+CPIN: READY|OK|");
    assert_eq!(talk(modem, card, "AT+CIMI\r"), "|001010000000001|OK|");
    assert_eq!(talk(modem, card, "AT+CCID\r"), "|+CCID: 8988211000000000011|OK|");
    assert_eq!(talk(modem, card, "AT+CRSM=176,28589,0,0,4\r"), "|+CRSM: 144,0,\"00000002\"|OK|");
    let access_technology = talk(modem, card, "AT+CRSM=176,28514,0,0,10\r");
    assert!(access_technology.starts_with("|+CRSM: 144,0,\""), "{access_technology}");
    // EF.ICCID below the MF, all of it; the FCP; a record of EF.DIR; a path.
    assert_eq!(talk(modem, card, "AT+CRSM=176,12258,0,0,0\r"), "|+CRSM: 144,0,\"988812010000000010F1\"|OK|");
    assert!(talk(modem, card, "AT+CRSM=192,28589\r").starts_with("|+CRSM: 144,0,\"62"));
    assert!(talk(modem, card, "AT+CRSM=242\r").starts_with("|+CRSM: 144,0,\"62"));
    assert!(talk(modem, card, "AT+CRSM=178,12032,1,4,0\r").starts_with("|+CRSM: 144,0,\"61"));
    assert_eq!(
        talk(modem, card, "AT+CRSM=176,28423,0,0,9,,\"3F007FFF\"\r"),
        "|+CRSM: 144,0,\"080910100000000010\"|OK|"
    );
    // What the card refuses is told, and what is no such command.
    assert_eq!(talk(modem, card, "AT+CRSM=176,28671,0,0,4\r"), "|+CRSM: 106,130|OK|");
    assert_eq!(talk(modem, card, "AT+CRSM=214,28423,0,0,1,\"00\"\r"), "|+CRSM: 105,130|OK|");
    for wrong in
        ["176", "176,x", "176,70000,0,0,1", "177,28589,0,0,1", "214,28589,0,0,2,\"00\"", "176,28589,256"]
    {
        assert_eq!(talk(modem, card, &format!("AT+CRSM={wrong}\r")), "|ERROR|", "{wrong}");
    }
    assert_eq!(
        talk(modem, card, "AT+CSIM=10,\"00B000000A\"\r"),
        "|+CSIM: 24,\"988812010000000010F19000\"|OK|"
    );
    assert_eq!(talk(modem, card, "AT+CCHO=\"A0000000871002\"\r"), "|+CCHO: 1|OK|");
}

#[test]
fn a_pin_is_asked_for_and_a_blocked_one_told() {
    let modem = &mut quiet();
    let card = &mut subscriber::profile(|text| text.replace("enabled = false", "enabled = true"));
    assert_eq!(talk(modem, card, "AT+CMEE=2;+CPIN?\r"), "|+CPIN: SIM PIN|OK|");
    assert_eq!(talk(modem, card, "AT+CIMI\r"), "|+CME ERROR: SIM PIN required|");
    assert_eq!(talk(modem, card, "AT+CCID\r"), "|+CCID: 8988211000000000011|OK|");
    for _ in 0..3 {
        talk(modem, card, "AT+CSIM=26,\"002000010839393939FFFFFFFF\"\r");
    }
    assert_eq!(talk(modem, card, "AT+CPIN?\r"), "|+CPIN: SIM PUK|OK|");
}
