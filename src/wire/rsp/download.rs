//! Download preparation and its cancellation: PrepareDownload and CancelSession of ES10b (SGP.22 clauses 5.7.5 and
//! 5.7.14).

use super::authentication::transaction_id;
use super::fields::{Fields, boolean, int, tlv};
use super::{RspError, Signature};

/// What the SM-DP+ signs to release a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmdpSigned2 {
    /// `transactionId`, tag `80`: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// Whether the user has to give a confirmation code.
    pub confirmation_code_required: bool,
    /// The eUICC's one-time public key (`04 X Y`) for which a package is bound already.
    pub bpp_euicc_otpk: Option<Vec<u8>>,
}

impl SmdpSigned2 {
    /// Reads `smdpSigned2`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("SmdpSigned2", 0x30, raw)?;
        Ok(Self {
            transaction_id: transaction_id(&mut f)?,
            confirmation_code_required: f.boolean(0x01, "ccRequiredFlag")?,
            bpp_euicc_otpk: f.optional(0x5f49, "bppEuiccOtpk")?.map(<[u8]>::to_vec),
        })
    }

    /// `smdpSigned2` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let otpk = self.bpp_euicc_otpk.as_ref().map(|key| tlv(0x5f49, &[key])).unwrap_or_default();
        let required = boolean(0x01, self.confirmation_code_required);
        tlv(0x30, &[&tlv(0x80, &[&self.transaction_id]), &required, &otpk])
    }
}

/// ES10b.PrepareDownload, `BF21`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareDownloadRequest {
    /// [`SmdpSigned2`] as it was received.
    pub smdp_signed2: Vec<u8>,
    /// Over `smdpSigned2 || 5F37 euiccSignature1`.
    pub smdp_signature2: Signature,
    /// SHA-256(SHA-256(confirmation code) || transaction id).
    pub hash_cc: Option<[u8; 32]>,
    /// CERT.DPpb.ECDSA, DER.
    pub certificate: Vec<u8>,
}

impl PrepareDownloadRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("PrepareDownloadRequest", 0xbf21, bytes)?;
        Ok(Self {
            smdp_signed2: f.take_raw(0x30, "smdpSigned2")?.to_vec(),
            smdp_signature2: f.array(0x5f37, "smdpSignature2")?,
            hash_cc: f.optional(0x04, "hashCc")?.map(|hash| f.exactly(hash, "hashCc")).transpose()?,
            certificate: f.take_raw(0x30, "smdpCertificate")?.to_vec(),
        })
    }

    /// The whole request, `BF21`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hash = self.hash_cc.map(|hash| tlv(0x04, &[&hash])).unwrap_or_default();
        let signature = tlv(0x5f37, &[&self.smdp_signature2]);
        tlv(0xbf21, &[&self.smdp_signed2, &signature, &hash, &self.certificate])
    }
}

/// What the eUICC signs to accept a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccSigned2 {
    /// `transactionId`, tag `80`: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// The eUICC's one-time public key, `04 X Y`.
    pub euicc_otpk: Vec<u8>,
    /// `hashCc`, tag `04`, where a confirmation code is required: as in [`PrepareDownloadRequest`].
    pub hash_cc: Option<[u8; 32]>,
}

impl EuiccSigned2 {
    /// Reads `euiccSigned2`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EUICCSigned2", 0x30, raw)?;
        Ok(Self {
            transaction_id: transaction_id(&mut f)?,
            euicc_otpk: f.take(0x5f49, "euiccOtpk")?.to_vec(),
            hash_cc: f.optional(0x04, "hashCc")?.map(|hash| f.exactly(hash, "hashCc")).transpose()?,
        })
    }

    /// `euiccSigned2` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hash = self.hash_cc.map(|hash| tlv(0x04, &[&hash])).unwrap_or_default();
        tlv(0x30, &[&tlv(0x80, &[&self.transaction_id]), &tlv(0x5f49, &[&self.euicc_otpk]), &hash])
    }
}

/// The response of ES10b.PrepareDownload, `BF21`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareDownloadResponse {
    /// `downloadResponseOk`, tag `A0`: the eUICC is ready for a package that is bound to its one-time key.
    Ok {
        /// [`EuiccSigned2`] as it was received.
        euicc_signed2: Vec<u8>,
        /// Over `euiccSigned2 || 5F37 smdpSignature2`.
        euicc_signature2: Signature,
    },
    /// `downloadResponseError`, tag `A1`; nothing of it is signed.
    Error {
        /// `transactionId`, tag `80`: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// DownloadErrorCode: invalidCertificate (1), invalidSignature (2), unsupportedCurve (3), noSessionContext
        /// (4), invalidTransactionId (5), undefinedError (127).
        code: u64,
    },
}

