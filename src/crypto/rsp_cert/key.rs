//! The keys of remote SIM provisioning (SGP.22 clause 2.6.7): P-256 and brainpoolP256r1, ECDSA with SHA-256 as
//! raw `r || s` (BSI TR-03111) and Diffie-Hellman. On P-256, see [`super::super::ecdsa`]; `aws-lc-rs` verifies and agrees;
//! brainpoolP256r1, which `aws-lc-rs` does not have, is `bp256` throughout.

use std::fmt;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest;
use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::point::AffineCoordinates as _;
use ecdsa::signature::{Signer as _, Verifier as _};
use p256::elliptic_curve::ops::Reduce as _;
use p256::elliptic_curve::point::DecompressPoint as _;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::{CryptoError, Op, SoftKey, Tally, ecdsa as p256_ecdsa, key};

type BrainpoolSigningKey = ecdsa::SigningKey<BrainpoolP256r1>;
type BrainpoolVerifyingKey = ecdsa::VerifyingKey<BrainpoolP256r1>;
type BrainpoolSignature = ecdsa::Signature<BrainpoolP256r1>;

/// The curves of SGP.22 clause 2.6.7.1 that the test material of SGP.26 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256 (FIPS 186-5; secp256r1).
    P256,
    /// brainpoolP256r1 (RFC 5639).
    BrainpoolP256r1,
}

impl Curve {
    /// The content octets of the curve's object identifier.
    pub(super) const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::BrainpoolP256r1 => &[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
        }
    }

    /// The curve with this object identifier, given as content octets.
    pub(super) fn of_oid(oid: &[u8]) -> Option<Self> {
        [Self::P256, Self::BrainpoolP256r1].into_iter().find(|curve| curve.oid() == oid)
    }

    /// Its usual name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A key pair of a server, a certificate issuer or an eUICC, long-lived or ephemeral.
#[derive(Clone)]
pub struct RspKey {
    secret: Secret,
    scalar: Zeroizing<[u8; 32]>,
    public: RspPublicKey,
    tally: Option<Tally>,
}

#[derive(Clone)]
enum Secret {
    P256(p256::SecretKey),
    Brainpool(BrainpoolSigningKey),
}

impl RspKey {
    /// Draws a key pair from `stream`: 32 bytes, drawn again until they are a scalar of the group.
    pub fn from_stream(curve: Curve, stream: &mut ChaCha20Rng) -> Self {
        loop {
            let mut scalar = Zeroizing::new([0; 32]);
            stream.fill_bytes(&mut *scalar);
            if let Ok(key) = Self::from_scalar(curve, &scalar) {
                return key;
            }
        }
    }

    /// The key pair whose private key is `scalar`, big endian.
    ///
    /// # Errors
    /// [`CryptoError::PrivateKey`] where the scalar is zero or not below the order of the group.
    pub fn from_scalar(curve: Curve, scalar: &[u8; 32]) -> Result<Self, CryptoError> {
        let (secret, point) = match curve {
            Curve::P256 => {
                let key = p256::SecretKey::from_slice(scalar).map_err(|_| CryptoError::PrivateKey)?;
                (Secret::P256(key), p256_ecdsa::public_of(scalar).ok_or(CryptoError::PrivateKey)?)
            }
            Curve::BrainpoolP256r1 => {
                let key = BrainpoolSigningKey::from_slice(scalar).map_err(|_| CryptoError::PrivateKey)?;
                let mut point = [0; 64];
                point.copy_from_slice(&key.verifying_key().to_sec1_point(false).as_bytes()[1..]);
                (Secret::Brainpool(key), point)
            }
        };
        let public = RspPublicKey { curve, point };
        Ok(Self { secret, scalar: Zeroizing::new(*scalar), public, tally: None })
    }

    /// The same key, whose generation, signatures and agreements are counted in `tally`.
    pub fn counted(mut self, tally: &Tally) -> Self {
        tally.count(match self.curve() {
            Curve::P256 => Op::P256KeyGen,
            Curve::BrainpoolP256r1 => Op::BrainpoolKeyGen,
        });
        self.tally = Some(tally.clone());
        self
    }

