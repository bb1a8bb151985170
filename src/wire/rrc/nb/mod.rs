//! RRC of NB-IoT (TS 36.331 clause 6.7), of the same kinds of values as RRC of LTE.

mod channel;
pub mod connection;
mod label;
pub mod radio;
pub mod system;

pub use channel::{BcchBchNb, BcchDlSchNb, DlCcchNb, DlDcchNb, PcchNb, UlCcchNb, UlDcchNb};
