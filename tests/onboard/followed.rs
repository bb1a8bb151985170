//! What follows where the ledger changes the status of a device: everybody acts on that, and on nothing else.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

use std::path::Path;
use std::process::Command;

use cellbed::ca::ocsp::{Answered, Question};
use cellbed::corenet::Quarantine;
use cellbed::crypto::SoftKey;
use cellbed::crypto::key::verify;
use cellbed::device::plan::{Act, Condition};
use cellbed::event::{Actor, Body, Event, Step, StepId};
use cellbed::kernel::{Duration, EPOCH_UNIX_S, Instant, RngTree};
use cellbed::ledger::{MemoryStore, Status};
use cellbed::net::endpoint::{BROKER, PKI};
use cellbed::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, MqttOutput};
use cellbed::net::{PlainStream, TlsStream};
use cellbed::services::ServiceInput;
use cellbed::services::guard::{Cause, Deed, OperatorAct};
use cellbed::services::orders::ISSUER;
use cellbed::wire::alarm::{ALARM_PATH, ALARM_TYPE, Alarm, Level, Witness};
use cellbed::wire::http::{Limits, Request, ResponseParser};
use cellbed::wire::order::{Grounds, Inbox, Order, Verdict};
use cellbed::world::acts::{PlannedAct, When};
use cellbed::world::setup::Setup;
use cellbed::world::topology::{Cut, LinkSpec};
use cellbed::world::{Iface, Payload, Port, To, World};

use super::lab::{Lab, Subject, notes, orders, peer, sentry};
use super::runs::{outcomes, setup};
use super::sessions::Line;
use crate::support::need_command;

/// A device in service, and the line to its services.
struct Scene {
    line: Line,
    subject: Subject,
    certificate: Vec<u8>,
    inbox: Inbox,
    followed: usize,
}

impl Scene {
    fn new() -> Self {
        let subject = Subject::new(1);
        let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
        let certificate = lab.certify(&subject);
        let check = |public: &[u8; 64], message: &[u8], signature: &[u8; 64]| {
            verify(public, message, signature).is_ok()
        };
        let inbox = Inbox::new(check).following(ISSUER, orders().public());
        Self { line: Line::new(lab, &subject), subject, certificate, inbox, followed: 0 }
    }

    fn operate(&mut self, deed: Deed, cause: Option<Cause>) {
        let act = OperatorAct { deed, device: 1, cause };
        self.line.take(ServiceInput::Operator(act));
        // The group commit.
        for _ in 0..10 {
            self.line.now += Duration::from_millis(5);
            self.line.take(ServiceInput::Timer);
        }
    }

    /// The orders that have come since they were asked for last.
    fn orders(&mut self) -> Vec<Order> {
        let new = self.line.orders[self.followed..].iter();
        let now = self.line.now.unix_s();
        let orders: Vec<_> = new.map(|token| self.inbox.take(now, token).unwrap()).collect();
        self.followed = self.line.orders.len();
        orders
    }

    fn status(&self) -> Status {
        self.line.ledger().device(&self.subject.id()).unwrap().status
    }

    fn connect(&mut self) -> (MqttClient, TlsStream, Vec<String>) {
        let key: &SoftKey = &self.subject.key;
        let mut stream = self.line.connect(BROKER, Some((&self.certificate, key)));
        let options = ConnectOptions { client_id: self.subject.name().to_string(), keep_alive_s: 60 };
        let mut out = Vec::new();
        let mut client = MqttClient::connect(self.line.now, &options, &mut out).unwrap();
        send(&mut stream, out);
        let told = self.hear(&mut client, &mut stream);
        (client, stream, told)
    }

    /// What the client is told.
    fn hear(&mut self, client: &mut MqttClient, stream: &mut TlsStream) -> Vec<String> {
        let _ = self.line.run(stream);
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        stream.read(&mut bytes);
        let _ = client.receive(self.line.now, &bytes, &mut out);
        let told = out.iter().filter_map(|output| match output {
            MqttOutput::Event(MqttEvent::Connected) => Some("connected".to_owned()),
            MqttOutput::Event(MqttEvent::Refused { reason } | MqttEvent::Disconnected { reason }) => {
                Some(reason.to_string())
            }
            _ => None,
        });
        told.collect()
    }

