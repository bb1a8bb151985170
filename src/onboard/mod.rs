//! The zero-touch procedure, composed of everything below it.

pub mod iot_safe;
