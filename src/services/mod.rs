//! What devices reach over IP: registrar, onboarding service, cloud and the eSIM servers, and the ledger behind them.

pub mod central;
pub mod chain;
pub mod cloud;
pub mod enrolment;
pub mod esim;
pub mod guard;
pub mod internet;
pub mod inventory;
pub mod network;
pub mod office;
mod offices;
pub mod orders;
pub mod ota;
pub mod peer;
mod rate;
pub mod registrar;
pub mod relying;
pub mod sentry;
pub mod servers;
pub mod sessions;
pub mod updates;
pub mod vouched;

pub use central::{Central, Way};
pub use cloud::Cloud;
pub use enrolment::Enrolment;
pub use guard::Guard;
pub use network::{ServiceInput, Services};
pub use offices::Offices;
pub use peer::ServiceOutput;
pub use registrar::{Registrar, RegistrationPolicy};
pub use relying::RelyingSetup;
pub use sessions::{Holders, SessionRefusal, Sessions};
pub use updates::{UpdateFault, UpdateSetup, Updates};
pub use vouched::Vouched;

use crate::ca::CaError;
use crate::card::CardError;
use crate::crypto::CryptoError;
use crate::esim::EsimError;
use crate::esim::store::StoreError;
use crate::kernel::{Blame, Restless};
use crate::ledger::LedgerError;
use crate::net::NetError;

/// Why the services cannot go on: a fault of the bench. What a client does wrong is answered.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ServiceError {
    #[error(transparent)]
    Restless(#[from] Restless),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error("{0} ({blame})", blame = .0.blame())]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the eSIM side: {0}")]
    Esim(#[from] EsimError),
    #[error("the eSIM side: {0}")]
    EsimStore(StoreError),
    #[error(
        "the profile package has no USIM with keys of its own that a subscriber's could replace; take another"
    )]
    EsimPackage,
    #[error("the update service cannot make its releases: {0}")]
    Release(String),
}

impl ServiceError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Restless(error) => error.blame(),
            Self::Card(error) => error.blame(),
            Self::Ledger(error) => error.blame(),
            Self::Ca(error) => error.blame(),
            Self::Crypto(error) => error.blame(),
            Self::Net(error) => error.blame(),
            Self::Esim(error) => error.blame(),
            Self::EsimStore(_) | Self::EsimPackage => Blame::Bench,
            Self::Release(_) => Blame::Ours,
        }
    }
}

/// The first four octets of a digest: enough to recognise it by.
pub fn short(digest: &[u8; 32]) -> String {
    hex::encode(&digest[..4])
}
