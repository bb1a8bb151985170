//! Runs of many devices: what is recorded of them, what is counted, and that the two together are the run.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use cellbed::crypto::tls::KeyLogSink;
use cellbed::event::{Body, Event, Role, Step, Verdict};
use cellbed::lab::Run;
use cellbed::lab::bench::{DeviceClass, RecordedDevices};
use cellbed::lab::scenario::Entry;
use cellbed::ledger::MemoryStore;
use cellbed::report::{Counters, RunSummary, View};

/// The device whose subscriber the network does not know, though the scenario expects nothing of the kind.
const FAILING: u32 = 119;
const DEVICES: u32 = 120;

struct Kept<'a>(&'a mut Vec<Event>);

impl View for Kept<'_> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.0.push(event.clone());
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

fn plain() -> Run {
    Run::load(Path::new("lab/scenarios/plain-card.toml"), Path::new("lab/benches/virtual.toml")).unwrap()
}

/// Devices that attach and detach, all but one of which can.
fn many() -> Run {
    let mut run = plain();
    run.scenario.steps = vec![Entry::Step(Step::Attach), Entry::Step(Step::Detach)];
    run.scenario.expect.clear();
    let mut group = run.scenario.device[0].clone();
    group.interval_ms = 20;
    run.scenario.device = [(FAILING - 1, true), (1, false), (DEVICES - FAILING, true)]
        .map(|(count, subscribed)| {
            let mut group = group.clone();
            (group.count, group.subscribed) = (count, subscribed);
            group
        })
        .to_vec();
    run
}

fn simulate(run: &Run, key_log: Option<KeyLogSink>) -> (RunSummary, Vec<Event>) {
    let mut events = Vec::new();
    let mut views: Vec<Box<dyn View + '_>> = vec![Box::new(Kept(&mut events))];
    let summary = run.simulate(Box::new(MemoryStore::new()), key_log, &mut views).unwrap();
    drop(views);
    (summary, events)
}

fn all_of(mut run: Run) -> Run {
    run.bench.capture.devices = Some(RecordedDevices::Class(DeviceClass::All));
    run
}

fn of(device: u32, events: &[Event]) -> Vec<&Event> {
    events.iter().filter(|event| event.device == Some(device)).collect()
}

#[test]
fn messages_between_network_nodes_name_the_device_that_they_are_about() {
    const DEVICES: u32 = 4;
    let (summary, events) = simulate(&all_of(plain().with_devices(DEVICES).unwrap()), None);
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    let mut sent: BTreeMap<u32, &[u8]> = BTreeMap::new();
    let mut told: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for event in &events {
        let Body::Message(message) = &event.body else { continue };
        let name = message.label.name.as_ref();
        // A NAS message; in RRC, where it is again, octets begin anywhere.
        if let (Role::Ue, Role::Mme, Some(device)) = (message.from.role, message.to.role, event.device) {
            sent.insert(device, &message.bytes);
        }
        // Between switch and controller what all sessions share is of nobody; the flows of a session are of its device.
        let shared = message.label.proto == cellbed::wire::Proto::Openflow && event.device.is_none();
        if !name.starts_with("S1Setup") && !shared {
            let device =
                event.device.unwrap_or_else(|| panic!("{name} of nobody: {:?}", message.label.fields));
            *told.entry((device, name)).or_default() += 1;
        }
        // The bytes agree: what opens a connection carries what the UE has just sent.
        if name == "InitialUEMessage" {
            let nas = sent[&event.device.unwrap()];
            assert!(message.bytes.windows(nas.len()).any(|window| window == nas));
        }
    }
    for device in 1..=DEVICES {
        for (name, count) in [
            ("InitialUEMessage", 1),
            ("InitialContextSetupRequest", 1),
            ("Update-Location-Request", 1),
            ("Update-Location-Answer", 1),
            // To registrar and controller.
            ("SessionUp", 2),
            ("registerDevice", 1),
            ("recordCertificate", 1),
        ] {
            assert_eq!(told.get(&(device, name)), Some(&count), "{name} of device {device}");
        }
        assert!(told[&(device, "G-PDU")] > 10);
        // A flow for each direction, put in and taken out again.
        assert!(told[&(device, "FLOW_MOD")] >= 3, "{:?}", told.get(&(device, "FLOW_MOD")));
    }
}

