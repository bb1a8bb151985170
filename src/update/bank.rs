//! What is in the two slots, and which one is started: the journal of a device that may lose its power at any moment.
//!
//! The journal has two copies, which are written in turn; the newer one that is whole counts. So every change of the state
//! is one write that happened or did not, and an image is either the one that runs, or a candidate that nobody starts
//! before it is whole. An image on trial is started a few times at most; only [`Bank::confirm`] makes it the one that runs.

use sha2::{Digest as _, Sha256};

use super::UpdateError;
use super::flash::{Area, Flash, PowerLost};
use crate::wire::cbor::Value;

/// The largest image, in bytes.
pub const SLOT_MAX: u64 = 1024 * 1024;
/// How often an image on trial is started before the one before it runs again.
const TRIALS: u64 = 3;
/// How many manifests that did not work are remembered.
const FAILED_MAX: usize = 8;

/// What a slot is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The manifest in its envelope, to be run again whenever the image is started.
    pub envelope: Vec<u8>,
    /// The digest of the manifest.
    pub manifest: [u8; 32],
    /// Its sequence number.
    pub sequence: u64,
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// Size of the image, in bytes.
    pub size: u64,
}

/// A slot and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    what: Installed,
    filled: u64,
    is_whole: bool,
}

/// How far a candidate is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is there.
    pub filled: u64,
    /// What there will be.
    pub size: u64,
}

/// What nobody has been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// A new image works, and is kept.
    Works,
    /// The last one did not, and what ran before runs again.
    FellBack,
}

/// What the journal says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// The slot that runs, 0 or 1.
    running: usize,
    slots: [Option<Slot>; 2],
    /// How often the other slot is still started on trial; none where it is not on trial.
    trials: Option<u64>,
    /// The last block of the ledger that was seen.
    height: u64,
    /// Manifests that were tried and did not work, the last one last.
    failed: Vec<[u8; 32]>,
    untold: Option<Untold>,
}

/// Which slot is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Started {
    pub slot: usize,
    pub on_trial: bool,
}

/// Two slots with their journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    flash: Flash,
    state: State,
    /// Counts the states of the journal; the lowest bit says in which copy the newest one is.
    counter: u64,
}

impl Bank {
    /// A device as it is delivered, with this image in its first slot.
    pub fn delivered(what: Installed, image: &[u8]) -> Result<Self, UpdateError> {
        check_size(what.size)?;
        let mut bank = Self { flash: Flash::default(), state: State::default(), counter: 0 };
        bank.flash.write(Area::Slot(0), 0, image)?;
        let filled = what.size;
        bank.change(|state| state.slots[0] = Some(Slot { what, filled, is_whole: true }))?;
        match bank.is_whole(0) {
            true => Ok(bank),
            false => Err(UpdateError::Image),
        }
    }

    /// What is found in `flash` when the power comes.
    ///
    /// # Errors
    /// [`UpdateError::Bricked`] where no copy of the journal is whole, which takes more than a cut of the power.
    pub fn open(flash: Flash) -> Result<Self, UpdateError> {
        let copies = [0, 1].map(|copy| read_copy(flash.read(Area::Journal(copy))));
        let newest = copies.into_iter().flatten().max_by_key(|(counter, _)| *counter);
        let (counter, state) = newest.ok_or(UpdateError::Bricked)?;
        Ok(Self { flash, state, counter })
    }

    /// The flash, which is all that outlives a cut of the power.
    pub fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    /// What runs, unless something is on trial.
    pub fn running(&self) -> Option<&Installed> {
        self.state.slots[self.state.running].as_ref().map(|slot| &slot.what)
    }

    /// What is in the other slot, whole or not.
    pub fn candidate(&self) -> Option<&Installed> {
        self.state.slots[self.other()].as_ref().map(|slot| &slot.what)
    }

    /// The number of the slot that is written to.
    pub fn other(&self) -> usize {
        1 - self.state.running
    }

    /// How far the candidate is.
    pub fn progress(&self) -> Option<Progress> {
        let slot = self.state.slots[self.other()].as_ref()?;
        Some(Progress { filled: slot.filled, size: slot.what.size })
    }

    /// The last block of the ledger that was seen.
    pub fn height(&self) -> u64 {
        self.state.height
    }

    /// Whether this manifest was tried and did not work.
    pub fn has_failed(&self, manifest: &[u8; 32]) -> bool {
        self.state.failed.contains(manifest)
    }

    /// The last manifest that did not work.
    pub fn last_failed(&self) -> Option<[u8; 32]> {
        self.state.failed.last().copied()
    }

