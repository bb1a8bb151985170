//! `cellbed bench loop`: how fast a device that turns bad is cut off, by what it does and by how many stand beside it, and
//! whether those notice anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::args::LoopArgs;
use super::exit::Exit;
use super::{interrupt, terminal};
use crate::event::{Body, Event, Step, Verdict};
use crate::io::files::write_bytes;
use crate::lab::scenario::{Assault, AttackKind, Between, Entry, Expectation, ExpectedOutcome, Peer};
use crate::lab::{LabError, Run};
use crate::ledger::MemoryStore;
use crate::report::loops::{LoopRow, STAGES};
use crate::report::{ChartRow, RunSummary, View, loop_chart};

/// Trackers, of which some turn bad; this verb says which and how.
const SCENARIO: &str = "lab/scenarios/botnet.toml";
const BENCH: &str = "lab/benches/virtual.toml";

/// What is measured: each class, with how long it goes on, in virtual seconds. Those that go slowly are given the time that
/// their first packets take.
const CLASSES: [(AttackKind, &str, u32); 8] = [
    (AttackKind::Flood, "flood", 10),
    (AttackKind::Scan, "scan", 10),
    (AttackKind::Brute, "brute", 60),
    (AttackKind::Lateral, "lateral", 120),
    (AttackKind::DnsExfil, "dns-exfil", 60),
    (AttackKind::SlowExfil, "slow-exfil", 120),
    (AttackKind::SlowScan, "slow-scan", 300),
    (AttackKind::Beacon, "beacon", 900),
];

/// How often a peer asks by OCSP whether the certificate of the bad one still stands, in virtual milliseconds.
const PEER_ASKS_MS: u32 = 50;
/// How long a run may take in virtual time beside the attack itself.
const AROUND: Duration = Duration::from_secs(300);

/// What each device has sent and got until it was through, in the order in which it was: counted, and as a digest of who has
/// said what. A packet that was lost comes again, so that there is a message more; how long one is says nothing, since a
/// signature in DER is now and then an octet shorter.
#[derive(Default)]
struct Heard {
    of: BTreeMap<u32, (u64, Sha256)>,
    /// Who is through: what is on its way to him still depends on when the run ends.
    through: BTreeSet<u32>,
}

