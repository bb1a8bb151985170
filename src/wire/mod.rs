//! Codecs that no crate gives us, and narrow types over those that crates give.

pub mod alarm;
pub mod apdu;
pub mod at;
pub mod authenticate;
pub mod bcd;
pub(crate) mod byte_queue;
pub mod cbor;
pub mod cose;
pub mod digits;
pub mod gtpu;
pub mod http;
pub mod inet;
mod label;
mod namer;
mod namer_es10;
mod namer_ota;
pub mod nas;
pub mod ndp;
pub mod openflow;
pub mod order;
pub mod ota;
pub mod pdcp;
pub mod reason;
pub mod registration;
pub mod rrc;
pub mod rsp;
pub mod s1ap;
pub mod saip;
pub mod suit;
pub mod tlv;
pub mod update;

pub use apdu::{ApduError, Command, StatusWord};
pub use label::{Fields, Label, Proto};
pub use namer::{Namer, describe};
pub use reason::Reason;
