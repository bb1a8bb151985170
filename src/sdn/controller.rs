//! The controller of the switch behind a gateway: which session may reach what, as flows.
//!
//! Table 0 says whose a packet is, and drops what is nobody's; table 1 says what that session may reach.
//!
//! | table | priority | match | what |
//! |---|---|---|---|
//! | 0 | 1000 | direction and address of an isolated session | its class is `isolated`, or drop |
//! | 0 | 100 | direction and address of a session | its class and number into the metadata, on to table 1 |
//! | 1 | 200 | from devices, to the devices' network | drop: nobody reaches another device; of IPv6 from the first session on that has it |
//! | 1 | 100 | class and direction, and an address of its list where it has one | out |
//!
//! A session costs two flows however long the lists are. Isolating adds two, and takes none away, so that counters and policy
//! are there when it is released. What a switch lost while nobody spoke to it is written again when it is back, under another
//! generation of cookies; then what is of older ones is removed, so that no packet of a session is dropped meanwhile.

mod flows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::SdnError;
use super::cookie::{Cookie, Kind, OWNER_MASK};
use super::policy::Policy;
use crate::kernel::Instant;
use crate::wire::Label;
use crate::wire::openflow::{Body, Code, FlowMod, Message};

/// How many policies with lists of their own there may be at a time: as many as a metadata class can number.
const POLICIES_MAX: usize = 255;
/// How many barriers may be unanswered.
const BARRIERS_MAX: usize = 1 << 16;

/// What a controller is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerConfig {
    /// The port that leads to the devices.
    pub devices: u32,
    /// The port that leads to the services.
    pub services: u32,
    /// The network of the devices, and how many bits of it count.
    pub pool: (Ipv4Addr, u8),
    /// The same in IPv6: every device has 64 bits of its own in it.
    pub pool_v6: (Ipv6Addr, u8),
    /// After how long a silence the switch is asked whether it is there; it is given up after as long again. `None`
    /// where the connection itself says so.
    pub echo_after: Option<Duration>,
}

/// What happens to a controller.
#[derive(Debug)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum ControllerInput<'a> {
    /// The switch is there.
    Connected,
    /// It is gone.
    Lost,
    /// One whole message of it.
    Message(&'a [u8]),
    /// A session is up, or has changed: under a number that is its own, for who holds it.
    Up(Session),
    /// The session with this number is over.
    Down { session: u64 },
    /// The moment of the deadline has come.
    Timer,
}

/// A session, as the gateway has stated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number, which is given once.
    pub number: u64,
    /// What it is known by: its IPv4 address, or the first 64 bits of its IPv6 addresses.
    pub address: IpAddr,
    /// The first 64 bits of its IPv6 addresses, where it has an IPv4 address as well.
    pub prefix: Option<Ipv6Addr>,
    /// Who holds it, by whatever stays the same when it attaches again. Isolation is of the holder.
    pub holder: Arc<str>,
    /// What it may reach while nobody says otherwise.
    pub policy: Policy,
}

/// What a controller does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum ControllerOutput {
    /// Sends a message to the switch, about the session with this address where it is about one.
    Message { octets: Vec<u8>, label: Label, about: Option<IpAddr> },
    /// Ends the connection, which is of no use.
    Close,
    /// The switch does what was wanted of a session, as the barrier after it says.
    Applied(Applied),
    /// The switch is as the controller wants it: so many sessions are written.
    Synchronised { sessions: usize },
    /// The switch has refused something.
    Refused { code: Code },
}

/// A policy that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Of which session.
    pub address: IpAddr,
    /// Which.
    pub policy: Policy,
    /// When it was wanted.
    pub wanted: Instant,
    /// How many flows there are of the session now.
    pub flows: u32,
}

/// How far the switch is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Away,
    Greeting,
    Asked,
    Ready,
}

/// What a barrier stands for.
#[derive(Debug)]
enum Barrier {
    Applied(Applied),
    Synchronised(usize),
}

impl Session {
    /// All that its packets come from, as far as there is any.
    fn addresses(&self) -> [Option<IpAddr>; 2] {
        [Some(self.address), self.prefix.map(IpAddr::V6)]
    }
}

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    Four,
    Six,
}

