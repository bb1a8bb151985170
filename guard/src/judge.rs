//! What is made of windows and seconds: nothing, a suspicion, or certainty.

use crate::model::Model;
use crate::packet::Packet;
use crate::tracker::{FEATURES, Tracker, WINDOW_MS, Window};

/// Two windows in which both parts see something make a device certain where they are no further apart, in milliseconds.
pub const CONFIRM_MS: u64 = 600_000;
/// One such window makes it certain where a feature is so far above its limit: 2 in log2, four times as much.
pub const FAR_Q8: i16 = 2 << 8;

/// How sure the guard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A limit or a residual: the device is to be kept to what it is known for.
    Suspect,
    /// Both, confirmed, by a model of two weeks, or a counter of one second: the device is to be isolated.
    Certain,
}

/// What the guard has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// How sure it is.
    pub level: Level,
    /// Features above their limit: bit n is feature n.
    pub features: u32,
    /// Residuals above their limit, likewise.
    pub residuals: u32,
    /// Counters of one second above their limit: bit n is counter n.
    pub instant: u8,
    /// When the window, or the second, began.
    pub begin_ms: u64,
    /// When it was over, or the counter tripped.
    pub end_ms: u64,
    /// The features of the window; zeros where a counter of one second tripped.
    pub values: [i16; FEATURES],
}

/// New peers: they alone make nobody certain. A suspect is kept to the services that it is known for, and no new peer is
/// among those, while a firmware that comes from a new place is plain life.
const NEW_PEERS: u32 = 1 << 16;

impl Finding {
    /// Both parts see something, and more than a new peer.
    pub fn both(&self) -> bool {
        self.features & !NEW_PEERS != 0 && self.residuals != 0
    }
}

/// A guard of one device.
#[derive(Debug, Clone)]
pub struct Guard {
    tracker: Tracker,
    /// The end of the last window in which both parts saw something.
    both_ms: Option<u64>,
    /// The second in which a counter has tripped: it does so once.
    tripped_s: Option<u64>,
}

