//! Whatever is signed, flipped: the right codes, and nothing changed. And every other reason to refuse.

use proptest::prelude::*;

use super::*;
use crate::esim::test_euicc::field;
use crate::wire::rsp::{
    AuthenticateServerResponse, EuiccSigned1, PendingNotification, PolicyRules, PrepareDownloadResponse,
    Signature,
};

/// What an order and its sessions look like: must be the same after a refusal.
fn snapshot(bench: &Bench) -> String {
    let orders: Vec<Vec<u8>> = bench.smdp.orders().map(store::record).collect();
    let sessions: Vec<Vec<u8>> = bench.smdp.sessions.values().map(store::record).collect();
    format!("{orders:?}{sessions:?}{}", bench.smdp.notifications().count())
}

fn refused(bench: &mut Bench, function: &str, body: &Value, expected: Reason) {
    let before = snapshot(bench);
    let served = bench.call(function, body);
    assert_eq!(served.refusal, Some(expected), "{}", served.note);
    assert_eq!(snapshot(bench), before);
    let answer: Value = serde_json::from_slice(&served.response.body).unwrap();
    let status = &answer["header"]["functionExecutionStatus"];
    assert_eq!(status["status"], "Failed");
    assert_eq!(status["statusCodeData"]["subjectCode"], expected.subject_code());
    assert_eq!(status["statusCodeData"]["reasonCode"], expected.reason_code());
}

fn with(body: &Value, name: &str, bytes: &[u8]) -> Value {
    let mut body = body.clone();
    body[name] = json!(STANDARD.encode(bytes));
    body
}

/// `euiccSigned1` and its signature in the request of AuthenticateClient.
fn signed_by_card(request: &Value) -> (Vec<u8>, Signature) {
    let bytes = field(request, "authenticateServerResponse");
    match AuthenticateServerResponse::parse(&bytes).unwrap() {
        AuthenticateServerResponse::Ok { euicc_signed1, euicc_signature1, .. } => {
            (euicc_signed1, euicc_signature1)
        }
        AuthenticateServerResponse::Error { code, .. } => panic!("the card refuses the server: {code}"),
    }
}

#[test]
fn initiate_authentication_refuses() {
    let mut bench = Bench::new();
    let body = bench.card.initiate("other.example");
    refused(&mut bench, "initiateAuthentication", &body, Reason::SmdpAddress);
    bench.card.svn = [1, 9, 0];
    let body = bench.card.initiate(ADDRESS);
    refused(&mut bench, "initiateAuthentication", &body, Reason::SmdpVersion);
    bench.card.svn = [2, 2, 0];
    let body = bench.card.initiate(ADDRESS);
    refused(
        &mut bench,
        "initiateAuthentication",
        &with(&body, "euiccChallenge", &[1; 15]),
        Reason::Malformed,
    );
    refused(&mut bench, "initiateAuthentication", &json!({"smdpAddress": ADDRESS}), Reason::FieldMissing);
    refused(&mut bench, "unheardOf", &body, Reason::UnknownFunction);

    let other = Pki::new(&RngTree::new(8), &PkiOptions::default()).unwrap();
    let body = TestEuicc::new(&other, &EID.parse().unwrap()).initiate(ADDRESS);
    refused(&mut bench, "initiateAuthentication", &body, Reason::SmdpNoSigningCi);
    // The server's certificate has ended; a new one is not there.
    let body = bench.card.initiate(ADDRESS);
    let served = call(&mut bench.smdp, NOW + 20 * 365 * 86_400, "initiateAuthentication", &body);
    assert_eq!(served.refusal, Some(Reason::SmdpNoCertificate));
}

