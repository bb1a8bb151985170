//! The radio link of one device, as a model of time.

use std::time::Duration;

use crate::event::Actor;
use crate::kernel::Instant;
use crate::ran::{AirModel, Downlink, Lane, Uplink};

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
    /// When `message`, sent at `at`, reaches the base station.
    pub fn up(&mut self, air: &AirModel, at: Instant, message: &Uplink) -> Instant {
        let (occupied, delay) = match message {
            Uplink::Data(packet) => (air.serialise_up(packet.len()), air.data),
            Uplink::ConnectionRequest if self.camped == self.serving => {
                (Duration::ZERO, air.connection_setup)
            }
            Uplink::ConnectionRequest => {
                self.camped = self.serving;
                (Duration::ZERO, air.cell_search + air.connection_setup)
            }
            _ => (Duration::ZERO, air.signalling),
        };
        self.uplink.send(at, occupied, delay)
    }

    /// When `message`, sent at `at`, reaches the device.
    pub fn down(&mut self, air: &AirModel, at: Instant, message: &Downlink) -> Instant {
        let (occupied, delay) = match message {
            Downlink::Data(packet) => (air.serialise_down(packet.len()), air.data),
            _ => (Duration::ZERO, air.signalling),
        };
        self.downlink.send(at, occupied, delay)
    }
}
