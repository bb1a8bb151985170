//! What can go wrong between two hosts, and whose fault it is.

use std::net::{IpAddr, SocketAddr};

use super::ConnId;
use crate::kernel::Blame;
use crate::wire::http::HttpFault;

/// An error of the IP host or of a protocol above it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum NetError {
    /// The connection was removed, or belongs to another host.
    #[error("tcp: no connection {0}: it was removed, or belongs to another host")]
    NoConnection(ConnId),
    /// The host was made without a usable address.
    #[error("ip: the host has no unicast address; give it the one that the network assigned")]
    NoAddress,
    /// More addresses than a host can have.
    #[error("ip: a host has at most {limit} addresses, not {found}; let services share one")]
    TooManyAddresses { found: usize, limit: usize },
    /// Nothing can be sent there.
    #[error("tcp: {} is no place to connect to; it takes a unicast address and a port above 0", SocketAddr::new(*address, *port))]
    Unaddressable { address: IpAddr, port: u16 },
    /// The host has no room for another connection.
    #[error("tcp: {limit} connections are open, which is the limit; remove one first")]
    TooManyConnections { limit: usize },
    /// The peer answered SYN with RST.
    #[error("tcp: {} refused the connection: nothing listens there", SocketAddr::new(*address, *port))]
    Refused { address: IpAddr, port: u16 },
    /// The peer reset the connection.
    #[error("tcp: {} reset the connection", SocketAddr::new(*address, *port))]
    Reset { address: IpAddr, port: u16 },
    /// The peer fell silent.
    #[error("tcp: {} did not answer for 30 s; is the path to it up?", SocketAddr::new(*address, *port))]
    TimedOut { address: IpAddr, port: u16 },
    /// Our direction of the connection is ended.
    #[error("tcp: connection {0} is closed on this side; open another")]
    Closed(ConnId),
    /// A TLS session failed.
    #[error("tls: {0}")]
    Tls(TlsFault),
    /// The peer ended the connection without `close_notify` (RFC 8446, clause 6.1).
    #[error("tls: the peer ended the connection without close_notify; what it sent may be incomplete")]
    TlsTruncated,
    /// More was written than a stream buffers.
    #[error("{size} bytes exceed the {room} that the stream has room for; pump it, or write less")]
    BufferFull { size: usize, room: usize },
    /// An HTTP message cannot be taken.
    #[error("http: {0}")]
    Http(#[from] HttpFault),
    /// An MQTT session failed.
    #[error("mqtt: {0}")]
    Mqtt(MqttFault),
}

impl NetError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Tls(fault) => fault.blame,
            Self::Mqtt(fault) => fault.blame,
            Self::Http(_) | Self::TlsTruncated => Blame::PeerBrokeProtocol,
            Self::Refused { .. } | Self::Reset { .. } => Blame::PeerRefused,
            Self::TimedOut { .. } => Blame::PeerIncapable,
            Self::NoConnection(_)
            | Self::NoAddress
            | Self::TooManyAddresses { .. }
            | Self::Unaddressable { .. }
            | Self::TooManyConnections { .. }
            | Self::Closed(_)
            | Self::BufferFull { .. } => Blame::Ours,
        }
    }
}

/// Why a TLS session failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("alert {alert} {}: {detail} ({})", if *received { "received" } else { "sent" }, blame.describe())]
pub struct TlsFault {
    /// The alert's name in RFC 8446, clause 6, as in `certificate_required`.
    pub alert: String,
    /// Whether the alert came from the peer; else it went to the peer.
    pub received: bool,
    /// Who is at fault.
    pub blame: Blame,
    /// What was wrong, in words.
    pub detail: String,
}

/// Why an MQTT session failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({})", blame.describe())]
pub struct MqttFault {
    /// The reason code's name (MQTT 5.0, clause 2.4) as one word: `malformed-packet`, `not-authorized`.
    pub reason: String,
    /// Who is at fault.
    pub blame: Blame,
}
