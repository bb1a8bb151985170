//! The two ways to an SM-DP+: directly over ES9+, or through the eIM over ESipa (SGP.32 clauses 3.2.3.1, 3.2.3.2 and
//! 5.14).

use super::super::es9p::{self, AuthenticateClientOk, Service};
use super::super::{ASN1, ESIPA_PATH, HttpRequest, HttpResponse};
use super::error::LpaError;
use crate::wire::rsp::iot::{
    EsipaRequest, EsipaResponse, InitiateAuthenticationOk, NotificationForEim, ProfileDownloadTriggerRequest,
};

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Transport {
    /// At its own address.
    Direct,
    /// Through the eIM at this host; with the identifier of its trigger.
    Eim { host: String, eim_transaction_id: Option<Vec<u8>> },
}

/// What an answered authentication brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authenticated {
    Release(AuthenticateClientOk),
    /// An SM-DS behind the eIM names where the profile is.
    Trigger(Option<ProfileDownloadTriggerRequest>),
}

/// A message to an eIM as a request.
pub(in super::super) fn esipa(host: &str, message: &EsipaRequest) -> HttpRequest {
    HttpRequest {
        host: host.to_owned(),
        path: ESIPA_PATH.to_owned(),
        content_type: ASN1.to_owned(),
        body: message.to_bytes(),
    }
}

/// The message of an eIM in an answer; none where it has no body, as to a notification.
pub(in super::super) fn esipa_answer(
    function: &'static str,
    response: &HttpResponse,
) -> Result<Option<EsipaResponse>, LpaError> {
    match response.status {
        200..=299 if response.body.is_empty() => Ok(None),
        200..=299 => {
            let parsed = EsipaResponse::parse(&response.body).map_err(es9p::malformed(function))?;
            Ok(Some(parsed))
        }
        status => Err(es9p::AnswerError::Status { function, status }.into()),
    }
}

fn unexpected(function: &'static str) -> LpaError {
    let problem = "it answers another function".to_owned();
    es9p::AnswerError::Malformed { function, problem }.into()
}

impl Transport {
    /// The host that is spoken to, for a server at `server`.
    pub(super) fn host<'a>(&'a self, server: &'a str) -> &'a str {
        match self {
            Self::Direct => server,
            Self::Eim { host, .. } => host,
        }
    }

    pub(super) fn initiate(
        &self,
        service: Service,
        server: Option<&str>,
        challenge: [u8; 16],
        info1: Vec<u8>,
    ) -> HttpRequest {
        match self {
            Self::Direct => {
                es9p::initiate_authentication(service, server.unwrap_or_default(), &challenge, &info1)
            }
            Self::Eim { host, eim_transaction_id } => esipa(
                host,
                &EsipaRequest::InitiateAuthentication {
                    euicc_challenge: challenge,
                    smdp_address: server.map(str::to_owned),
                    euicc_info1: Some(info1),
                    eim_transaction_id: eim_transaction_id.clone(),
                },
            ),
        }
    }

    pub(super) fn initiated(&self, response: &HttpResponse) -> Result<InitiateAuthenticationOk, LpaError> {
        let function = "InitiateAuthentication";
        match self {
            Self::Direct => Ok(es9p::initiated(response)?),
            Self::Eim { .. } => match esipa_answer(function, response)? {
                Some(EsipaResponse::InitiateAuthentication(Ok(ok))) => Ok(*ok),
                Some(EsipaResponse::InitiateAuthentication(Err(code))) => {
                    Err(LpaError::Eim { function, code, word: initiate_error(code) })
                }
                _ => Err(unexpected(function)),
            },
        }
    }

    pub(super) fn authenticate(
        &self,
        service: Service,
        server: &str,
        transaction_id: &[u8],
        response: Vec<u8>,
    ) -> HttpRequest {
        match self {
            Self::Direct => es9p::authenticate_client(service, server, transaction_id, &response),
            Self::Eim { host, .. } => {
                let transaction_id = transaction_id.to_vec();
                esipa(host, &EsipaRequest::AuthenticateClient { transaction_id, response })
            }
        }
    }

