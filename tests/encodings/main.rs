//! A second opinion on every encoding: values that an independent ASN.1 tool has encoded are read and written again
//! by this program, and what this program writes is read and written again by that tool; the bytes have to agree.
//!
//! `tests/vectors/*.txt` hold what that tool has made: for each type its least value, and values that differ from it
//! in one place each, so that every OPTIONAL field is there once and missing once, every DEFAULT is met by a value
//! like it and by others, and every alternative of a CHOICE is taken. Where the tool is installed the files are
//! compared with what it makes today (`CELLBED_VECTORS=write` writes them).
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

#[path = "../support/mod.rs"]
mod support;

mod inline;
mod iot;
mod macs;
mod pdcp;
mod python;
mod rrc;
mod rsp;
mod runs;
mod saip;
mod signed;
mod vectors;
