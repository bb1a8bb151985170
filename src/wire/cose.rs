//! COSE_Sign1 with ES256: one payload under one ECDSA signature on P-256 with SHA-256 (RFC 9052 clause 4.2, RFC 9053
//! clause 2.1). What is signed and what verifies it stands elsewhere; here is the form. [`Detached`] is the same without its
//! payload, under an algorithm that it names.

use super::cbor::{CborError, Value};

/// The tag of a COSE_Sign1 (RFC 9052 clause 2).
const SIGN1: u64 = 18;
/// The header parameter `alg`, and ES256 as its value (RFC 9053 table 1).
const ALG: i64 = 1;
const ES256: i64 = -7;

/// Why bytes are not a COSE_Sign1 as it is taken here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// The bytes are no CBOR data item.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A data item of another form than RFC 9052 clause 4.2 has.
    #[error("COSE: the message is no COSE_Sign1: {what} is expected")]
    Form {
        /// What belongs where something else stands.
        what: &'static str,
    },
    /// The protected headers are not `alg` with ES256 alone.
    #[error("COSE: the message is not signed with ES256 alone, the one algorithm that is taken here")]
    Algorithm,
    /// The protected headers of a detached signature are not `alg` alone, with a known [`Algorithm`].
    #[error("COSE: the signature is made with none of ES256, ESP256 and Ed25519 alone, which are taken here")]
    Unknown,
}

/// What a detached signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with SHA-256 on a curve that the key knows (RFC 9053 table 1).
    Es256,
    /// ECDSA with SHA-256 on P-256 and nothing else (RFC 9864 table 1).
    Esp256,
    /// EdDSA on Ed25519 and nothing else (RFC 9864 table 2).
    Ed25519,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Es256, Self::Esp256, Self::Ed25519];

    /// Its number in the registry "COSE Algorithms".
    pub fn number(self) -> i64 {
        match self {
            Self::Es256 => ES256,
            Self::Esp256 => -9,
            Self::Ed25519 => -19,
        }
    }

    fn protected(self) -> Value {
        headers(self.number())
    }
}

/// A COSE_Sign1 whose payload is carried elsewhere (RFC 9052 clause 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// What it says that it is signed with.
    pub algorithm: Algorithm,
    /// Raw: `r || s`, or as RFC 8032 has it.
    pub signature: [u8; 64],
}

impl Detached {
    /// What is signed (RFC 9052 clause 4.4), without external data.
    pub fn to_be_signed(algorithm: Algorithm, payload: &[u8]) -> Vec<u8> {
        to_be_signed(algorithm.protected(), payload)
    }

    /// The tagged message.
    pub fn encode(&self) -> Vec<u8> {
        let parts = [self.algorithm.protected(), Value::Map(Vec::new()), Value::Null, bytes(&self.signature)];
        Value::Tag(SIGN1, Box::new(Value::Array(parts.into()))).encode()
    }

    /// Reads a tagged message. Unprotected headers are refused: they are not signed, so that one message could have
    /// many forms.
    ///
    /// # Errors
    /// Where it is none, carries its payload, or is signed with anything but an [`Algorithm`].
    pub fn decode(message: &[u8]) -> Result<Self, CoseError> {
        let form = |what| CoseError::Form { what };
        let Value::Tag(SIGN1, array) = Value::decode(message)? else { return Err(form("tag 18")) };
        let Some([protected, Value::Map(unprotected), Value::Null, Value::Bytes(signature)]) =
            array.as_array()
        else {
            return Err(form("an array of protected and unprotected headers, null and signature"));
        };
        if !unprotected.is_empty() {
            return Err(form("no unprotected header"));
        }
        let known = Algorithm::ALL.into_iter().find(|known| known.protected() == *protected);
        let algorithm = known.ok_or(CoseError::Unknown)?;
        let signature = signature.as_slice().try_into().map_err(|_| form("a signature of 64 bytes"))?;
        Ok(Self { algorithm, signature })
    }
}

/// A signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign1 {
    /// What is signed, as it was signed.
    pub payload: Vec<u8>,
    /// Raw, `r || s` (RFC 9053 clause 2.1).
    pub signature: [u8; 64],
}

impl Sign1 {
    /// What is signed: the `Sig_structure` of `payload` (RFC 9052 clause 4.4), without external data.
    pub fn to_be_signed(payload: &[u8]) -> Vec<u8> {
        to_be_signed(protected(), payload)
    }

    /// The tagged message.
    pub fn encode(&self) -> Vec<u8> {
        let parts = [protected(), Value::Map(Vec::new()), bytes(&self.payload), bytes(&self.signature)];
        Value::Tag(SIGN1, Box::new(Value::Array(parts.into()))).encode()
    }

    /// Reads a tagged message. Unprotected headers are passed over: nothing depends on them.
    ///
    /// # Errors
    /// Where it is none, or is signed with anything but ES256.
    pub fn decode(message: &[u8]) -> Result<Self, CoseError> {
        let form = |what| CoseError::Form { what };
        let Value::Tag(SIGN1, array) = Value::decode(message)? else { return Err(form("tag 18")) };
        let Some([headers, Value::Map(_), Value::Bytes(payload), Value::Bytes(signature)]) = array.as_array()
        else {
            return Err(form("an array of protected and unprotected headers, payload and signature"));
        };
        // Another parameter could be critical (RFC 9052 clause 3.1), and none is known here.
        if *headers != protected() {
            return Err(CoseError::Algorithm);
        }
        let signature = signature.as_slice().try_into().map_err(|_| form("a signature of 64 bytes"))?;
        Ok(Self { payload: payload.clone(), signature })
    }
}

