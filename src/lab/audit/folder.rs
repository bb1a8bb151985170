//! The books of a run on disk, and the audit of a folder that holds them.
//!
//! `devices.jsonl` has one [`Fact`] on each line: what inventory, HSS, CA and cards have. The ledger has its own folder
//! beside it. Who erases a device takes its lines out of the file.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use super::Auditor;
use crate::io::files;
use crate::io::ledger_store::FileStore;
use crate::kernel::Blame;
use crate::ledger::{LedgerError, RegistryEvent, StoreError, read_history};
use crate::report::AuditSummary;
use crate::world::books::{Fact, Octets};
use crate::world::nodes::record_of;

/// The file with the facts.
pub const BOOKS: &str = "devices.jsonl";
/// The index of the run's authority: one record on each line.
pub const CERTIFICATES: &str = "certificates.jsonl";
/// The folder with the ledger.
pub const LEDGER: &str = "ledger";

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 16 << 10;
/// The largest number that a device may have.
const DEVICE_MAX: u32 = 10_000_000;

/// Why a folder cannot be audited.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum AuditError {
    #[error("{} cannot be read: {}; a run leaves it in its folder when it ends", path.display(), files::told(cause))]
    File { path: PathBuf, cause: io::Error },
    #[error("{}, line {line}: it is no fact: {cause}; the run is to be done again", path.display())]
    Line { path: PathBuf, line: usize, cause: String },
    #[error("the ledger of the run: {0}")]
    Ledger(#[from] LedgerError),
    #[error("the ledger of the run: {0}")]
    Store(#[from] StoreError),
}

impl AuditError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::File { .. } | Self::Line { .. } => Blame::Bench,
            Self::Ledger(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }
}

/// Keeps the books of a run while it goes on: facts go to the auditor, and what the ledger does not have to the file.
pub struct Bookkeeper {
    auditor: Auditor,
    out: Option<Box<dyn Write>>,
    failure: Option<io::Error>,
}

impl Bookkeeper {
    /// One for `auditor`, which writes to `out` if there is a file.
    pub fn new(auditor: Auditor, out: Option<Box<dyn Write>>) -> Self {
        Self { auditor, out, failure: None }
    }

    /// Takes a fact down.
    pub fn take(&mut self, fact: &Fact) {
        self.auditor.take(fact);
        let of_ledger = matches!(fact, Fact::Record { .. } | Fact::Recorded { .. });
        if let Some(out) = self.out.as_mut().filter(|_| !of_ledger) {
            let written = serde_json::to_writer(&mut *out, fact).map_err(io::Error::from);
            if let Err(error) = written.and_then(|()| out.write_all(b"\n")) {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// What the audit finds.
    ///
    /// # Errors
    /// Where the file could not be written.
    pub fn finish(&mut self) -> io::Result<AuditSummary> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.out.as_mut().map_or(Ok(()), Write::flush)?;
        // What it knew goes with the answer: the run needs its room.
        Ok(std::mem::replace(&mut self.auditor, Auditor::new(0, &[])).finish())
    }
}

/// Reads the facts of a run's folder and shows each to `see`.
///
/// # Errors
/// [`AuditError`] with the line that is none.
pub fn read_books(run: &Path, mut see: impl FnMut(Fact)) -> Result<(), AuditError> {
    let path = run.join(BOOKS);
    let failed = |cause| AuditError::File { path: path.clone(), cause };
    let mut file = files::open(&path).map_err(failed)?;
    let (mut line, mut text) = (0, Vec::new());
    loop {
        text.clear();
        line += 1;
        (&mut file).take(LINE_MAX).read_until(b'\n', &mut text).map_err(failed)?;
        if text.is_empty() {
            return Ok(());
        }
        let wrong = |cause: String| AuditError::Line { path: path.clone(), line, cause };
        let fact: Fact = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if let Some(number) = device_of(&fact).filter(|number| *number > DEVICE_MAX) {
            return Err(wrong(format!("there is no device {number}")));
        }
        see(fact);
    }
}

/// The device that a fact names, or how many there are.
fn device_of(fact: &Fact) -> Option<u32> {
    match fact {
        Fact::Run { devices: device, .. }
        | Fact::Device { device, .. }
        | Fact::Reserved { device, .. }
        | Fact::Card { device, .. }
        | Fact::UnderWay { device }
        | Fact::Refused { device, .. }
        | Fact::Erased { device } => Some(*device),
        Fact::Subscription { .. }
        | Fact::Certificate { .. }
        | Fact::Record { .. }
        | Fact::Recorded { .. } => None,
    }
}

/// Audits the folder of a run from its books and its ledger, which is verified on the way.
///
/// # Errors
/// [`AuditError`] where they cannot be read.
pub fn audit(run: &Path) -> Result<AuditSummary, AuditError> {
    let mut auditor = Auditor::new(0, &[]).with_history();
    read_books(run, |fact| auditor.take(&fact))?;
    let history = read_history(&mut FileStore::read_only(&run.join(LEDGER))?)?;
    for (id, device) in &history.devices {
        auditor.take(&record_of(*id, &device.record));
        for entry in &device.entries {
            if let RegistryEvent::Certificate { id, cert_hash, .. } = entry.event {
                auditor.take(&Fact::Recorded { id: Octets(id), certificate: Octets(cert_hash) });
            }
        }
    }
    Ok(auditor.finish())
}
