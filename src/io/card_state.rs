//! What virtual cards must not forget, on disk: a directory with one file per card.
//!
//! A file holds 15 bytes that name its format, the SHA-256 of what follows, the name of the card that the state
//! is of (its length in 2 bytes, big endian), and the state. It is kept through [`Durable`], so that after a crash it
//! is the old one or the new one. The files hold the cards' keys: only their owner may read them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files::{Durable, OWNER_ONLY, OWNER_ONLY_FOLDER};

const MAGIC: &[u8; 15] = b"cellbed card 1\n";
const LOCK: &str = "lock";

/// Why the state of a card cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CardStateError {
    #[error("cannot use {}: {}", path.display(), super::files::told(cause))]
    Io { path: PathBuf, cause: io::Error },
    #[error("another process serves the cards of {}; end it, or use another directory", path.display())]
    Locked { path: PathBuf },
    #[error("{} is damaged: {cause}; remove it to begin with a fresh card", path.display())]
    Damaged { path: PathBuf, cause: &'static str },
    #[error("{} belongs to another card ({found}, not {wanted}); use another directory", path.display())]
    Foreign { path: PathBuf, found: String, wanted: String },
}

/// A directory of card states, held by this process alone.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    durable: Durable,
    /// Held for as long as the process lives, however it ends.
    _lock: File,
}

impl StateDir {
    /// Opens the directory at `path`, and makes it where it is missing.
    ///
    /// # Errors
    /// [`CardStateError::Locked`] where another process has it open; [`CardStateError::Io`] with the path.
    pub fn open(path: &Path) -> Result<Self, CardStateError> {
        Self::open_on(Durable::default(), path)
    }

    fn open_on(durable: Durable, path: &Path) -> Result<Self, CardStateError> {
        durable.folder(path, OWNER_ONLY_FOLDER).map_err(|cause| io_error(path, cause))?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(&lock)
            .map_err(|cause| io_error(&lock, cause))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), durable, _lock: file }),
            Err(TryLockError::WouldBlock) => Err(CardStateError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(io_error(&lock, cause)),
        }
    }

    /// The state kept for card `number`, which is called `name`; `None` for a fresh card.
    ///
    /// # Errors
    /// Where the file is damaged or holds the state of another card.
    pub fn load(&self, number: u32, name: &str) -> Result<Option<Vec<u8>>, CardStateError> {
        let path = self.file(number);
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|cause| io_error(&path, cause))?,
        };
        match unpack(&bytes) {
            Ok((found, state)) if found == name.as_bytes() => Ok(Some(state.to_vec())),
            Ok((found, _)) => Err(CardStateError::Foreign {
                path,
                found: String::from_utf8_lossy(found).into_owned(),
                wanted: name.to_owned(),
            }),
            Err(cause) => Err(CardStateError::Damaged { path, cause }),
        }
    }

    /// Keeps `state` for card `number`; it is durable when this returns.
    ///
    /// # Errors
    /// [`CardStateError::Io`]; then the state before is still there.
    pub fn save(&self, number: u32, name: &str, state: &[u8]) -> Result<(), CardStateError> {
        let path = self.file(number);
        let kept = self.durable.write(&path, OWNER_ONLY, &pack(name, state));
        kept.map_err(|cause| io_error(&path, cause))
    }

    fn file(&self, number: u32) -> PathBuf {
        self.path.join(format!("card{number}.state"))
    }
}

fn io_error(path: &Path, cause: io::Error) -> CardStateError {
    CardStateError::Io { path: path.to_owned(), cause }
}

fn pack(name: &str, state: &[u8]) -> Vec<u8> {
    // Names are made by this program and short; one cut off would be another card's.
    let name = &name.as_bytes()[..name.len().min(usize::from(u16::MAX))];
    let content = [&(name.len() as u16).to_be_bytes()[..], name, state].concat();
    [&MAGIC[..], &Sha256::digest(&content), &content].concat()
}

