//! What the sessions of the services bear: TLS that fails, requests that are none, clients that vanish.

use cellbed::ca::est::EstRequest;
use cellbed::corenet::SessionChange;
use cellbed::crypto::tls::{self, VirtualClock};
use cellbed::crypto::{SoftKey, Tally};
use cellbed::event::Body;
use cellbed::id::Imei;
use cellbed::kernel::{Duration, EPOCH_UNIX_S, Instant, RngTree};
use cellbed::ledger::Engine;
use cellbed::net::ServiceAddress;
use cellbed::net::endpoint::{BROKER, EST, PKI, REGISTRAR};
use cellbed::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, MqttOutput, Qos};
use cellbed::net::{Host, NetError, PlainStream, TlsStream};
use cellbed::services::servers::Servers;
use cellbed::services::{Holders, ServiceInput, ServiceOutput, Services, Sessions};
use cellbed::wire::http::{Limits, Request, Response, ResponseParser};
use cellbed::wire::registration::{Offer, REGISTRATION_PATH};

use super::attested::Network;
use super::lab::{Lab, Subject, claim_request, est_word, notes, orders, word};

const MTU: u16 = 1400;

/// A device's IP stack on one side, the services on the other.
pub struct Line {
    services: Services,
    pub host: Host,
    clock: VirtualClock,
    pub root: Vec<u8>,
    pub now: Instant,
    pub events: Vec<Body>,
    /// The tokens of the registrar's orders.
    pub orders: Vec<Vec<u8>>,
}

impl Line {
    pub fn new(mut lab: Lab, subject: &Subject) -> Self {
        let (rng, tally) = (RngTree::new(7), Tally::new());
        let clock = VirtualClock::new(EPOCH_UNIX_S + 60);
        let servers = Servers::new(&mut lab.authority, &rng, &tally, &clock, None, false).unwrap();
        let root = lab.authority.root_der().to_vec();
        let now = Instant::ZERO + Duration::from_secs(60);
        let mut holders = Holders::default();
        holders.add(subject.iccid.clone(), 1, Imei::test(1));
        let network = Network::new(1);
        let sessions = Sessions::new([(network.plmn, network.key.public())].into(), holders, &tally);
        let services = rng.branch("services");
        let services =
            Services::new(lab.offices(), servers, sessions, orders(), clock.clone(), MTU, services);
        let host = Host::new(subject.ip, MTU, rng.branch("host"));
        let mut line = Self { services, host, clock, root, now, events: Vec::new(), orders: Vec::new() };
        let up = SessionChange::Up(subject.attestation.clone());
        line.take(ServiceInput::Session(network.states(now, 1, up)));
        line
    }

    pub fn offices(&self) -> &cellbed::services::Offices {
        self.services.offices()
    }

    pub fn ledger(&self) -> &Engine {
        self.services.offices().chain.ledger()
    }

    pub fn connect(&mut self, to: ServiceAddress, certificate: Option<(&[u8], &SoftKey)>) -> TlsStream {
        let root = self.root.clone();
        self.connect_trusting(&root, to, certificate)
    }

    fn connect_trusting(
        &mut self,
        root: &[u8],
        to: ServiceAddress,
        certificate: Option<(&[u8], &SoftKey)>,
    ) -> TlsStream {
        let provider = tls::provider(RngTree::new(9), &Tally::new());
        let client =
            certificate.map(|(der, key)| (vec![der.to_vec()], tls::signing_key(key.sign_fn(), key.public())));
        let config =
            tls::client_config(provider, &[root.to_vec()], client, None, self.clock.clone(), None).unwrap();
        let connection = self.host.connect(to.socket()).unwrap();
        TlsStream::client(config, to.name, connection).unwrap()
    }

    /// Lets both ends work until nothing moves any more. Returns how the client's session stands.
    pub fn run(&mut self, stream: &mut TlsStream) -> Result<(), NetError> {
        let mut result = Ok(());
        for _ in 0..40 {
            self.now += Duration::from_millis(5);
            result = stream.pump(&mut self.host);
            self.send();
            self.take(ServiceInput::Timer);
        }
        result
    }

    /// Lets what the device has to send arrive.
    pub fn send(&mut self) {
        let mut up = Vec::new();
        self.host.poll(self.now, &mut up);
        up.into_iter().for_each(|packet| self.take(ServiceInput::Packet(packet)));
    }

