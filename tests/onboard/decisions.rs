//! Each decision of registrar, onboarding service and cloud, and each word with which they refuse.

use cellbed::ca::DeviceCertificate;
use cellbed::ca::est::EstRequest;
use cellbed::event::Actor;
use cellbed::kernel::Duration;
use cellbed::ledger::{Contract, Status};
use cellbed::services::office as ask;
use cellbed::wire::http::Request;
use cellbed::wire::registration::{Claim, Offer, REGISTRATION_PATH, Registered};

use super::lab::{BINDING, Lab, Open, Subject, claim_request, est_request, est_word, word};

fn offer_request() -> Request {
    Request::new("GET", REGISTRATION_PATH, "registrar.cellbed.test")
}

#[test]
fn a_claim_that_is_in_order_is_registered_and_may_be_repeated() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    // The second time nothing is written.
    for (status, block) in [(201, Some(2)), (200, None), (200, None)] {
        let offer = offices.offer(&subject);
        assert_eq!(offer.id, hex::encode(subject.id()));
        assert_eq!(Contract { chain_id: offer.chain_id, ..offices.contract }, offices.contract);
        let response = offices.register(&subject, &claim_request(&subject.claim(&offer)));
        assert_eq!(response.status, status);
        let registered: Registered = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((registered.id, registered.written.map(|written| written.block)), (offer.id, block));
        assert_eq!((offices.ledger().standing().head.number, offices.ledger().pending()), (2, 0));
    }
    let record = offices.ledger().device(&subject.id()).unwrap();
    assert_eq!(
        (record.status, record.generation, [record.x, record.y].concat()),
        (Status::Registered, 1, subject.key.public().into())
    );
}

#[test]
fn the_registrar_speaks_only_to_whom_the_operator_ordered() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().open();
    assert_eq!(word(&offices.register(&subject, &offer_request())), "not-in-inventory");
}

/// Whatever the gateway lets through: a session for onboarding gets nothing that is a subscriber's.
#[test]
fn a_session_for_onboarding_is_served_by_no_office_of_subscribers() {
    let subject = Subject::new(1);
    let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
    let certificate = DeviceCertificate::parse(&lab.certify(&subject)).unwrap();
    let mut offices = lab.open();
    let claim = claim_request(&offices.claim(&subject));
    let mut bootstrap = subject.clone();
    bootstrap.attestation.policy = "onboarding-only".to_owned();
    for request in [offer_request(), claim] {
        let response = offices.register(&bootstrap, &request);
        assert_eq!((response.status, word(&response).as_str()), (403, "session-policy"));
    }
    let response = offices.enrol(&bootstrap, &subject.sound_enrolment());
    assert_eq!((response.status, est_word(&response).as_str()), (403, "session-policy"));
    let client_id = subject.name().to_string();
    let request = ask::Request::Connect { client_id: &client_id };
    let caller = offices.caller(&bootstrap, Actor::CLOUD, Some(&certificate));
    let (answer, told) = offices.say(&caller, &request);
    assert!(matches!(answer, ask::Answer::Now(ask::Response::TurnedAway)));
    assert_eq!(told, ["cloud client turned away reason=session-policy"]);
    // As a subscriber the same device is served.
    assert_eq!(offices.enrol(&subject, &subject.sound_enrolment()).status, 200);
}

#[test]
fn a_claim_that_cannot_be_read_is_malformed() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let cut = |text: &str| text[2..].to_owned();
    let bends: [fn(Claim) -> Claim; 3] = [
        |claim| Claim { id: claim.id[2..].to_owned(), ..claim },
        |claim| Claim { reports: vec!["0".to_owned()], ..claim },
        |claim| Claim { signature: "zz".repeat(64), ..claim },
    ];
    let mut bodies = vec![b"{".to_vec()];
    for bend in bends {
        bodies.push(serde_json::to_vec(&bend(offices.claim(&subject))).unwrap());
    }
    for body in bodies {
        offices.offer(&subject);
        let request = offer_request().body("application/json", body);
        let response = offices.register(&subject, &Request { method: "POST".into(), ..request });
        assert_eq!((response.status, word(&response).as_str()), (400, "malformed-claim"));
    }
    let claim = Claim { public_key: Some(cut(&hex::encode([7; 64]))), ..offices.claim(&subject) };
    assert_eq!(offices.register(&subject, &claim_request(&claim)).status, 201, "nobody looks at it");
}

