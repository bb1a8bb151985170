//! cellbed: an all-in-one cellular testbed.
//!
//! One program stands up a mobile network, puts SIM cards into it, and takes devices from their first
//! power-on to "ready to operate" with nobody touching them. The ledger and the certificate authority
//! run in the same process.
//!
//! # The house
//!
//! Each folder may use only what stands to its right; siblings do not import each other.
//!
//! ```text
//! cli -> lab -> {io, report} -> world -> {services, device} -> {corenet, ran, net, esim, reader, sdn, update, guard} -> {card, ca, ledger} -> event -> {wire, crypto} -> {kernel, id}
//! ```
//!
//! # Invariants
//!
//! * **Sans-IO below `io`.** No socket, file, clock or entropy below `io`. Every machine has the shape
//!   `fn handle(&mut self, now, input, out)` and `fn deadline(&self)`; what must be kept goes through a
//!   narrow store that `io` implements on disk.
//! * **Deterministic.** A run of the virtual bench is a function of (scenario, bench, seed), TLS included.
//! * **Real bytes.** Where a standard defines the encoding, the bytes exist and end up in the capture.
//! * **One event stream.** Terminal, transcript, capture, JUnit, report and metrics are views of
//!   [`event::Event`]. No view computes a verdict.
//!
//! The first is enforced by `clippy.toml`, the order of the folders by `tests/house.rs`, which reads it above.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may read files and measure time"))]

pub mod ca;
pub mod card;
pub mod cli;
pub mod corenet;
pub mod crypto;
pub mod device;
pub mod esim;
pub mod event;
pub mod guard;
pub mod id;
pub mod io;
pub mod kernel;
pub mod lab;
pub mod ledger;
pub mod net;
pub mod ran;
pub mod reader;
pub mod report;
pub mod sdn;
pub mod services;
pub mod update;
pub mod wire;
pub mod world;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
