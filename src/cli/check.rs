//! `cellbed check`: are these scenarios, benches and SIM profiles right?

use std::path::Path;
use std::process::ExitCode;

use super::args::CheckArgs;
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::{Bench, FileKind, LabError, Scenario, catalogue};

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
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let by_folder = match folder.to_str() {
        Some("benches") => FileKind::Bench,
        Some(catalogue::FOLDER) => FileKind::SimProfile,
        _ => FileKind::Scenario,
    };
    match FileKind::of(&files::read_text(path)?).unwrap_or(by_folder) {
        FileKind::Bench => {
            Bench::load(path)?;
            Ok("a bench, in order".to_owned())
        }
        FileKind::SimProfile => {
            catalogue::profile(path)?;
            Ok("a SIM profile, in order".to_owned())
        }
        FileKind::Scenario => {
            let scenario = Scenario::load(path)?;
            let devices = scenario.device_count();
            let plural = if devices == 1 { "" } else { "s" };
            Ok(format!("a scenario of {devices} device{plural} and {} steps, in order", scenario.steps.len()))
        }
    }
}
