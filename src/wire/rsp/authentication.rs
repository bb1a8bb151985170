//! Common mutual authentication: GetEuiccChallenge and AuthenticateServer of ES10b (SGP.22 clauses 3.0.1, 5.7.7 and
//! 5.7.13).

use super::euicc_info::EuiccInfo2;
use super::fields::{Fields, int, optional_text, tlv};
use super::{RspError, Signature};

/// ES10b.GetEUICCChallenge, `BF2E`.
pub fn challenge_request() -> Vec<u8> {
    tlv(0xbf2e, &[])
}

/// The response of ES10b.GetEUICCChallenge.
pub fn challenge_response(challenge: &[u8; 16]) -> Vec<u8> {
    tlv(0xbf2e, &[&tlv(0x80, &[challenge])])
}

/// The challenge in the response of ES10b.GetEUICCChallenge.
///
/// # Errors
/// Where it is none.
pub fn parse_challenge_response(bytes: &[u8]) -> Result<[u8; 16], RspError> {
    Fields::open("GetEuiccChallengeResponse", 0xbf2e, bytes)?.array(0x80, "euiccChallenge")
}

/// What an RSP server signs to authenticate itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSigned1 {
    /// 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// `euiccChallenge`, tag `81`: the eUICC's own challenge, which proves that the signature is fresh.
    pub euicc_challenge: [u8; 16],
    /// FQDN, with a port where it is not 443.
    pub server_address: String,
    /// `serverChallenge`, tag `84`: what the eUICC is to sign in turn.
    pub server_challenge: [u8; 16],
}

impl ServerSigned1 {
    /// Reads `serverSigned1`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ServerSigned1", 0x30, raw)?;
        Ok(Self {
            transaction_id: transaction_id(&mut f)?,
            euicc_challenge: f.array(0x81, "euiccChallenge")?,
            server_address: f.text(0x83, "serverAddress")?,
            server_challenge: f.array(0x84, "serverChallenge")?,
        })
    }

    /// `serverSigned1` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(
            0x30,
            &[
                &tlv(0x80, &[&self.transaction_id]),
                &tlv(0x81, &[&self.euicc_challenge]),
                &tlv(0x83, &[self.server_address.as_bytes()]),
                &tlv(0x84, &[&self.server_challenge]),
            ],
        )
    }
}

/// A TransactionId with tag `80`.
pub(super) fn transaction_id(f: &mut Fields<'_>) -> Result<Vec<u8>, RspError> {
    let id = f.take(0x80, "transactionId")?;
    if (1..=16).contains(&id.len()) {
        Ok(id.to_vec())
    } else {
        Err(f.wrong("transactionId", "it has 1 to 16 bytes"))
    }
}

/// What the device says of itself (SGP.22 clause 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Type allocation code, four bytes of BCD.
    pub tac: [u8; 4],
    /// `deviceCapabilities`, the fields as they were received: a version per technology, tags `80` to `88`.
    pub capabilities: Vec<u8>,
    /// Eight bytes of nibble-swapped BCD.
    pub imei: Option<[u8; 8]>,
}

impl DeviceInfo {
    /// A device that speaks LTE and 5G of Release 15.
    pub fn lte(tac: [u8; 4]) -> Self {
        // eutranSupportedRelease.
        Self { tac, capabilities: tlv(0x85, &[&[15, 0, 0]]), imei: None }
    }

    fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        Ok(Self {
            tac: f.array(0x80, "tac")?,
            capabilities: f.take(0xa1, "deviceCapabilities")?.to_vec(),
            imei: f.optional(0x82, "imei")?.map(|imei| f.exactly(imei, "imei")).transpose()?,
        })
    }

    /// The fields under `tag`.
    pub fn to_bytes(&self, tag: u16) -> Vec<u8> {
        let imei = self.imei.map(|imei| tlv(0x82, &[&imei])).unwrap_or_default();
        tlv(tag, &[&tlv(0x80, &[&self.tac]), &tlv(0xa1, &[&self.capabilities]), &imei])
    }
}

/// The context of a common mutual authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtxParams1 {
    /// The token of an activation code, an event identifier, empty, or absent.
    pub matching_id: Option<String>,
    /// `deviceInfo`, tag `A1`.
    pub device: DeviceInfo,
}

impl CtxParams1 {
    pub(crate) fn read(f: &mut Fields<'_>) -> Result<Self, RspError> {
        let mut f = f.nested(0xa0, "ctxParamsForCommonAuthentication")?;
        Ok(Self {
            matching_id: f.optional_text(0x80, "matchingId")?,
            device: DeviceInfo::read(f.nested(0xa1, "deviceInfo")?)?,
        })
    }

    /// CtxParams1 with its choice `ctxParamsForCommonAuthentication`, tag `A0`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(0xa0, &[&optional_text(0x80, self.matching_id.as_deref()), &self.device.to_bytes(0xa1)])
    }
}

