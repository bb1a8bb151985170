//! A device: modem, card and the application above the modem, with its own IP stack.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand_core::RngCore;

use super::DeviceError;
use super::output::DeviceOutput;
use super::power::{Battery, POWER_CUT, RESTART};
use super::procedure::{Holdings, Procedure, Turn};
use super::sentinel::Sentinel;
use crate::card::CardHandle;
use crate::event::{Actor, Body, Message, StateChange};
use crate::kernel::{Instant, Restless, RngTree};
use crate::net::{Host, Slaac};
use crate::ran::{Frame, Ue, UeConfig, UeInput, UeOutput};
use crate::wire::inet::{addresses, session_address};

/// How often application, IP stack and modem may take turns at one moment. A device takes a handful.
const TURNS_MAX: u32 = 10_000;

/// What reaches a device.
#[derive(Debug)]
pub enum DeviceInput {
    /// It is switched on.
    PowerOn,
    /// A frame of a base station.
    Air(Frame),
    /// The moment of the deadline has come.
    Timer,
    /// What the device awaits is so.
    GoOn,
    /// What the device awaits will never be so.
    InVain,
}

/// One device of the run.
pub struct Device {
    number: u32,
    /// What the modem is, to begin with it anew.
    modem: (UeConfig, RngTree),
    ue: Ue,
    card: CardHandle,
    /// Whether the modem is switched on.
    is_on: bool,
    host: Option<Host>,
    /// What it is known by: the IPv4 address of its IP session, or the first 64 bits of its IPv6 address.
    address: Option<IpAddr>,
    /// How it comes to its IPv6 address, where its session has that version.
    slaac: Option<Slaac>,
    /// The access point name of its session, until it has all of its addresses.
    joining: Option<String>,
    procedure: Procedure,
    battery: Battery,
    /// The guard that it carries, if it does.
    sentinel: Option<Box<Sentinel>>,
    /// Whether the modem has left the network to read the card again.
    card_changed: bool,
    rng: RngTree,
}

impl Device {
    /// A device that is switched off. `rng` is its own branch; `modem` is what its modem is made of.
    pub fn new(
        number: u32,
        modem: (UeConfig, RngTree),
        card: CardHandle,
        procedure: Procedure,
        battery: Battery,
        rng: RngTree,
    ) -> Self {
        let ue = Ue::new(modem.0.clone(), card.clone(), modem.1.clone());
        Self {
            number,
            modem,
            ue,
            card,
            is_on: false,
            host: None,
            address: None,
            slaac: None,
            joining: None,
            procedure,
            battery,
            sentinel: None,
            card_changed: false,
            rng,
        }
    }

    /// The same with a guard of its own.
    #[must_use]
    pub fn guarded(mut self, sentinel: Option<Sentinel>) -> Self {
        self.sentinel = sentinel.map(Box::new);
        self
    }

    /// Whether the procedure has come to its end, good or bad.
    pub fn finished(&self) -> bool {
        self.procedure.finished()
    }

    /// Its card, which somebody takes out of it: everything that has come to be on it goes along.
    pub fn take_card(self) -> CardHandle {
        // What was asked of it when the device was through is nobody's who comes after.
        drop(self.card.take_log());
        self.card
    }

    /// What its card holds.
    pub fn holdings(&mut self) -> Holdings {
        self.procedure.holdings()
    }

