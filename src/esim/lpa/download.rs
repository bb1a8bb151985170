//! Profile download and installation (SGP.22 clauses 3.0.1 and 3.1.3), as a machine.

use sha2::{Digest, Sha256};

use super::super::es9p::{AuthenticateClientOk, Service};
use super::super::{HttpRequest, HttpResponse};
use super::activation::{ActivationCode, check_address};
use super::es10::Es10;
use super::installation::{command_name, element_at_fault, is_as_accepted, reason_name};
use super::transport::{Authenticated, Transport};
use super::{LpaError, Step};
use crate::crypto::rsp_cert::RspCertificate;
use crate::wire::rsp::iot::InitiateAuthenticationOk;
use crate::wire::rsp::{
    AuthenticateServerRequest, AuthenticateServerResponse, BoundProfilePackage, CancelSessionResponse,
    CtxParams1, DeviceInfo, FinalResult, IccidBytes, PolicyRules, PrepareDownloadRequest,
    PrepareDownloadResponse, ProfileInstallationResult, ProfileInstallationResultData, ProfileMetadata,
    ServerSigned1, SmdpSigned2,
};

/// Where the profile is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Source {
    /// By an activation code.
    ActivationCode(ActivationCode),
    /// An SM-DP+ by its address, with the matching identifier where there is one, as an SM-DS names them.
    Smdp { address: String, matching_id: Option<String> },
    /// The SM-DP+ whose address the eUICC holds.
    DefaultSmdp,
    /// The eIM knows.
    Eim,
}

/// Why a session is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    /// The user does not want it.
    EndUserRejection = 0,
    /// The user does not want it now.
    Postponed = 1,
    /// The user has not answered.
    Timeout = 2,
    /// Its policy rules are not allowed here.
    PprNotAllowed = 3,
    /// The metadata are others than before.
    MetadataMismatch = 4,
    /// The package could not be loaded.
    LoadBppExecutionError = 5,
    /// For another reason.
    Undefined = 127,
}

/// What is about to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// FQDN of the SM-DP+; empty where the eIM keeps it.
    pub server: String,
    /// None where the eIM has checked it.
    pub metadata: Option<ProfileMetadata>,
    /// Whether the user has to type a code.
    pub confirmation_code_required: bool,
    /// Whether the rules of the profile need the user's consent (SGP.22 clause 2.9.2.1).
    pub consent_required: bool,
}

/// What to do with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Install it.
    Accept,
    /// With the reason for people.
    Refuse(CancelReason, &'static str),
}

/// How a profile is downloaded.
pub struct DownloadOptions {
    /// What is said of the device.
    pub device: DeviceInfo,
    /// The code that the user was given, where one is required.
    pub confirmation_code: Option<String>,
    /// Whether the notification of an installation stays in the eUICC when the SM-DP+ has it, for somebody else who is
    /// to know of it and has not been told.
    pub keep_notification: bool,
    /// Is asked before anything is stored.
    pub decide: Box<dyn FnMut(&Offer) -> Decision + Send>,
}

impl DownloadOptions {
    /// Accepts whatever the eUICC's rules allow.
    pub fn accepting(device: DeviceInfo) -> Self {
        Self {
            device,
            confirmation_code: None,
            keep_notification: false,
            decide: Box::new(|_| Decision::Accept),
        }
    }
}

/// A profile that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadReport {
    /// FQDN of the SM-DP+; empty where the eIM keeps it.
    pub server: String,
    /// The number of the profile, where the metadata are known.
    pub iccid: Option<IccidBytes>,
    /// What the SM-DP+ said of the profile; none where the eIM has checked it.
    pub metadata: Option<ProfileMetadata>,
    /// AID of the ISD-P.
    pub aid: Vec<u8>,
    /// The transaction of the download.
    pub transaction_id: Vec<u8>,
    /// ProfileInstallationResult, `BF37`, as the eUICC gave it.
    pub result: Vec<u8>,
    /// Of the notification.
    pub sequence_number: u64,
    /// Why the notification is still in the eUICC, where it could not be delivered or removed.
    pub notification_kept: Option<String>,
}

enum State {
    Begin,
    Initiating,
    Authenticating,
    Fetching,
    /// Over, but the server is told first.
    Cancelling(LpaError),
    Notifying(Result<Box<DownloadReport>, LpaError>, u64),
    Ended,
}

/// The download of one profile.
pub struct Download {
    options: DownloadOptions,
    transport: Transport,
    source: Source,
    /// What the eUICC gave as ProfileInstallationResult, also where it is an error.
    result: Option<Vec<u8>>,
    server: Option<String>,
    transaction_id: Vec<u8>,
    metadata: Option<ProfileMetadata>,
    state: State,
}

type Advance = Result<Step<DownloadReport>, LpaError>;

