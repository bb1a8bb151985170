//! A client and a server of MQTT, packet by packet.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::kernel::Instant;

const TOPIC: &str = "devices/1/telemetry";
const AT_LEAST_ONCE: Qos = Qos::AtLeastOnce;

struct Pair {
    now: Instant,
    client: MqttClient,
    server: MqttServer,
    /// Names of the packets that were sent, with their fields.
    log: Vec<String>,
    at_client: Vec<MqttEvent>,
    at_server: Vec<MqttEvent>,
    to_server: Vec<MqttOutput>,
    to_client: Vec<MqttOutput>,
}

fn show(label: &Label) -> String {
    let fields = label.fields.iter().map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(label.name.to_string()).chain(fields).collect()
}

impl Pair {
    fn new(keep_alive_s: u16) -> Self {
        let mut to_server = Vec::new();
        let options = ConnectOptions { client_id: "dev1".into(), keep_alive_s };
        let client = MqttClient::connect(Instant::ZERO, &options, &mut to_server).unwrap();
        Self {
            now: Instant::ZERO,
            client,
            server: MqttServer::new(),
            log: Vec::new(),
            at_client: Vec::new(),
            at_server: Vec::new(),
            to_server,
            to_client: Vec::new(),
        }
    }

    fn connected(keep_alive_s: u16, root: &str) -> Self {
        let mut pair = Self::new(keep_alive_s);
        pair.exchange().unwrap();
        pair.server.accept(pair.now, root, &mut pair.to_client).unwrap();
        pair.exchange().unwrap();
        assert!(pair.client.is_connected() && pair.server.is_connected());
        (pair.log, pair.at_client, pair.at_server) = Default::default();
        pair
    }

    /// Carries everything to where it goes, until nothing is left.
    fn exchange(&mut self) -> Result<(), NetError> {
        while !self.to_server.is_empty() || !self.to_client.is_empty() {
            for output in std::mem::take(&mut self.to_server) {
                match output {
                    MqttOutput::Send { label, bytes } => {
                        self.log.push(format!("> {}", show(&label)));
                        self.server.receive(self.now, &bytes, &mut self.to_client)?;
                    }
                    MqttOutput::Event(event) => self.at_client.push(event),
                }
            }
            for output in std::mem::take(&mut self.to_client) {
                match output {
                    MqttOutput::Send { label, bytes } => {
                        self.log.push(format!("< {}", show(&label)));
                        self.client.receive(self.now, &bytes, &mut self.to_server)?;
                    }
                    MqttOutput::Event(event) => self.at_server.push(event),
                }
            }
        }
        Ok(())
    }

    fn publish(&mut self, topic: &str) {
        self.client.publish(self.now, topic, b"21.5", AT_LEAST_ONCE, &mut self.to_server).unwrap();
        self.exchange().unwrap();
    }
}

#[test]
fn telemetry_is_published_and_acknowledged() {
    let mut pair = Pair::new(60);
    pair.exchange().unwrap();
    assert_eq!(pair.at_server, [MqttEvent::ConnectRequested { client_id: "dev1".into(), keep_alive_s: 60 }]);
    pair.server.accept(pair.now, "devices/1", &mut pair.to_client).unwrap();
    pair.exchange().unwrap();
    pair.publish(TOPIC);
    pair.client.disconnect(pair.now, &mut pair.to_server).unwrap();
    pair.exchange().unwrap();
    assert_eq!(
        pair.log,
        [
            "> CONNECT client=dev1 keep-alive=60s",
            "< CONNACK reason=success",
            "> PUBLISH topic=devices/1/telemetry qos=1",
            "< PUBACK reason=success",
            "> DISCONNECT reason=normal-disconnection",
        ]
    );
    assert_eq!(
        pair.at_client,
        [
            MqttEvent::Connected,
            MqttEvent::Acknowledged { packet_id: 1, reason: "success".into(), success: true }
        ]
    );
    let published = MqttEvent::Published {
        topic: TOPIC.into(),
        payload: b"21.5".to_vec(),
        qos: AT_LEAST_ONCE,
        packet_id: Some(1),
    };
    assert_eq!(pair.at_server[1], published);
    assert_eq!(pair.at_server[2], MqttEvent::Disconnected { reason: "normal-disconnection".into() });
    assert_eq!((pair.client.deadline(), pair.server.deadline()), (None, None));
}

