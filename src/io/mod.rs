//! Everything with an effect: files, clock, processes.
//!
//! The lint on effects (`clippy.toml`) is lifted for this folder, for `cli` and for the run driver: here is
//! where they belong.
#![allow(clippy::disallowed_methods, reason = "effects live here")]

pub mod ca_folder;
pub mod card_state;
pub mod clock;
pub mod disk;
pub mod doctor;
pub mod drive;
pub mod entropy;
pub mod erasure;
pub mod esim_store;
pub mod files;
mod held_folder;
pub mod https;
pub mod https_client;
pub mod ledger_store;
pub mod openflow;
pub mod pcsc;
pub mod pki_folder;
pub mod process;
pub mod pty;
pub mod run_folder;
pub mod signer_state;
pub mod vpcd;
pub mod witness_folder;
