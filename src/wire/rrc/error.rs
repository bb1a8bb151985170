//! Why octets are no RRC message, or a message has no octets.

use std::fmt;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{cause}")]
pub struct Error {
    place: Place,
    /// What is wrong.
    pub cause: Cause,
}

/// What can be wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The octets end before the message does.
    #[error("the message ends here")]
    Truncated,
    /// Something follows the message.
    #[error("octets follow the message")]
    Trailing,
    /// More octets than a PDCP PDU can hold.
    #[error("longer than the 8188 octets of a PDCP PDU")]
    TooLong,
    /// A number that its field cannot have.
    #[error("a value out of its range")]
    Range,
    /// A string of 16 KiB or more.
    #[error("a string in fragments")]
    Fragmented,
    /// A part of TS 36.331 that this program does not speak.
    #[error("{0} is not spoken here")]
    Unspoken(&'static str),
}

/// The names of the fields around it, the innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Place(Vec<&'static str>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|name| write!(f, "{name}: "))
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self { place: Place::default(), cause }
    }
}

impl Error {
    /// The same in a field `name`.
    pub(super) fn within(mut self, name: &'static str) -> Self {
        self.place.0.push(name);
        self
    }
}
