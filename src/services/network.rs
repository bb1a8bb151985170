//! The service network: registrar, onboarding service and broker, as devices reach them over IP.
//!
//! Each device address has an IP host of its own on this side, so that a packet costs the same whatever the
//! number of devices.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::IpAddr;
use std::sync::Arc;

use super::ServiceError;
use super::chain::Ticket;
use super::guard::{OperatorAct, Restriction};
use super::internet::Internet;
use super::offices::{Offices, Woken};
use super::orders::{Change, Orders, Subject};
use super::peer::{Peer, ServiceOutput};
use super::sentry::Sentry;
use super::servers::Servers;
use super::sessions::{Sessions, Taken};
use crate::crypto::tls::VirtualClock;
use crate::event::{Actor, Body, Message};
use crate::guard::watch::why;
use crate::kernel::{Gone, Instant, RngTree};
use crate::ledger::device_id;
use crate::wire::inet::{addresses, session_address};
use crate::wire::order::Verdict;
use crate::wire::{Fields, Label, Proto};

/// What reaches the service network.
#[derive(Debug)]
pub enum ServiceInput {
    /// An IP packet from a device.
    Packet(Vec<u8>),
    /// An IP packet from a device that the switch has dropped: for the guard, and nobody answers it.
    Dropped(Vec<u8>),
    /// What a network states of a session, signed (see [`crate::corenet::Statement`]).
    Session(Vec<u8>),
    /// Somebody who follows orders is there, and may have missed some.
    Followed,
    /// An operator wants something done with a device.
    Operator(OperatorAct),
    /// What a guard states of a device, signed (see [`crate::wire::alarm`]).
    Alarm(Vec<u8>),
    /// The moment of the deadline has come.
    Timer,
}

/// Everything that devices talk to, and what stands behind it.
pub struct Services {
    offices: Offices,
    servers: Arc<Servers>,
    /// Who reaches somebody else's servers, and which.
    rogue: BTreeMap<u32, Arc<Servers>>,
    sessions: Sessions,
    orders: Orders,
    clock: VirtualClock,
    rng: RngTree,
    mtu: u16,
    peers: BTreeMap<IpAddr, Peer>,
    schedule: BTreeSet<(Instant, IpAddr)>,
    /// Whose answers wait for what.
    waiting: BTreeMap<Ticket, IpAddr>,
    /// The network's guard, where it knows somebody.
    sentry: Option<Sentry>,
    /// Whoever is no service.
    internet: Internet,
}

impl Services {
    /// Services that nobody has talked to yet.
    pub fn new(
        offices: Offices,
        servers: Servers,
        sessions: Sessions,
        orders: Orders,
        clock: VirtualClock,
        mtu: u16,
        rng: RngTree,
    ) -> Self {
        Self {
            offices,
            servers: Arc::new(servers),
            rogue: BTreeMap::new(),
            sessions,
            orders,
            clock,
            rng,
            mtu,
            peers: BTreeMap::new(),
            schedule: BTreeSet::new(),
            waiting: BTreeMap::new(),
            sentry: None,
            internet: Internet::default(),
        }
    }

    /// The same, but the devices of `rogue` reach those servers in the place of the others: on purpose.
    #[must_use]
    pub fn with_rogue(self, rogue: BTreeMap<u32, Arc<Servers>>) -> Self {
        Self { rogue, ..self }
    }

    /// The same, with a guard that sees every packet.
    pub fn guarded(mut self, sentry: Option<Sentry>) -> Self {
        self.sentry = sentry;
        self
    }

    /// What stands behind the services.
    pub fn offices(&self) -> &Offices {
        &self.offices
    }

    /// What the networks have stated.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Takes the services down part by part, and names each part once it is gone.
    pub fn take_down(self, gone: Gone<'_>) {
        let Self { offices, sessions, peers, schedule, waiting, .. } = self;
        drop((peers, schedule, waiting));
        gone("connections");
        drop(sessions);
        gone("sessions");
        offices.take_down(gone);
    }

