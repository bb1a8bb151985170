//! ECDSA on P-256 with SHA-256 and the nonce of RFC 6979, shared by every key in memory and by the virtual card.
//!
//! A signature is a function of key and message, so the nonce `k` is drawn as RFC 6979 section 3.2 says. What costs is its
//! point `k * G`, and `aws-lc-rs` computes that four times as fast as `p256`: as the public key of the private key `k`.
//! The rest is arithmetic on scalars. Both crates mean theirs to take the same time whatever the scalar is, the inversion
//! of `k` included, and nothing here branches on a secret; that nothing leaks is measured nowhere, since these keys are a
//! lab's.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::elliptic_curve::bigint::ArrayEncoding;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::{Curve, PrimeField};
use p256::{FieldBytes, NistP256, NonZeroScalar, Scalar, U256};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The signature of a message whose SHA-256 is `digest`, raw: `r || s` (FIPS 186-5 section 6.4.1).
pub fn sign_digest(secret: &NonZeroScalar, digest: &[u8; 32]) -> [u8; 64] {
    sign(secret, digest).unwrap_or_else(|| {
        // Where aws-lc has no memory, and once in 2^256: what cannot be signed verifies nowhere.
        let slowly: Result<p256::ecdsa::Signature, _> = SigningKey::from(*secret).sign_prehash(digest);
        slowly.map_or([0; 64], |signature| signature.to_bytes().into())
    })
}

fn sign(secret: &NonZeroScalar, digest: &[u8; 32]) -> Option<[u8; 64]> {
    let hash = <Scalar as Reduce<U256>>::reduce_bytes(&FieldBytes::from(*digest));
    let x = Zeroizing::new(secret.to_repr());
    let order = NistP256::ORDER.to_be_byte_array();
    let k = Zeroizing::new(rfc6979::generate_k::<Sha256, _>(&x, &order, &hash.to_repr(), &[]));
    let point_x: [u8; 32] = public_of(&(*k).into())?[..32].try_into().ok()?;
    let r = <Scalar as Reduce<U256>>::reduce_bytes(&FieldBytes::from(point_x));
    let inverse: Option<Scalar> = Option::<Scalar>::from(Scalar::from_repr(*k))?.invert().into();
    let s = inverse? * (hash + r * secret.as_ref());
    let signature = p256::ecdsa::Signature::from_scalars(r, s).ok()?;
    Some(signature.to_bytes().into())
}

/// The public point, `X || Y`, of the private key `scalar`, big endian; `None` where it is zero or not below the order of
/// the group.
pub fn public_of(scalar: &[u8; 32]) -> Option<[u8; 64]> {
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    let public = private.compute_public_key().ok()?;
    // An uncompressed point is the tag 04, then X and Y of 32 bytes each (SEC 1 section 2.3.3).
    public.as_ref().strip_prefix(&[0x04])?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use proptest::prelude::*;

    fn by_p256(secret: &NonZeroScalar, digest: &[u8; 32]) -> [u8; 64] {
        let signature: p256::ecdsa::Signature = SigningKey::from(*secret).sign_prehash(digest).unwrap();
        signature.to_bytes().into()
    }

    fn secret(scalar: [u8; 32]) -> Option<NonZeroScalar> {
        Option::from(NonZeroScalar::from_repr(scalar.into()))
    }

    /// RFC 6979 section 2.3.4 (bits2octets); `p256` 0.13 draws the nonce of such a digest, one of 2^32, from the whole.
    #[test]
    fn a_digest_that_is_not_below_the_order_is_reduced() {
        let secret = secret([7; 32]).unwrap();
        let digest = [0xff; 32];
        let reduced = <Scalar as Reduce<U256>>::reduce_bytes(&FieldBytes::from(digest)).to_repr().into();
        assert_ne!(digest, reduced);
        let signature = sign(&secret, &digest).unwrap();
        assert_eq!(signature, by_p256(&secret, &reduced));
        let verifying = *SigningKey::from(secret).verifying_key();
        let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
        assert!(verifying.verify_prehash(&digest, &signature).is_ok());
    }

    #[test]
    fn keys_outside_the_group_have_no_point() {
        let order = NistP256::ORDER.to_be_byte_array().into();
        assert_eq!([[0; 32], [0xff; 32], order].map(|scalar| public_of(&scalar)), [None; 3]);
    }

    proptest! {
        #[test]
        fn signatures_and_points_are_those_of_p256(scalar: [u8; 32], digest: [u8; 32]) {
            match secret(scalar) {
                Some(secret) => {
                    prop_assert_eq!(sign(&secret, &digest), Some(by_p256(&secret, &digest)));
                    let point = SigningKey::from(secret).verifying_key().to_encoded_point(false);
                    prop_assert_eq!(public_of(&scalar).map(Vec::from), Some(point.as_bytes()[1..].to_vec()));
                }
                None => prop_assert_eq!(public_of(&scalar), None),
            }
        }
    }
}
