//! P-256 keys and ECDSA signatures with SHA-256 (FIPS 186-5; deterministic by RFC 6979), in the forms that
//! the parties use: raw `r || s` and `X || Y` on the card and the ledger, DER in X.509 and TLS.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use p256::SecretKey;
use p256::ecdsa::Signature;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{CryptoError, Op, Tally, ecdsa};

/// Whatever signs a message with P-256 and SHA-256: a key in memory, or a card by an APDU. It is given
/// the message itself, hashes it, and returns `r || s`; or says why it did not sign.
pub type SignFn = Arc<dyn Fn(&[u8]) -> Result<[u8; 64], String> + Send + Sync>;

/// A P-256 key pair held in memory: what a server and the certificate authority sign with. A device's
/// key is never one of these; it stays on the card.
#[derive(Clone)]
pub struct SoftKey {
    secret: SecretKey,
    public: [u8; 64],
    tally: Option<Tally>,
}

impl SoftKey {
    /// Draws a key pair from `stream`: 32 bytes, drawn again until they are a scalar of the group.
    pub fn from_stream(stream: &mut ChaCha20Rng) -> Self {
        loop {
            let mut scalar = Zeroizing::new([0; 32]);
            stream.fill_bytes(&mut *scalar);
            if let Ok(key) = Self::from_scalar(&scalar) {
                return key;
            }
        }
    }

    /// The key pair whose private key is `scalar`, big endian.
    ///
    /// # Errors
    /// [`CryptoError::PrivateKey`] where the scalar is zero or not below the order of the group.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, CryptoError> {
        let secret = SecretKey::from_slice(scalar).map_err(|_| CryptoError::PrivateKey)?;
        let public = ecdsa::public_of(scalar).ok_or(CryptoError::PrivateKey)?;
        Ok(Self { secret, public, tally: None })
    }

    /// The same key, whose generation and signatures are counted in `tally`.
    pub fn counted(mut self, tally: &Tally) -> Self {
        tally.count(Op::P256KeyGen);
        self.tally = Some(tally.clone());
        self
    }

    /// Signs `message`, hashed with SHA-256. The result is raw, `r || s`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        if let Some(tally) = &self.tally {
            tally.count(Op::P256Sign);
        }
        ecdsa::sign_digest(&self.secret.to_nonzero_scalar(), &Sha256::digest(message).into())
    }

    /// The public point, `X || Y`.
    pub fn public(&self) -> [u8; 64] {
        self.public
    }

    /// This key as what TLS signs with.
    pub fn sign_fn(&self) -> SignFn {
        let key = self.clone();
        Arc::new(move |message| Ok(key.sign(message)))
    }
}

impl fmt::Debug for SoftKey {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftKey({})", hex::encode(self.public))
    }
}

/// Verifies the raw signature `r || s` of `message` under the public point `X || Y`.
///
/// # Errors
/// [`CryptoError::BadSignature`] where it does not verify, and where the point is not on the curve.
pub fn verify(public: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> Result<(), CryptoError> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed_point(public))
        .verify(message, signature)
        .map_err(|_| CryptoError::BadSignature)
}

/// The raw signature `r || s` as the `ECDSA-Sig-Value` of RFC 3279 section 2.2.3, in DER.
///
/// # Errors
/// [`CryptoError::SignatureForm`] where r or s is zero or not below the order of the group.
pub fn signature_to_der(raw: &[u8; 64]) -> Result<Vec<u8>, CryptoError> {
    let signature = Signature::from_slice(raw)
        .map_err(|_| CryptoError::SignatureForm { found: raw.len(), form: "raw r || s" })?;
    Ok(signature.to_der().as_bytes().to_vec())
}

/// The DER `ECDSA-Sig-Value` as raw `r || s`.
///
/// # Errors
/// [`CryptoError::SignatureForm`] where it is not DER, or r or s is out of range.
pub fn signature_from_der(der: &[u8]) -> Result<[u8; 64], CryptoError> {
    let signature = Signature::from_der(der)
        .map_err(|_| CryptoError::SignatureForm { found: der.len(), form: "DER ECDSA-Sig-Value" })?;
    Ok(signature.to_bytes().into())
}

/// What stands before `X || Y` in the `SubjectPublicKeyInfo` of a P-256 key (RFC 5480 section 2.1.1):
/// the SEQUENCE, id-ecPublicKey, secp256r1, the header of the BIT STRING and the tag of the point.
const SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The `SubjectPublicKeyInfo` of the public point `X || Y`, in DER (RFC 5480 section 2.1.1).
pub fn spki_der(public: &[u8; 64]) -> Vec<u8> {
    [&SPKI_PREFIX[..], public].concat()
}

/// The public point `X || Y` of a `SubjectPublicKeyInfo`.
///
/// # Errors
/// [`CryptoError::PublicKey`] where it is not an uncompressed point on P-256.
pub fn public_from_spki(der: &[u8]) -> Result<[u8; 64], CryptoError> {
    let wrong = CryptoError::PublicKey { found: der.len() };
    let point = der.strip_prefix(&SPKI_PREFIX[..]).ok_or(wrong.clone())?;
    let public: [u8; 64] = point.try_into().map_err(|_| wrong.clone())?;
    p256::PublicKey::from_sec1_bytes(&uncompressed_point(&public)).map_err(|_| wrong)?;
    Ok(public)
}

