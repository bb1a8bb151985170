//! Putting certificates and revocation lists together: the extensions of SGP.22 clause 4.5.2.1, variant O, role by
//! role.

use std::net::IpAddr;

use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, SetOfVec, Uint};
use der::{Decode, Encode, Tag};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use rustls::pki_types::DnsName;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, IssuingDistributionPoint};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, CrlNumber,
    ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Validity;

use crate::ca::CaError;
use crate::ca::x509::{extension, ia5, signature_algorithm, time};
use crate::crypto::key::signature_to_der;
use crate::crypto::rsp_cert::{Crl, Oid, Revocation, Role, RspCertificate, RspKey, RspPublicKey};
use crate::esim::EsimError;

/// Attributes of names (RFC 5280 appendix A.1).
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub(super) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
pub(super) const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
pub(super) const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// id-kp-serverAuth and id-kp-clientAuth (RFC 5280 section 4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// id-ce-subjectAltName.
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// id-ce-issuingDistributionPoint (RFC 5280 section 5.2.5).
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

const WHAT: &str = "the certificate";

/// What differs from one certificate to the next.
pub(super) struct Terms<'a> {
    pub(super) role: Role,
    pub(super) subject: Name,
    pub(super) public: &'a RspPublicKey,
    pub(super) oid: Option<&'a Oid>,
    pub(super) hosts: &'a [String],
    /// What an EUM may certify: its organization and the first digits of the EIDs.
    pub(super) permitted: Option<(&'a str, &'a [String])>,
    pub(super) crl_url: Option<&'a str>,
    pub(super) not_before_unix_s: u64,
    pub(super) not_after_unix_s: u64,
}

/// Signs a certificate for `terms`. The serial number, 16 octets and positive, is drawn from `serials`. `issuer` is
/// `None` for a self-signed certificate.
pub(super) fn certificate(
    terms: &Terms<'_>,
    issuer: Option<&RspCertificate>,
    key: &RspKey,
    serials: &mut ChaCha20Rng,
) -> Result<RspCertificate, EsimError> {
    let mut serial = [0; 16];
    serials.fill_bytes(&mut serial);
    serial[0] = serial[0] & 0x7f | 0x40;
    let spki = terms.public.spki_der();
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial).map_err(wrong)?,
        signature: signature_algorithm(),
        issuer: issuer.map_or_else(|| terms.subject.clone(), |issuer| issuer.subject().clone()),
        validity: Validity {
            not_before: time(terms.not_before_unix_s)?,
            not_after: time(terms.not_after_unix_s)?,
        },
        subject: terms.subject.clone(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&spki).map_err(wrong)?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions(terms, issuer)?),
    };
    let signature = signature(key, &tbs.to_der().map_err(wrong)?)?;
    let certificate =
        Certificate { tbs_certificate: tbs, signature_algorithm: signature_algorithm(), signature };
    Ok(RspCertificate::parse(&certificate.to_der().map_err(wrong)?)?)
}

