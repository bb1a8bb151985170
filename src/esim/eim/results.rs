//! ESipa.ProvideEimPackageResult: what became of packages (SGP.32 clauses 2.11.2 and 5.14.6). A package ends with what
//! its eUICC has signed, and with nothing else.

use super::record::{EuiccRecord, KnownProfile, Out, WorkKind};
use super::{Eim, EimAnswer, EimRefusal, answer, not_kept, nothing, refused};
use crate::crypto::rsp_cert::{Role, RspCertificate, RspPublicKey};
use crate::wire::bcd;
use crate::wire::rsp::iot::{
    AddEimResult, EimPackageResult, EsipaResponse, EuiccData, EuiccPackageErrorData, EuiccPackageResult,
    EuiccPackageResultData, EuiccResultData, IpaEuiccDataResponse, ListEimResult, Operation,
    ProvideEimPackageResult, package_error_name, with_token,
};
use crate::wire::rsp::{ProfileState, RspError, Signature, parse_profile_list};

const EID_NOT_FOUND: u64 = 2;
const UNDEFINED: u64 = 127;
/// The longest EUICCInfo1 and address that are kept, in bytes.
const INFO1_MAX: usize = 1_024;
const ADDRESS_MAX: usize = 255;
/// `euiccPackageErrorCode`: the counter was used before.
const REPLAY: u64 = 4;