#[test]
fn every_signed_field_of_authenticate_client_is_checked() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let good = bench.authentication(Some("M-1"));
    let (euicc_signed1, euicc_signature1) = signed_by_card(&good);
    let rebuilt = |signed1: Vec<u8>, signature, chain: [Vec<u8>; 2]| {
        let [euicc_certificate, eum_certificate] = chain;
        AuthenticateServerResponse::Ok {
            euicc_signed1: signed1,
            euicc_signature1: signature,
            euicc_certificate,
            eum_certificate,
        }
        .to_bytes()
    };
    let chain = bench.card.chain.clone().map(|certificate| certificate.der().to_vec());

    // Each byte of what is signed, and each bit of a few bytes of the signature.
    for at in 0..euicc_signed1.len() {
        let mut flipped = euicc_signed1.clone();
        flipped[at] ^= 1;
        let body =
            with(&good, "authenticateServerResponse", &rebuilt(flipped, euicc_signature1, chain.clone()));
        let before = snapshot(&bench);
        let served = bench.call("authenticateClient", &body);
        let expected = [Reason::EuiccSignature, Reason::Malformed];
        assert!(
            served.refusal.is_some_and(|reason| expected.contains(&reason)),
            "byte {at}: {}",
            served.note
        );
        assert_eq!(snapshot(&bench), before);
    }
    for at in [0, 31, 32, 63] {
        let mut flipped = euicc_signature1;
        flipped[at] ^= 0x80;
        let body = rebuilt(euicc_signed1.clone(), flipped, chain.clone());
        let body = with(&good, "authenticateServerResponse", &body);
        refused(&mut bench, "authenticateClient", &body, Reason::EuiccSignature);
    }
    for (which, expected) in [(0, Reason::EuiccCertificate), (1, Reason::EumCertificate)] {
        let mut chain = chain.clone();
        let last = chain[which].len() - 1;
        chain[which][last] ^= 1;
        let body = rebuilt(euicc_signed1.clone(), euicc_signature1, chain);
        let body = with(&good, "authenticateServerResponse", &body);
        refused(&mut bench, "authenticateClient", &body, expected);
    }
    // A whole chain of another CI.
    let other = Pki::new(&RngTree::new(8), &PkiOptions::default()).unwrap();
    let foreign = TestEuicc::new(&other, &EID.parse().unwrap()).chain.map(|c| c.der().to_vec());
    let body = with(&good, "authenticateServerResponse", &rebuilt(euicc_signed1, euicc_signature1, foreign));
    refused(&mut bench, "authenticateClient", &body, Reason::CiUnknown);
    // After all that, the right one still works.
    bench.executed("authenticateClient", &good);
    refused(&mut bench, "authenticateClient", &good, Reason::TransactionUnknown);
}

#[test]
fn what_the_euicc_signs_has_to_answer_this_session() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let good = bench.authentication(Some("M-1"));
    let (euicc_signed1, _) = signed_by_card(&good);
    let signed = EuiccSigned1::parse(&euicc_signed1).unwrap();
    let cases = [
        (EuiccSigned1 { server_challenge: [9; 16], ..signed.clone() }, Reason::EuiccSignature),
        (
            EuiccSigned1 { server_address: "evil.example".to_owned(), ..signed.clone() },
            Reason::EuiccSignature,
        ),
        (EuiccSigned1 { transaction_id: vec![9; 16], ..signed }, Reason::TransactionUnknown),
    ];
    for (signed, expected) in cases {
        let body = with(&good, "authenticateServerResponse", &bench.card.sign_authentication(&signed));
        refused(&mut bench, "authenticateClient", &body, expected);
    }
    let mut unknown = good;
    unknown["transactionId"] = json!("00112233");
    refused(&mut bench, "authenticateClient", &unknown, Reason::TransactionUnknown);
}

#[test]
fn an_euicc_that_refuses_the_server_ends_the_session() {
    let mut bench = Bench::new();
    let good = bench.authentication(Some("M-1"));
    let id = hex::decode(good["transactionId"].as_str().unwrap()).unwrap();
    let error = AuthenticateServerResponse::Error { transaction_id: id, code: 2 }.to_bytes();
    let served = bench.call("authenticateClient", &with(&good, "authenticateServerResponse", &error));
    assert_eq!(served.refusal, Some(Reason::EuiccReportsError));
    assert!(served.note.contains("invalidSignature (2)"), "{}", served.note);
    assert!(bench.smdp.sessions.len() == 0);
}

