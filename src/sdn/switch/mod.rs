//! A switch: ports, tables and the channels of its controllers. It forwards nothing that no flow tells it to forward.
//!
//! Served are the messages that a controller needs, and that `ovs-ofctl` and `ovs-testcontroller` send. Groups, meters,
//! buffers, and actions other than output there are not: they are refused with the codes of the specification.

mod answers;
mod channel;
mod forward;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::SdnError;
use super::packet::Frame;
use super::table::{Flow, FlowTable};
use crate::kernel::Instant;
use crate::wire::Label;
use crate::wire::gtpu::{DropCause, Drops};
use crate::wire::openflow::{Body, FlowRemoved, Message, PortDescription, PortStats, RemovedReason, flag};
use channel::Channel;

/// How many tables a switch has: who it is, what it may, and two that nothing uses yet.
pub const TABLES: u8 = 4;
/// How many controllers may be connected.
const CHANNELS_MAX: usize = 16;

/// Whom a port leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The devices: what comes in here is from them.
    Devices,
    /// The network that serves them.
    Services,
}

/// A port, as a switch is made with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSetup {
    /// Its number, from 1.
    pub number: u32,
    /// Its name, of at most 15 octets.
    pub name: String,
    /// Whom it leads to.
    pub side: Side,
    /// Whether it carries IPv4 packets without Ethernet. A controller sees them in a frame with addresses of the switch.
    pub bare: bool,
}

/// What a switch is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchConfig {
    /// Its number among switches.
    pub datapath: u64,
    /// Its ports.
    pub ports: Vec<PortSetup>,
}

impl SwitchConfig {
    /// The port of a gateway's switch that leads to the devices.
    pub const DEVICES: u32 = 1;
    /// The one that leads to the services.
    pub const SERVICES: u32 = 2;

    /// The switch behind a gateway: packets without frames, devices at port 1, services at port 2.
    pub fn behind_gateway(datapath: u64) -> Self {
        let port = |number, name: &str, side| PortSetup { number, name: name.to_owned(), side, bare: true };
        let devices = port(Self::DEVICES, "sgi", Side::Devices);
        Self { datapath, ports: vec![devices, port(Self::SERVICES, "sgi-lan", Side::Services)] }
    }
}

/// What happens to a switch.
#[derive(Debug)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum SwitchInput<'a> {
    /// A controller is there. The number is the caller's.
    Connected { channel: u32 },
    /// It is gone: what flows there are goes on.
    Lost { channel: u32 },
    /// One whole message of it.
    Message { channel: u32, octets: &'a [u8] },
    /// A packet, or a frame, has come in.
    Packet { port: u32, octets: Vec<u8> },
    /// The moment of the deadline has come.
    Timer,
}

/// What a switch does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum SwitchOutput {
    /// Sends a message to a controller. `session` is the cookie that it is about.
    Message { channel: u32, octets: Vec<u8>, label: Label, cookie: Option<u64> },
    /// Ends a channel, which is of no use.
    Close { channel: u32 },
    /// Sends a packet, or a frame, out of a port.
    Packet { port: u32, octets: Vec<u8> },
    /// A packet was dropped: told once a second of a session, with how many there were.
    Dropped { address: Option<IpAddr>, direction: Direction, why: DropCause, count: u64 },
}

/// Where a packet goes, seen from the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a device.
    Up,
    /// To a device.
    Down,
}

impl Direction {
    /// The name that events carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What has become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapVerdict {
    /// It was sent on.
    Passed,
    /// It was dropped.
    Dropped(DropCause),
}

/// A packet as whoever watches sees it: each one, once, after it is decided what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// The port that it has come in by.
    pub port: u32,
    /// Where it goes.
    pub direction: Direction,
    /// The device's address: its source on the way up, its destination on the way down.
    pub address: IpAddr,
    /// The IPv4 packet.
    pub packet: &'a [u8],
    /// What has become of it.
    pub verdict: TapVerdict,
}

