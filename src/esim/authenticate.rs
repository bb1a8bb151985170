//! Common mutual authentication (SGP.22 clauses 3.0.1, 5.6.1, 5.6.3 and 5.8.1, 5.8.2): the half that SM-DP+ and
//! SM-DS share.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::json::{self, Body};
use super::pki::Identity;
use super::{FunctionRefusal, HttpResponse, Reason};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{Role, RspCertError, RspCertificate, RspPublicKey, TrustAnchor};
use crate::id::Eid;
use crate::wire::rsp::{
    AuthenticateServerResponse, CtxParams1, EuiccInfo1, EuiccInfo2, EuiccSigned1, RspError, ServerSigned1,
    Signature,
};
use crate::wire::tlv;

/// Versions of SGP.22 whose messages are understood: the first number of the SVN.
const VERSIONS: std::ops::RangeInclusive<u8> = 2..=3;

/// What the server is; it decides which codes its refusals have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Smdp,
    Smds,
}

impl Kind {
    fn wrong_address(self) -> Reason {
        if self == Self::Smdp { Reason::SmdpAddress } else { Reason::SmdsAddress }
    }

    fn no_signing_ci(self) -> Reason {
        if self == Self::Smdp { Reason::SmdpNoSigningCi } else { Reason::SmdsNoSigningCi }
    }

    fn wrong_version(self) -> Reason {
        if self == Self::Smdp { Reason::SmdpVersion } else { Reason::SmdsVersion }
    }

    fn no_certificate(self) -> Reason {
        if self == Self::Smdp { Reason::SmdpNoCertificate } else { Reason::SmdsNoCertificate }
    }
}

/// A CI that is trusted, and the certificate that it has given to the server.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) anchor: TrustAnchor,
    pub(super) auth: Identity,
}

/// What the server remembers between the two functions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Challenge {
    pub(super) server_challenge: [u8; 16],
    pub(super) address: String,
    /// The CI under which the eUICC has to sign.
    pub(super) ci_key_id: Vec<u8>,
    /// The CI whose certificate the server has shown.
    pub(super) own_ci_key_id: Vec<u8>,
}

/// An eUICC that has proved itself.
#[derive(Debug, Clone)]
pub(super) struct Authenticated {
    pub(super) eid: Eid,
    pub(super) public: RspPublicKey,
    pub(super) info: EuiccInfo2,
    pub(super) context: CtxParams1,
    pub(super) signature1: Signature,
}

/// The authenticating half of a server.
#[derive(Debug)]
pub(super) struct Authenticator {
    kind: Kind,
    address: String,
    credentials: Vec<Credential>,
    tally: Tally,
}

impl Authenticator {
    pub(super) fn new(kind: Kind, address: &str, credentials: Vec<Credential>, tally: &Tally) -> Self {
        Self { kind, address: address.to_owned(), credentials, tally: tally.clone() }
    }

