//! The radio as a model of time: what each technology's air interface costs, without its bytes.
//!
//! The figures are the usual ones of an idle cell with good coverage; they are inputs of the model, not
//! measurements. Their sources stand beside each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::Instant;

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

/// One direction of the radio link of one device: one message at a time, and none overtakes another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lane {
    free: Instant,
    last_arrival: Instant,
}

impl Lane {
    /// Sends something at `now` that occupies the lane for `occupied` and then takes `delay`. Returns when it
    /// arrives.
    pub fn send(&mut self, now: Instant, occupied: Duration, delay: Duration) -> Instant {
        self.free = now.max(self.free) + occupied;
        self.last_arrival = self.last_arrival.max(self.free + delay);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_packet_occupies_the_air_by_its_length() {
        let air = AirModel::of(Rat::Lte);
        assert_eq!(air.serialise_up(1_290), MS(2));
        assert_eq!(air.serialise_down(1_287), MS(1));
    }

    #[test]
    fn a_lane_takes_one_at_a_time_and_keeps_their_order() {
        let (mut lane, start) = (Lane::default(), Instant::ZERO);
        assert_eq!(lane.send(start, MS(2), MS(4)), start + MS(6));
        assert_eq!(lane.send(start, MS(2), MS(4)), start + MS(8), "it waits for the one before");
        assert_eq!(lane.send(start, MS(0), MS(50)), start + MS(54));
        assert_eq!(lane.send(start + MS(10), MS(1), MS(4)), start + MS(54), "it does not overtake");
        assert_eq!(lane.send(start + MS(60), MS(1), MS(4)), start + MS(65));
    }
}
