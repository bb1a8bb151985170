//! One device: modem, card, the application above the modem, and the zero-touch procedure that they run.

pub mod application;
mod assault;
pub mod burned;
pub mod iot_safe;
pub mod ipa;
pub mod link;
mod output;
pub mod plan;
pub mod power;
pub mod procedure;
pub mod sentinel;
pub mod steps;
mod unit;
mod vouched;

pub use output::DeviceOutput;
pub use unit::{Device, DeviceInput};

use crate::ca::CaError;
use crate::card::PortError;
use crate::crypto::CryptoError;
use crate::kernel::{Blame, Restless};
use crate::ran::RanError;
use crate::update::{PowerLost, UpdateError};
use crate::wire::Reason;
use iot_safe::IotSafeError;

/// Somebody said no, for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRefusal {
    /// Why, as it is compared with what a scenario expects.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: String,
}

/// Why a device cannot go on. Only [`Refused`](Self::Refused) is a result; all others are faults of the bench.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum DeviceError {
    #[error("refused: {} ({})", .0.reason, .0.detail)]
    Refused(StepRefusal),
    #[error("the card's slot is unusable: its holder died")]
    Slot,
    #[error(transparent)]
    Restless(#[from] Restless),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Ran(#[from] RanError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl DeviceError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused(_) => Blame::PeerRefused,
            Self::Slot => Blame::Ours,
            Self::Restless(error) => error.blame(),
            Self::Port(error) => error.blame(),
            Self::Ran(error) => error.blame(),
            Self::Ca(error) => error.blame(),
            Self::Crypto(error) => error.blame(),
        }
    }
}

/// A card that says no is a result; one that says nothing is a fault of the bench.
impl From<IotSafeError> for DeviceError {
    fn from(error: IotSafeError) -> Self {
        match error {
            IotSafeError::Port { source, .. } => Self::Port(source),
            error => Self::refused(Reason::CardRefused, error.to_string()),
        }
    }
}

/// What is wrong with an update is a result.
impl From<UpdateError> for DeviceError {
    fn from(error: UpdateError) -> Self {
        Self::refused(error.reason(), error.to_string())
    }
}

impl From<PowerLost> for DeviceError {
    fn from(error: PowerLost) -> Self {
        UpdateError::from(error).into()
    }
}

impl DeviceError {
    /// A refusal.
    pub fn refused(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Refused(StepRefusal { reason, detail: detail.into() })
    }
}
