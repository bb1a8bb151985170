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

/// Everything that a store holds.
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
    /// Reads everything. Damage that no interrupted append explains is an error.
    fn read_all(&mut self) -> Result<Contents, StoreError>;

    /// Removes the torn tail that [`Store::read_all`] reported.
    fn cut_tail(&mut self) -> Result<(), StoreError>;

    /// Appends a record. It is durable after the next [`Store::sync`].
    fn append(&mut self, record: &[u8]) -> Result<(), StoreError>;

    /// Makes all appended records durable.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Replaces the checkpoint as a whole: a reader sees the old one or the new one.
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
    fn read_all(&mut self) -> Result<Contents, StoreError> {
        Ok(self.contents())
    }

    fn cut_tail(&mut self) -> Result<(), StoreError> {
        self.lock().torn = None;
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
