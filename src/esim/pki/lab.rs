//! The hierarchy that virtual eUICCs and servers have where nobody gives another.

use super::super::EsimError;
use super::{Pki, PkiOptions};
use crate::sim::RngTree;

/// The seed of the lab's hierarchy, whose private keys are thereby public: for tests only.
pub const LAB_SEED: u64 = 7;

impl Pki {
    /// The lab's hierarchy: that of `cellbed pki new DIR --seed 7`.
    ///
    /// # Errors
    /// As [`Pki::new`].
    pub fn lab() -> Result<Self, EsimError> {
        Self::new(&RngTree::new(LAB_SEED).branch("pki"), &PkiOptions::default())
    }
}
