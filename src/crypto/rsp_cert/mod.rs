//! The certificates of remote SIM provisioning (SGP.22 clause 4.5.2, variant O; SGP.32 for the eIM), their
//! revocation lists, and the keys on them: what an eUICC and the servers check of each other.
//!
//! Reading proves nothing. A [`TrustAnchor`] is made of a certificate issuer's certificate, takes its revocation
//! lists, and verifies chains for a [`Role`].

mod certificate;
mod chain;
mod crl;
mod error;
mod key;
mod key_file;
mod oid;
pub mod pem;
#[cfg(test)]
mod tests;

use std::fmt;

pub use certificate::{ExtensionName, KeyUse, RspCertificate, Subtree};
pub use chain::{TrustAnchor, check_same_oid, check_self_signed};
pub use crl::{Crl, Revocation};
pub use error::RspCertError;
pub use key::{Curve, RspKey, RspPublicKey};
pub use oid::Oid;

/// What a certificate is for: `id-rspRole` of SGP.22 annex H, in certificatePolicies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The certificate issuer: the root.
    Ci,
    /// The maker of eUICCs, who signs their certificates.
    Eum,
    /// An eUICC.
    Euicc,
    /// An SM-DP+ towards the eUICC: authentication.
    DpAuth,
    /// An SM-DP+ towards the eUICC: profile binding.
    DpPb,
    /// An SM-DP+ as a TLS server.
    DpTls,
    /// An SM-DS towards the eUICC: authentication.
    DsAuth,
    /// An SM-DS as a TLS server.
    DsTls,
    /// An eIM that signs its packages (SGP.32). No role identifier is assigned to it.
    Eim,
    /// An operator as a TLS client of ES2+. No role identifier is assigned to it: it is known by its purpose.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Ci,
        Self::Eum,
        Self::Euicc,
        Self::DpAuth,
        Self::DpPb,
        Self::DpTls,
        Self::DsAuth,
        Self::DsTls,
        Self::Eim,
        Self::Operator,
    ];

    /// The policy that stands for the role, as content octets of its object identifier.
    const fn policy(self) -> Option<[u8; 7]> {
        let number = match self {
            Self::Ci => 0,
            Self::Euicc => 1,
            Self::Eum => 2,
            Self::DpTls => 3,
            Self::DpAuth => 4,
            Self::DpPb => 5,
            Self::DsTls => 6,
            Self::DsAuth => 7,
            Self::Eim | Self::Operator => return None,
        };
        // 2.23.146.1.2.1.number
        Some([0x67, 0x81, 0x12, 0x01, 0x02, 0x01, number])
    }

    /// The policy that stands for the role; none for an eIM and for an operator.
    pub fn policy_oid(self) -> Option<Oid> {
        self.policy().and_then(|contents| Oid::from_contents(&contents).ok())
    }

    /// The role that a policy stands for.
    pub fn of_policy(policy: &Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.policy().is_some_and(|own| own[..] == *policy.contents()))
    }

    /// How messages call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "CI",
            Self::Eum => "EUM",
            Self::Euicc => "eUICC",
            Self::DpAuth => "DPauth",
            Self::DpPb => "DPpb",
            Self::DpTls => "DPtls",
            Self::DsAuth => "DSauth",
            Self::DsTls => "DStls",
            Self::Eim => "eIM",
            Self::Operator => "operator",
        }
    }

    /// Whether the certificate is a TLS server's.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::DpTls | Self::DsTls)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