#[test]
fn no_device_registers_for_another() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut offices = Lab::new().ordered(&subject, true).ordered(&other, true).open();
    // With everything that the other device would send, out of the wrong session.
    let stolen = offices.claim(&other);
    offices.offer(&subject);
    assert_eq!(word(&offices.register(&subject, &claim_request(&stolen))), "identity-mismatch");
    // With the proof of the other card, and a signature of its key over what this session wants.
    let offer = offices.offer(&subject);
    let relayed = Claim { reports: stolen.reports, ..other.claim(&offer) };
    assert_eq!(word(&offices.register(&subject, &claim_request(&relayed))), "card-proof-wrong");
    // With the question that was for this card put to the other one, which takes none of it.
    let offer = offices.offer(&subject);
    assert_eq!(other.received(&offer.envelopes[0]), None);
    let claim = claim_request(&other.claim(&offer));
    assert_eq!(word(&offices.register(&subject, &claim)), "card-proof-missing");
    assert!(offices.ledger().device(&subject.id()).is_none());
}

#[test]
fn a_proof_counts_once_and_in_the_session_in_which_it_was_asked_for() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let elsewhere = Subject { binding: [0x11; 32], ..subject.clone() };
    let refused = |offices: &mut Open, who: &Subject, claim: &Claim| {
        word(&offices.register(who, &claim_request(claim)))
    };
    // Nothing was asked.
    let offer = offices.offer(&subject);
    let sound = subject.claim(&offer);
    assert_eq!(refused(&mut offices, &elsewhere, &sound), "card-proof-stale", "another TLS session");
    assert_eq!(refused(&mut offices, &subject, &sound), "card-proof-stale", "the offer is gone with it");
    // The card has signed in another TLS session, whose far end is somebody else.
    let offer = offices.offer(&subject);
    assert_eq!(refused(&mut offices, &subject, &elsewhere.claim(&offer)), "bad-signature");
    // The proof of an earlier question, and a fresh signature.
    let earlier = subject.claim(&offices.offer(&subject));
    let claim = Claim { reports: earlier.reports, ..offices.claim(&subject) };
    assert_eq!(refused(&mut offices, &subject, &claim), "card-proof-wrong");
    // A fresh proof, and the signature of an earlier conversation.
    let claim = Claim { signature: earlier.signature, ..offices.claim(&subject) };
    assert_eq!(refused(&mut offices, &subject, &claim), "bad-signature");
    // The same claim twice, and one that comes too late.
    let sound = offices.claim(&subject);
    assert_eq!(offices.register(&subject, &claim_request(&sound)).status, 201);
    assert_eq!(refused(&mut offices, &subject, &sound), "card-proof-stale");
    let late = offices.claim(&subject);
    offices.now += Duration::from_secs(60);
    assert_eq!(refused(&mut offices, &subject, &late), "card-proof-stale");
}

#[test]
fn the_key_is_what_the_card_says_and_not_what_the_host_does() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut offices = Lab::new().ordered(&subject, true).open();
    // The host has a key of its own, and everything else of the genuine device.
    let host = Subject { key: other.key.clone(), ..subject.clone() };
    let offer = offices.offer(&subject);
    let claim = Claim {
        reports: subject.claim(&offer).reports,
        public_key: Some(hex::encode(host.key.public())),
        ..host.claim(&offer)
    };
    let response = offices.register(&subject, &claim_request(&claim));
    assert_eq!((response.status, word(&response).as_str()), (409, "bad-signature"));
    assert!(offices.ledger().device(&subject.id()).is_none());
    // Whatever it says beside the proof, the card's key is registered.
    let claim = Claim { public_key: Some(hex::encode(host.key.public())), ..offices.claim(&subject) };
    assert_eq!(offices.register(&subject, &claim_request(&claim)).status, 201);
    let record = offices.ledger().device(&subject.id()).unwrap();
    assert_eq!([record.x, record.y].concat(), subject.key.public());
}

#[test]
fn the_contract_checks_the_signature_of_the_card() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).open();
    let bends: [fn(&Subject, &Offer) -> Claim; 3] = [
        |subject, offer| Claim { signature: hex::encode([0; 64]), ..subject.claim(offer) },
        |subject, offer| subject.claim(&Offer { chain_id: offer.chain_id + 1, ..offer.clone() }),
        // A count that the card has not told.
        |subject, offer| {
            let claim = Subject { generation: 9, ..subject.clone() }.claim(offer);
            Claim { reports: subject.claim(offer).reports, ..claim }
        },
    ];
    for bend in bends {
        let offer = offices.offer(&subject);
        let response = offices.register(&subject, &claim_request(&bend(&subject, &offer)));
        assert_eq!((response.status, word(&response).as_str()), (409, "bad-signature"));
    }
    assert!(offices.ledger().device(&subject.id()).is_none());
    let sound = offices.claim(&subject);
    assert_eq!(offices.register(&subject, &claim_request(&sound)).status, 201);
}

