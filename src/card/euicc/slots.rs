//! The profiles on the eUICC.

use super::super::{CardError, InstalledProfile};
use super::package::{self, Made};
use super::{Delivered, Euicc};
use crate::wire::bcd::iccid_digits;
use crate::wire::rsp::{IccidBytes, ProfileClass, ProfileMetadata};
use crate::wire::saip::PackageError;

/// AID of an ISD-P.
pub(super) type Aid = [u8; 16];

/// Bytes that a personalised profile counts for, since it has no package.
const PERSONALISED_BYTES: usize = 16 * 1024;

/// A profile in its ISD-P.
pub(super) struct Slot {
    pub(super) aid: Aid,
    pub(super) metadata: ProfileMetadata,
    pub(super) nickname: Option<String>,
    /// The fields of `dpProprietaryData`.
    pub(super) proprietary: Option<Vec<u8>>,
    pub(super) source: Source,
    /// Whether it came over ES8+, and not from the factory.
    pub(super) downloaded: bool,
    /// Whether its metadata allows the fallback attribute of SGP.32.
    pub(super) fallback_allowed: bool,
    /// None while it is enabled: then the card has it. None as well where it is [unusable](Self::unusable).
    pub(super) profile: Option<Box<InstalledProfile>>,
    /// Where this program cannot make the profile that a state holds.
    pub(super) unusable: Option<Unusable>,
}

/// A profile of a state that this program cannot make: a later version refuses its package, or understands what was
/// kept of it otherwise. It stays on the eUICC, for a program that can, or to be deleted.
#[derive(Clone)]
pub(super) struct Unusable {
    /// Why.
    pub(super) cause: CardError,
    /// What was kept of it, to be kept again.
    pub(super) state: Vec<u8>,
}

/// What a profile can be made from again.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Place among the profiles that the card is delivered with.
    Delivered(usize),
    /// The package, and the how-manieth that was ever installed.
    Package { number: u64, package: Vec<u8> },
}

impl Slot {
    pub(super) fn bytes(&self) -> usize {
        match &self.source {
            Source::Delivered(_) => PERSONALISED_BYTES,
            Source::Package { package, .. } => package.len(),
        }
    }
}

/// What is said of an installed profile to the owner of the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledInfo {
    /// AID of its ISD-P.
    pub aid: [u8; 16],
    /// Digits.
    pub iccid: String,
    /// The name that its metadata have.
    pub name: String,
    /// Whether it is for tests, for provisioning or operational.
    pub class: ProfileClass,
    /// Whether it is the one that is enabled.
    pub enabled: bool,
}

impl Euicc {
    /// The ICCIDs of profiles that are kept and cannot be used, each with the reason.
    pub(super) fn unusable(&self) -> Vec<(String, CardError)> {
        let named = |slot: &Slot| {
            slot.unusable.as_ref().map(|unusable| (digits(&slot.metadata.iccid), unusable.cause.clone()))
        };
        self.memory.slots.iter().filter_map(named).collect()
    }

    pub(super) fn installed(&self) -> Vec<InstalledInfo> {
        let info = |slot: &Slot| InstalledInfo {
            aid: slot.aid,
            iccid: digits(&slot.metadata.iccid),
            name: slot.metadata.name.clone(),
            class: slot.metadata.class,
            enabled: self.memory.enabled == Some(slot.aid),
        };
        self.memory.slots.iter().map(info).collect()
    }

    /// Makes a profile from a package, the `number`th that was ever installed: it has random numbers of its own.
    pub(super) fn made_from(&self, package: &[u8], number: u64) -> Result<Made, PackageError> {
        let rng = self.rng.branch("profile").branch(number);
        package::install(package, &rng, &self.config.trust_anchor)
    }

    /// Puts a profile on the eUICC before it leaves the factory.
    pub(super) fn deliver(&mut self, delivered: Delivered) -> Result<(), CardError> {
        let metadata = match &delivered {
            Delivered::Personalised { metadata, .. } | Delivered::Package { metadata, .. } => {
                metadata.clone()
            }
        };
        let wrong = |what| CardError::Euicc { what };
        if self.memory.slots.iter().any(|slot| slot.metadata.iccid == metadata.iccid) {
            return Err(wrong("two of the profiles that it is delivered with have one ICCID"));
        }
        let (source, profile) = match delivered {
            Delivered::Personalised { .. } => {
                let place = self.delivered.len();
                self.delivered.push(delivered);
                (Source::Delivered(place), self.delivered_profile(place)?)
            }
            Delivered::Package { package, .. } => {
                let number = self.memory.installs + 1;
                let made = self.made_from(&package, number).map_err(CardError::Package)?;
                if made.iccid != metadata.iccid {
                    return Err(wrong("the ICCID of a profile package is not that of its metadata"));
                }
                self.memory.installs = number;
                (Source::Package { number, package }, made.profile)
            }
        };
        if profile.iccid() != Some(metadata.iccid) {
            return Err(wrong("the ICCID of a profile is not that of its metadata"));
        }
        let aid = self.memory.free_aid();
        let profile = Some(Box::new(profile));
        self.memory.slots.push(Slot {
            aid,
            metadata,
            nickname: None,
            proprietary: None,
            source,
            downloaded: false,
            fallback_allowed: true,
            profile,
            unusable: None,
        });
        Ok(())
    }

    /// Makes the personalised profile at `place` anew. It has the keys and random numbers of the plain card.
    pub(super) fn delivered_profile(&self, place: usize) -> Result<InstalledProfile, CardError> {
        match self.delivered.get(place) {
            Some(Delivered::Personalised { personalisation, trust_anchor, .. }) => {
                InstalledProfile::personalised(personalisation, &self.rng, trust_anchor)
            }
            _ => Err(super::super::state::damaged("it has a profile that the card was not delivered with")),
        }
    }

    /// Makes the profile of `source` as it was when it was installed.
    pub(super) fn made_again(&self, source: &Source) -> Result<InstalledProfile, CardError> {
        match source {
            Source::Delivered(place) => self.delivered_profile(*place),
            Source::Package { number, package } => {
                self.made_from(package, *number).map(|made| made.profile).map_err(CardError::Package)
            }
        }
    }
}

/// The digits of an ICCID; its bytes where they are none.
pub(super) fn digits(iccid: &IccidBytes) -> String {
    iccid_digits(iccid).unwrap_or_else(|| hex::encode_upper(iccid))
}
