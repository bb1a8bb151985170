//! A connection of a [`Host`] without TLS: for what is public and signed by itself.
//!
//! It has the calls of [`TlsStream`](super::TlsStream), and the same bounds.

use super::{ConnId, ConnState, Host, NetError};
use crate::wire::byte_queue::ByteQueue;

/// Bytes that may wait to be sent.
const WRITE_LIMIT: usize = 64 * 1024;
/// Bytes that may wait to be read; beyond it, the connection's window closes.
const READ_LIMIT: usize = 32 * 1024;

/// A TCP connection as a stream of bytes.
pub struct PlainStream {
    connection: ConnId,
    outgoing: ByteQueue,
    incoming: Vec<u8>,
    closing: bool,
    peer_closed: bool,
}

impl PlainStream {
    /// The stream on `connection`.
    pub fn new(connection: ConnId) -> Self {
        Self {
            connection,
            outgoing: ByteQueue::default(),
            incoming: Vec::new(),
            closing: false,
            peer_closed: false,
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
    /// Where the connection has failed. What came in before is still there to [`read`](Self::read).
    pub fn pump(&mut self, host: &mut Host) -> Result<(), NetError> {
        if let Some(failure) = host.failure(self.connection) {
            return Err(failure);
        }
        if self.incoming.len() < READ_LIMIT && !self.peer_closed {
            let state = host.state(self.connection);
            let read = host.recv(self.connection, &mut self.incoming)?;
            self.peer_closed = read == 0 && matches!(state, ConnState::PeerClosed | ConnState::Closed);
        }
        if !self.outgoing.is_empty() {
            let sent = host.send(self.connection, self.outgoing.as_slice())?;
            self.outgoing.skip(sent);
        }
        if self.closing && self.outgoing.is_empty() {
            host.close(self.connection);
        }
        Ok(())
    }

    /// Appends what has come in to `into` and says how much it is.
    pub fn read(&mut self, into: &mut Vec<u8>) -> usize {
        let size = self.incoming.len();
        into.append(&mut self.incoming);
        size
    }

    /// Takes all of `bytes` to be sent.
    ///
    /// # Errors
    ///
    /// Where the stream is closed on this side, or `bytes` exceed the room that is left (of 64 kB).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        if self.closing {
            return Err(NetError::Closed(self.connection));
        }
        let room = WRITE_LIMIT.saturating_sub(self.outgoing.len());
        if bytes.len() > room {
            return Err(NetError::BufferFull { size: bytes.len(), room });
        }
        self.outgoing.push(bytes);
        Ok(())
    }

    /// Ends our direction after what was written. Reading goes on.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether the peer has ended its direction, and everything that it sent is here.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::{PORT, Pair, SERVICE};
    use super::*;

    #[test]
    fn bytes_go_both_ways_and_the_end_is_told() {
        let mut pair = Pair::new();
        let mut client = PlainStream::new(pair.device.connect((SERVICE, PORT)).unwrap());
        client.write(&[7; 50_000]).unwrap();
        client.close();
        assert!(matches!(client.write(b"more"), Err(NetError::Closed(_))));
        let mut server: Option<PlainStream> = None;
        let (mut got, mut back) = (Vec::new(), Vec::new());
        pair.run(|pair| {
            client.pump(&mut pair.device).unwrap();
            client.read(&mut back);
            if let Some((connection, ..)) = pair.service.accept() {
                server = Some(PlainStream::new(connection));
            }
            if let Some(server) = &mut server {
                server.pump(&mut pair.service).unwrap();
                server.read(&mut got);
                if server.peer_closed() && !server.closing {
                    server.write(b"done").unwrap();
                    server.close();
                    server.pump(&mut pair.service).unwrap();
                }
            }
            client.peer_closed()
        });
        assert_eq!((got.len(), back.as_slice()), (50_000, &b"done"[..]));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pair = Pair::new();
        let mut stream = PlainStream::new(pair.device.connect((SERVICE, PORT)).unwrap());
        stream.write(&vec![0; WRITE_LIMIT]).unwrap();
        assert!(matches!(stream.write(b"x"), Err(NetError::BufferFull { size: 1, room: 0 })));
    }
}
