//! The SIM of the card: class A0 (3GPP TS 51.011 clauses 8 and 9), for terminals and tools of GSM.
//!
//! A SIM session stands beside the logical channels of the UICC: it selects for itself, and it shares files, codes
//! and keys with them. It sees MF, DF.TELECOM and DF.GSM.

use super::Reply;
use super::fs::Position;
use super::installed::InstalledProfile;
use super::pin::{ADM1, PIN1, PIN2};
use super::toolkit::Toolkit;
use super::usim::GSM_CONTEXT;
use crate::wire::{Command, StatusWord};

/// The class byte.
pub(super) const CLASS: u8 = 0xa0;

/// Bytes of a code; UNBLOCK and CHANGE take two.
const CODE: usize = 8;

/// Where a SIM session stands.
#[derive(Debug, Default)]
pub(super) struct Sim {
    position: Position,
    /// Response data that waits for GET RESPONSE.
    waiting: Vec<u8>,
}

/// How the answer of a command leaves the card (TS 51.011 clause 9.1).
enum Answer {
    /// At once, after a command without data.
    Now(Vec<u8>),
    /// Announced with `9Fxx`, for GET RESPONSE.
    Later(Vec<u8>),
}

impl Sim {
    /// Forgets the data that waits: another command came between.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Answers a command of class A0 with what `profile` has.
    pub(super) fn handle(
        &mut self,
        c: &Command<'_>,
        profile: &mut InstalledProfile,
        toolkit: &mut Toolkit,
    ) -> Result<Vec<u8>, StatusWord> {
        let waiting = std::mem::take(&mut self.waiting);
        let answer = match c.instruction {
            0xc0 => get_response(c, &waiting),
            _ => self.run(c, profile, toolkit),
        };
        match answer.map_err(|refusal| in_terms_of_sim(refusal, c.instruction))? {
            Answer::Now(data) => Ok([&data[..], &StatusWord::OK.to_bytes()].concat()),
            Answer::Later(data) => {
                let announced = StatusWord::sim_more(data.len());
                self.waiting = data;
                Ok(announced.to_bytes().to_vec())
            }
        }
    }

    fn run(
        &mut self,
        c: &Command<'_>,
        profile: &mut InstalledProfile,
        toolkit: &mut Toolkit,
    ) -> Result<Answer, StatusWord> {
        let position = &mut self.position;
        profile.files.sim_enter(position);
        if c.instruction == 0x88 {
            exact(c, 0, 0, 16)?;
            return run_gsm_algorithm(c.data, position, profile).map(Answer::Later);
        }
        let (files, pins) = (&mut profile.files, &mut profile.pins);
        let scope = files.scope(position);
        match c.instruction {
            0xa4 => {
                exact(c, 0, 0, 2)?;
                *position = files.sim_select(position, c.data)?;
                Ok(Answer::Later(files.sim_header(position, pins)))
            }
            0xf2 => {
                parameters(c, 0, 0)?;
                up_to(c, &files.sim_directory(position, pins))
            }
            0xb0 => files.read_binary(position, pins, &without_sfi(c)?).map(Answer::Now),
            0xd6 => done(files.update_binary(position, pins, &without_sfi(c)?)),
            0xb2 => files.read_record(position, pins, record(c)?).map(Answer::Now),
            0xdc => done(files.update_record(position, pins, record(c)?)),
            0xa2 => {
                if c.p1 != 0 || c.p2 & 0xe0 != 0 {
                    return Err(StatusWord::INCORRECT_P1_P2);
                }
                let number = files.seek(position, pins, c)?;
                // Type 1 moves the record pointer, type 2 tells where it went.
                Ok(if c.p2 & 0x10 == 0 { Answer::Now(Vec::new()) } else { Answer::Later(number) })
            }
            0x32 => {
                exact(c, 0, 0, 3)?;
                files.increase(position, pins, c).map(Answer::Later)
            }
            0x20 => done(pins.verify(&code(c, verifiable(c.p2)?, CODE)?, &scope)),
            0x24 => done(pins.change(&code(c, verifiable(c.p2)?, 2 * CODE)?, &scope)),
            // Only CHV1 can be disabled.
            0x26 | 0x28 if c.p2 != 0x01 => Err(StatusWord::INCORRECT_P1_P2),
            0x26 => done(pins.disable(&code(c, PIN1, CODE)?, &scope)),
            0x28 => done(pins.enable(&code(c, PIN1, CODE)?, &scope)),
            0x2c => done(pins.unblock(&code(c, unblockable(c.p2)?, 2 * CODE)?, &scope)),
            // SLEEP, which cards of today have no use for.
            0xfa => parameters(c, 0, 0).map(|()| Answer::Now(Vec::new())),
            0x10 => done(toolkit.terminal_profile(c)),
            0x12 => up_to(c, &toolkit.fetch(c)?),
            0x14 => done(toolkit.terminal_response(c)),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }
}

/// GET RESPONSE: what waits, or its beginning.
fn get_response(c: &Command<'_>, waiting: &[u8]) -> Result<Answer, StatusWord> {
    parameters(c, 0, 0)?;
    if waiting.is_empty() {
        return Err(StatusWord::TECHNICAL_PROBLEM);
    }
    up_to(c, waiting)
}

/// RUN GSM ALGORITHM: SRES, 4 bytes, and Kc, 8 bytes, of a RAND. It belongs to DF.GSM and what is below it, and takes
/// CHV1 (TS 51.011 clause 8.16). The keys are those of the USIM, and so is the code that guards them.
fn run_gsm_algorithm(rand: &[u8], position: &Position, profile: &mut InstalledProfile) -> Reply {
    if !profile.files.in_gsm(position) {
        return Err(StatusWord::INCOMPATIBLE_FILE);
    }
    let usim = profile.files.usim().ok_or(StatusWord::INCOMPATIBLE_FILE)?;
    profile.application_pin(position, usim)?;
    let data = [&[16][..], rand].concat();
    let command = Command::new(0x00, 0x88, 0x00, GSM_CONTEXT).with_data(&data);
    let answer = profile.subscribers.authenticate(usim, false, &command)?;
    // LV(SRES) LV(Kc) without the lengths.
    match answer.split_at_checked(5) {
        Some(([4, sres @ ..], [8, kc @ ..])) => Ok([sres, kc].concat()),
        _ => Err(StatusWord::TECHNICAL_PROBLEM),
    }
}

fn done(reply: Reply) -> Result<Answer, StatusWord> {
    reply.map(Answer::Now)
}

/// As much of `data` as the command asks for.
fn up_to(c: &Command<'_>, data: &[u8]) -> Result<Answer, StatusWord> {
    let part = data.get(..usize::from(c.expected.unwrap_or(256))).ok_or(StatusWord::wrong_le(data.len()))?;
    Ok(Answer::Now(part.to_vec()))
}

fn parameters(c: &Command<'_>, p1: u8, p2: u8) -> Result<(), StatusWord> {
    if (c.p1, c.p2) == (p1, p2) { Ok(()) } else { Err(StatusWord::INCORRECT_P1_P2) }
}

/// The parameters and the length of the data are given by the command.
fn exact(c: &Command<'_>, p1: u8, p2: u8, length: usize) -> Result<(), StatusWord> {
    parameters(c, p1, p2)?;
    if c.data.len() == length { Ok(()) } else { Err(StatusWord::wrong_le(length)) }
}

/// READ and UPDATE BINARY have an offset of 16 bits, and no file of a SIM is as long as the half of that.
fn without_sfi<'a>(c: &Command<'a>) -> Result<Command<'a>, StatusWord> {
    if c.p1 & 0x80 != 0 { Err(StatusWord::WRONG_OFFSET) } else { Ok(*c) }
}

