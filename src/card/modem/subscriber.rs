//! What a modem says of the subscriber, and restricted access to the files of the card (3GPP TS 27.007 clauses 5.6, 8.3 and
//! 8.18): a few commands to the card, on a logical channel that is open for as long.
//!
//! The basic channel is the host's own (+CSIM): what it has selected there stays selected.

use super::{INCORRECT, accepted, on_channel, transmit};
use crate::card::CardPort;
use crate::wire::at::{EquipmentError, FinalResult, Parameter};
use crate::wire::{Command, StatusWord, tlv};

/// The beginning of the AID of every USIM (TS 101 220 annex E).
const USIM: &[u8] = &[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const EF_ICCID: u16 = 0x2fe2;
const EF_IMSI: u16 = 0x6f07;

/// The commands of +CRSM that a card answers (TS 27.007 clause 8.18).
const READ_BINARY: u32 = 176;
const READ_RECORD: u32 = 178;
const GET_RESPONSE: u32 = 192;
const UPDATE_BINARY: u32 = 214;
const UPDATE_RECORD: u32 = 220;
const STATUS: u32 = 242;

/// What was read, and how the card ended the command.
type Answer = Result<(Vec<u8>, StatusWord), FinalResult>;

/// A channel of its own to the card; whoever opens it closes it.
struct Channel<'a> {
    card: &'a mut dyn CardPort,
    number: u8,
}

impl Channel<'_> {
    /// Sends a command with `data`, or one that expects some.
    fn send(&mut self, instruction: u8, [p1, p2]: [u8; 2], data: &[u8], expected: Option<u16>) -> Answer {
        let command = Command::new(on_channel(0x00, self.number), instruction, p1, p2).with_data(data);
        let command = match expected {
            Some(expected) => command.with_expected(expected),
            None => command,
        };
        self.raw(&command.encode().map_err(|_| INCORRECT)?)
    }

    /// Sends a command and fetches what the card announces.
    fn raw(&mut self, apdu: &[u8]) -> Answer {
        let mut response = transmit(self.card, apdu)?;
        let mut data = Vec::new();
        // A card gives its answer in pieces of up to 256 bytes; no file has more than 256 of them.
        for _ in 0..256 {
            let Some((part, status)) = StatusWord::split(&response) else {
                return Err(FinalResult::Equipment(EquipmentError::SimFailure));
            };
            data.extend_from_slice(part);
            let fetch = match status.0.to_be_bytes() {
                [0x61, more] => vec![on_channel(0x00, self.number), 0xc0, 0x00, 0x00, more],
                // Only a command that expects data is told so, and then the whole of it comes anew.
                [0x6c, length] if apdu.len() == 5 => [&apdu[..4], &[length]].concat(),
                _ => return Ok((data, status)),
            };
            response = transmit(self.card, &fetch)?;
        }
        Err(FinalResult::Equipment(EquipmentError::SimFailure))
    }

    /// Selects by identifier; the answer is the FCP.
    fn select_file(&mut self, id: u16) -> Answer {
        self.send(0xa4, [0x00, 0x04], &id.to_be_bytes(), Some(256))
    }

    fn select_usim(&mut self) -> Answer {
        self.send(0xa4, [0x04, 0x04], USIM, Some(256))
    }
}

/// Does something on a channel that is opened for it, and closes it again.
fn on_own_channel<T>(
    card: &mut dyn CardPort,
    act: impl FnOnce(&mut Channel<'_>) -> Result<T, FinalResult>,
) -> Result<T, FinalResult> {
    let opened = transmit(card, &[0x00, 0x70, 0x00, 0x00, 0x01])?;
    let &[number, 0x90, 0x00] = &opened[..] else {
        return Err(FinalResult::Equipment(EquipmentError::NotAllowed));
    };
    let done = act(&mut Channel { card: &mut *card, number });
    transmit(card, &[0x00, 0x70, 0x80, number])?;
    done
}

/// A refusal as a modem tells it.
fn refused(status: StatusWord) -> FinalResult {
    FinalResult::Equipment(match status.0 {
        0x6982 => EquipmentError::SimPinRequired,
        0x6983 | 0x6984 => EquipmentError::SimPukRequired,
        0x6a82 | 0x6a83 => EquipmentError::NotFound,
        _ => EquipmentError::SimFailure,
    })
}

fn read((data, status): (Vec<u8>, StatusWord)) -> Result<Vec<u8>, FinalResult> {
    match accepted(&status.0.to_be_bytes(), EquipmentError::SimFailure) {
        Ok(()) => Ok(data),
        Err(_) => Err(refused(status)),
    }
}

/// The state of PIN1, as +CPIN? tells it.
pub(super) fn pin_state(card: &mut dyn CardPort) -> Result<&'static str, FinalResult> {
    on_own_channel(card, |channel| {
        // A card without USIM has its PIN1 on the MF.
        let fcp = match channel.select_usim()? {
            (fcp, status) if status == StatusWord::OK => fcp,
            _ => read(channel.select_file(0x3f00)?)?,
        };
        // PIN status template: a bit for each PIN that is enabled, in the order of the key references (TS 102 221 clause
        // 11.1.1.4.10).
        let template = tlv::find(&fcp, 0x62).and_then(|fcp| tlv::find(fcp, 0xc6));
        let enabled = template
            .and_then(|pins| tlv::find(pins, 0x90))
            .is_ok_and(|bits| bits.first().is_some_and(|b| b & 0x80 != 0));
        if !enabled {
            return Ok("READY");
        }
        // VERIFY without a PIN asks how it stands (TS 102 221 clause 11.1.9).
        match channel.send(0x20, [0x00, 0x01], &[], None)?.1.0 {
            0x9000 => Ok("READY"),
            0x63c0 | 0x6983 => Ok("SIM PUK"),
            _ => Ok("SIM PIN"),
        }
    })
}