/// What was taken: the sequence numbers to acknowledge, and a word for people.
pub(super) type Taken = Result<(Vec<u64>, String), Refused>;
/// Why something was not taken, and what exactly.
pub(super) type Refused = (EimRefusal, String);

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
        let named = transaction_of(&provide.result);
        let mut lost = Vec::new();
        let taken = match provide.result {
            EimPackageResult::Euicc { result, notifications } => {
                let taken = self.package_result(now_unix_s, &mut record, &result);
                for raw in &notifications {
                    // One that is malformed or not signed is for nobody.
                    lost.extend(self.take_notification(now_unix_s, &mut record, raw).err());
                }
                taken
            }
            EimPackageResult::Data(response) => self.data(now_unix_s, &mut record, response),
            EimPackageResult::Download(result) => self.downloaded(now_unix_s, &mut record, &result),
            EimPackageResult::Error { transaction_id, code } => {
                Err(reported(&record, transaction_id.as_deref(), |_| true, EimRefusal::IpaReports, code))
            }
        };
        // Whoever has fetched it says that it did not go well, and nobody has signed that: later once more.
        if let Err((refusal, detail)) = &taken
            && let Some(out) = record.out.take_if(|out| Some(&out.transaction_id) == named.as_ref())
        {
            let detail = refusal.with(detail);
            record.put_aside(out, &detail, now_unix_s);
        }
        if let Err(problem) = self.keep(record) {
            return not_kept(function, &problem);
        }
        match taken {
            Ok((numbers, mut note)) => {
                for (refusal, detail) in lost {
                    note += &format!("; a notification is not taken: {}", refusal.with(&detail));
                }
                let note = format!("EID {eid}: {note}");
                if acknowledge {
                    answer(function, &EsipaResponse::ProvideEimPackageResult(Ok(numbers)), note)
                } else {
                    nothing(function, note)
                }
            }
            // What the IPA reports is heard, whatever is made of it.
            Err((refusal, detail)) if refusal.is_report() => {
                let response = EsipaResponse::ProvideEimPackageResult(Ok(Vec::new()));
                answer(function, &response, format!("EID {eid}: {}", refusal.with(&detail)))
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
        match EuiccPackageResult::parse(raw).map_err(malformed)? {
            EuiccPackageResult::Signed { data, signature } => {
                self.check_signature(record, &data, &signature)?;
                let data = EuiccPackageResultData::parse(&data).map_err(malformed)?;
                self.check_eim(&data.eim_id)?;
                results(now_unix_s, record, data)
            }
            EuiccPackageResult::ErrorSigned { data, signature } => {
                self.check_signature(record, &data, &signature)?;
                let data = EuiccPackageErrorData::parse(&data).map_err(malformed)?;
                self.check_eim(&data.eim_id)?;
                // That the counter is another is what the eUICC may have refused.
                let named =
                    |out: &&Out| data.transaction_id.as_ref().is_none_or(|id| *id == out.transaction_id);
                let out = take_package(record, named, EimRefusal::WrongTransaction, String::new())?;
                let word = package_error_name(data.code);
                if data.code == REPLAY {
                    record.jump_ahead(out, now_unix_s);
                    let note =
                        format!("the counter {} was used before: the next is further on", data.counter);
                    return Ok((Vec::new(), note));
                }
                record.finish(out, false, format!("the eUICC refuses the package: {word}"), now_unix_s);
                Ok((Vec::new(), format!("the package was refused: {word}")))
            }
            EuiccPackageResult::ErrorUnsigned { transaction_id, association_token, code, .. } => {
                let id = transaction_id.as_deref();
                let refused =
                    reported(record, id, Out::is_package, EimRefusal::NotSigned, code.unwrap_or(UNDEFINED));
                if refused.0 == EimRefusal::NotSigned {
                    match association_token {
                        Some(token) => record.hear_token(token),
                        None => record.ask_for_token(),
                    }
                }
                Err(refused)
            }
        }
    }

    fn data(&self, now_unix_s: u64, record: &mut EuiccRecord, response: IpaEuiccDataResponse) -> Taken {
        let data = match response {
            IpaEuiccDataResponse::Ok(data) => *data,
            IpaEuiccDataResponse::Error { transaction_id, code } => {
                let asks = |out: &Out| matches!(out.work.kind, WorkKind::Data(_));
                return Err(reported(record, transaction_id.as_deref(), asks, EimRefusal::IpaReports, code));
            }
        };
        let out = take_out(record, data.transaction_id.as_deref(), |out| {
            matches!(out.work.kind, WorkKind::Data(_))
        })?;
        if let (Some(euicc), Some(eum)) = (&data.euicc_certificate, &data.eum_certificate)
            && let Err((refusal, detail)) = self.learn_chain(record, euicc, eum, now_unix_s)
        {
            record.put_aside(out, &refusal.with(&detail), now_unix_s);
            return Err((refusal, detail));
        }
        let numbers = self.learn_data(now_unix_s, record, data);
        record.finish(out, true, "the eUICC's data".to_owned(), now_unix_s);
        record.next_step();
        Ok((numbers, "the eUICC's data".to_owned()))
    }

    fn learn_data(&self, now_unix_s: u64, record: &mut EuiccRecord, data: EuiccData) -> Vec<u64> {
        // Nobody has signed any of this: no more of it is kept than there can be in earnest.
        record.info1 = data.euicc_info1.filter(|info| info.len() <= INFO1_MAX).or(record.info1.take());
        if let Some(token) = data.association_token {
            record.hear_token(token);
        }
        record.ipa_features = data.capabilities.map_or(record.ipa_features, |said| said.features);
        let address = data.default_smdp.filter(|address| address.len() <= ADDRESS_MAX);
        record.default_smdp = address.or(record.default_smdp.take());
        for raw in data.notifications.iter().flatten() {
            let _ = self.take_notification(now_unix_s, record, raw);
        }
        // Results of packages whose answer was lost on the way; one of a package that is not known says at least
        // which counter the eUICC has seen.
        let mut numbers = Vec::new();
        for raw in data.package_results.iter().flatten() {
            match self.package_result(now_unix_s, record, raw) {
                Ok((taken, _)) => numbers.extend(taken),
                Err(_) => {
                    if let Some((counter, sequence_number)) = self.counter_in(record, raw) {
                        record.counter = record.counter.max(counter);
                        numbers.push(sequence_number);
                    }
                }
            }
        }
        numbers
    }

    /// Counter and sequence number of a result that this eUICC has signed for this eIM.
    fn counter_in(&self, record: &mut EuiccRecord, raw: &[u8]) -> Option<(u64, u64)> {
        let EuiccPackageResult::Signed { data, signature } = EuiccPackageResult::parse(raw).ok()? else {
            return None;
        };
        self.check_signature(record, &data, &signature).ok()?;
        let data = EuiccPackageResultData::parse(&data).ok()?;
        self.check_eim(&data.eim_id).ok().map(|()| (data.counter, data.sequence_number))
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

    pub(super) fn key_of(&self, record: &EuiccRecord) -> Result<RspPublicKey, Refused> {
        let certificate = record.chain.first().ok_or((EimRefusal::NoCertificate, String::new()))?;
        let parsed = RspCertificate::parse(certificate);
        parsed.map(|c| *c.public()).map_err(|error| (EimRefusal::CertificateChain, error.to_string()))
    }

    /// Verifies a signature over data and association token; a token that it verifies with is the eUICC's.
    fn check_signature(
        &self,
        record: &mut EuiccRecord,
        data: &[u8],
        signature: &Signature,
    ) -> Result<(), Refused> {
        let key = self.key_of(record)?;
        let mut wrong = (EimRefusal::WrongSignature, String::new());
        let tokens: Vec<_> = record.tokens().collect();
        for token in tokens {
            match key.verify(&with_token(data, token), signature, &self.tally) {
                Ok(()) => {
                    record.prove_token(token);
                    return Ok(());
                }
                Err(error) => wrong.1 = error.to_string(),
            }
        }
        Err(wrong)
    }

    fn check_eim(&self, eim_id: &str) -> Result<(), Refused> {
        if eim_id == self.settings.id { Ok(()) } else { Err((EimRefusal::WrongEim, eim_id.to_owned())) }
    }
}

fn results(now_unix_s: u64, record: &mut EuiccRecord, data: EuiccPackageResultData) -> Taken {
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
    let expected = record.out.as_ref().map(|out| out.counter.to_string()).unwrap_or_default();
    let detail = format!("{} instead of {expected}", data.counter);
    let same = |out: &&Out| out.counter == data.counter;
    let out = take_package(record, same, EimRefusal::WrongCounter, detail)?;
    if data.transaction_id.as_ref().is_some_and(|id| *id != out.transaction_id) {
        record.out = Some(out);
        return Err((EimRefusal::WrongTransaction, String::new()));
    }
    let ok = data.results.iter().all(EuiccResultData::is_ok);
    let detail = describe(&data.results);
    for result in &data.results {
        learn(record, result);
    }
    record.take(data.sequence_number);
    record.replays = 0;
    record.finish(out, ok, detail.clone(), now_unix_s);
    record.next_step();
    Ok((vec![data.sequence_number], detail))
}

/// What is made of an error that nobody has signed: it has to name the transaction of what is out, or else it can be
/// anybody's word.
pub(super) fn reported(
    record: &EuiccRecord,
    transaction_id: Option<&[u8]>,
    fits: impl Fn(&Out) -> bool,
    what: EimRefusal,
    code: impl std::fmt::Display,
) -> Refused {
    match record.out.as_ref().filter(|out| fits(out)) {
        Some(out) if Some(&out.transaction_id[..]) == transaction_id => (what, code.to_string()),
        Some(_) => (EimRefusal::WrongTransaction, String::new()),
        None => (EimRefusal::UnknownPackage, String::new()),
    }
}

pub(super) fn malformed(error: RspError) -> Refused {
    (EimRefusal::Malformed, error.to_string())
}

/// Takes the package under way that `fits` out of the record; where there are others only, what is refused is `other`.
fn take_package(
    record: &mut EuiccRecord,
    fits: impl Fn(&&Out) -> bool,
    other: EimRefusal,
    detail: String,
) -> Result<Out, Refused> {
    let packages = || record.under_way().filter(|out| out.is_package());
    let Some(id) = packages().find(fits).map(|out| out.transaction_id.clone()) else {
        let none = packages().next().is_none();
        return Err(if none { (EimRefusal::UnknownPackage, String::new()) } else { (other, detail) });
    };
    record.take_under_way(&id).ok_or((EimRefusal::UnknownPackage, String::new()))
}

/// Takes the work under way that a result is of out of the record. A result without a transaction, as v1.0 has it, is of
/// what is out.
pub(super) fn take_out(
    record: &mut EuiccRecord,
    transaction_id: Option<&[u8]>,
    fits: impl Fn(&Out) -> bool,
) -> Result<Out, Refused> {
    let found = match transaction_id {
        Some(id) => record.under_way().find(|out| out.transaction_id == id),
        None => record.out.as_ref(),
    };
    match found.map(|out| (out.transaction_id.clone(), fits(out))) {
        Some((id, true)) => record.take_under_way(&id).ok_or((EimRefusal::UnknownPackage, String::new())),
        None if record.under_way().any(fits) => Err((EimRefusal::WrongTransaction, String::new())),
        _ => Err((EimRefusal::UnknownPackage, String::new())),
    }
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
