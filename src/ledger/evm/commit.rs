//! Group commit: transactions that come close together share a block, and where blocks come faster than one a second
//! they wait and fill, so that the chain's time stays near the real one.

use std::time::Duration;

use super::chain::Ledger;
use crate::kernel::Instant;
use crate::ledger::error::LedgerError;
use crate::ledger::receipt::{Sealed, TxHash};

/// How long transactions are collected once one has come.
const COMMIT_WINDOW: Duration = Duration::from_millis(20);

/// A chain, and when its next block is due.
#[derive(Debug)]
pub struct GroupCommit {
    ledger: Ledger,
    commit_at: Option<Instant>,
}

impl GroupCommit {
    /// A chain on which nothing is under way.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, commit_at: None }
    }

    /// The chain, to be read.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the next block is to be sealed: once its transactions were collected, and its time is not too far ahead.
    /// Meanwhile it fills.
    pub fn deadline(&self) -> Option<Instant> {
        self.commit_at.map(|at| at.max(Instant::from_unix_s(self.ledger.seals_from_s())))
    }

    /// Takes a raw transaction for the next block.
    ///
    /// # Errors
    /// See [`Ledger::submit`].
    pub fn submit(&mut self, now: Instant, raw: &[u8]) -> Result<TxHash, LedgerError> {
        let hash = self.ledger.submit(raw)?;
        self.commit_at.get_or_insert(now + COMMIT_WINDOW);
        Ok(hash)
    }

    /// Seals the block that is due, if one is.
    ///
    /// # Errors
    /// See [`Ledger::seal`].
    pub fn poll(&mut self, now: Instant) -> Result<Option<Sealed>, LedgerError> {
        if self.deadline().is_none_or(|at| now < at) {
            return Ok(None);
        }
        let block = self.ledger.seal(now.unix_ms())?;
        // What a block leaves over goes into the next.
        self.commit_at = (self.ledger.pending() > 0).then(|| now + COMMIT_WINDOW);
        Ok(Some(block))
    }
}
