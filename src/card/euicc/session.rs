//! Common mutual authentication and download preparation: GetEUICCChallenge, AuthenticateServer, PrepareDownload and
//! CancelSession (SGP.22 clauses 3.0.1, 3.1.3, 5.7.5, 5.7.7, 5.7.13 and 5.7.14).

use rand_core::RngCore;

use super::Euicc;
use super::es10::Answer;
use super::events::EuiccRefusal;
use super::memory::OneTimeKey;
use crate::crypto::CryptoError;
use crate::crypto::rsp_cert::{Role, RspCertError, RspCertificate, RspKey, check_same_oid};
use crate::wire::rsp::{
    AuthenticateServerRequest, AuthenticateServerResponse, CancelSessionRequest, CancelSessionResponse,
    EuiccCancelSessionSigned, EuiccSigned1, EuiccSigned2, PrepareDownloadRequest, PrepareDownloadResponse,
    ServerSigned1, Signature, SmdpSigned2, challenge_response, tlv,
};

const AUTHENTICATE: &str = "ES10b.AuthenticateServer";
const PREPARE: &str = "ES10b.PrepareDownload";
const CANCEL: &str = "ES10b.CancelSession";
/// Keys of prepared downloads that are kept, so that a package that is bound already can be loaded later.
const ONE_TIME_KEYS_MAX: usize = 4;
/// The reason postponed of CancelSessionReason: the download goes on another day.
const POSTPONED: u64 = 1;

/// A session with a server that has authenticated itself.
pub(super) struct Session {
    pub(super) transaction_id: Vec<u8>,
    pub(super) server_address: String,
    /// CERT.DPauth or CERT.DSauth.
    certificate: RspCertificate,
    euicc_signature1: Signature,
    pub(super) prepared: Option<Prepared>,
}

/// A download that the eUICC has agreed to.
pub(super) struct Prepared {
    /// CERT.DPpb.
    pub(super) certificate: RspCertificate,
    pub(super) key: RspKey,
}

impl Session {
    /// The server: content of its OBJECT IDENTIFIER.
    pub(super) fn oid(&self) -> Vec<u8> {
        self.certificate.registered_id().map(|oid| oid.contents().to_vec()).unwrap_or_default()
    }
}

impl Euicc {
    /// ES10b.GetEUICCChallenge: begins another session, which ends the one that was.
    pub(super) fn get_challenge(&mut self) -> Vec<u8> {
        self.session = None;
        self.loading = None;
        self.just_installed = None;
        self.record_interruption("another session was begun");
        let mut challenge = [0; 16];
        self.challenges.fill_bytes(&mut challenge);
        self.challenge = Some(challenge);
        // No challenge may come twice, whatever happens to the power.
        self.changed();
        challenge_response(&challenge)
    }

    /// ES10b.AuthenticateServer.
    pub(super) fn authenticate_server(&mut self, bytes: &[u8]) -> Answer {
        let request = AuthenticateServerRequest::parse(bytes)?;
        let signed = ServerSigned1::parse(&request.server_signed1)?;
        let response = match self.authenticated(&request, &signed) {
            Ok(response) => {
                self.tell(
                    AUTHENTICATE,
                    "server-authenticated",
                    format!("{} is authentic", signed.server_address),
                );
                response
            }
            Err(refusal) => AuthenticateServerResponse::Error {
                transaction_id: signed.transaction_id,
                code: self.refuse(AUTHENTICATE, refusal),
            },
        };
        Ok(response.to_bytes())
    }

