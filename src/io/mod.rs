//! Everything with an effect: files, clock, processes.

pub mod ledger_store;
