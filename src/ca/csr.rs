//! Certification requests (PKCS #10, RFC 2986): built by a device around a signature that its card makes,
//! and read by the authority.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::request::{CertReq, CertReqInfo, Version};

use super::subject::Subject;
use super::x509::{self, check_signature_algorithm};
use super::{CaError, der_error};
use crate::crypto::{Op, Tally, key};

/// The exporter label whose value binds a request to its TLS connection (RFC 9266 section 2; RFC 7030
/// section 3.5 binds by tls-unique, which TLS 1.3 does not have). The context is empty.
pub const CHANNEL_BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The value exported under [`CHANNEL_BINDING_LABEL`].
pub type ChannelBinding = [u8; 32];

/// pkcs-9-at-challengePassword (RFC 2985 section 5.4.1).
const CHALLENGE_PASSWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");

/// pkcs-9-at-extensionRequest (RFC 2985 section 5.4.2).
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

const WHAT: &str = "certification request";

/// A certification request that waits for its signature.
#[derive(Debug, Clone)]
pub struct CsrBuilder {
    info: CertReqInfo,
    tbs: Vec<u8>,
}

impl CsrBuilder {
    /// A request for the public point `X || Y`, to be named as `subject`, or as the authority decides. With
    /// `binding`, the request proves that the holder of the key is the one at this end of the TLS connection
    /// (RFC 7030 section 3.5).
    ///
    /// # Errors
    /// None that a subject could cause.
    pub fn new(
        subject: Option<&Subject>,
        public: &[u8; 64],
        binding: Option<&ChannelBinding>,
    ) -> Result<Self, CaError> {
        let mut attributes = Attributes::new();
        let alternatives = subject.map(Subject::alternatives).unwrap_or_default();
        if !alternatives.is_empty() {
            let names = x509::extension(false, &SubjectAltName(alternatives.to_vec()))?;
            attributes.insert(extension_request(vec![names])?).map_err(der_error(WHAT))?;
        }
        if let Some(binding) = binding {
            attributes.insert(challenge_password(binding)?).map_err(der_error(WHAT))?;
        }
        let info = CertReqInfo {
            version: Version::V1,
            subject: subject.map(|subject| subject.name().clone()).unwrap_or_default(),
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

/// extensionRequest (RFC 2985 section 5.4.2), by which a request asks for extensions of the certificate.
fn extension_request(extensions: Extensions) -> Result<Attribute, CaError> {
    let value = Any::encode_from(&extensions).map_err(der_error(WHAT))?;
    let values = SetOfVec::try_from(vec![value]).map_err(der_error(WHAT))?;
    Ok(Attribute { oid: EXTENSION_REQUEST, values })
}

/// A certification request as it was received. Parsing proves nothing: call [`Csr::verify`].
#[derive(Debug, Clone)]
pub struct Csr {
    tbs: Vec<u8>,
    signature: [u8; 64],
    public: [u8; 64],
    subject: Subject,
    asks_to_be_authority: bool,
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
        let extensions = read_extension_request(&request.info.attributes)?;
        let alternatives: Option<SubjectAltName> = find(&extensions)?;
        let usage: Option<KeyUsage> = find(&extensions)?;
        let constraints: Option<BasicConstraints> = find(&extensions)?;
        Ok(Self {
            // The bytes as signed, not written anew: nothing that the sender signed is normalised away.
            tbs: x509::signed_part(der).map_err(der_error(WHAT))?.to_vec(),
            signature: key::signature_from_der(signature)
                .map_err(|source| CaError::Crypto { what: WHAT, source })?,
            public: x509::public_of(WHAT, &request.info.public_key)?,
            challenge_password: read_challenge_password(&request.info.attributes)?,
            subject: Subject::of(request.info.subject, alternatives),
            asks_to_be_authority: constraints.is_some_and(|constraints| constraints.ca)
                || usage.is_some_and(|usage| usage.key_cert_sign() || usage.crl_sign()),
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

    /// Whom the certificate is to name.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether it asks for a certificate that may sign certificates or revocation lists.
    pub fn asks_to_be_authority(&self) -> bool {
        self.asks_to_be_authority
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

/// The extensions that are asked for; none where the request asks for none.
fn read_extension_request(attributes: &Attributes) -> Result<Extensions, CaError> {
    let wrong = |reason: &str| CaError::Der { what: "extension request", reason: reason.to_owned() };
    let mut found = attributes.iter().filter(|attribute| attribute.oid == EXTENSION_REQUEST);
    let Some(attribute) = found.next() else { return Ok(Extensions::new()) };
    if found.next().is_some() || attribute.values.len() != 1 {
        return Err(wrong("there is more or less than one value"));
    }
    let value = attribute.values.get(0).ok_or_else(|| wrong("there is no value"))?;
    value.decode_as().map_err(der_error("extension request"))
}

/// The extension of this type, where there is one.
fn find<T: AssociatedOid + for<'a> Decode<'a>>(extensions: &[Extension]) -> Result<Option<T>, CaError> {
    let mut found = extensions.iter().filter(|extension| extension.extn_id == T::OID);
    let Some(extension) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        let reason = format!("extension {} is there twice", T::OID);
        return Err(CaError::Der { what: "extension request", reason });
    }
    T::from_der(extension.extn_value.as_bytes()).map(Some).map_err(der_error("extension request"))
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
        let builder = CsrBuilder::new(Some(&subject()), &key().public(), binding).unwrap();
        let signature = key().sign(builder.tbs());
        builder.finish(&signature).unwrap()
    }

    fn subject() -> Subject {
        Subject::named("device 1", &["device-1.test".to_owned()]).unwrap()
    }

    /// A request with these extensions in it.
    fn asking(extensions: Extensions) -> Result<Csr, CaError> {
        let mut builder = CsrBuilder::new(None, &key().public(), None).unwrap();
        builder.info.attributes.insert(extension_request(extensions).unwrap()).unwrap();
        builder.tbs = builder.info.to_der().unwrap();
        let signature = key().sign(builder.tbs());
        Csr::parse(&builder.finish(&signature).unwrap())
    }

    #[test]
    fn a_request_to_be_an_authority_is_seen() {
        let with = |extension| asking(vec![extension]).unwrap().asks_to_be_authority();
        let constraints =
            |ca| x509::extension(true, &BasicConstraints { ca, path_len_constraint: None }).unwrap();
        assert!(with(constraints(true)) && !with(constraints(false)));
        let usage = |usages| x509::extension(true, &KeyUsage(usages)).unwrap();
        use x509_cert::ext::pkix::KeyUsages;
        assert!(
            with(usage(KeyUsages::KeyCertSign | KeyUsages::DigitalSignature))
                && with(usage(KeyUsages::CRLSign.into()))
        );
        assert!(!with(usage(KeyUsages::DigitalSignature.into())));
        assert!(!Csr::parse(&request(None)).unwrap().asks_to_be_authority());
        // Which of two would count is not guessed at.
        let twice = asking(vec![constraints(false), constraints(true)]);
        assert!(matches!(twice, Err(CaError::Der { what: "extension request", .. })));
    }

    #[test]
    fn requests_are_read_back() {
        let csr = Csr::parse(&request(Some(&[5; 32]))).unwrap();
        let tally = Tally::new();
        csr.verify(&tally).unwrap();
        assert_eq!(tally.of(Op::P256Verify), 1);
        assert_eq!(csr.public(), &key().public());
        assert!(csr.subject().is_same(&subject()));
        assert!(csr.is_bound_to(&[5; 32]));
        assert!(!csr.is_bound_to(&[6; 32]));
        assert!(!Csr::parse(&request(None)).unwrap().is_bound_to(&[5; 32]));
    }

    #[test]
    fn a_signature_by_another_key_proves_nothing() {
        let builder = CsrBuilder::new(None, &key().public(), None).unwrap();
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
                    prop_assert!([WHAT, "challenge password", "extension request"].iter().any(|part| said.contains(part)), "{said}");
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
