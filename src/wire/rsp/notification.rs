//! Notifications, and the result of an installation as the first of them (SGP.22 clauses 2.5.6, 3.5 and 5.7.9 to
//! 5.7.11).

use super::authentication::transaction_id;
use super::fields::{Fields, bits, int, tlv};
use super::{IccidBytes, NotificationEvents, RspError, Signature};

/// What a notification is about, `BF2F`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationMetadata {
    /// `seqNumber`, tag `80`: by it the notification is retrieved and removed.
    pub sequence_number: u64,
    /// Exactly one.
    pub event: NotificationEvents,
    /// FQDN of the server that it is for.
    pub address: String,
    /// `iccid`, tag `5A`, of the profile that the event happened to.
    pub iccid: Option<IccidBytes>,
}

impl NotificationMetadata {
    /// # Errors
    /// Where the bytes are no such structure.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("NotificationMetadata", 0xbf2f, raw)?;
        Ok(Self {
            sequence_number: f.integer(0x80, "seqNumber")?,
            event: NotificationEvents(f.bits(0x81, "profileManagementOperation")?),
            address: f.text(0x0c, "notificationAddress")?,
            iccid: f.optional(0x5a, "iccid")?.map(|iccid| f.exactly(iccid, "iccid")).transpose()?,
        })
    }

    /// The whole structure, `BF2F`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let iccid = self.iccid.map(|iccid| tlv(0x5a, &[&iccid])).unwrap_or_default();
        let address = tlv(0x0c, &[self.address.as_bytes()]);
        tlv(0xbf2f, &[&int(0x80, self.sequence_number), &bits(0x81, self.event.0), &address, &iccid])
    }
}

/// The command of a bound profile package that failed (BppCommandId).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BppCommand {
    /// `initialiseSecureChannel`.
    InitialiseSecureChannel = 0,
    /// `configureISDP`.
    ConfigureIsdp = 1,
    /// `storeMetadata`.
    StoreMetadata = 2,
    /// `storeMetadata2`: where the metadata came in a second piece.
    StoreMetadata2 = 3,
    /// `replaceSessionKeys`.
    ReplaceSessionKeys = 4,
    /// `loadProfileElements`.
    LoadProfileElements = 5,
}

/// Why an installation failed (ErrorReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum InstallError {
    /// `incorrectInputValues`.
    IncorrectInputValues = 1,
    /// `invalidSignature`: that of InitialiseSecureChannel.
    InvalidSignature = 2,
    /// `invalidTransactionId`: the package is for another session.
    InvalidTransactionId = 3,
    /// `unsupportedCrtValues`: key type or length of the control reference template.
    UnsupportedCrtValues = 4,
    /// `unsupportedRemoteOperationType`: `remoteOpId` is none that is known.
    UnsupportedRemoteOperationType = 5,
    /// `unsupportedProfileClass`.
    UnsupportedProfileClass = 6,
    /// `scp03tStructureError`: a segment has no place for its MAC or its padding.
    Scp03tStructureError = 7,
    /// `scp03tSecurityError`: a MAC is wrong.
    Scp03tSecurityError = 8,
    /// `installFailedDueToIccidAlreadyExistsOnEuicc`.
    IccidAlreadyExists = 9,
    /// `installFailedDueToInsufficientMemoryForProfile`.
    InsufficientMemory = 10,
    /// `installFailedDueToInterruption`: power was lost in the middle.
    Interruption = 11,
    /// `installFailedDueToPEProcessingError`: `simaResponse` says which profile element.
    PeProcessingError = 12,
    /// `installFailedDueToDataMismatch`: metadata and profile disagree, as on the ICCID.
    IccidMismatch = 13,
    /// `testProfileInstallFailedDueToInvalidNaaKey`: a test profile with a key that is no test key.
    TestProfileInvalidNaaKey = 14,
    /// `pprNotAllowed`: the rules authorisation table forbids a rule of the profile.
    PprNotAllowed = 15,
    /// `installFailedDueToUnknownError`.
    Unknown = 127,
}

/// How an installation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalResult {
    /// `successResult`, tag `A0`.
    Success {
        /// AID of the ISD-P.
        aid: Vec<u8>,
        /// One or more `EUICCResponse` of the profile package specification.
        sima_response: Vec<u8>,
    },
    /// `errorResult`, tag `A1`.
    Error {
        /// [`BppCommand`] as a number.
        command: u64,
        /// [`InstallError`] as a number.
        reason: u64,
        /// `simaResponse`, tag `82`, where profile elements had been processed.
        sima_response: Option<Vec<u8>>,
    },
}

/// What the eUICC signs of an installation, `BF27`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileInstallationResultData {
    /// `transactionId`, tag `80`: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// `notificationMetadata`, `BF2F`: number, event (install), address and ICCID.
    pub notification: NotificationMetadata,
    /// The OID of the SM-DP+, the content of the OBJECT IDENTIFIER.
    pub smdp_oid: Option<Vec<u8>>,
    /// `finalResult`, tag `A2`.
    pub result: FinalResult,
}

