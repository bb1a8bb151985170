//! Each decision of registrar, onboarding service and cloud, and each word with which they refuse.

use cellbed::ca::DeviceCertificate;
use cellbed::ca::est::EstRequest;
use cellbed::event::Actor;
use cellbed::ledger::{Contract, Status};
use cellbed::services::office as ask;
use cellbed::wire::http::Request;
use cellbed::wire::registration::{Claim, Offer, REGISTRATION_PATH, Registered};

use super::lab::{BINDING, Lab, Subject, claim_request, est_request, est_word, word};

fn offer_request() -> Request {
    Request::new("GET", REGISTRATION_PATH, "registrar.cellbed.test")
}

#[test]
fn a_claim_that_is_in_order_is_registered_and_may_be_repeated() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let offer: Offer = serde_json::from_slice(&offices.register(&subject, &offer_request()).body).unwrap();
    assert_eq!(offer.id, hex::encode(subject.id()));
    let contract = Contract { chain_id: offer.chain_id, ..offices.contract };
    for block in [2, 3] {
        let response = offices.register(&subject, &claim_request(&subject.claim(contract)));
        assert_eq!(response.status, 201);
        let registered: Registered = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((registered.id, registered.block), (offer.id.clone(), block));
    }
    let record = offices.ledger().device(&subject.id()).unwrap();
    assert_eq!(
        (record.status, [record.x, record.y].concat()),
        (Status::Registered, subject.key.public().into())
    );
}

#[test]
fn the_registrar_speaks_only_to_whom_the_operator_ordered() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().open();
    let contract = offices.contract;
    for request in [offer_request(), claim_request(&subject.claim(contract))] {
        assert_eq!(word(&offices.register(&subject, &request)), "not-in-inventory");
    }
}

#[test]
fn a_claim_that_cannot_be_read_is_malformed() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let sound = subject.claim(offices.contract);
    let cut = |text: &str| text[2..].to_owned();
    let bodies = [
        b"{".to_vec(),
        serde_json::to_vec(&Claim { id: cut(&sound.id), ..sound.clone() }).unwrap(),
        serde_json::to_vec(&Claim { public_key: cut(&sound.public_key), ..sound.clone() }).unwrap(),
        serde_json::to_vec(&Claim { signature: "zz".repeat(64), ..sound.clone() }).unwrap(),
    ];
    for body in bodies {
        let request = offer_request().body("application/json", body);
        let response = offices.register(&subject, &Request { method: "POST".into(), ..request });
        assert_eq!((response.status, word(&response).as_str()), (400, "malformed-claim"));
    }
    assert_eq!(offices.ledger().pending(), 0);
}

#[test]
fn no_device_registers_for_another() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut offices = Lab::new().ordered(&subject, true).ordered(&other, true).open();
    // With everything that the other device would send, out of the wrong session.
    let stolen = claim_request(&other.claim(offices.contract));
    assert_eq!(word(&offices.register(&subject, &stolen)), "identity-mismatch");
}

#[test]
fn the_contract_checks_the_signature_of_the_card() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut offices = Lab::new().ordered(&subject, true).open();
    let contract = offices.contract;
    let sound = subject.claim(contract);
    let elsewhere = Contract { chain_id: contract.chain_id + 1, ..contract };
    let wrong = [
        Claim { signature: hex::encode([0; 64]), ..sound.clone() },
        Claim { signature: subject.claim(elsewhere).signature, ..sound.clone() },
        // A key that somebody else holds, and one that is not on the curve.
        Claim { public_key: hex::encode(other.key.public()), ..sound.clone() },
        Claim { public_key: hex::encode([1; 64]), ..sound.clone() },
    ];
    for claim in wrong {
        let response = offices.register(&subject, &claim_request(&claim));
        assert_eq!((response.status, word(&response).as_str()), (409, "bad-signature"));
    }
    assert!(offices.ledger().device(&subject.id()).is_none());
    assert_eq!(offices.register(&subject, &claim_request(&sound)).status, 201);
}

