//! What the parties of a run have in their books: inventory, ledger, CA, HSS and cards. An audit compares them.
//!
//! No secret stands in a fact. Which identity on the ledger is whose is none, but it is what an owner keeps to himself and
//! erases when he is asked to: nothing else can tell, since the salt is in no file.

use serde::{Deserialize, Serialize};

use crate::event::StepId;
use crate::id::{DeviceName, Eid, Iccid, Imsi};
use crate::kernel::Origin;
use crate::services::Way;
use crate::wire::Reason;

/// One entry of somebody's books. Octets are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Fact {
    /// What the run was to be. It stands first.
    Run {
        /// How many devices take part.
        devices: u32,
        /// What each is to go through.
        plan: Vec<StepId>,
        /// Where the salts are from.
        salts: Salts,
        /// How devices come to their identity.
        #[serde(default, skip_serializing_if = "Way::is_zero_touch")]
        way: Way,
    },
    /// The operator and the owner know that a device holds a subscription. A copy of a card stands here as its own
    /// device, with the identity of the other.
    Device {
        /// The number of the device, from 1.
        device: u32,
        iccid: Iccid,
        eid: Eid,
        /// What stands for it on the ledger: a hash of the EID with a salt, which no file has.
        id: Octets<32>,
        /// What stands for it in its certificate and towards the cloud.
        name: DeviceName,
        model: String,
        /// Whether the owner expects it.
        allowed: bool,
    },
    /// The operator has set a subscription aside for a device, whose card has not proved that it holds it.
    Reserved { device: u32, iccid: Iccid },
    /// The HSS has a subscription.
    Subscription {
        imsi: Imsi,
        iccid: Iccid,
        /// Whether it serves onboarding alone.
        bootstrap: bool,
    },
    /// The CA has issued a certificate for a device.
    Certificate {
        /// The device as the certificate names it.
        name: DeviceName,
        /// What the ledger is to hold of the certificate.
        digest: Octets<32>,
        revoked: bool,
    },
    /// The ledger has this as the record of a device.
    Record {
        id: Octets<32>,
        x: Octets<32>,
        y: Octets<32>,
        certificate: Option<Octets<32>>,
        /// Whether the device is in quarantine, or its life has ended.
        cut_off: bool,
    },
    /// The ledger has had this certificate for a device at some time.
    Recorded { id: Octets<32>, certificate: Octets<32> },
    /// What the card of a device holds when the device is through.
    Card { device: u32, public_key: Option<Octets<64>>, certificate: Option<Octets<32>> },
    /// The device is not through with its plan.
    UnderWay { device: u32 },
    /// A device was refused.
    Refused { device: u32, step: StepId, reason: Reason },
    /// A device was erased: nothing is left of it but its number.
    Erased { device: u32 },
}

/// Where the salts of a run are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Salts {
    /// The seed gives them, and who knows it has them all: lab keys.
    LabKeys,
    /// The operating system has drawn them.
    System,
}

impl From<Origin> for Salts {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Seed => Self::LabKeys,
            Origin::System => Self::System,
        }
    }
}

/// `N` octets, in hexadecimal where they are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octets<const N: usize>(pub [u8; N]);

impl<const N: usize> From<Octets<N>> for String {
    fn from(octets: Octets<N>) -> Self {
        hex::encode(octets.0)
    }
}

impl<const N: usize> TryFrom<String> for Octets<N> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut octets = [0; N];
        hex::decode_to_slice(&text, &mut octets)
            .map_err(|_| format!("it is not {N} octets in hexadecimal"))?;
        Ok(Self(octets))
    }
}

/// Who is told the facts.
pub type Tell<'a> = &'a mut dyn FnMut(Fact);