#[test]
fn an_identity_and_a_key_are_registered_once() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let lab = || Lab::new().ordered(&subject, true).ordered(&other, true).registered(&subject);
    let mut offices = lab().open();
    let register = |offices: &mut Open, who: &Subject| {
        let claim = offices.claim(who);
        offices.register(who, &claim_request(&claim))
    };
    let thief = Subject { key: subject.key.clone(), ..other.clone() };
    assert_eq!(word(&register(&mut offices, &thief)), "key-already-registered");
    // A card that has made another key later, and a copy of the card that has made another one as early.
    let later = Subject { generation: 2, ..subject.rekeyed() };
    assert_eq!(register(&mut offices, &later).status, 201);
    let status = |offices: &Open| offices.ledger().device(&subject.id()).unwrap().status;
    assert_eq!(status(&offices), Status::Registered);
    let mut offices = lab().open();
    assert_eq!(word(&register(&mut offices, &subject.rekeyed())), "identity-already-registered");
    assert_eq!(status(&offices), Status::Quarantined, "until an operator decides");
}

#[test]
fn a_card_that_cannot_be_asked_is_believed_only_where_the_bench_says_so() {
    let subject = Subject::new(1);
    let lab = || Lab::new().ordered_without_keys(&subject, true);
    let response = lab().open().register(&subject, &offer_request());
    assert_eq!(word(&response), "no-ota-keys");
    let told = String::from_utf8(response.body).unwrap();
    assert!(told.contains("personalisation record (`[ota]`"), "it says the way out: {told}");

    let mut offices = lab().believing().open();
    let offer = offices.offer(&subject);
    assert!(offer.envelopes.is_empty());
    let claim = claim_request(&subject.claim(&offer));
    let (_, told) = offices.answer(&subject, Actor::REGISTRAR, &ask::Request::Http(&claim));
    assert!(told[0].contains("without proof: the bench says registration = \"unproved\""), "{told:?}");
    offices.seal_pending();
    // What nobody has proved replaces nothing, and cuts nobody off.
    let copy = subject.rekeyed();
    let claim = offices.claim(&copy);
    assert_eq!(word(&offices.register(&copy, &claim_request(&claim))), "identity-already-registered");
    assert_eq!(offices.ledger().pending(), 0, "and costs no transaction");
    assert_eq!(offices.ledger().device(&subject.id()).unwrap().status, Status::Registered);
    // A card that can be asked is asked on such a bench as well.
    let known = Subject::new(2);
    let mut offices = Lab::new().ordered(&known, true).believing().open();
    let offer = offices.offer(&known);
    let claim =
        Claim { reports: vec![], public_key: Some(hex::encode(known.key.public())), ..known.claim(&offer) };
    assert_eq!(word(&offices.register(&known, &claim_request(&claim))), "card-proof-missing");
}

/// Whatever a device claims, and however often: few of its claims become transactions, and nobody else is kept waiting.
#[test]
fn a_device_that_claims_without_end_costs_few_blocks() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let lab = || Lab::new().ordered(&subject, true).ordered(&other, true);
    // The same key again, which the ledger would take, and a signature that it would refuse.
    for (forged, statuses, blocks) in [(false, [201, 200], 1), (true, [409, 409], 0)] {
        let mut offices = lab().open();
        let height = |offices: &Open| offices.ledger().standing().head.number;
        let before = height(&offices);
        let claim = |offices: &mut Open, who: &Subject| {
            let mut claim = offices.claim(who);
            if forged {
                claim.signature = hex::encode([0; 64]);
            }
            offices.register(who, &claim_request(&claim))
        };
        let answers: Vec<_> = (0..50).map(|_| claim(&mut offices, &subject)).collect();
        let (heard, too_many) = answers.split_at(8);
        let expected = std::iter::once(statuses[0]).chain([statuses[1]; 7]);
        assert!(heard.iter().map(|response| response.status).eq(expected), "{heard:?}");
        for response in too_many {
            assert_eq!((response.status, word(response).as_str()), (429, "too-many-requests"));
            let after_s: u64 = response.headers.get("retry-after").unwrap().parse().unwrap();
            assert!((1..=31).contains(&after_s), "{after_s}");
        }
        assert_eq!(height(&offices) - before, blocks);
        assert_eq!(offices.ledger().pending(), 0);
        // What is in order is not heard either before its time, and another device is.
        let sound = |offices: &mut Open, who: &Subject| {
            let claim = offices.claim(who);
            offices.register(who, &claim_request(&claim)).status
        };
        assert_eq!(sound(&mut offices, &subject), 429);
        assert_eq!(sound(&mut offices, &other), 201);
        offices.now += Duration::from_secs(30);
        let expected = if forged { 201 } else { 200 };
        assert_eq!((sound(&mut offices, &subject), sound(&mut offices, &subject)), (expected, 429));
    }
}

#[test]
fn a_revoked_device_does_not_register_again() {
    let subject = Subject::new(1);
    let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
    lab.revoke(&subject);
    let mut offices = lab.open();
    let claim = offices.claim(&subject);
    assert_eq!(word(&offices.register(&subject, &claim_request(&claim))), "wrong-state");
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
