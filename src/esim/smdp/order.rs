//! Profiles and the orders for them (SGP.22 clauses 3.1.1, 3.1.6 and 5.3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::store;
use super::package::{Binding, Package};
use crate::id::{Eid, Iccid};
use crate::wire::rsp::ProfileMetadata;

/// The states of a profile in the SM-DP+ (SGP.22 clause 3.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// In the inventory.
    Available,
    /// Reserved, without an EID.
    Allocated,
    /// Reserved for an EID.
    Linked,
    /// Has a matching identifier; not to be downloaded yet.
    Confirmed,
    /// May be downloaded.
    Released,
    /// A bound package was handed out.
    Downloaded,
    /// The eUICC has it.
    Installed,
    /// It was not installed, and nothing more will be tried.
    Error,
    /// Given up.
    Unavailable,
}

impl OrderState {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Allocated => "allocated",
            Self::Linked => "linked",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Downloaded => "downloaded",
            Self::Installed => "installed",
            Self::Error => "error",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A profile that the SM-DP+ is given.
#[derive(Clone)]
pub struct Profile {
    /// Its number.
    pub iccid: Iccid,
    /// What ES2+ calls its kind.
    pub profile_type: String,
    /// Its ICCID has to be `iccid`.
    pub metadata: ProfileMetadata,
    /// The unprotected profile package (TCA Interoperable Profile Format, DER).
    pub package: Vec<u8>,
}

/// What an SM-DS was told of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) smds: String,
    pub(super) eid: Eid,
    pub(super) id: String,
}

/// A profile with its order.
#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub(super) iccid: Iccid,
    pub(super) profile_type: String,
    pub(super) state: OrderState,
    /// The operator that has ordered it over ES2+; none where it was who runs the server.
    #[serde(default)]
    pub(super) owner: Option<String>,
    pub(super) eid: Option<Eid>,
    pub(super) matching_id: Option<String>,
    pub(super) smds: Option<String>,
    /// Events that have ended and that an SM-DS has not forgotten yet, as far as it has said.
    #[serde(default)]
    pub(super) ended_events: Vec<Event>,
    /// SHA-256 of the confirmation code.
    #[serde(with = "store")]
    pub(super) code_hash: Option<[u8; 32]>,
    pub(super) code_failures: u32,
    /// How often a bound package was handed out.
    pub(super) downloads: u32,
    pub(super) expires_unix_s: Option<u64>,
    /// The order in which orders were released.
    pub(super) released: u64,
    #[serde(with = "store")]
    pub(super) metadata: ProfileMetadata,
    pub(super) package: Package,
    /// How much memory of the eUICC the profile takes, about.
    pub(super) memory_bytes: u64,
    /// What the profile demands of the eUICC, as the content of a UICCCapability.
    #[serde(default)]
    pub(super) demands: Vec<u8>,
    pub(super) binding: Option<Binding>,
    /// The sessions in which a package was handed out, the last one last.
    #[serde(with = "store")]
    pub(super) transactions: Vec<Vec<u8>>,
    /// Why its state is error.
    pub(super) problem: Option<String>,
}

impl Order {
    /// The number of the profile.
    pub fn iccid(&self) -> &Iccid {
        &self.iccid
    }

    /// What ES2+ calls the kind of the profile.
    pub fn profile_type(&self) -> &str {
        &self.profile_type
    }

    /// How far it is.
    pub fn state(&self) -> OrderState {
        self.state
    }

    /// The EID that it is for, where it is for one.
    pub fn eid(&self) -> Option<&Eid> {
        self.eid.as_ref()
    }

    /// The token of its activation code.
    pub fn matching_id(&self) -> Option<&str> {
        self.matching_id.as_deref()
    }

    /// Whether the user has to give a confirmation code.
    pub fn needs_code(&self) -> bool {
        self.code_hash.is_some()
    }

    /// Why its state is error.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether an eUICC may fetch it.
    pub(super) fn waits(&self) -> bool {
        matches!(self.state, OrderState::Released | OrderState::Downloaded)
    }

    /// The event that the SM-DS was told of, or is going to be.
    pub(super) fn event(&self) -> Option<Event> {
        let (smds, eid) = (self.smds.clone()?, self.eid.clone()?);
        Some(Event { smds, eid, id: self.matching_id.clone()? })
    }

    /// Ends it: nothing more is tried. Who has its package may still say what became of it.
    pub(super) fn fail(&mut self, problem: String) {
        self.state = OrderState::Error;
        self.problem = Some(problem);
        if let Some(binding) = &mut self.binding {
            binding.forget_segments();
        }
    }
}

impl fmt::Debug for Order {
    /// Without package and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("iccid", &self.iccid)
            .field("state", &self.state)
            .field("eid", &self.eid)
            .field("matching_id", &self.matching_id)
            .field("downloads", &self.downloads)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
