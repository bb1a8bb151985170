//! `cellbed guard`: models of what devices do, and how well they tell attacks from it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cellbed_guard::{FEATURES_NAMES, INSTANT_NAMES, MODEL_BYTES, Model, ModelError};
use serde_json::json;

use super::args::{GuardCardArgs, GuardEvalArgs, GuardSet, GuardTrainArgs, GuardVerb};
use super::exit::Exit;
use super::terminal;
use crate::guard::conn_log::ConnLog;
use crate::guard::eval::flows::{Capture, evaluate_flows};
use crate::guard::eval::{Plan, evaluate};
use crate::guard::generator::{attack, drawn, evaluation, kinds, other_hand};
use crate::guard::{GuardError, learn, onnx};
use crate::io::files::{self, FileError};
use crate::kernel::RngTree;

/// How many kinds are drawn.
const DRAWN: usize = 12;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{}: {source}; `cellbed guard train` writes one", path.display())]
    Model { path: PathBuf, source: ModelError },
    #[error("{}: {source}", path.display())]
    Log { path: PathBuf, source: GuardError },
    #[error("{} has no file whose name ends in .labeled or .csv: unpack the logs into it", path.display())]
    NoLogs { path: PathBuf },
    #[error("there is no kind of device called {found:?}; there are {known}")]
    Kind { found: String, known: String },
}

/// Does what was asked for.
pub fn main(verb: &GuardVerb) -> ExitCode {
    let done = match verb {
        GuardVerb::Eval(args) => eval(args),
        GuardVerb::Train(args) => train(args),
        GuardVerb::Card(args) => card(args),
    };
    match done {
        Ok(()) => Exit::Pass.into(),
        Err(cause) => {
            terminal::failure(cause);
            Exit::SetUp.into()
        }
    }
}

/// Prints what an evaluation has shown.
fn show(report: &(impl serde::Serialize + std::fmt::Display), as_json: bool) {
    if as_json {
        terminal::json(report);
    } else {
        report.to_string().lines().for_each(terminal::line);
    }
}

fn told(done: &str) {
    if terminal::is_looked_at() {
        terminal::note(done);
    }
}

/// Reads the logs in a folder.
fn captures(folder: &Path) -> Result<Vec<Capture>, Failed> {
    let mut captures = Vec::new();
    for extension in ["csv", "labeled"] {
        for path in files::list(folder, extension)? {
            let log = ConnLog::parse(&files::read_text(&path)?)
                .map_err(|source| Failed::Log { path: path.clone(), source })?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            captures.push(Capture { name, log });
        }
    }
    match captures.is_empty() {
        true => Err(Failed::NoLogs { path: folder.to_owned() }),
        false => Ok(captures),
    }
}

fn eval(args: &GuardEvalArgs) -> Result<(), Failed> {
    let tree = RngTree::new(args.seed).branch("guard-eval");
    if let Some(folder) = &args.conn_log {
        show(&evaluate_flows(&captures(folder)?, &tree, told)?, args.json);
        return Ok(());
    }
    let (kinds, attacks) = match args.set {
        GuardSet::Design => (kinds::DESIGN.to_vec(), attack::DESIGN.to_vec()),
        GuardSet::Evaluation => (evaluation::KINDS.to_vec(), evaluation::ATTACKS.to_vec()),
        GuardSet::Drawn => {
            let drawn = tree.branch("drawn");
            (drawn::kinds(&drawn, DRAWN), drawn::attacks(&drawn))
        }
        GuardSet::OtherHand => (other_hand::KINDS.to_vec(), other_hand::ATTACKS.to_vec()),
    };
    let plan = Plan {
        kinds,
        attacks,
        devices: args.devices,
        baseline_days: args.baseline_days,
        days: args.days,
        with_rates: args.rates,
    };
    show(&evaluate(&plan, &tree, told)?, args.json);
    Ok(())
}

