//! The client's end of an MQTT session.

use mqtt_protocol_core::mqtt::packet::{Packet, Qos as WireQos, SubEntry, SubOpts, v5_0};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode, MqttError};
use mqtt_protocol_core::mqtt::role;

use super::session::{Phase, Session};
use super::{MqttEvent, MqttOutput, Qos, fault, is_filter, is_topic, word, words};
use crate::kernel::Blame;
use crate::kernel::Instant;
use crate::net::NetError;

/// What a client says of itself.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The client identifier (clause 3.1.3.1).
    pub client_id: String,
    /// The longest silence of the client, in seconds; 0 turns pings off.
    pub keep_alive_s: u16,
}

/// A client's session: connect, publish, subscribe, disconnect. Pings keep it alive by themselves.
pub struct MqttClient {
    session: Session<role::Client>,
}

impl MqttClient {
    /// Begins a clean session with CONNECT.
    ///
    /// # Errors
    ///
    /// Where the client identifier cannot be encoded.
    pub fn connect(
        now: Instant,
        options: &ConnectOptions,
        out: &mut Vec<MqttOutput>,
    ) -> Result<Self, NetError> {
        let packet = v5_0::Connect::builder()
            .client_id(options.client_id.as_str())
            .and_then(|b| b.clean_start(true).keep_alive(options.keep_alive_s).build())
            .map_err(ours)?;
        let mut session = Session::new();
        session.send(now, packet.into(), out)?;
        session.phase = Phase::Connecting;
        Ok(Self { session })
    }

    /// Takes bytes from the server.
    ///
    /// # Errors
    ///
    /// Where the server broke the protocol. The session is over then; what is among `out` is still to be
    /// sent.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        self.session.push(bytes);
        while let Some(packet) = self.session.next(now, out)? {
            self.take(now, packet, out)?;
        }
        Ok(())
    }

    /// Publishes a message; the packet identifier is that of its PUBACK with QoS 1.
    ///
    /// # Errors
    ///
    /// Where the session is not connected, the topic is no name, the message is too large, or too many
    /// messages await their PUBACK.
    pub fn publish(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        out: &mut Vec<MqttOutput>,
    ) -> Result<Option<u16>, NetError> {
        publish(&mut self.session, now, topic, payload, qos, out)
    }

    /// Subscribes to `filter`, and returns the packet identifier of the SUBACK.
    ///
    /// # Errors
    ///
    /// Where the session is not connected, or the filter is none.
    pub fn subscribe(
        &mut self,
        now: Instant,
        filter: &str,
        qos: Qos,
        out: &mut Vec<MqttOutput>,
    ) -> Result<u16, NetError> {
        if !is_filter(filter) {
            return Err(ours(MqttError::TopicFilterInvalid));
        }
        let packet_id = self.session.packet_id()?;
        let entry = SubEntry::new(filter, SubOpts::new().set_qos(wire_qos(qos))).map_err(ours)?;
        let packet =
            v5_0::Subscribe::builder().packet_id(packet_id).entries(vec![entry]).build().map_err(ours)?;
        let sent = self.session.send(now, packet.into(), out);
        if sent.is_err() {
            self.session.release(packet_id);
        }
        sent.map(|()| packet_id)
    }

    /// Says goodbye. The session is over then; close the connection.
    ///
    /// # Errors
    ///
    /// Where the session is not connected.
    pub fn disconnect(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        let packet = v5_0::Disconnect::builder()
            .reason_code(DisconnectReasonCode::NormalDisconnection)
            .build()
            .map_err(ours)?;
        self.session.send(now, packet.into(), out)?;
        self.session.end(None);
        Ok(())
    }

    /// When to call [`on_timer`](Self::on_timer).
    pub fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Sends a ping where one is due, and gives up a server that does not answer pings.
    ///
    /// # Errors
    ///
    /// Where the server did not answer; the session is over then.
    pub fn on_timer(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        self.session.on_timer(now, out)
    }

    /// Whether the server has accepted and the session lasts.
    pub fn is_connected(&self) -> bool {
        self.session.phase == Phase::Connected
    }

    fn take(&mut self, now: Instant, packet: Packet, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        let event = match packet {
            Packet::V5_0Connack(p) if p.reason_code() == ConnectReasonCode::Success => {
                self.session.phase = Phase::Connected;
                MqttEvent::Connected
            }
            Packet::V5_0Connack(p) => {
                self.session.end(None);
                MqttEvent::Refused { reason: word(&p.reason_code().to_string()) }
            }
            Packet::V5_0Publish(p) => return take_publish(&mut self.session, now, &p, None, out),
            Packet::V5_0Puback(p) => acknowledged(&p),
            Packet::V5_0Suback(p) => MqttEvent::Subscribed {
                packet_id: p.packet_id(),
                reasons: words(p.reason_codes()),
                success: p.reason_codes().iter().all(|code| code.is_success()),
            },
            Packet::V5_0Disconnect(p) => disconnected(&mut self.session, &p),
            Packet::V5_0Pingresp(_) => return Ok(()),
            _ => return Err(self.session.fail(MqttError::ProtocolError, out)),
        };
        out.push(MqttOutput::Event(event));
        Ok(())
    }
}

