//! The judge: compares what happens with what a scenario expects, and comes to one verdict.
//!
//! A verdict only worsens and keeps its first reason. What could not be put to the test because the device
//! failed earlier, or since somebody ended the run, is inconclusive; a fault of the bench is an error, whatever else
//! was found.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::scenario::{Expectation, ExpectedOutcome, Scenario};
use crate::device::plan::Cut;
use crate::device::power::POWER_CUT;
use crate::event::{Body, Event, Message, Outcome, StateChange, Step, StepId, Verdict};
use crate::kernel::Instant;
use crate::services::guard::{Deed, OPERATOR_ACTS};
use crate::wire::Reason;

/// How a step of one device must end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Expected {
    /// It is done.
    Done,
    Refused {
        reason: Reason,
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
    /// Something that an operator does.
    Act { deed: Deed },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, expected } => write!(f, "{step} {expected}"),
            Self::Seen { message } => write!(f, "{message} is seen"),
            Self::Cut { step, after } => write!(f, "{step} loses its power after {after} messages"),
            Self::Act { deed } => write!(f, "the operator's {}", deed.name()),
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
    /// Every expectation, by device and step; those of messages last. None of the devices that are only counted.
    pub rulings: Vec<Ruling>,
    /// How many devices went as expected and are only counted.
    pub gathered: u32,
}

/// How a device stands to what is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not through yet.
    Open,
    /// Through, and every step went as expected.
    AsExpected,
    /// A step ended otherwise.
    Otherwise,
}

/// What is known of a step of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    NotReached,
    Begun,
    Done,
    Refused { reason: Reason, detail: String },
}

impl Found {
    fn as_expected(expected: &Expected) -> Self {
        match expected {
            Expected::Done => Self::Done,
            Expected::Refused { reason } => Self::Refused { reason: reason.clone(), detail: String::new() },
            Expected::NotReached => Self::NotReached,
        }
    }
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
    expected: Plans,
    /// Of each device. A device that went as expected is not remembered in more words, where such are only counted.
    standing: Vec<Standing>,
    found: HashMap<u32, Vec<Found>>,
    /// Whether devices that went as expected are only counted.
    gathers: bool,
    /// Messages expected, and whether they were seen.
    messages: Vec<(Option<u32>, String, bool)>,
    messages_missing: usize,
    /// Power cuts in the middle of a step of a device, and whether they came.
    cuts: Vec<(u32, Cut, bool)>,
    /// What operators are to do with a device, and whether they did.
    acts: Vec<(u32, Deed, bool)>,
    verdict: Verdict,
    reason: Option<String>,
    interrupted: bool,
}

impl Judge {
    /// A judge for `scenario`, which must have passed its check.
    pub fn new(scenario: &Scenario) -> Self {
        let steps = scenario.step_ids();
        let expected = Plans::new(&Said::of(scenario), &steps);
        let standing = vec![Standing::Open; scenario.device_count() as usize];
        let messages: Vec<_> =
            scenario.expect.iter().filter_map(|e| Some((e.device, e.seen.clone()?, false))).collect();
        let cuts = scenario.fault.iter().filter_map(|fault| Some((fault.device, fault.power_cut()?, false)));
        Self {
            steps,
            expected,
            standing,
            found: HashMap::new(),
            gathers: false,
            messages_missing: messages.len(),
            messages,
            cuts: cuts.collect(),
            acts: scenario.operator.iter().map(|one| (one.device, one.action, false)).collect(),
            verdict: Verdict::Pass,
            reason: None,
            interrupted: false,
        }
    }

    /// The same, which only counts devices that went as expected: a run of many has no use for a ruling on each.
    pub fn gathering(self, gathers: bool) -> Self {
        Self { gathers, ..self }
    }

    /// What `device` is expected to do in `step`; `None` where there is no such device or step.
    pub fn expected(&self, device: u32, step: StepId) -> Option<&Expected> {
        self.expected.of(device).get(self.index(device, step)?)
    }

    /// How `device` stands; one that there is not is never through.
    pub fn standing(&self, device: u32) -> Standing {
        let standing = (device as usize).checked_sub(1).and_then(|place| self.standing.get(place));
        standing.copied().unwrap_or(Standing::Open)
    }