    /// The private key, big endian.
    pub fn scalar(&self) -> &[u8; 32] {
        &self.scalar
    }

    /// The public half.
    pub fn public(&self) -> &RspPublicKey {
        &self.public
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.public.curve
    }

    /// Signs `message`, hashed with SHA-256 (RFC 6979). The result is raw, `r || s`, as the data object `5F37`
    /// holds it.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.count(Op::P256Sign, Op::BrainpoolSign);
        match &self.secret {
            Secret::P256(key) => {
                p256_ecdsa::sign_digest(&key.to_nonzero_scalar(), &Sha256::digest(message).into())
            }
            Secret::Brainpool(key) => {
                let signature: BrainpoolSignature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }

    /// The x-coordinate of the Diffie-Hellman point with `peer` (BSI TR-03111 clause 4.3.1; SGP.22 annex G).
    ///
    /// # Errors
    /// [`CryptoError::OtherCurve`] where the keys are not on one curve.
    pub fn agree(&self, peer: &RspPublicKey) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        if peer.curve != self.curve() {
            return Err(CryptoError::OtherCurve { ours: self.curve().as_str(), theirs: peer.curve.as_str() });
        }
        self.count(Op::P256Agree, Op::BrainpoolAgree);
        let wrong = |()| CryptoError::PublicKey { found: 65 };
        let mut x = Zeroizing::new([0; 32]);
        match &self.secret {
            Secret::P256(_) => {
                let private = PrivateKey::from_private_key(&agreement::ECDH_P256, &*self.scalar)
                    .map_err(|_| CryptoError::PrivateKey)?;
                let peer = UnparsedPublicKey::new(&agreement::ECDH_P256, peer.uncompressed());
                agreement::agree(&private, peer, (), |secret| {
                    x.copy_from_slice(secret);
                    Ok(())
                })
                .map_err(wrong)?;
            }
            Secret::Brainpool(key) => {
                let point = bp256_public(peer)?.to_projective() * key.as_nonzero_scalar().as_ref();
                x.copy_from_slice(&point.to_affine().x());
            }
        }
        Ok(x)
    }

    /// This key as what the certificates and connections of TLS take; `None` on brainpoolP256r1, which TLS 1.3
    /// of this program does not offer.
    pub fn soft(&self) -> Option<SoftKey> {
        match self.curve() {
            Curve::P256 => SoftKey::from_scalar(&self.scalar).ok(),
            Curve::BrainpoolP256r1 => None,
        }
    }

    fn count(&self, p256: Op, brainpool: Op) {
        if let Some(tally) = &self.tally {
            tally.count(match self.curve() {
                Curve::P256 => p256,
                Curve::BrainpoolP256r1 => brainpool,
            });
        }
    }
}

impl PartialEq for RspKey {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for RspKey {}

impl fmt::Debug for RspKey {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RspKey({}, {})", self.curve(), hex::encode(self.public.point))
    }
}

/// A public key: a point that is known to be on its curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RspPublicKey {
    curve: Curve,
    /// `X || Y`.
    point: [u8; 64],
}

impl RspPublicKey {
    /// Reads an uncompressed point, `04 || X || Y` (SEC 1 section 2.3.3), as the data object `5F49` holds it.
    ///
    /// # Errors
    /// [`CryptoError::PublicKey`] where it has another form or is not on the curve.
    pub fn from_uncompressed(curve: Curve, octets: &[u8]) -> Result<Self, CryptoError> {
        let wrong = CryptoError::PublicKey { found: octets.len() };
        let Ok([0x04, point @ ..]) = <&[u8; 65]>::try_from(octets) else { return Err(wrong) };
        let public = Self { curve, point: *point };
        match curve {
            Curve::P256 => {
                p256::PublicKey::from_sec1_bytes(octets).map_err(|_| wrong)?;
            }
            Curve::BrainpoolP256r1 => {
                bp256_public(&public)?;
            }
        }
        Ok(public)
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// `X || Y`.
    pub fn point(&self) -> &[u8; 64] {
        &self.point
    }

    /// `04 || X || Y`.
    pub fn uncompressed(&self) -> [u8; 65] {
        let mut octets = [0x04; 65];
        octets[1..].copy_from_slice(&self.point);
        octets
    }

    /// The key identifier of a certificate on this key: the SHA-1 of the subjectPublicKey (RFC 5280 section
    /// 4.2.1.2, method 1; SGP.22 clause 4.5.2.1).
    pub fn key_id(&self) -> [u8; 20] {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.uncompressed());
        let mut id = [0; 20];
        id.copy_from_slice(digest.as_ref());
        id
    }

