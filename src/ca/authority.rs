//! The authority itself: a self-signed root on P-256 that signs server and device certificates
//! (RFC 5280 profile) and keeps an index of what it issued.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use der::Encode;
use der::asn1::{ObjectIdentifier, OctetString};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::time::Validity;

use super::crl::{RevocationReason, Revocations};
use super::csr::Csr;
use super::x509::{self, DEVICE_URN, Serial};
use super::{CaError, der_error};
use crate::crypto::{SoftKey, Tally};
use crate::kernel::RngTree;

/// What the common name of a root begins with. The rest tells one root from another: two authorities of
/// one name would be taken for one.
const ROOT_NAME: &str = "cellbed test root";

const DAY_S: u64 = 86_400;
/// How long a root is valid, in seconds: ten years.
pub const ROOT_LIFETIME_S: u64 = 3_650 * DAY_S;
/// How long a server certificate is valid, in seconds: 90 days.
pub const SERVER_LIFETIME_S: u64 = 90 * DAY_S;
/// How long a device certificate is valid, in seconds: one year.
pub const DEVICE_LIFETIME_S: u64 = 365 * DAY_S;

/// id-kp-serverAuth and id-kp-clientAuth (RFC 5280 section 4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

const WHAT: &str = "certificate";

/// What the authority remembers of a certificate that it issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The device it names; none for a server.
    pub device: Option<[u8; 32]>,
    /// SHA-256 of the certificate in DER: what the ledger holds.
    pub fingerprint: [u8; 32],
    /// When it ends, in Unix seconds.
    pub not_after_unix_s: u64,
}

/// A certificate authority with one root and no intermediates.
#[derive(Debug)]
pub struct Authority {
    key: SoftKey,
    name: Name,
    root_der: Vec<u8>,
    serials: ChaCha20Rng,
    tally: Tally,
    issued: BTreeMap<Serial, Issued>,
    revocations: Revocations,
}

/// What differs from one certificate to the next.
struct Terms {
    subject: Name,
    public: [u8; 64],
    lifetime_s: u64,
    extensions: Extensions,
}

impl Authority {
    /// Draws a key from the stream "ca-key" of `rng` and signs a root with it, valid from `now_unix_s`.
    /// Serial numbers come from the stream "ca-serial". Public-key operations are counted in `tally`.
    ///
    /// # Errors
    /// [`CaError::Time`] where the root would outlive the year 9999.
    pub fn new(rng: RngTree, tally: &Tally, now_unix_s: u64) -> Result<Self, CaError> {
        let key = SoftKey::from_stream(&mut rng.stream("ca-key")).counted(tally);
        let mut authority = Self {
            name: x509::common_name(&format!("{ROOT_NAME} {}", hex::encode(&key.public()[..4])))?,
            key,
            root_der: Vec::new(),
            serials: rng.stream("ca-serial"),
            tally: tally.clone(),
            issued: BTreeMap::new(),
            revocations: Revocations::default(),
        };
        let public = authority.key.public();
        let terms = Terms {
            subject: authority.name.clone(),
            public,
            lifetime_s: ROOT_LIFETIME_S,
            extensions: root_extensions(&public)?,
        };
        let serial = Serial::draw(&mut authority.serials);
        authority.root_der = authority.certificate(serial, terms, now_unix_s)?;
        Ok(authority)
    }

