use super::*;
use crate::ca::{Authority, CsrBuilder, Subject};
use crate::crypto::{SoftKey, Tally};
use crate::id::DeviceName;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::support::bent::bent;
use proptest::prelude::*;

fn key() -> SoftKey {
    SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
}

fn csr_der() -> Vec<u8> {
    let builder = CsrBuilder::new(None, &key().public(), Some(&[5; 32])).unwrap();
    let signature = key().sign(builder.tbs());
    builder.finish(&signature).unwrap()
}

fn authority() -> Authority {
    Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap()
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_request_goes_through_to_its_certificate() {
    let request = EstRequest::simple_enroll(&csr_der());
    assert_eq!(
        Operation::of(request.operation.method(), request.operation.path()),
        Ok(Operation::SimpleEnroll)
    );
    let csr = read_enroll_request(header(&request.headers, "Content-Type"), &request.body).unwrap();
    let mut ca = authority();
    let subject = Subject::device(&DeviceName::from_random([1; 16])).unwrap();
    let prepared = ca.prepare(&csr, &subject, EPOCH_UNIX_S).unwrap();
    let certificate = ca.issue(prepared).unwrap();
    let response = EstResponse::enrolled(&certificate).unwrap();
    assert_eq!(header(&response.headers, "Content-Transfer-Encoding"), Some("base64"));
    let read = read_enroll_response(
        response.status,
        header(&response.headers, "Content-Type"),
        None,
        &response.body,
    );
    assert_eq!(read, Ok(Enrolment::Issued(certificate)));
}

#[test]
fn trust_anchors_are_read_back() {
    let (one, two) = (authority(), Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap());
    let response = EstResponse::cacerts(&[one.root_der(), two.root_der()]).unwrap();
    let content_type = header(&response.headers, "Content-Type");
    let mut read = read_cacerts_response(content_type, &response.body).unwrap();
    let mut expected = vec![one.root_der().to_vec(), two.root_der().to_vec()];
    // A SET has the order of DER, not the sender's.
    read.sort();
    expected.sort();
    assert_eq!(read, expected);

    let none = encode(&certs_only(&[]).unwrap());
    assert!(matches!(
        read_cacerts_response(content_type, &none),
        Err(CaError::CertificateCount { found: 0, .. })
    ));
}

#[test]
fn bodies_may_have_any_white_space_or_be_der() {
    let der = csr_der();
    let one_line = STANDARD.encode(&der);
    let mime = one_line.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n");
    let lines = one_line.as_bytes().chunks(64).flat_map(|line| [line, b"\n"]).flatten().copied().collect();
    for body in [lines, encode(&der), one_line.clone().into_bytes(), mime.into_bytes(), der.clone()] {
        assert!(read_enroll_request(Some("Application/PKCS10; charset=x"), &body).is_ok());
    }
    assert_eq!(decode(&encode(&der), REQUEST_MAX), Ok(der));
}

#[test]
fn refusals_have_the_status_that_names_them() {
    let enroll = |content_type, body: &[u8]| read_enroll_request(content_type, body).unwrap_err();
    assert_eq!(enroll(Some(PKCS10), b"!").status(), 400);
    assert_eq!(enroll(Some(PKCS10), b"").status(), 400);
    assert_eq!(enroll(Some(PKCS10), b"MAA=").status(), 400);
    assert_eq!(enroll(Some(PKCS10), &vec![b'M'; REQUEST_MAX + 1]).status(), 413);
    assert_eq!(enroll(Some("text/plain"), &csr_der()).status(), 415);
    assert_eq!(enroll(None, &csr_der()).status(), 415);
    assert_eq!(Operation::of("GET", "/.well-known/est/simpleenroll").unwrap_err().status(), 405);
    assert_eq!(Operation::of("POST", "/.well-known/est/serverkeygen").unwrap_err().status(), 501);
    assert_eq!(Operation::of("GET", "/.well-known/est/label/cacerts").unwrap_err().status(), 404);
    assert_eq!(Operation::of("GET", "/.well-known/est/cacerts?x=1"), Ok(Operation::CaCerts));

    let (reason, detail) = (Reason::KeyNotOnLedger, "nobody has registered it".to_owned());
    let challenge = "Basic realm=\"EST\"";
    let response =
        Refusal::NotAuthenticated { reason: reason.clone(), detail: detail.clone(), challenge }.response();
    assert_eq!((response.status, header(&response.headers, "WWW-Authenticate")), (401, Some(challenge)));
    let forbidden = Refusal::Forbidden { reason, detail }.response();
    assert_eq!(
        read_enroll_response(forbidden.status, None, None, &forbidden.body),
        Ok(Enrolment::Refused {
            status: 403,
            reason: "key-not-on-ledger: nobody has registered it".to_owned()
        })
    );
    let often =
        Refusal::TooOften { reason: Reason::TooManyRequests, detail: "wait".into(), after_s: 30 }.response();
    assert_eq!((often.status, header(&often.headers, "Retry-After")), (429, Some("30")));
}

#[test]
fn the_client_is_told_to_come_again() {
    let response = EstResponse::retry(30);
    let retry_after = header(&response.headers, "Retry-After");
    assert_eq!(
        read_enroll_response(response.status, None, retry_after, &response.body),
        Ok(Enrolment::Retry { after: Some(RetryAfter::Delay(30)) })
    );
    let after = |text| match read_enroll_response(202, None, Some(text), b"") {
        Ok(Enrolment::Retry { after }) => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after("Thu, 01 Jan 2026 00:00:00 GMT"), Some(RetryAfter::At(EPOCH_UNIX_S)));
    for wrong in ["soon", "-1", "Thu, 32 Jan 2026 00:00:00 GMT", "Thursday, 01-Jan-26 00:00:00 GMT", ""] {
        assert_eq!(after(wrong), None, "{wrong}");
    }
}

#[test]
fn a_success_without_exactly_one_certificate_is_an_error() {
    let ca = authority();
    let other = Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap();
    let two = EstResponse::cacerts(&[ca.root_der(), other.root_der()]).unwrap();
    assert!(matches!(
        read_enroll_response(200, Some(PKCS7), None, &two.body),
        Err(CaError::CertificateCount { found: 2, .. })
    ));
    assert!(matches!(
        read_enroll_response(200, Some("text/html"), None, &two.body),
        Err(CaError::ContentType { .. })
    ));
}

#[test]
fn csr_attributes_are_der() {
    for (linking, expected) in [(Linking::Demanded, 3), (Linking::WherePresent, 2)] {
        let response = EstResponse::csrattrs(linking);
        let der = decode(&response.body, 100).unwrap();
        let elements: Vec<Any> = Vec::from_der(&der).unwrap();
        assert_eq!((elements.len(), header(&response.headers, "Content-Type")), (expected, Some(CSRATTRS)));
    }
}

proptest! {
    /// A body says the same in DER and in base64; what is refused has the status of a client's error.
    #[test]
    fn requests_are_read_alike_in_both_encodings(der in bent(csr_der())) {
        match (read_enroll_request(Some(PKCS10), &der), read_enroll_request(Some(PKCS10), &encode(&der))) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
                prop_assert_eq!(format!("{one:?}"), format!("{:?}", Csr::parse(&der).unwrap()));
            }
            (Err(one), Err(other)) => {
                prop_assert!((400..500).contains(&one.status()) && (400..500).contains(&other.status()));
                prop_assert!(!one.reason().is_empty() && !other.reason().is_empty());
            }
            (one, other) => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }

    #[test]
    fn what_is_read_of_trust_anchors_is_written_and_read_again(
        der in bent(certs_only(&[authority().root_der()]).unwrap()),
    ) {
        let (one, other) = (read_cacerts_response(Some(PKCS7), &der), read_cacerts_response(Some(PKCS7), &encode(&der)));
        prop_assert_eq!(one.as_ref().ok(), other.as_ref().ok());
        match one {
            Ok(certificates) => {
                prop_assert!(!certificates.is_empty());
                let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
                let again = read_cacerts_response(Some(PKCS7), &certs_only(&certificates).unwrap()).unwrap();
                prop_assert_eq!(again, certificates);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    /// The status alone decides what a response is; text of a server is one line of bounded length.
    #[test]
    fn an_answer_is_what_its_status_says(
        body in bent(certs_only(&[authority().root_der()]).unwrap()), status in prop_oneof![Just(200u16), Just(202), 0u16..600],
    ) {
        match (status, read_enroll_response(status, Some(PKCS7), Some("7"), &body)) {
            (200, Ok(Enrolment::Issued(certificate))) => prop_assert_eq!(
                Ok(vec![certificate]), read_cacerts_response(Some(PKCS7), &body)
            ),
            (200, Err(_)) => {}
            (202, read) => prop_assert_eq!(read, Ok(Enrolment::Retry { after: Some(RetryAfter::Delay(7)) })),
            (_, Ok(Enrolment::Refused { status: told, reason })) => {
                prop_assert_eq!(told, status);
                prop_assert!(reason.lines().count() <= 1 && reason.len() <= 1000, "{reason:?}");
            }
            (_, read) => prop_assert!(false, "{status}: {read:?}"),
        }
    }

    #[test]
    fn a_target_is_an_operation_only_by_its_own_method(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), ".{0,10}"],
        target in prop_oneof![
            (prop::sample::select(Operation::ALL.to_vec()), "(\\?.{0,10})?").prop_map(|(one, query)| format!("{}{query}", one.path())),
            ".{0,60}",
        ],
    ) {
        match Operation::of(&method, &target) {
            Ok(operation) => {
                prop_assert_eq!(operation.method(), method);
                prop_assert_eq!(operation.path(), target.split('?').next().unwrap());
            }
            Err(refusal) => prop_assert!(matches!(refusal.status(), 404 | 405), "{refusal:?}"),
        }
    }
}
