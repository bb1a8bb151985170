//! The judge: compares what happens with what a scenario expects, and comes to one verdict.
//!
//! A verdict only worsens and keeps its first reason. What could not be put to the test because the device
//! failed earlier is inconclusive; a fault of the bench is an error, whatever else was found.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use super::scenario::{Expectation, ExpectedOutcome, Scenario};
use crate::device::plan::Cut;
use crate::device::power::POWER_CUT;
use crate::event::{Body, Event, Message, Outcome, StateChange, Step, StepId, Verdict};
use crate::kernel::Instant;

/// How a step of one device must end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Expected {
    /// It is done.
    Done,
    Refused {
        reason: String,
    },
    /// The device does not come to it.
    NotReached,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}

/// What an expectation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Subject {
    /// A step of a device.
    Step { step: StepId, expected: Expected },
    /// A message, as in `EMM Authentication Failure`.
    Seen { message: String },
    /// A power cut in the middle of a step.
    Cut { step: StepId, after: u32 },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, expected } => write!(f, "{step} {expected}"),
            Self::Seen { message } => write!(f, "{message} is seen"),
            Self::Cut { step, after } => write!(f, "{step} loses its power after {after} messages"),
        }
    }
}

/// What became of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The device; `None` where the expectation is of no device in particular.
    pub device: Option<u32>,
    /// What the expectation is about.
    pub subject: Subject,
    /// Whether it is met.
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
}

/// The end of the trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The worst of all rulings, and of what else went wrong.
    pub verdict: Verdict,
    /// Why it is not a pass: the first thing that went wrong.
    pub reason: Option<String>,
    /// Every expectation, by device and step; those of messages last.
    pub rulings: Vec<Ruling>,
}

/// What is known of a step of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    NotReached,
    Begun,
    Done,
    Refused { reason: String, detail: String },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReached => f.write_str("not reached"),
            Self::Begun => f.write_str("begun and not ended"),
            Self::Done => f.write_str("done"),
            Self::Refused { reason, detail } if detail.is_empty() => write!(f, "refused: {reason}"),
            Self::Refused { reason, detail } => write!(f, "refused: {reason} ({detail})"),
        }
    }
}

/// Compares events with expectations.
#[derive(Debug)]
pub struct Judge {
    steps: Vec<StepId>,
    /// What is expected of each device, step by step.
    expected: Vec<Vec<Expected>>,
    found: Vec<Vec<Found>>,
    /// Messages expected, and whether they were seen.
    messages: Vec<(Option<u32>, String, bool)>,
    messages_missing: usize,
    /// Power cuts in the middle of a step of a device, and whether they came.
    cuts: Vec<(u32, Cut, bool)>,
    verdict: Verdict,
    reason: Option<String>,
}

impl Judge {
    /// A judge for `scenario`, which must have passed its check.
    pub fn new(scenario: &Scenario) -> Self {
        let steps = scenario.step_ids();
        let said = Said::of(scenario);
        let expected: Vec<_> =
            (1..=scenario.device_count()).map(|device| said.of_device(&steps, device)).collect();
        let found = vec![vec![Found::NotReached; steps.len()]; expected.len()];
        let messages: Vec<_> =
            scenario.expect.iter().filter_map(|e| Some((e.device, e.seen.clone()?, false))).collect();
        let cuts = scenario.fault.iter().filter_map(|fault| Some((fault.device, fault.power_cut()?, false)));
        Self {
            steps,
            expected,
            found,
            messages_missing: messages.len(),
            messages,
            cuts: cuts.collect(),
            verdict: Verdict::Pass,
            reason: None,
        }
    }

    /// What `device` is expected to do in `step`; `None` where there is no such device or step.
    pub fn expected(&self, device: u32, step: StepId) -> Option<&Expected> {
        let (device, step) = self.index(device, step)?;
        Some(&self.expected[device][step])
    }

