//! `cellbed ledger`: what stands on a ledger directory, whether it is in order, and in which forms others can have it.

mod erase;
mod export;
mod operate;
mod show;
mod verify;
mod witness;

use std::collections::BTreeSet;
use std::io;
use std::process::ExitCode;

use alloy_primitives::Address;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::{LedgerVerb, LedgerVerifyArgs, LedgerWitnessArgs};
use super::exit::Exit;
use super::terminal;
use crate::io::files::FileError;
use crate::kernel::Page;
use crate::ledger::{LedgerError, StoreError};
use crate::services::guard::Deed;

pub use export::export;
pub use show::show;
pub use verify::{Brought, verify};
pub use witness::{Asked, witness};

/// Why a ledger command failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerCliError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}")]
    Argument(String),
    #[error("this is not the ledger of the run: {metrics} has {recorded}, and here is {found}")]
    OtherRun { metrics: String, recorded: String, found: String },
    #[error("the report could not be written: {0}")]
    Output(#[from] io::Error),
}

impl LedgerCliError {
    /// How a command ends with it: what cannot be read was not looked at, and everything else is a finding.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(StoreError::Io { .. } | StoreError::Locked { .. })
            | Self::Ledger(LedgerError::Store(StoreError::Io { .. } | StoreError::Locked { .. }))
            | Self::File(_)
            | Self::Argument(_) => Exit::SetUp,
            Self::Ledger(_) | Self::OtherRun { .. } | Self::Store(StoreError::Corrupt { .. }) => Exit::Failed,
            Self::Output(_) => Exit::Bench,
        }
    }
}

/// Does what is asked of a ledger. One that cannot be shown or read is a wrong set-up; one that does not verify is a
/// finding.
pub fn main(verb: &LedgerVerb) -> ExitCode {
    let dir = match verb {
        LedgerVerb::Show { dir, .. } | LedgerVerb::Export { dir, .. } => dir,
        LedgerVerb::Verify(args) => &args.dir,
        LedgerVerb::Witness(args) => &args.dir,
        LedgerVerb::Erase { device, run } => return erase::erase(run, device),
        LedgerVerb::Quarantine(args) => return operate::operate(Deed::Quarantine, args),
        LedgerVerb::Release(args) => return operate::operate(Deed::Release, args),
        LedgerVerb::Revoke(args) => return operate::operate(Deed::Revoke, args),
    };
    if !dir.is_dir() {
        terminal::failure(format!(
            "there is no folder {}; a run leaves its ledger in runs/last/ledger",
            dir.display()
        ));
        return Exit::SetUp.into();
    }
    let inside = dir.join("ledger");
    if inside.is_dir() && !dir.join("blocks.log").exists() {
        terminal::failure(format!(
            "{} is the folder of a run, and no ledger; did you mean {}?",
            dir.display(),
            inside.display()
        ));
        return Exit::SetUp.into();
    }
    let mut text = Vec::new();
    let done = |result: Result<(), LedgerCliError>| result.map(|()| Exit::Pass);
    let result = match verb {
        LedgerVerb::Show { dir, json: true } => {
            let shown = show::in_json(dir).map(|value| terminal::json(&value));
            done(shown).map_err(|error| (error, Some(Exit::SetUp)))
        }
        LedgerVerb::Show { dir, .. } => {
            done(show(dir, &mut text)).map_err(|error| (error, Some(Exit::SetUp)))
        }
        LedgerVerb::Verify(args) if args.json => return verify::in_json(dir, &brought(args)).into(),
        LedgerVerb::Verify(args) => verify(dir, &brought(args), &mut text).map_err(|error| (error, None)),
        LedgerVerb::Witness(args) => {
            done(witness(dir, &asked(args), &mut text)).map_err(|error| (error, None))
        }
        LedgerVerb::Export { dir, out } => {
            done(export(dir, out, &mut text)).map_err(|error| (error, Some(Exit::SetUp)))
        }
        LedgerVerb::Erase { .. }
        | LedgerVerb::Quarantine(_)
        | LedgerVerb::Release(_)
        | LedgerVerb::Revoke(_) => Ok(Exit::Pass),
    };
    terminal::page(&Page::lines(&String::from_utf8_lossy(&text)));
    match result {
        Ok(exit) => exit.into(),
        Err((error, exit)) => {
            terminal::failure(&error);
            exit.unwrap_or_else(|| error.exit()).into()
        }
    }
}

fn brought(args: &LedgerVerifyArgs) -> Brought {
    Brought {
        full: args.full,
        keys: args.key.clone(),
        checkpoints: args.checkpoint.clone(),
        witnesses: args.witness.clone(),
        heads: args.head.clone(),
    }
}

fn asked(args: &LedgerWitnessArgs) -> Asked {
    Asked { state: args.state.clone(), name: args.name.clone(), key: args.key.clone(), out: args.out.clone() }
}

/// What is said of a ledger whose keys are those of a run.
/// Says so where the registry names others as validators than those who seal.
fn write_named(seal: &[Address], named: &[Address], out: &mut dyn io::Write) -> io::Result<()> {
    if named.is_empty() || seal.iter().collect::<BTreeSet<_>>() == named.iter().collect() {
        return Ok(());
    }
    let named: Vec<String> = named.iter().map(Address::to_string).collect();
    writeln!(out, "  registry    names other validators, whom nobody follows: {}", named.join(", "))
}

fn lab_mark() -> &'static str {
    "LAB KEYS: the keys follow from the seed of a run, and prove nothing to anybody who knows it"
}

/// Seconds since the Unix epoch as RFC 3339; the number itself where that has no date.
fn time_text(unix_s: u64) -> String {
    date(u128::from(unix_s) * 1_000_000_000).unwrap_or_else(|| format!("{unix_s} s"))
}

/// The same of milliseconds.
fn time_text_ms(unix_ms: u64) -> String {
    date(u128::from(unix_ms) * 1_000_000).unwrap_or_else(|| format!("{unix_ms} ms"))
}

fn date(unix_ns: u128) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::try_from(unix_ns).ok()?).ok()?;
    time.format(&Rfc3339).ok()
}
