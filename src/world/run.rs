//! The world: every node of a run on one event heap.
//!
//! The world owns no behaviour. It carries what one node puts out to the nodes that take it in, after the time that the
//! way takes, and wakes nodes at their deadlines. It can be run to its end, stepped, and given frames from outside.

mod held;
mod outside;
mod standing;
mod witness;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::WorldError;
use super::acts::{Acts, PlannedAct};
use super::conditions::{Conditions, Told};
use super::desk::{Desk, Shift};
use super::fleet::Fleet;
use super::node::{Input, Node, Output};
use super::owners::Owners;
use super::port::{Iface, Payload, Port, To};
use super::topology::{Arrival, NoRoute, Topology};
use crate::device::plan::Condition;
use crate::event::{Actor, Body, Event, Message, Outcome, SessionKey};
use crate::kernel::{Alarm, Instant, Queue, Restless, Ring};
use crate::services::chain::LedgerWatch;
use crate::services::guard::OperatorAct;
use crate::wire::Label;

pub use outside::Outbound;
pub use witness::Witness;

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every device is through with its procedure and nothing is under way.
    Settled,
    /// The time limit of the scenario.
    TimeLimit,
    /// Somebody wanted it.
    Stopped,
}

/// Asked before everything that happens whether the run is to stop.
pub type Stop<'a> = &'a dyn Fn() -> bool;

/// What takes in the events of a run.
pub type Sink<'a> = &'a mut dyn FnMut(Event);

/// A host of the bench: one node, with one actor or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Device(u32),
    /// By its place in the list of nodes.
    Node(usize),
}

/// Something that is to happen.
enum Delivery {
    Start(Host),
    Frame(Arrival),
    Resume(Host),
    Timer(Host),
    /// What became of what a device waits for.
    Told(u32, Told),
    /// An operator acts.
    Act(OperatorAct),
    /// An event whose moment is yet to come.
    Emit(Event),
    /// A link is cut, or mended.
    Link {
        number: usize,
        up: bool,
    },
}

impl Delivery {
    /// Whether this keeps a run alive: timers and what happens to links alone do not.
    fn is_traffic(&self) -> bool {
        !matches!(self, Self::Timer(_) | Self::Link { .. })
    }
}

/// A node of the bench that is no device.
struct Slot {
    name: String,
    node: Inner,
    alarm: Alarm,
}

enum Inner {
    Here(Box<dyn Node>),
    /// Somebody else plays it: what is for it waits to be fetched.
    Outside {
        joined: bool,
    },
}

/// Everything that takes part in a run.
pub struct World {
    queue: Queue<Delivery>,
    traffic: usize,
    now: Instant,
    topology: Topology,
    fleet: Fleet,
    slots: Vec<Slot>,
    hosts: BTreeMap<Actor, usize>,
    outbound: VecDeque<Outbound>,
    conditions: Conditions,
    desk: Option<Desk>,
    acts: Acts,
    owners: Owners,
    begun: bool,
    ledger: Option<LedgerWatch>,
    /// Taken out while in use, to be used again.
    outputs: Vec<Output>,
    arrivals: Vec<Arrival>,
    /// Who is told what the card of a device holds when it leaves.
    witness: Option<Witness>,
}

impl World {
    /// A world of `fleet` on `topology` in which nothing has happened yet. `starts` are the moments at which the
    /// devices, in their order, are switched on.
    pub fn new(topology: Topology, fleet: Fleet, starts: &[Duration]) -> Self {
        let mut world = Self {
            queue: Queue::default(),
            traffic: 0,
            now: Instant::ZERO,
            topology,
            fleet,
            slots: Vec::new(),
            hosts: BTreeMap::new(),
            outbound: VecDeque::new(),
            conditions: Conditions::default(),
            desk: None,
            acts: Acts::default(),
            owners: Owners::default(),
            begun: false,
            ledger: None,
            outputs: Vec::new(),
            arrivals: Vec::new(),
            witness: None,
        };
        for (number, start) in (1..).zip(starts) {
            world.push(Instant::ZERO + *start, Delivery::Start(Host::Device(number)));
        }
        world
    }

