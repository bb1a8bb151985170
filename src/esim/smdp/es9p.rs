//! ES9+ (SGP.22 clauses 5.6 and 6.5.2): what the device asks for.

use sha2::{Digest, Sha256};

use super::super::authenticate::{Authenticated, malformed, object, signature_object};
use super::super::json::{self, Body};
use super::super::{Caller, FunctionRefusal, HttpResponse, Reason, Served};
use super::session::{Download, Session, Step};
use super::{Order, OrderState, Outcome, Smdp, done, served};
use crate::id::Iccid;
use crate::wire::rsp::{
    CancelSessionResponse, EuiccCancelSessionSigned, EuiccSigned2, PolicyRules, PrepareDownloadResponse,
    SmdpSigned2,
};
use crate::wire::saip::Services;
use crate::wire::tlv;

/// Reasons of CancelSession after which the order still waits: postponed (1) and timeout (2).
const MAY_COME_BACK: [u64; 2] = [1, 2];
/// The tag of the free non-volatile memory in extCardResource (TS 102 226 clause 8.2.1.7.2).
const FREE_NON_VOLATILE: u16 = 0x82;

impl Smdp {
    pub(super) fn es9p(&mut self, now_unix_s: u64, caller: &Caller, function: &str, body: &[u8]) -> Served {
        if function == "handleNotification" {
            return self.handle_notification(now_unix_s, body);
        }
        let name = match function {
            "initiateAuthentication" => "InitiateAuthentication",
            "authenticateClient" => "AuthenticateClient",
            "getBoundProfilePackage" => "GetBoundProfilePackage",
            "cancelSession" => "CancelSession",
            _ => return Served::refused(function, &Reason::UnknownFunction.into(), None),
        };
        served(format!("ES9+.{name}"), self.es9p_function(now_unix_s, caller, function, body))
    }

    fn es9p_function(&mut self, now_unix_s: u64, caller: &Caller, function: &str, body: &[u8]) -> Outcome {
        let body = Body::parse(body).map_err(|refusal| (refusal, None))?;
        if function == "initiateAuthentication" {
            return self.initiate(now_unix_s, caller, &body).map_err(|refusal| (refusal, None));
        }
        let id = body.transaction_id().map_err(|refusal| (refusal, None))?;
        let mut inner = || {
            let session = self.session(&id)?;
            match function {
                "authenticateClient" => self.authenticate_client(now_unix_s, &body, session),
                "getBoundProfilePackage" => self.get_bound_profile_package(now_unix_s, &body, session),
                _ => self.cancel_session(&body, &session),
            }
        };
        inner().map_err(|refusal: FunctionRefusal| (refusal, Some(id.clone())))
    }

    /// Clause 5.6.1.
    ///
    /// Anybody can ask for this, so that nothing is written, and the oldest session makes room for the next.
    fn initiate(
        &mut self,
        now_unix_s: u64,
        caller: &Caller,
        body: &Body,
    ) -> Result<(HttpResponse, String), FunctionRefusal> {
        let transaction_id = self.draw::<16>().to_vec();
        let (challenge, response) =
            self.authenticator.initiate(body, &transaction_id, &mut self.rng, now_unix_s)?;
        let note = format!("session {}", hex::encode_upper(&transaction_id[..4]));
        let expires_unix_s = now_unix_s.saturating_add(self.settings.session_s);
        let session = Session {
            transaction_id: transaction_id.clone(),
            challenge,
            expires_unix_s,
            step: Step::Initiated,
        };
        self.initiated.insert(transaction_id, expires_unix_s, caller.address(), session);
        Ok((response, note))
    }

