//! The firmware of one device: what it starts when the power comes, and how it takes an update.
//!
//! ```text
//! consider   the vendor's signature, for whom, whether newer       vouched   the ledger's word
//! need       what is to be fetched next, or that all is there      block     a part of the image
//! boot       starts what is to be started, on trial where it is new         works     it is kept
//! ```
//!
//! Of all this only the flash outlives a cut of the power. What is fetched then is asked for again, judged again, and goes on
//! where it was.

use sha2::{Digest as _, Sha256};

use super::bank::{Bank, Installed, Untold};
use super::flash::PowerLost;
use super::gate;
use super::image::{Behaviour, Image};
use super::processor::{self, Fetch, Outcome, Target};
use super::{Trust, UpdateError};
use crate::ledger::ReleaseRecord;
use crate::wire::suit::{Envelope, Manifest, Section, Severable};

/// The most that is asked for at a time, in bytes.
const BLOCK: u64 = 8192;

/// A manifest that the vendor has signed for this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    envelope: Vec<u8>,
    digest: [u8; 32],
    manifest: Manifest,
    /// What the ledger has of it, once it has proved it.
    release: Option<ReleaseRecord>,
}

impl Fresh {
    /// The digest of the manifest: what the ledger is asked about.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Its sequence number.
    pub fn sequence(&self) -> u64 {
        self.manifest.sequence
    }
}

/// What an update needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A part of the image.
    Block {
        /// Where the image is.
        uri: String,
        /// The first byte.
        from: u64,
        /// The last byte.
        to: u64,
        /// How many there are in all.
        size: u64,
        /// SHA-256 of the image, which tells one file from another.
        image: [u8; 32],
    },
    /// All is there, and starts on trial when the device does.
    Restart,
}

/// What came of the power coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The slot that runs, 0 or 1.
    pub slot: usize,
    /// The sequence number of what runs.
    pub sequence: u64,
    /// Whether it runs on trial.
    pub on_trial: bool,
    /// How often something hung before, and the watchdog began anew.
    pub hung: u32,
    /// Whether the device fell back to what ran before.
    pub fell_back: bool,
}

/// The firmware of a device.
#[derive(Debug, Clone)]
pub struct Firmware {
    trust: Trust,
    bank: Bank,
    /// The revision of the board.
    board: u8,
    boot: Boot,
    /// What the image that runs does.
    behaviour: Behaviour,
}

/// A slot as manifests see it.
struct View<'a> {
    trust: &'a Trust,
    bank: &'a Bank,
    slot: usize,
}

impl Target for View<'_> {
    fn vendor(&self, _: usize) -> [u8; 16] {
        self.trust.vendor
    }

    fn class(&self, _: usize) -> [u8; 16] {
        self.trust.class
    }

    fn device(&self) -> Option<[u8; 16]> {
        None
    }

    fn slot(&self, _: usize) -> u64 {
        self.slot as u64
    }

    fn holds(&self, _: usize, digest: &[u8; 32], size: Option<u64>) -> bool {
        self.bank.slot_holds(self.slot, digest, size)
    }
}

impl Firmware {
    /// A device as it is delivered, on a board of this revision, with an image and its manifest in the first slot.
    ///
    /// # Errors
    /// Where it would not take them as an update either.
    pub fn delivered(trust: Trust, envelope: &[u8], image: &[u8], board: u8) -> Result<Self, UpdateError> {
        let (digest, manifest) = open(&trust, envelope)?;
        let what = Installed {
            envelope: envelope.to_vec(),
            manifest: digest,
            sequence: manifest.sequence,
            image: Sha256::digest(image).into(),
            size: image.len() as u64,
        };
        Self::powered(trust, Bank::delivered(what, image)?, board)
    }

    /// A device whose flash holds this, when the power comes.
    ///
    /// # Errors
    /// Where nothing can be started.
    pub fn powered(trust: Trust, bank: Bank, board: u8) -> Result<Self, UpdateError> {
        let boot = Boot { slot: 0, sequence: 0, on_trial: false, hung: 0, fell_back: false };
        let mut device = Self { trust, bank, board, boot, behaviour: Behaviour::Works };
        device.boot()?;
        Ok(device)
    }

