//! Certification requests (PKCS #10, RFC 2986): built by a device around a signature that its card makes,
//! and read by the authority.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use der::{Decode, Encode, Header, Reader, SliceReader, Tag, Tagged};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use super::x509::{self, check_signature_algorithm, common_name, common_name_of};
use super::{CaError, der_error};
use crate::crypto::{Op, Tally, key};

/// The exporter label whose value binds a request to its TLS connection (RFC 9266 section 2; RFC 7030
/// section 3.5 binds by tls-unique, which TLS 1.3 does not have). The context is empty.
pub const CHANNEL_BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The value exported under [`CHANNEL_BINDING_LABEL`].
pub type ChannelBinding = [u8; 32];

/// pkcs-9-at-challengePassword (RFC 2985 section 5.4.1).
const CHALLENGE_PASSWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");

const WHAT: &str = "certification request";

/// A certification request that waits for its signature.
#[derive(Debug, Clone)]
pub struct CsrBuilder {
    info: CertReqInfo,
    tbs: Vec<u8>,
}

impl CsrBuilder {
    /// A request for `subject` (its common name) and the public point `X || Y`. With `binding`, the
    /// request proves that the holder of the key is the one at this end of the TLS connection
    /// (RFC 7030 section 3.5).
    ///
    /// # Errors
    /// [`CaError::CommonName`] where the subject is empty or over 64 characters.
    pub fn new(subject: &str, public: &[u8; 64], binding: Option<&ChannelBinding>) -> Result<Self, CaError> {
        let mut attributes = Attributes::new();
        if let Some(binding) = binding {
            attributes.insert(challenge_password(binding)?).map_err(der_error(WHAT))?;
        }
        let info = CertReqInfo {
            version: Version::V1,
            subject: common_name(subject)?,
            public_key: x509::spki(public)?,
            attributes,
        };
        let tbs = info.to_der().map_err(der_error(WHAT))?;
        Ok(Self { info, tbs })
    }

    /// What the key has to sign, with SHA-256: the `CertificationRequestInfo` in DER.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// The request in DER, with the raw signature `r || s`.
    ///
    /// # Errors
    /// [`CaError::Crypto`] where r or s is not in the range of the group.
    pub fn finish(self, signature: &[u8; 64]) -> Result<Vec<u8>, CaError> {
        let request = CertReq {
            info: self.info,
            algorithm: x509::signature_algorithm(),
            signature: x509::signature_bits(signature)?,
        };
        request.to_der().map_err(der_error(WHAT))
    }
}

fn challenge_password(binding: &ChannelBinding) -> Result<Attribute, CaError> {
    // Every character of base64 is one of PrintableString, the form that RFC 2985 prefers.
    let value =
        Any::new(Tag::PrintableString, STANDARD.encode(binding).into_bytes()).map_err(der_error(WHAT))?;
    let values = SetOfVec::try_from(vec![value]).map_err(der_error(WHAT))?;
    Ok(Attribute { oid: CHALLENGE_PASSWORD, values })
}

/// A certification request as it was received. Parsing proves nothing: call [`Csr::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    tbs: Vec<u8>,
    signature: [u8; 64],
    public: [u8; 64],
    subject: Name,
    challenge_password: Option<String>,
}

impl Csr {
    /// Reads a request in DER.
    ///
    /// # Errors
    /// [`CaError::Der`] where it is no request, [`CaError::Algorithm`] and [`CaError::Crypto`] where its
    /// key or signature is not of P-256.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let request = CertReq::from_der(der).map_err(der_error(WHAT))?;
        check_signature_algorithm(WHAT, &request.algorithm)?;
        let signature = request.signature.as_bytes().unwrap_or_default();
        Ok(Self {
            // The bytes as signed, not written anew: nothing that the sender signed is normalised away.
            tbs: signed_part(der).map_err(der_error(WHAT))?.to_vec(),
            signature: key::signature_from_der(signature)
                .map_err(|source| CaError::Crypto { what: WHAT, source })?,
            public: x509::public_of(WHAT, &request.info.public_key)?,
            challenge_password: read_challenge_password(&request.info.attributes)?,
            subject: request.info.subject,
        })
    }

    /// Checks that the request is signed with the key that it asks a certificate for (proof of
    /// possession), and counts the verification in `tally`.
    ///
    /// # Errors
    /// [`CaError::Crypto`] where it is not.
    pub fn verify(&self, tally: &Tally) -> Result<(), CaError> {
        tally.count(Op::P256Verify);
        key::verify(&self.public, &self.tbs, &self.signature)
            .map_err(|source| CaError::Crypto { what: WHAT, source })
    }

    /// The public point `X || Y` that a certificate is asked for.
    pub fn public(&self) -> &[u8; 64] {
        &self.public
    }

    /// The common name that is asked for.
    pub fn subject(&self) -> Option<&str> {
        common_name_of(&self.subject)
    }

    /// The challenge password, where there is one.
    pub fn challenge_password(&self) -> Option<&str> {
        self.challenge_password.as_deref()
    }

    /// Whether the challenge password is that of the TLS connection which exports `binding`.
    pub fn is_bound_to(&self, binding: &ChannelBinding) -> bool {
        self.challenge_password() == Some(STANDARD.encode(binding).as_str())
    }
}

