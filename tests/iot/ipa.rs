//! Zero touch: the eIM decides, the device does.

use cellbed::esim::eim::{Rule, RuleStep, WorkKind};
use cellbed::esim::smdp::OrderState;
use cellbed::esim::{ASN1, HttpRequest, HttpResponse};
use cellbed::wire::rsp::iot::{
    DownloadTrigger, Eco, EimPackageResult, EsipaRequest, EsipaResponse, EuiccPackage, IpaEuiccDataResponse,
    NotificationForEim, ProfileDownloadTriggerResult, TriggerOutcome,
};

use crate::lab::*;

const CODE: &str = "LPA:1$smdp.example$M-1";

/// The outcomes of a download by code, an enabling and a list.
const DONE: [&str; 4] = [
    "true eUICC data: the eUICC's data",
    "true download by activation code: the profile is installed",
    "true enable: enable: ok",
    "true listProfileInfo: listProfileInfo: 2 profiles",
];

fn by_code(hidden: bool) -> RuleStep {
    RuleStep::DownloadByCode { code: CODE.to_owned(), hidden }
}

/// What the eIM knows in the end.
fn outcomes(lab: &Lab, number: u32) -> Vec<String> {
    let record = lab.eim.euicc(&eid(number)).unwrap();
    record.outcomes.iter().map(|o| format!("{} {}: {}", o.ok, o.what, o.detail)).collect()
}

/// Whether the download went through the eIM because the device was not told from where.
fn matching_id_is_hidden(lab: &Lab) -> bool {
    lab.log.iter().any(|line| line.starts_with("ESipa.InitiateAuthentication"))
}

/// Delivers what waits at the eIM for servers.
fn deliver(lab: &mut Lab) -> usize {
    let mut count = 0;
    while let Some(forward) = lab.eim.next_forward(NOW) {
        assert_eq!(forward.request.host, SMDP);
        assert_eq!(lab.send(&forward.request).unwrap().status, 204);
        lab.eim.forwarded(&forward).unwrap();
        count += 1;
    }
    assert_eq!(lab.eim.deadline_unix_s(), None);
    count
}

fn zero_touch(download: RuleStep, matching_id: &str, bound: bool, indirect: bool) -> (Lab, Device) {
    let mut lab = Lab::new();
    lab.order(matching_id, bound.then(|| eid(1)), None);
    lab.eim.add_rule(Rule::zero_touch("89049032", download));
    let mut device = lab.device(1, true);
    let mut ipa = lab.ipa(indirect);
    if matching_id == "EV-1" {
        lab.announce(&eid(1), "EV-1");
    }
    let report =
        lab.poll(&mut device, &mut ipa, |_| true).unwrap_or_else(|error| panic!("{error} {:#?}", lab.log));
    assert!(report.profile_changed, "{report:?} {:#?}", lab.log);
    assert_eq!(device.enabled().as_deref(), Some("operational"));
    // Through the eIM, it is the eIM that tells the SM-DP+.
    if indirect || matching_id_is_hidden(&lab) {
        assert_eq!(lab.smdp.order(&lab.iccid()).unwrap().state(), OrderState::Downloaded);
        deliver(&mut lab);
    }
    assert_eq!(lab.smdp.order(&lab.iccid()).unwrap().state(), OrderState::Installed);
    let record = lab.eim.euicc(&eid(1)).unwrap();
    assert!(record.is_verified() && record.queue.is_empty() && !record.is_waiting());
    let enabled = record.profiles.iter().find(|profile| profile.enabled).unwrap();
    assert_eq!(enabled.iccid, lab.iccid());
    assert!(device.results().is_empty(), "every result was acknowledged");
    (lab, device)
}

#[test]
fn directly_by_activation_code() {
    let (lab, _) = zero_touch(by_code(false), "M-1", false, false);
    assert_eq!(outcomes(&lab, 1), DONE);
    // What the enabling has caused waits at the eIM for the SM-DP+.
    let mut lab = lab;
    assert!(deliver(&mut lab) > 0);
    assert!(lab.smdp.notifications().any(|notification| notification.event == "enable"));
}

