//! `cellbed bench`: what cellbed itself costs, in ratios of one run.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{BenchArgs, BenchVerb, OnboardArgs};
use super::exit::Exit;
use super::limits::judge;
use super::yardstick::{self, Cost};
use super::{interrupt, terminal};
use crate::event::{Step, StepId, Verdict};
use crate::io::clock::peak_memory_bytes;
use crate::lab::held::{Held, Live};
use crate::lab::{LabError, Run, ledger_place};
use crate::report::RunSummary;

const SCENARIO: &str = "lab/scenarios/zero-touch.toml";
const BENCH: &str = "lab/benches/virtual.toml";
/// What a device may take in virtual time, however many there are beside it.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Measures what is asked for. `live` says how much is allocated, where the program counts that.
pub fn main(args: &BenchArgs, live: Option<Live>) -> ExitCode {
    let args = match &args.what {
        BenchVerb::Onboard(args) => args,
        BenchVerb::Card(args) => {
            return done(super::card::bench::main(args), super::card::bench::BenchError::exit);
        }
        BenchVerb::Esim(args) => {
            return done(super::esim::bench::main(args), super::esim::bench::BenchError::exit);
        }
        BenchVerb::Strangers(args) => return super::strangers::main(args),
        BenchVerb::Isolate(args) => return super::isolate::main(args),
        BenchVerb::Loop(args) => return super::loops::main(args),
    };
    match onboard(args, live) {
        Ok(exit) => exit.into(),
        Err(error) => terminal::lab_error(&error),
    }
}

fn done<E: Display>(result: Result<Exit, E>, of_error: impl Fn(&E) -> Exit) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = of_error(&error);
            terminal::failure(error);
            exit.into()
        }
    }
}

fn onboard(args: &OnboardArgs, live: Option<Live>) -> Result<Exit, LabError> {
    let interval = Duration::from_millis(args.interval_ms.into());
    let run = Run::load(Path::new(SCENARIO), Path::new(BENCH))?.with_devices(args.devices)?;
    let run = run.with_stop(interrupt::flag().map_err(LabError::Signals)?);
    let run = run.with_interval_ms(args.interval_ms).with_time_limit(TIME_LIMIT + interval * args.devices);
    let idle = peak_memory_bytes();
    let folder = Scratch::new()?;
    let place = ledger_place(&folder.0)?;
    let (summary, held) = match live {
        Some(live) => run.simulate_measured(place, &mut [], live)?,
        None => (run.simulate(place, None, &mut [])?, Vec::new()),
    };
    let peak = peak_memory_bytes();
    if args.json {
        terminal::json(&in_json(&summary, idle, peak, &held));
    } else {
        report(&summary, idle, peak);
        report_held(&held, args.devices);
    }
    if summary.verdict != Verdict::Pass {
        return Ok(summary.verdict.into());
    }
    let devices = f64::from(args.devices);
    let rate = summary.wall_time.map_or(f64::INFINITY, |wall| devices / wall.as_secs_f64());
    let kib = idle.zip(peak).map_or(0.0, |(idle, peak)| peak.saturating_sub(idle) as f64 / 1024.0 / devices);
    Ok(judge(&[
        ("devices/s", rate, args.min_rate.is_some_and(|limit| rate < limit)),
        ("KiB/device", kib, args.max_kib.is_some_and(|limit| kib > limit)),
    ]))
}

/// The figures for programs: times in seconds, memory in KiB.
fn in_json(summary: &RunSummary, idle: Option<u64>, peak: Option<u64>, held: &[Held]) -> Value {
    let devices = f64::from(summary.facts.devices);
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    let alone: Duration = yardstick::costs(&summary.counters).iter().map(Cost::total).sum();
    json!({
        "bench": "onboard",
        "devices": summary.facts.devices,
        "verdict": summary.verdict.name(),
        "wall_s": seconds(summary.wall_time),
        "devices_per_s": summary.wall_time.map(|wall| devices / wall.as_secs_f64()),
        "virtual_s": summary.virtual_time.as_secs_f64(),
        "cpu_s": seconds(summary.cpu_time),
        "public_key_s": alone.as_secs_f64(),
        "peak_kib": peak.map(kib),
        "kib_per_device": idle.zip(peak).map(|(idle, peak)| kib(peak.saturating_sub(idle)) / devices),
        "held_bytes": held.iter().map(|part| (part.what.to_string(), part.bytes)).collect::<BTreeMap<_, _>>(),
        "optimised": !cfg!(debug_assertions),
    })
}