    /// Clause 5.6.3.
    fn authenticate_client(
        &mut self,
        now_unix_s: u64,
        body: &Body,
        mut session: Session,
    ) -> Result<(HttpResponse, String), FunctionRefusal> {
        if !matches!(session.step, Step::Initiated | Step::Proved { .. }) {
            return Err(Reason::TransactionUnknown.into());
        }
        let id = session.transaction_id.clone();
        let verified = self.authenticator.verify(body, &id, &session.challenge, now_unix_s);
        if verified.as_ref().is_err_and(|refusal| refusal.reason == Reason::EuiccReportsError) {
            self.end_session(&id);
        }
        let euicc = verified?;
        // It may end the session now, whether or not there is something for it.
        if let Some(open) = self.initiated.get_mut(&id) {
            open.step = Step::Proved { eid: euicc.eid.clone(), euicc_key: euicc.public };
        }
        let iccid = self.order_for(&euicc, now_unix_s)?;
        let order = self.orders.get(&iccid).ok_or(Reason::MatchingIdRefused)?;
        check_eligible(order, &euicc)?;
        let identity = self.identity(&session)?;

        let bound = order.binding.as_ref().filter(|binding| {
            order.state == OrderState::Downloaded
                && binding.eid == euicc.eid
                && binding.euicc_key == euicc.public
        });
        let signed2 = SmdpSigned2 {
            transaction_id: id.clone(),
            confirmation_code_required: order.needs_code(),
            bpp_euicc_otpk: bound.map(|binding| binding.euicc_otpk.clone()),
        }
        .to_bytes();
        let covered = [&signed2[..], &object(0x5f37, &euicc.signature1)].concat();
        let smdp_signature2 = identity.pb.key.sign(&covered);
        let response = json::executed(vec![
            ("transactionId", json::transaction_id(&id)),
            ("profileMetadata", json::binary(&order.metadata.to_bytes())),
            ("smdpSigned2", json::binary(&signed2)),
            ("smdpSignature2", signature_object(&smdp_signature2)),
            ("smdpCertificate", json::binary(identity.pb.certificate.der())),
        ]);
        let note = format!("EID {}, profile {iccid}", euicc.eid);
        session.step =
            Step::Authenticated(Download { eid: euicc.eid, euicc_key: euicc.public, iccid, smdp_signature2 });
        session.expires_unix_s = now_unix_s.saturating_add(self.settings.session_s);
        self.keep_session(session)?;
        Ok((response, note))
    }

