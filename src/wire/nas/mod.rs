//! NAS of EPS (TS 24.301): each message that UE and MME exchange as a plain type, from octets and to octets, the
//! security of a connection, and what a transcript says of a message.
//!
//! The codec is `oxirush-nas`; its types stay inside this module. A type holds what UE and MME use of a message; what
//! they do not use is the same in every message that is built, and is passed over in one that is read.

mod capability;
mod cause;
mod emm;
mod esm;
mod identity;
mod label;
mod security;

use oxirush_nas::nas_eps::{NasEpsMessage, NasError, Validate};

use crate::wire::Label;

pub use capability::{NetworkCapability, ReplayedCapability};
pub use cause::{EmmCause, EsmCause};
pub use emm::{
    AttachAccept, AttachReject, AttachRequest, AttachType, Emm, NetworkDetach, SecurityModeCommand,
    TrackingAreaUpdateRequest,
};
pub use esm::{DefaultBearer, Esm, EsmMessage, EsmProcedure, PdnType};
pub use identity::{Guti, Identity, IdentityKind};
pub use label::undecoded;
pub use security::{
    AlgorithmSet, Ck, Count, Ik, Kasme, Kenb, SecurityContext, SecurityHeader, Verified, algorithm_exists,
    hash_mme,
};

/// The plain message behind a security header that does not cipher, or the octets themselves where they have none
/// (TS 24.301 clause 9.1).
pub fn plain_of(octets: &[u8]) -> &[u8] {
    const HEADER_LEN: usize = 6;
    match octets.first() {
        Some(first) if first >> 4 != 0 => octets.get(HEADER_LEN..).unwrap_or_default(),
        _ => octets,
    }
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the UE to the network.
    Uplink,
    /// From the network to the UE.
    Downlink,
}

impl Direction {
    fn codec(self) -> oxirush_nas::nas_eps::Direction {
        match self {
            Self::Uplink => oxirush_nas::nas_eps::Direction::Uplink,
            Self::Downlink => oxirush_nas::nas_eps::Direction::Downlink,
        }
    }
}

/// A NAS message of EPS without its security header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Mobility management.
    Emm(Emm),
    /// Session management.
    Esm(EsmMessage),
    /// SERVICE REQUEST, which has a header of its own.
    ServiceRequest,
    /// What is ciphered, or is nothing that UE or MME take.
    Other,
}

impl From<Emm> for Message {
    fn from(message: Emm) -> Self {
        Self::Emm(message)
    }
}

impl From<EsmMessage> for Message {
    fn from(message: EsmMessage) -> Self {
        Self::Esm(message)
    }
}

/// Why octets are no message that a receiver takes, or a message has no octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The octets are no message. `answer` is what TS 24.301 clause 7 has for them; `None` where they are ignored.
    #[error("malformed NAS message")]
    Malformed {
        /// Whether the octets had a valid integrity code.
        authentic: bool,
        /// STATUS or a reject, to be sent to whoever sent the octets.
        answer: Option<Box<Message>>,
    },
    /// The integrity check failed, or the octets have none.
    #[error("the integrity check failed: {0}")]
    NotAuthentic(String),
    /// A value that its field cannot hold, or a message that cannot be sent so.
    #[error("{0}")]
    Value(String),
}

/// A message that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// As they go into a NAS PDU, security header included.
    pub octets: Vec<u8>,
    /// Name and telling fields for a transcript, from the message in the clear.
    pub label: Label,
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says, as far as it can be read without a key.
    pub message: Message,
    /// Whether it stood behind a security header, which nobody has verified.
    pub protected: bool,
    /// Name and telling fields for a transcript.
    pub label: Label,
}

impl Message {
    /// The octets of the plain message, and its label.
    pub fn encode(&self) -> Result<Encoded, Error> {
        let message = self.codec()?;
        let octets = message.encode().map_err(|e| Error::Value(e.to_string()))?;
        Ok(Encoded { octets, label: label::label(&message) })
    }

