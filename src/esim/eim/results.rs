//! ESipa.ProvideEimPackageResult and ESipa.HandleNotification: what became of packages, and what eUICCs have to say
//! to servers (SGP.32 clauses 2.11.2, 5.14.6 and 5.14.7). Nothing is believed that is not signed.

use super::record::{EuiccRecord, KnownProfile, Waiting, WorkKind};
use super::{Eim, EimAnswer, EimRefusal, answer, refused};
use crate::crypto::rsp_cert::{Curve, Role, RspCertificate, RspPublicKey};
use crate::esim::HttpResponse;
use crate::id::{Eid, Iccid};
use crate::wire::bcd;
use crate::wire::rsp::iot::{
    AddEimResult, CompactNotification, EimPackageResult, EsipaResponse, EuiccData, EuiccPackageErrorData,
    EuiccPackageResult, EuiccPackageResultData, EuiccResultData, IpaEuiccDataResponse, ListEimResult,
    Operation, ProfileDownloadTriggerResult, ProvideEimPackageResult, TriggerOutcome, package_error_name,
    with_token,
};
use crate::wire::rsp::{
    FinalResult, NotificationMetadata, OtherSignedNotification, PendingNotification,
    ProfileInstallationResult, ProfileInstallationResultData, ProfileState, Signature, parse_profile_list,
};

const EID_NOT_FOUND: u64 = 2;
const UNDEFINED: u64 = 127;

/// What was taken: the sequence numbers to acknowledge, and a word for people.
type Taken = Result<(Vec<u64>, String), (EimRefusal, String)>;

impl Eim {
    /// With `acknowledge` the answer has the sequence numbers; else it is empty.
    pub(super) fn provide_result(
        &mut self,
        now_unix_s: u64,
        function: &str,
        provide: ProvideEimPackageResult,
        acknowledge: bool,
    ) -> EimAnswer {
        let error = |code| EsipaResponse::ProvideEimPackageResult(Err(code));
        let Some(mut record) = self.record_of(&provide) else {
            return refused(function, &error(EID_NOT_FOUND), EimRefusal::UnknownEid, "");
        };
        let eid = record.eid.clone();
        let taken = match provide.result {
            EimPackageResult::Euicc { result, notifications } => {
                let taken = self.package_result(now_unix_s, &mut record, &result);
                for raw in &notifications {
                    // One that is malformed or not signed is for nobody.
                    let _ = self.take_notification(&mut record, raw);
                }
                taken
            }
            EimPackageResult::Data(response) => self.data(now_unix_s, &mut record, response),
            EimPackageResult::Download(result) => self.downloaded(now_unix_s, &mut record, &result),
            EimPackageResult::Error { transaction_id, code } => {
                failed(now_unix_s, &mut record, transaction_id.as_deref(), code)
            }
        };
        if let Err(problem) = self.keep(record) {
            return refused(function, &error(UNDEFINED), EimRefusal::NotKept, &problem.to_string());
        }
        match taken {
            Ok((numbers, note)) => {
                let note = format!("EID {eid}: {note}");
                if acknowledge {
                    answer(function, &EsipaResponse::ProvideEimPackageResult(Ok(numbers)), note)
                } else {
                    nothing(function, note)
                }
            }
            Err((refusal, detail)) => {
                refused(function, &error(UNDEFINED), refusal, &format!("EID {eid}: {detail}"))
            }
        }
    }

    /// The eUICC that a result is of: by its EID, or in v1.0 by the transaction or by what its certificate says.
    /// Whether that certificate is to be believed is seen later.
    fn record_of(&self, provide: &ProvideEimPackageResult) -> Option<EuiccRecord> {
        if let Some(eid) = provide.eid {
            return self.euiccs.get(&bcd::read_eid(&eid).ok()?).cloned();
        }
        if let Some(id) = transaction_of(&provide.result) {
            return self.euiccs.with_transaction(&id).cloned();
        }
        let EimPackageResult::Data(IpaEuiccDataResponse::Ok(data)) = &provide.result else { return None };
        let certificate = RspCertificate::parse(data.euicc_certificate.as_ref()?).ok()?;
        self.euiccs.get(&certificate.eid()?.parse().ok()?).cloned()
    }

