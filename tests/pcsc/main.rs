//! The virtual card behind a pcscd of the test's own or behind a modem, and programs of third parties that use it.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

mod download;
mod euicc;
mod faults;
mod lab;
mod onomondo;
mod ota;
mod pkcs11;
mod programs;
mod pysim;
mod run;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod tools;
