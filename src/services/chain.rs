//! The ledger as offices share it: all may read it, and some submit transactions, which are sealed into blocks in
//! groups.

use std::time::Duration;

use super::{ServiceError, short};
use crate::event::{Actor, Body, Message};
use crate::kernel::Instant;
use crate::ledger::{Ledger, Status, TxHash, TxReceipt};
use crate::wire::Label;
use crate::wire::Reason;
use crate::wire::registration::Problem;

/// How long transactions are collected once one has come: the group commit of the chain.
const COMMIT_WINDOW: Duration = Duration::from_millis(20);

/// Stands for a transaction that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(TxHash);

/// A transaction that stands in a block.
#[derive(Debug)]
pub struct Sealed {
    /// What stands for the transaction.
    pub ticket: Ticket,
    /// The number of the block.
    pub block: u64,
    /// What became of the transaction.
    pub receipt: TxReceipt,
}

impl Sealed {
    /// Why the ledger has refused it, where it has: the word, and what there is to say.
    pub fn refusal(&self) -> Option<(&str, String)> {
        let reason = self.receipt.outcome.refusal()?;
        Some((reason, format!("the ledger refused the transaction in block {}", self.block)))
    }
}

/// The ledger, and when its next block is due.
pub struct Chain {
    ledger: Ledger,
    commit_at: Option<Instant>,
}

impl Chain {
    /// A chain on which nothing is under way.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, commit_at: None }
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the next block is to be sealed.
    pub fn deadline(&self) -> Option<Instant> {
        self.commit_at
    }

    /// Submits the transaction `raw` of `from`, and tells of it.
    ///
    /// # Errors
    /// Where the ledger does not take it: a transaction of ours is in order.
    pub fn submit(
        &mut self,
        now: Instant,
        from: Actor,
        label: Label,
        raw: Vec<u8>,
        events: &mut Vec<Body>,
    ) -> Result<Ticket, ServiceError> {
        let hash = self.ledger.submit(&raw)?;
        self.commit_at.get_or_insert(now + COMMIT_WINDOW);
        events.push(Body::Message(Message { from, to: Actor::LEDGER, label, bytes: raw }));
        Ok(Ticket(hash))
    }

    /// Seals the block that is due, if one is, and tells of it. Returns what stands in it.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub(super) fn seal(&mut self, now: Instant, events: &mut Vec<Body>) -> Result<Vec<Sealed>, ServiceError> {
        if self.commit_at.is_none_or(|at| now < at) {
            return Ok(Vec::new());
        }
        let block = self.ledger.seal(now.unix_s())?;
        // What the gas limit of one block leaves over goes into the next.
        self.commit_at = (self.ledger.pending() > 0).then(|| now + COMMIT_WINDOW);
        let fields = vec![
            ("number", block.number.to_string()),
            ("transactions", block.receipts.len().to_string()),
            ("hash", short(&block.hash)),
        ];
        events.push(Body::note(Actor::LEDGER, "block sealed", fields));
        let sealed = |receipt: TxReceipt| {
            announce(&receipt, events);
            Sealed { ticket: Ticket(receipt.tx_hash), block: block.number, receipt }
        };
        Ok(block.receipts.into_iter().map(sealed).collect())
    }
}

/// What a receipt says of the devices concerned, as events.
fn announce(receipt: &TxReceipt, events: &mut Vec<Body>) {
    for change in &receipt.status_changes {
        let text = format!("{} -> {}", change.from, change.to);
        events.push(Body::note(Actor::LEDGER, text, vec![("id", short(&change.id))]));
    }
    if let Some(reason) = receipt.outcome.refusal() {
        let fields = vec![("reason", reason.to_owned()), ("transaction", short(&receipt.tx_hash))];
        events.push(Body::note(Actor::LEDGER, "transaction refused", fields));
    }
}

/// Why a device with this status is not served.
pub(super) fn wrong_status(status: Status) -> Problem {
    let reason = match status {
        Status::None => Reason::DeviceNone,
        Status::Registered => Reason::DeviceRegistered,
        Status::Active => Reason::DeviceActive,
        Status::Quarantined => Reason::DeviceQuarantined,
        Status::Revoked => Reason::DeviceRevoked,
        Status::Retired => Reason::DeviceRetired,
    };
    Problem::new(403, reason, format!("the ledger has this device as {status}"))
}
