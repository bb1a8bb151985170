//! What becomes of a registration, told before it costs a transaction.

use super::evm::Ledger;
use super::registry::{Registration, Status, registration_message};
use crate::crypto::key;

/// What the contract would do with a registration, as the blocks have it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The key would be registered.
    New,
    /// It would take the place of an earlier key of the same card.
    Replacement,
    /// It stands there with this key, and nothing would change.
    Repeated,
    /// The identity or the key is taken. `reason` is that of [`super::TxOutcome::Conflict`].
    Conflict { reason: &'static str },
    /// The contract would revert, with this word of [`super::TxOutcome::Reverted`].
    Refused { reason: &'static str },
    /// The identity has this status, in which no key is taken any more.
    WrongState(Status),
}

impl Ledger {
    /// What the contract would do with a registration. Transactions that wait for a block do not count.
    pub fn examine(&self, registration: &Registration) -> Finding {
        let Registration { id, model, key, context, signature } = registration;
        if *id == [0; 32] {
            return Finding::Refused { reason: "bad-identity" };
        }
        if key.generation == 0 {
            return Finding::Refused { reason: "bad-generation" };
        }
        let public = key::whole(&key.x, &key.y);
        let message = registration_message(self.contract(), id, *model, key, context);
        self.count_verification();
        if key::verify(&public, &message, signature).is_err() {
            return Finding::Refused { reason: "bad-signature" };
        }
        let holder = self.id_of_key(&key.x, &key.y);
        let key_taken = Finding::Conflict { reason: "key-already-registered" };
        let Some(record) = self.device(id) else {
            return if holder.is_some() { key_taken } else { Finding::New };
        };
        match holder {
            _ if matches!(record.status, Status::Revoked | Status::Retired) => {
                Finding::WrongState(record.status)
            }
            _ if (record.x, record.y) == (key.x, key.y) => Finding::Repeated,
            Some(holder) if holder != *id => key_taken,
            None if key.generation > record.generation => Finding::Replacement,
            _ => Finding::Conflict { reason: "identity-already-registered" },
        }
    }
}
