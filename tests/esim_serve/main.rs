//! `cellbed esim serve` as a process, over real TLS: its functions, and `cellbed euicc` with a virtual eUICC against it.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

mod doors;
mod euicc;
mod servers;
mod serving;
#[path = "../support/mod.rs"]
mod support;
mod tools;
