//! Taking files away so that they are gone when the power is cut.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{Durable, FileError};

/// Removes the file at `path`, if it is there. Returns whether it was.
///
/// # Errors
/// [`FileError::Write`] with the path.
pub fn remove(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(FileError::Write { path: path.to_owned(), cause }),
    }
}

/// What the file at `path` holds, if it is there.
///
/// # Errors
/// [`FileError::Read`] with the path.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(FileError::Read { path: path.to_owned(), cause }),
    }
}

/// Every file below `folder`.
///
/// # Errors
/// [`FileError::Read`] with the folder that cannot be listed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |cause| FileError::Read { path: folder.to_owned(), cause };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)? {
            kind if kind.is_dir() => found.extend(files_below(&entry.path())?),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// A name is gone when its folder is on the disk.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Durable::default()
        .sync_folder(folder)
        .map_err(|cause| FileError::Write { path: folder.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_gone_and_its_neighbours_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("a"), dir.path().join("b/c"));
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(&file, "old").unwrap();
        fs::write(&other, "x").unwrap();
        assert_eq!(read_if_there(&file).unwrap().as_deref(), Some(b"old".as_slice()));
        assert_eq!(files_below(dir.path()).unwrap(), [file.clone(), other.clone()]);
        assert!(remove(&file).unwrap() && !remove(&file).unwrap());
        assert_eq!(read_if_there(&file).unwrap(), None);
        assert_eq!(files_below(dir.path()).unwrap(), [other]);
        assert!(remove(dir.path()).is_err());
    }
}
