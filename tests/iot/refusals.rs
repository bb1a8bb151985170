//! Packages and results that are not what they should be: nothing happens, and the reason is named.

use std::sync::atomic::Ordering;

use cellbed::esim::eim::{Action, WorkKind};
use cellbed::esim::ipa::Ipa;
use cellbed::esim::{ASN1, HttpRequest};
use cellbed::wire::rsp::iot::{
    EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, EuiccPackage, EuiccPackageRequest,
    EuiccPackageSigned, ProvideEimPackageResult, Psmo,
};

use crate::lab::*;

/// A device that is known to the eIM, its certificates too, with one more piece of work in its queue.
fn known(work: WorkKind) -> (Lab, Device, Ipa) {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    lab.eim.enqueue(&eid(1), work).unwrap();
    (lab, device, ipa)
}

fn disable() -> WorkKind {
    let iccid = cellbed::wire::bcd::iccid(&"8988211000000000011".parse().unwrap());
    WorkKind::Package(EuiccPackage::Psmo(vec![Psmo::Disable(iccid)]))
}

/// Changes the package on its way to the device.
fn change_package(lab: &mut Lab, change: impl Fn(EuiccPackageRequest) -> EuiccPackageRequest + 'static) {
    lab.between = Box::new(move |_, mut response| {
        if let Ok(EsipaResponse::GetEimPackage(Ok(package))) = EsipaResponse::parse(&response.body)
            && let EimPackage::Euicc(raw) = *package
        {
            let changed = change(EuiccPackageRequest::parse(&raw).unwrap()).to_bytes();
            response.body = EsipaResponse::GetEimPackage(Ok(Box::new(EimPackage::Euicc(changed)))).to_bytes();
        }
        Some(response)
    });
}

fn last_outcome(lab: &Lab) -> String {
    let record = lab.eim.euicc(&eid(1)).unwrap();
    record.outcomes.last().map(|o| format!("{} {}", o.ok, o.detail)).unwrap_or_default()
}

#[test]
fn a_package_with_another_signature_changes_nothing() {
    let (mut lab, mut device, mut ipa) = known(disable());
    change_package(&mut lab, |mut request| {
        request.signature[9] ^= 1;
        request
    });
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert_eq!(device.enabled().as_deref(), Some("bootstrap"));
    let outcomes = &lab.eim.euicc(&eid(1)).unwrap().outcomes;
    let refused = outcomes.iter().filter(|outcome| !outcome.ok);
    let refused: Vec<_> = refused.map(|outcome| outcome.detail.as_str()).collect();
    assert_eq!(refused, ["the eUICC does not know this eIM, or not its signature"]);
}

#[test]
fn a_package_for_another_eid_is_refused() {
    let (mut lab, mut device, mut ipa) = known(disable());
    // Signed by the eIM for a neighbour, and brought to this device.
    let mut neighbour = lab.device(2, true);
    lab.eim.enqueue(&eid(2), WorkKind::list()).unwrap();
    let mut other = lab.ipa(false);
    lab.poll(&mut neighbour, &mut other, |_| true).unwrap();
    lab.eim.enqueue(&eid(2), disable()).unwrap();
    let raw = fetch(&mut lab, 2);
    change_package(&mut lab, move |_| EuiccPackageRequest::parse(&raw).unwrap());
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert!(!report.refused.is_empty());
    assert_eq!(device.enabled().as_deref(), Some("bootstrap"));
    assert!(lab.log.iter().any(|line| line.contains("wrong-transaction")), "{:#?}", lab.log);
}

