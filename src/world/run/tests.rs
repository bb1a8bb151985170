use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::kernel::RngTree;
use crate::ran::{AirModel, Rat};
use crate::world::topology::{Cut, LinkSpec};

const MS: fn(u64) -> Duration = Duration::from_millis;
const ENB: Actor = Actor::enb(1);

fn at(ms: u64) -> Instant {
    Instant::ZERO + MS(ms)
}

fn s1(who: Actor) -> Port {
    Port::new(who, Iface::S1Mme)
}

/// What happened to a node, and when.
type Noted = Rc<RefCell<Vec<(Instant, Input)>>>;

/// Notes what happens to it.
struct Noting(Noted);

impl Node for Noting {
    fn handle(&mut self, now: Instant, input: Input, _: &mut Vec<Output>) -> Result<(), WorldError> {
        self.0.borrow_mut().push((now, input));
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        None
    }
}

/// An MME, a base station outside, and the association between them, which is cut from 100 ms until 200 ms.
fn world() -> (World, Noted) {
    let mut topology = Topology::new(AirModel::of(Rat::Lte), RngTree::new(7));
    let cuts = vec![Cut { from: MS(100), until: MS(200) }];
    topology.link(LinkSpec { cuts, ..LinkSpec::new(s1(ENB), s1(Actor::MME), MS(2)) });
    let mut world = World::new(topology, Fleet::none(), &[]);
    let noted = Rc::default();
    world.add(&[Actor::MME], Box::new(Noting(Rc::clone(&noted))));
    world.add_outside(&[ENB]);
    (world, noted)
}

/// When the association came up and went, as the MME was told, in milliseconds.
fn told(noted: &RefCell<Vec<(Instant, Input)>>) -> Vec<(u128, bool)> {
    let linked = |(at, input): &(Instant, Input)| {
        let up = match input {
            Input::Linked { .. } => true,
            Input::Unlinked { .. } => false,
            _ => return None,
        };
        Some((at.since(Instant::ZERO).as_millis(), up))
    };
    noted.borrow().iter().filter_map(linked).collect()
}

fn until(world: &mut World, ms: u64) {
    world.step_until(at(ms), &mut |_| {}).unwrap();
}

#[test]
fn a_link_is_up_while_both_ends_are_there_and_the_bench_does_not_cut_it() {
    let (mut world, noted) = world();
    until(&mut world, 50);
    world.joined(ENB, true, &mut |_| {}).unwrap();
    until(&mut world, 150);
    // It goes, and comes again while the link is cut.
    world.joined(ENB, false, &mut |_| {}).unwrap();
    world.joined(ENB, true, &mut |_| {}).unwrap();
    until(&mut world, 250);
    assert_eq!(told(&noted), [(50, true), (100, false), (200, true)]);
    let (mut world, noted) = self::world();
    until(&mut world, 150);
    // Nobody is there when the link is mended.
    until(&mut world, 250);
    world.joined(ENB, true, &mut |_| {}).unwrap();
    world.joined(ENB, false, &mut |_| {}).unwrap();
    assert_eq!(told(&noted), [(250, true), (250, false)]);
}

#[test]
fn what_arrives_for_somebody_outside_waits_for_him_and_is_gone_when_he_is() {
    let (mut world, _) = world();
    world.joined(ENB, true, &mut |_| {}).unwrap();
    let mut heard = Vec::new();
    let bytes = Payload::Bytes(vec![0]);
    let mut sink = |event| heard.push(event);
    world.inject(s1(Actor::MME), To::Port(s1(ENB)), bytes.clone(), &mut sink).unwrap();
    until(&mut world, 10);
    let link = Outbound::Link { own: s1(ENB), peer: s1(Actor::MME), up: true };
    let frame = Outbound::Frame { from: s1(Actor::MME), to: s1(ENB), payload: bytes.clone() };
    assert_eq!(world.take_outbound().collect::<Vec<_>>(), [link, frame]);
    assert_eq!(heard.len(), 1, "and is told of");
    world.inject(s1(Actor::MME), To::Port(s1(ENB)), bytes, &mut |_| {}).unwrap();
    until(&mut world, 20);
    world.joined(ENB, false, &mut |_| {}).unwrap();
    assert_eq!(world.take_outbound().count(), 0);
}

#[test]
fn what_is_asked_of_the_wrong_node_is_refused_by_name() {
    let (mut world, noted) = world();
    let not_outside = world.joined(Actor::MME, true, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(not_outside, "mme is not played from outside: the bench has a node for it");
    let noting = || Box::new(Noting(Rc::clone(&noted)));
    let not_here = world.restart(ENB, noting(), &mut |_| {}).unwrap_err().to_string();
    assert_eq!(not_here, "enb1 is no node that this bench runs");
    let nowhere = world.inject(s1(ENB), To::Port(s1(Actor::HSS)), Payload::Bytes(vec![]), &mut |_| {});
    assert!(nowhere.unwrap_err().to_string().contains("nothing links enb1.s1-mme with hss.s1-mme"));
}

/// Sends a datagram to an address when it is switched on.
struct Sends(std::net::Ipv4Addr);

impl Node for Sends {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        if input == Input::Start {
            let (from, label) =
                (Port::new(Actor::GATEWAY, Iface::S1U), Label::new(crate::wire::Proto::GtpU, "G-PDU"));
            out.push(Output::frame(now, from, To::Address(self.0), vec![0], label));
        }
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        None
    }
}

/// An address comes from a peer: one that nobody has is no fault of the bench, and ends no run.
#[test]
fn a_datagram_for_an_address_that_nobody_has_is_dropped_and_told() {
    let (mut world, _) = world();
    world.add(&[Actor::GATEWAY], Box::new(Sends([192, 0, 2, 1].into())));
    let mut told = Vec::new();
    world.step_until(at(10), &mut |event| told.push(event)).unwrap();
    let [Event { body: Body::State(note), .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((note.actor, &*note.change), (Actor::GATEWAY, "datagram dropped"));
    assert_eq!(note.fields[0].1, "gw.s1-u sends to 192.0.2.1, which nobody on s1-u has");
}
