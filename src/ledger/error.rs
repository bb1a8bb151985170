//! What can go wrong with a ledger, and whose fault it is.

use super::store::StoreError;
use crate::kernel::Blame;

/// Why the ledger could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no ledger here; a run with a ledger directory creates one")]
    Empty,
    #[error("the ledger was left before its first block was durable; delete it and create it again")]
    Unfinished,
    #[error("there is something here already; choose an empty place for a new ledger, or open this one")]
    NotEmpty,
    #[error("the genesis is not one of this program: {cause}")]
    Genesis { cause: String },
    #[error("block {number} ({place}) is not in order: {cause}; restore the ledger from a copy")]
    Block { number: u64, place: String, cause: String },
    #[error(
        "the checkpoint covers {covered} blocks, but {held} are readable ({place}: {cause}); \
         restore the ledger from a copy"
    )]
    Missing { covered: u64, held: u64, place: String, cause: String },
    #[error("{held} blocks are stored, but no checkpoint; restore it from a copy")]
    NoCheckpoint { held: u64 },
    #[error("the checkpoint is not in order: {cause}; restore it from a copy")]
    Checkpoint { cause: String },
    #[error("the checkpoint key is not the one of the genesis; a ledger belongs to one seed")]
    WrongKey,
    #[error("the ledger was opened for reading; open it with its checkpoint key")]
    ReadOnly,
    #[error("the ledger failed to write earlier; open it again")]
    Failed,
    /// `reason` is a stable word, as in `wrong-nonce`.
    #[error("the transaction is refused ({reason}): {detail}")]
    Refused { reason: &'static str, detail: String },
    #[error("block {number} could not be executed: {cause}")]
    Execution { number: u64, cause: String },
}

impl LedgerError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Store(error) => error.blame(),
            Self::Refused { .. } => Blame::PeerRefused,
            Self::Empty
            | Self::Unfinished
            | Self::NotEmpty
            | Self::Genesis { .. }
            | Self::Block { .. }
            | Self::Missing { .. }
            | Self::NoCheckpoint { .. }
            | Self::Checkpoint { .. }
            | Self::WrongKey
            | Self::Failed => Blame::Bench,
            Self::ReadOnly | Self::Execution { .. } => Blame::Ours,
        }
    }
}
