//! The instructions of the file system, the PIN codes and the USIM (ETSI TS 102 221 clause 11.1; 3GPP TS 31.102
//! clause 7): what a logical channel does with the enabled profile.

use super::Reply;
use super::fs::{FileSystem, Index, Position};
use super::installed::{InstalledProfile, ProfileApplication};
use super::ota;
use super::pin::Pins;
use super::suci::Concealer;
use super::uicc::{Application, Selection, Uicc};
use crate::wire::{Command, StatusWord, tlv};

/// 3GPP application codes (TS 101 220 annex E).
pub(super) const USIM: u16 = 0x1002;
const ISIM: u16 = 0x1004;

/// An instruction outside applets and the applications of the platform.
pub(super) struct Instruction {
    pub(super) code: u8,
    /// Class bytes without channel: `00` (ISO/IEC 7816-4) or `80` (TS 102 221).
    pub(super) class: u8,
    pub(super) run: Run,
}

/// Who does an instruction.
pub(super) enum Run {
    /// The enabled profile, for what is selected on the channel of the command.
    Profile(fn(&mut InstalledProfile, &mut Selection, &Command<'_>) -> Reply),
    Card(fn(&mut Uicc, &Command<'_>) -> Reply),
}

const fn iso(code: u8, run: fn(&mut InstalledProfile, &mut Selection, &Command<'_>) -> Reply) -> Instruction {
    Instruction { code, class: 0x00, run: Run::Profile(run) }
}

const fn etsi(
    code: u8,
    run: fn(&mut InstalledProfile, &mut Selection, &Command<'_>) -> Reply,
) -> Instruction {
    Instruction { code, class: 0x80, run: Run::Profile(run) }
}

const fn toolkit(code: u8, run: fn(&mut Uicc, &Command<'_>) -> Reply) -> Instruction {
    Instruction { code, class: 0x80, run: Run::Card(run) }
}

/// TERMINAL RESPONSE, in class 80 and in that of a SIM.
pub(super) const TERMINAL_RESPONSE: u8 = 0x14;

/// What the card can do outside applets. SELECT, MANAGE CHANNEL and GET RESPONSE work everywhere.
pub(super) static INSTRUCTIONS: &[Instruction] = &[
    iso(0xb0, |profile, at, c| profile.read(at, c, FileSystem::read_binary)),
    iso(0xd6, |profile, at, c| profile.update(at, c, FileSystem::update_binary)),
    iso(0xb2, |profile, at, c| profile.read(at, c, FileSystem::read_record)),
    iso(0xdc, |profile, at, c| profile.update(at, c, FileSystem::update_record)),
    iso(0xa2, |profile, at, c| profile.read(at, c, FileSystem::search_record)),
    etsi(0x32, |profile, at, c| profile.update(at, c, FileSystem::increase)),
    etsi(0xf2, InstalledProfile::status),
    iso(0x20, |profile, at, c| profile.with_pins(at, c, Pins::verify)),
    iso(0x24, |profile, at, c| profile.with_pins(at, c, Pins::change)),
    iso(0x26, |profile, at, c| profile.with_pins(at, c, Pins::disable)),
    iso(0x28, |profile, at, c| profile.with_pins(at, c, Pins::enable)),
    iso(0x2c, |profile, at, c| profile.with_pins(at, c, Pins::unblock)),
    iso(0x88, InstalledProfile::authenticate),
    etsi(0x78, InstalledProfile::get_identity),
    toolkit(0x10, |card, c| card.toolkit.terminal_profile(c)),
    toolkit(0x12, |card, c| card.toolkit.fetch(c)),
    toolkit(TERMINAL_RESPONSE, terminal_response),
    toolkit(0xc2, ota::envelope),
    toolkit(0xaa, terminal_capability),
];

impl Selection {
    /// The ADF of the application of the profile that has files.
    fn adf(&self) -> Option<Index> {
        match self.application {
            Some(Application::OfProfile(ProfileApplication::Adf(adf))) => Some(adf),
            Some(_) | None => None,
        }
    }
}

impl InstalledProfile {
    /// SELECT by identifier or path. An application with files stays active, another one is left.
    pub(super) fn find(&self, from: &Selection, c: &Command<'_>) -> Result<Selection, StatusWord> {
        let position = self.files.find(&from.position, c.p1, c.data)?;
        let application = from.adf().map(|adf| Application::OfProfile(ProfileApplication::Adf(adf)));
        Ok(Selection { application, position })
    }

    /// The answer to SELECT.
    pub(super) fn fcp(&self, at: &Selection) -> Vec<u8> {
        self.files.fcp(&at.position, &self.pins)
    }

    /// STATUS (TS 102 221 clause 11.1.2): the FCP of the current directory, the AID of the application, or
    /// nothing.
    fn status(&mut self, at: &mut Selection, c: &Command<'_>) -> Reply {
        match (c.p1, c.p2) {
            (0x00..=0x02, 0x00) => Ok(self.files.directory_fcp(&at.position, &self.pins)),
            (0x00..=0x02, 0x01) => {
                let aid = at.adf().and_then(|adf| self.files.aid(adf));
                let aid = aid.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
                Ok([&[0x84, aid.len() as u8][..], aid].concat())
            }
            (0x00..=0x02, 0x0c) => Ok(Vec::new()),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn authenticate(&mut self, at: &mut Selection, c: &Command<'_>) -> Reply {
        let adf = at.adf().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        self.application_pin(&at.position, adf)?;
        self.subscribers.authenticate(adf, self.files.application_code(adf) == Some(ISIM), c)
    }

    /// Refuses what the PIN of an application guards. An application that names none is open; one whose PIN has no code
    /// is closed, since nobody can give it.
    pub(super) fn application_pin(&self, at: &Position, adf: Index) -> Result<(), StatusWord> {
        let scope = self.files.scope(at);
        match self.files.application_pin(adf) {
            Some(pin) if !self.pins.granted(pin, &scope) => Err(StatusWord::SECURITY_STATUS),
            _ => Ok(()),
        }
    }

    /// GET IDENTITY in the SUCI context (TS 31.102 clause 7.5), where the profile leaves the SUCI to the card.
    fn get_identity(&mut self, at: &mut Selection, c: &Command<'_>) -> Reply {
        let adf = at.adf().filter(|adf| self.files.application_code(*adf) == Some(USIM));
        let adf = adf.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if (c.p1, c.p2) != (0x00, 0x01) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        self.application_pin(&at.position, adf)?;
        let of_files = match &self.concealer {
            Some(_) => None,
            None => Concealer::of_files(&self.files, adf),
        };
        let concealer = self.concealer.as_ref().or(of_files.as_ref());
        let (Some(concealer), Some(stream)) = (concealer, &mut self.suci_stream) else {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        let suci = concealer.suci(stream).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
        self.identities += 1;
        let mut out = Vec::with_capacity(suci.len() + 2);
        tlv::push(&mut out, 0xa1, &suci);
        Ok(out)
    }

    /// Whether a USIM leaves the SUCI to the card, which can make none of what its files say.
    pub(super) fn lacks_suci(&self) -> bool {
        let usims = self.files.tree().applications().map(|(_, adf)| adf);
        usims.filter(|adf| self.files.application_code(*adf) == Some(USIM)).any(|adf| {
            Concealer::is_wanted(&self.files, adf) && Concealer::of_files(&self.files, adf).is_none()
        })
    }

    fn read(
        &mut self,
        at: &mut Selection,
        c: &Command<'_>,
        run: fn(&FileSystem, &mut Position, &Pins, &Command<'_>) -> Reply,
    ) -> Reply {
        run(&self.files, &mut at.position, &self.pins, c)
    }

    fn with_pins(
        &mut self,
        at: &mut Selection,
        c: &Command<'_>,
        run: fn(&mut Pins, &Command<'_>, &[Index]) -> Reply,
    ) -> Reply {
        run(&mut self.pins, c, &self.files.scope(&at.position))
    }

    fn update(
        &mut self,
        at: &mut Selection,
        c: &Command<'_>,
        run: fn(&mut FileSystem, &mut Position, &Pins, &Command<'_>) -> Reply,
    ) -> Reply {
        run(&mut self.files, &mut at.position, &self.pins, c)
    }
}

/// TERMINAL RESPONSE. A change of profile that REFRESH announced happens now, where the terminal has done it.
fn terminal_response(card: &mut Uicc, c: &Command<'_>) -> Reply {
    let data = card.toolkit.terminal_response(c)?;
    card.refreshed();
    Ok(data)
}

/// TERMINAL CAPABILITY (TS 102 221 clause 11.1.19): a template A9. What the terminal can do makes no difference
/// here.
fn terminal_capability(_: &mut Uicc, c: &Command<'_>) -> Reply {
    if (c.p1, c.p2) != (0, 0) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    tlv::find(c.data, 0xa9).map(|_| Vec::new()).map_err(|_| StatusWord::INCORRECT_DATA)
}
