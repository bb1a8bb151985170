//! What an operator does with a device of a run, from outside of it: by the ledger, and by nothing else.
//!
//! A run that goes on is spoken to, and everybody in it follows. Of one that has ended the ledger in its folder is gone on
//! with; who reads it later, finds the device as it stands.

use std::path::{Path, PathBuf};

use super::LabError;
use super::audit::erase::Who;
use super::audit::folder::{AuditError, read_books};
use super::run::{CONTROL_SOCKET, ledger_place};
use crate::io::clock;
use crate::io::drive::control::{self, Answer, AskError, Word};
use crate::io::files::{FileError, read_text};
use crate::kernel::Blame;
use crate::ledger::{LedgerError, Status};
use crate::report::{LedgerKeyKind, ReadError, read_metrics};
use crate::services::guard::{Cause, Deed};
use crate::world::books::Fact;
use crate::world::setup::reopened;

/// What has become of an operator's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The device as the ledger knows it; of a run that goes on the begin of it. Hexadecimal.
    pub id: String,
    /// What has changed, as in `active -> quarantined`.
    pub change: String,
    /// The block; `None` where a run that goes on has it.
    pub block: Option<u64>,
}

/// Why it does not stand.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum OperateError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Books(#[from] AuditError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("the ledger of the run: {0}")]
    Ledger(#[from] LedgerError),
    #[error("{}: {cause}", path.display())]
    Metrics { path: PathBuf, cause: ReadError },
    #[error("{}: this run has left no ledger of its own keys to go on with", path.display())]
    NoLedger { path: PathBuf },
    #[error("the books of this run name no such device: it was erased, or never there")]
    Nobody,
    #[error("a run that goes on knows its devices by number, as in `cellbed ledger quarantine 1`")]
    NotNumber,
    #[error("{cause}")]
    Refused { cause: String },
}

impl OperateError {
    /// Whose fault it is: what the ledger refuses is asked of it at the wrong time, and everything else is a wrong set-up.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Books(error) => error.blame(),
            Self::Lab(error) => error.blame(),
            Self::Ledger(error) => error.blame(),
            Self::Ask(_)
            | Self::File(_)
            | Self::Metrics { .. }
            | Self::NoLedger { .. }
            | Self::Nobody
            | Self::NotNumber
            | Self::Refused { .. } => Blame::Bench,
        }
    }
}

/// Has `deed` done with a device of the run in the folder `run`.
///
/// # Errors
/// Why it is not done.
pub fn operate(run: &Path, who: &Who, deed: Deed, cause: Option<Cause>) -> Result<Done, OperateError> {
    let socket = run.join(CONTROL_SOCKET);
    let Who::Number(device) = *who else {
        let goes_on = control::listens(&socket);
        return if goes_on { Err(OperateError::NotNumber) } else { on_disk(run, who, deed, cause) };
    };
    match control::ask(&socket, &Word { deed, device, cause })? {
        Some(Answer::Stands { id, change }) => Ok(Done { id, change, block: None }),
        Some(Answer::Refused { cause }) => Err(OperateError::Refused { cause }),
        None => on_disk(run, who, deed, cause),
    }
}

fn on_disk(run: &Path, who: &Who, deed: Deed, cause: Option<Cause>) -> Result<Done, OperateError> {
    let path = run.join("metrics.json");
    let summary = read_metrics(read_text(&path)?.as_bytes());
    let summary = summary.map_err(|cause| OperateError::Metrics { path: path.clone(), cause })?;
    if summary.ledger.is_none_or(|ledger| ledger.keys != LedgerKeyKind::Lab) {
        return Err(OperateError::NoLedger { path });
    }
    let mut found = None;
    read_books(run, |fact| {
        if let Fact::Device { device, eid, id, .. } = fact {
            let is_meant = match who {
                Who::Number(number) => *number == device,
                Who::Eid(wanted) => *wanted == eid,
                Who::Id(wanted) => *wanted == id.0,
            };
            found = found.or(is_meant.then_some(id.0));
        }
    })?;
    let id = found.ok_or(OperateError::Nobody)?;
    let (mut ledger, mut operators) = reopened(summary.facts.seed, ledger_place(run)?)?;
    let status = |status: Option<Status>| status.unwrap_or(Status::None).to_string();
    let before = status(ledger.device(&id).map(|record| record.status));
    let contract = ledger.contract();
    let raw = deed.by_guard(&mut operators.guard, contract, id, cause, [0; 32]);
    let raw =
        raw.unwrap_or_else(|| operators.ca.revoke_certificate(contract, id, deed.reason(cause), [0; 32]));
    ledger.submit(&raw)?;
    let sealed = ledger.seal(clock::unix_ms())?;
    if let Some(reason) = sealed.receipts.iter().find_map(|receipt| receipt.outcome.refusal()) {
        let cause = format!(
            "the ledger refuses it in block {}: {reason}; device {} is {before}",
            sealed.number,
            &hex::encode(id)[..8]
        );
        return Err(OperateError::Refused { cause });
    }
    let after = status(ledger.device(&id).map(|record| record.status));
    Ok(Done { id: hex::encode(id), change: format!("{before} -> {after}"), block: Some(sealed.number) })
}
