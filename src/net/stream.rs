//! A connection, with TLS or without.

use rustls::pki_types::CertificateDer;

use super::{ConnId, Host, NetError, PlainStream, TlsStream};

/// A stream of bytes on a connection of a [`Host`].
pub enum Stream {
    /// A TLS session.
    Tls(Box<TlsStream>),
    /// The bytes themselves.
    Plain(PlainStream),
}

impl Stream {
    /// The TCP connection below.
    pub fn connection(&self) -> ConnId {
        match self {
            Self::Tls(tls) => tls.connection(),
            Self::Plain(plain) => plain.connection(),
        }
    }

    /// Moves what can be moved in both directions. Poll the host afterwards, so that it leaves.
    ///
    /// # Errors
    ///
    /// Where the session or the connection below has failed.
    pub fn pump(&mut self, host: &mut Host) -> Result<(), NetError> {
        match self {
            Self::Tls(tls) => tls.pump(host),
            Self::Plain(plain) => plain.pump(host),
        }
    }

    /// Appends what has come in to `into` and says how much it is.
    pub fn read(&mut self, into: &mut Vec<u8>) -> usize {
        match self {
            Self::Tls(tls) => tls.read(into),
            Self::Plain(plain) => plain.read(into),
        }
    }

    /// Takes all of `bytes` to be sent.
    ///
    /// # Errors
    ///
    /// Where the stream has failed or is closed on this side, or `bytes` exceed the room that is left.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        match self {
            Self::Tls(tls) => tls.write(bytes),
            Self::Plain(plain) => plain.write(bytes),
        }
    }

    /// Ends our direction after what was written. Reading goes on.
    pub fn close(&mut self) {
        match self {
            Self::Tls(tls) => tls.close(),
            Self::Plain(plain) => plain.close(),
        }
    }

    /// Whether the peer has ended its direction in order.
    pub fn peer_closed(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.peer_closed(),
            Self::Plain(plain) => plain.peer_closed(),
        }
    }

    /// The session, where there is one.
    pub fn tls(&self) -> Option<&TlsStream> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Plain(_) => None,
        }
    }

    /// The peer's own certificate, where it has shown one.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls()?.peer_certificates()?.first()
    }
}
