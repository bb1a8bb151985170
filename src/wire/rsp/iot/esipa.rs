//! ESipa: the messages between IPA and eIM, in ASN.1 (SGP.32 clauses 5.14 and 6.3).

use super::super::authentication::transaction_id;
use super::super::fields::{Fields, int, optional_text, tlv};
use super::super::{EidBytes, RspError, Signature};
use super::{
    IpaEuiccDataRequest, IpaEuiccDataResponse, ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult,
    acknowledgements, all_raw, any_raw, flag, optional_bytes, optional_id, parse_acknowledgements,
};
use crate::wire::tlv as codec;

/// Why the state of the eUICC is another than the eIM knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChangeCause(pub u64);

impl StateChangeCause {
    /// `otherEim`: another eIM has changed it.
    pub const OTHER_EIM: Self = Self(0);
    /// `fallback`: the fallback profile was enabled, or left again.
    pub const FALLBACK: Self = Self(1);
    /// `emergencyProfile`: an emergency profile was enabled or disabled.
    pub const EMERGENCY_PROFILE: Self = Self(2);
    /// `local`: the device itself has changed it.
    pub const LOCAL: Self = Self(3);
    /// `reset`: the memory of the eUICC was reset.
    pub const RESET: Self = Self(4);
    /// `immediateEnableProfile`: a profile was enabled right after its download.
    pub const IMMEDIATE_ENABLE: Self = Self(5);
    /// `deviceChange`: the eUICC is in another device.
    pub const DEVICE_CHANGE: Self = Self(6);
    /// `undefined`: the IPA does not know.
    pub const UNDEFINED: Self = Self(127);
}

/// ESipa.GetEimPackage, `BF4F`: is there something to do?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetEimPackage {
    /// `eidValue`, tag `5A`.
    pub eid: EidBytes,
    /// `notifyStateChange`, tag `80`, a NULL: the eUICC is no more as the eIM knows it.
    pub notify_state_change: bool,
    /// `stateChangeCause`, tag `81`.
    pub cause: Option<StateChangeCause>,
    /// The network last registered with, as TS 24.008 clause 10.5.1.3 packs it.
    pub plmn: Option<[u8; 3]>,
}

/// What an eIM has for an eUICC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EimPackage {
    /// EuiccPackageRequest, `BF51`, as the eIM has signed it.
    Euicc(Vec<u8>),
    /// IpaEuiccDataRequest, `BF52`.
    Data(IpaEuiccDataRequest),
    /// ProfileDownloadTriggerRequest, `BF54`.
    Download(ProfileDownloadTriggerRequest),
}

impl EimPackage {
    fn read(f: &mut Fields<'_>) -> Result<Self, RspError> {
        let raw = any_raw(f, "eimPackage")?;
        match codec::header(raw).map(|(tag, ..)| tag) {
            Ok(0xbf51) => Ok(Self::Euicc(raw.to_vec())),
            Ok(0xbf52) => IpaEuiccDataRequest::parse(raw).map(Self::Data),
            Ok(0xbf54) => ProfileDownloadTriggerRequest::parse(raw).map(Self::Download),
            _ => Err(f.wrong("eimPackage", "it begins with none of BF51, BF52 and BF54")),
        }
    }

    /// The package with its own tag, as GetEimPackage and TransferEimPackage carry it.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Euicc(raw) => raw.clone(),
            Self::Data(request) => request.to_bytes(),
            Self::Download(request) => request.to_bytes(),
        }
    }

    /// The name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Euicc(_) => "eUICC package",
            Self::Data(_) => "eUICC data request",
            Self::Download(_) => "profile download trigger",
        }
    }
}

