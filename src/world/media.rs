//! What messages travel through on the virtual bench: wires that take time and may lose packets, and the
//! radio link of each device.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use crate::kernel::Instant;
use crate::ran::{AirModel, Downlink, Lane, Uplink};

/// What the wires of the bench do to what they carry.
#[derive(Debug, Clone)]
pub struct Wires {
    /// How long a message takes from base station to core, one way: S1-MME and S1-U.
    pub backhaul: Duration,
    /// How long a packet takes from the gateway to the service network (SGi), one way.
    pub services: Duration,
    /// How many in a million packets of the user plane each wire loses. S1-MME loses none: it runs over SCTP.
    pub loss_ppm: u32,
}

impl Default for Wires {
    /// A backhaul within a region, and services in a data centre of the same country; nothing is lost.
    fn default() -> Self {
        Self { backhaul: Duration::from_millis(2), services: Duration::from_millis(5), loss_ppm: 0 }
    }
}

/// What messages travel through.
pub struct Media {
    pub air: AirModel,
    pub wires: Wires,
    /// Decides what the wires lose.
    pub losses: ChaCha20Rng,
}

impl Media {
    /// Whether a wire loses the packet that it is given now.
    pub fn lose(&mut self) -> bool {
        let loss = u64::from(self.wires.loss_ppm);
        loss > 0 && self.losses.next_u64() % 1_000_000 < loss
    }
}

/// The radio link of one device.
#[derive(Debug, Default)]
pub struct Radio {
    uplink: Lane,
    downlink: Lane,
    /// Whether the device has found the cell.
    camped: bool,
}

impl Radio {
    /// When `message`, sent at `at`, reaches the base station.
    pub fn up(&mut self, air: &AirModel, at: Instant, message: &Uplink) -> Instant {
        let (occupied, delay) = match message {
            Uplink::Data(packet) => (air.serialise_up(packet.len()), air.data),
            Uplink::ConnectionRequest if self.camped => (Duration::ZERO, air.connection_setup),
            Uplink::ConnectionRequest => {
                self.camped = true;
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
