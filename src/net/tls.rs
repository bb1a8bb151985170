//! A TLS session on a TCP connection of a [`Host`] (RFC 8446), by rustls.
//!
//! [`TlsStream::pump`] moves bytes between the session and the connection; call it after every poll of the
//! host that may have brought something, and after writing. Nothing is buffered without bound: plaintext
//! waits here up to a limit in each direction, ciphertext in the connection's window.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection,
};

use super::{ConnId, ConnState, Host, NetError, TlsFault};
use crate::kernel::Blame;
use crate::wire::byte_queue::ByteQueue;
use crate::wire::{Label, Proto};

/// Plaintext that may wait to be sent.
const WRITE_LIMIT: usize = 64 * 1024;
/// Plaintext that may wait to be read; beyond it, the connection's window closes.
const READ_LIMIT: usize = 32 * 1024;
/// Ciphertext that the session may hold on its way to the connection.
const CIPHERTEXT_LIMIT: usize = 8 * 1024;

/// A TLS session, client or server, on one TCP connection.
pub struct TlsStream {
    session: Connection,
    connection: ConnId,
    /// Plaintext that the session has not yet taken.
    outgoing: ByteQueue,
    /// Plaintext that the owner has not yet read.
    incoming: Vec<u8>,
    milestone: Milestone,
    closing: Closing,
    peer_closed: bool,
    failure: Option<NetError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Milestone {
    Ahead,
    Unread,
    Read,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// `close_notify` follows what is still to be sent.
    Wanted,
    /// `close_notify` is in the session's queue; FIN follows it.
    Notified,
    Done,
}

/// What a finished handshake has agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The cipher suite's IANA name.
    pub suite: String,
    /// The key exchange group's IANA name.
    pub group: String,
    /// The peer's end-entity certificate, DER; none for a client that did not authenticate.
    pub peer_certificate: Option<Vec<u8>>,
}

impl Handshake {
    /// The milestone's name for transcripts.
    pub fn label(&self) -> Label {
        let peer = if self.peer_certificate.is_some() { "certificate" } else { "anonymous" };
        Label::new(Proto::Tls, "Handshake Complete")
            .with("suite", &self.suite)
            .with("group", &self.group)
            .with("peer", peer)
    }
}

