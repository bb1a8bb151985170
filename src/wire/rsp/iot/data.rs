//! What an eIM asks about an eUICC and its IPA, the certificates, and the wider list of notifications (SGP.32
//! clauses 2.11.1.2, 2.11.2.2, 4.1, 5.9.10 and 5.9.11).

use super::super::fields::{Fields, bits, int, optional_text, tlv};
use super::super::{EuiccInfo1, EuiccInfo2, NotificationEvents, RspError};
use super::{all_raw, optional_bytes, optional_id, optional_sequence, retagged};

/// Which notifications are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationSearch {
    /// `seqNumber`, tag `80`: the one notification with this number.
    SequenceNumber(u64),
    /// `profileManagementOperation`, tag `81`: those of any of these events.
    Events(NotificationEvents),
}

/// IpaEuiccDataRequest, `BF52`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpaEuiccDataRequest {
    /// The tags of [`EuiccData`] that are wanted, one behind the other: `BF20`, `BF22`, `80` and so on.
    pub tags: Vec<u8>,
    /// The CI under which the certificates shall be, its key identifier or the beginning of it.
    pub ci_key_id: Option<Vec<u8>>,
    /// `searchCriteriaNotification`, tag `A1`; all notifications where it is absent.
    pub notifications: Option<NotificationSearch>,
    /// The sequence number of the result that is wanted.
    pub package_result: Option<u64>,
    /// `eimTransactionId`, tag `83`: 1 to 16 bytes, which the answer repeats.
    pub transaction_id: Option<Vec<u8>>,
}

impl IpaEuiccDataRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("IpaEuiccDataRequest", 0xbf52, bytes)?;
        let tags = f.take(0x5c, "tagList")?.to_vec();
        let ci_key_id = f.optional(0x04, "euiccCiPKIdentifierToBeUsed")?.map(<[u8]>::to_vec);
        let notifications = match f.peek() {
            Some(0xa1) => {
                let mut f = f.nested(0xa1, "searchCriteriaNotification")?;
                match f.peek() {
                    Some(0x80) => Some(NotificationSearch::SequenceNumber(f.integer(0x80, "seqNumber")?)),
                    // v1.0 asks for the results of packages here.
                    Some(0x82) => None,
                    _ => {
                        let events = f.bits(0x81, "profileManagementOperation")?;
                        Some(NotificationSearch::Events(NotificationEvents(events)))
                    }
                }
            }
            _ => None,
        };
        let package_result = match f.peek() {
            Some(0xa2) => {
                Some(f.nested(0xa2, "searchCriteriaEuiccPackageResult")?.integer(0x80, "seqNumber")?)
            }
            _ => None,
        };
        Ok(Self {
            tags,
            ci_key_id,
            notifications,
            package_result,
            transaction_id: optional_id(&mut f, 0x83)?,
        })
    }

    /// The whole request, `BF52`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let search = self.notifications.map(|search| match search {
            NotificationSearch::SequenceNumber(number) => tlv(0xa1, &[&int(0x80, number)]),
            NotificationSearch::Events(events) => tlv(0xa1, &[&bits(0x81, events.0)]),
        });
        let result = self.package_result.map(|number| tlv(0xa2, &[&int(0x80, number)]));
        tlv(
            0xbf52,
            &[
                &tlv(0x5c, &[&self.tags]),
                &optional_bytes(0x04, self.ci_key_id.as_deref()),
                &search.unwrap_or_default(),
                &result.unwrap_or_default(),
                &optional_bytes(0x83, self.transaction_id.as_deref()),
            ],
        )
    }

    /// Whether `tag` stands in the list.
    pub fn wants(&self, tag: u16) -> bool {
        let mut rest = &self.tags[..];
        while let [first, more @ ..] = rest {
            let (found, more) = match more {
                [second, more @ ..] if first & 0x1f == 0x1f => (u16::from_be_bytes([*first, *second]), more),
                _ => (u16::from(*first), more),
            };
            if found == tag {
                return true;
            }
            rest = more;
        }
        false
    }
}