    fn authenticated(
        &mut self,
        request: &AuthenticateServerRequest,
        signed: &ServerSigned1,
    ) -> Result<AuthenticateServerResponse, EuiccRefusal> {
        let no_context =
            || EuiccRefusal::new(4, "no-session", "no challenge was asked for since the last session");
        let challenge = self.challenge.ok_or_else(no_context)?;
        self.check_signing_ci(&request.ci_key_id)?;
        let of_chain = |error: RspCertError| {
            EuiccRefusal::new(
                u64::from(error.authenticate_error_code()),
                "certificate-refused",
                error.to_string(),
            )
        };
        let certificate = RspCertificate::parse(&request.certificate).map_err(of_chain)?;
        let role = match certificate.role() {
            Some(Role::DsAuth) => Role::DsAuth,
            _ => Role::DpAuth,
        };
        self.verify_under_its_ci(&certificate, role).map_err(of_chain)?;
        if certificate.registered_id().is_none() {
            return Err(of_chain(RspCertError::NoOid { subject: certificate.subject_text() }));
        }
        certificate
            .public()
            .verify(&request.server_signed1, &request.server_signature1, &self.tally)
            .map_err(|_| EuiccRefusal::new(2, "signature-invalid", "serverSignature1 does not verify"))?;
        if signed.euicc_challenge != challenge {
            let text = "the server answers another challenge than the last one of this eUICC";
            return Err(EuiccRefusal::new(6, "challenge-mismatch", text));
        }
        let euicc_signed1 = EuiccSigned1 {
            transaction_id: signed.transaction_id.clone(),
            server_address: signed.server_address.clone(),
            server_challenge: signed.server_challenge,
            euicc_info2: self.info2(),
            ctx_params1: request.ctx_params1.clone(),
        }
        .to_bytes();
        let euicc_signature1 = self.config.key.sign(&euicc_signed1);
        self.challenge = None;
        self.session = Some(Session {
            transaction_id: signed.transaction_id.clone(),
            server_address: signed.server_address.clone(),
            certificate,
            euicc_signature1,
            prepared: None,
        });
        let [euicc, eum] = &self.config.chain;
        Ok(AuthenticateServerResponse::Ok {
            euicc_signed1,
            euicc_signature1,
            euicc_certificate: euicc.der().to_vec(),
            eum_certificate: eum.der().to_vec(),
        })
    }

    /// Refuses a CI that this eUICC cannot sign under. The beginning of its identifier is enough in SGP.32, and none at
    /// all leaves the choice to the eUICC.
    fn check_signing_ci(&self, ci_key_id: &[u8]) -> Result<(), EuiccRefusal> {
        let own = self.config.signing_ci();
        if own.starts_with(ci_key_id) {
            return Ok(());
        }
        let text = format!(
            "the CI key {} is not one under which this eUICC is certified; {} is",
            hex::encode(ci_key_id),
            hex::encode(own)
        );
        Err(EuiccRefusal::new(7, "ci-unknown", text))
    }

    /// Verifies the certificate of a server under the CI that it names: any of those that the eUICC verifies with,
    /// which need not be the one that it signs under (SGP.22 clause 5.7.13).
    fn verify_under_its_ci(&self, certificate: &RspCertificate, role: Role) -> Result<(), RspCertError> {
        let by_key = |key: Option<&[u8]>| self.anchors.iter().find(|ci| key == Some(ci.key_id()));
        let ci = by_key(certificate.authority_key_id()).or_else(|| by_key(Some(self.config.signing_ci())));
        match ci.or(self.anchors.first()) {
            Some(ci) => ci.verify_chain(&[certificate], role, None, &self.tally).map(drop),
            None => Ok(()),
        }
    }

    /// ES10b.PrepareDownload.
    pub(super) fn prepare_download(&mut self, bytes: &[u8]) -> Answer {
        let request = PrepareDownloadRequest::parse(bytes)?;
        let signed = SmdpSigned2::parse(&request.smdp_signed2)?;
        let response = match self.prepared(&request, &signed) {
            Ok(response) => response,
            Err(refusal) => PrepareDownloadResponse::Error {
                transaction_id: signed.transaction_id,
                code: self.refuse(PREPARE, refusal),
            },
        };
        Ok(response.to_bytes())
    }

