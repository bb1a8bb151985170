//! What may be wrong with an HTTP message.

/// Why an HTTP message cannot be taken. The numbers are limits in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// Not HTTP/1.1, or framed ambiguously: what is wrong, in words.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// Start line and header fields are longer than [`Limits::header`](super::Limits::header).
    #[error("the header is longer than {0} bytes")]
    HeaderTooLong(usize),
    /// The body is longer than [`Limits::body`](super::Limits::body).
    #[error("the body is longer than {0} bytes")]
    BodyTooLong(usize),
    /// A transfer coding other than chunked (RFC 9112 clause 7).
    #[error("unsupported transfer coding: only chunked is understood")]
    UnsupportedCoding,
    /// Bytes end before the message does.
    #[error("the connection ended within a message")]
    Truncated,
}

impl HttpFault {
    /// The status with which a server answers such a request (RFC 9110, clause 15.5).
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Truncated => 400,
            Self::HeaderTooLong(_) => 431,
            Self::BodyTooLong(_) => 413,
            Self::UnsupportedCoding => 501,
        }
    }
}
