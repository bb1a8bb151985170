//! A folder beside a key of a ledger, for its owner alone, that one process holds at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::files::{self, Durable, OWNER_ONLY_FOLDER};
use crate::ledger::StoreError;

/// Makes the folder where it is missing, and holds it until what is returned is dropped. `held` says what another
/// process does with it, and the way out.
///
/// # Errors
/// [`StoreError::Locked`] if another process holds it; [`StoreError::Io`] with the path.
pub(super) fn hold(folder: &Path, durable: &Durable, held: &str) -> Result<File, StoreError> {
    durable.folder(folder, OWNER_ONLY_FOLDER).map_err(|cause| io_error(folder, &cause))?;
    let path = folder.join("lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let lock = lock.map_err(|cause| io_error(&path, &cause))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Locked { place: folder.display().to_string(), cause: held.to_owned() })
        }
        Err(TryLockError::Error(cause)) => Err(io_error(&path, &cause)),
    }
}

/// What the operating system refused, and where.
pub(super) fn io_error(path: &Path, cause: &io::Error) -> StoreError {
    StoreError::Io { place: path.display().to_string(), cause: files::told(cause) }
}
