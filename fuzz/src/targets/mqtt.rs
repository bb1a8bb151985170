//! MQTT 5 as a server and as a client hear it: no bytes panic either, nor does one publish what it may not.

use cellbed::kernel::Instant;
use cellbed::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, MqttOutput, MqttServer};

/// Below which a client may publish.
const ROOT: &str = "devices/1";

/// What a client sends, in pieces.
pub fn run(bytes: &[u8]) {
    let mut server = MqttServer::new();
    let mut out = Vec::new();
    for piece in bytes.chunks(97) {
        if server.receive(Instant::ZERO, piece, &mut out).is_err() {
            break;
        }
        for event in std::mem::take(&mut out) {
            match event {
                MqttOutput::Event(MqttEvent::ConnectRequested { .. }) => {
                    let _ = server.accept(Instant::ZERO, ROOT, &mut out);
                }
                MqttOutput::Event(MqttEvent::Published { topic, .. }) => {
                    let own =
                        topic.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                    assert!(own, "{topic} was published");
                }
                _ => {}
            }
        }
    }
    let options = ConnectOptions { client_id: "1".to_owned(), keep_alive_s: 60 };
    if let Ok(mut client) = MqttClient::connect(Instant::ZERO, &options, &mut out) {
        let _ = client.receive(Instant::ZERO, bytes, &mut out);
    }
}