    /// What the authority answers at `path`; to a POST of `body` where there is one.
    fn pki(&mut self, path: &str, body: Option<Vec<u8>>) -> Vec<u8> {
        let request = match body {
            Some(body) => Request::new("POST", path, PKI.name).body("application/ocsp-request", body),
            None => Request::new("GET", path, PKI.name),
        };
        let line = &mut self.line;
        let mut stream = PlainStream::new(line.host.connect(PKI.socket()).unwrap());
        stream.write(&request.encode()).unwrap();
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
        let response = parser.next_response().unwrap().unwrap();
        assert_eq!(response.status, 200, "{path}");
        response.body
    }
}

fn send(stream: &mut TlsStream, out: Vec<MqttOutput>) {
    for output in out {
        if let MqttOutput::Send { bytes, .. } = output {
            stream.write(&bytes).unwrap();
        }
    }
}

#[test]
fn quarantine_ends_the_live_session_and_release_lets_the_same_certificate_in_again() {
    let mut scene = Scene::new();
    let (mut client, mut stream, told) = scene.connect();
    assert_eq!(told, ["connected"]);
    scene.operate(Deed::Quarantine, None);
    assert_eq!(scene.status(), Status::Quarantined);
    assert_eq!(scene.hear(&mut client, &mut stream), ["administrative-action"]);
    assert!(stream.peer_closed() && !client.is_connected());
    assert_eq!(scene.connect().2, ["not-authorized"]);
    let [order] = &scene.orders()[..] else { panic!("one order") };
    assert_eq!((order.verdict, order.device), (Verdict::Isolate, scene.subject.id()));
    assert!(matches!(order.grounds, Grounds::Ledger { .. }));
    assert_eq!(order.subscriptions, [scene.subject.iccid.clone()]);
    assert_eq!(order.sessions.iter().map(|(_, ip)| *ip).collect::<Vec<_>>(), [scene.subject.ip]);

    scene.operate(Deed::Release, None);
    assert_eq!(scene.status(), Status::Active);
    assert_eq!(scene.connect().2, ["connected"]);
    assert_eq!(scene.orders().iter().map(|order| order.verdict).collect::<Vec<_>>(), [Verdict::Release]);
}

#[test]
fn what_the_ledger_refuses_has_no_consequence() {
    let mut scene = Scene::new();
    let (mut client, mut stream, _) = scene.connect();
    scene.operate(Deed::Release, None);
    assert_eq!(scene.status(), Status::Active);
    assert!(scene.hear(&mut client, &mut stream).is_empty() && client.is_connected());
    assert!(scene.orders().is_empty());
    let told = notes(&scene.line.events);
    assert!(
        told.iter().any(|note| note.contains("the ledger refuses") && note.contains("wrong-state")),
        "{told:?}"
    );
}

#[test]
fn a_life_that_has_ended_does_not_come_back() {
    let mut scene = Scene::new();
    scene.operate(Deed::Revoke, Some(Cause::KeyCompromise));
    scene.operate(Deed::Release, None);
    assert_eq!(scene.status(), Status::Revoked);
    assert_eq!(scene.connect().2, ["not-authorized"]);
    assert_eq!(scene.orders().iter().map(|order| order.verdict).collect::<Vec<_>>(), [Verdict::Revoke]);
}

#[test]
fn who_follows_again_is_told_what_stands() {
    let mut scene = Scene::new();
    scene.operate(Deed::Quarantine, None);
    assert_eq!(scene.orders().len(), 1);
    scene.line.take(ServiceInput::Followed);
    let again = scene.orders();
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].verdict, &again[0].subscriptions[..]),
        (Verdict::Isolate, &[scene.subject.iccid.clone()][..])
    );
    scene.operate(Deed::Release, None);
    scene.orders();
    scene.line.take(ServiceInput::Followed);
    assert!(scene.orders().is_empty());
}

