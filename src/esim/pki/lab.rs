//! The hierarchy that virtual eUICCs and servers have where nobody gives another. Its private keys are public: it is
//! there so that the parts of the lab understand each other, and proves nothing.

use super::super::EsimError;
use super::{Identity, Pki, PkiOptions};
use crate::event::Actor;
use crate::kernel::{EPOCH_UNIX_S, RngTree};

/// The seed of the lab's hierarchy, whose private keys are thereby public: for tests only.
pub const LAB_SEED: u64 = 7;

/// The `eimId`.
pub const EIM_ID: &str = "cellbed-eim";
/// The branch of a run's randomness that the eSIM side draws from.
pub const BRANCH: &str = "esim";

/// The key and the certificate of the eIM in the run whose randomness is `run`.
///
/// # Errors
/// Where no certificate can be issued.
pub fn eim_identity(pki: &Pki, run: &RngTree) -> Result<Identity, EsimError> {
    pki.eim(EIM_ID, EPOCH_UNIX_S, &run.branch(BRANCH).branch(Actor::EIM))
}

/// What the lab's hierarchy, and the eIM that its eUICCs are delivered with, are drawn from: a public number. Nothing
/// else that is served comes from it.
pub fn randomness() -> RngTree {
    RngTree::new(LAB_SEED)
}

impl Pki {
    /// Whether this is the lab's hierarchy: whoever reads the source can issue any certificate in it.
    pub fn is_public(&self) -> bool {
        Self::lab().is_ok_and(|lab| lab.ci.certificate.public() == self.ci.certificate.public())
    }

    /// The lab's hierarchy: that of `cellbed pki new DIR --seed 7`.
    ///
    /// # Errors
    /// As [`Pki::new`].
    pub fn lab() -> Result<Self, EsimError> {
        Self::new(&randomness().branch("pki"), &PkiOptions::default())
    }
}
