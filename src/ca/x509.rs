//! The parts that certificates, requests and revocation lists are put together from (RFC 5280).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use der::asn1::{
    Any, BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, SetOfVec, UtcTime,
};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Header, Reader, SliceReader, Tag};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::{CaError, der_error};
use crate::crypto::key;

/// id-at-commonName (RFC 5280 appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// ub-common-name (RFC 5280 appendix A.1), in characters.
const COMMON_NAME_MAX: usize = 64;
/// ecdsa-with-SHA256 (RFC 5758 section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// id-kp-serverAuth and id-kp-clientAuth (RFC 5280 section 4.2.1.12).
pub(super) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// See [`SERVER_AUTH`].
pub(super) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// The serial number of a certificate: positive, 16 octets, 126 of its bits drawn (RFC 5280 section
/// 4.1.2.2 allows up to 20 octets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a serial number.
    pub(super) fn draw(stream: &mut ChaCha20Rng) -> Self {
        let mut octets = [0; 16];
        stream.fill_bytes(&mut octets);
        // Never negative, and never shorter than 16 octets.
        octets[0] = octets[0] & 0x7f | 0x40;
        Self(octets)
    }

    /// The serial number of a parsed certificate, where it has the form that this authority gives.
    pub(super) fn of(number: &SerialNumber) -> Option<Self> {
        number.as_bytes().try_into().ok().map(Self)
    }

    pub(super) fn to_x509(self) -> Result<SerialNumber, CaError> {
        SerialNumber::new(&self.0).map_err(der_error("the serial number"))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Serial {
    type Err = CaError;

    /// Reads 32 hexadecimal digits, in upper or lower case, with or without colons between the octets.
    fn from_str(text: &str) -> Result<Self, CaError> {
        let wrong = || CaError::Serial { found: text.chars().take(64).collect() };
        let mut octets = [0; 16];
        hex::decode_to_slice(text.replace(':', ""), &mut octets).map_err(|_| wrong())?;
        // What `draw` gives: positive, and no octet shorter.
        if octets[0] & 0xc0 == 0x40 { Ok(Self(octets)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Serial {
    type Error = CaError;
    fn try_from(text: String) -> Result<Self, CaError> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

/// The first element of the outer SEQUENCE with its header: what the signature of a certificate or request is over.
pub(super) fn signed_part(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

/// The name that consists of one common name.
pub(super) fn common_name(name: &str) -> Result<Name, CaError> {
    if !(1..=COMMON_NAME_MAX).contains(&name.chars().count()) {
        return Err(CaError::CommonName { name: name.chars().take(COMMON_NAME_MAX + 1).collect() });
    }
    let what = der_error("the subject");
    let value = Any::new(Tag::Utf8String, name.as_bytes()).map_err(&what)?;
    let attribute = AttributeTypeAndValue { oid: COMMON_NAME, value };
    let rdn = RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).map_err(&what)?);
    Ok(RdnSequence(vec![rdn]))
}

/// The first common name of a name, where it has one in UTF8String or PrintableString.
pub(super) fn common_name_of(name: &Name) -> Option<&str> {
    let mut attributes = name.0.iter().flat_map(|rdn| rdn.0.iter());
    let value = &attributes.find(|attribute| attribute.oid == COMMON_NAME)?.value;
    matches!(der::Tagged::tag(value), Tag::Utf8String | Tag::PrintableString)
        .then(|| std::str::from_utf8(value.value()).ok())?
}

/// A moment in the form that RFC 5280 section 4.1.2.5 asks for: UTCTime through 2049.
pub(crate) fn time(unix_s: u64) -> Result<Time, CaError> {
    let since_epoch = Duration::from_secs(unix_s);
    match UtcTime::from_unix_duration(since_epoch) {
        Ok(utc) => Ok(Time::UtcTime(utc)),
        Err(_) => GeneralizedTime::from_unix_duration(since_epoch)
            .map(Time::GeneralTime)
            .map_err(|_| CaError::Time { unix_s }),
    }
}

/// ecdsa-with-SHA256, whose parameters are absent (RFC 5758 section 3.2).
pub(crate) fn signature_algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None }
}

/// Refuses every signature algorithm but the one above.
pub(super) fn check_signature_algorithm(
    what: &'static str,
    algorithm: &AlgorithmIdentifierOwned,
) -> Result<(), CaError> {
    if *algorithm == signature_algorithm() {
        return Ok(());
    }
    Err(CaError::Algorithm { what, found: format!("algorithm {}", algorithm.oid) })
}

/// The raw signature `r || s` as the BIT STRING of a signed structure.
pub(super) fn signature_bits(raw: &[u8; 64]) -> Result<BitString, CaError> {
    let signature = key::signature_to_der(raw)
        .map_err(|source| CaError::Crypto { what: "signature could not be written", source })?;
    BitString::from_bytes(&signature).map_err(der_error("the signature"))
}

/// The certificate in DER that `tbs` and the raw signature of its DER make.
pub(super) fn certificate(tbs: TbsCertificate, signature: &[u8; 64]) -> Result<Vec<u8>, CaError> {
    let signature = signature_bits(signature)?;
    let certificate =
        Certificate { tbs_certificate: tbs, signature_algorithm: signature_algorithm(), signature };
    certificate.to_der().map_err(der_error("certificate"))
}

/// The `SubjectPublicKeyInfo` of the public point `X || Y`.
pub(super) fn spki(public: &[u8; 64]) -> Result<SubjectPublicKeyInfoOwned, CaError> {
    SubjectPublicKeyInfoOwned::from_der(&key::spki_der(public)).map_err(der_error("the public key"))
}

/// The public point `X || Y` of a `SubjectPublicKeyInfo`.
pub(super) fn public_of(what: &'static str, spki: &SubjectPublicKeyInfoOwned) -> Result<[u8; 64], CaError> {
    let der = spki.to_der().map_err(der_error(what))?;
    key::public_from_spki(&der).map_err(|source| CaError::Crypto { what, source })
}

/// An extension with its value in DER.
pub(crate) fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> Result<Extension, CaError> {
    let what = der_error("an extension");
    let octets = OctetString::new(value.to_der().map_err(&what)?).map_err(&what)?;
    Ok(Extension { extn_id: T::OID, critical, extn_value: octets })
}

/// subjectKeyIdentifier of a public key.
pub(super) fn subject_key_id(public: &[u8; 64]) -> Result<Extension, CaError> {
    extension(false, &SubjectKeyIdentifier(key_id(public)?))
}

/// authorityKeyIdentifier that names the issuer's public key.
pub(super) fn authority_key_id(public: &[u8; 64]) -> Result<Extension, CaError> {
    let id = AuthorityKeyIdentifier { key_identifier: Some(key_id(public)?), ..Default::default() };
    extension(false, &id)
}

/// The leftmost 160 bits of the SHA-256 of the subjectPublicKey (RFC 7093 section 2, method 1).
fn key_id(public: &[u8; 64]) -> Result<OctetString, CaError> {
    let digest = Sha256::new().chain_update([0x04]).chain_update(public).finalize();
    OctetString::new(&digest[..20]).map_err(der_error("the key identifier"))
}

/// Text that is ASCII, as URI and dNSName want it.
pub(crate) fn ia5(text: &str) -> Result<Ia5String, CaError> {
    Ia5String::new(text).map_err(der_error("a general name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;

    #[test]
    fn serial_numbers_are_positive_and_16_octets() {
        let mut stream = RngTree::new(7).stream("serial");
        for _ in 0..200 {
            let serial = Serial::draw(&mut stream);
            let x509 = serial.to_x509().unwrap();
            assert_eq!(x509.to_der().unwrap().len(), 2 + 16);
            assert_eq!(Serial::of(&x509), Some(serial));
            assert_eq!(serial.to_string().parse(), Ok(serial));
        }
        for wrong in ["", "00", &"0".repeat(32), &"f".repeat(32), &"4".repeat(34)] {
            assert!(matches!(wrong.parse::<Serial>(), Err(CaError::Serial { .. })), "{wrong}");
        }
    }

    #[test]
    fn times_change_form_in_2050() {
        // 2049-12-31T23:59:59Z and one second later.
        assert!(matches!(time(2_524_607_999), Ok(Time::UtcTime(_))));
        assert!(matches!(time(2_524_608_000), Ok(Time::GeneralTime(_))));
        assert_eq!(time(u64::MAX), Err(CaError::Time { unix_s: u64::MAX }));
    }

    #[test]
    fn common_names_are_bounded() {
        let name = common_name("gerät, CN=admin").unwrap();
        assert_eq!(common_name_of(&name), Some("gerät, CN=admin"));
        assert!(common_name("").is_err());
        assert!(common_name(&"x".repeat(64)).is_ok());
        assert!(common_name(&"x".repeat(65)).is_err());
    }
}