fn alarm(scene: &Scene, sequence: u64, witness: Witness, level: Level) -> Alarm {
    Alarm {
        issuer: "guard".to_owned(),
        issued_unix_s: scene.line.now.unix_s(),
        sequence,
        witness,
        level,
        session: None,
        address: scene.subject.ip.into(),
        evidence: [0xee; 32],
        window_us: (0, 10_000_000),
        features: 1,
        residuals: 1,
        instant: 0,
    }
}

impl Scene {
    /// Raises an alarm under `key`, and lets the group commit come.
    fn raise(&mut self, alarm: &Alarm, key: &SoftKey) {
        self.line.take(ServiceInput::Alarm(alarm.encode(|message| key.sign(message))));
        for _ in 0..10 {
            self.line.now += Duration::from_millis(5);
            self.line.take(ServiceInput::Timer);
        }
    }
}

#[test]
fn what_is_certain_becomes_a_quarantine_with_its_evidence_once() {
    let mut scene = Scene::new();
    for sequence in 1..=3 {
        let certain = alarm(&scene, sequence, Witness::Network, Level::Certain);
        scene.raise(&certain, &sentry());
    }
    assert_eq!(scene.status(), Status::Quarantined);
    let [order] = &scene.orders()[..] else { panic!("one order") };
    assert_eq!(order.verdict, Verdict::Isolate);
    let told = notes(&scene.line.events);
    let quarantined = told.iter().filter(|note| note.contains("active -> quarantined"));
    assert_eq!(quarantined.count(), 1);
    assert_eq!(scene.line.offices().guard.evidence().count(), 3);
}

#[test]
fn what_is_suspected_or_said_by_a_device_restricts_and_writes_nothing() {
    for (witness, level) in
        [(Witness::Network, Level::Suspect), (Witness::Peer, Level::Suspect), (Witness::Peer, Level::Certain)]
    {
        let mut scene = Scene::new();
        let blocks = scene.line.ledger().standing().head.number;
        let suspicion = alarm(&scene, 1, witness, level);
        match witness {
            Witness::Peer => scene.raise(&Alarm { issuer: "cloud".to_owned(), ..suspicion }, &peer()),
            _ => scene.raise(&suspicion, &sentry()),
        }
        assert_eq!((scene.status(), scene.line.ledger().standing().head.number), (Status::Active, blocks));
        let [order] = &scene.orders()[..] else { panic!("one order") };
        assert_eq!((order.verdict, order.grounds), (Verdict::Restrict, Grounds::Evidence([0xee; 32])));
    }
}

/// An alarm of the cloud.
fn of_cloud(scene: &Scene, sequence: u64) -> Alarm {
    Alarm { issuer: "cloud".to_owned(), ..alarm(scene, sequence, Witness::Peer, Level::Certain) }
}

/// Why alarms were refused, in a word each.
fn refusals(scene: &Scene) -> Vec<String> {
    let told = notes(&scene.line.events);
    let refused = told.iter().filter_map(|note| note.split_once("alarm refused reason=")).map(|(_, why)| why);
    refused.map(|why| why.split(' ').next().unwrap().to_owned()).collect()
}

/// A peer that says it is the network's guard, or the device; and the guard's key in the place of a device's.
#[test]
fn whose_key_is_known_as_one_witness_is_no_other() {
    let mut scene = Scene::new();
    for witness in [Witness::Network, Witness::Device] {
        scene.raise(&Alarm { witness, ..of_cloud(&scene, 1) }, &peer());
    }
    scene.raise(&alarm(&scene, 1, Witness::Device, Level::Certain), &sentry());
    assert_eq!(refusals(&scene), ["another-witness"; 3]);
    assert_eq!(scene.status(), Status::Active);
    assert!(scene.orders().is_empty());
}