/// What became of what an eIM had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EimPackageResult {
    /// EuiccPackageResult, `BF51`, as the eUICC gave it, with the notifications that the package has caused.
    Euicc {
        /// EuiccPackageResult, `BF51`.
        result: Vec<u8>,
        /// PendingNotifications, each as the eUICC gave it.
        notifications: Vec<Vec<u8>>,
    },
    /// IpaEuiccDataResponse, `BF52`.
    Data(IpaEuiccDataResponse),
    /// ProfileDownloadTriggerResult, `BF54`.
    Download(ProfileDownloadTriggerResult),
    /// `eimPackageResultResponseError`, tag `A0`: the IPA could not do the package at all.
    Error {
        /// `eimTransactionId`, tag `80`, where the package had one: 1 to 16 bytes.
        transaction_id: Option<Vec<u8>>,
        /// invalidPackageFormat (1), unknownPackage (2), undefinedError (127).
        code: u64,
    },
}

impl EimPackageResult {
    fn read(f: &mut Fields<'_>) -> Result<Self, RspError> {
        match f.peek() {
            Some(0xbf51) => {
                Ok(Self::Euicc { result: f.take_raw(0xbf51, "result")?.to_vec(), notifications: Vec::new() })
            }
            Some(0x30) => {
                let mut f = f.nested(0x30, "ePRAndNotifications")?;
                let result = f.take_raw(0xbf51, "euiccPackageResult")?.to_vec();
                let notifications = match f.peek() {
                    // v1.0 has the response of RetrieveNotificationsList here.
                    Some(0xbf2b) => {
                        let mut f = f.nested(0xbf2b, "notificationList")?;
                        if f.peek() == Some(0xa0) {
                            all_raw(f.nested(0xa0, "notificationList")?, "pendingNotification")?
                        } else {
                            Vec::new()
                        }
                    }
                    _ => all_raw(f.nested(0xa0, "notificationList")?, "pendingNotification")?,
                };
                Ok(Self::Euicc { result, notifications })
            }
            Some(0xbf52) => {
                IpaEuiccDataResponse::parse(f.take_raw(0xbf52, "ipaEuiccDataResponse")?).map(Self::Data)
            }
            Some(0xbf54) => {
                let raw = f.take_raw(0xbf54, "profileDownloadTriggerResult")?;
                ProfileDownloadTriggerResult::parse(raw).map(Self::Download)
            }
            // v1.0 has the bare code.
            Some(0x02) => Ok(Self::Error { transaction_id: None, code: f.integer(0x02, "eimPackageError")? }),
            _ => {
                let mut f = f.nested(0xa0, "eimPackageResultResponseError")?;
                let transaction_id = optional_id(&mut f, 0x80)?;
                Ok(Self::Error { transaction_id, code: f.integer(0x02, "eimPackageResultErrorCode")? })
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Euicc { result, notifications } if notifications.is_empty() => result.clone(),
            Self::Euicc { result, notifications } => {
                tlv(0x30, &[result, &tlv(0xa0, &[&notifications.concat()])])
            }
            Self::Data(response) => response.to_bytes(),
            Self::Download(result) => result.to_bytes(),
            Self::Error { transaction_id, code } => {
                tlv(0xa0, &[&optional_bytes(0x80, transaction_id.as_deref()), &int(0x02, *code)])
            }
        }
    }
}

/// ESipa.ProvideEimPackageResult, `BF50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvideEimPackageResult {
    /// Absent in v1.0, and where the connection says it.
    pub eid: Option<EidBytes>,
    /// What became of the package, with the tag of its kind.
    pub result: EimPackageResult,
}

impl ProvideEimPackageResult {
    fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProvideEimPackageResult", 0xbf50, raw)?;
        let eid = f.optional(0x5a, "eidValue")?.map(|eid| f.exactly(eid, "eidValue")).transpose()?;
        Ok(Self { eid, result: EimPackageResult::read(&mut f)? })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let eid = optional_bytes(0x5a, self.eid.as_ref().map(|eid| &eid[..]));
        tlv(0xbf50, &[&eid, &self.result.to_bytes()])
    }
}

/// What ESipa.HandleNotification, `BF3D`, brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationForEim {
    /// For a server behind the eIM; as it was received.
    Pending(Vec<u8>),
    /// What became of a package, `BF50`, for which the IPA wants no answer.
    Result(ProvideEimPackageResult),
}

