//! Indirect download: what an IPA asks of an SM-DP+ through the eIM (SGP.32 clauses 3.2.3.2 and 5.14.1 to 5.14.8).

use std::collections::BTreeMap;

use super::record::{EuiccRecord, WorkKind};
use super::{Action, Eim, EimAnswer, EimRefusal, answer, refused};
use crate::crypto::rsp_cert::RspCertificate;
use crate::esim::es9p::{self, AnswerError, Service};
use crate::esim::lpa::ActivationCode;
use crate::esim::{HttpResponse, Reason};
use crate::id::Eid;
use crate::wire::rsp::CancelSessionResponse;
use crate::wire::rsp::iot::{
    DownloadTrigger, EsipaRequest, EsipaResponse, compact_authenticate, compact_cancel, compact_prepare,
};
use crate::wire::rsp::{
    AuthenticateServerResponse, EuiccCancelSessionSigned, PrepareDownloadResponse, SmdpSigned2,
};

const UNDEFINED: u64 = 127;
/// How many indirect downloads may be under way.
const SESSIONS_MAX: usize = 10_000;
/// For how long one is remembered after its last message, in seconds: its notification may come later.
const SESSION_S: u64 = 3_600;

/// An indirect download.
#[derive(Debug, Clone)]
pub(super) struct Session {
    server: String,
    /// Whose work it is, where the IPA has said for which.
    eid: Option<Eid>,
    /// Whose it is by the certificate that the server has taken.
    shown: Option<Eid>,
    /// The content of the SM-DP+'s OBJECT IDENTIFIER.
    smdp_oid: Vec<u8>,
    /// The key for which a package is bound already.
    bpp_euicc_otpk: Option<Vec<u8>>,
    /// Until when it is remembered, Unix seconds, and which of those that end then.
    age: (u64, u64),
}

/// Indirect downloads by the transaction of the SM-DP+. One that ends here may still be spoken of, in a notification
/// that comes later: the oldest goes when room is needed, and can begin again.
#[derive(Debug, Default)]
pub(super) struct Relays {
    sessions: BTreeMap<Vec<u8>, Session>,
    by_age: BTreeMap<(u64, u64), Vec<u8>>,
    numbers: u64,
}

impl Relays {
    /// The eUICC that downloads in this transaction, as far as it is known.
    pub(super) fn euicc(&self, transaction_id: &[u8]) -> Option<&Eid> {
        let session = self.sessions.get(transaction_id)?;
        session.eid.as_ref().or(session.shown.as_ref())
    }

    fn get(&self, transaction_id: &[u8]) -> Option<&Session> {
        self.sessions.get(transaction_id)
    }

    /// Remembers a session from now on, or anew; the oldest goes where there are too many.
    fn insert(&mut self, transaction_id: Vec<u8>, mut session: Session, now_unix_s: u64) {
        self.remove(&transaction_id);
        if self.sessions.len() >= SESSIONS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.sessions.remove(&oldest);
        }
        self.numbers += 1;
        session.age = (now_unix_s.saturating_add(SESSION_S), self.numbers);
        self.by_age.insert(session.age, transaction_id.clone());
        self.sessions.insert(transaction_id, session);
    }

    fn remove(&mut self, transaction_id: &[u8]) {
        if let Some(session) = self.sessions.remove(transaction_id) {
            self.by_age.remove(&session.age);
        }
    }

    /// Forgets what has run out.
    fn forget(&mut self, now_unix_s: u64) {
        while let Some((age, id)) = self.by_age.first_key_value().filter(|((end, _), _)| *end <= now_unix_s) {
            let (age, id) = (*age, id.clone());
            self.by_age.remove(&age);
            self.sessions.remove(&id);
        }
    }
}

/// What is waited for while a server is asked.
#[derive(Debug)]
pub struct RelayToken {
    now_unix_s: u64,
    function: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Initiate { server: String, eid: Option<Eid>, matching_id: Option<String> },
    Authenticate { transaction_id: Vec<u8>, shown: Option<Eid> },
    Package { transaction_id: Vec<u8> },
    Cancel { transaction_id: Vec<u8> },
}

impl Eim {
    pub(super) fn relay(&mut self, now_unix_s: u64, function: &str, message: EsipaRequest) -> Action {
        self.relays.forget(now_unix_s);
        let (response, refusal, detail) = match self.relayed_request(message) {
            Ok((request, what)) => {
                let token = RelayToken { now_unix_s, function: function.to_owned(), what };
                return Action::Relay { request, token };
            }
            Err(refused) => refused,
        };
        Action::Answer(refused(function, &response, refusal, &detail))
    }

