//! Which events of a run of many devices are recorded: those of the devices that do not go as expected, whole, and those
//! of the first few. The others are counted.
//!
//! Whether a device goes as expected is known when it is through, so its events wait until then, and all later ones
//! behind them: what is recorded is in the order of time. A run that has too much waiting gives up the beginning of the
//! device that waits longest, and says so where that device turns out not to go as expected.

mod keys;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::keys::{Keys, client_random};
use super::Scenario;
use super::verdict::Standing;
use crate::crypto::tls::KeyLogSink;
use crate::event::{Body, Event};
use crate::report::{Counters, LeftOut};

/// How much may wait.
const HELD_BYTES_MAX: usize = 512 << 20;
/// What an event takes besides the bytes of its message.
const EVENT_BYTES: usize = 256;
/// How many events of the network as such are recorded.
const NETWORK_EVENTS_MAX: u64 = 1_000;

/// What becomes of the events of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not known yet.
    Open,
    Recorded,
    Counted,
}

/// What takes in the events that are recorded.
pub type Record<'a> = &'a mut dyn FnMut(&Event);

/// Sorts the events of a run.
pub struct Selection {
    fates: Vec<Fate>,
    keys: Option<Keys>,
    /// What waits, by its number: nothing is left there of what is left out, however long the first waits.
    queue: BTreeMap<u64, Event>,
    next: u64,
    /// The numbers of the events that wait for a device.
    held: HashMap<u32, Vec<u64>>,
    held_bytes: usize,
    held_bytes_max: usize,
    /// Devices under way whose beginning is given up.
    given_up: BTreeSet<u32>,
    network: u64,
    left_out: LeftOut,
    counters: Counters,
}

impl Selection {
    /// Of a run of `scenario` that records the devices up to `first` in any case. What `keys` logs of those that are
    /// recorded goes to the second sink.
    ///
    /// A device that the scenario expects a message or a power cut of is recorded as well: whether it goes as expected
    /// is not known when its steps are done.
    pub fn new(scenario: &Scenario, first: u32, keys: Option<(KeyLogSink, KeyLogSink)>) -> Self {
        let mut fates = vec![Fate::Open; scenario.device_count() as usize];
        let of_messages = scenario.expect.iter().filter(|e| e.seen.is_some()).filter_map(|e| e.device);
        let of_faults = scenario.fault.iter().map(|fault| fault.device);
        for device in (1..=first).chain(of_messages).chain(of_faults) {
            if let Some(fate) = fates.get_mut((device as usize).wrapping_sub(1)) {
                *fate = Fate::Recorded;
            }
        }
        Self {
            fates,
            keys: keys.map(|(from, to)| Keys::new(from, to)),
            queue: BTreeMap::new(),
            next: 0,
            held: HashMap::new(),
            held_bytes: 0,
            held_bytes_max: HELD_BYTES_MAX,
            given_up: BTreeSet::new(),
            network: 0,
            left_out: LeftOut::default(),
            counters: Counters::default(),
        }
    }

    /// Takes an event in. `standing` says how a device stands after it.
    pub fn take(&mut self, event: Event, standing: impl Fn(u32) -> Standing, record: Record<'_>) {
        self.note_connection(&event);
        let stepped = match event.body {
            Body::StepStarted { device, .. } | Body::StepEnded { device, .. } => Some(device),
            Body::Message(_) | Body::State(_) => None,
        };
        let before = stepped.map(|device| self.fate(Some(device)));
        // What ends a device that fails is recorded with it, and so is what comes of one after that.
        if let (Some(device), Some(Fate::Open | Fate::Counted)) = (stepped, before)
            && standing(device) == Standing::Otherwise
        {
            self.decide(device, Fate::Recorded);
        }
        self.hold(event);
        if let (Some(device), Some(Fate::Open)) = (stepped, before)
            && standing(device) == Standing::AsExpected
        {
            self.decide(device, Fate::Counted);
        }
        while self.held_bytes > self.held_bytes_max && self.give_up_first() {}
        self.release(record);
    }

