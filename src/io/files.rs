//! Reading and writing whole files, with errors that name the file, the cause and the way out.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{self, Disk};

/// The most that a text file of the lab may hold, in bytes: a file of 100,000 devices written out one by
/// one is far below it.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum FileError {
    #[error("cannot read {}: {}", path.display(), told(cause))]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {}", path.display(), told(cause))]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} holds {bytes} bytes, more than the {max} that such a file may; name another", path.display())]
    TooLong { path: PathBuf, bytes: u64, max: u64 },
    #[error(
        "{} is no text in UTF-8: line {line}, column {column} has the byte {byte:#04X}; convert it, as with iconv -t UTF-8, or \
         name a text file",
        path.display()
    )]
    NotText { path: PathBuf, line: usize, column: usize, byte: u8 },
}

/// What the system says and what to do about it, in the words of this program.
pub fn told(cause: &io::Error) -> String {
    if cause.get_ref().is_some() {
        // It is told already.
        return cause.to_string();
    }
    let (what, way_out) = match cause.kind() {
        io::ErrorKind::NotFound => (
            "there is nothing of that name",
            "look at the path, which begins in the folder that the command runs in",
        ),
        io::ErrorKind::PermissionDenied => {
            ("permission denied", "change who may use it, with chmod or chown, or name another place")
        }
        io::ErrorKind::IsADirectory => ("it is a folder", "name a file"),
        io::ErrorKind::NotADirectory => {
            ("a part of the path is a file, and no folder", "name another place, or remove that file")
        }
        io::ErrorKind::AlreadyExists => ("it is there already", "remove it, or name another place"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("the disk is full", "free some space, or name a place on another disk")
        }
        io::ErrorKind::ReadOnlyFilesystem => ("its file system is read-only", "name another place"),
        io::ErrorKind::InvalidFilename => {
            ("the name is too long, or none that a file can have", "name another")
        }
        io::ErrorKind::ResourceBusy => ("something else uses it", "end that first, or name another place"),
        _ => {
            let said = cause.to_string();
            let words = said.split(" (os error").next().unwrap_or_default();
            return format!("{words}; look whether the place can be used, or name another");
        }
    };
    format!("{what}; {way_out}")
}

/// The text of the file at `path`.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = read_limited(path, TEXT_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|error| {
        let (valid, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let before = String::from_utf8_lossy(&bytes[..valid]);
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        FileError::NotText { path: path.to_owned(), line, column, byte: bytes[valid] }
    })
}

/// What is in the file at `path`, up to `max` bytes: what has no length of its own, as a pipe or a device, is read so far.
fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let error = |cause| FileError::Read { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(error)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > max {
        let length = std::fs::metadata(path).map_or(0, |about| about.len());
        return Err(FileError::TooLong { path: path.to_owned(), bytes: length.max(max + 1), max });
    }
    Ok(bytes)
}

/// The file at `path`, to be read piece by piece: it may be of any length.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path) -> io::Result<io::BufReader<std::fs::File>> {
    std::fs::File::open(path).map(io::BufReader::new)
}

/// A new file at `path`, or the one that is there without its content, to be written piece by piece.
///
/// # Errors
/// What the system says.
pub fn create(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}

/// The most that a file of bytes may hold: a profile package with applets is far below it.
const BYTES_MAX: u64 = 16 << 20;

/// The bytes of the file at `path`.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    read_limited(path, BYTES_MAX)
}

/// Who may read a file that anybody may, before the process' own mask.
pub const PUBLIC: u32 = 0o666;
/// Who may read a file that holds a secret.
pub const OWNER_ONLY: u32 = 0o600;
/// Who may look into a folder that holds secrets.
pub const OWNER_ONLY_FOLDER: u32 = 0o700;
/// Who may look into any other folder, before the process' own mask.
pub const PUBLIC_FOLDER: u32 = 0o777;

/// How the name of a file ends that is being written: no other file of anybody is called so.
const UNFINISHED: &str = ".cellbed-new";

/// Whether `name` is that of a file whose writing was interrupted, now or by an earlier version of this program.
pub fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED) || name.ends_with(".new")
}

