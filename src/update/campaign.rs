//! Who gets a release when: waves of devices, and a limit of failures at which nobody gets it any more.
//!
//! A wave is a fixed list of devices. The next one opens when all of a wave are through, well or not, and a soak time has
//! passed. What stops a campaign is the share of failures among the devices that are through, from a least number of
//! failures on; a stop is for good. A device that says nothing for a time counts as one that failed.

use std::collections::BTreeMap;

use crate::kernel::{Duration, Instant};

/// How a campaign goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How many devices each wave has; the last one has all that are left.
    pub waves: Vec<u32>,
    /// The share of failures, in percent of the devices that are through, at which it stops.
    pub stop_at_percent: u32,
    /// How many failures there have to be before it stops.
    pub stop_at_least: u32,
    /// How long a wave is watched after its last device is through, before the next one opens.
    pub soak: Duration,
    /// After which time a device that was offered the release and says nothing counts as failed.
    pub silence: Duration,
}

/// What a device is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is to install the release.
    Now,
    /// It is to ask again.
    Later,
    /// The campaign has stopped.
    Stopped,
}

/// How a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Offered(Instant),
    Installed,
    Failed,
}

/// A campaign that is under way.
#[derive(Debug, Clone)]
pub struct Campaign {
    plan: Plan,
    devices: BTreeMap<u32, Standing>,
    installed: u32,
    failed: u32,
    /// The wave that is open, from 0.
    wave: usize,
    /// Since when all of the open wave are through.
    through: Option<Instant>,
    is_stopped: bool,
}

/// How far a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The wave that is open, from 1.
    pub wave: usize,
    /// Devices that run the release.
    pub installed: u32,
    /// Devices on which it failed.
    pub failed: u32,
    /// Whether it has stopped.
    pub is_stopped: bool,
}

impl Campaign {
    /// A campaign that has not begun.
    pub fn new(plan: Plan) -> Self {
        let (devices, installed, failed, wave) = Default::default();
        Self { plan, devices, installed, failed, wave, through: None, is_stopped: false }
    }

    /// What device `number` is told, which asks at `now`.
    pub fn asks(&mut self, now: Instant, number: u32) -> Turn {
        self.settle(now);
        if self.is_stopped {
            return Turn::Stopped;
        }
        if number == 0 || number > self.open_up_to() {
            return Turn::Later;
        }
        self.devices.entry(number).or_insert(Standing::Offered(now));
        Turn::Now
    }

    /// Device `number` says what became of the release. Only the first word of each that was offered it counts.
    pub fn reports(&mut self, now: Instant, number: u32, works: bool) {
        if let Some(standing @ Standing::Offered(_)) = self.devices.get_mut(&number) {
            *standing = if works { Standing::Installed } else { Standing::Failed };
            *if works { &mut self.installed } else { &mut self.failed } += 1;
        }
        self.settle(now);
    }

    /// Whether nobody gets the release any more.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// How far it is.
    pub fn tally(&self) -> Tally {
        let Self { wave, installed, failed, is_stopped, .. } = *self;
        Tally { wave: wave + 1, installed, failed, is_stopped }
    }

    /// The last device of the open wave.
    fn open_up_to(&self) -> u32 {
        match self.wave + 1 < self.plan.waves.len() {
            true => self.plan.waves[..=self.wave].iter().fold(0, |sum, wave| sum.saturating_add(*wave)),
            false => u32::MAX,
        }
    }

