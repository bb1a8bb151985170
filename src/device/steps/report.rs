//! The `ready` step: mutual TLS with the card's key, and telemetry that the cloud acknowledges (MQTT 5.0).

use super::{Conversation, DeviceContext, Flow, Task, refusal_in};
use crate::device::link::{Link, refusal};
use crate::device::vouched::vouched_server;
use crate::device::{DeviceError, DeviceOutput};
use crate::event::{Actor, Body};
use crate::kernel::Instant;
use crate::net::Host;
use crate::net::endpoint::{BROKER, REGISTRAR};
use crate::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, Qos};
use crate::wire::Reason;
use crate::wire::http::Request;
use crate::wire::reason::Text;
use crate::wire::registration::SERVERS_PATH;

/// How long the device may be silent, in seconds: the broker ends a session that is for longer. The step is
/// over long before a ping would be due.
const KEEP_ALIVE_S: u16 = 60;

#[derive(Default)]
pub(super) struct Report {
    /// With whoever hands out what the ledger says of the cloud.
    asking: Conversation,
    is_asked: bool,
    conversation: Conversation,
    client: Option<Box<MqttClient>>,
}

impl Task for Report {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        if self.conversation.server.is_none() && cx.application.vouching.is_some() {
            return self.ask(cx, out);
        }
        let Some(link) = self.conversation.link(BROKER, true, cx, out)? else { return Ok(Flow::Waiting) };
        // The broker's link is open, so that there is a certificate.
        let name = cx.application.identity.certificate.as_ref().map(|one| one.name().to_string());
        let id = name.unwrap_or_default();
        let key = match cx.application.burned {
            Some(_) => "the key in flash",
            None => "the card's key",
        };
        let mut flow = work(&mut self.client, cx.now, &id, link, out)?;
        if let Flow::Done(proof) = &mut flow {
            *proof = format!("mutual TLS with {key}; {proof}");
        }
        self.conversation.settle(flow, cx.host.as_deref_mut())
    }

    fn hang_up(&mut self, host: &mut Host) {
        self.asking.hang_up(host);
        self.conversation.hang_up(host);
    }
}

impl Report {
    /// Asks which certificate the ledger has of the cloud, and for the proof.
    fn ask(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        let Some(link) = self.asking.link(REGISTRAR, false, cx, out)? else { return Ok(Flow::Waiting) };
        if !std::mem::replace(&mut self.is_asked, true) {
            let path = format!("{SERVERS_PATH}{}", BROKER.name);
            link.request(&Request::new("GET", &path, REGISTRAR.name), out)?;
            return self.asking.settle(Flow::Progress, cx.host.as_deref_mut());
        }
        let Some(response) = link.response()? else {
            return self.asking.settle(Flow::Waiting, cx.host.as_deref_mut());
        };
        if !response.is_success() {
            return Err(refusal_in(&response));
        }
        if let Some(anchors) = &cx.application.vouching {
            let now_ms = cx.now.unix_s() * 1_000;
            let certificate = vouched_server(anchors, BROKER.name, &response.body, now_ms)?;
            self.conversation.server = Some(certificate);
            let fields = vec![("certificate", hex::encode(&certificate[..4]))];
            let device = Actor::device(cx.application.number);
            let change = "the ledger vouches for the cloud's certificate";
            out.push(DeviceOutput::Event(Body::note(device, change, fields)));
        }
        if let Some(host) = cx.host.as_deref_mut() {
            self.asking.hang_up(host);
        }
        Ok(Flow::Progress)
    }
}

fn work(
    client: &mut Option<Box<MqttClient>>,
    now: Instant,
    id: &str,
    link: &mut Link,
    out: &mut Vec<DeviceOutput>,
) -> Result<Flow, DeviceError> {
    let mut outputs = Vec::new();
    let (client, result) = match client {
        Some(client) => {
            let result = client.receive(now, &link.take(), &mut outputs);
            (client, result)
        }
        None => {
            let options = ConnectOptions { client_id: id.to_owned(), keep_alive_s: KEEP_ALIVE_S };
            let connected = MqttClient::connect(now, &options, &mut outputs).map_err(refusal)?;
            (client.insert(Box::new(connected)), Ok(()))
        }
    };
    let mut flow = if outputs.is_empty() { Flow::Waiting } else { Flow::Progress };
    let events = link.send_mqtt(outputs, out)?;
    result.map_err(refusal)?;
    for event in events {
        if let Some(proof) = react(client, now, id, event, link, out)? {
            flow = Flow::Done(proof);
        }
    }
    Ok(flow)
}

/// What follows from an event of the MQTT session; the proof, once the telemetry is acknowledged.
fn react(
    client: &mut MqttClient,
    now: Instant,
    id: &str,
    event: MqttEvent,
    link: &mut Link,
    out: &mut Vec<DeviceOutput>,
) -> Result<Option<String>, DeviceError> {
    let mut outputs = Vec::new();
    let mut proof = None;
    match event {
        MqttEvent::Connected => {
            let topic = format!("devices/{id}/telemetry");
            let payload = format!("{{\"uptime_ms\":{}}}", now.as_micros() / 1000);
            let qos = Qos::AtLeastOnce;
            client.publish(now, &topic, payload.as_bytes(), qos, &mut outputs).map_err(refusal)?;
        }
        MqttEvent::Acknowledged { success: true, .. } => {
            client.disconnect(now, &mut outputs).map_err(refusal)?;
            proof = Some("the cloud has the telemetry".to_owned());
        }
        MqttEvent::Acknowledged { reason, .. } | MqttEvent::Refused { reason } => {
            return Err(DeviceError::refused(Reason::Mqtt(Text::new(&reason)), "the cloud refused"));
        }
        MqttEvent::Disconnected { reason } => {
            return Err(DeviceError::refused(
                Reason::Mqtt(Text::new(&reason)),
                "the cloud ended the session",
            ));
        }
        _ => {}
    }
    link.send_mqtt(outputs, out)?;
    Ok(proof)
}