    /// The power comes, or the device begins anew: starts what is to be started, until something runs.
    ///
    /// # Errors
    /// [`UpdateError::Bricked`] where nothing can be started; where the power goes meanwhile.
    pub fn boot(&mut self) -> Result<&Boot, UpdateError> {
        let (before, mut hung) = (self.bank.last_failed(), 0);
        loop {
            let started = self.bank.start()?;
            let behaviour = self.behaviour_of(started.slot);
            match (behaviour, started.on_trial) {
                (Ok(Behaviour::Hangs), true) => hung += 1,
                // What its own manifest does not start has no second chance.
                (Err(_), true) => self.bank.give_up()?,
                (Ok(Behaviour::Hangs) | Err(_), false) => return Err(UpdateError::Bricked),
                (Ok(behaviour), on_trial) => {
                    let sequence = self.bank.content(started.slot).map_or(0, |(what, _)| what.sequence);
                    let fell_back = self.bank.last_failed() != before;
                    self.boot = Boot { slot: started.slot, sequence, on_trial, hung, fell_back };
                    self.behaviour = behaviour;
                    return Ok(&self.boot);
                }
            }
        }
    }

    /// What came of the power coming last.
    pub fn booted(&self) -> &Boot {
        &self.boot
    }

    /// What runs does not come to its service, whatever it tries.
    pub fn is_mute(&self) -> bool {
        self.behaviour == Behaviour::Mute
    }

    /// What runs has shown that it works: where it was on trial it is kept.
    ///
    /// # Errors
    /// Where the power goes meanwhile.
    pub fn works(&mut self) -> Result<bool, PowerLost> {
        if !self.boot.on_trial {
            return Ok(false);
        }
        self.bank.confirm()?;
        self.boot.on_trial = false;
        Ok(true)
    }

    /// What runs: the digests of manifest and image.
    pub fn runs(&self) -> Option<(&[u8; 32], &[u8; 32])> {
        let (what, _) = self.bank.content(self.boot.slot)?;
        Some((&what.manifest, &what.image))
    }

    /// The sequence number of what runs for good.
    pub fn sequence(&self) -> u64 {
        self.bank.running().map_or(0, |what| what.sequence)
    }

    /// What the device was delivered with.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What is in the slots.
    pub fn bank(&mut self) -> &mut Bank {
        &mut self.bank
    }

    /// What became of the last update, as long as nobody was told.
    pub fn untold(&self) -> Option<Untold> {
        self.bank.untold()
    }

    /// The last manifest that did not work.
    pub fn last_failed(&self) -> Option<[u8; 32]> {
        self.bank.last_failed()
    }

    /// Somebody was told what became of the last update.
    ///
    /// # Errors
    /// Where the power goes meanwhile.
    pub fn told(&mut self) -> Result<(), PowerLost> {
        self.bank.told()
    }

