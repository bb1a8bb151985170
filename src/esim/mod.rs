//! Remote SIM provisioning (GSMA SGP.22 and SGP.32): certificates, the servers, and the device's side of it.
//!
//! Servers are plain state machines, request in and response out; clients hand out requests and take responses.
//! Neither sees a socket, TLS or a clock: the time comes in as Unix seconds.

mod authenticate;
mod caller;
mod clients;
pub mod eim;
pub mod es9p;
mod http;
pub mod ipa;
mod json;
pub mod lpa;
pub mod office;
pub mod pki;
mod served;
mod sessions;
pub mod smdp;
pub mod smds;
mod status;
pub mod store;
#[cfg(test)]
mod test_euicc;

pub use caller::{Caller, Client, ClientName};
pub use clients::Clients;
pub use http::{ASN1, ESIPA_PATH, HttpRequest, HttpResponse, JSON, UserAgent};
pub use pki::{Deployment, Identity, Issuer, Pki, PkiOptions, SmdpIdentity, SmdsIdentity};
pub use served::Served;
pub use smdp::Smdp;
pub use smds::Smds;
pub use status::{FunctionRefusal, Reason};

use crate::ca::CaError;
use crate::crypto::rsp_cert::{Curve, RspCertError};
use crate::kernel::Blame;

/// Why something of remote SIM provisioning was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum EsimError {
    #[error(transparent)]
    Certificate(#[from] RspCertError),
    #[error("a certificate could not be written: {0}")]
    Write(#[from] CaError),
    #[error("the private key of the {issuer} is not there: nothing can be issued with it")]
    NoIssuerKey { issuer: &'static str },
    #[error("there is no EUM: no eUICC can be certified")]
    NoEum,
    #[error("{name:?} is neither a DNS name nor an IP address")]
    Host { name: String },
    #[error("a TLS server needs at least one host name or address")]
    NoHost,
    #[error("{found:?} is no EUM identification number: 1 to 30 digits that EIDs begin with")]
    Ein { found: String },
    #[error("the EUM may certify EIDs that begin with {permitted}, {eid} does not")]
    NotPermitted { eid: String, permitted: String },
    #[error("{subject} was not issued by this CI: it cannot revoke it")]
    NotIssuedHere { subject: String },
    #[error("{subject} is already revoked")]
    AlreadyRevoked { subject: String },
    #[error("there is no CI certificate on {curve}")]
    NoCi { curve: Curve },
    #[error("there are {found} CI certificates on {curve}; one is expected")]
    SeveralCi { curve: Curve, found: usize },
}

impl EsimError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Certificate(_) => Blame::PeerUntrusted,
            Self::Write(error) => error.blame(),
            Self::NoIssuerKey { .. }
            | Self::NoEum
            | Self::Host { .. }
            | Self::NoHost
            | Self::Ein { .. }
            | Self::NotPermitted { .. }
            | Self::NotIssuedHere { .. }
            | Self::AlreadyRevoked { .. }
            | Self::NoCi { .. }
            | Self::SeveralCi { .. } => Blame::Bench,
        }
    }
}
