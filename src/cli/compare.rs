//! `cellbed compare`: two scenarios beside each other, by how long devices take to be ready and what it costs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::CompareArgs;
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::compare::{Comparison, Prices};
use crate::lab::{LabError, Run};

/// Where a scenario is that was given by its name alone.
const SCENARIOS: &str = "lab/scenarios";

/// Compares what is asked for.
pub fn main(args: &CompareArgs) -> ExitCode {
    match compare(args) {
        Ok(()) => Exit::Pass.into(),
        Err(error) => terminal::lab_error(&error),
    }
}

fn compare(args: &CompareArgs) -> Result<(), LabError> {
    let prices = Prices::load(&args.prices)?;
    let (first, second) = (path(&args.first), path(&args.second));
    let load = |scenario: &Path| Run::load(scenario, &args.bench);
    let mut devices = args.devices.clone();
    devices.sort_unstable();
    devices.dedup();
    let told = |line: &str| {
        if terminal::is_looked_at() {
            terminal::note(line);
        }
    };
    let comparison =
        Comparison::of(&|| load(&first), &|| load(&second), &devices, args.seeds, &prices, told)?;
    if let Some(path) = &args.svg {
        files::write_bytes(path, comparison.svg().as_bytes())?;
    }
    match args.json {
        true => terminal::json(&comparison),
        false => comparison.to_string().lines().for_each(terminal::line),
    }
    Ok(())
}

/// The file that is meant by a path, or by the name of a scenario of the lab.
fn path(given: &str) -> PathBuf {
    let named = given.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match named {
        true => Path::new(SCENARIOS).join(format!("{given}.toml")),
        false => PathBuf::from(given),
    }
}