    /// Takes an event into account.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::Message(message) => self.message(message, event.device),
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

    /// The audit of the run has found that things do not agree.
    pub fn audit_failed(&mut self, finding: impl Into<String>) {
        self.worsen(Verdict::Fail, || format!("audit: {}", finding.into()));
    }

    /// Somebody has ended the run at `at`: what it has not come to is not held against anybody.
    pub fn interrupted(&mut self, at: Instant) {
        self.interrupted = true;
        self.worsen(Verdict::Interrupted, || format!("the run was interrupted at {at} s"));
    }

    /// The verdict as things stand.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The judgement when the run has stopped at `end`.
    pub fn finish(mut self, end: Instant) -> Judgement {
        let (mut rulings, mut gathered) = (Vec::new(), 0);
        for device in (1..).take(self.standing.len()) {
            if self.gathers && self.standing(device) == Standing::AsExpected {
                gathered += 1;
                continue;
            }
            self.rule_device(device, end, &mut rulings);
        }
        for (device, message, seen) in std::mem::take(&mut self.messages) {
            let verdict = match seen {
                true => Verdict::Pass,
                false if self.interrupted => Verdict::Inconclusive,
                false => Verdict::Fail,
            };
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
        for (device, deed, came) in std::mem::take(&mut self.acts) {
            let verdict = if came { Verdict::Pass } else { Verdict::Inconclusive };
            let device = Some(device);
            self.worsen(verdict, || {
                format!("{}the operator's {} did not come about", of_device(device), deed.name())
            });
            let found = if came { "done" } else { "what it waits for did not come about" }.to_owned();
            rulings.push(Ruling { device, subject: Subject::Act { deed }, verdict, found });
        }
        Judgement { verdict: self.verdict, reason: self.reason, rulings, gathered }
    }

    /// The place of `step` in the plan of `device`.
    fn index(&self, device: u32, step: StepId) -> Option<usize> {
        let known = (1..=self.standing.len()).contains(&(device as usize));
        self.steps.iter().position(|s| known && *s == step)
    }

    fn step(&mut self, device: u32, step: StepId, found: Found) {
        let Some(place) = self.index(device, step) else {
            self.bench_error(format!("device {device} did {step}, which the scenario does not ask for"));
            return;
        };
        let expected = self.expected.of(device);
        let all = self.found.entry(device).or_insert_with(|| match self.standing[device as usize - 1] {
            // It has been forgotten that it went as expected, and it goes on all the same.
            Standing::AsExpected => expected.iter().map(Found::as_expected).collect(),
            Standing::Open | Standing::Otherwise => vec![Found::NotReached; expected.len()],
        });
        let differs = found != Found::Begun && !agrees(&expected[place], &found);
        let reason = differs.then(|| difference(Some(device), step, &expected[place], &found));
        all[place] = found;
        let through = expected.iter().zip(all.iter()).all(|(expected, found)| agrees(expected, found));
        let standing = &mut self.standing[device as usize - 1];
        *standing = match *standing {
            Standing::Otherwise => Standing::Otherwise,
            _ if differs => Standing::Otherwise,
            _ if through => Standing::AsExpected,
            _ => Standing::Open,
        };
        if self.gathers && *standing == Standing::AsExpected {
            self.found.remove(&device);
        }
        if let Some(reason) = reason {
            self.worsen(Verdict::Fail, || reason);
        }
    }

    /// A device whose power was cut in the middle of a step says so before the step ends.
    fn state(&mut self, change: &StateChange) {
        if !self.acts.is_empty() && change.change == OPERATOR_ACTS {
            self.acted(change);
        }
        if self.cuts.is_empty() || change.change != POWER_CUT {
            return;
        }
        let Some(device) = change.actor.part_of() else { return };
        for at in 0..self.cuts.len() {
            let (whose, cut, _) = self.cuts[at];
            let found = |place: usize| self.found.get(&whose).and_then(|all| all.get(place));
            let begun = self.index(whose, cut.step).and_then(found) == Some(&Found::Begun);
            if whose == device && begun {
                self.cuts[at].2 = true;
            }
        }
    }

    fn acted(&mut self, change: &StateChange) {
        let said =
            |name: &str| change.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| &**value);
        let done = self.acts.iter_mut().find(|(device, deed, came)| {
            !came && said("deed") == Some(deed.name()) && said("device") == Some(&device.to_string())
        });
        if let Some((.., came)) = done {
            *came = true;
        }
    }

