//! The software-defined network behind the gateway: a switch through which every packet of a device goes, in both
//! directions, and the controller that says which of them pass.
//!
//! Both speak OpenFlow 1.3 (`wire::openflow`) and nothing else: either may be replaced by somebody else's.

mod controller;
mod cookie;
mod packet;
mod policy;
mod switch;
mod table;

pub use controller::{Applied, Controller, ControllerConfig, ControllerInput, ControllerOutput, Session};
pub use cookie::{CLASS_MASK, Cookie, OWNER, OWNER_MASK};
pub use packet::{Frame, Key};
pub use policy::Policy;
pub use switch::{
    Direction, PortSetup, Side, Switch, SwitchConfig, SwitchInput, SwitchOutput, Tap, TapVerdict,
};
pub use table::{Flow, FlowTable};

use crate::kernel::Blame;
use crate::wire::openflow::OpenflowError;

/// Why switch or controller cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SdnError {
    #[error("{place}: a message of its own cannot be written: {cause}")]
    Encode { place: &'static str, cause: OpenflowError },
    #[error(
        "the controller has more than {max} policies with lists of their own, which a cookie cannot number; \
         let sessions share them"
    )]
    Policies { max: usize },
    #[error("no session has the address {address}; the policy of a session can be set while it is up")]
    NoSession { address: std::net::IpAddr },
}

impl SdnError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Encode { .. } | Self::Policies { .. } | Self::NoSession { .. } => Blame::Ours,
        }
    }
}
