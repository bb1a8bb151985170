//! What becomes of the events of a device, whatever it does and whoever waits with it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::event::{Actor, Outcome, StateChange, Step, StepId};
use crate::kernel::Instant;
use crate::lab::scenario;
use crate::lab::{Judge, ProfileInfo};
use crate::wire::Reason;

/// A run of so many devices of which none is recorded in any case, and what is recorded of it.
struct Ran {
    judge: Judge,
    selection: Selection,
    recorded: Vec<Event>,
    at: u64,
}

impl Ran {
    fn new(devices: u32, held_bytes_max: usize) -> Self {
        let profile = ProfileInfo::counting_from("001010000000001".parse().unwrap());
        let profiles = BTreeMap::from([("p".to_owned(), profile)]);
        let source = format!(
            "summary = \"x\"\nsteps = [\"attach\", \"detach\"]\n[[device]]\nprofile = \"p\"\ncount = {devices}\n"
        );
        let scenario = scenario::check(&source, "x.toml", &profiles).unwrap();
        Self {
            judge: Judge::new(&scenario).gathering(true),
            selection: Selection::new(&scenario, 0, None).holding_at_most(held_bytes_max),
            recorded: Vec::new(),
            at: 0,
        }
    }

    fn tell(&mut self, body: Body) {
        self.at += 1;
        let event = Event::new(Instant::from_nanos(self.at), body);
        self.judge.observe(&event);
        let (judge, recorded) = (&self.judge, &mut self.recorded);
        self.selection
            .take(event, |device| judge.standing(device), &mut |event| recorded.push(event.clone()));
    }

    fn note(&mut self, actor: Actor) {
        self.tell(Body::State(StateChange { actor, machine: "", change: "x".into(), fields: Vec::new() }));
    }

    fn begin(&mut self, device: u32, step: Step) {
        self.tell(Body::StepStarted { device, step: StepId::first(step) });
    }

    fn end(&mut self, device: u32, step: Step, outcome: Outcome) {
        self.begin(device, step);
        self.tell(Body::StepEnded { device, step: StepId::first(step), took: Duration::ZERO, outcome });
    }

    fn done(&mut self, device: u32, step: Step) {
        self.end(device, step, Outcome::Done { proof: String::new() });
    }

    fn finish(self) -> (LeftOut, Vec<Event>) {
        let Self { judge, selection, mut recorded, .. } = self;
        let left_out =
            selection.finish(|device| judge.standing(device), &mut |event| recorded.push(event.clone()));
        (left_out, recorded)
    }
}

fn refused() -> Outcome {
    Outcome::Refused { reason: Reason::EmmCause(8), detail: String::new() }
}

#[test]
fn what_waits_for_a_device_is_recorded_in_the_order_of_time() {
    let mut run = Ran::new(2, usize::MAX);
    run.done(1, Step::Attach);
    run.note(Actor::MME);
    run.done(2, Step::Attach);
    assert!(run.recorded.is_empty());
    run.end(2, Step::Detach, refused());
    assert!(run.recorded.is_empty(), "device 1 may fail yet, and comes first");
    run.done(1, Step::Detach);
    run.note(Actor::ue(1));
    let times: Vec<u64> = run.recorded.iter().map(|event| event.at.as_nanos()).collect();
    assert_eq!(times, [3, 4, 5, 6, 7]);
    let (left_out, _) = run.finish();
    assert_eq!((left_out.devices, left_out.events, left_out.in_part), (1, 5, 0));
}

#[test]
fn a_device_that_is_not_through_is_recorded() {
    let mut run = Ran::new(2, usize::MAX);
    run.done(1, Step::Attach);
    run.begin(1, Step::Detach);
    let (left_out, recorded) = run.finish();
    assert_eq!((left_out.devices, left_out.events, recorded.len()), (0, 0, 3));
}

#[test]
fn the_beginning_of_a_failing_device_is_missed_where_there_was_no_room_for_it() {
    let mut run = Ran::new(3, 4 * EVENT_BYTES);
    for device in [1, 2] {
        run.begin(device, Step::Attach);
        run.note(Actor::ue(device));
    }
    // One more than there is room for.
    run.begin(3, Step::Attach);
    run.end(1, Step::Attach, refused());
    for step in [Step::Attach, Step::Detach] {
        run.done(2, step);
        run.done(3, step);
    }
    let (left_out, recorded) = run.finish();
    assert_eq!((left_out.devices, left_out.in_part), (2, 1));
    assert_eq!(recorded.len(), 2);
    assert_eq!(left_out.events as usize + recorded.len(), 15);
}

#[test]
fn a_device_that_goes_wrong_after_all_was_right_is_recorded_from_there_on() {
    let mut run = Ran::new(1, usize::MAX);
    run.done(1, Step::Attach);
    run.done(1, Step::Detach);
    run.end(1, Step::Detach, refused());
    let (left_out, recorded) = run.finish();
    assert_eq!((left_out.devices, left_out.in_part, left_out.events), (0, 1, 5));
    assert_eq!(recorded.len(), 1);
}

#[test]
fn of_the_network_as_such_the_first_events_are_recorded() {
    let mut run = Ran::new(1, usize::MAX);
    (0..=NETWORK_EVENTS_MAX).for_each(|_| run.note(Actor::MME));
    let (left_out, recorded) = run.finish();
    assert_eq!((left_out.network, left_out.events, recorded.len() as u64), (1, 1, NETWORK_EVENTS_MAX));
}