impl TlsStream {
    /// The client's end on `connection`, to a server that has to prove to be `name` (a DNS name or an IP
    /// address).
    ///
    /// # Errors
    ///
    /// Where `name` is neither, or the configuration cannot be used.
    pub fn client(config: Arc<ClientConfig>, name: &str, connection: ConnId) -> Result<Self, NetError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| ours(format!("{name:?} is neither a DNS name nor an IP address")))?;
        let session = ClientConnection::new(config, name).map_err(|e| NetError::Tls(fault(&e)))?;
        Ok(Self::new(session.into(), connection))
    }

    /// The server's end on `connection`.
    ///
    /// # Errors
    ///
    /// Where the configuration cannot be used.
    pub fn server(config: Arc<ServerConfig>, connection: ConnId) -> Result<Self, NetError> {
        let session = ServerConnection::new(config).map_err(|e| NetError::Tls(fault(&e)))?;
        Ok(Self::new(session.into(), connection))
    }

    fn new(mut session: Connection, connection: ConnId) -> Self {
        session.set_buffer_limit(Some(CIPHERTEXT_LIMIT));
        Self {
            session,
            connection,
            outgoing: ByteQueue::default(),
            incoming: Vec::new(),
            milestone: Milestone::Ahead,
            closing: Closing::No,
            peer_closed: false,
            failure: None,
        }
    }

    /// The TCP connection below.
    pub fn connection(&self) -> ConnId {
        self.connection
    }

    /// Moves what can be moved in both directions. Poll the host afterwards, so that it leaves.
    ///
    /// # Errors
    ///
    /// Where the session or the connection below has failed; the alert, if there is one, is then on its way
    /// and the connection is closing. What came in before is still there to [`read`](Self::read).
    pub fn pump(&mut self, host: &mut Host) -> Result<(), NetError> {
        if self.failure.is_none() {
            self.failure = self.exchange(host).err();
            if self.failure.is_some() {
                host.close(self.connection);
            }
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Appends the plaintext that has come in to `into` and says how much it is. After a full read, pump
    /// again: more may have waited for room.
    pub fn read(&mut self, into: &mut Vec<u8>) -> usize {
        let size = self.incoming.len();
        into.append(&mut self.incoming);
        size
    }

    /// Takes all of `bytes` to be sent; before the handshake is complete they wait for it.
    ///
    /// # Errors
    ///
    /// Where the session has failed or is closed on this side, or `bytes` exceed the room that is left (of
    /// 64 kB).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.closing != Closing::No {
            return Err(NetError::Closed(self.connection));
        }
        let room = WRITE_LIMIT - self.outgoing.len();
        if bytes.len() > room {
            return Err(NetError::BufferFull { size: bytes.len(), room });
        }
        self.outgoing.push(bytes);
        Ok(())
    }

    /// Ends our direction after what was written, with `close_notify` and FIN. Reading goes on.
    pub fn close(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Wanted;
        }
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Whether the peer has ended its direction in order.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// What the handshake has agreed on: once, when it is complete.
    pub fn take_handshake(&mut self) -> Option<Handshake> {
        if self.milestone != Milestone::Unread {
            return None;
        }
        self.milestone = Milestone::Read;
        Some(Handshake {
            suite: self.suite().unwrap_or_default(),
            group: self.group().unwrap_or_default(),
            peer_certificate: self
                .peer_certificates()
                .and_then(|chain| chain.first().map(|leaf| leaf.to_vec())),
        })
    }

    /// The peer's certificate chain, end-entity first; known before the handshake is complete.
    pub fn peer_certificates(&self) -> Option<&[rustls::pki_types::CertificateDer<'static>]> {
        self.session.peer_certificates()
    }

    /// Keying material of the session under `label` (RFC 8446, clause 7.5; RFC 9266 for channel binding),
    /// with an empty context.
    ///
    /// # Errors
    ///
    /// Before the handshake is complete.
    pub fn exporter(&self, label: &str) -> Result<[u8; 32], NetError> {
        self.session
            .export_keying_material([0; 32], label.as_bytes(), None)
            .map_err(|e| NetError::Tls(fault(&e)))
    }

    /// What binds a request to this session (RFC 9266 clause 4.2): both ends export the same value.
    ///
    /// # Errors
    ///
    /// Before the handshake is complete.
    pub fn channel_binding(&self) -> Result<[u8; 32], NetError> {
        self.exporter("EXPORTER-Channel-Binding")
    }

    fn suite(&self) -> Option<String> {
        let suite = self.session.negotiated_cipher_suite()?.suite();
        // rustls marks the suites of TLS 1.3, IANA does not.
        suite.as_str().map(|name| name.replace("TLS13_", "TLS_"))
    }

    fn group(&self) -> Option<String> {
        let group = self.session.negotiated_key_exchange_group()?.name();
        group.as_str().map(str::to_ascii_lowercase)
    }
}

/// How bytes move.
impl TlsStream {
    fn exchange(&mut self, host: &mut Host) -> Result<(), NetError> {
        loop {
            let read = self.take_in(host)?;
            let written = self.give_out(host)?;
            if !read && !written {
                break;
            }
        }
        if self.milestone == Milestone::Ahead && !self.session.is_handshaking() {
            self.milestone = Milestone::Unread;
        }
        host.failure(self.connection).map_or(Ok(()), Err)
    }

    /// Connection to session to `incoming`. Says whether anything moved.
    fn take_in(&mut self, host: &mut Host) -> Result<bool, NetError> {
        if self.incoming.len() >= READ_LIMIT || self.peer_closed || !self.session.wants_read() {
            return Ok(false);
        }
        match self.session.read_tls(&mut host.stream(self.connection)) {
            Ok(0) => return Err(self.ended(host)),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(self.transport_error(host, &e)),
        }
        let state = match self.session.process_new_packets() {
            Ok(state) => state,
            Err(e) => {
                // The alert that tells the peer goes out first.
                let _ = self.flush(host);
                return Err(NetError::Tls(fault(&e)));
            }
        };
        let size = state.plaintext_bytes_to_read();
        if size > 0 {
            let mut reader = self.session.reader().take(size as u64);
            reader.read_to_end(&mut self.incoming).map_err(|e| ours(e.to_string()))?;
        }
        self.peer_closed |= state.peer_has_closed();
        Ok(true)
    }

