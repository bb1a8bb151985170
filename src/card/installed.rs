//! A profile as it is installed on the card: what belongs to one subscriber. A plain card has one for ever; an
//! eUICC has several, of which one at most is enabled (GSMA SGP.22 clause 2.4.5).

use rand_chacha::ChaCha20Rng;

use super::fs::{Directory, FileSystem, ISIM_AID, Position, USIM_AID};
use super::iot_safe::{self, Applet};
use super::pin::Pins;
use super::state::{ICCID, Stored, Writer};
use super::suci::Concealer;
use super::usim::Usim;
use super::{CardError, OnOp, Personalisation};
use crate::id::Iccid;
use crate::sim::RngTree;

/// The stream that ephemeral keys of concealed identities come from.
const SUCI_STREAM: &str = "usim/suci";

/// An application of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfileApplication {
    Usim,
    Isim,
    IotSafe,
}

impl ProfileApplication {
    /// The directory of an application that has files.
    pub(super) fn directory(self) -> Option<Directory> {
        match self {
            Self::Usim => Some(Directory::Usim),
            Self::Isim => Some(Directory::Isim),
            Self::IotSafe => None,
        }
    }

    pub(super) fn aid(self) -> &'static [u8] {
        match self {
            Self::Usim => &USIM_AID,
            Self::Isim => &ISIM_AID,
            Self::IotSafe => &iot_safe::AID_GSMA,
        }
    }
}

/// The applications of a personalised card. The applet answers to the AIDs that clients in the field know it by.
const APPLICATIONS: &[(&[u8], ProfileApplication)] = &[
    (&USIM_AID, ProfileApplication::Usim),
    (&ISIM_AID, ProfileApplication::Isim),
    (&iot_safe::AID_GSMA, ProfileApplication::IotSafe),
    (&iot_safe::AID_THALES, ProfileApplication::IotSafe),
    (&iot_safe::AID_CIRA, ProfileApplication::IotSafe),
];

/// The subscriber's part of a card: files, PIN codes, keys and the applet.
pub struct InstalledProfile {
    /// `None` for the profile that stands for none.
    iccid: Option<Iccid>,
    pub(super) files: FileSystem,
    pub(super) pins: Pins,
    pub(super) usim: Option<Usim>,
    pub(super) concealer: Option<Concealer>,
    pub(super) suci_stream: Option<Box<ChaCha20Rng>>,
    /// How many identities were concealed.
    pub(super) identities: u64,
    pub(super) applet: Option<Applet>,
}

impl InstalledProfile {
    /// The profile of a card that is personalised with `p`. Its keys and random numbers come from `rng`, which is
    /// this profile's alone; `trust_anchor` is the DER certificate that the applet is delivered with.
    pub fn personalised(p: &Personalisation, rng: &RngTree, trust_anchor: &[u8]) -> Result<Self, CardError> {
        Ok(Self {
            iccid: Some(p.iccid.clone()),
            files: FileSystem::new(p),
            pins: Pins::new(&p.pin),
            usim: Some(Usim::new(p)?),
            concealer: Concealer::new(p),
            suci_stream: Some(Box::new(rng.stream(SUCI_STREAM))),
            identities: 0,
            applet: Some(Applet::new(rng, trust_anchor, p.pre_shared_key)?),
        })
    }

    /// What a card shows that has no enabled profile: an MF with EF.DIR that lists nothing, EF.PL and EF.ARR.
    pub(super) fn none() -> Self {
        Self {
            iccid: None,
            files: FileSystem::bare(),
            pins: Pins::none(),
            usim: None,
            concealer: None,
            suci_stream: None,
            identities: 0,
            applet: None,
        }
    }

    /// Whether this is a profile, and not what stands for none.
    pub(super) fn is_some(&self) -> bool {
        self.iccid.is_some()
    }

    /// The applications with the AIDs that select them, in the order in which partial AIDs find them.
    pub(super) fn applications(&self) -> &'static [(&'static [u8], ProfileApplication)] {
        if self.is_some() { APPLICATIONS } else { &[] }
    }

    pub(super) fn set_tally(&mut self, on_op: OnOp) {
        if let Some(applet) = &mut self.applet {
            applet.set_tally(on_op);
        }
    }

    /// Forgets what does not outlive the power.
    pub(super) fn reset(&mut self) {
        self.pins.reset();
        if let Some(applet) = &mut self.applet {
            applet.reset();
        }
    }

    /// Ends what applets have begun on `channel`.
    pub(super) fn end_sessions(&mut self, channel: usize) {
        if let Some(applet) = &mut self.applet {
            applet.end_sessions(channel);
        }
    }

    /// Counts the changes of what [`save`](Self::save) writes down.
    pub(super) fn changes(&self) -> u64 {
        let usim = self.usim.as_ref().map_or(0, |usim| usim.sqn().changes());
        let applet = self.applet.as_ref().map_or(0, Applet::changes);
        self.pins.changes() + usim + self.files.changes() + applet + self.identities
    }

    fn iccid_digits(&self) -> &str {
        self.iccid.as_ref().map_or("", |iccid| iccid.as_str())
    }

    /// Writes down what has changed since the profile was installed, and how far its random numbers were drawn.
    pub(super) fn save(&self, out: &mut Writer) {
        out.put(ICCID, self.iccid_digits().as_bytes());
        self.pins.save(out);
        if let Some(usim) = &self.usim {
            usim.sqn().save(out);
        }
        self.files.save(out);
        if let Some(applet) = &self.applet {
            applet.save(out);
        }
        if let Some(stream) = &self.suci_stream {
            out.put_stream(SUCI_STREAM, stream);
        }
    }

    /// Makes this profile, installed from the same source, what another was when it was saved. A state that is
    /// damaged or of another profile is refused and changes nothing.
    pub(super) fn restore(&mut self, stored: Stored<'_>) -> Result<(), CardError> {
        let found = stored.all(ICCID).next().unwrap_or_default();
        if found != self.iccid_digits().as_bytes() {
            let found = String::from_utf8_lossy(found).into_owned();
            return Err(CardError::StateForeign { found, card: self.iccid_digits().to_owned() });
        }
        let pins = self.pins.restored(stored)?;
        let sqn = self.usim.as_ref().map(|usim| usim.sqn().restored(stored)).transpose()?;
        let files = self.files.restored(stored)?;
        let applet = self.applet.as_ref().map(|applet| applet.restored(stored)).transpose()?;
        let mut suci_stream = self.suci_stream.clone();
        if let Some(stream) = &mut suci_stream {
            stored.forward(SUCI_STREAM, stream)?;
        }
        (self.pins, self.files, self.suci_stream) = (pins, files, suci_stream);
        if let (Some(usim), Some(sqn)) = (&mut self.usim, sqn) {
            usim.set_sqn(sqn);
        }
        if let (Some(applet), Some(restored)) = (&mut self.applet, applet) {
            applet.assume(restored);
        }
        Ok(())
    }

    /// The private scalars that the applet holds, for tests that look for them in what the card says.
    #[cfg(test)]
    pub(super) fn private_scalars(&self) -> Vec<Vec<u8>> {
        self.applet.as_ref().map(Applet::private_scalars).unwrap_or_default()
    }
}