    /// What became of the last update, as long as nobody has been told.
    pub fn untold(&self) -> Option<Untold> {
        self.state.untold
    }

    /// Somebody was told what became of the last update.
    pub fn told(&mut self) -> Result<(), PowerLost> {
        match self.state.untold {
            Some(_) => self.change(|state| state.untold = None),
            None => Ok(()),
        }
    }

    /// A block of the ledger was seen.
    pub fn saw(&mut self, height: u64) -> Result<(), PowerLost> {
        match height > self.state.height {
            true => self.change(|state| state.height = height),
            false => Ok(()),
        }
    }

    /// Makes the other slot one for `what`; returns how much of the image is there already.
    pub fn begin(&mut self, what: &Installed) -> Result<u64, UpdateError> {
        check_size(what.size)?;
        let other = self.other();
        if let Some(slot) = self.state.slots[other].as_ref().filter(|slot| slot.what == *what) {
            return Ok(slot.filled);
        }
        // Nobody starts what is about to be erased.
        self.change(|state| (state.slots[other], state.trials) = (None, None))?;
        self.flash.erase(Area::Slot(other))?;
        let slot = Slot { what: what.clone(), filled: 0, is_whole: false };
        self.change(|state| state.slots[other] = Some(slot))?;
        Ok(0)
    }

    /// Adds the next bytes of the candidate.
    pub fn append(&mut self, bytes: &[u8]) -> Result<Progress, UpdateError> {
        let other = self.other();
        let Some(slot) = &self.state.slots[other] else { return Err(UpdateError::Image) };
        let (from, size) = (slot.filled, slot.what.size);
        let to = from + bytes.len() as u64;
        if slot.is_whole || to > size {
            return Err(UpdateError::Large { bytes: to, max: size });
        }
        self.flash.write(Area::Slot(other), from as usize, bytes)?;
        self.change(|state| {
            if let Some(slot) = &mut state.slots[other] {
                slot.filled = to;
            }
        })?;
        Ok(Progress { filled: to, size })
    }

    /// Compares the candidate, as it stands in the flash, with its digest. One that is wrong is forgotten.
    pub fn finish(&mut self) -> Result<(), UpdateError> {
        let other = self.other();
        let is_whole = self.progress().is_some_and(|at| at.filled == at.size) && self.is_whole(other);
        self.change(|state| match &mut state.slots[other] {
            Some(slot) if is_whole => slot.is_whole = true,
            slot => *slot = None,
        })?;
        if is_whole { Ok(()) } else { Err(UpdateError::Image) }
    }

    /// Whether the candidate is whole and has this digest and size.
    pub fn holds(&self, image: &[u8; 32], size: Option<u64>) -> bool {
        self.slot_holds(self.other(), image, size)
    }

    pub(super) fn slot_holds(&self, number: usize, image: &[u8; 32], size: Option<u64>) -> bool {
        let slot = self.state.slots[number & 1].as_ref().filter(|slot| slot.is_whole);
        slot.is_some_and(|slot| {
            slot.what.image == *image
                && size.is_none_or(|size| size == slot.what.size)
                && self.is_whole(number)
        })
    }

    /// The candidate is started on trial when the power comes next.
    pub fn arm(&mut self) -> Result<(), UpdateError> {
        let other = self.other();
        match &self.state.slots[other] {
            Some(slot) if slot.is_whole => Ok(self.change(|state| state.trials = Some(TRIALS))?),
            _ => Err(UpdateError::Image),
        }
    }

    /// What is on trial works: it is what runs from now on.
    pub fn confirm(&mut self) -> Result<(), PowerLost> {
        if self.state.trials.is_none() {
            return Ok(());
        }
        let other = self.other();
        self.change(|state| {
            (state.running, state.trials, state.untold) = (other, None, Some(Untold::Works));
        })
    }

    /// Chooses what is started when the power comes, and counts it where it is on trial. What was on trial often enough is
    /// given up.
    pub(super) fn start(&mut self) -> Result<Started, UpdateError> {
        let other = self.other();
        if let Some(left) = self.state.trials {
            if left > 0 && self.is_whole(other) {
                self.change(|state| state.trials = Some(left - 1))?;
                return Ok(Started { slot: other, on_trial: true });
            }
            self.give_up()?;
        }
        match self.is_whole(self.state.running) {
            true => Ok(Started { slot: self.state.running, on_trial: false }),
            false => Err(UpdateError::Bricked),
        }
    }

