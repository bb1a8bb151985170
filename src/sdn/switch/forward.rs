//! A packet through the tables: which flows take it, and where it goes (clause 5.1).

use std::net::IpAddr;

use super::{Direction, SdnError, Side, Switch, SwitchOutput, Tap, TapVerdict, Watch, framed, say};
use crate::kernel::Instant;
use crate::sdn::packet::{Frame, Key};
use crate::sdn::table::Flow;
use crate::wire::gtpu::DropCause;
use crate::wire::inet::{addresses, session_address};
use crate::wire::openflow::{
    Action, Body, Field, IPV4, IPV6, Instruction, Match, Message, NO_BUFFER, PacketIn, PacketInReason, WHOLE,
    port,
};

/// No flow: what PACKET_OUT sends to the controllers (clause 7.4.1).
const NOBODY: Asking = Asking { reason: PacketInReason::Action, table: 0, cookie: u64::MAX };

/// The flow that has a packet sent to the controllers.
#[derive(Clone, Copy)]
struct Asking {
    reason: PacketInReason,
    table: u8,
    cookie: u64,
}

impl Asking {
    /// What the table-miss flow sends is what no other one takes (clause 5.4).
    fn of(table: u8, flow: &Flow) -> Self {
        let miss = flow.priority == 0 && flow.matching.fields().is_empty();
        let reason = if miss { PacketInReason::NoMatch } else { PacketInReason::Action };
        Self { reason, table, cookie: flow.cookie }
    }
}

/// Where a packet goes.
#[derive(Default)]
struct Fate {
    /// Ports, in their order.
    ports: Vec<u32>,
    /// To the controllers: for whom, and at most how many octets.
    told: Vec<(Asking, u16)>,
    /// The last flow that has taken it.
    flow: Option<u64>,
}

impl Switch {
    pub(super) fn packet(
        &mut self,
        now: Instant,
        number: u32,
        octets: Vec<u8>,
        watch: Watch<'_>,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        let Some(port) = self.ports.get_mut(&number) else { return Ok(()) };
        port.stats.rx_packets += 1;
        port.stats.rx_bytes += octets.len() as u64;
        let (bare, side) = (port.setup.bare, port.setup.side);
        let frame = framed(bare, &octets);
        let fate = self.decide(now, Key::of(number, frame), octets.len());
        let sent = !fate.ports.is_empty() || !fate.told.is_empty();
        let verdict = match (sent, fate.flow) {
            (true, _) => TapVerdict::Passed,
            (false, Some(_)) => TapVerdict::Dropped(DropCause::FlowDrops),
            (false, None) => TapVerdict::Dropped(DropCause::NoFlow),
        };
        let direction = if side == Side::Devices { Direction::Up } else { Direction::Down };
        let address = frame.ip().and_then(|packet| {
            let (from, to) = addresses(packet)?;
            let address = session_address(if direction == Direction::Up { from } else { to });
            watch(Tap { port: number, direction, address, packet, verdict });
            Some(address)
        });
        if let TapVerdict::Dropped(why) = verdict {
            self.dropped(now, number, (direction, address), (why, fate.flow), out);
            return Ok(());
        }
        for (asking, max_len) in fate.told {
            self.tell_packet(number, frame, asking, max_len, out)?;
        }
        self.send(bare, fate.ports, octets, out);
        Ok(())
    }

    /// Takes a packet through the tables.
    fn decide(&mut self, now: Instant, mut key: Key, bytes: usize) -> Fate {
        let in_port = key.get(Field::InPort) as u32;
        let mut fate = Fate::default();
        // Of the actions that are there, the set holds one: output.
        let mut set = None;
        let mut next = Some(0);
        while let Some(table) = next.take() {
            let seen = &mut self.lookups[usize::from(table)];
            seen.0 += 1;
            let Some((id, flow)) = self.flows.take(now, table, &key, bytes) else { break };
            seen.1 += 1;
            fate.flow = Some(id);
            for instruction in &flow.instructions {
                match instruction {
                    Instruction::ApplyActions(actions) => {
                        for action in actions {
                            output(&self.ports, in_port, action, Asking::of(table, flow), &mut fate);
                        }
                    }
                    Instruction::WriteActions(actions) => {
                        set = actions.last().cloned().map(|action| (action, Asking::of(table, flow))).or(set);
                    }
                    Instruction::ClearActions => set = None,
                    Instruction::WriteMetadata { value, mask } => key.write_metadata(*value, *mask),
                    Instruction::GotoTable(table) => next = Some(*table),
                    Instruction::Meter(_) => {}
                }
            }
            if next.is_none()
                && let Some((action, asking)) = set.take()
            {
                output(&self.ports, in_port, &action, asking, &mut fate);
            }
        }
        fate
    }