    pub fn take(&mut self, input: ServiceInput) {
        let mut out = Vec::new();
        self.services.handle(self.now, input, &mut out).unwrap();
        for output in out {
            match output {
                ServiceOutput::Packet(packet) => self.host.receive(packet),
                ServiceOutput::Event(body, _) => self.events.push(body),
                ServiceOutput::Order(order) => self.orders.push(order.token),
            }
        }
    }

    /// Writes `bytes` on `stream`, and returns every response.
    fn say(&mut self, stream: &mut TlsStream, bytes: &[u8]) -> Vec<Response> {
        stream.write(bytes).unwrap();
        let _ = self.run(stream);
        responses(stream)
    }

    /// A new session with the registrar, and in it the claim of `subject` in answer to the last of `offers` offers, which
    /// were asked for in one piece.
    fn offered(&mut self, subject: &Subject, offers: usize) -> (TlsStream, Vec<u8>) {
        let mut stream = self.connect(REGISTRAR, None);
        let answers = self.say(&mut stream, &offer_request().repeat(offers));
        assert_eq!(statuses(&answers), vec![200; offers]);
        let offer: Offer = serde_json::from_slice(&answers[offers - 1].body).unwrap();
        let subject = Subject { binding: stream.channel_binding().unwrap(), ..subject.clone() };
        (stream, claim_request(&subject.claim(&offer)).encode())
    }

    /// Writes `bytes` on a new session with the registrar and returns every response, and the session.
    pub fn ask(&mut self, bytes: &[u8]) -> (Vec<Response>, TlsStream) {
        let mut stream = self.connect(REGISTRAR, None);
        (self.say(&mut stream, bytes), stream)
    }
}

fn responses(stream: &mut TlsStream) -> Vec<Response> {
    let mut bytes = Vec::new();
    stream.read(&mut bytes);
    let mut parser = ResponseParser::new(Limits::default());
    parser.push(&bytes);
    std::iter::from_fn(|| parser.next_response().unwrap()).collect()
}

pub fn statuses(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}

fn offer_request() -> Vec<u8> {
    Request::new("GET", REGISTRATION_PATH, REGISTRAR.name).encode()
}

fn ordered(subject: &Subject) -> Line {
    Line::new(Lab::new().ordered(subject, true), subject)
}

#[test]
fn a_request_that_is_none_is_answered_once_and_ends_the_session() {
    let subject = Subject::new(1);
    let mut line = ordered(&subject);
    let behind = offer_request();
    let (answers, stream) = line.ask(&[b"NONSENSE\r\n\r\n", &behind[..]].concat());
    assert_eq!(statuses(&answers), [400]);
    assert_eq!(word(&answers[0]), "malformed-request");
    assert!(stream.peer_closed());
    assert_eq!(line.ledger().pending(), 0);
    assert!(line.ledger().device(&subject.id()).is_none());
    // The next session is served.
    assert_eq!(statuses(&line.ask(&offer_request()).0), [200]);
}

#[test]
fn requests_in_one_piece_are_answered_in_their_order() {
    let subject = Subject::new(1);
    let mut line = ordered(&subject);
    let (mut stream, claim) = line.offered(&subject, 2);
    let answers = line.say(&mut stream, &[claim, offer_request()].concat());
    assert_eq!(statuses(&answers), [201, 200]);
    assert!(!stream.peer_closed());
}

#[test]
fn a_client_that_vanishes_does_not_lose_its_registration() {
    let subject = Subject::new(1);
    let mut line = ordered(&subject);
    let (mut stream, claim) = line.offered(&subject, 1);
    stream.write(&claim).unwrap();
    stream.pump(&mut line.host).unwrap();
    line.send();
    line.host.abort(stream.connection());
    line.send();
    let _ = line.run(&mut stream);
    assert!(line.ledger().device(&subject.id()).is_some());
    let (mut stream, claim) = line.offered(&subject, 1);
    assert_eq!(statuses(&line.say(&mut stream, &claim)), [200], "asked again");
}

#[test]
fn a_client_that_does_not_trust_the_server_tells_it_so() {
    let subject = Subject::new(1);
    let mut line = ordered(&subject);
    let other = cellbed::ca::Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap();
    let mut stream = line.connect_trusting(other.root_der(), REGISTRAR, None);
    let error = line.run(&mut stream).unwrap_err();
    assert!(matches!(&error, NetError::Tls(fault) if fault.alert == "unknown_ca" && !fault.received));
    assert_eq!(notes(&line.events), ["registrar TLS refused by the client client=dev1 alert=unknown_ca"]);
}

