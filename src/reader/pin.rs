//! PINs and administrative keys, with care for their retry counters (ETSI TS 102 221 clauses 9.5 and 11.1.9).

use super::{ExploreError, Terminal};
use crate::wire::{Command, StatusWord};

/// Key reference of PIN1.
pub const PIN1: u8 = 0x01;
/// Key reference of the first administrative key.
pub const ADM1: u8 = 0x0a;

/// Tries that have to be left for another one: a mistake then does not block the code.
const TRIES_MIN: u8 = 2;

/// A PIN of a card, as far as the card tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Key reference (table 9.3).
    pub reference: u8,
    /// Whether it has to be verified; `None` where no directory tells.
    pub enabled: Option<bool>,
    /// How often it may still be tried.
    pub tries: Tries,
}

impl Pin {
    /// The name of a key reference.
    pub fn name(reference: u8) -> &'static str {
        match reference {
            0x01 => "PIN1",
            0x02..=0x08 => "PIN1 of another application",
            0x11 => "universal PIN",
            0x81 => "PIN2",
            0x82..=0x88 => "PIN2 of another application",
            0x0a => "ADM1",
            0x0b..=0x0e => "ADM2 to ADM5",
            0x8a..=0x8e => "ADM6 to ADM10",
            _ => "a code of this card's own",
        }
    }
}

/// How often a code may still be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// So many times.
    Left(u8),
    /// Not at all, until it is unblocked.
    Blocked,
    /// The code is disabled, or it has been verified already.
    NotNeeded,
    /// The card knows no such code.
    Absent,
    /// The card does not say.
    Unknown(StatusWord),
}

impl Terminal<'_> {
    /// Asks how often a code may still be tried: VERIFY without data, which is not a try.
    pub fn tries(&mut self, reference: u8) -> Result<Tries, ExploreError> {
        let status = self.send("VERIFY PIN", Command::new(0x00, 0x20, 0x00, reference))?.status;
        Ok(match status.0 {
            0x63c0 | 0x6983 => Tries::Blocked,
            n @ 0x63c1..=0x63cf => Tries::Left((n & 0x0f) as u8),
            0x9000 | 0x6984 => Tries::NotNeeded,
            0x6a88 => Tries::Absent,
            _ => Tries::Unknown(status),
        })
    }

    /// VERIFY PIN: the code on 8 bytes, filled up with `FF`. Where fewer than two tries are left, or the card
    /// does not say how many, it is tried only with `force`.
    pub fn verify(&mut self, reference: u8, code: &[u8; 8], force: bool) -> Result<(), ExploreError> {
        let name = Pin::name(reference);
        match self.tries(reference)? {
            Tries::NotNeeded => return Ok(()),
            Tries::Blocked => return Err(ExploreError::Blocked { code: name }),
            Tries::Left(n) if n < TRIES_MIN && !force => {
                return Err(ExploreError::FewTries { code: name, tries: Some(n) });
            }
            Tries::Unknown(_) if !force => {
                return Err(ExploreError::FewTries { code: name, tries: None });
            }
            Tries::Absent => {
                let status = StatusWord::REFERENCED_DATA_NOT_FOUND;
                return Err(ExploreError::Refused { command: "VERIFY PIN", status });
            }
            Tries::Left(_) | Tries::Unknown(_) => {}
        }
        let answer = self.send("VERIFY PIN", Command::new(0x00, 0x20, 0x00, reference).with_data(code))?;
        match answer.status.0 {
            0x9000 | 0x9100..=0x91ff => Ok(()),
            0x63c0 | 0x6983 => Err(ExploreError::Blocked { code: name }),
            n @ 0x63c1..=0x63cf => Err(ExploreError::WrongCode { code: name, tries: Some((n & 0x0f) as u8) }),
            0x6300 | 0x6982 => Err(ExploreError::WrongCode { code: name, tries: None }),
            0x6984 => Err(ExploreError::Disabled { code: name }),
            _ => Err(ExploreError::Refused { command: "VERIFY PIN", status: answer.status }),
        }
    }
}