/// What an IPA can do, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpaCapabilities {
    /// `ipaFeatures`, tag `80`: a sum of the constants of this type.
    pub features: u8,
    /// Bits of `ipaSupportedProtocols`: HTTPS retrieval is the first.
    pub protocols: Option<u8>,
}

impl IpaCapabilities {
    /// `directRspServerCommunication`: the IPA speaks to SM-DP+ and SM-DS itself.
    pub const DIRECT: u8 = 0x80;
    /// `indirectRspServerCommunication`: it does so by way of the eIM.
    pub const INDIRECT: u8 = 0x40;
    /// `eimDownloadDataHandling`: the eIM may keep activation code and address of the SM-DP+ to itself.
    pub const EIM_DOWNLOAD_DATA: u8 = 0x20;
    /// `eimCtxParams1Generation`: the eIM can put CtxParams1 together in its place.
    pub const EIM_CTX_PARAMS1: u8 = 0x10;
    /// `eimProfileMetadataVerification`: the IPA leaves it to the eIM to check the metadata of a profile.
    pub const EIM_METADATA_VERIFICATION: u8 = 0x08;
    /// `minimizeEsipaBytes`: the IPA knows the compact forms.
    pub const MINIMIZE_BYTES: u8 = 0x04;

    fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        let features = f.bits(0x80, "ipaFeatures")?;
        let protocols = f.optional(0x81, "ipaSupportedProtocols")?;
        let protocols = protocols.map(|value| f.first_bits(value, "ipaSupportedProtocols")).transpose()?;
        Ok(Self { features, protocols })
    }

    fn to_bytes(self, tag: u16) -> Vec<u8> {
        let protocols = self.protocols.map(|protocols| bits(0x81, protocols)).unwrap_or_default();
        tlv(tag, &[&bits(0x80, self.features), &protocols])
    }
}

/// IpaEuiccData: everything is there where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EuiccData {
    /// As they were received.
    pub notifications: Option<Vec<Vec<u8>>>,
    /// `defaultSmdpAddress`, tag `81`: FQDN of the SM-DP+ that the eUICC holds.
    pub default_smdp: Option<String>,
    /// `BF51`, as they were received.
    pub package_results: Option<Vec<Vec<u8>>>,
    /// `BF20`, as it was received.
    pub euicc_info1: Option<Vec<u8>>,
    /// `BF22`, as it was received.
    pub euicc_info2: Option<Vec<u8>>,
    /// `rootSmdsAddress`, tag `83`: FQDN of the SM-DS that the eUICC holds.
    pub root_smds: Option<String>,
    /// `associationToken`, tag `84`, that this eUICC and this eIM share.
    pub association_token: Option<u64>,
    /// DER.
    pub eum_certificate: Option<Vec<u8>>,
    /// DER.
    pub euicc_certificate: Option<Vec<u8>>,
    /// `eimTransactionId`, tag `87`, of the request: 1 to 16 bytes.
    pub transaction_id: Option<Vec<u8>>,
    /// `ipaCapabilities`, tag `A8`.
    pub capabilities: Option<IpaCapabilities>,
    /// The fields of DeviceInfo.
    pub device: Option<Vec<u8>>,
}

impl EuiccData {
    /// The tags under which an [`IpaEuiccDataRequest`] asks for everything but the notifications.
    pub const ALL_TAGS: [u8; 12] = [0x81, 0xa2, 0xbf, 0x20, 0xbf, 0x22, 0x83, 0x84, 0xa5, 0xa6, 0xa8, 0xa9];

    fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        let f = &mut f;
        let list = |f: &mut Fields<'_>, tag, field| match f.peek() {
            Some(found) if found == tag => all_raw(f.nested(tag, field)?, field).map(Some),
            _ => Ok(None),
        };
        let raw =
            |f: &mut Fields<'_>, tag, field| f.optional_raw(tag, field).map(|raw| raw.map(<[u8]>::to_vec));
        Ok(Self {
            notifications: list(f, 0xa0, "notificationsList")?,
            // v1.0 has it under 80.
            default_smdp: match f.optional_text(0x80, "defaultSmdpAddress")? {
                Some(address) => Some(address),
                None => f.optional_text(0x81, "defaultSmdpAddress")?,
            },
            package_results: list(f, 0xa2, "euiccPackageResultList")?,
            euicc_info1: raw(f, 0xbf20, "euiccInfo1")?,
            euicc_info2: raw(f, 0xbf22, "euiccInfo2")?,
            root_smds: f.optional_text(0x83, "rootSmdsAddress")?,
            association_token: f.optional_integer(0x84, "associationToken")?,
            eum_certificate: optional_sequence(f, 0xa5, "eumCertificate")?,
            euicc_certificate: optional_sequence(f, 0xa6, "euiccCertificate")?,
            transaction_id: optional_id(f, 0x87)?,
            capabilities: match f.peek() {
                Some(0xa8) => Some(IpaCapabilities::read(f.nested(0xa8, "ipaCapabilities")?)?),
                _ => None,
            },
            device: f.optional(0xa9, "deviceInfo")?.map(<[u8]>::to_vec),
        })
    }

    fn to_bytes(&self, tag: u16) -> Vec<u8> {
        let list = |tag, list: &Option<Vec<Vec<u8>>>| {
            list.as_ref().map(|list| tlv(tag, &[&list.concat()])).unwrap_or_default()
        };
        let certificate =
            |tag, der: &Option<Vec<u8>>| der.as_ref().map(|der| retagged(tag, der)).unwrap_or_default();
        tlv(
            tag,
            &[
                &list(0xa0, &self.notifications),
                &optional_text(0x81, self.default_smdp.as_deref()),
                &list(0xa2, &self.package_results),
                self.euicc_info1.as_deref().unwrap_or_default(),
                self.euicc_info2.as_deref().unwrap_or_default(),
                &optional_text(0x83, self.root_smds.as_deref()),
                &self.association_token.map(|token| int(0x84, token)).unwrap_or_default(),
                &certificate(0xa5, &self.eum_certificate),
                &certificate(0xa6, &self.euicc_certificate),
                &optional_bytes(0x87, self.transaction_id.as_deref()),
                &self.capabilities.map(|capabilities| capabilities.to_bytes(0xa8)).unwrap_or_default(),
                &optional_bytes(0xa9, self.device.as_deref()),
            ],
        )
    }

    /// EUICCInfo1, read.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn info1(&self) -> Result<Option<EuiccInfo1>, RspError> {
        self.euicc_info1.as_deref().map(EuiccInfo1::parse).transpose()
    }

    /// EUICCInfo2, read.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn info2(&self) -> Result<Option<EuiccInfo2>, RspError> {
        self.euicc_info2.as_deref().map(EuiccInfo2::parse).transpose()
    }
}

/// IpaEuiccDataResponse, `BF52`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpaEuiccDataResponse {
    /// `ipaEuiccData`, tag `A0`.
    Ok(Box<EuiccData>),
    /// `ipaEuiccDataResponseError`, tag `A1`.
    Error {
        /// `eimTransactionId`, tag `80`, of the request: 1 to 16 bytes.
        transaction_id: Option<Vec<u8>>,
        /// incorrectTagList (1), euiccCiPKIdNotFound (5), ecallActive (104), undefinedError (127).
        code: u64,
    },
}

impl IpaEuiccDataResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("IpaEuiccDataResponse", 0xbf52, bytes)?;
        match f.peek() {
            Some(0xa1) => {
                let mut f = f.nested(0xa1, "ipaEuiccDataResponseError")?;
                let transaction_id = optional_id(&mut f, 0x80)?;
                Ok(Self::Error { transaction_id, code: f.integer(0x02, "ipaEuiccDataErrorCode")? })
            }
            // v1.0 has the bare code.
            Some(0x81) => {
                let code = f.integer(0x81, "ipaEuiccDataError")?;
                Ok(Self::Error { transaction_id: None, code })
            }
            _ => EuiccData::read(f.nested(0xa0, "ipaEuiccData")?).map(Box::new).map(Self::Ok),
        }
    }

    /// The whole response, `BF52`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Ok(data) => data.to_bytes(0xa0),
            Self::Error { transaction_id, code } => {
                tlv(0xa1, &[&optional_bytes(0x80, transaction_id.as_deref()), &int(0x02, *code)])
            }
        };
        tlv(0xbf52, &[&body])
    }
}