    /// InitiateAuthentication: checks what the request says and answers with a signed challenge.
    pub(super) fn initiate(
        &self,
        body: &Body,
        transaction_id: &[u8],
        rng: &mut ChaCha20Rng,
        now_unix_s: u64,
    ) -> Result<(Challenge, HttpResponse), FunctionRefusal> {
        let euicc_challenge: [u8; 16] =
            body.binary("euiccChallenge")?.try_into().map_err(|found: Vec<u8>| {
                FunctionRefusal::new(
                    Reason::Malformed,
                    format!("euiccChallenge has {} bytes, not 16.", found.len()),
                )
            })?;
        let info = EuiccInfo1::parse(&body.binary("euiccInfo1")?).map_err(malformed)?;
        // Some clients call it so to an SM-DS as well.
        let smds = body.optional_text("smdsAddress")?.filter(|_| self.kind == Kind::Smds);
        let address = smds.map_or_else(|| body.text("smdpAddress"), Ok)?;
        if !address.eq_ignore_ascii_case(&self.address) {
            let detail = format!("It is {}, {address} was asked for.", self.address);
            return Err(FunctionRefusal::new(self.kind.wrong_address(), detail));
        }
        if !VERSIONS.contains(&info.svn[0]) {
            let [major, minor, revision] = info.svn;
            let detail = format!("The eUICC has {major}.{minor}.{revision}.");
            return Err(FunctionRefusal::new(self.kind.wrong_version(), detail));
        }
        let known = |id: &&Vec<u8>| self.credentials.iter().any(|c| c.anchor.key_id() == **id);
        let ci_key_id =
            info.ci_for_signing.iter().find(known).ok_or_else(|| {
                FunctionRefusal::new(self.kind.no_signing_ci(), listed(&info.ci_for_signing))
            })?;
        let own = info.ci_for_verification.iter().find_map(|id| self.own(id, now_unix_s));
        let own = own.ok_or_else(|| {
            FunctionRefusal::new(self.kind.no_certificate(), listed(&info.ci_for_verification))
        })?;

        let mut server_challenge = [0; 16];
        rng.fill_bytes(&mut server_challenge);
        let server_signed1 = ServerSigned1 {
            transaction_id: transaction_id.to_vec(),
            euicc_challenge,
            server_address: self.address.clone(),
            server_challenge,
        }
        .to_bytes();
        let response = json::executed(vec![
            ("transactionId", json::transaction_id(transaction_id)),
            ("serverSigned1", json::binary(&server_signed1)),
            ("serverSignature1", signature_object(&own.auth.key.sign(&server_signed1))),
            ("euiccCiPKIdToBeUsed", json::binary(&object(0x04, ci_key_id))),
            ("serverCertificate", json::binary(own.auth.certificate.der())),
        ]);
        let challenge = Challenge {
            server_challenge,
            address: self.address.clone(),
            ci_key_id: ci_key_id.clone(),
            own_ci_key_id: own.anchor.key_id().to_vec(),
        };
        Ok((challenge, response))
    }

    /// The credential under a CI, where the server's certificate is valid now.
    fn own(&self, ci_key_id: &[u8], now_unix_s: u64) -> Option<&Credential> {
        let valid = |certificate: &RspCertificate| {
            (certificate.not_before_unix_s()..=certificate.not_after_unix_s()).contains(&now_unix_s)
        };
        self.credentials.iter().find(|c| c.anchor.key_id() == ci_key_id && valid(&c.auth.certificate))
    }

    /// AuthenticateClient up to who the eUICC is: certificates, signature, and that it answers this challenge.
    pub(super) fn verify(
        &self,
        body: &Body,
        transaction_id: &[u8],
        challenge: &Challenge,
        now_unix_s: u64,
    ) -> Result<Authenticated, FunctionRefusal> {
        let response = body.binary("authenticateServerResponse")?;
        let (raw, signature1, euicc, eum) =
            match AuthenticateServerResponse::parse(&response).map_err(malformed)? {
                AuthenticateServerResponse::Ok {
                    euicc_signed1,
                    euicc_signature1,
                    euicc_certificate,
                    eum_certificate,
                } => (euicc_signed1, euicc_signature1, euicc_certificate, eum_certificate),
                AuthenticateServerResponse::Error { code, .. } => {
                    let detail = format!("AuthenticateServer: {} ({code}).", authenticate_error(code));
                    return Err(FunctionRefusal::new(Reason::EuiccReportsError, detail));
                }
            };
        let (eid, public) = self.euicc(&euicc, &eum, &challenge.ci_key_id, now_unix_s)?;
        public.verify(&raw, &signature1, &self.tally).map_err(|_| Reason::EuiccSignature)?;
        let signed = EuiccSigned1::parse(&raw).map_err(malformed)?;
        if signed.transaction_id != transaction_id {
            return Err(FunctionRefusal::new(
                Reason::TransactionUnknown,
                "The eUICC has signed another identifier.",
            ));
        }
        if signed.server_challenge != challenge.server_challenge {
            return Err(FunctionRefusal::new(Reason::EuiccSignature, "The server challenge is another one."));
        }
        if !signed.server_address.eq_ignore_ascii_case(&challenge.address) {
            let detail = format!("The eUICC has signed the server address {}.", signed.server_address);
            return Err(FunctionRefusal::new(Reason::EuiccSignature, detail));
        }
        Ok(Authenticated { eid, public, info: signed.euicc_info2, context: signed.ctx_params1, signature1 })
    }

