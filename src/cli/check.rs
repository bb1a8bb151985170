//! `cellbed check`: are these scenario and bench files right?

use std::path::Path;
use std::process::ExitCode;

use super::args::CheckArgs;
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::{Bench, FileKind, LabError, Scenario};

/// Checks every file, and prints a line for each that is right and the problems of each that is not.
pub fn main(args: &CheckArgs) -> ExitCode {
    let mut exit = Exit::Pass.into();
    for file in &args.files {
        match describe(file) {
            Ok(what) => terminal::line(format_args!("{}: {what}", file.display())),
            Err(error) => exit = terminal::lab_error(&error),
        }
    }
    exit
}

/// What the file at `path` is, in a few words, when nothing is wrong with it.
fn describe(path: &Path) -> Result<String, LabError> {
    let in_benches = path.parent().is_some_and(|folder| folder.ends_with("benches"));
    let by_folder = if in_benches { FileKind::Bench } else { FileKind::Scenario };
    match FileKind::of(&files::read_text(path)?).unwrap_or(by_folder) {
        FileKind::Bench => {
            Bench::load(path)?;
            Ok("a bench, in order".to_owned())
        }
        FileKind::Scenario => {
            let scenario = Scenario::load(path)?;
            let devices = scenario.device_count();
            let plural = if devices == 1 { "" } else { "s" };
            Ok(format!("a scenario of {devices} device{plural} and {} steps, in order", scenario.steps.len()))
        }
    }
}
