//! The server's end of an MQTT session: what a broker does for one client. Which messages go to which
//! client is its owner's to decide, with the help of [`MqttServer::wants`].

use mqtt_protocol_core::mqtt::packet::{MaximumQos, Packet, Property, Qos as WireQos, v5_0};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, DisconnectReasonCode, MqttError, SubackReasonCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::role;

use super::client::{acknowledged, disconnected, is_under, ours, publish, take_publish};
use super::session::{Phase, Session};
use super::{MAX_SUBSCRIPTIONS, MqttEvent, MqttOutput, Qos, fault, is_filter, matches};
use crate::kernel::Blame;
use crate::kernel::Instant;
use crate::net::NetError;

/// Why a client is refused (clause 3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseReason {
    /// It may not connect (0x87).
    NotAuthorized,
    /// Its identifier is not one that it may have (0x85).
    ClientIdentifierNotValid,
    /// It may not connect any more (0x8A).
    Banned,
    /// The server cannot take it now (0x88).
    ServerUnavailable,
    /// A limit that the server has set is exceeded (0x97).
    QuotaExceeded,
}

/// A server's session with one client.
pub struct MqttServer {
    session: Session<role::Server>,
    subscriptions: Vec<(String, Qos)>,
    /// The topic under which everything of this client has to lie.
    root: String,
}

impl Default for MqttServer {
    fn default() -> Self {
        Self::new()
    }
}

impl MqttServer {
    /// A session that awaits CONNECT.
    pub fn new() -> Self {
        Self { session: Session::new(), subscriptions: Vec::new(), root: String::new() }
    }

