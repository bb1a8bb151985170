//! That and why a certificate is revoked (RFC 5280 section 5.3.1).

use std::fmt;

use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::CrlReason;

/// Why a certificate is revoked: the reasons of RFC 5280 section 5.3.1 that a device or a server can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// The reason that the ledger gives with a number of RFC 5280 section 5.3.1, for what has ended for good. A number that
    /// a device cannot give is the one that says least.
    pub fn of_ledger(number: u8) -> Self {
        match number {
            1 => Self::KeyCompromise,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            _ => Self::PrivilegeWithdrawn,
        }
    }

    /// As the codes of RFC 5280 call it.
    pub(super) const fn to_x509(self) -> CrlReason {
        match self {
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::CertificateHold => CrlReason::CertificateHold,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyCompromise => "key-compromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        })
    }
}

/// That a certificate is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why.
    pub reason: RevocationReason,
    /// Since when, in Unix seconds.
    pub since_unix_s: u64,
}
