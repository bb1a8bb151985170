//! The LTE network end to end: UE, base station, core network and a small card on virtual time.

mod air;
mod attach;
mod bench;
mod card;
mod cells;
mod crowd;
mod forged;
mod idle;
mod log;
mod loss;
mod malice;
mod nodes;
mod procedures;
mod raw;
mod rejects;
mod requests;
mod s1;
mod security;
mod vectors;