    /// The order that an eUICC is to get: that of its matching identifier; without one, the order for its EID that
    /// was released first.
    fn order_for(&mut self, euicc: &Authenticated, now_unix_s: u64) -> Result<Iccid, FunctionRefusal> {
        let order = match euicc.context.matching_id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => self.by_matching_id.get(id).and_then(|iccid| self.orders.get(iccid)),
            None => {
                let orders = self.by_eid.get(&euicc.eid).into_iter().flatten();
                let orders = orders.filter_map(|iccid| self.orders.get(iccid)).filter(|order| order.waits());
                orders.min_by_key(|order| order.released)
            }
        };
        let order = order.ok_or(Reason::MatchingIdRefused)?;
        if order.eid.as_ref().is_some_and(|eid| *eid != euicc.eid) {
            return Err(Reason::EidMismatch.into());
        }
        match order.state {
            OrderState::Released | OrderState::Downloaded => {}
            OrderState::Allocated | OrderState::Linked | OrderState::Confirmed => {
                return Err(Reason::NotReleased.into());
            }
            _ if order.code_failures >= self.settings.code_failures_max => {
                return Err(Reason::CodeExhausted.into());
            }
            _ if order.downloads >= self.settings.downloads_max => {
                return Err(Reason::DownloadsExhausted.into());
            }
            state => {
                return Err(FunctionRefusal::new(
                    Reason::MatchingIdRefused,
                    format!("Its state is {state}."),
                ));
            }
        }
        let iccid = order.iccid.clone();
        if order.expires_unix_s.is_some_and(|end| end <= now_unix_s) {
            self.fail(iccid, "the order has expired")?;
            return Err(Reason::OrderExpired.into());
        }
        if order.downloads >= self.settings.downloads_max {
            self.fail(iccid, "it was tried too often")?;
            return Err(Reason::DownloadsExhausted.into());
        }
        Ok(iccid)
    }

    /// Clause 5.6.2.
    fn get_bound_profile_package(
        &mut self,
        now_unix_s: u64,
        body: &Body,
        mut session: Session,
    ) -> Result<(HttpResponse, String), FunctionRefusal> {
        let response = body.binary("prepareDownloadResponse")?;
        let download = match &session.step {
            Step::Authenticated(download) => download.clone(),
            // The response was lost on the way: the same request gets the same package.
            Step::Delivered(download, before) if *before == response => {
                let order = self.orders.get(&download.iccid).ok_or(Reason::TransactionUnknown)?;
                return self.deliver(order, &session);
            }
            _ => return Err(Reason::TransactionUnknown.into()),
        };
        let id = session.transaction_id.clone();
        let (raw, signature2) = match PrepareDownloadResponse::parse(&response).map_err(malformed)? {
            PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } => {
                (euicc_signed2, euicc_signature2)
            }
            PrepareDownloadResponse::Error { code, .. } => {
                self.end_session(&id);
                let detail = format!("PrepareDownload: {} ({code}).", download_error(code));
                return Err(FunctionRefusal::new(Reason::EuiccReportsError, detail));
            }
        };
        let covered = [&raw[..], &object(0x5f37, &download.smdp_signature2)].concat();
        download.euicc_key.verify(&covered, &signature2, &self.tally).map_err(|_| Reason::EuiccSignature)?;
        let signed = EuiccSigned2::parse(&raw).map_err(malformed)?;
        if signed.transaction_id != id {
            return Err(FunctionRefusal::new(
                Reason::TransactionUnknown,
                "The eUICC has signed another identifier.",
            ));
        }
        let order = self.orders.get(&download.iccid).filter(|order| order.waits());
        let mut order = order.cloned().ok_or(Reason::NotReleased)?;
        if order.eid.as_ref().is_some_and(|eid| *eid != download.eid) {
            return Err(Reason::EidMismatch.into());
        }
        self.check_code(&mut order, &id, signed.hash_cc)?;

        let identity = self.identity(&session)?;
        let same = order.binding.as_ref().filter(|binding| {
            binding.euicc_otpk == signed.euicc_otpk
                && binding.eid == download.eid
                && binding.euicc_key == download.euicc_key
        });
        if same.is_none() {
            let tally = self.tally.clone();
            let binder = self.binder(&identity, &tally);
            let binding = binder.bind(
                &order.package,
                &order.metadata,
                &download.eid,
                &download.euicc_key,
                &signed.euicc_otpk,
                &mut self.rng,
            );
            let wrong = |error| FunctionRefusal::new(Reason::Malformed, format!("euiccOtpk: {error}."));
            order.binding = Some(binding.map_err(wrong)?);
        }
        order.state = OrderState::Downloaded;
        order.eid = Some(download.eid.clone());
        order.downloads += 1;
        order.transactions.push(id);
        let answer = self.deliver(&order, &session)?;
        session.step = Step::Delivered(download, response);
        session.expires_unix_s = now_unix_s.saturating_add(self.settings.session_s);
        self.keep(order)?;
        self.keep_session(session)?;
        Ok(answer)
    }

    fn deliver(&self, order: &Order, session: &Session) -> Result<(HttpResponse, String), FunctionRefusal> {
        let identity = self.identity(session)?;
        let binding = order.binding.as_ref().ok_or(Reason::NoNewBinding)?;
        let binder = self.binder(&identity, &self.tally);
        let package = binder.bound_package(&order.package, binding, &session.transaction_id).to_bytes();
        let note = format!("profile {}, {} bytes", order.iccid, package.len());
        let response = json::executed(vec![
            ("transactionId", json::transaction_id(&session.transaction_id)),
            ("boundProfilePackage", json::binary(&package)),
        ]);
        Ok((response, note))
    }

    /// The confirmation code, where the order has one: SHA-256(SHA-256(code) || transaction identifier).
    fn check_code(
        &mut self,
        order: &mut Order,
        id: &[u8],
        given: Option<[u8; 32]>,
    ) -> Result<(), FunctionRefusal> {
        let Some(hash) = order.code_hash else { return Ok(()) };
        let given = given.ok_or(Reason::CodeMissing)?;
        let expected: [u8; 32] = Sha256::new().chain_update(hash).chain_update(id).finalize().into();
        if aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &given).is_ok() {
            return Ok(());
        }
        order.code_failures += 1;
        let exhausted = order.code_failures >= self.settings.code_failures_max;
        if exhausted {
            order.fail("the confirmation code was wrong too often".to_owned());
            self.forget_event(order);
        }
        self.keep(order.clone())?;
        Err(if exhausted { Reason::CodeExhausted.into() } else { Reason::CodeRefused.into() })
    }

    /// Clause 5.6.5.
    fn cancel_session(
        &mut self,
        body: &Body,
        session: &Session,
    ) -> Result<(HttpResponse, String), FunctionRefusal> {
        let response = body.binary("cancelSessionResponse")?;
        let (eid, key, iccid) = match &session.step {
            Step::Authenticated(download) | Step::Delivered(download, _) => {
                (&download.eid, &download.euicc_key, Some(&download.iccid))
            }
            Step::Proved { eid, euicc_key } => (eid, euicc_key, None),
            Step::Initiated => {
                let detail = "The eUICC has not proved itself yet.";
                return Err(FunctionRefusal::new(Reason::EuiccSignature, detail));
            }
        };
        let (raw, signature) = match CancelSessionResponse::parse(&response).map_err(malformed)? {
            CancelSessionResponse::Ok { signed, signature } => (signed, signature),
            CancelSessionResponse::Error { code } => {
                let detail = format!("CancelSession: error {code}.");
                return Err(FunctionRefusal::new(Reason::EuiccReportsError, detail));
            }
        };
        key.verify(&raw, &signature, &self.tally).map_err(|_| Reason::EuiccSignature)?;
        let signed = EuiccCancelSessionSigned::parse(&raw).map_err(malformed)?;
        if signed.transaction_id != session.transaction_id {
            return Err(FunctionRefusal::new(
                Reason::TransactionUnknown,
                "The eUICC has signed another identifier.",
            ));
        }
        if signed.smdp_oid != self.identity(session)?.oid.contents() {
            return Err(Reason::SmdpOid.into());
        }
        let word = cancel_reason(signed.reason);
        // Another eUICC may have been faster: its order is none of this one's business.
        let held = |order: &Order| order.eid.as_ref().is_none_or(|holder| holder == eid);
        let order = iccid.and_then(|iccid| self.orders.get(iccid)).filter(|order| held(order));
        let note = match (order, iccid) {
            (Some(order), _) => format!("profile {}, {word}", order.iccid),
            (None, Some(iccid)) => format!("profile {iccid} is another eUICC's, {word}"),
            (None, None) => format!("EID {eid}, {word}"),
        };
        if let Some(order) = order.filter(|_| !MAY_COME_BACK.contains(&signed.reason)) {
            self.fail(order.iccid.clone(), &format!("the session was cancelled: {word}"))?;
        }
        self.end_session(&session.transaction_id);
        Ok((done(), note))
    }

    /// Ends a waiting order.
    pub(super) fn fail(&mut self, iccid: Iccid, problem: &str) -> Result<(), FunctionRefusal> {
        let Some(mut order) = self.orders.get(&iccid).filter(|order| order.waits()).cloned() else {
            return Ok(());
        };
        order.fail(problem.to_owned());
        self.forget_event(&mut order);
        self.keep(order)
    }
}

