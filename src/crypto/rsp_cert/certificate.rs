//! Reading a certificate of SGP.22 clause 4.5.2.1: X.509 version 3 (RFC 5280), with its bytes kept as they are.

use std::fmt;
use std::net::IpAddr;

use der::asn1::AnyRef;
use der::{Decode, Encode, Header, Reader, SliceReader, Tag, Tagged};
use sha2::{Digest, Sha256};
use x509_cert::certificate::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage, NameConstraints, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{Oid, Role, RspCertError, RspPublicKey, pem};

const WHAT: &str = "the certificate";
/// ecdsa-with-SHA256 (RFC 5758 section 3.2), content octets.
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// id-at-serialNumber and id-at-organizationName (RFC 5280 appendix A.1), content octets.
const SERIAL_NUMBER: [u8; 3] = [0x55, 0x04, 0x05];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];
/// id-kp-serverAuth (RFC 5280 section 4.2.1.12), content octets.
const SERVER_AUTH: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// id-kp-clientAuth, content octets.
const CLIENT_AUTH: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// What a key may be used for: the bits of keyUsage that SGP.22 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Bit 0: signatures on anything but certificates and revocation lists.
    DigitalSignature,
    /// Bit 5: signatures on certificates.
    CertificateSigning,
    /// Bit 6: signatures on revocation lists.
    CrlSigning,
    /// Bit 4: keys are agreed on with it.
    KeyAgreement,
}

impl KeyUse {
    /// How messages call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DigitalSignature => "digital signatures",
            Self::CertificateSigning => "signing certificates",
            Self::CrlSigning => "signing revocation lists",
            Self::KeyAgreement => "key agreement",
        }
    }
}

/// The extensions that are understood, with the section of RFC 5280.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionName {
    /// Names the key of the certificate (section 4.2.1.2).
    SubjectKeyIdentifier,
    /// What the key is for (section 4.2.1.3).
    KeyUsage,
    /// Further names: the object identifier of a server, its hosts (section 4.2.1.6).
    SubjectAltName,
    /// Whether it is an authority's, and how long a path below it may be (section 4.2.1.9).
    BasicConstraints,
    /// Which names certificates below it may have (section 4.2.1.10).
    NameConstraints,
    /// Where its revocation list is (section 4.2.1.13).
    CrlDistributionPoints,
    /// The role of its holder in remote SIM provisioning (section 4.2.1.4).
    CertificatePolicies,
    /// Names the key of the issuer (section 4.2.1.1).
    AuthorityKeyIdentifier,
    /// TLS server or client (section 4.2.1.12).
    ExtendedKeyUsage,
}

impl ExtensionName {
    const ALL: [Self; 9] = [
        Self::SubjectKeyIdentifier,
        Self::KeyUsage,
        Self::SubjectAltName,
        Self::BasicConstraints,
        Self::NameConstraints,
        Self::CrlDistributionPoints,
        Self::CertificatePolicies,
        Self::AuthorityKeyIdentifier,
        Self::ExtendedKeyUsage,
    ];

    /// The last arc below id-ce, 2.5.29.
    const fn arc(self) -> u8 {
        match self {
            Self::SubjectKeyIdentifier => 14,
            Self::KeyUsage => 15,
            Self::SubjectAltName => 17,
            Self::BasicConstraints => 19,
            Self::NameConstraints => 30,
            Self::CrlDistributionPoints => 31,
            Self::CertificatePolicies => 32,
            Self::AuthorityKeyIdentifier => 35,
            Self::ExtendedKeyUsage => 37,
        }
    }

    fn of(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|name| oid == [0x55, 0x1d, name.arc()])
    }

    /// Its name in RFC 5280.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubjectKeyIdentifier => "subjectKeyIdentifier",
            Self::KeyUsage => "keyUsage",
            Self::SubjectAltName => "subjectAltName",
            Self::BasicConstraints => "basicConstraints",
            Self::NameConstraints => "nameConstraints",
            Self::CrlDistributionPoints => "cRLDistributionPoints",
            Self::CertificatePolicies => "certificatePolicies",
            Self::AuthorityKeyIdentifier => "authorityKeyIdentifier",
            Self::ExtendedKeyUsage => "extKeyUsage",
        }
    }
}

/// What an EUM may certify: an organization and the digits that its EIDs begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtree {
    /// The organization that the subject has to name; none where it does not matter.
    pub organization: Option<String>,
    /// The EUM identification number: the first digits of the EID.
    pub ein: String,
}