#[test]
fn orders_are_for_whom_they_are_for() {
    let other = "89049032123451234512345678901235".parse::<Eid>().unwrap().plus(1).unwrap();
    let refuse = |bench: &mut Bench, expected| {
        let request = bench.authentication(Some("M-1"));
        refused(bench, "authenticateClient", &request, expected);
    };
    let mut bench = Bench::new();
    refuse(&mut bench, Reason::MatchingIdRefused);
    bench.release(0, "M-1", Some(other.as_str()), None);
    refuse(&mut bench, Reason::EidMismatch);

    // Confirmed, not released.
    let mut bench = Bench::new();
    let order = DownloadOrder { iccid: Some(iccid(0)), ..DownloadOrder::default() };
    bench.smdp.download_order(&order).unwrap();
    let confirm = ConfirmOrder {
        iccid: iccid(0),
        eid: None,
        matching_id: Some("M-1".to_owned()),
        confirmation_code: None,
        smds: None,
        release: false,
    };
    bench.smdp.confirm_order(NOW, &confirm).unwrap();
    refuse(&mut bench, Reason::NotReleased);
    bench.smdp.release_profile(NOW, &iccid(0)).unwrap();

    bench.card.free_memory = 12_283;
    refuse(&mut bench, Reason::EuiccMemory);
    bench.card.free_memory = 12_284;
    bench.download(Some("M-1"), false);
    // The first that fetched it has it.
    bench.card = TestEuicc::new(&bench.pki, &other);
    refuse(&mut bench, Reason::EidMismatch);
}

#[test]
fn services_that_the_euicc_does_not_have() {
    use crate::wire::saip::{Draft, header::Header, header::Services};
    // The eUICC of these tests has CSIM and no MBMS.
    for (service, refuses) in [("csim", false), ("mbms", true)] {
        let mut bench = Bench::new();
        let mut profile = profile(1);
        let header = Header {
            major_version: 2,
            minor_version: 3,
            profile_type: None,
            iccid: [0x98; 10],
            pol: None,
            mandatory_services: Services::of(&["usim", service]),
            mandatory_templates: Vec::new(),
            connectivity: None,
            mandatory_aids: None,
            iot_pix: None,
            extra: Vec::new(),
        };
        profile.package = Draft::new(header).finish().encode();
        bench.smdp.add_profile(profile).unwrap();
        bench.release(1, "M-1", None, None);
        let request = bench.authentication(Some("M-1"));
        let served = bench.call("authenticateClient", &request);
        assert_eq!(served.refusal, refuses.then_some(Reason::NoEligibleProfile), "{}", served.note);
    }
}

#[test]
fn rules_that_the_euicc_forbids() {
    for (forbidden, refuses) in [(0x40, true), (0x20, false), (0, false)] {
        let mut bench = Bench::new();
        let mut profile = profile(1);
        profile.metadata.rules = PolicyRules::PPR1;
        bench.smdp.add_profile(profile).unwrap();
        bench.release(1, "M-1", None, None);
        bench.card.forbidden = forbidden;
        let request = bench.authentication(Some("M-1"));
        let served = bench.call("authenticateClient", &request);
        assert_eq!(served.refusal, refuses.then_some(Reason::NoEligibleProfile), "{}", served.note);
    }
}

#[test]
fn two_euiccs_race_for_one_order() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let slow = bench.authenticate(Some("M-1"));
    let slow = bench.preparation(&slow, None, false);
    let other = EID.parse::<Eid>().unwrap().plus(1).unwrap();
    bench.card = TestEuicc::new(&bench.pki, &other);
    bench.download(Some("M-1"), false);
    refused(&mut bench, "getBoundProfilePackage", &slow, Reason::EidMismatch);
}

#[test]
fn every_signed_field_of_get_bound_profile_package_is_checked() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let answer = bench.authenticate(Some("M-1"));
    let good = bench.preparation(&answer, None, false);
    let PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } =
        PrepareDownloadResponse::parse(&field(&good, "prepareDownloadResponse")).unwrap()
    else {
        panic!("the card accepts the release")
    };
    for at in 0..euicc_signed2.len() {
        let mut flipped = euicc_signed2.clone();
        flipped[at] ^= 1;
        let body = PrepareDownloadResponse::Ok { euicc_signed2: flipped, euicc_signature2 }.to_bytes();
        let before = snapshot(&bench);
        let served = bench.call("getBoundProfilePackage", &with(&good, "prepareDownloadResponse", &body));
        let expected = [Reason::EuiccSignature, Reason::Malformed];
        assert!(
            served.refusal.is_some_and(|reason| expected.contains(&reason)),
            "byte {at}: {}",
            served.note
        );
        assert_eq!(snapshot(&bench), before);
    }
    let mut flipped = euicc_signature2;
    flipped[5] ^= 4;
    let body = PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2: flipped }.to_bytes();
    let body = with(&good, "prepareDownloadResponse", &body);
    refused(&mut bench, "getBoundProfilePackage", &body, Reason::EuiccSignature);
    assert_eq!(bench.state(0), OrderState::Released);
    // Before authentication there is nothing to prepare.
    let early = bench.initiate();
    let mut body = good.clone();
    body["transactionId"] = early["transactionId"].clone();
    refused(&mut bench, "getBoundProfilePackage", &body, Reason::TransactionUnknown);
    bench.executed("getBoundProfilePackage", &good);
}

