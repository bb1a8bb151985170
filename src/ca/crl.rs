//! Certificate revocation lists (RFC 5280 section 5).

use std::collections::BTreeMap;

use der::Encode;
use der::asn1::Uint;
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::pkix::{CrlNumber, CrlReason};
use x509_cert::name::Name;

use super::x509::{self, Serial};
use super::{CaError, der_error};

/// For how long a list is valid, in seconds.
const LIST_LIFETIME_S: u64 = 86_400;

const WHAT: &str = "revocation list";

/// The revoked certificates of an authority, and the number of its last list.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    entries: BTreeMap<Serial, (CrlReason, u64)>,
    number: u64,
}

impl Revocations {
    /// Adds a certificate. One that is there already keeps its first date and reason.
    pub(super) fn add(&mut self, serial: Serial, reason: CrlReason, now_unix_s: u64) {
        self.entries.entry(serial).or_insert((reason, now_unix_s));
    }

    pub(super) fn contains(&self, serial: &Serial) -> bool {
        self.entries.contains_key(serial)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Writes the list of `issuer`, whose public point is `public` and who signs by `sign`.
    pub(super) fn sign_list(
        &mut self,
        issuer: &Name,
        public: &[u8; 64],
        now_unix_s: u64,
        sign: impl Fn(&[u8]) -> [u8; 64],
    ) -> Result<Vec<u8>, CaError> {
        let number = self.number + 1;
        let tbs = TbsCertList {
            version: Version::V2,
            signature: x509::signature_algorithm(),
            issuer: issuer.clone(),
            this_update: x509::time(now_unix_s)?,
            next_update: Some(x509::time(now_unix_s.saturating_add(LIST_LIFETIME_S))?),
            revoked_certificates: self.revoked()?,
            crl_extensions: Some(vec![
                x509::authority_key_id(public)?,
                x509::extension(false, &CrlNumber(crl_number(number)?))?,
            ]),
        };
        let signature = sign(&tbs.to_der().map_err(der_error(WHAT))?);
        let list = CertificateList {
            tbs_cert_list: tbs,
            signature_algorithm: x509::signature_algorithm(),
            signature: x509::signature_bits(&signature)?,
        };
        self.number = number;
        list.to_der().map_err(der_error(WHAT))
    }

    /// The entries; none at all where nothing is revoked, since the field may not be empty.
    fn revoked(&self) -> Result<Option<Vec<RevokedCert>>, CaError> {
        let entry = |(serial, (reason, unix_s)): (&Serial, &(CrlReason, u64))| {
            Ok(RevokedCert {
                serial_number: serial.to_x509()?,
                revocation_date: x509::time(*unix_s)?,
                crl_entry_extensions: match reason {
                    // RFC 5280 section 5.3.1: the reason is left out rather than unspecified.
                    CrlReason::Unspecified => None,
                    reason => Some(vec![x509::extension(false, reason)?]),
                },
            })
        };
        let entries: Vec<_> = self.entries.iter().map(entry).collect::<Result<_, CaError>>()?;
        Ok((!entries.is_empty()).then_some(entries))
    }
}

fn crl_number(number: u64) -> Result<Uint, CaError> {
    Uint::new(&number.to_be_bytes()).map_err(der_error(WHAT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{SoftKey, key};
    use crate::sim::{EPOCH_UNIX_S, RngTree};
    use der::Decode;

    #[test]
    fn lists_are_numbered_and_signed() {
        let signer = SoftKey::from_stream(&mut RngTree::new(7).stream("keys"));
        let serial = Serial::draw(&mut RngTree::new(7).stream("serial"));
        let issuer = x509::common_name("issuer").unwrap();
        let mut revocations = Revocations::default();
        let list = |revocations: &mut Revocations| {
            let der = revocations
                .sign_list(&issuer, &signer.public(), EPOCH_UNIX_S, |tbs| signer.sign(tbs))
                .unwrap();
            let list = CertificateList::from_der(&der).unwrap();
            let signature = key::signature_from_der(list.signature.raw_bytes()).unwrap();
            key::verify(&signer.public(), &list.tbs_cert_list.to_der().unwrap(), &signature).unwrap();
            list.tbs_cert_list
        };

        let first = list(&mut revocations);
        assert_eq!(first.revoked_certificates, None);
        revocations.add(serial, CrlReason::KeyCompromise, EPOCH_UNIX_S + 5);
        revocations.add(serial, CrlReason::Unspecified, EPOCH_UNIX_S + 9);
        let second = list(&mut revocations);
        let entries = second.revoked_certificates.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(Serial::of(&entries[0].serial_number), Some(serial));
        assert_eq!(entries[0].revocation_date, x509::time(EPOCH_UNIX_S + 5).unwrap());
        assert_ne!(first.crl_extensions, second.crl_extensions, "the number moves on");
    }
}
