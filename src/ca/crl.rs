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

/// Why a certificate is revoked: the reasons of RFC 5280 section 5.3.1 that a device or a server can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// Somebody else may hold the key.
    KeyCompromise,
    /// Another certificate has taken its place.
    Superseded,
    /// The device is out of use.
    CessationOfOperation,
    /// The device is cut off for now and may be released: the one reason that can be taken back.
    CertificateHold,
    /// The device may no longer do what the certificate was for.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    const fn to_x509(self) -> CrlReason {
        match self {
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::CertificateHold => CrlReason::CertificateHold,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        }
    }
}

/// The revoked certificates of an authority, and the number of its last list.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    entries: BTreeMap<Serial, Entry>,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    reason: RevocationReason,
    since_unix_s: u64,
}

impl Revocations {
    /// Adds a certificate, and returns whether that changed anything: one that is revoked for good keeps
    /// its first date and reason, and a hold is not held twice.
    pub(super) fn add(&mut self, serial: Serial, reason: RevocationReason, now_unix_s: u64) -> bool {
        let held = self.on_hold(&serial);
        let changes = match self.entries.get(&serial) {
            None => true,
            Some(_) => held && reason != RevocationReason::CertificateHold,
        };
        if changes {
            self.entries.insert(serial, Entry { reason, since_unix_s: now_unix_s });
        }
        changes
    }

    /// Takes a certificate off hold, and returns whether it was on hold.
    pub(super) fn release(&mut self, serial: &Serial) -> bool {
        self.on_hold(serial) && self.entries.remove(serial).is_some()
    }

    fn on_hold(&self, serial: &Serial) -> bool {
        self.entries.get(serial).is_some_and(|entry| entry.reason == RevocationReason::CertificateHold)
    }

    pub(super) fn contains(&self, serial: &Serial) -> bool {
        self.entries.contains_key(serial)
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
        let entry = |(serial, entry): (&Serial, &Entry)| {
            Ok(RevokedCert {
                serial_number: serial.to_x509()?,
                revocation_date: x509::time(entry.since_unix_s)?,
                crl_entry_extensions: Some(vec![x509::extension(false, &entry.reason.to_x509())?]),
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
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
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
        assert!(revocations.add(serial, RevocationReason::KeyCompromise, EPOCH_UNIX_S + 5));
        assert!(!revocations.add(serial, RevocationReason::Superseded, EPOCH_UNIX_S + 9));
        let second = list(&mut revocations);
        let entries = second.revoked_certificates.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(Serial::of(&entries[0].serial_number), Some(serial));
        assert_eq!(entries[0].revocation_date, x509::time(EPOCH_UNIX_S + 5).unwrap());
        assert_ne!(first.crl_extensions, second.crl_extensions, "the number moves on");
    }

    #[test]
    fn only_a_hold_is_released_and_a_hold_can_become_final() {
        let serial = Serial::draw(&mut RngTree::new(7).stream("serial"));
        let mut revocations = Revocations::default();
        assert!(!revocations.release(&serial));
        assert!(revocations.add(serial, RevocationReason::CertificateHold, 1));
        assert!(!revocations.add(serial, RevocationReason::CertificateHold, 2));
        assert!(revocations.release(&serial));
        assert!(!revocations.contains(&serial));

        assert!(revocations.add(serial, RevocationReason::CertificateHold, 3));
        assert!(revocations.add(serial, RevocationReason::PrivilegeWithdrawn, 4));
        assert!(!revocations.release(&serial));
        assert!(revocations.contains(&serial));
    }
}
