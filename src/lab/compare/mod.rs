//! Two scenarios beside each other: how long devices take to be ready, what people have to do for it, and what that says.

mod chart;
mod comparison;
mod figures;
mod prices;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use serde::Serialize;

use super::{LabError, Run};
use crate::event::{Body, Event, Outcome, Step, Verdict};
use crate::kernel::{Duration, Instant};
use crate::ledger::{MemoryStore, Place};
use crate::report::{RunSummary, View};
use crate::world::desk::WORK_DONE;

pub use comparison::{Comparison, Pair};
use figures::{half_width, mean, quantile};
pub use prices::Prices;

/// The ratio that "up to 150 % more efficient" means at least: half as much again.
pub const CLAIM_LOW: f64 = 1.5;
/// And at most: 150 % on top.
pub const CLAIM_HIGH: f64 = 2.5;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The seed.
    pub seed: u64,
    /// From the moment that somebody could begin with a device, or that it was switched on, until it was ready, in seconds and in
    /// rising order: of the devices that became ready.
    pub ready_s: Vec<f64>,
    /// How many devices did not become ready.
    pub not_ready: u32,
    /// Seconds of work by who did it, of all devices together.
    pub staff_s: BTreeMap<String, f64>,
    /// Seconds by step and work, of all devices together.
    pub parts_s: BTreeMap<String, f64>,
}

impl Sample {
    /// The middle time of a device.
    pub fn median_s(&self) -> f64 {
        quantile(&self.ready_s, 0.5)
    }

    /// The time that 95 of 100 devices have become ready in.
    pub fn p95_s(&self) -> f64 {
        quantile(&self.ready_s, 0.95)
    }

    /// How many devices there were.
    pub fn devices(&self) -> f64 {
        self.ready_s.len() as f64 + f64::from(self.not_ready)
    }

    /// Seconds of work for each device.
    pub fn work_s(&self) -> f64 {
        self.staff_s.values().fold(0.0, |sum, seconds| sum + seconds) / self.devices()
    }
}

/// What one scenario did with so many devices, with several seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The scenario.
    pub scenario: String,
    /// How many devices.
    pub devices: u32,
    /// A run for each seed.
    pub samples: Vec<Sample>,
}

impl Series {
    /// Runs the scenario that `load` gives with `devices` devices and each of `seeds`.
    ///
    /// # Errors
    /// Where a run cannot be set up, or the bench is at fault.
    pub fn of(
        load: impl Fn() -> Result<Run, LabError>,
        devices: u32,
        seeds: impl IntoIterator<Item = u64>,
    ) -> Result<Self, LabError> {
        let (mut scenario, mut samples) = (String::new(), Vec::new());
        for seed in seeds {
            let run = load()?.with_devices(devices)?.with_seed(seed);
            scenario.clone_from(&run.scenario.name);
            samples.push(sample(&run)?);
        }
        Ok(Self { scenario, devices, samples })
    }

    /// `of` every sample.
    pub fn each(&self, of: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples.iter().map(of).collect()
    }

    /// The mean over the seeds of `of`.
    pub fn mean(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        mean(&self.each(of))
    }

    /// Seconds of a device by step and work, over all seeds.
    pub fn parts(&self) -> BTreeMap<&str, f64> {
        let devices: f64 = self.each(Sample::devices).iter().sum();
        let mut parts = BTreeMap::new();
        for (part, seconds) in self.samples.iter().flat_map(|sample| &sample.parts_s) {
            *parts.entry(part.as_str()).or_default() += seconds / devices;
        }
        parts
    }

    /// Seconds that a device takes without anybody's work and without waiting for it.
    pub fn machine_s(&self) -> f64 {
        let until_ready =
            |part: &str| Step::ALL.iter().any(|step| step.name() == part && *step != Step::Detach);
        self.parts().into_iter().filter(|(part, _)| until_ready(part)).map(|(_, seconds)| seconds).sum()
    }

    /// What a device costs; the names of the staff that the table has no price for stand beside it.
    pub fn cost(&self, prices: &Prices) -> (f64, Vec<String>) {
        let (mut cost, mut unknown) = (prices.of_device(&self.scenario), Vec::new());
        let devices: f64 = self.each(Sample::devices).iter().sum();
        let mut worked: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, seconds) in self.samples.iter().flat_map(|sample| &sample.staff_s) {
            *worked.entry(name).or_default() += seconds;
        }
        for (name, seconds) in worked {
            match prices.of_staff(name, seconds / devices) {
                Some(price) => cost += price,
                None => unknown.push(name.to_owned()),
            }
        }
        (cost, unknown)
    }
}

