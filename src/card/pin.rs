//! PIN codes with their retry counters (ETSI TS 102 221 clauses 9 and 11.1.9 to 11.1.13): PIN1, which the
//! holder may disable, PIN2, and ADM1, the administrative code.

use super::state::{PIN, Stored, Writer, damaged, exactly as exact_part};
use super::{CardError, PinCodes, Reply};
use crate::wire::{Command, StatusWord};

/// Key reference of PIN1 (global PIN 1, TS 102 221 table 9.3).
pub(super) const PIN1: u8 = 0x01;
/// Key reference of PIN2 (local PIN 1).
pub(super) const PIN2: u8 = 0x81;
/// Key reference of ADM1.
pub(super) const ADM1: u8 = 0x0a;

const TRIES: u8 = 3;
const UNBLOCK_TRIES: u8 = 10;

/// The code that unblocks a PIN.
#[derive(Clone)]
struct Unblock {
    value: [u8; 8],
    tries: u8,
}

#[derive(Clone)]
struct Pin {
    reference: u8,
    value: [u8; 8],
    enabled: bool,
    tries: u8,
    /// ADM1 has none.
    unblock: Option<Unblock>,
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
#[derive(Clone)]
pub(super) struct Pins {
    pins: [Pin; 3],
    /// How often a code, a switch or a counter has changed.
    changes: u64,
}

impl Pins {
    pub(super) fn new(codes: &PinCodes) -> Self {
        let pin = |reference, value, enabled, unblock: Option<[u8; 8]>| {
            let unblock = unblock.map(|value| Unblock { value, tries: UNBLOCK_TRIES });
            Pin { reference, value, enabled, tries: TRIES, unblock, verified: false }
        };
        let pins = [
            pin(PIN1, codes.pin1.0, codes.enabled, Some(codes.puk1.0)),
            pin(PIN2, codes.pin2.0, true, Some(codes.puk2.0)),
            pin(ADM1, codes.adm1.0, true, None),
        ];
        Self { pins, changes: 0 }
    }

    /// Forgets what was verified; counters stay.
    pub(super) fn reset(&mut self) {
        for pin in &mut self.pins {
            pin.verified = false;
        }
    }

    /// Whether what is bound to key `reference` may be done as things stand.
    pub(super) fn granted(&self, reference: u8) -> bool {
        let pin = self.pins.iter().find(|pin| pin.reference == reference);
        pin.is_some_and(|pin| !pin.enabled || pin.verified)
    }

    /// Whether PIN1 has to be verified.
    pub(super) fn pin1_enabled(&self) -> bool {
        self.pins[0].enabled
    }

    /// How many tries remain for a PIN and for what unblocks it.
    pub(super) fn tries(&self, reference: u8) -> [u8; 2] {
        let pin = self.pins.iter().find(|pin| pin.reference == reference);
        pin.map_or([0, 0], |pin| [pin.tries, pin.unblock.as_ref().map_or(0, |unblock| unblock.tries)])
    }

    /// VERIFY PIN. Without data it asks how many tries remain.
    pub(super) fn verify(&mut self, command: &Command<'_>) -> Reply {
        self.counted(command, |pin| {
            if command.data.is_empty() {
                return Err(refusal(pin.tries));
            }
            if !pin.enabled {
                return Err(StatusWord::INVALIDATED);
            }
            pin.verify(exactly(command.data, 8)?)?;
            pin.verified = true;
            Ok(())
        })
    }

    /// CHANGE PIN: the old value, then the new one.
    pub(super) fn change(&mut self, command: &Command<'_>) -> Reply {
        self.counted(command, |pin| {
            if !pin.enabled {
                return Err(StatusWord::INVALIDATED);
            }
            let (old, new) = exactly(command.data, 16)?.split_at(8);
            pin.verify(old)?;
            pin.value.copy_from_slice(new);
            pin.verified = true;
            Ok(())
        })
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
        self.counted(command, |pin| {
            if pin.reference != PIN1 {
                return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
            }
            if pin.enabled == on {
                return Err(StatusWord::INVALIDATED);
            }
            pin.verify(exactly(command.data, 8)?)?;
            pin.enabled = on;
            pin.verified = true;
            Ok(())
        })
    }

    /// UNBLOCK PIN: the unblocking code, then the new PIN. Without data it asks how many tries remain.
    pub(super) fn unblock(&mut self, command: &Command<'_>) -> Reply {
        self.counted(command, |pin| {
            let unblock = pin.unblock.as_mut().ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
            if command.data.is_empty() || unblock.tries == 0 {
                return Err(refusal(unblock.tries));
            }
            let (code, new) = exactly(command.data, 16)?.split_at(8);
            if code != unblock.value {
                unblock.tries -= 1;
                return Err(refusal(unblock.tries));
            }
            unblock.tries = UNBLOCK_TRIES;
            pin.value.copy_from_slice(new);
            pin.tries = TRIES;
            pin.enabled = true;
            pin.verified = true;
            Ok(())
        })
    }

    /// Does something with the PIN that P2 names, and notes whether that changed what outlives the power.
    fn counted(
        &mut self,
        command: &Command<'_>,
        run: impl FnOnce(&mut Pin) -> Result<(), StatusWord>,
    ) -> Reply {
        if command.p1 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let pin = self.pins.iter_mut().find(|pin| pin.reference == command.p2);
        let pin = pin.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let kept = |pin: &Pin| (pin.value, pin.enabled, pin.tries, pin.unblock.as_ref().map(|u| u.tries));
        let before = kept(pin);
        let result = run(pin);
        self.changes += u64::from(kept(pin) != before);
        result.map(|()| Vec::new())
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn save(&self, out: &mut Writer) {
        for pin in &self.pins {
            let unblock_tries = pin.unblock.as_ref().map_or(0, |unblock| unblock.tries);
            let counters = [u8::from(pin.enabled), pin.tries, unblock_tries];
            out.put_parts(PIN, &[&[pin.reference], &pin.value, &counters]);
        }
    }

    /// The codes as they were stored; none is verified.
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        restored.reset();
        for parts in stored.all_parts::<3>(PIN) {
            let [reference, value, counters] = parts?;
            let pin = restored.pins.iter_mut().find(|pin| reference == [pin.reference]);
            let pin = pin.ok_or(damaged("it has a PIN that this card does not know"))?;
            let [enabled, tries, unblock_tries] = exact_part(counters)?;
            if enabled > 1 || tries > TRIES || unblock_tries > UNBLOCK_TRIES {
                return Err(damaged("a counter of a PIN is out of range"));
            }
            (pin.value, pin.enabled, pin.tries) = (exact_part(value)?, enabled == 1, tries);
            if let Some(unblock) = &mut pin.unblock {
                unblock.tries = unblock_tries;
            }
        }
        Ok(restored)
    }
}

fn exactly(data: &[u8], bytes: usize) -> Result<&[u8], StatusWord> {
    if data.len() == bytes { Ok(data) } else { Err(StatusWord::WRONG_LENGTH) }
}