    /// When the services want to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        let peers = self.schedule.first().map(|(at, _)| *at);
        let sentry = self.sentry.as_ref().and_then(Sentry::deadline);
        [peers, self.offices.deadline(), self.orders.deadline(), sentry].into_iter().flatten().min()
    }

    /// Takes one input.
    ///
    /// # Errors
    /// Only where the bench is at fault, such as a ledger that cannot be written.
    pub fn handle(
        &mut self,
        now: Instant,
        input: ServiceInput,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        self.clock.set(now.unix_s());
        let before = out.len();
        self.take(now, input, out)?;
        for (device, restriction) in self.offices.take_accused() {
            self.restrict(now, Some(device), restriction, out);
        }
        if self.sentry.is_some() {
            self.guard(now, before, out)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        now: Instant,
        input: ServiceInput,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        match input {
            ServiceInput::Packet(packet) => self.receive(now, packet, out),
            ServiceInput::Dropped(packet) => {
                if let Some(ip) = source(&packet) {
                    self.seen(now, ip, &packet, true);
                }
                Ok(())
            }
            ServiceInput::Session(token) => self.attested(now, &token, out),
            ServiceInput::Alarm(token) => self.alarm(now, &token, out),
            ServiceInput::Followed => {
                out.extend(self.orders.restate(now).into_iter().map(ServiceOutput::Order));
                Ok(())
            }
            ServiceInput::Operator(act) => self.operate(now, act, out),
            ServiceInput::Timer => self.wake(now, out),
        }
    }

    /// Takes a packet of a session that the network attests; any other is dropped and told.
    fn receive(
        &mut self,
        now: Instant,
        packet: Vec<u8>,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let source = source(&packet);
        let Some((ip, session)) = source.and_then(|ip| Some((ip, self.sessions.at(ip)?))) else {
            let source = source.map_or("not IP".to_owned(), |ip| ip.to_string());
            let change = "packet dropped: no attested session";
            out.push(note(change, vec![("source", source)]));
            return Ok(());
        };
        if destination(&packet).is_some_and(Internet::is_there) {
            self.seen(now, ip, &packet, false);
            out.extend(self.internet.answer(now, &packet).map(ServiceOutput::Packet));
            return Ok(());
        }
        if let Entry::Vacant(place) = self.peers.entry(ip) {
            let rng = self.rng.branch(ip);
            let servers = self.rogue.get(&session.device).unwrap_or(&self.servers).clone();
            place.insert(Peer::new(session.device, ip, servers, self.mtu, rng)?);
        }
        self.seen(now, ip, &packet, false);
        let Some(peer) = self.peers.get_mut(&ip) else { return Ok(()) };
        peer.receive(packet);
        self.serve(now, ip, out)
    }

    /// Shows the guard a packet of the session at `ip`, which was passed on or `dropped`.
    fn seen(&mut self, now: Instant, ip: IpAddr, packet: &[u8], dropped: bool) {
        let (Some(sentry), Some(session)) = (&mut self.sentry, self.sessions.at(ip)) else { return };
        let Offices { inventory, chain, .. } = &self.offices;
        let is_onboarded = || {
            let entry = inventory.find(&session.attestation.iccid);
            let record =
                entry.and_then(|entry| chain.ledger().device(&device_id(&entry.salt, entry.eid.as_str())));
            record.is_some_and(|record| record.cert_hash != [0; 32])
        };
        let whose = (ip, session.attestation.session.0, session.device);
        if dropped {
            sentry.dropped(now, whose, packet, is_onboarded);
        } else {
            sentry.packet(now, whose, packet, is_onboarded);
        }
    }

    /// Shows the guard the packets of `out` behind `before`, and hands the guard office the alarms that it raises.
    fn guard(
        &mut self,
        now: Instant,
        before: usize,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        for output in &out[before..] {
            if let ServiceOutput::Packet(packet) = output
                && let Some(ip) = destination(packet)
            {
                self.seen(now, ip, packet, false);
            }
        }
        let raised = self.sentry.as_mut().map(|sentry| sentry.found(now)).unwrap_or_default();
        for (alarm, message) in raised {
            let device = self.sessions.at(alarm.address).map(|session| session.device);
            let label = Label::new(Proto::Cwt, "Alarm")
                .with("level", alarm.level.word())
                .with("address", alarm.address)
                .with("evidence", super::short(&alarm.evidence))
                .with("why", why(&alarm));
            let bytes = message.clone();
            let told = Message { from: Actor::SERVICES, to: Actor::GUARD, label, bytes };
            out.push(ServiceOutput::Event(Body::Message(told), device));
            self.alarm(now, &message, out)?;
        }
        Ok(())
    }

    /// Takes in what a network states of a session.
    fn attested(
        &mut self,
        now: Instant,
        token: &[u8],
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        match self.sessions.take(now.unix_s(), token) {
            Ok(Taken { lost, stated }) => {
                lost.into_iter().for_each(|ip| self.forget(ip));
                let Some(session) = stated.and_then(|ip| self.sessions.at(ip)) else { return Ok(()) };
                let mut events = Vec::new();
                self.offices.attested(now, session, token, &mut events)?;
                let device = Some(session.device);
                out.extend(events.into_iter().map(|body| ServiceOutput::Event(body, device)));
                Ok(())
            }
            Err(refusal) => {
                let fields = vec![("reason", refusal.word().to_owned()), ("detail", refusal.to_string())];
                out.push(note("session statement refused", fields));
                Ok(())
            }
        }
    }

    /// Takes in what a guard states of the device at an address.
    fn alarm(
        &mut self,
        now: Instant,
        token: &[u8],
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let sessions = &self.sessions;
        let who =
            |ip: IpAddr| sessions.at(ip).map(|session| (session.device, session.attestation.iccid.clone()));
        let mut events = Vec::new();
        let (device, decided) = self.offices.alarm(now, token, who, &mut events)?;
        out.extend(events.into_iter().map(|body| ServiceOutput::Event(body, device)));
        if let Some(restriction) = decided {
            self.restrict(now, device, restriction, out);
        }
        Ok(())
    }

    /// Has a device kept to what it is known for.
    fn restrict(
        &mut self,
        now: Instant,
        device: Option<u32>,
        Restriction { id, evidence }: Restriction,
        out: &mut Vec<ServiceOutput>,
    ) {
        let subject = Subject { device, ..self.subject(&id) };
        out.extend(self.orders.restrict(now, id, evidence, subject).map(ServiceOutput::Order));
    }

    /// Drops what is kept for an address whose session has ended.
    fn forget(&mut self, ip: IpAddr) {
        if let Some(sentry) = &mut self.sentry {
            sentry.forget(ip);
        }
        self.internet.forget(ip);
        if let Some(at) = self.peers.remove(&ip).and_then(|peer| peer.scheduled) {
            self.schedule.remove(&(at, ip));
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Vec<ServiceOutput>) -> Result<(), ServiceError> {
        let mut events = Vec::new();
        let Woken { answers, changes } = self.offices.wake(now, &mut events)?;
        out.extend(events.into_iter().map(|body| ServiceOutput::Event(body, None)));
        for (ticket, response) in answers {
            let Some(ip) = self.waiting.remove(&ticket) else { continue };
            if let Some(peer) = self.peers.get_mut(&ip) {
                peer.answer(now, ticket, response, out);
                self.serve(now, ip, out)?;
            }
        }
        changes.into_iter().try_for_each(|followed| self.follow(now, followed, out))?;
        let mut asked = Vec::new();
        let about = self.offices.enrolment.let_ask(now, &mut asked)?;
        out.extend(asked.into_iter().map(|body| ServiceOutput::Event(body, about)));
        out.extend(self.orders.expire(now).into_iter().map(ServiceOutput::Order));
        // Whoever asks for more at this moment is woken again: the world sees to it that this comes to an end.
        let due = self.schedule.iter().map_while(|&(at, ip)| (at <= now).then_some(ip)).collect::<Vec<_>>();
        due.into_iter().try_for_each(|ip| self.serve(now, ip, out))
    }

    /// Does what an operator wants done; a device that nobody has ordered cannot be on the ledger.
    fn operate(
        &mut self,
        now: Instant,
        act: OperatorAct,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let inventory = &self.offices.inventory;
        let own = self.sessions.holders().iter().filter(|(_, number)| *number == act.device);
        let Some(entry) = own.filter_map(|(iccid, _)| inventory.find(iccid)).next() else { return Ok(()) };
        let id = device_id(&entry.salt, entry.eid.as_str());
        let mut events = Vec::new();
        let result = self.offices.operate(now, act, id, &mut events);
        out.extend(events.into_iter().map(|body| ServiceOutput::Event(body, Some(act.device))));
        result
    }

    /// What follows from a change that the ledger has made to a device: it is sent away where it may not be served any
    /// more, and the network's parts are told what to do.
    fn follow(
        &mut self,
        now: Instant,
        (change, told): (Change, Vec<Body>),
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let subject = self.subject(&change.status.id);
        out.extend(told.into_iter().map(|body| ServiceOutput::Event(body, subject.device)));
        if change.verdict() != Some(Verdict::Release) {
            for (_, ip) in &subject.sessions {
                let Some(peer) = self.peers.get_mut(ip) else { continue };
                let ended = peer.send_away(now, out);
                if ended > 0 {
                    let fields =
                        vec![("status", change.status.to.to_string()), ("sessions", ended.to_string())];
                    let told = Body::note(Actor::CLOUD, "client sent away", fields);
                    out.push(ServiceOutput::Event(told, subject.device));
                }
                self.serve(now, *ip, out)?;
            }
        }
        out.extend(self.orders.follow(now, &change, subject).map(ServiceOutput::Order));
        Ok(())
    }

    /// What operator and networks know of the device that the ledger knows by `id`.
    fn subject(&mut self, id: &[u8; 32]) -> Subject {
        let inventory = &mut self.offices.inventory;
        let Some(eid) = inventory.of_id(id).map(|entry| entry.eid.clone()) else { return Subject::default() };
        let subscriptions: Vec<_> = inventory.subscriptions(&eid).cloned().collect();
        let live = subscriptions.iter().flat_map(|iccid| self.sessions.of(iccid));
        let mut device = None;
        let mut sessions = Vec::new();
        for session in live {
            device = device.or(Some(session.device));
            let number = session.attestation.session.0;
            sessions.extend(session.attestation.addresses().map(|address| (number, address)));
        }
        let given = || subscriptions.iter().find_map(|iccid| self.sessions.holders().of(iccid));
        Subject { device: device.or_else(given), sessions, subscriptions }
    }

    /// Lets one peer's connections do what they can.
    fn serve(&mut self, now: Instant, ip: IpAddr, out: &mut Vec<ServiceOutput>) -> Result<(), ServiceError> {
        let (Some(peer), Some(session)) = (self.peers.get_mut(&ip), self.sessions.at(ip)) else {
            return Ok(());
        };
        if let Some(at) = peer.scheduled.take() {
            self.schedule.remove(&(at, ip));
        }
        let result = peer.work(now, session, &mut self.offices, out);
        self.waiting.extend(peer.tickets().map(|ticket| (ticket, ip)));
        if let Some(at) = peer.scheduled {
            self.schedule.insert((at, ip));
        }
        result
    }
}

/// What the service network decides of a packet or a session: the operator's registrar answers for it.
fn note(change: &'static str, fields: Fields) -> ServiceOutput {
    ServiceOutput::Event(Body::note(Actor::REGISTRAR, change, fields), None)
}

/// What the session that an IP packet is for is known by.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    addresses(packet).map(|(_, to)| session_address(to))
}

/// What the session that an IP packet comes from is known by.
fn source(packet: &[u8]) -> Option<IpAddr> {
    addresses(packet).map(|(from, _)| session_address(from))
}
