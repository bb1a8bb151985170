//! The extensions of the certificates that an authority signs (RFC 5280 section 4.2): what its root may do, what a
//! server's or client's certificate is for, and where to ask for its status.

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::ext::{Extension, Extensions};

use super::publication::Publication;
use super::{CaError, x509};

/// id-ad-ocsp and id-ad-caIssuers (RFC 5280 section 4.2.2.1).
const AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// See [`AD_OCSP`].
const AD_CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// What the extensions of a certificate for a server or a client say.
pub(super) struct Leaf<'a> {
    /// The public point of its key, `X || Y`.
    pub public: &'a [u8; 64],
    /// What it is for, as extendedKeyUsage says it.
    pub purpose: ObjectIdentifier,
    /// Its subjectAltName, where there are names.
    pub alternatives: &'a [GeneralName],
    /// The public point of the authority's key.
    pub issuer: &'a [u8; 64],
    /// Where its status is, where that is published.
    pub publication: Option<&'a Publication>,
}

impl Leaf<'_> {
    /// The extensions in the order in which they stand in the certificate.
    pub fn extensions(&self) -> Result<Extensions, CaError> {
        let mut extensions = vec![
            basic_constraints(false, None)?,
            x509::extension(true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
            x509::extension(false, &ExtendedKeyUsage(vec![self.purpose]))?,
        ];
        if !self.alternatives.is_empty() {
            extensions.push(x509::extension(false, &SubjectAltName(self.alternatives.to_vec()))?);
        }
        extensions.extend([x509::subject_key_id(self.public)?, x509::authority_key_id(self.issuer)?]);
        if let Some(publication) = self.publication {
            extensions.extend(where_to_ask(publication)?);
        }
        Ok(extensions)
    }
}

/// Those of a root with this public point.
pub(super) fn of_root(public: &[u8; 64]) -> Result<Extensions, CaError> {
    Ok(vec![
        basic_constraints(true, Some(0))?,
        x509::extension(
            true,
            &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature),
        )?,
        x509::subject_key_id(public)?,
        x509::authority_key_id(public)?,
    ])
}

fn basic_constraints(ca: bool, path_len_constraint: Option<u8>) -> Result<Extension, CaError> {
    x509::extension(true, &BasicConstraints { ca, path_len_constraint })
}

/// cRLDistributionPoints and authorityInfoAccess.
fn where_to_ask(publication: &Publication) -> Result<[Extension; 2], CaError> {
    let uri = |text: &str| Ok::<_, CaError>(GeneralName::UniformResourceIdentifier(x509::ia5(text)?));
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(&publication.list)?])),
        reasons: None,
        crl_issuer: None,
    };
    let access = |access_method, text| {
        Ok::<_, CaError>(AccessDescription { access_method, access_location: uri(text)? })
    };
    let descriptions = vec![access(AD_OCSP, &publication.ocsp)?, access(AD_CA_ISSUERS, &publication.issuer)?];
    Ok([
        x509::extension(false, &CrlDistributionPoints(vec![point]))?,
        x509::extension(false, &AuthorityInfoAccessSyntax(descriptions))?,
    ])
}