/// ES10b.AuthenticateServer, `BF38`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticateServerRequest {
    /// [`ServerSigned1`] as it was received.
    pub server_signed1: Vec<u8>,
    /// `serverSignature1`, tag `5F37`, over `serverSigned1`.
    pub server_signature1: Signature,
    /// The subject key identifier of the CI key to be used; its first bytes are enough in SGP.32.
    pub ci_key_id: Vec<u8>,
    /// CERT.DPauth.ECDSA or CERT.DSauth.ECDSA, DER.
    pub certificate: Vec<u8>,
    /// `ctxParams1`: what the device adds, which the eUICC signs.
    pub ctx_params1: CtxParams1,
}

impl AuthenticateServerRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("AuthenticateServerRequest", 0xbf38, bytes)?;
        Ok(Self {
            server_signed1: f.take_raw(0x30, "serverSigned1")?.to_vec(),
            server_signature1: f.array(0x5f37, "serverSignature1")?,
            ci_key_id: f.take(0x04, "euiccCiPKIdToBeUsed")?.to_vec(),
            certificate: f.take_raw(0x30, "serverCertificate")?.to_vec(),
            ctx_params1: CtxParams1::read(&mut f)?,
        })
    }

    /// The whole request, `BF38`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(
            0xbf38,
            &[
                &self.server_signed1,
                &tlv(0x5f37, &[&self.server_signature1]),
                &tlv(0x04, &[&self.ci_key_id]),
                &self.certificate,
                &self.ctx_params1.to_bytes(),
            ],
        )
    }
}

/// What the eUICC signs to authenticate itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccSigned1 {
    /// `transactionId`, tag `80`, as the server gave it: 1 to 16 bytes.
    pub transaction_id: Vec<u8>,
    /// `serverAddress`, tag `83`: the FQDN to which the device believes to speak.
    pub server_address: String,
    /// `serverChallenge`, tag `84`, as the server gave it.
    pub server_challenge: [u8; 16],
    /// `euiccInfo2`, tag `BF22`.
    pub euicc_info2: EuiccInfo2,
    /// `ctxParams1`, as the device gave it in the request.
    pub ctx_params1: CtxParams1,
}

impl EuiccSigned1 {
    /// Reads `euiccSigned1`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccSigned1", 0x30, raw)?;
        Ok(Self {
            transaction_id: transaction_id(&mut f)?,
            server_address: f.text(0x83, "serverAddress")?,
            server_challenge: f.array(0x84, "serverChallenge")?,
            euicc_info2: EuiccInfo2::parse(f.take_raw(0xbf22, "euiccInfo2")?)?,
            ctx_params1: CtxParams1::read(&mut f)?,
        })
    }

    /// `euiccSigned1` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(
            0x30,
            &[
                &tlv(0x80, &[&self.transaction_id]),
                &tlv(0x83, &[self.server_address.as_bytes()]),
                &tlv(0x84, &[&self.server_challenge]),
                &self.euicc_info2.to_bytes(),
                &self.ctx_params1.to_bytes(),
            ],
        )
    }
}

/// The response of ES10b.AuthenticateServer, `BF38`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticateServerResponse {
    /// `authenticateResponseOk`, tag `A0`: the eUICC has verified the server.
    Ok {
        /// [`EuiccSigned1`] as it was received.
        euicc_signed1: Vec<u8>,
        /// `euiccSignature1`, tag `5F37`, over `euiccSigned1`.
        euicc_signature1: Signature,
        /// CERT.EUICC.ECDSA, DER.
        euicc_certificate: Vec<u8>,
        /// CERT.EUM.ECDSA, DER.
        eum_certificate: Vec<u8>,
    },
    /// `authenticateResponseError`, tag `A1`; nothing of it is signed.
    Error {
        /// `transactionId`, tag `80`: 1 to 16 bytes.
        transaction_id: Vec<u8>,
        /// AuthenticateErrorCode: invalidCertificate (1), invalidSignature (2), unsupportedCurve (3),
        /// noSessionContext (4), invalidOid (5), euiccChallengeMismatch (6), ciPKUnknown (7), undefinedError (127).
        code: u64,
    },
}

impl AuthenticateServerResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("AuthenticateServerResponse", 0xbf38, bytes)?;
        if f.peek() == Some(0xa1) {
            let mut f = f.nested(0xa1, "authenticateResponseError")?;
            let transaction_id = transaction_id(&mut f)?;
            return Ok(Self::Error { transaction_id, code: f.integer(0x02, "authenticateErrorCode")? });
        }
        let mut f = f.nested(0xa0, "authenticateResponseOk")?;
        Ok(Self::Ok {
            euicc_signed1: f.take_raw(0x30, "euiccSigned1")?.to_vec(),
            euicc_signature1: f.array(0x5f37, "euiccSignature1")?,
            euicc_certificate: f.take_raw(0x30, "euiccCertificate")?.to_vec(),
            eum_certificate: f.take_raw(0x30, "eumCertificate")?.to_vec(),
        })
    }

    /// The whole response, `BF38`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Ok { euicc_signed1, euicc_signature1, euicc_certificate, eum_certificate } => {
                let signature = tlv(0x5f37, &[euicc_signature1]);
                tlv(0xa0, &[euicc_signed1, &signature, euicc_certificate, eum_certificate])
            }
            Self::Error { transaction_id, code } => {
                tlv(0xa1, &[&tlv(0x80, &[transaction_id]), &int(0x02, *code)])
            }
        };
        tlv(0xbf38, &[&body])
    }
}