impl ProfileInstallationResultData {
    /// # Errors
    /// Where the bytes are no such structure.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileInstallationResultData", 0xbf27, raw)?;
        let transaction_id = transaction_id(&mut f)?;
        let notification = NotificationMetadata::parse(f.take_raw(0xbf2f, "notificationMetadata")?)?;
        let smdp_oid = f.optional(0x06, "smdpOid")?.map(<[u8]>::to_vec);
        let mut result = f.nested(0xa2, "finalResult")?;
        let result = if result.peek() == Some(0xa1) {
            let mut f = result.nested(0xa1, "errorResult")?;
            FinalResult::Error {
                command: f.integer(0x80, "bppCommandId")?,
                reason: f.integer(0x81, "errorReason")?,
                sima_response: f.optional(0x82, "simaResponse")?.map(<[u8]>::to_vec),
            }
        } else {
            let mut f = result.nested(0xa0, "successResult")?;
            FinalResult::Success {
                aid: f.take(0x4f, "aid")?.to_vec(),
                sima_response: f.take(0x04, "simaResponse")?.to_vec(),
            }
        };
        Ok(Self { transaction_id, notification, smdp_oid, result })
    }

    /// The structure as it is signed and sent, `BF27`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let oid = self.smdp_oid.as_ref().map(|oid| tlv(0x06, &[oid])).unwrap_or_default();
        let result = match &self.result {
            FinalResult::Success { aid, sima_response } => {
                tlv(0xa0, &[&tlv(0x4f, &[aid]), &tlv(0x04, &[sima_response])])
            }
            FinalResult::Error { command, reason, sima_response } => {
                let response = sima_response.as_ref().map(|r| tlv(0x82, &[r])).unwrap_or_default();
                tlv(0xa1, &[&int(0x80, *command), &int(0x81, *reason), &response])
            }
        };
        let id = tlv(0x80, &[&self.transaction_id]);
        tlv(0xbf27, &[&id, &self.notification.to_bytes(), &oid, &tlv(0xa2, &[&result])])
    }
}

/// The result of an installation, `BF37`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileInstallationResult {
    /// [`ProfileInstallationResultData`] as it was received.
    pub data: Vec<u8>,
    /// `euiccSignPIR`, tag `5F37`, over `data`.
    pub signature: Signature,
}

impl ProfileInstallationResult {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileInstallationResult", 0xbf37, bytes)?;
        let data = f.take_raw(0xbf27, "profileInstallationResultData")?.to_vec();
        Ok(Self { data, signature: f.array(0x5f37, "euiccSignPIR")? })
    }

    /// The whole result, `BF37`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(0xbf37, &[&self.data, &tlv(0x5f37, &[&self.signature])])
    }
}

/// Any other notification, `30`: its metadata, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSignedNotification {
    /// [`NotificationMetadata`] as it was received.
    pub metadata: Vec<u8>,
    /// `euiccNotificationSignature`, tag `5F37`, over `metadata`.
    pub signature: Signature,
    /// CERT.EUICC.ECDSA, DER.
    pub euicc_certificate: Vec<u8>,
    /// CERT.EUM.ECDSA, DER.
    pub eum_certificate: Vec<u8>,
}

/// A notification that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingNotification {
    /// `profileInstallationResult`, `BF37`.
    Installation(ProfileInstallationResult),
    /// `otherSignedNotification`, `30`: a profile was enabled, disabled or deleted.
    Other(OtherSignedNotification),
}

impl PendingNotification {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        if Fields::of("PendingNotification", bytes).peek() == Some(0xbf37) {
            return ProfileInstallationResult::parse(bytes).map(Self::Installation);
        }
        let mut f = Fields::open("OtherSignedNotification", 0x30, bytes)?;
        Ok(Self::Other(OtherSignedNotification {
            metadata: f.take_raw(0xbf2f, "tbsOtherNotification")?.to_vec(),
            signature: f.array(0x5f37, "euiccNotificationSignature")?,
            euicc_certificate: f.take_raw(0x30, "euiccCertificate")?.to_vec(),
            eum_certificate: f.take_raw(0x30, "eumCertificate")?.to_vec(),
        }))
    }

    /// The notification as ES9+.HandleNotification carries it.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Installation(result) => result.to_bytes(),
            Self::Other(other) => {
                let signature = tlv(0x5f37, &[&other.signature]);
                tlv(0x30, &[&other.metadata, &signature, &other.euicc_certificate, &other.eum_certificate])
            }
        }
    }

    /// What it is about.
    ///
    /// # Errors
    /// Where its signed part is malformed.
    pub fn metadata(&self) -> Result<NotificationMetadata, RspError> {
        match self {
            Self::Installation(result) => {
                ProfileInstallationResultData::parse(&result.data).map(|data| data.notification)
            }
            Self::Other(other) => NotificationMetadata::parse(&other.metadata),
        }
    }
}