    pub(super) fn authenticated(&self, response: &HttpResponse) -> Result<Authenticated, LpaError> {
        let function = "AuthenticateClient";
        match self {
            Self::Direct => Ok(Authenticated::Release(es9p::authenticated(response)?)),
            Self::Eim { .. } => match esipa_answer(function, response)? {
                Some(EsipaResponse::AuthenticateClient {
                    transaction_id,
                    metadata,
                    smdp_signed2,
                    smdp_signature2,
                    certificate,
                    hash_cc,
                }) => Ok(Authenticated::Release(AuthenticateClientOk {
                    transaction_id,
                    metadata,
                    smdp_signed2,
                    smdp_signature2,
                    certificate,
                    hash_cc,
                })),
                Some(EsipaResponse::AuthenticateClientDs { trigger, .. }) => {
                    Ok(Authenticated::Trigger(trigger))
                }
                Some(EsipaResponse::AuthenticateClientError(code)) => {
                    Err(LpaError::Eim { function, code, word: authenticate_error(code) })
                }
                _ => Err(unexpected(function)),
            },
        }
    }

    pub(super) fn get_package(&self, server: &str, transaction_id: &[u8], response: Vec<u8>) -> HttpRequest {
        match self {
            Self::Direct => es9p::get_bound_profile_package(server, transaction_id, &response),
            Self::Eim { host, .. } => {
                let transaction_id = transaction_id.to_vec();
                esipa(host, &EsipaRequest::GetBoundProfilePackage { transaction_id, response })
            }
        }
    }

    pub(super) fn package(&self, response: &HttpResponse) -> Result<Vec<u8>, LpaError> {
        let function = "GetBoundProfilePackage";
        match self {
            Self::Direct => Ok(es9p::bound_profile_package(response)?),
            Self::Eim { .. } => match esipa_answer(function, response)? {
                Some(EsipaResponse::GetBoundProfilePackage { package, .. }) => Ok(package),
                Some(EsipaResponse::GetBoundProfilePackageError(code)) => {
                    Err(LpaError::Eim { function, code, word: package_error(code) })
                }
                _ => Err(unexpected(function)),
            },
        }
    }

    pub(super) fn cancel(&self, server: &str, transaction_id: &[u8], response: Vec<u8>) -> HttpRequest {
        match self {
            Self::Direct => es9p::cancel_session(server, transaction_id, &response),
            Self::Eim { host, .. } => {
                let transaction_id = transaction_id.to_vec();
                esipa(host, &EsipaRequest::CancelSession { transaction_id, response })
            }
        }
    }

    pub(super) fn notify(&self, server: &str, notification: Vec<u8>) -> HttpRequest {
        match self {
            Self::Direct => es9p::handle_notification(server, &notification),
            Self::Eim { host, .. } => {
                let pending = NotificationForEim::Pending(notification);
                esipa(host, &EsipaRequest::HandleNotification(pending))
            }
        }
    }

    pub(super) fn notified(&self, response: &HttpResponse) -> Result<(), LpaError> {
        match self {
            Self::Direct => Ok(es9p::noted(response)?),
            Self::Eim { .. } => esipa_answer("HandleNotification", response).map(|_| ()),
        }
    }
}

fn initiate_error(code: u64) -> &'static str {
    match code {
        1 => "invalid-dp-address",
        2 => "euicc-version-not-supported-by-dp",
        3 => "ci-pk-id-not-supported",
        50 => "smdp-address-mismatch",
        51 => "smdp-oid-mismatch",
        52 => "invalid-eim-transaction-id",
        _ => "undefined-error",
    }
}

fn authenticate_error(code: u64) -> &'static str {
    match code {
        1 => "eum-certificate-invalid",
        2 => "eum-certificate-expired",
        3 => "euicc-certificate-invalid",
        4 => "euicc-certificate-expired",
        5 => "euicc-signature-invalid",
        6 => "matching-id-refused",
        7 => "eid-mismatch",
        8 => "no-eligible-profile",
        9 => "ci-pk-unknown",
        10 => "invalid-transaction-id",
        11 => "insufficient-memory",
        18 => "download-order-expired",
        50 => "ppr-not-allowed",
        56 => "event-id-unknown",
        _ => "undefined-error",
    }
}

fn package_error(code: u64) -> &'static str {
    match code {
        1 => "euicc-signature-invalid",
        2 => "confirmation-code-missing",
        3 => "confirmation-code-refused",
        4 => "confirmation-code-retries-exceeded",
        5 => "bpp-rebinding-refused",
        50 => "metadata-mismatch",
        95 => "invalid-transaction-id",
        _ => "undefined-error",
    }
}