    fn package_result(&self, now_unix_s: u64, record: &mut EuiccRecord, raw: &[u8]) -> Taken {
        let malformed = |error: crate::wire::rsp::RspError| (EimRefusal::Malformed, error.to_string());
        match EuiccPackageResult::parse(raw).map_err(malformed)? {
            EuiccPackageResult::Signed { data, signature } => {
                self.check_signature(record, &data, &signature)?;
                let data = EuiccPackageResultData::parse(&data).map_err(malformed)?;
                self.check_eim(&data.eim_id)?;
                self.results(now_unix_s, record, data)
            }
            EuiccPackageResult::ErrorSigned { data, signature } => {
                self.check_signature(record, &data, &signature)?;
                let data = EuiccPackageErrorData::parse(&data).map_err(malformed)?;
                self.check_eim(&data.eim_id)?;
                let Some(out) = package_out(record) else {
                    return Err((EimRefusal::UnknownPackage, String::new()));
                };
                // That the counter is another is what the eUICC may have refused.
                if data.transaction_id.as_ref().is_some_and(|id| *id != out) {
                    return Err((EimRefusal::WrongTransaction, String::new()));
                }
                let word = package_error_name(data.code);
                record.steps.clear();
                record.finish(false, format!("the eUICC refuses the package: {word}"), now_unix_s);
                Ok((Vec::new(), format!("the package was refused: {word}")))
            }
            EuiccPackageResult::ErrorUnsigned { transaction_id, .. } => {
                // Nobody has signed it: only who has seen the package knows its transaction.
                let out = package_out(record).ok_or((EimRefusal::UnknownPackage, String::new()))?;
                if transaction_id.is_some_and(|id| id != out) {
                    return Err((EimRefusal::WrongTransaction, String::new()));
                }
                let detail = "the eUICC does not know this eIM, or not its signature".to_owned();
                record.steps.clear();
                record.finish(false, detail.clone(), now_unix_s);
                Ok((Vec::new(), detail))
            }
        }
    }

    fn results(&self, now_unix_s: u64, record: &mut EuiccRecord, data: EuiccPackageResultData) -> Taken {
        if record.taken.contains(&data.sequence_number) {
            return Ok((vec![data.sequence_number], "the same result again".to_owned()));
        }
        let rollback = matches!(data.results.first(), Some(EuiccResultData::Code(Operation::Rollback, _)));
        if rollback {
            let last = record.last.clone().unwrap_or_default();
            if last.0 != data.counter {
                return Err((EimRefusal::WrongCounter, format!("{} instead of {}", data.counter, last.0)));
            }
            record.take(data.sequence_number);
            let number = record.numbers;
            record.note(number, "rollback".to_owned(), true, describe(&data.results), now_unix_s);
            record.steps.clear();
            record.push(WorkKind::list());
            return Ok((vec![data.sequence_number], "rolled back to the profile before".to_owned()));
        }
        let Some(out) = record.out.as_ref().filter(|out| matches!(out.work.kind, WorkKind::Package(_)))
        else {
            return Err((EimRefusal::UnknownPackage, String::new()));
        };
        if out.counter != data.counter {
            return Err((EimRefusal::WrongCounter, format!("{} instead of {}", data.counter, out.counter)));
        }
        if data.transaction_id.as_ref().is_some_and(|id| *id != out.transaction_id) {
            return Err((EimRefusal::WrongTransaction, String::new()));
        }
        let ok = data.results.iter().all(EuiccResultData::is_ok);
        let detail = describe(&data.results);
        for result in &data.results {
            learn(record, result);
        }
        record.take(data.sequence_number);
        record.finish(ok, detail.clone(), now_unix_s);
        if ok {
            record.next_step(None);
        } else {
            record.steps.clear();
        }
        Ok((vec![data.sequence_number], detail))
    }

    fn data(&self, now_unix_s: u64, record: &mut EuiccRecord, response: IpaEuiccDataResponse) -> Taken {
        let data = match response {
            IpaEuiccDataResponse::Ok(data) => *data,
            IpaEuiccDataResponse::Error { transaction_id, code } => {
                return failed(now_unix_s, record, transaction_id.as_deref(), code);
            }
        };
        check_out(record, data.transaction_id.as_deref(), |kind| matches!(kind, WorkKind::Data(_)))?;
        if let (Some(euicc), Some(eum)) = (&data.euicc_certificate, &data.eum_certificate)
            && let Err((refusal, detail)) = self.learn_chain(record, euicc, eum, now_unix_s)
        {
            record.steps.clear();
            record.finish(false, format!("{}: {detail}", refusal.sentence()), now_unix_s);
            return Err((refusal, detail));
        }
        let numbers = self.learn_data(now_unix_s, record, data);
        record.finish(true, "the eUICC's data".to_owned(), now_unix_s);
        record.next_step(None);
        Ok((numbers, "the eUICC's data".to_owned()))
    }

