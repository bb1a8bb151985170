//! Reading and writing whole files, with errors that name the file, the cause and the way out.

use std::io;
use std::path::{Path, PathBuf};

/// The most that a text file of the lab may hold, in bytes: a file of 100,000 devices written out one by
/// one is far below it.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum FileError {
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} holds {bytes} bytes, more than the {TEXT_BYTES_MAX} that a text file of the lab may", path.display())]
    TooLong { path: PathBuf, bytes: u64 },
}

/// The text of the file at `path`.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let error = |cause| FileError::Read { path: path.to_owned(), cause };
    let bytes = std::fs::metadata(path).map_err(error)?.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(FileError::TooLong { path: path.to_owned(), bytes });
    }
    std::fs::read_to_string(path).map_err(error)
}

/// The most that a file of bytes may hold: a profile package with applets is far below it.
const BYTES_MAX: u64 = 16 << 20;

/// The bytes of the file at `path`.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let error = |cause| FileError::Read { path: path.to_owned(), cause };
    let bytes = std::fs::metadata(path).map_err(error)?.len();
    if bytes > BYTES_MAX {
        return Err(error(io::Error::other(format!(
            "{bytes} bytes, more than the {BYTES_MAX} that it may hold"
        ))));
    }
    std::fs::read(path).map_err(error)
}

/// Writes `text` to `path` through a temporary file beside it, so that a reader never sees half of it.
/// Folders that are missing are made.
pub fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_bytes(path, text.as_bytes())
}

/// As [`write_text`], for bytes.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |cause| FileError::Write { path: path.to_owned(), cause };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(error)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path)).map_err(error)
}

/// Whether there is a folder at `path`.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// The files in `folder` whose names end in `.extension`, sorted by name.
pub fn list(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, FileError> {
    let error = |cause| FileError::Read { path: folder.to_owned(), cause };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.is_file() && path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The nearest folder called `name` in the folder of `file` or in one above it.
pub fn folder_above(file: &Path, name: &str) -> Option<PathBuf> {
    let file = std::fs::canonicalize(file).ok()?;
    file.ancestors().skip(1).map(|folder| folder.join(name)).find(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/b.toml");
        write_text(&file, "x = 1\n").unwrap();
        write_text(&file, "x = 2\n").unwrap();
        assert_eq!(read_text(&file).unwrap(), "x = 2\n");
        assert_eq!(list(file.parent().unwrap(), "toml").unwrap(), std::slice::from_ref(&file));
        assert_eq!(
            folder_above(&file, "er").unwrap(),
            std::fs::canonicalize(file.parent().unwrap()).unwrap()
        );
        let missing = read_text(&folder.path().join("none")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read ") && missing.contains("none: "), "{missing}");
    }
}