/// Writes `text` to `path` so that a reader never sees half of it, also after a crash. Folders that are missing are
/// made. It is durable when this returns.
pub fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_bytes(path, text.as_bytes())
}

/// As [`write_text`], for bytes.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |cause| FileError::Write { path: path.to_owned(), cause };
    let durable = Durable::default();
    durable.folder(folder_of(path), PUBLIC_FOLDER).map_err(error)?;
    durable.write(path, PUBLIC, bytes).map_err(error)
}

/// Appends `bytes` to the file at `path`, which has `mode` where it is new. They are durable when this returns.
pub fn append(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), FileError> {
    let append = || {
        let is_new = !path.exists();
        let mut file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if is_new { Durable::default().sync_folder(folder_of(path)) } else { Ok(()) }
    };
    append().map_err(|cause| FileError::Write { path: path.to_owned(), cause })
}

/// How everything is kept that must not be lost: written beside its place, synced, renamed, and the folder synced, so
/// that after a crash at any moment it is the old one or the new one, and the new one once the call has returned.
#[derive(Debug, Clone)]
pub struct Durable {
    disk: Arc<dyn Disk>,
}

impl Default for Durable {
    /// On the disk of this machine.
    fn default() -> Self {
        Self::on(disk::System)
    }
}

impl Durable {
    /// On this disk.
    pub fn on(disk: impl Disk + 'static) -> Self {
        Self { disk: Arc::new(disk) }
    }

    /// Makes the folder at `path` with those above it that are missing; all that it makes have `mode`.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.folder(folder_of(path), mode)?;
        match self.disk.make_folder(path, mode) {
            // Somebody else was faster.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        }
        self.disk.sync_folder(folder_of(path))
    }

    /// Makes a folder that is not there in one that is. It is empty, and not durable before its own folder is
    /// [synced](Self::sync_folder).
    ///
    /// # Errors
    /// Where the system cannot, or there is something.
    pub fn new_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.disk.make_folder(path, mode)
    }

    /// Puts `bytes` into the file at `path`, in the place of what was there.
    ///
    /// # Errors
    /// Where the system cannot. Then the old content is there, or where only the last step failed the new one.
    pub fn write(&self, path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(UNFINISHED);
        let beside = path.with_file_name(name);
        // What an interrupted call has left could be readable by others.
        if fs::symlink_metadata(&beside).is_ok() {
            self.disk.remove_file(&beside)?;
        }
        let written = self.write_new(&beside, mode, bytes).and_then(|()| self.disk.rename(&beside, path));
        if written.is_err() {
            // It is told already, and what is left is removed by the next call.
            let _ = self.disk.remove_file(&beside);
        }
        written?;
        self.disk.sync_folder(folder_of(path))
    }

    /// Makes the file at `path`, which is not there, with this content. Its name is not durable before its folder is
    /// [synced](Self::sync_folder).
    ///
    /// # Errors
    /// Where the system cannot, or there is something.
    pub fn write_new(&self, path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.disk.create(path, mode)?;
        file.write(bytes)?;
        file.sync()
    }

    /// Removes the file at `path`; it is well where there is none.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove_file(path) {
            // The call that removed it may have been interrupted before it was durable.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        self.disk.sync_folder(folder_of(path))
    }

    /// Makes durable what stands in a folder.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }

    /// Puts the folder at `ready`, whose content is durable, at `place` beside it, where nothing is. It is gone where
    /// that fails.
    ///
    /// # Errors
    /// Where the system cannot, or there is something.
    pub fn put_folder(&self, ready: &Path, place: &Path) -> io::Result<()> {
        let put = self.disk.rename_new(ready, place);
        self.discarded_unless(put, ready)?;
        self.disk.sync_folder(folder_of(place))
    }

    /// Puts the folder at `ready`, whose content is durable, in the place of the one at `place` beside it, which is
    /// removed.
    ///
    /// # Errors
    /// Where the system cannot: then all of the old one is at `place`, or all of the new one.
    pub fn replace_folder(&self, ready: &Path, place: &Path) -> io::Result<()> {
        let exchanged = self.disk.exchange(ready, place);
        self.discarded_unless(exchanged, ready)?;
        // Before this is durable the old one is what may come back: nothing of it may be missing then.
        self.disk.sync_folder(folder_of(place))?;
        self.discard_folder(ready)
    }

    fn discarded_unless(&self, done: io::Result<()>, ready: &Path) -> io::Result<()> {
        if done.is_err() {
            // What failed is told; that something is left beside it is of no harm.
            let _ = self.discard_folder(ready);
        }
        done
    }

    /// Removes a folder with everything in it. It is not made durable: what comes back is in nobody's way.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn discard_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }
}

