//! `cellbed ledger show`: what stands on a ledger.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::{LedgerCliError, lab_mark, time_text, time_text_ms, write_named};
use crate::io::ledger_store::FileStore;
use crate::ledger::{self, DeviceHistory, Entry, History, Reason, RegistryEvent};

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

/// The same for programs.
pub(super) fn in_json(dir: &Path) -> Result<Value, LedgerCliError> {
    let history = ledger::read_history(&mut FileStore::read_only(dir)?)?;
    let mut devices = Vec::new();
    for (id, device) in &history.devices {
        let record = &device.record;
        let entries = device.entries.iter().map(|entry| {
            let mut text = Vec::new();
            write_entry(entry, &mut text)?;
            // The line without its block and time, which stand beside it.
            let text =
                String::from_utf8_lossy(&text).trim().split("  ").skip(1).collect::<Vec<_>>().join("  ");
            Ok(json!({ "block": entry.block, "time_unix_s": entry.timestamp, "what": text }))
        });
        devices.push(json!({
            "id": hex::encode(id),
            "status": record.status.to_string(),
            "updated_unix_s": record.updated_at,
            "model": record.model.name(),
            "key": [hex::encode(record.x), hex::encode(record.y)],
            "certificate_sha256": (record.cert_hash != [0; 32]).then(|| hex::encode(record.cert_hash)),
            "history": entries.collect::<io::Result<Vec<_>>>()?,
        }));
    }
    let head = &history.head;
    Ok(json!({
        "chain_id": history.contract.chain_id,
        "registry": history.contract.address.to_string(),
        "lab_keys": history.lab,
        "head": { "block": head.number, "hash": hex::encode(head.hash), "time_unix_s": head.timestamp },
        "sealed_ms": history.sealed_ms,
        "validators": history.validators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "checkpoint_blocks": history.covered,
        "verifier_key": history.verifier_key,
        "transactions": history.transactions,
        "unsealed": history.unsealed,
        "devices": devices,
    }))
}

fn write_head(history: &History, out: &mut dyn Write) -> io::Result<()> {
    let head = &history.head;
    writeln!(out, "ledger {} · registry {}", history.contract.chain_id, history.contract.address)?;
    if history.lab {
        writeln!(out, "  {}", lab_mark())?;
    }
    writeln!(
        out,
        "  head        block {}, {}, {}",
        head.number,
        time_text(head.timestamp),
        hex::encode(head.hash)
    )?;
    for validator in &history.validators {
        writeln!(out, "  sealed      by {validator} up to the head, at {}", time_text_ms(history.sealed_ms))?;
    }
    write_named(&history.validators, &history.named_validators, out)?;
    if let Some(number) = history.unsealed {
        writeln!(out, "  not sealed  block {number}, which is not shown")?;
    }
    writeln!(
        out,
        "  checkpoint  covers {} of {} blocks, signed by {}",
        history.covered,
        head.number + 1,
        history.verifier_key
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
