//! The public-key work of a ledger, for those who count it.

use std::sync::Arc;

/// A piece of public-key work, for those who count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerOp {
    /// The contract checked a card's signature.
    P256Verify,
    /// An account signed a transaction.
    Secp256k1Sign,
    /// The sender of a transaction was recovered.
    Secp256k1Recover,
}

/// Who counts, if somebody does.
pub(super) type Counter = Option<Arc<dyn Fn(LedgerOp) + Send + Sync>>;
