//! The certificate authority: X.509 issuance and revocation (RFC 5280), the status of certificates (RFC 6960),
//! certification requests (PKCS #10, RFC 2986), the content of EST (RFC 7030, RFC 8951), and what a relying party reads
//! out of a client's certificate.

mod authority;
mod certificate;
mod crl;
pub mod csr;
pub mod est;
mod extensions;
pub mod index;
pub mod ocsp;
mod publication;
mod revocation;
pub mod served;
pub mod status;
mod subject;
pub(crate) mod x509;

pub use authority::{Authority, Prepared};
pub use certificate::{ClientCertificate, DeviceCertificate};
pub use crl::list_number;
pub use csr::{Csr, CsrBuilder};
pub use publication::Publication;
pub use revocation::{Revocation, RevocationReason};
pub use subject::Subject;
pub use x509::Serial;

use crate::crypto::CryptoError;
use crate::kernel::Blame;

/// Why a request, a certificate or an EST message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CaError {
    #[error("{what} is not valid DER: {reason}")]
    Der { what: &'static str, reason: String },
    #[error("the {what} carries {found}, only ecdsa-with-SHA256 on P-256 is taken")]
    Algorithm { what: &'static str, found: String },
    #[error("the {what}: {source}")]
    Crypto { what: &'static str, source: CryptoError },
    #[error("the common name {name:?} has to be 1 to 64 characters")]
    CommonName { name: String },
    #[error("{found:?} is no serial number of an authority here: 32 hexadecimal digits, the first 4 to 7")]
    Serial { found: String },
    #[error("the host name {name:?} is not a DNS name")]
    HostName { name: String },
    #[error("the certificate is no client's: {wrong}")]
    NotAClient { wrong: &'static str },
    #[error("the certificate is not valid under this root at {unix_s} s: {reason}")]
    Untrusted { unix_s: u64, reason: String },
    #[error("the certificate holds another key than the one that was asked for: throw it away")]
    OtherKey,
    #[error("the certificate names another device than the certificate before: throw it away")]
    OtherName,
    #[error("the index cannot be kept: {cause}; nothing was issued or changed")]
    Kept { cause: String },
    #[error("this authority issued no certificate with serial {serial}")]
    UnknownSerial { serial: Serial },
    #[error("{unix_s} s is outside the years that X.509 can write")]
    Time { unix_s: u64 },
    #[error("the body of {found} bytes is over the limit of {limit}")]
    TooLarge { found: usize, limit: usize },
    #[error("the body is neither base64 nor DER")]
    Encoding,
    #[error("the EST response has content type {found:?}, {expected} is expected")]
    ContentType { found: String, expected: &'static str },
    #[error("the EST response holds {found} certificates, {expected}")]
    CertificateCount { found: usize, expected: &'static str },
}

impl CaError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Crypto { source, .. } => source.blame(),
            Self::Algorithm { .. } => Blame::PeerIncapable,
            Self::Der { .. }
            | Self::CommonName { .. }
            | Self::Serial { .. }
            | Self::TooLarge { .. }
            | Self::Encoding
            | Self::ContentType { .. }
            | Self::CertificateCount { .. } => Blame::PeerBrokeProtocol,
            Self::NotAClient { .. } | Self::Untrusted { .. } | Self::OtherKey | Self::OtherName => {
                Blame::PeerUntrusted
            }
            Self::HostName { .. } | Self::Time { .. } | Self::Kept { .. } => Blame::Bench,
            Self::UnknownSerial { .. } => Blame::Ours,
        }
    }
}

/// Names what was being read or written when DER failed.
fn der_error(what: &'static str) -> impl Fn(der::Error) -> CaError {
    move |error| CaError::Der { what, reason: error.to_string() }
}