#[test]
fn a_peer_that_goes_on_and_on_is_heard_eight_times_and_drowns_nobody_out() {
    let mut scene = Scene::new();
    for sequence in 1..=20 {
        scene.raise(&of_cloud(&scene, sequence), &peer());
    }
    assert_eq!(refusals(&scene), ["too-many-of-this-peer"; 12]);
    assert_eq!((scene.status(), scene.orders().len()), (Status::Active, 1));
    scene.raise(&alarm(&scene, 1, Witness::Network, Level::Certain), &sentry());
    assert_eq!(scene.status(), Status::Quarantined);
}

#[test]
fn an_alarm_that_is_forged_comes_again_or_names_nobody_does_nothing() {
    let mut scene = Scene::new();
    let thief = SoftKey::from_stream(&mut RngTree::new(9).stream("key"));
    let certain = alarm(&scene, 2, Witness::Network, Level::Certain);
    scene.raise(&certain, &thief);
    scene.raise(&Alarm { issuer: "somebody".to_owned(), ..certain.clone() }, &sentry());
    scene.raise(&Alarm { address: [10, 44, 9, 9].into(), ..certain.clone() }, &sentry());
    scene.raise(&certain, &sentry());
    scene.raise(&Alarm { sequence: 1, ..certain.clone() }, &sentry());
    scene.line.take(ServiceInput::Alarm(b"nonsense".to_vec()));
    assert_eq!(scene.status(), Status::Active);
    assert!(scene.orders().is_empty());
    let told = notes(&scene.line.events);
    let refused = told.iter().filter_map(|note| note.split_once("alarm refused reason=")).map(|(_, why)| why);
    let words: Vec<_> = refused.map(|why| why.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["bad-signature", "bad-signature", "no-session", "replayed", "replayed", "malformed"]);
}

/// A device accuses itself in its own session, with the key that the ledger has of it, under its own name, and once: that
/// restricts it, and nobody else's word does.
#[test]
fn a_device_accuses_itself_and_nobody_else() {
    let (subject, other) = (Subject::new(2), Subject::new(3));
    let lab =
        Lab::new().ordered(&subject, true).registered(&subject).ordered(&other, true).registered(&other);
    let mut open = lab.open();
    let own = Alarm {
        issuer: subject.name().to_string(),
        issued_unix_s: EPOCH_UNIX_S,
        sequence: 5,
        witness: Witness::Device,
        level: Level::Certain,
        session: None,
        address: subject.ip.into(),
        evidence: [0xee; 32],
        window_us: (0, 10_000_000),
        features: 0,
        residuals: 0,
        instant: 4,
    };
    let mut told = |who: &Subject, alarm: &Alarm, key: &SoftKey| {
        let token = alarm.encode(|message| key.sign(message));
        let request = Request::new("POST", ALARM_PATH, "registrar.cellbed.test").body(ALARM_TYPE, token);
        let status = open.register(who, &request).status;
        (status, std::mem::take(&mut open.offices.accused).len())
    };
    let refused = (403, 0);
    assert_eq!(told(&subject, &own, &other.key), refused, "another key");
    assert_eq!(told(&other, &own, &subject.key), refused, "in a session of another device");
    let of_other = Alarm { issuer: other.name().to_string(), ..own.clone() };
    assert_eq!(told(&subject, &of_other, &subject.key), refused, "under another name");
    for bent in [
        Alarm { witness: Witness::Network, ..own.clone() },
        Alarm { address: other.ip.into(), ..own.clone() },
        Alarm { sequence: 0, ..own.clone() },
    ] {
        assert_eq!(told(&subject, &bent, &subject.key), refused, "{bent:?}");
    }
    assert_eq!(told(&subject, &own, &subject.key), (204, 1));
    assert_eq!(told(&subject, &own, &subject.key), refused, "again");
    assert_eq!(told(&subject, &Alarm { sequence: 4, ..own.clone() }, &subject.key), refused, "an older one");
    assert_eq!(told(&subject, &Alarm { sequence: 6, ..own.clone() }, &subject.key), (204, 1));
    let stranger = Subject::new(4);
    assert_eq!(told(&stranger, &own, &subject.key), refused, "who was never ordered");
    let get = Request::new("GET", ALARM_PATH, "registrar.cellbed.test");
    assert_eq!(open.register(&subject, &get).status, 405);
    let kept: Vec<_> = open.offices.guard.evidence().map(|alarm| alarm.sequence).collect();
    assert_eq!(kept, [5, 6]);
}