    fn relayed_request(
        &mut self,
        message: EsipaRequest,
    ) -> Result<(crate::esim::HttpRequest, What), (Box<EsipaResponse>, EimRefusal, String)> {
        match message {
            EsipaRequest::InitiateAuthentication {
                euicc_challenge,
                smdp_address,
                euicc_info1,
                eim_transaction_id,
            } => {
                let error = |code| Box::new(EsipaResponse::InitiateAuthentication(Err(code)));
                let record = eim_transaction_id.as_deref().and_then(|id| self.euiccs.with_transaction(id));
                let download = record.and_then(|record| record.out.as_ref()).filter(|out| out.is_download());
                if eim_transaction_id.is_some() && download.is_none() {
                    return Err((error(52), EimRefusal::WrongTransaction, String::new()));
                }
                let hidden = record.and_then(hidden_code);
                let matching_id = hidden.as_ref().map(|code| code.token.clone());
                let server = smdp_address.or(hidden.map(|code| code.address));
                let info1 = euicc_info1.or(record.and_then(|record| record.info1.clone()));
                let (Some(server), Some(info1)) = (server, info1) else {
                    let problem = "neither the IPA nor the eIM says address and EUICCInfo1".to_owned();
                    return Err((error(1), EimRefusal::Malformed, problem));
                };
                // An IPA of v1.0 does not say for which package it downloads: then any that is out will do.
                let (named, open) = match record {
                    Some(record) => (record.was_sent_to(&server), true),
                    None => self.euiccs.expects(&server),
                };
                if !(named || open && self.may_reach(&server)) {
                    return Err((error(1), EimRefusal::HostNotAllowed, server));
                }
                let eid = record.map(|record| record.eid.clone());
                let request = es9p::initiate_authentication(Service::Smdp, &server, &euicc_challenge, &info1);
                Ok((request, What::Initiate { server, eid, matching_id }))
            }
            EsipaRequest::AuthenticateClient { transaction_id, response } => {
                let error = |code| Box::new(EsipaResponse::AuthenticateClientError(code));
                let session = self.relays.get(&transaction_id);
                let session = session.ok_or((error(10), EimRefusal::WrongTransaction, String::new()))?;
                let full = self.full_authentication(session, response);
                let full = full.map_err(|problem| (error(UNDEFINED), EimRefusal::Malformed, problem))?;
                let request =
                    es9p::authenticate_client(Service::Smdp, &session.server, &transaction_id, &full);
                let shown = if session.eid.is_none() { shown_eid(&full) } else { None };
                Ok((request, What::Authenticate { transaction_id, shown }))
            }
            EsipaRequest::GetBoundProfilePackage { transaction_id, response } => {
                let error = |code| Box::new(EsipaResponse::GetBoundProfilePackageError(code));
                let session = self.relays.get(&transaction_id);
                let session = session.ok_or((error(95), EimRefusal::WrongTransaction, String::new()))?;
                let full = full_preparation(session, &transaction_id, response);
                let full = full.map_err(|problem| (error(UNDEFINED), EimRefusal::Malformed, problem))?;
                let request = es9p::get_bound_profile_package(&session.server, &transaction_id, &full);
                Ok((request, What::Package { transaction_id }))
            }
            EsipaRequest::CancelSession { transaction_id, response } => {
                let error = |code| Box::new(EsipaResponse::CancelSession(Err(code)));
                let session = self.relays.get(&transaction_id);
                let session = session.ok_or((error(1), EimRefusal::WrongTransaction, String::new()))?;
                let full = full_cancellation(session, &transaction_id, response);
                let full = full.map_err(|problem| (error(UNDEFINED), EimRefusal::Malformed, problem))?;
                let request = es9p::cancel_session(&session.server, &transaction_id, &full);
                Ok((request, What::Cancel { transaction_id }))
            }
            // The other functions are answered before.
            _ => {
                let none = Box::new(EsipaResponse::GetEimPackage(Err(UNDEFINED)));
                Err((none, EimRefusal::Malformed, "this function is not relayed".to_owned()))
            }
        }
    }

    /// Whether a download goes through this eIM whose IPA does not say for which package, as v1.0 has it.
    pub(super) fn names_no_package(&self, transaction_id: &[u8]) -> bool {
        self.relays.get(transaction_id).is_some_and(|session| session.eid.is_none())
    }

