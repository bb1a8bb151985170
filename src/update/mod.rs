//! Firmware updates as a device takes them: a manifest that the vendor has signed (SUIT), and that the ledger vouches for.
//!
//! ```text
//! trust      what a device was delivered with: who it is, whose word counts     gate   what the ledger proves of a release
//! processor  runs the commands of a manifest                                    image  what a virtual device starts
//! flash      two slots and a journal, whose power may go at any write           bank   what is in them, across power cuts
//! firmware   all of it in one device: fetch, install, start, confirm or fall back
//! repository what a vendor offers: images, manifests, releases                  tuf    the same for programs that read TUF
//! campaign   who gets a release when, and when nobody gets it any more
//! ```
//!
//! Two have to agree before anything is fetched, as in Uptane: the vendor, whose signature the device checks, and the
//! ledger, whose state it has proved to it. Neither can install anything alone. What is installed is kept beside what runs;
//! it runs on trial once, and is kept where it has shown that it reaches the update service.

mod bank;
mod campaign;
mod firmware;
mod flash;
mod gate;
mod image;
mod processor;
mod repository;
mod trust;
mod tuf;

pub use bank::{Bank, Installed, Progress, Untold};
pub use campaign::{Campaign, Plan as CampaignPlan, Tally as CampaignTally, Turn};
pub use firmware::{Boot, Firmware, Fresh, Need};
pub use flash::{Flash, PowerLost};
pub use gate::{PROOF_AGE_MAX_MS, permit, proved};
pub use image::{Behaviour, Image};
pub use processor::{Fetch, Outcome, Target, run};
pub use repository::{Offer, Vendor};
pub use trust::{AuthorKey, Trust, uuid5, vendor_id};
pub use tuf::{TufTarget, TufVersion, repository};

use crate::kernel::Blame;
use crate::wire::Reason;
use crate::wire::suit::SuitError;

/// Why an update is not installed, or not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The manifest is none, or nobody who counts has signed it.
    #[error(transparent)]
    Manifest(#[from] SuitError),
    /// It is about other components than this device has.
    #[error("the manifest is about another component than this device has")]
    Component,
    /// A command of the manifest is none that this device can do.
    #[error("{section}: this device cannot do {what}")]
    Unsupported {
        /// The section of the manifest.
        section: &'static str,
        /// What it is asked to do.
        what: &'static str,
    },
    /// A command lacks a parameter.
    #[error("{section}: {what} is needed there, and the manifest does not say it")]
    Parameter {
        /// The section of the manifest.
        section: &'static str,
        /// The parameter.
        what: &'static str,
    },
    /// A section that is needed was cut off.
    #[error("{section}: it was cut off, and cannot be done")]
    CutOff {
        /// The section of the manifest.
        section: &'static str,
    },
    /// The manifest never asks who made the device, or of which kind it is.
    #[error("the shared sequence does not ask for vendor and class, so that the manifest is for any device")]
    ForAnybody,
    /// It is for devices of somebody else.
    #[error("the manifest is for devices of another vendor")]
    Vendor,
    /// It is for devices of another kind.
    #[error("the manifest is for devices of another class")]
    Class,
    /// It is for another device.
    #[error("the manifest is for another device")]
    Device,
    /// A condition of it does not hold.
    #[error("{section}: {what} does not hold")]
    Condition {
        /// The section of the manifest.
        section: &'static str,
        /// The condition.
        what: &'static str,
    },
    /// What was fetched is not the image.
    #[error("the image is not the one of the manifest: its digest or size differs")]
    Image,
    /// The image is larger than the slot, or than it may be.
    #[error("an image of {bytes} bytes does not fit: {max} are the most")]
    Large {
        /// The size of the image.
        bytes: u64,
        /// What there is room for.
        max: u64,
    },
    /// What is offered is no newer than what runs.
    #[error("manifest {offered} is not newer than {running}, which runs")]
    NotNewer {
        /// Sequence number of what is offered.
        offered: u64,
        /// Sequence number of what runs.
        running: u64,
    },
    /// It was tried, and did not work.
    #[error("this manifest was installed before and did not work: it is not tried again")]
    Failed,
    /// What is shown of the ledger proves nothing.
    #[error("the ledger's proof: {0}")]
    Proof(String),
    /// What is shown of the ledger is older than what was seen of it.
    #[error(
        "the proof is of block {shown}, and block {seen} was seen before: somebody hides what came since"
    )]
    Stale {
        /// The block of the proof.
        shown: u64,
        /// The last one that was seen.
        seen: u64,
    },
    /// What the ledger is said to have was so too long ago.
    #[error(
        "what is shown of the ledger is {age_s} s old, and may be {most_s} s: its block may be the last before a withdrawal; the service has to show a newer one"
    )]
    Aged {
        /// How old the block is.
        age_s: u64,
        /// How old it may be.
        most_s: u64,
    },
    /// The ledger has no such release.
    #[error("the ledger has no release with this manifest")]
    NotOnLedger,
    /// The release was taken back.
    #[error("the release was withdrawn")]
    Withdrawn,
    /// The release is of something else.
    #[error("the ledger has the manifest for another {what}")]
    Mismatch {
        /// In what they differ.
        what: &'static str,
    },
    /// The model has to run a newer one.
    #[error("the ledger demands at least sequence number {least} of this model, and this is {offered}")]
    BelowLeast {
        /// Sequence number of what is offered.
        offered: u64,
        /// The least one.
        least: u64,
    },
    /// The new image has not shown in time that it works.
    #[error("the new image did not show that it works: the one before runs again")]
    RolledBack,
    /// The power went.
    #[error(transparent)]
    Power(#[from] PowerLost),
    /// Nothing that could be started is in the flash.
    #[error("no slot has an image that can be started")]
    Bricked,
}

impl UpdateError {
    /// The stable word of it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Manifest(SuitError::Unauthorised) => Reason::ManifestUntrusted,
            Self::Manifest(_) => Reason::ManifestMalformed,
            Self::Unsupported { .. } | Self::Parameter { .. } | Self::CutOff { .. } | Self::ForAnybody => {
                Reason::ManifestUnsupported
            }
            Self::Vendor | Self::Class | Self::Device | Self::Component => Reason::ManifestNotForDevice,
            Self::Condition { .. } => Reason::ManifestConditionFails,
            Self::Image | Self::Large { .. } => Reason::ImageMismatch,
            Self::NotNewer { .. } | Self::BelowLeast { .. } => Reason::FirmwareOlder,
            Self::Failed => Reason::FirmwareFailedBefore,
            Self::Proof(_) | Self::Stale { .. } | Self::Aged { .. } => Reason::LedgerProofInvalid,
            Self::NotOnLedger => Reason::FirmwareNotOnLedger,
            Self::Withdrawn => Reason::FirmwareWithdrawn,
            Self::Mismatch { .. } => Reason::FirmwareMismatch,
            Self::RolledBack => Reason::FirmwareRolledBack,
            Self::Power(_) | Self::Bricked => Reason::FirmwareUnusable,
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Manifest(SuitError::Unauthorised) | Self::Proof(_) => Blame::PeerUntrusted,
            Self::Manifest(_) => Blame::PeerBrokeProtocol,
            Self::Power(_) | Self::Bricked => Blame::Ours,
            _ => Blame::PeerRefused,
        }
    }
}

#[cfg(test)]
mod tests;
