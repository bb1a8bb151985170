//! The Online Certificate Status Protocol (RFC 6960): requests are read, and answered from the index under the
//! authority's own key. The nonce extension is that of RFC 9654.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use der::asn1::{Any, BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use der::{Choice, Decode, Encode, Enumerated, Sequence};
use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

mod ask;

pub use ask::{Answered, Question};

use super::index::{Index, Status};
use super::revocation::Revocation;
use super::x509::{self, Serial};
use super::{CaError, der_error};
use crate::crypto::SoftKey;

/// The largest request that is read, in bytes: one for a single certificate has about a hundred.
pub const REQUEST_MAX: usize = 4 * 1024;
/// How many certificates one request may ask for.
const CERTIFICATES_MAX: usize = 16;
/// How long an answer is valid, in seconds.
const ANSWER_LIFETIME_S: u64 = 600;
/// The longest nonce that is repeated, in octets (RFC 9654 section 2.1 lets them have up to 128).
const NONCE_MAX: usize = 128;

/// id-pkix-ocsp-basic and id-pkix-ocsp-nonce (RFC 6960 sections 4.2.1 and 4.4.1).
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// See [`BASIC`].
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
/// id-sha1 (RFC 3279) and id-sha256 (RFC 5754): by these a request may name the issuer.
const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// See [`SHA_1`].
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

const WHAT: &str = "OCSP request";

#[derive(Sequence)]
struct OcspRequest {
    tbs_request: TbsRequest,
    /// A responder need not look at it (RFC 6960 section 4.1.2).
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    signature: Option<Any>,
}

#[derive(Sequence)]
struct TbsRequest {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    version: Version,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    requestor: Option<GeneralName>,
    list: Vec<SingleRequest>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Sequence)]
struct SingleRequest {
    certificate: CertId,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct CertId {
    hash: AlgorithmIdentifierOwned,
    issuer_name: OctetString,
    issuer_key: OctetString,
    serial: SerialNumber,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enumerated)]
#[asn1(type = "INTEGER")]
#[repr(u8)]
enum Version {
    #[default]
    V1 = 0,
}

/// What became of a request as a whole (RFC 6960 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
}

#[derive(Sequence)]
struct OcspResponse {
    status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes>,
}

#[derive(Sequence)]
struct ResponseBytes {
    kind: ObjectIdentifier,
    response: OctetString,
}

#[derive(Sequence)]
struct BasicResponse {
    data: ResponseData,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

#[derive(Sequence)]
struct ResponseData {
    responder: ResponderId,
    produced: GeneralizedTime,
    responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Choice)]
enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
}

#[derive(Sequence)]
struct SingleResponse {
    certificate: CertId,
    status: CertStatus,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
}

#[derive(Choice)]
enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
struct RevokedInfo {
    time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<CrlReason>,
}

/// Who answers: an authority, of its own certificates.
pub(super) struct Responder<'a> {
    /// Its name.
    pub(super) name: &'a Name,
    /// What it signs with.
    pub(super) key: &'a SoftKey,
}

