//! What the application above the modem has at hand, and what it has learnt of itself. All of it is in memory: where
//! the power is cut it is gone, and only the card remembers.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;

use super::DeviceError;
use super::burned::Burned;
use super::iot_safe::{CERTIFICATE_FILE, Dialect, IotSafe, KEY_ID, TRUST_ANCHOR_FILE, carry};
use crate::ca::DeviceCertificate;
use crate::card::{CardHandle, CardSlot};
use crate::crypto::tls::{self, KeyLogSink, SignFn, VirtualClock};
use crate::crypto::{SoftKey, Tally};
use crate::ledger::LightAnchors;
use crate::update::{Boot, Firmware};
use crate::wire::Reason;

/// What the application of one device has at hand.
pub struct Application {
    /// The number of the device, from 1.
    pub number: u32,
    /// Its card.
    pub card: CardHandle,
    /// What TLS computes with, seeded.
    pub provider: Arc<CryptoProvider>,
    /// The clock by which certificates are judged.
    pub clock: VirtualClock,
    /// Where public-key operations are counted.
    pub tally: Tally,
    /// Where the secrets of TLS sessions go, if anywhere.
    pub key_log: Option<KeyLogSink>,
    /// What is known of the applet before it is looked at.
    pub applet: Applet,
    /// What its host does that it should not.
    pub malice: Malice,
    /// What stands in for the applet in a device of the traditional way.
    pub burned: Option<Box<Burned>>,
    /// What is known of the device's identity so far.
    pub identity: Identity,
    /// How it speaks to the applet.
    pub dialect: Dialect,
    /// What it is started from, in a device that takes updates.
    pub firmware: Option<Box<Firmware>>,
    /// The ledger that has to vouch for its cloud, where it was delivered with one that does.
    pub vouching: Option<Arc<LightAnchors>>,
}

/// What the host of a device does that it should not, on purpose.
#[derive(Default)]
pub enum Malice {
    /// Nothing.
    #[default]
    None,
    /// It presents this key in the place of the card's, and signs with it.
    SoftKey(Box<SoftKey>),
    /// It has the card make another key each time.
    NewKeys,
}

/// What is known of the applet on a card before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applet {
    /// It is as it was delivered, without a key: nothing is looked for on it. So it is for a device with a card of the run
    /// that is switched on for the first time, and for no other.
    New,
    /// The device has used it: key and certificate that are on it are the device's.
    Used,
    /// The card was somewhere else before, as one in a reader. A key that it has stays, since somebody may know the card
    /// by it; a certificate is of another authority or ledger than those of the run, and one for the run is asked for.
    FromElsewhere,
}

/// What the device has learnt of itself so far.
#[derive(Default)]
pub struct Identity {
    /// The applet, as long as the card is not reset.
    applet: Option<IotSafe>,
    public_key: Option<[u8; 64]>,
    /// The root that the operator left on the card, DER.
    pub trust_anchor: Vec<u8>,
    /// The device's own certificate.
    pub certificate: Option<DeviceCertificate>,
}

impl Application {
    /// Everything that was in memory is gone, and the device starts anew: what came of that, where it takes updates.
    ///
    /// # Errors
    /// A refusal where nothing can be started.
    pub fn power_lost(&mut self) -> Result<Option<Boot>, DeviceError> {
        self.identity = Identity::default();
        if self.applet == Applet::New {
            self.applet = Applet::Used;
        }
        let Some(firmware) = &mut self.firmware else { return Ok(None) };
        Ok(Some(firmware.boot()?.clone()))
    }

    /// The card was reset: what was selected on it is not any more.
    pub fn card_was_reset(&mut self) {
        self.identity.applet = None;
    }

    /// The public key that the card already has; what belongs to it, trust anchor and certificate of the device's own, is
    /// read as well. `None` for an applet without a key.
    ///
    /// # Errors
    /// A refusal where the applet refuses something else; a fault of the bench where the card is gone.
    pub fn recall_key(&mut self) -> Result<Option<[u8; 64]>, DeviceError> {
        if matches!(self.malice, Malice::NewKeys) {
            return Ok(None);
        }
        self.key_on_card()
    }