    /// The EID and key of an eUICC's certificate, where it and the EUM's are from the CI with `ci_key_id`.
    fn euicc(
        &self,
        euicc: &[u8],
        eum: &[u8],
        ci_key_id: &[u8],
        now_unix_s: u64,
    ) -> Result<(Eid, RspPublicKey), FunctionRefusal> {
        let anchor = self.credentials.iter().map(|c| &c.anchor).find(|anchor| anchor.key_id() == ci_key_id);
        let anchor = anchor.ok_or(Reason::CiUnknown)?;
        self.verified(anchor, euicc, eum, now_unix_s)
    }

    /// As [`Self::euicc`], under whichever trusted CI the EUM's certificate names: for notifications, which belong
    /// to no session.
    pub(super) fn any_euicc(
        &self,
        euicc: &[u8],
        eum: &[u8],
        now_unix_s: u64,
    ) -> Result<(Eid, RspPublicKey), FunctionRefusal> {
        let issuer = RspCertificate::parse(eum)
            .map_err(|error| FunctionRefusal::new(Reason::EumCertificate, format!("{error}.")))?;
        let named = issuer.authority_key_id().unwrap_or_default().to_vec();
        self.euicc(euicc, eum, &named, now_unix_s)
    }

    fn verified(
        &self,
        anchor: &TrustAnchor,
        euicc: &[u8],
        eum: &[u8],
        now_unix_s: u64,
    ) -> Result<(Eid, RspPublicKey), FunctionRefusal> {
        let refuse = |reason, error: &RspCertError| FunctionRefusal::new(reason, format!("{error}."));
        let eum = RspCertificate::parse(eum).map_err(|error| refuse(Reason::EumCertificate, &error))?;
        let euicc = RspCertificate::parse(euicc).map_err(|error| refuse(Reason::EuiccCertificate, &error))?;
        if let Err(error) = anchor.verify_chain(&[&euicc, &eum], Role::Euicc, Some(now_unix_s), &self.tally) {
            // Whose fault it is: the EUM's where its certificate does not verify alone.
            let alone = anchor.verify_chain(&[&eum], Role::Eum, Some(now_unix_s), &self.tally);
            return Err(match (&alone, &error) {
                (Err(error @ RspCertError::UnknownCi { .. }), _) => refuse(Reason::CiUnknown, error),
                (Err(error @ RspCertError::Expired { .. }), _) => {
                    refuse(Reason::EumCertificateExpired, error)
                }
                (Err(error), _) => refuse(Reason::EumCertificate, error),
                (Ok(()), RspCertError::Expired { .. }) => refuse(Reason::EuiccCertificateExpired, &error),
                (Ok(()), _) => refuse(Reason::EuiccCertificate, &error),
            });
        }
        let eid = euicc.eid().and_then(|eid| eid.parse().ok()).ok_or(Reason::EuiccCertificate)?;
        Ok((eid, *euicc.public()))
    }
}

/// AuthenticateErrorCode (SGP.22 annex H) for people.
fn authenticate_error(code: u64) -> &'static str {
    match code {
        1 => "invalidCertificate",
        2 => "invalidSignature",
        3 => "unsupportedCurve",
        4 => "noSessionContext",
        5 => "invalidOid",
        6 => "euiccChallengeMismatch",
        7 => "ciPKUnknown",
        127 => "undefinedError",
        _ => "unknown",
    }
}

pub(super) fn malformed(error: RspError) -> FunctionRefusal {
    FunctionRefusal::new(Reason::Malformed, format!("{error}."))
}

fn listed(ids: &[Vec<u8>]) -> String {
    let ids: Vec<String> = ids.iter().map(hex::encode).collect();
    format!("The eUICC names {}.", if ids.is_empty() { "none".to_owned() } else { ids.join(", ") })
}

pub(super) fn object(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 6);
    tlv::push(&mut out, tag, value);
    out
}

/// A signature as the data object `5F37`, in Base64.
pub(super) fn signature_object(signature: &Signature) -> serde_json::Value {
    json::binary(&object(0x5f37, signature))
}