impl Responder<'_> {
    /// The response to a request, both in DER. What cannot be read is answered as malformed, without a signature
    /// (RFC 6960 section 2.3).
    pub(super) fn answer(&self, request: &[u8], index: &Index, now_unix_s: u64) -> Vec<u8> {
        let response = match read(request) {
            Err(_) => OcspResponse { status: ResponseStatus::MalformedRequest, bytes: None },
            Ok(request) => match self.basic(request, index, now_unix_s) {
                Ok(bytes) => OcspResponse { status: ResponseStatus::Successful, bytes: Some(bytes) },
                Err(_) => OcspResponse { status: ResponseStatus::InternalError, bytes: None },
            },
        };
        // An ENUMERATED, and at the most what was encoded before.
        response.to_der().unwrap_or_default()
    }

    fn basic(&self, request: Asked, index: &Index, now_unix_s: u64) -> Result<ResponseBytes, CaError> {
        let responses = request.certificates.into_iter().map(|certificate| {
            Ok(SingleResponse {
                status: self.status(&certificate, index)?,
                certificate,
                this_update: time(now_unix_s)?,
                next_update: Some(time(now_unix_s.saturating_add(ANSWER_LIFETIME_S))?),
            })
        });
        let data = ResponseData {
            responder: ResponderId::ByName(self.name.clone()),
            produced: time(now_unix_s)?,
            responses: responses.collect::<Result<_, CaError>>()?,
            extensions: request.nonce.map(|nonce| vec![nonce]),
        };
        let signature = self.key.sign(&data.to_der().map_err(der_error("OCSP response"))?);
        let basic = BasicResponse {
            data,
            algorithm: x509::signature_algorithm(),
            signature: x509::signature_bits(&signature)?,
        };
        let der = basic.to_der().map_err(der_error("OCSP response"))?;
        let response = OctetString::new(der).map_err(der_error("OCSP response"))?;
        Ok(ResponseBytes { kind: BASIC, response })
    }

    /// What is known of a certificate; nothing of one that another authority has issued, or nobody.
    fn status(&self, certificate: &CertId, index: &Index) -> Result<CertStatus, CaError> {
        let known = self.is_issuer(certificate)?.then(|| Serial::of(&certificate.serial)).flatten();
        Ok(match known.map_or(Status::Unknown, |serial| index.status(&serial)) {
            Status::Good => CertStatus::Good(Null),
            Status::Unknown => CertStatus::Unknown(Null),
            Status::Revoked(Revocation { reason, since_unix_s }) => {
                CertStatus::Revoked(RevokedInfo { time: time(since_unix_s)?, reason: Some(reason.to_x509()) })
            }
        })
    }

    fn is_issuer(&self, certificate: &CertId) -> Result<bool, CaError> {
        let algorithm = match certificate.hash.oid {
            SHA_1 => &SHA1_FOR_LEGACY_USE_ONLY,
            SHA_256 => &SHA256,
            _ => return Ok(false),
        };
        let name = self.name.to_der().map_err(der_error("OCSP response"))?;
        let key = [&[0x04], &self.key.public()[..]].concat();
        let same = |bytes: &[u8], hash: &OctetString| digest(algorithm, bytes).as_ref() == hash.as_bytes();
        Ok(same(&name, &certificate.issuer_name) && same(&key, &certificate.issuer_key))
    }
}

/// What a request asks for.
struct Asked {
    certificates: Vec<CertId>,
    /// To be repeated in the answer, which shows that it is fresh.
    nonce: Option<Extension>,
}

fn read(der: &[u8]) -> Result<Asked, CaError> {
    let wrong = |reason: &str| CaError::Der { what: WHAT, reason: reason.to_owned() };
    if der.len() > REQUEST_MAX {
        return Err(CaError::TooLarge { found: der.len(), limit: REQUEST_MAX });
    }
    let request = OcspRequest::from_der(der).map_err(der_error(WHAT))?.tbs_request;
    if !(1..=CERTIFICATES_MAX).contains(&request.list.len()) {
        return Err(wrong("it asks for none or too many"));
    }
    let nonce = request.extensions.unwrap_or_default().into_iter().find(|one| one.extn_id == NONCE);
    if let Some(nonce) = &nonce {
        let value = OctetString::from_der(nonce.extn_value.as_bytes()).map_err(der_error("OCSP nonce"))?;
        if !(1..=NONCE_MAX).contains(&value.as_bytes().len()) {
            return Err(wrong("its nonce has no octet or too many"));
        }
    }
    Ok(Asked { certificates: request.list.into_iter().map(|one| one.certificate).collect(), nonce })
}