    /// Verifies the raw signature `r || s` of `message`, and counts that in `tally`.
    ///
    /// # Errors
    /// [`CryptoError::BadSignature`] where it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64], tally: &Tally) -> Result<(), CryptoError> {
        match self.curve {
            Curve::P256 => {
                tally.count(Op::P256Verify);
                key::verify(&self.point, message, signature)
            }
            Curve::BrainpoolP256r1 => {
                tally.count(Op::BrainpoolVerify);
                let bad = |_| CryptoError::BadSignature;
                let signature = BrainpoolSignature::from_slice(signature).map_err(bad)?;
                BrainpoolVerifyingKey::from(bp256_public(self)?).verify(message, &signature).map_err(bad)
            }
        }
    }

    /// The keys on `curve` with which the raw signature `r || s` of `message` verifies (SEC 1 section 4.1.6): two, or
    /// none where it is no signature at all. Counts each as a verification in `tally`. A signature whose `r` was
    /// reduced, one of 2^32, gives its signer no longer away.
    pub fn of_signature(curve: Curve, message: &[u8], signature: &[u8; 64], tally: &Tally) -> Vec<Self> {
        let digest: [u8; 32] = Sha256::digest(message).into();
        let of = |y_is_odd| {
            let octets: Vec<u8> = match curve {
                Curve::P256 => {
                    tally.count(Op::P256Verify);
                    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
                    p256_signer(&digest, &signature, y_is_odd)?.to_encoded_point(false).as_bytes().to_vec()
                }
                Curve::BrainpoolP256r1 => {
                    tally.count(Op::BrainpoolVerify);
                    let signature = BrainpoolSignature::from_slice(signature).ok()?;
                    let id = ecdsa::RecoveryId::new(y_is_odd, false);
                    let recover = BrainpoolVerifyingKey::recover_from_prehash;
                    let key = recover(&digest, &signature, id).ok()?;
                    key.to_sec1_point(false).as_bytes().to_vec()
                }
            };
            Self::from_uncompressed(curve, &octets).ok()
        };
        [false, true].into_iter().filter_map(of).collect()
    }

    /// The `SubjectPublicKeyInfo` in DER (RFC 5480 section 2.1.1).
    pub fn spki_der(&self) -> Vec<u8> {
        let curve = self.curve.oid();
        let algorithm = 2 + EC_PUBLIC_KEY.len() + curve.len();
        let mut der = vec![0x30, (2 + algorithm + 2 + 66) as u8, 0x30, algorithm as u8];
        der.extend_from_slice(&EC_PUBLIC_KEY);
        der.extend_from_slice(&[0x06, curve.len() as u8]);
        der.extend_from_slice(curve);
        der.extend_from_slice(&[0x03, 66, 0x00]);
        der.extend_from_slice(&self.uncompressed());
        der
    }

    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`CryptoError::Curve`] where the key is not on one of the two curves, [`CryptoError::PublicKey`] where it
    /// is not an uncompressed point on its curve.
    pub fn from_spki(der: &[u8]) -> Result<Self, CryptoError> {
        for curve in [Curve::P256, Curve::BrainpoolP256r1] {
            let header = Self { curve, point: [0; 64] }.spki_der();
            let header = &header[..header.len() - 65];
            if let Some(octets) = der.strip_prefix(header) {
                return Self::from_uncompressed(curve, octets);
            }
        }
        Err(CryptoError::Curve)
    }
}

impl fmt::Debug for RspPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RspPublicKey({}, {})", self.curve, hex::encode(self.point))
    }
}

