//! The radio interface between base stations and devices: as a model of time.

mod model;

pub use model::{AirModel, Lane, Rat};