/// A device with a certificate that the ledger knows, at the broker.
fn active(subject: &Subject) -> (Lab, Vec<u8>) {
    let mut lab = Lab::new().registered(subject);
    let certificate = lab.certify(subject);
    (lab, certificate)
}

/// Says CONNECT as `client_id`, then publishes to `topics`. Returns what the broker says to it, by name.
fn converse(
    line: &mut Line,
    certificate: (&[u8], &SoftKey),
    client_id: &str,
    topics: &[&str],
) -> Vec<String> {
    let mut stream = line.connect(BROKER, Some(certificate));
    let options = ConnectOptions { client_id: client_id.into(), keep_alive_s: 60 };
    let mut out = Vec::new();
    let mut client = MqttClient::connect(line.now, &options, &mut out).unwrap();
    let mut told = Vec::new();
    let mut topics = topics.iter();
    loop {
        for output in out.drain(..) {
            match output {
                MqttOutput::Send { bytes, .. } => stream.write(&bytes).unwrap(),
                MqttOutput::Event(MqttEvent::Acknowledged { reason, .. }) => told.push(reason.to_string()),
                MqttOutput::Event(MqttEvent::Refused { reason }) => told.push(format!("refused {reason}")),
                MqttOutput::Event(_) => {}
            }
        }
        if let Err(NetError::Tls(fault)) = line.run(&mut stream) {
            told.push(format!("alert {}", fault.alert));
        }
        let mut bytes = Vec::new();
        stream.read(&mut bytes);
        let _ = client.receive(line.now, &bytes, &mut out);
        if out.is_empty() {
            let Some(topic) = topics.next().filter(|_| client.is_connected()) else { return told };
            client.publish(line.now, topic, b"{}", Qos::AtLeastOnce, &mut out).unwrap();
        }
    }
}

#[test]
fn an_active_device_reports_below_its_own_topic_only() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let (lab, certificate) = active(&subject);
    let mut line = Line::new(lab, &subject);
    let id = subject.name().to_string();
    let own = format!("devices/{id}/telemetry");
    let foreign = format!("devices/{}/telemetry", other.name());
    let longer = format!("devices/{id}0/telemetry");
    let topics = [&*own, &foreign, &longer, "telemetry", &own];
    let told = converse(&mut line, (&certificate, &subject.key), &id, &topics);
    assert_eq!(told, ["success", "not-authorized", "not-authorized", "not-authorized", "success"]);
    assert_eq!(line.services.offices().cloud.telemetry(), 2);
}

#[test]
fn a_client_is_who_its_certificate_says() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let (lab, certificate) = active(&subject);
    let mut line = Line::new(lab, &subject);
    let told = converse(&mut line, (&certificate, &subject.key), &other.name().to_string(), &["x"]);
    assert_eq!(told, ["refused not-authorized"]);
    assert_eq!(notes(&line.events), ["cloud client turned away reason=client-identity-mismatch"]);
}

#[test]
fn what_the_ledger_says_against_a_device_is_why_it_is_turned_away() {
    let subject = Subject::new(1);
    for (act, reason) in [
        (Lab::quarantine as fn(&mut Lab, &Subject), "device-quarantined"),
        (Lab::revoke, "device-revoked"),
        (|lab, subject| drop(lab.certify(subject)), "certificate-superseded"),
    ] {
        let (mut lab, certificate) = active(&subject);
        act(&mut lab, &subject);
        let mut line = Line::new(lab, &subject);
        let told = converse(&mut line, (&certificate, &subject.key), &subject.name().to_string(), &["x"]);
        assert_eq!(told, ["refused not-authorized"]);
        assert_eq!(notes(&line.events), [format!("cloud client turned away reason={reason}")]);
    }
}

#[test]
fn a_certificate_of_another_authority_does_not_get_through_tls() {
    let subject = Subject::new(1);
    let mut elsewhere = Lab::new().registered(&subject);
    elsewhere.authority = cellbed::ca::Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap();
    let forged = elsewhere.issue(&subject, &subject.named());
    let (lab, _) = active(&subject);
    let mut line = Line::new(lab, &subject);
    let told = converse(&mut line, (&forged, &subject.key), &subject.name().to_string(), &["x"]);
    assert_eq!(told, ["alert unknown_ca"]);
    assert_eq!(notes(&line.events), ["cloud TLS client refused client=dev1 alert=unknown_ca"]);
}