    /// Reads a message, or what its security header lets one read without the key. Fails with
    /// [`Error::Malformed`].
    pub fn decode(octets: &[u8], direction: Direction) -> Result<Received, Error> {
        let message = NasEpsMessage::decode_with_direction(octets, direction.codec())
            .map_err(|error| malformed(octets, &error, direction))?;
        let label = label::label(&message);
        Ok(match message {
            NasEpsMessage::SecurityProtected(_, inner) => {
                Received { message: Self::of(&inner), protected: true, label }
            }
            plain => Received { message: Self::of(&plain), protected: false, label },
        })
    }

    fn codec(&self) -> Result<NasEpsMessage, Error> {
        match self {
            Self::Emm(message) => message.codec(),
            Self::Esm(message) => message.codec(),
            Self::ServiceRequest | Self::Other => Err(unbuilt()),
        }
    }

    fn of(message: &NasEpsMessage) -> Self {
        match message {
            NasEpsMessage::Emm(_, message) => Self::Emm(Emm::of(message)),
            NasEpsMessage::Esm(header, message) => Self::Esm(EsmMessage::of(header, message)),
            NasEpsMessage::ServiceRequest(_) => Self::ServiceRequest,
            _ => Self::Other,
        }
    }
}

fn unbuilt() -> Error {
    Error::Value("a message that is only read, and never sent".to_owned())
}

/// What clause 7 says of octets that were refused with `error`. An ESM message is answered only where it was
/// authentic (clauses 4.4.4.2 and 4.4.4.3).
fn malformed(octets: &[u8], error: &NasError, direction: Direction) -> Error {
    const EMM: u8 = 0x07;
    let authentic = matches!(error, NasError::AuthenticMessageRefused { .. });
    let answered = authentic || octets.first().is_some_and(|first| first & 0x0f == EMM);
    let answer = NasEpsMessage::answer_to_refused(octets, error, direction.codec())
        // The codec answers some ESM requests under the refused message's own, impossible bearer identity.
        .filter(|answer| answered && answer.validate().is_empty())
        .map(|answer| Box::new(Message::of(&answer)));
    Error::Malformed { authentic, answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_octets_carry_their_answer() {
        // An unknown message type of EMM: cause #97 (clause 7.4).
        let unknown = Message::decode(&[0x07, 0x01], Direction::Uplink).unwrap_err();
        let status = Message::Emm(Emm::Status { cause: EmmCause(97) });
        assert_eq!(unknown, Error::Malformed { authentic: false, answer: Some(Box::new(status)) });
        // The same of ESM has no answer, since nobody has verified it.
        let unknown = Message::decode(&[0x02, 0x01, 0x01], Direction::Uplink).unwrap_err();
        assert_eq!(unknown, Error::Malformed { authentic: false, answer: None });
        // Nor has what is too short to be a message (clause 7.2).
        let short = Message::decode(&[], Direction::Uplink).unwrap_err();
        assert_eq!(short, Error::Malformed { authentic: false, answer: None });
    }

    /// What is built of what was read is what was read, and what is not read has an answer that can be built.
    fn holds(octets: &[u8], direction: Direction) {
        let _ = undecoded(octets);
        match Message::decode(octets, direction) {
            Ok(received) => {
                if let Ok(encoded) = received.message.encode() {
                    let again = Message::decode(&encoded.octets, direction).unwrap();
                    assert_eq!(again.message, received.message);
                }
            }
            Err(Error::Malformed { answer, .. }) => {
                assert!(answer.is_none_or(|answer| answer.encode().is_ok()));
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            holds(&octets, Direction::Uplink);
            holds(&octets, Direction::Downlink);
        }

        #[test]
        fn any_message_is_read_or_refused(emm in 0x41_u8..=0x6a, esm in 0xc1_u8..=0xeb, pti: u8, rest: Vec<u8>) {
            for octets in [[&[0x07, emm][..], &rest].concat(), [&[0x52, pti, esm][..], &rest].concat()] {
                holds(&octets, Direction::Uplink);
                holds(&octets, Direction::Downlink);
            }
        }
    }
}
