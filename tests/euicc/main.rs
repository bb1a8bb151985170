//! The eUICC of `cellbed::card`, from its contacts: downloads from a small SM-DP+ that the tests have themselves,
//! profile management, and everything that must be refused.

mod download;
mod iot;
mod lab;
mod management;
mod negative;
mod packages;
mod policy;
mod power;
