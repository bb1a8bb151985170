//! The certificates and keys of remote SIM provisioning on disk: a folder laid out as the test material of SGP.26
//! (docs/esim-pki.md). It appears whole or not at all; keys are for their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::crypto::rsp_cert::Curve;
use crate::esim::EsimError;
use crate::esim::pki::{Deployment, Material, PkiFile};

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const FOLDER: u32 = 0o700;
/// The most that a file here may hold, in bytes: a revocation list of ten thousand entries is below it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files that are read, and how deep folders may lie in each other.
const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 4;

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum PkiFolderError {
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} is already there; remove it, or choose another folder", path.display())]
    Exists { path: PathBuf },
    #[error("{} is more than {FILES_MAX} files, or folders more than {DEPTH_MAX} deep: it is no folder of certificates", path.display())]
    TooMuch { path: PathBuf },
    #[error("{}: {cause}", path.display())]
    Content { path: PathBuf, cause: EsimError },
}

/// Reads every file of the folder at `dir` and of the folders in it that could hold a certificate, key or
/// revocation list, in the order of their paths.
///
/// # Errors
/// [`PkiFolderError::Read`], [`PkiFolderError::TooMuch`].
pub fn read(dir: &Path) -> Result<Vec<PkiFile>, PkiFolderError> {
    let mut files = Vec::new();
    read_into(dir, "", 0, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_into(dir: &Path, prefix: &str, depth: usize, files: &mut Vec<PkiFile>) -> Result<(), PkiFolderError> {
    let error = |cause| PkiFolderError::Read { path: dir.to_owned(), cause };
    for entry in fs::read_dir(dir).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        if depth > DEPTH_MAX || files.len() > FILES_MAX {
            return Err(PkiFolderError::TooMuch { path: dir.to_owned() });
        }
        if path.is_dir() {
            read_into(&path, &below, depth + 1, files)?;
        } else if path
            .extension()
            .is_some_and(|e| ["der", "pem", "crt", "cer", "crl"].iter().any(|x| e == *x))
        {
            files.push(PkiFile { path: below, bytes: read_file(&path)? });
        }
    }
    Ok(())
}

/// Reads one file.
///
/// # Errors
/// [`PkiFolderError::Read`], also where it is too large for what it should be.
pub fn read_file(path: &Path) -> Result<Vec<u8>, PkiFolderError> {
    let error = |cause| PkiFolderError::Read { path: path.to_owned(), cause };
    if fs::metadata(path).map_err(error)?.len() > FILE_BYTES_MAX {
        return Err(error(io::Error::other("it is too large for a certificate, key or revocation list")));
    }
    fs::read(path).map_err(error)
}

/// Loads the hierarchy in the folder at `dir`: one of this program, or test material of SGP.26. Without a curve, that
/// on P-256 where there is one. Also says what was left out, and why.
///
/// # Errors
/// As [`read`], and [`PkiFolderError::Content`].
pub fn load(dir: &Path, curve: Option<Curve>) -> Result<(Deployment, Vec<String>), PkiFolderError> {
    let material = Material::read(&read(dir)?);
    let (deployment, mut notes) = material
        .deployment(curve)
        .map_err(|cause| PkiFolderError::Content { path: dir.to_owned(), cause })?;
    notes.extend(material.broken.iter().map(|(path, reason)| format!("{path} is left out: {reason}")));
    Ok((deployment, notes))
}

/// Writes a new folder at `dir`, which must not be there. It appears whole, after everything in it is durable.
///
/// # Errors
/// [`PkiFolderError::Exists`], [`PkiFolderError::Write`]; then there is nothing at `dir` that was not there before.
pub fn create(dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    if fs::symlink_metadata(dir).is_ok() {
        return Err(PkiFolderError::Exists { path: dir.to_owned() });
    }
    let beside = Beside::new(dir)?;
    write_all(&beside.path, files)?;
    beside.put(dir, RenameFlags::NOREPLACE)
}

/// Replaces files in the folder at `dir`, all at once: whoever reads the folder sees all old or all new ones. What
/// else is in the folder stays.
///
/// # Errors
/// [`PkiFolderError::Write`], [`PkiFolderError::Read`]; then the folder is as before.
pub fn replace(dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    let beside = Beside::new(dir)?;
    copy_into(dir, &beside.path, 0)?;
    write_all(&beside.path, files)?;
    beside.put(dir, RenameFlags::EXCHANGE)
}

/// A folder beside another one, in which the other's next content is made. What is left there goes with it.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn new(dir: &Path) -> Result<Self, PkiFolderError> {
        let mut path = dir.components().as_path().as_os_str().to_owned();
        path.push(format!(".part{}", std::process::id()));
        let path = PathBuf::from(path);
        let error = |cause| PkiFolderError::Write { path: path.clone(), cause };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(error)?;
        }
        fs::DirBuilder::new().mode(FOLDER).create(&path).map_err(error)?;
        Ok(Self { path })
    }

    /// Puts it in the place of `dir`.
    fn put(&self, dir: &Path, how: RenameFlags) -> Result<(), PkiFolderError> {
        renameat_with(CWD, &self.path, CWD, dir, how).map_err(|errno| match errno {
            Errno::EXIST => PkiFolderError::Exists { path: dir.to_owned() },
            errno => PkiFolderError::Write { path: dir.to_owned(), cause: errno.into() },
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Gone already where it took its place; otherwise nothing more can be done about it.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn write_all(dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    for file in files {
        let path = dir.join(&file.path);
        let error = |cause| PkiFolderError::Write { path: path.clone(), cause };
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(FOLDER).create(parent).map_err(error)?;
        }
        // A file that is there keeps its mode when it is written over: a key would stay as readable as it was.
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).map_err(error)?;
        }
        let mode = if file.is_secret() { SECRET } else { PUBLIC };
        let mut out =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(error)?;
        out.write_all(&file.bytes).and_then(|()| out.sync_all()).map_err(error)?;
    }
    let error = |cause| PkiFolderError::Write { path: dir.to_owned(), cause };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(error)
}

