//! Shorter forms in which an IPA may send what its eUICC has signed, where the eIM knows the rest and puts it back
//! (SGP.32 clauses 5.14.2, 5.14.3, 5.14.7 and 5.14.8).

use super::super::fields::{Fields, tlv};
use super::super::{EidBytes, EuiccSigned2, PendingNotification, RspError, Signature};
use super::optional_sequence;

/// compactAuthenticateResponseOk of `BF38`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactAuthenticate {
    /// The whole `euiccSigned1`, or only what of it the eIM cannot know.
    pub signed: Result<Vec<u8>, CompactSigned1>,
    /// `euiccSignature1`, tag `5F37`, over the whole `euiccSigned1`, put together again where only parts came.
    pub signature: Signature,
    /// `euiccCertificate`, tag `A1`, as DER; none where the eIM has it already.
    pub euicc_certificate: Option<Vec<u8>>,
    /// `eumCertificate`, tag `A2`, as DER; none where the eIM has it already.
    pub eum_certificate: Option<Vec<u8>>,
}

/// CompactEuiccSigned1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactSigned1 {
    pub ext_card_resource: Vec<u8>,
    /// CtxParams1, `A0`, as it was received.
    pub ctx_params1: Option<Vec<u8>>,
}

/// The compact form in a response of AuthenticateServer; none where it has another one.
///
/// # Errors
/// Where the compact form is malformed.
pub fn compact_authenticate(response: &[u8]) -> Result<Option<CompactAuthenticate>, RspError> {
    let mut f = Fields::open("AuthenticateServerResponse", 0xbf38, response)?;
    if f.peek() != Some(0xa2) {
        return Ok(None);
    }
    let mut f = f.nested(0xa2, "compactAuthenticateResponseOk")?;
    let signed = match f.peek() {
        Some(0xa0) => {
            let mut f = f.nested(0xa0, "compactEuiccSigned1")?;
            let ext_card_resource = f.take(0x84, "extCardResource")?.to_vec();
            let ctx_params1 = f.optional(0xa2, "ctxParams1")?.map(<[u8]>::to_vec);
            Err(CompactSigned1 { ext_card_resource, ctx_params1 })
        }
        _ => Ok(f.take_raw(0x30, "euiccSigned1")?.to_vec()),
    };
    Ok(Some(CompactAuthenticate {
        signed,
        signature: f.array(0x5f37, "euiccSignature1")?,
        euicc_certificate: optional_sequence(&mut f, 0xa1, "euiccCertificate")?,
        eum_certificate: optional_sequence(&mut f, 0xa2, "eumCertificate")?,
    }))
}

/// compactDownloadResponseOk of `BF21`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactPrepare {
    /// The eUICC's one-time public key; none where it is that of `bppEuiccOtpk`.
    pub euicc_otpk: Option<Vec<u8>>,
    /// `hashCc`, tag `04`; none where it is the one that the eIM gave.
    pub hash_cc: Option<[u8; 32]>,
    /// `euiccSignature2`, tag `5F37`, over what [`CompactPrepare::signed`] puts together, and `smdpSignature2`.
    pub signature: Signature,
}

impl CompactPrepare {
    /// What was signed, put together again; none where the key is not known.
    pub fn signed(
        &self,
        transaction_id: &[u8],
        bpp_euicc_otpk: Option<&[u8]>,
        hash_cc: Option<[u8; 32]>,
    ) -> Option<EuiccSigned2> {
        let euicc_otpk = self.euicc_otpk.as_deref().or(bpp_euicc_otpk)?.to_vec();
        let hash_cc = self.hash_cc.or(hash_cc);
        Some(EuiccSigned2 { transaction_id: transaction_id.to_vec(), euicc_otpk, hash_cc })
    }
}

/// The compact form in a response of PrepareDownload; none where it has another one.
///
/// # Errors
/// Where the compact form is malformed.
pub fn compact_prepare(response: &[u8]) -> Result<Option<CompactPrepare>, RspError> {
    let mut f = Fields::open("PrepareDownloadResponse", 0xbf21, response)?;
    if f.peek() != Some(0xa2) {
        return Ok(None);
    }
    let mut f = f.nested(0xa2, "compactDownloadResponseOk")?;
    let mut signed = f.nested(0x30, "compactEuiccSigned2")?;
    let euicc_otpk = signed.optional(0x5f49, "euiccOtpk")?.map(<[u8]>::to_vec);
    let hash_cc = signed.optional(0x04, "hashCc")?;
    let hash_cc = hash_cc.map(|hash| signed.exactly(hash, "hashCc")).transpose()?;
    Ok(Some(CompactPrepare { euicc_otpk, hash_cc, signature: f.array(0x5f37, "euiccSignature2")? }))
}

