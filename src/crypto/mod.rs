//! Keys, signatures, the certificates of remote SIM provisioning and the seeded TLS provider.
//!
//! Everything here is P-256 with SHA-256, the one algorithm that the IoT SAFE applet offers; [`rsp_cert`] has
//! brainpoolP256r1 as well. Signatures
//! are a function of key and message ([`ecdsa`]: RFC 6979); `aws-lc-rs` computes their points, verifies and agrees,
//! because it is two to four times as fast as `p256`.

use crate::kernel::Blame;

pub mod aka;
pub mod answer;
pub mod bsp;
pub mod ecdsa;
pub mod key;
pub mod milenage;
pub mod rsp_cert;
pub mod tally;
pub mod test_usim;
pub mod tls;
pub mod tuak;

pub use key::SoftKey;
pub use tally::{Op, Tally};

/// Why a key, a signature or a TLS configuration was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CryptoError {
    #[error("the private key is zero or not below the order of the group: draw another one")]
    PrivateKey,
    #[error("a public key of {found} bytes is not an id-ecPublicKey with an uncompressed point on its curve")]
    PublicKey { found: usize },
    #[error(
        "the public key is neither on P-256 nor on brainpoolP256r1, or not an id-ecPublicKey with a named curve"
    )]
    Curve,
    #[error("our key is on {ours} and theirs on {theirs}: both have to be on one curve")]
    OtherCurve { ours: &'static str, theirs: &'static str },
    #[error("the private key file: {reason}; SEC 1 or PKCS #8 on P-256 or brainpoolP256r1 is expected")]
    PrivateKeyForm { reason: String },
    #[error("a signature of {found} bytes is not an ECDSA signature for P-256: {form} is expected")]
    SignatureForm { found: usize, form: &'static str },
    #[error("the signature does not verify: message, signature and public key do not belong together")]
    BadSignature,
    #[error("TLS configuration, {part}: {reason}")]
    Tls { part: &'static str, reason: String },
}

impl CryptoError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::PrivateKey | Self::PrivateKeyForm { .. } => Blame::Bench,
            Self::PublicKey { .. } | Self::SignatureForm { .. } => Blame::PeerBrokeProtocol,
            Self::Curve | Self::OtherCurve { .. } => Blame::PeerIncapable,
            Self::BadSignature => Blame::PeerUntrusted,
            Self::Tls { .. } => Blame::Ours,
        }
    }
}
