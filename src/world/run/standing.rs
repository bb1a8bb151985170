//! What a world says of itself to whoever drives it.

use super::World;
use crate::ledger::LedgerStanding;
use crate::services::chain::LedgerWatch;

impl World {
    /// The same with a ledger that can be asked how far it has come.
    pub(in crate::world) fn with_ledger(mut self, ledger: LedgerWatch) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// What the ledger is called, and how far it has come; none where there is none.
    pub fn ledger(&self) -> Option<LedgerStanding> {
        self.ledger.as_ref().map(LedgerWatch::standing)
    }

    /// How many devices were switched on and not yet through, at most.
    pub fn under_way_max(&self) -> usize {
        self.fleet.under_way_max()
    }
}