fn extensions(terms: &Terms<'_>, issuer: Option<&RspCertificate>) -> Result<Extensions, EsimError> {
    let mut list = Vec::new();
    if let Some(issuer) = issuer {
        list.push(authority_key_id(issuer)?);
    }
    let key_id = OctetString::new(terms.public.key_id()).map_err(wrong)?;
    list.push(extension(false, &SubjectKeyIdentifier(key_id))?);
    list.push(extension(true, &KeyUsage(key_usage(terms.role)))?);
    if terms.role.is_tls() {
        list.push(extension(true, &ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH]))?);
    }
    if terms.role == Role::Operator {
        list.push(extension(true, &ExtendedKeyUsage(vec![CLIENT_AUTH]))?);
    }
    if let Some(policy) = terms.role.policy_oid() {
        let policy_identifier =
            ObjectIdentifier::from_bytes(policy.contents()).map_err(|_| not_writable("policy"))?;
        let policies =
            CertificatePolicies(vec![PolicyInformation { policy_identifier, policy_qualifiers: None }]);
        // Where the parties are browsers of the web as well, policies are not critical: TLS stacks refuse those.
        list.push(extension(!terms.role.is_tls(), &policies)?);
    }
    if let Some(names) = subject_alt_name(terms)? {
        list.push(names);
    }
    match terms.role {
        Role::Ci => {
            list.push(extension(true, &BasicConstraints { ca: true, path_len_constraint: None })?);
        }
        Role::Eum => {
            list.push(extension(true, &BasicConstraints { ca: true, path_len_constraint: Some(0) })?);
        }
        _ => {}
    }
    if let Some(url) = terms.crl_url {
        let name = DistributionPointName::FullName(vec![GeneralName::UniformResourceIdentifier(ia5(url)?)]);
        let point = DistributionPoint { distribution_point: Some(name), reasons: None, crl_issuer: None };
        list.push(extension(false, &CrlDistributionPoints(vec![point]))?);
    }
    if let Some((organization, eins)) = terms.permitted {
        list.push(name_constraints(organization, eins)?);
    }
    Ok(list)
}

fn key_usage(role: Role) -> der::flagset::FlagSet<KeyUsages> {
    match role {
        Role::Ci => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        Role::Eum => KeyUsages::KeyCertSign.into(),
        _ => KeyUsages::DigitalSignature.into(),
    }
}

/// subjectAltName, put together by hand: the crates have no registeredID with a second arc above 39, as 2.999 is.
fn subject_alt_name(terms: &Terms<'_>) -> Result<Option<Extension>, EsimError> {
    let mut names = Vec::new();
    for host in terms.hosts {
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => push(&mut names, 0x87, &address.octets())?,
            Ok(IpAddr::V6(address)) => push(&mut names, 0x87, &address.octets())?,
            Err(_) => {
                DnsName::try_from(host.as_str())
                    .map_err(|_| EsimError::Host { name: host.chars().take(253).collect() })?;
                push(&mut names, 0x82, host.as_bytes())?;
            }
        }
    }
    if let Some(oid) = terms.oid {
        push(&mut names, 0x88, oid.contents())?;
    }
    if names.is_empty() {
        return Ok(None);
    }
    let value = Any::new(Tag::Sequence, names).and_then(|any| any.to_der()).map_err(wrong)?;
    let extn_value = OctetString::new(value).map_err(wrong)?;
    Ok(Some(Extension { extn_id: SUBJECT_ALT_NAME, critical: false, extn_value }))
}

/// Appends a general name: its tag, its length, its value.
fn push(names: &mut Vec<u8>, tag: u8, value: &[u8]) -> Result<(), EsimError> {
    names.push(tag);
    let length = der::Length::try_from(value.len()).map_err(wrong)?;
    length.encode(names).map_err(wrong)?;
    names.extend_from_slice(value);
    Ok(())
}

/// The directory names that an EUM may certify (SGP.22 clause 4.5.2.1.0.2).
fn name_constraints(organization: &str, eins: &[String]) -> Result<Extension, EsimError> {
    let subtree = |ein: &String| {
        let name = name(&[(ORGANIZATION, organization), (SERIAL_NUMBER, ein)])?;
        Ok(GeneralSubtree { base: GeneralName::DirectoryName(name), minimum: 0, maximum: None })
    };
    let permitted = eins.iter().map(subtree).collect::<Result<Vec<_>, EsimError>>()?;
    let constraints = NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
    Ok(extension(true, &constraints)?)
}

fn authority_key_id(issuer: &RspCertificate) -> Result<Extension, EsimError> {
    let id = OctetString::new(issuer.key_id()).map_err(wrong)?;
    let id = AuthorityKeyIdentifier { key_identifier: Some(id), ..Default::default() };
    Ok(extension(false, &id)?)
}

