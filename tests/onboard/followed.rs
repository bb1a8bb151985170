//! What follows where the ledger changes the status of a device: everybody acts on that, and on nothing else.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

use std::path::Path;
use std::process::Command;

use cellbed::crypto::SoftKey;
use cellbed::crypto::key::verify;
use cellbed::kernel::{Duration, EPOCH_UNIX_S};
use cellbed::ledger::Status;
use cellbed::net::endpoint::{BROKER, PKI};
use cellbed::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, MqttOutput};
use cellbed::net::{PlainStream, TlsStream};
use cellbed::services::ServiceInput;
use cellbed::services::guard::{Cause, Deed, OperatorAct};
use cellbed::services::orders::ISSUER;
use cellbed::wire::http::{Limits, Request, ResponseParser};
use cellbed::wire::order::{Grounds, Inbox, Order, Verdict};

use super::lab::{Lab, Subject, notes, orders};
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
