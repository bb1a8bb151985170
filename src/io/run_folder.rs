//! The folder that a run leaves behind, and the link `last` to the newest one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::clock;
use super::files::{Durable, FileError, PUBLIC_FOLDER};

/// A new folder for one run.
#[derive(Debug)]
pub struct RunFolder {
    runs: PathBuf,
    path: PathBuf,
    durable: Durable,
}

impl RunFolder {
    /// Creates `runs/TIME-SCENARIO`; where that is taken, with a number behind it.
    ///
    /// # Errors
    /// [`FileError::Write`] with the folder that cannot be made.
    pub fn create(runs: &Path, scenario: &str) -> Result<Self, FileError> {
        let durable = Durable::default();
        let failed = |cause| FileError::Write { path: runs.to_owned(), cause };
        durable.folder(runs, PUBLIC_FOLDER).map_err(failed)?;
        let name = format!("{}-{scenario}", clock::stamp());
        let mut attempt = 1;
        loop {
            let path = match attempt {
                1 => runs.join(&name),
                n => runs.join(format!("{name}-{n}")),
            };
            match durable.new_folder(&path, PUBLIC_FOLDER) {
                Ok(()) => return Ok(Self { runs: runs.to_owned(), path, durable }),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1000 => {
                    attempt += 1
                }
                Err(cause) => return Err(FileError::Write { path, cause }),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file in it.
    ///
    /// # Errors
    /// [`FileError::Write`] with its path.
    pub fn file(&self, name: &str) -> Result<File, FileError> {
        let path = self.path.join(name);
        File::create(&path).map_err(|cause| FileError::Write { path, cause })
    }

    /// Removes the folder with what is in it.
    ///
    /// # Errors
    /// [`FileError::Write`] with its path.
    pub fn discard(self) -> Result<(), FileError> {
        let Self { path, durable, .. } = self;
        durable.discard_folder(&path).map_err(|cause| FileError::Write { path, cause })
    }

    /// Makes everything in the folder durable, and points `runs/last` at it. Something of that name that is no link is left
    /// alone, and named.
    ///
    /// # Errors
    /// [`FileError::Write`] with the link's path.
    pub fn publish(&self) -> Result<Option<PathBuf>, FileError> {
        let link = self.runs.join("last");
        let fail = |cause| FileError::Write { path: link.clone(), cause };
        self.sync().map_err(|cause| FileError::Write { path: self.path.clone(), cause })?;
        let Some(name) = self.path.file_name() else { return Ok(None) };
        if fs::symlink_metadata(&link).is_ok_and(|found| !found.is_symlink()) {
            return Ok(Some(link));
        }
        // By renaming, so that `last` is never missing.
        let fresh = self.runs.join(format!(".last-{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        std::os::unix::fs::symlink(name, &fresh).map_err(fail)?;
        fs::rename(&fresh, &link).map_err(fail)?;
        self.durable.sync_folder(&self.runs).map_err(fail)?;
        Ok(None)
    }

    fn sync(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.is_file() {
                File::open(path)?.sync_all()?;
            }
        }
        self.durable.sync_folder(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_its_folder_and_last_is_the_newest() {
        let runs = tempfile::tempdir().unwrap();
        let first = RunFolder::create(runs.path(), "zero-touch").unwrap();
        let second = RunFolder::create(runs.path(), "zero-touch").unwrap();
        assert_ne!(first.path(), second.path());
        for folder in [&first, &second] {
            folder.publish().unwrap();
            let last = fs::canonicalize(runs.path().join("last")).unwrap();
            assert_eq!(last, fs::canonicalize(folder.path()).unwrap());
        }
        drop(second.file("transcript.txt").unwrap());
        assert!(runs.path().join("last/transcript.txt").is_file());
    }

    #[test]
    fn what_stands_in_the_place_of_the_link_is_left_alone_and_named() {
        let runs = tempfile::tempdir().unwrap();
        fs::create_dir(runs.path().join("last")).unwrap();
        let folder = RunFolder::create(runs.path(), "zero-touch").unwrap();
        assert_eq!(folder.publish().unwrap(), Some(runs.path().join("last")));
        assert!(runs.path().join("last").is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let runs = tempfile::NamedTempFile::new().unwrap();
        let error = RunFolder::create(runs.path(), "x").unwrap_err().to_string();
        assert!(error.contains(&runs.path().display().to_string()), "{error}");
    }
}
