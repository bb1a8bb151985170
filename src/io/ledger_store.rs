//! The ledger on disk: `blocks.log`, an append-only file of records, and `checkpoint`, the last signed tree head.
//!
//! `blocks.log` begins with 16 bytes that name its format. A record is its length (4 bytes, little endian), the
//! CRC-32C of its number and length (4), the CRC-32C of its payload (4), and the payload. With the length checked
//! on its own, an interrupted append can be told from damage: only what reaches the end of the file is a torn
//! tail. The checkpoint is replaced by renaming, after the blocks that it covers and their seals are durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::files::{Durable, PUBLIC, PUBLIC_FOLDER};
use super::held_folder::io_error;
use crate::ledger::{Store, StoreError, Torn};

const MAGIC: &[u8; 16] = b"cellbed ledger 2";
/// The format before blocks had seals.
const MAGIC_BEFORE: &[u8; 16] = b"cellbed ledger 1";
const BLOCKS: &str = "blocks.log";
const CHECKPOINT: &str = "checkpoint";
const HEADER_LEN: usize = 12;

/// A ledger directory.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    blocks: File,
    writable: bool,
    /// Where each record begins.
    offsets: Vec<u64>,
    /// Where the next record goes; none until the file was read.
    end: Option<u64>,
    durable: Durable,
}