    /// The root certificate in DER: the trust anchor of every party.
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Issues a server certificate for the public point `X || Y`: DNS names and addresses in
    /// subjectAltName, the first name as common name. Returns DER.
    ///
    /// # Errors
    /// [`CaError::HostName`] where a name is no DNS name or there is none, [`CaError::Time`].
    pub fn issue_server(
        &mut self,
        names: &[&str],
        addresses: &[Ipv4Addr],
        public: &[u8; 64],
        now_unix_s: u64,
    ) -> Result<Vec<u8>, CaError> {
        let first = names.first().ok_or(CaError::HostName { name: String::new() })?;
        let mut alternatives = Vec::with_capacity(names.len() + addresses.len());
        for name in names {
            alternatives.push(GeneralName::DnsName(x509::ia5(host_name(name)?)?));
        }
        for address in addresses {
            let octets = OctetString::new(address.octets()).map_err(der_error(WHAT))?;
            alternatives.push(GeneralName::IpAddress(octets));
        }
        let terms = Terms {
            subject: x509::common_name(first)?,
            public: *public,
            lifetime_s: SERVER_LIFETIME_S,
            extensions: self.leaf_extensions(public, SERVER_AUTH, alternatives)?,
        };
        self.issue(None, terms, now_unix_s)
    }

    /// Issues the certificate of a device for the key that `csr` proves to hold. Who the device is has
    /// been decided by the caller: `device_uri` goes into subjectAltName, and its identity becomes the
    /// common name, whatever subject the request asks for (RFC 7030 section 4.2.3 lets the authority
    /// decide). Returns DER.
    ///
    /// # Errors
    /// [`CaError::Crypto`] where the request is not signed with its own key, [`CaError::DeviceUri`],
    /// [`CaError::Time`].
    pub fn issue_device(&mut self, csr: &Csr, device_uri: &str, now_unix_s: u64) -> Result<Vec<u8>, CaError> {
        let device = x509::device_of_uri(device_uri)?;
        csr.verify(&self.tally)?;
        let uri = GeneralName::UniformResourceIdentifier(x509::ia5(device_uri)?);
        let terms = Terms {
            subject: x509::common_name(&device_uri[DEVICE_URN.len()..])?,
            public: *csr.public(),
            lifetime_s: DEVICE_LIFETIME_S,
            extensions: self.leaf_extensions(csr.public(), CLIENT_AUTH, vec![uri])?,
        };
        self.issue(Some(device), terms, now_unix_s)
    }

    /// The certificates issued so far, by serial number; the root is not among them.
    pub fn issued(&self) -> &BTreeMap<Serial, Issued> {
        &self.issued
    }

    /// Revokes the certificate with this serial number. One that is revoked for good keeps its first date
    /// and reason; one that is on hold takes the new reason.
    ///
    /// # Errors
    /// [`CaError::UnknownSerial`] where this authority did not issue it.
    pub fn revoke(
        &mut self,
        serial: Serial,
        reason: RevocationReason,
        now_unix_s: u64,
    ) -> Result<(), CaError> {
        if !self.issued.contains_key(&serial) {
            return Err(CaError::UnknownSerial { serial });
        }
        self.revocations.add(serial, reason, now_unix_s);
        Ok(())
    }

    /// Revokes the certificates of a device, and returns how many of them that changed.
    pub fn revoke_device(&mut self, device: &[u8; 32], reason: RevocationReason, now_unix_s: u64) -> usize {
        let serials = serials_of(&self.issued, device);
        serials.filter(|serial| self.revocations.add(*serial, reason, now_unix_s)).count()
    }

    /// Releases the certificates of a device that are on hold, and returns how many they were.
    pub fn release_device(&mut self, device: &[u8; 32]) -> usize {
        let serials = serials_of(&self.issued, device);
        serials.filter(|serial| self.revocations.release(serial)).count()
    }

    /// Whether the certificate with this serial number is revoked.
    pub fn is_revoked(&self, serial: &Serial) -> bool {
        self.revocations.contains(serial)
    }

    /// Signs the revocation list as of `now_unix_s` (RFC 5280 section 5), valid for a day. Each list has
    /// the next number. Returns DER.
    ///
    /// # Errors
    /// [`CaError::Time`] where the list would end after the year 9999.
    pub fn revocation_list(&mut self, now_unix_s: u64) -> Result<Vec<u8>, CaError> {
        let key = &self.key;
        self.revocations.sign_list(&self.name, &key.public(), now_unix_s, |tbs| key.sign(tbs))
    }

