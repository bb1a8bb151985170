//! The radio as a model of time: what each technology's air interface costs, without its bytes.
//!
//! The figures are the usual ones of an idle cell with good coverage; they are inputs of the model, not
//! measurements. Their sources stand beside each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A radio access technology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rat {
    /// E-UTRA, category 1 and above.
    Lte,
}

impl Rat {
    /// The name that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lte => "LTE",
        }
    }
}

/// What the air interface of one technology costs.
#[derive(Debug, Clone)]
pub struct AirModel {
    /// Cell search and system information after power-on.
    pub cell_search: Duration,
    /// Random access and RRC connection setup, up to the first NAS message.
    pub connection_setup: Duration,
    /// One way of a signalling message.
    pub signalling: Duration,
    /// One way of a user-plane packet, without its serialisation time.
    pub data: Duration,
    /// Peak uplink rate, bits per second.
    pub uplink_bps: u64,
    /// Peak downlink rate, bits per second.
    pub downlink_bps: u64,
}

impl AirModel {
    /// The model of `rat`.
    pub fn of(rat: Rat) -> Self {
        match rat {
            // TR 36.912 clause B.2 (connection setup, user-plane latency); TS 36.306 category 1 (rates).
            Rat::Lte => Self {
                cell_search: Duration::from_millis(120),
                connection_setup: Duration::from_millis(50),
                signalling: Duration::from_millis(5),
                data: Duration::from_millis(4),
                uplink_bps: 5_160_000,
                downlink_bps: 10_296_000,
            },
        }
    }

    /// How long an uplink packet of `bytes` occupies the air.
    pub fn serialise_up(&self, bytes: usize) -> Duration {
        serialisation(bytes, self.uplink_bps)
    }

    /// How long a downlink packet of `bytes` occupies the air.
    pub fn serialise_down(&self, bytes: usize) -> Duration {
        serialisation(bytes, self.downlink_bps)
    }
}

fn serialisation(bytes: usize, bps: u64) -> Duration {
    Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / bps)
}
