//! A certificate hierarchy, an eUICC in it, and the smallest SM-DP+ that can make a download.

use std::sync::{Arc, Mutex};

use cellbed::card::{CardPort, Delivered, EuiccConfig, EuiccEvent, SimProfile, Uicc};
use cellbed::crypto::Tally;
use cellbed::crypto::bsp::{Bsp, PAYLOAD_MAX, SessionKeys};
use cellbed::crypto::rsp_cert::{Curve, RspCertificate, RspKey, RspPublicKey};
use cellbed::esim::{Pki, PkiOptions, SmdpIdentity};
use cellbed::id::Eid;
use cellbed::kernel::RngTree;
use cellbed::wire::rsp::{
    AuthenticateServerRequest, AuthenticateServerResponse, BoundProfilePackage, ConfigureIsdp, CtxParams1,
    DeviceInfo, EuiccSigned2, IccidBytes, InitialiseSecureChannel, NotificationConfiguration,
    NotificationEvents, OperatorId, PolicyRules, PrepareDownloadRequest, PrepareDownloadResponse,
    ProfileClass, ProfileMetadata, ReplaceSessionKeys, ServerSigned1, SmdpSigned2, challenge_request,
    parse_challenge_response,
};
use cellbed::wire::saip::Package;

pub const EID: &str = "89049032000000000000000000000021";
pub const SMDP: &str = "smdp.example";
pub const TS48: &[u8] = include_bytes!("../../sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der");
/// The ISD-R on channel 1.
const SELECT_ISD_R: &str = "01a4040010a0000005591010ffffffff8900000100";

pub fn eid() -> Eid {
    let body = &EID[..30];
    (0..100).find_map(|check| format!("{body}{check:02}").parse().ok()).unwrap()
}

pub fn eid_bytes() -> [u8; 16] {
    hex::decode(eid().as_str()).unwrap().try_into().unwrap()
}

/// The hierarchy that the card trusts, of `curve`.
pub fn pki(seed: u64, curve: Curve) -> Pki {
    Pki::new(&RngTree::new(seed), &PkiOptions { curve, ..PkiOptions::default() }).unwrap()
}

/// What the card says of what it does and refuses.
pub type Events = Arc<Mutex<Vec<EuiccEvent>>>;

/// How a card is made.
pub struct Maker {
    pub pki: Pki,
    pub bootstrap: bool,
    /// Rules of the profile that it is delivered with.
    pub bootstrap_rules: PolicyRules,
    pub config: fn(EuiccConfig) -> EuiccConfig,
}

impl Default for Maker {
    fn default() -> Self {
        let bootstrap_rules = PolicyRules::default();
        Self { pki: pki(1, Curve::P256), bootstrap: false, bootstrap_rules, config: |config| config }
    }
}

impl Maker {
    pub fn config(&self) -> EuiccConfig {
        let (key, chain) = self.pki.euicc(&eid(), &RngTree::new(2)).unwrap();
        let anchor = self.pki.anchor(None, &Tally::new()).unwrap();
        (self.config)(EuiccConfig::new(eid(), key, chain, vec![anchor]))
    }

    pub fn card(&self) -> Uicc {
        let mut delivered = Vec::new();
        if self.bootstrap {
            let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
            let personalisation = Box::new(profile.personalise(0).unwrap());
            let metadata = ProfileMetadata {
                class: ProfileClass::Provisioning,
                rules: self.bootstrap_rules,
                ..metadata(bcd(personalisation.iccid.as_str()), "bootstrap")
            };
            delivered.push(Delivered::Personalised { personalisation, trust_anchor: vec![7; 400], metadata });
        }
        let bootstrap = self.bootstrap;
        let card = Uicc::with_euicc(self.config(), RngTree::new(3).branch("card1"), delivered).unwrap();
        let mut card = if bootstrap { card.with_enabled(0) } else { card };
        open_isd_r(&mut card);
        card
    }
}

pub fn listen(card: &mut Uicc) -> Events {
    let events = Events::default();
    let kept = events.clone();
    card.set_euicc_listener(Arc::new(move |event| kept.lock().unwrap().push(event.clone())));
    events
}

/// Digits as swapped nibbles.
pub fn bcd(digits: &str) -> IccidBytes {
    let nibble = |i: usize| digits.as_bytes().get(i).map_or(0x0f, |digit| digit - b'0');
    std::array::from_fn(|i| nibble(2 * i + 1) << 4 | nibble(2 * i))
}