    /// The same of any host: what the card says.
    ///
    /// # Errors
    /// The same.
    pub fn key_on_card(&mut self) -> Result<Option<[u8; 64]>, DeviceError> {
        if let Some(burned) = &self.burned {
            let key = burned.key().map(SoftKey::public);
            self.identity.public_key = key;
            self.identity.trust_anchor.clone_from(&burned.trust_anchor);
            self.identity.certificate = burned.certificate().cloned();
            return Ok(key);
        }
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        let applet = selected(&mut self.identity.applet, &mut slot, self.dialect)?;
        let key = applet.public_key_if_made(&mut slot, KEY_ID)?;
        if let Some(public) = &key {
            let trust_anchor = applet.read_file(&mut slot, TRUST_ANCHOR_FILE)?;
            let certificate = match self.applet {
                Applet::New | Applet::Used => {
                    certificate_of(&applet.read_file(&mut slot, CERTIFICATE_FILE)?, public)
                }
                Applet::FromElsewhere => None,
            };
            self.identity.public_key = key;
            self.identity.trust_anchor = trust_anchor;
            self.identity.certificate = certificate;
        }
        Ok(key)
    }

    /// Has the applet make a key pair, and reads whom to trust.
    ///
    /// # Errors
    /// A refusal where the applet refuses; a fault of the bench where the card is gone.
    pub fn make_key(&mut self) -> Result<[u8; 64], DeviceError> {
        if let Some(burned) = &mut self.burned {
            let public = burned.make_key().public();
            self.applet = Applet::Used;
            self.key_on_card()?;
            return Ok(public);
        }
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        let applet = selected(&mut self.identity.applet, &mut slot, self.dialect)?;
        let made = applet.generate_key_pair(&mut slot, KEY_ID)?;
        let public_key = applet.read_public_key(&mut slot, KEY_ID)?;
        if made != public_key {
            let detail = "the applet reads out another key than it made";
            return Err(DeviceError::refused(Reason::KeyMismatch, detail));
        }
        let trust_anchor = applet.read_file(&mut slot, TRUST_ANCHOR_FILE)?;
        self.applet = Applet::Used;
        self.identity.public_key = Some(public_key);
        self.identity.trust_anchor = trust_anchor;
        // Whatever certificate there was, it was for the key before.
        self.identity.certificate = None;
        self.public_key()
    }

    /// Hands the operator's ENVELOPE commands to the card, and returns what it gives to each.
    ///
    /// # Errors
    /// A fault of the bench where the card is gone.
    pub fn carry(&mut self, envelopes: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, DeviceError> {
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        let carried: Result<_, _> = envelopes.iter().map(|envelope| carry(&mut slot, envelope)).collect();
        Ok(carried?)
    }

    /// How many keys the card has made in the container of the device's key.
    ///
    /// # Errors
    /// A refusal where the applet does not tell it; a fault of the bench where the card is gone.
    pub fn generation(&mut self) -> Result<u64, DeviceError> {
        let applet = self.applet()?;
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        Ok(applet.generation(&mut slot, KEY_ID)?)
    }

    /// Puts the certificate of the card's key into the applet's file.
    ///
    /// # Errors
    /// A refusal where the applet refuses; a fault of the bench where the card is gone.
    pub fn keep_certificate(&mut self, certificate: DeviceCertificate) -> Result<(), DeviceError> {
        if let Some(burned) = &mut self.burned {
            burned.keep(certificate.clone());
            self.identity.certificate = Some(certificate);
            return Ok(());
        }
        let applet = self.applet()?;
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        applet.write_file(&mut slot, CERTIFICATE_FILE, certificate.der())?;
        drop(slot);
        self.applet = Applet::Used;
        self.identity.certificate = Some(certificate);
        Ok(())
    }

    /// The card's public key, X || Y.
    ///
    /// # Errors
    /// A refusal where there is none.
    pub fn public_key(&self) -> Result<[u8; 64], DeviceError> {
        if let Some(key) = self.host_key() {
            return Ok(key.public());
        }
        self.identity
            .public_key
            .ok_or_else(|| DeviceError::refused(Reason::NoKey, "the step `keys` was not run"))
    }

    /// Has the card sign `message` (ECDSA, P-256, SHA-256): r || s.
    ///
    /// # Errors
    /// A refusal where there is no key, or the applet refuses; a fault of the bench where the card is gone.
    pub fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], DeviceError> {
        if let Some(key) = self.host_key() {
            return Ok(key.sign(message));
        }
        let applet = self.applet()?;
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        Ok(applet.sign(&mut slot, KEY_ID, message)?)
    }