    /// Judges what is offered: who has signed it, for whom it is, and whether it is newer. `None` where it is what runs.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn consider(&self, envelope: &[u8]) -> Result<Option<Fresh>, UpdateError> {
        let (digest, manifest) = open(&self.trust, envelope)?;
        let running = self.sequence();
        if self.bank.running().is_some_and(|what| what.manifest == digest) {
            return Ok(None);
        }
        if self.bank.has_failed(&digest) {
            return Err(UpdateError::Failed);
        }
        if manifest.sequence <= running {
            return Err(UpdateError::NotNewer { offered: manifest.sequence, running });
        }
        // Asks for whom it is before the ledger is asked: nothing is fetched for somebody else.
        let view = View { trust: &self.trust, bank: &self.bank, slot: self.bank.other() };
        processor::run(&manifest, Section::Install, &view)?;
        Ok(Some(Fresh { envelope: envelope.to_vec(), digest, manifest, release: None }))
    }

    /// What the ledger proves of it.
    ///
    /// # Errors
    /// Why the ledger does not vouch for it; where the power goes meanwhile.
    pub fn vouched(&mut self, fresh: &mut Fresh, proof: &[u8], now_ms: u64) -> Result<(), UpdateError> {
        let proved = gate::proved(&self.trust, self.bank.height(), proof, &fresh.digest, now_ms)?;
        self.bank.saw(proved.height)?;
        fresh.release = Some(gate::permit(&self.trust, &proved, fresh.manifest.sequence)?);
        Ok(())
    }

    /// What is needed next; the device is made ready to start on trial where nothing is.
    ///
    /// # Errors
    /// Why it is not installed; where the power goes meanwhile.
    pub fn need(&mut self, fresh: &Fresh) -> Result<Need, UpdateError> {
        let release = fresh.release.as_ref().ok_or(UpdateError::NotOnLedger)?;
        for section in [Section::PayloadFetch, Section::Install] {
            let view = View { trust: &self.trust, bank: &self.bank, slot: self.bank.other() };
            match processor::run(&fresh.manifest, section, &view)? {
                Outcome::Done => {}
                Outcome::Invoke(_) => {
                    return Err(UpdateError::Unsupported { section: section.name(), what: "start anything" });
                }
                Outcome::Fetch(fetch) => return self.fetch(fresh, release, fetch),
            }
        }
        self.bank.arm()?;
        Ok(Need::Restart)
    }

    fn fetch(&mut self, fresh: &Fresh, release: &ReleaseRecord, fetch: Fetch) -> Result<Need, UpdateError> {
        let Fetch { uri, digest, size, .. } = fetch;
        if digest != release.image {
            return Err(UpdateError::Mismatch { what: "image" });
        }
        let what = Installed {
            envelope: fresh.envelope.clone(),
            manifest: fresh.digest,
            sequence: fresh.manifest.sequence,
            image: digest,
            size,
        };
        let from = self.bank.begin(&what)?;
        if from < size {
            let to = size.min(from + BLOCK) - 1;
            return Ok(Need::Block { uri, from, to, size, image: digest });
        }
        self.bank.finish()?;
        // It is there, so that the manifest goes on.
        self.need(fresh)
    }

    /// A part of the image, from where it stopped on.
    ///
    /// # Errors
    /// Where it is more than was wanted; where the power goes meanwhile.
    pub fn block(&mut self, bytes: &[u8]) -> Result<(), UpdateError> {
        self.bank.append(bytes).map(drop)
    }

    /// What the image in a slot does on this board, if its own manifest starts it.
    fn behaviour_of(&self, slot: usize) -> Result<Behaviour, UpdateError> {
        let (what, bytes) = self.bank.content(slot).ok_or(UpdateError::Bricked)?;
        let (_, manifest) = open(&self.trust, &what.envelope)?;
        let view = View { trust: &self.trust, bank: &self.bank, slot };
        for section in [Section::Validate, Section::Load] {
            if processor::run(&manifest, section, &view)? != Outcome::Done {
                return Err(UpdateError::Unsupported { section: section.name(), what: "fetch at the start" });
            }
        }
        if processor::run(&manifest, Section::Invoke, &view)? != Outcome::Invoke(0) {
            return Err(UpdateError::Unsupported { section: Section::Invoke.name(), what: "start nothing" });
        }
        let image = Image::of(bytes);
        Ok(image.map_or(Behaviour::Hangs, |image| image.on(self.board)))
    }
}

/// The manifest in an envelope, if it is signed by an author whose word counts, for the component of this device, and asks
/// which device that is.
fn open(trust: &Trust, envelope: &[u8]) -> Result<([u8; 32], Manifest), UpdateError> {
    let envelope = Envelope::decode(envelope)?;
    let manifest = envelope.open(|one| trust.authors.iter().any(|author| author.has_signed(&one)))?;
    if manifest.components != [trust.component_id()] {
        return Err(UpdateError::Component);
    }
    processor::asks_for_whom(&manifest)?;
    if let Some(Severable::CutOff(_)) = manifest.section(Section::Install) {
        return Err(UpdateError::CutOff { section: Section::Install.name() });
    }
    Ok((envelope.digest(), manifest))
}
