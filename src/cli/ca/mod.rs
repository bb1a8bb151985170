//! `cellbed ca`: an authority of its own for the world outside, in a folder: made, served, listed, revoked from.

pub mod args;
mod clients;
mod serve;

use std::path::Path;
use std::process::ExitCode;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::exit::Exit;
use super::terminal;
use crate::ca::index::Record;
use crate::ca::{Authority, CaError, Revocation, RevocationReason, Serial};
use crate::crypto::rsp_cert::{Curve, RspKey};
use crate::crypto::{CryptoError, Tally};
use crate::io::ca_folder::{self, CaFolderError};
use crate::io::clock;
use crate::io::entropy::{self, EntropyError};
use args::CaVerb;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CaCliError {
    #[error(transparent)]
    Folder(#[from] CaFolderError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Runs the command. What fails is a wrong set-up.
pub fn main(verb: &CaVerb) -> ExitCode {
    let result = match verb {
        CaVerb::New { dir } => new(dir),
        CaVerb::Serve(args) => return serve::main(args),
        CaVerb::List { dir } => list(dir),
        CaVerb::Revoke { dir, serial, reason } => revoke(dir, *serial, (*reason).into()),
    };
    match result {
        Ok(()) => Exit::Pass.into(),
        Err(error) => {
            terminal::failure(error);
            Exit::SetUp.into()
        }
    }
}

fn new(dir: &Path) -> Result<(), CaCliError> {
    let rng = entropy::fresh()?;
    let key = RspKey::from_stream(Curve::P256, &mut rng.tree().stream("ca-key"));
    let soft = key.soft().ok_or(CryptoError::PrivateKey)?;
    let authority = Authority::of_key(soft, rng.tree(), &Tally::new(), clock::unix_s())?;
    ca_folder::create(dir, &key, authority.root_der())?;
    terminal::line(format_args!(
        "clients and relying parties have to trust {}",
        dir.join("ca.pem").display()
    ));
    terminal::line(format_args!("serve it with: cellbed ca serve {} --clients FILE", dir.display()));
    Ok(())
}

fn revoke(dir: &Path, serial: Serial, reason: RevocationReason) -> Result<(), CaCliError> {
    let asked = Revocation { reason, since_unix_s: clock::unix_s() };
    let stands = ca_folder::revoke(dir, serial, asked)?;
    let since = moment(stands.since_unix_s);
    match stands == asked {
        true => terminal::line(format_args!("revoked {serial}: {reason}")),
        false => terminal::line(format_args!(
            "{serial} is revoked since {since}: {}; nothing changed",
            stands.reason
        )),
    }
    Ok(())
}

fn list(dir: &Path) -> Result<(), CaCliError> {
    let folder = ca_folder::read(dir)?;
    let mut records: Vec<&Record> = folder.index.records().collect();
    records.sort_by_key(|record| (record.not_before_unix_s, record.serial));
    let now_unix_s = clock::unix_s();
    for record in &records {
        terminal::line(format_args!("{}", row(record, now_unix_s)));
    }
    let certificates = if records.len() == 1 { "certificate" } else { "certificates" };
    terminal::line(format_args!("{} {certificates}", records.len()));
    Ok(())
}

/// Serial number, until when it is valid, whom it names, and what became of it.
fn row(record: &Record, now_unix_s: u64) -> String {
    let status = match &record.revoked {
        Some(revocation) => format!("revoked {}: {}", moment(revocation.since_unix_s), revocation.reason),
        None if record.not_after_unix_s < now_unix_s => "expired".to_owned(),
        None => "good".to_owned(),
    };
    format!("{}  {}  {}  {status}", record.serial, moment(record.not_after_unix_s), record.subject)
}

/// A moment in UTC; the number itself where it has none.
fn moment(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_s} s"))
}
