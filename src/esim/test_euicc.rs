//! The eUICC's half of the protocol, for tests of the servers: written from the card's side of the specification, so
//! that a server is not only tested against itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::pki::Pki;
use crate::crypto::Tally;
use crate::crypto::bsp::{Bsp, SessionKeys};
use crate::crypto::rsp_cert::{Role, RspCertificate, RspKey, RspPublicKey, TrustAnchor};
use crate::id::Eid;
use crate::kernel::RngTree;
use crate::wire::bcd;
use crate::wire::rsp::*;

pub(crate) const NOW: u64 = crate::kernel::EPOCH_UNIX_S + 86_400;

pub(crate) struct TestEuicc {
    pub(crate) eid: Eid,
    key: RspKey,
    pub(crate) chain: [RspCertificate; 2],
    anchor: TrustAnchor,
    pub(crate) free_memory: u32,
    pub(crate) forbidden: u8,
    pub(crate) svn: [u8; 3],
    rng: ChaCha20Rng,
    sequence: u64,
    challenge: [u8; 16],
    server: Option<RspCertificate>,
    signature1: Signature,
    transaction: Vec<u8>,
    otpk: Option<RspKey>,
}

pub(crate) struct Installed {
    pub(crate) metadata: ProfileMetadata,
    pub(crate) package: Vec<u8>,
    pub(crate) longest_segment: usize,
    pub(crate) replaced_keys: bool,
}

impl TestEuicc {
    pub(crate) fn new(pki: &Pki, eid: &Eid) -> Self {
        let rng = RngTree::new(99).branch(eid);
        let (key, chain) = pki.euicc(eid, &rng).unwrap();
        Self {
            eid: eid.clone(),
            key,
            chain,
            anchor: pki.anchor(None, &Tally::new()).unwrap(),
            free_memory: 500_000,
            forbidden: 0,
            svn: [2, 5, 0],
            rng: rng.stream("card"),
            sequence: 0,
            challenge: [0; 16],
            server: None,
            signature1: [0; 64],
            transaction: Vec::new(),
            otpk: None,
        }
    }

    fn ci(&self) -> Vec<Vec<u8>> {
        vec![self.anchor.key_id().to_vec()]
    }

    pub(crate) fn initiate(&mut self, address: &str) -> Value {
        self.rng.fill_bytes(&mut self.challenge);
        let info1 = EuiccInfo1 { svn: self.svn, ci_for_verification: self.ci(), ci_for_signing: self.ci() };
        json!({
            "smdpAddress": address,
            "euiccChallenge": STANDARD.encode(self.challenge),
            "euiccInfo1": STANDARD.encode(info1.to_bytes()),
        })
    }

    fn info2(&self) -> EuiccInfo2 {
        EuiccInfo2 {
            profile_version: [2, 3, 1],
            svn: self.svn,
            firmware: [1, 0, 0],
            ext_card_resource: [&[0x81, 1, 0, 0x82, 4][..], &self.free_memory.to_be_bytes(), &[0x83, 1, 9]]
                .concat(),
            uicc_capability: vec![2, 0x7f, 0x36],
            ts102241_version: None,
            globalplatform_version: None,
            rsp_capability: vec![4, 0x90],
            ci_for_verification: self.ci(),
            ci_for_signing: self.ci(),
            category: None,
            forbidden_rules: Some(vec![0, self.forbidden]),
            pp_version: [1, 0, 0],
            sas_accreditation_number: "CB-TEST-0001".to_owned(),
            further: Vec::new(),
        }
    }