/// The IMSI, as +CIMI gives it.
pub(super) fn imsi(card: &mut dyn CardPort) -> Result<String, FinalResult> {
    on_own_channel(card, |channel| {
        read(channel.select_usim()?)?;
        read(channel.select_file(EF_IMSI)?)?;
        let content = read(channel.send(0xb0, [0, 0], &[], Some(9))?)?;
        // Length, and digits behind the parity (TS 31.102 clause 4.2.2).
        let (length, octets) =
            content.split_first().ok_or(FinalResult::Equipment(EquipmentError::SimFailure))?;
        let digits: String =
            octets.iter().take(usize::from(*length)).flat_map(|octet| nibbles(*octet)).collect();
        Ok(digits.chars().skip(1).collect())
    })
}

/// The ICCID, as +CCID gives it.
pub(super) fn iccid(card: &mut dyn CardPort) -> Result<String, FinalResult> {
    on_own_channel(card, |channel| {
        read(channel.select_file(0x3f00)?)?;
        read(channel.select_file(EF_ICCID)?)?;
        let content = read(channel.send(0xb0, [0, 0], &[], Some(10))?)?;
        Ok(content.iter().flat_map(|octet| nibbles(*octet)).collect())
    })
}

/// The digits of an octet, the lower one first; fillers are none.
fn nibbles(octet: u8) -> impl Iterator<Item = char> {
    [octet & 0x0f, octet >> 4].into_iter().filter_map(|digit| char::from_digit(digit.into(), 10))
}

/// +CRSM: one command to one file. A refusal of the card is a result as well: its status word is told.
pub(super) fn restricted(parameters: &[Parameter], card: &mut dyn CardPort) -> Result<String, FinalResult> {
    if !(1..=7).contains(&parameters.len()) {
        return Err(INCORRECT);
    }
    let given = |at: usize| parameters.get(at).filter(|parameter| !parameter.0.is_empty());
    let number = |at: usize| match given(at) {
        None => Ok(None),
        Some(parameter) => parameter.number().map(Some).ok_or(INCORRECT),
    };
    let byte = |at: usize| u8::try_from(number(at)?.unwrap_or(0)).map_err(|_| INCORRECT);
    let (command, file) = (number(0)?.ok_or(INCORRECT)?, number(1)?);
    let file = file.map(u16::try_from).transpose().map_err(|_| INCORRECT)?;
    let (p, p3) = ([byte(2)?, byte(3)?], byte(4)?);
    let data = given(5).map_or(Ok(Vec::new()), |data| data.bytes().ok_or(INCORRECT))?;
    let path = given(6).map_or(Ok(Vec::new()), |path| path.bytes().ok_or(INCORRECT))?;
    if file.is_none() && command != STATUS || path.len() % 2 != 0 || path.len() > 16 {
        return Err(INCORRECT);
    }
    let updates = matches!(command, UPDATE_BINARY | UPDATE_RECORD);
    if updates == data.is_empty() || updates && usize::from(p3) != data.len() {
        return Err(INCORRECT);
    }
    // P3 of 0 asks for all that there is.
    let expected = if p3 == 0 { 256 } else { u16::from(p3) };
    let (response, status) = on_own_channel(card, |channel| {
        let (fcp, status) = select(channel, file, &path)?;
        if accepted(&status.0.to_be_bytes(), EquipmentError::NotFound).is_err() {
            return Ok((Vec::new(), status));
        }
        match command {
            READ_BINARY => channel.send(0xb0, p, &[], Some(expected)),
            READ_RECORD => channel.send(0xb2, p, &[], Some(expected)),
            UPDATE_BINARY => channel.send(0xd6, p, &data, None),
            UPDATE_RECORD => channel.send(0xdc, p, &data, None),
            // What SELECT has for it is what a card gives to them.
            GET_RESPONSE | STATUS => Ok((fcp, status)),
            _ => Err(INCORRECT),
        }
    })?;
    let [sw1, sw2] = status.0.to_be_bytes();
    let told = format!("+CRSM: {sw1},{sw2}");
    Ok(if response.is_empty() { told } else { format!("{told},\"{}\"", hex::encode_upper(response)) })
}

/// Selects a file: by its path from the MF where there is one, otherwise in the USIM, or below the MF where its identifier
/// says that it is there (`2F..`; TS 102 221 clause 8.6).
fn select(channel: &mut Channel<'_>, file: Option<u16>, path: &[u8]) -> Answer {
    let ids = path.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]]));
    let below_mf = file.is_some_and(|file| file >> 8 == 0x2f || file == 0x3f00);
    let mut last = match (path.is_empty(), below_mf) {
        (true, false) => channel.select_usim()?,
        _ => channel.select_file(0x3f00)?,
    };
    let named = ids.filter(|id| *id != 0x3f00).chain(file.filter(|file| *file != 0x3f00));
    for id in named {
        if accepted(&last.1.0.to_be_bytes(), EquipmentError::NotFound).is_err() {
            break;
        }
        last = match id {
            // The application that is active (TS 102 221 clause 8.4.2).
            0x7fff => channel.select_usim()?,
            id => channel.select_file(id)?,
        };
    }
    Ok(last)
}
