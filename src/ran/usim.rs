//! The modem's side of the USIM (TS 31.102): read the subscriber once, run AKA for every challenge.
//!
//! All commands are case-4 or case-2 APDUs on the basic logical channel; the slot fetches what `61xx` announces.

use std::sync::PoisonError;

use super::RanError;
use crate::card::{CardHandle, CardSlot};
use crate::id::Imsi;
use crate::wire::authenticate::{self, Outcome};
use crate::wire::{bcd, tlv};

/// The application identifier of every USIM, up to the application provider's part (TS 101 220 annex E).
const USIM_AID: [u8; 7] = [0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const EF_IMSI: u16 = 0x6f07;
const EF_AD: u16 = 0x6fad;

/// What TERMINAL PROFILE says of this modem (TS 102 223 clause 5.2): it hands short messages for the card over (SMS-PP
/// data download), does REFRESH, and no other proactive command.
const TERMINAL_PROFILE: [u8; 3] = [0x03, 0x00, 0x80];
/// How many proactive commands are answered in a row.
const PROACTIVE_MAX: usize = 16;

/// The subscriber as the card tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The number of the subscriber (EF_IMSI, TS 31.102 clause 4.2.2).
    pub imsi: Imsi,
    /// How many digits of the IMSI are the MNC (EF_AD, TS 31.102 clause 4.2.18); 2 where the card does not say.
    pub mnc_digits: u8,
}

/// Resets the card, selects its USIM and reads who the subscriber is.
pub fn activate(card: &CardHandle) -> Result<Subscriber, RanError> {
    let mut slot = card.lock().unwrap_or_else(PoisonError::into_inner);
    slot.reset().map_err(|cause| RanError::Card { command: "RESET", cause })?;
    select_usim(&mut slot)?;
    let imsi = parse_imsi(&read_transparent(&mut slot, EF_IMSI, "READ EF_IMSI", 9)?)?;
    // EF_AD is mandatory, its fourth octet is not.
    let mnc_digits = match read_transparent(&mut slot, EF_AD, "READ EF_AD", 4) {
        Ok(ad) => ad.get(3).map_or(2, |octet| if octet & 0x0f == 3 { 3 } else { 2 }),
        Err(_) => 2,
    };
    // A card that knows no toolkit refuses, which changes nothing.
    let profile = [&[0x80, 0x10, 0x00, 0x00, TERMINAL_PROFILE.len() as u8][..], &TERMINAL_PROFILE].concat();
    let (_, status) = transmit(&mut slot, "TERMINAL PROFILE", &profile)?;
    answer_proactive_commands(&mut slot, status)?;
    Ok(Subscriber { imsi, mnc_digits })
}

/// Fetches and answers the REFRESH that the card has announced to somebody else on another channel: STATUS has it
/// announced once more (TS 102 223 clause 4.8). What the card wants is for the caller to do.
pub fn take_refresh(card: &CardHandle) -> Result<(), RanError> {
    let mut slot = card.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, status) = transmit(&mut slot, "STATUS", &[0x80, 0xf2, 0x00, 0x0c])?;
    answer_proactive_commands(&mut slot, status)
}

/// Answers what `91xx` announces: REFRESH with success, everything else as beyond this modem (TS 102 223 clause 8.12).
fn answer_proactive_commands(slot: &mut CardSlot, mut status: u16) -> Result<(), RanError> {
    const REFRESH: u8 = 0x01;
    for _ in 0..PROACTIVE_MAX {
        let [0x91, length] = status.to_be_bytes() else { return Ok(()) };
        let (command, _) = transmit(slot, "FETCH", &[0x80, 0x12, 0x00, 0x00, length])?;
        // D0, command details (81 or 01): number, type, qualifier.
        let details = tlv::find(&command, 0xd0)
            .and_then(|body| tlv::find(body, 0x81).or_else(|_| tlv::find(body, 0x01)))
            .unwrap_or_default();
        let &[number, kind, qualifier] = details else {
            return Err(RanError::CardData {
                command: "FETCH",
                length: command.len(),
                expected: "proactive command",
                clause: "TS 102 223 clause 6.6",
            });
        };
        let result = if kind == REFRESH { 0x00 } else { 0x30 };
        let response = [0x81, 0x03, number, kind, qualifier, 0x82, 0x02, 0x82, 0x81, 0x83, 0x01, result];
        let header = [0x80, 0x14, 0x00, 0x00, response.len() as u8];
        (_, status) = transmit(slot, "TERMINAL RESPONSE", &[&header[..], &response].concat())?;
    }
    Ok(())
}