/// ES10b.ListNotification, `BF28`, with the events that are wanted; all where there is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListNotificationRequest {
    /// `profileManagementOperation`, tag `81`.
    pub filter: Option<NotificationEvents>,
}

impl ListNotificationRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ListNotificationRequest", 0xbf28, bytes)?;
        let filter = f.optional(0x81, "profileManagementOperation")?;
        let filter = filter.map(|value| f.first_bits(value, "profileManagementOperation")).transpose()?;
        Ok(Self { filter: filter.map(NotificationEvents) })
    }

    /// The whole request, `BF28`.
    pub fn to_bytes(self) -> Vec<u8> {
        tlv(0xbf28, &[&self.filter.map(|events| bits(0x81, events.0)).unwrap_or_default()])
    }

    /// The response.
    pub fn response(list: &[NotificationMetadata]) -> Vec<u8> {
        let list: Vec<u8> = list.iter().flat_map(NotificationMetadata::to_bytes).collect();
        tlv(0xbf28, &[&tlv(0xa0, &[&list])])
    }
}

/// The notifications in the response of ES10b.ListNotification.
///
/// # Errors
/// Where it is none, or reports an error.
pub fn parse_notification_list(bytes: &[u8]) -> Result<Vec<NotificationMetadata>, RspError> {
    let mut f = Fields::open("ListNotificationResponse", 0xbf28, bytes)?;
    let mut list = f.nested(0xa0, "notificationMetadataList")?;
    let mut out = Vec::new();
    while !list.is_empty() {
        out.push(NotificationMetadata::parse(list.take_raw(0xbf2f, "notificationMetadata")?)?);
    }
    Ok(out)
}

/// ES10b.RetrieveNotificationsList, `BF2B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrieveNotifications {
    /// No criterion: every notification that waits.
    All,
    /// `seqNumber`, tag `80`: the one with this number.
    SequenceNumber(u64),
    /// `profileManagementOperation`, tag `81`: those of any of these events.
    Events(NotificationEvents),
    /// The results of eUICC packages (SGP.32).
    EuiccPackageResults,
}

impl RetrieveNotifications {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("RetrieveNotificationsListRequest", 0xbf2b, bytes)?;
        if f.is_empty() {
            return Ok(Self::All);
        }
        let mut f = f.nested(0xa0, "searchCriteria")?;
        match f.peek() {
            Some(0x80) => f.integer(0x80, "seqNumber").map(Self::SequenceNumber),
            Some(0x82) => Ok(Self::EuiccPackageResults),
            _ => f
                .bits(0x81, "profileManagementOperation")
                .map(|events| Self::Events(NotificationEvents(events))),
        }
    }

    /// The whole request, `BF2B`.
    pub fn to_bytes(self) -> Vec<u8> {
        let criterion = match self {
            Self::All => return tlv(0xbf2b, &[]),
            Self::SequenceNumber(number) => int(0x80, number),
            Self::Events(events) => bits(0x81, events.0),
            Self::EuiccPackageResults => tlv(0x82, &[]),
        };
        tlv(0xbf2b, &[&tlv(0xa0, &[&criterion])])
    }

    /// The response: the notifications as they are stored, or noResultAvailable (1).
    pub fn response(pending: &[Vec<u8>]) -> Vec<u8> {
        match pending {
            [] => tlv(0xbf2b, &[&int(0x81, 1)]),
            pending => tlv(0xbf2b, &[&tlv(0xa0, &[&pending.concat()])]),
        }
    }
}

/// The notifications in the response of ES10b.RetrieveNotificationsList, as they were received. That there is none
/// is no error.
///
/// # Errors
/// Where it is no such response, or reports another error.
pub fn parse_pending_list(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RspError> {
    let mut f = Fields::open("RetrieveNotificationsListResponse", 0xbf2b, bytes)?;
    if f.peek() == Some(0x81) {
        return match f.integer(0x81, "notificationsListResultError")? {
            1 => Ok(Vec::new()),
            _ => Err(f.wrong("notificationsListResultError", "the eUICC reports an undefined error")),
        };
    }
    let mut list = f.nested(0xa0, "notificationList")?;
    let mut out = Vec::new();
    while let Some(tag) = list.peek() {
        out.push(list.take_raw(tag, "pendingNotification")?.to_vec());
    }
    if list.is_empty() { Ok(out) } else { Err(list.wrong("notificationList", "it is cut off")) }
}

/// ES10b.RemoveNotificationFromList, `BF30`.
pub fn notification_sent(sequence_number: u64) -> Vec<u8> {
    tlv(0xbf30, &[&int(0x80, sequence_number)])
}