    /// Takes bytes from the client.
    ///
    /// # Errors
    ///
    /// Where the client broke the protocol. The session is over then; what is among `out` is still to be
    /// sent.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        self.session.push(bytes);
        self.advance(now, out)
    }

    /// Lets the client in. It may publish and subscribe under the topic `root` only; the empty root allows
    /// everything.
    ///
    /// # Errors
    ///
    /// Where no CONNECT awaits an answer, or what the client has sent after it broke the protocol.
    pub fn accept(&mut self, now: Instant, root: &str, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        self.expect_request()?;
        let no_exactly_once = MaximumQos::new(1).map_err(ours)?;
        let packet = v5_0::Connack::builder()
            .session_present(false)
            .reason_code(ConnectReasonCode::Success)
            .props(vec![Property::MaximumQos(no_exactly_once)])
            .build()
            .map_err(ours)?;
        self.session.send(now, packet.into(), out)?;
        self.session.phase = Phase::Connected;
        self.root = root.to_owned();
        // A client need not wait for CONNACK before it goes on (clause 3.1.4).
        self.advance(now, out)
    }

    /// Turns the client away. The session is over then; close the connection.
    ///
    /// # Errors
    ///
    /// Where no CONNECT awaits an answer.
    pub fn refuse(
        &mut self,
        now: Instant,
        reason: RefuseReason,
        out: &mut Vec<MqttOutput>,
    ) -> Result<(), NetError> {
        self.expect_request()?;
        let code = match reason {
            RefuseReason::NotAuthorized => ConnectReasonCode::NotAuthorized,
            RefuseReason::ClientIdentifierNotValid => ConnectReasonCode::ClientIdentifierNotValid,
            RefuseReason::Banned => ConnectReasonCode::Banned,
            RefuseReason::ServerUnavailable => ConnectReasonCode::ServerUnavailable,
            RefuseReason::QuotaExceeded => ConnectReasonCode::QuotaExceeded,
        };
        let packet =
            v5_0::Connack::builder().session_present(false).reason_code(code).build().map_err(ours)?;
        self.session.send(now, packet.into(), out)?;
        self.session.end(None);
        Ok(())
    }

    /// Sends a message to the client; the packet identifier is that of its PUBACK with QoS 1.
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

    /// Whether the client has subscribed to `topic`, and with which quality of service at most.
    pub fn wants(&self, topic: &str) -> Option<Qos> {
        self.subscriptions.iter().filter(|(filter, _)| matches(filter, topic)).map(|(_, qos)| *qos).max()
    }

    /// Sends the client away, as it is done to one that is cut off. The session is over then.
    ///
    /// # Errors
    ///
    /// Where the session is not connected.
    pub fn disconnect(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        let packet = v5_0::Disconnect::builder()
            .reason_code(DisconnectReasonCode::AdministrativeAction)
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

    /// Ends the session with a client that has been silent for one and a half times its keep-alive
    /// (clause 3.1.2.10).
    ///
    /// # Errors
    ///
    /// Where it has; what is among `out` is still to be sent.
    pub fn on_timer(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        self.session.on_timer(now, out)
    }

    /// Whether the client was let in and the session lasts.
    pub fn is_connected(&self) -> bool {
        self.session.phase == Phase::Connected
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        while let Some(packet) = self.session.next(now, out)? {
            self.take(now, packet, out)?;
        }
        Ok(())
    }

    fn expect_request(&self) -> Result<(), NetError> {
        match self.session.phase {
            Phase::Connecting => Ok(()),
            _ => Err(fault("NoConnectRequest", Blame::Ours)),
        }
    }

    fn take(&mut self, now: Instant, packet: Packet, out: &mut Vec<MqttOutput>) -> Result<(), NetError> {
        let event = match packet {
            Packet::V5_0Connect(p) => {
                self.session.phase = Phase::Connecting;
                let client_id = p.client_id().to_owned();
                MqttEvent::ConnectRequested { client_id, keep_alive_s: p.keep_alive() }
            }
            Packet::V5_0Publish(p) => {
                return take_publish(&mut self.session, now, &p, Some(&self.root), out);
            }
            Packet::V5_0Puback(p) => acknowledged(&p),
            Packet::V5_0Subscribe(p) => return self.take_subscribe(now, &p, out),
            Packet::V5_0Unsubscribe(p) => return self.take_unsubscribe(now, &p, out),
            Packet::V5_0Disconnect(p) => disconnected(&mut self.session, &p),
            Packet::V5_0Pingreq(_) => return Ok(()),
            _ => return Err(self.session.fail(MqttError::ProtocolError, out)),
        };
        out.push(MqttOutput::Event(event));
        Ok(())
    }

    fn take_subscribe(
        &mut self,
        now: Instant,
        packet: &v5_0::Subscribe,
        out: &mut Vec<MqttOutput>,
    ) -> Result<(), NetError> {
        let mut codes = Vec::new();
        let mut added = Vec::new();
        for entry in packet.entries() {
            let qos = match entry.sub_opts().qos() {
                WireQos::AtMostOnce => Qos::AtMostOnce,
                _ => Qos::AtLeastOnce,
            };
            let code = self.subscribe(entry.topic_filter(), qos);
            if code.is_success() {
                let filter = entry.topic_filter().to_owned();
                added.push(MqttOutput::Event(MqttEvent::SubscriptionAdded { filter, qos }));
            }
            codes.push(code);
        }
        let answer = v5_0::Suback::builder().packet_id(packet.packet_id()).reason_codes(codes);
        self.session.send(now, answer.build().map_err(ours)?.into(), out)?;
        out.append(&mut added);
        Ok(())
    }

    fn subscribe(&mut self, filter: &str, qos: Qos) -> SubackReasonCode {
        if filter.starts_with("$share/") {
            return SubackReasonCode::SharedSubscriptionsNotSupported;
        }
        if !is_filter(filter) {
            return SubackReasonCode::TopicFilterInvalid;
        }
        if !is_under(&self.root, filter) {
            return SubackReasonCode::NotAuthorized;
        }
        if let Some((_, known)) = self.subscriptions.iter_mut().find(|(known, _)| known == filter) {
            *known = qos;
        } else if self.subscriptions.len() < MAX_SUBSCRIPTIONS {
            self.subscriptions.push((filter.to_owned(), qos));
        } else {
            return SubackReasonCode::QuotaExceeded;
        }
        match qos {
            Qos::AtMostOnce => SubackReasonCode::GrantedQos0,
            Qos::AtLeastOnce => SubackReasonCode::GrantedQos1,
        }
    }

    fn take_unsubscribe(
        &mut self,
        now: Instant,
        packet: &v5_0::Unsubscribe,
        out: &mut Vec<MqttOutput>,
    ) -> Result<(), NetError> {
        let mut codes = Vec::new();
        for entry in packet.entries() {
            let before = self.subscriptions.len();
            self.subscriptions.retain(|(filter, _)| filter != entry.as_str());
            codes.push(match self.subscriptions.len() < before {
                true => UnsubackReasonCode::Success,
                false => UnsubackReasonCode::NoSubscriptionExisted,
            });
        }
        let answer = v5_0::Unsuback::builder().packet_id(packet.packet_id()).reason_codes(codes);
        self.session.send(now, answer.build().map_err(ours)?.into(), out)
    }
}