    /// A message concerns a device that sends or gets it, and one that the event names.
    fn message(&mut self, message: &Message, about: Option<u32>) {
        if self.messages_missing == 0 {
            return;
        }
        for (device, wanted, seen) in self.messages.iter_mut().filter(|(.., seen)| !seen) {
            let ends = [message.from.part_of(), message.to.part_of()];
            let concerns = device.is_none_or(|n| about == Some(n) || ends.contains(&Some(n)));
            let named = wanted.split_once(' ') == Some((message.label.proto.name(), &*message.label.name));
            if concerns && named {
                *seen = true;
                self.messages_missing -= 1;
            }
        }
    }

    fn rule_device(&mut self, device: u32, end: Instant, rulings: &mut Vec<Ruling>) {
        let first = rulings.len();
        let not_reached = || vec![Found::NotReached; self.steps.len()];
        let (all, expected) =
            (self.found.remove(&device).unwrap_or_else(not_reached), self.expected.of(device));
        let mut earlier = None;
        for ((step, expected), found) in self.steps.iter().zip(expected).zip(&all) {
            let agrees = agrees(expected, found);
            let (verdict, told) = match (agrees, found, earlier) {
                (true, ..) => (Verdict::Pass, found.to_string()),
                (false, Found::NotReached | Found::Begun, _) if self.interrupted => {
                    (Verdict::Inconclusive, format!("{found} when the run was interrupted at {end} s"))
                }
                (false, Found::NotReached, Some(earlier)) => {
                    (Verdict::Inconclusive, format!("not reached after {earlier} went wrong"))
                }
                (false, Found::NotReached | Found::Begun, _) => {
                    (Verdict::Fail, format!("{found} when the run stopped at {end} s"))
                }
                (false, ..) => (Verdict::Fail, found.to_string()),
            };
            if !agrees {
                earlier = earlier.or(Some(*step));
            }
            let subject = Subject::Step { step: *step, expected: expected.clone() };
            rulings.push(Ruling { device: Some(device), subject, verdict, found: told });
        }
        for Ruling { subject, verdict, found, .. } in &rulings[first..] {
            if let Subject::Step { step, expected } = subject {
                self.worsen(*verdict, || difference(Some(device), *step, expected, found));
            }
        }
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
    fn find(&self, device: Option<u32>, id: StepId) -> Option<&'s Expectation> {
        let of = |device, nth| self.0.get(&(device, id.step, nth)).copied();
        let (one, time) = (device, Some(id.nth));
        of(one, time).or_else(|| of(one, None)).or_else(|| of(None, time)).or_else(|| of(None, None))
    }

    /// What is expected of `device`, or of every device of which nothing special is said.
    fn of_device(&self, steps: &[StepId], device: Option<u32>) -> Vec<Expected> {
        let mut refused = false;
        let mut expected = Vec::with_capacity(steps.len());
        for step in steps {
            let said = self.find(device, *step);
            let one = match said.and_then(|e| e.outcome) {
                Some(ExpectedOutcome::Done) => Expected::Done,
                Some(ExpectedOutcome::Refused) => Expected::Refused {
                    reason: Reason::of(said.and_then(|e| e.reason.as_deref()).unwrap_or_default()),
                },
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

/// What is expected of each device, step by step: of most of many the same, which is kept once.
#[derive(Debug)]
struct Plans {
    usual: Vec<Expected>,
    special: BTreeMap<u32, Vec<Expected>>,
}

impl Plans {
    fn new(said: &Said<'_>, steps: &[StepId]) -> Self {
        let named = said.0.keys().filter_map(|(device, ..)| *device);
        let special = named.map(|device| (device, said.of_device(steps, Some(device)))).collect();
        Self { usual: said.of_device(steps, None), special }
    }

    fn of(&self, device: u32) -> &[Expected] {
        self.special.get(&device).unwrap_or(&self.usual)
    }
}
