//! How many public-key operations a run took: the costs that a report compares across devices.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A public-key operation, counted each time it is carried out in software.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// A long-lived ECDSA key pair on P-256.
    P256KeyGen,
    /// An ECDSA signature on P-256.
    P256Sign,
    /// The verification of one, whatever its result.
    P256Verify,
    /// An ephemeral key pair of a TLS key exchange, on either group.
    EcdhKeyGen,
    /// A Diffie-Hellman agreement on P-256.
    P256Agree,
    /// A Diffie-Hellman agreement on Curve25519.
    X25519Agree,
    /// An ECDSA signature on secp256k1: a transaction.
    Secp256k1Sign,
    /// The recovery of a signer from one.
    Secp256k1Recover,
    /// An ECDSA key pair on brainpoolP256r1.
    BrainpoolKeyGen,
    /// An ECDSA signature on brainpoolP256r1.
    BrainpoolSign,
    /// The verification of one, whatever its result.
    BrainpoolVerify,
    /// A Diffie-Hellman agreement on brainpoolP256r1.
    BrainpoolAgree,
}

impl Op {
    /// Every operation, in the order of a report.
    pub const ALL: [Self; 12] = [
        Self::P256KeyGen,
        Self::P256Sign,
        Self::P256Verify,
        Self::EcdhKeyGen,
        Self::P256Agree,
        Self::X25519Agree,
        Self::Secp256k1Sign,
        Self::Secp256k1Recover,
        Self::BrainpoolKeyGen,
        Self::BrainpoolSign,
        Self::BrainpoolVerify,
        Self::BrainpoolAgree,
    ];

    /// The stable word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256KeyGen => "p256-keygen",
            Self::P256Sign => "p256-sign",
            Self::P256Verify => "p256-verify",
            Self::EcdhKeyGen => "ecdh-keygen",
            Self::P256Agree => "p256-agree",
            Self::X25519Agree => "x25519-agree",
            Self::Secp256k1Sign => "secp256k1-sign",
            Self::Secp256k1Recover => "secp256k1-recover",
            Self::BrainpoolKeyGen => "brainpool-keygen",
            Self::BrainpoolSign => "brainpool-sign",
            Self::BrainpoolVerify => "brainpool-verify",
            Self::BrainpoolAgree => "brainpool-agree",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of counters. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Arc<[AtomicU64; Op::ALL.len()]>,
}

impl Tally {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one operation.
    pub fn count(&self, op: Op) {
        self.counts[op as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often `op` was counted.
    pub fn of(&self, op: Op) -> u64 {
        self.counts[op as usize].load(Ordering::Relaxed)
    }

    /// The operations counted at least once, with their counts.
    pub fn snapshot(&self) -> BTreeMap<Op, u64> {
        Op::ALL.into_iter().map(|op| (op, self.of(op))).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_counters() {
        let tally = Tally::new();
        tally.clone().count(Op::P256Verify);
        tally.count(Op::P256Verify);
        assert_eq!(tally.snapshot(), BTreeMap::from([(Op::P256Verify, 2)]));
    }

    #[test]
    fn every_operation_has_its_own_counter() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, index, "{op}");
        }
    }
}