#[test]
fn an_order_taken_back_meanwhile_is_not_delivered() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let answer = bench.authenticate(Some("M-1"));
    let request = bench.preparation(&answer, None, false);
    bench.smdp.cancel_order(&iccid(0), None, None, true).unwrap();
    refused(&mut bench, "getBoundProfilePackage", &request, Reason::NotReleased);
}

#[test]
fn a_confirmation_code_may_be_wrong_twice() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, Some("1234"));
    let code = bench.smdp.activation_code(bench.smdp.order(&iccid(0)).unwrap()).unwrap();
    assert_eq!(code, "LPA:1$smdp.example$M-1$$1");
    let attempt = |bench: &mut Bench, code: Option<&str>| {
        let answer = bench.authenticate(Some("M-1"));
        let request = bench.preparation(&answer, code, false);
        bench.call("getBoundProfilePackage", &request).refusal
    };
    assert_eq!(attempt(&mut bench, None), Some(Reason::CodeMissing));
    assert_eq!(attempt(&mut bench, Some("1235")), Some(Reason::CodeRefused));
    assert_eq!(attempt(&mut bench, Some("4321")), Some(Reason::CodeRefused));
    assert_eq!(bench.state(0), OrderState::Released);
    assert_eq!(attempt(&mut bench, Some("12345")), Some(Reason::CodeExhausted));
    assert_eq!(bench.state(0), OrderState::Error);
    let request = bench.authentication(Some("M-1"));
    refused(&mut bench, "authenticateClient", &request, Reason::CodeExhausted);

    let mut bench = Bench::new();
    bench.release(0, "M-1", None, Some("1234"));
    assert_eq!(attempt(&mut bench, Some("1235")), Some(Reason::CodeRefused));
    assert_eq!(attempt(&mut bench, Some("1234")), None);
}

#[test]
fn orders_and_sessions_end_with_time_and_tries() {
    let settings = SmdpSettings { downloads_max: 2, order_s: Some(1_000), ..SmdpSettings::new(ADDRESS) };
    let mut bench = Bench::with(settings.clone(), Box::new(Forgetful));
    bench.release(0, "M-1", None, None);
    bench.download(Some("M-1"), false);
    bench.download(Some("M-1"), true);
    let request = bench.authentication(Some("M-1"));
    assert_eq!(bench.call("authenticateClient", &request).refusal, Some(Reason::DownloadsExhausted));
    assert_eq!(bench.state(0), OrderState::Error);

    let mut bench = Bench::with(settings, Box::new(Forgetful));
    bench.release(0, "M-1", None, None);
    let request = bench.authentication(Some("M-1"));
    let served = call(&mut bench.smdp, NOW + 300, "authenticateClient", &request);
    assert_eq!(served.refusal, Some(Reason::TransactionUnknown), "the session has ended");
    let body = bench.card.initiate(ADDRESS);
    let served = call(&mut bench.smdp, NOW + 1_000, "initiateAuthentication", &body);
    let answer: Value = serde_json::from_slice(&served.response.body).unwrap();
    let response = bench.card.authenticate(Role::DpAuth, &answer, Some("M-1"));
    let body =
        with(&json!({"transactionId": answer["transactionId"]}), "authenticateServerResponse", &response);
    let served = call(&mut bench.smdp, NOW + 1_000, "authenticateClient", &body);
    assert_eq!(served.refusal, Some(Reason::OrderExpired));
    assert_eq!(bench.state(0), OrderState::Error);
}

