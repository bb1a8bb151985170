//! The radio access network: the protocol UE, the base station, and the radio between them, whose RRC and PDCP are octets and
//! whose RLC, MAC and PHY are a model.

pub mod air;
pub mod cell;
pub mod enb;
pub mod ue;
pub mod usim;
pub mod uu;

pub use air::{AirModel, Lane, Rat};
pub use enb::{Enb, EnbConfig, EnbInput, EnbOutput};
pub use ue::{Ue, UeConfig, UeInput, UeOutput};
pub use uu::{Bearer, Frame};

use crate::card::PortError;
use crate::kernel::Blame;
pub use crate::wire::nas::AlgorithmSet;

/// What stops a machine of this folder. What a peer does wrong is answered in its protocol and is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum RanError {
    #[error("{command}: the slot gave no answer: {cause}; put a working card in")]
    Card { command: &'static str, cause: PortError },
    #[error("{command}: the card answered {status:04x}; its USIM must be selectable without a PIN")]
    CardStatus { command: &'static str, status: u16 },
    #[error("{command}: the card answered {length} bytes that are no {expected} ({clause})")]
    CardData { command: &'static str, length: usize, expected: &'static str, clause: &'static str },
    #[error("{place}: cannot encode {what}: {cause}")]
    Encode { place: &'static str, what: &'static str, cause: String },
}

impl RanError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Card { cause, .. } => cause.blame(),
            Self::CardStatus { .. } => Blame::PeerRefused,
            Self::CardData { .. } => Blame::PeerBrokeProtocol,
            Self::Encode { .. } => Blame::Ours,
        }
    }
}
