//! A bench of as many devices as there may be: each is somebody else, and the last one is served as the first.

use std::collections::BTreeSet;

use super::*;
use crate::event::{Body, Outcome, Step, Verdict};
use crate::lab::bench::DEVICES_RECORDED_MAX;
use crate::lab::scenario::DEVICES_MAX;
use crate::ledger::MemoryStore;
use crate::ran::UeConfig;

/// When devices are switched on that are not to be.
const NEVER: Duration = Duration::from_secs(86_400);

fn plain(devices: u32) -> Run {
    let run =
        Run::load(Path::new("lab/scenarios/plain-card.toml"), Path::new("lab/benches/virtual.toml")).unwrap();
    run.with_devices(devices).unwrap()
}

fn distinct<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    all.collect::<BTreeSet<_>>().len()
}

#[test]
fn no_two_devices_of_the_largest_run_share_an_identity() {
    let setup = plain(DEVICES_MAX).setup(None, Tally::new());
    let cards: Vec<_> =
        setup.devices.iter().map(|device| device.profile.personalise(device.index).unwrap()).collect();
    let all = DEVICES_MAX as usize;
    assert_eq!(distinct(cards.iter().map(|card| card.imsi.to_string())), all);
    assert_eq!(distinct(cards.iter().map(|card| card.iccid.to_string())), all);
    assert_eq!(distinct(cards.iter().map(|card| card.eid.to_string())), all);
    assert_eq!(distinct(cards.iter().map(|card| card.k)), all);
    assert_eq!(distinct((1..=DEVICES_MAX).map(|number| UeConfig::new(number).imei.to_string())), all);
}

#[test]
fn the_last_device_of_the_largest_run_is_served_as_the_first() {
    let run = plain(DEVICES_MAX);
    let served = [1, 257, 65_536, 65_537, DEVICES_MAX];
    let mut setup = run.setup(None, Tally::new());
    for (number, device) in (1..).zip(&mut setup.devices) {
        device.start = if served.contains(&number) { Duration::ZERO } else { NEVER };
    }
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let (mut done, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    world
        .run(Duration::from_secs(60), &mut |event| match event.body {
            Body::StepEnded { device, step, outcome: Outcome::Done { .. }, .. } => {
                done.insert((device, step.to_string()));
            }
            Body::Message(message) if message.label.name == "Attach Accept" => {
                let device = message.to.part_of();
                let address = message.label.fields.iter().find(|(name, _)| *name == "ip");
                addresses.insert((device, address.map(|(_, address)| address.clone())));
            }
            _ => {}
        })
        .unwrap();
    for device in served {
        let steps = run.scenario.step_ids();
        let missing = steps.iter().find(|step| !done.contains(&(device, step.to_string())));
        assert_eq!(missing, None, "device {device}");
    }
    assert_eq!(distinct(addresses.iter().map(|(_, address)| address)), served.len());
    assert_eq!(distinct(addresses.iter().map(|(device, _)| device)), served.len());
}

#[test]
fn two_thousand_devices_attach_and_detach_and_each_has_its_address() {
    let mut run = plain(2_000).with_interval_ms(1);
    run.scenario.steps.retain(|entry| {
        use crate::lab::scenario::Entry::Step as Of;
        matches!(entry, Of(Step::Attach | Step::Detach))
    });
    run.scenario.expect.clear();
    assert!(run.scenario.device_count() > DEVICES_RECORDED_MAX);
    let summary = run.simulate(Box::new(MemoryStore::new()), None, &mut []).unwrap();
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    assert_eq!(summary.steps_passed(), (4_000, 4_000));
    assert_eq!((summary.steps.len(), summary.gathered.unwrap().devices), (0, 2_000));
}