    /// Does what a PACKET_OUT wants with its packet, an Ethernet frame. From no port of the switch it is as from none.
    pub(super) fn packet_out(
        &mut self,
        now: Instant,
        in_port: u32,
        actions: &[Action],
        frame: Vec<u8>,
        watch: Watch<'_>,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        let mut fate = Fate::default();
        let mut through = false;
        for action in actions {
            match action {
                Action::Output { port: port::TABLE, .. } => through = true,
                action => output(&self.ports, in_port, action, NOBODY, &mut fate),
            }
        }
        for (asking, max_len) in std::mem::take(&mut fate.told) {
            self.tell_packet(in_port, Frame::Ethernet(&frame), asking, max_len, out)?;
        }
        if through && let Some(port) = self.ports.get(&in_port) {
            let octets = if port.setup.bare {
                Frame::Ethernet(&frame).ip().map(<[u8]>::to_vec)
            } else {
                Some(frame.clone())
            };
            if let Some(octets) = octets {
                self.packet(now, in_port, octets, watch, out)?;
            }
        }
        self.send(false, fate.ports, frame, out);
        Ok(())
    }

    /// Sends what has come in, as a packet or a frame, out of these ports, as they carry it.
    fn send(&mut self, bare: bool, ports: Vec<u32>, octets: Vec<u8>, out: &mut Vec<SwitchOutput>) {
        let mut octets = Some(octets);
        let last = ports.len().saturating_sub(1);
        for (place, number) in ports.into_iter().enumerate() {
            let Some(state) = self.ports.get_mut(&number) else { continue };
            let whole = if place == last { octets.take() } else { octets.clone() };
            let Some(whole) = whole else { continue };
            let whole = match (bare, state.setup.bare) {
                (true, false) => enframed(&whole, state.hardware()),
                (false, true) => match Frame::Ethernet(&whole).ip() {
                    Some(packet) => packet.to_vec(),
                    // A port that carries IP alone has no room for it.
                    None => {
                        state.stats.tx_dropped += 1;
                        continue;
                    }
                },
                _ => whole,
            };
            state.stats.tx_packets += 1;
            state.stats.tx_bytes += whole.len() as u64;
            out.push(SwitchOutput::Packet { port: number, octets: whole });
        }
    }

    /// Tells the controllers of a packet.
    fn tell_packet(
        &self,
        in_port: u32,
        frame: Frame<'_>,
        Asking { reason, table, cookie }: Asking,
        max_len: u16,
        out: &mut Vec<SwitchOutput>,
    ) -> Result<(), SdnError> {
        let whole = match frame {
            Frame::Ethernet(octets) => octets.to_vec(),
            Frame::Ip(octets) => {
                let hardware = self.ports.get(&in_port).map_or([0; 6], super::PortState::hardware);
                enframed(octets, hardware)
            }
        };
        let total = u16::try_from(whole.len()).unwrap_or(u16::MAX);
        // A message has 65,535 octets; the packet in it a little less.
        let most = if max_len == WHOLE { 65_000 } else { usize::from(max_len) };
        let data = whole[..whole.len().min(most)].to_vec();
        let matching = Match::any().with(Field::InPort, in_port).unwrap_or_default();
        let buffer = NO_BUFFER;
        let body = Body::PacketIn(PacketIn { buffer, total, reason, table, cookie, matching, data });
        let hearing = self.channels.iter().filter(|(_, channel)| channel.hears());
        hearing
            .map(|(number, _)| *number)
            .try_for_each(|number| say(number, Message::new(0, body.clone()), None, out))
    }

    /// Counts what was dropped, and tells it where that is due: what no flow takes at all is counted alone.
    fn dropped(
        &mut self,
        now: Instant,
        number: u32,
        (direction, address): (Direction, Option<IpAddr>),
        (why, flow): (DropCause, Option<u64>),
        out: &mut Vec<SwitchOutput>,
    ) {
        if let Some(port) = self.ports.get_mut(&number) {
            port.stats.rx_dropped += 1;
        }
        let count = self.drops.count(now, why, flow);
        if let Some(count) = count.filter(|_| flow.is_some()) {
            out.push(SwitchOutput::Dropped { address, direction, why, count });
        }
    }
}

/// Adds where an action sends a packet.
fn output(
    ports: &std::collections::BTreeMap<u32, super::PortState>,
    in_port: u32,
    action: &Action,
    asking: Asking,
    fate: &mut Fate,
) {
    let Action::Output { port: to, max_len } = action else { return };
    match *to {
        port::CONTROLLER => fate.told.push((asking, *max_len)),
        port::IN_PORT => fate.ports.push(in_port),
        port::FLOOD | port::ALL => fate.ports.extend(ports.keys().filter(|number| **number != in_port)),
        // Not back to where it came from, unless that is said (clause 7.2.1).
        number if number != in_port => fate.ports.push(number),
        _ => {}
    }
}

/// An IP packet in an Ethernet frame, from `hardware` to it.
fn enframed(packet: &[u8], hardware: [u8; 6]) -> Vec<u8> {
    let kind = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
    [&hardware[..], &hardware, &kind.to_be_bytes(), packet].concat()
}