    /// The answer to the IPA, made of what the server has answered; or of why it has not.
    pub fn relayed(&mut self, token: RelayToken, response: Result<&HttpResponse, &str>) -> EimAnswer {
        let RelayToken { now_unix_s, function, what } = token;
        match response {
            Ok(response) => match what {
                What::Initiate { server, eid, matching_id } => {
                    let session = Session {
                        server,
                        eid,
                        shown: None,
                        smdp_oid: Vec::new(),
                        bpp_euicc_otpk: None,
                        age: (0, 0),
                    };
                    self.initiated(now_unix_s, &function, response, session, matching_id)
                }
                What::Authenticate { transaction_id, shown } => {
                    self.authenticated(now_unix_s, &function, response, &transaction_id, shown)
                }
                What::Package { transaction_id } => match es9p::bound_profile_package(response) {
                    Ok(package) => {
                        let note = format!("a bound profile package of {} bytes", package.len());
                        let transaction_id = Some(transaction_id);
                        let response = EsipaResponse::GetBoundProfilePackage { transaction_id, package };
                        answer(&function, &response, note)
                    }
                    Err(error) => refuse(&function, &error, package_code, |code| {
                        EsipaResponse::GetBoundProfilePackageError(code)
                    }),
                },
                What::Cancel { transaction_id } => {
                    self.relays.remove(&transaction_id);
                    match es9p::cancelled(response) {
                        Ok(()) => answer(&function, &EsipaResponse::CancelSession(Ok(())), "cancelled"),
                        Err(error) => refuse(&function, &error, cancel_code, |code| {
                            EsipaResponse::CancelSession(Err(code))
                        }),
                    }
                }
            },
            Err(problem) => {
                let response = match what {
                    What::Initiate { .. } => EsipaResponse::InitiateAuthentication(Err(UNDEFINED)),
                    What::Authenticate { .. } => EsipaResponse::AuthenticateClientError(UNDEFINED),
                    What::Package { .. } => EsipaResponse::GetBoundProfilePackageError(UNDEFINED),
                    What::Cancel { .. } => EsipaResponse::CancelSession(Err(UNDEFINED)),
                };
                refused(&function, &response, EimRefusal::ServerSilent, problem)
            }
        }
    }

    fn initiated(
        &mut self,
        now_unix_s: u64,
        function: &str,
        response: &HttpResponse,
        mut session: Session,
        matching_id: Option<String>,
    ) -> EimAnswer {
        let mut ok = match es9p::initiated(response) {
            Ok(ok) => ok,
            Err(error) => {
                return refuse(function, &error, initiate_code, |code| {
                    EsipaResponse::InitiateAuthentication(Err(code))
                });
            }
        };
        session.smdp_oid = RspCertificate::parse(&ok.certificate)
            .ok()
            .and_then(|certificate| certificate.registered_id().map(|oid| oid.contents().to_vec()))
            .unwrap_or_default();
        let id = ok.transaction_id.clone().unwrap_or_default();
        let note = format!("with {}", session.server);
        self.relays.insert(id, session, now_unix_s);
        ok.matching_id = matching_id;
        answer(function, &EsipaResponse::InitiateAuthentication(Ok(Box::new(ok))), note)
    }

    fn authenticated(
        &mut self,
        now_unix_s: u64,
        function: &str,
        response: &HttpResponse,
        id: &[u8],
        shown: Option<Eid>,
    ) -> EimAnswer {
        let ok = match es9p::authenticated(response) {
            Ok(ok) => ok,
            Err(error) => {
                self.relays.remove(id);
                return refuse(function, &error, authenticate_code, EsipaResponse::AuthenticateClientError);
            }
        };
        if let (Some(session), Ok(signed)) = (self.relays.get(id), SmdpSigned2::parse(&ok.smdp_signed2)) {
            let session = Session { bpp_euicc_otpk: signed.bpp_euicc_otpk, shown, ..session.clone() };
            self.relays.insert(id.to_vec(), session, now_unix_s);
        }
        let response = EsipaResponse::AuthenticateClient {
            transaction_id: ok.transaction_id,
            metadata: ok.metadata,
            smdp_signed2: ok.smdp_signed2,
            smdp_signature2: ok.smdp_signature2,
            certificate: ok.certificate,
            hash_cc: ok.hash_cc,
        };
        answer(function, &response, "released")
    }

