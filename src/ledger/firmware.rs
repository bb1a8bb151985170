//! Firmware on the ledger: what is published, and what devices say that they run.
//!
//! A release is named by the digest of its manifest (SUIT_Digest, draft-ietf-suit-manifest), never by the envelope
//! around it, which can be changed without breaking the signature.

use super::registry::{Contract, Model};

/// The name of a component of a device, as the manifest calls it, padded as a [`Model`] is.
pub type Component = Model;

/// What a publisher puts on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The SHA-256 of the manifest.
    pub manifest: [u8; 32],
    /// The SHA-256 of the image.
    pub image: [u8; 32],
    pub model: Model,
    pub component: Component,
    /// The sequence number of the manifest.
    pub sequence: u64,
    /// What the model is to run at least from now on; a lower one than before changes nothing.
    pub min_sequence: u64,
    /// Where the manifest is, at most 256 bytes.
    pub uri: String,
}

/// What a device says that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareReport {
    /// See [`super::device_id`].
    pub id: [u8; 32],
    pub component: Component,
    /// The SHA-256 of the manifest.
    pub manifest: [u8; 32],
    /// The SHA-256 of the image.
    pub image: [u8; 32],
    /// The signature of the device's key over [`firmware_message`], r || s.
    pub signature: [u8; 64],
}

/// What the device's key signs (ECDSA with SHA-256 over this) to report what it runs: "ztp/firmware/v2" ||
/// chain id (32 bytes) || contract (20) || id (32) || component (32) || manifest (32) || image (32) || seq (8).
/// `seq` is [`super::DeviceRecord::seq`] of the record before, so that a report counts once.
pub fn firmware_message(
    contract: Contract,
    id: &[u8; 32],
    component: Component,
    manifest: &[u8; 32],
    image: &[u8; 32],
    seq: u64,
) -> Vec<u8> {
    contract.message("ztp/firmware/v2", &[id, component.bytes(), manifest, image, &seq.to_be_bytes()])
}

/// What is wrong with an image that a device reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirmwareFault {
    /// Nobody has published it.
    Unknown,
    /// It was withdrawn.
    Withdrawn,
    /// The release is of another image, component or model.
    Mismatch,
    /// The device has run a newer one, or its model has to.
    Older,
}

impl FirmwareFault {
    /// The fault that the contract means by a number; zero is none.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Unknown, Self::Withdrawn, Self::Mismatch, Self::Older]
            .get(usize::from(number).checked_sub(1)?)
            .copied()
    }

    /// The stable word of the refusal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "firmware-unknown",
            Self::Withdrawn => "firmware-withdrawn",
            Self::Mismatch => "firmware-mismatch",
            Self::Older => "firmware-older",
        }
    }
}

/// What the ledger knows of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// The SHA-256 of the image.
    pub image: [u8; 32],
    pub model: Model,
    pub component: Component,
    pub sequence: u64,
    /// In seconds since the Unix epoch.
    pub published_at: u64,
    /// Whether it has not been withdrawn.
    pub valid: bool,
}

/// What a component of a device runs, as it has reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareRecord {
    /// The SHA-256 of the manifest.
    pub manifest: [u8; 32],
    pub sequence: u64,
    /// In seconds since the Unix epoch.
    pub reported_at: u64,
}