    fn learn_data(&self, now_unix_s: u64, record: &mut EuiccRecord, data: EuiccData) -> Vec<u64> {
        record.info1 = data.euicc_info1.or(record.info1.take());
        record.association_token = data.association_token.or(record.association_token);
        record.ipa_features = data.capabilities.map_or(record.ipa_features, |said| said.features);
        record.default_smdp = data.default_smdp.or(record.default_smdp.take());
        for raw in data.notifications.iter().flatten() {
            let _ = self.take_notification(record, raw);
        }
        // Results of packages whose answer was lost on the way.
        let results = data.package_results.iter().flatten();
        let mut out = record.out.take();
        let mut numbers = Vec::new();
        for raw in results {
            if let Ok((taken, _)) = self.package_result(now_unix_s, record, raw) {
                numbers.extend(taken);
            }
        }
        std::mem::swap(&mut record.out, &mut out);
        numbers
    }

    /// Verifies the certificates of an eUICC and keeps them.
    fn learn_chain(
        &self,
        record: &mut EuiccRecord,
        euicc: &[u8],
        eum: &[u8],
        now_unix_s: u64,
    ) -> Result<(), (EimRefusal, String)> {
        let wrong = |error: &dyn std::fmt::Display| (EimRefusal::CertificateChain, error.to_string());
        let euicc_certificate = RspCertificate::parse(euicc).map_err(|error| wrong(&error))?;
        let eum_certificate = RspCertificate::parse(eum).map_err(|error| wrong(&error))?;
        let named = eum_certificate.authority_key_id();
        let anchor = self.anchors.iter().find(|anchor| Some(anchor.key_id()) == named);
        let anchor = anchor.ok_or_else(|| wrong(&"its CI is not trusted here"))?;
        let chain = [&euicc_certificate, &eum_certificate];
        anchor
            .verify_chain(&chain, Role::Euicc, Some(now_unix_s), &self.tally)
            .map_err(|error| wrong(&error))?;
        if euicc_certificate.eid() != Some(record.eid.as_str()) {
            let found = euicc_certificate.eid().unwrap_or("none").to_owned();
            return Err((EimRefusal::WrongEid, found));
        }
        record.chain = vec![euicc.to_vec(), eum.to_vec()];
        Ok(())
    }

    fn key_of(&self, record: &EuiccRecord) -> Result<RspPublicKey, (EimRefusal, String)> {
        let certificate = record.chain.first().ok_or((EimRefusal::NoCertificate, String::new()))?;
        let parsed = RspCertificate::parse(certificate);
        parsed.map(|c| *c.public()).map_err(|error| (EimRefusal::CertificateChain, error.to_string()))
    }

    fn check_signature(
        &self,
        record: &EuiccRecord,
        data: &[u8],
        signature: &Signature,
    ) -> Result<(), (EimRefusal, String)> {
        let covered = with_token(data, record.association_token);
        self.key_of(record)?
            .verify(&covered, signature, &self.tally)
            .map_err(|error| (EimRefusal::WrongSignature, error.to_string()))
    }

    fn check_eim(&self, eim_id: &str) -> Result<(), (EimRefusal, String)> {
        if eim_id == self.settings.id { Ok(()) } else { Err((EimRefusal::WrongEim, eim_id.to_owned())) }
    }

