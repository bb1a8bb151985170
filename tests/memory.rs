//! What a device leaves in memory when it is through, or refused for good. The allocator of this program counts every byte,
//! and each part of a run is weighed by what is free once it is gone: nothing is estimated, and what no part accounts for
//! is counted against the verdict.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use std::alloc::System;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use cap::Cap;
use cellbed::event::{Event, Verdict};
use cellbed::lab::held::{Held, VERDICT};
use cellbed::lab::{Run, ledger_place};
use cellbed::report::{RunSummary, View};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// So many devices, and twice as many: what they differ by is what devices leave. More than are recorded one by one.
const DEVICES: u32 = 110;
/// Far enough apart that the number of devices under way at once does not depend on how many there are.
const INTERVAL_MS: u32 = 500;
/// What the verdict may need of a device that is through, in bytes.
const VERDICT_BYTES_MAX: u64 = 500;

/// What is still allocated when a run is over and everything of it dropped.
const LEFT_BEHIND: &str = "left behind";

/// Writes nothing: what is sorted for it is sorted all the same.
struct Unwritten;

impl View for Unwritten {
    fn event(&mut self, _: &Event) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

/// What each part of a run of so many devices held, all of which do what the scenario expects of its first, and what is
/// still there when everything of the run is gone.
fn held(scenario: &str, devices: u32) -> BTreeMap<&'static str, u64> {
    let before = ALLOCATOR.allocated();
    let held = run(scenario, devices);
    let left = ALLOCATOR.allocated().saturating_sub(before) as u64;
    let held = held.into_iter().map(|held| (held.what, held.bytes));
    held.chain([(LEFT_BEHIND, left)]).collect()
}

fn run(scenario: &str, devices: u32) -> Vec<Held> {
    let path = PathBuf::from(format!("lab/scenarios/{scenario}.toml"));
    let mut run = Run::load(&path, Path::new("lab/benches/virtual.toml")).unwrap();
    run.scenario.expect.retain_mut(|expectation| {
        expectation.device = None;
        expectation.seen.is_none()
    });
    let run = run.with_interval_ms(INTERVAL_MS).with_devices(devices).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = ledger_place(folder.path()).unwrap();
    let mut views: Vec<Box<dyn View>> = vec![Box::new(Unwritten)];
    let (summary, held) = run.simulate_measured(place, &mut views, || ALLOCATOR.allocated()).unwrap();
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    held
}

/// What each part of a run holds of each device.
fn of_each(scenario: &str) -> BTreeMap<&'static str, u64> {
    let (some, twice) = (held(scenario, DEVICES), held(scenario, 2 * DEVICES));
    let each = |(what, bytes): (&&'static str, &u64)| {
        let more = bytes.saturating_sub(some.get(what).copied().unwrap_or_default());
        (*what, more / u64::from(DEVICES))
    };
    twice.iter().map(each).collect()
}

/// One after another: there is one allocator.
#[test]
fn a_device_that_is_through_leaves_what_the_verdict_needs_and_what_offices_have_to_know() {
    // What is made once in a process is made before anything is weighed.
    run("zero-touch", DEVICES);
    for (scenario, bytes_max) in [
        ("zero-touch", 11_500),
        ("plain-card", 5_000),
        // It stays attached, as one whose battery was taken out: network and services keep its session, and the base station the
        // keys of its radio.
        ("not-on-allow-list", 14_500),
        ("unknown-subscriber", 1_000),
    ] {
        let each = of_each(scenario);
        let told: String = each.iter().map(|(what, bytes)| format!("  {what}: {bytes}\n")).collect();
        println!("{scenario}, bytes of each device:\n{told}");
        assert!(each[VERDICT] + each["fleet"] < VERDICT_BYTES_MAX, "{scenario}:\n{told}");
        assert!(each[LEFT_BEHIND] < 10, "{scenario}:\n{told}");
        assert!(each.values().sum::<u64>() < bytes_max, "{scenario}:\n{told}");
    }
}
