//! The ledger as its users see it: transactions in, records out, damage and death in between.

mod chain;
mod contract;
mod damage;
mod engines;
mod kill;
mod lab;
