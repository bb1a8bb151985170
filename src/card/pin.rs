//! PIN codes with their retry counters (ETSI TS 102 221 clauses 9 and 11.1.9 to 11.1.13): those of the holder
//! and the administrative ones. Global codes have one meaning on the whole card, local ones (`8x`) belong to a
//! directory.

use std::sync::Arc;

use super::fs::{Index, ROOT, Tree};
use super::install::refused;
use super::state::{self, PIN, Stored, Writer, damaged, exactly as exact_part};
use super::{CardError, PinCodes, Reply};
use crate::wire::saip::{Attempts, FileKind, Image, PackageError, PeStatusCode};
use crate::wire::{Command, StatusWord, tlv};

/// Key reference of PIN1 (global PIN 1, TS 102 221 table 9.3).
pub(super) const PIN1: u8 = 0x01;
/// Key reference of PIN2 (local PIN 1).
pub(super) const PIN2: u8 = 0x81;
/// Key reference of ADM1.
pub(super) const ADM1: u8 = 0x0a;
/// The bit of a key reference that makes it local.
const LOCAL: u8 = 0x80;

const TRIES: u8 = 3;
const UNBLOCK_TRIES: u8 = 10;

/// A code that unblocks PINs.
#[derive(Clone)]
struct Puk {
    reference: u8,
    value: [u8; 8],
    tries: u8,
    max: u8,
}

#[derive(Clone)]
struct Pin {
    /// The directory that it belongs to.
    owner: Index,
    reference: u8,
    value: [u8; 8],
    enabled: bool,
    tries: u8,
    max: u8,
    /// Place of the PUK among those of the card; administrative codes have none.
    puk: Option<u8>,
    /// Whether the holder may enable and disable it.
    switchable: bool,
    changeable: bool,
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
        self.tries = self.max;
        Ok(())
    }
}

fn refusal(tries: u8) -> StatusWord {
    if tries == 0 { StatusWord::PIN_BLOCKED } else { StatusWord::tries_left(tries) }
}

/// What a server may do with files over the air, instead of what codes open that somebody has given (ETSI TS 102 226
/// clause 8.2.1.3.2.5). What no code opens stays closed to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessDomain {
    /// As if every code had been given.
    Full,
    /// As if ADM1 had.
    Adm1,
    Nothing,
}

impl AccessDomain {
    /// Reads the parameter of an application. Of the mechanism with a bit for each code only ADM1 is understood; other
    /// bits open nothing.
    pub(super) fn parse(parameter: &[u8]) -> Self {
        match parameter {
            [0x00] => Self::Full,
            [0x02, _, adm, ..] if adm & 0x01 != 0 => Self::Adm1,
            _ => Self::Nothing,
        }
    }

    fn grants(self, reference: u8) -> bool {
        match self {
            Self::Full => true,
            Self::Adm1 => reference == ADM1,
            Self::Nothing => false,
        }
    }
}

/// The codes of one profile.
#[derive(Clone)]
pub(super) struct Pins {
    pins: Vec<Pin>,
    puks: Vec<Puk>,
    /// Directories that have the local PINs of another one: theirs, the other.
    shared: Arc<[(Index, Index)]>,
    /// How often a code, a switch or a counter has changed.
    changes: u64,
    /// Whose rights count, while that is not who has given codes to the terminal.
    remote: Option<AccessDomain>,
}

impl Pins {
    pub(super) fn new(codes: &PinCodes) -> Self {
        let puk = |reference, value| Puk { reference, value, tries: UNBLOCK_TRIES, max: UNBLOCK_TRIES };
        let pin = |reference, value, enabled, puk| Pin {
            owner: ROOT,
            reference,
            value,
            enabled,
            tries: TRIES,
            max: TRIES,
            puk,
            switchable: reference == PIN1,
            changeable: true,
            verified: false,
        };
        Self {
            pins: vec![
                pin(PIN1, codes.pin1.0, codes.enabled, Some(0)),
                pin(PIN2, codes.pin2.0, true, Some(1)),
                pin(ADM1, codes.adm1.0, true, None),
            ],
            puks: vec![puk(PIN1, codes.puk1.0), puk(PIN2, codes.puk2.0)],
            ..Self::none()
        }
    }

    /// No codes at all: what is bound to one is not to be had.
    pub(super) fn none() -> Self {
        Self { pins: Vec::new(), puks: Vec::new(), shared: Arc::new([]), changes: 0, remote: None }
    }