/// The name of the card and its state.
fn unpack(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a card state of this program does")?;
    let (sum, content) = rest.split_first_chunk::<32>().ok_or("it is cut off")?;
    if Sha256::digest(content)[..] != sum[..] {
        return Err("its content does not match its checksum");
    }
    let (length, rest) = content.split_first_chunk::<2>().ok_or("it is cut off")?;
    rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or("it is cut off")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::disk::power::{FaultyDisk, Trial};
    use crate::support::bent::bent;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_is_read_by_the_same_card_only() {
        let dir = tempfile::tempdir().unwrap();
        let states = StateDir::open(dir.path()).unwrap();
        assert_eq!(states.load(1, "a").unwrap(), None);
        states.save(1, "a", b"old").unwrap();
        states.save(1, "a", b"new").unwrap();
        states.save(2, "b", b"").unwrap();
        assert_eq!(states.load(1, "a").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(states.load(2, "b").unwrap().as_deref(), Some(&b""[..]));
        let foreign = states.load(1, "b").unwrap_err().to_string();
        assert!(foreign.contains("belongs to another card (a, not b)"), "{foreign}");
        let mode = fs::metadata(dir.path().join("card1.state")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
    }

    #[test]
    fn a_state_is_the_old_one_or_the_new_one_whatever_fails() {
        let open = |root: &Path| StateDir::open(&root.join("cards")).unwrap();
        let check = |root: &Path, done: bool| match open(root).load(1, "a") {
            Ok(Some(state)) if state == b"new" || state == b"old" && !done => Ok(()),
            other => Err(format!("{other:?}")),
        };
        let work = |root: &Path, disk: FaultyDisk| {
            let states = StateDir::open_on(Durable::on(disk), &root.join("cards"));
            states.and_then(|states| states.save(1, "a", b"new")).is_ok()
        };
        Trial { prepare: &|root| open(root).save(1, "a", b"old").unwrap(), work: &work, check: &check }.run();
        let check = |root: &Path, done: bool| match open(root).load(1, "a") {
            Ok(Some(state)) if state == b"new" => Ok(()),
            Ok(None) if !done => Ok(()),
            other => Err(format!("{other:?}")),
        };
        Trial { prepare: &|_| {}, work: &work, check: &check }.run();
        let dir = tempfile::tempdir().unwrap();
        open(dir.path());
        let mode = fs::metadata(dir.path().join("cards")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY_FOLDER);
    }

    #[test]
    fn one_process_serves_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).unwrap();
        assert!(matches!(StateDir::open(dir.path()), Err(CardStateError::Locked { .. })));
        drop(first);
        StateDir::open(dir.path()).unwrap();
    }

    #[test]
    fn damage_and_crashes_while_writing() {
        let dir = tempfile::tempdir().unwrap();
        let (states, path) = (StateDir::open(dir.path()).unwrap(), dir.path().join("card1.state"));
        states.save(1, "a", b"state").unwrap();
        fs::write(dir.path().join("card1.state.cellbed-new"), b"half of a").unwrap();
        assert_eq!(states.load(1, "a").unwrap().as_deref(), Some(&b"state"[..]));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(matches!(states.load(1, "a"), Err(CardStateError::Damaged { .. })), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(matches!(states.load(1, "a"), Err(CardStateError::Damaged { .. })), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_kept(
            file in prop_oneof![
                bent(pack("89049032123451234512345678901235", b"a state")),
                any::<Vec<u8>>().prop_map(|bytes| [&MAGIC[..], &bytes].concat()),
            ],
        ) {
            match unpack(&file) {
                Ok((name, state)) => {
                    prop_assert_eq!((name, state), (&b"89049032123451234512345678901235"[..], &b"a state"[..]));
                    prop_assert_eq!(pack(std::str::from_utf8(name).unwrap(), state), &file[..]);
                }
                Err(cause) => prop_assert!(!cause.is_empty()),
            }
        }
    }
}
