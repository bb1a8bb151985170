//! The memory of a validator on disk, in a folder of its own beside the key and apart from the ledger: `signed`, a line
//! of JSON with what was signed last, and `lock`, held by whoever signs.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::{Durable, OWNER_ONLY};
use super::held_folder::{hold, io_error};
use crate::ledger::{SignerState, StoreError};

/// The memory in a folder. One process at a time can hold it.
#[derive(Debug)]
pub struct FileSignerState {
    signed: PathBuf,
    durable: Durable,
    /// Dropped with the memory, which frees it.
    _lock: File,
}

impl FileSignerState {
    /// Opens the memory in `folder`, and makes the folder where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process signs with it; [`StoreError::Io`] with the path.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_on(Durable::default(), folder)
    }

    fn open_on(durable: Durable, folder: &Path) -> Result<Self, StoreError> {
        let held = "another process signs with this key; wait until it has ended";
        let lock = hold(folder, &durable, held)?;
        Ok(Self { signed: folder.join("signed"), durable, _lock: lock })
    }
}

impl SignerState for FileSignerState {
    fn load(&mut self) -> Result<Option<String>, StoreError> {
        match fs::read_to_string(&self.signed) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(io_error(&self.signed, &cause)),
        }
    }

    fn keep(&mut self, text: &str) -> Result<(), StoreError> {
        self.durable
            .write(&self.signed, OWNER_ONLY, text.as_bytes())
            .map_err(|cause| io_error(&self.signed, &cause))
    }

    fn place(&self) -> String {
        self.signed.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::power::{FaultyDisk, Trial};
    use super::*;

    const BEFORE: &str = "block 7\n";
    const NOW: &str = "block 8\n";

    /// A signature leaves when [`SignerState::keep`] has returned. From then on the key must never believe that it has
    /// signed less, and it must never be without a memory: that would be a fresh start.
    #[test]
    fn what_was_signed_is_remembered_whatever_fails() {
        let keep = |root: &Path, disk: FaultyDisk| {
            let state = FileSignerState::open_on(Durable::on(disk), &root.join("signer"));
            state.and_then(|mut state| state.keep(NOW)).is_ok()
        };
        let remembered = |root: &Path| FileSignerState::open(&root.join("signer")).unwrap().load().unwrap();
        let told = |kept: Option<String>, older: Option<&str>, done: bool| match kept.as_deref() {
            Some(NOW) => Ok(()),
            kept if kept == older && !done => Ok(()),
            other => Err(format!("it remembers {other:?}")),
        };
        let check = |root: &Path, done: bool| told(remembered(root), Some(BEFORE), done);
        let prepare =
            |root: &Path| FileSignerState::open(&root.join("signer")).unwrap().keep(BEFORE).unwrap();
        Trial { prepare: &prepare, work: &keep, check: &check }.run();
        // The first signature of a key as well, with the folder that it makes.
        let check = |root: &Path, done: bool| told(remembered(root), None, done);
        Trial { prepare: &|_| {}, work: &keep, check: &check }.run();
    }

    #[test]
    fn one_process_remembers_and_the_next_one_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/signer");
        let mut state = FileSignerState::open(&place).unwrap();
        assert_eq!(state.load().unwrap(), None);
        state.keep("one\n").unwrap();
        state.keep("two\n").unwrap();
        assert!(matches!(FileSignerState::open(&place), Err(StoreError::Locked { .. })));
        drop(state);
        assert_eq!(FileSignerState::open(&place).unwrap().load().unwrap().as_deref(), Some("two\n"));
    }
}
