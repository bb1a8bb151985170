//! IPA and eIM never wedge each other: whatever is refused at whatever message of ESipa, both go on to the next work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cellbed::esim::eim::{EuiccRecord, WorkKind};
use cellbed::esim::{ASN1, HttpRequest, HttpResponse};
use cellbed::wire::rsp::iot::{
    DownloadTrigger, EimPackageResult, EsipaRequest, EsipaResponse, EuiccPackageResult, IpaEuiccDataResponse,
    ProfileDownloadTriggerResult, ProvideEimPackageResult, TriggerOutcome,
};

use crate::lab::*;

/// What comes back in the place of the right answer.
#[derive(Debug, Clone)]
enum Refusal {
    /// The function's own error.
    Code(u64),
    /// An error of HTTP.
    Status(u16),
    /// Status 200 and bytes that are no message.
    Garbage,
    /// Status 200 without a body.
    Empty,
    /// The answer to another function.
    OtherFunction,
    /// Nothing at all.
    Lost,
}

const FUNCTIONS: [(&str, &[u64]); 7] = [
    ("GetEimPackage", &[1, 2, 3, 4, 127]),
    ("ProvideEimPackageResult", &[2, 3, 4, 127]),
    ("InitiateAuthentication", &[1, 2, 3, 50, 51, 52, 127]),
    ("AuthenticateClient", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 18, 50, 56, 127]),
    ("GetBoundProfilePackage", &[1, 2, 3, 4, 5, 50, 95, 127]),
    ("HandleNotification", &[]),
    ("CancelSession", &[1, 2, 127]),
];

const ANY: [Refusal; 8] = [
    Refusal::Status(400),
    Refusal::Status(404),
    Refusal::Status(500),
    Refusal::Status(503),
    Refusal::Garbage,
    Refusal::Empty,
    Refusal::OtherFunction,
    Refusal::Lost,
];

fn answer(response: &EsipaResponse) -> HttpResponse {
    HttpResponse { status: 200, content_type: ASN1.to_owned(), body: response.to_bytes() }
}

fn response(function: &str, refusal: &Refusal) -> Option<HttpResponse> {
    let raw =
        |status, body: &[u8]| HttpResponse { status, content_type: ASN1.to_owned(), body: body.to_vec() };
    Some(match refusal {
        Refusal::Code(code) => answer(&match function {
            "GetEimPackage" => EsipaResponse::GetEimPackage(Err(*code)),
            "InitiateAuthentication" => EsipaResponse::InitiateAuthentication(Err(*code)),
            "AuthenticateClient" => EsipaResponse::AuthenticateClientError(*code),
            "GetBoundProfilePackage" => EsipaResponse::GetBoundProfilePackageError(*code),
            "CancelSession" => EsipaResponse::CancelSession(Err(*code)),
            _ => EsipaResponse::ProvideEimPackageResult(Err(*code)),
        }),
        Refusal::Status(status) => raw(*status, b"no"),
        Refusal::Garbage => raw(200, b"\x3c html"),
        Refusal::Empty => raw(200, b""),
        Refusal::OtherFunction if function == "CancelSession" => {
            answer(&EsipaResponse::GetEimPackage(Err(1)))
        }
        Refusal::OtherFunction => answer(&EsipaResponse::CancelSession(Ok(()))),
        Refusal::Lost => return None,
    })
}

/// A device with a list, a download and another list before it. The order asks for a confirmation code that nobody
/// knows where the session is to be cancelled.
fn busy(cancels: bool) -> (Lab, Device) {
    let mut lab = Lab::new();
    lab.order("M-1", None, cancels.then_some("1234"));
    let device = lab.device(1, true);
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    let trigger = DownloadTrigger::ActivationCode("LPA:1$smdp.example$M-1".to_owned());
    lab.eim.enqueue(&eid(1), WorkKind::Download { trigger, hidden: false }).unwrap();
    lab.eim.enqueue(&eid(1), WorkKind::list()).unwrap();
    (lab, device)
}

fn is_settled(record: &EuiccRecord) -> bool {
    record.is_idle() && record.is_verified()
}

/// Polls until everything is done; says in how many sessions.
fn settle(lab: &mut Lab, device: &mut Device, indirect: bool, case: &str) -> u32 {
    let mut ipa = lab.ipa(indirect);
    for session in 1..=14 {
        let _ = lab.poll(device, &mut ipa, |_| true);
        if lab.eim.euicc(&eid(1)).is_some_and(is_settled) {
            let _ = lab.poll(device, &mut ipa, |_| true);
            let lists = lab.eim.euicc(&eid(1)).unwrap().outcomes.iter();
            let lists = lists.filter(|outcome| outcome.ok && outcome.what == "listProfileInfo").count();
            assert!(lists >= 2, "{case}: {:#?}", lab.log);
            assert!(device.results().is_empty(), "{case}: a result stays for ever: {:#?}", lab.log);
            return session;
        }
        lab.now += 4_000;
    }
    panic!("{case}: they do not go on: {:#?}", lab.log)
}

fn function(request: &HttpRequest) -> Option<&'static str> {
    (request.host == EIM).then(|| EsipaRequest::parse(&request.body).ok().map(|message| message.name()))?
}

