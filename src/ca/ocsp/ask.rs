//! Asking a responder about one certificate, and reading what it says: what a peer of a device does before it believes the
//! device's certificate.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::asn1::{Null, OctetString};
use der::{Decode, Encode};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{
    BASIC, BasicResponse, CertId, CertStatus, OcspRequest, OcspResponse, ResponseStatus, SHA_1,
    SingleRequest, TbsRequest, Version,
};
use crate::ca::{CaError, der_error};
use crate::crypto::key;

const WHAT: &str = "OCSP response";

/// What a responder says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It was not revoked.
    Good,
    /// It was revoked, or is on hold.
    Revoked,
    /// The responder does not know it.
    Unknown,
}

/// A question about one certificate.
#[derive(Debug, Clone)]
pub struct Question {
    about: CertId,
    /// The key of the authority, X || Y, which answers for itself.
    key: [u8; 64],
}

impl Question {
    /// About `certificate`, which the authority with the certificate `issuer` has signed, both DER. The issuer is named by
    /// SHA-1, as every responder knows it (RFC 5019 section 2.1.1).
    ///
    /// # Errors
    /// Where one of them is no certificate, or the authority's key is not on P-256.
    pub fn new(certificate: &[u8], issuer: &[u8]) -> Result<Self, CaError> {
        let certificate =
            Certificate::from_der(certificate).map_err(der_error("certificate"))?.tbs_certificate;
        let issuer = Certificate::from_der(issuer).map_err(der_error("certificate"))?.tbs_certificate;
        let name = issuer.subject.to_der().map_err(der_error("certificate"))?;
        let point = issuer.subject_public_key_info.subject_public_key.raw_bytes();
        let key = point.strip_prefix(&[0x04]).and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| wrong("the authority's key is not on P-256"))?;
        let hash = |bytes: &[u8]| {
            OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
                .map_err(der_error("OCSP request"))
        };
        let hash_algorithm = AlgorithmIdentifierOwned { oid: SHA_1, parameters: Some(Null.into()) };
        let about = CertId {
            hash: hash_algorithm,
            issuer_name: hash(&name)?,
            issuer_key: hash(point)?,
            serial: certificate.serial_number,
        };
        Ok(Self { about, key })
    }

    /// The request, DER, without a nonce.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn request(&self) -> Result<Vec<u8>, CaError> {
        let list = vec![SingleRequest { certificate: self.about.clone(), extensions: None }];
        let tbs_request = TbsRequest { version: Version::V1, requestor: None, list, extensions: None };
        OcspRequest { tbs_request, signature: None }.to_der().map_err(der_error("OCSP request"))
    }

    /// What the response, DER, says of it at `now_unix_s`.
    ///
    /// # Errors
    /// Where it is no answer, is about another certificate, is not signed by the authority, or does not hold at that time
    /// (RFC 6960 section 3.2).
    pub fn read(&self, response: &[u8], now_unix_s: u64) -> Result<Answered, CaError> {
        let response = OcspResponse::from_der(response).map_err(der_error(WHAT))?;
        let bytes = response.bytes.filter(|bytes| bytes.kind == BASIC);
        let (ResponseStatus::Successful, Some(bytes)) = (response.status, bytes) else {
            return Err(wrong("the responder has no answer"));
        };
        let basic = BasicResponse::from_der(bytes.response.as_bytes()).map_err(der_error(WHAT))?;
        let signature = key::signature_from_der(basic.signature.raw_bytes());
        let signature = signature.map_err(|_| wrong("its signature is none of ECDSA"))?;
        let signed = basic.data.to_der().map_err(der_error(WHAT))?;
        key::verify(&self.key, &signed, &signature).map_err(|_| wrong("the authority has not signed it"))?;
        let one = basic.data.responses.into_iter().find(|one| one.certificate == self.about);
        let one = one.ok_or_else(|| wrong("it is about another certificate"))?;
        let from = one.this_update.to_unix_duration().as_secs();
        let until = one.next_update.map_or(u64::MAX, |until| until.to_unix_duration().as_secs());
        if !(from..=until).contains(&now_unix_s) {
            return Err(wrong("it does not hold now"));
        }
        Ok(match one.status {
            CertStatus::Good(_) => Answered::Good,
            CertStatus::Revoked(_) => Answered::Revoked,
            CertStatus::Unknown(_) => Answered::Unknown,
        })
    }
}

fn wrong(reason: &str) -> CaError {
    CaError::Der { what: WHAT, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::crypto::{SoftKey, Tally};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use proptest::prelude::*;

    fn authority(seed: u64) -> Authority {
        Authority::new(RngTree::new(seed), &Tally::new(), EPOCH_UNIX_S).unwrap()
    }

    /// An authority, and two certificates that it has issued.
    fn issued() -> (Authority, [Vec<u8>; 2]) {
        let mut ca = authority(7);
        let mut one = |name: &str| {
            let key = SoftKey::from_stream(&mut RngTree::new(8).stream(name));
            ca.issue_server(&[name], &[], &key.public(), EPOCH_UNIX_S).unwrap()
        };
        let both = [one("a.test"), one("b.test")];
        (ca, both)
    }

    #[test]
    fn an_answer_counts_for_its_certificate_by_its_authority_and_in_its_time() {
        let (ca, [one, other]) = issued();
        let question = Question::new(&one, ca.root_der()).unwrap();
        let answer = ca.ocsp(&question.request().unwrap(), EPOCH_UNIX_S + 9);
        let read = |question: &Question, answer: &[u8], after_s: u64| {
            question.read(answer, EPOCH_UNIX_S + after_s).map_err(|error| error.to_string())
        };
        assert!(read(&question, &answer, 9).is_ok() && read(&question, &answer, 609).is_ok());
        for after_s in [8, 610] {
            assert!(
                read(&question, &answer, after_s).unwrap_err().contains("does not hold now"),
                "{after_s}"
            );
        }
        let about_other = Question::new(&other, ca.root_der()).unwrap();
        assert!(read(&about_other, &answer, 9).unwrap_err().contains("another certificate"));
        let by_other = Question::new(&one, authority(8).root_der()).unwrap();
        assert!(read(&by_other, &answer, 9).unwrap_err().contains("has not signed"));
        let malformed = [0x30, 3, 0x0a, 1, 1];
        assert!(read(&question, &malformed, 9).unwrap_err().contains("no answer"));
    }

    proptest! {
        /// Whoever changes an answer on its way changes what it says to an error, or nothing.
        #[test]
        fn a_bent_answer_says_nothing_else(bend in any::<(usize, u8)>()) {
            let (ca, [one, _]) = issued();
            let question = Question::new(&one, ca.root_der()).unwrap();
            let mut answer = ca.ocsp(&question.request().unwrap(), EPOCH_UNIX_S);
            let said = question.read(&answer, EPOCH_UNIX_S).unwrap();
            let at = bend.0 % answer.len();
            answer[at] ^= bend.1;
            if let Ok(other) = question.read(&answer, EPOCH_UNIX_S) {
                prop_assert_eq!(other, said);
            }
        }
    }
}
