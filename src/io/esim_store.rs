//! What the servers of remote SIM provisioning must not forget, on disk: a folder with one file per record.
//!
//! A file is 15 bytes that name its format, a nonce, and the record, encrypted with AES-256-GCM; kind and key of the
//! record are authenticated with it. It is kept through [`Durable`], so that after a crash it is the old one or the new
//! one. Records hold the keys of profiles, hence the encryption; the key to them is a file of its own that only its owner
//! may read, and that may lie somewhere else.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::entropy::{self, EntropyError};
use super::files::{self, Durable, OWNER_ONLY, OWNER_ONLY_FOLDER};
use zeroize::Zeroizing;

use crate::crypto::milenage::hmac_sha256;
use crate::esim::store::{Kind, Records, Store, StoreError};
use crate::kernel::ServedRng;

const MAGIC: &[u8; 15] = b"cellbed esim 1\n";
const LOCK: &str = "lock";
const KEY: &str = "key";
const KEY_BYTES: usize = 32;

/// Why a folder of records cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum EsimStoreError {
    #[error("cannot use {}: {}", path.display(), super::files::told(cause))]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("another process serves from {}; end it, or use another folder", path.display())]
    Locked { path: PathBuf },
    #[error("{} is no key of 32 bytes; name another file, or one that is not there, in which a new key is kept", path.display())]
    Key { path: PathBuf },
    #[error("{} is damaged, or was written with another key; remove it to forget it", path.display())]
    Damaged { path: PathBuf },
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// A folder of records, held by this process alone. Clones share it.
#[derive(Clone)]
pub struct FolderStore {
    path: PathBuf,
    durable: Durable,
    key: Arc<LessSafeKey>,
    randomness: ServedRng,
    /// Held for as long as the process lives, however it ends.
    _lock: Arc<File>,
}

impl FolderStore {
    /// Opens the folder at `path` with the key in the file at `key`, or in the folder itself; makes what is missing.
    ///
    /// # Errors
    /// [`EsimStoreError`].
    pub fn open(path: &Path, key: Option<&Path>) -> Result<(Self, Records), EsimStoreError> {
        Self::open_on(Durable::default(), path, key)
    }

    fn open_on(durable: Durable, path: &Path, key: Option<&Path>) -> Result<(Self, Records), EsimStoreError> {
        durable.folder(path, OWNER_ONLY_FOLDER).map_err(|cause| io_error(path, cause))?;
        let lock_path = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(OWNER_ONLY).open(&lock_path);
        let lock = lock.map_err(|cause| io_error(&lock_path, cause))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EsimStoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => return Err(io_error(path, cause)),
        }
        let key_path = key.map_or_else(|| path.join(KEY), Path::to_owned);
        let secret = Zeroizing::new(read_or_make_key(&durable, &key_path)?);
        let key =
            UnboundKey::new(&AES_256_GCM, &*secret).map_err(|_| EsimStoreError::Key { path: key_path })?;
        let store = Self {
            path: path.to_owned(),
            durable,
            key: Arc::new(LessSafeKey::new(key)),
            randomness: ServedRng::from_system(&hmac_sha256(&*secret, b"cellbed esim randomness 1")),
            _lock: Arc::new(lock),
        };
        let records = store.load()?;
        Ok((store, records))
    }

    /// The randomness that belongs to this state, the same at each start: it follows from the key of the state, which
    /// the system has drawn. Whoever has been answered by these servers before a restart meets the same keys after it.
    pub fn randomness(&self) -> &ServedRng {
        &self.randomness
    }

    fn load(&self) -> Result<Records, EsimStoreError> {
        let mut records = Records::new();
        for kind in Kind::ALL {
            let folder = self.path.join(kind.as_str());
            self.folder(&folder).map_err(|cause| io_error(&folder, cause))?;
            for entry in fs::read_dir(&folder).map_err(|cause| io_error(&folder, cause))? {
                let path = entry.map_err(|cause| io_error(&folder, cause))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                // What was being written when the process ended.
                if files::is_unfinished(&name) {
                    continue;
                }
                let bytes = fs::read(&path).map_err(|cause| io_error(&path, cause))?;
                let record = self.unseal(kind, &name, &bytes).ok_or(EsimStoreError::Damaged { path })?;
                records.insert((kind, name), record);
            }
        }
        Ok(records)
    }

    /// The folder of one kind of records. Their names are EIDs and ICCIDs, which is nobody else's business: earlier
    /// versions let others look.
    fn folder(&self, path: &Path) -> std::io::Result<()> {
        self.durable.folder(path, OWNER_ONLY_FOLDER)?;
        fs::set_permissions(path, fs::Permissions::from_mode(OWNER_ONLY_FOLDER))
    }

    fn seal(&self, kind: Kind, key: &str, mut record: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        entropy::fill(&mut nonce).ok()?;
        let named = named(kind, key);
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(sealing, Aad::from(named), &mut record).ok()?;
        Some([&MAGIC[..], &nonce, &record].concat())
    }

    fn unseal(&self, kind: Kind, key: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_LEN>()?;
        let mut record = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, Aad::from(named(kind, key)), &mut record).ok()?.len();
        record.truncate(length);
        Some(record)
    }
}

