//! Codecs that no crate gives us, and narrow types over those that crates give.

pub mod apdu;
pub mod at;
pub mod gtpu;
mod namer;
pub mod nas;
pub mod s1ap;
pub mod tlv;

pub use apdu::{ApduError, Command, StatusWord, describe};
pub use namer::Namer;