/// Clauses 3.1 to 3.4: the encodings, byte by byte.
#[test]
fn packets_are_encoded_as_the_standard_says() {
    let bytes = |outputs: &[MqttOutput]| match outputs {
        [MqttOutput::Send { bytes, .. }, ..] => hex::encode(bytes),
        other => panic!("no packet in {other:?}"),
    };
    let mut pair = Pair::new(60);
    // CONNECT, 26 bytes: "MQTT", 5, clean start, 60 s, properties {Receive Maximum 16, Maximum Packet
    // Size 16384}, "dev1".
    assert!(bytes(&pair.to_server).starts_with("101900044d51545405"), "{}", bytes(&pair.to_server));
    pair.exchange().unwrap();
    pair.server.accept(pair.now, "", &mut pair.to_client).unwrap();
    pair.exchange().unwrap();
    pair.client.publish(pair.now, "a/b", b"hi", AT_LEAST_ONCE, &mut pair.to_server).unwrap();
    assert_eq!(bytes(&pair.to_server), "320a0003612f620001006869");
    pair.server
        .receive(pair.now, &hex::decode("320a0003612f620001006869").unwrap(), &mut pair.to_client)
        .unwrap();
    assert_eq!(bytes(&pair.to_client), "40020001");
}

#[test]
fn a_refused_client_learns_the_reason() {
    let mut pair = Pair::new(60);
    pair.exchange().unwrap();
    pair.server.refuse(pair.now, RefuseReason::NotAuthorized, &mut pair.to_client).unwrap();
    pair.exchange().unwrap();
    assert_eq!(pair.at_client, [MqttEvent::Refused { reason: "not-authorized".into() }]);
    assert!(pair.server.accept(pair.now, "", &mut pair.to_client).is_err());
    let refused = pair.client.publish(pair.now, TOPIC, b"", AT_LEAST_ONCE, &mut pair.to_server);
    assert!(refused.is_err() && pair.to_server.is_empty());
}

#[test]
fn a_client_stays_under_its_own_topic() {
    let mut pair = Pair::connected(60, "devices/1");
    pair.publish("devices/10/telemetry");
    assert_eq!(pair.at_server, []);
    let refused = MqttEvent::Acknowledged { packet_id: 1, reason: "not-authorized".into(), success: false };
    assert_eq!(pair.at_client, [refused]);
    for filter in ["#", "devices/+/commands", "$share/group/devices/1/commands"] {
        pair.client.subscribe(pair.now, filter, AT_LEAST_ONCE, &mut pair.to_server).unwrap();
    }
    pair.exchange().unwrap();
    assert_eq!(pair.log.iter().filter(|l| l.contains("SUBACK reason=not-authorized")).count(), 2);
    assert_eq!(pair.log.last().unwrap(), "< SUBACK reason=shared-subscriptions-not-supported");
    assert_eq!(pair.at_server, []);
}

#[test]
fn a_subscriber_receives_what_it_wants() {
    let mut pair = Pair::connected(60, "devices/1");
    pair.client.subscribe(pair.now, "devices/1/commands/#", AT_LEAST_ONCE, &mut pair.to_server).unwrap();
    pair.exchange().unwrap();
    assert_eq!(pair.server.wants("devices/1/commands/reboot"), Some(AT_LEAST_ONCE));
    assert_eq!(pair.server.wants("devices/1/telemetry"), None);
    pair.server
        .publish(pair.now, "devices/1/commands/reboot", b"", AT_LEAST_ONCE, &mut pair.to_client)
        .unwrap();
    pair.exchange().unwrap();
    assert!(matches!(
        &pair.at_client[..],
        [MqttEvent::Subscribed { success: true, .. }, MqttEvent::Published { .. }]
    ));
    assert!(matches!(&pair.at_server[1], MqttEvent::Acknowledged { success: true, .. }));
    assert_eq!(pair.log.last().unwrap(), "> PUBACK reason=success");
}

