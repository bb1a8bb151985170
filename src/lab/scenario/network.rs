//! The mobile network of a scenario.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Plmn;
use crate::wire::nas::PdnType;

/// The mobile network of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The network's identity, `MCC-MNC`.
    #[schemars(with = "String", regex(pattern = "^[0-9]{3}-[0-9]{2,3}$"))]
    pub plmn: Plmn,
    /// Integrity algorithms that the MME allows, the most wanted first (TS 33.401 clause 5.1.4.2).
    #[schemars(length(min = 1))]
    pub integrity: Vec<Integrity>,
    /// Ciphering algorithms that the MME allows, the most wanted first (TS 33.401 clause 5.1.3.2).
    #[schemars(length(min = 1))]
    pub ciphering: Vec<Ciphering>,
    /// After how many milliseconds without a user packet base stations give a connection up, so that the device is
    /// registered without one; never where this is left out.
    #[schemars(range(min = 1))]
    pub inactivity_ms: Option<NonZeroU32>,
    /// How long a device may be without a connection before it shows itself (T3412), in seconds; 54 minutes where this is left
    /// out.
    #[schemars(range(min = 2, max = 11160))]
    pub t3412_s: Option<NonZeroU32>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            plmn: Plmn::test(),
            integrity: vec![Integrity::Eia2],
            ciphering: vec![Ciphering::Eea2],
            inactivity_ms: None,
            t3412_s: None,
        }
    }
}

/// An EPS integrity algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-refused" = {
    "eia0": "EIA0 protects nothing: it is for emergency calls alone (TS 33.401 clause 5.1.4.1), of which there are none here"
}))]
pub enum Integrity {
    /// SNOW 3G.
    Eia1,
    /// AES-128 in CMAC mode.
    Eia2,
    /// ZUC.
    Eia3,
}

/// An EPS ciphering algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ciphering {
    /// None.
    Eea0,
    /// SNOW 3G.
    Eea1,
    /// AES-128 in CTR mode.
    Eea2,
    /// ZUC.
    Eea3,
}

/// The versions of IP that a modem asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AskedPdn {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both on one connection.
    Ipv4v6,
}

impl AskedPdn {
    /// The same in NAS (TS 24.301 clause 9.9.4.10).
    pub fn pdn_type(self) -> PdnType {
        match self {
            Self::Ipv4 => PdnType::Ipv4,
            Self::Ipv6 => PdnType::Ipv6,
            Self::Ipv4v6 => PdnType::Ipv4v6,
        }
    }
}
