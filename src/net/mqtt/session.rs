//! What both ends of an MQTT session share: framing, timers, and the passage of packets through
//! mqtt-protocol-core.

use std::time::Duration;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Property, v5_0};
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use mqtt_protocol_core::mqtt::role::RoleType;
use mqtt_protocol_core::mqtt::{Connection, Version};

use super::{MAX_PACKET, MqttOutput, fault, send};
use crate::kernel::Blame;
use crate::kernel::Instant;
use crate::net::NetError;
use crate::wire::byte_queue::ByteQueue;

/// How many messages with QoS 1 may await their PUBACK, each way.
const RECEIVE_MAXIMUM: u16 = 16;
/// How long PINGRESP may take.
const PINGRESP_TIMEOUT: Duration = Duration::from_secs(10);

/// Types of packets (table 2-1).
const CONNECT: u8 = 1;
const CONNACK: u8 = 2;

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// CONNECT is still to come.
    Fresh,
    /// CONNECT is on its way or awaits the owner's answer; CONNACK is next.
    Connecting,
    Connected,
    /// Over; with an error where one ended it.
    Over(Option<NetError>),
}

/// One end of a session.
pub(super) struct Session<Role: RoleType> {
    core: Connection<Role>,
    received: ByteQueue,
    pub phase: Phase,
    ping_due: Option<Instant>,
    silence_ends: Option<Instant>,
    pong_ends: Option<Instant>,
}

impl<Role: RoleType> Session<Role> {
    pub fn new() -> Self {
        let options = ConnectionOptions::new()
            .maximum_packet_size_recv(MAX_PACKET as u32)
            .receive_maximum(RECEIVE_MAXIMUM);
        let mut core = Connection::with_options(Version::V5_0, options);
        core.set_auto_ping_response(true);
        core.set_pingresp_recv_timeout(PINGRESP_TIMEOUT.as_millis() as u64);
        Self {
            core,
            received: ByteQueue::default(),
            phase: Phase::Fresh,
            ping_due: None,
            silence_ends: None,
            pong_ends: None,
        }
    }