    /// The response of AuthenticateServer as an SM-DP+ takes it: certificates that the IPA has left out are put back.
    fn full_authentication(&self, session: &Session, response: Vec<u8>) -> Result<Vec<u8>, String> {
        let Some(compact) = compact_authenticate(&response).map_err(|error| error.to_string())? else {
            return Ok(response);
        };
        let record = session.eid.as_ref().and_then(|eid| self.euiccs.get(eid));
        let known = |at: usize| record.and_then(|record| record.chain.get(at).cloned());
        let missing = "the eIM knows too little of this eUICC to put the compact form together";
        Ok(AuthenticateServerResponse::Ok {
            euicc_signed1: compact.signed.map_err(|_| missing)?,
            euicc_signature1: compact.signature,
            euicc_certificate: compact.euicc_certificate.or_else(|| known(0)).ok_or(missing)?,
            eum_certificate: compact.eum_certificate.or_else(|| known(1)).ok_or(missing)?,
        }
        .to_bytes())
    }
}

/// The EID of the certificate in a response of AuthenticateServer; whether it is genuine the server sees.
fn shown_eid(response: &[u8]) -> Option<Eid> {
    match AuthenticateServerResponse::parse(response).ok()? {
        AuthenticateServerResponse::Ok { euicc_certificate, .. } => {
            RspCertificate::parse(&euicc_certificate).ok()?.eid()?.parse().ok()
        }
        AuthenticateServerResponse::Error { .. } => None,
    }
}

/// The activation code that the IPA is not told.
fn hidden_code(record: &EuiccRecord) -> Option<ActivationCode> {
    match &record.out.as_ref()?.work.kind {
        WorkKind::Download { trigger: DownloadTrigger::ActivationCode(code), .. } => code.parse().ok(),
        _ => None,
    }
}

fn full_preparation(session: &Session, id: &[u8], response: Vec<u8>) -> Result<Vec<u8>, String> {
    let Some(compact) = compact_prepare(&response).map_err(|error| error.to_string())? else {
        return Ok(response);
    };
    let signed = compact.signed(id, session.bpp_euicc_otpk.as_deref(), None);
    let signed = signed.ok_or("the compact form has no one-time key, and none is bound")?;
    Ok(PrepareDownloadResponse::Ok { euicc_signed2: signed.to_bytes(), euicc_signature2: compact.signature }
        .to_bytes())
}

fn full_cancellation(session: &Session, id: &[u8], response: Vec<u8>) -> Result<Vec<u8>, String> {
    let Some(compact) = compact_cancel(&response).map_err(|error| error.to_string())? else {
        return Ok(response);
    };
    let reason = compact.reason.ok_or("the compact form has no reason")?;
    let smdp_oid = session.smdp_oid.clone();
    let signed = EuiccCancelSessionSigned { transaction_id: id.to_vec(), smdp_oid, reason };
    Ok(CancelSessionResponse::Ok { signed: signed.to_bytes(), signature: compact.signature }.to_bytes())
}

fn refuse(
    function: &str,
    error: &AnswerError,
    code: fn(Reason) -> u64,
    response: impl Fn(u64) -> EsipaResponse,
) -> EimAnswer {
    let reason = match error {
        AnswerError::Refused(refusal) => refusal.reason(),
        _ => None,
    };
    let response = response(reason.map_or(UNDEFINED, code));
    refused(function, &response, EimRefusal::ServerRefuses, &error.to_string())
}

fn initiate_code(reason: Reason) -> u64 {
    match reason {
        Reason::SmdpAddress => 1,
        Reason::SmdpVersion => 2,
        Reason::SmdpNoSigningCi | Reason::SmdpNoCertificate => 3,
        _ => UNDEFINED,
    }
}

fn authenticate_code(reason: Reason) -> u64 {
    match reason {
        Reason::EumCertificate => 1,
        Reason::EumCertificateExpired => 2,
        Reason::EuiccCertificate => 3,
        Reason::EuiccCertificateExpired => 4,
        Reason::EuiccSignature => 5,
        Reason::MatchingIdRefused => 6,
        Reason::EidMismatch => 7,
        Reason::NoEligibleProfile => 8,
        Reason::CiUnknown => 9,
        Reason::TransactionUnknown => 10,
        Reason::EuiccMemory => 11,
        Reason::OrderExpired => 18,
        Reason::EventUnknown => 56,
        _ => UNDEFINED,
    }
}

fn package_code(reason: Reason) -> u64 {
    match reason {
        Reason::EuiccSignature => 1,
        Reason::CodeMissing => 2,
        Reason::CodeRefused => 3,
        Reason::CodeExhausted => 4,
        Reason::NoNewBinding => 5,
        Reason::TransactionUnknown => 95,
        _ => UNDEFINED,
    }
}

fn cancel_code(reason: Reason) -> u64 {
    match reason {
        Reason::TransactionUnknown => 1,
        Reason::EuiccSignature => 2,
        _ => UNDEFINED,
    }
}
