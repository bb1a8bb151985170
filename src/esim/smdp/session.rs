//! The session of a download: what the SM-DP+ remembers between two requests (SGP.22 clause 3.0.1).

use serde::{Deserialize, Serialize};

use super::super::authenticate::Challenge;
use super::super::store;
use crate::crypto::rsp_cert::RspPublicKey;
use crate::id::{Eid, Iccid};
use crate::wire::rsp::Signature;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    #[serde(with = "store")]
    pub(super) transaction_id: Vec<u8>,
    pub(super) challenge: Challenge,
    pub(super) expires_unix_s: u64,
    pub(super) step: Step,
}

/// What has been done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Step {
    /// The server has signed the eUICC's challenge.
    Initiated,
    /// The eUICC has proved itself, and there is nothing for it. It may ask for something else, or end the session.
    Proved {
        eid: Eid,
        #[serde(with = "store")]
        euicc_key: RspPublicKey,
    },
    /// The eUICC has proved itself and an order was found.
    Authenticated(Download),
    /// The package was handed out, for this PrepareDownloadResponse.
    Delivered(Download, #[serde(with = "store")] Vec<u8>),
}

impl Step {
    /// The eUICC that an order was found for.
    pub(super) fn eid(&self) -> Option<&Eid> {
        match self {
            Self::Initiated | Self::Proved { .. } => None,
            Self::Authenticated(download) | Self::Delivered(download, _) => Some(&download.eid),
        }
    }
}

/// Who downloads what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Download {
    pub(super) eid: Eid,
    #[serde(with = "store")]
    pub(super) euicc_key: RspPublicKey,
    pub(super) iccid: Iccid,
    #[serde(with = "store")]
    pub(super) smdp_signature2: Signature,
}