fn train(args: &GuardTrainArgs) -> Result<(), Failed> {
    let kind = kinds::DESIGN.into_iter().chain(evaluation::KINDS).find(|kind| kind.name == args.kind);
    let kind = kind.ok_or_else(|| {
        let known: Vec<_> = kinds::DESIGN.iter().chain(&evaluation::KINDS).map(|kind| kind.name).collect();
        Failed::Kind { found: args.kind.clone(), known: known.join(", ") }
    })?;
    let tree = RngTree::new(args.seed).branch("guard-train");
    let model = learn::of_kind(kind, &tree, u64::from(args.days) * 24)?;
    files::write_bytes(&args.output, &model.to_bytes())?;
    if let Some(path) = &args.onnx {
        files::write_bytes(path, &onnx::write(&model))?;
    }
    let judges =
        if model.is_armed() { "it may judge" } else { "it judges nobody: the baseline is too short" };
    terminal::line(format_args!(
        "{}: {MODEL_BYTES} bytes, learned from {} windows in {} hours of a generated {}; {judges}",
        args.output.display(),
        model.windows,
        model.hours,
        kind.name,
    ));
    Ok(())
}

fn card(args: &GuardCardArgs) -> Result<(), Failed> {
    let bytes = files::read_bytes(&args.file)?;
    let model = Model::parse(&bytes).map_err(|source| Failed::Model { path: args.file.clone(), source })?;
    let services: Vec<_> = model.known.services.iter().filter(|(protocol, _)| *protocol != 0).collect();
    let names = model.known.marks.iter().filter(|mark| **mark != 0).count();
    // What a limit is in units of its own: 2^x - 1.
    let plain = |limit_q8: i16| (f64::from(limit_q8) / 256.0).exp2() - 1.0;
    if args.json {
        let features = FEATURES_NAMES.iter().enumerate().map(|(at, name)| {
            json!({
                "feature": name,
                "limit": plain(model.limits[at]),
                "residual_limit_spreads": f64::from(model.residual_limits[at]) / 16.0,
            })
        });
        let instant =
            INSTANT_NAMES.iter().zip(model.instant).map(|(name, limit)| (String::from(*name), json!(limit)));
        terminal::json(&json!({
            "bytes": MODEL_BYTES,
            "windows": model.windows,
            "hours": model.hours,
            "armed": model.is_armed(),
            "services": services,
            "names_and_peers": names,
            "features": features.collect::<Vec<_>>(),
            "instant": instant.collect::<serde_json::Map<_, _>>(),
        }));
        return Ok(());
    }
    terminal::line(format_args!("{}: a model of {MODEL_BYTES} bytes, format 1", args.file.display()));
    terminal::line(format_args!("learned from   {} windows in {} hours", model.windows, model.hours));
    terminal::line(format_args!(
        "may judge      {}",
        if model.is_armed() { "yes" } else { "no: three days and 1,000 windows are needed" }
    ));
    let services: Vec<_> = services.iter().map(|(protocol, port)| format!("{protocol}/{port}")).collect();
    terminal::line(format_args!("knows          {} and {names} names and peers", services.join(" ")));
    let instant: Vec<_> =
        INSTANT_NAMES.iter().zip(model.instant).map(|(name, limit)| format!("{limit} {name}")).collect();
    terminal::line(format_args!("in a second    at most {}", instant.join(", ")));
    terminal::line(format_args!("{:<22} {:>12} {:>18}", "in ten seconds", "at most", "residual, spreads"));
    for (at, name) in FEATURES_NAMES.iter().enumerate() {
        let residual = f64::from(model.residual_limits[at]) / 16.0;
        terminal::line(format_args!("{name:<22} {:>12.1} {residual:>18.2}", plain(model.limits[at])));
    }
    terminal::line(
        "It tells nothing of what goes over the device's own cloud in its own rhythm: docs/guard.md.",
    );
    Ok(())
}