impl Version {
    fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::Six } else { Self::Four }
    }
}

struct Known {
    session: Session,
    /// The policy that is written.
    policy: Policy,
}

/// The controller.
pub struct Controller {
    config: ControllerConfig,
    stage: Stage,
    generation: u8,
    xid: u32,
    /// By number.
    sessions: BTreeMap<u64, Known>,
    by_address: BTreeMap<IpAddr, u64>,
    /// What was set for holders, and stays when they attach again.
    held: BTreeMap<Arc<str>, Policy>,
    /// The class of each policy that a session has or had.
    classes: BTreeMap<Policy, u8>,
    /// Those whose flows the switch has.
    written: BTreeSet<(u8, Version)>,
    /// Whether a session has brought IPv6, so that the switch knows the devices' network in it.
    apart_v6: bool,
    barriers: BTreeMap<u32, Barrier>,
    /// When something came last, and whether it is asked since.
    heard: Instant,
    asked: bool,
    /// Refusals of the switch, by code.
    refused: BTreeMap<Code, u64>,
}

impl Controller {
    /// A controller of a switch that is not there yet.
    pub fn new(config: ControllerConfig) -> Self {
        Self {
            config,
            stage: Stage::Away,
            generation: 0,
            xid: 0,
            sessions: BTreeMap::new(),
            by_address: BTreeMap::new(),
            held: BTreeMap::new(),
            classes: BTreeMap::new(),
            written: BTreeSet::new(),
            apart_v6: false,
            barriers: BTreeMap::new(),
            heard: Instant::ZERO,
            asked: false,
            refused: BTreeMap::new(),
        }
    }

    /// Whether the switch is there and written to.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The policy of the session with this address, where one is up.
    pub fn policy(&self, address: IpAddr) -> Option<&Policy> {
        Some(&self.sessions.get(self.by_address.get(&address)?)?.policy)
    }