/// A name with one attribute in each part: serialNumber as PrintableString, the others as UTF8String.
pub(super) fn name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, EsimError> {
    let part = |(oid, text): &(ObjectIdentifier, &str)| {
        let tag = if *oid == SERIAL_NUMBER { Tag::PrintableString } else { Tag::Utf8String };
        let value = Any::new(tag, text.as_bytes()).map_err(wrong)?;
        let attribute = AttributeTypeAndValue { oid: *oid, value };
        Ok(RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).map_err(wrong)?))
    };
    Ok(RdnSequence(attributes.iter().map(part).collect::<Result<_, EsimError>>()?))
}

/// Signs a revocation list (SGP.22 clause 4.5.2.2; RFC 5280 section 5).
pub(super) fn crl<'a>(
    ci: &RspCertificate,
    key: &RspKey,
    number: u64,
    revoked: impl Iterator<Item = (&'a Vec<u8>, &'a Revocation)>,
    this_update_unix_s: u64,
    next_update_unix_s: u64,
) -> Result<Crl, EsimError> {
    let entry = |(serial, revocation): (&'a Vec<u8>, &'a Revocation)| {
        let reason = revocation.reason.map(|reason| extension(false, &reason)).transpose()?;
        Ok(RevokedCert {
            serial_number: SerialNumber::new(serial).map_err(wrong)?,
            revocation_date: time(revocation.since_unix_s)?,
            crl_entry_extensions: reason.map(|reason| vec![reason]),
        })
    };
    let entries = revoked.map(entry).collect::<Result<Vec<_>, EsimError>>()?;
    let mut crl_extensions = vec![
        authority_key_id(ci)?,
        extension(false, &CrlNumber(Uint::new(&number.to_be_bytes()).map_err(wrong)?))?,
    ];
    // Where certificates say that the list is; it is of all of them, so that no more is in it.
    let name = |url: &String| Ok(GeneralName::UniformResourceIdentifier(ia5(url)?));
    let names = ci.crl_urls().iter().map(name).collect::<Result<Vec<_>, EsimError>>()?;
    if !names.is_empty() {
        let point = IssuingDistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(names)),
            only_contains_user_certs: false,
            only_contains_ca_certs: false,
            only_some_reasons: None,
            indirect_crl: false,
            only_contains_attribute_certs: false,
        };
        // The crate has the identifier of another extension for this one.
        crl_extensions.push(Extension {
            extn_id: ISSUING_DISTRIBUTION_POINT,
            critical: true,
            extn_value: OctetString::new(point.to_der().map_err(wrong)?).map_err(wrong)?,
        });
    }
    let tbs = TbsCertList {
        version: Version::V2,
        signature: signature_algorithm(),
        issuer: ci.subject().clone(),
        this_update: time(this_update_unix_s)?,
        next_update: Some(time(next_update_unix_s)?),
        // The field may not be empty.
        revoked_certificates: (!entries.is_empty()).then_some(entries),
        crl_extensions: Some(crl_extensions),
    };
    let signature = signature(key, &tbs.to_der().map_err(wrong)?)?;
    let list = CertificateList { tbs_cert_list: tbs, signature_algorithm: signature_algorithm(), signature };
    Ok(Crl::parse(&list.to_der().map_err(wrong)?)?)
}

fn signature(key: &RspKey, tbs: &[u8]) -> Result<BitString, EsimError> {
    let der = signature_to_der(&key.sign(tbs))
        .map_err(|source| CaError::Crypto { what: "signature could not be written", source })?;
    BitString::from_bytes(&der).map_err(wrong)
}

fn wrong(error: der::Error) -> EsimError {
    EsimError::Write(CaError::Der { what: WHAT, reason: error.to_string() })
}

fn not_writable(part: &str) -> EsimError {
    EsimError::Write(CaError::Der { what: WHAT, reason: format!("the {part} cannot be written") })
}
