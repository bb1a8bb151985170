//! A witness on disk: its key, and for each ledger the checkpoint that it has cosigned last.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::entropy;
use super::files::{Durable, OWNER_ONLY};
use super::held_folder::{hold, io_error};
use crate::ledger::{LedgerError, StoreError, WitnessKey};

/// What a witness remembers of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The verifier key of the ledger.
    pub log: String,
    /// The checkpoint that was cosigned last.
    pub checkpoint: String,
}

/// The folder of a witness. One process at a time can hold it.
#[derive(Debug)]
pub struct WitnessFolder {
    folder: PathBuf,
    key: WitnessKey,
    durable: Durable,
    /// Dropped with the folder, which frees it.
    _lock: File,
}

impl WitnessFolder {
    /// Opens the witness in `folder`. Where none is there, one is made that is called `name`, with a key from the
    /// operating system's randomness.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process holds it; where it cannot be read or made.
    pub fn open(folder: &Path, name: &str) -> Result<Self, LedgerError> {
        Self::open_on(Durable::default(), folder, name)
    }

    fn open_on(durable: Durable, folder: &Path, name: &str) -> Result<Self, LedgerError> {
        let held = "another process witnesses with this key; wait until it has ended";
        let lock = hold(folder, &durable, held)?;
        let path = folder.join("key");
        let key = match fs::read_to_string(&path) {
            Ok(text) => read_key(&text).ok_or_else(|| StoreError::Corrupt {
                place: path.display().to_string(),
                cause: "it is no key of a witness".into(),
            })?,
            Err(cause) if cause.kind() == ErrorKind::NotFound => make_key(&path, name, &durable)?,
            Err(cause) => return Err(io_error(&path, &cause).into()),
        };
        Ok(Self { folder: folder.to_owned(), key, durable, _lock: lock })
    }

    /// The key.
    pub fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// What is remembered of the ledger called `origin`; none where it was never cosigned.
    ///
    /// # Errors
    /// Where it cannot be read, or is none.
    pub fn last(&self, origin: &str) -> Result<Option<Remembered>, LedgerError> {
        let path = self.path(origin);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let (log, checkpoint) = text.split_once('\n').ok_or_else(|| StoreError::Corrupt {
                    place: path.display().to_string(),
                    cause: "it is no memory of a witness".into(),
                })?;
                Ok(Some(Remembered { log: log.to_owned(), checkpoint: checkpoint.to_owned() }))
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(io_error(&path, &cause).into()),
        }
    }

    /// Remembers that `checkpoint` of the ledger called `origin` was cosigned. It is durable on return.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&mut self, origin: &str, log: &str, checkpoint: &str) -> Result<(), LedgerError> {
        let path = self.path(origin);
        let text = format!("{log}\n{checkpoint}");
        Ok(self.durable.write(&path, OWNER_ONLY, text.as_bytes()).map_err(|cause| io_error(&path, &cause))?)
    }

    /// By the SHA-256 of the origin, as C2SP tlog-witness names a log in paths.
    fn path(&self, origin: &str) -> PathBuf {
        self.folder.join(format!("{}.checkpoint", hex::encode(Sha256::digest(origin))))
    }
}

/// A key is a line with its name and its seed in hexadecimal.
fn read_key(text: &str) -> Option<WitnessKey> {
    let (name, seed) = text.trim_end().rsplit_once(' ')?;
    let mut octets = [0; 32];
    hex::decode_to_slice(seed, &mut octets).ok()?;
    WitnessKey::new(name, &octets).ok()
}

fn make_key(path: &Path, name: &str, durable: &Durable) -> Result<WitnessKey, LedgerError> {
    let mut seed = [0; 32];
    entropy::fill(&mut seed)
        .map_err(|cause| StoreError::Io { place: path.display().to_string(), cause: cause.to_string() })?;
    let key = WitnessKey::new(name, &seed)?;
    let text = format!("{name} {}\n", hex::encode(seed));
    durable.write(path, OWNER_ONLY, text.as_bytes()).map_err(|cause| io_error(path, &cause))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::super::disk::power::{FaultyDisk, Trial};
    use super::*;

    /// A cosignature leaves when [`WitnessFolder::keep`] has returned. From then on the witness must never believe that it
    /// has cosigned less, and never be without a memory or with another key: it would cosign another history.
    #[test]
    fn what_was_cosigned_is_remembered_whatever_fails() {
        const NAME: &str = "auditor.example";
        let place = |root: &Path| root.join("witness");
        let keep = |root: &Path, disk: FaultyDisk| {
            let witness = WitnessFolder::open_on(Durable::on(disk), &place(root), NAME);
            witness.and_then(|mut witness| witness.keep("log", "vkey", "size 8\n")).is_ok()
        };
        let remembered = |root: &Path| {
            let last = WitnessFolder::open(&place(root), NAME).and_then(|witness| witness.last("log"));
            last.map(|last| last.map(|last| last.checkpoint)).map_err(|error| error.to_string())
        };
        let told = |kept: Option<String>, older: Option<&str>, done: bool| match kept.as_deref() {
            Some("size 8\n") => Ok(()),
            kept if kept == older && !done => Ok(()),
            other => Err(format!("it remembers {other:?}")),
        };
        let key = std::cell::RefCell::new(String::new());
        let prepare = |root: &Path| {
            let mut witness = WitnessFolder::open(&place(root), NAME).unwrap();
            witness.keep("log", "vkey", "size 7\n").unwrap();
            key.replace(witness.key().verifier_key());
        };
        let check = |root: &Path, done: bool| {
            told(remembered(root)?, Some("size 7\n"), done)?;
            let now = WitnessFolder::open(&place(root), NAME).map_err(|error| error.to_string())?;
            let same = now.key().verifier_key() == *key.borrow();
            same.then_some(()).ok_or_else(|| "it has another key".to_owned())
        };
        Trial { prepare: &prepare, work: &keep, check: &check }.run();
        // The first cosignature of a key as well, with the folder and the key that it makes.
        let check = |root: &Path, done: bool| told(remembered(root)?, None, done);
        Trial { prepare: &|_| {}, work: &keep, check: &check }.run();
    }

    #[test]
    fn a_witness_keeps_its_key_and_what_it_has_cosigned() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = WitnessFolder::open(folder.path(), "auditor.example").unwrap();
        let key = first.key().verifier_key();
        first.keep("log", "vkey", "note\nlines\n").unwrap();
        assert!(WitnessFolder::open(folder.path(), "auditor.example").is_err());
        drop(first);
        let second = WitnessFolder::open(folder.path(), "another").unwrap();
        assert_eq!(second.key().verifier_key(), key);
        let last = second.last("log").unwrap().unwrap();
        assert_eq!((last.log.as_str(), last.checkpoint.as_str()), ("vkey", "note\nlines\n"));
        assert_eq!(second.last("other").unwrap(), None);
        drop(second);
        let other = tempfile::tempdir().unwrap();
        let other = WitnessFolder::open(other.path(), "auditor.example").unwrap();
        assert_ne!(other.key().verifier_key(), key);
    }
}
