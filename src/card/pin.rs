//! PIN codes with their retry counters (ETSI TS 102 221 clauses 9 and 11.1.9 to 11.1.13): PIN1, which the
//! holder may disable, and ADM1, the administrative code.

use super::{PinCodes, Reply};
use crate::wire::{Command, StatusWord};

/// Key reference of PIN1 (global PIN 1, TS 102 221 table 9.3).
pub(super) const PIN1: u8 = 0x01;
/// Key reference of ADM1.
pub(super) const ADM1: u8 = 0x0a;

const TRIES: u8 = 3;
const UNBLOCK_TRIES: u8 = 10;

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Always,
    Pin1,
    Adm1,
    Never,
}

struct Pin {
    value: [u8; 8],
    enabled: bool,
    tries: u8,
    verified: bool,
}

impl Pin {
    /// Compares `value` and keeps count.
    fn verify(&mut self, value: &[u8]) -> Result<(), StatusWord> {
        if self.tries == 0 {
            return Err(StatusWord::PIN_BLOCKED);
        }
        if value != self.value {
            self.tries -= 1;
            self.verified = false;
            return Err(refusal(self.tries));
        }
        self.tries = TRIES;
        Ok(())
    }
}

fn refusal(tries: u8) -> StatusWord {
    if tries == 0 { StatusWord::PIN_BLOCKED } else { StatusWord::tries_left(tries) }
}

/// The codes of one card.
pub(super) struct Pins {
    pin1: Pin,
    adm1: Pin,
    puk1: [u8; 8],
    puk1_tries: u8,
}

impl Pins {
    pub(super) fn new(codes: &PinCodes) -> Self {
        let pin = |value, enabled| Pin { value, enabled, tries: TRIES, verified: false };
        Self {
            pin1: pin(codes.pin1.0, codes.enabled),
            adm1: pin(codes.adm1.0, true),
            puk1: codes.puk1.0,
            puk1_tries: UNBLOCK_TRIES,
        }
    }

    /// Forgets what was verified; counters stay.
    pub(super) fn reset(&mut self) {
        self.pin1.verified = false;
        self.adm1.verified = false;
    }

    /// Whether `access` is granted as things stand.
    pub(super) fn grant(&self, access: Access) -> Result<(), StatusWord> {
        let granted = match access {
            Access::Always => true,
            Access::Pin1 => !self.pin1.enabled || self.pin1.verified,
            Access::Adm1 => self.adm1.verified,
            Access::Never => false,
        };
        if granted { Ok(()) } else { Err(StatusWord::SECURITY_STATUS) }
    }

    /// Whether PIN1 has to be verified.
    pub(super) fn pin1_enabled(&self) -> bool {
        self.pin1.enabled
    }

    /// VERIFY PIN. Without data it asks how many tries remain.
    pub(super) fn verify(&mut self, command: &Command<'_>) -> Reply {
        let pin = match (command.p1, command.p2) {
            (0, PIN1) => &mut self.pin1,
            (0, ADM1) => &mut self.adm1,
            (0, _) => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        if command.data.is_empty() {
            return Err(refusal(pin.tries));
        }
        if !pin.enabled {
            return Err(StatusWord::INVALIDATED);
        }
        pin.verify(exactly(command.data, 8)?)?;
        pin.verified = true;
        Ok(Vec::new())
    }

    /// CHANGE PIN: the old value, then the new one.
    pub(super) fn change(&mut self, command: &Command<'_>) -> Reply {
        let pin = self.pin1_of(command)?;
        if !pin.enabled {
            return Err(StatusWord::INVALIDATED);
        }
        let (old, new) = exactly(command.data, 16)?.split_at(8);
        pin.verify(old)?;
        pin.value.copy_from_slice(new);
        pin.verified = true;
        Ok(Vec::new())
    }

    /// DISABLE PIN.
    pub(super) fn disable(&mut self, command: &Command<'_>) -> Reply {
        self.switch(command, false)
    }

    /// ENABLE PIN.
    pub(super) fn enable(&mut self, command: &Command<'_>) -> Reply {
        self.switch(command, true)
    }

    fn switch(&mut self, command: &Command<'_>, on: bool) -> Reply {
        let pin = self.pin1_of(command)?;
        if pin.enabled == on {
            return Err(StatusWord::INVALIDATED);
        }
        pin.verify(exactly(command.data, 8)?)?;
        pin.enabled = on;
        pin.verified = true;
        Ok(Vec::new())
    }

    /// UNBLOCK PIN: the unblocking code, then the new PIN. Without data it asks how many tries remain.
    pub(super) fn unblock(&mut self, command: &Command<'_>) -> Reply {
        self.pin1_of(command)?;
        if command.data.is_empty() || self.puk1_tries == 0 {
            return Err(refusal(self.puk1_tries));
        }
        let (code, new) = exactly(command.data, 16)?.split_at(8);
        if code != self.puk1 {
            self.puk1_tries -= 1;
            return Err(refusal(self.puk1_tries));
        }
        self.puk1_tries = UNBLOCK_TRIES;
        self.pin1.value.copy_from_slice(new);
        self.pin1.tries = TRIES;
        self.pin1.enabled = true;
        self.pin1.verified = true;
        Ok(Vec::new())
    }

    fn pin1_of(&mut self, command: &Command<'_>) -> Result<&mut Pin, StatusWord> {
        match (command.p1, command.p2) {
            (0, PIN1) => Ok(&mut self.pin1),
            (0, _) => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }
}

fn exactly(data: &[u8], bytes: usize) -> Result<&[u8], StatusWord> {
    if data.len() == bytes { Ok(data) } else { Err(StatusWord::WRONG_LENGTH) }
}