/// ES10b.GetCerts, `BF56`, under one CI or under any.
pub fn certificates_request(ci_key_id: Option<&[u8]>) -> Vec<u8> {
    tlv(0xbf56, &[&optional_bytes(0x80, ci_key_id)])
}

/// The CI that ES10b.GetCerts names.
///
/// # Errors
/// Where the bytes are no such message.
pub fn parse_certificates_request(bytes: &[u8]) -> Result<Option<Vec<u8>>, RspError> {
    let mut f = Fields::open("GetCertsRequest", 0xbf56, bytes)?;
    Ok(f.optional(0x80, "euiccCiPKId")?.map(<[u8]>::to_vec))
}

/// The certificates of an eUICC, DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// CERT.EUM.ECDSA, tag `A5` in the response.
    pub eum: Vec<u8>,
    /// CERT.EUICC.ECDSA, tag `A6` in the response.
    pub euicc: Vec<u8>,
}

impl Certificates {
    /// The response of ES10b.GetCerts, or its error: invalidCiPKId (1), undefinedError (127).
    pub fn response(result: Result<&Self, u64>) -> Vec<u8> {
        match result {
            Ok(certificates) => {
                let (eum, euicc) = (retagged(0xa5, &certificates.eum), retagged(0xa6, &certificates.euicc));
                tlv(0xbf56, &[&tlv(0xa0, &[&eum, &euicc])])
            }
            Err(code) => tlv(0xbf56, &[&int(0x81, code)]),
        }
    }
}

/// The certificates in the response of ES10b.GetCerts, or the code of its error.
///
/// # Errors
/// Where it is none.
pub fn parse_certificates_response(bytes: &[u8]) -> Result<Result<Certificates, u64>, RspError> {
    let mut f = Fields::open("GetCertsResponse", 0xbf56, bytes)?;
    if f.peek() == Some(0x81) {
        return f.integer(0x81, "getCertsError").map(Err);
    }
    let mut f = f.nested(0xa0, "certs")?;
    let eum = tlv(0x30, &[f.take(0xa5, "eumCertificate")?]);
    Ok(Ok(Certificates { eum, euicc: tlv(0x30, &[f.take(0xa6, "euiccCertificate")?]) }))
}

/// The response of ES10b.RetrieveNotificationsList, `BF2B`, of an eUICC for the Internet of Things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retrieved {
    /// As they were received.
    pub notifications: Vec<Vec<u8>>,
    /// `BF51`, as they were received.
    pub package_results: Vec<Vec<u8>>,
}

impl Retrieved {
    /// # Errors
    /// Where the bytes are no such message, or report an error other than that there is nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("RetrieveNotificationsListResponse", 0xbf2b, bytes)?;
        let list = |f: Fields<'_>| all_raw(f, "pendingNotification");
        match f.peek() {
            Some(0x81) => match f.integer(0x81, "notificationsListResultError")? {
                // noResultAvailable of SGP.22.
                1 => Ok(Self::default()),
                _ => Err(f.wrong("notificationsListResultError", "the eUICC reports an undefined error")),
            },
            Some(0xa2) => {
                let package_results = list(f.nested(0xa2, "euiccPackageResultList")?)?;
                Ok(Self { package_results, ..Self::default() })
            }
            // v1.0 has both in one.
            Some(0xa3) => {
                let mut f = f.nested(0xa3, "notificationAndEprList")?;
                let notifications = list(f.nested(0xa0, "notificationList")?)?;
                let package_results = list(f.nested(0xa1, "euiccPackageResultList")?)?;
                Ok(Self { notifications, package_results })
            }
            _ => {
                let notifications = list(f.nested(0xa0, "notificationList")?)?;
                Ok(Self { notifications, ..Self::default() })
            }
        }
    }

    /// The response with results of packages, which may be none.
    pub fn package_results_response(results: &[Vec<u8>]) -> Vec<u8> {
        tlv(0xbf2b, &[&tlv(0xa2, &[&results.concat()])])
    }
}