    /// People do by hand what devices wait for.
    pub(super) fn staff(&mut self, desk: Desk) {
        self.desk = Some(desk);
    }

    /// Devices may wait for any of `conditions`.
    pub(super) fn watch(&mut self, conditions: impl IntoIterator<Item = Condition>) {
        self.conditions = Conditions::new(conditions);
    }

    /// Operators will do what is in `acts`.
    pub(super) fn plan_acts(&mut self, acts: Vec<PlannedAct>) {
        for (at, act) in self.acts.plan(acts) {
            self.push(Instant::ZERO + at, Delivery::Act(act));
        }
    }

    /// Adds a node that plays `actors`; the first of them gives it its name.
    pub fn add(&mut self, actors: &[Actor], node: Box<dyn Node>) {
        self.take_in(actors, Inner::Here(node));
    }

    /// Lets somebody outside play `actors`, who is not there yet: see [`joined`](Self::joined).
    pub fn add_outside(&mut self, actors: &[Actor]) {
        self.take_in(actors, Inner::Outside { joined: false });
    }

    fn take_in(&mut self, actors: &[Actor], node: Inner) {
        let name = actors.first().map(Actor::to_string).unwrap_or_default();
        let place = self.slots.len();
        self.slots.push(Slot { name, node, alarm: Alarm::default() });
        self.hosts.extend(actors.iter().map(|actor| (*actor, place)));
    }

    /// The virtual time of the last event.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Whether every device is through and nothing is under way any more.
    pub fn is_settled(&self) -> bool {
        self.begun && self.fleet.unfinished() == 0 && self.traffic == 0
    }

    /// The topology, to be changed while the run goes on.
    pub fn topology(&mut self) -> &mut Topology {
        &mut self.topology
    }

    /// When something will happen next by itself.
    pub fn next_at(&self) -> Option<Instant> {
        if self.begun { self.queue.next_at() } else { Some(self.now) }
    }

    /// Runs until every device is through and nothing is under way any more, or until `limit`.
    ///
    /// A device leaves the world with the end of its procedure, good or bad. One that was refused does so as
    /// when its battery is taken out: the network keeps its context and its address.
    ///
    /// # Errors
    /// Where the bench is at fault; the world is of no use afterwards.
    pub fn run(&mut self, limit: Duration, sink: Sink<'_>) -> Result<Ended, WorldError> {
        self.run_unless(&|| false, limit, sink)
    }

    /// The same unless `stop` says yes, between one thing that happens and the next.
    ///
    /// # Errors
    /// Where the bench is at fault; the world is of no use afterwards.
    pub fn run_unless(
        &mut self,
        stop: Stop<'_>,
        limit: Duration,
        sink: Sink<'_>,
    ) -> Result<Ended, WorldError> {
        self.begin(sink)?;
        let end = Instant::ZERO + limit;
        while let Some(at) = self.queue.next_at() {
            if self.is_settled() {
                return Ok(Ended::Settled);
            }
            if stop() {
                return Ok(Ended::Stopped);
            }
            if at > end {
                self.now = end;
                return Ok(Ended::TimeLimit);
            }
            self.step(sink)?;
        }
        self.check_awake()?;
        Ok(Ended::Settled)
    }

    /// Lets everything happen that is due until `t`, which it is afterwards.
    ///
    /// # Errors
    /// Where the bench is at fault; the world is of no use afterwards.
    pub fn step_until(&mut self, t: Instant, sink: Sink<'_>) -> Result<(), WorldError> {
        self.begin(sink)?;
        while self.queue.next_at().is_some_and(|at| at <= t) {
            self.step(sink)?;
        }
        self.now = self.now.max(t);
        Ok(())
    }

