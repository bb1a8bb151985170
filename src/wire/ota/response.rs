//! The response packet, the proof of receipt (TS 102 225 clause 5.2): `RPL RHL TAR CNTR PCNTR RSC RC/CC data padding`.
//! Its checksum covers the header `02 71 00` of the short message before it as well (TS 31.115 clause 4.3).

use std::fmt;

use super::keys::Protection;
use super::packet::{Outer, seal};
use super::{Counter, Header, KeySet, OtaError, Tar};

/// What stands before the packet where the checksum is made, however many messages carry it.
const PREFIX: [u8; 3] = [0x02, 0x71, 0x00];

/// Octets of TAR.
const HEAD: usize = 3;

/// The response status code RSC (TS 102 225 table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// The packet was taken (PoR OK).
    pub const OK: Self = Self(0x00);
    /// RC, CC or DS failed.
    pub const CHECKSUM: Self = Self(0x01);
    /// CNTR is not higher than the last one: a packet that came before.
    pub const COUNTER_LOW: Self = Self(0x02);
    /// CNTR is not the next one, where only that is taken.
    pub const COUNTER_HIGH: Self = Self(0x03);
    /// CNTR has reached its highest value, and the keys are of no use any more.
    pub const COUNTER_BLOCKED: Self = Self(0x04);
    /// The packet could not be deciphered.
    pub const CIPHERING: Self = Self(0x05);
    /// Another security error.
    pub const SECURITY: Self = Self(0x06);
    /// The message does not fit into the card.
    pub const NO_MEMORY: Self = Self(0x07);
    /// The application needs more time.
    pub const MORE_TIME: Self = Self(0x08);
    /// No application of the card has this TAR.
    pub const TAR_UNKNOWN: Self = Self(0x09);
    /// The SPI is below the minimum security level of the application.
    pub const SECURITY_LEVEL: Self = Self(0x0a);
    /// The answer follows as SMS-SUBMIT.
    pub const BY_SUBMIT: Self = Self(0x0b);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match *self {
            Self::OK => "done",
            Self::CHECKSUM => "the checksum is wrong",
            Self::COUNTER_LOW => "the counter is too low",
            Self::COUNTER_HIGH => "the counter is too high",
            Self::COUNTER_BLOCKED => "the counter is used up",
            Self::CIPHERING => "wrongly ciphered",
            Self::SECURITY => "a security error",
            Self::NO_MEMORY => "too little memory for the message",
            Self::MORE_TIME => "the application needs more time",
            Self::TAR_UNKNOWN => "no application has this reference",
            Self::SECURITY_LEVEL => "the application wants more security",
            Self::BY_SUBMIT => "the answer comes in a message of its own",
            _ => "reserved",
        };
        write!(f, "{:02X} ({meaning})", self.0)
    }
}

/// A response packet as it came: nothing of it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponsePacket<'a> {
    tar: Tar,
    outer: Outer<'a>,
}

impl<'a> ResponsePacket<'a> {
    /// Takes the octets from RPL on.
    ///
    /// # Errors
    /// Where they are no response packet or not all of it.
    pub fn read(bytes: &'a [u8]) -> Result<Self, OtaError> {
        let outer = Outer::read(bytes, HEAD)?;
        let tar = outer.head.try_into().map_err(|_| OtaError::Header { found: bytes.len() })?;
        Ok(Self { tar, outer })
    }

    /// What the packet says where it has neither cipher nor checksum: what anybody may have written, to be told and
    /// never to be acted on.
    pub fn unproved(&self) -> Option<Response> {
        self.opened(&Protection::none()).ok()
    }

    /// Deciphers and checks the answer to the command with this head and this counter.
    ///
    /// # Errors
    /// Where anything was changed, the keys differ, or it answers another command or comes from another application.
    pub fn open(
        &self,
        header: &Header,
        counter: Counter,
        keys: Option<&KeySet>,
    ) -> Result<Response, OtaError> {
        let response = self.opened(&Protection::of_response(header, keys)?)?;
        if response.tar != header.tar {
            return Err(OtaError::OtherApplication { found: response.tar, expected: header.tar });
        }
        if response.counter != counter {
            let (found, expected) = (response.counter.value(), counter.value());
            return Err(OtaError::OtherCommand { found, expected });
        }
        Ok(response)
    }

    fn opened(&self, protection: &Protection<'_>) -> Result<Response, OtaError> {
        let (counter, [status], data) = self.outer.open(protection, &PREFIX)?;
        Ok(Response { tar: self.tar, counter, status: Status(status), data })
    }
}

/// What a response packet carries.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The TAR of the application that answers.
    pub tar: Tar,
    /// That of the command.
    pub counter: Counter,
    /// RSC: what became of the command packet, whatever the script did.
    pub status: Status,
    /// What the script gave.
    pub data: Vec<u8>,
}

impl Response {
    /// The packet, from RPL on, protected as the head of the command asks.
    ///
    /// # Errors
    /// Where the keys do not fit the head, or the data is longer than a packet.
    pub fn seal(&self, header: &Header, keys: Option<&KeySet>) -> Result<Vec<u8>, OtaError> {
        self.sealed(&Protection::of_response(header, keys)?)
    }

    /// The packet in clear, for who has proved nothing: what is protected under a key for somebody without it would
    /// help him to find the key.
    ///
    /// # Errors
    /// Where the data is longer than a packet.
    pub fn seal_clear(&self) -> Result<Vec<u8>, OtaError> {
        self.sealed(&Protection::none())
    }

    fn sealed(&self, protection: &Protection<'_>) -> Result<Vec<u8>, OtaError> {
        seal(protection, &PREFIX, &self.tar, self.counter, &[self.status.0], &self.data)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "response of {} octets of {}: {}", self.data.len(), hex::encode(self.tar), self.status)
    }
}
