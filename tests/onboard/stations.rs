//! Two base stations, one of which loses its core network for ten seconds and gets it back.

use cellbed::event::{Actor, Body, Event, Message, StateChange};
use cellbed::kernel::{Duration, Instant};
use cellbed::ledger::MemoryStore;
use cellbed::world::setup::StationSetup;
use cellbed::world::topology::{Cut, LinkSpec, lte_links};
use cellbed::world::{Iface, World};

use super::runs::{all_done, outcomes, setup};

const S: fn(u64) -> Duration = Duration::from_secs;

fn station(number: u32) -> StationSetup {
    StationSetup { number, ..StationSetup::only() }
}

/// The S1-MME of the first base station, cut from 3 s until 13 s.
fn cut() -> LinkSpec {
    let links = lte_links([Actor::enb(1)].into_iter());
    let s1 = links.into_iter().find(|link| link.ends.0.at == Iface::S1Mme).unwrap();
    LinkSpec { cuts: vec![Cut { from: S(3), until: S(13) }], ..s1 }
}

fn messages<'a>(events: &'a [Event], named: &'a str) -> impl Iterator<Item = (Instant, &'a Message)> {
    events.iter().filter_map(move |event| match &event.body {
        Body::Message(message) if message.label.name == named => Some((event.at, message)),
        _ => None,
    })
}

#[test]
fn devices_go_to_the_other_base_station_while_one_has_lost_its_core_network() {
    let mut setup = setup(4);
    setup.stations = vec![station(1), station(2)];
    setup.links = vec![cut()];
    // One is through before, one is in the middle of its procedure, one comes meanwhile, one comes afterwards.
    let starts = [0, 2_500, 5_000, 14_000].map(Duration::from_millis);
    setup.devices.iter_mut().zip(starts).for_each(|(device, start)| device.start = start);
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    let mut sink = |event| events.push(event);

    // It is stepped, as somebody from outside would do it: nothing of it depends on how.
    let mut now = Instant::ZERO;
    while !world.is_settled() {
        now += Duration::from_millis(250);
        assert!(now < Instant::ZERO + S(120));
        world.step_until(now, &mut sink).unwrap();
    }

    assert_eq!(outcomes(&events), all_done(4));
    let stations: Vec<Actor> =
        messages(&events, "InitialUEMessage").map(|(_, message)| message.from).collect();
    let [first, rest @ ..] = &stations[..] else { panic!("nobody attached") };
    assert_eq!((*first, stations.last()), (Actor::enb(1), Some(&Actor::enb(1))), "{stations:?}");
    assert!(rest[1..rest.len() - 1].iter().all(|who| *who == Actor::enb(2)), "{stations:?}");
    assert!(rest.len() >= 4, "the second device attached at both: {stations:?}");

    let set_up: Vec<(Instant, Actor)> =
        messages(&events, "S1SetupRequest").map(|(at, message)| (at, message.from)).collect();
    let (one, two) = (Actor::enb(1), Actor::enb(2));
    assert_eq!(set_up, [(Instant::ZERO, one), (Instant::ZERO, two), (Instant::ZERO + S(13), one)]);
    let silent = events.iter().filter(|event| (S(3)..S(13)).contains(&event.at.since(Instant::ZERO)));
    let of_first = silent.filter(|event| match &event.body {
        Body::Message(message) => {
            [message.from, message.to] == [one, Actor::MME] || [message.from, message.to] == [Actor::MME, one]
        }
        _ => false,
    });
    assert_eq!(of_first.count(), 0, "nothing passes on a link that is cut");
    let down = |event: &&Event| matches!(&event.body, Body::State(StateChange { actor, machine: "s1", .. }) if *actor == one);
    let changes: Vec<Instant> = events.iter().filter(down).map(|event| event.at).collect();
    assert!(changes.contains(&(Instant::ZERO + S(3))), "{changes:?}");
}

#[test]
fn stepping_and_running_are_the_same() {
    let run = |step: Option<Duration>| {
        let mut events = Vec::new();
        let mut world = World::set_up(setup(2), Box::new(MemoryStore::new())).unwrap();
        match step {
            None => drop(world.run(S(60), &mut |event| events.push(event)).unwrap()),
            Some(step) => {
                let mut now = Instant::ZERO;
                while !world.is_settled() {
                    now += step;
                    world.step_until(now, &mut |event| events.push(event)).unwrap();
                }
            }
        }
        events
    };
    let whole = run(None);
    for step in [Duration::from_micros(700), Duration::from_millis(10), S(1)] {
        let stepped = run(Some(step));
        assert!(stepped[..whole.len()] == whole[..], "{step:?}");
        // Timers that are due within the last step still go off.
        assert!(stepped[whole.len()..].iter().all(|event| matches!(event.body, Body::State(_))));
    }
}