    /// What was left out, when the run has ended. A device that is not through did not go as expected.
    pub fn finish(mut self, standing: impl Fn(u32) -> Standing, record: Record<'_>) -> LeftOut {
        for device in (1..).take(self.fates.len()) {
            let failed = standing(device) != Standing::AsExpected;
            match self.fate(Some(device)) {
                Fate::Open | Fate::Counted if failed => self.decide(device, Fate::Recorded),
                _ => {}
            }
        }
        self.release(record);
        if let Some(keys) = &mut self.keys {
            keys.drain();
        }
        LeftOut { counters: self.counters.into_map(), ..self.left_out }
    }

    /// The same, with room for less.
    #[cfg(test)]
    fn holding_at_most(self, held_bytes_max: usize) -> Self {
        Self { held_bytes_max, ..self }
    }

    fn fate(&self, device: Option<u32>) -> Fate {
        let Some(device) = device else { return Fate::Recorded };
        self.fates.get((device as usize).wrapping_sub(1)).copied().unwrap_or(Fate::Recorded)
    }

    fn note_connection(&mut self, event: &Event) {
        let Some(keys) = &mut self.keys else { return };
        match (&event.body, event.device) {
            (Body::Message(message), Some(device)) => {
                let open = self.fates.get((device as usize).wrapping_sub(1)) == Some(&Fate::Open);
                if let Some(random) = client_random(message).filter(|_| open) {
                    keys.opened(device, random);
                }
            }
            (Body::StepEnded { .. }, _) => keys.drain(),
            _ => {}
        }
    }

    fn hold(&mut self, event: Event) {
        let device = event.device;
        let fate = self.fate(device);
        if device.is_none() {
            self.network += 1;
            if self.network > NETWORK_EVENTS_MAX {
                self.left_out.network += 1;
                return self.leave_out(&event);
            }
        }
        if fate == Fate::Counted {
            return self.leave_out(&event);
        }
        self.held_bytes += bytes(&event);
        if let Some(device) = device.filter(|_| fate == Fate::Open) {
            self.held.entry(device).or_default().push(self.next);
        }
        self.queue.insert(self.next, event);
        self.next += 1;
    }

    fn decide(&mut self, device: u32, fate: Fate) {
        let Some(place) = self.fates.get_mut((device as usize).wrapping_sub(1)) else { return };
        let before = std::mem::replace(place, fate);
        if let Some(keys) = &mut self.keys {
            keys.decided(device, fate == Fate::Recorded);
        }
        let given_up = self.given_up.remove(&device);
        if fate == Fate::Counted {
            self.left_out.devices += 1;
            return self.forget(device);
        }
        self.held.remove(&device);
        self.left_out.in_part += u32::from(given_up || before == Fate::Counted);
        self.left_out.devices -= u32::from(before == Fate::Counted);
    }

    /// Leaves out what waits for a device.
    fn forget(&mut self, device: u32) {
        for number in self.held.remove(&device).unwrap_or_default() {
            if let Some(event) = self.queue.remove(&number) {
                self.held_bytes -= bytes(&event);
                self.leave_out(&event);
            }
        }
    }

    /// Gives up the beginning of the device that everything waits for. False where nothing waits for one.
    fn give_up_first(&mut self) -> bool {
        let first = self.queue.first_key_value().and_then(|(_, first)| first.device);
        let Some(device) = first.filter(|device| self.fate(Some(*device)) == Fate::Open) else {
            return false;
        };
        self.given_up.insert(device);
        self.forget(device);
        true
    }

    fn leave_out(&mut self, event: &Event) {
        self.left_out.events += 1;
        self.counters.count(event);
    }

    /// Records what waits for nothing.
    fn release(&mut self, record: Record<'_>) {
        while let Some((_, first)) = self.queue.first_key_value() {
            if self.fate(first.device) == Fate::Open {
                return;
            }
            if let Some((_, event)) = self.queue.pop_first() {
                self.held_bytes -= bytes(&event);
                record(&event);
            }
        }
    }
}

fn bytes(event: &Event) -> usize {
    match &event.body {
        Body::Message(message) => EVENT_BYTES + message.bytes.len(),
        Body::State(_) | Body::StepStarted { .. } | Body::StepEnded { .. } => EVENT_BYTES,
    }
}
