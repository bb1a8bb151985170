//! Whose fault an error is.

use std::fmt;

/// Who has to do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer broke the protocol.
    PeerBrokeProtocol,
    /// The peer cannot do what is asked of it.
    PeerIncapable,
    /// The peer is not who it should be, or did not prove it.
    PeerUntrusted,
    /// The peer refused us.
    PeerRefused,
    /// The bench: what it was asked to do cannot be done, or a file, a reader or the machine does not do its part.
    Bench,
    /// This side is wrong: a fault of cellbed.
    Ours,
}

impl Blame {
    /// The words for a report.
    pub fn describe(self) -> &'static str {
        match self {
            Self::PeerBrokeProtocol => "the peer broke the protocol",
            Self::PeerIncapable => "the peer cannot do what is asked",
            Self::PeerUntrusted => "the peer is not trusted",
            Self::PeerRefused => "the peer refused us",
            Self::Bench => "the bench is at fault",
            Self::Ours => "this side is wrong",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}
