//! Takes down what a run's summary needs, while the events pass.

use std::collections::HashMap;
use std::time::Duration;

use super::Scenario;
use super::verdict::{Judge, Judgement, Ruling, Standing, Subject};
use crate::crypto::Tally;
use crate::event::{Body, Event, Outcome, StepId, Verdict};
use crate::io::clock::thread_cpu_time;
use crate::kernel::Instant;
use crate::report::{
    Counters, Ending, ExpectationRow, Gathered, LoopWatch, RunFacts, RunSummary, StepRow, StepTimes, Version,
};

/// Observes a run and draws up its summary.
pub struct Recorder {
    judge: Judge,
    counters: Counters,
    /// The steps that each device has begun, in their order. Those of a device that is only counted are forgotten.
    steps: HashMap<u32, Vec<(StepId, Taken)>>,
    /// What is kept of devices that are only counted; `None` where each device has its rows.
    spread: Option<Spread>,
    /// Processor time can be told apart by step only where one device runs at a time.
    measure_cpu: bool,
    /// How devices are cut off.
    loops: LoopWatch,
}

#[derive(Default)]
struct Taken {
    started: Instant,
    ended: Option<(Duration, Ending, String)>,
    cpu_before: Option<Duration>,
    cpu: Option<Duration>,
}

impl Recorder {
    /// A recorder for a run of `scenario`. Where it `gathers`, devices that went as expected are counted and have no
    /// rows of their own.
    pub fn new(scenario: &Scenario, gathers: bool) -> Self {
        Self {
            judge: Judge::new(scenario).gathering(gathers),
            counters: Counters::default(),
            steps: HashMap::new(),
            spread: gathers.then(|| Spread::new(scenario.step_ids())),
            measure_cpu: scenario.device_count() == 1,
            loops: LoopWatch::default(),
        }
    }

    /// Takes an event down.
    pub fn observe(&mut self, event: &Event) {
        self.judge.observe(event);
        self.counters.count(event);
        self.loops.observe(event);
        match &event.body {
            Body::StepStarted { device, step } => {
                let cpu_before = if self.measure_cpu { thread_cpu_time() } else { None };
                let taken = Taken { started: event.at, cpu_before, ..Taken::default() };
                let steps = self.steps.entry(*device).or_default();
                steps.retain(|(known, _)| known != step);
                steps.push((*step, taken));
            }
            Body::StepEnded { device, step, took, outcome } => {
                let Some(taken) = taken(&mut self.steps, *device, *step) else { return };
                let (ending, finding) = ending(outcome);
                taken.ended = Some((*took, ending, finding));
                taken.cpu =
                    taken.cpu_before.and_then(|before| Some(thread_cpu_time()?.saturating_sub(before)));
                self.gather(*device);
            }
            Body::Message(_) | Body::State(_) => {}
        }
    }

    /// How `device` stands to what is expected of it.
    pub fn standing(&self, device: u32) -> Standing {
        self.judge.standing(device)
    }

    /// Forgets the steps of a device that went as expected, but for their times.
    fn gather(&mut self, device: u32) {
        let Some(spread) = &mut self.spread else { return };
        if self.judge.standing(device) != Standing::AsExpected {
            return;
        }
        let steps = self.steps.remove(&device).unwrap_or_default();
        spread.unreached += (spread.steps.len() - steps.len().min(spread.steps.len())) as u64;
        for (step, taken) in steps {
            if let Some((took, ending, _)) = taken.ended {
                spread.add(step, took, Verdict::Pass, ending);
                spread.gathered += 1;
            }
        }
    }

    /// The bench is at fault.
    pub fn bench_error(&mut self, reason: String) {
        self.judge.bench_error(reason);
    }

    /// The audit has found that things do not agree.
    pub fn audit_failed(&mut self, finding: String) {
        self.judge.audit_failed(finding);
    }

    /// Somebody has ended the run at `at`.
    pub fn interrupted(&mut self, at: Instant) {
        self.judge.interrupted(at);
    }

    /// The summary of a run that stopped at `end`.
    pub fn finish(self, facts: RunFacts, end: Instant, tally: &Tally) -> RunSummary {
        let Self { judge, counters, steps: mut taken, spread, loops, .. } = self;
        let judgement = judge.finish(end);
        let steps = step_rows(&judgement, &mut taken, end);
        let expectations = expectation_rows(&judgement, &taken, facts.devices > 1, spread.is_some());
        let gathered = spread.map(|mut spread| {
            steps.iter().for_each(|row| spread.add(row.step, row.virtual_time, row.verdict, row.ending));
            spread.finish(judgement.gathered)
        });
        let mut counters = counters.into_map();
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
            ledger: None,
            counters,
            gathered,
            left_out: None,
            audit: None,
            loops: loops.finish(),
            provenance: None,
        }
    }
}

