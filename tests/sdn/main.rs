//! Switch and controller beside those of others: Open vSwitch's tools drive our switch, and our controller drives Open
//! vSwitch, with real packets.
#![allow(clippy::disallowed_methods, reason = "a test starts programs")]

#[path = "../support/mod.rs"]
mod support;

mod ovs;
mod switch;