/// The first element of the outer SEQUENCE, with its header.
fn signed_part(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn read_challenge_password(attributes: &Attributes) -> Result<Option<String>, CaError> {
    let wrong = |reason: &str| CaError::Der { what: "challenge password", reason: reason.to_owned() };
    let mut found = attributes.iter().filter(|attribute| attribute.oid == CHALLENGE_PASSWORD);
    let Some(attribute) = found.next() else { return Ok(None) };
    if found.next().is_some() || attribute.values.len() != 1 {
        return Err(wrong("there is more or less than one value"));
    }
    let value = attribute.values.get(0).ok_or_else(|| wrong("there is no value"))?;
    if !matches!(value.tag(), Tag::PrintableString | Tag::Utf8String | Tag::Ia5String) {
        return Err(wrong("it is not a string"));
    }
    std::str::from_utf8(value.value()).map(|text| Some(text.to_owned())).map_err(|_| wrong("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{CryptoError, SoftKey};
    use crate::kernel::RngTree;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn key() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
    }

    fn request(binding: Option<&ChannelBinding>) -> Vec<u8> {
        let builder = CsrBuilder::new("device 1", &key().public(), binding).unwrap();
        let signature = key().sign(builder.tbs());
        builder.finish(&signature).unwrap()
    }

    #[test]
    fn requests_are_read_back() {
        let csr = Csr::parse(&request(Some(&[5; 32]))).unwrap();
        let tally = Tally::new();
        csr.verify(&tally).unwrap();
        assert_eq!(tally.of(Op::P256Verify), 1);
        assert_eq!(csr.public(), &key().public());
        assert_eq!(csr.subject(), Some("device 1"));
        assert!(csr.is_bound_to(&[5; 32]));
        assert!(!csr.is_bound_to(&[6; 32]));
        assert!(!Csr::parse(&request(None)).unwrap().is_bound_to(&[5; 32]));
    }

    #[test]
    fn a_signature_by_another_key_proves_nothing() {
        let builder = CsrBuilder::new("device 1", &key().public(), None).unwrap();
        let other = SoftKey::from_stream(&mut RngTree::new(8).stream("keys"));
        let signature = other.sign(builder.tbs());
        let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
        assert_eq!(
            csr.verify(&Tally::new()),
            Err(CaError::Crypto { what: WHAT, source: CryptoError::BadSignature })
        );
    }

    #[test]
    fn only_p256_with_sha256_is_taken() {
        let der = request(None);
        // ecdsa-with-SHA384 in place of ecdsa-with-SHA256.
        let oid = hex::decode("06082a8648ce3d040302").unwrap();
        let at = der.windows(oid.len()).position(|window| window == oid).unwrap();
        let mut other = der;
        other[at + oid.len() - 1] = 3;
        assert!(matches!(Csr::parse(&other), Err(CaError::Algorithm { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_refused_as_one(der in bent(request(Some(&[5; 32])))) {
            match Csr::parse(&der) {
                Ok(csr) => {
                    prop_assert!(der.windows(csr.tbs.len()).any(|part| part == csr.tbs));
                    prop_assert_eq!(key::public_from_spki(&key::spki_der(csr.public())), Ok(*csr.public()));
                    // Nobody but the key's owner signs.
                    let signed = Csr::parse(&request(Some(&[5; 32]))).unwrap().tbs;
                    prop_assert_eq!(csr.verify(&Tally::new()).is_ok(), csr.tbs == signed && der == request(Some(&[5; 32])));
                }
                Err(error) => {
                    let said = error.to_string();
                    prop_assert!([WHAT, "challenge password"].iter().any(|part| said.contains(part)), "{said}");
                }
            }
        }

        #[test]
        fn a_changed_request_does_not_verify(at in 0usize..300, mask in 1u8..) {
            let mut der = request(Some(&[5; 32]));
            let at = at % der.len();
            der[at] ^= mask;
            if let Ok(csr) = Csr::parse(&der) {
                prop_assert!(csr.verify(&Tally::new()).is_err());
            }
        }

        #[test]
        fn a_cut_request_is_refused(len in 0usize..300) {
            let der = request(Some(&[5; 32]));
            prop_assert!(Csr::parse(&der[..len % der.len()]).is_err());
        }
    }
}
