//! What a ledger needs of the place it is kept in, and the store in memory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel::Blame;

/// Why a store could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{place}: {cause}")]
    Io { place: String, cause: String },
    /// What is stored is not what was written.
    #[error("{place}: {cause}; restore the file from a copy")]
    Corrupt { place: String, cause: String },
    /// The store was opened for reading, or another process writes to it.
    #[error("{place}: {cause}")]
    Locked { place: String, cause: String },
}

impl StoreError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}

/// What a store in memory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The whole records, in the order of their appending.
    pub records: Vec<Vec<u8>>,
    /// What follows the last whole record, if the last append was interrupted.
    pub torn: Option<Torn>,
    /// The last checkpoint.
    pub checkpoint: Option<String>,
}

/// The rest of an interrupted append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins, for a person to read.
    pub place: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// What is wrong with it.
    pub cause: String,
}

/// An append-only list of records and one replaceable text, the checkpoint.
pub trait Store: Send {
    /// Shows every whole record to `each`, in the order of their appending, until it answers false. Only one record is
    /// in memory at a time. Returns what follows the last whole record, if all were seen and the last append was
    /// interrupted.
    ///
    /// # Errors
    /// Where the place cannot be read, or has damage that no interrupted append explains.
    fn read(&mut self, each: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Option<Torn>, StoreError>;

    /// The last checkpoint, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn checkpoint(&mut self) -> Result<Option<String>, StoreError>;

    /// Keeps the first `records` records, and removes what follows them.
    ///
    /// # Errors
    /// Where the place cannot be written.
    fn cut(&mut self, records: usize) -> Result<(), StoreError>;

    /// Appends a record. It is durable after the next [`Store::sync`].
    ///
    /// # Errors
    /// Where the place cannot be written.
    fn append(&mut self, record: &[u8]) -> Result<(), StoreError>;

    /// Makes all appended records durable.
    ///
    /// # Errors
    /// Where the place cannot be written: what is durable is then unknown.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Replaces the checkpoint as a whole: a reader sees the old one or the new one. It is durable on return.
    ///
    /// # Errors
    /// Where the place cannot be written.
    fn put_checkpoint(&mut self, note: &str) -> Result<(), StoreError>;

    /// Where record `index` is, for a person to read.
    fn place(&self, index: usize) -> String;
}

/// A store in memory. Clones share their contents, so that a test can open again what it wrote.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds `contents`.
    pub fn with(contents: Contents) -> Self {
        Self { contents: Arc::new(Mutex::new(contents)) }
    }

    /// What the store holds now.
    pub fn contents(&self) -> Contents {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn read(&mut self, each: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Option<Torn>, StoreError> {
        let Contents { records, torn, .. } = self.contents();
        let all = records.into_iter().all(each);
        Ok(torn.filter(|_| all))
    }

    fn checkpoint(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.lock().checkpoint.clone())
    }

    fn cut(&mut self, records: usize) -> Result<(), StoreError> {
        let mut contents = self.lock();
        contents.records.truncate(records);
        contents.torn = None;
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.lock().records.push(record.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_checkpoint(&mut self, note: &str) -> Result<(), StoreError> {
        self.lock().checkpoint = Some(note.to_owned());
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        format!("record {index} in memory")
    }
}