/// id-ecPublicKey (RFC 5480 section 2.1.1) with its header.
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// Q = r^-1 (s R - e G), R being the point with the abscissa r and an ordinate of this parity.
fn p256_signer(
    digest: &[u8; 32],
    signature: &p256::ecdsa::Signature,
    y_is_odd: bool,
) -> Option<p256::PublicKey> {
    let (r, s) = signature.split_scalars();
    let e = p256::Scalar::reduce_bytes(&p256::FieldBytes::from(*digest));
    let point = Option::<p256::AffinePoint>::from(p256::AffinePoint::decompress(
        &p256::FieldBytes::from(*r),
        u8::from(y_is_odd).into(),
    ))?;
    let inverse = Option::<p256::Scalar>::from(r.invert())?;
    let signer = p256::ProjectivePoint::from(point) * (inverse * *s)
        - p256::ProjectivePoint::GENERATOR * (inverse * e);
    p256::PublicKey::from_affine(signer.to_affine()).ok()
}

fn bp256_public(
    key: &RspPublicKey,
) -> Result<bp256::elliptic_curve::PublicKey<BrainpoolP256r1>, CryptoError> {
    bp256::elliptic_curve::PublicKey::from_sec1_bytes(&key.uncompressed())
        .map_err(|_| CryptoError::PublicKey { found: 65 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    const CURVES: [Curve; 2] = [Curve::P256, Curve::BrainpoolP256r1];

    fn key(curve: Curve, purpose: &str) -> RspKey {
        RspKey::from_stream(curve, &mut RngTree::new(7).stream(purpose))
    }

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 7027 appendix A.1: brainpoolP256r1.
    #[test]
    fn agreement_on_brainpool_is_that_of_rfc_7027() {
        let pair = |scalar: &str| RspKey::from_scalar(Curve::BrainpoolP256r1, &bytes(scalar)).unwrap();
        let a = pair("81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d");
        let b = pair("55e40bc41e37e3e2ad25c3c6654511ffa8474a91a0032087593852d3e7d76bd3");
        assert_eq!(
            hex::encode(a.public().point()),
            "44106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be5\
             8ab4846f11caccb73ce49cbdd120f5a900a69fd32c272223f789ef10eb089bdc"
        );
        assert_eq!(
            hex::encode(b.public().point()),
            "8d2d688c6cf93e1160ad04cc4429117dc2c41825e1e9fca0addd34e6f1b39f7b\
             990c57520812be512641e47034832106bc7d3e8dd0e4c7f1136d7006547cec6a"
        );
        let x = "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b";
        assert_eq!(hex::encode(*a.agree(b.public()).unwrap()), x);
        assert_eq!(hex::encode(*b.agree(a.public()).unwrap()), x);
    }

    /// NIST CAVS 14.1, ECC CDH on P-256, COUNT = 0.
    #[test]
    fn agreement_on_p256_is_that_of_nist() {
        let ours = bytes("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
        let ours = RspKey::from_scalar(Curve::P256, &ours).unwrap();
        let theirs: [u8; 65] = bytes(
            "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287\
             db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
        );
        let theirs = RspPublicKey::from_uncompressed(Curve::P256, &theirs).unwrap();
        assert_eq!(
            hex::encode(*ours.agree(&theirs).unwrap()),
            "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"
        );
    }

    #[test]
    fn signatures_verify_under_their_key_and_curve_only() {
        for curve in CURVES {
            let (ours, other, tally) = (key(curve, "a"), key(curve, "b"), Tally::new());
            let signature = ours.sign(b"message");
            assert_eq!(ours.sign(b"message"), signature, "RFC 6979");
            assert_eq!(ours.public().verify(b"message", &signature, &tally), Ok(()));
            let bad = Err(CryptoError::BadSignature);
            assert_eq!(ours.public().verify(b"massage", &signature, &tally), bad);
            assert_eq!(other.public().verify(b"message", &signature, &tally), bad);
            assert_eq!(ours.public().verify(b"message", &[0; 64], &tally), bad);
            assert_eq!(ours.public().verify(b"message", &[0xff; 64], &tally), bad);
            for at in 0..64 {
                let mut changed = signature;
                changed[at] ^= 0x10;
                assert_eq!(ours.public().verify(b"message", &changed, &tally), bad, "byte {at}");
            }
        }
        let (p256, brainpool) = (key(Curve::P256, "a"), key(Curve::BrainpoolP256r1, "a"));
        assert!(matches!(p256.agree(brainpool.public()), Err(CryptoError::OtherCurve { .. })));
        assert!(RspPublicKey::from_uncompressed(Curve::P256, &brainpool.public().uncompressed()).is_err());
        assert!(
            RspPublicKey::from_uncompressed(Curve::BrainpoolP256r1, &p256.public().uncompressed()).is_err()
        );
    }

    #[test]
    fn operations_are_counted_by_curve() {
        let tally = Tally::new();
        for curve in CURVES {
            let counted = key(curve, "a").counted(&tally);
            let signature = counted.sign(b"m");
            counted.public().verify(b"m", &signature, &tally).unwrap();
            counted.agree(key(curve, "b").public()).unwrap();
        }
        for op in [
            Op::P256KeyGen,
            Op::P256Sign,
            Op::P256Verify,
            Op::P256Agree,
            Op::BrainpoolKeyGen,
            Op::BrainpoolSign,
            Op::BrainpoolVerify,
            Op::BrainpoolAgree,
        ] {
            assert_eq!(tally.of(op), 1, "{op}");
        }
    }

    #[test]
    fn a_signature_names_its_signer() {
        let tally = Tally::new();
        for curve in CURVES {
            let (signer, stranger) = (key(curve, "a"), key(curve, "b"));
            let signature = signer.sign(b"message");
            let found = RspPublicKey::of_signature(curve, b"message", &signature, &tally);
            assert!(found.contains(signer.public()) && !found.contains(stranger.public()));
            assert!(found.iter().all(|key| key.verify(b"message", &signature, &Tally::new()).is_ok()));
            let other = RspPublicKey::of_signature(curve, b"another", &signature, &tally);
            assert!(!other.contains(signer.public()));
            assert_eq!(RspPublicKey::of_signature(curve, b"message", &[0; 64], &tally), []);
        }
        assert_eq!((tally.of(Op::P256Verify), tally.of(Op::BrainpoolVerify)), (6, 6));
    }

    #[test]
    fn public_keys_have_one_form_each() {
        for curve in CURVES {
            let public = *key(curve, "a").public();
            assert_eq!(RspPublicKey::from_spki(&public.spki_der()), Ok(public));
            assert_eq!(RspPublicKey::from_uncompressed(curve, &public.uncompressed()), Ok(public));
            let mut off = public.uncompressed();
            off[64] ^= 1;
            assert!(RspPublicKey::from_uncompressed(curve, &off).is_err());
            assert!(RspPublicKey::from_uncompressed(curve, public.point()).is_err());
            assert_eq!(RspPublicKey::from_spki(&public.spki_der()[1..]), Err(CryptoError::Curve));
        }
        assert_eq!(
            key(Curve::P256, "a").public().spki_der(),
            key::spki_der(key(Curve::P256, "a").public().point())
        );
    }

    proptest! {
        #[test]
        fn what_is_read_as_a_public_key_is_written_back(
            (curve, der) in prop::sample::select(CURVES.to_vec())
                .prop_flat_map(|curve| (Just(curve), bent(key(curve, "a").public().spki_der()))),
        ) {
            if let Ok(public) = RspPublicKey::from_spki(&der) {
                prop_assert_eq!(public.spki_der(), &der[..]);
                prop_assert_eq!(RspPublicKey::from_uncompressed(public.curve(), &public.uncompressed()), Ok(public));
            }
            let octets = &der[der.len().saturating_sub(65)..];
            match RspPublicKey::from_uncompressed(curve, octets) {
                Ok(public) => prop_assert_eq!(&public.uncompressed()[..], octets),
                Err(error) => prop_assert_eq!(error, CryptoError::PublicKey { found: octets.len() }),
            }
        }

        #[test]
        fn signatures_take_any_bytes(signature in proptest::array::uniform32(any::<u8>())) {
            let signature: [u8; 64] = [signature, signature].concat().try_into().unwrap();
            for curve in CURVES {
                let found = RspPublicKey::of_signature(curve, b"message", &signature, &Tally::new());
                prop_assert!(found.iter().all(|key| key.verify(b"message", &signature, &Tally::new()).is_ok()));
            }
        }
    }
}
