//! A profile as it is installed on the card: what belongs to one subscriber. A plain card has one for ever; an
//! eUICC has several, of which one at most is enabled (GSMA SGP.22 clause 2.4.5).

use std::borrow::Cow;

use rand_chacha::ChaCha20Rng;

use super::fs::personal::iccid;
use super::fs::{FileSystem, Index};
use super::iot_safe::{self, Applet};
use super::ota::Administration;
use super::pin::Pins;
use super::state::{ICCID, Stored, Writer};
use super::suci::Concealer;
use super::usim::Subscribers;
use super::{CardError, OnOp, Personalisation};
use crate::kernel::RngTree;
use crate::wire::bcd;

/// The stream that ephemeral keys of concealed identities come from.
const SUCI_STREAM: &str = "usim/suci";

/// An application of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfileApplication {
    /// One that has files: USIM, ISIM or another one, by the place of its ADF.
    Adf(Index),
    IotSafe,
}

/// The IoT SAFE applet with the AIDs that select it.
pub(super) struct AppletInstance {
    pub(super) applet: Applet,
    pub(super) aids: Vec<Cow<'static, [u8]>>,
}

/// The subscriber's part of a card: files, PIN codes, keys and the applet.
pub struct InstalledProfile {
    /// As in EF.ICCID; `None` for the profile that stands for none.
    iccid: Option<[u8; 10]>,
    pub(super) files: FileSystem,
    pub(super) pins: Pins,
    pub(super) subscribers: Subscribers,
    /// Conceals the identity of a personalised card. A package says in files how that is done.
    pub(super) concealer: Option<Concealer>,
    pub(super) suci_stream: Option<Box<ChaCha20Rng>>,
    /// How many identities were concealed.
    pub(super) identities: u64,
    pub(super) applet: Option<AppletInstance>,
    /// What is reached over the air, and with which keys.
    pub(super) administration: Administration,
    /// AIDs of applications that are stored and not run.
    stored: Vec<Vec<u8>>,
}

