//! An authority on disk: a folder with its key and root, a file for each certificate that it has issued, one for each
//! that is revoked, and its last revocation list.
//!
//! ```text
//! ca.key           the private key (SEC 1, PEM), for its owner only
//! ca.pem           the root certificate
//! issued/SERIAL    a record of the index, JSON
//! revoked/SERIAL   since when and why, JSON
//! ca.crl           the last revocation list, DER
//! lock             held by who serves the folder
//! ```
//!
//! What is there is whole, since all of it is kept by [`Durable`]. Whoever revokes writes `revoked/` only, so that it can
//! be done while the folder is served.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::{Durable, OWNER_ONLY, OWNER_ONLY_FOLDER, PUBLIC, PUBLIC_FOLDER, folder_of};
use crate::ca::index::{Index, IndexStore, Record};
use crate::ca::{CaError, Revocation, Serial, list_number};
use crate::crypto::SoftKey;
use crate::crypto::rsp_cert::{Curve, RspKey, pem};
use crate::kernel::Blame;

const KEY: &str = "ca.key";
const ROOT: &str = "ca.pem";
const LIST: &str = "ca.crl";
const LOCK: &str = "lock";
const ISSUED: &str = "issued";
const REVOKED: &str = "revoked";

/// The most that a file here may hold, in bytes: a revocation list of ten thousand entries is below it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How many certificates a folder may have.
const ISSUED_MAX: usize = 1_000_000;
/// For how long after a change a folder is looked at again although its time stands: clocks of file systems are coarse.
const COARSE: Duration = Duration::from_secs(2);

/// Why an authority's folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CaFolderError {
    #[error("cannot read {}: {}; `cellbed ca new` makes such a folder", path.display(), super::files::told(cause))]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {}; nothing was changed", path.display(), super::files::told(cause))]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} is already there; remove it, or choose another folder", path.display())]
    Exists { path: PathBuf },
    #[error("{}: {cause}; restore the file from a copy", path.display())]
    Content { path: PathBuf, cause: String },
    #[error("{} can be read by others than its owner; chmod 600 {}", path.display(), path.display())]
    Readable { path: PathBuf },
    #[error("{} is being served by another process; end that first", dir.display())]
    Locked { dir: PathBuf },
    #[error("{}: the authority has issued no certificate {serial}; cellbed ca list shows those that it has", dir.display())]
    UnknownSerial { dir: PathBuf, serial: Serial },
}

impl CaFolderError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}

/// What a folder holds.
#[derive(Debug)]
pub struct CaFolder {
    /// The authority's key.
    pub key: SoftKey,
    /// The root certificate in DER.
    pub root_der: Vec<u8>,
    /// What it has issued, and what of it is revoked.
    pub index: Index,
    /// The number of the last revocation list; 0 before the first.
    pub list_number: u64,
}

/// Writes a new folder at `dir`, which must not be there. It appears whole, after everything in it is durable.
///
/// # Errors
/// [`CaFolderError::Exists`], [`CaFolderError::Write`]; then there is nothing at `dir` that was not there before.
pub fn create(dir: &Path, key: &RspKey, root_der: &[u8]) -> Result<(), CaFolderError> {
    create_on(&Durable::default(), dir, key, root_der)
}

fn create_on(durable: &Durable, dir: &Path, key: &RspKey, root_der: &[u8]) -> Result<(), CaFolderError> {
    let dir = dir.components().as_path();
    let exists = || CaFolderError::Exists { path: dir.to_owned() };
    if fs::symlink_metadata(dir).is_ok() {
        return Err(exists());
    }
    let error = |cause| CaFolderError::Write { path: dir.to_owned(), cause };
    durable.folder(folder_of(dir), PUBLIC_FOLDER).map_err(error)?;
    let mut beside = dir.as_os_str().to_owned();
    beside.push(".cellbed-new");
    let beside = PathBuf::from(beside);
    // What an earlier call has left is nobody's.
    if fs::symlink_metadata(&beside).is_ok() {
        durable.discard_folder(&beside).map_err(error)?;
    }
    let made = make(durable, &beside, key, root_der);
    if made.is_err() {
        // It is told already, and what is left is removed by the next call.
        let _ = durable.discard_folder(&beside);
    }
    made.map_err(error)?;
    durable.put_folder(&beside, dir).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => error(cause),
    })
}