#[test]
fn the_broker_wants_a_certificate_and_the_key_to_it() {
    let (subject, thief) = (Subject::new(1), Subject::new(2));
    let (lab, certificate) = active(&subject);
    let mut line = Line::new(lab, &subject);
    let mut stream = line.connect(BROKER, None);
    let error = line.run(&mut stream).unwrap_err();
    assert!(matches!(error, NetError::Tls(fault) if fault.alert == "certificate_required" && fault.received));
    // rustls sees to it that a client shows no certificate of another key, so that this one lies to it.
    let lie = tls::signing_key(thief.key.sign_fn(), subject.key.public());
    let provider = tls::provider(RngTree::new(9), &Tally::new());
    let client = Some((vec![certificate], lie));
    let config =
        tls::client_config(provider, &[line.root.clone()], client, None, line.clock.clone(), None).unwrap();
    let connection = line.host.connect(BROKER.socket()).unwrap();
    let mut stream = TlsStream::client(config, BROKER.name, connection).unwrap();
    let error = line.run(&mut stream).unwrap_err();
    assert!(matches!(error, NetError::Tls(fault) if fault.alert == "decrypt_error" && fault.received));
}

/// What is public is at a port of its own, without TLS, beside EST.
#[test]
fn the_list_and_the_root_are_fetched_over_plain_http() {
    let subject = Subject::new(1);
    let (lab, _) = active(&subject);
    let root = lab.authority.root_der().to_vec();
    let mut line = Line::new(lab, &subject);
    let mut stream = PlainStream::new(line.host.connect(PKI.socket()).unwrap());
    for path in ["/ca.crl", "/ca.cer", "/.well-known/est/cacerts"] {
        stream.write(&Request::new("GET", path, PKI.name).encode()).unwrap();
    }
    let mut parser = ResponseParser::new(Limits::default());
    for _ in 0..40 {
        line.now += Duration::from_millis(5);
        stream.pump(&mut line.host).unwrap();
        line.send();
        line.take(ServiceInput::Timer);
        let mut bytes = Vec::new();
        stream.read(&mut bytes);
        parser.push(&bytes);
    }
    let found: Vec<Response> = std::iter::from_fn(|| parser.next_response().unwrap()).collect();
    assert_eq!(statuses(&found), [200, 200, 404]);
    assert!(cellbed::ca::list_number(&found[0].body).is_ok());
    assert_eq!(found[1].body, root);
}

/// Who re-enrols shows his certificate in the handshake.
#[test]
fn a_device_enrols_again_over_mutual_tls() {
    let subject = Subject::new(1);
    let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
    let certificate = lab.certify(&subject);
    let mut line = Line::new(lab, &subject);
    let mut stream = line.connect(EST, Some((&certificate, &subject.key)));
    line.run(&mut stream).unwrap();
    let binding = stream.channel_binding().unwrap();
    let csr = subject.csr(Some(&subject.named()), &subject.key, Some(&binding));
    let request = EstRequest::simple_reenroll(&csr).to_http(EST.name).encode();
    stream.write(&request).unwrap();
    line.run(&mut stream).unwrap();
    assert_eq!(statuses(&responses(&mut stream)), [200]);
    // The same request in another session, as somebody sends it who has seen it.
    let mut stream = line.connect(EST, Some((&certificate, &subject.key)));
    stream.write(&request).unwrap();
    line.run(&mut stream).unwrap();
    let refused = responses(&mut stream);
    assert_eq!((refused[0].status, est_word(&refused[0]).as_str()), (400, "csr-not-bound"));
}

/// What comes behind a request that waits for the ledger does not pile up: the window closes.
#[test]
fn requests_behind_one_that_waits_are_bounded() {
    let subject = Subject::new(1);
    let mut line = Line::new(Lab::new().ordered(&subject, true), &subject);
    let (mut stream, claim) = line.offered(&subject, 1);
    stream.write(&claim).unwrap();
    let behind = Request::new("GET", REGISTRATION_PATH, REGISTRAR.name).encode();
    let mut taken = 0;
    // Time goes on and the chain is not woken, so that the claim waits all the while.
    for _ in 0..2_000 {
        if stream.write(&behind).is_ok() {
            taken += behind.len();
        }
        line.now += Duration::from_millis(5);
        let _ = stream.pump(&mut line.host);
        line.send();
    }
    assert!((10_000..150_000).contains(&taken), "{taken}");
}
