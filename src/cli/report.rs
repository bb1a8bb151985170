//! `cellbed report`: where the report of a run is.

use std::process::ExitCode;

use super::args::ReportArgs;
use super::{exit, terminal};

/// Prints the path of the report in the folder of a run.
pub fn main(args: &ReportArgs) -> ExitCode {
    let report = args.dir.join("report.html");
    if report.is_file() {
        terminal::line(report.display());
        return exit::PASS.into();
    }
    if args.dir.is_dir() {
        terminal::failure(format!(
            "{} holds no report.html: it is not the folder of a run, or the run did not come to its end",
            args.dir.display()
        ));
    } else {
        terminal::failure(format!("there is no folder {}; `cellbed run` makes one", args.dir.display()));
    }
    exit::SET_UP_ERROR.into()
}
