//! The traditional way: a burned-in secret, a central server, and people.

use std::path::Path;

use cellbed::ca::est::basic_authorization;
use cellbed::device::plan::Act;
use cellbed::event::{Body, Step, StepId, Verdict};
use cellbed::kernel::Duration;
use cellbed::lab::Run;
use cellbed::ledger::MemoryStore;
use cellbed::services::Way;
use cellbed::world::desk::{Estimate, Staff, WORK_BEGINS, WORK_DONE, Work};
use cellbed::world::setup::Setup;
use cellbed::world::{Ended, World};

use super::runs::{outcomes, setup};

const STEPS: [Step; 5] = [Step::Attach, Step::Keys, Step::Enrol, Step::Ready, Step::Detach];
const LIMIT: Duration = Duration::from_secs(3600);

fn traditional(devices: u32) -> Setup {
    let plan = Act::steps(STEPS);
    Setup { way: Way::Traditional, plan, ..setup(devices) }
}

fn run(setup: Setup) -> Vec<cellbed::event::Event> {
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    assert_eq!(world.run(LIMIT, &mut |event| events.push(event)).unwrap(), Ended::Settled);
    events
}

#[test]
fn who_has_the_secret_is_served_and_nobody_else() {
    let mut setup = traditional(3);
    // The owner has never entered the second one, and the third has read the flash of the first.
    setup.devices[1].allowed = false;
    setup.devices[2].secret_of = 1;
    let outcomes = outcomes(&run(setup));
    let ends =
        |device: u32| outcomes[&device].iter().map(|(_, outcome)| outcome.as_str()).collect::<Vec<_>>();
    assert_eq!(ends(1), ["done"; 5]);
    assert_eq!(ends(2), ["done", "done", "not-authenticated"]);
    assert_eq!(ends(3), ["done"; 5], "that is what the way is worth");
}

/// With a copy of secret and SIM, somebody else is the device, and no party of the traditional way notices. Whoever compares
/// the books does.
#[test]
fn a_copy_is_found_by_whoever_compares_the_books() {
    let mut run =
        Run::load(Path::new("lab/scenarios/traditional.toml"), Path::new("lab/benches/virtual.toml"))
            .unwrap();
    let mut copy = run.scenario.device[0].clone();
    (copy.profile, copy.clone_of) = (None, Some(1));
    run.scenario.device.push(copy);
    let summary = run.simulate(Box::new(MemoryStore::new()), None, &mut []).unwrap();
    let audit = summary.audit.unwrap();
    let found: Vec<_> = audit.findings.iter().map(|one| (one.device, one.word.as_str())).collect();
    assert_eq!(found, [(Some(2), "subscription-shared"), (Some(2), "certificate-shared")]);
    assert_eq!((summary.verdict, audit.certificates), (Verdict::Fail, 1));
}

#[test]
fn a_device_whose_power_is_cut_keeps_its_key_and_its_certificate() {
    let mut setup = traditional(1);
    let steps = StepId::numbered([
        Step::Attach,
        Step::Keys,
        Step::Enrol,
        Step::Attach,
        Step::Keys,
        Step::Enrol,
        Step::Ready,
    ]);
    setup.plan = steps.into_iter().map(Act::Step).collect();
    setup.plan.insert(3, Act::PowerCut);
    let events = run(setup);
    let proofs: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::StepEnded { outcome: cellbed::event::Outcome::Done { proof }, .. } => Some(proof.clone()),
            _ => None,
        })
        .collect();
    let key = |proof: &str| proof.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(key(&proofs[1]), key(&proofs[4]));
    assert!(proofs[1].starts_with("P-256 key pair made in the flash"), "{proofs:?}");
    assert!(proofs[4].starts_with("P-256 key pair is in the flash already"), "{proofs:?}");
    assert!(proofs[5].ends_with("is in the flash already"), "{proofs:?}");
    assert_eq!(proofs[6], "mutual TLS with the key in flash; the cloud has the telemetry");
}

/// Two devices and one technician: the second waits until the first is served, and goes on with its plan then.
#[test]
fn devices_wait_for_people_and_people_do_one_thing_at_a_time() {
    let ten = Duration::from_secs(10);
    let work = Work {
        name: "insert-sim".into(),
        by: 0,
        takes: Estimate { low: ten, usual: ten, high: ten },
        again_permille: 0,
        once: false,
    };
    let mut setup = traditional(2);
    setup.plan.insert(0, Act::Work(0));
    setup.works = vec![work];
    setup.staff = vec![Staff { name: "technician".into(), count: 1 }];
    let events = run(setup);
    let told = |change: &str| -> Vec<(u32, u64)> {
        let of = |event: &cellbed::event::Event| match &event.body {
            Body::State(state) if state.change == change => {
                Some((event.device?, event.at.as_micros() / 1_000))
            }
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    assert_eq!(told(WORK_BEGINS), [(1, 0), (2, 10_000)]);
    assert_eq!(told(WORK_DONE), [(1, 10_000), (2, 20_000)]);
    let attached = events.iter().filter_map(|event| match &event.body {
        Body::StepStarted { device, step } if step.step == Step::Attach => {
            Some((*device, event.at.as_micros() / 1_000))
        }
        _ => None,
    });
    assert_eq!(attached.collect::<Vec<_>>(), [(1, 10_000), (2, 20_000)]);
}

/// The header of RFC 7617 section 2.
#[test]
fn the_secret_is_shown_as_the_specification_says() {
    assert_eq!(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}