/// What two series of the same number of devices and the same seeds say of each other: how many times the second takes as long
/// as the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The geometric mean over the seeds.
    pub times: f64,
    /// The 95 % confidence interval of it; none of one seed. It is taken of the logarithms, so that it holds no ratio below zero.
    pub interval: Option<[f64; 2]>,
}

impl Ratio {
    /// Of `first` and `second`, by what `of` says of each sample.
    pub fn of(first: &Series, second: &Series, of: impl Fn(&Sample) -> f64) -> Self {
        let pairs = first.samples.iter().zip(&second.samples);
        let logs: Vec<f64> = pairs.map(|(first, second)| (of(second) / of(first)).ln()).collect();
        let middle = mean(&logs);
        let interval = half_width(&logs).map(|half| [(middle - half).exp(), (middle + half).exp()]);
        Self { times: middle.exp(), interval }
    }

    /// Whether the whole interval lies at `claimed` or above.
    pub fn reaches(&self, claimed: f64) -> bool {
        self.interval.map_or(self.times, |[low, _]| low) >= claimed
    }
}

/// One row of the tornado: the ratio where one estimate is at its lowest and at its highest, and all others at their means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sway {
    /// The work.
    pub work: String,
    /// The ratio at the lowest.
    pub low: f64,
    /// The ratio at the highest.
    pub high: f64,
}

/// What decides the ratio of one device, the widest first. It is computed from the estimates of `run`'s scenario and from the
/// times of the machines; nothing is run for it.
pub fn tornado(run: &Run, first_s: f64, machine_s: f64) -> Vec<Sway> {
    let works = &run.scenario.work;
    let usual: f64 = works.iter().map(|work| work.takes().mean().as_secs_f64()).sum();
    let at = |work_s: f64| (machine_s + work_s) / first_s;
    let mut rows: Vec<Sway> = works
        .iter()
        .map(|work| {
            let others = usual - work.takes().mean().as_secs_f64();
            let (low, high) = (at(others + f64::from(work.low_s)), at(others + f64::from(work.high_s)));
            Sway { work: work.name.clone(), low, high }
        })
        .collect();
    rows.sort_by(|one, other| (other.high - other.low).total_cmp(&(one.high - one.low)));
    rows
}

/// What a run looks like to somebody with a stopwatch.
#[derive(Default)]
struct Watch {
    ready: BTreeMap<u32, Instant>,
    staff_s: BTreeMap<String, f64>,
    parts_s: BTreeMap<String, f64>,
}

struct Stopwatch(Rc<RefCell<Watch>>);

impl View for Stopwatch {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut watch = self.0.borrow_mut();
        match &event.body {
            Body::StepEnded { device, step, took, outcome } => {
                *watch.parts_s.entry(step.step.name().to_owned()).or_default() += took.as_secs_f64();
                if step.step == Step::Ready && matches!(outcome, Outcome::Done { .. }) {
                    watch.ready.entry(*device).or_insert(event.at);
                }
            }
            Body::State(told) if told.change == WORK_DONE => {
                let field =
                    |name: &str| told.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
                let seconds = field("took_s").and_then(|value| value.parse::<f64>().ok()).unwrap_or_default();
                if let Some(by) = field("by") {
                    *watch.staff_s.entry(by.clone()).or_default() += seconds;
                }
                if let Some(work) = field("work") {
                    *watch.parts_s.entry(work.clone()).or_default() += seconds;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

/// One run with a stopwatch, without a trace.
fn sample(run: &Run) -> Result<Sample, LabError> {
    let watch = Rc::new(RefCell::new(Watch::default()));
    let place = Place::from(Box::new(MemoryStore::new()) as Box<_>);
    let summary = run.simulate_watched(place, Box::new(Stopwatch(Rc::clone(&watch))))?;
    if matches!(summary.verdict, Verdict::Error | Verdict::Interrupted) {
        return Err(LabError::Compared { rerun: summary.rerun, verdict: summary.verdict.name() });
    }
    let Watch { ready, staff_s, parts_s } = std::mem::take(&mut *watch.borrow_mut());
    let started = run.scenario.devices();
    let since = |device: u32, at: Instant| {
        let start = started.get(device as usize - 1).map_or(Duration::ZERO, |device| device.start);
        at.since(Instant::ZERO + start).as_secs_f64()
    };
    let mut ready_s: Vec<f64> = ready.into_iter().map(|(device, at)| since(device, at)).collect();
    ready_s.sort_by(f64::total_cmp);
    let not_ready = run.scenario.device_count() - u32::try_from(ready_s.len()).unwrap_or(u32::MAX);
    Ok(Sample { seed: run.scenario.seed, ready_s, not_ready, staff_s, parts_s })
}
