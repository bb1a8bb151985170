//! The modem's side of the USIM (TS 31.102): read the subscriber once, run AKA for every challenge.
//!
//! All commands are case-4 or case-2 APDUs on the basic logical channel; the slot fetches what `61xx` announces.

use std::sync::PoisonError;

use oxirush_security::{Ck, Ik};

use super::RanError;
use crate::card::{CardHandle, CardSlot};
use crate::id::Imsi;
use crate::wire::tlv;

/// The application identifier of every USIM, up to the application provider's part (TS 101 220 annex E).
const USIM_AID: [u8; 7] = [0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const EF_IMSI: u16 = 0x6f07;
const EF_AD: u16 = 0x6fad;

/// What TERMINAL PROFILE says of this modem (TS 102 223 clause 5.2): it does REFRESH, and no other proactive command.
const TERMINAL_PROFILE: [u8; 3] = [0x01, 0x00, 0x80];
/// How many proactive commands are answered in a row.
const PROACTIVE_MAX: usize = 16;

/// The subscriber as the card tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    pub imsi: Imsi,
    /// How many digits of the IMSI are the MNC (EF_AD, TS 31.102 clause 4.2.18); 2 where the card does not say.
    pub mnc_digits: u8,
}

/// What AUTHENTICATE answered (TS 31.102 clause 7.1.2.1).
#[derive(Debug, Clone)]
pub enum AuthenticateAnswer {
    /// The challenge is authentic and fresh.
    Success { res: Vec<u8>, ck: Ck, ik: Ik },
    /// The sequence number is out of range.
    SynchronisationFailure { auts: [u8; 14] },
    /// The MAC of AUTN is wrong (SW 9862).
    MacFailure,
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
pub fn authenticate(
    card: &CardHandle,
    rand: &[u8; 16],
    autn: &[u8; 16],
) -> Result<AuthenticateAnswer, RanError> {
    let mut slot = card.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = vec![0x00, 0x88, 0x00, 0x81, 0x22, 0x10];
    command.extend_from_slice(rand);
    command.push(0x10);
    command.extend_from_slice(autn);
    command.push(0x00);
    let (data, status) = transmit(&mut slot, "AUTHENTICATE", &command)?;
    let (data, status) = match status {
        0x9000 | 0x9862 => (data, status),
        _ => {
            select_usim(&mut slot)?;
            transmit(&mut slot, "AUTHENTICATE", &command)?
        }
    };
    match status {
        0x9000 => parse_answer(&data),
        0x9862 => Ok(AuthenticateAnswer::MacFailure),
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

/// EF_IMSI: a length, then parity, then digits, low nibble first (TS 31.102 clause 4.2.2).
fn parse_imsi(data: &[u8]) -> Result<Imsi, RanError> {
    let bad = || RanError::CardData {
        command: "READ EF_IMSI",
        length: data.len(),
        expected: "IMSI",
        clause: "TS 31.102 clause 4.2.2",
    };
    let (&length, digits) = data.split_first().ok_or_else(bad)?;
    let digits = digits.get(..usize::from(length)).ok_or_else(bad)?;
    let nibbles = digits.iter().flat_map(|octet| [octet & 0x0f, octet >> 4]).skip(1);
    let text: String = nibbles.take_while(|&n| n != 0x0f).map(|n| char::from(b'0' + n)).collect();
    text.parse().map_err(|_| bad())
}

/// `DB` RES CK IK [KC], or `DC` AUTS (TS 31.102 clause 7.1.2.1).
fn parse_answer(data: &[u8]) -> Result<AuthenticateAnswer, RanError> {
    let bad = || RanError::CardData {
        command: "AUTHENTICATE",
        length: data.len(),
        expected: "EPS AKA response",
        clause: "TS 31.102 clause 7.1.2.1",
    };
    let mut rest = data;
    match take(&mut rest, 1).ok_or_else(bad)? {
        [0xdb] => {
            let res = value(&mut rest).filter(|res| (4..=16).contains(&res.len())).ok_or_else(bad)?;
            let ck: &[u8; 16] = value(&mut rest).and_then(|v| v.try_into().ok()).ok_or_else(bad)?;
            let ik: &[u8; 16] = value(&mut rest).and_then(|v| v.try_into().ok()).ok_or_else(bad)?;
            Ok(AuthenticateAnswer::Success { res: res.to_vec(), ck: Ck::new(ck), ik: Ik::new(ik) })
        }
        [0xdc] => {
            let auts: [u8; 14] = value(&mut rest).and_then(|v| v.try_into().ok()).ok_or_else(bad)?;
            Ok(AuthenticateAnswer::SynchronisationFailure { auts })
        }
        _ => Err(bad()),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn value<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 1)?[0];
    take(rest, usize::from(length))
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

    #[test]
    fn answers_of_authenticate() {
        let success = [&[0xdb, 8][..], &[1; 8], &[16], &[2; 16], &[16], &[3; 16]].concat();
        match parse_answer(&success).unwrap() {
            AuthenticateAnswer::Success { res, ck, ik } => {
                assert_eq!(res, [1; 8]);
                assert_eq!((ck.as_octets(), ik.as_octets()), (&[2; 16], &[3; 16]));
            }
            other => panic!("{other:?}"),
        }
        let synchronise = [&[0xdc, 14][..], &[7; 14]].concat();
        assert!(matches!(
            parse_answer(&synchronise),
            Ok(AuthenticateAnswer::SynchronisationFailure { auts }) if auts == [7; 14]
        ));
        assert!(parse_answer(&success[..40]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_an_answer_stands_in_it(data in prop_oneof![
            bent([&[0xdb, 8][..], &[1; 8], &[16], &[2; 16], &[16], &[3; 16]].concat()),
            bent([&[0xdc, 14][..], &[7; 14]].concat()),
            (0u8..20).prop_map(|res| [&[0xdb, res][..], &vec![1; res.into()], &[16], &[2; 16], &[16], &[3; 16]].concat()),
        ]) {
            let begins = match parse_answer(&data) {
                Ok(AuthenticateAnswer::Success { res, ck, ik }) => {
                    prop_assert!((4..=16).contains(&res.len()));
                    let (ck, ik) = (ck.as_octets(), ik.as_octets());
                    [&[0xdb, res.len() as u8][..], &res, &[16], ck, &[16], ik].concat()
                }
                Ok(AuthenticateAnswer::SynchronisationFailure { auts }) => [&[0xdc, 14][..], &auts].concat(),
                Ok(other) => return Err(TestCaseError::fail(format!("data do not say {other:?}"))),
                Err(error) => {
                    let named = matches!(error, RanError::CardData { length, .. } if length == data.len());
                    prop_assert!(named, "{error}");
                    return Ok(());
                }
            };
            prop_assert!(data.starts_with(&begins));
        }

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