/// What an IPA sends to an eIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EsipaRequest {
    /// ESipa.InitiateAuthentication, `BF39`: to be carried to the SM-DP+ or SM-DS.
    InitiateAuthentication {
        /// `euiccChallenge`, tag `81`, of ES10b.GetEUICCChallenge.
        euicc_challenge: [u8; 16],
        /// FQDN; the eIM knows it where it is absent.
        smdp_address: Option<String>,
        /// `BF20`, as it was received; the eIM knows it where it is absent.
        euicc_info1: Option<Vec<u8>>,
        /// `eimTransactionId`, tag `82`, of the trigger that this download follows: 1 to 16 bytes.
        eim_transaction_id: Option<Vec<u8>>,
    },
    /// ESipa.AuthenticateClient, `BF3B`.
    AuthenticateClient {
        /// `transactionId`, tag `80`, of the session with the server: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// The response of AuthenticateServer, `BF38`, as it was received.
        response: Vec<u8>,
    },
    /// ESipa.GetBoundProfilePackage, `BF3A`.
    GetBoundProfilePackage {
        /// `transactionId`, tag `80`, of the session with the SM-DP+: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// The response of PrepareDownload, `BF21`, as it was received.
        response: Vec<u8>,
    },
    /// ESipa.CancelSession, `BF41`.
    CancelSession {
        /// `transactionId`, tag `80`, of the session that ends: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// The response of CancelSession, `BF41`.
        response: Vec<u8>,
    },
    /// ESipa.HandleNotification, `BF3D`, which has no answer.
    HandleNotification(NotificationForEim),
    /// ESipa.GetEimPackage, `BF4F`.
    GetEimPackage(GetEimPackage),
    /// ESipa.ProvideEimPackageResult, `BF50`.
    ProvideEimPackageResult(ProvideEimPackageResult),
    /// The answer to a package that the eIM has sent unasked, `BF4E`, as it was received.
    TransferEimPackageResponse(Vec<u8>),
}

