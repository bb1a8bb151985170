//! The envelope around a manifest (draft-ietf-suit-manifest-37 clauses 8.2 and 8.3): who has signed it, and what stands
//! beside it.
//!
//! Two rules that are easily got wrong: the digest is over the manifest *with* the header of its byte string, and what is
//! signed is the encoded digest *without* one.

use std::collections::BTreeMap;

use super::super::cbor::Value;
use super::super::cose::{Algorithm, Detached};
use super::manifest::{Manifest, TEXT};
use super::{Section, SuitError, digest, digest_of, form, item, read_digest, shown, wrapped};

/// The longest envelope that is read, in bytes. The images are elsewhere.
pub const ENVELOPE_MAX: usize = 16 * 1024;

const TAG: u64 = 107;
const BARE: u64 = 1070;
const AUTHENTICATION: i64 = 2;
const MANIFEST: i64 = 3;
/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 4;

/// One signature over the digest of a manifest, for whoever has keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// What it says that it is made with; which one counts is a matter of the key.
    pub algorithm: Algorithm,
    /// What is signed.
    pub message: Vec<u8>,
    /// 64 bytes in the form of the algorithm.
    pub signature: [u8; 64],
}

/// An envelope whose digest is that of its manifest. The manifest is not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    digest: [u8; 32],
    signatures: Vec<Detached>,
    manifest: Vec<u8>,
    beside: BTreeMap<i64, Vec<u8>>,
}

impl Envelope {
    /// An envelope that nobody has signed yet.
    pub fn unsigned(manifest: &Manifest) -> Self {
        let encoded = manifest.encode();
        let digest = digest_of(&encoded);
        Self { digest, signatures: Vec::new(), manifest: encoded, beside: manifest.beside() }
    }

    /// What a key has to sign with `algorithm`.
    pub fn to_be_signed(&self, algorithm: Algorithm) -> Vec<u8> {
        Detached::to_be_signed(algorithm, &digest(&self.digest).encode())
    }

    /// Adds a signature over [`Self::to_be_signed`].
    pub fn add(&mut self, algorithm: Algorithm, signature: [u8; 64]) {
        self.signatures.push(Detached { algorithm, signature });
    }

    /// The digest of the manifest, its name: signatures and what is cut off do not change it.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The same without what stands beside the manifest (clause 5.4.3).
    pub fn severed(&self) -> Self {
        Self { beside: BTreeMap::new(), ..self.clone() }
    }

    /// The bytes of it.
    pub fn encode(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|one| Value::Bytes(one.encode()));
        let wrapper = [wrapped(&digest(&self.digest))].into_iter().chain(signatures).collect();
        let own = [
            (Value::int(AUTHENTICATION), wrapped(&Value::Array(wrapper))),
            (Value::int(MANIFEST), Value::Bytes(self.manifest.clone())),
        ];
        let beside = self.beside.iter().map(|(key, bytes)| (Value::int(*key), Value::Bytes(bytes.clone())));
        Value::Tag(TAG, Box::new(Value::Map(own.into_iter().chain(beside).collect()))).encode()
    }

    /// Reads an envelope, and compares the digest with the manifest.
    ///
    /// # Errors
    /// Where it is none, or nobody has signed it.
    pub fn decode(bytes: &[u8]) -> Result<Self, SuitError> {
        const PLACE: &str = "envelope";
        if bytes.len() > ENVELOPE_MAX {
            return Err(SuitError::Long { bytes: bytes.len() });
        }
        let pairs = match item(PLACE, bytes)? {
            Value::Tag(TAG, inner) => match *inner {
                Value::Map(pairs) => pairs,
                _ => return Err(form(PLACE, "a map")),
            },
            Value::Tag(BARE, _) => return Err(SuitError::Bare),
            _ => return Err(form(PLACE, "tag 107")),
        };
        let (mut wrapper, mut manifest, mut beside) = (None, None, BTreeMap::new());
        for (key, value) in pairs {
            let Value::Bytes(bytes) = value else { return Err(form(PLACE, "a byte string under each key")) };
            match key.as_unsigned().and_then(|key| i64::try_from(key).ok()) {
                Some(AUTHENTICATION) => wrapper = Some(bytes),
                Some(MANIFEST) => manifest = Some(bytes),
                Some(other) if other == TEXT || Section::severable_key(other) => {
                    beside.insert(other, bytes);
                }
                _ => return Err(SuitError::Key { place: PLACE, key: shown(&key) }),
            }
        }
        let (digest, signatures) = read_wrapper(&wrapper.ok_or(SuitError::Unsigned)?)?;
        let manifest = manifest.ok_or_else(|| form(PLACE, "a manifest"))?;
        if digest_of(&manifest) != digest {
            return Err(SuitError::Digest);
        }
        Ok(Self { digest, signatures, manifest, beside })
    }

    /// The manifest, if `is_trusted` says of one of its signatures that it is of a key that may sign for this device.
    ///
    /// # Errors
    /// Where none is, and where the manifest is not one that is taken here.
    pub fn open(&self, is_trusted: impl FnMut(Authentication) -> bool) -> Result<Manifest, SuitError> {
        let message = |one: &Detached| Authentication {
            algorithm: one.algorithm,
            message: self.to_be_signed(one.algorithm),
            signature: one.signature,
        };
        if !self.signatures.iter().map(message).any(is_trusted) {
            return Err(SuitError::Unauthorised);
        }
        Manifest::decode(&self.manifest, &self.beside)
    }
}

impl Section {
    fn severable_key(key: i64) -> bool {
        [Self::PayloadFetch, Self::Install].into_iter().any(|section| section as i64 == key)
    }
}

/// The digest, and the signatures over it.
fn read_wrapper(bytes: &[u8]) -> Result<([u8; 32], Vec<Detached>), SuitError> {
    const PLACE: &str = "authentication";
    let value = item(PLACE, bytes)?;
    let [Value::Bytes(digest), blocks @ ..] = value.as_array().unwrap_or_default() else {
        return Err(form(PLACE, "an array of a digest in a byte string, and signatures"));
    };
    let digest = read_digest(PLACE, &item(PLACE, digest)?)?;
    match blocks.len() {
        0 => return Err(SuitError::Unsigned),
        1..=SIGNATURES_MAX => {}
        _ => return Err(form(PLACE, "at most 4 signatures")),
    }
    let read = |block: &Value| match block {
        Value::Bytes(bytes) => Ok(Detached::decode(bytes)?),
        _ => Err(form(PLACE, "a signature in a byte string")),
    };
    Ok((digest, blocks.iter().map(read).collect::<Result<_, _>>()?))
}