/// Runs EPS AKA on the card. The application above the modem may have selected another application on the same
/// channel, so one refusal is answered by selecting the USIM again.
pub fn authenticate(card: &CardHandle, rand: &[u8; 16], autn: &[u8; 16]) -> Result<Outcome, RanError> {
    let mut slot = card.lock().unwrap_or_else(PoisonError::into_inner);
    let challenge = authenticate::challenge(rand, autn);
    let command = [&[0x00, 0x88, 0x00, 0x81, challenge.len() as u8][..], &challenge, &[0x00]].concat();
    let (data, status) = transmit(&mut slot, "AUTHENTICATE", &command)?;
    let (data, status) = match status {
        0x9000 | 0x9862 => (data, status),
        _ => {
            select_usim(&mut slot)?;
            transmit(&mut slot, "AUTHENTICATE", &command)?
        }
    };
    match status {
        0x9000 => Outcome::read(&data).map_err(|_| RanError::CardData {
            command: "AUTHENTICATE",
            length: data.len(),
            expected: "EPS AKA response",
            clause: "TS 31.102 clause 7.1.2.1",
        }),
        0x9862 => Ok(Outcome::MacFailure),
        status => Err(RanError::CardStatus { command: "AUTHENTICATE", status }),
    }
}

fn select_usim(slot: &mut CardSlot) -> Result<(), RanError> {
    let mut command = vec![0x00, 0xa4, 0x04, 0x04, USIM_AID.len() as u8];
    command.extend_from_slice(&USIM_AID);
    command.push(0x00);
    expect_ok("SELECT ADF.USIM", transmit(slot, "SELECT ADF.USIM", &command)?).map(|_| ())
}

fn read_transparent(
    slot: &mut CardSlot,
    file: u16,
    command: &'static str,
    length: u8,
) -> Result<Vec<u8>, RanError> {
    let [high, low] = file.to_be_bytes();
    expect_ok(command, transmit(slot, command, &[0x00, 0xa4, 0x00, 0x0c, 0x02, high, low])?)?;
    expect_ok(command, transmit(slot, command, &[0x00, 0xb0, 0x00, 0x00, length])?)
}

fn transmit(slot: &mut CardSlot, command: &'static str, apdu: &[u8]) -> Result<(Vec<u8>, u16), RanError> {
    let mut data = slot.exchange(apdu).map_err(|cause| RanError::Card { command, cause })?;
    match data.split_last_chunk::<2>() {
        Some((_, &status)) => {
            data.truncate(data.len() - 2);
            Ok((data, u16::from_be_bytes(status)))
        }
        None => Err(RanError::CardData {
            command,
            length: data.len(),
            expected: "response APDU",
            clause: "ISO/IEC 7816-4 clause 5.1",
        }),
    }
}

fn expect_ok(command: &'static str, (data, status): (Vec<u8>, u16)) -> Result<Vec<u8>, RanError> {
    if status == 0x9000 { Ok(data) } else { Err(RanError::CardStatus { command, status }) }
}

fn parse_imsi(data: &[u8]) -> Result<Imsi, RanError> {
    bcd::read_imsi(data).map_err(|_| RanError::CardData {
        command: "READ EF_IMSI",
        length: data.len(),
        expected: "IMSI",
        clause: "TS 31.102 clause 4.2.2",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn imsi_of_the_elementary_file() {
        let data = hex::decode("080910100000000010").unwrap();
        assert_eq!(parse_imsi(&data).unwrap().as_str(), "001010000000001");
        assert!(parse_imsi(&[]).is_err());
        assert!(parse_imsi(&[9, 1]).is_err());
        assert!(parse_imsi(&hex::decode("0809aaaaaaaaaaaaaa").unwrap()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_as_an_imsi_are_its_digits(data in bent(hex::decode("080910100000000010").unwrap())) {
            match parse_imsi(&data) {
                Ok(imsi) => {
                    let swapped: String = data[1..].iter().map(|octet| format!("{:02x}", octet.rotate_left(4))).collect();
                    prop_assert!(swapped[1..].starts_with(imsi.as_str()), "{swapped}");
                }
                Err(error) => {
                    let named = matches!(error, RanError::CardData { length, .. } if length == data.len());
                    prop_assert!(named, "{error}");
                }
            }
        }
    }
}
