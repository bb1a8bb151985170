//! The steps that need the card or the services, as the device's application does them.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use serde::de::DeserializeOwned;

use super::iot_safe::{CERTIFICATE_FILE, IotSafe, KEY_ID, TRUST_ANCHOR_FILE};
use super::link::{Link, refusal};
use super::{DeviceError, DeviceOutput};
use crate::ca::est::{self, Enrolment, EstRequest};
use crate::ca::{CsrBuilder, DeviceCertificate};
use crate::card::CardHandle;
use crate::crypto::key::halves;
use crate::crypto::tls::{self, KeyLogSink, SignFn, VirtualClock};
use crate::event::Step;
use crate::kernel::Instant;
use crate::ledger::{Contract, Model, registration_message};
use crate::net::Host;
use crate::net::endpoint::{BROKER, EST, REGISTRAR};
use crate::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, Qos};
use crate::wire::http::{Request, Response};
use crate::wire::registration::{Claim, Offer, Problem, REGISTRATION_PATH, Registered, octets};

/// How long the device may be silent, in seconds: the broker ends a session that is for longer. The step is
/// over long before a ping would be due.
const KEEP_ALIVE_S: u16 = 60;

/// How far a step has come.
pub enum Flow {
    /// Something has to come in first.
    Waiting,
    /// Something was done; there may be more to do.
    Progress,
    /// The card holds another subscriber now, whom the modem has to attach before the step goes on.
    CardChanged,
    /// The device has lost its power, and is on again.
    PowerLost,
    /// The step is done; this is what it proves.
    Done(String),
}

/// What the application of one device has at hand.
pub struct Tools {
    pub number: u32,
    pub card: CardHandle,
    pub provider: Arc<CryptoProvider>,
    pub clock: VirtualClock,
    pub key_log: Option<KeyLogSink>,
    pub identity: Identity,
}

/// What the device has learnt of itself so far.
#[derive(Default)]
pub struct Identity {
    pub applet: Option<IotSafe>,
    pub public_key: Option<[u8; 64]>,
    /// The root that the operator left on the card, DER.
    pub trust_anchor: Vec<u8>,
    /// The name under which the ledger knows the device.
    pub id: Option<[u8; 32]>,
    /// The device's own certificate, DER.
    pub certificate: Option<Vec<u8>>,
}

impl Tools {
    /// The `keys` step: the applet makes a key pair, and the application reads whom to trust.
    ///
    /// # Errors
    /// A refusal where the applet refuses; a fault of the bench where the card is gone.
    pub fn make_keys(&mut self) -> Result<Flow, DeviceError> {
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        let applet = IotSafe::select(&mut slot)?;
        let made = applet.generate_key_pair(&mut slot, KEY_ID)?;
        let public_key = applet.read_public_key(&mut slot, KEY_ID)?;
        if made != public_key {
            return Err(DeviceError::refused(
                "key-mismatch",
                "the applet reads out another key than it made",
            ));
        }
        let trust_anchor = applet.read_file(&mut slot, TRUST_ANCHOR_FILE)?;
        drop(slot);
        let proof = format!("P-256 key pair made in the card, public key {}…", hex::encode(&public_key[..4]));
        self.identity.applet = Some(applet);
        self.identity.public_key = Some(public_key);
        self.identity.trust_anchor = trust_anchor;
        Ok(Flow::Done(proof))
    }

    fn public_key(&self) -> Result<[u8; 64], DeviceError> {
        self.identity.public_key.ok_or_else(no_applet)
    }