fn time(unix_s: u64) -> Result<GeneralizedTime, CaError> {
    let since_epoch = std::time::Duration::from_secs(unix_s);
    GeneralizedTime::from_unix_duration(since_epoch).map_err(|_| CaError::Time { unix_s })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::index::Record;
    use crate::ca::revocation::RevocationReason;
    use crate::crypto::key;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn signer() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
    }

    fn serial(seed: u64) -> Serial {
        Serial::draw(&mut RngTree::new(seed).stream("serial"))
    }

    fn index() -> Index {
        let record = |seed, revoked| Record {
            serial: serial(seed),
            subject: "sensor".to_owned(),
            spki_sha256: [1; 32],
            tbs_sha256: [2; 32],
            not_before_unix_s: EPOCH_UNIX_S,
            not_after_unix_s: EPOCH_UNIX_S + 100,
            revoked,
        };
        let revoked = Revocation { reason: RevocationReason::KeyCompromise, since_unix_s: EPOCH_UNIX_S + 5 };
        Index::new([record(1, None), record(2, Some(revoked))])
    }

    fn name() -> Name {
        x509::common_name("issuer").unwrap()
    }

    fn cert_id(seed: u64, issuer: &SoftKey) -> CertId {
        let hash = |bytes: &[u8]| OctetString::new(digest(&SHA256, bytes).as_ref()).unwrap();
        CertId {
            hash: AlgorithmIdentifierOwned { oid: SHA_256, parameters: None },
            issuer_name: hash(&name().to_der().unwrap()),
            issuer_key: hash(&[&[4], &issuer.public()[..]].concat()),
            serial: serial(seed).to_x509().unwrap(),
        }
    }

    fn request(certificates: Vec<CertId>, nonce: Option<&[u8]>) -> Vec<u8> {
        let list =
            certificates.into_iter().map(|certificate| SingleRequest { certificate, extensions: None });
        let nonce = nonce.map(|octets| Extension {
            extn_id: NONCE,
            critical: false,
            extn_value: OctetString::new(OctetString::new(octets).unwrap().to_der().unwrap()).unwrap(),
        });
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor: None,
            list: list.collect(),
            extensions: nonce.map(|nonce| vec![nonce]),
        };
        OcspRequest { tbs_request, signature: None }.to_der().unwrap()
    }

    fn answer(request: &[u8]) -> (ResponseStatus, Option<BasicResponse>) {
        let (name, key) = (name(), signer());
        let der = Responder { name: &name, key: &key }.answer(request, &index(), EPOCH_UNIX_S + 9);
        let response = OcspResponse::from_der(&der).unwrap();
        let basic = response.bytes.map(|bytes| {
            assert_eq!(bytes.kind, BASIC);
            let basic = BasicResponse::from_der(bytes.response.as_bytes()).unwrap();
            let signature = key::signature_from_der(basic.signature.raw_bytes()).unwrap();
            key::verify(&signer().public(), &basic.data.to_der().unwrap(), &signature).unwrap();
            basic
        });
        (response.status, basic)
    }

    #[test]
    fn each_certificate_has_its_status() {
        let other = SoftKey::from_stream(&mut RngTree::new(8).stream("keys"));
        let asked = vec![
            cert_id(1, &signer()),
            cert_id(2, &signer()),
            cert_id(3, &signer()),
            // The number of one that is good, from another authority; and an issuer named by a digest that is not known.
            cert_id(1, &other),
            CertId {
                hash: AlgorithmIdentifierOwned { oid: NONCE, parameters: None },
                ..cert_id(1, &signer())
            },
        ];
        let (status, basic) = answer(&request(asked.clone(), None));
        assert_eq!(status, ResponseStatus::Successful);
        let data = basic.unwrap().data;
        let said: Vec<_> = data.responses.iter().map(|one| one.certificate.clone()).collect();
        assert_eq!(said, asked);
        let words: Vec<_> = data
            .responses
            .iter()
            .map(|one| match &one.status {
                CertStatus::Good(_) => "good",
                CertStatus::Revoked(info) => {
                    assert_eq!(info.time, time(EPOCH_UNIX_S + 5).unwrap());
                    assert_eq!(info.reason, Some(CrlReason::KeyCompromise));
                    "revoked"
                }
                CertStatus::Unknown(_) => "unknown",
            })
            .collect();
        assert_eq!(words, ["good", "revoked", "unknown", "unknown", "unknown"]);
        assert_eq!(data.extensions, None);
    }

    #[test]
    fn a_nonce_is_repeated_and_bounded() {
        let asked = |nonce: &[u8]| answer(&request(vec![cert_id(1, &signer())], Some(nonce)));
        for length in [1, 32, 128] {
            let nonce = vec![7; length];
            let extensions = asked(&nonce).1.unwrap().data.extensions.unwrap();
            let value = OctetString::from_der(extensions[0].extn_value.as_bytes()).unwrap();
            assert_eq!((extensions.len(), value.as_bytes()), (1, &nonce[..]));
        }
        for length in [0, 129] {
            assert_eq!(asked(&vec![7; length]).0, ResponseStatus::MalformedRequest);
        }
    }

    #[test]
    fn what_asks_for_nothing_or_too_much_is_malformed() {
        for request in [
            request(vec![], None),
            request(vec![cert_id(1, &signer()); CERTIFICATES_MAX + 1], None),
            vec![0x30; REQUEST_MAX + 1],
            Vec::new(),
        ] {
            let (status, basic) = answer(&request);
            assert!(status == ResponseStatus::MalformedRequest && basic.is_none());
        }
        assert_eq!(
            answer(&request(vec![cert_id(1, &signer()); CERTIFICATES_MAX], None)).0,
            ResponseStatus::Successful
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(der in bent(request(vec![cert_id(1, &signer()), cert_id(2, &signer())], Some(&[7; 16])))) {
            let (status, basic) = answer(&der);
            prop_assert_eq!(status == ResponseStatus::Successful, basic.is_some());
            // Only what was asked for is answered.
            let asked = read(&der).map(|asked| asked.certificates).unwrap_or_default();
            let said: Vec<_> = basic.into_iter().flat_map(|basic| basic.data.responses).map(|one| one.certificate).collect();
            prop_assert_eq!(said, asked);
        }
    }
}