fn make(durable: &Durable, dir: &Path, key: &RspKey, root_der: &[u8]) -> io::Result<()> {
    durable.new_folder(dir, OWNER_ONLY_FOLDER)?;
    durable.write_new(&dir.join(KEY), OWNER_ONLY, key.to_pem().as_bytes())?;
    durable.write_new(&dir.join(ROOT), PUBLIC, pem::write(pem::CERTIFICATE, root_der).as_bytes())?;
    for below in [ISSUED, REVOKED] {
        durable.new_folder(&dir.join(below), OWNER_ONLY_FOLDER)?;
    }
    durable.sync_folder(dir)
}

/// Reads the folder at `dir`.
///
/// # Errors
/// [`CaFolderError::Read`] and [`CaFolderError::Content`] with the file, [`CaFolderError::Readable`].
pub fn read(dir: &Path) -> Result<CaFolder, CaFolderError> {
    private(&dir.join(KEY))?;
    load(dir)
}

fn load(dir: &Path) -> Result<CaFolder, CaFolderError> {
    let at = dir.join(KEY);
    let content = |path: &Path, cause: String| CaFolderError::Content { path: path.to_owned(), cause };
    let key = RspKey::from_file(&read_file(&at)?).map_err(|error| content(&at, error.to_string()))?;
    let key = key.soft().ok_or_else(|| content(&at, format!("the key is not on {}", Curve::P256)))?;
    let at = dir.join(ROOT);
    let root =
        pem::der_of(&read_file(&at)?, pem::CERTIFICATE).map_err(|error| content(&at, error.to_owned()))?;
    let revoked = revocations(dir)?;
    let mut records = Vec::new();
    for (serial, path) in serials(&dir.join(ISSUED))? {
        let record: Record =
            serde_json::from_slice(&read_file(&path)?).map_err(|error| content(&path, error.to_string()))?;
        if record.serial != serial {
            return Err(content(&path, format!("it is the record of {}", record.serial)));
        }
        records.push(Record { revoked: revoked.get(&serial).copied(), ..record });
    }
    let at = dir.join(LIST);
    let list_number = match fs::exists(&at) {
        Ok(true) => list_number(&read_file(&at)?).map_err(|error| content(&at, error.to_string()))?,
        _ => 0,
    };
    Ok(CaFolder { key, root_der: root.to_vec(), index: Index::new(records), list_number })
}

/// Notes that a certificate is revoked; one that is revoked already keeps its first reason and date. Returns what stands.
///
/// # Errors
/// [`CaFolderError::UnknownSerial`], [`CaFolderError::Write`].
pub fn revoke(dir: &Path, serial: Serial, revocation: Revocation) -> Result<Revocation, CaFolderError> {
    let folder = read(dir)?;
    let record = folder
        .index
        .get(&serial)
        .ok_or_else(|| CaFolderError::UnknownSerial { dir: dir.to_owned(), serial })?;
    if let Some(stands) = record.revoked {
        return Ok(stands);
    }
    let path = dir.join(REVOKED).join(serial.to_string());
    json(&Durable::default(), &path, &revocation).map_err(|cause| CaFolderError::Write { path, cause })?;
    Ok(revocation)
}

/// The place of an index on disk, held for one process.
#[derive(Debug)]
pub struct FolderIndex {
    dir: PathBuf,
    durable: Durable,
    /// Held as long as it is open.
    _lock: File,
}

impl FolderIndex {
    /// Holds the folder at `dir`, for whoever issues certificates from it.
    ///
    /// # Errors
    /// [`CaFolderError::Locked`] where another process does, [`CaFolderError::Write`].
    pub fn hold(dir: &Path) -> Result<Self, CaFolderError> {
        Self::hold_on(Durable::default(), dir)
    }

    fn hold_on(durable: Durable, dir: &Path) -> Result<Self, CaFolderError> {
        let path = dir.join(LOCK);
        let error = |cause| CaFolderError::Write { path: path.clone(), cause };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(&path)
            .map_err(error)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), durable, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CaFolderError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(error(cause)),
        }
    }
}

