//! What is known of a run before it starts and once it has ended. `lab` fills these in; views print them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, StepId, Verdict};
use crate::ran::Rat;
use crate::report::loops::LoopRow;

/// What is known of a run before its first event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// The name of the scenario.
    pub scenario: String,
    /// What the scenario is about, in one sentence.
    pub summary: String,
    /// The name of the bench.
    pub bench: String,
    /// How the card is reached, where it is not in the same process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_via: Option<String>,
    /// What makes the ledger's keys worth less than they look, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// Who takes part from outside this process, so that the run is not a function of its seed; empty where nobody does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// The seed from which every random value of the run is drawn.
    pub seed: u64,
    /// The radio access technology whose timing the air model has.
    pub rat: Rat,
    /// How many devices take part.
    pub devices: u32,
    /// The steps that each device is to go through, in order.
    pub plan: Vec<StepId>,
    /// Where only some devices are recorded one by one: up to which number they are in any case. Those that do not go
    /// as expected are as well, and the others are counted ([`LeftOut`], [`Gathered`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<u32>,
}

impl RunFacts {
    /// Which devices are recorded, in words; `None` where all are.
    pub(super) fn recorded(&self) -> Option<String> {
        let first = match self.recorded? {
            0 => String::new(),
            first => format!("{} and ", super::text::first_devices(first)),
        };
        Some(format!("records {first}devices that do not go as expected; the others are counted"))
    }
}

/// How a step came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It did what it is for.
    Done,
    /// The other side said no, which may be what the scenario expects.
    Refused,
    /// The run stopped before it ended.
    Unfinished,
}

/// How one step of one device went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The number of the device, from 1.
    pub device: u32,
    /// Which step, and which time it is.
    pub step: StepId,
    /// How it is judged against what the scenario expects.
    pub verdict: Verdict,
    /// How it ended, whatever was expected.
    pub ending: Ending,
    /// What was proved, or why it was refused or did not end.
    pub finding: String,
    /// From its beginning to its end, in virtual time.
    #[serde(rename = "virtual_ns", with = "nanos")]
    pub virtual_time: Duration,
    /// Processor time, where it was measured. Never in a transcript.
    #[serde(rename = "cpu_ns", with = "nanos_or_none", default)]
    pub cpu_time: Option<Duration>,
}

impl StepRow {
    /// What goes before the finding so that an ending other than the usual one shows; empty for a step that
    /// was to be done and is.
    pub(super) fn remark(&self) -> &'static str {
        match (self.ending, self.verdict) {
            (Ending::Refused, Verdict::Pass) => "refused as expected",
            (Ending::Refused, _) => "refused",
            (Ending::Done, Verdict::Fail) => "done, which was not expected",
            (Ending::Done | Ending::Unfinished, _) => "",
        }
    }

    /// The finding with the remark before it.
    pub(super) fn told(&self) -> String {
        match self.remark() {
            "" => self.finding.clone(),
            remark => format!("{remark}: {}", self.finding),
        }
    }
}

/// How one expectation of the scenario went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationRow {
    /// The expectation as the scenario states it.
    pub text: String,
    /// Pass where what was found is what is stated.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
}

impl ExpectationRow {
    /// The expectation, and what was found where that is something else.
    pub(super) fn told(&self) -> String {
        if self.verdict == Verdict::Pass || self.found.is_empty() {
            return self.text.clone();
        }
        format!("{}: {}", self.text, self.found)
    }
}

/// The version of something that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What it is the version of, such as a program or a file.
    pub name: String,
    /// The version in its own words.
    pub value: String,
}

/// Whose the keys of a ledger are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerKeyKind {
    /// They follow from the seed: the ledger proves nothing to anybody who knows it.
    Lab,
    /// They come from elsewhere.
    Own,
}

/// The ledger of a run at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The origin line of its checkpoints (C2SP tlog-checkpoint).
    pub name: String,
    /// The key of its checkpoints, in the text form of signed-note.
    pub verifier_key: String,
    /// Whether its keys follow from a seed, which anybody knows, or are its operators' own.
    pub keys: LedgerKeyKind,
    /// The number of the last block.
    pub block: u64,
    /// Its hash, in hexadecimal.
    pub head: String,
}