/// The folder that `path` is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
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
    use super::super::disk::power::{FaultyDisk, Trial};
    use super::*;

    #[test]
    fn a_file_is_the_old_one_or_the_new_one_whatever_fails() {
        let check = |root: &Path, done: bool| match fs::read(root.join("a/file")).as_deref() {
            Ok(b"the new content") => Ok(()),
            Ok(b"the old one") if !done => Ok(()),
            other => Err(format!("{other:?}")),
        };
        let prepare = |root: &Path| {
            fs::create_dir(root.join("a")).unwrap();
            fs::write(root.join("a/file"), "the old one").unwrap();
            // What a call that was interrupted has left.
            fs::write(root.join("a/file.cellbed-new"), "the n").unwrap();
        };
        let work = |root: &Path, disk: FaultyDisk| {
            Durable::on(disk).write(&root.join("a/file"), OWNER_ONLY, b"the new content").is_ok()
        };
        Trial { prepare: &prepare, work: &work, check: &check }.run();
    }

    #[test]
    fn a_first_file_is_there_with_its_folders_when_the_call_has_returned() {
        let check = |root: &Path, done: bool| match fs::read(root.join("a/b/file")) {
            Ok(content) if content == b"content" => Ok(()),
            Err(_) if !done => Ok(()),
            other => Err(format!("{other:?}")),
        };
        let work = |root: &Path, disk: FaultyDisk| {
            let (durable, path) = (Durable::on(disk), root.join("a/b/file"));
            let made = durable.folder(&root.join("a/b"), OWNER_ONLY_FOLDER);
            made.and_then(|()| durable.write(&path, OWNER_ONLY, b"content")).is_ok()
        };
        Trial { prepare: &|_| {}, work: &work, check: &check }.run();
    }

    #[test]
    fn what_is_removed_does_not_come_back() {
        let check = |root: &Path, done: bool| match root.join("file").exists() && done {
            true => Err("it has come back".to_owned()),
            false => Ok(()),
        };
        let prepare = |root: &Path| fs::write(root.join("file"), "x").unwrap();
        let work = |root: &Path, disk: FaultyDisk| Durable::on(disk).remove(&root.join("file")).is_ok();
        Trial { prepare: &prepare, work: &work, check: &check }.run();
    }

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
        assert!(
            missing.starts_with("cannot read ") && missing.contains("none: there is nothing"),
            "{missing}"
        );
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latin-1.toml");
        fs::write(&file, b"# one\n# gr\xfc\xdf\n").unwrap();
        let error = read_text(&file).unwrap_err().to_string();
        assert!(
            error.contains("latin-1.toml is no text in UTF-8: line 2, column 5 has the byte 0xFC"),
            "{error}"
        );
        let error = read_text(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("it is a folder; name a file"), "{error}");
    }

    #[test]
    fn what_the_system_says_is_told_with_a_way_out() {
        use io::ErrorKind as Kind;
        for kind in
            [Kind::NotFound, Kind::PermissionDenied, Kind::StorageFull, Kind::NotADirectory, Kind::Other]
        {
            let told = told(&kind.into());
            assert!(told.contains("; ") && !told.contains("os error"), "{told}");
        }
        for number in [5, 28, 40] {
            let told = told(&io::Error::from_raw_os_error(number));
            assert!(told.contains("; ") && !told.contains("os error"), "{told}");
        }
    }
}
