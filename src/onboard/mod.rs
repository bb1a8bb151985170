//! The zero-touch procedure, composed of everything below it.
//!
//! [`Device`](device::Device) is one device with its modem, card and application;
//! [`Services`](service::Services) is what it talks to; [`World`](world::World) carries messages between
//! them and the network on one event heap.

pub mod agent;
pub mod api;
pub mod backend;
pub mod device;
pub mod esim;
pub mod euicc;
pub mod factory;
pub mod inventory;
pub mod iot_safe;
pub mod link;
pub mod media;
pub mod peer;
pub mod procedure;
mod seat;
pub mod service;
pub mod setup;
pub mod steps;
pub mod world;

use crate::ca::CaError;
use crate::card::{CardError, PortError};
use crate::corenet::CorenetError;
use crate::crypto::CryptoError;
use crate::esim::EsimError;
use crate::esim::store::StoreError;
use crate::ledger::LedgerError;
use crate::ran::RanError;
use crate::sim::Instant;
use iot_safe::IotSafeError;

/// Somebody said no, for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One stable word, as in `not-on-allow-list`.
    pub reason: String,
    /// A sentence for people.
    pub detail: String,
}

/// Why the procedure cannot go on. Only [`Refused`](Self::Refused) is a result; all others are faults of the
/// bench.
#[derive(Debug, thiserror::Error)]
pub enum OnboardError {
    #[error("refused: {} ({})", .0.reason, .0.detail)]
    Refused(Refusal),
    #[error("device {device} does not exist: this run has {devices}")]
    NoSuchDevice { device: u32, devices: usize },
    #[error("the card's slot is unusable: its holder died")]
    Slot,
    #[error(
        "{who} does not come to rest at {at} s of virtual time: it asks to be woken for something that it does \
         not do, which is a fault of cellbed"
    )]
    Restless { who: String, at: Instant },
    #[error(
        "{who} is not through at {at} s of virtual time, and nothing is left that could wake it, which is a \
         fault of cellbed"
    )]
    Asleep { who: String, at: Instant },
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(transparent)]
    Ran(#[from] RanError),
    #[error(transparent)]
    Core(#[from] CorenetError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("the eSIM side: {0}")]
    Esim(#[from] EsimError),
    #[error("the eSIM side: {0}")]
    EsimStore(StoreError),
    #[error(
        "the profile package has no USIM with keys of its own that a subscriber's could replace; take another"
    )]
    EsimPackage,
    #[error("no order could be placed for device {device}: {cause}")]
    EsimOrder { device: u32, cause: String },
}

/// A card that says no is a result; one that says nothing is a fault of the bench.
impl From<IotSafeError> for OnboardError {
    fn from(error: IotSafeError) -> Self {
        match error {
            IotSafeError::Port { source, .. } => Self::Port(source),
            error => Self::refused("card-refused", error.to_string()),
        }
    }
}

impl OnboardError {
    /// A refusal.
    pub fn refused(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Refused(Refusal { reason: reason.into(), detail: detail.into() })
    }
}