/// A file that was read, by what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Its path, as it was given.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Where and when a run was. It is no function of the seed, and in no file that is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// What the machine is called.
    pub host: String,
    /// The version of cellbed.
    pub version: String,
    /// Scenario and bench.
    pub read: Vec<FileDigest>,
    /// Files and folders that it left beside those that every run has.
    pub files: Vec<String>,
}

/// What is known of a run once it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// What was known before the run.
    pub facts: RunFacts,
    /// The worst of all.
    pub verdict: Verdict,
    /// The first reason for a verdict that is not a pass.
    pub reason: Option<String>,
    /// One for each step of each recorded device, device by device.
    pub steps: Vec<StepRow>,
    /// One for each expectation, in the scenario's order.
    pub expectations: Vec<ExpectationRow>,
    /// Of this program and of what else took part.
    pub versions: Vec<Version>,
    /// The command that does the same again.
    pub rerun: String,
    /// Virtual time from the first event to the last.
    #[serde(rename = "virtual_ns", with = "nanos")]
    pub virtual_time: Duration,
    /// Processor time of the whole run.
    #[serde(rename = "cpu_ns", with = "nanos_or_none", default)]
    pub cpu_time: Option<Duration>,
    /// Time on the wall clock.
    #[serde(rename = "wall_ns", with = "nanos_or_none", default)]
    pub wall_time: Option<Duration>,
    /// What the ledger of the run is called and where it ends, to be compared with what somebody shows later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerRow>,
    /// Counts by name, as in `events.APDU`, `bytes.APDU` (see [`Counters`]) or `crypto.p256-sign`. Everything counts,
    /// whether it is recorded or not.
    pub counters: BTreeMap<String, u64>,
    /// What is known of devices that have no rows of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathered: Option<Gathered>,
    /// What happened and is in no event log, capture or transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Whether every device has one key, one certificate and one subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSummary>,
    /// How devices were cut off, in the order in which that began; empty where none was.
    #[serde(default, rename = "loop", skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<LoopRow>,
    /// Where and when it was, where it has a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// Devices of a run of many that went as expected: they have no rows, and are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// How many they are.
    pub devices: u32,
    /// How many steps without a row went as expected.
    pub steps: u64,
    /// How many other expectations without a row were met: steps that were not to be reached.
    pub expectations: u64,
    /// The cost of each step over all devices, those with rows among them.
    pub times: Vec<StepTimes>,
}

/// What a run that records only some of its devices leaves out of event log, capture, transcript and key log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Devices that went as expected.
    pub devices: u32,
    /// Devices that did not, and of which only the end is recorded: too much was under way to keep their beginning.
    pub in_part: u32,
    /// Events, those of `network` among them.
    pub events: u64,
    /// Events of the network as such, beyond the first.
    pub network: u64,
    /// Messages, bytes and state changes as [`RunSummary::counters`] counts them.
    pub counters: BTreeMap<String, u64>,
}

/// What an audit has found: whether every device has one key, one certificate and one subscription, or a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// How many devices there are.
    pub devices: u32,
    /// How many have one key, which card and ledger agree on.
    pub keys: u32,
    /// How many have one certificate, which card, ledger and CA agree on.
    pub certificates: u32,
    /// How many have one subscription besides the bootstrap.
    pub subscriptions: u32,
    /// How many lack something, by the reason.
    pub without: BTreeMap<String, u32>,
    /// How many were erased.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased: u32,
    /// How many certificates the CA has that the ledger has named before and does not name any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub superseded: u32,
    /// How many things do not agree. The first of them stand in `findings`.
    pub found: u64,
    /// The first things that do not agree.
    pub findings: Vec<AuditFinding>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFinding {
    /// The device, where it is of one.
    pub device: Option<u32>,
    /// A stable word, as in `two-keys`.
    pub word: String,
    /// A sentence for people.
    pub detail: String,
}

impl std::fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.device {
            Some(device) => write!(f, "device {device}: {}: {}", self.word, self.detail),
            None => write!(f, "{}: {}", self.word, self.detail),
        }
    }
}

