//! Why a certificate, a chain or a revocation list was refused, and what an eUICC answers for it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::CryptoError;
use super::{Oid, Role};
use crate::id::IdError;

/// Why a certificate, a chain or a revocation list was refused. `subject` is the subject of the certificate at
/// fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum RspCertError {
    #[error("{what} is not valid DER: {reason}")]
    Der { what: &'static str, reason: String },
    #[error("{found:?} is no object identifier")]
    Oid { found: String },
    #[error("{what} is signed with algorithm {found}, only ecdsa-with-SHA256 is taken")]
    Algorithm { what: &'static str, found: String },
    #[error("the public key of {subject}: {source}")]
    Key { subject: String, source: CryptoError },
    #[error("{subject} has the extension {extension} twice")]
    Twice { subject: String, extension: String },
    #[error("{subject} lacks the extension {extension}, which its role asks for")]
    Missing { subject: String, extension: &'static str },
    #[error("{subject} has the critical extension {extension}, which is not understood")]
    UnknownCritical { subject: String, extension: String },
    #[error("{subject} is a certificate of {found}, {expected} is asked for")]
    Role { subject: String, expected: Role, found: String },
    #[error("the key of {subject} may not be used for {needed}")]
    KeyUsage { subject: String, needed: &'static str },
    #[error("{subject} may not issue certificates")]
    NotAnIssuer { subject: String },
    #[error("{subject} may issue certificates, which a certificate of {role} must not")]
    Issuer { subject: String, role: Role },
    #[error("{subject} allows {allowed} certificates of issuers below it, {found} are there")]
    PathLength { subject: String, allowed: u8, found: u8 },
    #[error("a chain of {found} certificates below the CI was given for {role}, which takes {expected}")]
    ChainLength { role: Role, expected: usize, found: usize },
    #[error("the chain ends at the CI key {found}, which is not trusted here; trusted is {trusted}")]
    UnknownCi { found: String, trusted: String },
    #[error("{subject} names another issuer ({found}) than {issuer}")]
    OtherIssuer { subject: String, issuer: String, found: String },
    #[error("{subject} names the issuer's key {found}, the key of {issuer} is {expected}")]
    OtherIssuerKey { subject: String, issuer: String, found: String, expected: String },
    #[error("the signature of {issuer} on {subject} does not verify")]
    Signature { subject: String, issuer: String },
    #[error("{subject} is valid from {} only; it is {}", date(*.not_before_unix_s), date(*.now_unix_s))]
    NotYetValid { subject: String, not_before_unix_s: u64, now_unix_s: u64 },
    #[error("{subject} ended on {}; it is {}", date(*.not_after_unix_s), date(*.now_unix_s))]
    Expired { subject: String, not_after_unix_s: u64, now_unix_s: u64 },
    #[error("{subject} has no EID as the serialNumber of its subject")]
    NoEid { subject: String },
    #[error("the EID of {subject}: {source}")]
    Eid { subject: String, source: IdError },
    #[error("{issuer} may not certify the EID {eid}: it may for {permitted}")]
    NotPermitted { issuer: String, eid: String, permitted: String },
    #[error("the name constraints of {subject} are of a form that is not understood")]
    NameConstraints { subject: String },
    #[error("{subject}, serial number {serial}, is revoked")]
    Revoked { subject: String, serial: String },
    #[error("the revocation list is of {found}, not of {issuer}")]
    CrlIssuer { issuer: String, found: String },
    #[error("the signature of {issuer} on the revocation list does not verify")]
    CrlSignature { issuer: String },
    #[error("the revocation list of {issuer} ended on {}; it is {}", date(*.next_update_unix_s), date(*.now_unix_s))]
    CrlStale { issuer: String, next_update_unix_s: u64, now_unix_s: u64 },
    #[error("the revocation list has the critical extension {extension}, which is not understood")]
    CrlCritical { extension: String },
    #[error("{subject} does not say whose it is: it lacks a registeredID in subjectAltName")]
    NoOid { subject: String },
    #[error("{subject} belongs to {found}, {expected} is asked for")]
    OtherOid { subject: String, found: Oid, expected: Oid },
}

impl RspCertError {
    /// What an eUICC answers for it in AuthenticateServer (AuthenticateErrorCode of SGP.22 clause 5.7.13).
    pub fn authenticate_error_code(&self) -> u8 {
        match self {
            Self::Key { source: CryptoError::Curve, .. } => 3,
            Self::NoOid { .. } | Self::OtherOid { .. } => 5,
            Self::UnknownCi { .. } => 7,
            _ => 1,
        }
    }

    /// What an eUICC answers for it in PrepareDownload (DownloadErrorCode of SGP.22 clause 5.7.5).
    pub fn download_error_code(&self) -> u8 {
        match self {
            Self::Key { source: CryptoError::Curve, .. } => 3,
            _ => 1,
        }
    }
}

/// A moment as RFC 3339; the number itself where it has no date.
fn date(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_s} s"))
}