/// One device that has nothing to do for a while after it has reported, and reports again.
fn patient(acts: Vec<PlannedAct>) -> Setup {
    let mut setup = setup(1);
    let detach = setup.plan.pop();
    assert!(detach.is_some_and(|act| act.step().is_some_and(|id| id.step == Step::Detach)));
    setup.plan.push(Act::Wait(Duration::from_secs(6)));
    setup.plan.push(Act::Step(StepId { step: Step::Ready, nth: 2 }));
    setup.acts = acts;
    setup
}

fn after_ready(deed: Deed, delay_ms: u64) -> PlannedAct {
    let ready = Condition { device: 1, step: StepId::first(Step::Ready) };
    let act = OperatorAct { deed, device: 1, cause: None };
    PlannedAct { when: When::After(ready, Duration::from_millis(delay_ms)), act }
}

fn last(events: &[Event]) -> String {
    outcomes(events)[&1].last().map(|(step, found)| format!("{step} {found}")).unwrap()
}

/// Whoever sits on the wire between registrar and core: what he makes up, and what he has heard before.
#[test]
fn forged_and_replayed_orders_are_told_and_change_nothing() {
    let acts = vec![after_ready(Deed::Quarantine, 100), after_ready(Deed::Release, 1000)];
    let mut world = World::set_up(patient(acts), Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    let mut until = Instant::ZERO;
    let heard = |events: &[Event]| {
        events.iter().find_map(|event| match &event.body {
            Body::Message(message) if message.label.name == "Isolate" => Some(message.bytes.clone()),
            _ => None,
        })
    };
    let released = |events: &[Event]| {
        events.iter().any(|event| matches!(&event.body, Body::Message(m) if m.label.name == "Release"))
    };
    while !released(&events) {
        until += Duration::from_millis(100);
        world.step_until(until, &mut |event| events.push(event)).unwrap();
    }
    let heard = heard(&events).unwrap();
    let thief = SoftKey::from_stream(&mut RngTree::new(9).stream("key"));
    let check: fn(&[u8; 64], &[u8], &[u8; 64]) -> bool = |_, _, _| true;
    let order = Inbox::new(check).following(ISSUER, [0; 64]).take(0, &heard).unwrap();
    let forged = Order { sequence: 99, ..order }.sign(|message| thief.sign(message));
    let (from, to) = (Port::new(Actor::REGISTRAR, Iface::Orders), Port::new(Actor::MME, Iface::Orders));
    for token in [heard, forged, b"nonsense".to_vec()] {
        let frame = Payload::Bytes(token);
        world.inject(from, To::Port(to), frame, &mut |event| events.push(event)).unwrap();
    }
    world.run(Duration::from_secs(60), &mut |event| events.push(event)).unwrap();
    let told = notes(events.iter().map(|event| &event.body));
    let words: Vec<_> = told.iter().filter_map(|note| note.split_once("order refused reason=")).collect();
    let words: Vec<_> = words.iter().map(|(_, why)| why.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["replayed", "bad-signature", "malformed"]);
    assert_eq!(last(&events), "ready#2 done");
}

/// The association is cut when the ledger speaks: the core hears of it when it is back.
#[test]
fn an_order_that_was_lost_is_told_again() {
    let (from, to) = (Port::new(Actor::REGISTRAR, Iface::Orders), Port::new(Actor::MME, Iface::Orders));
    let cut = Cut { from: Duration::from_millis(10), until: Duration::from_secs(4) };
    let link = LinkSpec { cuts: vec![cut], ..LinkSpec::new(from, to, Duration::from_millis(5)) };
    let acts = vec![after_ready(Deed::Quarantine, 100)];
    let mut setup = patient(acts);
    setup.links = vec![link];
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    world.run(Duration::from_secs(60), &mut |event| events.push(event)).unwrap();
    let detached = events.iter().find(|event| match &event.body {
        Body::Message(message) => message.label.name == "Detach Request",
        _ => false,
    });
    assert!(detached.is_some_and(|event| event.at >= Instant::ZERO + cut.until));
    assert_eq!(last(&events), "ready#2 esm-cause-8");
}

/// A bench that keeps devices in quarantine attached: what the device sends to its cloud ends at the switch.
#[test]
fn a_device_that_stays_for_its_remediation_is_not_served() {
    let mut setup = patient(vec![after_ready(Deed::Quarantine, 100)]);
    setup.quarantine = Quarantine::Remediation;
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    world.run(Duration::from_secs(90), &mut |event| events.push(event)).unwrap();
    assert_eq!(last(&events), "ready#2 connection-timeout");
}

fn openssl(folder: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A peer that knows nothing of the ledger and asks the authority, by OCSP and by the revocation list, as OpenSSL does.
#[test]
fn openssl_hears_of_the_hold_its_end_and_of_a_revocation() {
    if !need_command("openssl", "a peer that asks OCSP and CRL refuses a quarantined device") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut scene = Scene::new();
    for (name, der) in [("root", scene.line.root.clone()), ("device", scene.certificate.clone())] {
        std::fs::write(folder.join("one.der"), der).unwrap();
        assert!(openssl(folder, &format!("x509 -inform DER -in one.der -out {name}.pem")).0);
    }
    assert!(openssl(folder, "ocsp -issuer root.pem -cert device.pem -reqout request.der -no_nonce").0);
    let request = std::fs::read(folder.join("request.der")).unwrap();
    // A peer of ours asks as OpenSSL does, and reads what OpenSSL reads.
    let question = Question::new(&scene.certificate, &scene.line.root).unwrap();
    assert_eq!(hex::encode(question.request().unwrap()), hex::encode(&request));
    let ask = |scene: &mut Scene| {
        std::fs::write(folder.join("response.der"), scene.pki("/ocsp", Some(request.clone()))).unwrap();
        std::fs::write(folder.join("list.der"), scene.pki("/ca.crl", None)).unwrap();
        let at = EPOCH_UNIX_S + 120;
        let (_, status) = openssl(
            folder,
            &format!(
                "ocsp -CAfile root.pem -attime {at} -issuer root.pem -cert device.pem -respin response.der \
                 -no_nonce -validity_period 999999999"
            ),
        );
        assert!(status.contains("Response verify OK"), "{status}");
        let ours = question.read(&std::fs::read(folder.join("response.der")).unwrap(), at).unwrap();
        assert_eq!(ours == Answered::Revoked, status.contains("device.pem: revoked"), "{status}");
        assert_eq!(ours == Answered::Good, status.contains("device.pem: good"), "{status}");
        assert!(openssl(folder, "crl -inform DER -in list.der -out list.pem").0);
        let verify = format!("verify -crl_check -CAfile root.pem -CRLfile list.pem -attime {at} device.pem");
        (openssl(folder, &verify), status)
    };
    let ((passes, _), status) = ask(&mut scene);
    assert!(passes && status.contains("device.pem: good"), "{status}");
    scene.operate(Deed::Quarantine, None);
    let ((passes, said), status) = ask(&mut scene);
    assert!(!passes && said.contains("certificate revoked"), "{said}");
    assert!(status.contains("device.pem: revoked") && status.contains("Reason: certificateHold"), "{status}");
    scene.operate(Deed::Release, None);
    let ((passes, _), status) = ask(&mut scene);
    assert!(passes && status.contains("device.pem: good"), "{status}");
    scene.operate(Deed::RevokeCertificate, Some(Cause::KeyCompromise));
    let ((passes, _), status) = ask(&mut scene);
    assert!(!passes && status.contains("Reason: keyCompromise"), "{status}");
    // The device is none the worse for it: it may ask for another certificate, and nobody was ordered anything.
    assert_eq!(scene.status(), Status::Registered);
    assert_eq!(scene.orders().len(), 2);
}