#[test]
fn subscriptions_and_unacknowledged_messages_have_limits() {
    let mut pair = Pair::connected(0, "");
    for n in 0..=MAX_SUBSCRIPTIONS {
        pair.client.subscribe(pair.now, &format!("t/{n}"), Qos::AtMostOnce, &mut pair.to_server).unwrap();
    }
    pair.exchange().unwrap();
    assert_eq!(pair.log.last().unwrap(), "< SUBACK reason=quota-exceeded");
    for _ in 0..16 {
        pair.client.publish(pair.now, TOPIC, b"", AT_LEAST_ONCE, &mut pair.to_server).unwrap();
    }
    let error = pair.client.publish(pair.now, TOPIC, b"", AT_LEAST_ONCE, &mut pair.to_server).unwrap_err();
    assert_eq!(error, fault("receive-maximum-exceeded", Blame::Ours));
    pair.exchange().unwrap();
    pair.publish(TOPIC);
    let large = pair.client.publish(pair.now, TOPIC, &[0; MAX_PACKET], AT_LEAST_ONCE, &mut pair.to_server);
    assert_eq!(large, Err(fault("packet-too-large", Blame::Ours)));
}

#[test]
fn pings_keep_a_session_alive() {
    let mut pair = Pair::connected(30, "");
    for _ in 0..5 {
        let due = pair.client.deadline().expect("a ping is due");
        assert!(pair.server.deadline().unwrap() > due);
        pair.now = due;
        pair.client.on_timer(pair.now, &mut pair.to_server).unwrap();
        pair.exchange().unwrap();
    }
    assert_eq!(pair.now, Instant::ZERO + Duration::from_secs(150));
    assert_eq!(pair.log, ["> PINGREQ", "< PINGRESP"].repeat(5));
}

#[test]
fn silence_ends_a_session_at_either_end() {
    let mut pair = Pair::connected(30, "");
    pair.now = pair.server.deadline().unwrap();
    assert_eq!(pair.now, Instant::ZERO + Duration::from_secs(45));
    let over = pair.server.on_timer(pair.now, &mut pair.to_client);
    assert_eq!(over, Err(fault("keep-alive-timeout", Blame::PeerBrokeProtocol)));
    pair.exchange().unwrap();
    assert_eq!(pair.log, ["< DISCONNECT reason=keep-alive-timeout"]);
    assert_eq!(pair.at_client, [MqttEvent::Disconnected { reason: "keep-alive-timeout".into() }]);

    let mut pair = Pair::connected(30, "");
    pair.now = pair.client.deadline().unwrap();
    pair.client.on_timer(pair.now, &mut pair.to_server).unwrap();
    pair.now = pair.client.deadline().unwrap();
    let over = pair.client.on_timer(pair.now, &mut pair.to_server);
    assert_eq!(over, Err(fault("keep-alive-timeout", Blame::PeerBrokeProtocol)));
}

#[test]
fn a_client_may_go_on_before_connack() {
    let mut pair = Pair::new(0);
    let mut ahead = MqttClient::connect(
        pair.now,
        &ConnectOptions { client_id: "dev1".into(), keep_alive_s: 0 },
        &mut Vec::new(),
    )
    .unwrap();
    // Another session's client is made to believe that it is connected, to have the packet.
    ahead.receive(pair.now, &hex::decode("2003000000").unwrap(), &mut Vec::new()).unwrap();
    ahead.publish(pair.now, TOPIC, b"early", AT_LEAST_ONCE, &mut pair.to_server).unwrap();
    pair.exchange().unwrap();
    assert_eq!(pair.at_server.len(), 1);
    pair.server.accept(pair.now, "", &mut pair.to_client).unwrap();
    let names: Vec<_> = pair.to_client.iter().map(|o| matches!(o, MqttOutput::Send { .. })).collect();
    assert_eq!(names, [true, true, false], "CONNACK, PUBACK and the event");
}

