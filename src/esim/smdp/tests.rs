//! The SM-DP+ against an eUICC written from the card's side of the specification.

mod negative;
mod orders;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::crypto::rsp_cert::Role;
use crate::esim::pki::{Pki, PkiOptions};
use crate::esim::store::{Forgetful, MemoryStore};
use crate::esim::test_euicc::{Installed, NOW, TestEuicc};
use crate::esim::{Client, ClientName, JSON};
use crate::kernel::RngTree;
use crate::wire::bcd;
use crate::wire::rsp::{FinalResult, NotificationEvents, ProfileMetadata};

const ADDRESS: &str = "smdp.example";
const EID: &str = "89049032123451234512345678901235";
const ICCID: &str = "8988211000000000011";

struct Bench {
    pki: Pki,
    smdp: Smdp,
    card: TestEuicc,
}

fn pki() -> Pki {
    Pki::new(&RngTree::new(7), &PkiOptions::default()).unwrap()
}

fn smdp_with(pki: &Pki, settings: SmdpSettings, store: Box<dyn Store>, records: &Records, seed: u64) -> Smdp {
    let tally = Tally::new();
    let anchor = pki.anchor(Some(NOW), &tally).unwrap();
    let oid = "2.999.10".parse().unwrap();
    let identity = pki.smdp(&oid, &["smdp.example".to_owned()], NOW - 60, &RngTree::new(7)).unwrap();
    let rng = RngTree::new(seed).stream("smdp");
    Smdp::new(settings, vec![(anchor, identity)], rng, store, records, &tally).unwrap()
}

fn iccid(n: u32) -> Iccid {
    ICCID.parse::<Iccid>().unwrap().plus(n).unwrap()
}

fn profile(n: u32) -> Profile {
    let iccid = iccid(n);
    let metadata = ProfileMetadata {
        iccid: bcd::iccid(&iccid),
        service_provider: "cellbed".to_owned(),
        name: "test".to_owned(),
        icon: None,
        class: Default::default(),
        notifications: Vec::new(),
        owner: None,
        rules: Default::default(),
        further: Vec::new(),
    };
    let package = (0..12_284u32).map(|i| (i * 7 + n) as u8).collect();
    Profile { iccid, profile_type: "lte".to_owned(), metadata, package }
}

impl Bench {
    fn new() -> Self {
        Self::with(SmdpSettings::new(ADDRESS), Box::new(Forgetful))
    }

    fn with(settings: SmdpSettings, store: Box<dyn Store>) -> Self {
        let pki = pki();
        let smdp = smdp_with(&pki, settings, store, &Records::new(), 7);
        let card = TestEuicc::new(&pki, &EID.parse().unwrap());
        let mut bench = Self { pki, smdp, card };
        bench.smdp.add_profile(profile(0)).unwrap();
        bench
    }

    /// Releases profile `n` under a matching identifier, for an EID or for any.
    fn release(&mut self, n: u32, matching_id: &str, eid: Option<&str>, code: Option<&str>) {
        let eid: Option<Eid> = eid.map(|eid| eid.parse().unwrap());
        let order = DownloadOrder { eid, iccid: Some(iccid(n)), profile_type: None };
        let iccid = self.smdp.download_order(&order).unwrap();
        let confirm = ConfirmOrder {
            iccid,
            eid: None,
            matching_id: Some(matching_id.to_owned()),
            confirmation_code: code.map(str::to_owned),
            smds: None,
            release: true,
        };
        self.smdp.confirm_order(NOW, &confirm).unwrap();
    }

    fn call(&mut self, function: &str, body: &Value) -> Served {
        call(&mut self.smdp, NOW, function, body)
    }

    /// A function of ES9+ that has to be executed.
    fn executed(&mut self, function: &str, body: &Value) -> Value {
        let served = self.call(function, body);
        assert_eq!(served.refusal, None, "{}", served.note);
        assert_eq!(served.response.status, 200);
        let answer: Value = serde_json::from_slice(&served.response.body).unwrap();
        assert_eq!(answer["header"]["functionExecutionStatus"]["status"], "Executed-Success");
        answer
    }

    fn initiate(&mut self) -> Value {
        let request = self.card.initiate(ADDRESS);
        self.executed("initiateAuthentication", &request)
    }

    /// The request of AuthenticateClient after a fresh InitiateAuthentication.
    fn authentication(&mut self, matching_id: Option<&str>) -> Value {
        let answer = self.initiate();
        let response = self.card.authenticate(Role::DpAuth, &answer, matching_id);
        json!({
            "transactionId": answer["transactionId"],
            "authenticateServerResponse": STANDARD.encode(response),
        })
    }

    fn authenticate(&mut self, matching_id: Option<&str>) -> Value {
        let request = self.authentication(matching_id);
        self.executed("authenticateClient", &request)
    }

    fn preparation(&mut self, answer: &Value, code: Option<&str>, keep: bool) -> Value {
        let response = self.card.prepare(answer, code, keep);
        json!({
            "transactionId": answer["transactionId"],
            "prepareDownloadResponse": STANDARD.encode(response),
        })
    }

