//! The certificates and keys of remote SIM provisioning on disk: a folder laid out as the test material of SGP.26
//! (docs/esim-pki.md). It appears whole or not at all; keys are for their owner only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::files::{Durable, OWNER_ONLY, OWNER_ONLY_FOLDER, PUBLIC, PUBLIC_FOLDER, folder_of};
use crate::crypto::rsp_cert::Curve;
use crate::esim::EsimError;
use crate::esim::pki::{Deployment, Material, PkiFile};

/// The most that a file here may hold, in bytes: a revocation list of ten thousand entries is below it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files that are read, and how deep folders may lie in each other.
const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 4;

/// The file that marks a folder whose private keys follow from a seed, so that anybody can make them. It goes where the
/// folder goes, and stays where files in it are replaced.
const LAB_KEYS: &str = "LAB-KEYS.txt";

/// What marks the folder as one whose keys follow from `seed`.
pub fn lab_mark(seed: u64) -> PkiFile {
    let text = format!(
        "LAB KEYS: the private keys in this folder follow from seed {seed}, so that they are public\n"
    );
    PkiFile { path: LAB_KEYS.to_owned(), bytes: text.into_bytes() }
}

/// What is to be said of the folder at `dir` where it is marked as one with public keys.
pub fn said_of_keys(dir: &Path) -> Option<String> {
    let mark = dir.join(LAB_KEYS);
    let marked = fs::symlink_metadata(&mark).is_ok();
    marked.then(|| format!("LAB KEYS: the private keys of {} are public ({})", dir.display(), mark.display()))
}

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum PkiFolderError {
    #[error("cannot read {}: {}", path.display(), super::files::told(cause))]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {}", path.display(), super::files::told(cause))]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} is already there; remove it, or choose another folder", path.display())]
    Exists { path: PathBuf },
    #[error(
        "{} is there: another process changes the folder, or one was interrupted; remove it where none does",
        path.display()
    )]
    Unfinished { path: PathBuf },
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
/// on P-256 where there is one. Also says what was left out, and why, and that the keys are public where they are.
///
/// # Errors
/// As [`read`], and [`PkiFolderError::Content`].
pub fn load(dir: &Path, curve: Option<Curve>) -> Result<(Deployment, Vec<String>), PkiFolderError> {
    let material = Material::read(&read(dir)?);
    let (deployment, mut notes) = material
        .deployment(curve)
        .map_err(|cause| PkiFolderError::Content { path: dir.to_owned(), cause })?;
    notes.extend(material.broken.iter().map(|(path, reason)| format!("{path} is left out: {reason}")));
    notes.extend(said_of_keys(dir));
    Ok((deployment, notes))
}

/// Writes a new folder at `dir`, which must not be there. It appears whole, after everything in it is durable.
///
/// # Errors
/// [`PkiFolderError::Exists`], [`PkiFolderError::Write`], [`PkiFolderError::Unfinished`]; then there is nothing at `dir`
/// that was not there before.
pub fn create(dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    create_on(&Durable::default(), dir, files)
}

fn create_on(durable: &Durable, dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    let dir = dir.components().as_path();
    if fs::symlink_metadata(dir).is_ok() {
        return Err(PkiFolderError::Exists { path: dir.to_owned() });
    }
    let error = |cause| PkiFolderError::Write { path: dir.to_owned(), cause };
    durable.folder(folder_of(dir), PUBLIC_FOLDER).map_err(error)?;
    let beside = Beside::new(durable, dir)?;
    beside.fill(contents(files))?;
    durable.put_folder(&beside.ready(), dir).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => PkiFolderError::Exists { path: dir.to_owned() },
        _ => error(cause),
    })
}

/// Replaces files in the folder at `dir`, all at once: whoever reads the folder sees all old or all new ones, also
/// after a crash. What else is in the folder stays.
///
/// # Errors
/// [`PkiFolderError::Write`], [`PkiFolderError::Read`], [`PkiFolderError::Unfinished`]; then the folder is as before,
/// or, where only the last step failed, as it should be.
pub fn replace(dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    replace_on(&Durable::default(), dir, files)
}

fn replace_on(durable: &Durable, dir: &Path, files: &[PkiFile]) -> Result<(), PkiFolderError> {
    let dir = dir.components().as_path();
    let mut all = BTreeMap::new();
    read_all(dir, "", 0, &mut all)?;
    all.extend(contents(files));
    let beside = Beside::new(durable, dir)?;
    beside.fill(all)?;
    let replaced = durable.replace_folder(&beside.ready(), dir);
    replaced.map_err(|cause| PkiFolderError::Write { path: dir.to_owned(), cause })
}

/// The content of a folder: by the path below it, who may read a file and what is in it.
type Contents = BTreeMap<String, (u32, Vec<u8>)>;

fn contents(files: &[PkiFile]) -> Contents {
    let mode = |file: &PkiFile| if file.is_secret() { OWNER_ONLY } else { PUBLIC };
    files.iter().map(|file| (file.path.clone(), (mode(file), file.bytes.clone()))).collect()
}