fn taken(steps: &mut HashMap<u32, Vec<(StepId, Taken)>>, device: u32, step: StepId) -> Option<&mut Taken> {
    let own = steps.get_mut(&device)?;
    own.iter_mut().find(|(known, _)| *known == step).map(|(_, taken)| taken)
}

/// What is kept of steps of many devices: how long each took.
struct Spread {
    steps: Vec<(StepId, StepSpread)>,
    /// How many steps of devices that are only counted were done, and how many they were not to reach.
    gathered: u64,
    unreached: u64,
}

#[derive(Default)]
struct StepSpread {
    /// In nanoseconds: half of what a [`Duration`] takes, for each step of each device.
    took_ns: Vec<u64>,
    passed: u64,
    refused: u64,
}

impl Spread {
    fn new(plan: Vec<StepId>) -> Self {
        let steps = plan.into_iter().map(|step| (step, StepSpread::default())).collect();
        Self { steps, gathered: 0, unreached: 0 }
    }

    fn add(&mut self, step: StepId, took: Duration, verdict: Verdict, ending: Ending) {
        let Some((_, spread)) = self.steps.iter_mut().find(|(known, _)| *known == step) else { return };
        spread.took_ns.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        spread.passed += u64::from(verdict == Verdict::Pass);
        spread.refused += u64::from(ending == Ending::Refused);
    }

    fn finish(self, devices: u32) -> Gathered {
        let times = |(step, spread): (StepId, StepSpread)| {
            let StepSpread { took_ns, passed, refused } = spread;
            let took = took_ns.into_iter().map(Duration::from_nanos).collect();
            StepTimes::of(step, took, passed, refused)
        };
        Gathered {
            devices,
            steps: self.gathered,
            expectations: self.unreached,
            times: self.steps.into_iter().filter_map(times).collect(),
        }
    }
}

/// A row for each step that was begun, in the order of devices and steps.
fn step_rows(
    judgement: &Judgement,
    steps: &mut HashMap<u32, Vec<(StepId, Taken)>>,
    end: Instant,
) -> Vec<StepRow> {
    let row = |ruling: &Ruling| {
        let (Some(device), Subject::Step { step, .. }) = (ruling.device, &ruling.subject) else {
            return None;
        };
        let taken = taken(steps, device, *step)?;
        let (virtual_time, ending, finding) = match taken.ended.take() {
            Some((took, ending, finding)) => (took, ending, finding),
            None => (end.since(taken.started), Ending::Unfinished, ruling.found.clone()),
        };
        let verdict = ruling.verdict;
        Some(StepRow { device, step: *step, verdict, ending, finding, virtual_time, cpu_time: taken.cpu })
    };
    judgement.rulings.iter().filter_map(row).collect()
}

/// A row for each expectation that has no row among the steps: of messages, and of steps that were not begun.
/// Steps of one device that went alike are one row: those that a refusal kept it from. Where devices are `gathered`,
/// what of this went as expected has no rows.
fn expectation_rows(
    judgement: &Judgement,
    steps: &HashMap<u32, Vec<(StepId, Taken)>>,
    several: bool,
    gathered: bool,
) -> Vec<ExpectationRow> {
    let told = |ruling: &&Ruling| match (ruling.device, &ruling.subject) {
        (Some(_), Subject::Step { .. }) if gathered && ruling.verdict == Verdict::Pass => false,
        (Some(device), Subject::Step { step, .. }) => {
            !steps.get(&device).is_some_and(|own| own.iter().any(|(known, _)| known == step))
        }
        _ => true,
    };
    let left: Vec<&Ruling> = judgement.rulings.iter().filter(told).collect();
    let together = left.chunk_by(|a, b| alike(a, b));
    let row = |rulings: &[&Ruling]| {
        let (last, before) = rulings.split_last()?;
        let of = last.device.filter(|_| several).map_or(String::new(), |n| format!("device {n}: "));
        let before: String = before
            .iter()
            .filter_map(|ruling| match &ruling.subject {
                Subject::Step { step, .. } => Some(format!("{step}, ")),
                Subject::Seen { .. } | Subject::Cut { .. } | Subject::Act { .. } => None,
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
        Outcome::Refused { reason, detail } if detail.is_empty() => (Ending::Refused, reason.to_string()),
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