/// A certificate, read. Reading proves nothing: [`super::TrustAnchor::verify_chain`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct RspCertificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature_der: Vec<u8>,
    serial: Vec<u8>,
    issuer: Name,
    subject: Name,
    not_before_unix_s: u64,
    not_after_unix_s: u64,
    public: RspPublicKey,
    present: Vec<ExtensionName>,
    unknown_critical: Vec<Oid>,
    key_id: Vec<u8>,
    authority_key_id: Option<Vec<u8>>,
    key_usage: Vec<KeyUse>,
    purposes: Vec<Oid>,
    basic: Option<BasicConstraints>,
    policies: Vec<Oid>,
    names: AlternativeNames,
    /// `None` where the extension is absent; an empty list where its form is not understood.
    subtrees: Option<Vec<Subtree>>,
    crl_urls: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AlternativeNames {
    registered_id: Option<Oid>,
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl RspCertificate {
    /// Reads a certificate from a file in PEM or DER.
    ///
    /// # Errors
    /// [`RspCertError`] as [`Self::parse`] has it, and [`RspCertError::Der`] where the PEM is broken.
    pub fn from_file(bytes: &[u8]) -> Result<Self, RspCertError> {
        let der = pem::der_of(bytes, pem::CERTIFICATE)
            .map_err(|reason| RspCertError::Der { what: WHAT, reason: reason.to_owned() })?;
        Self::parse(&der)
    }

    /// Reads a certificate in DER. Every extension that is understood is read, so that a broken one is found here.
    ///
    /// # Errors
    /// [`RspCertError::Der`], [`RspCertError::Algorithm`], [`RspCertError::Key`], [`RspCertError::Twice`].
    pub fn parse(der: &[u8]) -> Result<Self, RspCertError> {
        let wrong = der_error(WHAT);
        let signed = signed_part(WHAT, der)?;
        let certificate = Certificate::from_der(der).map_err(&wrong)?;
        let tbs = certificate.tbs_certificate;
        check_algorithms(WHAT, &tbs.signature, &certificate.signature_algorithm)?;
        let spki = tbs.subject_public_key_info.to_der().map_err(&wrong)?;
        let public = RspPublicKey::from_spki(&spki)
            .map_err(|source| RspCertError::Key { subject: tbs.subject.to_string(), source })?;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let mut read = Self {
            der: der.to_vec(),
            tbs: signed.to_vec(),
            signature_der: certificate.signature.as_bytes().unwrap_or_default().to_vec(),
            serial: tbs.serial_number.as_bytes().to_vec(),
            issuer: tbs.issuer,
            subject: tbs.subject,
            not_before_unix_s: seconds(tbs.validity.not_before),
            not_after_unix_s: seconds(tbs.validity.not_after),
            public,
            present: Vec::new(),
            unknown_critical: Vec::new(),
            key_id: Vec::new(),
            authority_key_id: None,
            key_usage: Vec::new(),
            purposes: Vec::new(),
            basic: None,
            policies: Vec::new(),
            names: AlternativeNames::default(),
            subtrees: None,
            crl_urls: Vec::new(),
        };
        let mut seen = Vec::new();
        for extension in tbs.extensions.unwrap_or_default() {
            if seen.contains(&extension.extn_id) {
                let extension = extension.extn_id.to_string();
                return Err(RspCertError::Twice { subject: read.subject_text(), extension });
            }
            seen.push(extension.extn_id);
            read.take(&extension)?;
        }
        Ok(read)
    }

    fn take(&mut self, extension: &Extension) -> Result<(), RspCertError> {
        let oid = extension.extn_id.as_bytes();
        let Some(name) = ExtensionName::of(oid) else {
            if extension.critical {
                self.unknown_critical.push(Oid::from_contents(oid)?);
            }
            return Ok(());
        };
        let value = extension.extn_value.as_bytes();
        let wrong = der_error(name.as_str());
        match name {
            ExtensionName::SubjectKeyIdentifier => {
                let id = SubjectKeyIdentifier::from_der(value).map_err(wrong)?;
                self.key_id = id.0.as_bytes().to_vec();
            }
            ExtensionName::AuthorityKeyIdentifier => {
                let id = AuthorityKeyIdentifier::from_der(value).map_err(wrong)?;
                self.authority_key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
            }
            ExtensionName::KeyUsage => {
                let usage = KeyUsage::from_der(value).map_err(wrong)?;
                let bits = [
                    (usage.digital_signature(), KeyUse::DigitalSignature),
                    (usage.key_cert_sign(), KeyUse::CertificateSigning),
                    (usage.crl_sign(), KeyUse::CrlSigning),
                    (usage.key_agreement(), KeyUse::KeyAgreement),
                ];
                self.key_usage = bits.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
            }
            ExtensionName::ExtendedKeyUsage => {
                let purposes = ExtendedKeyUsage::from_der(value).map_err(wrong)?.0;
                self.purposes = purposes.iter().map(own_oid).collect::<Result<_, _>>()?;
            }
            ExtensionName::BasicConstraints => {
                self.basic = Some(BasicConstraints::from_der(value).map_err(wrong)?);
            }
            ExtensionName::CertificatePolicies => {
                let policies = CertificatePolicies::from_der(value).map_err(wrong)?.0;
                self.policies = policies
                    .iter()
                    .map(|policy| own_oid(&policy.policy_identifier))
                    .collect::<Result<_, _>>()?;
            }
            ExtensionName::SubjectAltName => self.names = AlternativeNames::read(value)?,
            ExtensionName::NameConstraints => {
                let constraints = NameConstraints::from_der(value).map_err(wrong)?;
                self.subtrees = Some(subtrees(&constraints).unwrap_or_default());
            }
            ExtensionName::CrlDistributionPoints => {
                self.crl_urls = crl_urls(&CrlDistributionPoints::from_der(value).map_err(wrong)?);
            }
        }
        self.present.push(name);
        Ok(())
    }

    /// The certificate in DER, as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The TBSCertificate in DER, as it was read: what is signed.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// The signature as the DER `ECDSA-Sig-Value`.
    pub(super) fn signature_der(&self) -> &[u8] {
        &self.signature_der
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The serial number: the content octets of its INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The subject's name.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The subject's name as RFC 4514 writes it.
    pub fn subject_text(&self) -> String {
        self.subject.to_string()
    }

    /// The public key.
    pub fn public(&self) -> &RspPublicKey {
        &self.public
    }

    /// subjectKeyIdentifier; empty where it is absent. Of a CI, this is what `euiccCiPKIdListForVerification` holds.
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// authorityKeyIdentifier: the key of the issuer.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// From when it is valid, in Unix seconds.
    pub fn not_before_unix_s(&self) -> u64 {
        self.not_before_unix_s
    }

    /// The last second in which it is valid, in Unix seconds.
    pub fn not_after_unix_s(&self) -> u64 {
        self.not_after_unix_s
    }

    /// Whether the extension is there.
    pub fn has(&self, name: ExtensionName) -> bool {
        self.present.contains(&name)
    }

    /// The critical extensions that are not understood.
    pub fn unknown_critical(&self) -> &[Oid] {
        &self.unknown_critical
    }

    /// Whether keyUsage allows this use.
    pub fn may(&self, usage: KeyUse) -> bool {
        self.key_usage.contains(&usage)
    }

    /// Whether extKeyUsage names TLS servers.
    pub fn may_serve_tls(&self) -> bool {
        self.purposes.iter().any(|purpose| purpose.contents() == SERVER_AUTH)
    }

    /// Whether extKeyUsage names TLS clients.
    pub fn may_be_tls_client(&self) -> bool {
        self.purposes.iter().any(|purpose| purpose.contents() == CLIENT_AUTH)
    }

    /// Whether basicConstraints make it a certificate of an issuer.
    pub fn is_issuer(&self) -> bool {
        self.basic.as_ref().is_some_and(|basic| basic.ca)
    }

    /// pathLenConstraint: how many certificates of issuers may stand between this one and the last of a chain.
    pub fn path_length(&self) -> Option<u8> {
        self.basic.as_ref().and_then(|basic| basic.path_len_constraint)
    }

    /// The policies.
    pub fn policies(&self) -> &[Oid] {
        &self.policies
    }

    /// The role that the policies name; none of an eIM's certificate and of certificates from elsewhere.
    pub fn role(&self) -> Option<Role> {
        let is_client_alone = self.may_be_tls_client() && !self.may_serve_tls();
        let by_policy = self.policies.iter().find_map(Role::of_policy);
        by_policy.or(is_client_alone.then_some(Role::Operator))
    }

    /// The object identifier of the SM-DP+, SM-DS, EUM or CI: registeredID in subjectAltName.
    pub fn registered_id(&self) -> Option<&Oid> {
        self.names.registered_id.as_ref()
    }

    /// The DNS names in subjectAltName.
    pub fn hosts(&self) -> &[String] {
        &self.names.hosts
    }

    /// The addresses in subjectAltName.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.names.addresses
    }

    /// The EID of an eUICC's certificate, or whatever else its subject has as serialNumber.
    pub fn eid(&self) -> Option<&str> {
        attribute(&self.subject, SERIAL_NUMBER)
    }

    /// The organization that the subject names.
    pub fn organization(&self) -> Option<&str> {
        attribute(&self.subject, ORGANIZATION)
    }

    /// What an EUM may certify; `None` where nameConstraints are absent, an empty list where their form is not
    /// understood.
    pub fn permitted(&self) -> Option<&[Subtree]> {
        self.subtrees.as_deref()
    }

    /// Where the revocation lists are.
    pub fn crl_urls(&self) -> &[String] {
        &self.crl_urls
    }
}

impl fmt::Debug for RspCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RspCertificate({}, {})", self.subject, hex::encode(self.fingerprint()))
    }
}

