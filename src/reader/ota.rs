//! A secured packet on its way to a card and back, as a terminal carries it: ENVELOPE (SMS-PP DOWNLOAD), and SEND SHORT
//! MESSAGE where the card answers that way (3GPP TS 31.111 clause 7.1; ETSI TS 102 223 clause 6.4.10). What is in the
//! packets is for who has the keys.

use super::{ExploreError, Terminal};
use crate::wire::ota::{Address, Deliver, Kind, Part, Reassembly, SmsPpDownload, Submit, split};
use crate::wire::{ApduError, Command, StatusWord, tlv};

/// What the terminal says that it does: everything.
const TERMINAL_PROFILE: [u8; 20] = [0xff; 20];
/// Proactive commands that are answered in a row.
const PROACTIVE_MAX: usize = 32;
/// The number that messages seem to come from, in the numbers that no operator has.
const ORIGINATOR: &str = "00101";
/// When: a time that says nothing.
const TIME: [u8; 7] = [0x62, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00];

/// What a card gave for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Messages that the packet took.
    pub messages: usize,
    /// The last status word of ENVELOPE.
    pub status: StatusWord,
    /// The response packet of the report of delivery.
    pub report: Option<Vec<u8>>,
    /// The response packet that the card had sent in messages.
    pub sent: Option<Vec<u8>>,
}

/// Hands the command packet `packet` to the card and gives what comes back. Messages of one packet go by `reference`.
///
/// # Errors
/// Where the card cannot be reached, or its proactive commands are none.
pub fn carry(terminal: &mut Terminal<'_>, packet: &[u8], reference: u8) -> Result<Carried, ExploreError> {
    let too_long = |_| ExploreError::Command { command: ENVELOPE, source: ApduError::Extended };
    let mut sent = Reassembly::default();
    let told =
        terminal.send("TERMINAL PROFILE", Command::new(0x80, 0x10, 0, 0).with_data(&TERMINAL_PROFILE))?;
    let mut answer = obeyed(terminal, told.status, &mut sent)?;
    let parts = split(Kind::Command, packet, reference).map_err(too_long)?;
    let mut carried = Carried { messages: parts.len(), status: StatusWord::OK, report: None, sent: None };
    for part in parts {
        let originator = Address::new(0x81, ORIGINATOR).map_err(too_long)?;
        let tpdu = Deliver::to_card(originator, TIME, part.encode()).encode().map_err(too_long)?;
        let bytes = SmsPpDownload { service_centre: None, tpdu }.command();
        let bytes =
            bytes.map_err(|_| ExploreError::Command { command: ENVELOPE, source: ApduError::Extended })?;
        let command = Command::parse(&bytes);
        let command = command.map_err(|source| ExploreError::Command { command: ENVELOPE, source })?;
        let told = terminal.send(ENVELOPE, command)?;
        carried.status = told.status;
        let part = Part::parse(&told.data).ok().filter(|part| part.kind == Some(Kind::Response));
        carried.report = part.map(|part| part.payload);
        answer = obeyed(terminal, told.status, &mut sent)?.or(answer);
    }
    carried.sent = answer;
    Ok(carried)
}

const ENVELOPE: &str = "ENVELOPE (SMS-PP DOWNLOAD)";

/// Does what `91xx` announces: SEND SHORT MESSAGE, whose message is kept; all else is beyond this terminal. Gives the
/// response packet that is whole with it.
fn obeyed(
    terminal: &mut Terminal<'_>,
    mut status: StatusWord,
    sent: &mut Reassembly,
) -> Result<Option<Vec<u8>>, ExploreError> {
    const SEND_SHORT_MESSAGE: u8 = 0x13;
    let mut answer = None;
    for _ in 0..PROACTIVE_MAX {
        let [0x91, length] = status.to_bytes() else { break };
        let expected = if length == 0 { 256 } else { u16::from(length) };
        let fetched = terminal.send("FETCH", Command::new(0x80, 0x12, 0, 0).with_expected(expected))?;
        let objects = tlv::find(&fetched.data, 0xd0).unwrap_or_default();
        let &[number, kind, qualifier] = object(objects, 0x01) else {
            let detail = format!("{} bytes that are no proactive command", fetched.data.len());
            return Err(ExploreError::Answer { command: "FETCH", clause: "TS 102 223 clause 6.6", detail });
        };
        let result = if kind == SEND_SHORT_MESSAGE { 0x00 } else { 0x30 };
        if kind == SEND_SHORT_MESSAGE {
            let message = Submit::parse(object(objects, 0x0b)).ok();
            let part = message.and_then(|message| Part::parse(&message.user_data).ok());
            let whole = part.and_then(|part| sent.take(part).ok()).flatten();
            answer = whole.filter(|(kind, _)| *kind == Kind::Response).map(|(_, packet)| packet).or(answer);
        }
        let response = [0x81, 3, number, kind, qualifier, 0x82, 2, 0x82, 0x81, 0x83, 1, result];
        let command = Command::new(0x80, 0x14, 0, 0).with_data(&response);
        status = terminal.send("TERMINAL RESPONSE", command)?.status;
    }
    Ok(answer)
}

/// The value of the object with `tag`, with bit 8 or without it; nothing where there is none.
fn object(objects: &[u8], tag: u16) -> &[u8] {
    let found = tlv::Reader::new(objects).map_while(Result::ok).find(|object| object.tag & !0x80 == tag);
    found.map(|object| object.value).unwrap_or_default()
}
