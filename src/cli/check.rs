//! `cellbed check`: are these scenarios, benches and SIM profiles right?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::CheckArgs;
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::{Bench, Diagnostic, FileKind, LabError, Scenario, catalogue};

/// Checks every file, and prints a line for each that is right and the problems of each that is not.
pub fn main(args: &CheckArgs) -> ExitCode {
    if args.json {
        return in_json(&args.files);
    }
    let mut exit = Exit::Pass.into();
    for file in &args.files {
        match describe(file) {
            Ok(what) => terminal::line(format_args!("{}: {what}", file.display())),
            Err(error) => exit = terminal::lab_error(&error),
        }
    }
    exit
}

/// Prints each file with its problems.
fn in_json(files: &[PathBuf]) -> ExitCode {
    let mut exit = Exit::Pass;
    let told = files.iter().map(|path| {
        let described = describe(path);
        let problems = match &described {
            Ok(_) => Vec::new(),
            Err(error) => {
                exit = error.into();
                problems(path, error)
            }
        };
        json!({ "file": path.display().to_string(), "what": described.ok(), "problems": problems })
    });
    terminal::json(&Value::Array(told.collect()));
    exit.into()
}

fn problems(path: &Path, error: &LabError) -> Vec<Value> {
    let LabError::Invalid(problems) = error else {
        return vec![json!({ "file": path.display().to_string(), "message": error.to_string() })];
    };
    let one = |problem: &Diagnostic| {
        let (line, column) = problem.place();
        json!({
            "file": problem.file(),
            "line": line,
            "column": column,
            "message": problem.message,
            "label": problem.label,
            "help": problem.help,
        })
    };
    problems.iter().map(one).collect()
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
