//! Reading a certificate revocation list (SGP.22 clause 4.5.2.2; RFC 5280 section 5).

use std::collections::BTreeMap;

use der::Decode;
use der::asn1::Uint;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::crl::IssuingDistributionPoint;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlReason};
use x509_cert::name::Name;

use super::certificate::{check_algorithms, der_error, signed_part};
use super::{Oid, RspCertError, pem};

const WHAT: &str = "the revocation list";
/// Last arcs below id-ce, 2.5.29, of the extensions of lists that are understood.
const CRL_NUMBER: u8 = 20;
const REASON_CODE: u8 = 21;
const ISSUING_DISTRIBUTION_POINT: u8 = 28;
const AUTHORITY_KEY_IDENTIFIER: u8 = 35;

/// A revocation list, read. Reading proves nothing: [`super::TrustAnchor::take_crl`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature_der: Vec<u8>,
    issuer: Name,
    authority_key_id: Option<Vec<u8>>,
    number: u64,
    this_update_unix_s: u64,
    next_update_unix_s: Option<u64>,
    revoked: BTreeMap<Vec<u8>, Revocation>,
    scope: Vec<u8>,
}

/// When and why a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// In Unix seconds.
    pub since_unix_s: u64,
    /// CRLReason (RFC 5280 section 5.3.1), where one is given.
    pub reason: Option<CrlReason>,
}

impl Crl {
    /// Reads a revocation list from a file in PEM or DER.
    ///
    /// # Errors
    /// [`RspCertError`] as [`Self::parse`] has it, and [`RspCertError::Der`] where the PEM is broken.
    pub fn from_file(bytes: &[u8]) -> Result<Self, RspCertError> {
        let der = pem::der_of(bytes, pem::CRL)
            .map_err(|reason| RspCertError::Der { what: WHAT, reason: reason.to_owned() })?;
        Self::parse(&der)
    }

    /// Reads a revocation list in DER.
    ///
    /// # Errors
    /// [`RspCertError::Der`], [`RspCertError::Algorithm`], [`RspCertError::CrlCritical`].
    pub fn parse(der: &[u8]) -> Result<Self, RspCertError> {
        let wrong = der_error(WHAT);
        let tbs = signed_part(WHAT, der)?.to_vec();
        let list = CertificateList::from_der(der).map_err(&wrong)?;
        let content = list.tbs_cert_list;
        check_algorithms(WHAT, &content.signature, &list.signature_algorithm)?;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let mut read = Self {
            der: der.to_vec(),
            tbs,
            signature_der: list.signature.as_bytes().unwrap_or_default().to_vec(),
            issuer: content.issuer,
            authority_key_id: None,
            number: 0,
            this_update_unix_s: seconds(content.this_update),
            next_update_unix_s: content.next_update.map(seconds),
            revoked: BTreeMap::new(),
            scope: Vec::new(),
        };
        for entry in content.revoked_certificates.unwrap_or_default() {
            let mut reason = None;
            for extension in entry.crl_entry_extensions.unwrap_or_default() {
                match extension.extn_id.as_bytes() {
                    [0x55, 0x1d, REASON_CODE] => {
                        reason = Some(CrlReason::from_der(extension.extn_value.as_bytes()).map_err(&wrong)?);
                    }
                    other if extension.critical => return Err(not_understood(other)),
                    _ => {}
                }
            }
            let revocation = Revocation { since_unix_s: seconds(entry.revocation_date), reason };
            read.revoked.insert(entry.serial_number.as_bytes().to_vec(), revocation);
        }
        for extension in content.crl_extensions.unwrap_or_default() {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id.as_bytes() {
                [0x55, 0x1d, CRL_NUMBER] => {
                    let number = Uint::from_der(value).map_err(&wrong)?;
                    let octets = number.as_bytes();
                    let low = &octets[octets.len().saturating_sub(8)..];
                    read.number = low.iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
                }
                [0x55, 0x1d, AUTHORITY_KEY_IDENTIFIER] => {
                    let id = AuthorityKeyIdentifier::from_der(value).map_err(&wrong)?;
                    read.authority_key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
                }
                // SGP.22 has it say where the list was found; a list that holds only some certificates revokes those,
                // and says nothing of others.
                [0x55, 0x1d, ISSUING_DISTRIBUTION_POINT] => {
                    let point = IssuingDistributionPoint::from_der(value).map_err(&wrong)?;
                    if point.indirect_crl {
                        return Err(not_understood(&[0x55, 0x1d, ISSUING_DISTRIBUTION_POINT]));
                    }
                    let partial = point.only_contains_user_certs
                        || point.only_contains_ca_certs
                        || point.only_contains_attribute_certs
                        || point.only_some_reasons.is_some();
                    if partial {
                        read.scope = value.to_vec();
                    }
                }
                other if extension.critical => return Err(not_understood(other)),
                _ => {}
            }
        }
        Ok(read)
    }

    /// The list in DER, as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    pub(super) fn signature_der(&self) -> &[u8] {
        &self.signature_der
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// authorityKeyIdentifier: the key of the issuer.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// cRLNumber, its low 64 bits; 0 where it is absent.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was issued, in Unix seconds.
    pub fn this_update_unix_s(&self) -> u64 {
        self.this_update_unix_s
    }

    /// By when the next one is issued, in Unix seconds.
    pub fn next_update_unix_s(&self) -> Option<u64> {
        self.next_update_unix_s
    }

    /// What it is for, where that is not everything: issuingDistributionPoint. Empty for a list of everything.
    pub fn scope(&self) -> &[u8] {
        &self.scope
    }

    /// What is revoked, by serial number as content octets.
    pub fn revoked(&self) -> &BTreeMap<Vec<u8>, Revocation> {
        &self.revoked
    }
}

fn not_understood(oid: &[u8]) -> RspCertError {
    let extension = Oid::from_contents(oid).map_or_else(|_| hex::encode(oid), |oid| oid.to_string());
    RspCertError::CrlCritical { extension }
}
