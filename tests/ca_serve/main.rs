//! `cellbed ca serve` as programs of others see it: curl and OpenSSL enrol, enrol again and ask for the status of what
//! they got; and what somebody gets who should not.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod attacks;
mod clients;
mod folder;
mod serving;
mod strongswan;
#[path = "../support/mod.rs"]
mod support;