impl InstalledProfile {
    /// The profile of a card that is personalised with `p`. Its keys and random numbers come from `rng`, which is
    /// this profile's alone; `trust_anchor` is the DER certificate that the applet is delivered with.
    pub fn personalised(p: &Personalisation, rng: &RngTree, trust_anchor: &[u8]) -> Result<Self, CardError> {
        let files = FileSystem::personalised(p);
        let adfs = files.tree().applications().map(|(_, adf)| adf).collect();
        let mut digits = [0xff; 10];
        digits.copy_from_slice(&iccid(p).unwrap_or_default());
        // The applet answers to the AIDs that clients in the field know it by.
        let known: [&'static [u8]; 3] = [&iot_safe::AID_GSMA, &iot_safe::AID_THALES, &iot_safe::AID_CIRA];
        let applet = Applet::new(rng, trust_anchor, p.pre_shared_key)?;
        let applet = AppletInstance { applet, aids: known.map(Cow::Borrowed).to_vec() };
        let subscribers = Subscribers::personalised(p, adfs)?;
        let made = Self::new(digits, files, Pins::new(&p.pin), subscribers, Some(applet), rng);
        let administration = p.ota.as_ref().map(|keys| Administration::personalised(keys, made.files.tree()));
        let administration = administration.unwrap_or_default();
        Ok(Self { concealer: Concealer::new(p), administration, ..made })
    }

    pub(super) fn new(
        iccid: [u8; 10],
        files: FileSystem,
        pins: Pins,
        subscribers: Subscribers,
        applet: Option<AppletInstance>,
        rng: &RngTree,
    ) -> Self {
        Self {
            iccid: Some(iccid),
            files,
            pins,
            subscribers,
            suci_stream: Some(Box::new(rng.stream(SUCI_STREAM))),
            applet,
            ..Self::none()
        }
    }

    pub(super) fn with_stored(self, stored: Vec<Vec<u8>>, administration: Administration) -> Self {
        Self { stored, administration, ..self }
    }

    /// What a card shows that has no enabled profile: an MF with EF.DIR that lists nothing, EF.PL and EF.ARR.
    pub(super) fn none() -> Self {
        Self {
            iccid: None,
            files: FileSystem::bare(),
            pins: Pins::none(),
            subscribers: Subscribers::default(),
            concealer: None,
            suci_stream: None,
            identities: 0,
            applet: None,
            administration: Administration::default(),
            stored: Vec::new(),
        }
    }

    /// Whether this is a profile, and not what stands for none.
    pub(super) fn is_some(&self) -> bool {
        self.iccid.is_some()
    }

    /// The ICCID as in EF.ICCID: digits as swapped nibbles, filled up with `F`.
    pub fn iccid(&self) -> Option<[u8; 10]> {
        self.iccid
    }

    /// AIDs of the applications that came with the profile and that the card stores and does not run.
    pub fn stored_applications(&self) -> &[Vec<u8>] {
        &self.stored
    }

    /// The applications with the AIDs that select them, in the order in which partial AIDs find them.
    pub(super) fn applications(&self) -> impl Iterator<Item = (&[u8], ProfileApplication)> {
        let adfs = self.files.tree().applications().map(|(aid, adf)| (aid, ProfileApplication::Adf(adf)));
        let applet = self.applet.iter().flat_map(|applet| &applet.aids);
        adfs.chain(applet.map(|aid| (&aid[..], ProfileApplication::IotSafe)))
    }

    pub(super) fn set_tally(&mut self, on_op: OnOp) {
        if let Some(instance) = &mut self.applet {
            instance.applet.set_tally(on_op);
        }
    }

    /// Forgets what does not outlive the power.
    pub(super) fn reset(&mut self) {
        self.pins.reset();
        if let Some(instance) = &mut self.applet {
            instance.applet.reset();
        }
    }

    /// Ends what applets have begun on `channel`.
    pub(super) fn end_sessions(&mut self, channel: usize) {
        if let Some(instance) = &mut self.applet {
            instance.applet.end_sessions(channel);
        }
    }

    /// Counts the changes of what [`save`](Self::save) writes down.
    pub fn changes(&self) -> u64 {
        let applet = self.applet.as_ref().map_or(0, |instance| instance.applet.changes());
        self.pins.changes()
            + self.subscribers.changes()
            + self.files.changes()
            + applet
            + self.administration.changes()
            + self.identities
    }

    fn iccid_digits(&self) -> String {
        self.iccid.as_ref().map(|iccid| bcd::leading_digits(iccid)).unwrap_or_default()
    }

    /// Writes down what has changed since the profile was installed, and how far its random numbers were drawn:
    /// a state for [`restore`](Self::restore). Private keys are in it.
    pub fn save(&self) -> Vec<u8> {
        let tree = self.files.tree();
        let mut out = Writer::new();
        out.put(ICCID, self.iccid_digits().as_bytes());
        self.pins.save(tree, &mut out);
        self.subscribers.save(tree, &mut out);
        self.files.save(&mut out);
        if let Some(instance) = &self.applet {
            instance.applet.save(&mut out);
        }
        self.administration.save(&mut out);
        if let Some(stream) = &self.suci_stream {
            out.put_stream(SUCI_STREAM, stream);
        }
        out.finish()
    }

    /// Makes this profile, installed from the same source, what another was when it was saved. A state that is
    /// damaged or of another profile is refused and changes nothing. Random numbers go on behind those that either
    /// has drawn.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), CardError> {
        let stored = Stored::open(state)?;
        let card = self.iccid_digits();
        let found = stored.all(ICCID).next().unwrap_or_default();
        if found != card.as_bytes() {
            let found = String::from_utf8_lossy(found).into_owned();
            return Err(CardError::StateForeign { found, card });
        }
        let pins = self.pins.restored(self.files.tree(), stored)?;
        let subscribers = self.subscribers.restored(self.files.tree(), stored)?;
        let files = self.files.restored(stored)?;
        let applet = self.applet.as_ref().map(|instance| instance.applet.restored(stored)).transpose()?;
        let counters = self.administration.restored(stored)?;
        let mut suci_stream = self.suci_stream.clone();
        if let Some(stream) = &mut suci_stream {
            stored.forward(SUCI_STREAM, stream)?;
        }
        (self.pins, self.files, self.suci_stream) = (pins, files, suci_stream);
        self.subscribers.assume(subscribers);
        self.administration.assume(counters);
        if let (Some(instance), Some(restored)) = (&mut self.applet, applet) {
            instance.applet.assume(restored);
        }
        Ok(())
    }

    /// The private scalars that the applet holds and the keys for packets over the air, for tests that look for them in what the card says.
    #[cfg(any(test, fuzzing))]
    pub(super) fn private_scalars(&self) -> Vec<Vec<u8>> {
        let applet = self.applet.as_ref().map(|instance| instance.applet.private_scalars());
        [applet.unwrap_or_default(), self.administration.keys_held()].concat()
    }
}
