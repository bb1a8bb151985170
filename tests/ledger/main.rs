//! The ledger as its users see it: transactions in, records out, damage and death in between.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod anchors;
mod attacks;
mod calls;
mod chain;
mod contract;
mod damage;
mod engines;
mod every;
mod firmware;
mod follow;
mod keys;
mod kill;
mod lab;
mod model;
mod roles;
#[path = "../support/mod.rs"]
mod support;
mod tables;