impl EsipaRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let outer = Fields::of("EsipaMessageFromIpaToEim", bytes);
        let Some(tag) = outer.peek() else {
            return Err(outer.wrong("the message", "its tag or length is cut off"));
        };
        let mut f = Fields::open("EsipaMessageFromIpaToEim", tag, bytes)?;
        match tag {
            0xbf39 => Ok(Self::InitiateAuthentication {
                euicc_challenge: f.array(0x81, "euiccChallenge")?,
                smdp_address: f.optional_text(0x83, "smdpAddress")?,
                euicc_info1: f.optional_raw(0xbf20, "euiccInfo1")?.map(<[u8]>::to_vec),
                eim_transaction_id: optional_id(&mut f, 0x82)?,
            }),
            0xbf3b => Ok(Self::AuthenticateClient {
                transaction_id: transaction_id(&mut f)?,
                response: f.take_raw(0xbf38, "authenticateServerResponse")?.to_vec(),
            }),
            0xbf3a => Ok(Self::GetBoundProfilePackage {
                transaction_id: transaction_id(&mut f)?,
                response: f.take_raw(0xbf21, "prepareDownloadResponse")?.to_vec(),
            }),
            0xbf41 => Ok(Self::CancelSession {
                transaction_id: transaction_id(&mut f)?,
                response: tlv(0xbf41, &[f.take(0xa1, "cancelSessionResponse")?]),
            }),
            0xbf3d if f.peek() == Some(0xbf50) => {
                let raw = f.take_raw(0xbf50, "provideEimPackageResult")?;
                let result = ProvideEimPackageResult::parse(raw)?;
                Ok(Self::HandleNotification(NotificationForEim::Result(result)))
            }
            0xbf3d => {
                let mut f = f.nested(0xa0, "pendingNotification")?;
                let raw = any_raw(&mut f, "pendingNotification")?.to_vec();
                Ok(Self::HandleNotification(NotificationForEim::Pending(raw)))
            }
            0xbf4e => Ok(Self::TransferEimPackageResponse(bytes.to_vec())),
            0xbf4f => Self::read_get_eim_package(f).map(Self::GetEimPackage),
            0xbf50 => ProvideEimPackageResult::parse(bytes).map(Self::ProvideEimPackageResult),
            _ => Err(f.wrong("the message", "an eIM has no function with this tag")),
        }
    }

    fn read_get_eim_package(mut f: Fields<'_>) -> Result<GetEimPackage, RspError> {
        let eid = f.array(0x5a, "eidValue")?;
        let notify_state_change = f.optional(0x80, "notifyStateChange")?.is_some();
        // v1.0 has the network under 81, in three bytes; what v1.2 has there is one.
        let (mut cause, mut plmn) = (None, None);
        let mut next = f.clone();
        match next.optional(0x81, "stateChangeCause")? {
            Some(value) if value.len() == 3 => {
                plmn = Some(f.array(0x81, "rPLMN")?);
            }
            Some(_) => cause = f.optional_integer(0x81, "stateChangeCause")?.map(StateChangeCause),
            None => {}
        }
        if let Some(value) = f.optional(0x82, "rPLMN")? {
            plmn = Some(f.exactly(value, "rPLMN")?);
        }
        Ok(GetEimPackage { eid, notify_state_change, cause, plmn })
    }

    /// The whole message, with the tag of its function.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::InitiateAuthentication {
                euicc_challenge,
                smdp_address,
                euicc_info1,
                eim_transaction_id,
            } => tlv(
                0xbf39,
                &[
                    &tlv(0x81, &[euicc_challenge]),
                    &optional_text(0x83, smdp_address.as_deref()),
                    euicc_info1.as_deref().unwrap_or_default(),
                    &optional_bytes(0x82, eim_transaction_id.as_deref()),
                ],
            ),
            Self::AuthenticateClient { transaction_id, response } => {
                tlv(0xbf3b, &[&tlv(0x80, &[transaction_id]), response])
            }
            Self::GetBoundProfilePackage { transaction_id, response } => {
                tlv(0xbf3a, &[&tlv(0x80, &[transaction_id]), response])
            }
            Self::CancelSession { transaction_id, response } => {
                tlv(0xbf41, &[&tlv(0x80, &[transaction_id]), &super::retagged(0xa1, response)])
            }
            Self::HandleNotification(NotificationForEim::Pending(raw)) => tlv(0xbf3d, &[&tlv(0xa0, &[raw])]),
            Self::HandleNotification(NotificationForEim::Result(result)) => {
                tlv(0xbf3d, &[&result.to_bytes()])
            }
            Self::TransferEimPackageResponse(raw) => raw.clone(),
            Self::GetEimPackage(get) => tlv(
                0xbf4f,
                &[
                    &tlv(0x5a, &[&get.eid]),
                    &flag(0x80, get.notify_state_change),
                    &get.cause.map(|cause| int(0x81, cause.0)).unwrap_or_default(),
                    &optional_bytes(0x82, get.plmn.as_ref().map(|plmn| &plmn[..])),
                ],
            ),
            Self::ProvideEimPackageResult(result) => result.to_bytes(),
        }
    }

    /// The function, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InitiateAuthentication { .. } => "InitiateAuthentication",
            Self::AuthenticateClient { .. } => "AuthenticateClient",
            Self::GetBoundProfilePackage { .. } => "GetBoundProfilePackage",
            Self::CancelSession { .. } => "CancelSession",
            Self::HandleNotification(_) => "HandleNotification",
            Self::GetEimPackage(_) => "GetEimPackage",
            Self::ProvideEimPackageResult(_) => "ProvideEimPackageResult",
            Self::TransferEimPackageResponse(_) => "TransferEimPackage",
        }
    }
}