    /// When this device wants to be woken.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let host = self.host.as_mut().and_then(|host| host.deadline(now));
        let sentinel = self.sentinel.as_ref().and_then(|sentinel| sentinel.deadline());
        let slaac = self.slaac.as_ref().and_then(Slaac::deadline);
        [host, self.ue.deadline(), self.procedure.deadline(), sentinel, slaac].into_iter().flatten().min()
    }

    /// Takes one input and everything that follows from it without time passing.
    ///
    /// # Errors
    /// Only where the bench itself is at fault, such as a card that was pulled out.
    pub fn handle(
        &mut self,
        now: Instant,
        input: DeviceInput,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<(), DeviceError> {
        self.procedure.proceed();
        match input {
            DeviceInput::PowerOn => self.procedure.begin(now, out),
            DeviceInput::Air(message) => {
                self.battery.received();
                self.modem(now, UeInput::Air(message), out)?;
            }
            DeviceInput::GoOn => self.procedure.go_on(now, out),
            DeviceInput::InVain => self.procedure.give_up(out),
            DeviceInput::Timer => {
                if self.ue.deadline().is_some_and(|at| at <= now) {
                    self.modem(now, UeInput::Timer, out)?;
                }
            }
        }
        self.settle(now, out)
    }

    /// Lets application, IP stack and modem work until none of them has anything left to do.
    fn settle(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) -> Result<(), DeviceError> {
        let mut packets = Vec::new();
        if let Some(sentinel) = &mut self.sentinel {
            sentinel.tick(now);
            self.heed(now, out);
        }
        self.procedure.check_deadline(now, self.host.as_mut(), out);
        packets.extend(self.slaac.as_mut().and_then(|slaac| slaac.poll(now)));
        for _ in 0..TURNS_MAX {
            let turn = self.work(now, &mut packets, out)?;
            let mut idle = turn == Turn::Idle && packets.is_empty();
            for packet in packets.drain(..) {
                self.send(now, packet, out)?;
            }
            match turn {
                Turn::Idle | Turn::Moved | Turn::CutOff => {}
                Turn::Attach => self.attach(now, out)?,
                Turn::Detach => self.modem(now, UeInput::Detach, out)?,
                Turn::PowerCut => self.lose_power(now, POWER_CUT, out)?,
                Turn::Restart => self.lose_power(now, RESTART, out)?,
            }
            idle &= !self.settle_refresh(out)?;
            if self.procedure.take_refresh_request() {
                self.modem(now, UeInput::Detach, out)?;
                idle = false;
            }
            if std::mem::take(&mut self.card_changed) {
                self.modem(now, UeInput::CardChanged, out)?;
                idle = false;
            }
            if self.battery.is_lost() {
                self.lose_power(now, POWER_CUT, out)?;
                idle = false;
            }
            if idle {
                return Ok(());
            }
        }
        Err(Restless { who: Actor::device(self.number).to_string(), at: now }.into())
    }

    /// Lets the application and the IP stack work once; the packets that are to be sent go into `packets`. Where the
    /// power goes meanwhile, nothing leaves the device of what the application has done.
    fn work(
        &mut self,
        now: Instant,
        packets: &mut Vec<Vec<u8>>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Turn, DeviceError> {
        let (mut steps, mut sent) = (Vec::new(), Vec::new());
        if let Some(host) = &mut self.host {
            host.poll(now, packets);
        }
        let turn = self.procedure.poll(now, self.host.as_mut(), &mut steps);
        let address = self.ipv4().filter(|_| self.host.is_some());
        packets.append(&mut self.procedure.assault(now, &self.rng, address));
        if let Some(host) = &mut self.host {
            host.poll(now, &mut sent);
        }
        if !self.battery.is_lost() {
            out.append(&mut steps);
            packets.append(&mut sent);
            return turn;
        }
        out.extend(of_the_card(steps));
        // Where the card fell silent in the middle, all that is to be sent acknowledges what came before.
        if !matches!(turn, Ok(Turn::CutOff)) {
            packets.append(&mut sent);
        }
        Ok(Turn::Idle)
    }

    /// Sees to a profile that got no connectivity. Says whether anything was done.
    fn settle_refresh(&mut self, out: &mut Vec<DeviceOutput>) -> Result<bool, DeviceError> {
        let mut steps = Vec::new();
        let settled = self.procedure.settle_refresh(&mut steps);
        if self.battery.is_lost() {
            out.extend(of_the_card(steps));
            return Ok(true);
        }
        out.append(&mut steps);
        settled
    }

    /// Has the modem attach: it is switched on where it was not.
    fn attach(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) -> Result<(), DeviceError> {
        let input = if self.is_on { UeInput::Attach } else { UeInput::PowerOn };
        self.modem(now, input, out)
    }

    /// The battery was pulled out, and is put back: nothing of the modem, the IP stack and the application outlives
    /// that, and of the card what it has written down. The network learns of it when the device comes again.
    /// `why` says what has happened: a device that starts anew on purpose loses the same.
    fn lose_power(
        &mut self,
        now: Instant,
        why: &'static str,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<(), DeviceError> {
        self.battery.restore();
        self.card.lock().map_err(|_| DeviceError::Slot)?.reset()?;
        self.ue = Ue::new(self.modem.0.clone(), self.card.clone(), self.modem.1.clone());
        (self.host, self.slaac, self.joining) = (None, None, None);
        if let Some(sentinel) = &mut self.sentinel {
            sentinel.restarted(now);
        }
        (self.is_on, self.card_changed) = (false, false);
        out.push(DeviceOutput::Event(Body::note(Actor::device(self.number), why, Vec::new())));
        match self.procedure.power_lost(now, out) {
            true => self.modem(now, UeInput::PowerOn, out),
            false => Ok(()),
        }
    }

    fn send(
        &mut self,
        now: Instant,
        packet: Vec<u8>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<(), DeviceError> {
        let known = self.known(&packet, true);
        if let (Some(sentinel), Some(address)) = (&mut self.sentinel, known) {
            let may = sentinel.leaves(now, address, &packet, self.procedure.is_onboarded());
            self.heed(now, out);
            if !may {
                return Ok(());
            }
        }
        let mut answers = Vec::new();
        self.ue.handle(now, UeInput::SendIp(packet), &mut answers)?;
        answers.into_iter().for_each(|answer| self.carry(now, answer, out));
        Ok(())
    }

    /// Tells what the device's own guard has found, and has the application ask for help.
    fn heed(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        let Some(sentinel) = &mut self.sentinel else { return };
        let (alarms, told) = sentinel.found();
        let note = |(what, fields)| DeviceOutput::Event(Body::note(Actor::device(self.number), what, fields));
        out.extend(told.into_iter().map(note));
        alarms.into_iter().for_each(|alarm| self.procedure.cry(now, alarm));
    }

    /// Gives the modem something to do. Where the power goes meanwhile, nothing of it leaves the device.
    fn modem(
        &mut self,
        now: Instant,
        input: UeInput,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<(), DeviceError> {
        if self.battery.is_lost() {
            return Ok(());
        }
        let resets = matches!(input, UeInput::PowerOn | UeInput::CardChanged);
        self.is_on |= input == UeInput::PowerOn;
        let mut answers = Vec::new();
        let result = self.ue.handle(now, input, &mut answers);
        let lost = self.battery.is_lost();
        if lost {
            answers.retain(|answer| matches!(answer, UeOutput::Card(_)));
        } else if resets && result.is_ok() {
            self.procedure.card_was_reset();
        }
        answers.into_iter().for_each(|answer| self.carry(now, answer, out));
        if lost { Ok(()) } else { Ok(result?) }
    }

    /// Its IPv4 address, where its session has that version.
    fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.address {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        }
    }

    /// The first 64 bits of its IPv6 address, where it has one.
    fn prefix(&self) -> Option<IpAddr> {
        let six = self.slaac.as_ref().and_then(Slaac::address)?;
        Some(session_address(six.into()))
    }

    /// Which of the device's addresses a packet comes from, or is for where it does not go `up`: its guard has them apart. What
    /// has none of them counts as of the first.
    fn known(&self, packet: &[u8], up: bool) -> Option<IpAddr> {
        let own = addresses(packet).map(|(from, to)| session_address(if up { from } else { to }));
        own.filter(|own| Some(*own) == self.prefix()).or(self.address)
    }

    /// The device has made its IPv6 address: with it the session has all that it will have.
    fn joined(&mut self, now: Instant, address: Ipv6Addr, out: &mut Vec<DeviceOutput>) {
        let Some(host) = &mut self.host else { return };
        host.add_address(address);
        let told = match self.ipv4() {
            Some(four) => format!("{four} and {address}"),
            None => address.to_string(),
        };
        self.address = self.address.or(Some(session_address(address.into())));
        if let Some(apn) = self.joining.take() {
            self.procedure.attached(now, &told, &apn, out);
        }
    }

    fn carry(&mut self, now: Instant, answer: UeOutput, out: &mut Vec<DeviceOutput>) {
        let actor = Actor::ue(self.number);
        match answer {
            UeOutput::Air(frame) => out.push(DeviceOutput::Air(frame)),
            UeOutput::SelectCell => out.push(DeviceOutput::SelectCell),
            UeOutput::Subscriber(imsi) => out.push(DeviceOutput::Subscriber(imsi)),
            UeOutput::Card(exchange) => out.push(DeviceOutput::Card(exchange)),
            UeOutput::Nas { to_network, label, bytes } => {
                let (from, to) = if to_network { (actor, Actor::MME) } else { (Actor::MME, actor) };
                out.push(DeviceOutput::Event(Body::Message(Message { from, to, label, bytes })));
            }
            UeOutput::Rrc { to_network, station, label, bytes } => {
                let (from, to) = if to_network { (actor, station) } else { (station, actor) };
                out.push(DeviceOutput::Event(Body::Message(Message { from, to, label, bytes })));
            }
            UeOutput::State { machine, change, fields } => {
                out.push(DeviceOutput::Event(Body::State(StateChange { actor, machine, change, fields })));
            }
            UeOutput::Attached { ip, interface, mtu, apn, .. } => {
                self.slaac = interface.map(|given| {
                    let own = self.rng.stream("ipv6/interface").next_u64();
                    Slaac::new(now, given, own.to_be_bytes())
                });
                let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                let address = ip.map_or(unspecified, IpAddr::V4);
                self.host = Some(Host::new(address, mtu, self.rng.branch("ip")));
                self.address = ip.map(IpAddr::V4);
                match (ip, interface) {
                    (Some(ip), None) => self.procedure.attached(now, &ip.to_string(), &apn, out),
                    _ => self.joining = Some(apn),
                }
            }
            UeOutput::ReceiveIp(packet) => {
                if let Some(address) = self.slaac.as_mut().and_then(|slaac| slaac.receive(&packet)) {
                    self.joined(now, address, out);
                    return;
                }
                let known = self.known(&packet, false);
                if let (Some(sentinel), Some(address)) = (&mut self.sentinel, known) {
                    sentinel.arrives(now, address, &packet, self.procedure.is_onboarded());
                    self.heed(now, out);
                }
                if self.procedure.answers_attack(now, &packet) {
                    return;
                }
                if let Some(host) = &mut self.host {
                    host.receive(packet);
                }
            }
            UeOutput::AttachFailed { reason, detail, retry } => {
                self.procedure.attach_failed(reason, detail, retry, out);
            }
            UeOutput::Detached => {
                let prefix = self.prefix();
                (self.host, self.slaac, self.joining) = (None, None, None);
                if let Some(sentinel) = &mut self.sentinel {
                    [self.address, prefix].into_iter().flatten().for_each(|one| sentinel.session_over(one));
                }
                self.card_changed = self.procedure.is_refreshing();
                self.procedure.detached(now, out);
            }
        }
    }
}

/// What the card has been through, which stands where nothing else leaves the device.
fn of_the_card(outputs: Vec<DeviceOutput>) -> impl Iterator<Item = DeviceOutput> {
    outputs.into_iter().filter(|output| matches!(output, DeviceOutput::Card(_)))
}