#[test]
fn strangers_put_nobody_out_of_service_and_nothing_on_the_disk() {
    let memory = MemoryStore::default();
    let settings = SmdpSettings { sessions_max: 200, sessions_per_peer: 50, ..SmdpSettings::new(ADDRESS) };
    let mut bench = Bench::with(settings, Box::new(memory.clone()));
    bench.release(0, "M-1", None, None);
    let before = memory.records();
    let caller = |address: String| Caller::Peer { address, client: Client::NotAsked };
    let body = bench.card.initiate(ADDRESS).to_string().into_bytes();
    let initiate = HttpRequest {
        host: ADDRESS.to_owned(),
        path: "/gsma/rsp2/es9plus/initiateAuthentication".to_owned(),
        content_type: JSON.to_owned(),
        body,
    };
    let flood = |smdp: &mut Smdp, times: u32, from: &str| {
        for _ in 0..times {
            assert_eq!(smdp.handle_for(NOW, &caller(from.to_owned()), &initiate).refusal, None);
        }
    };
    // A flood of one peer takes its own sessions away, and no others.
    let request = bench.authentication(Some("M-1"));
    flood(&mut bench.smdp, 2_000, "192.0.2.1");
    assert_eq!(memory.records(), before, "nothing is written");
    assert_eq!(bench.smdp.initiated.len(), 51);
    // One of many peers takes the oldest away, never one whose eUICC has proved itself.
    let answer = bench.executed("authenticateClient", &request);
    for peer in 0..300 {
        flood(&mut bench.smdp, 1, &format!("192.0.2.{peer}"));
    }
    assert_eq!(bench.smdp.initiated.len(), 200);
    let request = bench.preparation(&answer, None, false);
    bench.executed("getBoundProfilePackage", &request);
    assert_eq!(bench.state(0), OrderState::Downloaded);
    // One eUICC has so many sessions and no more, on the disk either.
    for _ in 0..20 {
        bench.authenticate(Some("M-1"));
    }
    assert_eq!(bench.smdp.sessions.len(), 8);
    let kept = memory.records().keys().filter(|(kind, _)| *kind == Kind::Session).count();
    assert_eq!(kept, 8);
}

#[test]
fn an_euicc_that_lost_the_race_ends_its_session_and_not_the_order() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    // The first stops at the question, the second has the same order.
    let first = bench.authenticate(Some("M-1"));
    let other = EID.parse::<Eid>().unwrap().plus(1).unwrap();
    let second = TestEuicc::new(&bench.pki, &other);
    let slow = std::mem::replace(&mut bench.card, second);
    let installed = bench.download(Some("M-1"), false);
    let holder = std::mem::replace(&mut bench.card, slow);
    bench.preparation(&first, None, false);
    let cancelled = json!({
        "transactionId": first["transactionId"],
        "cancelSessionResponse": STANDARD.encode(bench.card.cancel(0)),
    });
    bench.executed("cancelSession", &cancelled);
    assert_eq!(bench.state(0), OrderState::Downloaded);
    bench.card = holder;
    let result = bench.card.result(&installed.metadata, success());
    assert_eq!(bench.notify(&result).refusal, None);
    assert_eq!(bench.state(0), OrderState::Installed);
    assert_eq!(bench.smdp.notifications().count(), 1);
}

#[test]
fn a_result_that_comes_after_the_order_has_ended_is_kept() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let installed = bench.download(Some("M-1"), false);
    bench.smdp.fail(iccid(0), "given up").unwrap();
    let result = bench.card.result(&installed.metadata, success());
    assert_eq!(bench.notify(&result).refusal, None);
    assert_eq!(bench.smdp.notifications().count(), 1);
    assert_eq!(bench.state(0), OrderState::Error, "it moves nothing");
}

#[test]
fn a_session_without_an_order_can_be_ended() {
    let mut bench = Bench::new();
    let request = bench.authentication(Some("NOPE"));
    refused(&mut bench, "authenticateClient", &request, Reason::MatchingIdRefused);
    let base = json!({"transactionId": request["transactionId"]});
    let good = bench.card.cancel(127);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let body = with(&base, "cancelSessionResponse", &flipped);
    refused(&mut bench, "cancelSession", &body, Reason::EuiccSignature);
    let body = with(&base, "cancelSessionResponse", &good);
    bench.executed("cancelSession", &body);
    refused(&mut bench, "cancelSession", &body, Reason::TransactionUnknown);
}