/// What an SM-DP+ answers to initiateAuthentication, by way of the eIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiateAuthenticationOk {
    /// `transactionId`, tag `80`: 1 to 16 bytes; absent where `serverSigned1` alone says it.
    pub transaction_id: Option<Vec<u8>>,
    /// As it was received.
    pub server_signed1: Vec<u8>,
    /// `serverSignature1`, tag `5F37`, over `server_signed1`.
    pub server_signature1: Signature,
    /// `euiccCiPKIdentifierToBeUsed`, tag `04`: the subject key identifier, or its first bytes.
    pub ci_key_id: Vec<u8>,
    /// DER.
    pub certificate: Vec<u8>,
    /// `matchingId`, tag `0C`, which the eIM knows and the IPA does not.
    pub matching_id: Option<String>,
    /// CtxParams1 that the eIM has put together, `A0`.
    pub ctx_params1: Option<Vec<u8>>,
}

/// What an eIM answers to an IPA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EsipaResponse {
    /// With the code: invalidDpAddress (1), euiccVersionNotSupportedByDp (2), ciPKIdNotSupported (3),
    /// smdpAddressMismatch (50), smdpOidMismatch (51), invalidEimTransactionId (52), undefinedError (127).
    InitiateAuthentication(Result<Box<InitiateAuthenticationOk>, u64>),
    /// `authenticateClientOkDPEsipa`, tag `A0` under `BF3B`: an SM-DP+ has the profile.
    AuthenticateClient {
        /// `transactionId`, tag `80`: 1 to 16 bytes; absent where `smdpSigned2` alone says it.
        transaction_id: Option<Vec<u8>>,
        /// StoreMetadata, `BF25`, as it was received.
        metadata: Option<Vec<u8>>,
        /// As it was received.
        smdp_signed2: Vec<u8>,
        /// `smdpSignature2`, tag `5F37`, over `smdpSigned2` and `euiccSignature1`.
        smdp_signature2: Signature,
        /// CERT.DPpb.ECDSA, DER.
        certificate: Vec<u8>,
        /// `hashCc`, tag `04`: the confirmation code, hashed by the eIM that knows it.
        hash_cc: Option<[u8; 32]>,
    },
    /// An SM-DS has named an SM-DP+.
    AuthenticateClientDs {
        /// `transactionId`, tag `80`, of the session with the SM-DS: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// `profileDownloadTrigger`, `BF54`: where to go next; absent where the eIM keeps that to itself.
        trigger: Option<ProfileDownloadTriggerRequest>,
    },
    /// `authenticateClientErrorEsipa`, tag `82` under `BF3B`: the code.
    AuthenticateClientError(u64),
    /// `getBoundProfilePackageOkEsipa`, tag `A0` under `BF3A`.
    GetBoundProfilePackage {
        /// `transactionId`, tag `80`: 1 to 16 bytes.
        transaction_id: Option<Vec<u8>>,
        /// `BF36`, as it was received.
        package: Vec<u8>,
    },
    /// euiccSignatureInvalid (1), confirmationCodeMissing (2), confirmationCodeRefused (3),
    /// confirmationCodeRetriesExceeded (4), bppRebindingRefused (5), metadataMismatch (50), invalidTransactionId
    /// (95), undefinedError (127).
    GetBoundProfilePackageError(u64),
    /// With the code: invalidTransactionId (1), euiccSignatureInvalid (2), undefinedError (127).
    CancelSession(Result<(), u64>),
    /// With the code: noEimPackageAvailable (1), eidNotFound (2), invalidEid (3), missingEid (4), undefinedError
    /// (127).
    GetEimPackage(Result<Box<EimPackage>, u64>),
    /// With the acknowledged sequence numbers, or the code: eidNotFound (2), invalidEid (3), missingEid (4),
    /// undefinedError (127).
    ProvideEimPackageResult(Result<Vec<u64>, u64>),
    /// What the eIM sends unasked.
    TransferEimPackage(Box<EimPackage>),
    /// Acknowledged sequence numbers that the eIM sends unasked, `BF53` under `BF4E`.
    TransferEimAcknowledgements(Vec<u64>),
}

