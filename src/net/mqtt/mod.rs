//! MQTT 5.0 sessions over any byte stream: [`MqttClient`] and [`MqttServer`].
//!
//! A session takes bytes and time, and gives [`MqttOutput`]s: packets to send, with their names for
//! transcripts, and events for its owner. Encoding and packet state are mqtt-protocol-core's; what is added
//! here is what a party has to insist on: which packet may come when, how large it may be, which topics it
//! may name. QoS 0 and 1 are spoken; sessions do not outlive their connection.

mod client;
mod server;
mod session;

pub use client::{ConnectOptions, MqttClient};
pub use server::{MqttServer, RefuseReason};

use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};

use super::{MqttFault, NetError};
use crate::kernel::Blame;
use crate::wire::{Label, Proto};

/// The largest packet that a session sends or accepts, in bytes.
pub const MAX_PACKET: usize = 16 * 1024;
/// The longest topic name or filter that a server accepts, in bytes.
pub const MAX_TOPIC: usize = 256;
/// How many subscriptions a client may have at a server.
pub const MAX_SUBSCRIPTIONS: usize = 16;

/// What a session wants done, or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum MqttOutput {
    /// A packet to send.
    Send { label: Label, bytes: Vec<u8> },
    /// Something that its owner should know.
    Event(MqttEvent),
}

/// Quality of service (clause 4.3), as far as it is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// At most once.
    AtMostOnce,
    /// At least once: acknowledged by PUBACK.
    AtLeastOnce,
}

/// What happened in a session. Reasons are the names of reason codes (clause 2.4) as one word each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum MqttEvent {
    /// Server: a client asks to connect. Answer with [`MqttServer::accept`] or [`MqttServer::refuse`].
    ConnectRequested { client_id: String, keep_alive_s: u16 },
    /// Client: the server has accepted.
    Connected,
    /// Client: the server has refused, and the session is over.
    Refused { reason: String },
    /// A message has come. With QoS 1 its PUBACK stands among the outputs already.
    Published { topic: String, payload: Vec<u8>, qos: Qos, packet_id: Option<u16> },
    /// The peer has acknowledged a message that was published with QoS 1; `reason` is `success` where it
    /// took it (`no-matching-subscribers` counts as that).
    Acknowledged { packet_id: u16, reason: String, success: bool },
    /// Client: the server's answer to a subscription, one reason for each filter.
    Subscribed { packet_id: u16, reasons: Vec<String>, success: bool },
    /// Server: the client now receives what matches `filter`.
    SubscriptionAdded { filter: String, qos: Qos },
    /// The peer said goodbye; the session is over.
    Disconnected { reason: String },
}

/// How a packet is called in transcripts. Packet identifiers are left out: they are counters.
fn label(packet: &Packet) -> Label {
    let named = |name: &'static str| Label::new(Proto::Mqtt, name);
    match packet {
        Packet::V5_0Connect(p) => {
            named("CONNECT").with("client", p.client_id()).with("keep-alive", format!("{}s", p.keep_alive()))
        }
        Packet::V5_0Connack(p) => named("CONNACK").with("reason", word(&p.reason_code().to_string())),
        Packet::V5_0Publish(p) => named("PUBLISH").with("topic", p.topic_name()).with("qos", p.qos() as u8),
        Packet::V5_0Puback(p) => match p.reason_code() {
            Some(code) => named("PUBACK").with("reason", word(&code.to_string())),
            None => named("PUBACK").with("reason", "success"),
        },
        Packet::V5_0Subscribe(p) => {
            let filters: Vec<&str> = p.entries().iter().map(|e| e.topic_filter()).collect();
            named("SUBSCRIBE").with("filter", filters.join(","))
        }
        Packet::V5_0Suback(p) => named("SUBACK").with("reason", words(p.reason_codes()).join(",")),
        Packet::V5_0Unsubscribe(_) => named("UNSUBSCRIBE"),
        Packet::V5_0Unsuback(_) => named("UNSUBACK"),
        Packet::V5_0Disconnect(p) => match p.reason_code() {
            Some(code) => named("DISCONNECT").with("reason", word(&code.to_string())),
            None => named("DISCONNECT").with("reason", "normal-disconnection"),
        },
        Packet::V5_0Pingreq(_) => named("PINGREQ"),
        Packet::V5_0Pingresp(_) => named("PINGRESP"),
        other => Label::new(Proto::Mqtt, other.packet_type().as_str().to_uppercase()),
    }
}

fn send(packet: &Packet) -> MqttOutput {
    MqttOutput::Send { label: label(packet), bytes: packet.to_continuous_buffer() }
}

fn words<T: ToString>(codes: impl IntoIterator<Item = T>) -> Vec<String> {
    codes.into_iter().map(|code| word(&code.to_string())).collect()
}

/// `NotAuthorized` to `not-authorized`.
fn word(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn fault(reason: impl ToString, blame: Blame) -> NetError {
    NetError::Mqtt(MqttFault { reason: word(&reason.to_string()), blame })
}

/// Whether a topic name lies under a filter (clause 4.7). Names that begin with `$` match no wildcard in
/// first place.
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        match (level, topic_levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// Whether a topic filter has its wildcards where they may be (clause 4.7.1).
fn is_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    !filter.is_empty()
        && filter.len() <= MAX_TOPIC
        && !filter.contains('\0')
        && levels.iter().enumerate().all(|(at, level)| match *level {
            "#" => at + 1 == levels.len(),
            "+" => true,
            level => !level.contains(['#', '+']),
        })
}

/// Whether a topic name can be published to (clause 3.3.2.1).
fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= MAX_TOPIC && !topic.contains(['#', '+', '\0'])
}

#[cfg(test)]
mod tests;
