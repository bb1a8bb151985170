//! The world of the virtual bench: every actor of a run on one event heap.
//!
//! The world owns no behaviour. It carries what one machine puts out to the machine that takes it in,
//! after the time that the way takes, and wakes machines at their deadlines.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::WorldError;
use super::factory::Factory;
use super::fleet::{Running, Seats};
use super::media::Media;
use crate::card::{CardModel, Exchange};
use crate::corenet::{Epc, EpcInput, EpcOutput};
use crate::device::{DeviceInput, DeviceOutput};
use crate::event::{Actor, Body, Event, Message, StateChange};
use crate::kernel::{Alarm, Instant, Queue, Ring};
use crate::ran::{Downlink, Enb, EnbInput, EnbOutput, Uplink};
use crate::services::{ServiceInput, ServiceOutput, Services};

/// The one base station of the virtual bench.
pub const ENB: u32 = 1;

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every device is through with its procedure and nothing is under way.
    Settled,
    /// The time limit of the scenario.
    TimeLimit,
}

/// Something on its way.
enum Delivery {
    ToDevice(u32, DeviceInput),
    /// The device's card is through; what came meanwhile is taken in now.
    DeviceReady(u32),
    Up(u32, Uplink),
    S1ToEpc(Vec<u8>),
    S1ToEnb(Vec<u8>),
    GtpToGateway(Vec<u8>),
    GtpToEnb(Vec<u8>),
    ToServices(Vec<u8>),
    FromServices(Vec<u8>),
    Timer(Node),
    Emit(Body),
}

impl Delivery {
    /// Whether this keeps a run alive: timers alone do not.
    fn is_traffic(&self) -> bool {
        !matches!(self, Self::Timer(_))
    }
}

/// A machine that asks to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Device(u32),
    Enb,
    Epc,
    Services,
}

impl Node {
    fn name(self) -> String {
        match self {
            Self::Device(number) => Actor::device(number).to_string(),
            Self::Enb => Actor::enb(ENB).to_string(),
            Self::Epc => "the core".to_owned(),
            Self::Services => "the services".to_owned(),
        }
    }
}

/// Everything that takes part in a run of the virtual bench.
pub struct World {
    queue: Queue<Delivery>,
    traffic: usize,
    now: Instant,
    factory: Factory,
    seats: Seats,
    enb: Enb,
    epc: Epc,
    services: Services,
    addresses: BTreeMap<Ipv4Addr, u32>,
    media: Media,
    card: CardModel,
    alarms: Alarms,
    scratch: Vec<DeviceOutput>,
}

/// The timers of what there is one of.
#[derive(Default)]
struct Alarms {
    enb: Alarm,
    epc: Alarm,
    services: Alarm,
}

impl World {
    /// A world in which nothing has happened yet. `starts` are the moments at which the devices, in their
    /// order, are switched on.
    pub fn new(
        factory: Factory,
        enb: Enb,
        epc: Epc,
        services: Services,
        media: Media,
        starts: &[Duration],
    ) -> Self {
        let mut world = Self {
            queue: Queue::default(),
            traffic: 0,
            now: Instant::ZERO,
            factory,
            seats: Seats::new(starts.len()),
            enb,
            epc,
            services,
            addresses: BTreeMap::new(),
            media,
            card: CardModel::default(),
            alarms: Alarms::default(),
            scratch: Vec::new(),
        };
        for (number, start) in (1..).zip(starts) {
            world.push(Instant::ZERO + *start, Delivery::ToDevice(number, DeviceInput::PowerOn));
        }
        world
    }

    /// The services, with ledger and authority, for what is left of them after a run.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The virtual time of the last event.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many devices were switched on and not yet through, at most.
    pub fn under_way_max(&self) -> usize {
        self.seats.under_way_max()
    }