/// Fetches the package of a device as its IPA would.
fn fetch(lab: &mut Lab, number: u32) -> Vec<u8> {
    let get = cellbed::wire::rsp::iot::GetEimPackage {
        eid: cellbed::wire::bcd::eid(&eid(number)),
        notify_state_change: false,
        cause: None,
        plmn: None,
    };
    let body = EsipaRequest::GetEimPackage(get).to_bytes();
    let response = send(lab, body);
    match EsipaResponse::parse(&response).unwrap() {
        EsipaResponse::GetEimPackage(Ok(package)) => match *package {
            EimPackage::Euicc(raw) => raw,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn send(lab: &mut Lab, body: Vec<u8>) -> Vec<u8> {
    let path = "/gsma/rsp2/asn1".to_owned();
    lab.send(&HttpRequest { host: EIM.to_owned(), path, content_type: ASN1.to_owned(), body }).unwrap().body
}

#[test]
fn a_replayed_package_is_refused_by_the_card() {
    let (mut lab, mut device, mut ipa) = known(WorkKind::list());
    let raw = fetch(&mut lab, 1);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert!(last_outcome(&lab).starts_with("true"), "the same package again was the first for the card");
    // Once more, in the place of the next one.
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let again = raw.clone();
    change_package(&mut lab, move |_| EuiccPackageRequest::parse(&again).unwrap());
    let signed = EuiccPackageSigned::parse(&EuiccPackageRequest::parse(&raw).unwrap().signed).unwrap();
    assert_eq!(signed.counter, 2);
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert!(!report.refused.is_empty());
    assert!(lab.log.iter().any(|line| line.contains("wrong-transaction")), "{:#?}", lab.log);
}

#[test]
fn a_result_that_the_card_did_not_sign_is_refused() {
    let (mut lab, mut device, mut ipa) = known(WorkKind::list());
    device.forge.store(true, Ordering::Relaxed);
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert_eq!(report.refused, ["the eIM does not take a result: undefined-error (127)"]);
    assert!(lab.log.iter().any(|line| line.contains("wrong-signature")), "{:#?}", lab.log);
    // The package has not ended: once the card signs again it is done.
    device.forge.store(false, Ordering::Relaxed);
    lab.now += 4_000;
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert!(last_outcome(&lab).starts_with("true listProfileInfo"), "{:#?}", lab.log);
}

/// The result of a device, as its IPA would bring it, for whoever the EID says.
fn bring(lab: &mut Lab, number: u32, result: Vec<u8>) -> String {
    let result = EimPackageResult::Euicc { result, notifications: Vec::new() };
    let eid = Some(cellbed::wire::bcd::eid(&eid(number)));
    send(lab, EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResult { eid, result }).to_bytes());
    lab.log.last().unwrap().clone()
}

fn execute(device: &mut Device, raw: &[u8]) -> Vec<u8> {
    let mut es10 = cellbed::esim::lpa::Es10::open(&mut device.slot).unwrap();
    let result = es10.load_euicc_package(raw).unwrap();
    es10.close().unwrap();
    result
}

#[test]
fn results_are_taken_once_and_only_of_what_is_out() {
    let (mut lab, mut device, _) = known(WorkKind::list());
    let raw = fetch(&mut lab, 1);
    assert_eq!(fetch(&mut lab, 1), raw, "what is fetched again is the same");
    let result = execute(&mut device, &raw);
    assert!(bring(&mut lab, 1, result.clone()).contains("ok: EID"));
    assert!(bring(&mut lab, 1, result.clone()).contains("the same result again"));
    // For another eUICC, it is not signed by that one.
    let mut neighbour = lab.device(2, true);
    lab.eim.enqueue(&eid(2), WorkKind::list()).unwrap();
    let mut other = lab.ipa(false);
    lab.poll(&mut neighbour, &mut other, |_| true).unwrap();
    assert!(bring(&mut lab, 2, result).contains("wrong-signature"));
    // A package of before: its counter is another.
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let second = fetch(&mut lab, 1);
    let result = execute(&mut device, &second);
    let refused = execute(&mut device, &raw);
    assert!(bring(&mut lab, 1, refused).contains("wrong-transaction"));
    assert!(bring(&mut lab, 1, result).contains("ok: EID"));
}

#[test]
fn a_result_without_certificates_is_not_believed() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.register(&eid(1), Some(1)).unwrap();
    let mut es10 = cellbed::esim::lpa::Es10::open(&mut device.slot).unwrap();
    let eims = es10.eims().unwrap();
    assert_eq!((eims.len(), eims[0].association_token), (1, Some(1)));
    es10.close().unwrap();
    let forged =
        cellbed::wire::rsp::iot::EuiccPackageResult::Signed { data: vec![0x30, 0], signature: [1; 64] };
    assert!(bring(&mut lab, 1, forged.to_bytes()).contains("no-certificate"));
}

#[test]
fn certificates_of_another_ci_or_eid_are_refused() {
    let mut lab = Lab::new();
    let mut neighbour = lab.device(2, true);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    // The neighbour's certificates, said to be those of device 1.
    lab.between = Box::new(|_, response| Some(response));
    let get = |lab: &mut Lab, number: u32| {
        let get = cellbed::wire::rsp::iot::GetEimPackage {
            eid: cellbed::wire::bcd::eid(&eid(number)),
            notify_state_change: false,
            cause: None,
            plmn: None,
        };
        let body = send(lab, EsipaRequest::GetEimPackage(get).to_bytes());
        match EsipaResponse::parse(&body).unwrap() {
            EsipaResponse::GetEimPackage(Ok(package)) => match *package {
                EimPackage::Data(request) => request.transaction_id,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let transaction_id = get(&mut lab, 1);
    let mut es10 = cellbed::esim::lpa::Es10::open(&mut neighbour.slot).unwrap();
    let certificates = es10.certificates(None).unwrap();
    let data = cellbed::wire::rsp::iot::EuiccData {
        eum_certificate: Some(certificates.eum),
        euicc_certificate: Some(certificates.euicc),
        transaction_id,
        ..Default::default()
    };
    let response = cellbed::wire::rsp::iot::IpaEuiccDataResponse::Ok(Box::new(data));
    let provide = ProvideEimPackageResult {
        eid: Some(cellbed::wire::bcd::eid(&eid(1))),
        result: EimPackageResult::Data(response),
    };
    send(&mut lab, EsipaRequest::ProvideEimPackageResult(provide).to_bytes());
    assert!(lab.log.last().unwrap().contains("wrong-eid"), "{:?}", lab.log);
    assert!(!lab.eim.euicc(&eid(1)).unwrap().is_verified());
}

#[test]
fn nonsense_is_answered() {
    let mut lab = Lab::new();
    let request = |path: &str, body: Vec<u8>| HttpRequest {
        host: EIM.to_owned(),
        path: path.to_owned(),
        content_type: ASN1.to_owned(),
        body,
    };
    for (path, body, status) in [
        ("/gsma/rsp2/asn1", vec![], 400),
        ("/gsma/rsp2/asn1", vec![0xbf, 0x4f, 1], 400),
        ("/elsewhere", hex::decode("bf3d04a0023000").unwrap(), 404),
        ("/gsma/rsp2/asn1", hex::decode("bf3d04a0023000").unwrap(), 200),
    ] {
        let Action::Answer(answer) = lab.eim.handle(NOW, &request(path, body)) else { panic!() };
        assert_eq!(answer.response.status, status, "{}", answer.note);
        assert!(answer.refusal.is_some());
    }
}