    /// Has the card sign `message` (ECDSA, P-256, SHA-256): r || s.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceError> {
        let applet = self.identity.applet.as_ref().ok_or_else(no_applet)?;
        let mut slot = self.card.lock().map_err(|_| DeviceError::Slot)?;
        Ok(applet.sign(&mut slot, KEY_ID, message)?)
    }

    /// The TLS client of this device; with its certificate and the card's key where `mutual`.
    fn tls_client(&self, mutual: bool) -> Result<Arc<ClientConfig>, DeviceError> {
        let client = match (&self.identity.certificate, mutual) {
            (Some(certificate), true) => {
                let key = tls::signing_key(self.card_signer()?, self.public_key()?);
                Some((vec![certificate.clone()], key))
            }
            (None, true) => {
                return Err(DeviceError::refused("no-certificate", "the step `enrol` was not run"));
            }
            (_, false) => None,
        };
        let roots = [self.identity.trust_anchor.clone()];
        Ok(tls::client_config(
            self.provider.clone(),
            &roots,
            client,
            self.clock.clone(),
            self.key_log.clone(),
        )?)
    }

    /// The card's key as something that signs: every signature is an exchange with the applet.
    fn card_signer(&self) -> Result<SignFn, DeviceError> {
        let applet = self.identity.applet.ok_or_else(no_applet)?;
        let card = self.card.clone();
        Ok(Arc::new(move |message: &[u8]| {
            let mut slot = card.lock().map_err(|_| DeviceError::Slot.to_string())?;
            applet.sign(&mut slot, KEY_ID, message).map_err(|error| error.to_string())
        }))
    }
}

/// A step that talks to a service: a link to it, and where the conversation stands.
pub struct NetworkStep {
    link: Link,
    stage: Stage,
}

enum Stage {
    Register,
    OfferAsked,
    ClaimSent,
    Enrol,
    TrustAsked,
    CsrSent,
    Connect,
    Mqtt(Box<MqttClient>),
}

impl NetworkStep {
    /// Opens the connection that `step` needs.
    ///
    /// # Errors
    /// A refusal where an earlier step is missing.
    pub fn start(step: Step, tools: &Tools, host: &mut Host) -> Result<Self, DeviceError> {
        let (endpoint, stage) = match step {
            Step::Enrol => (EST, Stage::Enrol),
            Step::Ready => (BROKER, Stage::Connect),
            _ => (REGISTRAR, Stage::Register),
        };
        let config = tools.tls_client(step == Step::Ready)?;
        Ok(Self { link: Link::open(host, endpoint, config, tools.number)?, stage })
    }

    /// Does what can be done now.
    ///
    /// # Errors
    /// A refusal with its reason, or a fault of the bench.
    pub fn poll(
        &mut self,
        now: Instant,
        tools: &mut Tools,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        tools.clock.set(now.unix_s());
        if !self.link.pump(host, out)? {
            return Ok(Flow::Waiting);
        }
        let flow = match self.stage {
            Stage::Register | Stage::OfferAsked | Stage::ClaimSent => self.register(tools, out),
            Stage::Enrol | Stage::TrustAsked | Stage::CsrSent => self.enrol(tools, out),
            Stage::Connect | Stage::Mqtt(_) => self.report(now, tools, out),
        }?;
        match flow {
            Flow::Done(_) => self.link.close(host),
            Flow::Waiting if self.link.ended() => {
                let detail = "the service ended the connection before it had answered";
                return Err(DeviceError::refused("connection-closed", detail));
            }
            _ => self.link.flush(host)?,
        }
        Ok(flow)
    }

    /// Ends the connection.
    pub fn close(&mut self, host: &mut Host) {
        self.link.close(host);
    }

    // ---- register ----

    fn register(&mut self, tools: &mut Tools, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        match self.stage {
            Stage::OfferAsked => {
                let Some(response) = self.link.response()? else { return Ok(Flow::Waiting) };
                let offer: Offer = accepted(&response)?;
                let claim = self.claim(tools, &offer)?;
                let body = serde_json::to_vec(&claim).unwrap_or_default();
                let request =
                    Request::new("POST", REGISTRATION_PATH, REGISTRAR.name).body("application/json", body);
                self.link.request(&request, out)?;
                self.stage = Stage::ClaimSent;
                Ok(Flow::Progress)
            }
            Stage::ClaimSent => {
                let Some(response) = self.link.response()? else { return Ok(Flow::Waiting) };
                let registered: Registered = accepted(&response)?;
                tools.identity.id = octets(&registered.id);
                Ok(Flow::Done(format!(
                    "key on the ledger as {}…, block {}, contract checked the card's signature",
                    registered.id.get(..8).unwrap_or_default(),
                    registered.block
                )))
            }
            _ => {
                self.link.request(&Request::new("GET", REGISTRATION_PATH, REGISTRAR.name), out)?;
                self.stage = Stage::OfferAsked;
                Ok(Flow::Progress)
            }
        }
    }