    fn downloaded(
        &self,
        now_unix_s: u64,
        record: &mut EuiccRecord,
        result: &ProfileDownloadTriggerResult,
    ) -> Taken {
        let out = check_out(record, result.transaction_id.as_deref(), |kind| {
            matches!(kind, WorkKind::Download { .. })
        });
        if let Err(refusal) = out {
            return if self.is_known(record, result) {
                Ok((Vec::new(), "the same result again".to_owned()))
            } else {
                Err(refusal)
            };
        }
        let raw = match &result.outcome {
            TriggerOutcome::Installation(raw) => raw,
            TriggerOutcome::Error { response, .. } => {
                let said = response.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let detail = format!("the download failed: {said}");
                record.steps.clear();
                record.finish(false, detail.clone(), now_unix_s);
                return Ok((Vec::new(), detail));
            }
        };
        let (ok, detail, iccid) = self.installation(record, raw)?;
        record.finish(ok, detail.clone(), now_unix_s);
        match iccid.filter(|_| ok) {
            Some(iccid) => {
                let known = record.profiles.iter().any(|profile| profile.iccid == iccid);
                if !known {
                    let name = String::new();
                    record.profiles.push(KnownProfile { iccid: iccid.clone(), enabled: false, name });
                }
                record.next_step(Some(&iccid));
            }
            None => record.steps.clear(),
        }
        Ok((Vec::new(), detail))
    }

    /// Whether the eUICC has signed that a profile is installed of which this was known: an IPA that lost its power before
    /// it had the answer brings the result once more.
    fn is_known(&self, record: &EuiccRecord, result: &ProfileDownloadTriggerResult) -> bool {
        let TriggerOutcome::Installation(raw) = &result.outcome else { return false };
        match self.installation(record, raw) {
            Ok((true, _, Some(iccid))) => record.profiles.iter().any(|profile| profile.iccid == iccid),
            _ => false,
        }
    }

    /// What the eUICC has signed of an installation.
    fn installation(
        &self,
        record: &EuiccRecord,
        raw: &[u8],
    ) -> Result<(bool, String, Option<Iccid>), (EimRefusal, String)> {
        let malformed = |error: crate::wire::rsp::RspError| (EimRefusal::Malformed, error.to_string());
        let result = ProfileInstallationResult::parse(raw).map_err(malformed)?;
        self.key_of(record)?
            .verify(&result.data, &result.signature, &self.tally)
            .map_err(|error| (EimRefusal::WrongSignature, error.to_string()))?;
        let data = ProfileInstallationResultData::parse(&result.data).map_err(malformed)?;
        let iccid = data.notification.iccid.as_ref().and_then(|iccid| bcd::read_iccid(iccid).ok());
        Ok(match data.result {
            FinalResult::Success { .. } => (true, "the profile is installed".to_owned(), iccid),
            FinalResult::Error { command, reason, .. } => {
                (false, format!("the installation failed: command {command}, reason {reason}"), iccid)
            }
        })
    }

    /// ESipa.HandleNotification with a notification for a server.
    pub(super) fn pending_notification(&mut self, now_unix_s: u64, function: &str, raw: &[u8]) -> EimAnswer {
        let none = EsipaResponse::ProvideEimPackageResult(Err(UNDEFINED));
        let Some(mut record) = self.sender(raw) else {
            return refused(function, &none, EimRefusal::UnknownEid, "");
        };
        let taken = self.take_notification(&mut record, raw).and_then(|note| {
            match self.result_in_notification(&record, raw) {
                Some(result) => {
                    let (_, detail) = self.downloaded(now_unix_s, &mut record, &result)?;
                    Ok(format!("{note}: {detail}"))
                }
                None => Ok(note),
            }
        });
        match taken {
            Ok(note) => match self.keep(record) {
                Ok(()) => nothing(function, note),
                Err(problem) => refused(function, &none, EimRefusal::NotKept, &problem.to_string()),
            },
            Err((refusal, detail)) => refused(function, &none, refusal, &detail),
        }
    }

    /// The result of the download that is out, where a notification is all that comes of it: so does an IPA of v1.0
    /// that has downloaded through the eIM.
    fn result_in_notification(
        &self,
        record: &EuiccRecord,
        raw: &[u8],
    ) -> Option<ProfileDownloadTriggerResult> {
        let out = record.out.as_ref()?;
        let CompactNotification::Full(PendingNotification::Installation(result)) =
            CompactNotification::parse(raw).ok()?
        else {
            return None;
        };
        let transaction_id = ProfileInstallationResultData::parse(&result.data).ok()?.transaction_id;
        let alone =
            matches!(out.work.kind, WorkKind::Download { .. }) && self.names_no_package(&transaction_id);
        let outcome = TriggerOutcome::Installation(raw.to_vec());
        alone.then_some(ProfileDownloadTriggerResult { transaction_id: None, outcome })
    }

