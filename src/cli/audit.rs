//! `cellbed audit`: whether every device of a run has one key, one certificate and one subscription, from its folder.

use std::process::ExitCode;

use super::args::AuditArgs;
use super::exit::Exit;
use super::terminal;
use crate::lab::audit::folder;

/// Audits the folder of a run and prints what it finds.
pub fn main(args: &AuditArgs) -> ExitCode {
    let audit = match folder::audit(&args.run) {
        Ok(audit) => audit,
        Err(error) => {
            terminal::failure(error);
            return Exit::SetUp.into();
        }
    };
    if args.json {
        terminal::json(&audit);
    } else {
        terminal::line(audit.told());
        for finding in &audit.findings {
            terminal::line(format!("  {finding}"));
        }
        let more = audit.found.saturating_sub(audit.findings.len() as u64);
        if more > 0 {
            terminal::line(format!("  and {more} more"));
        }
    }
    if audit.found == 0 { Exit::Pass } else { Exit::Failed }.into()
}
