//! Who asks again: a certificate that nears its end is renewed, and a service that puts a device off is asked later.

use cellbed::device::plan::Act;
use cellbed::event::{Body, Event, Step, StepId};
use cellbed::kernel::{Duration, Instant};
use cellbed::ledger::MemoryStore;
use cellbed::services::enrolment::EstFault;
use cellbed::world::setup::Setup;
use cellbed::world::{Ended, World};

use super::lab::{Lab, Subject, est_word};
use super::runs::{outcomes, setup};

/// The names of the messages of one device in HTTP, without those of its eUICC, and everything that happened.
fn run(plan: Vec<Act>, certificate_validity_s: Option<u32>) -> (Vec<String>, Vec<Event>) {
    run_of(Setup { plan, certificate_validity_s, ..setup(1) })
}

fn run_of(setup: Setup) -> (Vec<String>, Vec<Event>) {
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    let ended = world.run(Duration::from_secs(20_000), &mut |event| events.push(event)).unwrap();
    assert_eq!(ended, Ended::Settled);
    let told = events.iter().filter_map(|event| match &event.body {
        Body::Message(message) if ["HTTP", "EST"].contains(&message.label.proto.name()) => {
            Some(message.label.name.to_string())
        }
        _ => None,
    });
    (told.collect(), events)
}

fn plan(steps: &[(Step, Duration)]) -> Vec<Act> {
    let ids = StepId::numbered(steps.iter().map(|(step, _)| *step));
    let waits = steps.iter().map(|(_, wait)| *wait);
    ids.into_iter().zip(waits).flat_map(|(id, wait)| [Act::Wait(wait), Act::Step(id)]).collect()
}

fn words(events: &[Event]) -> Vec<String> {
    outcomes(events).remove(&1).unwrap().into_iter().map(|(_, word)| word).collect()
}

const SOON: Duration = Duration::from_millis(1);
/// What a device does up to its first certificate and its first report.
const FIRST: [(Step, Duration); 5] = [
    (Step::Attach, SOON),
    (Step::Keys, SOON),
    (Step::Register, SOON),
    (Step::Enrol, SOON),
    (Step::Ready, SOON),
];

#[test]
fn a_certificate_that_nears_its_end_is_renewed_by_the_device_before_it_is_used() {
    use Step::{Enrol, Ready};
    let later = |after_s| [&FIRST[..], &[(Ready, Duration::from_secs(after_s))]].concat();
    let asked = |names: &[String], what: &str| names.iter().filter(|name| name.contains(what)).count();
    // An hour: at 39 minutes a third of its life is left, at 41 less, and after 61 it has expired.
    for (after_s, enrolled, renewed) in [(39 * 60, 1, 0), (41 * 60, 1, 1), (61 * 60, 2, 0)] {
        let (names, events) = run(plan(&later(after_s)), Some(3600));
        assert_eq!(words(&events), vec!["done"; 6], "after {after_s} s");
        let found = (asked(&names, "simpleenroll"), asked(&names, "simplereenroll"));
        assert_eq!(found, (enrolled, renewed), "after {after_s} s: {names:?}");
    }
    // By itself in the step that would get one, too, and nothing is done where there is time.
    for (after_s, renewed) in [(39 * 60, 0), (41 * 60, 1)] {
        let steps = [&FIRST[..], &[(Enrol, Duration::from_secs(after_s))]].concat();
        let (names, events) = run(plan(&steps), Some(3600));
        assert_eq!(words(&events), vec!["done"; 6]);
        assert_eq!(asked(&names, "simplereenroll"), renewed);
    }
}

#[test]
fn a_device_that_est_puts_off_comes_again_over_another_connection_and_no_sooner() {
    for (fault, status) in [(EstFault::Pending, "202"), (EstFault::Unavailable, "503")] {
        let mut setup = Setup { plan: plan(&FIRST), ..setup(1) };
        setup.devices[0].est_fault = Some(fault);
        let (names, events) = run_of(setup);
        assert_eq!(words(&events), vec!["done"; 5], "{status}");
        let enrolled: Vec<_> =
            names.iter().filter(|name| name.contains("simpleenroll") || name.starts_with(status)).collect();
        assert_eq!(enrolled.len(), 3, "{status}: it asks, is put off and asks once more: {names:?}");
        assert!(enrolled[1].starts_with(status), "{enrolled:?}");
        let asked_at: Vec<Instant> = events
            .iter()
            .filter_map(|event| match &event.body {
                Body::Message(message) if message.label.name.contains("simpleenroll") => Some(event.at),
                _ => None,
            })
            .collect();
        let waited = asked_at[asked_at.len() - 1].since(asked_at[0]);
        assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&waited), "{waited:?}");
    }
}

#[test]
fn a_device_that_is_put_off_comes_again_when_it_was_told_to() {
    // Eight claims are heard at once, and one more after each half minute.
    let claims = [(Step::Register, SOON); 9];
    let steps = [&[(Step::Attach, SOON), (Step::Keys, SOON)], &claims[..]].concat();
    let (names, events) = run(plan(&steps), None);
    assert_eq!(words(&events), vec!["done"; 11]);
    let put_off = names.iter().position(|name| name.starts_with("429")).unwrap();
    assert!(names[put_off + 1..].iter().all(|name| !name.starts_with("429")), "{names:?}");
    let at = |wanted: u16| {
        let started = |event: &&Event| match &event.body {
            Body::StepEnded { step, .. } => *step == StepId { step: Step::Register, nth: wanted },
            _ => false,
        };
        events.iter().find(started).unwrap().at
    };
    let waited = at(9).since(at(8));
    assert!((Duration::from_secs(20)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
}

#[test]
fn who_enrols_too_often_hears_how_long_to_wait() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let answers: Vec<_> = (0..9).map(|_| offices.enrol(&subject, &subject.sound_enrolment())).collect();
    let (heard, too_many) = answers.split_at(8);
    assert!(heard.iter().all(|response| response.status == 200), "{heard:?}");
    assert_eq!((too_many[0].status, est_word(&too_many[0]).as_str()), (429, "too-many-requests"));
    let after_s: u64 = too_many[0].headers.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=31).contains(&after_s));
    offices.now += Duration::from_secs(after_s);
    assert_eq!(offices.enrol(&subject, &subject.sound_enrolment()).status, 200);
}
