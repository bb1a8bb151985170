//! Takes down what a run's summary needs, while the events pass.

use std::collections::HashMap;
use std::time::Duration;

use super::Scenario;
use super::verdict::{Judge, Judgement, Ruling, Subject};
use crate::crypto::Tally;
use crate::event::{Body, Event, Outcome, StepId};
use crate::io::clock::thread_cpu_time;
use crate::kernel::Instant;
use crate::report::{Counters, Ending, ExpectationRow, RunFacts, RunSummary, StepRow, Version};

/// Observes a run and draws up its summary.
pub struct Recorder {
    judge: Judge,
    counters: Counters,
    steps: HashMap<(u32, StepId), Taken>,
    /// Processor time can be told apart by step only where one device runs at a time.
    measure_cpu: bool,
}

#[derive(Default)]
struct Taken {
    started: Instant,
    ended: Option<(Duration, Ending, String)>,
    cpu_before: Option<Duration>,
    cpu: Option<Duration>,
}

impl Recorder {
    /// A recorder for a run of `scenario`.
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            judge: Judge::new(scenario),
            counters: Counters::default(),
            steps: HashMap::new(),
            measure_cpu: scenario.device_count() == 1,
        }
    }

    /// Takes an event down.
    pub fn observe(&mut self, event: &Event) {
        self.judge.observe(event);
        self.counters.count(event);
        match &event.body {
            Body::StepStarted { device, step } => {
                let cpu_before = if self.measure_cpu { thread_cpu_time() } else { None };
                let taken = Taken { started: event.at, cpu_before, ..Taken::default() };
                self.steps.insert((*device, *step), taken);
            }
            Body::StepEnded { device, step, took, outcome } => {
                let Some(taken) = self.steps.get_mut(&(*device, *step)) else { return };
                let (ending, finding) = ending(outcome);
                taken.ended = Some((*took, ending, finding));
                taken.cpu =
                    taken.cpu_before.and_then(|before| Some(thread_cpu_time()?.saturating_sub(before)));
            }
            Body::Message(_) | Body::State(_) => {}
        }
    }

    /// The bench is at fault.
    pub fn bench_error(&mut self, reason: String) {
        self.judge.bench_error(reason);
    }

    /// The summary of a run that stopped at `end`.
    pub fn finish(self, facts: RunFacts, end: Instant, tally: &Tally) -> RunSummary {
        let judgement = self.judge.finish(end);
        let steps = step_rows(&judgement, &self.steps, end);
        let expectations = expectation_rows(&judgement, &self.steps, facts.devices > 1);
        let mut counters = self.counters.into_map();
        counters.extend(tally.snapshot().into_iter().map(|(op, count)| (format!("crypto.{op}"), count)));
        RunSummary {
            facts,
            verdict: judgement.verdict,
            reason: judgement.reason,
            steps,
            expectations,
            versions: versions(),
            rerun: String::new(),
            virtual_time: end.since(Instant::ZERO),
            cpu_time: None,
            wall_time: None,
            counters,
        }
    }
}

/// A row for each step that was begun, in the order of devices and steps.
fn step_rows(judgement: &Judgement, steps: &HashMap<(u32, StepId), Taken>, end: Instant) -> Vec<StepRow> {
    let row = |ruling: &Ruling| {
        let (Some(device), Subject::Step { step, .. }) = (ruling.device, &ruling.subject) else {
            return None;
        };
        let taken = steps.get(&(device, *step))?;
        let (virtual_time, ending, finding) = match &taken.ended {
            Some((took, ending, finding)) => (*took, *ending, finding.clone()),
            None => (end.since(taken.started), Ending::Unfinished, ruling.found.clone()),
        };
        let verdict = ruling.verdict;
        Some(StepRow { device, step: *step, verdict, ending, finding, virtual_time, cpu_time: taken.cpu })
    };
    judgement.rulings.iter().filter_map(row).collect()
}

/// A row for each expectation that has no row among the steps: of messages, and of steps that were not begun.
/// Steps of one device that went alike are one row: those that a refusal kept it from.
fn expectation_rows(
    judgement: &Judgement,
    steps: &HashMap<(u32, StepId), Taken>,
    several: bool,
) -> Vec<ExpectationRow> {
    let begun = |ruling: &Ruling| match (ruling.device, &ruling.subject) {
        (Some(device), Subject::Step { step, .. }) => steps.contains_key(&(device, *step)),
        _ => false,
    };
    let left: Vec<&Ruling> = judgement.rulings.iter().filter(|ruling| !begun(ruling)).collect();
    let together = left.chunk_by(|a, b| alike(a, b));
    let row = |rulings: &[&Ruling]| {
        let (last, before) = rulings.split_last()?;
        let of = last.device.filter(|_| several).map_or(String::new(), |n| format!("device {n}: "));
        let before: String = before
            .iter()
            .filter_map(|ruling| match &ruling.subject {
                Subject::Step { step, .. } => Some(format!("{step}, ")),
                Subject::Seen { .. } | Subject::Cut { .. } => None,
            })
            .collect();
        let text = format!("{of}{before}{}", last.subject);
        Some(ExpectationRow { text, verdict: last.verdict, found: last.found.clone() })
    };
    together.filter_map(row).collect()
}

/// Whether two rulings differ in nothing but the step.
fn alike(a: &Ruling, b: &Ruling) -> bool {
    let (Subject::Step { expected: of_a, .. }, Subject::Step { expected: of_b, .. }) =
        (&a.subject, &b.subject)
    else {
        return false;
    };
    (a.device, a.verdict, of_a, &a.found) == (b.device, b.verdict, of_b, &b.found)
}

fn ending(outcome: &Outcome) -> (Ending, String) {
    match outcome {
        Outcome::Done { proof } => (Ending::Done, proof.clone()),
        Outcome::Refused { reason, detail } if detail.is_empty() => (Ending::Refused, reason.clone()),
        Outcome::Refused { reason, detail } => (Ending::Refused, format!("{reason} ({detail})")),
    }
}

fn versions() -> Vec<Version> {
    let version = |name: &str, value: &str| Version { name: name.to_owned(), value: value.to_owned() };
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    vec![
        version("cellbed", env!("CARGO_PKG_VERSION")),
        version("build", profile),
        version("target", &format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)),
    ]
}
