//! A peer of a device that believes no certificate without having asked.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::services::RelyingSetup;

/// A peer behind the cloud that has met a device, and asks the authority by OCSP (RFC 6960) whether the device's certificate still
/// stands, until it hears that it does not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The number of the device.
    pub device: u32,
    /// How long after an answer it asks again, in virtual milliseconds.
    #[serde(default = "Peer::default_every_ms")]
    #[schemars(range(min = 10, max = 3_600_000))]
    pub every_ms: u32,
}

impl Peer {
    fn default_every_ms() -> u32 {
        1_000
    }
}

impl From<&Peer> for RelyingSetup {
    fn from(peer: &Peer) -> Self {
        Self { device: peer.device, every: Duration::from_millis(peer.every_ms.into()) }
    }
}
