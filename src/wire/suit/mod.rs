//! SUIT manifests: what a device is told about an image, and what it is to do with it (draft-ietf-suit-manifest-37; the
//! numbers are those of the IANA registry "SUIT").
//!
//! ```text
//! envelope   tag 107: who has signed which digest, the manifest, elements that may be cut off
//! manifest   sequence number, components, and a sequence of commands for each section
//! command    conditions and directives, and the parameters that they work on
//! ```
//!
//! Everything is in the deterministic encoding of [`cbor`](super::cbor), so that a manifest has one digest; an unknown key,
//! command or parameter is refused and never skipped. Nobody gets at a manifest but through a signature
//! ([`Envelope::open`]). Not taken: integrated payloads, other digests than SHA-256, indices that are lists, and the
//! extensions of other drafts (dependencies, encryption, update management).

mod command;
mod envelope;
mod manifest;

pub use command::{Command, Condition, Directive, Index, Parameter, Sequence};
pub use envelope::{Authentication, ENVELOPE_MAX, Envelope};
pub use manifest::{ComponentId, Manifest, Section, Severable};

use sha2::{Digest as _, Sha256};

use super::cbor::{CborError, Value};
use super::cose::CoseError;

/// SHA-256 as an algorithm of COSE (RFC 9054 table 1).
const SHA_256: i64 = -16;

/// Why bytes are no envelope that is taken here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuitError {
    /// Longer than any manifest has to be.
    #[error("SUIT: an envelope of {bytes} bytes, more than the {ENVELOPE_MAX} that are read")]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// Something in it is no CBOR data item.
    #[error("SUIT, {place}: {source}")]
    Cbor {
        /// Which part of the envelope.
        place: &'static str,
        /// Why it is none.
        source: CborError,
    },
    /// A signature in it is none.
    #[error("SUIT, authentication: {0}")]
    Cose(#[from] CoseError),
    /// A data item of another form than the draft has.
    #[error("SUIT, {place}: {what} is expected")]
    Form {
        /// Which part of the envelope.
        place: &'static str,
        /// What belongs where something else stands, or nothing.
        what: &'static str,
    },
    /// A manifest without its envelope, which nobody can have signed.
    #[error("SUIT: a bare manifest (tag 1070) is not taken: nobody has signed it")]
    Bare,
    /// The digest is not that of the manifest.
    #[error("SUIT, authentication: the digest is not that of the manifest with its byte string header")]
    Digest,
    /// Nobody has signed it.
    #[error("SUIT, authentication: nobody has signed the manifest")]
    Unsigned,
    /// Nobody who is trusted has signed it.
    #[error("SUIT, authentication: none of the signatures is of a key that is trusted for this device")]
    Unauthorised,
    /// Another version of the structure of manifests.
    #[error("SUIT, manifest: version {found} is not 1, the only one there is")]
    Version {
        /// The version that it says.
        found: u64,
    },
    /// A key that nobody here knows.
    #[error("SUIT, {place}: the key {key} is not known, and what is not known is not skipped")]
    Key {
        /// Which map.
        place: &'static str,
        /// The key, in diagnostic notation as far as it is a number or a text.
        key: String,
    },
    /// A command that nobody here knows.
    #[error("SUIT, {place}: the command {number} is not known, and what is not known is not skipped")]
    Command {
        /// Which sequence.
        place: &'static str,
        /// The number of the command.
        number: String,
    },
    /// A command that belongs elsewhere.
    #[error("SUIT, {place}: the command {number} does not belong into the shared sequence")]
    Shared {
        /// Which sequence.
        place: &'static str,
        /// The number of the command.
        number: i64,
    },
    /// A command without its argument.
    #[error("SUIT, {place}: a sequence is pairs of command and argument, and has at least one")]
    Pairs {
        /// Which sequence.
        place: &'static str,
    },
    /// Sequences in each other beyond the limit.
    #[error("SUIT, {place}: sequences stand in each other more than {max} deep", max = command::DEPTH_MAX)]
    Depth {
        /// Which sequence.
        place: &'static str,
    },
    /// A severed element has another digest than the manifest says.
    #[error("SUIT, {place}: what stands beside the manifest has not the digest that the manifest has for it")]
    Severed {
        /// Which element.
        place: &'static str,
    },
    /// An element beside the manifest that the manifest has no digest of.
    #[error("SUIT, {place}: it stands beside a manifest that has no digest of it, so nobody has signed it")]
    Unreferenced {
        /// Which element.
        place: &'static str,
    },
}

/// SHA-256 over `bytes` with the header of their byte string: the digest of a manifest, and of what stands beside it.
pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Value::Bytes(bytes.to_vec()).encode()).into()
}

/// The data item that takes up all of `bytes`.
fn item(place: &'static str, bytes: &[u8]) -> Result<Value, SuitError> {
    Value::decode(bytes).map_err(|source| SuitError::Cbor { place, source })
}

fn form(place: &'static str, what: &'static str) -> SuitError {
    SuitError::Form { place, what }
}

/// A SUIT_Digest.
fn digest(digest: &[u8; 32]) -> Value {
    Value::Array(vec![Value::int(SHA_256), Value::Bytes(digest.to_vec())])
}

fn read_digest(place: &'static str, value: &Value) -> Result<[u8; 32], SuitError> {
    match value.as_array() {
        Some([algorithm, Value::Bytes(octets)]) if *algorithm == Value::int(SHA_256) => {
            octets.as_slice().try_into().ok()
        }
        _ => None,
    }
    .ok_or_else(|| form(place, "a digest of SHA-256"))
}

/// `value` in a byte string.
fn wrapped(value: &Value) -> Value {
    Value::Bytes(value.encode())
}

/// A number or a text for a message; a text of outside is escaped where messages are shown.
fn shown(value: &Value) -> String {
    match value {
        Value::Unsigned(n) => n.to_string(),
        Value::Negative(n) => format!("-{}", u128::from(*n) + 1),
        Value::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        _ => "of another type".to_owned(),
    }
}

#[cfg(test)]
mod tests;
