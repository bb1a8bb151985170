//! A rustls `CryptoProvider` whose every random byte comes from a stream of the run (RFC 8446).
//!
//! Hello randoms, session identifiers, the order of the extensions and the ephemeral keys are drawn from
//! one ChaCha20 stream in the order in which the handshakes ask for them. That order is the order of the
//! events of the run, so equal seeds give equal flights, byte for byte.
//!
//! rustls takes its random source, its key exchange groups and its verification algorithms as `&'static`.
//! A provider therefore leaks its stream and a few references on purpose: less than 600 bytes, measured by
//! a test. Make one provider per service, and one per device of [`Providers`], which gives out again what nobody uses
//! any more; not one per connection. Nothing here is a process-wide global, so two runs in one process do not disturb
//! each other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret,
    SupportedKxGroup, WebPkiSupportedAlgorithms,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm,
};
use rustls::sign::SigningKey;
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};
use webpki::aws_lc_rs::ECDSA_P256_SHA256;
use zeroize::Zeroizing;

use super::super::{Op, Tally};
use crate::kernel::RngTree;

/// Builds a provider that draws from the stream "tls" of `rng` and counts its public-key operations in
/// `tally`.
///
/// It offers TLS 1.3 only: TLS_AES_128_GCM_SHA256 before the other two suites, secp256r1 before x25519,
/// and ecdsa_secp256r1_sha256 as the only signature scheme. It loads no private keys; configurations take
/// a signing key from [`super::signing_key`].
pub fn provider(rng: RngTree, tally: &Tally) -> Arc<CryptoProvider> {
    leaked(rng, tally).0
}

/// The providers of parties that come and go: what one has leaked is given to the next, once nobody holds it, so that
/// as much is leaked as parties were there at once.
pub struct Providers {
    tally: Tally,
    /// The one that was given out longest ago first.
    made: VecDeque<(Arc<CryptoProvider>, &'static Source)>,
}

impl Providers {
    /// How many are looked at for one that nobody holds: those that came first are gone first, by and large.
    const LOOKED_AT: usize = 8;

    /// None yet; what they compute will be counted in `tally`.
    pub fn new(tally: &Tally) -> Self {
        Self { tally: tally.clone(), made: VecDeque::new() }
    }

    /// As [`provider`].
    pub fn provider(&mut self, rng: RngTree) -> Arc<CryptoProvider> {
        for _ in 0..Self::LOOKED_AT.min(self.made.len()) {
            let Some((provider, source)) = self.made.pop_front() else { break };
            self.made.push_back((provider.clone(), source));
            // One is in the list, and one in our hand.
            if Arc::strong_count(&provider) == 2 {
                source.begin(rng);
                return provider;
            }
        }
        let (provider, source) = leaked(rng, &self.tally);
        self.made.push_back((provider.clone(), source));
        provider
    }
}

fn leaked(rng: RngTree, tally: &Tally) -> (Arc<CryptoProvider>, &'static Source) {
    let source: &'static Source =
        Box::leak(Box::new(Source { stream: Mutex::new(stream(&rng)), tally: tally.clone() }));
    let group = |curve| -> &'static dyn SupportedKxGroup { Box::leak(Box::new(Group { curve, source })) };
    let verification: &'static dyn SignatureVerificationAlgorithm =
        Box::leak(Box::new(CountedP256 { source }));
    let algorithms: &'static Algorithms = Box::leak(Box::new([verification]));
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![group(Curve::Secp256r1), group(Curve::X25519)],
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: algorithms,
            mapping: Box::leak(Box::new([(SignatureScheme::ECDSA_NISTP256_SHA256, &algorithms[..])])),
        },
        secure_random: source,
        key_provider: &NoPrivateKeys,
    });
    (provider, source)
}

fn stream(rng: &RngTree) -> ChaCha20Rng {
    rng.stream("tls")
}

type Algorithms = [&'static dyn SignatureVerificationAlgorithm; 1];

/// The stream that a provider draws from, and where it counts.
struct Source {
    stream: Mutex<ChaCha20Rng>,
    tally: Tally,
}

impl Source {
    /// Draws from the stream of `rng` from now on.
    fn begin(&self, rng: RngTree) {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = stream(&rng);
    }

    fn draw(&self, bytes: &mut [u8]) {
        // A stream is whole after any draw, so a panic elsewhere leaves nothing to repair.
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

impl fmt::Debug for Source {
    /// Nothing of the stream: it is the key to everything the provider protects.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl SecureRandom for Source {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.draw(bytes);
        Ok(())
    }
}

/// The curves of the key exchange (RFC 8446 section 4.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    Secp256r1,
    X25519,
}

impl Curve {
    fn name(self) -> NamedGroup {
        match self {
            Self::Secp256r1 => NamedGroup::secp256r1,
            Self::X25519 => NamedGroup::X25519,
        }
    }

    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::Secp256r1 => &agreement::ECDH_P256,
            Self::X25519 => &agreement::X25519,
        }
    }

    /// Whether `share` has the only form that RFC 8446 section 4.2.8.2 allows; aws-lc takes compressed
    /// points too.
    fn takes(self, share: &[u8]) -> bool {
        match self {
            Self::Secp256r1 => share.len() == 65 && share[0] == 0x04,
            Self::X25519 => share.len() == 32,
        }
    }

    fn op(self) -> Op {
        match self {
            Self::Secp256r1 => Op::P256Agree,
            Self::X25519 => Op::X25519Agree,
        }
    }
}