    /// Takes bytes from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Over(_)) {
            self.received.push(bytes);
        }
    }

    /// The next packet that may come at this point, if it is complete. What the protocol itself asks for in
    /// answer is among `out` then.
    pub fn next(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<Option<Packet>, NetError> {
        loop {
            if let Phase::Over(error) = &self.phase {
                return error.clone().map_or(Ok(None), Err);
            }
            if self.phase == Phase::Connecting && !Role::IS_CLIENT {
                // The owner has not let the client in yet.
                return if self.received.len() > MAX_PACKET {
                    Err(self.refuse_frame(MqttError::QuotaExceeded))
                } else {
                    Ok(None)
                };
            }
            let Some(size) = self.frame()? else { return Ok(None) };
            let mut frame = self.received.take(size);
            if !self.may_receive(frame[0] >> 4) {
                return Err(self.fail(MqttError::ProtocolError, out));
            }
            if frame[0] >> 4 == CONNECT {
                let_no_alias_be_one(&mut frame);
            }
            let events = self.core.recv(&mut Cursor::new(&frame[..]));
            // A frame makes at most one packet; answers of the protocol make none.
            if let Some(packet) = self.perform(now, events, out)? {
                return Ok(Some(packet));
            }
        }
    }

    /// Sends a packet.
    pub fn send(&mut self, now: Instant, packet: Packet, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        if let Phase::Over(error) = &self.phase {
            return Err(error.clone().unwrap_or_else(|| fault("SessionOver", Blame::Ours)));
        }
        if packet.size() > MAX_PACKET {
            return Err(fault(MqttError::PacketTooLarge, Blame::Ours));
        }
        for event in self.core.send(packet) {
            match event {
                // Whatever the library finds wrong with what we send is our own fault, and changes nothing.
                Event::NotifyError(error) => return Err(fault(error, Blame::Ours)),
                other => self.perform(now, vec![other], out).map(|_| ())?,
            }
        }
        Ok(())
    }

    /// A packet identifier that is not in use.
    pub fn packet_id(&mut self) -> Result<u16, NetError> {
        self.core.acquire_packet_id().map_err(|e| fault(e, Blame::Ours))
    }

    /// Gives back a packet identifier whose packet did not leave.
    pub fn release(&mut self, packet_id: u16) {
        // What is released here was acquired a moment ago.
        let _ = self.core.release_packet_id(packet_id);
    }

    /// How many messages with QoS 1 the peer still takes before it has to acknowledge.
    pub fn vacancy(&self) -> u16 {
        self.core.get_receive_maximum_vacancy_for_send().unwrap_or(u16::MAX)
    }

    /// The next moment at which [`on_timer`](Self::on_timer) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        [self.ping_due, self.silence_ends, self.pong_ends].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn on_timer(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        let due = |timer: &mut Option<Instant>| timer.take_if(|at| *at <= now).is_some();
        let (silent, no_pong) = (due(&mut self.silence_ends), due(&mut self.pong_ends));
        if silent || no_pong {
            let kind = if silent { TimerKind::PingreqRecv } else { TimerKind::PingrespRecv };
            let events = self.core.notify_timer_fired(kind);
            self.perform(now, events, out)?;
            self.end(Some(fault(MqttError::KeepAliveTimeout, Blame::PeerBrokeProtocol)));
        } else if due(&mut self.ping_due) {
            let events = self.core.notify_timer_fired(TimerKind::PingreqSend);
            self.perform(now, events, out)?;
        }
        match &self.phase {
            Phase::Over(Some(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Ends the session because the peer broke the protocol: tells it so, if there is a way to.
    pub fn fail(&mut self, error: MqttError, out: &mut Vec<MqttOutput>) -> NetError {
        if self.phase == Phase::Connected
            && let Ok(packet) =
                v5_0::Disconnect::builder().reason_code(DisconnectReasonCode::from(error)).build()
        {
            out.push(send(&packet.into()));
        }
        let error = fault(error, Blame::PeerBrokeProtocol);
        self.end(Some(error.clone()));
        error
    }

    /// Ends the session.
    pub fn end(&mut self, error: Option<NetError>) {
        if !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(error);
        }
        self.received = ByteQueue::default();
        (self.ping_due, self.silence_ends, self.pong_ends) = (None, None, None);
    }

    /// Carries out what the library wants, and returns the packet that it found.
    fn perform(
        &mut self,
        now: Instant,
        events: Vec<Event>,
        out: &mut Vec<MqttOutput>,
    ) -> Result<Option<Packet>, NetError> {
        let mut found = None;
        let mut error = None;
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => out.push(send(&packet)),
                Event::NotifyPacketReceived(packet) => found = Some(packet),
                Event::NotifyError(e) => error = Some(e),
                Event::RequestTimerReset { kind, duration_ms } => {
                    *self.timer(kind) = Some(now + Duration::from_millis(duration_ms));
                }
                Event::RequestTimerCancel(kind) => *self.timer(kind) = None,
                Event::NotifyPacketIdReleased(_) | Event::RequestClose => {}
            }
        }
        match error {
            Some(error) => {
                let error = fault(error, Blame::PeerBrokeProtocol);
                self.end(Some(error.clone()));
                Err(error)
            }
            None => Ok(found),
        }
    }

    fn timer(&mut self, kind: TimerKind) -> &mut Option<Instant> {
        match kind {
            TimerKind::PingreqSend => &mut self.ping_due,
            TimerKind::PingreqRecv => &mut self.silence_ends,
            TimerKind::PingrespRecv => &mut self.pong_ends,
        }
    }

    /// The size of the first packet, once it is complete (clause 2.1.4). A size that is out of bounds ends
    /// the session before the packet is here.
    fn frame(&mut self) -> Result<Option<usize>, NetError> {
        let bytes = self.received.as_slice();
        let mut length = 0usize;
        for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                let size = 2 + at + length;
                if size > MAX_PACKET {
                    return Err(self.refuse_frame(MqttError::PacketTooLarge));
                }
                return Ok((bytes.len() >= size).then_some(size));
            }
        }
        if bytes.len() > 4 { Err(self.refuse_frame(MqttError::MalformedPacket)) } else { Ok(None) }
    }

    fn refuse_frame(&mut self, error: MqttError) -> NetError {
        let error = fault(error, Blame::PeerBrokeProtocol);
        self.end(Some(error.clone()));
        error
    }

    /// Whether a packet of this type may come at this point (clauses 3.1 and 3.2; table 2-1).
    fn may_receive(&self, packet_type: u8) -> bool {
        match self.phase {
            Phase::Fresh => !Role::IS_CLIENT && packet_type == CONNECT,
            Phase::Connecting => packet_type == CONNACK,
            Phase::Connected => ![CONNECT, CONNACK].contains(&packet_type),
            Phase::Over(_) => false,
        }
    }
}

/// Makes a Topic Alias Maximum of 0 in CONNECT, which says no more than its absence (clause 3.1.2.11.5), a 1:
/// mqtt-protocol-core 0.7.9 panics at 0, and no alias is ever sent from here.
fn let_no_alias_be_one(frame: &mut [u8]) {
    /// What stands before the properties: the protocol's name, its version, flags, keep alive (clause 3.1.2).
    const BEFORE_PROPERTIES: usize = 10;
    let after_integer = |bytes: &[u8], from: usize| {
        let last = bytes.get(from..)?.iter().position(|byte| byte & 0x80 == 0)?;
        Some(from + last + 1)
    };
    let Some(body) = after_integer(frame, 1) else { return };
    let Ok((connect, _)) = v5_0::Connect::parse(&frame[body..]) else { return };
    let is_none = |property: &Property| matches!(property, Property::TopicAliasMaximum(p) if p.val() == 0);
    let Some(at) = connect.props().iter().position(is_none) else { return };
    let Some(properties) = after_integer(frame, body + BEFORE_PROPERTIES) else { return };
    let before: usize = connect.props()[..at].iter().map(Property::size).sum();
    frame[properties + before + 2] = 1;
}
