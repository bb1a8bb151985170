//! The radio link of one device, as a model of time.

use std::time::Duration;

use crate::event::Actor;
use crate::kernel::Instant;
use crate::ran::{AirModel, Bearer, Frame, Lane};

/// The radio link of one device.
#[derive(Debug, Default)]
pub(super) struct Radio {
    /// The base station of the cell that it has selected.
    pub serving: Option<Actor>,
    uplink: Lane,
    downlink: Lane,
    /// The base station whose cell the device has found.
    camped: Option<Actor>,
}

impl Radio {
    /// The device listens for `cell`, from `at` on. Returns when it has heard its system information.
    pub fn select(&mut self, air: &AirModel, at: Instant, cell: Actor) -> Instant {
        let is_known = self.camped == Some(cell);
        (self.serving, self.camped) = (Some(cell), Some(cell));
        let delay = if is_known { Duration::ZERO } else { air.cell_search };
        self.downlink.send(at, Duration::ZERO, delay)
    }

    /// When `frame`, sent at `at`, reaches the base station.
    pub fn up(&mut self, air: &AirModel, at: Instant, frame: &Frame) -> Instant {
        let (occupied, delay) = match frame.bearer {
            Bearer::Drb(_) => (air.serialise_up(frame.octets.len()), air.data),
            Bearer::Ccch => (Duration::ZERO, air.connection_setup),
            _ => (Duration::ZERO, air.signalling),
        };
        self.uplink.send(at, occupied, delay)
    }

    /// When `frame`, sent at `at`, reaches the device.
    pub fn down(&mut self, air: &AirModel, at: Instant, frame: &Frame) -> Instant {
        let (occupied, delay) = match frame.bearer {
            Bearer::Drb(_) => (air.serialise_down(frame.octets.len()), air.data),
            _ => (Duration::ZERO, air.signalling),
        };
        self.downlink.send(at, occupied, delay)
    }
}
