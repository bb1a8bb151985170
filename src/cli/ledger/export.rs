//! `cellbed ledger export`: a ledger as others' programs read it.
//!
//! For an Ethereum client `genesis.json` (geth's) and `blocks.rlp` (the blocks from 1 on, one after the other, as geth
//! imports them); `seals.jsonl` with the certificate of each block, whose signatures are EIP-712 typed data; for a client
//! of transparency logs `checkpoint` and `tile/` (C2SP tlog-tiles), and `vkey` with the key of the checkpoint.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::LedgerCliError;
use crate::io::files::{self, write_bytes, write_text};
use crate::io::ledger_store::FileStore;
use crate::ledger::{self, Certificate, Part, StoreError};

/// Writes the ledger in `dir` into the folder `to`, which is made where it is missing, and says what is there.
///
/// # Errors
/// [`LedgerCliError`] that names the place of the first damage, or what cannot be written.
pub fn export(dir: &Path, to: &Path, out: &mut dyn Write) -> Result<(), LedgerCliError> {
    let failed = |cause: std::io::Error| StoreError::Io {
        place: to.display().to_string(),
        cause: files::told(&cause),
    };
    fs::create_dir_all(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(LedgerCliError::Argument(format!(
            "{} is not empty, and nothing is overwritten; name a new folder",
            to.display()
        )));
    }
    let file = |name: &str| File::create(to.join(name)).map(BufWriter::new).map_err(failed);
    let (mut blocks, mut seals) = (file("blocks.rlp")?, file("seals.jsonl")?);
    let exported = ledger::export(&mut FileStore::read_only(dir)?, &mut |part| match part {
        Part::Genesis(text) => fs::write(to.join("genesis.json"), text).map_err(failed),
        Part::Block { rlp, seal } => {
            blocks.write_all(&rlp).map_err(failed)?;
            writeln!(seals, "{}", line(seal)).map_err(failed)
        }
    })?;
    blocks.flush().map_err(failed)?;
    seals.flush().map_err(failed)?;
    write_text(&to.join("checkpoint"), &exported.checkpoint)?;
    write_text(&to.join("vkey"), &format!("{}\n", exported.verifier_key))?;
    for (path, bytes) in exported.tree.tiles(exported.covered)? {
        write_bytes(&to.join(path), &bytes)?;
    }
    writeln!(out, "{} blocks of {} in {}", exported.tree.size(), exported.origin, to.display())?;
    Ok(())
}

fn line(seal: &Certificate) -> serde_json::Value {
    let signatures = seal.signatures.iter();
    let signatures: Vec<_> = signatures
        .map(|one| json!({ "validator": one.validator.to_string(), "signature": one.signature.to_string() }))
        .collect();
    json!({
        "height": seal.height,
        "round": seal.round,
        "block": seal.block.to_string(),
        "validators": seal.validators.to_string(),
        "timeMs": seal.time_ms,
        "signatures": signatures,
    })
}