    fn settle(&mut self, now: Instant) {
        let silence = self.plan.silence;
        for standing in self.devices.values_mut() {
            if matches!(standing, Standing::Offered(since) if now >= *since + silence) {
                *standing = Standing::Failed;
                self.failed += 1;
            }
        }
        let through = self.installed + self.failed;
        let share = u64::from(self.failed) * 100 >= u64::from(through) * u64::from(self.plan.stop_at_percent);
        self.is_stopped |= self.failed > 0 && self.failed >= self.plan.stop_at_least && share;
        if self.is_stopped || self.wave + 1 >= self.plan.waves.len() {
            return;
        }
        if through < self.open_up_to() {
            return;
        }
        let since = *self.through.get_or_insert(now);
        if now >= since + self.plan.soak {
            self.wave += 1;
            self.through = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan() -> Plan {
        Plan {
            waves: vec![1, 4, 20, 0],
            stop_at_percent: 20,
            stop_at_least: 3,
            soak: Duration::from_secs(10),
            silence: Duration::from_secs(600),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_wave_opens_when_the_one_before_is_through_and_was_watched() {
        let mut campaign = Campaign::new(plan());
        assert_eq!(campaign.asks(at(0), 1), Turn::Now);
        assert_eq!(campaign.asks(at(0), 2), Turn::Later);
        campaign.reports(at(5), 1, true);
        assert_eq!(campaign.asks(at(14), 5), Turn::Later, "it is watched");
        assert_eq!(campaign.asks(at(15), 5), Turn::Now);
        assert_eq!(campaign.asks(at(15), 6), Turn::Later);
        assert_eq!(campaign.tally(), Tally { wave: 2, installed: 1, failed: 0, is_stopped: false });
        for number in 2..=5 {
            assert_eq!(campaign.asks(at(20), number), Turn::Now);
            campaign.reports(at(30), number, number != 3);
        }
        assert_eq!(campaign.asks(at(40), 25), Turn::Now, "one failure of five is less than three");
        assert_eq!(campaign.asks(at(40), 26), Turn::Later);
        assert_eq!(campaign.asks(at(40), 0), Turn::Later);
    }

    #[test]
    fn failures_stop_it_for_good() {
        let mut campaign = Campaign::new(plan());
        campaign.asks(at(0), 1);
        campaign.reports(at(1), 1, true);
        for number in 2..=5 {
            assert_eq!(campaign.asks(at(20), number), Turn::Now);
        }
        for number in 2..=4 {
            assert!(!campaign.is_stopped());
            campaign.reports(at(30), number, false);
            // A second word changes nothing.
            campaign.reports(at(30), number, false);
        }
        assert!(campaign.is_stopped());
        assert_eq!(campaign.tally(), Tally { wave: 2, installed: 1, failed: 3, is_stopped: true });
        campaign.reports(at(31), 5, true);
        assert_eq!(campaign.asks(at(1000), 5), Turn::Stopped);
        assert_eq!(campaign.asks(at(1000), 900), Turn::Stopped);
    }

    #[test]
    fn silence_is_a_failure_and_who_was_offered_nothing_has_no_word() {
        let mut campaign = Campaign::new(Plan { stop_at_least: 1, ..plan() });
        campaign.reports(at(0), 9, false);
        assert_eq!(campaign.tally().failed, 0);
        assert_eq!(campaign.asks(at(0), 1), Turn::Now);
        assert_eq!(campaign.asks(at(599), 2), Turn::Later);
        assert_eq!(campaign.asks(at(600), 2), Turn::Stopped);
    }

    proptest! {
        /// Whatever devices say: never more than the open waves are offered it, and after a stop nobody is.
        #[test]
        fn a_campaign_keeps_its_word(
            turns in proptest::collection::vec((1u32..40, 0u64..5, any::<Option<bool>>()), 0..300),
        ) {
            let mut campaign = Campaign::new(plan());
            let mut now = 0;
            for (number, later, word) in turns {
                now += later;
                let stopped = campaign.is_stopped();
                match word {
                    None => {
                        let turn = campaign.asks(at(now), number);
                        prop_assert!(!stopped || turn == Turn::Stopped);
                        let up_to = campaign.open_up_to();
                        prop_assert_eq!(turn == Turn::Now, number <= up_to && !campaign.is_stopped());
                    }
                    Some(works) => campaign.reports(at(now), number, works),
                }
                let Tally { installed, failed, is_stopped, .. } = campaign.tally();
                prop_assert!((installed + failed) as usize <= campaign.devices.len());
                prop_assert_eq!(is_stopped, stopped || failed >= 3 && failed * 100 >= (installed + failed) * 20);
            }
        }
    }
}