    /// Runs until every device is through and nothing is under way any more, or until `limit`.
    ///
    /// A device leaves the world with the end of its procedure, good or bad. One that was refused does so as
    /// when its battery is taken out: the network keeps its context and its address.
    ///
    /// # Errors
    /// Where the bench is at fault; the world is of no use afterwards.
    pub fn run(&mut self, limit: Duration, sink: &mut dyn FnMut(Event)) -> Result<Ended, WorldError> {
        self.connect_s1(sink)?;
        let end = Instant::ZERO + limit;
        while let Some((at, delivery)) = self.queue.pop() {
            if self.seats.unfinished() == 0 && self.traffic == 0 {
                return Ok(Ended::Settled);
            }
            if at > end {
                self.now = end;
                return Ok(Ended::TimeLimit);
            }
            if delivery.is_traffic() {
                self.traffic -= 1;
            }
            self.now = at;
            self.deliver(delivery, sink)?;
        }
        match self.seats.first_unfinished() {
            Some(number) => Err(WorldError::Asleep { who: Node::Device(number).name(), at: self.now }),
            None => Ok(Ended::Settled),
        }
    }

    fn push(&mut self, at: Instant, delivery: Delivery) {
        if delivery.is_traffic() {
            self.traffic += 1;
        }
        self.queue.push(at, delivery);
    }

    fn after(&mut self, delay: Duration, delivery: Delivery) {
        self.push(self.now + delay, delivery);
    }

    /// Puts a packet of the user plane on a wire, which may lose it.
    fn carry_packet(&mut self, delay: Duration, delivery: Delivery) {
        if !self.media.lose() {
            self.after(delay, delivery);
        }
    }

    fn emit(&self, sink: &mut dyn FnMut(Event), body: Body) {
        sink(Event { at: self.now, body });
    }

    fn connect_s1(&mut self, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        self.core(EpcInput::S1Connected { enb: ENB }, sink)?;
        self.base_station(EnbInput::S1Connected, sink)
    }

    fn deliver(&mut self, delivery: Delivery, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        match delivery {
            Delivery::ToDevice(number, input) => self.give_device(number, input, sink),
            Delivery::DeviceReady(number) => self.work_device(number, sink),
            Delivery::Up(ue, message) => self.base_station(EnbInput::Air { ue, message }, sink),
            Delivery::S1ToEpc(bytes) => self.core(EpcInput::S1 { enb: ENB, bytes: &bytes }, sink),
            Delivery::S1ToEnb(bytes) => self.base_station(EnbInput::S1(&bytes), sink),
            Delivery::GtpToGateway(bytes) => {
                let from = Actor::enb(ENB).transport_address();
                self.core(EpcInput::GtpU { from, bytes: &bytes }, sink)
            }
            Delivery::GtpToEnb(bytes) => self.base_station(EnbInput::GtpU(&bytes), sink),
            Delivery::ToServices(packet) => self.service(ServiceInput::Packet(packet), sink),
            Delivery::FromServices(packet) => self.core(EpcInput::Sgi(&packet), sink),
            Delivery::Timer(node) => self.wake(node, sink),
            Delivery::Emit(body) => {
                self.emit(sink, body);
                Ok(())
            }
        }
    }

    // ---- devices ----

    fn give_device(
        &mut self,
        number: u32,
        input: DeviceInput,
        sink: &mut dyn FnMut(Event),
    ) -> Result<(), WorldError> {
        let now = self.now;
        let build = || self.factory.build(number);
        let Some(running) = self.seats.switched_on(number, now, build)? else { return Ok(()) };
        running.inbox.push_back(input);
        if running.busy_until <= now { self.work_device(number, sink) } else { Ok(()) }
    }

    /// Lets a device take in what has come, until its card is busy or its inbox is empty.
    fn work_device(&mut self, number: u32, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        let now = self.now;
        loop {
            let Some(running) = self.running(number) else { return Ok(()) };
            if running.busy_until > now {
                return Ok(());
            }
            let Some(input) = running.inbox.pop_front() else { break };
            let mut out = std::mem::take(&mut self.scratch);
            let result = match self.running(number) {
                Some(running) => running.device.handle(now, input, &mut out),
                None => Ok(()),
            };
            self.carry_device(number, &mut out, sink);
            out.clear();
            self.scratch = out;
            result?;
        }
        self.close_or_arm(number);
        Ok(())
    }

