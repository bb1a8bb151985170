//! What somebody gets who asks the authority of a run for a certificate that he should not have, and what is published
//! of those that there are.

use cellbed::ca::{ClientCertificate, DeviceCertificate, est, status};
use cellbed::event::Actor;
use cellbed::ledger::Status;
use cellbed::services::office::{Answer, Request, Response};
use cellbed::wire::http;

use super::lab::{BINDING, Lab, Subject, est_request, est_word};

fn issued(response: &http::Response) -> DeviceCertificate {
    let kind = response.headers.get("content-type");
    match est::read_enroll_response(response.status, kind, None, &response.body) {
        Ok(est::Enrolment::Issued(der)) => DeviceCertificate::parse(&der).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The ledger says no after everybody else has agreed: nothing was signed, so that nothing has to be revoked.
#[test]
fn what_the_ledger_refuses_is_never_signed() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let known = offices.offices.enrolment.authority().index().records().count();
    let caller = offices.caller(&subject, Actor::CA, None);
    // An operator revokes the device, and it asks before that stands in a block.
    offices.revoke_next(&subject);
    let Answer::Later(ticket) = offices.say(&caller, &Request::Http(&subject.sound_enrolment())).0 else {
        panic!("it waits for the ledger");
    };
    offices.now = offices.offices.deadline().unwrap();
    let answers = offices.offices.wake(offices.now, &mut Vec::new()).unwrap().answers;
    let (_, Response::Http(response)) = answers.iter().find(|(answered, _)| *answered == ticket).unwrap()
    else {
        panic!("no HTTP");
    };
    assert_eq!((response.status, est_word(response).as_str()), (403, "wrong-state"));
    assert_eq!(offices.offices.enrolment.authority().index().records().count(), known);
    assert_eq!(offices.ledger().device(&subject.id()).unwrap().status, Status::Revoked);
}

#[test]
fn the_ledger_records_what_is_signed() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let certificate = issued(&offices.enrol(&subject, &subject.sound_enrolment()));
    assert_eq!(certificate.name(), subject.name());
    assert_eq!(offices.ledger().device(&subject.id()).unwrap().cert_hash, *certificate.tbs_digest());
    // Nothing in it leads back to the card or to the ledger's name for the device.
    let der = certificate.der();
    for secret in [subject.id().to_vec(), subject.eid.as_str().into(), subject.iccid.as_str().into()] {
        let text = hex::encode(&secret).into_bytes();
        assert!(!der.windows(secret.len()).any(|window| window == secret));
        assert!(!der.windows(text.len()).any(|window| window == text));
    }
}

#[test]
fn who_has_a_certificate_enrols_again_with_it() {
    let subject = Subject::new(1);
    let mut lab = Lab::new().ordered(&subject, true).registered(&subject);
    let first = ClientCertificate::parse(&lab.certify(&subject)).unwrap();
    let mut offices = lab.open();
    let second = issued(&offices.enrol_with(&subject, &first, &subject.sound_reenrolment()));
    assert_eq!(second.name(), subject.name());
    assert_ne!(second.serial(), first.serial());
    assert_eq!(offices.ledger().device(&subject.id()).unwrap().cert_hash, *second.tbs_digest());
}

#[test]
fn nobody_enrols_again_as_somebody_else() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let ordered =
        || Lab::new().ordered(&subject, true).ordered(&other, true).registered(&subject).registered(&other);
    let mut lab = ordered();
    let (own, foreign) = (lab.certify(&subject), lab.certify(&other));
    let [own, foreign] = [own, foreign].map(|der| ClientCertificate::parse(&der).unwrap());
    let mut offices = lab.open();
    // Without a certificate; with that of another device, in one's own session and in the other's.
    let bare = offices.enrol(&subject, &subject.sound_reenrolment());
    assert_eq!((bare.status, est_word(&bare).as_str()), (401, "client-certificate-required"));
    assert!(bare.headers.get("www-authenticate").is_some());
    let mut word = |who: &Subject, certificate, csr: &[u8]| {
        let request = est_request(est::EstRequest::simple_reenroll(csr));
        est_word(&offices.enrol_with(who, certificate, &request))
    };
    let csr = |key: &Subject, named: &Subject| key.csr(Some(&named.named()), &key.key, Some(&BINDING));
    assert_eq!(word(&subject, &foreign, &csr(&subject, &subject)), "identity-mismatch");
    assert_eq!(word(&other, &own, &csr(&subject, &subject)), "identity-mismatch");
    // A CSR that names somebody else, or nobody; a CSR for a key that somebody else has registered; one of another
    // session, sent again.
    assert_eq!(word(&subject, &own, &csr(&subject, &other)), "name-mismatch");
    assert_eq!(word(&subject, &own, &subject.csr(None, &subject.key, Some(&BINDING))), "name-mismatch");
    assert_eq!(word(&subject, &own, &csr(&other, &subject)), "identity-mismatch");
    let replayed = subject.csr(Some(&subject.named()), &subject.key, Some(&[6; 32]));
    assert_eq!(word(&subject, &own, &replayed), "csr-not-bound");
    let unproved = subject.csr(Some(&subject.named()), &other.key, Some(&BINDING));
    assert_eq!(word(&subject, &own, &unproved), "bad-csr");
}

#[test]
fn a_revoked_or_expired_certificate_enrols_nobody() {
    let subject = Subject::new(1);
    let lab = || Lab::new().ordered(&subject, true).registered(&subject);
    let mut revoked = lab();
    let certificate = ClientCertificate::parse(&revoked.certify(&subject)).unwrap();
    let reason = cellbed::ca::RevocationReason::KeyCompromise;
    revoked.authority.revoke(certificate.serial(), reason, 0).unwrap();
    let word = |lab: Lab, later: u64| {
        let mut offices = lab.open();
        offices.now += cellbed::kernel::Duration::from_secs(later);
        est_word(&offices.enrol_with(&subject, &certificate, &subject.sound_reenrolment()))
    };
    assert_eq!(word(revoked, 0), "certificate-revoked");
    let mut late = lab();
    late.certify(&subject);
    assert_eq!(word(late, 366 * 86_400), "certificate-expired");
}

#[test]
fn what_is_public_is_served_without_tls_and_nothing_else_is() {
    let subject = Subject::new(1);
    let mut offices = Lab::new().ordered(&subject, true).registered(&subject).open();
    let mut ask = |request: http::Request| {
        let bare = cellbed::services::office::Caller {
            channel_binding: None,
            ..offices.caller(&subject, Actor::CA, None)
        };
        match offices.say(&bare, &Request::Http(&request)).0 {
            Answer::Now(Response::Http(response)) => response,
            _ => panic!("it is answered at once"),
        }
    };
    let list = ask(http::Request::new("GET", status::LIST, "pki.cellbed.test"));
    assert_eq!((list.status, list.headers.get("content-type")), (200, Some("application/pkix-crl")));
    // EST takes TLS.
    assert_eq!(ask(subject.sound_enrolment()).status, 404);
    assert_eq!(ask(est_request(est::EstRequest::cacerts())).status, 404);
}
