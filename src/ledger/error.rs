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
        "the checkpoint covers {covered} blocks, but {held} are readable and sealed ({place}: {cause}); \
         restore the ledger from a copy"
    )]
    Missing { covered: u64, held: u64, place: String, cause: String },
    #[error("{held} blocks are stored, but no checkpoint; restore it from a copy")]
    NoCheckpoint { held: u64 },
    #[error("the checkpoint is not in order: {cause}; restore it from a copy")]
    Checkpoint { cause: String },
    #[error("this ledger is not the one that was asked for: {cause}")]
    Anchor { cause: String },
    #[error("the witness refuses: {cause}")]
    Witness { cause: String },
    #[error("the keys are not those of the genesis; a ledger is written with the keys it was created with")]
    WrongKey,
    #[error(
        "the validator signed block {height} as {block} before, and does not sign block {asked} as {asked_block}: it \
         signs one history; go on with the ledger that has the block it signed"
    )]
    Signed { height: u64, block: String, asked: u64, asked_block: String },
    #[error(
        "the validator has signed block {signed}, and this ledger ends with block {held}: it is an old copy, or was cut; \
         restore the newest copy"
    )]
    RolledBack { signed: u64, held: u64 },
    #[error(
        "block {held} of this ledger is sealed by a validator whose memory ({place}) says {remembered}: it is an old copy \
         or lost, and the key might sign a second history; restore the memory"
    )]
    Forgetful { held: u64, place: String, remembered: String },
    #[error("{place} remembers another ledger; each ledger has a memory of its own beside its key")]
    OtherLedger { place: String },
    #[error(
        "a block of time {timestamp} would be more than {ahead_max} s ahead of the clock ({now}); the ledger takes \
         transactions and seals them later"
    )]
    Ahead { timestamp: u64, now: u64, ahead_max: u64 },
    #[error("the ledger was opened for reading; open it with its keys")]
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
            Self::Refused { .. } | Self::Witness { .. } => Blame::PeerRefused,
            Self::Empty
            | Self::Unfinished
            | Self::NotEmpty
            | Self::Genesis { .. }
            | Self::Block { .. }
            | Self::Missing { .. }
            | Self::NoCheckpoint { .. }
            | Self::Checkpoint { .. }
            | Self::Anchor { .. }
            | Self::WrongKey
            | Self::Signed { .. }
            | Self::RolledBack { .. }
            | Self::Forgetful { .. }
            | Self::OtherLedger { .. }
            | Self::Failed => Blame::Bench,
            Self::Ahead { .. } | Self::ReadOnly | Self::Execution { .. } => Blame::Ours,
        }
    }
}