#[test]
fn an_identity_and_a_key_are_registered_once() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let lab = Lab::new().ordered(&subject, true).ordered(&other, true).registered(&subject);
    let mut offices = lab.open();
    let contract = offices.contract;
    let clone = subject.rekeyed();
    let response = offices.register(&clone, &claim_request(&clone.claim(contract)));
    assert_eq!(word(&response), "identity-already-registered");
    let thief = Subject { key: subject.key.clone(), ..other };
    let response = offices.register(&thief, &claim_request(&thief.claim(contract)));
    assert_eq!(word(&response), "key-already-registered");
}

#[test]
fn a_revoked_device_does_not_register_again() {
    let subject = Subject::new(1);
    let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
    lab.revoke(&subject);
    let mut offices = lab.open();
    let request = claim_request(&subject.claim(offices.contract));
    assert_eq!(word(&offices.register(&subject, &request)), "wrong-state");
}

#[test]
fn the_registrar_has_one_resource_with_two_methods() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let response = offices.register(&subject, &Request::new("DELETE", REGISTRATION_PATH, "r"));
    assert_eq!((response.status, response.headers.get("allow")), (405, Some("GET, POST")));
    let response = offices.register(&subject, &Request::new("GET", "/registrations", "r"));
    assert_eq!((response.status, word(&response).as_str()), (404, "not-found"));
}

#[test]
fn a_certificate_is_issued_where_network_ledger_and_owner_agree() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let response = offices.enrol(&subject, &subject.sound_enrolment());
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    let record = offices.ledger().device(&subject.id()).unwrap();
    assert_eq!(record.status, Status::Active);
    // A second certificate takes the place of the first.
    assert_eq!(offices.enrol(&subject, &subject.sound_enrolment()).status, 200);
    assert_ne!(offices.ledger().device(&subject.id()).unwrap().cert_hash, record.cert_hash);
}

#[test]
fn each_who_does_not_agree_is_named() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let refused = |lab: Lab, subject: &Subject| {
        let mut offices = lab.open();
        let response = offices.enrol(subject, &subject.sound_enrolment());
        assert_eq!(response.status, 403);
        assert_eq!(offices.ledger().pending(), 0);
        est_word(&response)
    };
    let ordered = || Lab::new().ordered(&subject, true);
    assert_eq!(refused(Lab::new(), &subject), "not-in-inventory");
    assert_eq!(refused(ordered(), &subject), "key-not-on-ledger");
    let unexpected = Lab::new().ordered(&subject, false).registered(&subject);
    assert_eq!(refused(unexpected, &subject), "not-on-allow-list");
    // The key of another device, which that device registered in good order.
    let thief = Subject { key: other.key.clone(), ..subject.clone() };
    assert_eq!(refused(ordered().ordered(&other, true).registered(&other), &thief), "identity-mismatch");
    let mut lab = ordered().registered(&subject);
    lab.certify(&subject);
    lab.quarantine(&subject);
    assert_eq!(refused(lab, &subject), "device-quarantined");
    let mut lab = ordered().registered(&subject);
    lab.revoke(&subject);
    assert_eq!(refused(lab, &subject), "device-revoked");
}

#[test]
fn a_csr_has_to_be_one_and_to_come_from_this_session_and_this_key() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let mut refused = |request: Request| {
        let response = offices.enrol(&subject, &request);
        assert_eq!(response.status, 400);
        est_word(&response)
    };
    assert_eq!(refused(subject.enrolment(&subject.key, None)), "csr-not-bound");
    assert_eq!(refused(subject.enrolment(&subject.key, Some(&[0; 32]))), "csr-not-bound");
    assert_eq!(refused(subject.enrolment(&other.key, Some(&BINDING))), "bad-csr");
    assert_eq!(refused(est_request(EstRequest::simple_enroll(b"\x30\x00"))), "bad-csr");
    let mut csr = subject.csr(None, &subject.key, Some(&BINDING));
    csr.truncate(csr.len() - 1);
    assert_eq!(refused(est_request(EstRequest::simple_enroll(&csr))), "bad-csr");
}

