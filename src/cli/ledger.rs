//! `cellbed ledger`: what stands on a ledger directory, and whether it is in order.

use std::io::{self, Write};
use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::exit::Exit;
use crate::io::ledger_store::FileStore;
use crate::ledger::{
    self, Depth, DeviceHistory, Entry, History, LedgerError, Reason, RegistryEvent, StoreError,
};

/// Why a ledger command failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerCliError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the report could not be written: {0}")]
    Output(#[from] io::Error),
}

impl LedgerCliError {
    /// How a verification ends with it: what cannot be read was not verified, and everything else is a finding.
    pub fn when_verified(&self) -> Exit {
        match self {
            Self::Store(StoreError::Io { .. } | StoreError::Locked { .. })
            | Self::Ledger(LedgerError::Store(StoreError::Io { .. } | StoreError::Locked { .. })) => {
                Exit::SetUp
            }
            Self::Ledger(_) | Self::Store(StoreError::Corrupt { .. }) => Exit::Failed,
            Self::Output(_) => Exit::Bench,
        }
    }
}

/// Writes the head, and every device with its status and history, as text. The directory stays as it is.
///
/// # Errors
/// [`LedgerCliError`] that names the place of the first damage.
pub fn show(dir: &Path, out: &mut dyn Write) -> Result<(), LedgerCliError> {
    let history = ledger::read_history(&mut FileStore::read_only(dir)?)?;
    write_head(&history, out)?;
    for (id, device) in &history.devices {
        write_device(id, device, out)?;
    }
    Ok(())
}

/// Verifies a ledger, in full by executing every block again, and writes what was found in order. The directory
/// stays as it is.
///
/// # Errors
/// [`LedgerCliError`] that names the first place where something is wrong.
pub fn verify(dir: &Path, full: bool, out: &mut dyn Write) -> Result<(), LedgerCliError> {
    let depth = if full { Depth::Full } else { Depth::Light };
    let verified = ledger::verify(&mut FileStore::read_only(dir)?, depth, &None)?;
    writeln!(out, "ledger {} is in order", verified.chain_id)?;
    writeln!(out, "  head        block {}, {}", verified.head, hex::encode(verified.head_hash))?;
    writeln!(out, "  state root  {}", hex::encode(verified.state_root))?;
    let (covered, blocks) = (verified.covered, verified.blocks);
    match blocks - covered {
        0 => writeln!(out, "  checkpoint  covers every block, signed by {}", verified.verifier_key)?,
        rest => writeln!(
            out,
            "  checkpoint  covers {covered} of {blocks} blocks, signed by {}; the last {rest} came just before a crash \
             and were executed again",
            verified.verifier_key
        )?,
    }
    let how = if full {
        "executed again from the genesis"
    } else {
        "hashes, roots and signatures checked; --full executes them again"
    };
    writeln!(out, "  {blocks} blocks, {} transactions: {how}", verified.transactions)?;
    if let Some(torn) = verified.torn {
        writeln!(out, "  an interrupted append follows ({torn}); opening the ledger for writing removes it")?;
    }
    Ok(())
}

fn write_head(history: &History, out: &mut dyn Write) -> io::Result<()> {
    let blocks = history.head + 1;
    writeln!(out, "ledger {} · registry {}", history.contract.chain_id, history.contract.address)?;
    writeln!(
        out,
        "  head        block {}, {}, {}",
        history.head,
        time_text(history.timestamp),
        hex::encode(history.head_hash)
    )?;
    writeln!(
        out,
        "  checkpoint  covers {} of {blocks} blocks, signed by {}",
        history.covered, history.verifier_key
    )?;
    writeln!(out, "  transactions {}, devices {}", history.transactions, history.devices.len())
}

fn write_device(id: &[u8; 32], device: &DeviceHistory, out: &mut dyn Write) -> io::Result<()> {
    let record = &device.record;
    writeln!(out, "\ndevice {}", hex::encode(id))?;
    writeln!(out, "  status       {}, since {}", record.status, time_text(record.updated_at))?;
    writeln!(out, "  model        {}", record.model.name())?;
    writeln!(out, "  key          {} {}", hex::encode(record.x), hex::encode(record.y))?;
    match record.cert_hash {
        [0, rest @ ..] if rest == [0; 31] => writeln!(out, "  certificate  none")?,
        hash => writeln!(out, "  certificate  sha256 {}", hex::encode(hash))?,
    }
    device.entries.iter().try_for_each(|entry| write_entry(entry, out))
}

fn write_entry(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "  block {:<6} {}  ", entry.block, time_text(entry.timestamp))?;
    match &entry.event {
        RegistryEvent::Status(change) => {
            write!(out, "{} -> {}", change.from, change.to)?;
            if change.reason != 0 {
                write!(out, ", {}", Reason::name_of(change.reason))?;
            }
            if change.evidence != [0; 32] {
                write!(out, ", evidence {}", hex::encode(change.evidence))?;
            }
            writeln!(out)
        }
        RegistryEvent::Certificate { cert_hash, .. } => {
            writeln!(out, "certificate {}", hex::encode(cert_hash))
        }
        RegistryEvent::KeyRotated { key_hash, generation, .. } => {
            writeln!(out, "key {generation} ({}) takes the place of the one before", hex::encode(key_hash))
        }
        RegistryEvent::CertificateRevoked { cert_hash, reason, .. } => {
            writeln!(out, "certificate {} revoked, {}", hex::encode(cert_hash), Reason::name_of(*reason))
        }
        RegistryEvent::IdentityConflict { key_hash, registrar, generation, .. } => writeln!(
            out,
            "CONFLICT: another key ({}), the card's number {generation}, was presented for this identity by {registrar}",
            hex::encode(key_hash)
        ),
        RegistryEvent::KeyConflict { id, registrar, .. } => {
            writeln!(out, "CONFLICT: this key was presented for identity {} by {registrar}", hex::encode(id))
        }
        RegistryEvent::Repeated { .. } => writeln!(out, "registered again with the same key"),
        RegistryEvent::Firmware { component, manifest, sequence, .. } => writeln!(
            out,
            "runs {} number {sequence}, manifest {}",
            component_text(component),
            hex::encode(manifest)
        ),
        RegistryEvent::FirmwareRefused { component, manifest, image, fault, .. } => writeln!(
            out,
            "REFUSED {}: {}, manifest {}, image {}",
            component_text(component),
            fault.word(),
            hex::encode(manifest),
            hex::encode(image)
        ),
        // These are about no device.
        RegistryEvent::Published { .. }
        | RegistryEvent::Withdrawn { .. }
        | RegistryEvent::RolesProposed { .. }
        | RegistryEvent::RolesSeconded { .. }
        | RegistryEvent::Roles { .. } => writeln!(out),
    }
}

/// The name of a component as the ledger has it; what is not printable is escaped.
fn component_text(component: &[u8; 32]) -> String {
    let end = component.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    component[..end].escape_ascii().to_string()
}

/// Seconds since the Unix epoch as RFC 3339; the number itself where that has no date.
fn time_text(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix_s} s"))
}