fn copy_into(from: &Path, to: &Path, depth: usize) -> Result<(), PkiFolderError> {
    let error = |cause| PkiFolderError::Read { path: from.to_owned(), cause };
    if depth > DEPTH_MAX {
        return Err(PkiFolderError::TooMuch { path: from.to_owned() });
    }
    for entry in fs::read_dir(from).map_err(error)? {
        let entry = entry.map_err(error)?;
        let target = to.join(entry.file_name());
        let wrong = |cause| PkiFolderError::Write { path: target.clone(), cause };
        if entry.path().is_dir() {
            fs::DirBuilder::new().mode(FOLDER).create(&target).map_err(wrong)?;
            copy_into(&entry.path(), &target, depth + 1)?;
        } else {
            fs::copy(entry.path(), &target).map_err(wrong)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::esim::pki::PkiOptions;
    use crate::kernel::RngTree;

    fn made(seed: u64) -> Deployment {
        let hosts = ["smdp.cellbed.test".to_owned()];
        Deployment::new(&RngTree::new(seed), &PkiOptions::default(), &hosts).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_written_once_and_loads_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("deep/pki");
        create(&dir, &made(7).to_files()).unwrap();
        assert_eq!(load(&dir, None).unwrap(), (made(7), Vec::new()));
        for file in read(&dir).unwrap() {
            let expected = if file.is_secret() { SECRET } else { PUBLIC };
            assert_eq!(mode(&dir.join(&file.path)) & !0o022, expected & !0o022, "{}", file.path);
        }
        assert_eq!(mode(&dir), FOLDER);
        let again = create(&dir, &made(8).to_files()).unwrap_err();
        assert!(matches!(again, PkiFolderError::Exists { .. }), "{again}");
        assert_eq!(load(&dir, None).unwrap().0, made(7));
        assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn files_are_replaced_together_and_others_stay() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("pki");
        create(&dir, &made(7).to_files()).unwrap();
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        let key = dir.join("DPauth/SK_S_SM_DPauth_ECDSA_NIST.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&dir, &made(8).to_files()).unwrap();
        assert_eq!(load(&dir, None).unwrap().0, made(8));
        assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "mine");
        assert_eq!(mode(&key), SECRET);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_everything_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("pki");
        let mut files = made(7).to_files();
        // A file where a folder has to be.
        files.push(PkiFile { path: format!("{}/x.der", files[0].path), bytes: vec![1] });
        assert!(matches!(create(&dir, &files), Err(PkiFolderError::Write { .. })));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        create(&dir, &made(7).to_files()).unwrap();
        assert!(matches!(replace(&dir, &files), Err(PkiFolderError::Write { .. })));
        assert_eq!(load(&dir, None).unwrap().0, made(7));
    }

    #[test]
    fn what_is_no_folder_of_certificates_is_said_to_be_none() {
        let place = tempfile::tempdir().unwrap();
        let missing = load(&place.path().join("none"), None).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read "), "{missing}");
        let empty = load(place.path(), None).unwrap_err().to_string();
        assert!(empty.ends_with("there is no CI certificate on P-256"), "{empty}");
    }
}