#[test]
fn what_comes_at_the_wrong_time_ends_the_session() {
    let publish = "320a0003612f620001006869";
    let connect = "101100044d5154540502003c00000464657631";
    let broken = |pair: &mut Pair, packet: &str| {
        let bytes = hex::decode(packet).unwrap();
        let mut out = Vec::new();
        let result = pair.server.receive(pair.now, &bytes, &mut out);
        let sent: Vec<_> = out
            .iter()
            .filter_map(|o| match o {
                MqttOutput::Send { label, .. } => Some(show(label)),
                MqttOutput::Event(_) => None,
            })
            .collect();
        assert!(pair.server.receive(pair.now, &bytes, &mut out).is_err(), "a failed session stays failed");
        (result.unwrap_err().to_string(), sent.join(" "))
    };
    let protocol_error = "mqtt: protocol-error (the peer broke the protocol)";
    // Before CONNECT there is nobody to say goodbye to.
    let mut fresh = Pair::new(0);
    assert_eq!(broken(&mut fresh, publish), (protocol_error.into(), "".into()));
    for (packet, reason) in [
        (connect, "protocol-error"),
        ("2003000000", "protocol-error"),
        ("340a0003612f620001006869", "qos-not-supported"),
        ("f000", "protocol-error"),
        ("40020007", "protocol-error"),
    ] {
        let mut pair = Pair::connected(0, "");
        let (error, sent) = broken(&mut pair, packet);
        assert_eq!(error, format!("mqtt: {reason} (the peer broke the protocol)"), "{packet}");
        assert_eq!(sent, format!("DISCONNECT reason={reason}"), "{packet}");
    }
    // Too large and without end: refused before the body is here.
    assert!(broken(&mut Pair::connected(0, ""), "30ffff7f").0.contains("packet-too-large"));
    assert!(broken(&mut Pair::connected(0, ""), "30ffffffff").0.contains("malformed-packet"));
}

/// Clause 3.1.2.11.5: a Topic Alias Maximum of 0 is as good as none. The library panics at it.
#[test]
fn a_client_that_takes_no_topic_alias_is_let_in() {
    for properties in ["03220000", "06210010220000", "082700004000220000"] {
        let properties = hex::decode(properties).unwrap();
        let body = [&hex::decode("00044d5154540502003c").unwrap(), &properties[..], b"\0\x04dev1"].concat();
        let packet = [&[0x10, body.len() as u8], &body[..]].concat();
        let mut pair = Pair::new(0);
        let mut out = Vec::new();
        pair.server.receive(pair.now, &packet, &mut out).unwrap();
        let asked = MqttEvent::ConnectRequested { client_id: "dev1".into(), keep_alive_s: 60 };
        assert_eq!(out, [MqttOutput::Event(asked)]);
        pair.server.accept(pair.now, "", &mut out).unwrap();
        assert!(pair.server.is_connected());
    }
}

#[test]
fn a_client_of_an_older_version_is_told_so() {
    // CONNECT of MQTT 3.1.1.
    let bytes = hex::decode("101000044d5154540402003c000464657631").unwrap();
    let mut out = Vec::new();
    let error = MqttServer::new().receive(Instant::ZERO, &bytes, &mut out).unwrap_err();
    assert_eq!(error, fault("unsupported-protocol-version", Blame::PeerBrokeProtocol));
    let [MqttOutput::Send { label, .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!(show(label), "CONNACK reason=unsupported-protocol-version");
}

/// The examples of clauses 4.7.1 and 4.7.2.
#[test]
fn filters_match_as_in_the_standard() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/monitor", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
    }
    for bad in ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "a\0b"] {
        assert!(!is_filter(bad), "{bad:?}");
    }
}