    fn claim(&self, tools: &Tools, offer: &Offer) -> Result<Claim, DeviceError> {
        let malformed =
            || DeviceError::refused("malformed-offer", "the registrar's offer is not what it should be");
        let id: [u8; 32] = octets(&offer.id).ok_or_else(malformed)?;
        let registry: [u8; 20] = octets(&offer.registry).ok_or_else(malformed)?;
        let model = Model::new(&offer.model).map_err(|_| malformed())?;
        let contract = Contract { chain_id: offer.chain_id, address: registry.into() };
        let public_key = tools.public_key()?;
        let (x, y) = halves(&public_key);
        let message = registration_message(contract, &id, model, &x, &y);
        let signature = tools.sign(&message)?;
        Ok(Claim {
            id: hex::encode(id),
            public_key: hex::encode(public_key),
            signature: hex::encode(signature),
        })
    }

    // ---- enrol (RFC 7030) ----

    fn enrol(&mut self, tools: &mut Tools, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        match self.stage {
            Stage::TrustAsked => {
                let Some(response) = self.link.response()? else { return Ok(Flow::Waiting) };
                let kind = response.headers.get("content-type");
                let roots = est::read_cacerts_response(kind, &response.body).map_err(bad_est)?;
                if !roots.contains(&tools.identity.trust_anchor) {
                    let detail = "EST's CA certificates lack the trust anchor of the card";
                    return Err(DeviceError::refused("trust-anchor-mismatch", detail));
                }
                let csr = self.csr(tools)?;
                self.link.request(&http_request(EstRequest::simple_enroll(&csr)), out)?;
                self.stage = Stage::CsrSent;
                Ok(Flow::Progress)
            }
            Stage::CsrSent => {
                let Some(response) = self.link.response()? else { return Ok(Flow::Waiting) };
                let (kind, retry) =
                    (response.headers.get("content-type"), response.headers.get("retry-after"));
                match est::read_enroll_response(response.status, kind, retry, &response.body)
                    .map_err(bad_est)?
                {
                    Enrolment::Issued(certificate) => keep_certificate(tools, certificate),
                    Enrolment::Retry { .. } => {
                        let detail = "the service asks to come again later, which this device does not do";
                        Err(DeviceError::refused("enrolment-pending", detail))
                    }
                    Enrolment::Refused { status, reason } => Err(refused_by_est(status, &reason)),
                }
            }
            _ => {
                self.link.request(&http_request(EstRequest::cacerts()), out)?;
                self.stage = Stage::TrustAsked;
                Ok(Flow::Progress)
            }
        }
    }

    /// A CSR for the card's key, signed by the card, bound to this TLS session (RFC 7030 clause 3.5).
    fn csr(&self, tools: &Tools) -> Result<Vec<u8>, DeviceError> {
        let name = match tools.identity.id {
            Some(id) => hex::encode(id),
            None => format!("unregistered-{}", tools.number),
        };
        let binding = self.link.channel_binding()?;
        let builder = CsrBuilder::new(&name, &tools.public_key()?, Some(&binding))?;
        let signature = tools.sign(builder.tbs())?;
        Ok(builder.finish(&signature)?)
    }

    // ---- ready ----

