//! The ledger as offices share it: all may read it, and some submit transactions. What happens on it is told here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::rate::Rate;
use super::{ServiceError, short};
use crate::event::{Actor, Body, Message};
use crate::kernel::Instant;
use crate::ledger::{Engine, Finding, LedgerStanding, Registration, Status, TxHash, TxReceipt};
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

/// How many transactions a device can cause at once, and after which time one more: what becomes of a device takes two,
/// and as many again where its power is cut.
const DEVICE_TRANSACTIONS: u32 = 8;
const DEVICE_TRANSACTION_EVERY: Duration = Duration::from_secs(30);

/// What a device wants written.
#[derive(Debug)]
pub enum Proposal<'a> {
    /// Its key.
    Registration(&'a Registration),
    /// A certificate, once whoever issues it has found everything else in order.
    Certificate,
    /// What it runs, signed by its card.
    Report,
}

/// A proposal that may be submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is new to the ledger, or takes the place of an earlier one.
    New,
    /// It stands there already, and nothing would change.
    Repeated,
    /// The ledger would refuse it and keep the attempt as evidence.
    Conflict,
}

/// How far the ledger has come, for whoever does not hold it.
#[derive(Debug, Clone)]
pub struct LedgerWatch(Arc<Mutex<LedgerStanding>>);

impl LedgerWatch {
    /// What the ledger is called, and its last block.
    pub fn standing(&self) -> LedgerStanding {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The ledger, and what is told of it.
pub struct Chain {
    engine: Engine,
    watch: LedgerWatch,
    rate: Rate,
}

impl Chain {
    /// What runs on `engine`.
    pub fn new(engine: Engine) -> Self {
        let watch = LedgerWatch(Arc::new(Mutex::new(engine.standing())));
        Self { engine, watch, rate: Rate::new(DEVICE_TRANSACTIONS, DEVICE_TRANSACTION_EVERY) }
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> &Engine {
        &self.engine
    }

    /// How far the ledger has come, to be read after this is given away.
    pub fn watch(&self) -> LedgerWatch {
        self.watch.clone()
    }

    /// When the ledger has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    /// Whether what `device` wants written may become a transaction: everything that the ledger would find is looked at
    /// before, so that nobody but devices in order costs blocks, and each of them few. Each call counts.
    ///
    /// # Errors
    /// The answer to the device: it has proposed too much, the card's signature is wrong, or no key is taken any more.
    pub fn admit(
        &mut self,
        now: Instant,
        device: u32,
        proposal: &Proposal<'_>,
    ) -> Result<Admission, Problem> {
        self.rate.take(now, device).map_err(|wait| {
            // Never too early for whoever counts in whole seconds.
            let after_s = wait.as_secs() + 1;
            let detail = format!("this device has asked for too much; it may ask again in {after_s} s");
            Problem::new(429, Reason::TooManyRequests, detail).for_s(after_s)
        })?;
        let Proposal::Registration(registration) = proposal else { return Ok(Admission::New) };
        match self.engine.examine(registration) {
            Finding::New | Finding::Replacement => Ok(Admission::New),
            Finding::Repeated => Ok(Admission::Repeated),
            Finding::Conflict { .. } => Ok(Admission::Conflict),
            Finding::Refused { reason } => {
                Err(Problem::new(409, Reason::of(reason), "the ledger would refuse the claim"))
            }
            Finding::WrongState(status) => {
                Err(Problem::new(409, Reason::WrongState, format!("the ledger has this device as {status}")))
            }
        }
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
        let hash = self.engine.submit(now, &raw)?;
        events.push(Body::Message(Message { from, to: Actor::LEDGER, label, bytes: raw }));
        Ok(Ticket(hash))
    }

    /// Lets the ledger do what is due, and tells of the blocks that are sealed. Returns what stands in them.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub(super) fn poll(&mut self, now: Instant, events: &mut Vec<Body>) -> Result<Vec<Sealed>, ServiceError> {
        let mut sealed = Vec::new();
        for block in self.engine.poll(now)? {
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
        if !sealed.is_empty() {
            *self.watch.0.lock().unwrap_or_else(PoisonError::into_inner) = self.engine.standing();
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