    /// The candidate did not work: it is forgotten, and remembered as one that did not.
    pub(super) fn give_up(&mut self) -> Result<(), PowerLost> {
        let other = self.other();
        self.change(|state| {
            if let Some(slot) = state.slots[other].take() {
                state.failed.push(slot.what.manifest);
                state.untold = Some(Untold::FellBack);
                let surplus = state.failed.len().saturating_sub(FAILED_MAX);
                state.failed.drain(..surplus);
            }
            state.trials = None;
        })
    }

    /// What is in a slot that is whole.
    pub(super) fn content(&self, number: usize) -> Option<(&Installed, &[u8])> {
        let slot = self.state.slots[number & 1].as_ref().filter(|slot| slot.is_whole)?;
        Some((&slot.what, self.flash.read(Area::Slot(number))))
    }

    /// Whether what stands in the flash is the image that the slot is for.
    fn is_whole(&self, number: usize) -> bool {
        let bytes = self.flash.read(Area::Slot(number));
        let slot = self.state.slots[number & 1].as_ref();
        slot.is_some_and(|slot| {
            bytes.len() as u64 == slot.what.size && Sha256::digest(bytes)[..] == slot.what.image
        })
    }

    /// Writes the journal anew, into the older copy.
    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), PowerLost> {
        let mut state = self.state.clone();
        change(&mut state);
        let counter = self.counter + 1;
        let copy = Area::Journal((counter & 1) as usize);
        let record = write_copy(counter, &state);
        self.flash.erase(copy)?;
        self.flash.write(copy, 0, &record)?;
        (self.state, self.counter) = (state, counter);
        Ok(())
    }
}

fn check_size(size: u64) -> Result<(), UpdateError> {
    match size {
        1..=SLOT_MAX => Ok(()),
        _ => Err(UpdateError::Large { bytes: size, max: SLOT_MAX }),
    }
}

/// A copy of the journal: the SHA-256 of what follows, then the counter and the state as one CBOR array.
fn write_copy(counter: u64, state: &State) -> Vec<u8> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let slot = |slot: &Option<Slot>| match slot {
        None => Value::Null,
        Some(Slot { what, filled, is_whole }) => Value::Array(vec![
            bytes(&what.envelope),
            bytes(&what.manifest),
            Value::Unsigned(what.sequence),
            bytes(&what.image),
            Value::Unsigned(what.size),
            Value::Unsigned(*filled),
            Value::Bool(*is_whole),
        ]),
    };
    let body = Value::Array(vec![
        Value::Unsigned(counter),
        Value::Unsigned(state.running as u64),
        slot(&state.slots[0]),
        slot(&state.slots[1]),
        state.trials.map_or(Value::Null, Value::Unsigned),
        Value::Unsigned(state.height),
        Value::Array(state.failed.iter().map(|digest| bytes(digest)).collect()),
        state.untold.map_or(Value::Null, |untold| Value::Bool(untold == Untold::Works)),
    ])
    .encode();
    [&Sha256::digest(&body)[..], &body].concat()
}

/// A copy of the journal with its counter, where it is whole.
fn read_copy(copy: &[u8]) -> Option<(u64, State)> {
    let (check, body) = copy.split_at_checked(32)?;
    if Sha256::digest(body)[..] != *check {
        return None;
    }
    let value = Value::decode(body).ok()?;
    let [counter, running, first, second, trials, height, failed, untold] = value.as_array()? else {
        return None;
    };
    let state = State {
        running: usize::try_from(running.as_unsigned()?).ok().filter(|slot| *slot < 2)?,
        slots: [read_slot(first)?, read_slot(second)?],
        trials: match trials {
            Value::Null => None,
            left => Some(left.as_unsigned()?),
        },
        height: height.as_unsigned()?,
        failed: failed.as_array()?.iter().map(octets).collect::<Option<_>>()?,
        untold: match untold {
            Value::Null => None,
            works => Some(if *works == Value::Bool(true) { Untold::Works } else { Untold::FellBack }),
        },
    };
    Some((counter.as_unsigned()?, state))
}

/// A slot; the outer `None` where it is none.
fn read_slot(value: &Value) -> Option<Option<Slot>> {
    if *value == Value::Null {
        return Some(None);
    }
    let [envelope, manifest, sequence, image, size, filled, is_whole] = value.as_array()? else {
        return None;
    };
    let what = Installed {
        envelope: envelope.as_bytes()?.to_vec(),
        manifest: octets(manifest)?,
        sequence: sequence.as_unsigned()?,
        image: octets(image)?,
        size: size.as_unsigned()?,
    };
    Some(Some(Slot { what, filled: filled.as_unsigned()?, is_whole: *is_whole == Value::Bool(true) }))
}

fn octets(value: &Value) -> Option<[u8; 32]> {
    value.as_bytes()?.try_into().ok()
}