    fn report(
        &mut self,
        now: Instant,
        tools: &Tools,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let id = tools.identity.id.map(hex::encode).unwrap_or_default();
        let mut outputs = Vec::new();
        let result = match &mut self.stage {
            Stage::Mqtt(client) => client.receive(now, &self.link.take(), &mut outputs),
            _ => {
                let options = ConnectOptions { client_id: id.clone(), keep_alive_s: KEEP_ALIVE_S };
                let client = MqttClient::connect(now, &options, &mut outputs).map_err(refusal)?;
                self.stage = Stage::Mqtt(Box::new(client));
                Ok(())
            }
        };
        let mut flow = if outputs.is_empty() { Flow::Waiting } else { Flow::Progress };
        let events = self.link.send_mqtt(outputs, out)?;
        result.map_err(refusal)?;
        for event in events {
            if let Some(proof) = self.react(now, &id, event, out)? {
                flow = Flow::Done(proof);
            }
        }
        Ok(flow)
    }

    /// What follows from an event of the MQTT session; the proof, once the telemetry is acknowledged.
    fn react(
        &mut self,
        now: Instant,
        id: &str,
        event: MqttEvent,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Option<String>, DeviceError> {
        let Stage::Mqtt(client) = &mut self.stage else { return Ok(None) };
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
                proof = Some("mutual TLS with the card's key; the cloud has the telemetry".to_owned());
            }
            MqttEvent::Acknowledged { reason, .. } | MqttEvent::Refused { reason } => {
                return Err(DeviceError::refused(format!("mqtt-{reason}"), "the cloud refused"));
            }
            MqttEvent::Disconnected { reason } => {
                return Err(DeviceError::refused(format!("mqtt-{reason}"), "the cloud ended the session"));
            }
            _ => {}
        }
        self.link.send_mqtt(outputs, out)?;
        Ok(proof)
    }
}

/// Checks that the certificate is for the card's key and puts it into the applet's file.
fn keep_certificate(tools: &mut Tools, certificate: Vec<u8>) -> Result<Flow, DeviceError> {
    let issued = DeviceCertificate::parse(&certificate).map_err(bad_est)?;
    issued.check_key(&tools.public_key()?).map_err(bad_est)?;
    let applet = tools.identity.applet.as_ref().ok_or_else(no_applet)?;
    let mut slot = tools.card.lock().map_err(|_| DeviceError::Slot)?;
    applet.write_file(&mut slot, CERTIFICATE_FILE, &certificate)?;
    drop(slot);
    let proof = format!("ledger, network and owner agree; certificate {} is in the card", issued.serial());
    tools.identity.certificate = Some(certificate);
    Ok(Flow::Done(proof))
}

fn no_applet() -> DeviceError {
    DeviceError::refused("no-key", "the step `keys` was not run")
}

fn bad_est(error: crate::ca::CaError) -> DeviceError {
    DeviceError::refused("bad-est-response", error.to_string())
}

/// EST carries a refusal as text; ours reads `word: sentence`.
fn refused_by_est(status: u16, text: &str) -> DeviceError {
    match text.split_once(": ") {
        Some((word, sentence)) if !word.contains(' ') => DeviceError::refused(word, sentence),
        _ => DeviceError::refused(format!("est-{status}"), text),
    }
}

/// A JSON answer, or the refusal that it carries.
fn accepted<T: DeserializeOwned>(response: &Response) -> Result<T, DeviceError> {
    if response.is_success() {
        return serde_json::from_slice(&response.body)
            .map_err(|error| DeviceError::refused("malformed-answer", error.to_string()));
    }
    match serde_json::from_slice::<Problem>(&response.body) {
        Ok(problem) => Err(DeviceError::refused(problem.reason, problem.detail)),
        Err(_) => Err(DeviceError::refused(format!("http-{}", response.status), response.reason.clone())),
    }
}

fn http_request(request: EstRequest) -> Request {
    let base = Request::new(request.operation.method(), request.operation.path(), EST.name);
    let with_headers = request.headers.iter().fold(base, |base, (name, value)| base.header(name, value));
    Request { body: request.body, ..with_headers }
}