impl FileStore {
    /// Opens a directory for writing, and creates what is missing. One process at a time can hold it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process writes to it; [`StoreError::Io`] with the path.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_on(Durable::default(), dir)
    }

    fn open_on(durable: Durable, dir: &Path) -> Result<Self, StoreError> {
        durable.folder(dir, PUBLIC_FOLDER).map_err(|cause| io_error(dir, &cause))?;
        let path = dir.join(BLOCKS);
        let blocks = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| io_error(&path, &cause))?;
        match blocks.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    place: path.display().to_string(),
                    cause: "another process writes to this ledger; wait until it has ended".into(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(io_error(&path, &cause)),
        }
        let mut store =
            Self { dir: dir.to_owned(), blocks, writable: true, offsets: Vec::new(), end: None, durable };
        store.begin_file().map_err(|cause| io_error(&path, &cause))?;
        Ok(store)
    }

    /// Opens a directory for reading; nothing in it is changed.
    ///
    /// # Errors
    /// [`StoreError::Io`] with the path, also if there is no ledger.
    pub fn read_only(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(BLOCKS);
        let blocks = File::open(&path).map_err(|cause| match cause.kind() {
            ErrorKind::NotFound => StoreError::Io {
                place: dir.display().to_string(),
                cause: format!(
                    "it holds no {BLOCKS} and so is no ledger; a run leaves its ledger in runs/last/ledger"
                ),
            },
            _ => io_error(&path, &cause),
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            blocks,
            writable: false,
            offsets: Vec::new(),
            end: None,
            durable: Durable::default(),
        })
    }

    /// Writes the name of the format into a new file, and into one that was left before the name was whole.
    fn begin_file(&mut self) -> std::io::Result<()> {
        let mut start = Vec::new();
        (&self.blocks).take(MAGIC.len() as u64).read_to_end(&mut start)?;
        if start.len() < MAGIC.len() && MAGIC.starts_with(&start) {
            self.blocks.rewind()?;
            self.blocks.write_all(MAGIC)?;
            self.blocks.sync_all()?;
            self.durable.sync_folder(&self.dir)?;
        }
        Ok(())
    }

    /// Reads the records, one at a time; what is torn begins at the returned tail's offset.
    fn scan(&mut self, each: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Option<Torn>, StoreError> {
        let path = self.dir.join(BLOCKS);
        let io = |cause: std::io::Error| io_error(&path, &cause);
        self.offsets.clear();
        let length = self.blocks.metadata().map_err(io)?.len();
        self.blocks.rewind().map_err(io)?;
        // A handle of its own for the same file, so that places can be noted meanwhile.
        let file = self.blocks.try_clone().map_err(io)?;
        let mut reader = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        let known = reader.read_exact(&mut magic).is_ok();
        if known && magic == *MAGIC_BEFORE {
            return Err(self.corrupt(0, "it is of an earlier program, and its blocks have no seals"));
        }
        if !known || magic != *MAGIC {
            return Err(self.corrupt(0, "it does not begin as a ledger of this program does"));
        }
        self.end = None;
        let mut at = MAGIC.len() as u64;
        while at < length {
            let mut header = [0; HEADER_LEN];
            let left = length - at;
            if left < HEADER_LEN as u64 {
                return Ok(Some(self.torn(at, left, "a record header is cut off")));
            }
            reader.read_exact(&mut header).map_err(io)?;
            let Some((size, checksum)) = read_header(&header, self.offsets.len()) else {
                // Some file systems leave zeros where an interrupted append was to go.
                if header == [0; HEADER_LEN] && reader.bytes().all(|byte| matches!(byte, Ok(0))) {
                    return Ok(Some(self.torn(at, left, "only zeros")));
                }
                return Err(self.corrupt(at, "the record header does not match its checksum"));
            };
            let left = left - HEADER_LEN as u64;
            if size > left {
                let cause = format!("{left} of {size} bytes of a record are there");
                return Ok(Some(self.torn(at, left + HEADER_LEN as u64, &cause)));
            }
            let mut record = vec![0; size as usize];
            reader.read_exact(&mut record).map_err(io)?;
            if crc32c(&[&record]) != checksum {
                let cause = "the record does not match its checksum";
                if size == left {
                    return Ok(Some(self.torn(at, left + HEADER_LEN as u64, cause)));
                }
                return Err(self.corrupt(at, cause));
            }
            self.offsets.push(at);
            at += HEADER_LEN as u64 + size;
            if !each(record) {
                return Ok(None);
            }
        }
        self.end = Some(at);
        Ok(None)
    }

    fn torn(&mut self, at: u64, bytes: u64, cause: &str) -> Torn {
        self.end = Some(at);
        Torn { place: self.at(at), bytes, cause: cause.into() }
    }

    fn corrupt(&self, at: u64, cause: &str) -> StoreError {
        StoreError::Corrupt { place: self.at(at), cause: cause.into() }
    }

    fn at(&self, offset: u64) -> String {
        format!("{} at byte {offset}", self.dir.join(BLOCKS).display())
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.writable {
            return Ok(());
        }
        Err(StoreError::Locked {
            place: self.dir.display().to_string(),
            cause: "this ledger was opened for reading".into(),
        })
    }

    fn read_checkpoint(&self) -> Result<Option<String>, StoreError> {
        let path = self.dir.join(CHECKPOINT);
        match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|cause| StoreError::Corrupt {
                place: path.display().to_string(),
                cause: format!("it is no text: {cause}"),
            }),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(io_error(&path, &cause)),
        }
    }
}

