//! Certificate revocation lists (RFC 5280 section 5).

use der::asn1::Uint;
use der::{Decode, Encode};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::pkix::CrlNumber;
use x509_cert::name::Name;

use super::index::{Index, Record};
use super::x509;
use super::{CaError, der_error};

/// For how long a list is valid, in seconds.
pub(super) const LIST_LIFETIME_S: u64 = 86_400;

const WHAT: &str = "revocation list";

/// Writes list `number` of `issuer`, whose public point is `public` and who signs by `sign`, with what `index` has as
/// revoked. A certificate stays on the list until one that was written after its end has named it.
pub(super) fn sign_list(
    index: &Index,
    number: u64,
    issuer: &Name,
    public: &[u8; 64],
    now_unix_s: u64,
    sign: impl Fn(&[u8]) -> [u8; 64],
) -> Result<Vec<u8>, CaError> {
    let tbs = TbsCertList {
        version: Version::V2,
        signature: x509::signature_algorithm(),
        issuer: issuer.clone(),
        this_update: x509::time(now_unix_s)?,
        next_update: Some(x509::time(now_unix_s.saturating_add(LIST_LIFETIME_S))?),
        revoked_certificates: revoked(index, now_unix_s)?,
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
    list.to_der().map_err(der_error(WHAT))
}

/// The number of a list in DER.
///
/// # Errors
/// [`CaError::Der`] where it is no list with a number of up to 8 octets.
pub fn list_number(der: &[u8]) -> Result<u64, CaError> {
    let list = CertificateList::from_der(der).map_err(der_error(WHAT))?.tbs_cert_list;
    let wrong = || CaError::Der { what: WHAT, reason: "it has no number of up to 8 octets".to_owned() };
    let extensions = list.crl_extensions.unwrap_or_default();
    let number =
        extensions.iter().find(|extension| extension.extn_id == <CrlNumber as der::oid::AssociatedOid>::OID);
    let CrlNumber(number) =
        CrlNumber::from_der(number.ok_or_else(wrong)?.extn_value.as_bytes()).map_err(der_error(WHAT))?;
    let octets = number.as_bytes();
    let start = 8_usize.checked_sub(octets.len()).ok_or_else(wrong)?;
    let mut padded = [0; 8];
    padded[start..].copy_from_slice(octets);
    Ok(u64::from_be_bytes(padded))
}

/// The entries; none at all where nothing is revoked, since the field may not be empty.
fn revoked(index: &Index, now_unix_s: u64) -> Result<Option<Vec<RevokedCert>>, CaError> {
    let listed = |record: &&Record| record.not_after_unix_s.saturating_add(LIST_LIFETIME_S) >= now_unix_s;
    let mut entries = Vec::new();
    for record in index.records().filter(listed) {
        let Some(revocation) = record.revoked else { continue };
        entries.push(RevokedCert {
            serial_number: record.serial.to_x509()?,
            revocation_date: x509::time(revocation.since_unix_s)?,
            crl_entry_extensions: Some(vec![x509::extension(false, &revocation.reason.to_x509())?]),
        });
    }
    Ok((!entries.is_empty()).then_some(entries))
}

fn crl_number(number: u64) -> Result<Uint, CaError> {
    Uint::new(&number.to_be_bytes()).map_err(der_error(WHAT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::revocation::{Revocation, RevocationReason};
    use crate::ca::x509::Serial;
    use crate::crypto::{SoftKey, key};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};

    fn record(seed: u64, revoked: Option<Revocation>) -> Record {
        Record {
            serial: Serial::draw(&mut RngTree::new(seed).stream("serial")),
            subject: "sensor".to_owned(),
            spki_sha256: [1; 32],
            tbs_sha256: [2; 32],
            not_before_unix_s: EPOCH_UNIX_S,
            not_after_unix_s: EPOCH_UNIX_S + 100,
            revoked,
        }
    }

    fn list(records: Vec<Record>, number: u64, now_unix_s: u64) -> TbsCertList {
        let signer = SoftKey::from_stream(&mut RngTree::new(7).stream("keys"));
        let issuer = x509::common_name("issuer").unwrap();
        let index = Index::new(records);
        let der =
            sign_list(&index, number, &issuer, &signer.public(), now_unix_s, |tbs| signer.sign(tbs)).unwrap();
        assert_eq!(list_number(&der), Ok(number));
        let list = CertificateList::from_der(&der).unwrap();
        let signature = key::signature_from_der(list.signature.raw_bytes()).unwrap();
        key::verify(&signer.public(), &list.tbs_cert_list.to_der().unwrap(), &signature).unwrap();
        list.tbs_cert_list
    }

    #[test]
    fn lists_are_numbered_and_signed() {
        assert_eq!(list(vec![record(1, None)], 1, EPOCH_UNIX_S).revoked_certificates, None);
        let revocation =
            Revocation { reason: RevocationReason::KeyCompromise, since_unix_s: EPOCH_UNIX_S + 5 };
        let records = vec![record(1, None), record(2, Some(revocation))];
        let entries = list(records.clone(), u64::MAX, EPOCH_UNIX_S + 9).revoked_certificates.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(Serial::of(&entries[0].serial_number), Some(records[1].serial));
        assert_eq!(entries[0].revocation_date, x509::time(EPOCH_UNIX_S + 5).unwrap());
    }

    #[test]
    fn an_expired_certificate_leaves_the_list_after_one_more() {
        let revocation = Revocation { reason: RevocationReason::Superseded, since_unix_s: EPOCH_UNIX_S };
        let entries =
            |now_unix_s| list(vec![record(1, Some(revocation))], 3, now_unix_s).revoked_certificates;
        let end = EPOCH_UNIX_S + 100;
        assert!(entries(end + LIST_LIFETIME_S).is_some());
        assert!(entries(end + LIST_LIFETIME_S + 1).is_none());
    }

    #[test]
    fn what_is_no_list_has_no_number() {
        assert!(matches!(list_number(b"\x30\x00"), Err(CaError::Der { .. })));
    }
}
