//! `cellbed run`: a scenario on a bench.

use std::process::ExitCode;

use super::args::RunArgs;
use super::{exit, terminal};
use crate::lab::{Bench, LabError, Scenario};

/// Checks what is asked for. There is no driver that runs it yet, and the program says so.
pub fn main(args: &RunArgs) -> ExitCode {
    match set_up(args) {
        Ok((scenario, bench)) => {
            terminal::failure(format!(
                "scenario {} and bench {} are in order, but this build has no driver to run them",
                scenario.name, bench.name
            ));
            exit::NOTHING_RAN.into()
        }
        Err(error) => terminal::set_up_error(&error),
    }
}

fn set_up(args: &RunArgs) -> Result<(Scenario, Bench), LabError> {
    let mut scenario = Scenario::load(&args.scenario)?;
    let mut bench = Bench::load(&args.bench)?;
    if let Some(count) = args.devices {
        scenario = scenario.with_devices(count)?;
    }
    if let Some(seed) = args.seed {
        scenario.seed = seed;
    }
    bench.capture.key_log &= !args.no_key_log;
    Ok((scenario, bench))
}
