//! ESipa.GetEimPackage: the next package for an eUICC, signed (SGP.32 clauses 2.11.1 and 5.14.5).

use super::attempts::Next;
use super::record::{EuiccRecord, Out, WorkKind};
use super::{Eim, EimAnswer, EimRefusal, answer, not_kept, refused};
use crate::wire::bcd;
use crate::wire::rsp::EidBytes;
use crate::wire::rsp::iot::{
    EimPackage, EsipaResponse, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, GetEimPackage,
    IpaCapabilities, IpaEuiccDataRequest, ProfileDownloadTriggerRequest, with_token,
};

const NO_PACKAGE: u64 = 1;
const EID_NOT_FOUND: u64 = 2;
const INVALID_EID: u64 = 3;

impl Eim {
    pub(super) fn get_eim_package(
        &mut self,
        now_unix_s: u64,
        function: &str,
        get: &GetEimPackage,
    ) -> EimAnswer {
        let error = |code| EsipaResponse::GetEimPackage(Err(code));
        let Ok(eid) = bcd::read_eid(&get.eid) else {
            let eid = hex::encode(get.eid);
            return refused(function, &error(INVALID_EID), EimRefusal::UnknownEid, &eid);
        };
        let Some(mut record) = self.record_or_rule(&eid) else {
            return refused(function, &error(EID_NOT_FOUND), EimRefusal::UnknownEid, eid.as_str());
        };
        if get.notify_state_change && record.is_verified() && !record.is_listing() {
            record.push(WorkKind::list());
        }
        let ended = end_impossible(&mut record, now_unix_s);
        let note = self.take_out(&mut record, &get.eid, now_unix_s);
        let response = match (&note, &record.out) {
            (Some(_), Some(out)) => package_of(&out.message),
            _ => None,
        };
        if let Err(problem) = self.keep(record) {
            return not_kept(function, &problem);
        }
        match (response, note) {
            (Some(package), Some(note)) => {
                let note = format!("EID {eid}: {note}");
                answer(function, &EsipaResponse::GetEimPackage(Ok(Box::new(package))), note)
            }
            _ => {
                let note = ended.unwrap_or_else(|| "nothing to do".to_owned());
                answer(function, &error(NO_PACKAGE), format!("EID {eid}: {note}"))
            }
        }
    }

    /// What is known of an eUICC; where nothing is, a rule may say that it is managed here.
    fn record_or_rule(&self, eid: &crate::id::Eid) -> Option<EuiccRecord> {
        let rule = self.rules.for_eid(eid);
        let mut record = match (self.euiccs.get(eid), rule) {
            (Some(record), _) => record.clone(),
            (None, Some(_)) => EuiccRecord { stranger: true, ..EuiccRecord::new(eid.clone()) },
            (None, None) => return None,
        };
        if let Some(rule) = rule.filter(|_| !record.ruled) {
            record.ruled = true;
            record.steps.extend(rule.steps.iter().cloned());
        }
        // What an eUICC signs cannot be believed before its certificates are known.
        let under_way = record.under_way().next().is_some();
        let idle = record.queue.is_empty() && record.steps.is_empty() && !under_way;
        if !(record.is_verified() || record.is_asking() || idle) {
            record.push_first(WorkKind::introduction());
        }
        record.next_step();
        Some(record)
    }

    /// Puts the next work out, where nothing is; what is out is sent again as it was, until others have their turn.
    fn take_out(&mut self, record: &mut EuiccRecord, eid: &EidBytes, now_unix_s: u64) -> Option<String> {
        if record.is_unanswered(now_unix_s)
            && let Some(out) = record.out.take()
        {
            record.put_aside(out, "the IPA fetches it and does not answer", now_unix_s);
        }
        if let Some(out) = &record.out {
            return Some(format!("{}, again", out.work.kind.describe()));
        }
        let (work, tries) = match record.next_work(now_unix_s)? {
            Next::Fresh(work) => (work, 0),
            Next::Anew { work, tries } => (work, tries),
            Next::Again(out) => {
                let note = format!("{}, again", out.work.kind.describe());
                record.out = Some(Out { handed: 0, handed_unix_s: now_unix_s, ..out });
                return Some(note);
            }
        };
        let transaction_id = self.transaction_id();
        let note = work.kind.describe();
        let token = record.token_for(tries);
        let package = match &work.kind {
            WorkKind::Package(package) => {
                record.counter += 1;
                EimPackage::Euicc(self.sign(record, eid, &transaction_id, package, token))
            }
            WorkKind::Data(request) => EimPackage::Data(IpaEuiccDataRequest {
                transaction_id: Some(transaction_id.clone()),
                ..request.clone()
            }),
            WorkKind::Download { trigger, hidden } => {
                record.send_to(trigger);
                EimPackage::Download(ProfileDownloadTriggerRequest {
                    trigger: (!hidden).then(|| trigger.clone()),
                    transaction_id: Some(transaction_id.clone()),
                })
            }
        };
        record.out = Some(Out {
            work,
            transaction_id,
            counter: record.counter,
            message: EsipaResponse::GetEimPackage(Ok(Box::new(package))).to_bytes(),
            token,
            tries,
            handed: 0,
            handed_unix_s: now_unix_s,
            not_before_unix_s: 0,
        });
        Some(note)
    }

    fn sign(
        &self,
        record: &EuiccRecord,
        eid: &EidBytes,
        transaction_id: &[u8],
        package: &EuiccPackage,
        token: Option<u64>,
    ) -> Vec<u8> {
        let signed = EuiccPackageSigned {
            eim_id: self.settings.id.clone(),
            eid: *eid,
            counter: record.counter,
            transaction_id: Some(transaction_id.to_vec()),
            package: package.clone(),
        }
        .to_bytes();
        let signature = self.identity.key.sign(&with_token(&signed, token));
        EuiccPackageRequest { signed, signature }.to_bytes()
    }
}

/// Ends a download whose code the IPA is not to see where it does not say that it goes without; says so.
fn end_impossible(record: &mut EuiccRecord, now_unix_s: u64) -> Option<String> {
    let able = record.ipa_features & IpaCapabilities::EIM_DOWNLOAD_DATA != 0;
    let next = record.queue.front().filter(|_| record.out.is_none() && !able)?;
    if !matches!(next.kind, WorkKind::Download { hidden: true, .. }) {
        return None;
    }
    let work = record.queue.pop_front()?;
    let detail =
        "the IPA does not say eimDownloadDataHandling, and is not to see the activation code".to_owned();
    record.note(work.number, work.kind.describe(), false, detail.clone(), now_unix_s);
    record.steps.clear();
    Some(detail)
}

fn package_of(message: &[u8]) -> Option<EimPackage> {
    match EsipaResponse::parse(message) {
        Ok(EsipaResponse::GetEimPackage(Ok(package))) => Some(*package),
        _ => None,
    }
}
