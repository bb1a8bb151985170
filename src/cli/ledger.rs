//! `cellbed ledger`: shows and verifies the ledger of a run.

use std::process::ExitCode;

use super::args::{LedgerArgs, LedgerVerb};
use super::{exit, terminal};

/// There is no ledger to open yet, and the program says so.
pub fn main(args: &LedgerArgs) -> ExitCode {
    let (LedgerVerb::Show { dir } | LedgerVerb::Verify { dir, .. }) = &args.verb;
    terminal::failure(format!("this build has no ledger to open {} with", dir.display()));
    exit::NOTHING_RAN.into()
}
