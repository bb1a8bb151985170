//! Private keys in files: PEM or DER, `ECPrivateKey` of SEC 1 annex C.4 (which is written, and what SGP.26
//! publishes) or PKCS #8 (RFC 5958).

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use zeroize::Zeroizing;

use super::super::CryptoError;
use super::{Curve, RspKey, pem};

const SEC1_LABEL: &str = "EC PRIVATE KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";
/// The tags of the curve and of the public key in an `ECPrivateKey`.
const PARAMETERS: u8 = 0xa0;
const PUBLIC_KEY: u8 = 0xa1;

impl RspKey {
    /// The key pair as an `EC PRIVATE KEY` in PEM, with its curve and public key.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let curve = self.curve().oid();
        let mut body = Zeroizing::new(vec![0x02, 0x01, 0x01, 0x04, 0x20]);
        body.extend_from_slice(self.scalar());
        body.extend_from_slice(&[PARAMETERS, 2 + curve.len() as u8, 0x06, curve.len() as u8]);
        body.extend_from_slice(curve);
        body.extend_from_slice(&[PUBLIC_KEY, 0x44, 0x03, 0x42, 0x00]);
        body.extend_from_slice(&self.public().uncompressed());
        // 119 or 120 bytes: a length of one byte.
        let der = Zeroizing::new([&[0x30, body.len() as u8][..], &body].concat());
        pem::write(SEC1_LABEL, &der)
    }

    /// Reads a private key in PEM (other blocks, as `EC PARAMETERS`, are skipped) or in DER.
    ///
    /// # Errors
    /// [`CryptoError::PrivateKeyForm`] with the reason, [`CryptoError::PrivateKey`] where the scalar is out of range.
    pub fn from_file(bytes: &[u8]) -> Result<Self, CryptoError> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
        let Some(text) = text else { return Self::from_der(bytes) };
        for label in [SEC1_LABEL, PKCS8_LABEL] {
            if let Some(der) = pem::block(text, label).map_err(form)? {
                return Self::from_der(&der);
            }
        }
        Err(form("it has neither a block EC PRIVATE KEY nor a block PRIVATE KEY"))
    }

    fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let wrong = |error: der::Error| form(error.to_string());
        let whole = AnyRef::from_der(der).map_err(wrong)?;
        if whole.tag() != Tag::Sequence {
            return Err(form("it is no SEQUENCE"));
        }
        let mut fields = SliceReader::new(whole.value()).map_err(wrong)?;
        let version = u8::decode(&mut fields).map_err(wrong)?;
        match version {
            0 => {
                let algorithm = AnyRef::decode(&mut fields).map_err(wrong)?;
                let inner = OctetStringRef::decode(&mut fields).map_err(wrong)?;
                let mut parts = SliceReader::new(algorithm.value()).map_err(wrong)?;
                ObjectIdentifier::decode(&mut parts).map_err(wrong)?;
                let curve = curve_of(&AnyRef::decode(&mut parts).map_err(wrong)?)?;
                let whole = AnyRef::from_der(inner.as_bytes()).map_err(wrong)?;
                let mut fields = SliceReader::new(whole.value()).map_err(wrong)?;
                u8::decode(&mut fields).map_err(wrong)?;
                let scalar = OctetStringRef::decode(&mut fields).map_err(wrong)?;
                checked(of_octets(curve, scalar.as_bytes())?, fields)
            }
            1 => {
                let scalar = OctetStringRef::decode(&mut fields).map_err(wrong)?;
                let parameters = fields.tlv_bytes().map_err(|_| form("it does not name its curve"))?;
                let parameters = AnyRef::from_der(parameters).map_err(wrong)?;
                if u8::from(parameters.tag()) != PARAMETERS {
                    return Err(form("it does not name its curve"));
                }
                let curve = curve_of(&AnyRef::from_der(parameters.value()).map_err(wrong)?)?;
                checked(of_octets(curve, scalar.as_bytes())?, fields)
            }
            version => Err(form(format!("version {version} is unknown"))),
        }
    }
}

fn curve_of(parameters: &AnyRef<'_>) -> Result<Curve, CryptoError> {
    let oid = (parameters.tag() == Tag::ObjectIdentifier).then(|| parameters.value());
    oid.and_then(Curve::of_oid).ok_or_else(|| form("it names another curve"))
}

fn of_octets(curve: Curve, octets: &[u8]) -> Result<RspKey, CryptoError> {
    let scalar = octets.try_into().map_err(|_| form(format!("{} bytes, not 32", octets.len())))?;
    RspKey::from_scalar(curve, scalar)
}