impl PrepareDownloadResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("PrepareDownloadResponse", 0xbf21, bytes)?;
        if f.peek() == Some(0xa1) {
            let mut f = f.nested(0xa1, "downloadResponseError")?;
            let transaction_id = transaction_id(&mut f)?;
            return Ok(Self::Error { transaction_id, code: f.integer(0x02, "downloadErrorCode")? });
        }
        let mut f = f.nested(0xa0, "downloadResponseOk")?;
        Ok(Self::Ok {
            euicc_signed2: f.take_raw(0x30, "euiccSigned2")?.to_vec(),
            euicc_signature2: f.array(0x5f37, "euiccSignature2")?,
        })
    }

    /// The whole response, `BF21`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Ok { euicc_signed2, euicc_signature2 } => {
                tlv(0xa0, &[euicc_signed2, &tlv(0x5f37, &[euicc_signature2])])
            }
            Self::Error { transaction_id, code } => {
                tlv(0xa1, &[&tlv(0x80, &[transaction_id]), &int(0x02, *code)])
            }
        };
        tlv(0xbf21, &[&body])
    }
}

/// ES10b.CancelSession, `BF41`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelSessionRequest {
    /// `transactionId`, tag `80`, of the session that ends: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// endUserRejection (0), postponed (1), timeout (2), pprNotAllowed (3), metadataMismatch (4),
    /// loadBppExecutionError (5), undefinedReason (127).
    pub reason: u64,
}

impl CancelSessionRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("CancelSessionRequest", 0xbf41, bytes)?;
        Ok(Self { transaction_id: transaction_id(&mut f)?, reason: f.integer(0x81, "reason")? })
    }

    /// The whole request, `BF41`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(0xbf41, &[&tlv(0x80, &[&self.transaction_id]), &int(0x81, self.reason)])
    }
}

/// What the eUICC signs to cancel a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccCancelSessionSigned {
    /// `transactionId`, tag `80`, of the session that ends: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// The OID of the SM-DP+, the content of the OBJECT IDENTIFIER.
    pub smdp_oid: Vec<u8>,
    /// `reason`, tag `82`: a number as in [`CancelSessionRequest`].
    pub reason: u64,
}

impl EuiccCancelSessionSigned {
    /// Reads `euiccCancelSessionSigned`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccCancelSessionSigned", 0x30, raw)?;
        Ok(Self {
            transaction_id: transaction_id(&mut f)?,
            smdp_oid: f.take(0x81, "smdpOid")?.to_vec(),
            reason: f.integer(0x82, "reason")?,
        })
    }

    /// `euiccCancelSessionSigned` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let id = tlv(0x80, &[&self.transaction_id]);
        tlv(0x30, &[&id, &tlv(0x81, &[&self.smdp_oid]), &int(0x82, self.reason)])
    }
}

/// The response of ES10b.CancelSession, `BF41`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelSessionResponse {
    /// `cancelSessionResponseOk`, tag `A0`.
    Ok {
        /// [`EuiccCancelSessionSigned`] as it was received.
        signed: Vec<u8>,
        /// `euiccCancelSessionSignature`, tag `5F37`, over `signed`.
        signature: Signature,
    },
    /// invalidTransactionId (5), undefinedError (127).
    Error {
        /// `cancelSessionResponseError`, tag `81`.
        code: u64,
    },
}

impl CancelSessionResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("CancelSessionResponse", 0xbf41, bytes)?;
        if f.peek() == Some(0x81) {
            return Ok(Self::Error { code: f.integer(0x81, "cancelSessionResponseError")? });
        }
        let mut f = f.nested(0xa0, "cancelSessionResponseOk")?;
        Ok(Self::Ok {
            signed: f.take_raw(0x30, "euiccCancelSessionSigned")?.to_vec(),
            signature: f.array(0x5f37, "euiccCancelSessionSignature")?,
        })
    }

    /// The whole response, `BF41`.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ok { signed, signature } => {
                tlv(0xbf41, &[&tlv(0xa0, &[signed, &tlv(0x5f37, &[signature])])])
            }
            Self::Error { code } => tlv(0xbf41, &[&int(0x81, *code)]),
        }
    }
}
