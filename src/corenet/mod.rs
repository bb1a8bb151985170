//! The core network: MME, HSS and gateway, composed by [`Epc`].

mod config;
mod epc;
mod gateway;
mod hss;
mod mme;
mod orders;
mod output;
mod pdn;
pub mod session;

pub use config::{EpcConfig, Quarantine};
pub use epc::{Epc, EpcInput};
pub use gateway::{AddressPool, Policy, UE_PREFIXES};
pub use hss::{HssFault, Subscriber};
pub use mme::PendingLimits;
pub use output::EpcOutput;
pub use pdn::{PdnAddresses, SubscribedPdn};
pub use session::{Attestation, PdnAddress, RatType, SessionChange, SessionId, Statement, StatementError};

use crate::id::Imsi;
use crate::kernel::Blame;

/// What stops the core network. What a peer does wrong is answered in its protocol and is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CorenetError {
    #[error("HSS: IMSI {imsi} is provisioned already; give each subscriber its own")]
    Duplicate { imsi: Imsi },
    #[error("HSS: the SQN of IMSI {imsi} has more than 48 bits; take the card's")]
    Sqn { imsi: Imsi },
    #[error("gateway: a pool of UE addresses takes a prefix of 8 to 29 bits, not {prefix}")]
    Pool { prefix: u8 },
    #[error("MME: no algorithm EIA{eia} or EEA{eea}; the numbers are 0 to 3")]
    Algorithm { eia: u8, eea: u8 },
    #[error(
        "MME: EIA0 protects nothing, and TS 33.401 clause 5.1.4.1 permits it in emergency calls alone; allow EIA1, EIA2 or EIA3"
    )]
    NullIntegrity,
    #[error("MME: T3412 is at most 11160 s (31 times 6 minutes), not {seconds} s")]
    T3412 { seconds: u64 },
    #[error("{place}: cannot encode {what}: {cause}")]
    Encode { place: &'static str, what: &'static str, cause: String },
}

impl CorenetError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Duplicate { .. }
            | Self::Sqn { .. }
            | Self::Pool { .. }
            | Self::Algorithm { .. }
            | Self::NullIntegrity
            | Self::T3412 { .. } => Blame::Bench,
            Self::Encode { .. } => Blame::Ours,
        }
    }
}