    /// Carries what a device put out. Whatever follows a card exchange happens when the card is through.
    fn carry_device(&mut self, number: u32, out: &mut Vec<DeviceOutput>, sink: &mut dyn FnMut(Event)) {
        let mut at = self.now;
        for output in out.drain(..) {
            match output {
                DeviceOutput::Air(message) => self.send_up(number, at, message),
                DeviceOutput::Event(body) => self.emit_at(at, body, sink),
                DeviceOutput::Address(ip) => {
                    let before = self.running(number).and_then(|running| running.address.replace(ip));
                    if let Some(before) = before {
                        self.addresses.remove(&before);
                    }
                    self.addresses.insert(ip, number);
                }
                DeviceOutput::Card { from, exchange } => {
                    at = self.card_exchange(number, at, from, exchange, sink)
                }
                DeviceOutput::StepStarted(step) => {
                    if let Some(running) = self.running(number) {
                        running.steps.insert(step, at);
                    }
                    self.emit_at(at, Body::StepStarted { device: number, step }, sink);
                }
                DeviceOutput::StepEnded(step, outcome) => {
                    let started = self.running(number).and_then(|running| running.steps.get(&step).copied());
                    let took = at.since(started.unwrap_or(at));
                    self.emit_at(at, Body::StepEnded { device: number, step, took, outcome }, sink);
                }
            }
        }
        if at > self.now {
            if let Some(running) = self.running(number) {
                running.busy_until = at;
            }
            self.push(at, Delivery::DeviceReady(number));
        }
    }

    fn emit_at(&mut self, at: Instant, body: Body, sink: &mut dyn FnMut(Event)) {
        if at > self.now { self.push(at, Delivery::Emit(body)) } else { self.emit(sink, body) }
    }

    fn card_exchange(
        &mut self,
        number: u32,
        at: Instant,
        from: Actor,
        exchange: Exchange,
        sink: &mut dyn FnMut(Event),
    ) -> Instant {
        let Exchange { command, response } = exchange;
        let Some(running) = self.seats.running(number) else { return at };
        let until = at + self.card.exchange(&mut running.chain, &command, &response);
        let (asked, answered) = running.namer.describe(&command, &response);
        let card = Actor::card(number);
        self.emit_at(at, Body::Message(Message { from, to: card, label: asked, bytes: command }), sink);
        self.emit_at(
            until,
            Body::Message(Message { from: card, to: from, label: answered, bytes: response }),
            sink,
        );
        until
    }

    fn send_up(&mut self, number: u32, at: Instant, message: Uplink) {
        if let Some(running) = self.seats.running(number) {
            let arrival = running.radio.up(&self.media.air, at, &message);
            self.push(arrival, Delivery::Up(number, message));
        }
    }

    fn send_down(&mut self, number: u32, message: Downlink) {
        if let Some(running) = self.seats.running(number) {
            let arrival = running.radio.down(&self.media.air, self.now, &message);
            self.push(arrival, Delivery::ToDevice(number, DeviceInput::Air(message)));
        }
    }

    /// Drops a device that is through; arms the timer of one that is not.
    fn close_or_arm(&mut self, number: u32) {
        let now = self.now;
        let Some(running) = self.seats.running(number) else { return };
        if running.device.finished() && running.busy_until <= now {
            if let Some(ip) = running.address.filter(|ip| self.addresses.get(ip) == Some(&number)) {
                self.addresses.remove(&ip);
            }
            self.seats.leave(number);
            return;
        }
        let deadline = running.device.deadline(now);
        self.arm(Node::Device(number), deadline);
    }

    fn running(&mut self, number: u32) -> Option<&mut Running> {
        self.seats.running(number)
    }

    // ---- network ----