#[test]
fn asn_1_that_does_not_read_is_a_status_of_the_function() {
    let mut bench = Bench::new();
    let request = json!({"pendingNotification": "AAAA"});
    let served = bench.call("handleNotification", &request);
    assert_eq!((served.response.status, served.refusal), (200, Some(Reason::Malformed)));
    let plain = HttpRequest {
        host: ADDRESS.to_owned(),
        path: "/gsma/rsp2/es9plus/handleNotification".to_owned(),
        content_type: JSON.to_owned(),
        body: b"no JSON".to_vec(),
    };
    let served = bench.smdp.handle(NOW, &plain);
    assert_eq!((served.response.status, served.refusal), (400, Some(Reason::NotJson)));
}

#[test]
fn a_session_is_cancelled_by_its_euicc_only() {
    for (reason, state) in [
        (0, OrderState::Error),
        (1, OrderState::Released),
        (2, OrderState::Released),
        (3, OrderState::Error),
        (127, OrderState::Error),
    ] {
        let mut bench = Bench::new();
        bench.release(0, "M-1", None, None);
        let answer = bench.authenticate(Some("M-1"));
        let base = json!({"transactionId": answer["transactionId"]});
        bench.preparation(&answer, None, false);
        let good = bench.card.cancel(reason);
        let mut flipped = good.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        let body = with(&base, "cancelSessionResponse", &flipped);
        refused(&mut bench, "cancelSession", &body, Reason::EuiccSignature);
        let body = with(&base, "cancelSessionResponse", &bench.card.cancel_for(reason, vec![0x2a]));
        refused(&mut bench, "cancelSession", &body, Reason::SmdpOid);
        let answer = bench.executed("cancelSession", &with(&base, "cancelSessionResponse", &good));
        assert_eq!(answer.as_object().unwrap().len(), 1);
        assert_eq!(bench.state(0), state, "reason {reason}");
        let body = with(&base, "cancelSessionResponse", &good);
        refused(&mut bench, "cancelSession", &body, Reason::TransactionUnknown);
    }
    let mut bench = Bench::new();
    let early = bench.initiate();
    let body = json!({"transactionId": early["transactionId"], "cancelSessionResponse": "v0EDgQF/"});
    refused(&mut bench, "cancelSession", &body, Reason::EuiccSignature);
}

#[test]
fn a_notification_that_does_not_verify_changes_nothing() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let installed = bench.download(Some("M-1"), false);
    let result = bench.card.result(&installed.metadata, success());
    let enabled = bench.card.notification(NotificationEvents::ENABLE, installed.metadata.iccid);
    for good in [&result, &enabled] {
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            if PendingNotification::parse(&flipped).is_err() {
                continue;
            }
            let before = snapshot(&bench);
            let served = bench.notify(&flipped);
            assert_eq!(served.response.status, 204);
            assert!(served.refusal.is_some(), "byte {at}: {}", served.note);
            assert_eq!(snapshot(&bench), before, "byte {at}");
        }
    }
    assert_eq!(bench.notify(b"no notification").refusal, Some(Reason::Malformed));
    assert_eq!(bench.notify(&result).refusal, None);
    assert_eq!(bench.state(0), OrderState::Installed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_request_is_answered(path in "[a-zA-Z0-9/]{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut bench = Bench::new();
        let names = ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage",
            "handleNotification", "cancelSession"];
        let good = bench.authentication(Some("M-1"));
        for name in names {
            let mut body = good.clone();
            for part in ["euiccChallenge", "euiccInfo1", "authenticateServerResponse",
                "prepareDownloadResponse", "pendingNotification", "cancelSessionResponse"] {
                body[part] = json!(STANDARD.encode(&bytes));
            }
            let served = bench.call(name, &body);
            prop_assert!(served.refusal.is_some());
        }
        for path in [format!("/gsma/rsp2/es9plus/{path}"), format!("/{path}")] {
            let request = HttpRequest {
                host: ADDRESS.to_owned(), path, content_type: JSON.to_owned(), body: bytes.clone(),
            };
            let served = bench.smdp.handle(NOW, &request);
            prop_assert!(served.refusal.is_some());
        }
    }
}