impl IndexStore for FolderIndex {
    fn put(&mut self, record: &Record) -> Result<(), String> {
        let name = record.serial.to_string();
        let (issued, revoked) = (self.dir.join(ISSUED).join(&name), self.dir.join(REVOKED).join(&name));
        let written = match &record.revoked {
            Some(revocation) => json(&self.durable, &revoked, revocation),
            None if issued.exists() => self.durable.remove(&revoked),
            None => json(&self.durable, &issued, record),
        };
        written.map_err(|cause| format!("{}: {name}: {cause}", self.dir.display()))
    }

    fn put_list(&mut self, _: u64, der: &[u8]) -> Result<(), String> {
        let path = self.dir.join(LIST);
        self.durable.write(&path, PUBLIC, der).map_err(|cause| format!("{}: {cause}", path.display()))
    }
}

fn json(durable: &Durable, path: &Path, value: &impl serde::Serialize) -> io::Result<()> {
    durable.write(path, OWNER_ONLY, &serde_json::to_vec(value)?)
}

/// Sees what others revoke while the folder is served.
#[derive(Debug)]
pub struct Revocations {
    dir: PathBuf,
    seen: Option<SystemTime>,
}

impl Revocations {
    /// Of the folder at `dir`, nothing of which was seen yet.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), seen: None }
    }

    /// All that stands in the folder, where it has changed or may have since it was looked at last.
    ///
    /// # Errors
    /// As [`read`].
    pub fn changed(&mut self) -> Result<Option<BTreeMap<Serial, Revocation>>, CaFolderError> {
        let path = self.dir.join(REVOKED);
        let modified = fs::metadata(&path).and_then(|about| about.modified());
        let modified = modified.map_err(|cause| CaFolderError::Read { path, cause })?;
        let settled = modified.elapsed().is_ok_and(|age| age > COARSE);
        if settled && self.seen == Some(modified) {
            return Ok(None);
        }
        let found = revocations(&self.dir)?;
        // What may still change without a sign of it is looked at again.
        self.seen = settled.then_some(modified);
        Ok(Some(found))
    }
}

fn revocations(dir: &Path) -> Result<BTreeMap<Serial, Revocation>, CaFolderError> {
    let mut found = BTreeMap::new();
    for (serial, path) in serials(&dir.join(REVOKED))? {
        let revocation = serde_json::from_slice(&read_file(&path)?)
            .map_err(|error| CaFolderError::Content { path, cause: error.to_string() })?;
        found.insert(serial, revocation);
    }
    Ok(found)
}

/// The files of a folder that are named by a serial number. What was being written when the power was cut has another
/// name, and is left alone.
fn serials(dir: &Path) -> Result<Vec<(Serial, PathBuf)>, CaFolderError> {
    let error = |cause| CaFolderError::Read { path: dir.to_owned(), cause };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        let entry = entry.map_err(error)?;
        let serial = entry.file_name().to_str().and_then(|name| name.parse::<Serial>().ok());
        found.extend(serial.map(|serial| (serial, entry.path())));
        if found.len() > ISSUED_MAX {
            let cause = format!("more than {ISSUED_MAX} files: it is no folder of certificates");
            return Err(CaFolderError::Content { path: dir.to_owned(), cause });
        }
    }
    Ok(found)
}