impl AuditSummary {
    /// The counts in words.
    pub fn told(&self) -> String {
        use super::text::count;
        let Self { devices, keys, certificates, subscriptions, .. } = self;
        let mut told = format!(
            "{}: {keys} with one key, {certificates} with one certificate, {subscriptions} with one subscription",
            count((*devices).into(), "device")
        );
        for (reason, devices) in &self.without {
            let lack = if *devices == 1 { "lacks" } else { "lack" };
            told.push_str(&format!(", {devices} {lack} something: {reason}"));
        }
        for (number, word) in [(self.erased, "erased"), (self.superseded, "superseded")] {
            if number > 0 {
                told.push_str(&format!(", {number} {word}"));
            }
        }
        if self.found > 0 {
            told.push_str(&format!("; {} not in order", count(self.found, "thing")));
        }
        told
    }
}

impl LeftOut {
    /// The same in words.
    pub(super) fn told(&self) -> String {
        use super::text::count;
        let mut told = format!(
            "{} of {} that went as expected",
            count(self.events - self.network, "event"),
            count(self.devices.into(), "device")
        );
        if self.network > 0 {
            told.push_str(&format!(", {} of the network as such", count(self.network, "event")));
        }
        if self.in_part > 0 {
            told.push_str(&format!(
                ", the beginning of {} that did not: too much was under way",
                count(self.in_part.into(), "device")
            ));
        }
        told
    }
}

impl RunSummary {
    /// The cost of each step over all devices, in the order of the plan. Steps that nobody began are absent.
    pub fn step_times(&self) -> Vec<StepTimes> {
        match &self.gathered {
            Some(gathered) => gathered.times.clone(),
            None => step_times(&self.facts.plan, &self.steps),
        }
    }

    /// How many steps went as expected, and of how many that were begun.
    pub fn steps_passed(&self) -> (u64, u64) {
        let gathered = self.gathered.as_ref().map_or(0, |gathered| gathered.steps);
        let passed = self.steps.iter().filter(|row| row.verdict == Verdict::Pass).count() as u64;
        (gathered + passed, gathered + self.steps.len() as u64)
    }

    /// How many other expectations were met, and of how many.
    pub fn expectations_met(&self) -> (u64, u64) {
        let gathered = self.gathered.as_ref().map_or(0, |gathered| gathered.expectations);
        let met = self.expectations.iter().filter(|row| row.verdict == Verdict::Pass).count() as u64;
        (gathered + met, gathered + self.expectations.len() as u64)
    }
}

/// Counts messages and bytes of each protocol as `events.PROTO` and `bytes.PROTO`, and state changes as
/// `events.state`.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    messages: BTreeMap<&'static str, (u64, u64)>,
    states: u64,
}

impl Counters {
    /// Counts one event.
    pub fn count(&mut self, event: &Event) {
        match &event.body {
            Body::Message(message) => {
                let (events, bytes) = self.messages.entry(message.label.proto.name()).or_default();
                *events += 1;
                *bytes += message.bytes.len() as u64;
            }
            Body::State(_) => self.states += 1,
            Body::StepStarted { .. } | Body::StepEnded { .. } => {}
        }
    }

    /// The counts by name, for [`RunSummary::counters`].
    pub fn into_map(self) -> BTreeMap<String, u64> {
        let states = (self.states > 0).then(|| ("events.state".to_owned(), self.states));
        let messages = self.messages.into_iter().flat_map(|(proto, (events, bytes))| {
            [(format!("events.{proto}"), events), (format!("bytes.{proto}"), bytes)]
        });
        messages.chain(states).collect()
    }
}

/// What one step cost over all devices that passed through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTimes {
    /// Which step, and which time it is.
    pub step: StepId,
    /// How many devices began it.
    pub devices: u64,
    /// For how many of them the row is a pass.
    pub passed: u64,
    /// How many were refused, whether that was expected or not.
    pub refused: u64,
    /// The shortest, in virtual time.
    #[serde(rename = "virtual_ns_min", with = "nanos")]
    pub min: Duration,
    /// The lower median: a value that was seen.
    #[serde(rename = "virtual_ns_median", with = "nanos")]
    pub median: Duration,
    /// The longest, in virtual time.
    #[serde(rename = "virtual_ns_max", with = "nanos")]
    pub max: Duration,
    /// The sum over the devices, where it was measured.
    #[serde(rename = "cpu_ns", with = "nanos_or_none", default)]
    pub cpu_time: Option<Duration>,
}