    fn begin(&mut self, sink: Sink<'_>) -> Result<(), WorldError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        for (number, cut) in self.topology.cuts() {
            self.push(Instant::ZERO + cut.from, Delivery::Link { number, up: false });
            self.push(Instant::ZERO + cut.until, Delivery::Link { number, up: true });
        }
        for place in 0..self.slots.len() {
            self.give(Host::Node(place), Input::Start, sink)?;
        }
        for number in self.topology.associations() {
            let (a, b) = self.topology.ends(number);
            match self.is_there(a.who) && self.is_there(b.who) {
                true => self.tell_ends(number, true, sink)?,
                false => drop(self.topology.set_up(number, false)),
            }
        }
        Ok(())
    }

    /// A run that nothing is left to wake, with a device that is not through, hangs.
    fn check_awake(&self) -> Result<(), WorldError> {
        match self.fleet.first_unfinished() {
            Some(number) => Err(WorldError::Asleep { who: Actor::device(number).to_string(), at: self.now }),
            None => Ok(()),
        }
    }

    fn step(&mut self, sink: Sink<'_>) -> Result<(), WorldError> {
        let Some((at, delivery)) = self.queue.pop() else { return Ok(()) };
        if delivery.is_traffic() {
            self.traffic -= 1;
        }
        self.now = self.now.max(at);
        match delivery {
            Delivery::Start(host) => self.give(host, Input::Start, sink),
            Delivery::Frame(arrival) => self.deliver(arrival, sink),
            Delivery::Resume(host) => self.give(host, Input::Resume, sink),
            Delivery::Timer(host) => self.wake(host, sink),
            Delivery::Told(number, told) => self.give(Host::Device(number), Input::Told(told), sink),
            Delivery::Link { number, up } => self.set_link(number, up, sink),
            Delivery::Act(act) => self.operate(act, sink),
            Delivery::Emit(event) => {
                self.emit(self.now, event.body, event.device, sink);
                Ok(())
            }
        }
    }

    // ---- frames ----

    fn deliver(&mut self, arrival: Arrival, sink: Sink<'_>) -> Result<(), WorldError> {
        if !self.topology.survives(&arrival) {
            return Ok(());
        }
        let host = self.host(arrival.to)?;
        let Arrival { from, to, payload, .. } = arrival;
        if let Some(joined) = self.outside(host) {
            let frame = Outbound::Frame { from, to, payload };
            return if joined { self.queue_outbound(frame) } else { Ok(()) };
        }
        self.give(host, Input::Frame { at: to.at, from, payload }, sink)
    }

    /// Whether an outside party plays this host, and if so whether it has joined.
    fn outside(&self, host: Host) -> Option<bool> {
        let Host::Node(place) = host else { return None };
        match self.slots.get(place)?.node {
            Inner::Outside { joined } => Some(joined),
            Inner::Here(_) => None,
        }
    }

    fn host(&self, port: Port) -> Result<Host, WorldError> {
        if let Some(place) = self.hosts.get(&port.who) {
            return Ok(Host::Node(*place));
        }
        match port.who.part_of() {
            Some(number) if self.fleet.has(number) => Ok(Host::Device(number)),
            _ => Err(WorldError::Nobody { port }),
        }
    }

    fn send(
        &mut self,
        at: Instant,
        from: Port,
        mut to: To,
        payload: Payload,
        (label, device): (Option<Label>, Option<u32>),
        sink: Sink<'_>,
    ) -> Result<(), WorldError> {
        if let Payload::Bytes(bytes) = &payload
            && let Some(destination) = self.topology.destination(from, to)?
        {
            if let Some(label) = label {
                let message = Message { from: from.who, to: destination.who, label, bytes: bytes.clone() };
                self.emit(at, Body::Message(message), device, sink);
            }
            to = To::Port(destination);
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let carried = self.topology.carry(at, from, to, payload, &mut arrivals);
        for arrival in arrivals.drain(..) {
            self.push(arrival.at, Delivery::Frame(arrival));
        }
        self.arrivals = arrivals;
        Ok(carried?)
    }

    // ---- nodes ----

    /// Gives a node something to take in, carries what it puts out, and sets its timer.
    fn give(&mut self, host: Host, input: Input, sink: Sink<'_>) -> Result<(), WorldError> {
        let now = self.now;
        let mut outputs = std::mem::take(&mut self.outputs);
        let handled = match host {
            Host::Device(number) => match self.fleet.switched_on(number)? {
                Some(running) => running.node.handle(now, input, &mut outputs),
                None => Ok(()),
            },
            Host::Node(place) => match self.slots.get_mut(place).map(|slot| &mut slot.node) {
                Some(Inner::Here(node)) => node.handle(now, input, &mut outputs),
                Some(Inner::Outside { .. }) | None => Ok(()),
            },
        };
        let carried = outputs.drain(..).try_for_each(|output| self.put(host, output, sink));
        outputs.clear();
        self.outputs = outputs;
        handled.and(carried)?;
        if let Host::Device(number) = host
            && self.fleet.running(number).is_some_and(|running| running.node.is_through(now))
        {
            self.ask_card(number);
            self.fleet.leave(number);
            self.topology.leave(number);
            let waiters = self.conditions.left(number);
            self.tell(now, waiters);
            return Ok(());
        }
        self.arm(host);
        Ok(())
    }

    fn put(&mut self, host: Host, output: Output, sink: Sink<'_>) -> Result<(), WorldError> {
        match output {
            Output::Send { at, from, to, payload, label, session } => {
                let device = self.owner(session);
                match self.send(at, from, to, payload, (label, device), sink) {
                    // An address is what some peer has said, which the network answers with silence.
                    Err(WorldError::NoRoute(why @ NoRoute::NoAddress { .. })) => {
                        let fields = vec![("reason", why.to_string())];
                        self.emit(at, Body::note(from.who, "datagram dropped", fields), device, sink);
                        Ok(())
                    }
                    sent => sent,
                }
            }
            Output::Tell { at, body, session } => {
                let device = self.owner(session);
                self.emit(at, body, device, sink);
                Ok(())
            }
            Output::Known { key, session } => {
                self.owners.learn(key, &session);
                Ok(())
            }
            Output::Resume { at } => {
                self.push(at, Delivery::Resume(host));
                Ok(())
            }
            Output::Await { at, condition } => {
                if let Host::Device(number) = host {
                    let waiters = self.conditions.awaited(number, condition);
                    self.tell(at, waiters);
                }
                Ok(())
            }
            Output::AwaitWork { at, work } => {
                if let Host::Device(number) = host {
                    self.work(at, number, work, sink)?;
                }
                Ok(())
            }
        }
    }

    /// Has the desk do `work` for device `number`, which has asked for it at `at`.
    fn work(&mut self, at: Instant, number: u32, work: u16, sink: Sink<'_>) -> Result<(), WorldError> {
        let shift = self.desk.as_mut().and_then(|desk| desk.ask(at, number, work));
        let Shift { told, ends } = shift.ok_or(WorldError::NoSuchWork { work })?;
        for (at, body) in told {
            self.emit(at, body, Some(number), sink);
        }
        self.push(ends, Delivery::Told(number, Told::Met));
        Ok(())
    }

    fn wake(&mut self, host: Host, sink: Sink<'_>) -> Result<(), WorldError> {
        let now = self.now;
        // A device may have come to its end meanwhile.
        match self.alarm(host).map(|alarm| alarm.ring(now)) {
            Some(Ring::Due) => self.give(host, Input::Timer, sink),
            Some(Ring::Stuck) => Err(Restless { who: self.name(host), at: now }.into()),
            Some(Ring::Stale) | None => Ok(()),
        }
    }

    fn arm(&mut self, host: Host) {
        let now = self.now;
        let (deadline, alarm) = match host {
            Host::Device(number) => match self.fleet.running(number) {
                Some(running) => (running.node.deadline(now), &mut running.alarm),
                None => return,
            },
            Host::Node(place) => match self.slots.get_mut(place) {
                Some(Slot { node: Inner::Here(node), alarm, .. }) => (node.deadline(now), alarm),
                _ => return,
            },
        };
        if let Some(at) = alarm.set(deadline, now) {
            self.push(at, Delivery::Timer(host));
        }
    }

    fn alarm(&mut self, host: Host) -> Option<&mut Alarm> {
        match host {
            Host::Device(number) => self.fleet.running(number).map(|running| &mut running.alarm),
            Host::Node(place) => self.slots.get_mut(place).map(|slot| &mut slot.alarm),
        }
    }

    fn name(&self, host: Host) -> String {
        match host {
            Host::Device(number) => Actor::device(number).to_string(),
            Host::Node(place) => self.slots.get(place).map(|slot| slot.name.clone()).unwrap_or_default(),
        }
    }

    // ---- links ----

    /// Whether somebody plays `who`: a node of this world, or somebody outside who has joined.
    fn is_there(&self, who: Actor) -> bool {
        self.hosts.get(&who).and_then(|place| self.outside(Host::Node(*place))) != Some(false)
    }

    /// Cuts a link, or mends it; it stays down while the bench cuts it, or somebody at its ends is not there.
    fn set_link(&mut self, number: usize, up: bool, sink: Sink<'_>) -> Result<(), WorldError> {
        let (a, b) = self.topology.ends(number);
        if up && (self.topology.is_cut(number, self.now) || !self.is_there(a.who) || !self.is_there(b.who)) {
            return Ok(());
        }
        if !self.topology.set_up(number, up) {
            return Ok(());
        }
        if a.at.is_association() { self.tell_ends(number, up, sink) } else { Ok(()) }
    }

    /// Tells both ends of an association how it stands; the one that listens first.
    fn tell_ends(&mut self, number: usize, up: bool, sink: Sink<'_>) -> Result<(), WorldError> {
        let (a, b) = self.topology.ends(number);
        for (own, peer) in [(b, a), (a, b)] {
            let at: Iface = own.at;
            let input = if up { Input::Linked { at, peer } } else { Input::Unlinked { at, peer } };
            let host = self.host(own)?;
            match self.outside(host) {
                Some(true) => self.queue_outbound(Outbound::Link { own, peer, up })?,
                Some(false) => {}
                None => self.give(host, input, sink)?,
            }
        }
        Ok(())
    }

    // ---- the heap ----

    fn push(&mut self, at: Instant, delivery: Delivery) {
        if delivery.is_traffic() {
            self.traffic += 1;
        }
        self.queue.push(at, delivery);
    }

    /// The device that a node means by `session`.
    fn owner(&self, session: Option<SessionKey>) -> Option<u32> {
        session.and_then(|key| self.owners.of(&key))
    }

    /// Tells what has happened; `device` is the one that it is about, where the body does not name one itself.
    fn emit(&mut self, at: Instant, body: Body, device: Option<u32>, sink: Sink<'_>) {
        let device = body.device().or(device);
        if at > self.now {
            return self.push(at, Delivery::Emit(Event { at, device, body }));
        }
        if let Body::StepEnded { device, step, outcome: Outcome::Done { .. }, .. } = &body {
            let waiters = self.conditions.done(*device, *step);
            self.tell(at, waiters);
            for (delay, act) in self.acts.done(*device, *step) {
                self.push(at + delay, Delivery::Act(act));
            }
        }
        sink(Event { at: self.now, device, body });
    }

    /// Tells devices what became of what they wait for.
    fn tell(&mut self, at: Instant, waiters: Vec<(u32, Told)>) {
        for (number, told) in waiters {
            self.push(at, Delivery::Told(number, told));
        }
    }
}

#[cfg(test)]
mod tests;