    fn prepared(
        &mut self,
        request: &PrepareDownloadRequest,
        signed: &SmdpSigned2,
    ) -> Result<PrepareDownloadResponse, EuiccRefusal> {
        let no_session = || EuiccRefusal::new(4, "no-session", "no server has authenticated itself");
        let session = self.session.as_ref().ok_or_else(no_session)?;
        if signed.transaction_id != session.transaction_id {
            let text = "smdpSigned2 is of another transaction than the session";
            return Err(EuiccRefusal::new(5, "transaction-mismatch", text));
        }
        let of_chain = |error: RspCertError| {
            EuiccRefusal::new(
                u64::from(error.download_error_code()),
                "certificate-refused",
                error.to_string(),
            )
        };
        let certificate = RspCertificate::parse(&request.certificate).map_err(of_chain)?;
        self.verify_under_its_ci(&certificate, Role::DpPb).map_err(of_chain)?;
        check_same_oid(&session.certificate, &certificate).map_err(of_chain)?;
        let message = [&request.smdp_signed2[..], &tlv(0x5f37, &[&session.euicc_signature1])].concat();
        certificate
            .public()
            .verify(&message, &request.smdp_signature2, &self.tally)
            .map_err(|_| EuiccRefusal::new(2, "signature-invalid", "smdpSignature2 does not verify"))?;
        if signed.confirmation_code_required && request.hash_cc.is_none() {
            let text = "the SM-DP+ asks for a confirmation code, none is given";
            return Err(EuiccRefusal::new(127, "confirmation-code-missing", text));
        }
        let oid = session.oid();
        let key = self.one_time_key(&oid, &certificate, signed.bpp_euicc_otpk.as_deref());
        let euicc_signed2 = EuiccSigned2 {
            transaction_id: signed.transaction_id.clone(),
            euicc_otpk: key.public().uncompressed().to_vec(),
            hash_cc: request.hash_cc.filter(|_| signed.confirmation_code_required),
        }
        .to_bytes();
        let message = [&euicc_signed2[..], &tlv(0x5f37, &[&request.smdp_signature2])].concat();
        let euicc_signature2 = self.config.key.sign(&message);
        if let Some(session) = &mut self.session {
            session.prepared = Some(Prepared { certificate, key });
        }
        self.tell(PREPARE, "download-prepared", "the SM-DP+ may bind its profile package".to_owned());
        Ok(PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 })
    }

    /// The key pair of a download: the one that the package is bound to already, if it is still there, or a new
    /// one.
    fn one_time_key(&mut self, oid: &[u8], certificate: &RspCertificate, bound: Option<&[u8]>) -> RspKey {
        let kept = self.memory.one_time_keys.iter().find(|kept| {
            kept.smdp_oid == oid
                && bound.is_some_and(|public| kept.key.public().uncompressed()[..] == *public)
        });
        if let Some(kept) = kept {
            return kept.key.clone();
        }
        let curve = certificate.public().curve();
        let key = RspKey::from_stream(curve, &mut self.one_time_keys).counted(&self.tally);
        if self.memory.one_time_keys.len() == ONE_TIME_KEYS_MAX {
            self.memory.one_time_keys.remove(0);
        }
        self.memory.one_time_keys.push(OneTimeKey { smdp_oid: oid.to_vec(), key: key.clone() });
        self.changed();
        key
    }

    /// Forgets the key pair of a download that is over.
    pub(super) fn forget_key(&mut self, key: &RspKey) {
        self.memory.one_time_keys.retain(|kept| kept.key != *key);
        self.changed();
    }

    /// ES10b.CancelSession.
    pub(super) fn cancel_session(&mut self, bytes: &[u8]) -> Answer {
        let request = CancelSessionRequest::parse(bytes)?;
        let Some(session) = self.session.take_if(|session| session.transaction_id == request.transaction_id)
        else {
            let refusal =
                EuiccRefusal::new(5, "transaction-mismatch", "there is no session with this transaction");
            let code = self.refuse(CANCEL, refusal);
            return Ok(CancelSessionResponse::Error { code }.to_bytes());
        };
        self.loading = None;
        if self.memory.installing.take().is_some() {
            self.changed();
        }
        if let Some(prepared) = session.prepared.as_ref().filter(|_| request.reason != POSTPONED) {
            self.forget_key(&prepared.key);
        }
        let signed = EuiccCancelSessionSigned {
            transaction_id: request.transaction_id,
            smdp_oid: session.oid(),
            reason: request.reason,
        }
        .to_bytes();
        let signature = self.config.key.sign(&signed);
        self.tell(CANCEL, "session-cancelled", format!("the device gave reason {}", request.reason));
        Ok(CancelSessionResponse::Ok { signed, signature }.to_bytes())
    }

    /// The x-coordinate that this eUICC and the SM-DP+ agree on.
    pub(super) fn agree(key: &RspKey, smdp_otpk: &[u8]) -> Result<zeroize::Zeroizing<[u8; 32]>, CryptoError> {
        let public = crate::crypto::rsp_cert::RspPublicKey::from_uncompressed(key.curve(), smdp_otpk)?;
        key.agree(&public)
    }
}
