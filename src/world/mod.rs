//! The world of a run: every node on one event heap, and what carries messages between them.

pub mod acts;
pub mod books;
mod conditions;
pub mod desk;
pub mod euicc;
pub mod factory;
mod fleet;
pub mod node;
pub mod nodes;
mod owners;
pub mod port;
mod run;
pub mod served;
pub mod setup;
pub mod topology;

pub use conditions::Told;
pub use fleet::Fleet;
pub use node::{Input, Node, Output};
pub use port::{Iface, Payload, Port, To};
pub use run::{Ended, Outbound, Sink, Stop, Witness, World};
pub use topology::{NoRoute, Topology};

use crate::ca::CaError;
use crate::card::CardError;
use crate::corenet::CorenetError;
use crate::crypto::CryptoError;
use crate::device::DeviceError;
use crate::esim::EsimError;
use crate::event::Actor;
use crate::guard::GuardError;
use crate::kernel::{Blame, Instant, Restless};
use crate::ledger::LedgerError;
use crate::ran::RanError;
use crate::sdn::SdnError;
use crate::services::ServiceError;

/// Why a run cannot be set up or cannot go on: all of these are faults of the bench.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum WorldError {
    #[error("device {device} does not exist: this run has {devices}")]
    NoSuchDevice { device: u32, devices: usize },
    #[error(
        "device {device} is switched on with the card of device {card_of}, which has not left: give it a later `start_ms`"
    )]
    CardInUse { device: u32, card_of: u32 },
    #[error("work {work} is asked for, and nobody does it, which is a fault of cellbed")]
    NoSuchWork { work: u16 },
    #[error(transparent)]
    Restless(#[from] Restless),
    #[error(
        "{who} is not through at {at} s of virtual time, and nothing is left that could wake it, which is a \
         fault of cellbed"
    )]
    Asleep { who: String, at: Instant },
    #[error("a frame has no way: {0}")]
    NoRoute(#[from] NoRoute),
    #[error("a frame has come to {port}, and nobody plays it")]
    Nobody { port: Port },
    #[error("{who} is not played from outside: the bench has a node for it")]
    NotOutside { who: Actor },
    #[error("{who} is no node that this bench runs")]
    NotHere { who: Actor },
    #[error("{who}, which is played from outside, does not take its frames: {frames} wait for it")]
    Deaf { who: Actor, frames: usize },
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the guard: {0}")]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Service(#[from] ServiceError),
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
    #[error(transparent)]
    Sdn(#[from] SdnError),
    #[error("the eSIM side: {0}")]
    Esim(#[from] EsimError),
}

impl WorldError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoSuchDevice { .. }
            | Self::NoSuchWork { .. }
            | Self::Asleep { .. }
            | Self::NoRoute(_)
            | Self::Nobody { .. }
            | Self::NotOutside { .. }
            | Self::NotHere { .. } => Blame::Ours,
            Self::CardInUse { .. } => Blame::Bench,
            Self::Deaf { .. } => Blame::PeerIncapable,
            Self::Restless(error) => error.blame(),
            Self::Device(error) => error.blame(),
            Self::Guard(error) => error.blame(),
            Self::Service(error) => error.blame(),
            Self::Card(error) => error.blame(),
            Self::Ran(error) => error.blame(),
            Self::Core(error) => error.blame(),
            Self::Ledger(error) => error.blame(),
            Self::Ca(error) => error.blame(),
            Self::Crypto(error) => error.blame(),
            Self::Sdn(error) => error.blame(),
            Self::Esim(error) => error.blame(),
        }
    }
}
