//! One TCP connection of a host as its owner sees it (RFC 9293, clause 3.3.2).

use std::net::SocketAddr;
use std::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;

use super::conn_id::ConnId;
use super::error::NetError;
use crate::kernel::Instant;

/// Full segments that a connection buffers each way, while it lives. A window that is no multiple of a
/// segment would end each flight with a runt.
pub(super) const BUFFERED_SEGMENTS: usize = 3;

/// How long the peer may stay silent while it owes an answer: an acknowledgement, or the end of a
/// connection that is closed here. The user timeout of RFC 9293, clause 3.8.3.
pub(super) const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an acknowledgement may wait for company (RFC 9293, clause 3.8.6.3 allows up to 500 ms).
pub(super) const ACK_DELAY: Duration = Duration::from_millis(10);

/// Where a connection stands. The last four are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnState {
    /// The handshake is under way.
    Connecting,
    /// Both directions are open.
    Open,
    /// The peer has ended its direction; what it sent before may still be read, and ours is open.
    PeerClosed,
    /// Our direction is ended; the peer has not yet ended its own, or not yet acknowledged ours.
    Closing,
    /// Both directions ended in order, or this side aborted.
    Closed,
    /// Nothing listens there: the peer answered our SYN with RST.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer owed an answer and was silent for 30 seconds.
    TimedOut,
}

impl ConnState {
    /// Whether nothing more can happen on the connection.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::Refused | Self::Reset | Self::TimedOut)
    }
}

/// An address and a port.
pub type Endpoint = SocketAddr;

/// The record behind a [`ConnId`].
pub(super) struct Connection {
    pub id: ConnId,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub state: ConnState,
    /// Its socket, until the connection ends; the buffers go with it.
    pub socket: Option<SocketHandle>,
    /// What the socket held unread when the connection ended.
    pub unread: Vec<u8>,
    /// Whether the owner knows of it: from the start where it connected, else when it accepts.
    pub known: bool,
    /// Whether its handshake was ever complete.
    pub opened: bool,
    /// Whether the owner has let go of it; it may still have a FIN to deliver.
    pub abandoned: bool,
    /// The TCP state that was seen last, which tells what a sudden CLOSED means.
    tcp: tcp::State,
    /// Since when the peer owes an answer.
    waiting_since: Option<Instant>,
}

impl Connection {
    pub fn new(id: ConnId, socket: SocketHandle, local: Endpoint, remote: Endpoint, active: bool) -> Self {
        Self {
            id,
            local,
            remote,
            state: ConnState::Connecting,
            socket: Some(socket),
            unread: Vec::new(),
            known: active,
            opened: false,
            abandoned: false,
            tcp: if active { tcp::State::SynSent } else { tcp::State::SynReceived },
            waiting_since: None,
        }
    }

    /// Takes over what its socket has become, one step at a time: called after every packet and call.
    pub fn observe(&mut self, tcp: tcp::State) {
        use tcp::State as Tcp;
        let before = std::mem::replace(&mut self.tcp, tcp);
        if self.state.is_final() {
            return;
        }
        self.state = match (tcp, before) {
            (Tcp::SynSent | Tcp::SynReceived, _) => ConnState::Connecting,
            (Tcp::Established, _) => ConnState::Open,
            (Tcp::CloseWait, _) => ConnState::PeerClosed,
            (Tcp::FinWait1 | Tcp::FinWait2 | Tcp::Closing | Tcp::LastAck, _) => ConnState::Closing,
            (Tcp::TimeWait, _) => ConnState::Closed,
            (Tcp::Closed, Tcp::SynSent) => ConnState::Refused,
            // The peer had ended its direction before, so an RST for our last ACK or FIN loses nothing.
            (Tcp::Closed, Tcp::LastAck | Tcp::Closing | Tcp::TimeWait) => ConnState::Closed,
            // A RST sends a listening socket's half-open connection back to LISTEN.
            (Tcp::Closed | Tcp::Listen, _) => ConnState::Reset,
        };
        self.opened |= matches!(self.state, ConnState::Open | ConnState::PeerClosed);
    }

    /// Restarts the user timeout: the peer has spoken.
    pub fn heard(&mut self, now: Instant) {
        if self.waiting_since.is_some() {
            self.waiting_since = Some(now);
        }
    }

    /// Starts or stops the user timeout by what is outstanding on `socket`.
    pub fn watch(&mut self, now: Instant, socket: &tcp::Socket<'_>) {
        use tcp::State as Tcp;
        let waiting = match socket.state() {
            Tcp::Established | Tcp::CloseWait => socket.send_queue() > 0,
            Tcp::Listen | Tcp::Closed => false,
            _ => true,
        };
        self.waiting_since = waiting.then(|| self.waiting_since.unwrap_or(now));
    }

    /// When the connection has to be given up, or its socket dropped after TIME-WAIT.
    ///
    /// TIME-WAIT lasts only as long as a delayed acknowledgement may: ports are handed out in turn, so no
    /// old segment can meet a new connection, and a lost last ACK is answered with RST, which ends the peer.
    pub fn expires(&self) -> Option<Instant> {
        let patience = if self.tcp == tcp::State::TimeWait { ACK_DELAY } else { USER_TIMEOUT };
        self.waiting_since.map(|since| since + patience)
    }

    /// Whether the socket has only its TIME-WAIT left.
    pub fn in_time_wait(&self) -> bool {
        self.tcp == tcp::State::TimeWait
    }

    /// Frees the socket and its buffers; keeps what was not read yet.
    pub fn retire(&mut self, sockets: &mut SocketSet<'static>) {
        let Some(handle) = self.socket.take() else { return };
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        while !self.abandoned && socket.can_recv() {
            let taken = socket.recv(|bytes| {
                self.unread.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            });
            if !taken.is_ok_and(|n| n > 0) {
                break;
            }
        }
        sockets.remove(handle);
        self.waiting_since = None;
    }

    /// Whether its owner and its peer have no more use for the record.
    pub fn is_forgotten(&self) -> bool {
        // A connection that failed before anybody knew of it was never one.
        let nobodys = !self.known && !self.opened && self.state.is_final();
        self.socket.is_none() && (self.abandoned || nobodys)
    }

    /// The error that a failed connection stands for.
    pub fn failure(&self) -> Option<NetError> {
        let (address, port) = (self.remote.ip(), self.remote.port());
        match self.state {
            ConnState::Refused => Some(NetError::Refused { address, port }),
            ConnState::Reset => Some(NetError::Reset { address, port }),
            ConnState::TimedOut => Some(NetError::TimedOut { address, port }),
            _ => None,
        }
    }
}