impl Store for FolderStore {
    fn put(&mut self, kind: Kind, key: &str, record: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError> {
        let failed = |problem: String| StoreError { kind, key: key.to_owned(), problem };
        let sealed = self.seal(kind, key, record());
        let sealed = sealed.ok_or_else(|| failed("it could not be encrypted".to_owned()))?;
        let path = self.path.join(kind.as_str()).join(key);
        let kept = self.durable.write(&path, OWNER_ONLY, &sealed);
        kept.map_err(|cause| failed(format!("{}: {cause}", path.display())))
    }

    fn remove(&mut self, kind: Kind, key: &str) -> Result<(), StoreError> {
        let path = self.path.join(kind.as_str()).join(key);
        let removed = self.durable.remove(&path);
        let problem = |cause| format!("{}: {cause}", path.display());
        removed.map_err(|cause| StoreError { kind, key: key.to_owned(), problem: problem(cause) })
    }
}

fn named(kind: Kind, key: &str) -> Vec<u8> {
    format!("{}/{key}", kind.as_str()).into_bytes()
}

fn read_or_make_key(durable: &Durable, path: &Path) -> Result<[u8; KEY_BYTES], EsimStoreError> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| EsimStoreError::Key { path: path.to_owned() }),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let mut key = [0; KEY_BYTES];
            entropy::fill(&mut key)?;
            durable.write(path, OWNER_ONLY, &key).map_err(|cause| io_error(path, cause))?;
            Ok(key)
        }
        Err(cause) => Err(io_error(path, cause)),
    }
}