impl Store for FileStore {
    fn read(&mut self, each: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Option<Torn>, StoreError> {
        self.scan(each)
    }

    fn checkpoint(&mut self) -> Result<Option<String>, StoreError> {
        self.read_checkpoint()
    }

    fn cut(&mut self, records: usize) -> Result<(), StoreError> {
        self.check_writable()?;
        if self.end.is_none() {
            self.scan(&mut |_| true)?;
        }
        let path = self.dir.join(BLOCKS);
        let end = self.offsets.get(records).copied().or(self.end).unwrap_or(MAGIC.len() as u64);
        self.blocks
            .set_len(end)
            .and_then(|()| self.blocks.sync_all())
            .map_err(|cause| io_error(&path, &cause))?;
        self.offsets.truncate(records);
        self.end = Some(end);
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.check_writable()?;
        if self.end.is_none() {
            self.scan(&mut |_| true)?;
        }
        let path = self.dir.join(BLOCKS);
        let end = self.end.unwrap_or(MAGIC.len() as u64);
        let bytes = frame(record, self.offsets.len()).ok_or_else(|| StoreError::Io {
            place: path.display().to_string(),
            cause: format!("a record of {} bytes is too long", record.len()),
        })?;
        self.blocks
            .seek(SeekFrom::Start(end))
            .and_then(|_| self.blocks.write_all(&bytes))
            .map_err(|cause| io_error(&path, &cause))?;
        self.offsets.push(end);
        self.end = Some(end + bytes.len() as u64);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.blocks.sync_data().map_err(|cause| io_error(&self.dir.join(BLOCKS), &cause))
    }

    fn put_checkpoint(&mut self, note: &str) -> Result<(), StoreError> {
        self.check_writable()?;
        let path = self.dir.join(CHECKPOINT);
        self.durable.write(&path, PUBLIC, note.as_bytes()).map_err(|cause| io_error(&path, &cause))
    }

    fn place(&self, index: usize) -> String {
        match self.offsets.get(index) {
            Some(offset) => self.at(*offset),
            None => format!("record {index} of {}", self.dir.join(BLOCKS).display()),
        }
    }
}

/// A record with its header; none if its length does not fit.
fn frame(record: &[u8], number: usize) -> Option<Vec<u8>> {
    let size = u32::try_from(record.len()).ok()?.to_le_bytes();
    let mut bytes = Vec::with_capacity(HEADER_LEN + record.len());
    bytes.extend(size);
    bytes.extend(crc32c(&[&(number as u64).to_le_bytes(), &size]).to_le_bytes());
    bytes.extend(crc32c(&[record]).to_le_bytes());
    bytes.extend(record);
    Some(bytes)
}

/// The length and the checksum of the payload; none if the header is not that of record `number`.
fn read_header(header: &[u8; HEADER_LEN], number: usize) -> Option<(u64, u32)> {
    let [size, own, payload] =
        [0, 4, 8].map(|at| [header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let expected = crc32c(&[&(number as u64).to_le_bytes(), &size]);
    (u32::from_le_bytes(own) == expected)
        .then(|| (u32::from_le_bytes(size).into(), u32::from_le_bytes(payload)))
}

/// CRC-32C (RFC 3720 appendix B.4) over the concatenation of `parts`.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().copied().flatten();
    !bytes.fold(!0, |crc, byte| CRC_TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8))
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::super::disk::power::{FaultyDisk, Trial};
    use super::*;
    use crate::ledger::Contents;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    /// RFC 3720 appendix B.4.
    #[test]
    fn crc32c_vectors() {
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 32]]), 0x62a8_ab43);
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
    }

    fn store_with(dir: &Path, records: &[&[u8]]) -> FileStore {
        let mut store = FileStore::open(dir).unwrap();
        for record in records {
            store.append(record).unwrap();
        }
        store.sync().unwrap();
        store
    }

    fn try_read(store: &mut FileStore) -> Result<Contents, StoreError> {
        let mut records = Vec::new();
        let torn = store.read(&mut |record| {
            records.push(record);
            true
        })?;
        Ok(Contents { records, torn, checkpoint: store.checkpoint()? })
    }

    fn read(store: &mut FileStore) -> Contents {
        try_read(store).unwrap()
    }

    #[test]
    fn records_are_read_back_and_a_torn_tail_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(BLOCKS);
        drop(store_with(dir.path(), &[b"one", b"", b"three"]));
        let whole = fs::read(&path).unwrap();
        for cut in 1..(HEADER_LEN + 5) {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut store = FileStore::open(dir.path()).unwrap();
            let contents = read(&mut store);
            assert_eq!(contents.records, [b"one".to_vec(), Vec::new()], "cut by {cut}");
            assert!(contents.torn.is_some(), "cut by {cut}");
            store.cut(contents.records.len()).unwrap();
            store.append(b"four").unwrap();
            let contents = read(&mut store);
            assert_eq!(contents.records.last().unwrap(), b"four");
            assert_eq!(contents.torn, None);
        }
    }

    /// A checkpoint vouches for blocks that somebody was told of: it is the one before or this one, also where the folder of
    /// the ledger and those above it are new.
    #[test]
    fn a_checkpoint_is_the_old_one_or_the_new_one_whatever_fails() {
        let place = |root: &Path| root.join("runs/ledger");
        let put = |root: &Path, disk: FaultyDisk| {
            let store = FileStore::open_on(Durable::on(disk), &place(root));
            store.and_then(|mut store| store.put_checkpoint("2\n")).is_ok()
        };
        let check = |older: Option<&'static str>| {
            move |root: &Path, done: bool| {
                let kept = match fs::read_to_string(place(root).join(CHECKPOINT)) {
                    Ok(text) => Some(text),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error.to_string()),
                };
                match kept.as_deref() {
                    Some("2\n") => Ok(()),
                    kept if kept == older && !done => Ok(()),
                    other => Err(format!("the checkpoint is {other:?}")),
                }
            }
        };
        let prepare = |root: &Path| {
            let mut store = store_with(&place(root), &RECORDS);
            store.put_checkpoint("1\n").unwrap();
        };
        Trial { prepare: &prepare, work: &put, check: &check(Some("1\n")) }.run();
        Trial { prepare: &|_| {}, work: &put, check: &check(None) }.run();
    }

    #[test]
    fn zeros_at_the_end_are_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        drop(store_with(dir.path(), &[b"one"]));
        let path = dir.path().join(BLOCKS);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend([0; 100]);
        fs::write(&path, bytes).unwrap();
        let contents = read(&mut FileStore::read_only(dir.path()).unwrap());
        assert_eq!(contents.records.len(), 1);
        assert_eq!(contents.torn.unwrap().cause, "only zeros");
    }

    #[test]
    fn damage_in_the_middle_names_file_and_offset() {
        let dir = tempfile::tempdir().unwrap();
        drop(store_with(dir.path(), &[b"one", b"two"]));
        let path = dir.path().join(BLOCKS);
        let mut bytes = fs::read(&path).unwrap();
        bytes[MAGIC.len() + HEADER_LEN] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = FileStore::read_only(dir.path()).unwrap().read(&mut |_| true).unwrap_err().to_string();
        assert!(error.contains("blocks.log at byte 16"), "{error}");
    }

    #[test]
    fn one_process_writes_at_a_time_and_readers_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _writer = store_with(dir.path(), &[b"one"]);
        assert!(matches!(FileStore::open(dir.path()), Err(StoreError::Locked { .. })));
        let mut reader = FileStore::read_only(dir.path()).unwrap();
        assert_eq!(read(&mut reader).records.len(), 1);
        assert!(matches!(reader.append(b"two"), Err(StoreError::Locked { .. })));
        assert!(matches!(reader.put_checkpoint("note"), Err(StoreError::Locked { .. })));
    }

    const RECORDS: [&[u8]; 3] = [b"genesis", b"", b"a block"];

    fn three_records() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        drop(store_with(dir.path(), &RECORDS));
        fs::read(dir.path().join(BLOCKS)).unwrap()
    }

    proptest! {
        /// Whatever became of a file, the records that are read are the first that were written, and where some are
        /// missing, what is left of them is cut away before a new one is written.
        #[test]
        fn of_a_damaged_file_the_first_records_are_read_or_none(file in bent(three_records())) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(BLOCKS);
            fs::write(&path, &file).unwrap();
            match try_read(&mut FileStore::read_only(dir.path()).unwrap()) {
                Ok(read) => {
                    prop_assert_eq!(&read.records[..], &RECORDS[..read.records.len()]);
                    let whole: usize = read.records.iter().map(|record| HEADER_LEN + record.len()).sum();
                    prop_assert_eq!(read.torn.is_some(), file.len() != MAGIC.len() + whole);
                    let mut store = FileStore::open(dir.path()).unwrap();
                    store.cut(read.records.len()).unwrap();
                    store.append(b"new").unwrap();
                    let again = super::tests::read(&mut store);
                    prop_assert_eq!(again.records.split_last().unwrap(), (&b"new".to_vec(), &read.records[..]));
                    prop_assert_eq!(again.torn, None);
                }
                Err(error) => {
                    prop_assert!(error.to_string().contains("blocks.log at byte"), "{error}");
                    prop_assert_eq!(fs::read(&path).unwrap(), file);
                }
            }
        }
    }
}