#[test]
fn operations_that_are_not_offered_are_refused() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let ask = |method, path| Request::new(method, path, "est.cellbed.test");
    assert_eq!(offices.enrol(&subject, &ask("POST", "/.well-known/est/fullcmc")).status, 501);
    assert_eq!(offices.enrol(&subject, &ask("POST", "/.well-known/est/serverkeygen")).status, 501);
    assert_eq!(offices.enrol(&subject, &ask("GET", "/.well-known/est/simpleenroll")).status, 405);
}

#[test]
fn the_cloud_admits_the_certificate_that_the_ledger_has_while_the_device_is_active() {
    let (subject, stranger) = (Subject::new(1), Subject::new(2));
    let mut lab = Lab::new().registered(&subject);
    let early = lab.issue(&subject, &subject.named());
    let old = lab.certify(&subject);
    let new = lab.certify(&subject);
    let foreign = lab.issue(&stranger, &stranger.named());
    let admit = |lab: Lab, der: &[u8]| {
        let certificate = DeviceCertificate::parse(der).unwrap();
        let client_id = certificate.name().to_string();
        let request = ask::Request::Connect { client_id: &client_id };
        let mut open = lab.open();
        let caller = open.caller(&subject, Actor::CLOUD, Some(&certificate));
        match open.say(&caller, &request) {
            (ask::Answer::Now(ask::Response::Admitted { root }), _) => {
                assert_eq!(root, format!("devices/{client_id}"));
                Ok(certificate.name())
            }
            (_, told) => Err(told[0].rsplit_once('=').unwrap().1.to_owned()),
        }
    };
    let again = || {
        let mut lab = Lab::new().registered(&subject);
        assert_eq!(lab.issue(&subject, &subject.named()), early);
        assert_eq!([lab.certify(&subject), lab.certify(&subject)], [old.clone(), new.clone()]);
        lab
    };
    assert_eq!(admit(lab, &new), Ok(subject.name()));
    assert_eq!(admit(again(), &old), Err("certificate-superseded".into()));
    assert_eq!(admit(again(), &early), Err("certificate-superseded".into()));
    assert_eq!(admit(again(), &foreign), Err("device-not-on-ledger".into()));
    assert_eq!(admit(Lab::new().registered(&subject), &early), Err("device-registered".into()));
    let mut lab = again();
    lab.quarantine(&subject);
    assert_eq!(admit(lab, &new), Err("device-quarantined".into()));
    let mut lab = again();
    lab.revoke(&subject);
    assert_eq!(admit(lab, &new), Err("device-revoked".into()));
}

#[test]
fn the_cloud_admits_whom_the_certificate_names() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut lab = Lab::new().registered(&subject);
    let certificate = DeviceCertificate::parse(&lab.certify(&subject)).unwrap();
    let mut offices = lab.open();
    let client_id = other.name().to_string();
    for certificate in [Some(&*certificate), None] {
        let request = ask::Request::Connect { client_id: &client_id };
        let caller = offices.caller(&subject, Actor::CLOUD, certificate);
        let (answer, told) = offices.say(&caller, &request);
        assert!(matches!(answer, ask::Answer::Now(ask::Response::TurnedAway)));
        assert_eq!(told, ["cloud client turned away reason=client-identity-mismatch"]);
    }
}

/// An office that is asked in a protocol that it does not speak says so, and nothing comes of it.
#[test]
fn each_office_speaks_its_own_protocol() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    for at in [Actor::REGISTRAR, Actor::CA] {
        let (answer, told) = offices.answer(&subject, at, &ask::Request::Publish { payload: b"{}" });
        assert!(matches!(answer, ask::Answer::Now(ask::Response::TurnedAway)) && told.is_empty());
    }
    for (at, status) in [(Actor::CLOUD, 404), (Actor::SMDP, 503)] {
        let (answer, _) = offices.answer(&subject, at, &ask::Request::Http(&offer_request()));
        assert!(
            matches!(answer, ask::Answer::Now(ask::Response::Http(response)) if response.status == status)
        );
    }
}
