//! RRC of LTE and NB-IoT (TS 36.331): each message that UE and base station exchange as a plain type, from octets and to octets.
//!
//! The codec is our own, of unaligned PER as far as TS 36.331 uses it. A type says once of what it consists, and one
//! function reads and writes it. Additions of later releases behind an extension marker are passed over; a
//! `nonCriticalExtension`, which has no marker, is kept and written again ([`Later`]). What is not spoken is refused by its
//! name. Names of fields are those of TS 36.331, shortened.

mod channel;
mod coder;
pub mod common;
pub mod connection;
mod error;
mod kinds;
mod label;
pub mod measurement;
pub mod nb;
mod pdu;
pub mod radio;
pub mod security;
pub mod system;
#[cfg(test)]
mod tests;

pub use channel::{BcchBch, BcchDlSch, DlCcch, DlDcch, Pcch, UlCcch, UlDcch};
pub use coder::{Code, Coder, LONGEST};
pub use error::{Cause, Error};
pub use kinds::{Bits, Index, Int, Later, List, Octets, OpenIndex, Unspoken, UnspokenChoice};
pub use pdu::{Channel, label_of};