    fn issue(&mut self, device: Option<[u8; 32]>, terms: Terms, now_unix_s: u64) -> Result<Vec<u8>, CaError> {
        let serial = Serial::draw(&mut self.serials);
        let not_after_unix_s = now_unix_s.saturating_add(terms.lifetime_s);
        let der = self.certificate(serial, terms, now_unix_s)?;
        let fingerprint = Sha256::digest(&der).into();
        self.issued.insert(serial, Issued { device, fingerprint, not_after_unix_s });
        Ok(der)
    }

    fn certificate(&self, serial: Serial, terms: Terms, now_unix_s: u64) -> Result<Vec<u8>, CaError> {
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: serial.to_x509()?,
            signature: x509::signature_algorithm(),
            issuer: self.name.clone(),
            validity: Validity {
                not_before: x509::time(now_unix_s)?,
                not_after: x509::time(now_unix_s.saturating_add(terms.lifetime_s))?,
            },
            subject: terms.subject,
            subject_public_key_info: x509::spki(&terms.public)?,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(terms.extensions),
        };
        let signature = self.key.sign(&tbs.to_der().map_err(der_error(WHAT))?);
        let certificate = Certificate {
            tbs_certificate: tbs,
            signature_algorithm: x509::signature_algorithm(),
            signature: x509::signature_bits(&signature)?,
        };
        certificate.to_der().map_err(der_error(WHAT))
    }

    fn leaf_extensions(
        &self,
        public: &[u8; 64],
        purpose: ObjectIdentifier,
        alternatives: Vec<GeneralName>,
    ) -> Result<Extensions, CaError> {
        Ok(vec![
            basic_constraints(false, None)?,
            x509::extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
            x509::extension(false, &ExtendedKeyUsage(vec![purpose]))?,
            x509::extension(false, &SubjectAltName(alternatives))?,
            x509::subject_key_id(public)?,
            x509::authority_key_id(&self.key.public())?,
        ])
    }
}

/// The serial numbers of a device's certificates.
fn serials_of<'a>(
    issued: &'a BTreeMap<Serial, Issued>,
    device: &'a [u8; 32],
) -> impl Iterator<Item = Serial> + 'a {
    issued.iter().filter(move |(_, issued)| issued.device.as_ref() == Some(device)).map(|(serial, _)| *serial)
}

fn root_extensions(public: &[u8; 64]) -> Result<Extensions, CaError> {
    Ok(vec![
        basic_constraints(true, Some(0))?,
        x509::extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
        x509::subject_key_id(public)?,
        x509::authority_key_id(public)?,
    ])
}

fn basic_constraints(ca: bool, path_len_constraint: Option<u8>) -> Result<Extension, CaError> {
    x509::extension(true, &BasicConstraints { ca, path_len_constraint })
}