/// Publishes from either end.
pub(super) fn publish<Role: role::RoleType>(
    session: &mut Session<Role>,
    now: Instant,
    topic: &str,
    payload: &[u8],
    qos: Qos,
    out: &mut Vec<MqttOutput>,
) -> Result<Option<u16>, NetError> {
    if session.phase != Phase::Connected {
        return Err(fault("NotConnected", Blame::Ours));
    }
    if !is_topic(topic) {
        return Err(ours(MqttError::TopicNameInvalid));
    }
    let packet_id = match qos {
        Qos::AtMostOnce => None,
        // The library would hold such a message back without a word.
        Qos::AtLeastOnce if session.vacancy() == 0 => return Err(ours(MqttError::ReceiveMaximumExceeded)),
        Qos::AtLeastOnce => Some(session.packet_id()?),
    };
    let mut builder =
        v5_0::Publish::builder().topic_name(topic).map_err(ours)?.qos(wire_qos(qos)).payload(payload);
    if let Some(packet_id) = packet_id {
        builder = builder.packet_id(packet_id);
    }
    let sent = builder.build().map_err(ours).and_then(|packet| session.send(now, packet.into(), out));
    if let (Err(_), Some(packet_id)) = (&sent, packet_id) {
        session.release(packet_id);
    }
    sent.map(|()| packet_id)
}

/// Takes a message at either end: acknowledges it, and tells the owner unless its topic is not allowed.
pub(super) fn take_publish<Role: role::RoleType>(
    session: &mut Session<Role>,
    now: Instant,
    packet: &v5_0::Publish,
    root: Option<&str>,
    out: &mut Vec<MqttOutput>,
) -> Result<(), NetError> {
    use mqtt_protocol_core::mqtt::result_code::PubackReasonCode as Code;
    let qos = match packet.qos() {
        WireQos::AtMostOnce => Qos::AtMostOnce,
        WireQos::AtLeastOnce => Qos::AtLeastOnce,
        WireQos::ExactlyOnce => return Err(session.fail(MqttError::QosNotSupported, out)),
    };
    let topic = packet.topic_name();
    let code = if !is_topic(topic) {
        Code::TopicNameInvalid
    } else if root.is_some_and(|root| !is_under(root, topic)) {
        Code::NotAuthorized
    } else {
        Code::Success
    };
    if let Some(packet_id) = packet.packet_id() {
        let mut builder = v5_0::Puback::builder().packet_id(packet_id);
        if code != Code::Success {
            builder = builder.reason_code(code);
        }
        session.send(now, builder.build().map_err(ours)?.into(), out)?;
    }
    if code == Code::Success {
        out.push(MqttOutput::Event(MqttEvent::Published {
            topic: topic.to_owned(),
            payload: packet.payload().as_slice().to_vec(),
            qos,
            packet_id: packet.packet_id(),
        }));
    }
    Ok(())
}

/// Whether a topic or filter lies under `root`: is `root` itself, or begins with it and a slash. Every
/// topic lies under the empty root.
pub(super) fn is_under(root: &str, topic: &str) -> bool {
    root.is_empty() || topic.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn acknowledged(packet: &v5_0::Puback) -> MqttEvent {
    let code = packet.reason_code();
    MqttEvent::Acknowledged {
        packet_id: packet.packet_id(),
        reason: code.map_or_else(|| "success".into(), |code| word(&code.to_string())),
        success: code.is_none_or(|code| code.is_success()),
    }
}

pub(super) fn disconnected<Role: role::RoleType>(
    session: &mut Session<Role>,
    packet: &v5_0::Disconnect,
) -> MqttEvent {
    session.end(None);
    let code = packet.reason_code().unwrap_or(DisconnectReasonCode::NormalDisconnection);
    MqttEvent::Disconnected { reason: word(&code.to_string()) }
}

pub(super) fn wire_qos(qos: Qos) -> WireQos {
    match qos {
        Qos::AtMostOnce => WireQos::AtMostOnce,
        Qos::AtLeastOnce => WireQos::AtLeastOnce,
    }
}

pub(super) fn ours(error: MqttError) -> NetError {
    fault(error, Blame::Ours)
}
