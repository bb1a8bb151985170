//! Profile packages on their way to an eUICC: protected, bound, and the parts of a bound profile package (SGP.22
//! clauses 2.5.3, 2.5.4 and 5.5).

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde::{Deserialize, Serialize};

use super::super::store;
use crate::crypto::bsp::{Bsp, PAYLOAD_MAX, SessionKeys};
use crate::crypto::rsp_cert::{Curve, Oid, RspKey, RspPublicKey};
use crate::crypto::{CryptoError, Tally};
use crate::id::Eid;
use crate::wire::bcd;
use crate::wire::rsp::{
    BoundProfilePackage, ConfigureIsdp, InitialiseSecureChannel, ProfileMetadata, ReplaceSessionKeys,
    Segments,
};

/// The most payload of a segment that is not encrypted, so that its data object has at most 1,020 bytes.
const CLEAR_PAYLOAD_MAX: usize = 1008;
/// AES-128.
const KEY_LENGTH: u8 = 16;

/// A profile package as an order holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Package {
    /// Unprotected: encrypted anew with the session keys of each binding.
    Plain(#[serde(with = "store")] Vec<u8>),
    /// Encrypted once with keys of its own, which each binding hands to the eUICC.
    Protected {
        #[serde(with = "store")]
        keys: ReplaceSessionKeys,
        #[serde(with = "store")]
        segments: Segments,
    },
}

impl Package {
    /// Protects a package with `keys`; one without stays as it is.
    pub(super) fn protect(package: Vec<u8>, keys: PackageKeys) -> Self {
        let Some(keys) = keys.0 else { return Self::Plain(package) };
        let mut bsp = Bsp::new(&SessionKeys {
            mac_chaining_value: keys.initial_mac_chaining_value,
            enc: keys.ppk_enc,
            mac: keys.ppk_cmac,
        });
        let segments = seal(&mut bsp, 0x86, &package);
        Self::Protected { keys, segments }
    }
}

/// The keys that a package is protected with, drawn before the package is there; none where packages are encrypted
/// anew for each binding.
pub struct PackageKeys(Option<ReplaceSessionKeys>);

impl PackageKeys {
    pub(super) const NONE: Self = Self(None);

    pub(super) fn draw(rng: &mut ChaCha20Rng) -> Self {
        let mut draw = || {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        Self(Some(ReplaceSessionKeys {
            initial_mac_chaining_value: draw(),
            ppk_enc: draw(),
            ppk_cmac: draw(),
        }))
    }
}

/// A package bound to one key of one eUICC.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Binding {
    pub(super) eid: Eid,
    /// The eUICC's long-lived key: what it signs notifications with.
    #[serde(with = "store")]
    pub(super) euicc_key: RspPublicKey,
    /// `04 X Y`.
    #[serde(with = "store")]
    pub(super) euicc_otpk: Vec<u8>,
    #[serde(with = "store")]
    smdp_otpk: Vec<u8>,
    #[serde(with = "store")]
    configure_isdp: Segments,
    #[serde(with = "store")]
    store_metadata: Segments,
    #[serde(with = "store")]
    replace_session_keys: Option<Segments>,
    /// The encrypted profile, where it is not the order's.
    #[serde(with = "store")]
    profile: Option<Segments>,
}

impl Binding {
    /// Drops what was bound; who it was bound to is still known.
    pub(super) fn forget_segments(&mut self) {
        self.configure_isdp.clear();
        self.store_metadata.clear();
        self.replace_session_keys = None;
        self.profile = None;
    }
}

/// Who binds.
pub(super) struct Binder<'a> {
    pub(super) pb: &'a RspKey,
    pub(super) oid: &'a Oid,
    pub(super) tally: &'a Tally,
}

impl Binder<'_> {
    /// Agrees on session keys with the eUICC's one-time key and protects with them what has to be.
    pub(super) fn bind(
        &self,
        package: &Package,
        metadata: &ProfileMetadata,
        eid: &Eid,
        euicc_key: &RspPublicKey,
        euicc_otpk: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Result<Binding, CryptoError> {
        let curve: Curve = self.pb.curve();
        let peer = RspPublicKey::from_uncompressed(curve, euicc_otpk)?;
        let own = RspKey::from_stream(curve, rng).counted(self.tally);
        let shared = own.agree(&peer)?;
        let keys = SessionKeys::derive(
            &shared,
            InitialiseSecureChannel::AES,
            KEY_LENGTH,
            &self.host_id(),
            &bcd::eid(eid),
        );
        let mut bsp = Bsp::new(&keys);
        let configure_isdp = seal(&mut bsp, 0x87, &ConfigureIsdp::of(self.oid.contents()).to_bytes());
        let metadata = metadata.to_bytes();
        let store_metadata =
            metadata.chunks(CLEAR_PAYLOAD_MAX).map(|payload| bsp.sign(0x88, payload)).collect();
        let (replace_session_keys, profile) = match package {
            Package::Plain(package) => (None, Some(seal(&mut bsp, 0x86, package))),
            Package::Protected { keys, .. } => (Some(seal(&mut bsp, 0x87, &keys.to_bytes())), None),
        };
        Ok(Binding {
            eid: eid.clone(),
            euicc_key: *euicc_key,
            euicc_otpk: euicc_otpk.to_vec(),
            smdp_otpk: own.public().uncompressed().to_vec(),
            configure_isdp,
            store_metadata,
            replace_session_keys,
            profile,
        })
    }

    /// The bound profile package for a session: what was bound before, under a new signed head.
    pub(super) fn bound_package(
        &self,
        package: &Package,
        binding: &Binding,
        transaction_id: &[u8],
    ) -> BoundProfilePackage {
        let mut head = InitialiseSecureChannel {
            operation: InitialiseSecureChannel::INSTALL,
            transaction_id: transaction_id.to_vec(),
            key_type: InitialiseSecureChannel::AES,
            key_length: KEY_LENGTH,
            host_id: self.host_id(),
            smdp_otpk: binding.smdp_otpk.clone(),
            smdp_sign: [0; 64],
        };
        head.smdp_sign = self.pb.sign(&head.signed(&binding.euicc_otpk));
        let profile = match (&binding.profile, package) {
            (Some(profile), _) => profile.clone(),
            (None, Package::Protected { segments, .. }) => segments.clone(),
            (None, Package::Plain(_)) => Segments::new(),
        };
        BoundProfilePackage {
            initialise_secure_channel: head.to_bytes(),
            configure_isdp: binding.configure_isdp.clone(),
            store_metadata: binding.store_metadata.clone(),
            replace_session_keys: binding.replace_session_keys.clone(),
            profile,
        }
    }

    /// 1 to 16 bytes that name the SM-DP+ in the key derivation: its object identifier.
    fn host_id(&self) -> Vec<u8> {
        self.oid.contents().iter().copied().take(16).collect()
    }
}

fn seal(bsp: &mut Bsp, tag: u8, payload: &[u8]) -> Segments {
    payload.chunks(PAYLOAD_MAX).map(|payload| bsp.seal(tag, payload)).collect()
}