    /// Who has sent a notification: the EID of its certificate or beside it. An installation result has neither: it is
    /// of the eUICC whose download with this transaction goes through this eIM, or else its signature says whose it is.
    fn sender(&self, raw: &[u8]) -> Option<EuiccRecord> {
        let eid: Option<Eid> = match CompactNotification::parse(raw).ok()? {
            CompactNotification::Other { eid, .. } => eid.as_ref().and_then(|eid| bcd::read_eid(eid).ok()),
            CompactNotification::Full(PendingNotification::Other(other)) => {
                RspCertificate::parse(&other.euicc_certificate).ok()?.eid().and_then(|eid| eid.parse().ok())
            }
            CompactNotification::Full(PendingNotification::Installation(result)) => {
                return self.installer(&result).cloned();
            }
            CompactNotification::Installation(_) => None,
        };
        self.euiccs.get(&eid?).cloned()
    }

    /// Who has signed an installation result, however many eUICCs there are: one verification, or the few keys that
    /// the signature can be of.
    fn installer(&self, result: &ProfileInstallationResult) -> Option<&EuiccRecord> {
        let data = ProfileInstallationResultData::parse(&result.data).ok()?;
        if let Some(eid) = self.relays.euicc(&data.transaction_id) {
            let record = self.euiccs.get(eid)?;
            let key = self.key_of(record).ok()?;
            return key.verify(&result.data, &result.signature, &self.tally).is_ok().then_some(record);
        }
        let iccid = data.notification.iccid.as_ref().and_then(|iccid| bcd::read_iccid(iccid).ok());
        let expected = |record: &&EuiccRecord| {
            record.out.is_some()
                || record.profiles.iter().any(|profile| Some(&profile.iccid) == iccid.as_ref())
        };
        [Curve::P256, Curve::BrainpoolP256r1].into_iter().find_map(|curve| {
            let keys = RspPublicKey::of_signature(curve, &result.data, &result.signature, &self.tally);
            keys.iter().find_map(|key| self.euiccs.with_key(key)).filter(expected)
        })
    }

    /// Puts a notification into the outbox, in its full form.
    fn take_notification(
        &self,
        record: &mut EuiccRecord,
        raw: &[u8],
    ) -> Result<String, (EimRefusal, String)> {
        let malformed = |error: crate::wire::rsp::RspError| (EimRefusal::Malformed, error.to_string());
        let (full, metadata) = match CompactNotification::parse(raw).map_err(malformed)? {
            CompactNotification::Full(PendingNotification::Installation(result)) => {
                let (_, _, _) = self.installation(record, raw)?;
                let data = ProfileInstallationResultData::parse(&result.data).map_err(malformed)?;
                (raw.to_vec(), data.notification)
            }
            CompactNotification::Full(PendingNotification::Other(other)) => {
                self.check_notification(record, &other.metadata, &other.signature)?;
                (raw.to_vec(), NotificationMetadata::parse(&other.metadata).map_err(malformed)?)
            }
            CompactNotification::Other { metadata, signature, .. } => {
                self.check_notification(record, &metadata, &signature)?;
                let read = NotificationMetadata::parse(&metadata).map_err(malformed)?;
                let [euicc, eum] = &record.chain[..] else {
                    return Err((EimRefusal::NoCertificate, String::new()));
                };
                let full = PendingNotification::Other(OtherSignedNotification {
                    metadata,
                    signature,
                    euicc_certificate: euicc.clone(),
                    eum_certificate: eum.clone(),
                });
                (full.to_bytes(), read)
            }
            CompactNotification::Installation(_) => {
                let problem = "a compact installation result has less than the SM-DP+ needs".to_owned();
                return Err((EimRefusal::Malformed, problem));
            }
        };
        let (event, address) = (metadata.event.name(), metadata.address.clone());
        let waiting = Waiting { address: address.clone(), notification: full };
        record.outbox.insert(metadata.sequence_number, waiting);
        Ok(format!("EID {}: notification of {event} for {address}", record.eid))
    }

    fn check_notification(
        &self,
        record: &EuiccRecord,
        metadata: &[u8],
        signature: &Signature,
    ) -> Result<(), (EimRefusal, String)> {
        self.key_of(record)?
            .verify(metadata, signature, &self.tally)
            .map_err(|error| (EimRefusal::WrongSignature, error.to_string()))
    }
}