    /// Takes an event into account.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::Message(message) => self.message(message),
            Body::State(change) => self.state(change),
            Body::StepStarted { device, step } => self.step(*device, *step, Found::Begun),
            Body::StepEnded { device, step, outcome, .. } => {
                let found = match outcome {
                    Outcome::Done { .. } => Found::Done,
                    Outcome::Refused { reason, detail } => {
                        Found::Refused { reason: reason.clone(), detail: detail.clone() }
                    }
                };
                self.step(*device, *step, found);
            }
        }
    }

    /// The bench is at fault: nothing more can be said of what it tests.
    pub fn bench_error(&mut self, reason: impl Into<String>) {
        self.worsen(Verdict::Error, || reason.into());
    }

    /// The verdict as things stand.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The judgement when the run has stopped at `end`.
    pub fn finish(mut self, end: Instant) -> Judgement {
        let mut rulings = Vec::with_capacity(self.steps.len() * self.expected.len() + self.messages.len());
        for device in 0..self.expected.len() {
            for step in 0..self.steps.len() {
                rulings.push(self.rule_step(device, step, end));
            }
        }
        for (device, message, seen) in std::mem::take(&mut self.messages) {
            let verdict = if seen { Verdict::Pass } else { Verdict::Fail };
            self.worsen(verdict, || format!("{}{message} was never seen", of_device(device)));
            let found = if seen { "seen" } else { "never seen" }.to_owned();
            rulings.push(Ruling { device, subject: Subject::Seen { message }, verdict, found });
        }
        for (device, Cut { step, after, .. }, came) in std::mem::take(&mut self.cuts) {
            let verdict = if came { Verdict::Pass } else { Verdict::Inconclusive };
            let device = Some(device);
            self.worsen(verdict, || {
                format!("{}{step} was over before its power cut after {after} messages", of_device(device))
            });
            let found = if came { "cut" } else { "the step was over before, or not reached" }.to_owned();
            rulings.push(Ruling { device, subject: Subject::Cut { step, after }, verdict, found });
        }
        Judgement { verdict: self.verdict, reason: self.reason, rulings }
    }

    fn index(&self, device: u32, step: StepId) -> Option<(usize, usize)> {
        let device = (device as usize).checked_sub(1).filter(|d| *d < self.expected.len())?;
        Some((device, self.steps.iter().position(|s| *s == step)?))
    }

    fn step(&mut self, device: u32, step: StepId, found: Found) {
        let Some((d, s)) = self.index(device, step) else {
            self.bench_error(format!("device {device} did {step}, which the scenario does not ask for"));
            return;
        };
        let expected = &self.expected[d][s];
        if found != Found::Begun && !agrees(expected, &found) {
            let reason = difference(Some(device), step, expected, &found);
            self.worsen(Verdict::Fail, || reason);
        }
        self.found[d][s] = found;
    }

    /// A device whose power was cut in the middle of a step says so before the step ends.
    fn state(&mut self, change: &StateChange) {
        if self.cuts.is_empty() || change.change != POWER_CUT {
            return;
        }
        let Some(device) = change.actor.part_of() else { return };
        for at in 0..self.cuts.len() {
            let (whose, cut, _) = self.cuts[at];
            let begun = self.index(whose, cut.step).is_some_and(|(d, s)| self.found[d][s] == Found::Begun);
            if whose == device && begun {
                self.cuts[at].2 = true;
            }
        }
    }

    fn message(&mut self, message: &Message) {
        if self.messages_missing == 0 {
            return;
        }
        for (device, wanted, seen) in self.messages.iter_mut().filter(|(.., seen)| !seen) {
            let concerns =
                device.is_none_or(|n| [message.from, message.to].iter().any(|a| a.part_of() == Some(n)));
            let named = wanted.split_once(' ') == Some((message.label.proto.name(), &*message.label.name));
            if concerns && named {
                *seen = true;
                self.messages_missing -= 1;
            }
        }
    }

    fn rule_step(&mut self, d: usize, s: usize, end: Instant) -> Ruling {
        let (step, expected, found) = (self.steps[s], self.expected[d][s].clone(), &self.found[d][s]);
        let device = Some(d as u32 + 1);
        let failed_before =
            || (0..s).find(|s| !agrees(&self.expected[d][*s], &self.found[d][*s])).map(|s| self.steps[s]);
        let (verdict, found) = match (agrees(&expected, found), found, failed_before()) {
            (true, ..) => (Verdict::Pass, found.to_string()),
            (false, Found::NotReached, Some(earlier)) => {
                (Verdict::Inconclusive, format!("not reached after {earlier} went wrong"))
            }
            (false, Found::NotReached | Found::Begun, _) => {
                (Verdict::Fail, format!("{found} when the run stopped at {end} s"))
            }
            (false, ..) => (Verdict::Fail, found.to_string()),
        };
        self.worsen(verdict, || difference(device, step, &expected, &found));
        Ruling { device, subject: Subject::Step { step, expected }, verdict, found }
    }

    fn worsen(&mut self, verdict: Verdict, reason: impl FnOnce() -> String) {
        if self.verdict.worsen(verdict) && self.reason.is_none() {
            self.reason = Some(reason());
        }
    }
}

fn agrees(expected: &Expected, found: &Found) -> bool {
    match (expected, found) {
        (Expected::Done, Found::Done) | (Expected::NotReached, Found::NotReached) => true,
        (Expected::Refused { reason }, Found::Refused { reason: found, .. }) => reason == found,
        _ => false,
    }
}

fn difference(device: Option<u32>, step: StepId, expected: &Expected, found: &impl fmt::Display) -> String {
    format!("{}{step} should be {expected}, but was {found}", of_device(device))
}

fn of_device(device: Option<u32>) -> String {
    device.map(|n| format!("device {n}: ")).unwrap_or_default()
}

/// What a scenario says of steps, ready to be looked up: of a device or of all, of one time or of every time.
struct Said<'s>(HashMap<(Option<u32>, Step, Option<u16>), &'s Expectation>);

impl<'s> Said<'s> {
    fn of(scenario: &'s Scenario) -> Self {
        let said = scenario.expect.iter().filter_map(|e| Some(((e.device, e.step?, e.nth), e)));
        Self(said.collect())
    }

    /// What is said of a step, the most special thing.
    fn find(&self, device: u32, id: StepId) -> Option<&'s Expectation> {
        let of = |device, nth| self.0.get(&(device, id.step, nth)).copied();
        let (one, time) = (Some(device), Some(id.nth));
        of(one, time).or_else(|| of(one, None)).or_else(|| of(None, time)).or_else(|| of(None, None))
    }

    fn of_device(&self, steps: &[StepId], device: u32) -> Vec<Expected> {
        let mut refused = false;
        let mut expected = Vec::with_capacity(steps.len());
        for step in steps {
            let said = self.find(device, *step);
            let one = match said.and_then(|e| e.outcome) {
                Some(ExpectedOutcome::Done) => Expected::Done,
                Some(ExpectedOutcome::Refused) => {
                    Expected::Refused { reason: said.and_then(|e| e.reason.clone()).unwrap_or_default() }
                }
                Some(ExpectedOutcome::NotReached) => Expected::NotReached,
                None if refused => Expected::NotReached,
                None => Expected::Done,
            };
            refused |= matches!(one, Expected::Refused { .. });
            expected.push(one);
        }
        expected
    }
}