/// The uncompressed form of the point `X || Y` (SEC 1 section 2.3.3).
fn uncompressed_point(public: &[u8; 64]) -> [u8; 65] {
    let mut point = [0x04; 65];
    point[1..].copy_from_slice(public);
    point
}

/// X and Y of a public key, each 32 octets.
pub fn halves(key: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let mut halves = ([0; 32], [0; 32]);
    halves.0.copy_from_slice(&key[..32]);
    halves.1.copy_from_slice(&key[32..]);
    halves
}

/// The public key with these halves, X || Y.
pub fn whole(x: &[u8; 32], y: &[u8; 32]) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(x);
    key[32..].copy_from_slice(y);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 6979 A.2.5: ECDSA, 256 bits, prime field; SHA-256.
    #[test]
    fn signatures_are_those_of_rfc_6979() {
        let key =
            SoftKey::from_scalar(&bytes("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))
                .unwrap();
        assert_eq!(
            hex::encode(key.public()),
            "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
             7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        );
        let vectors = [
            (
                "sample",
                "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                 f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            ),
            (
                "test",
                "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
                 019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            ),
        ];
        for (message, signature) in vectors {
            assert_eq!(hex::encode(key.sign(message.as_bytes())), signature, "{message}");
            verify(&key.public(), message.as_bytes(), &bytes(signature)).unwrap();
        }
    }

    #[test]
    fn verification_refuses_what_does_not_belong_together() {
        let mut stream = RngTree::new(7).stream("keys");
        let (key, other) = (SoftKey::from_stream(&mut stream), SoftKey::from_stream(&mut stream));
        let signature = key.sign(b"message");
        assert_eq!(verify(&key.public(), b"message", &signature), Ok(()));
        assert_eq!(verify(&key.public(), b"massage", &signature), Err(CryptoError::BadSignature));
        assert_eq!(verify(&other.public(), b"message", &signature), Err(CryptoError::BadSignature));
        assert_eq!(verify(&[1; 64], b"message", &signature), Err(CryptoError::BadSignature));
        assert_eq!(verify(&key.public(), b"message", &[0; 64]), Err(CryptoError::BadSignature));
    }

    #[test]
    fn keys_are_a_function_of_their_stream_and_are_counted() {
        let draw = |seed| SoftKey::from_stream(&mut RngTree::new(seed).stream("keys")).public();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));

        let tally = Tally::new();
        let key = SoftKey::from_stream(&mut RngTree::new(7).stream("keys")).counted(&tally);
        key.sign(b"one");
        key.sign_fn()(b"two").unwrap();
        assert_eq!((tally.of(Op::P256KeyGen), tally.of(Op::P256Sign)), (1, 2));
    }

    #[test]
    fn forms_convert_both_ways() {
        let key = SoftKey::from_stream(&mut RngTree::new(7).stream("keys"));
        let raw = key.sign(b"message");
        assert_eq!(signature_from_der(&signature_to_der(&raw).unwrap()), Ok(raw));
        assert!(signature_to_der(&[0; 64]).is_err());
        assert!(signature_to_der(&[0xff; 64]).is_err());
        assert_eq!(public_from_spki(&spki_der(&key.public())), Ok(key.public()));
        assert!(public_from_spki(&spki_der(&[1; 64])).is_err(), "not on the curve");
        assert!(public_from_spki(&spki_der(&key.public())[1..]).is_err());
    }

    #[test]
    fn scalars_outside_the_group_are_refused() {
        assert!(matches!(SoftKey::from_scalar(&[0; 32]), Err(CryptoError::PrivateKey)));
        assert!(matches!(SoftKey::from_scalar(&[0xff; 32]), Err(CryptoError::PrivateKey)));
    }

    proptest! {
        #[test]
        fn what_is_read_as_a_signature_is_written_back(
            der in bent(signature_to_der(&SoftKey::from_scalar(&[7; 32]).unwrap().sign(b"message")).unwrap()),
        ) {
            match signature_from_der(&der) {
                Ok(raw) => prop_assert_eq!(signature_to_der(&raw), Ok(der)),
                Err(error) => {
                    let form = "DER ECDSA-Sig-Value";
                    prop_assert_eq!(error, CryptoError::SignatureForm { found: der.len(), form });
                }
            }
        }

        #[test]
        fn what_is_read_as_a_public_key_is_written_back(
            der in bent(spki_der(&SoftKey::from_scalar(&[7; 32]).unwrap().public())),
        ) {
            match public_from_spki(&der) {
                Ok(public) => prop_assert_eq!(spki_der(&public), der),
                Err(error) => prop_assert_eq!(error, CryptoError::PublicKey { found: der.len() }),
            }
        }
    }
}