/// 204, as HandleNotification is answered.
fn nothing(function: &str, note: String) -> EimAnswer {
    EimAnswer {
        response: HttpResponse { status: 204, content_type: String::new(), body: Vec::new() },
        function: function.to_owned(),
        note,
        refusal: None,
    }
}

/// The transaction of the package that is out.
fn package_out(record: &EuiccRecord) -> Option<Vec<u8>> {
    let out = record.out.as_ref()?;
    matches!(out.work.kind, WorkKind::Package(_)).then(|| out.transaction_id.clone())
}

/// That a result is of what is out. One without a transaction, as v1.0 has it, is of whatever is out.
fn check_out(
    record: &EuiccRecord,
    transaction_id: Option<&[u8]>,
    fits: impl Fn(&WorkKind) -> bool,
) -> Result<(), (EimRefusal, String)> {
    let out = record.out.as_ref().filter(|out| fits(&out.work.kind));
    let out = out.ok_or((EimRefusal::UnknownPackage, String::new()))?;
    match transaction_id {
        Some(id) if id != out.transaction_id => Err((EimRefusal::WrongTransaction, String::new())),
        _ => Ok(()),
    }
}

/// The IPA could do nothing with what is out.
fn failed(now_unix_s: u64, record: &mut EuiccRecord, transaction_id: Option<&[u8]>, code: u64) -> Taken {
    check_out(record, transaction_id, |_| true)?;
    let detail = format!("the IPA reports error {code}");
    record.steps.clear();
    record.finish(false, detail.clone(), now_unix_s);
    Ok((Vec::new(), detail))
}

/// The transaction that a result names.
fn transaction_of(result: &EimPackageResult) -> Option<Vec<u8>> {
    match result {
        EimPackageResult::Euicc { result, .. } => match EuiccPackageResult::parse(result).ok()? {
            EuiccPackageResult::Signed { data, .. } => {
                EuiccPackageResultData::parse(&data).ok()?.transaction_id
            }
            EuiccPackageResult::ErrorSigned { data, .. } => {
                EuiccPackageErrorData::parse(&data).ok()?.transaction_id
            }
            EuiccPackageResult::ErrorUnsigned { transaction_id, .. } => transaction_id,
        },
        EimPackageResult::Data(IpaEuiccDataResponse::Ok(data)) => data.transaction_id.clone(),
        EimPackageResult::Data(IpaEuiccDataResponse::Error { transaction_id, .. })
        | EimPackageResult::Error { transaction_id, .. } => transaction_id.clone(),
        EimPackageResult::Download(result) => result.transaction_id.clone(),
    }
}

/// What a result says of the state of the eUICC.
fn learn(record: &mut EuiccRecord, result: &EuiccResultData) {
    if let EuiccResultData::ListProfileInfo(raw) = result
        && let Ok(list) = parse_profile_list(raw)
    {
        let known = |info: &crate::wire::rsp::ProfileInfo| {
            Some(KnownProfile {
                iccid: bcd::read_iccid(&info.iccid?).ok()?,
                enabled: info.state == Some(ProfileState::Enabled),
                name: info.nickname.clone().or(info.name.clone()).unwrap_or_default(),
            })
        };
        record.profiles = list.iter().filter_map(known).collect();
    }
}

/// Results for people.
fn describe(results: &[EuiccResultData]) -> String {
    let one = |result: &EuiccResultData| match result {
        EuiccResultData::Code(operation, code) => format!("{}: {}", operation.name(), operation.word(*code)),
        EuiccResultData::ListProfileInfo(raw) => match parse_profile_list(raw) {
            Ok(list) => format!("listProfileInfo: {} profiles", list.len()),
            Err(error) => format!("listProfileInfo: {error}"),
        },
        EuiccResultData::Rat(_) => "getRAT: ok".to_owned(),
        EuiccResultData::AddEim(AddEimResult::Token(_)) => "addEim: ok, with a token".to_owned(),
        EuiccResultData::AddEim(AddEimResult::Code(code)) => format!("addEim: code {code}"),
        EuiccResultData::ListEim(ListEimResult::Ok(list)) => format!("listEim: {} eIMs", list.len()),
        EuiccResultData::ListEim(ListEimResult::Error(code)) => format!("listEim: code {code}"),
    };
    results.iter().map(one).collect::<Vec<_>>().join("; ")
}