#[test]
fn through_the_eim() {
    let (lab, _) = zero_touch(by_code(false), "M-1", false, true);
    assert!(lab.log.iter().any(|line| line.starts_with("ESipa.GetBoundProfilePackage ok")), "{:#?}", lab.log);
}

#[test]
fn through_the_eim_with_a_code_that_the_device_never_sees() {
    zero_touch(by_code(true), "M-1", false, false);
}

#[test]
fn an_ipa_of_v1_0_names_neither_eid_nor_transaction() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    lab.eim.add_rule(Rule::zero_touch("", by_code(false)));
    let (mut device, mut ipa) = (lab.device(1, true), lab.ipa(true));
    lab.before = Box::new(as_v1_0);
    lab.between = with_body();
    lab.poll(&mut device, &mut ipa, |_| true).unwrap_or_else(|error| panic!("{error} {:#?}", lab.log));
    assert_eq!(device.enabled().as_deref(), Some("operational"));
    assert_eq!(outcomes(&lab, 1), DONE, "{:#?}", lab.log);
    assert!(lab.log.iter().any(|line| line.starts_with("ESipa.HandleNotification ok")), "{:#?}", lab.log);
    assert!(device.results().is_empty(), "every result was acknowledged");
}

/// Gives the IPA, which has sent a result, the answer to a result, where [`as_v1_0`] has made a notification of it.
pub fn with_body() -> Between {
    Box::new(|request, response| {
        let sent = EsipaRequest::parse(&request.body);
        let answered = matches!(sent, Ok(EsipaRequest::ProvideEimPackageResult(_)));
        let empty = EsipaResponse::ProvideEimPackageResult(Ok(Vec::new())).to_bytes();
        Some(match response.status {
            204 if answered => HttpResponse { status: 200, content_type: ASN1.to_owned(), body: empty },
            _ => response,
        })
    })
}

#[test]
fn an_ipa_that_cannot_go_without_the_code_is_not_sent_off_without_it() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    lab.eim.add_rule(Rule::zero_touch("", by_code(true)));
    let (mut device, mut ipa) = (lab.device(1, true), lab.ipa(true));
    lab.before = Box::new(|request| match EsipaRequest::parse(&request.body) {
        Ok(EsipaRequest::ProvideEimPackageResult(mut provide)) => {
            if let EimPackageResult::Data(IpaEuiccDataResponse::Ok(data)) = &mut provide.result {
                data.capabilities = None;
            }
            let body = EsipaRequest::ProvideEimPackageResult(provide).to_bytes();
            HttpRequest { body, ..request.clone() }
        }
        _ => request.clone(),
    });
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    let ended = "the IPA does not say eimDownloadDataHandling, and is not to see the activation code";
    assert_eq!(
        outcomes(&lab, 1),
        [
            "true eUICC data: the eUICC's data".to_owned(),
            format!("false download by activation code: {ended}")
        ]
    );
    assert!(lab.log.iter().any(|line| line.contains(ended)), "{:#?}", lab.log);
}

/// A request to the eIM as SGP.32 v1.0 has it: no EID beside a result, no transaction of the eIM in an authentication
/// or beside the eUICC's data. The notification of an installation is all that comes of a download; here it comes
/// twice, as where its answer was lost.
pub fn as_v1_0(request: &HttpRequest) -> HttpRequest {
    let Ok(mut message) = EsipaRequest::parse(&request.body) else { return request.clone() };
    match &mut message {
        EsipaRequest::InitiateAuthentication { eim_transaction_id, .. } => *eim_transaction_id = None,
        EsipaRequest::ProvideEimPackageResult(provide) => {
            provide.eid = None;
            match &mut provide.result {
                EimPackageResult::Data(IpaEuiccDataResponse::Ok(data)) => data.transaction_id = None,
                EimPackageResult::Download(ProfileDownloadTriggerResult {
                    outcome: TriggerOutcome::Installation(raw),
                    ..
                }) => message = EsipaRequest::HandleNotification(NotificationForEim::Pending(raw.clone())),
                _ => {}
            }
        }
        _ => {}
    }
    HttpRequest { body: message.to_bytes(), ..request.clone() }
}