/// Takes what rustls would match a server name against: letters, digits and hyphens in labels.
fn host_name(name: &str) -> Result<&str, CaError> {
    match rustls::pki_types::DnsName::try_from(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(CaError::HostName { name: name.chars().take(253).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{CsrBuilder, DeviceCertificate, device_uri};
    use crate::crypto::{CryptoError, Op};
    use crate::kernel::EPOCH_UNIX_S;
    use der::Decode;

    fn authority(seed: u64) -> (Authority, Tally) {
        let tally = Tally::new();
        (Authority::new(RngTree::new(seed).branch("ca"), &tally, EPOCH_UNIX_S).unwrap(), tally)
    }

    fn csr(key: &SoftKey) -> Csr {
        let builder = CsrBuilder::new("as I like", &key.public(), None).unwrap();
        let signature = key.sign(builder.tbs());
        Csr::parse(&builder.finish(&signature).unwrap()).unwrap()
    }

    fn device_key() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
    }

    #[test]
    fn certificates_are_a_function_of_the_seed() {
        let issue = |seed| {
            let mut ca = authority(seed).0;
            let server = ca.issue_server(&["est.cellbed.test"], &[], &device_key().public(), EPOCH_UNIX_S);
            let device = ca.issue_device(&csr(&device_key()), &device_uri(&[1; 32]), EPOCH_UNIX_S);
            (ca.root_der().to_vec(), server.unwrap(), device.unwrap())
        };
        assert_eq!(issue(7), issue(7));
        assert_ne!(issue(7), issue(8));
    }

    #[test]
    fn the_authority_names_the_device_and_the_request_does_not() {
        let (mut ca, tally) = authority(7);
        let der = ca.issue_device(&csr(&device_key()), &device_uri(&[1; 32]), EPOCH_UNIX_S).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        let subject = &certificate.tbs_certificate.subject;
        assert_eq!(x509::common_name_of(subject), Some(hex::encode([1; 32]).as_str()));
        assert_eq!(DeviceCertificate::parse(&der).unwrap().public(), &device_key().public());
        // The root's and the device's signature; the request's proof.
        assert_eq!((tally.of(Op::P256Sign), tally.of(Op::P256Verify)), (2, 1));
    }

    #[test]
    fn no_certificate_without_proof_of_possession_or_for_another_uri() {
        let (mut ca, _) = authority(7);
        let builder = CsrBuilder::new("device", &device_key().public(), None).unwrap();
        let unproved = Csr::parse(&builder.finish(&device_key().sign(b"else")).unwrap()).unwrap();
        assert!(matches!(
            ca.issue_device(&unproved, &device_uri(&[1; 32]), EPOCH_UNIX_S),
            Err(CaError::Crypto { source: CryptoError::BadSignature, .. })
        ));
        let wrong = ca.issue_device(&csr(&device_key()), "urn:other", EPOCH_UNIX_S);
        assert!(matches!(wrong, Err(CaError::DeviceUri { .. })));
        assert!(ca.issued().is_empty());
    }

    #[test]
    fn servers_need_a_host_name() {
        let (mut ca, _) = authority(7);
        for names in [&[][..], &["not a name"], &["ok.test", ""]] {
            let refused = ca.issue_server(names, &[], &device_key().public(), EPOCH_UNIX_S);
            assert!(matches!(refused, Err(CaError::HostName { .. })), "{names:?}");
        }
    }

    #[test]
    fn revocation_is_by_serial_or_by_device() {
        let (mut ca, _) = authority(7);
        let serial_of = |ca: &mut Authority, device: [u8; 32]| {
            let der = ca.issue_device(&csr(&device_key()), &device_uri(&device), EPOCH_UNIX_S).unwrap();
            DeviceCertificate::parse(&der).unwrap().serial()
        };
        let [one, two, three] = [[1; 32], [1; 32], [3; 32]].map(|device| serial_of(&mut ca, device));
        assert_eq!(ca.issued()[&three].device, Some([3; 32]));
        ca.revoke(one, RevocationReason::Superseded, EPOCH_UNIX_S + 1).unwrap();
        assert_eq!(ca.revoke_device(&[1; 32], RevocationReason::PrivilegeWithdrawn, EPOCH_UNIX_S + 2), 1);
        assert!(ca.is_revoked(&one) && ca.is_revoked(&two) && !ca.is_revoked(&three));

        assert_eq!(ca.revoke_device(&[3; 32], RevocationReason::CertificateHold, EPOCH_UNIX_S + 3), 1);
        assert!(ca.is_revoked(&three));
        assert_eq!((ca.release_device(&[3; 32]), ca.release_device(&[1; 32])), (1, 0));
        assert!(!ca.is_revoked(&three) && ca.is_revoked(&one));

        let (mut other, _) = authority(8);
        assert_eq!(
            other.revoke(one, RevocationReason::Superseded, EPOCH_UNIX_S),
            Err(CaError::UnknownSerial { serial: one })
        );
    }
}