    fn download(&mut self, matching_id: Option<&str>, keep: bool) -> Installed {
        let answer = self.authenticate(matching_id);
        let request = self.preparation(&answer, None, keep);
        let answer = self.executed("getBoundProfilePackage", &request);
        self.card.open(&answer)
    }

    fn notify(&mut self, notification: &[u8]) -> Served {
        self.call("handleNotification", &json!({"pendingNotification": STANDARD.encode(notification)}))
    }

    fn state(&self, n: u32) -> OrderState {
        self.smdp.order(&iccid(n)).unwrap().state()
    }
}

fn call(smdp: &mut Smdp, now: u64, function: &str, body: &Value) -> Served {
    let request = HttpRequest {
        host: ADDRESS.to_owned(),
        path: format!("/gsma/rsp2/es9plus/{function}"),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
    };
    smdp.handle(now, &request)
}

fn success() -> FinalResult {
    FinalResult::Success { aid: vec![0xa0; 16], sima_response: vec![0x30, 0] }
}

fn failure(reason: u64) -> FinalResult {
    FinalResult::Error { command: 5, reason, sima_response: None }
}

#[test]
fn a_profile_is_downloaded_and_reported() {
    for protect in [true, false] {
        let mut bench =
            Bench::with(SmdpSettings { protect, ..SmdpSettings::new(ADDRESS) }, Box::new(Forgetful));
        bench.release(0, "M-1", None, None);
        let installed = bench.download(Some("M-1"), false);
        assert_eq!(installed.metadata, profile(0).metadata);
        assert_eq!(installed.package, profile(0).package);
        assert_eq!(installed.longest_segment, 1020);
        assert_eq!(installed.replaced_keys, protect);
        assert_eq!(bench.state(0), OrderState::Downloaded);

        let result = bench.card.result(&installed.metadata, success());
        for _ in 0..2 {
            let served = bench.notify(&result);
            assert_eq!((served.response.status, served.refusal), (204, None));
            assert!(served.response.body.is_empty());
        }
        assert_eq!(bench.state(0), OrderState::Installed);
        assert_eq!(bench.smdp.notifications().count(), 1, "the second is the first again");
        assert!(bench.smdp.sessions.len() == 0);
        // Nobody gets it a second time.
        let request = bench.authentication(Some("M-1"));
        let served = bench.call("authenticateClient", &request);
        assert_eq!(served.refusal, Some(Reason::MatchingIdRefused));
    }
}

#[test]
fn an_order_for_an_eid_needs_no_matching_identifier() {
    for matching_id in [None, Some("")] {
        let mut bench = Bench::new();
        bench.smdp.add_profile(profile(1)).unwrap();
        // The one that was released first is served first.
        bench.release(1, "", Some(EID), None);
        bench.release(0, "M-1", Some(EID), None);
        let installed = bench.download(matching_id, false);
        assert_eq!(installed.package, profile(1).package);
        let result = bench.card.result(&installed.metadata, success());
        bench.notify(&result);
        assert_eq!(bench.download(matching_id, false).package, profile(0).package);
    }
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let request = bench.authentication(None);
    assert_eq!(bench.call("authenticateClient", &request).refusal, Some(Reason::MatchingIdRefused));
}

#[test]
fn a_download_is_repeated_with_the_same_binding_or_a_new_one() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    bench.download(Some("M-1"), false);
    let first = bench.smdp.order(&iccid(0)).unwrap().binding.clone().unwrap();
    let bound = |bench: &Bench| bench.smdp.order(&iccid(0)).unwrap().binding.clone().unwrap().euicc_otpk;
    // The card still has its one-time key.
    assert_eq!(bench.download(Some("M-1"), true).package, profile(0).package);
    assert_eq!(bound(&bench), first.euicc_otpk);
    // It has lost it.
    let again = bench.download(Some("M-1"), false);
    assert_eq!(again.package, profile(0).package);
    assert_ne!(bound(&bench), first.euicc_otpk);
    // What was interrupted may come again; what cannot be installed may not.
    let interrupted = bench.card.result(&again.metadata, failure(11));
    assert_eq!(bench.notify(&interrupted).refusal, None);
    assert_eq!(bench.state(0), OrderState::Downloaded);
    let again = bench.download(Some("M-1"), true);
    let broken = bench.card.result(&again.metadata, failure(12));
    assert!(bench.notify(&broken).note.contains("installFailedDueToPEProcessingError"));
    assert_eq!(bench.state(0), OrderState::Error);
    let problem = bench.smdp.order(&iccid(0)).unwrap().problem().unwrap().to_owned();
    assert_eq!(problem, "loadProfileElements: installFailedDueToPEProcessingError");
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let answer = bench.authenticate(Some("M-1"));
    let request = bench.preparation(&answer, None, false);
    let first = bench.executed("getBoundProfilePackage", &request);
    assert_eq!(bench.executed("getBoundProfilePackage", &request), first);
    assert_eq!(bench.smdp.order(&iccid(0)).unwrap().downloads, 1);
}