    /// The codes of `image`, whose files are checked already. An error names the element whose code cannot be.
    pub(super) fn of_image(image: &Image) -> Result<Self, PackageError> {
        let mut made = Self::none();
        for puk in &image.puks {
            let bad = |cause| refused(puk.element, named(puk.key_reference), cause, PeStatusCode::BAD_VALUES);
            check_attempts(puk.attempts).map_err(bad)?;
            if !matches!(puk.key_reference & !LOCAL, 0x01..=0x08) {
                return Err(bad("a PUK has the key reference 01 to 08 or 81 to 88"));
            }
            if made.puks.iter().any(|other| other.reference == puk.key_reference) {
                return Err(bad("there is another PUK with this key reference"));
            }
            let Attempts { max, left: tries } = puk.attempts;
            made.puks.push(Puk { reference: puk.key_reference, value: puk.value, tries, max });
        }
        let is_directory = |at: usize| matches!(image.files.get(at), Some(file) if matches!(file.kind, FileKind::Directory { .. }));
        for pin in &image.pins {
            let refuse = |cause, status| refused(pin.element, named(pin.key_reference), cause, status);
            let bad = |cause| refuse(cause, PeStatusCode::BAD_VALUES);
            check_attempts(pin.attempts).map_err(bad)?;
            if !matches!(pin.key_reference & !LOCAL, 0x01..=0x08 | 0x0a..=0x0e) {
                return Err(bad("a PIN has the key reference 01 to 08 or 0A to 0E, global or local"));
            }
            if !is_directory(pin.owner) {
                return Err(bad("it belongs to a file that is no directory"));
            }
            let owner = pin.owner as Index;
            let twice = |other: &Pin| {
                other.reference == pin.key_reference
                    && (other.owner == owner || pin.key_reference & LOCAL == 0)
            };
            if made.pins.iter().any(twice) {
                return Err(bad("there is another PIN with this key reference"));
            }
            let missing = "its PUK is not there";
            let place = |reference| made.puks.iter().position(|puk| puk.reference == reference);
            let puk = match pin.puk.map(place) {
                None => None,
                Some(Some(at)) => Some(at as u8),
                Some(None) => return Err(refuse(missing, PeStatusCode::PIN_CODE_MISSING)),
            };
            made.pins.push(Pin {
                owner,
                reference: pin.key_reference,
                value: pin.value,
                enabled: pin.enabled(),
                tries: pin.attempts.left,
                max: pin.attempts.max,
                puk,
                switchable: pin.attributes & 0x04 != 0,
                changeable: pin.attributes & 0x02 != 0,
                verified: false,
            });
        }
        for shared in &image.shared_pins {
            if !is_directory(shared.owner) || !is_directory(shared.with) {
                let cause = "PINs are shared with a file that is no directory";
                return Err(refused(shared.element, "", cause, PeStatusCode::BAD_VALUES));
            }
        }
        let shared = image.shared_pins.iter().map(|shared| (shared.owner as Index, shared.with as Index));
        made.shared = shared.collect();
        Ok(made)
    }

    /// Forgets what was verified; counters stay.
    pub(super) fn reset(&mut self) {
        for pin in &mut self.pins {
            pin.verified = false;
        }
    }

    /// The PIN that `reference` means where `scope` are the directories to look into, the nearest first.
    fn find(&self, reference: u8, scope: &[Index]) -> Option<usize> {
        if reference & LOCAL == 0 {
            return self.pins.iter().position(|pin| pin.reference == reference);
        }
        scope.iter().find_map(|directory| {
            let has = |owner: Index| owner == *directory || self.shared.contains(&(*directory, owner));
            self.pins.iter().position(|pin| pin.reference == reference && has(pin.owner))
        })
    }

    /// Whether what is bound to key `reference` may be done as things stand. What is bound to a key that is not
    /// there may not.
    pub(super) fn granted(&self, reference: u8, scope: &[Index]) -> bool {
        let pin = self.find(reference, scope).map(|at| &self.pins[at]);
        match self.remote {
            None => pin.is_some_and(|pin| !pin.enabled || pin.verified),
            Some(domain) => domain.grants(reference) || pin.is_some_and(|pin| !pin.enabled),
        }
    }

    /// Lets the rights of `domain` count in the place of the codes that were given, until this is called with none.
    pub(super) fn set_remote(&mut self, domain: Option<AccessDomain>) {
        self.remote = domain;
    }

    /// Whether the PIN has to be verified before something is done; `None` if there is none.
    pub(super) fn enabled(&self, reference: u8, scope: &[Index]) -> Option<bool> {
        self.find(reference, scope).map(|at| self.pins[at].enabled)
    }

    /// How many tries remain for a PIN and for what unblocks it; `None` where there is no such code.
    pub(super) fn tries(&self, reference: u8, scope: &[Index]) -> [Option<u8>; 2] {
        let Some(at) = self.find(reference, scope) else { return [None, None] };
        let pin = &self.pins[at];
        [Some(pin.tries), self.puk_of(pin).map(|puk| puk.tries)]
    }