/// A key exchange group whose private keys come from the stream.
struct Group {
    curve: Curve,
    source: &'static Source,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.curve.fmt(f)
    }
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = self.draw_private_key()?;
        self.source.tally.count(Op::EcdhKeyGen);
        let share = private.compute_public_key().map_err(|_| GetRandomFailed)?.as_ref().to_vec();
        Ok(Box::new(Exchange { curve: self.curve, private, share, tally: self.source.tally.clone() }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        self.curve.name()
    }
}

impl Group {
    fn draw_private_key(&self) -> Result<PrivateKey, Error> {
        // A draw is outside the P-256 group once in 2^32: four in a row do not happen.
        for _ in 0..4 {
            let mut scalar = Zeroizing::new([0; 32]);
            self.source.draw(&mut *scalar);
            if let Ok(key) = PrivateKey::from_private_key(self.curve.algorithm(), &*scalar) {
                return Ok(key);
            }
        }
        Err(GetRandomFailed.into())
    }
}

/// A key exchange that waits for the peer's share.
struct Exchange {
    curve: Curve,
    private: PrivateKey,
    share: Vec<u8>,
    tally: Tally,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        if !self.curve.takes(peer) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        self.tally.count(self.curve.op());
        let peer = UnparsedPublicKey::new(self.curve.algorithm(), peer);
        agreement::agree(&self.private, peer, (), |secret| Ok(SharedSecret::from(secret)))
            .map_err(|()| PeerMisbehaved::InvalidKeyShare.into())
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        self.curve.name()
    }
}

/// ecdsa_secp256r1_sha256 through aws-lc, counted.
#[derive(Debug)]
struct CountedP256 {
    source: &'static Source,
}

impl SignatureVerificationAlgorithm for CountedP256 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.source.tally.count(Op::P256Verify);
        ECDSA_P256_SHA256.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.signature_alg_id()
    }
}

/// Loads nothing: aws-lc would sign with its own entropy, and the run would no longer repeat.
#[derive(Debug)]
struct NoPrivateKeys;

impl KeyProvider for NoPrivateKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("the seeded provider loads no private keys: give it a SigningKey".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_leaks_less_than_600_bytes() {
        let mapping = size_of::<(SignatureScheme, &[&dyn SignatureVerificationAlgorithm])>();
        let leaked = size_of::<Source>()
            + 2 * size_of::<Group>()
            + size_of::<CountedP256>()
            + size_of::<Algorithms>()
            + mapping;
        assert!(leaked < 600, "{leaked} bytes");
    }

    #[test]
    fn what_nobody_holds_any_more_is_given_out_again_and_draws_as_a_new_one() {
        let tally = Tally::new();
        let mut providers = Providers::new(&tally);
        let share = |provider: &CryptoProvider| provider.kx_groups[0].start().unwrap().pub_key().to_vec();
        let (first, second) = (providers.provider(RngTree::new(1)), providers.provider(RngTree::new(2)));
        assert!(!Arc::ptr_eq(&first, &second));
        assert_ne!(share(&first), share(&second));
        let place = Arc::as_ptr(&first);
        drop(first);
        let third = providers.provider(RngTree::new(3));
        assert_eq!(Arc::as_ptr(&third), place);
        assert_eq!(share(&third), share(&provider(RngTree::new(3), &tally)));
        let many: Vec<_> = (0..100).map(|seed| providers.provider(RngTree::new(seed))).collect();
        assert_eq!((providers.made.len(), many.len()), (102, 100));
        drop(many);
        for seed in 0..1_000 {
            drop(providers.provider(RngTree::new(seed)));
        }
        assert_eq!(providers.made.len(), 102);
    }

    fn groups(seed: u64) -> (Vec<&'static dyn SupportedKxGroup>, Tally) {
        let tally = Tally::new();
        (provider(RngTree::new(seed), &tally).kx_groups.clone(), tally)
    }

    #[test]
    fn both_groups_agree_and_repeat() {
        for curve in 0..2 {
            let (one, tally) = groups(7);
            let (again, _) = groups(7);
            let (other, _) = groups(8);
            let (left, right) = (one[curve].start().unwrap(), other[curve].start().unwrap());
            assert_eq!(left.pub_key(), again[curve].start().unwrap().pub_key());
            assert_ne!(left.pub_key(), right.pub_key());
            let (left_share, right_share) = (left.pub_key().to_vec(), right.pub_key().to_vec());
            let secret = left.complete(&right_share).unwrap();
            assert_eq!(secret.secret_bytes(), right.complete(&left_share).unwrap().secret_bytes());
            assert_eq!(tally.of(Op::EcdhKeyGen), 1);
            assert_eq!(tally.of(Op::P256Agree) + tally.of(Op::X25519Agree), 1);
        }
    }

    #[test]
    fn shares_of_another_form_are_the_peers_fault() {
        let (groups, _) = groups(7);
        for share in [&[][..], &[0x04; 65], &[0x02; 33], &[0; 32]] {
            for group in &groups {
                let error = group.start().unwrap().complete(share).map(|_| ()).unwrap_err();
                assert_eq!(error, PeerMisbehaved::InvalidKeyShare.into(), "{group:?} {}", share.len());
            }
        }
    }

    #[test]
    fn private_keys_are_not_loaded() {
        let provider = provider(RngTree::new(7), &Tally::new());
        let key = PrivateKeyDer::Pkcs8(vec![0x30, 0x00].into());
        assert!(matches!(provider.key_provider.load_private_key(key), Err(Error::General(_))));
    }
}