#[test]
fn a_server_that_was_killed_goes_on_where_it_was() {
    let memory = MemoryStore::default();
    let mut bench = Bench::with(SmdpSettings::new(ADDRESS), Box::new(memory.clone()));
    bench.release(0, "M-1", None, None);
    let mut seed = 100;
    let mut restart = |bench: &mut Bench| {
        seed += 1;
        let records = memory.records();
        let (settings, store) = (SmdpSettings::new(ADDRESS), Box::new(memory.clone()));
        bench.smdp = smdp_with(&bench.pki, settings, store, &records, seed);
    };
    let request = bench.authentication(Some("M-1"));
    assert!(
        !memory.records().keys().any(|(kind, _)| *kind == Kind::Session),
        "nobody has proved anything yet"
    );
    let answer = bench.executed("authenticateClient", &request);
    restart(&mut bench);
    let request = bench.preparation(&answer, None, false);
    let first = bench.executed("getBoundProfilePackage", &request);
    restart(&mut bench);
    assert_eq!(bench.executed("getBoundProfilePackage", &request), first);
    let installed = bench.card.open(&first);
    let result = bench.card.result(&installed.metadata, success());
    restart(&mut bench);
    assert_eq!(bench.notify(&result).refusal, None);
    restart(&mut bench);
    assert_eq!(bench.state(0), OrderState::Installed);
    assert_eq!(bench.smdp.notifications().next().unwrap().event, "install");
    // The result that comes again, and a record that is none.
    assert!(bench.notify(&result).note.starts_with("again"));
    let mut records = memory.records();
    for record in records.values_mut() {
        record.truncate(record.len() / 2);
    }
    let tally = Tally::new();
    let rng = RngTree::new(1).stream("smdp");
    let refused =
        Smdp::new(SmdpSettings::new(ADDRESS), Vec::new(), rng, Box::new(Forgetful), &records, &tally);
    assert!(refused.is_err());
}

#[test]
fn what_cannot_be_kept_does_not_happen() {
    struct Full;
    impl Store for Full {
        fn put(&mut self, kind: Kind, key: &str, _: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError> {
            Err(StoreError { kind, key: key.to_owned(), problem: "no space".to_owned() })
        }
        fn remove(&mut self, _: Kind, _: &str) -> Result<(), StoreError> {
            Ok(())
        }
    }
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let installed = bench.download(Some("M-1"), false);
    let result = bench.card.result(&installed.metadata, success());
    bench.smdp.add_profile(profile(1)).unwrap();
    bench.release(1, "M-2", None, None);
    let request = bench.authentication(Some("M-2"));
    bench.smdp.store = Box::new(Full);
    let served = bench.notify(&result);
    assert_eq!((served.response.status, served.refusal), (503, Some(Reason::NotKept)));
    assert_eq!(bench.state(0), OrderState::Downloaded);
    assert_eq!(bench.call("authenticateClient", &request).refusal, Some(Reason::NotKept));
}

#[test]
fn a_notification_of_a_state_is_recorded() {
    let mut bench = Bench::new();
    let iccid_bytes = profile(0).metadata.iccid;
    for event in [NotificationEvents::ENABLE, NotificationEvents::DELETE] {
        let notification = bench.card.notification(event, iccid_bytes);
        assert_eq!(bench.notify(&notification).refusal, None);
    }
    let recorded: Vec<_> =
        bench.smdp.notifications().map(|r| (r.sequence_number, r.event.as_str(), r.iccid.clone())).collect();
    assert_eq!(recorded, [(1, "enable", Some(iccid(0))), (2, "delete", Some(iccid(0)))]);
}

#[test]
fn an_euicc_leaves_so_many_notifications_and_no_more() {
    let memory = MemoryStore::default();
    let mut bench = Bench::with(SmdpSettings::new(ADDRESS), Box::new(memory.clone()));
    let iccid_bytes = profile(0).metadata.iccid;
    for _ in 0..300 {
        let notification = bench.card.notification(NotificationEvents::ENABLE, iccid_bytes);
        assert_eq!(bench.notify(&notification).refusal, None);
    }
    assert_eq!(bench.smdp.notifications().count(), 256);
    let kept = memory.records().keys().filter(|(kind, _)| *kind == Kind::Notification).count();
    assert_eq!(kept, 256);
}

#[test]
fn responses_have_the_fields_of_the_standard() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let answer = bench.initiate();
    assert_eq!(
        keys(&answer),
        [
            "header",
            "transactionId",
            "serverSigned1",
            "serverSignature1",
            "euiccCiPKIdToBeUsed",
            "serverCertificate"
        ]
    );
    let answer = bench.authenticate(Some("M-1"));
    let expected =
        ["header", "transactionId", "profileMetadata", "smdpSigned2", "smdpSignature2", "smdpCertificate"];
    assert_eq!(keys(&answer), expected);
    let request = bench.preparation(&answer, None, false);
    let answer = bench.executed("getBoundProfilePackage", &request);
    assert_eq!(keys(&answer), ["header", "transactionId", "boundProfilePackage"]);
    let id = answer["transactionId"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
}