    /// The TLS client of this device; with its certificate and the card's key where `mutual`. Where `server` is the SHA-256 of
    /// a certificate, it takes no other one of the server.
    ///
    /// # Errors
    /// A refusal where there is no certificate yet.
    pub fn tls_client(
        &mut self,
        mutual: bool,
        server: Option<[u8; 32]>,
    ) -> Result<Arc<ClientConfig>, DeviceError> {
        let certificate = self.identity.certificate.as_ref().map(|one| one.der().to_vec());
        let client = match (certificate, mutual) {
            (Some(certificate), true) => {
                let key = tls::signing_key(self.card_signer()?, self.public_key()?);
                Some((vec![certificate], key))
            }
            (None, true) => {
                return Err(DeviceError::refused(Reason::NoCertificate, "the step `enrol` was not run"));
            }
            (_, false) => None,
        };
        let roots = [self.identity.trust_anchor.clone()];
        let (provider, clock) = (self.provider.clone(), self.clock.clone());
        Ok(tls::client_config(provider, &roots, client, server, clock, self.key_log.clone())?)
    }

    /// The card's key as something that signs: every signature is an exchange with the applet.
    fn card_signer(&mut self) -> Result<SignFn, DeviceError> {
        if let Some(key) = self.host_key() {
            return Ok(key.sign_fn());
        }
        let applet = self.applet()?;
        let card = self.card.clone();
        Ok(Arc::new(move |message: &[u8]| {
            let mut slot = card.lock().map_err(|_| DeviceError::Slot.to_string())?;
            applet.sign(&mut slot, KEY_ID, message).map_err(|error| error.to_string())
        }))
    }

    /// The key that the host has by itself: of the traditional way, or of one that cheats.
    fn host_key(&self) -> Option<&SoftKey> {
        match (&self.malice, &self.burned) {
            (Malice::SoftKey(key), _) => Some(key),
            (_, Some(burned)) => burned.key(),
            _ => None,
        }
    }

    /// Where key and certificate are, for people.
    pub fn place(&self) -> &'static str {
        if self.burned.is_some() { "the flash" } else { "the card" }
    }

    /// The applet with the device's key, selected.
    fn applet(&mut self) -> Result<IotSafe, DeviceError> {
        self.public_key()?;
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        selected(&mut self.identity.applet, &mut slot, self.dialect)
    }
}

fn selected(
    known: &mut Option<IotSafe>,
    slot: &mut CardSlot,
    dialect: Dialect,
) -> Result<IotSafe, DeviceError> {
    match known {
        Some(applet) => Ok(*applet),
        None => Ok(*known.insert(IotSafe::select(slot, dialect)?)),
    }
}

/// The certificate that `file` holds, if it is one for the key `public`. A file that was being written when the power
/// was cut holds a part of one, which is none.
fn certificate_of(file: &[u8], public: &[u8; 64]) -> Option<DeviceCertificate> {
    let certificate = DeviceCertificate::parse(file).ok()?;
    certificate.check_key(public).is_ok().then_some(certificate)
}
