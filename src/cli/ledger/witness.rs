//! `cellbed ledger witness`: cosigns the checkpoint of a ledger, where it continues what this witness has cosigned before
//! (C2SP tlog-cosignature).

use std::io::Write;
use std::path::{Path, PathBuf};

use super::LedgerCliError;
use crate::io::clock;
use crate::io::files::write_text;
use crate::io::ledger_store::FileStore;
use crate::io::witness_folder::WitnessFolder;
use crate::ledger::{self, cosigned_head};

/// What is asked of a witness.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The folder with its key and its memory.
    pub state: PathBuf,
    /// What it is called, where it has no key yet.
    pub name: String,
    /// The verifier key of the ledger, the first time.
    pub key: Option<String>,
    /// Where the cosigned checkpoint goes.
    pub out: Option<PathBuf>,
}

/// Cosigns the checkpoint of the ledger in `dir`, and writes it to where it is asked for. The directory stays as it is.
///
/// # Errors
/// [`LedgerCliError`] where the ledger is not in order, or the witness refuses: nothing is signed then.
pub fn witness(dir: &Path, asked: &Asked, out: &mut dyn Write) -> Result<(), LedgerCliError> {
    let mut folder = WitnessFolder::open(&asked.state, &asked.name)?;
    let ledger = ledger::export(&mut FileStore::read_only(dir)?, &mut |_| Ok(()))?;
    let last = folder.last(&ledger.origin)?;
    let known = last.as_ref().map(|last| last.log.clone()).or(asked.key.clone());
    let log = known.ok_or_else(|| {
        LedgerCliError::Argument(format!(
            "this witness does not know the ledger yet. It says that its key is\n  {}\nAsk its operator, and give the key \
             with --key",
            ledger.verifier_key
        ))
    })?;
    if asked.key.as_ref().is_some_and(|key| *key != log) {
        return Err(LedgerCliError::Argument(format!("this witness knows the ledger by the key {log}")));
    }
    let last = last.map(|last| last.checkpoint);
    let proof = match &last {
        Some(last) => match cosigned_head(&log, last)?.size {
            older if older < ledger.covered => ledger.tree.consistency(older, ledger.covered)?,
            _ => Vec::new(),
        },
        None => Vec::new(),
    };
    let now = clock::unix_ms() / 1000;
    let cosigned = ledger::cosign(folder.key(), &log, last.as_deref(), &ledger.checkpoint, &proof, now)?;
    // Nobody gets a cosignature that this witness might forget.
    folder.keep(&ledger.origin, &log, &cosigned)?;
    match &asked.out {
        None => out.write_all(cosigned.as_bytes())?,
        Some(path) => {
            write_text(path, &cosigned)?;
            let (blocks, key) = (ledger.covered, folder.key().verifier_key());
            writeln!(out, "{blocks} blocks cosigned in {} by {key}", path.display())?;
        }
    }
    Ok(())
}
