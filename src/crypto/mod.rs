//! Keys, signatures and the seeded TLS provider.
//!
//! Everything here is P-256 with SHA-256, the one algorithm that the IoT SAFE applet offers. `p256` signs,
//! because its signatures are a function of key and message (RFC 6979); `aws-lc-rs` verifies and agrees,
//! because it is two to three times faster.

pub mod bsp;
pub mod key;
pub mod tally;
pub mod tls;

pub use key::SoftKey;
pub use tally::{Op, Tally};

/// Why a key, a signature or a TLS configuration was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("the P-256 private key is zero or not below the order of the group: draw another one")]
    PrivateKey,
    #[error("a public key of {found} bytes is not an id-ecPublicKey on P-256 with an uncompressed point")]
    PublicKey { found: usize },
    #[error("a signature of {found} bytes is not an ECDSA signature for P-256: {form} is expected")]
    SignatureForm { found: usize, form: &'static str },
    #[error("the signature does not verify: message, signature and public key do not belong together")]
    BadSignature,
    #[error("TLS configuration, {part}: {reason}")]
    Tls { part: &'static str, reason: String },
}
