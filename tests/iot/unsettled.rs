//! Work that does not end as it should: packages that an eUICC cannot read, counters that were used, servers that are not
//! there, IPAs that stay silent.

use cellbed::esim::eim::{Rule, RuleStep, WorkKind};
use cellbed::esim::lpa::Es10;
use cellbed::esim::store::Records;
use cellbed::wire::bcd;
use cellbed::wire::rsp::iot::{
    AddInitialEim, DownloadTrigger, EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, GetEimPackage,
    ProfileDownloadTriggerResult, ProvideEimPackageResult, TriggerOutcome,
};

use crate::lab::*;

fn by_code(host: &str) -> WorkKind {
    let trigger = DownloadTrigger::ActivationCode(format!("LPA:1${host}$M-1"));
    WorkKind::Download { trigger, hidden: false }
}

fn outcomes(lab: &Lab) -> Vec<String> {
    let record = lab.eim.euicc(&eid(1)).unwrap();
    record.outcomes.iter().map(|o| format!("{} {}: {}", o.ok, o.what, o.detail)).collect()
}

fn get(lab: &mut Lab) -> EsipaResponse {
    let get = GetEimPackage { eid: bcd::eid(&eid(1)), notify_state_change: false, cause: None, plmn: None };
    EsipaResponse::parse(&lab.esipa(&EsipaRequest::GetEimPackage(get)).body).unwrap()
}

#[test]
fn an_smdp_that_cannot_be_reached_is_reported_and_the_next_work_is_done() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), by_code("smdp.invalid")).unwrap();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let mut ipa = lab.ipa(false);
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert_eq!(report.not_downloaded.map(|error| error.word()), Some("no-answer"));
    let told = outcomes(&lab);
    assert!(
        told[1].starts_with("false download by activation code: the download failed: no-answer"),
        "{told:?}"
    );
    assert!(told[2].starts_with("true listProfileInfo"), "{told:?}");
    // It is tried again, later each time, and then given up.
    for _ in 0..8 {
        lab.now += 3_600;
        let mut ipa = lab.ipa(false);
        lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    }
    let tries = lab.log.iter().filter(|line| line.contains("nobody is at")).count();
    assert_eq!(tries, 3 * 8);
    assert!(matches!(get(&mut lab), EsipaResponse::GetEimPackage(Err(1))));
    assert!(lab.eim.euicc(&eid(1)).unwrap().is_idle());
}

#[test]
fn an_ipa_that_stays_silent_holds_nothing_up() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    lab.eim.enqueue(&eid(1), by_code(SMDP)).unwrap();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let is_download = |response: EsipaResponse| match response {
        EsipaResponse::GetEimPackage(Ok(package)) => matches!(*package, EimPackage::Download(_)),
        other => panic!("{other:?}"),
    };
    // However often it asks within a minute, that is one time.
    for _ in 0..100 {
        assert!(is_download(get(&mut lab)));
    }
    for _ in 0..10 {
        lab.now += 60;
        assert!(is_download(get(&mut lab)), "{:#?}", lab.log.last());
    }
    lab.now += 60;
    assert!(!is_download(get(&mut lab)), "{:#?}", lab.log.last());
}

#[test]
fn a_package_that_does_not_read_is_answered_by_the_ipa() {
    for (package, code) in [
        // EuiccPackageRequest with nothing in it; the data request and the trigger cut short; a package of another kind.
        ("bf4f05bf51023000", 1),
        ("bf4f06bf520383017f", 1),
        ("bf4f05bf54028203", 1),
        ("bf4f03bf5300", 2),
    ] {
        let mut lab = Lab::new();
        let mut device = lab.device(1, true);
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        let mut ipa = lab.ipa(false);
        lab.poll(&mut device, &mut ipa, |_| true).unwrap();
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        let body = hex::decode(package).unwrap();
        lab.between = Box::new(move |request, mut response| {
            if matches!(EsipaRequest::parse(&request.body), Ok(EsipaRequest::GetEimPackage(_))) {
                response.body.clone_from(&body);
            }
            Some(response)
        });
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = told.clone();
        lab.before = Box::new(move |request| {
            if let Ok(EsipaRequest::ProvideEimPackageResult(provide)) = EsipaRequest::parse(&request.body)
                && let EimPackageResult::Error { code, .. } = provide.result
            {
                seen.lock().unwrap().push(code);
            }
            request.clone()
        });
        let mut ipa = lab.ipa(false);
        let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
        assert_eq!(*told.lock().unwrap(), [code], "{package}: {:#?}", lab.log);
        assert!(!report.refused.is_empty());
        lab.between = Box::new(|_, response| Some(response));
        lab.now += 4_000;
        let mut ipa = lab.ipa(false);
        lab.poll(&mut device, &mut ipa, |_| true).unwrap();
        assert!(outcomes(&lab).last().unwrap().starts_with("true listProfileInfo"), "{:#?}", outcomes(&lab));
    }
}