impl AlternativeNames {
    /// Reads the names that matter by hand: registeredID may have a second arc that the crates refuse.
    fn read(value: &[u8]) -> Result<Self, RspCertError> {
        let wrong = der_error(ExtensionName::SubjectAltName.as_str());
        let list = AnyRef::from_der(value).map_err(&wrong)?;
        if list.tag() != Tag::Sequence {
            return Err(wrong(Tag::Sequence.value_error()));
        }
        let mut names = Self::default();
        let mut reader = SliceReader::new(list.value()).map_err(&wrong)?;
        while !reader.is_finished() {
            let name = AnyRef::from_der(reader.tlv_bytes().map_err(&wrong)?).map_err(&wrong)?;
            match (u8::from(name.tag()), name.value()) {
                (0x82, host) => {
                    let host = std::str::from_utf8(host).map_err(|_| wrong(name.tag().value_error()))?;
                    names.hosts.push(host.to_owned());
                }
                (0x87, address) => {
                    names.addresses.push(address_of(address).ok_or_else(|| wrong(name.tag().length_error()))?)
                }
                (0x88, oid) => names.registered_id = Some(Oid::from_contents(oid)?),
                _ => {}
            }
        }
        Ok(names)
    }
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

/// The permitted subtrees, where all of them are directory names with an EIN and nothing is excluded.
fn subtrees(constraints: &NameConstraints) -> Option<Vec<Subtree>> {
    if constraints.excluded_subtrees.is_some() {
        return None;
    }
    let subtree = |base: &GeneralName| match base {
        GeneralName::DirectoryName(name) => Some(Subtree {
            organization: attribute(name, ORGANIZATION).map(str::to_owned),
            ein: attribute(name, SERIAL_NUMBER)?.to_owned(),
        }),
        _ => None,
    };
    constraints.permitted_subtrees.as_ref()?.iter().map(|tree| subtree(&tree.base)).collect()
}

fn crl_urls(points: &CrlDistributionPoints) -> Vec<String> {
    let names = points.0.iter().filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        _ => None,
    });
    names
        .flatten()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(url) => Some(url.as_str().to_owned()),
            _ => None,
        })
        .collect()
}

