//! `cellbed ledger quarantine`, `release` and `revoke`: what an operator does with a device, by the ledger.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::LedgerDeedArgs;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::lab::operate::{self, Done, OperateError};
use crate::services::guard::{Cause, Deed};

/// Has `deed` done, and says what has become of it. What the ledger refuses is a finding.
pub fn operate(deed: Deed, args: &LedgerDeedArgs) -> ExitCode {
    let named = |name: &String| Cause::ALL.into_iter().find(|cause| cause.name() == name);
    let cause = args.reason.as_ref().and_then(named);
    match operate::operate(&args.run, &args.device, deed, cause) {
        Ok(Done { id, change, block }) if args.json => {
            let live = block.is_none();
            terminal::json(&json!({ "id": id, "change": change, "block": block, "live": live }));
            Exit::Pass.into()
        }
        Ok(Done { id, change, block }) => {
            let short = id.get(..8).unwrap_or(&id);
            match block {
                Some(block) => terminal::line(format!(
                    "{short} {change}, in block {block} of the ledger; the run has ended, and nobody follows"
                )),
                None => terminal::line(format!("{short} {change}, and everybody in the run follows")),
            }
            Exit::Pass.into()
        }
        Err(error) => {
            terminal::failure(&error);
            match error {
                OperateError::Refused { .. } => Exit::Failed.into(),
                _ => Exit::SetUp.into(),
            }
        }
    }
}
