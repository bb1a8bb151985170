//! How much the eIM computes for a device: the same however many others have something under way.

use std::sync::{Arc, Mutex};

use cellbed::crypto::{Op, Tally};
use cellbed::esim::eim::{Rule, RuleStep, WorkKind};
use cellbed::wire::bcd;
use cellbed::wire::rsp::iot::{
    EimPackageResult, EsipaRequest, GetEimPackage, NotificationForEim, ProfileDownloadTriggerResult,
    TriggerOutcome,
};
use cellbed::wire::rsp::{PendingNotification, ProfileInstallationResult};

use crate::ipa::as_v1_0;
use crate::lab::*;

/// A lab in which the eIM knows `others` more eUICCs with their certificates, all with work under way.
fn crowded(others: u32) -> Lab {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    for number in 2..2 + others {
        let mut neighbour = lab.device(number, true);
        lab.eim.enqueue(&eid(number), WorkKind::list()).unwrap();
        let mut ipa = lab.ipa(false);
        lab.poll(&mut neighbour, &mut ipa, |_| true).unwrap();
        lab.eim.enqueue(&eid(number), WorkKind::list()).unwrap();
        let get = GetEimPackage {
            eid: bcd::eid(&eid(number)),
            notify_state_change: false,
            cause: None,
            plmn: None,
        };
        lab.esipa(&EsipaRequest::GetEimPackage(get));
        assert!(lab.eim.euicc(&eid(number)).unwrap().is_waiting());
    }
    let code = "LPA:1$smdp.example$M-1".to_owned();
    lab.eim.add_rule(Rule::zero_touch("", RuleStep::DownloadByCode { code, hidden: false }));
    lab
}

/// How many verifications the eIM did while `work` was done.
fn counted<T>(lab: &mut Lab, work: impl FnOnce(&mut Lab) -> T) -> (T, u64) {
    let verifications = |tally: &Tally| tally.of(Op::P256Verify) + tally.of(Op::BrainpoolVerify);
    let before = verifications(&lab.tally);
    let done = work(lab);
    (done, verifications(&lab.tally) - before)
}

/// What a device brings to the eIM in the place of the result of its download.
fn pending(raw: Vec<u8>) -> EsipaRequest {
    EsipaRequest::HandleNotification(NotificationForEim::Pending(raw))
}

/// Downloads onto device 1; gives back what it signed of the installation, and the verifications.
fn download(lab: &mut Lab, v1_0: bool) -> (Vec<u8>, u64) {
    let (mut device, mut ipa) = (lab.device(1, true), lab.ipa(v1_0));
    let signed = Arc::new(Mutex::new(Vec::new()));
    let seen = signed.clone();
    lab.before = Box::new(move |request| {
        if let Ok(EsipaRequest::ProvideEimPackageResult(provide)) = EsipaRequest::parse(&request.body)
            && let EimPackageResult::Download(ProfileDownloadTriggerResult {
                outcome: TriggerOutcome::Installation(raw),
                ..
            }) = provide.result
        {
            *seen.lock().unwrap() = raw;
        }
        if v1_0 { as_v1_0(request) } else { request.clone() }
    });
    if v1_0 {
        lab.between = crate::ipa::with_body();
    }
    let (_, count) = counted(lab, |lab| lab.poll(&mut device, &mut ipa, |_| true).unwrap());
    assert_eq!(device.enabled().as_deref(), Some("operational"), "{:#?}", lab.log);
    let signed = signed.lock().unwrap().clone();
    (signed, count)
}

#[test]
fn a_download_costs_the_same_however_many_others_are_under_way() {
    for v1_0 in [false, true] {
        let alone = download(&mut crowded(1), v1_0).1;
        let among_many = download(&mut crowded(9), v1_0).1;
        assert!(alone > 0);
        assert_eq!(alone, among_many, "v1.0: {v1_0}");
    }
}

#[test]
fn a_signature_leads_to_its_signer_also_after_a_restart() {
    let mut costs = Vec::new();
    for others in [1, 9] {
        let mut lab = crowded(others);
        let (raw, _) = download(&mut lab, false);
        // The eIM knows nothing of the transaction: the device has spoken to the SM-DP+ itself.
        for restarted in [false, true] {
            if restarted {
                lab.restart_eim(77);
            }
            let (response, count) = counted(&mut lab, |lab| lab.esipa(&pending(raw.clone())));
            assert_eq!(response.status, 204, "{:#?}", lab.log.last());
            costs.push(count);
            // It waits for its server, once.
            let mut waiting = 0;
            while let Some(forward) = lab.eim.next_forward(NOW) {
                assert_eq!(forward.eid, eid(1));
                waiting += u32::from(forward.request == again(&raw));
            }
            assert_eq!(waiting, 1);
        }
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
}

fn again(raw: &[u8]) -> cellbed::esim::HttpRequest {
    cellbed::esim::es9p::handle_notification(SMDP, raw)
}

#[test]
fn a_hostile_sender_costs_a_handful_of_verifications() {
    for others in [1, 9] {
        let mut lab = crowded(others);
        let (raw, _) = download(&mut lab, false);
        let mut result = ProfileInstallationResult::parse(&raw).unwrap();
        result.signature[40] ^= 1;
        let forged = PendingNotification::Installation(result).to_bytes();
        let (_, count) = counted(&mut lab, |lab| lab.esipa(&pending(forged)));
        assert!(lab.log.last().unwrap().contains("unknown-eid"), "{:?}", lab.log.last());
        assert!(count <= 4, "{count} verifications among {others} others");
    }
}

#[test]
fn a_server_that_takes_nothing_is_left_alone_for_a_while() {
    let mut lab = crowded(0);
    download(&mut lab, false);
    let mut waiting = Vec::new();
    while let Some(forward) = lab.eim.next_forward(NOW) {
        waiting.push(forward);
    }
    // One at a time for each server.
    assert_eq!((waiting.len(), lab.eim.deadline_unix_s()), (1, None));
    lab.eim.not_forwarded(&waiting[0]);
    let deadline = lab.eim.deadline_unix_s();
    while let Some(forward) = lab.eim.next_forward(NOW) {
        lab.eim.not_forwarded(&forward);
        waiting.push(forward);
    }
    assert!(deadline <= Some(NOW + 60) && lab.eim.deadline_unix_s() == Some(NOW + 60));
    assert_eq!(lab.eim.next_forward(NOW + 59), None);
    lab.eim.forwarded(&waiting[0]).unwrap();
    assert_eq!(lab.eim.next_forward(NOW + 60).as_ref(), waiting.get(1));
}

#[test]
fn a_notification_that_nobody_takes_is_forgotten_after_a_week() {
    let mut lab = crowded(0);
    download(&mut lab, false);
    let week_s = 7 * 86_400;
    let forward = lab.eim.next_forward(NOW + week_s).unwrap();
    lab.eim.not_forwarded(&forward);
    assert_eq!(lab.eim.next_forward(NOW + week_s + 61), None);
    assert_eq!(lab.eim.deadline_unix_s(), None);
}