/// The first value of this attribute, where it is UTF8String or PrintableString.
fn attribute(name: &Name, oid: [u8; 3]) -> Option<&str> {
    let mut attributes = name.0.iter().flat_map(|rdn| rdn.0.iter());
    let value = &attributes.find(|attribute| attribute.oid.as_bytes() == oid)?.value;
    matches!(value.tag(), Tag::Utf8String | Tag::PrintableString)
        .then(|| std::str::from_utf8(value.value()).ok())?
}

fn own_oid(oid: &der::asn1::ObjectIdentifier) -> Result<Oid, RspCertError> {
    Oid::from_contents(oid.as_bytes())
}

/// What is signed in a signed structure of X.509, in the bytes that were received.
pub(super) fn signed_part<'a>(what: &'static str, der: &'a [u8]) -> Result<&'a [u8], RspCertError> {
    let wrong = der_error(what);
    let mut reader = SliceReader::new(der).map_err(&wrong)?;
    let header = Header::decode(&mut reader).map_err(&wrong)?;
    header.tag.assert_eq(Tag::Sequence).map_err(&wrong)?;
    reader.tlv_bytes().map_err(wrong)
}

/// Takes ecdsa-with-SHA256 without parameters, the same in both places (RFC 5280 section 4.1.1.2).
pub(super) fn check_algorithms(
    what: &'static str,
    inner: &AlgorithmIdentifierOwned,
    outer: &AlgorithmIdentifierOwned,
) -> Result<(), RspCertError> {
    for algorithm in [inner, outer] {
        if algorithm.oid.as_bytes() != ECDSA_WITH_SHA256 || algorithm.parameters.is_some() {
            return Err(RspCertError::Algorithm { what, found: algorithm.oid.to_string() });
        }
    }
    Ok(())
}

/// Names what was being read when DER failed.
pub(super) fn der_error(what: &'static str) -> impl Fn(der::Error) -> RspCertError {
    move |error| RspCertError::Der { what, reason: pem::told(error) }
}