impl View for &mut Heard {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match (event.device, &event.body) {
            (Some(device), Body::Message(message)) if !self.through.contains(&device) => {
                let (count, digest) = self.of.entry(device).or_default();
                *count += 1;
                digest.update(message.from.to_string());
                digest.update(message.label.name.as_bytes());
            }
            (_, Body::StepEnded { device, step, .. }) if step.step == Step::Ready && step.nth == 2 => {
                self.through.insert(*device);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

impl Heard {
    /// The good devices, each with what it has heard.
    fn of_good(self) -> BTreeMap<u32, (u64, [u8; 32])> {
        let all = self.of.into_iter().filter(|(device, _)| *device != 1);
        all.map(|(device, (count, digest))| (device, (count, digest.finalize().into()))).collect()
    }
}

/// One measurement.
struct Measured {
    class: &'static str,
    beside: u32,
    /// How the device was cut off; `None` where it was not.
    row: Option<LoopRow>,
    /// The good devices that heard something else than they did without the bad one.
    touched: Vec<u32>,
    verdict: Verdict,
}

/// Measures, and says what was found. A good device that notices anything is a failure.
pub fn main(args: &LoopArgs) -> ExitCode {
    let all = match measure(args) {
        Ok(all) => all,
        Err(error) => return terminal::lab_error(&error),
    };
    if let Some(path) = &args.svg
        && let Err(error) = write_bytes(path, loop_chart::svg(&chart(&all)).as_bytes())
    {
        terminal::failure(error);
        return Exit::SetUp.into();
    }
    match args.json {
        true => terminal::json(&Value::Array(all.iter().map(in_json).collect())),
        false => report(&all),
    }
    let mut exit = Exit::Pass;
    for one in &all {
        if !one.touched.is_empty() {
            terminal::failure(format_args!(
                "{} with {} beside it: devices {:?} heard something else than without it",
                one.class, one.beside, one.touched
            ));
            exit = Exit::Failed;
        }
        if one.verdict != Verdict::Pass {
            terminal::failure(format_args!(
                "{} with {} beside it: {}",
                one.class,
                one.beside,
                one.verdict.name()
            ));
            exit = one.verdict.into();
        }
    }
    exit.into()
}

fn measure(args: &LoopArgs) -> Result<Vec<Measured>, LabError> {
    let mut all = Vec::new();
    for &beside in &args.beside {
        for (kind, class, for_s) in CLASSES {
            if !args.class.is_empty() && !args.class.iter().any(|wanted| wanted == class) {
                continue;
            }
            let quiet = one(args, beside, None, for_s)?.1.of_good();
            let (summary, heard) = one(args, beside, Some(kind), for_s)?;
            if summary.verdict == Verdict::Interrupted {
                return Ok(all);
            }
            let heard = heard.of_good();
            let touched = quiet.iter().filter(|(device, before)| heard.get(device) != Some(before));
            let touched = touched.map(|(device, _)| *device).collect();
            let row = summary.loops.iter().find(|row| row.device == 1).cloned();
            all.push(Measured { class, beside, row, touched, verdict: summary.verdict });
        }
    }
    Ok(all)
}

/// A run in which device 1 turns bad, or in which nobody does.
fn one(
    args: &LoopArgs,
    beside: u32,
    kind: Option<AttackKind>,
    for_s: u32,
) -> Result<(RunSummary, Heard), LabError> {
    let mut run = Run::load(Path::new(SCENARIO), Path::new(BENCH))?.with_seed(args.seed);
    let wait = |ms| Entry::Between(Between { wait_ms: Some(ms), ..Between::default() });
    let mut steps =
        [Step::Attach, Step::Keys, Step::Register, Step::Enrol, Step::Ready].map(Entry::Step).to_vec();
    steps.push(wait(3_000));
    steps.extend(kind.map(|kind| {
        Entry::Between(Between { attack: Some(Assault { kind, device: 1, for_s }), ..Between::default() })
    }));
    steps.push(wait(for_s * 1_000));
    // Until here the good ones have done nothing of their own: what they do now they do beside whatever the loop still does.
    steps.push(Entry::Step(Step::Ready));
    let scenario = &mut run.scenario;
    scenario.steps = steps;
    scenario.expect = Vec::new();
    scenario.peer = Some(Peer { device: 1, every_ms: PEER_ASKS_MS });
    for group in &mut scenario.device {
        group.count = beside + 1;
    }
    let interval = scenario.device.first().map_or(0, |group| group.interval_ms);
    let limit = AROUND + Duration::from_secs(for_s.into()) + Duration::from_millis(interval.into()) * beside;
    // What the bad one comes to is what is measured; nothing is expected of it but that it gets as far as that.
    let second = Expectation {
        device: Some(1),
        step: Some(Step::Ready),
        nth: Some(2),
        outcome: Some(ExpectedOutcome::Refused),
        reason: Some("esm-cause-8".to_owned()),
        seen: None,
    };
    run = run.with_time_limit(limit).with_stop(interrupt::flag().map_err(LabError::Signals)?);
    let mut heard = Heard::default();
    let is_cut_off = |summary: &RunSummary| summary.loops.iter().any(|row| row.device == 1);
    run.scenario.expect = kind.map(|_| second).into_iter().collect();
    let mut summary = run.simulate(Box::new(MemoryStore::new()), None, &mut [Box::new(&mut heard)])?;
    // One that is restricted, or not found, reports again: that is no failure of the run.
    if kind.is_some() && !is_cut_off(&summary) && summary.verdict == Verdict::Fail {
        summary.verdict = Verdict::Pass;
    }
    Ok((summary, heard))
}

fn stages(row: &Option<LoopRow>) -> Vec<(&'static str, Duration)> {
    row.as_ref().map(LoopRow::stages).unwrap_or_default()
}

fn chart(all: &[Measured]) -> Vec<ChartRow> {
    let row = |one: &Measured| ChartRow {
        name: format!("{}, {} beside", one.class, one.beside),
        stages: stages(&one.row),
    };
    all.iter().map(row).collect()
}

fn in_json(one: &Measured) -> Value {
    json!({
        "bench": "loop",
        "class": one.class,
        "beside": one.beside,
        "cut_off": one.row.is_some(),
        "after_ns": one.row.as_ref().map(|row| &row.after_ns),
        "touched": one.touched,
        "verdict": one.verdict.name(),
    })
}

fn report(all: &[Measured]) {
    terminal::line("milliseconds of virtual time after the first bad packet");
    let head: String = STAGES.iter().map(|stage| format!("{stage:>13}")).collect();
    terminal::line(format_args!("{:12} {:>7}{head}   others touched", "class", "beside"));
    for one in all {
        let found = stages(&one.row);
        let cell = |stage: &&str| {
            let after =
                found.iter().find(|(name, _)| name == stage).map(|(_, after)| after.as_secs_f64() * 1e3);
            after.map_or_else(|| format!("{:>13}", "-"), |ms| format!("{ms:13.1}"))
        };
        let cells: String = STAGES.iter().map(cell).collect();
        terminal::line(format_args!("{:12} {:7}{cells}   {}", one.class, one.beside, one.touched.len()));
    }
}