impl EsipaResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let outer = Fields::of("EsipaMessageFromEimToIpa", bytes);
        let Some(tag) = outer.peek() else {
            return Err(outer.wrong("the message", "its tag or length is cut off"));
        };
        let mut f = Fields::open("EsipaMessageFromEimToIpa", tag, bytes)?;
        match (tag, f.peek()) {
            (0xbf39, Some(0x81)) => {
                let code = f.integer(0x81, "initiateAuthenticationErrorEsipa")?;
                Ok(Self::InitiateAuthentication(Err(code)))
            }
            (0xbf39, _) => Self::read_initiate(f.nested(0xa0, "initiateAuthenticationOkEsipa")?),
            (0xbf3b, Some(0x82)) => {
                f.integer(0x82, "authenticateClientErrorEsipa").map(Self::AuthenticateClientError)
            }
            (0xbf3b, Some(0xa1)) => {
                let mut f = f.nested(0xa1, "authenticateClientOkDSEsipa")?;
                let transaction_id = transaction_id(&mut f)?;
                let trigger = f.optional_raw(0xbf54, "profileDownloadTrigger")?;
                let trigger = trigger.map(ProfileDownloadTriggerRequest::parse).transpose()?;
                Ok(Self::AuthenticateClientDs { transaction_id, trigger })
            }
            (0xbf3b, _) => Self::read_authenticate(f.nested(0xa0, "authenticateClientOkDPEsipa")?),
            (0xbf3a, Some(0x81)) => {
                f.integer(0x81, "getBoundProfilePackageErrorEsipa").map(Self::GetBoundProfilePackageError)
            }
            (0xbf3a, _) => {
                let mut f = f.nested(0xa0, "getBoundProfilePackageOkEsipa")?;
                let transaction_id = optional_id(&mut f, 0x80)?;
                let package = f.take_raw(0xbf36, "boundProfilePackage")?.to_vec();
                Ok(Self::GetBoundProfilePackage { transaction_id, package })
            }
            (0xbf41, Some(0x81)) => {
                f.integer(0x81, "cancelSessionError").map(|code| Self::CancelSession(Err(code)))
            }
            (0xbf41, _) => f.take(0xa0, "cancelSessionOk").map(|_| Self::CancelSession(Ok(()))),
            (0xbf4f, Some(0x02)) => {
                f.integer(0x02, "eimPackageError").map(|code| Self::GetEimPackage(Err(code)))
            }
            (0xbf4f, _) => EimPackage::read(&mut f).map(|p| Self::GetEimPackage(Ok(Box::new(p)))),
            // The empty SEQUENCE of v1.2, and that of v1.0 around it.
            (0xbf50, None | Some(0x30)) => Ok(Self::ProvideEimPackageResult(Ok(Vec::new()))),
            (0xbf50, Some(0xbf53)) => {
                let list = parse_acknowledgements(f.take_raw(0xbf53, "eimAcknowledgements")?)?;
                Ok(Self::ProvideEimPackageResult(Ok(list)))
            }
            (0xbf50, _) => {
                let code = f.integer(0x02, "provideEimPackageResultError")?;
                Ok(Self::ProvideEimPackageResult(Err(code)))
            }
            (0xbf4e, Some(0xbf53)) => {
                let raw = f.take_raw(0xbf53, "eimAcknowledgements")?;
                parse_acknowledgements(raw).map(Self::TransferEimAcknowledgements)
            }
            (0xbf4e, _) => EimPackage::read(&mut f).map(|p| Self::TransferEimPackage(Box::new(p))),
            _ => Err(f.wrong("the message", "an eIM has no answer with this tag")),
        }
    }

    fn read_initiate(mut f: Fields<'_>) -> Result<Self, RspError> {
        Ok(Self::InitiateAuthentication(Ok(Box::new(InitiateAuthenticationOk {
            transaction_id: optional_id(&mut f, 0x80)?,
            server_signed1: f.take_raw(0x30, "serverSigned1")?.to_vec(),
            server_signature1: f.array(0x5f37, "serverSignature1")?,
            ci_key_id: f.take(0x04, "euiccCiPKIdentifierToBeUsed")?.to_vec(),
            certificate: f.take_raw(0x30, "serverCertificate")?.to_vec(),
            matching_id: f.optional_text(0x0c, "matchingId")?,
            ctx_params1: f.optional(0xa2, "ctxParams1")?.map(<[u8]>::to_vec),
        }))))
    }

    fn read_authenticate(mut f: Fields<'_>) -> Result<Self, RspError> {
        Ok(Self::AuthenticateClient {
            transaction_id: optional_id(&mut f, 0x80)?,
            metadata: f.optional_raw(0xbf25, "profileMetaData")?.map(<[u8]>::to_vec),
            smdp_signed2: f.take_raw(0x30, "smdpSigned2")?.to_vec(),
            smdp_signature2: f.array(0x5f37, "smdpSignature2")?,
            certificate: f.take_raw(0x30, "smdpCertificate")?.to_vec(),
            hash_cc: f.optional(0x04, "hashCc")?.map(|hash| f.exactly(hash, "hashCc")).transpose()?,
        })
    }

    /// The whole message, with the tag of its function.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::InitiateAuthentication(Err(code)) => tlv(0xbf39, &[&int(0x81, *code)]),
            Self::InitiateAuthentication(Ok(ok)) => {
                let fields: [&[u8]; 7] = [
                    &optional_bytes(0x80, ok.transaction_id.as_deref()),
                    &ok.server_signed1,
                    &tlv(0x5f37, &[&ok.server_signature1]),
                    &tlv(0x04, &[&ok.ci_key_id]),
                    &ok.certificate,
                    &optional_text(0x0c, ok.matching_id.as_deref()),
                    &optional_bytes(0xa2, ok.ctx_params1.as_deref()),
                ];
                tlv(0xbf39, &[&tlv(0xa0, &fields)])
            }
            Self::AuthenticateClient {
                transaction_id,
                metadata,
                smdp_signed2,
                smdp_signature2,
                certificate,
                hash_cc,
            } => {
                let fields: [&[u8]; 6] = [
                    &optional_bytes(0x80, transaction_id.as_deref()),
                    metadata.as_deref().unwrap_or_default(),
                    smdp_signed2,
                    &tlv(0x5f37, &[smdp_signature2]),
                    certificate,
                    &optional_bytes(0x04, hash_cc.as_ref().map(|hash| &hash[..])),
                ];
                tlv(0xbf3b, &[&tlv(0xa0, &fields)])
            }
            Self::AuthenticateClientDs { transaction_id, trigger } => {
                let trigger = trigger.as_ref().map(|trigger| trigger.to_bytes()).unwrap_or_default();
                tlv(0xbf3b, &[&tlv(0xa1, &[&tlv(0x80, &[transaction_id]), &trigger])])
            }
            Self::AuthenticateClientError(code) => tlv(0xbf3b, &[&int(0x82, *code)]),
            Self::GetBoundProfilePackage { transaction_id, package } => {
                tlv(0xbf3a, &[&tlv(0xa0, &[&optional_bytes(0x80, transaction_id.as_deref()), package])])
            }
            Self::GetBoundProfilePackageError(code) => tlv(0xbf3a, &[&int(0x81, *code)]),
            Self::CancelSession(Ok(())) => tlv(0xbf41, &[&tlv(0xa0, &[])]),
            Self::CancelSession(Err(code)) => tlv(0xbf41, &[&int(0x81, *code)]),
            Self::GetEimPackage(Ok(package)) => tlv(0xbf4f, &[&package.to_bytes()]),
            Self::GetEimPackage(Err(code)) => tlv(0xbf4f, &[&int(0x02, *code)]),
            Self::ProvideEimPackageResult(Ok(list)) if list.is_empty() => tlv(0xbf50, &[&tlv(0x30, &[])]),
            Self::ProvideEimPackageResult(Ok(list)) => tlv(0xbf50, &[&acknowledgements(list)]),
            Self::ProvideEimPackageResult(Err(code)) => tlv(0xbf50, &[&int(0x02, *code)]),
            Self::TransferEimPackage(package) => tlv(0xbf4e, &[&package.to_bytes()]),
            Self::TransferEimAcknowledgements(list) => tlv(0xbf4e, &[&acknowledgements(list)]),
        }
    }
}