fn read_all(dir: &Path, prefix: &str, depth: usize, all: &mut Contents) -> Result<(), PkiFolderError> {
    let error = |cause| PkiFolderError::Read { path: dir.to_owned(), cause };
    for entry in fs::read_dir(dir).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let below = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if depth > DEPTH_MAX || all.len() > FILES_MAX {
            return Err(PkiFolderError::TooMuch { path: dir.to_owned() });
        }
        if path.is_dir() {
            read_all(&path, &format!("{below}/"), depth + 1, all)?;
        } else {
            let mode = fs::metadata(&path).map_err(error)?.permissions().mode() & 0o777;
            all.insert(below, (mode, fs::read(&path).map_err(error)?));
        }
    }
    Ok(())
}

/// A folder beside another one, in which the other's next content is made. What is left there goes with it.
struct Beside<'a> {
    durable: &'a Durable,
    path: PathBuf,
    is_ready: bool,
}

impl<'a> Beside<'a> {
    fn new(durable: &'a Durable, dir: &Path) -> Result<Self, PkiFolderError> {
        let mut path = dir.as_os_str().to_owned();
        path.push(".cellbed-new");
        let path = PathBuf::from(path);
        durable.new_folder(&path, OWNER_ONLY_FOLDER).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => PkiFolderError::Unfinished { path: path.clone() },
            _ => PkiFolderError::Write { path: path.clone(), cause },
        })?;
        Ok(Self { durable, path, is_ready: false })
    }

    /// Where it is, for who puts it in its place and from now on answers for it.
    fn ready(mut self) -> PathBuf {
        self.is_ready = true;
        std::mem::take(&mut self.path)
    }

    /// Writes everything, durably.
    fn fill(&self, contents: Contents) -> Result<(), PkiFolderError> {
        let mut folders = BTreeSet::from([self.path.clone()]);
        for (below, (mode, bytes)) in contents {
            let path = self.path.join(&below);
            let error = |cause| PkiFolderError::Write { path: path.clone(), cause };
            let folder = folder_of(&path);
            self.durable.folder(folder, OWNER_ONLY_FOLDER).map_err(error)?;
            self.durable.write_new(&path, mode, &bytes).map_err(error)?;
            folders.insert(folder.to_owned());
        }
        for path in folders {
            let synced = self.durable.sync_folder(&path);
            synced.map_err(|cause| PkiFolderError::Write { path: path.clone(), cause })?;
        }
        Ok(())
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        if !self.is_ready {
            // Nothing more can be done about it.
            let _ = self.durable.discard_folder(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::power::{FaultyDisk, Trial};
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
            let expected = if file.is_secret() { OWNER_ONLY } else { PUBLIC };
            assert_eq!(mode(&dir.join(&file.path)) & !0o022, expected & !0o022, "{}", file.path);
        }
        assert_eq!(mode(&dir), OWNER_ONLY_FOLDER);
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
        assert_eq!(mode(&key), OWNER_ONLY);
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
    fn a_folder_is_the_old_one_or_the_new_one_whatever_fails() {
        let place = |root: &Path| root.join("pki");
        // What stands for a hierarchy: its keys, its list, and what else is there.
        let files = |text: &str| {
            let file =
                |path: &str| PkiFile { path: path.to_owned(), bytes: format!("{path}: {text}").into() };
            ["CI/SK_CI.pem", "CI/CRL_CI.crl"].map(file)
        };
        let found = |root: &Path| {
            let mut all = Contents::new();
            read_all(&place(root), "", 0, &mut all).map(|()| all).ok()
        };
        let with = |text: &str, notes: bool| {
            let mut all = contents(&files(text));
            all.extend(notes.then(|| ("notes.txt".to_owned(), (PUBLIC, b"mine".to_vec()))));
            all
        };
        let same = |found: &Contents, wanted: &Contents| {
            found.iter().map(|(path, (_, bytes))| (path, bytes)).eq(wanted.iter().map(|(p, (_, b))| (p, b)))
        };
        let prepare = |root: &Path| {
            create(&place(root), &files("old")).unwrap();
            fs::write(place(root).join("notes.txt"), "mine").unwrap();
        };
        let work = |root: &Path, disk: FaultyDisk| {
            replace_on(&Durable::on(disk), &place(root), &files("new")).is_ok()
        };
        let check = |root: &Path, done: bool| match found(root) {
            Some(all) if same(&all, &with("new", true)) => Ok(()),
            Some(all) if same(&all, &with("old", true)) && !done => Ok(()),
            other => Err(format!("{:?}", other.map(|all| all.into_keys().collect::<Vec<_>>()))),
        };
        Trial { prepare: &prepare, work: &work, check: &check }.run();

        let work = |root: &Path, disk: FaultyDisk| {
            create_on(&Durable::on(disk), &place(root), &files("new")).is_ok()
        };
        let check = |root: &Path, done: bool| match found(root) {
            Some(all) if same(&all, &with("new", false)) => Ok(()),
            None if !done => Ok(()),
            other => Err(format!("{:?}", other.map(|all| all.into_keys().collect::<Vec<_>>()))),
        };
        Trial { prepare: &|_| {}, work: &work, check: &check }.run();
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