#[test]
fn after_every_refusal_of_an_eim_the_ipa_goes_on() {
    let mut refused = 0;
    for (at, codes) in FUNCTIONS {
        let codes = codes.iter().map(|code| Refusal::Code(*code));
        for refusal in codes.chain(ANY) {
            let mut met_at = [true; 2];
            for (nth, seen) in (0..5).flat_map(|nth| [(nth, true), (nth, false)]) {
                if !met_at[usize::from(seen)] {
                    continue;
                }
                let case = format!("{at} {refusal:?}, time {nth}, seen by the eIM: {seen}");
                let (mut lab, mut device) = busy(at == "CancelSession");
                let count = Arc::new(AtomicU32::new(0));
                let met = count.clone();
                let given = response(at, &refusal);
                let hits = move |request: &HttpRequest| {
                    function(request) == Some(at) && met.fetch_add(1, Ordering::Relaxed) == nth
                };
                if seen {
                    lab.between = Box::new(move |request, response| match hits(request) {
                        true => given.clone(),
                        false => Some(response),
                    });
                } else {
                    let lost = HttpResponse { status: 599, content_type: String::new(), body: Vec::new() };
                    lab.instead =
                        Box::new(move |request| hits(request).then(|| given.clone().unwrap_or(lost.clone())));
                }
                settle(&mut lab, &mut device, true, &case);
                met_at[usize::from(seen)] = count.load(Ordering::Relaxed) > nth;
                refused += u32::from(met_at[usize::from(seen)]);
            }
        }
    }
    assert!(refused > 300, "{refused}");
}

/// What a device brings in the place of what its eUICC has said.
fn bent(kind: &str, result: EimPackageResult) -> EimPackageResult {
    let transaction = |result: &EimPackageResult| match result {
        EimPackageResult::Data(IpaEuiccDataResponse::Ok(data)) => data.transaction_id.clone(),
        EimPackageResult::Download(download) => download.transaction_id.clone(),
        EimPackageResult::Euicc { result, .. } => match EuiccPackageResult::parse(result).unwrap() {
            EuiccPackageResult::Signed { data, .. } => {
                cellbed::wire::rsp::iot::EuiccPackageResultData::parse(&data).unwrap().transaction_id
            }
            other => panic!("{other:?}"),
        },
        _ => None,
    };
    let transaction_id = transaction(&result);
    match (kind, result) {
        ("error", _) => EimPackageResult::Error { transaction_id, code: 127 },
        ("error-of-nothing", _) => EimPackageResult::Error { transaction_id: None, code: 127 },
        ("of-another", _) => EimPackageResult::Error { transaction_id: Some(vec![7; 16]), code: 1 },
        ("own-error", EimPackageResult::Data(_)) => {
            EimPackageResult::Data(IpaEuiccDataResponse::Error { transaction_id, code: 5 })
        }
        ("own-error", EimPackageResult::Download(_)) => {
            let outcome = TriggerOutcome::Error { reason: Some(127), response: None };
            EimPackageResult::Download(ProfileDownloadTriggerResult { transaction_id, outcome })
        }
        ("own-error", _) => EimPackageResult::Euicc {
            result: EuiccPackageResult::ErrorUnsigned {
                eim_id: "cellbed-eim".to_owned(),
                transaction_id,
                association_token: None,
                code: None,
            }
            .to_bytes(),
            notifications: Vec::new(),
        },
        (_, EimPackageResult::Data(IpaEuiccDataResponse::Ok(mut data))) => {
            data.euicc_certificate = data.eum_certificate.clone();
            EimPackageResult::Data(IpaEuiccDataResponse::Ok(data))
        }
        (_, EimPackageResult::Euicc { mut result, notifications }) => {
            *result.last_mut().unwrap() ^= 1;
            EimPackageResult::Euicc { result, notifications }
        }
        (_, EimPackageResult::Download(mut download)) => {
            if let TriggerOutcome::Installation(raw) = &mut download.outcome {
                *raw.last_mut().unwrap() ^= 1;
            }
            EimPackageResult::Download(download)
        }
        (_, other) => other,
    }
}

#[test]
fn after_every_result_that_is_not_believed_the_eim_goes_on() {
    for kind in ["error", "error-of-nothing", "of-another", "own-error", "not-signed"] {
        for nth in 0..4 {
            for indirect in [false, true] {
                let case = format!("{kind}, result {nth}, indirect: {indirect}");
                let (mut lab, mut device) = busy(false);
                let count = AtomicU32::new(0);
                lab.before = Box::new(move |request| match EsipaRequest::parse(&request.body) {
                    Ok(EsipaRequest::ProvideEimPackageResult(provide))
                        if count.fetch_add(1, Ordering::Relaxed) == nth =>
                    {
                        let result = bent(kind, provide.result);
                        let provide = ProvideEimPackageResult { eid: provide.eid, result };
                        let body = EsipaRequest::ProvideEimPackageResult(provide).to_bytes();
                        HttpRequest { body, ..request.clone() }
                    }
                    _ => request.clone(),
                });
                settle(&mut lab, &mut device, indirect, &case);
            }
        }
    }
}