impl Download {
    /// A download that has not begun.
    pub fn new(source: Source, transport: Transport, options: DownloadOptions) -> Self {
        Self {
            options,
            transport,
            source,
            result: None,
            server: None,
            transaction_id: Vec::new(),
            metadata: None,
            state: State::Begin,
        }
    }

    /// Begins, or begins again after an interruption: SM-DP+ and eUICC find the package that they had bound.
    pub fn start(&mut self, es10: &mut Es10<'_>) -> Step<DownloadReport> {
        self.state = State::Begin;
        self.result = None;
        let step = self.initiate(es10);
        self.ended_where_failed(step)
    }

    /// Takes the answer to what was sent.
    pub fn resume(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Step<DownloadReport> {
        let step = match std::mem::replace(&mut self.state, State::Ended) {
            State::Initiating => self.initiated(es10, response),
            State::Authenticating => self.authenticated(es10, response),
            State::Fetching => self.fetched(es10, response),
            State::Cancelling(error) => Err(error),
            State::Notifying(outcome, number) => self.notified(es10, response, outcome, number),
            State::Begin | State::Ended => Err(LpaError::Ended),
        };
        self.ended_where_failed(step)
    }

    /// Takes that there was no answer. The download may be begun again with [`start`](Self::start).
    pub fn failed(&mut self, problem: &str) -> Step<DownloadReport> {
        let host = self.transport.host(self.server.as_deref().unwrap_or_default()).to_owned();
        let error = LpaError::Network { host, problem: problem.to_owned() };
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Cancelling(error) | State::Notifying(Err(error), _) => Step::Failed(error),
            State::Notifying(Ok(mut report), _) => {
                report.notification_kept = Some(error.to_string());
                Step::Done(*report)
            }
            _ => Step::Failed(error),
        }
    }

    /// ProfileInstallationResult, `BF37`, where the eUICC has given one, also of an installation that failed.
    pub fn installation_result(&self) -> Option<&[u8]> {
        self.result.as_deref()
    }

    /// Whether it goes through the eIM.
    pub fn is_through_eim(&self) -> bool {
        matches!(self.transport, Transport::Eim { .. })
    }

    fn ended_where_failed(&mut self, step: Advance) -> Step<DownloadReport> {
        step.unwrap_or_else(|error| {
            self.state = State::Ended;
            Step::Failed(error)
        })
    }

    fn initiate(&mut self, es10: &mut Es10<'_>) -> Advance {
        self.server = match &self.source {
            Source::ActivationCode(code) => Some(code.address.clone()),
            Source::Smdp { address, .. } => Some(address.clone()),
            Source::DefaultSmdp => {
                let default = es10.addresses()?.default_smdp.filter(|address| !address.is_empty());
                Some(default.ok_or(LpaError::NoSmdp)?)
            }
            Source::Eim => None,
        };
        if let Some(server) = &self.server {
            check_address(server)?;
        }
        let info1 = es10.info1()?;
        let challenge = es10.challenge()?;
        self.state = State::Initiating;
        Ok(Step::Send(self.transport.initiate(Service::Smdp, self.server.as_deref(), challenge, info1)))
    }

