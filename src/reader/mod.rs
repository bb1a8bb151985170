//! The terminal's side of a card: looks at what a card is and holds, tests it and writes to it, over
//! [`CardSlot`](crate::card::CardSlot) and nothing else, so that a virtual card and one in a reader are the same.
//!
//! Written from the specifications (ETSI TS 102 221, 3GPP TS 31.102, GSMA IoT.05) and independent of the
//! virtual card: the two check each other. A card may answer with anything; whatever it
//! does, every function here ends after a bounded number of commands and says what it met.

mod atr;
pub mod authenticate;
mod fcp;
pub mod identity;
mod info;
pub mod iot_safe;
mod known;
pub mod ota;
mod pin;
pub mod program;
pub mod services;
mod terminal;
#[cfg(test)]
mod tests;
mod tree;

pub use atr::{Atr, AtrError};
pub use fcp::{AccessRule, Fcp, PinStatus, Structure};
pub use info::{Application, CardInfo, Euicc, Subscriber, Told, application_name, examine, guess};
pub use known::{Holds, holds};
pub use pin::{ADM1, PIN1, Pin, Tries};
pub use terminal::{Answer, Said, Target, Terminal, meaning};
pub use tree::{Content, Entry, walk};

use crate::card::PortError;
use crate::kernel::Blame;
use crate::wire::{ApduError, StatusWord};

/// Why a card could not be explored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ExploreError {
    #[error("{command}: {source}")]
    Port { command: &'static str, source: PortError },
    #[error("{command}: not sent: {source}")]
    Command { command: &'static str, source: ApduError },
    #[error("{command}: the card refused with status word {status} ({})", meaning(*status))]
    Refused { command: &'static str, status: StatusWord },
    #[error("{command}: the card answered with something else than {clause} says: {detail}")]
    Answer { command: &'static str, clause: &'static str, detail: String },
    #[error("the card has no USIM: none of its applications begins with A0000000871002")]
    NoUsim,
    #[error(
        "{code} has {left} left, and a wrong one may block the card for good; --force tries nevertheless",
        left = tries_left(*tries)
    )]
    FewTries { code: &'static str, tries: Option<u8> },
    #[error("{code} is wrong; {left} left", left = tries_left(*tries))]
    WrongCode { code: &'static str, tries: Option<u8> },
    #[error("{code} is blocked")]
    Blocked { code: &'static str },
    #[error("{code} is disabled on this card and cannot be verified; leave it out")]
    Disabled { code: &'static str },
}

impl ExploreError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Port { source, .. } => source.blame(),
            Self::Command { .. } => Blame::Ours,
            Self::Answer { .. } => Blame::PeerBrokeProtocol,
            Self::NoUsim => Blame::PeerIncapable,
            Self::Refused { .. } | Self::WrongCode { .. } | Self::Blocked { .. } | Self::Disabled { .. } => {
                Blame::PeerRefused
            }
            Self::FewTries { .. } => Blame::Bench,
        }
    }
}

fn tries_left(tries: Option<u8>) -> String {
    match tries {
        None => "an unknown number of tries".to_owned(),
        Some(1) => "1 try".to_owned(),
        Some(n) => format!("{n} tries"),
    }
}