impl StepTimes {
    /// Those of `step`, which devices went through in `took`, in any order. `None` where nobody did.
    pub fn of(step: StepId, mut took: Vec<Duration>, passed: u64, refused: u64) -> Option<Self> {
        took.sort_unstable();
        let (min, max) = (*took.first()?, *took.last()?);
        let median = took[(took.len() - 1) / 2];
        Some(Self { step, devices: took.len() as u64, passed, refused, min, median, max, cpu_time: None })
    }
}

/// The cost of each step over the devices that have `rows`, in the order of `plan`. Steps that nobody began are absent.
fn step_times(plan: &[StepId], rows: &[StepRow]) -> Vec<StepTimes> {
    let of_step = |step| {
        let rows: Vec<&StepRow> = rows.iter().filter(|row| row.step == step).collect();
        let took = rows.iter().map(|row| row.virtual_time).collect();
        let passed = rows.iter().filter(|row| row.verdict == Verdict::Pass).count() as u64;
        let refused = rows.iter().filter(|row| row.ending == Ending::Refused).count() as u64;
        let cpu_time = rows.iter().filter_map(|row| row.cpu_time).reduce(|a, b| a + b);
        Some(StepTimes { cpu_time, ..StepTimes::of(step, took, passed, refused)? })
    };
    plan.iter().copied().filter_map(of_step).collect()
}

/// The name that every view prints for a verdict.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
        Verdict::Interrupted => "interrupted",
        Verdict::Error => "error",
    }
}

/// The first line of a transcript, a terminal and a capture.
pub(super) fn title(facts: &RunFacts) -> String {
    format!(
        "scenario {} · bench {} · seed {}",
        super::text::one_line(&facts.scenario),
        super::text::one_line(&facts.bench),
        facts.seed
    )
}

/// Durations as whole nanoseconds, so that what is read equals what was written.
mod nanos {
    use super::{Deserialize, Duration};

    pub fn serialize<S: serde::Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

/// The same where a duration may not have been measured.
mod nanos_or_none {
    use super::{Deserialize, Duration, Serialize};

    pub fn serialize<S: serde::Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|v| u64::try_from(v.as_nanos()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Step;

    fn row(device: u32, ms: u64, verdict: Verdict) -> StepRow {
        StepRow {
            device,
            step: StepId::first(Step::Keys),
            verdict,
            ending: if verdict == Verdict::Pass { Ending::Done } else { Ending::Refused },
            finding: String::new(),
            virtual_time: Duration::from_millis(ms),
            cpu_time: Some(Duration::from_millis(1)),
        }
    }

    #[test]
    fn step_times_are_the_order_statistics() {
        let keys = StepId::first(Step::Keys);
        let rows = [
            row(1, 30, Verdict::Pass),
            row(2, 10, Verdict::Fail),
            row(3, 20, Verdict::Pass),
            row(4, 40, Verdict::Pass),
        ];
        let times = step_times(&[keys], &rows);
        let [found] = times.as_slice() else { panic!("one step was taken, {} were found", times.len()) };
        assert_eq!((found.step, found.devices, found.passed, found.refused), (keys, 4, 3, 1));
        let ms = |d: Duration| d.as_millis();
        assert_eq!((ms(found.min), ms(found.median), ms(found.max)), (10, 20, 40));
        assert_eq!(found.cpu_time, Some(Duration::from_millis(4)));
        assert!(step_times(&[keys], &[]).is_empty());
    }

    #[test]
    fn an_ending_that_surprises_is_told() {
        let told =
            |verdict, ending| StepRow { ending, finding: "why".to_owned(), ..row(1, 1, verdict) }.told();
        assert_eq!(told(Verdict::Pass, Ending::Done), "why");
        assert_eq!(told(Verdict::Pass, Ending::Refused), "refused as expected: why");
        assert_eq!(told(Verdict::Fail, Ending::Refused), "refused: why");
        assert_eq!(told(Verdict::Fail, Ending::Done), "done, which was not expected: why");
        assert_eq!(told(Verdict::Fail, Ending::Unfinished), "why");
    }

    #[test]
    fn messages_and_bytes_are_counted_by_protocol() {
        let mut counters = Counters::default();
        super::super::sample::run(1).0.iter().for_each(|event| counters.count(event));
        let map = counters.into_map();
        assert!(map["events.APDU"] > 0 && map["bytes.S1AP"] > 0 && map["events.state"] > 0);
        assert_eq!(map["bytes.S6a"], 0);
    }
}
