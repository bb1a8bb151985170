//! The radio between UE and base station (Uu, TS 36.331), as a model.
//!
//! RRC is modelled by these two enums; the NAS PDUs and the IP packets inside are real bytes. Access stratum
//! security is real where it proves something: the key of the RRC integrity code comes from KeNB, so both ends
//! see at once whether they agree on it.

use serde::{Deserialize, Serialize};

use crate::id::Plmn;

/// From the UE to the base station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Uplink {
    /// RRCConnectionRequest, after random access.
    ConnectionRequest,
    /// RRCConnectionSetupComplete with the initial NAS message.
    ConnectionSetupComplete {
        #[serde(with = "hex")]
        nas: Vec<u8>,
    },
    /// ULInformationTransfer.
    Information {
        #[serde(with = "hex")]
        nas: Vec<u8>,
    },
    /// SecurityModeComplete.
    SecurityModeComplete,
    /// SecurityModeFailure: the integrity code of the command is wrong, or there is no key.
    SecurityModeFailure,
    /// RRCConnectionReconfigurationComplete.
    ReconfigurationComplete,
    /// An IP packet on the default data radio bearer.
    Data(#[serde(with = "hex")] Vec<u8>),
}

/// From the base station to the UE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Downlink {
    /// RRCConnectionSetup, with what system information said of the cell: its PLMN and tracking area.
    ConnectionSetup { plmn: Plmn, tac: u16 },
    /// RRCConnectionReject: the cell has no core network behind it.
    ConnectionReject,
    /// DLInformationTransfer.
    Information {
        #[serde(with = "hex")]
        nas: Vec<u8>,
    },
    /// SecurityModeCommand: the numbers of the chosen algorithms, and the integrity code over them with
    /// KRRCint (TS 36.331 clause 5.3.4.3).
    SecurityMode {
        eia: u8,
        eea: u8,
        #[serde(with = "hex")]
        mac_i: [u8; 4],
    },
    /// RRCConnectionReconfiguration: whether it sets up the default data radio bearer (`Some(true)`), releases
    /// it (`Some(false)`), or leaves it alone; with a NAS message where one travels along.
    Reconfiguration {
        bearer: Option<bool>,
        #[serde(with = "hex_or_none")]
        nas: Option<Vec<u8>>,
    },
    /// RRCConnectionRelease.
    Release { cause: ReleaseCause },
    /// An IP packet on the default data radio bearer.
    Data(#[serde(with = "hex")] Vec<u8>),
}

/// Why a connection is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseCause {
    /// The core network asked for it.
    Network,
    /// The base station lost the core network.
    S1Lost,
}

impl Uplink {
    /// How many bytes the message brings to the core network; 0 for what RRC keeps to itself.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::ConnectionSetupComplete { nas } | Self::Information { nas } => nas.len(),
            Self::Data(packet) => packet.len(),
            _ => 0,
        }
    }

    /// Whether the message travels on the data radio bearer.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }
}

impl Downlink {
    /// How many bytes of the core network the message brings; 0 for what RRC keeps to itself.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Information { nas } => nas.len(),
            Self::Reconfiguration { nas, .. } => nas.as_ref().map_or(0, Vec::len),
            Self::Data(packet) => packet.len(),
            _ => 0,
        }
    }

    /// Whether the message travels on the data radio bearer.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }
}

/// Octets that may be absent, as hex.
mod hex_or_none {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match octets {
            Some(octets) => serializer.serialize_some(&hex::encode(octets)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| hex::decode(text).map_err(D::Error::custom)).transpose()
    }
}