pub fn metadata(iccid: IccidBytes, name: &str) -> ProfileMetadata {
    ProfileMetadata {
        iccid,
        service_provider: "cellbed".to_owned(),
        name: name.to_owned(),
        icon: None,
        class: ProfileClass::Operational,
        notifications: vec![NotificationConfiguration {
            events: NotificationEvents::ALL,
            address: SMDP.to_owned(),
        }],
        owner: Some(OperatorId { mcc_mnc: [0x00, 0xf1, 0x10], gid1: None, gid2: None }),
        rules: PolicyRules::default(),
        further: Vec::new(),
    }
}

/// ICCID of the bundled package.
pub fn ts48_iccid() -> IccidBytes {
    Package::decode(TS48).unwrap().image().unwrap().iccid
}

pub fn send(card: &mut Uicc, command: &str) -> String {
    hex::encode(card.transmit(&hex::decode(command.replace(' ', "")).unwrap()).unwrap())
}

pub fn open_isd_r(card: &mut Uicc) {
    assert_eq!(send(card, "0070000001"), "019000");
    assert_eq!(send(card, SELECT_ISD_R)[..2], *"61");
}

/// Sends a whole command in blocks of `block` bytes; returns response data and status word.
pub fn store_in_blocks(card: &mut Uicc, bytes: &[u8], block: usize) -> (Vec<u8>, u16) {
    let blocks: Vec<&[u8]> = bytes.chunks(block).collect();
    let mut response = Vec::new();
    for (number, data) in blocks.iter().enumerate() {
        let p1 = if number + 1 == blocks.len() { 0x91 } else { 0x11 };
        let command = [&[0x81, 0xe2, p1, number as u8, data.len() as u8][..], data].concat();
        response = card.transmit(&command).unwrap();
        if number + 1 < blocks.len() && response != [0x90, 0x00] {
            break;
        }
    }
    let mut data = Vec::new();
    loop {
        let (body, sw) = response.split_last_chunk::<2>().unwrap();
        data.extend_from_slice(body);
        match sw {
            [0x61, more] => response = card.transmit(&[0x81, 0xc0, 0, 0, *more]).unwrap(),
            sw => return (data, u16::from_be_bytes(*sw)),
        }
    }
}

/// The response data of a command that is answered.
pub fn es10(card: &mut Uicc, bytes: &[u8]) -> Vec<u8> {
    let (data, status) = store_in_blocks(card, bytes, 255);
    assert!(status == 0x9000 || status >> 8 == 0x91, "{status:04x} to {}", hex::encode(bytes));
    data
}

/// An SM-DP+.
pub struct Smdp {
    pub identity: SmdpIdentity,
    pub ci_key_id: Vec<u8>,
    pub transaction_id: Vec<u8>,
    pub ephemeral: RspKey,
    pub metadata: ProfileMetadata,
    pub package: Vec<u8>,
    /// Whether the package is protected with its own keys.
    pub own_keys: bool,
    pub confirmation: bool,
    pub bound_to: Option<Vec<u8>>,
    /// For which eUICC it derives keys.
    pub eid: [u8; 16],
}

/// A session up to where the eUICC is ready to load.
pub struct Prepared {
    pub otpk: Vec<u8>,
    pub hash_cc: Option<[u8; 32]>,
}

impl Smdp {
    pub fn new(pki: &Pki) -> Self {
        let oid = "2.999.10".parse().unwrap();
        let identity =
            pki.smdp(&oid, &[SMDP.to_owned()], PkiOptions::default().now_unix_s, &RngTree::new(4)).unwrap();
        Self {
            ci_key_id: pki.ci.certificate.key_id().to_vec(),
            transaction_id: vec![0x11; 16],
            ephemeral: RspKey::from_stream(pki.curve(), &mut RngTree::new(5).stream("ephemeral")),
            identity,
            metadata: metadata(ts48_iccid(), "ts48"),
            package: TS48.to_vec(),
            own_keys: true,
            confirmation: false,
            bound_to: None,
            eid: eid_bytes(),
        }
    }