    fn base_station(&mut self, input: EnbInput<'_>, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        let mut out = Vec::new();
        self.enb.handle(self.now, input, &mut out)?;
        let actor = Actor::enb(ENB);
        for output in out {
            match output {
                EnbOutput::S1 { bytes, label } => {
                    let body =
                        Body::Message(Message { from: actor, to: Actor::MME, label, bytes: bytes.clone() });
                    self.emit(sink, body);
                    self.after(self.media.wires.backhaul, Delivery::S1ToEpc(bytes));
                }
                EnbOutput::GtpU { bytes, label, .. } => {
                    let body = Body::Message(Message {
                        from: actor,
                        to: Actor::GATEWAY,
                        label,
                        bytes: bytes.clone(),
                    });
                    self.emit(sink, body);
                    self.carry_packet(self.media.wires.backhaul, Delivery::GtpToGateway(bytes));
                }
                EnbOutput::Air { ue, message } => self.send_down(ue, message),
                EnbOutput::State { machine, change, fields } => {
                    self.emit(sink, Body::State(StateChange { actor, machine, change, fields }));
                }
                EnbOutput::Ready => {}
            }
        }
        let deadline = self.enb.deadline();
        self.arm(Node::Enb, deadline);
        Ok(())
    }

    fn core(&mut self, input: EpcInput<'_>, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        let mut out = Vec::new();
        self.epc.handle(self.now, input, &mut out)?;
        for output in out {
            match output {
                EpcOutput::S1 { bytes, label, .. } => {
                    let (from, to) = (Actor::MME, Actor::enb(ENB));
                    self.emit(sink, Body::Message(Message { from, to, label, bytes: bytes.clone() }));
                    self.after(self.media.wires.backhaul, Delivery::S1ToEnb(bytes));
                }
                EpcOutput::GtpU { bytes, label, .. } => {
                    let (from, to) = (Actor::GATEWAY, Actor::enb(ENB));
                    self.emit(sink, Body::Message(Message { from, to, label, bytes: bytes.clone() }));
                    self.carry_packet(self.media.wires.backhaul, Delivery::GtpToEnb(bytes));
                }
                EpcOutput::Sgi(packet) => {
                    self.carry_packet(self.media.wires.services, Delivery::ToServices(packet))
                }
                EpcOutput::State { actor, machine, change, fields } => {
                    self.emit(sink, Body::State(StateChange { actor, machine, change, fields }));
                }
                EpcOutput::Call { from, to, label } => {
                    self.emit(sink, Body::Message(Message { from, to, label, bytes: Vec::new() }));
                }
                EpcOutput::SessionUp { .. } => {}
                EpcOutput::SessionDown { ip, .. } => self.services.forget(ip),
            }
        }
        let deadline = self.epc.deadline();
        self.arm(Node::Epc, deadline);
        Ok(())
    }

    fn service(&mut self, input: ServiceInput, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        let mut out = Vec::new();
        self.services.handle(self.now, input, &self.epc, &self.addresses, &mut out)?;
        for output in out {
            match output {
                ServiceOutput::Packet(packet) => {
                    self.carry_packet(self.media.wires.services, Delivery::FromServices(packet))
                }
                ServiceOutput::Event(body) => self.emit(sink, body),
            }
        }
        let deadline = self.services.deadline();
        self.arm(Node::Services, deadline);
        Ok(())
    }

    // ---- timers ----

    fn wake(&mut self, node: Node, sink: &mut dyn FnMut(Event)) -> Result<(), WorldError> {
        let now = self.now;
        // A device may have come to its end meanwhile.
        match self.alarm(node).map(|alarm| alarm.ring(now)) {
            Some(Ring::Due) => {}
            Some(Ring::Stuck) => return Err(WorldError::Restless { who: node.name(), at: now }),
            Some(Ring::Stale) | None => return Ok(()),
        }
        match node {
            Node::Device(number) => self.give_device(number, DeviceInput::Timer, sink),
            Node::Enb => self.base_station(EnbInput::Timer, sink),
            Node::Epc => self.core(EpcInput::Timer, sink),
            Node::Services => self.service(ServiceInput::Timer, sink),
        }
    }

    fn arm(&mut self, node: Node, deadline: Option<Instant>) {
        let now = self.now;
        if let Some(at) = self.alarm(node).and_then(|alarm| alarm.set(deadline, now)) {
            self.push(at, Delivery::Timer(node));
        }
    }

    fn alarm(&mut self, node: Node) -> Option<&mut Alarm> {
        match node {
            Node::Device(number) => self.running(number).map(|running| &mut running.alarm),
            Node::Enb => Some(&mut self.alarms.enb),
            Node::Epc => Some(&mut self.alarms.epc),
            Node::Services => Some(&mut self.alarms.services),
        }
    }
}