    fn initiated(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Advance {
        let ok = self.transport.initiated(response)?;
        if let Source::ActivationCode(ActivationCode { oid: Some(expected), .. }) = &self.source {
            check_oid(&ok.certificate, expected)?;
        }
        let matching_id = match &self.source {
            Source::ActivationCode(code) => Some(code.token.clone()),
            Source::Smdp { matching_id, .. } => matching_id.clone(),
            Source::DefaultSmdp => Some(String::new()),
            Source::Eim => ok.matching_id.clone(),
        };
        let authentication =
            authenticate_server(es10, &ok, self.server.as_deref(), matching_id, &self.options.device)?;
        self.transaction_id = authentication.transaction_id;
        self.server.get_or_insert(authentication.server_address);
        self.state = State::Authenticating;
        let server = self.server.as_deref().unwrap_or_default();
        let response = authentication.response;
        Ok(Step::Send(self.transport.authenticate(Service::Smdp, server, &self.transaction_id, response)))
    }

    fn authenticated(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Advance {
        let release = match self.transport.authenticated(response)? {
            Authenticated::Release(release) => release,
            Authenticated::Trigger(_) => return Err(LpaError::OtherSession),
        };
        if release.transaction_id.as_ref().is_some_and(|id| *id != self.transaction_id) {
            return Err(LpaError::OtherSession);
        }
        match self.judge(es10, &release) {
            Ok(hash_cc) => self.prepare(es10, release, hash_cc),
            Err((reason, error)) => self.cancel(es10, reason, error),
        }
    }

    /// Whether the profile may be installed; the hash of the confirmation code where one is needed.
    fn judge(
        &mut self,
        es10: &mut Es10<'_>,
        release: &AuthenticateClientOk,
    ) -> Result<Option<[u8; 32]>, (CancelReason, LpaError)> {
        let wrong = |error| (CancelReason::MetadataMismatch, LpaError::Card(error));
        let signed2 = SmdpSigned2::parse(&release.smdp_signed2)
            .map_err(|error| (CancelReason::Undefined, LpaError::Card(error)))?;
        let metadata = release.metadata.as_deref().map(ProfileMetadata::parse).transpose().map_err(wrong)?;
        let mut consent_required = false;
        if let Some(metadata) = metadata.as_ref().filter(|metadata| has_rules(metadata.rules)) {
            let table = es10.rules().map_err(|error| (CancelReason::Undefined, error))?;
            let not_allowed = |rule| (CancelReason::PprNotAllowed, LpaError::RuleNotAllowed { rule });
            consent_required = table.allows(metadata.rules, metadata.owner.as_ref()).map_err(not_allowed)?;
        }
        let offer = Offer {
            server: self.server.clone().unwrap_or_default(),
            metadata: metadata.clone(),
            confirmation_code_required: signed2.confirmation_code_required,
            consent_required,
        };
        self.metadata = metadata;
        if let Decision::Refuse(reason, why) = (self.options.decide)(&offer) {
            return Err((reason, LpaError::Refused(why)));
        }
        if !signed2.confirmation_code_required {
            return Ok(None);
        }
        match (&self.options.confirmation_code, release.hash_cc) {
            (_, Some(hash)) => Ok(Some(hash)),
            (Some(code), None) => {
                let inner = Sha256::digest(code.as_bytes());
                let hash = Sha256::new().chain_update(inner).chain_update(&self.transaction_id).finalize();
                Ok(Some(hash.into()))
            }
            (None, None) => Err((CancelReason::Postponed, LpaError::CodeNeeded)),
        }
    }

    fn prepare(
        &mut self,
        es10: &mut Es10<'_>,
        release: AuthenticateClientOk,
        hash_cc: Option<[u8; 32]>,
    ) -> Advance {
        let request = PrepareDownloadRequest {
            smdp_signed2: release.smdp_signed2,
            smdp_signature2: release.smdp_signature2,
            hash_cc,
            certificate: release.certificate,
        };
        let response = es10.prepare_download(&request)?;
        if let PrepareDownloadResponse::Error { code, .. } = PrepareDownloadResponse::parse(&response)? {
            return Err(LpaError::Euicc { function: "PrepareDownload", code, word: download_error(code) });
        }
        self.state = State::Fetching;
        let server = self.server.as_deref().unwrap_or_default();
        Ok(Step::Send(self.transport.get_package(server, &self.transaction_id, response)))
    }

    fn fetched(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Advance {
        let package = match self.transport.package(response) {
            Ok(package) => package,
            Err(error @ LpaError::Server(super::super::es9p::AnswerError::Malformed { .. })) => {
                return self.cancel(es10, CancelReason::LoadBppExecutionError, error);
            }
            Err(error) => return Err(error),
        };
        let package = match BoundProfilePackage::parse(&package) {
            Ok(package) => package,
            Err(error) => {
                return self.cancel(es10, CancelReason::LoadBppExecutionError, LpaError::Card(error));
            }
        };
        if self.metadata.as_ref().is_some_and(|accepted| !is_as_accepted(&package, accepted)) {
            return self.cancel(es10, CancelReason::MetadataMismatch, LpaError::OtherMetadata);
        }
        let mut result = Vec::new();
        for piece in package.pieces() {
            result = match es10.load_piece(&piece) {
                Ok(result) => result,
                Err(error @ LpaError::Status { .. }) => {
                    return self.cancel(es10, CancelReason::LoadBppExecutionError, error);
                }
                Err(error) => return Err(error),
            };
            // The result comes where it fails, and else with the last piece.
            if !result.is_empty() {
                break;
            }
        }
        if result.is_empty() {
            return self.cancel(es10, CancelReason::LoadBppExecutionError, LpaError::NoResult);
        }
        self.installed(result)
    }

    fn installed(&mut self, result: Vec<u8>) -> Advance {
        let data = ProfileInstallationResult::parse(&result)
            .and_then(|result| ProfileInstallationResultData::parse(&result.data))?;
        self.result = Some(result.clone());
        let server = self.server.clone().unwrap_or_default();
        let outcome = match data.result {
            FinalResult::Success { aid, .. } => Ok(Box::new(DownloadReport {
                server: server.clone(),
                iccid: data.notification.iccid,
                metadata: self.metadata.clone(),
                aid,
                transaction_id: self.transaction_id.clone(),
                result: result.clone(),
                sequence_number: data.notification.sequence_number,
                notification_kept: None,
            })),
            FinalResult::Error { command, reason, sima_response } => Err(LpaError::Installation {
                command: command_name(command),
                reason: reason_name(reason),
                code: reason,
                element: sima_response.as_deref().and_then(element_at_fault),
            }),
        };
        self.state = State::Notifying(outcome, data.notification.sequence_number);
        Ok(Step::Send(self.transport.notify(&data.notification.address, result)))
    }

    fn notified(
        &mut self,
        es10: &mut Es10<'_>,
        response: &HttpResponse,
        outcome: Result<Box<DownloadReport>, LpaError>,
        number: u64,
    ) -> Advance {
        let kept = match self.transport.notified(response) {
            Ok(()) if outcome.is_ok() && self.options.keep_notification => None,
            Ok(()) => es10.remove_notification(number).err(),
            Err(error) => Some(error),
        };
        let mut report = outcome?;
        report.notification_kept = kept.map(|error| error.to_string());
        Ok(Step::Done(*report))
    }

    /// Ends the session at both ends; what comes of it is `error`.
    fn cancel(&mut self, es10: &mut Es10<'_>, reason: CancelReason, error: LpaError) -> Advance {
        let Ok(response) = es10.cancel_session(&self.transaction_id, reason as u64) else {
            return Err(error);
        };
        if !matches!(CancelSessionResponse::parse(&response), Ok(CancelSessionResponse::Ok { .. })) {
            return Err(error);
        }
        self.state = State::Cancelling(error);
        let server = self.server.as_deref().unwrap_or_default();
        let request: HttpRequest = self.transport.cancel(server, &self.transaction_id, response);
        Ok(Step::Send(request))
    }
}

fn has_rules(rules: PolicyRules) -> bool {
    rules.contains(PolicyRules::PPR1) || rules.contains(PolicyRules::PPR2)
}

fn check_oid(certificate: &[u8], expected: &str) -> Result<(), LpaError> {
    let found = RspCertificate::parse(certificate)
        .ok()
        .and_then(|certificate| certificate.registered_id().map(ToString::to_string));
    match found {
        Some(found) if found == expected => Ok(()),
        found => Err(LpaError::OtherOid {
            expected: expected.to_owned(),
            found: found.unwrap_or_else(|| "nobody".to_owned()),
        }),
    }
}

/// An authentication that the eUICC has answered.
pub(super) struct Authentication {
    pub(super) transaction_id: Vec<u8>,
    pub(super) server_address: String,
    /// The response of AuthenticateServer, `BF38`, as the eUICC gave it.
    pub(super) response: Vec<u8>,
}

/// ES10b.AuthenticateServer with what a server has answered, after the checks that are the device's (SGP.22 clause
/// 3.0.1): it is the server that was asked, and the session is one.
pub(super) fn authenticate_server(
    es10: &mut Es10<'_>,
    ok: &InitiateAuthenticationOk,
    server: Option<&str>,
    matching_id: Option<String>,
    device: &DeviceInfo,
) -> Result<Authentication, LpaError> {
    let signed = ServerSigned1::parse(&ok.server_signed1)?;
    if ok.transaction_id.as_ref().is_some_and(|id| *id != signed.transaction_id) {
        return Err(LpaError::OtherSession);
    }
    if let Some(asked) = server.filter(|asked| !asked.eq_ignore_ascii_case(&signed.server_address)) {
        return Err(LpaError::OtherServer { asked: asked.to_owned(), answered: signed.server_address });
    }
    let request = AuthenticateServerRequest {
        server_signed1: ok.server_signed1.clone(),
        server_signature1: ok.server_signature1,
        ci_key_id: ok.ci_key_id.clone(),
        certificate: ok.certificate.clone(),
        ctx_params1: CtxParams1 { matching_id, device: device.clone() },
    };
    let response = es10.authenticate_server(&request)?;
    match AuthenticateServerResponse::parse(&response)? {
        AuthenticateServerResponse::Ok { .. } => Ok(Authentication {
            transaction_id: signed.transaction_id,
            server_address: signed.server_address,
            response,
        }),
        AuthenticateServerResponse::Error { code, .. } => {
            Err(LpaError::Euicc { function: "AuthenticateServer", code, word: authenticate_error(code) })
        }
    }
}

fn authenticate_error(code: u64) -> &'static str {
    match code {
        1 => "invalid-certificate",
        2 => "invalid-signature",
        3 => "unsupported-curve",
        4 => "no-session-context",
        5 => "invalid-oid",
        6 => "euicc-challenge-mismatch",
        7 => "ci-pk-unknown",
        _ => "undefined-error",
    }
}

fn download_error(code: u64) -> &'static str {
    match code {
        1 => "invalid-certificate",
        2 => "invalid-signature",
        3 => "unsupported-curve",
        4 => "no-session-context",
        5 => "invalid-transaction-id",
        _ => "undefined-error",
    }
}