fn report(summary: &RunSummary, idle: Option<u64>, peak: Option<u64>) {
    let devices = summary.facts.devices;
    let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(devices);
    let last = StepId::first(Step::Ready);
    let ready = summary.step_times().iter().find(|times| times.step == last).map_or(0, |times| times.passed);
    terminal::line(format_args!("onboard {devices} devices: {}", summary.verdict.name()));
    terminal::line(format_args!("  ready        {ready} of {devices}"));
    if let Some(wall) = summary.wall_time {
        let rate = f64::from(devices) / wall.as_secs_f64();
        terminal::line(format_args!("  wall clock   {:8.2} s  {rate:9.1} devices/s", wall.as_secs_f64()));
    }
    let virtual_s = summary.virtual_time.as_secs_f64();
    terminal::line(format_args!("  virtual      {virtual_s:8.2} s"));
    if let (Some(idle), Some(peak)) = (idle, peak) {
        report_memory(summary, idle, peak);
    }
    let Some(cpu) = summary.cpu_time else { return };
    terminal::line(format_args!("  CPU          {:8.2} s  {:9.3} ms/device", cpu.as_secs_f64(), each(cpu)));
    report_share(summary, cpu);
    if cfg!(debug_assertions) {
        terminal::line("  built with debug assertions: a release build is faster");
    }
}

/// Devices leave memory when they are through. Where they come one after another, what one of them takes while it
/// is under way is not what the run takes for each.
fn report_memory(summary: &RunSummary, idle: u64, peak: u64) {
    let kib = |bytes: u64, among: u64| bytes as f64 / 1024.0 / among.max(1) as f64;
    let above = peak.saturating_sub(idle);
    let at_once = summary.counters.get("devices.under-way-max").copied().unwrap_or_default();
    terminal::line(format_args!(
        "  peak memory  {:8.0} KiB {:8.1} KiB/device above the {:.0} KiB before the run",
        kib(peak, 1),
        kib(above, summary.facts.devices.into()),
        kib(idle, 1)
    ));
    terminal::line(format_args!(
        "               {at_once:8} devices under way at once: no more than {:.1} KiB for each of them",
        kib(above, at_once)
    ));
}

/// What each part of the run held when it was over: what the judge knows of a device that is through, and what offices
/// hold of it as those of a network do.
fn report_held(held: &[Held], devices: u32) {
    if held.is_empty() {
        return;
    }
    let each = |bytes: u64| bytes as f64 / f64::from(devices);
    let sum: u64 = held.iter().map(|part| part.bytes).sum();
    terminal::line(format_args!("  held at the end        {:10.1} bytes/device", each(sum)));
    for Held { what, bytes } in held {
        terminal::line(format_args!("    {what:20} {:10.1}", each(*bytes)));
    }
}

/// The operations that the run counted, each at the cost that it has alone, against all that the run took.
fn report_share(summary: &RunSummary, cpu: Duration) {
    let devices = f64::from(summary.facts.devices);
    let costs = yardstick::costs(&summary.counters);
    let alone: Duration = costs.iter().map(Cost::total).sum();
    let share = 100.0 * alone.as_secs_f64() / cpu.as_secs_f64();
    terminal::line(format_args!(
        "  public-key   {:8.2} s  {:9.3} ms/device  {share:.1} % of the CPU time: the same operations alone",
        alone.as_secs_f64(),
        alone.as_secs_f64() * 1e3 / devices
    ));
    for cost in costs {
        let (name, count, unit) = (cost.op, cost.count, cost.unit.as_nanos() as f64 / 1e3);
        terminal::line(format_args!(
            "    {name:18} {count:8} x {unit:8.1} us = {:6.3} s",
            cost.total().as_secs_f64()
        ));
    }
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, LabError> {
        let path = std::env::temp_dir().join(format!("cellbed-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(LabError::Output)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in the folder for temporary things anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