    pub fn authenticate(&self, challenge: [u8; 16]) -> AuthenticateServerRequest {
        let signed = ServerSigned1 {
            transaction_id: self.transaction_id.clone(),
            euicc_challenge: challenge,
            server_address: SMDP.to_owned(),
            server_challenge: [0x22; 16],
        }
        .to_bytes();
        AuthenticateServerRequest {
            server_signature1: self.identity.auth.key.sign(&signed),
            server_signed1: signed,
            ci_key_id: self.ci_key_id.clone(),
            certificate: self.identity.auth.certificate.der().to_vec(),
            ctx_params1: CtxParams1 {
                matching_id: Some("M1".to_owned()),
                device: DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]),
            },
        }
    }

    pub fn prepare(&self, euicc_signature1: &[u8; 64]) -> PrepareDownloadRequest {
        let signed = SmdpSigned2 {
            transaction_id: self.transaction_id.clone(),
            confirmation_code_required: self.confirmation,
            bpp_euicc_otpk: self.bound_to.clone(),
        }
        .to_bytes();
        let message = [&signed[..], &[0x5f, 0x37, 0x40], euicc_signature1].concat();
        PrepareDownloadRequest {
            smdp_signature2: self.identity.pb.key.sign(&message),
            smdp_signed2: signed,
            hash_cc: self.confirmation.then_some([0x33; 32]),
            certificate: self.identity.pb.certificate.der().to_vec(),
        }
    }

    /// ES8+.InitialiseSecureChannel and the keys of the channel.
    pub fn channel(&self, otpk: &[u8]) -> (InitialiseSecureChannel, SessionKeys) {
        let mut request = InitialiseSecureChannel {
            operation: InitialiseSecureChannel::INSTALL,
            transaction_id: self.transaction_id.clone(),
            key_type: InitialiseSecureChannel::AES,
            key_length: 16,
            host_id: b"host".to_vec(),
            smdp_otpk: self.ephemeral.public().uncompressed().to_vec(),
            smdp_sign: [0; 64],
        };
        request.smdp_sign = self.identity.pb.key.sign(&request.signed(otpk));
        let public = RspPublicKey::from_uncompressed(self.ephemeral.curve(), otpk).unwrap();
        let shared = self.ephemeral.agree(&public).unwrap();
        let keys = SessionKeys::derive(&shared, 0x88, 16, &request.host_id, &self.eid);
        (request, keys)
    }

    pub fn bind(&self, otpk: &[u8]) -> BoundProfilePackage {
        let (request, keys) = self.channel(otpk);
        let mut bsp = Bsp::new(&keys);
        let oid = self.identity.oid.contents();
        let configure = vec![bsp.seal(0x87, &ConfigureIsdp::of(oid).to_bytes())];
        let metadata = vec![bsp.sign(0x88, &self.metadata.to_bytes())];
        let own = ReplaceSessionKeys {
            initial_mac_chaining_value: [0x41; 16],
            ppk_enc: [0x42; 16],
            ppk_cmac: [0x43; 16],
        };
        let replace = self.own_keys.then(|| vec![bsp.seal(0x87, &own.to_bytes())]);
        if self.own_keys {
            bsp = Bsp::new(&SessionKeys {
                mac_chaining_value: own.initial_mac_chaining_value,
                enc: own.ppk_enc,
                mac: own.ppk_cmac,
            });
        }
        BoundProfilePackage {
            initialise_secure_channel: request.to_bytes(),
            configure_isdp: configure,
            store_metadata: metadata,
            replace_session_keys: replace,
            profile: self.package.chunks(PAYLOAD_MAX).map(|part| bsp.seal(0x86, part)).collect(),
        }
    }

    /// Authenticates and prepares; what the eUICC signs is verified.
    pub fn until_prepared(&self, card: &mut Uicc) -> Prepared {
        let challenge = parse_challenge_response(&es10(card, &challenge_request())).unwrap();
        let response = es10(card, &self.authenticate(challenge).to_bytes());
        let AuthenticateServerResponse::Ok { euicc_signed1, euicc_signature1, euicc_certificate, .. } =
            AuthenticateServerResponse::parse(&response).unwrap()
        else {
            panic!("{:?}", card.last_reason())
        };
        let euicc = RspCertificate::parse(&euicc_certificate).unwrap();
        euicc.public().verify(&euicc_signed1, &euicc_signature1, &Tally::new()).unwrap();
        let request = self.prepare(&euicc_signature1);
        let response = es10(card, &request.to_bytes());
        let PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } =
            PrepareDownloadResponse::parse(&response).unwrap()
        else {
            panic!("{:?}", card.last_reason())
        };
        let message = [&euicc_signed2[..], &[0x5f, 0x37, 0x40], &request.smdp_signature2].concat();
        euicc.public().verify(&message, &euicc_signature2, &Tally::new()).unwrap();
        let signed2 = EuiccSigned2::parse(&euicc_signed2).unwrap();
        Prepared { otpk: signed2.euicc_otpk, hash_cc: signed2.hash_cc }
    }

    /// The whole download. Returns the last response, the result of the installation.
    pub fn download(&self, card: &mut Uicc) -> Vec<u8> {
        let prepared = self.until_prepared(card);
        load(card, &self.bind(&prepared.otpk).pieces())
    }
}

/// Sends the pieces of a package until one is answered with data.
pub fn load(card: &mut Uicc, pieces: &[Vec<u8>]) -> Vec<u8> {
    pieces.iter().map(|piece| es10(card, piece)).find(|response| !response.is_empty()).unwrap_or_default()
}