/// READ and UPDATE RECORD know next, previous and absolute, in the current file.
fn record<'a, 'b>(c: &'b Command<'a>) -> Result<&'b Command<'a>, StatusWord> {
    if (0x02..=0x04).contains(&c.p2) { Ok(c) } else { Err(StatusWord::INCORRECT_P1_P2) }
}

/// The command for the code with this key reference of the UICC.
fn code<'a>(c: &Command<'a>, reference: u8, length: usize) -> Result<Command<'a>, StatusWord> {
    if c.data.len() != length {
        return Err(StatusWord::wrong_le(length));
    }
    Ok(Command { p2: reference, ..*c })
}

/// CHV numbers of VERIFY and CHANGE. Administrative codes are not standardised; they have their number here as in
/// class 00.
fn verifiable(p2: u8) -> Result<u8, StatusWord> {
    match p2 {
        0x01 => Ok(PIN1),
        0x02 => Ok(PIN2),
        ADM1 => Ok(ADM1),
        _ => Err(StatusWord::INCORRECT_P1_P2),
    }
}

/// UNBLOCK counts from 0 for CHV1 (TS 51.011 clause 9.2.13).
fn unblockable(p2: u8) -> Result<u8, StatusWord> {
    match p2 {
        0x00 => Ok(PIN1),
        0x02 => Ok(PIN2),
        _ => Err(StatusWord::INCORRECT_P1_P2),
    }
}

/// The status word of TS 51.011 clause 9.4 for what the UICC says.
fn in_terms_of_sim(refusal: StatusWord, instruction: u8) -> StatusWord {
    match refusal {
        StatusWord::NO_EF_SELECTED => StatusWord::SIM_NO_EF_SELECTED,
        StatusWord::NOT_FOUND => StatusWord::SIM_NOT_FOUND,
        StatusWord::INCOMPATIBLE_FILE => StatusWord::SIM_INCONSISTENT,
        StatusWord::WRONG_OFFSET | StatusWord::RECORD_NOT_FOUND => StatusWord::SIM_OUT_OF_RANGE,
        StatusWord::SECURITY_STATUS => StatusWord::SIM_ACCESS,
        StatusWord::PIN_BLOCKED => StatusWord::SIM_BLOCKED,
        StatusWord::INVALIDATED => match instruction {
            0x20..=0x2c => StatusWord::SIM_CHV_CONTRADICTION,
            _ => StatusWord::SIM_INVALIDATED,
        },
        StatusWord::INCORRECT_P1_P2 => StatusWord::WRONG_OFFSET,
        StatusWord(0x63c0..=0x63cf) => StatusWord::SIM_ACCESS,
        // The right length, in a status word of its own.
        StatusWord(sw) if sw >> 8 == 0x6c => StatusWord(0x6700 | sw & 0xff),
        // FETCH with nothing to fetch, a response that was not asked for, and what has no code in TS 51.011.
        StatusWord::CONDITIONS_NOT_SATISFIED | StatusWord::INCORRECT_DATA => StatusWord::TECHNICAL_PROBLEM,
        // ADM1 has no unblocking code and cannot be disabled.
        StatusWord::REFERENCED_DATA_NOT_FOUND | StatusWord::FUNCTION_NOT_SUPPORTED => {
            StatusWord::WRONG_OFFSET
        }
        other => other,
    }
}