#[test]
fn from_the_default_smdp() {
    zero_touch(RuleStep::DownloadFromDefault, "", true, false);
}

#[test]
fn by_way_of_an_smds() {
    zero_touch(RuleStep::DownloadBySmds { address: None }, "EV-1", true, false);
}

#[test]
fn a_profile_without_connectivity_is_rolled_back() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    lab.eim.add_rule(Rule::zero_touch("", by_code(false)));
    let mut device = lab.device(1, true);
    let mut ipa = lab.ipa(false);
    let report = lab.poll(&mut device, &mut ipa, |name| name == "bootstrap").unwrap();
    assert_eq!(device.enabled().as_deref(), Some("bootstrap"), "{:#?}", lab.log);
    assert!(report.done.iter().any(|line| line.contains("rolled back")));
    let outcomes = outcomes(&lab, 1);
    assert!(outcomes.iter().any(|line| line.starts_with("true rollback: rollback: ok")), "{outcomes:?}");
    let record = lab.eim.euicc(&eid(1)).unwrap();
    assert!(record.profiles.iter().all(|profile| profile.enabled == (profile.iccid != lab.iccid())));
}

#[test]
fn everything_survives_a_loss_at_any_message_and_restarts_of_the_eim() {
    for lost in 1..24 {
        let mut lab = Lab::new();
        lab.order("M-1", None, None);
        let rule = Rule::zero_touch("", by_code(false));
        lab.eim.add_rule(rule.clone());
        let mut device = lab.device(1, true);
        let mut count = 0;
        lab.between = Box::new(move |_, response| {
            count += 1;
            (count != lost).then_some(response)
        });
        for attempt in 0.. {
            assert!(attempt < 3, "{lost}: {:#?}", lab.log);
            let mut ipa = lab.ipa(false);
            if lab.poll(&mut device, &mut ipa, |_| true).is_ok() {
                break;
            }
            // What the eIM had stored is all that is left of it.
            lab.restart_eim(50 + attempt);
            lab.eim.add_rule(rule.clone());
            // A power cut, too.
            device.slot.reset().unwrap();
        }
        assert_eq!(device.enabled().as_deref(), Some("operational"), "{lost}: {:#?}", lab.log);
        let record = lab.eim.euicc(&eid(1)).unwrap();
        assert!(
            record.profiles.iter().any(|p| p.enabled && p.iccid == lab.iccid()),
            "{lost}: {:#?}",
            lab.log
        );
    }
}

#[test]
fn ordered_work_is_done_in_its_order() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), WorkKind::Package(EuiccPackage::Eco(vec![Eco::List]))).unwrap();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let trigger = DownloadTrigger::ActivationCode("LPA:1$smdp.example$NONE".to_owned());
    lab.eim.enqueue(&eid(1), WorkKind::Download { trigger, hidden: false }).unwrap();
    let mut ipa = lab.ipa(false);
    lab.poll(&mut device, &mut ipa, |_| true).unwrap();
    let outcomes = outcomes(&lab, 1);
    assert_eq!(outcomes.len(), 4);
    assert_eq!(outcomes[1], "true listEim: listEim: 1 eIMs");
    assert_eq!(outcomes[2], "true listProfileInfo: listProfileInfo: 1 profiles");
    assert!(
        outcomes[3]
            .starts_with("false download by activation code: the download failed: matching-id-refused")
    );
}

#[test]
fn a_stranger_is_told_so() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, true);
    let mut ipa = lab.ipa(false);
    let error = lab.poll(&mut device, &mut ipa, |_| true).unwrap_err();
    assert_eq!(error.to_string(), "the eIM refuses GetEimPackage: eid-not-found (2)");
}