/// Refuses a file that others than its owner may read.
///
/// # Errors
/// [`CaFolderError::Readable`], [`CaFolderError::Read`].
pub fn private(path: &Path) -> Result<(), CaFolderError> {
    let about = fs::metadata(path).map_err(|cause| CaFolderError::Read { path: path.to_owned(), cause })?;
    match about.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(CaFolderError::Readable { path: path.to_owned() }),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, CaFolderError> {
    let error = |cause| CaFolderError::Read { path: path.to_owned(), cause };
    if fs::metadata(path).map_err(error)?.len() > FILE_BYTES_MAX {
        return Err(error(io::Error::other("it is too large for what it should be")));
    }
    fs::read(path).map_err(error)
}

/// Why an authority cannot be opened from what a folder holds.
impl From<(&Path, CaError)> for CaFolderError {
    fn from((dir, error): (&Path, CaError)) -> Self {
        Self::Content { path: dir.join(ROOT), cause: error.to_string() }
    }
}

/// An index as lines of JSON in one file, for a run: what is read of it afterwards is [`Index::read`]'s.
pub struct LineIndex<W: Write>(pub W);

impl<W: Write + Send> IndexStore for LineIndex<W> {
    fn put(&mut self, record: &Record) -> Result<(), String> {
        let line = serde_json::to_string(record).map_err(|error| error.to_string())?;
        // One write: a line is there or it is not.
        self.0.write_all(format!("{line}\n").as_bytes()).map_err(|error| error.to_string())
    }

    fn put_list(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::power::Trial;
    use super::*;
    use crate::ca::{Authority, ClientCertificate, Csr, CsrBuilder, RevocationReason, Subject};
    use crate::crypto::Tally;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};

    fn key() -> RspKey {
        RspKey::from_stream(Curve::P256, &mut RngTree::new(7).stream("ca-key"))
    }

    fn made(dir: &Path) -> Authority {
        let root = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap().root_der().to_vec();
        create(dir, &key(), &root).unwrap();
        open(dir, 1)
    }

    fn open(dir: &Path, seed: u64) -> Authority {
        let CaFolder { key, root_der, index, list_number } = read(dir).unwrap();
        let authority =
            Authority::open(key, root_der, &RngTree::new(seed), &Tally::new(), index, list_number).unwrap();
        authority.kept(Box::new(FolderIndex::hold(dir).unwrap()))
    }

    fn issue(authority: &mut Authority) -> Serial {
        let client = SoftKey::from_stream(&mut RngTree::new(9).stream("client"));
        let builder = CsrBuilder::new(None, &client.public(), None).unwrap();
        let signature = client.sign(builder.tbs());
        let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
        let prepared =
            authority.prepare(&csr, &Subject::named("sensor-1", &[]).unwrap(), EPOCH_UNIX_S).unwrap();
        ClientCertificate::parse(&authority.issue(prepared).unwrap()).unwrap().serial()
    }

    fn revocation(reason: RevocationReason) -> Revocation {
        Revocation { reason, since_unix_s: EPOCH_UNIX_S + 1 }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_once_and_what_is_issued_survives() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("deep/ca");
        let mut authority = made(&dir);
        assert_eq!((mode(&dir), mode(&dir.join(KEY))), (OWNER_ONLY_FOLDER, OWNER_ONLY));
        let again = create(&dir, &key(), b"other").unwrap_err();
        assert!(matches!(again, CaFolderError::Exists { .. }), "{again}");
        let (one, two) = (issue(&mut authority), issue(&mut authority));
        authority.revoke(one, RevocationReason::Superseded, EPOCH_UNIX_S).unwrap();
        let first = list_number(authority.revocation_list(EPOCH_UNIX_S).unwrap()).unwrap();
        drop(authority);

        let mut authority = open(&dir, 2);
        let revoked: Vec<_> =
            authority.index().records().map(|one| (one.serial, one.revoked.is_some())).collect();
        let mut expected = [(one, true), (two, false)];
        expected.sort();
        assert_eq!(revoked, expected);
        assert!(list_number(authority.revocation_list(EPOCH_UNIX_S).unwrap()).unwrap() > first);
        assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_hold_that_is_released_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("ca");
        let mut authority = made(&dir);
        let serial = issue(&mut authority);
        authority.revoke(serial, RevocationReason::CertificateHold, EPOCH_UNIX_S).unwrap();
        assert_eq!(revocations(&dir).unwrap().len(), 1);
        authority.release(&serial).unwrap();
        assert!(revocations(&dir).unwrap().is_empty());
    }

    #[test]
    fn who_serves_sees_what_others_revoke_and_nobody_else_serves() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("ca");
        let mut authority = made(&dir);
        let serial = issue(&mut authority);
        let error = FolderIndex::hold(&dir).unwrap_err();
        assert!(matches!(error, CaFolderError::Locked { .. }), "{error}");
        let mut watched = Revocations::of(&dir);
        assert_eq!(watched.changed().unwrap(), Some(BTreeMap::new()));
        let first = revocation(RevocationReason::KeyCompromise);
        assert_eq!(revoke(&dir, serial, first).unwrap(), first);
        // A second one changes nothing.
        assert_eq!(revoke(&dir, serial, revocation(RevocationReason::Superseded)).unwrap(), first);
        assert_eq!(watched.changed().unwrap(), Some([(serial, first)].into()));
        let unknown: Serial = "4".repeat(32).parse().unwrap();
        assert!(matches!(revoke(&dir, unknown, first), Err(CaFolderError::UnknownSerial { .. })));
    }

    #[test]
    fn what_is_damaged_or_open_to_others_is_named() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("ca");
        let serial = issue(&mut made(&dir));
        let record = dir.join(ISSUED).join(serial.to_string());
        // What a crash leaves is passed over.
        fs::write(dir.join(ISSUED).join(format!("{serial}.cellbed-new")), "{").unwrap();
        read(&dir).unwrap();
        fs::write(&record, "{").unwrap();
        let error = read(&dir).unwrap_err().to_string();
        assert!(
            error.contains(&serial.to_string()) && error.ends_with("restore the file from a copy"),
            "{error}"
        );
        fs::remove_file(record).unwrap();
        fs::set_permissions(dir.join(KEY), fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&dir).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        let error = read(&place.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("ca new"), "{error}");
    }

    /// A power cut, or a call of the system that fails, at each moment of making a folder, issuing and revoking.
    #[test]
    fn what_is_said_to_be_kept_is_kept_and_the_rest_is_whole() {
        let root = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap().root_der().to_vec();
        let state = |dir: &Path| match dir.exists() {
            // A disk that was without power is set up again with everybody's modes.
            true => load(dir).map(Some).map_err(|error| error.to_string()),
            false => Ok(None),
        };
        Trial {
            prepare: &|_| {},
            work: &|place, disk| create_on(&Durable::on(disk), &place.join("ca"), &key(), &root).is_ok(),
            check: &|place, done| match state(&place.join("ca"))? {
                Some(_) => Ok(()),
                None if done => Err("the folder is gone".to_owned()),
                None => Ok(()),
            },
        }
        .run();
        let record = Record {
            serial: "4".repeat(32).parse().unwrap(),
            subject: "sensor-1".to_owned(),
            spki_sha256: [1; 32],
            tbs_sha256: [2; 32],
            not_before_unix_s: EPOCH_UNIX_S,
            not_after_unix_s: EPOCH_UNIX_S + 100,
            revoked: None,
        };
        let revoked = Record { revoked: Some(revocation(RevocationReason::KeyCompromise)), ..record.clone() };
        for (before, after) in [(None, &record), (Some(&record), &revoked), (Some(&revoked), &record)] {
            let put = |dir: &Path, durable: Durable, record: &Record| {
                FolderIndex::hold_on(durable, dir).unwrap().put(record).is_ok()
            };
            Trial {
                prepare: &|place| {
                    let dir = place.join("ca");
                    create(&dir, &key(), &root).unwrap();
                    drop(FolderIndex::hold(&dir).unwrap());
                    // A record is issued before it is revoked.
                    for earlier in before.map(|before| [&record, before]).into_iter().flatten() {
                        assert!(put(&dir, Durable::default(), earlier));
                    }
                },
                work: &|place, disk| put(&place.join("ca"), Durable::on(disk), after),
                check: &|place, done| {
                    let folder = state(&place.join("ca"))?.ok_or("the folder is gone")?;
                    match folder.index.get(&record.serial) {
                        found if found == Some(after) => Ok(()),
                        found if found == before && !done => Ok(()),
                        found => Err(format!("{found:?}")),
                    }
                },
            }
            .run();
        }
    }

    #[test]
    fn a_run_writes_lines() {
        let place = tempfile::tempdir().unwrap();
        let mut authority = made(&place.path().join("ca"));
        let serial = issue(&mut authority);
        let mut lines = LineIndex(Vec::new());
        for record in authority.index().records() {
            lines.put(record).unwrap();
        }
        let index = Index::read(std::str::from_utf8(&lines.0).unwrap()).unwrap();
        assert_eq!(index.get(&serial), authority.index().get(&serial));
    }
}
