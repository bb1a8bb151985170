//! The ledger as offices share it: all may read it, and some submit transactions. What happens on it is told here.

use super::{ServiceError, short};
use crate::event::{Actor, Body, Message};
use crate::kernel::Instant;
use crate::ledger::{Engine, Status, TxHash, TxReceipt};
use crate::wire::Label;
use crate::wire::Reason;
use crate::wire::registration::Problem;

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

/// The ledger, and what is told of it.
pub struct Chain(Engine);

impl Chain {
    /// What runs on `engine`.
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> &Engine {
        &self.0
    }

    /// When the ledger has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
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
        let hash = self.0.submit(now, &raw)?;
        events.push(Body::Message(Message { from, to: Actor::LEDGER, label, bytes: raw }));
        Ok(Ticket(hash))
    }

    /// Lets the ledger do what is due, and tells of the blocks that are sealed. Returns what stands in them.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub(super) fn poll(&mut self, now: Instant, events: &mut Vec<Body>) -> Result<Vec<Sealed>, ServiceError> {
        let mut sealed = Vec::new();
        for block in self.0.poll(now)? {
            let fields = vec![
                ("number", block.number.to_string()),
                ("transactions", block.receipts.len().to_string()),
                ("hash", short(&block.hash)),
            ];
            events.push(Body::note(Actor::LEDGER, "block sealed", fields));
            for receipt in block.receipts {
                announce(&receipt, events);
                sealed.push(Sealed { ticket: Ticket(receipt.tx_hash), block: block.number, receipt });
            }
        }
        Ok(sealed)
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