/// compactCancelSessionResponseOk of `BF41`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactCancel {
    /// `reason`, tag `80`, a number as in CancelSessionRequest; none where the eIM knows it.
    pub reason: Option<u64>,
    /// `euiccCancelSessionSignature`, tag `5F37`, over the whole EuiccCancelSessionSigned.
    pub signature: Signature,
}

/// The compact form in a response of CancelSession; none where it has another one.
///
/// # Errors
/// Where the compact form is malformed.
pub fn compact_cancel(response: &[u8]) -> Result<Option<CompactCancel>, RspError> {
    let mut f = Fields::open("CancelSessionResponse", 0xbf41, response)?;
    if f.peek() != Some(0xa2) {
        return Ok(None);
    }
    let mut f = f.nested(0xa2, "compactCancelSessionResponseOk")?;
    let reason = f.nested(0x30, "compactEuiccCancelSessionSigned")?.optional_integer(0x80, "reason")?;
    Ok(Some(CompactCancel { reason, signature: f.array(0x5f37, "euiccCancelSessionSignature")? }))
}

/// CompactProfileInstallationResult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactInstallation {
    /// `transactionId`, tag `80`: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// `seqNumber`, tag `02`: the number of the notification.
    pub sequence_number: u64,
    /// `iccidPresent`, tag `01`: whether the signed notification names the ICCID; so it is where the field is
    /// absent.
    pub iccid_present: bool,
    /// CompactSuccessResult (`A0`) or ErrorResult (`A1`), as it was received.
    pub result: Vec<u8>,
    /// `euiccSignPIR`, tag `5F37`, over the whole ProfileInstallationResultData.
    pub signature: Signature,
}

/// A notification in whichever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompactNotification {
    /// As the eUICC gave it: nothing was left out.
    Full(PendingNotification),
    /// `compactProfileInstallationResult`, tag `A0`.
    Installation(CompactInstallation),
    /// Any other notification without the certificates.
    Other {
        /// `eidValue`, tag `5A`, by which the eIM finds the certificates.
        eid: Option<EidBytes>,
        /// NotificationMetadata, as it was received.
        metadata: Vec<u8>,
        /// `euiccNotificationSignature`, tag `5F37`, over `metadata`.
        signature: Signature,
        /// `euiccCiPKIdentifierToBeUsed`, tag `04`: under which CI the certificates are that were left out.
        ci_key_id: Option<Vec<u8>>,
    },
}

impl CompactNotification {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::of("PendingNotification", raw);
        match f.peek() {
            Some(0xa0) => {
                let mut f = f.nested(0xa0, "compactProfileInstallationResult")?;
                let mut data = f.nested(0xa0, "compactProfileInstallationResultData")?;
                let transaction_id = super::super::authentication::transaction_id(&mut data)?;
                let sequence_number = data.integer(0x02, "seqNumber")?;
                let iccid_present = match data.peek() {
                    Some(0x01) => data.boolean(0x01, "iccidPresent")?,
                    _ => true,
                };
                let result = data.take(0xa2, "compactFinalResult")?.to_vec();
                let signature = f.array(0x5f37, "euiccSignPIR")?;
                Ok(Self::Installation(CompactInstallation {
                    transaction_id,
                    sequence_number,
                    iccid_present,
                    result,
                    signature,
                }))
            }
            Some(0xa1) => {
                let mut f = f.nested(0xa1, "compactOtherSignedNotification")?;
                let eid = f.optional(0x5a, "eidValue")?;
                Ok(Self::Other {
                    eid: eid.map(|eid| f.exactly(eid, "eidValue")).transpose()?,
                    metadata: f.take_raw(0xbf2f, "tbsOtherNotification")?.to_vec(),
                    signature: f.array(0x5f37, "euiccNotificationSignature")?,
                    ci_key_id: f.optional(0x04, "euiccCiPKIdentifierToBeUsed")?.map(<[u8]>::to_vec),
                })
            }
            _ => PendingNotification::parse(raw).map(Self::Full),
        }
    }

    /// Bytes of the compact form of any other notification than an installation result.
    pub fn other(metadata: &[u8], signature: &Signature, eid: Option<&EidBytes>) -> Vec<u8> {
        let eid = super::optional_bytes(0x5a, eid.map(|eid| &eid[..]));
        tlv(0xa1, &[&eid, metadata, &tlv(0x5f37, &[signature])])
    }
}
