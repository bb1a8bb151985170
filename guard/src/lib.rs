//! A guard that tells whether a device's traffic is still what it was.
//!
//! A [`Packet`] is what a header says. A [`Tracker`] keeps what a device has done lately and makes of each window of ten
//! seconds the [`FEATURES`] that the guard looks at. A [`Model`] is what was learned of one device in its baseline: a limit
//! for each feature, a limit for each residual of an int8 autoencoder, and limits of the counters of one second. A
//! [`Guard`] puts them together: a limit or a residual that is passed makes a device suspect, both together or a counter of
//! one second make it certain.
//!
//! Everything is integers, so that firmware, network and evaluation decide alike to the bit. Nothing is allocated and each
//! table has a bound, whatever the traffic is. docs/guard.md tells what is found and what is missed.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod fixed;
mod judge;
mod model;
mod packet;
mod tables;
mod tracker;

pub use fixed::{crc32, log2_q8, mark_of};
pub use judge::{CONFIRM_MS, FAR_Q8, Finding, Guard, Level};
pub use model::{
    BIASES, FEATURES_NAMES, INSTANT_NAMES, Known, LAYERS, MARKS, MODEL_BYTES, Model, ModelError, SERVICES,
    Scale, WEIGHTS,
};
pub use packet::{Dns, Packet, PacketError, mark_of_name};
pub use tracker::{FEATURES, INSTANT, Second, Tracker, WINDOW_MS, Window};
