//! Whoever knows an EID, or invents one: nothing of another's work is changed, nothing is written, nobody is connected to.

use std::sync::{Arc, Mutex};

use cellbed::esim::HttpResponse;
use cellbed::esim::eim::{Action, Rule, RuleStep, WorkKind};
use cellbed::esim::store::{Kind, MemoryStore, Records, Store, StoreError};
use cellbed::esim::{ASN1, HttpRequest};
use cellbed::wire::bcd;
use cellbed::wire::rsp::iot::{
    DownloadTrigger, EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, EuiccPackageResult,
    EuiccPackageSigned, GetEimPackage, IpaEuiccDataResponse, ProfileDownloadTriggerResult,
    ProvideEimPackageResult, StateChangeCause, TriggerOutcome,
};

use crate::lab::*;

fn bytes(lab: &mut Lab, body: Vec<u8>) -> HttpResponse {
    let path = "/gsma/rsp2/asn1".to_owned();
    lab.send(&HttpRequest { host: EIM.to_owned(), path, content_type: ASN1.to_owned(), body }).unwrap()
}

fn get(number: u32, notify_state_change: bool) -> EsipaRequest {
    let cause = notify_state_change.then_some(StateChangeCause::LOCAL);
    EsipaRequest::GetEimPackage(GetEimPackage {
        eid: bcd::eid(&eid(number)),
        notify_state_change,
        cause,
        plmn: None,
    })
}

/// A device whose certificates the eIM knows.
fn known() -> (Lab, Device) {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    (lab, device)
}

/// Whether the device does what waits for it, now and after everything that was put aside has come back.
fn is_done(lab: &mut Lab, device: &mut Device) -> bool {
    for _ in 0..3 {
        let mut ipa = lab.ipa(false);
        let _ = lab.poll(device, &mut ipa, |_| true);
        lab.now += 4_000;
    }
    let record = lab.eim.euicc(&eid(1)).unwrap();
    record.is_idle() && record.outcomes.last().unwrap().ok
}

#[test]
fn who_knows_an_eid_cancels_nothing() {
    let (mut lab, mut device) = known();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    // BF50 { 5A EID, A0 { 02 01 7F } }: neither transaction nor signature, before and after it was fetched.
    let anonymous = |lab: &mut Lab| {
        let result = EimPackageResult::Error { transaction_id: None, code: 127 };
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
    };
    anonymous(&mut lab);
    assert_eq!(lab.eim.euicc(&eid(1)).unwrap().queue.len(), 1);
    let fetched = EsipaResponse::parse(&lab.esipa(&get(1, false)).body).unwrap();
    anonymous(&mut lab);
    assert!(lab.eim.euicc(&eid(1)).unwrap().is_waiting(), "{:#?}", lab.log);
    // Who has fetched it as well knows its transaction: the eUICC has still not signed anything.
    let EsipaResponse::GetEimPackage(Ok(package)) = fetched else { panic!("{fetched:?}") };
    let EimPackage::Euicc(raw) = *package else { panic!("{package:?}") };
    let request = cellbed::wire::rsp::iot::EuiccPackageRequest::parse(&raw).unwrap();
    let transaction_id = EuiccPackageSigned::parse(&request.signed).unwrap().transaction_id;
    let unsigned = EuiccPackageResult::ErrorUnsigned {
        eim_id: "cellbed-eim".to_owned(),
        transaction_id: transaction_id.clone(),
        association_token: None,
        code: None,
    };
    for result in [
        EimPackageResult::Error { transaction_id, code: 127 },
        EimPackageResult::Euicc { result: unsigned.to_bytes(), notifications: Vec::new() },
    ] {
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
    }
    assert!(is_done(&mut lab, &mut device), "{:#?}", lab.log);
    let outcomes = &lab.eim.euicc(&eid(1)).unwrap().outcomes;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.ok && outcome.what == "listProfileInfo").count(), 2);
}

#[test]
fn nobody_poisons_the_association_token() {
    // Before the eUICC has signed anything, and after.
    for proven in [false, true] {
        let mut lab = Lab::new();
        let mut device = lab.device(1, true);
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        if proven {
            assert!(is_done(&mut lab, &mut device));
            lab.eim.enqueue(&eid(1), WorkKind::introduction()).unwrap();
        }
        let mut es10 = cellbed::esim::lpa::Es10::open(&mut device.slot).unwrap();
        let certificates = es10.certificates(None).unwrap();
        es10.close().unwrap();
        let asked = EsipaResponse::parse(&lab.esipa(&get(1, false)).body).unwrap();
        let EsipaResponse::GetEimPackage(Ok(package)) = asked else { panic!("{asked:?}") };
        let EimPackage::Data(request) = *package else { panic!("{package:?}") };
        let data = cellbed::wire::rsp::iot::EuiccData {
            association_token: Some(999),
            eum_certificate: Some(certificates.eum),
            euicc_certificate: Some(certificates.euicc),
            transaction_id: request.transaction_id,
            ..Default::default()
        };
        let result = EimPackageResult::Data(IpaEuiccDataResponse::Ok(Box::new(data)));
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        assert!(is_done(&mut lab, &mut device), "proven: {proven}: {:#?}", lab.log);
        assert_eq!(lab.eim.euicc(&eid(1)).unwrap().association_token, Some(1));
    }
}

