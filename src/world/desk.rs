//! What people do by hand for a run: who does it, how long it takes, and who has to wait for them.
//!
//! Everybody does one thing at a time, in the order in which it was asked for. Time is working time: nights and weekends are
//! not in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::RngCore;

use crate::event::{Actor, Body};
use crate::kernel::{Duration, Instant, RngTree};

/// What is told where somebody begins with something.
pub const WORK_BEGINS: &str = "work begins";
/// What is told where it is done: how long it took and who did it, in `took_s` and `by`.
pub const WORK_DONE: &str = "work done";
/// The most that one thing is done again, whatever goes wrong.
const ATTEMPTS_MAX: u32 = 10;

/// How long something takes, in a three-point estimate: a triangular distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// At least.
    pub low: Duration,
    /// Most often.
    pub usual: Duration,
    /// At most.
    pub high: Duration,
}

impl Estimate {
    /// What it takes on the average.
    pub fn mean(&self) -> Duration {
        (self.low + self.usual + self.high) / 3
    }

    /// The value below which a share of `part` in 2^32 lies. Only operations that are exact on every machine (IEEE 754), so
    /// that a seed gives one run everywhere.
    fn quantile(&self, part: u32) -> Duration {
        let [low, usual, high] = [self.low, self.usual, self.high].map(|time| time.as_secs_f64());
        let part = f64::from(part) / (f64::from(u32::MAX) + 1.0);
        let (span, rise) = (high - low, usual - low);
        if span <= 0.0 {
            return self.low;
        }
        let seconds = match part * span < rise {
            true => low + (part * span * rise).sqrt(),
            false => high - ((1.0 - part) * span * (high - usual)).sqrt(),
        };
        Duration::from_millis((seconds * 1000.0).round() as u64)
    }
}

/// Something that is done by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What it is.
    pub name: Arc<str>,
    /// Who does it, by the place among the staff.
    pub by: usize,
    /// How long it takes.
    pub takes: Estimate,
    /// How often it goes wrong and is done again, in a thousand.
    pub again_permille: u16,
    /// Whether it is done once for all devices, when the first of them asks.
    pub once: bool,
}

/// People who do the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// What they are.
    pub name: Arc<str>,
    /// How many there are.
    pub count: u32,
}

/// When something is done by hand.
pub(super) struct Shift {
    /// What is to be told, and when.
    pub told: Vec<(Instant, Body)>,
    /// When it is done.
    pub ends: Instant,
}

/// Where work waits for somebody to do it.
#[derive(Debug)]
pub struct Desk {
    works: Vec<Work>,
    staff: Vec<Staff>,
    /// When each of the staff is free again.
    free: Vec<Vec<Instant>>,
    /// When what is done once is done.
    once: BTreeMap<u16, Instant>,
    rng: RngTree,
}

impl Desk {
    /// A desk at which `staff` do `works`; how long each takes is drawn from `rng`.
    pub fn new(works: Vec<Work>, staff: Vec<Staff>, rng: RngTree) -> Self {
        let free = staff.iter().map(|one| vec![Instant::ZERO; one.count as usize]).collect();
        Self { works, staff, free, once: BTreeMap::new(), rng }
    }

    /// Device `number` asks for a work. None where there is no such work, or nobody who does it.
    pub(super) fn ask(&mut self, now: Instant, number: u32, work: u16) -> Option<Shift> {
        if let Some(ends) = self.once.get(&work) {
            return Some(Shift { told: Vec::new(), ends: now.max(*ends) });
        }
        let wanted = self.works.get(usize::from(work))?;
        let by = self.staff.get(wanted.by)?;
        let free = self.free.get_mut(wanted.by)?.iter_mut().min()?;
        let mut stream = self.rng.branch(&wanted.name).stream(&number.to_string());
        let (mut took, mut attempts) = (Duration::ZERO, 0);
        loop {
            took += wanted.takes.quantile(stream.next_u32());
            attempts += 1;
            let wrong = stream.next_u32() % 1000 < u32::from(wanted.again_permille);
            if !wrong || attempts == ATTEMPTS_MAX {
                break;
            }
        }
        let begins = now.max(*free);
        let ends = begins + took;
        *free = ends;
        if wanted.once {
            self.once.insert(work, ends);
        }
        let note = |change: &'static str, mut fields: Vec<(&'static str, String)>| {
            fields.insert(0, ("work", wanted.name.to_string()));
            fields.insert(1, ("by", by.name.to_string()));
            Body::note(Actor::device(number), change, fields)
        };
        let mut done = vec![("took_s", seconds(took))];
        if attempts > 1 {
            done.push(("attempts", attempts.to_string()));
        }
        let waited = begins.since(now);
        let began = if waited.is_zero() { Vec::new() } else { vec![("waited_s", seconds(waited))] };
        Some(Shift { told: vec![(begins, note(WORK_BEGINS, began)), (ends, note(WORK_DONE, done))], ends })
    }
}