/// The protected headers: the algorithm alone.
fn protected() -> Value {
    headers(ES256)
}

fn headers(algorithm: i64) -> Value {
    Value::Bytes(Value::Map(vec![(Value::int(ALG), Value::int(algorithm))]).encode())
}

fn to_be_signed(protected: Value, payload: &[u8]) -> Vec<u8> {
    Value::Array(vec![Value::text("Signature1"), protected, Value::Bytes(Vec::new()), bytes(payload)])
        .encode()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::verify;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 9052 appendix C.2.1, with the key "11" of appendix C.7.1.
    const SINGLE_SIGNATURE: &str = "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca3\
         1d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916\
         e5a4c345cacb36";
    const KEY_11: &str = "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff\
         20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e";
    /// The signed CWT of RFC 8392 appendix A.3, with the key of appendix A.2.3.
    const CWT: &str = "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d70\
         6c652e636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0\
         061a5610d9f007420b7158405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f9613168\
         0c429a01f85951ecee743a52b9b63632c57209120e1c9e30";
    const CWT_KEY: &str = "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f\
         60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9";

    #[test]
    fn the_examples_of_the_rfcs_are_read_and_verify() {
        for (message, key) in [(SINGLE_SIGNATURE, KEY_11), (CWT, CWT_KEY)] {
            let signed = Sign1::decode(&hex::decode(message).unwrap()).unwrap();
            let over = Sign1::to_be_signed(&signed.payload);
            verify(&unhex(key), &over, &signed.signature).unwrap();
            assert!(verify(&unhex(key), &over[..over.len() - 1], &signed.signature).is_err());
        }
        let signed = Sign1::decode(&hex::decode(SINGLE_SIGNATURE).unwrap()).unwrap();
        assert_eq!(signed.payload, b"This is the content.");
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Sign1 { payload: b"payload".to_vec(), signature: [7; 64] };
        assert_eq!(Sign1::decode(&message.encode()), Ok(message.clone()));
        assert!(hex::encode(message.encode()).starts_with("d28443a10126a0477061796c6f61645840"));
    }

    #[test]
    fn other_forms_and_algorithms_are_refused() {
        let decode = |text: &str| Sign1::decode(&hex::decode(text).unwrap());
        let signature = format!("5840{}", "07".repeat(64));
        assert!(
            matches!(decode(&format!("8443a10126a04100{signature}")), Err(CoseError::Form { .. })),
            "no tag"
        );
        assert!(matches!(decode(&format!("d28343a10126a0{signature}")), Err(CoseError::Form { .. })));
        assert!(matches!(decode("d28443a10126a041004107"), Err(CoseError::Form { .. })), "a short signature");
        // ES384 (-35), no algorithm, and one that says itself critical.
        for protected in ["44a1013822", "40", "48a2012602820102"] {
            let found = decode(&format!("d284{protected}a04100{signature}"));
            assert!(found.is_err(), "{protected}: {found:?}");
        }
        assert_eq!(decode(&format!("d28444a1013822a04100{signature}")), Err(CoseError::Algorithm));
    }

    #[test]
    fn a_detached_signature_names_its_algorithm_and_carries_nothing_else() {
        let one = Detached { algorithm: Algorithm::Esp256, signature: [7; 64] };
        let encoded = one.encode();
        assert!(hex::encode(&encoded).starts_with("d28443a10128a0f65840"));
        assert_eq!(Detached::decode(&encoded), Ok(one));
        let decode = |text: &str| Detached::decode(&hex::decode(text).unwrap());
        let signature = format!("5840{}", "07".repeat(64));
        assert!(matches!(decode(&format!("d28443a10128a04100{signature}")), Err(CoseError::Form { .. })));
        assert!(matches!(decode(&format!("d28443a10128a10401f6{signature}")), Err(CoseError::Form { .. })));
        // EdDSA (-8), which leaves the curve open, ES384 (-35), none at all.
        for protected in ["43a10127", "44a1013822", "40"] {
            assert_eq!(decode(&format!("d284{protected}a0f6{signature}")), Err(CoseError::Unknown));
        }
        let (as_es256, as_esp256) = (Algorithm::Es256, Algorithm::Esp256);
        let over = |algorithm| Detached::to_be_signed(algorithm, b"payload");
        assert_eq!(over(as_es256), Sign1::to_be_signed(b"payload"));
        assert_ne!(over(as_es256), over(as_esp256), "what is signed has the algorithm in it");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_detached_signature_or_refused(bytes: Vec<u8>) {
            if let Ok(message) = Detached::decode(&bytes) {
                proptest::prop_assert_eq!(message.encode(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_refused(bytes: Vec<u8>) {
            if let Ok(message) = Sign1::decode(&bytes) {
                proptest::prop_assert_eq!(Sign1::decode(&message.encode()), Ok(message));
            }
        }
    }
}