fn io_error(path: &Path, cause: std::io::Error) -> EsimStoreError {
    EsimStoreError::Io { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::super::disk::power::{FaultyDisk, Trial};
    use super::*;

    #[test]
    fn records_are_kept_in_secret_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, records) = FolderStore::open(dir.path(), None).unwrap();
        assert!(records.is_empty());
        store.put(Kind::Order, "1", &mut || b"the key of a subscriber".to_vec()).unwrap();
        store.put(Kind::Order, "1", &mut || b"the key of a subscriber, newer".to_vec()).unwrap();
        store.put(Kind::Session, "2", &mut || b"session".to_vec()).unwrap();
        store.remove(Kind::Session, "2").unwrap();
        store.remove(Kind::Session, "2").unwrap();
        assert!(matches!(FolderStore::open(dir.path(), None), Err(EsimStoreError::Locked { .. })));
        let file = fs::read(dir.path().join("order/1")).unwrap();
        assert!(!file.windows(7).any(|window| window == b"the key"));
        for unfinished in ["order/9.new", "order/9.cellbed-new"] {
            fs::write(dir.path().join(unfinished), b"half of a").unwrap();
        }
        drop(store);
        let (_, records) = FolderStore::open(dir.path(), None).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[&(Kind::Order, "1".to_owned())], b"the key of a subscriber, newer");
    }

    #[test]
    fn a_record_is_the_old_one_or_the_new_one_whatever_fails() {
        let place = |root: &Path| (root.join("store"), root.join("x.key"));
        let put = |store: &mut FolderStore, text: &str| store.put(Kind::Order, "1", &mut || text.into());
        let open = |root: &Path| {
            let (folder, key) = place(root);
            FolderStore::open(&folder, Some(&key))
        };
        let read = |root: &Path| {
            let (_, mut records) = open(root).map_err(|error| error.to_string())?;
            let record = records.remove(&(Kind::Order, "1".to_owned()));
            Ok::<_, String>(record.map(|record| String::from_utf8(record).unwrap()))
        };
        let work = |root: &Path, disk: FaultyDisk| {
            let (folder, key) = place(root);
            let opened = FolderStore::open_on(Durable::on(disk), &folder, Some(&key));
            opened.is_ok_and(|(mut store, _)| put(&mut store, "new").is_ok())
        };
        let prepare = |root: &Path| {
            // Somebody else's file is not in the way, and stays.
            fs::write(root.join("x.new"), "mine").unwrap();
            put(&mut open(root).unwrap().0, "old").unwrap();
        };
        let check = |root: &Path, done: bool| {
            if fs::read(root.join("x.new")).ok().as_deref() != Some(&b"mine"[..]) {
                return Err("x.new was written over".to_owned());
            }
            match read(root)?.as_deref() {
                Some("new") => Ok(()),
                Some("old") if !done => Ok(()),
                other => Err(format!("{other:?}")),
            }
        };
        Trial { prepare: &prepare, work: &work, check: &check }.run();
        // The first record of all, and the key with it.
        let check = |root: &Path, done: bool| match read(root)?.as_deref() {
            Some("new") => Ok(()),
            None if !done => Ok(()),
            other => Err(format!("{other:?}")),
        };
        Trial { prepare: &|_| {}, work: &work, check: &check }.run();
    }

    #[test]
    fn a_record_that_is_removed_does_not_come_back() {
        let work = |root: &Path, disk: FaultyDisk| {
            let opened = FolderStore::open_on(Durable::on(disk), root, None);
            opened.is_ok_and(|(mut store, _)| store.remove(Kind::Order, "1").is_ok())
        };
        let prepare = |root: &Path| {
            let (mut store, _) = FolderStore::open(root, None).unwrap();
            store.put(Kind::Order, "1", &mut || b"old".to_vec()).unwrap();
        };
        let check = |root: &Path, done: bool| match FolderStore::open(root, None).unwrap().1.len() {
            0 => Ok(()),
            1 if !done => Ok(()),
            other => Err(format!("{other} records")),
        };
        Trial { prepare: &prepare, work: &work, check: &check }.run();
    }

    #[test]
    fn nobody_else_looks_into_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        // As an earlier version has left it.
        fs::create_dir_all(path.join("order")).unwrap();
        fs::set_permissions(path.join("order"), fs::Permissions::from_mode(0o755)).unwrap();
        let (mut store, _) = FolderStore::open(&path, None).unwrap();
        store.put(Kind::Order, "1", &mut || b"record".to_vec()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for kind in Kind::ALL {
            assert_eq!(mode(&path.join(kind.as_str())), OWNER_ONLY_FOLDER);
        }
        for file in ["order/1", "key", "lock"] {
            assert_eq!(mode(&path.join(file)), OWNER_ONLY, "{file}");
        }
    }

    #[test]
    fn damage_and_another_key_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("order/1");
        let (mut store, _) = FolderStore::open(dir.path(), None).unwrap();
        store.put(Kind::Order, "1", &mut || b"record".to_vec()).unwrap();
        drop(store);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let opened = FolderStore::open(dir.path(), None);
            assert!(matches!(opened, Err(EsimStoreError::Damaged { .. })), "byte {at}");
        }
        fs::write(&path, &whole).unwrap();
        // A record under another name is another record.
        fs::rename(&path, dir.path().join("order/2")).unwrap();
        assert!(matches!(FolderStore::open(dir.path(), None), Err(EsimStoreError::Damaged { .. })));
        fs::rename(dir.path().join("order/2"), &path).unwrap();
        let other = dir.path().join("elsewhere");
        assert!(matches!(FolderStore::open(dir.path(), Some(&other)), Err(EsimStoreError::Damaged { .. })));
        fs::write(&other, b"short").unwrap();
        assert!(matches!(FolderStore::open(dir.path(), Some(&other)), Err(EsimStoreError::Key { .. })));
    }
}
