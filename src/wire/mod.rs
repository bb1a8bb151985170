//! Codecs that no crate gives us.

pub mod apdu;
mod namer;
pub mod tlv;

pub use apdu::{ApduError, Command, StatusWord, describe};
pub use namer::Namer;