/// A device whose eUICC has seen this counter of the eIM.
fn with_counter(lab: &Lab, counter: u64) -> Device {
    let mut device = lab.device(1, false);
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    let mut configuration = lab.eim.configuration();
    configuration.counter = Some(counter);
    es10.add_initial_eim(&AddInitialEim(vec![configuration])).unwrap();
    es10.close().unwrap();
    device
}

#[test]
fn an_eim_that_has_lost_its_state_jumps_ahead_of_the_counter() {
    for counter in [1, 5, 40, 5_000, 2_000_000] {
        let mut lab = Lab::new();
        let mut device = with_counter(&lab, counter);
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        let mut ipa = lab.ipa(false);
        lab.poll(&mut device, &mut ipa, |_| true).unwrap();
        let told = outcomes(&lab);
        assert_eq!(told.len(), 2, "{counter}: {told:?} {:#?}", lab.log);
        assert!(told[1].starts_with("true listProfileInfo"), "{counter}: {told:?}");
        assert!(lab.eim.euicc(&eid(1)).unwrap().counter > counter);
    }
}

#[test]
fn an_eim_that_has_lost_its_state_takes_the_counter_from_a_result_that_was_kept() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    for _ in 0..5 {
        lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
        let mut ipa = lab.ipa(false);
        lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    }
    // The answer to the last result is lost, and with it everything that the eIM knew.
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    lab.between = Box::new(|request, response| {
        let provides = EsipaRequest::parse(&request.body);
        (!matches!(provides, Ok(EsipaRequest::ProvideEimPackageResult(_)))).then_some(response)
    });
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap_err();
    assert_eq!(device.results().len(), 1);
    lab.between = Box::new(|_, response| Some(response));
    lab.store = Default::default();
    lab.eim = eim(&lab.pki, &lab.store, &Records::new(), 70, &lab.tally);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    // The IPA brings a result that this eIM has never asked for, and goes on.
    let mut ipa = lab.ipa(false);
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert!(!report.refused.is_empty(), "{report:?}");
    assert!(outcomes(&lab).last().unwrap().starts_with("true listProfileInfo"), "{:#?}", lab.log);
    assert!(device.results().is_empty());
}

#[test]
fn an_old_installation_result_ends_no_trigger() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let code = "LPA:1$smdp.example$M-1".to_owned();
    lab.eim.add_rule(Rule::zero_touch("", RuleStep::DownloadByCode { code, hidden: false }));
    let mut device = lab.device(1, true);
    let signed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = signed.clone();
    lab.before = Box::new(move |request| {
        if let Ok(EsipaRequest::ProvideEimPackageResult(provide)) = EsipaRequest::parse(&request.body)
            && let EimPackageResult::Download(result) = &provide.result
            && let TriggerOutcome::Installation(raw) = &result.outcome
        {
            seen.lock().unwrap().clone_from(raw);
        }
        request.clone()
    });
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    let raw = signed.lock().unwrap().clone();
    assert!(!raw.is_empty());
    // Another trigger, and the result of before with its transaction.
    lab.eim.enqueue(&eid(1), by_code(SMDP)).unwrap();
    let EsipaResponse::GetEimPackage(Ok(package)) = get(&mut lab) else { panic!() };
    let EimPackage::Download(trigger) = *package else { panic!("{package:?}") };
    for transaction_id in [None, trigger.transaction_id] {
        let outcome = TriggerOutcome::Installation(raw.clone());
        let result = EimPackageResult::Download(ProfileDownloadTriggerResult { transaction_id, outcome });
        let provide = ProvideEimPackageResult { eid: Some(bcd::eid(&eid(1))), result };
        lab.esipa(&EsipaRequest::ProvideEimPackageResult(provide));
        assert!(lab.eim.euicc(&eid(1)).unwrap().is_waiting(), "{:#?}", lab.log.last());
    }
}

#[test]
fn what_the_euicc_refuses_stands_in_the_report() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    let unknown = bcd::iccid(&"8988211000000000060".parse().unwrap());
    let psmo = vec![cellbed::wire::rsp::iot::Psmo::Delete(unknown)];
    lab.eim.enqueue(&eid(1), WorkKind::Package(cellbed::wire::rsp::iot::EuiccPackage::Psmo(psmo))).unwrap();
    let mut ipa = lab.ipa(false);
    let report = lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    assert_eq!(report.refused, ["executed a package of the eIM: 0 of 1 done"]);
}