/// Checks the public key among the fields that are left of an `ECPrivateKey`, where there is one.
fn checked(key: RspKey, mut fields: SliceReader<'_>) -> Result<RspKey, CryptoError> {
    let wrong = |error: der::Error| form(error.to_string());
    while !fields.is_finished() {
        let field = AnyRef::from_der(fields.tlv_bytes().map_err(wrong)?).map_err(wrong)?;
        if u8::from(field.tag()) != PUBLIC_KEY {
            continue;
        }
        let bits = BitStringRef::from_der(field.value()).map_err(wrong)?;
        if bits.as_bytes() != Some(&key.public().uncompressed()) {
            return Err(form("the public key in it is another one"));
        }
    }
    Ok(key)
}

fn form(reason: impl Into<String>) -> CryptoError {
    CryptoError::PrivateKeyForm { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn keys_come_back_from_their_files() {
        for curve in [Curve::P256, Curve::BrainpoolP256r1] {
            let key = RspKey::from_stream(curve, &mut RngTree::new(7).stream("key"));
            let text = key.to_pem();
            let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
            for text in [text.as_str(), &format!("{parameters}{}", *text), &text.replace('\n', "\r\n")] {
                assert_eq!(RspKey::from_file(text.as_bytes()).unwrap().scalar(), key.scalar());
            }
            let der = pem::block(&text, SEC1_LABEL).unwrap().unwrap();
            assert_eq!(RspKey::from_file(&der), Ok(key));
            let mut other = der.to_vec();
            *other.last_mut().unwrap() ^= 1;
            let reason = RspKey::from_file(&other).unwrap_err().to_string();
            assert!(reason.contains("public key in it is another"), "{reason}");
        }
    }

    #[test]
    fn refusals_say_why() {
        let reason = |bytes: &[u8]| RspKey::from_file(bytes).unwrap_err().to_string();
        assert!(reason(b"-----BEGIN PUBLIC KEY-----").contains("neither a block"));
        assert!(reason(b"-----BEGIN EC PRIVATE KEY-----\nAA").contains("no end"));
        assert!(
            reason(b"-----BEGIN EC PRIVATE KEY-----\n*\n-----END EC PRIVATE KEY-----").contains("base64")
        );
        // secp256k1, and no curve at all.
        let named = "30290201010420".to_owned() + &"11".repeat(32);
        assert!(
            reason(&hex::decode(named.replace("3029", "3025")).unwrap()).contains("does not name its curve")
        );
        let other = named.replace("3029", "302e") + "a00706052b8104000a";
        assert!(reason(&hex::decode(other).unwrap()).contains("another curve"));
    }

    proptest! {
        #[test]
        fn any_file_is_a_key_or_refused_without_telling_it(
            (key, file) in (prop::sample::select(vec![Curve::P256, Curve::BrainpoolP256r1]), any::<bool>())
                .prop_flat_map(|(curve, as_der)| {
                    let key = RspKey::from_stream(curve, &mut RngTree::new(7).stream("key"));
                    let pem = key.to_pem();
                    let file = match as_der {
                        true => pem::block(&pem, SEC1_LABEL).unwrap().unwrap().to_vec(),
                        false => pem.as_bytes().to_vec(),
                    };
                    (Just(key), bent(file))
                }),
        ) {
            match RspKey::from_file(&file) {
                Ok(read) => {
                    // A public key that stands beside it is its own.
                    let der = std::str::from_utf8(&file).ok().and_then(|text| pem::block(text, SEC1_LABEL).ok()?);
                    let der = der.map_or(file.clone(), |der| der.to_vec());
                    // Under another tag it is an unknown field, which is read over.
                    let public = [&[0xa1, 0x44, 0x03, 0x42, 0x00][..], &key.public().uncompressed()].concat();
                    let beside = der.windows(public.len()).any(|part| part == public);
                    prop_assert!(read == key || !beside);
                    prop_assert_eq!(RspKey::from_file(read.to_pem().as_bytes()), Ok(read));
                }
                Err(error) => {
                    let (said, digits) = (error.to_string().to_lowercase(), hex::encode(key.scalar()));
                    prop_assert!(!said.is_empty() && !said.contains(&digits[..16]) && !said.contains(&digits[48..]), "{said}");
                }
            }
        }

        #[test]
        fn any_text_between_the_lines_is_refused(text in ".{0,80}") {
            let file = format!("-----BEGIN PRIVATE KEY-----{text}-----END PRIVATE KEY-----");
            let refused = matches!(RspKey::from_file(file.as_bytes()), Err(CryptoError::PrivateKeyForm { .. }));
            prop_assert!(refused);
        }
    }
}