    /// VERIFY PIN. Without data it asks how many tries remain.
    pub(super) fn verify(&mut self, command: &Command<'_>, scope: &[Index]) -> Reply {
        self.counted(command, scope, |pin, _| {
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
    pub(super) fn change(&mut self, command: &Command<'_>, scope: &[Index]) -> Reply {
        self.counted(command, scope, |pin, _| {
            if !pin.changeable {
                return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
            }
            if !pin.enabled {
                return Err(StatusWord::INVALIDATED);
            }
            let (old, new) = exactly(command.data, 16)?.split_at(8);
            check_new(pin.reference, new)?;
            pin.verify(old)?;
            pin.value.copy_from_slice(new);
            pin.verified = true;
            Ok(())
        })
    }

    /// DISABLE PIN.
    pub(super) fn disable(&mut self, command: &Command<'_>, scope: &[Index]) -> Reply {
        self.switch(command, scope, false)
    }

    /// ENABLE PIN.
    pub(super) fn enable(&mut self, command: &Command<'_>, scope: &[Index]) -> Reply {
        self.switch(command, scope, true)
    }

    fn switch(&mut self, command: &Command<'_>, scope: &[Index], on: bool) -> Reply {
        self.counted(command, scope, |pin, _| {
            if !pin.switchable {
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
    pub(super) fn unblock(&mut self, command: &Command<'_>, scope: &[Index]) -> Reply {
        self.counted(command, scope, |pin, puk| {
            let puk = puk.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
            if command.data.is_empty() || puk.tries == 0 {
                return Err(refusal(puk.tries));
            }
            let (code, new) = exactly(command.data, 16)?.split_at(8);
            check_new(pin.reference, new)?;
            if code != puk.value {
                puk.tries -= 1;
                return Err(refusal(puk.tries));
            }
            puk.tries = puk.max;
            pin.value.copy_from_slice(new);
            pin.tries = pin.max;
            pin.enabled = true;
            pin.verified = true;
            Ok(())
        })
    }

    /// Does something with the PIN that P2 names and with its PUK, and notes whether that changed what outlives
    /// the power.
    fn counted(
        &mut self,
        command: &Command<'_>,
        scope: &[Index],
        run: impl FnOnce(&mut Pin, Option<&mut Puk>) -> Result<(), StatusWord>,
    ) -> Reply {
        if command.p1 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let at = self.find(command.p2, scope).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let pin = &mut self.pins[at];
        let mut puk = pin.puk.and_then(|at| self.puks.get_mut(usize::from(at)));
        let kept =
            |pin: &Pin, puk: Option<&Puk>| (pin.value, pin.enabled, pin.tries, puk.map(|puk| puk.tries));
        let before = kept(pin, puk.as_deref());
        let result = run(pin, puk.as_deref_mut());
        self.changes += u64::from(kept(pin, puk.as_deref()) != before);
        result.map(|()| Vec::new())
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    fn puk_of(&self, pin: &Pin) -> Option<&Puk> {
        pin.puk.and_then(|at| self.puks.get(usize::from(at)))
    }

    /// Writes down the codes, by their key references and the paths of the directories that they belong to.
    pub(super) fn save(&self, tree: &Tree, out: &mut Writer) {
        for pin in &self.pins {
            let counters = [u8::from(pin.enabled), pin.tries, self.puk_of(pin).map_or(0, |puk| puk.tries)];
            out.put_parts(PIN, &[&[pin.reference], &pin.value, &counters, &tree.path(pin.owner)]);
        }
    }

    /// The codes as they were stored; none is verified.
    pub(super) fn restored(&self, tree: &Tree, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        restored.reset();
        for body in stored.all(PIN) {
            let [reference, value, counters] = state::parts(body)?;
            // The first version of the format knew no directories: all codes belonged to the MF.
            let owner = tlv::find(body, 0x83).unwrap_or_default();
            let owner = tree.at_path(owner);
            let at =
                restored.pins.iter().position(|pin| reference == [pin.reference] && Some(pin.owner) == owner);
            let at = at.ok_or(damaged("it has a PIN that this card does not know"))?;
            let pin = &mut restored.pins[at];
            let [enabled, tries, unblock_tries] = exact_part(counters)?;
            let puk = pin.puk.and_then(|at| restored.puks.get_mut(usize::from(at)));
            if enabled > 1 || tries > pin.max || unblock_tries > puk.as_ref().map_or(0, |puk| puk.max) {
                return Err(damaged("a counter of a PIN is out of range"));
            }
            (pin.value, pin.enabled, pin.tries) = (exact_part(value)?, enabled == 1, tries);
            if let Some(puk) = puk {
                puk.tries = unblock_tries;
            }
        }
        Ok(restored)
    }
}

fn named(key_reference: u8) -> String {
    format!("key reference {key_reference:02X}")
}

/// Refuses what no holder could give as a PIN: it has 4 to 8 digits in the alphabet of ITU-T T.50, filled up with `FF`
/// (3GPP TS 51.011 clause 9.3). An administrative code may be anything.
fn check_new(reference: u8, value: &[u8]) -> Result<(), StatusWord> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let filled = value.iter().skip(digits).all(|byte| *byte == 0xff);
    match reference & !LOCAL {
        0x01..=0x08 if digits < 4 || !filled => Err(StatusWord::INCORRECT_DATA),
        _ => Ok(()),
    }
}

fn check_attempts(attempts: Attempts) -> Result<(), &'static str> {
    match attempts {
        Attempts { max: 1..=15, left } if left <= attempts.max => Ok(()),
        _ => Err("it may be given 1 to 15 times, and what is left is no more than that"),
    }
}

fn exactly(data: &[u8], bytes: usize) -> Result<&[u8], StatusWord> {
    if data.len() == bytes { Ok(data) } else { Err(StatusWord::WRONG_LENGTH) }
}