/// Whether a profile suits an eUICC: rules that it forbids, services and memory that it has not (SGP.22 clause 3.1.5).
fn check_eligible(order: &Order, euicc: &Authenticated) -> Result<(), FunctionRefusal> {
    let forbidden = match euicc.info.forbidden_rules.as_deref() {
        Some([_, first, ..]) => PolicyRules(*first),
        _ => PolicyRules(0),
    };
    let rules = [(PolicyRules::PPR1, "PPR1"), (PolicyRules::PPR2, "PPR2")];
    for (rule, name) in rules {
        if order.metadata.rules.contains(rule) && forbidden.contains(rule) {
            let detail = format!("It has the policy rule {name}, which the eUICC forbids.");
            return Err(FunctionRefusal::new(Reason::NoEligibleProfile, detail));
        }
    }
    let offered = Services::of_capability(&euicc.info.uicc_capability);
    let lacking = Services::of_capability(&order.demands).lacking(&offered);
    if !lacking.is_empty() {
        let detail = format!("It demands {}, which the eUICC does not have.", lacking.join(", "));
        return Err(FunctionRefusal::new(Reason::NoEligibleProfile, detail));
    }
    // An eUICC that does not say how much memory is free says so after the download.
    let free = tlv::find(&euicc.info.ext_card_resource, FREE_NON_VOLATILE).ok();
    let free = free.map(|bytes| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)));
    match free {
        Some(free) if free < order.memory_bytes => {
            let detail = format!("It takes {} bytes, {free} are free.", order.memory_bytes);
            Err(FunctionRefusal::new(Reason::EuiccMemory, detail))
        }
        _ => Ok(()),
    }
}

/// DownloadErrorCode (SGP.22 annex H) for people.
fn download_error(code: u64) -> &'static str {
    match code {
        1 => "invalidCertificate",
        2 => "invalidSignature",
        3 => "unsupportedCurve",
        4 => "noSessionContext",
        5 => "invalidTransactionId",
        127 => "undefinedError",
        _ => "unknown",
    }
}

/// CancelSessionReason (SGP.22 annex H) for people.
fn cancel_reason(code: u64) -> &'static str {
    match code {
        0 => "endUserRejection",
        1 => "postponed",
        2 => "timeout",
        3 => "pprNotAllowed",
        4 => "metadataMismatch",
        5 => "loadBppExecutionError",
        127 => "undefinedReason",
        _ => "unknown reason",
    }
}