impl Guard {
    /// Begins to look at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self { tracker: Tracker::new(now_ms), both_ms: None, tripped_s: None }
    }

    /// When [`Guard::tick`] has something to do.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.tracker.deadline_ms()
    }

    /// Takes a packet at `now_ms`, and hands `found` what it leads to.
    pub fn packet(&mut self, now_ms: u64, packet: &Packet, model: &Model, found: &mut impl FnMut(Finding)) {
        self.tick(now_ms, model, found);
        self.tracker.packet(now_ms, packet, &model.known);
        let second = self.tracker.second();
        let trips = second.0.iter().zip(&model.instant).map(|(count, limit)| count > limit);
        let instant = trips.enumerate().fold(0, |bits, (n, trips)| bits | u8::from(trips) << n);
        if packet.up && instant != 0 && self.tripped_s != Some(now_ms / 1_000) {
            self.tripped_s = Some(now_ms / 1_000);
            found(Finding {
                level: Level::Certain,
                features: 0,
                residuals: 0,
                instant,
                begin_ms: now_ms - now_ms % 1_000,
                end_ms: now_ms,
                values: [0; FEATURES],
            });
        }
    }

    /// Closes the windows that are over at `now_ms`, and hands `found` what they show.
    pub fn tick(&mut self, now_ms: u64, model: &Model, found: &mut impl FnMut(Finding)) {
        let Some(window) = self.tracker.advance(now_ms) else { return };
        if let Some(finding) = self.judge(&window, model) {
            found(finding);
        }
    }

    fn judge(&mut self, window: &Window, model: &Model) -> Option<Finding> {
        let (features, residuals) =
            (model.above_limits(&window.values), model.above_residuals(&window.values));
        if features == 0 && residuals == 0 {
            return None;
        }
        let (begin_ms, end_ms, values) = (window.begin_ms, window.begin_ms + WINDOW_MS, window.values);
        let level = Level::Suspect;
        let mut finding = Finding { level, features, residuals, instant: 0, begin_ms, end_ms, values };
        if finding.both() {
            let far = window
                .values
                .iter()
                .zip(&model.limits)
                .any(|(value, limit)| i32::from(*value) >= i32::from(*limit) + i32::from(FAR_Q8));
            let confirmed = self.both_ms.is_some_and(|last| end_ms.saturating_sub(last) <= CONFIRM_MS);
            if model.is_seasoned() && (far || confirmed) {
                finding.level = Level::Certain;
            }
            self.both_ms = Some(end_ms);
        }
        Some(finding)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::model::tests::drawn;
    use crate::model::{Known, Scale};
    use std::vec::Vec;

    /// A model that makes zeros of everything, knows nobody, and lets 10 packets a window pass.
    fn model() -> Model {
        let mut model = drawn(1);
        model.hours = 312;
        model.known = Known::default();
        model.means = [0; FEATURES];
        // A spread of 1 in log2: 16 steps of the input.
        model.gains = [4096 / 256 * 256; FEATURES];
        model.scales = [Scale::default(); 4];
        model.limits = [i16::MAX; FEATURES];
        model.limits[0] = 885;
        model.residual_limits = [255; FEATURES];
        model.residual_limits[0] = 60;
        model.instant = [50, 1 << 20, 1 << 20, 1 << 20];
        model
    }

    fn sent(guard: &mut Guard, model: &Model, begin_ms: u64, packets: u64, apart_ms: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        let packet = Packet {
            up: true,
            peer: 1,
            protocol: 6,
            local_port: 50_000,
            peer_port: 443,
            length: 40,
            flags: 0x18,
            unreachable: false,
            dns: None,
        };
        for n in 0..packets {
            guard.packet(begin_ms + n * apart_ms, &packet, model, &mut |finding| found.push(finding));
        }
        guard.tick(begin_ms + 10_000, model, &mut |finding| found.push(finding));
        found
    }

    #[test]
    fn one_part_suspects_and_both_confirmed_are_certain() {
        let model = model();
        let mut guard = Guard::new(0);
        assert!(sent(&mut guard, &model, 0, 10, 900).is_empty());
        // 12 packets pass the limit, and are 3.7 spreads off, which is 59 steps.
        let one = sent(&mut guard, &model, 10_000, 12, 800);
        assert_eq!(one.len(), 1);
        assert_eq!((one[0].level, one[0].features, one[0].residuals), (Level::Suspect, 1, 0));
        assert_eq!((one[0].begin_ms, one[0].end_ms), (10_000, 20_000));
        // 15 are 64 steps.
        let both = sent(&mut guard, &model, 20_000, 15, 600);
        assert_eq!((both[0].level, both[0].both()), (Level::Suspect, true));
        let again = sent(&mut guard, &model, 620_000, 15, 600);
        assert_eq!(again[0].level, Level::Certain, "600 s later");
        let late = sent(&mut guard, &model, 1_230_000, 15, 600);
        assert_eq!(late[0].level, Level::Suspect, "610 s later");
    }

    #[test]
    fn windows_make_nobody_certain_by_a_young_model() {
        let model = Model { hours: 311, ..model() };
        let found = sent(&mut Guard::new(0), &model, 0, 43, 200);
        assert_eq!((found[0].level, found[0].both()), (Level::Suspect, true));
        let found = sent(&mut Guard::new(0), &model, 0, 200, 10);
        assert_eq!(found[0].level, Level::Certain, "a second does");
    }

    #[test]
    fn far_above_the_limit_one_window_is_enough() {
        let model = model();
        let found = sent(&mut Guard::new(0), &model, 0, 43, 200);
        assert_eq!(found[0].level, Level::Certain, "log2 44 is 2 above the limit");
        let found = sent(&mut Guard::new(0), &model, 0, 42, 200);
        assert_eq!(found[0].level, Level::Suspect);
    }

    #[test]
    fn a_new_peer_alone_makes_nobody_certain() {
        let found = |features, residuals| {
            let (level, instant, values) = (Level::Suspect, 0, [0; FEATURES]);
            Finding { level, features, residuals, instant, begin_ms: 0, end_ms: 0, values }.both()
        };
        assert!(!found(1 << 16, 1 << 16) && !found(1 << 16, 1) && !found(1, 0) && !found(0, 1));
        assert!(found(1, 1) && found(1 << 16 | 1 << 21, 1 << 16));
        assert_eq!(crate::model::FEATURES_NAMES[16], "new-peers");
    }

    #[test]
    fn a_counter_of_one_second_trips_at_once_and_once_a_second() {
        let model = model();
        let mut guard = Guard::new(0);
        let found = sent(&mut guard, &model, 0, 200, 10);
        let instant: Vec<_> = found.iter().filter(|finding| finding.instant != 0).collect();
        assert_eq!(instant.len(), 2);
        assert_eq!((instant[0].end_ms, instant[0].level, instant[0].instant), (500, Level::Certain, 1));
        assert_eq!(instant[1].end_ms, 1_500);
    }
}