/// Gives bytes to one end. Once it has refused any it takes no more, says so every time and is not connected; what it
/// puts out is bounded by what came in.
macro_rules! give {
    ($end:expr, $now:expr, $bytes:expr) => {{
        let mut out = Vec::new();
        let taken = $end.receive($now, $bytes, &mut out);
        prop_assert!(out.len() <= 2 * $bytes.len() + 2, "{} for {} bytes", out.len(), $bytes.len());
        if taken.is_err() {
            prop_assert!(!$end.is_connected());
            let mut more = Vec::new();
            prop_assert_eq!($end.receive($now, b"", &mut more), taken.clone());
            prop_assert!(more.is_empty());
        }
        taken
    }};
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_end_the_session(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
        let mut fresh = Pair::new(10);
        let mut pair = Pair::connected(10, "");
        let mut failed = [false; 4];
        for piece in bytes.chunks(cut) {
            let now = pair.now;
            let outcomes = [
                give!(fresh.server, now, piece), give!(fresh.client, now, piece),
                give!(pair.server, now, piece), give!(pair.client, now, piece),
            ];
            for (failed, outcome) in failed.iter_mut().zip(outcomes) {
                prop_assert!(!*failed || outcome.is_err(), "it goes on after an error");
                *failed |= outcome.is_err();
            }
            // Nobody has let this client in.
            prop_assert!(!fresh.server.is_connected());
        }
    }

    #[test]
    fn damaged_packets_are_taken_or_end_the_session(
        packets in prop::collection::vec((0u8..16, prop::collection::vec(any::<u8>(), 0..40), any::<u8>()), 1..6),
        connack_properties in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let frame = |kind: u8, flags: u8, body: &[u8]| {
            [&[kind << 4 | flags & 0xf, body.len() as u8], body].concat()
        };
        let mut fresh = Pair::new(10);
        let now = fresh.now;
        let body = [&[0, 0, connack_properties.len() as u8], &connack_properties[..]].concat();
        let let_in = give!(fresh.client, now, &frame(2, 0, &body)[..]);
        prop_assert_eq!(fresh.client.is_connected(), let_in.is_ok());
        let mut pair = Pair::connected(10, "");
        let published = pair.client.publish(now, TOPIC, b"x", AT_LEAST_ONCE, &mut Vec::new());
        prop_assert!(published.is_ok());
        for (kind, body, flags) in packets {
            let bytes = frame(kind, flags, &body);
            for taken in [
                give!(fresh.client, now, &bytes[..]), give!(pair.server, now, &bytes[..]), give!(pair.client, now, &bytes[..]),
            ] {
                prop_assert!(taken.is_ok() || !taken.unwrap_err().to_string().is_empty());
            }
            let published = fresh.client.publish(now, TOPIC, b"x", AT_LEAST_ONCE, &mut Vec::new());
            prop_assert!(published.is_err() || fresh.client.is_connected());
        }
    }
}

#[test]
fn each_code_that_a_peer_may_end_with_is_a_word_that_a_scenario_may_expect() {
    use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode, PubackReasonCode};
    let errors = || 0x80..=u8::MAX;
    let connect = errors().filter_map(|code| Some(ConnectReasonCode::try_from(code).ok()?.to_string()));
    let disconnect = errors().filter_map(|code| Some(DisconnectReasonCode::try_from(code).ok()?.to_string()));
    let puback = errors().filter_map(|code| Some(PubackReasonCode::try_from(code).ok()?.to_string()));
    let words: Vec<_> = connect.chain(disconnect).chain(puback).map(|name| word(&name)).collect();
    assert!(words.len() > 50, "{words:?}");
    for word in words {
        assert!(crate::wire::Reason::of(&format!("mqtt-{word}")).is_known(), "{word}");
    }
}
