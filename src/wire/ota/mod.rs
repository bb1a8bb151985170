//! Secured packets over the air (ETSI TS 102 225 in the dialect of short messages, 3GPP TS 31.115), what carries them to
//! a card and back (3GPP TS 23.040, TS 31.111 clause 7.1), and the scripts in them (ETSI TS 102 226 clause 5).
//!
//! There is neither a card nor a server in here: what a counter must be, which key opens which application and what is
//! answered is decided by who holds them. Nothing in here prints a key or what a packet protects.

mod command;
mod crc;
mod envelope;
mod keys;
mod packet;
mod response;
mod script;
mod sms;
mod spi;

#[cfg(test)]
pub(crate) mod tests;

pub use command::{Command, CommandPacket};
pub use envelope::{EnvelopeError, SmsPpDownload};
pub use keys::{Key, KeyError, KeySet};
pub use response::{Response, ResponsePacket, Status};
pub use script::{
    Answered, Compact, CompactAnswer, Expanded, ExpandedAnswer, Item, ScriptError, Trouble, is_expanded,
};
pub use sms::{
    Address, Concatenation, Deliver, Kind, PARTS_MAX, Part, Reassembly, SmsError, Submit, USER_DATA_MAX,
    split, timestamp,
};
pub use spi::{Check, CounterMode, Header, Proof, Spi};

/// Toolkit application reference: which application of the card a packet is for (ETSI TS 101 220).
pub type Tar = [u8; 3];

/// The reference of the IoT SAFE applet: octets 13 to 15 of the AID that Thales gave it.
pub const TAR_IOT_SAFE: Tar = [0x49, 0x53, 0x41];

/// The reference that an AID of 15 octets or more contains, in octets 13 to 15 (ETSI TS 101 220 annex B). A shorter
/// one has none.
pub fn tar_of_aid(aid: &[u8]) -> Option<Tar> {
    aid.get(12..15)?.try_into().ok()
}

/// The counter CNTR of a packet, five octets. It only rises; the highest value blocks the keys that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Counter(u64);

impl Counter {
    /// The value behind which there is none: a card that has it takes no packet with a counter any more.
    pub const BLOCKED: Self = Self(0xff_ffff_ffff);

    /// The counter with this value. `None` above [`BLOCKED`](Self::BLOCKED).
    pub fn new(value: u64) -> Option<Self> {
        (value <= Self::BLOCKED.0).then_some(Self(value))
    }

    /// The next higher one. `None` behind the last, since none wraps.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0.checked_add(1)?)
    }

    /// The number.
    pub fn value(self) -> u64 {
        self.0
    }

    /// As it stands in a packet.
    pub fn to_bytes(self) -> [u8; 5] {
        let [_, _, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    pub fn from_bytes([a, b, c, d, e]: [u8; 5]) -> Self {
        Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }
}

/// Why bytes are not a secured packet, or a packet is not opened or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum OtaError {
    #[error("a secured packet is cut off at {found} octets, inside its header: send it whole")]
    Header { found: usize },
    #[error(
        "the packet length says {announced} octets, {found} are there: the packet is cut off or not whole"
    )]
    Length { announced: usize, found: usize },
    #[error(
        "the header length is {found}, with this security {expected} is right: sender and receiver differ in \
         the length of the checksum"
    )]
    HeaderLength { found: usize, expected: usize },
    #[error("{octets} octets are ciphered, which is no whole number of blocks of {block}")]
    Blocks { octets: usize, block: usize },
    #[error(
        "the padding counter says {padding} octets, where at most {most} may be padding: another key, or not \
         ciphered as the header says"
    )]
    Padding { padding: usize, most: usize },
    #[error("the checksum is wrong: the packet was changed, or the keys differ")]
    Checksum,
    #[error("the packet asks for a security that needs keys, and none of version {version} are there")]
    NoKeys { version: u8 },
    #[error("the packet names keys of versions {kic} and {kid}; both are to be of one set")]
    Versions { kic: u8, kid: u8 },
    #[error(
        "{field} names algorithm {nibble:X}, the key of that version is for {expected:X}: send with the \
         algorithm of the key set"
    )]
    Algorithm { field: &'static str, nibble: u8, expected: u8 },
    #[error("{what} is not supported: {instead}")]
    Unsupported { what: &'static str, instead: &'static str },
    #[error(
        "{octets} octets do not fit into one secured packet, {most} do: send less, or in several packets"
    )]
    TooLong { octets: usize, most: usize },
    #[error("the response has the counter {found} and answers none of the command with {expected}")]
    OtherCommand { found: u64, expected: u64 },
    #[error(
        "the response is of application {}, the command was for {}",
        hex::encode(found),
        hex::encode(expected)
    )]
    OtherApplication { found: Tar, expected: Tar },
}