/// Counts what is written.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<(u32, usize)>>);

impl Store for Counting {
    fn put(&mut self, _: Kind, _: &str, record: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError> {
        let mut counted = self.0.lock().unwrap();
        counted.0 += 1;
        counted.1 = counted.1.max(record().len());
        Ok(())
    }

    fn remove(&mut self, _: Kind, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn state_changes_are_one_list_and_one_write() {
    let (mut lab, _) = known();
    let records = lab.store.records();
    let counting = Counting::default();
    lab.eim = eim_with(&lab.pki, Box::new(counting.clone()), &records, 60, &lab.tally);
    let first = {
        lab.esipa(&get(1, true));
        counting.0.lock().unwrap().1
    };
    for _ in 0..200 {
        lab.esipa(&get(1, true));
    }
    let (writes, longest) = *counting.0.lock().unwrap();
    assert!(writes <= 2 && longest <= first, "{writes} writes of up to {longest} bytes");
    assert!(lab.eim.euicc(&eid(1)).unwrap().queue.is_empty());
}

#[test]
fn what_nobody_has_signed_makes_no_record_long() {
    let (mut lab, _) = known();
    let length = |lab: &Lab| lab.store.records().values().map(Vec::len).max().unwrap();
    let before = length(&lab);
    for _ in 0..80 {
        let trigger = DownloadTrigger::DefaultSmdp;
        lab.eim.enqueue(&eid(1), WorkKind::Download { trigger, hidden: false }).unwrap();
        let out = EsipaResponse::parse(&lab.esipa(&get(1, false)).body).unwrap();
        let EsipaResponse::GetEimPackage(Ok(package)) = out else { panic!("{out:?}") };
        let EimPackage::Download(trigger) = *package else { panic!("{package:?}") };
        let outcome = TriggerOutcome::Error { reason: Some(127), response: Some(vec![b'x'; 100_000]) };
        let result = ProfileDownloadTriggerResult { transaction_id: trigger.transaction_id, outcome };
        let result = EimPackageResult::Download(result);
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
    }
    lab.eim.enqueue(&eid(1), WorkKind::introduction()).unwrap();
    let mut record_grew = length(&lab);
    assert!(record_grew < before + 100_000, "{before} to {record_grew} bytes");
    for _ in 0..200 {
        let out = EsipaResponse::parse(&lab.esipa(&get(1, false)).body).unwrap();
        let EsipaResponse::GetEimPackage(Ok(package)) = out else { break };
        let EimPackage::Data(request) = *package else { break };
        let data = cellbed::wire::rsp::iot::EuiccData {
            default_smdp: Some("x".repeat(100_000)),
            transaction_id: request.transaction_id,
            ..Default::default()
        };
        let result = EimPackageResult::Data(IpaEuiccDataResponse::Ok(Box::new(data)));
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
        record_grew = record_grew.max(length(&lab));
    }
    assert!(record_grew < before + 100_000, "{before} to {record_grew} bytes");
}

#[test]
fn invented_eids_are_written_nowhere() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let code = "LPA:1$smdp.example$M-1".to_owned();
    lab.eim.add_rule(Rule::zero_touch("", RuleStep::DownloadByCode { code, hidden: false }));
    let mut invented = eid(1);
    for _ in 0..3_000 {
        invented = invented.plus(1).unwrap();
        let get =
            GetEimPackage { eid: bcd::eid(&invented), notify_state_change: true, cause: None, plmn: None };
        lab.esipa(&EsipaRequest::GetEimPackage(get));
    }
    assert!(lab.store.records().is_empty());
    assert!(lab.eim.euiccs().count() <= 1_000, "{}", lab.eim.euiccs().count());
    // Somebody real among them is served, and then written.
    let mut device = lab.device(1, true);
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert_eq!(device.enabled().as_deref(), Some("operational"));
    assert_eq!(lab.store.records().len(), 1);
}

#[test]
fn the_eim_is_no_open_relay() {
    let initiate = |smdp: &str, transaction_id: Option<Vec<u8>>| {
        let ci = Lab::new().pki.ci.certificate.public().key_id().to_vec();
        let info1 = cellbed::wire::rsp::EuiccInfo1 {
            svn: [2, 3, 0],
            ci_for_verification: vec![ci.clone()],
            ci_for_signing: vec![ci],
        };
        EsipaRequest::InitiateAuthentication {
            euicc_challenge: [1; 16],
            smdp_address: Some(smdp.to_owned()),
            euicc_info1: Some(info1.to_bytes()),
            eim_transaction_id: transaction_id,
        }
    };
    let code = |lab: &mut Lab, request: &EsipaRequest| match EsipaResponse::parse(&lab.esipa(request).body)
        .unwrap()
    {
        EsipaResponse::InitiateAuthentication(answer) => answer.err(),
        other => panic!("{other:?}"),
    };
    let (mut lab, _) = known();
    // No work is out: to nobody, not even to the SM-DP+ of the house.
    for smdp in ["127.0.0.1:9", SMDP] {
        assert_eq!(code(&mut lab, &initiate(smdp, None)), Some(1), "{smdp}");
    }
    assert_eq!(code(&mut lab, &initiate(SMDP, Some(vec![1; 16]))), Some(52));
    // A list is out, which is no download.
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    lab.esipa(&get(1, false));
    assert_eq!(code(&mut lab, &initiate(SMDP, None)), Some(1));
    // A download from the SM-DP+ of the house is out, and goes there and nowhere else.
    let (mut lab, _) = known();
    let trigger = DownloadTrigger::ActivationCode("LPA:1$smdp.example$M-1".to_owned());
    lab.eim.enqueue(&eid(1), WorkKind::Download { trigger, hidden: false }).unwrap();
    let out = EsipaResponse::parse(&lab.esipa(&get(1, false)).body).unwrap();
    let EsipaResponse::GetEimPackage(Ok(package)) = out else { panic!("{out:?}") };
    let EimPackage::Download(trigger) = *package else { panic!("{package:?}") };
    for transaction_id in [None, trigger.transaction_id] {
        assert_eq!(code(&mut lab, &initiate("127.0.0.1:9", transaction_id.clone())), Some(1));
        assert_eq!(code(&mut lab, &initiate(SMDP, transaction_id)), None, "{:#?}", lab.log);
    }
    assert!(!lab.log.iter().any(|line| line.contains("nobody is at")), "{:#?}", lab.log);
}

#[test]
fn a_relayed_session_runs_out() {
    let (mut lab, _) = known();
    let trigger = DownloadTrigger::ActivationCode("LPA:1$smdp.example$M-1".to_owned());
    lab.eim.enqueue(&eid(1), WorkKind::Download { trigger, hidden: false }).unwrap();
    lab.esipa(&get(1, false));
    let ci = lab.pki.ci.certificate.public().key_id().to_vec();
    let info1 = cellbed::wire::rsp::EuiccInfo1 {
        svn: [2, 3, 0],
        ci_for_verification: vec![ci.clone()],
        ci_for_signing: vec![ci],
    };
    let request = EsipaRequest::InitiateAuthentication {
        euicc_challenge: [1; 16],
        smdp_address: Some(SMDP.to_owned()),
        euicc_info1: Some(info1.to_bytes()),
        eim_transaction_id: None,
    };
    let answer = EsipaResponse::parse(&lab.esipa(&request).body).unwrap();
    let EsipaResponse::InitiateAuthentication(Ok(ok)) = answer else { panic!("{answer:?}") };
    let authenticate = EsipaRequest::AuthenticateClient {
        transaction_id: ok.transaction_id.unwrap(),
        response: vec![0xbf, 0x38, 0],
    };
    let relays = |lab: &mut Lab| {
        let path = "/gsma/rsp2/asn1".to_owned();
        let body = authenticate.to_bytes();
        let request = HttpRequest { host: EIM.to_owned(), path, content_type: ASN1.to_owned(), body };
        matches!(lab.eim.handle(lab.now, &request), Action::Relay { .. })
    };
    lab.now += 3_599;
    assert!(relays(&mut lab));
    lab.now += 1;
    assert!(!relays(&mut lab));
}

#[test]
fn an_eim_without_its_store_is_another_eim() {
    // The store that the tests above look into is the one that is written.
    let (lab, _) = known();
    assert_eq!(lab.store.records().len(), 1);
    let store = MemoryStore::default();
    let eim = eim_with(&lab.pki, Box::new(store), &Records::new(), 61, &lab.tally);
    assert_eq!(eim.euiccs().count(), 0);
}

#[test]
fn a_flood_of_rubbish_changes_nothing() {
    let (mut lab, mut device) = known();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let eid_hex = hex::encode(bcd::eid(&eid(1)));
    for body in [
        format!("bf50175a10{eid_hex}a00302017f"),
        format!("bf4f145a10{eid_hex}8000"),
        format!("bf502d5a10{eid_hex}bf5218a016840203e78710{}", "07".repeat(16)),
    ] {
        bytes(&mut lab, hex::decode(body).unwrap());
    }
    assert!(is_done(&mut lab, &mut device), "{:#?}", lab.log);
}