#[test]
fn what_is_recorded_and_what_is_counted_are_the_run() {
    let (whole, all) = simulate(&all_of(many()), None);
    let (summary, some) = simulate(&many(), None);

    // Those that are recorded are so whole, in the order of time; of the others there is nothing.
    let mut rest = all.iter();
    assert!(some.iter().all(|event| rest.any(|other| other == event)));
    for device in 1..=DEVICES {
        let recorded = [1, 2, 3, FAILING].contains(&device);
        let expected = if recorded { of(device, &all) } else { Vec::new() };
        assert_eq!(of(device, &some), expected, "device {device}");
    }
    let opened = |events: &[Event]| {
        let opens =
            |event: &&Event| matches!(&event.body, Body::Message(m) if m.label.name == "InitialUEMessage");
        events.iter().filter(opens).count()
    };
    assert_eq!((opened(&all), opened(&some)), (DEVICES as usize, 4));

    // Everything counts all the same.
    let left_out = summary.left_out.clone().unwrap();
    assert_eq!((left_out.devices, left_out.in_part), (DEVICES - 4, 0));
    assert_eq!(left_out.events as usize, all.len() - some.len());
    let mut counters = Counters::default();
    some.iter().for_each(|event| counters.count(event));
    let counted = counters.into_map();
    for (name, count) in whole.counters.iter().filter(|(name, _)| name.starts_with("events.")) {
        let both = counted.get(name).unwrap_or(&0) + left_out.counters.get(name).unwrap_or(&0);
        assert_eq!(both, *count, "{name}");
    }
    assert_eq!(summary.counters, whole.counters);
    assert_eq!((summary.verdict, &summary.reason), (Verdict::Fail, &whole.reason));
    assert!(summary.reason.unwrap().contains(&format!("device {FAILING}: attach")));

    // The one that failed has its rows, and the others are in the sums.
    assert!(summary.steps.iter().all(|row| row.device == FAILING));
    assert_eq!(summary.gathered.as_ref().unwrap().devices, DEVICES - 1);
}

#[test]
fn sums_over_devices_do_not_depend_on_who_has_rows() {
    let mut each = many();
    each.bench.capture.devices = Some(RecordedDevices::Class(DeviceClass::All));
    let (each, gathered) = (simulate(&each, None).0, simulate(&many(), None).0);
    assert!(each.gathered.is_none());
    assert_eq!(gathered.steps_passed(), each.steps_passed());
    assert_eq!(gathered.expectations_met(), each.expectations_met());
    assert_eq!(gathered.step_times(), each.step_times());
}

#[test]
fn keys_are_logged_of_what_is_recorded() {
    let logged = |recorded| {
        let mut run = plain().with_devices(3).unwrap();
        run.bench.capture.devices = Some(recorded);
        let sink = KeyLogSink::new();
        let (_, events) = simulate(&run, Some(sink.clone()));
        (sink.take(), events)
    };
    let (all, _) = logged(RecordedDevices::Class(DeviceClass::All));
    let (first, events) = logged(RecordedDevices::First(1));
    let (none, _) = logged(RecordedDevices::Class(DeviceClass::Failing));
    assert!(!all.is_empty() && none.is_empty(), "{}", none.len());
    assert_eq!(first.len() * 3, all.len());
    let seen = |random: &str| {
        let random = hex::decode(random).unwrap();
        let carries = |event: &Event| match &event.body {
            Body::Message(message) => message.bytes.windows(random.len()).any(|window| window == random),
            _ => false,
        };
        events.iter().any(carries)
    };
    for line in first {
        assert!(seen(line.split(' ').nth(1).unwrap()), "{line}");
    }
}

#[test]
fn the_folder_of_many_devices_says_what_it_leaves_out() {
    let runs = tempfile::tempdir().unwrap();
    let folder = many().into_folder(runs.path(), None).unwrap().folder;
    let read = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.join(name)).unwrap()).into_owned();
    for (name, words) in [
        ("transcript.txt", "not recorded: "),
        ("transcript.txt", "records the first 3 devices and devices that do not go as expected"),
        ("trace.pcapng", "records the first 3 devices and devices that do not go as expected"),
        ("metrics.json", "\"left_out\": {"),
        ("junit.xml", "name=\"left-out\""),
        ("junit.xml", "119 devices went as expected"),
        ("report.html", "Not recorded, neither here nor in any other file: "),
    ] {
        assert!(read(name).contains(words), "{name} does not say {words:?}");
    }
    let drawn = read("report.html");
    let again = Command::new(env!("CARGO_BIN_EXE_cellbed")).arg("report").arg(&folder).output().unwrap();
    assert!(again.status.success());
    assert_eq!(String::from_utf8_lossy(&again.stderr), "");
    assert_eq!(read("report.html"), drawn);
}