/// Seconds with three digits behind the point.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn estimate(low: u64, usual: u64, high: u64) -> Estimate {
        let [low, usual, high] = [low, usual, high].map(Duration::from_secs);
        Estimate { low, usual, high }
    }

    fn desk(count: u32, work: Work) -> Desk {
        let staff = vec![Staff { name: "technician".into(), count }];
        Desk::new(vec![work], staff, RngTree::new(7))
    }

    fn work(takes: Estimate) -> Work {
        Work { name: "insert the SIM".into(), by: 0, takes, again_permille: 0, once: false }
    }

    fn ends(desk: &mut Desk, at: u64, number: u32) -> u64 {
        let now = Instant::ZERO + Duration::from_secs(at);
        desk.ask(now, number, 0).unwrap().ends.since(Instant::ZERO).as_secs()
    }

    #[test]
    fn who_is_busy_lets_others_wait_in_their_order() {
        let ten = work(estimate(10, 10, 10));
        let mut alone = desk(1, ten.clone());
        assert_eq!(
            [(0, 1), (1, 2), (2, 3), (50, 4)].map(|(at, n)| ends(&mut alone, at, n)),
            [10, 20, 30, 60]
        );
        let mut two = desk(2, ten.clone());
        assert_eq!([(0, 1), (1, 2), (2, 3), (50, 4)].map(|(at, n)| ends(&mut two, at, n)), [10, 11, 20, 60]);
        let mut once = desk(1, Work { once: true, ..ten });
        assert_eq!([(0, 1), (1, 2), (50, 3)].map(|(at, n)| ends(&mut once, at, n)), [10, 10, 50]);
    }

    #[test]
    fn what_goes_wrong_is_done_again_and_told() {
        let mut desk = desk(1, Work { again_permille: 1000, ..work(estimate(10, 10, 10)) });
        let shift = desk.ask(Instant::ZERO, 1, 0).unwrap();
        assert_eq!(shift.ends.since(Instant::ZERO), Duration::from_secs(100));
        let [_, (_, Body::State(done))] = &shift.told[..] else { panic!("{:?}", shift.told) };
        assert_eq!(done.fields[2..], [("took_s", "100.000".to_owned()), ("attempts", "10".to_owned())]);
        assert!(desk.ask(Instant::ZERO, 1, 1).is_none(), "there is no such work");
    }

    /// The quantiles of the triangular distribution from 0 to 10 with its peak at 2: 1 - (10 - x)^2 / 80 above the peak.
    #[test]
    fn times_follow_the_triangle() {
        let skewed = estimate(0, 2, 10);
        let at = |part: f64| skewed.quantile((part * 4_294_967_296.0) as u32).as_millis();
        assert_eq!([0.0, 0.05, 0.2, 0.55, 0.95].map(at), [0, 1000, 2000, 4000, 8000]);
        assert_eq!(skewed.mean(), Duration::from_secs(4));
        let draws: Vec<_> =
            (1..=4000).map(|n| ends(&mut desk(1, work(estimate(0, 200, 1000))), 0, n)).collect();
        let mean = draws.iter().sum::<u64>() / 4000;
        assert!((390..=410).contains(&mean), "{mean}");
    }

    proptest! {
        #[test]
        fn no_time_is_out_of_its_bounds(mut three: [u16; 3], part: u32) {
            three.sort_unstable();
            let [low, usual, high] = three.map(u64::from);
            let estimate = estimate(low, usual, high);
            let time = estimate.quantile(part);
            prop_assert!(estimate.low <= time + Duration::from_millis(1) && time <= estimate.high);
        }
    }
}