    /// `outgoing` to session to connection. Says whether anything moved.
    fn give_out(&mut self, host: &mut Host) -> Result<bool, NetError> {
        let mut moved = self.flush(host)?;
        if !self.session.is_handshaking() && !self.session.wants_write() {
            if !self.outgoing.is_empty() {
                let taken =
                    self.session.writer().write(self.outgoing.as_slice()).map_err(|e| ours(e.to_string()))?;
                self.outgoing.skip(taken);
                moved |= self.flush(host)?;
            } else if self.closing == Closing::Wanted {
                self.session.send_close_notify();
                self.closing = Closing::Notified;
                moved |= self.flush(host)?;
            }
        }
        if self.closing == Closing::Notified && !self.session.wants_write() {
            host.close(self.connection);
            self.closing = Closing::Done;
        }
        Ok(moved)
    }

    fn flush(&mut self, host: &mut Host) -> Result<bool, NetError> {
        let mut moved = false;
        while self.session.wants_write() {
            match self.session.write_tls(&mut host.stream(self.connection)) {
                Ok(0) => break,
                Ok(_) => moved = true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(self.transport_error(host, &e)),
            }
        }
        Ok(moved)
    }

    /// What the end of the byte stream means: the peer had said nothing of it.
    fn ended(&self, host: &Host) -> NetError {
        host.failure(self.connection).unwrap_or(NetError::TlsTruncated)
    }

    fn transport_error(&self, host: &Host, error: &io::Error) -> NetError {
        if let Some(failure) = host.failure(self.connection) {
            return failure;
        }
        match host.state(self.connection) {
            ConnState::Closing | ConnState::Closed => NetError::Closed(self.connection),
            _ => ours(error.to_string()),
        }
    }
}

fn ours(detail: String) -> NetError {
    NetError::Tls(TlsFault { alert: "internal_error".into(), received: false, blame: Blame::Ours, detail })
}

/// What rustls reports, in terms of alerts (RFC 8446, clause 6.2) and blame.
fn fault(error: &Error) -> TlsFault {
    use AlertDescription as Alert;
    let (alert, blame) = match error {
        Error::AlertReceived(alert) => (*alert, Blame::PeerRefused),
        Error::InvalidCertificate(why) => (Alert::from(why.clone()), Blame::PeerUntrusted),
        Error::NoCertificatesPresented => (Alert::CertificateRequired, Blame::PeerUntrusted),
        Error::PeerIncompatible(_) => (Alert::HandshakeFailure, Blame::PeerIncapable),
        Error::NoApplicationProtocol => (Alert::NoApplicationProtocol, Blame::PeerIncapable),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            (Alert::UnexpectedMessage, Blame::PeerBrokeProtocol)
        }
        Error::InvalidMessage(why) => (Alert::from(*why), Blame::PeerBrokeProtocol),
        Error::PeerMisbehaved(_) => (Alert::IllegalParameter, Blame::PeerBrokeProtocol),
        Error::DecryptError => (Alert::BadRecordMac, Blame::PeerBrokeProtocol),
        Error::PeerSentOversizedRecord => (Alert::RecordOverflow, Blame::PeerBrokeProtocol),
        _ => (Alert::InternalError, Blame::Ours),
    };
    TlsFault {
        alert: snake_case(alert.as_str().unwrap_or("unknown")),
        received: matches!(error, Error::AlertReceived(_)),
        blame,
        detail: error.to_string(),
    }
}

/// `UnknownCA` to `unknown_ca`: how RFC 8446 writes the names of alerts.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            out.push('_');
        }
        after_lower = c.is_ascii_lowercase();
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