/// Whoever watches the packets of a switch.
pub type Watch<'a> = &'a mut dyn FnMut(Tap<'_>);

struct PortState {
    setup: PortSetup,
    stats: PortStats,
}

impl PortState {
    /// An address of the switch's own: locally administered, with the number of the port.
    fn hardware(&self) -> [u8; 6] {
        let [_, _, high, low] = self.setup.number.to_be_bytes();
        [0x02, 0xce, 0x11, 0, high, low]
    }

    fn description(&self) -> PortDescription {
        PortDescription::up(self.setup.number, self.hardware(), &*self.setup.name)
    }
}

/// A switch.
pub struct Switch {
    datapath: u64,
    ports: BTreeMap<u32, PortState>,
    flows: FlowTable,
    /// Look-ups and those that found a flow, by table.
    lookups: [(u64, u64); TABLES as usize],
    channels: BTreeMap<u32, Channel>,
    /// When a flow may have to go, and its number.
    expiries: BTreeSet<(Instant, u64)>,
    drops: Drops<u64>,
    /// The latest generation of a master, where there was one.
    generation: Option<u64>,
}

impl Switch {
    /// A switch without a flow, which drops everything.
    pub fn new(config: SwitchConfig) -> Self {
        let ports = config.ports.into_iter().map(|setup| {
            let stats = PortStats { port: setup.number, ..PortStats::default() };
            (setup.number, PortState { setup, stats })
        });
        Self {
            datapath: config.datapath,
            ports: ports.collect(),
            flows: FlowTable::new(TABLES),
            lookups: Default::default(),
            channels: BTreeMap::new(),
            expiries: BTreeSet::new(),
            drops: Drops::default(),
            generation: None,
        }
    }

    /// Its tables.
    pub fn flows(&self) -> &FlowTable {
        &self.flows
    }

    /// What it has dropped, by reason.
    pub fn drops(&self) -> impl Iterator<Item = (DropCause, u64)> {
        self.drops.counts()
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Takes one input. `watch` is shown every IPv4 packet of a device.
    ///
    /// # Errors
    /// Only where the switch is at fault. What a controller does wrong is answered with ERROR.
    pub fn handle(
        &mut self,
        now: Instant,
        input: SwitchInput<'_>,
        watch: Watch<'_>,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        match input {
            SwitchInput::Connected { channel } if self.channels.len() >= CHANNELS_MAX => {
                out.push(SwitchOutput::Close { channel });
                Ok(())
            }
            SwitchInput::Connected { channel } => {
                self.channels.insert(channel, Channel::default());
                say(channel, Message::new(0, Body::HELLO), None, out)
            }
            SwitchInput::Lost { channel } => {
                self.channels.remove(&channel);
                Ok(())
            }
            SwitchInput::Message { channel, octets } => self.message(now, channel, octets, watch, out),
            SwitchInput::Packet { port, octets } => self.packet(now, port, octets, watch, out),
            SwitchInput::Timer => self.expire(now, out),
        }
    }

    // ---- flows that go ----

    /// Notes when a flow may have to go.
    fn schedule(&mut self, id: u64) {
        if let Some(at) = self.flows.get(id).and_then(|flow| expiry(flow).map(|(at, _)| at)) {
            self.expiries.insert((at, id));
        }
    }

    fn expire(&mut self, now: Instant, out: &mut Vec<SwitchOutput>) -> Result<(), SdnError> {
        while let Some(&(at, id)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, id));
            let Some((due, reason)) = self.flows.get(id).and_then(expiry) else { continue };
            if due > now {
                // It has taken a packet since.
                self.expiries.insert((due, id));
                continue;
            }
            self.drops.forget(id);
            if let Some(flow) = self.flows.remove(id) {
                self.tell_removed(now, flow, reason, out)?;
            }
        }
        Ok(())
    }

    /// Tells the controllers of a flow that has gone, where it was put there to be told of.
    fn tell_removed(
        &self,
        now: Instant,
        flow: Flow,
        reason: RemovedReason,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        if flow.flags & flag::SEND_FLOW_REM == 0 {
            return Ok(());
        }
        let counts = flow.counts(now);
        let Flow { cookie, priority, table, idle_timeout_s, hard_timeout_s, matching, .. } = flow;
        let removed =
            FlowRemoved { cookie, priority, reason, table, idle_timeout_s, hard_timeout_s, counts, matching };
        self.tell_all(Body::FlowRemoved(removed), Some(cookie), out)
    }

    /// Tells every controller that is no slave.
    fn tell_all(&self, body: Body, cookie: Option<u64>, out: &mut Vec<SwitchOutput>) -> Result<(), SdnError> {
        let hearing = self.channels.iter().filter(|(_, channel)| channel.hears());
        hearing
            .map(|(number, _)| *number)
            .try_for_each(|number| say(number, Message::new(0, body.clone()), cookie, out))
    }
}

/// When a flow has to go as things stand, and why.
fn expiry(flow: &Flow) -> Option<(Instant, RemovedReason)> {
    let after = |since: Instant, seconds: u16, reason| {
        (seconds > 0).then(|| (since + Duration::from_secs(seconds.into()), reason))
    };
    let idle = after(flow.used, flow.idle_timeout_s, RemovedReason::IdleTimeout);
    let hard = after(flow.since, flow.hard_timeout_s, RemovedReason::HardTimeout);
    match (idle, hard) {
        (Some(idle), Some(hard)) if hard.0 <= idle.0 => Some(hard),
        (Some(idle), _) => Some(idle),
        (None, hard) => hard,
    }
}

/// Sends a message to a controller.
fn say(
    channel: u32,
    message: Message,
    cookie: Option<u64>,
    out: &mut Vec<SwitchOutput>,
) -> Result<(), SdnError> {
    let octets = message.encode().map_err(|cause| SdnError::Encode { place: "switch", cause })?;
    out.push(SwitchOutput::Message { channel, octets, label: message.label(), cookie });
    Ok(())
}

/// The frame of a port that has Ethernet, or the packet of one that has not.
fn framed(bare: bool, octets: &[u8]) -> Frame<'_> {
    if bare { Frame::Ip(octets) } else { Frame::Ethernet(octets) }
}