    /// The sessions that are up, by their numbers.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|known| &known.session)
    }

    /// How often the switch has refused something, by code.
    pub fn refusals(&self) -> impl Iterator<Item = (Code, u64)> {
        self.refused.iter().map(|(code, count)| (*code, *count))
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        if self.stage == Stage::Away {
            return None;
        }
        let after = self.config.echo_after?;
        Some(self.heard + if self.asked { 2 * after } else { after })
    }

    /// Takes one input.
    ///
    /// # Errors
    /// Only where the controller is at fault. What a switch does wrong ends its connection.
    pub fn handle(
        &mut self,
        now: Instant,
        input: ControllerInput<'_>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        match input {
            ControllerInput::Connected => {
                (self.stage, self.heard, self.asked) = (Stage::Greeting, now, false);
                self.barriers.clear();
                self.say(Body::HELLO, None, out)
            }
            ControllerInput::Lost => {
                self.stage = Stage::Away;
                self.barriers.clear();
                Ok(())
            }
            ControllerInput::Message(octets) => self.message(now, octets, out),
            ControllerInput::Up(session) => self.up(session, out),
            ControllerInput::Down { session } => self.down(session, out),
            ControllerInput::Timer => self.wake(now, out),
        }
    }

    /// Sets what the session with this address may reach, and its holder whenever it attaches again. [`Applied`] says when
    /// the switch does it.
    ///
    /// # Errors
    /// [`SdnError::NoSession`], and where there are too many policies.
    pub fn set(
        &mut self,
        now: Instant,
        address: IpAddr,
        policy: Policy,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let number = *self.by_address.get(&address).ok_or(SdnError::NoSession { address })?;
        let Some(known) = self.sessions.get(&number) else { return Err(SdnError::NoSession { address }) };
        let holder = known.session.holder.clone();
        if policy == known.session.policy {
            self.held.remove(&holder);
        } else {
            self.held.insert(holder, policy.clone());
        }
        let policy = policy.over(&known.session.policy);
        self.change(now, number, policy, out)
    }

    /// Gives the session with this address back what its subscription lets it reach.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn release(
        &mut self,
        now: Instant,
        address: IpAddr,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let number = self.by_address.get(&address).ok_or(SdnError::NoSession { address })?;
        let Some(known) = self.sessions.get(number) else { return Err(SdnError::NoSession { address }) };
        let policy = known.session.policy.clone();
        self.set(now, address, policy, out)
    }

    /// Sets what the sessions of a holder may reach, those that are up and those that come; `None` gives back what the
    /// subscription lets them reach. What is so already is no message.
    ///
    /// # Errors
    /// Where there are too many policies.
    pub fn hold(
        &mut self,
        now: Instant,
        holder: &str,
        policy: Option<Policy>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        match &policy {
            Some(policy) => drop(self.held.insert(holder.into(), policy.clone())),
            None => drop(self.held.remove(holder)),
        }
        let of = |known: &Known| {
            let own = &known.session.policy;
            policy.as_ref().map_or_else(|| own.clone(), |policy| policy.over(own))
        };
        let own = self.sessions.iter().filter(|(_, known)| *known.session.holder == *holder);
        let changed: Vec<_> = own
            .map(|(number, known)| (*number, of(known), known.policy != of(known)))
            .filter_map(|(number, policy, changed)| changed.then_some((number, policy)))
            .collect();
        changed.into_iter().try_for_each(|(number, policy)| self.change(now, number, policy, out))
    }

    /// What a holder is held to; none where his subscription alone says what he reaches.
    pub fn held(&self, holder: &str) -> Option<&Policy> {
        self.held.get(holder)
    }

    // ---- the switch ----

    fn message(
        &mut self,
        now: Instant,
        octets: &[u8],
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        if self.stage == Stage::Away {
            return Ok(());
        }
        (self.heard, self.asked) = (now, false);
        // A message that is not understood is nothing that was asked for: only a greeting has to be one.
        let Ok(message) = Message::decode(octets) else {
            if self.stage == Stage::Greeting {
                self.give_up(out);
            }
            return Ok(());
        };
        match (self.stage, message.body) {
            (Stage::Greeting, body @ Body::Hello { .. }) if body.speaks_1_3() => {
                self.stage = Stage::Asked;
                self.say(Body::FeaturesRequest, None, out)
            }
            (Stage::Greeting, Body::Error { .. } | Body::Hello { .. }) => {
                self.give_up(out);
                Ok(())
            }
            (_, Body::EchoRequest(data)) => {
                let reply = Message::new(message.xid, Body::EchoReply(data));
                send(&reply, None, out)
            }
            (Stage::Asked, Body::FeaturesReply(_)) => self.synchronise(out),
            (Stage::Ready, Body::BarrierReply) => {
                match self.barriers.remove(&message.xid) {
                    Some(Barrier::Applied(applied)) => out.push(ControllerOutput::Applied(applied)),
                    Some(Barrier::Synchronised(sessions)) => {
                        out.push(ControllerOutput::Synchronised { sessions });
                    }
                    None => {}
                }
                Ok(())
            }
            (_, Body::Error { code, .. }) => {
                *self.refused.entry(code).or_default() += 1;
                out.push(ControllerOutput::Refused { code });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, out: &mut Vec<ControllerOutput>) {
        self.stage = Stage::Away;
        self.barriers.clear();
        out.push(ControllerOutput::Close);
    }

    fn wake(&mut self, now: Instant, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        if self.deadline().is_none_or(|at| at > now) {
            return Ok(());
        }
        if self.asked {
            self.give_up(out);
            return Ok(());
        }
        self.asked = true;
        self.say(Body::EchoRequest(Vec::new()), None, out)
    }

    /// Writes everything anew, then removes what is of older generations.
    fn synchronise(&mut self, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        self.stage = Stage::Ready;
        let first = self.generation == 0;
        if first {
            // What there is was written by somebody before.
            let all = FlowMod::delete_by_cookie(Cookie::new(Kind::Shared, 0, 0).0, OWNER_MASK);
            self.say(Body::FlowMod(all), None, out)?;
        }
        // A generation is never 0 again, which no controller writes in.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.written.clear();
        self.apart_v6 = false;
        // Classes that nobody has any more are forgotten here.
        let both = |known: &Known| [known.policy.clone(), known.session.policy.clone()];
        let in_use: BTreeSet<Policy> = self.sessions.values().flat_map(both).collect();
        self.classes.retain(|policy, _| in_use.contains(policy));
        self.write_between(out)?;
        let numbers: Vec<u64> = self.sessions.keys().copied().collect();
        for number in &numbers {
            self.write_session(*number, out)?;
        }
        let older = Cookie::of_other_generations(self.generation).take(if first { 0 } else { 8 });
        for (cookie, mask) in older {
            self.say(Body::FlowMod(FlowMod::delete_by_cookie(cookie, mask)), None, out)?;
        }
        self.barrier(Barrier::Synchronised(numbers.len()), None, out)
    }

    // ---- sessions ----

    fn up(&mut self, session: Session, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        let (number, address) = (session.number, session.address);
        let own = &session.policy;
        let policy = self.held.get(&session.holder).map_or_else(|| own.clone(), |policy| policy.over(own));
        if let Some(before) = self.sessions.get(&number)
            && before.session == session
            && before.policy == policy
        {
            return Ok(());
        }
        // The network gives an address again when its session is over, whether or not that is known here.
        let prefix = session.prefix.map(IpAddr::V6);
        let of = |address: &IpAddr| self.by_address.get(address).copied();
        let holders = [Some(number), of(&address), prefix.as_ref().and_then(of)];
        for before in holders.into_iter().flatten() {
            self.down(before, out)?;
        }
        self.by_address.extend([Some(address), prefix].into_iter().flatten().map(|one| (one, number)));
        self.sessions.insert(number, Known { session, policy });
        if self.stage == Stage::Ready { self.write_session(number, out) } else { Ok(()) }
    }

    fn down(&mut self, number: u64, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
        let Some(known) = self.sessions.remove(&number) else { return Ok(()) };
        let address = known.session.address;
        self.by_address.remove(&address);
        known.session.prefix.map(|prefix| self.by_address.remove(&IpAddr::V6(prefix)));
        if self.stage != Stage::Ready {
            return Ok(());
        }
        let isolated = known.policy.is_isolated().then_some(Kind::Isolate);
        [Some(Kind::Session), isolated].into_iter().flatten().try_for_each(|kind| {
            let cookie = Cookie::new(kind, self.generation, number).0;
            self.say(Body::FlowMod(FlowMod::delete_by_cookie(cookie, u64::MAX)), Some(address), out)
        })
    }

    /// Changes the policy of a session, and has the switch say when it stands.
    fn change(
        &mut self,
        now: Instant,
        number: u64,
        policy: Policy,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        let Some(known) = self.sessions.get_mut(&number) else { return Ok(()) };
        let address = known.session.address;
        let known_prefix = known.session.prefix.is_some();
        let before = std::mem::replace(&mut known.policy, policy.clone());
        if self.stage != Stage::Ready {
            return Ok(());
        }
        if policy.is_isolated() {
            self.write_isolation(number, out)?;
        } else {
            // The class first: what is released never has another policy than the new one.
            self.write_class(number, out)?;
            if before.is_isolated() {
                let cookie = Cookie::new(Kind::Isolate, self.generation, number).0;
                let delete = FlowMod::delete_by_cookie(cookie, u64::MAX);
                self.say(Body::FlowMod(delete), Some(address), out)?;
            }
        }
        let flows = if policy.is_isolated() { 4 } else { 2 } * (1 + u32::from(known_prefix));
        self.barrier(Barrier::Applied(Applied { address, policy, wanted: now, flows }), Some(address), out)
    }

    // ---- messages ----

    fn barrier(
        &mut self,
        barrier: Barrier,
        about: Option<IpAddr>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        self.say(Body::BarrierRequest, about, out)?;
        self.barriers.insert(self.xid, barrier);
        // A switch that answers none of so many is not waited for any longer.
        if self.barriers.len() > BARRIERS_MAX {
            self.barriers.pop_first();
        }
        Ok(())
    }

    fn say(
        &mut self,
        body: Body,
        about: Option<IpAddr>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), SdnError> {
        self.xid = self.xid.wrapping_add(1);
        send(&Message::new(self.xid, body), about, out)
    }
}

fn send(message: &Message, about: Option<IpAddr>, out: &mut Vec<ControllerOutput>) -> Result<(), SdnError> {
    let octets = message.encode().map_err(|cause| SdnError::Encode { place: "controller", cause })?;
    out.push(ControllerOutput::Message { octets, label: message.label(), about });
    Ok(())
}