    /// Checks the server and answers it: an AuthenticateServerResponse.
    pub(crate) fn authenticate(&mut self, role: Role, answer: &Value, matching_id: Option<&str>) -> Vec<u8> {
        let signed1 = field(answer, "serverSigned1");
        let certificate = RspCertificate::parse(&field(answer, "serverCertificate")).unwrap();
        self.anchor.verify_chain(&[&certificate], role, None, &Tally::new()).unwrap();
        let signature = value(0x5f37, &field(answer, "serverSignature1")).try_into().unwrap();
        certificate.public().verify(&signed1, &signature, &Tally::new()).unwrap();
        assert_eq!(value(0x04, &field(answer, "euiccCiPKIdToBeUsed")), self.anchor.key_id());
        let signed = ServerSigned1::parse(&signed1).unwrap();
        assert_eq!(signed.euicc_challenge, self.challenge);
        assert_eq!(answer["transactionId"], hex::encode_upper(&signed.transaction_id));
        self.server = Some(certificate);
        self.transaction.clone_from(&signed.transaction_id);
        let context = CtxParams1 {
            matching_id: matching_id.map(str::to_owned),
            device: DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]),
        };
        let signed1 = EuiccSigned1 {
            transaction_id: signed.transaction_id,
            server_address: signed.server_address,
            server_challenge: signed.server_challenge,
            euicc_info2: self.info2(),
            ctx_params1: context,
        };
        self.sign_authentication(&signed1)
    }

    pub(crate) fn sign_authentication(&mut self, signed1: &EuiccSigned1) -> Vec<u8> {
        let raw = signed1.to_bytes();
        self.signature1 = self.key.sign(&raw);
        AuthenticateServerResponse::Ok {
            euicc_signed1: raw,
            euicc_signature1: self.signature1,
            euicc_certificate: self.chain[0].der().to_vec(),
            eum_certificate: self.chain[1].der().to_vec(),
        }
        .to_bytes()
    }

    /// Checks what the SM-DP+ releases and accepts it: a PrepareDownloadResponse. `keep` says whether a one-time key
    /// of before is still there.
    pub(crate) fn prepare(&mut self, answer: &Value, code: Option<&str>, keep: bool) -> Vec<u8> {
        let signed2 = field(answer, "smdpSigned2");
        let certificate = RspCertificate::parse(&field(answer, "smdpCertificate")).unwrap();
        self.anchor.verify_chain(&[&certificate], Role::DpPb, None, &Tally::new()).unwrap();
        assert_eq!(certificate.registered_id(), self.server.as_ref().unwrap().registered_id());
        let signature2 = field(answer, "smdpSignature2");
        let covered = [&signed2[..], &tlv(0x5f37, &[&self.signature1])].concat();
        let raw_signature = value(0x5f37, &signature2).try_into().unwrap();
        certificate.public().verify(&covered, &raw_signature, &Tally::new()).unwrap();
        let signed = SmdpSigned2::parse(&signed2).unwrap();
        assert_eq!(signed.transaction_id, self.transaction);
        self.server = Some(certificate);
        let offered = signed.bpp_euicc_otpk;
        let same = keep && self.otpk.as_ref().map(|k| k.public().uncompressed().to_vec()) == offered;
        if !same {
            self.otpk = Some(RspKey::from_stream(self.key.curve(), &mut self.rng));
        }
        let hash_cc = code.map(|code| {
            let inner = Sha256::digest(code.as_bytes());
            Sha256::new().chain_update(inner).chain_update(&self.transaction).finalize().into()
        });
        let raw = EuiccSigned2 {
            transaction_id: self.transaction.clone(),
            euicc_otpk: self.otpk.as_ref().unwrap().public().uncompressed().to_vec(),
            hash_cc,
        }
        .to_bytes();
        let euicc_signature2 = self.key.sign(&[&raw[..], &signature2].concat());
        PrepareDownloadResponse::Ok { euicc_signed2: raw, euicc_signature2 }.to_bytes()
    }

    /// Opens a bound profile package.
    pub(crate) fn open(&mut self, answer: &Value) -> Installed {
        let bytes = field(answer, "boundProfilePackage");
        let package = BoundProfilePackage::parse(&bytes).unwrap();
        assert_eq!(package.to_bytes(), bytes);
        let head = InitialiseSecureChannel::parse(&package.initialise_secure_channel).unwrap();
        let own = self.otpk.as_ref().unwrap();
        let signed = head.signed(&own.public().uncompressed());
        self.server.as_ref().unwrap().public().verify(&signed, &head.smdp_sign, &Tally::new()).unwrap();
        assert_eq!((head.operation, &head.transaction_id), (1, &self.transaction));
        let peer = RspPublicKey::from_uncompressed(own.curve(), &head.smdp_otpk).unwrap();
        let shared = own.agree(&peer).unwrap();
        let eid = bcd::eid(&self.eid);
        let keys = SessionKeys::derive(&shared, head.key_type, head.key_length, &head.host_id, &eid);
        let mut bsp = Bsp::new(&keys);
        let oid = self.server.as_ref().unwrap().registered_id().unwrap().contents().to_vec();
        let configure = opened(&mut bsp, 0x87, &package.configure_isdp);
        assert_eq!(configure, ConfigureIsdp::of(&oid).to_bytes());
        let metadata: Vec<u8> =
            package.store_metadata.iter().flat_map(|s| bsp.verify(0x88, s).unwrap()).collect();
        let metadata = ProfileMetadata::parse(&metadata).unwrap();
        let replaced_keys = package.replace_session_keys.is_some();
        if let Some(segments) = &package.replace_session_keys {
            let new = ReplaceSessionKeys::parse(&opened(&mut bsp, 0x87, segments)).unwrap();
            bsp = Bsp::new(&SessionKeys {
                mac_chaining_value: new.initial_mac_chaining_value,
                enc: new.ppk_enc,
                mac: new.ppk_cmac,
            });
        }
        let all = [&package.configure_isdp, &package.store_metadata, &package.profile];
        let longest_segment = all.into_iter().flatten().map(|s| tlv(0x86, &[s]).len()).max().unwrap();
        let profile = opened(&mut bsp, 0x86, &package.profile);
        Installed { metadata, package: profile, longest_segment, replaced_keys }
    }

    /// The result of an installation: a notification.
    pub(crate) fn result(&mut self, metadata: &ProfileMetadata, result: FinalResult) -> Vec<u8> {
        self.sequence += 1;
        let data = ProfileInstallationResultData {
            transaction_id: self.transaction.clone(),
            notification: NotificationMetadata {
                sequence_number: self.sequence,
                event: NotificationEvents::INSTALL,
                address: "smdp.example".to_owned(),
                iccid: Some(metadata.iccid),
            },
            smdp_oid: self.server.as_ref().and_then(|s| s.registered_id()).map(|oid| oid.contents().to_vec()),
            result,
        }
        .to_bytes();
        let signature = self.key.sign(&data);
        ProfileInstallationResult { data, signature }.to_bytes()
    }

    /// Another notification.
    pub(crate) fn notification(&mut self, event: NotificationEvents, iccid: IccidBytes) -> Vec<u8> {
        self.sequence += 1;
        let metadata = NotificationMetadata {
            sequence_number: self.sequence,
            event,
            address: "smdp.example".to_owned(),
            iccid: Some(iccid),
        }
        .to_bytes();
        PendingNotification::Other(OtherSignedNotification {
            signature: self.key.sign(&metadata),
            metadata,
            euicc_certificate: self.chain[0].der().to_vec(),
            eum_certificate: self.chain[1].der().to_vec(),
        })
        .to_bytes()
    }

    pub(crate) fn cancel(&self, reason: u64) -> Vec<u8> {
        let oid = self.server.as_ref().unwrap().registered_id().unwrap().contents().to_vec();
        self.cancel_for(reason, oid)
    }

    pub(crate) fn cancel_for(&self, reason: u64, smdp_oid: Vec<u8>) -> Vec<u8> {
        let signed = EuiccCancelSessionSigned { transaction_id: self.transaction.clone(), smdp_oid, reason }
            .to_bytes();
        let signature = self.key.sign(&signed);
        CancelSessionResponse::Ok { signed, signature }.to_bytes()
    }
}

fn opened(bsp: &mut Bsp, tag: u8, segments: &Segments) -> Vec<u8> {
    segments.iter().flat_map(|segment| bsp.open(tag, segment).unwrap()).collect()
}

/// A field of Base64.
pub(crate) fn field(answer: &Value, name: &str) -> Vec<u8> {
    let text = answer[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {answer}"));
    STANDARD.decode(text).unwrap()
}

fn value(tag: u16, object: &[u8]) -> Vec<u8> {
    crate::wire::tlv::find(object, tag).unwrap().to_vec()
}
