//! What a ledger says of transactions and blocks, whichever engine seals them.

use super::events::StatusChanged;

/// The hash of a transaction.
pub type TxHash = [u8; 32];

/// A block as others refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub number: u64,
    pub hash: [u8; 32],
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

/// What a ledger is called, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name in checkpoints.
    pub origin: String,
    /// The key of its checkpoints, in the text form of signed-note.
    pub verifier_key: String,
    /// Whether its keys follow from the seed of a run.
    pub lab: bool,
    pub head: Head,
}

/// What became of a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxOutcome {
    /// It did what it says.
    Done,
    /// The device stood on the ledger with this key already; nothing changed.
    Unchanged,
    /// What was presented is not what the ledger has. The attempt stands there, and quarantines the device unless its
    /// key was another one's. `reason` is `identity-already-registered`, `key-already-registered`, or a word of
    /// [`super::FirmwareFault`].
    Conflict { reason: &'static str },
    /// The contract refused. `reason` is a word of [`super::revert_word`], or `halted`.
    Reverted { reason: &'static str },
    /// The transaction could not be in a block at all, and is in none.
    Invalid { cause: String },
}

impl TxOutcome {
    /// The stable word of a refusal; none if the transaction was not refused.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Unchanged => None,
            Self::Conflict { reason } | Self::Reverted { reason } => Some(reason),
            Self::Invalid { .. } => Some("invalid-transaction"),
        }
    }
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxReceipt {
    pub tx_hash: TxHash,
    pub outcome: TxOutcome,
    /// Gas used, refunds taken off.
    pub gas: u64,
    pub status_changes: Vec<StatusChanged>,
}

/// A sealed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub number: u64,
    pub hash: [u8; 32],
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub state_root: [u8; 32],
    /// One receipt per transaction, in the order of submission.
    pub receipts: Vec<TxReceipt>,
}
