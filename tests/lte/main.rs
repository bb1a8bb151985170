//! The LTE network end to end: UE, base station, core network and a small card on virtual time.

mod attach;
mod bench;
mod card;
mod cells;
mod log;
mod loss;
mod malice;
mod nodes;
mod rejects;
mod s1;
mod vectors;
