//! `cellbed ledger`: what stands on a ledger directory, and whether it is in order.

use std::io::{self, Write};
use std::path::Path;

/// Why a ledger command failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerCliError {
    #[error("this build has no ledger to open {0} with")]
    Absent(String),
    #[error("the report could not be written: {0}")]
    Output(#[from] io::Error),
}

/// There is no ledger to show yet, and the program says so.
pub fn show(dir: &Path, _out: &mut dyn Write) -> Result<(), LedgerCliError> {
    Err(LedgerCliError::Absent(dir.display().to_string()))
}

/// There is no ledger to verify yet, and the program says so.
pub fn verify(dir: &Path, _full: bool, _out: &mut dyn Write) -> Result<(), LedgerCliError> {
    Err(LedgerCliError::Absent(dir.display().to_string()))
}
