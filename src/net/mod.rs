//! The IP host, TLS, HTTP and MQTT that run over the user plane.
//!
//! Nothing here owns a socket, a clock or a thread: IP packets come in, IP packets go out, and time is
//! [`crate::sim::Instant`]. The layers stack as they do on a wire: [`Host`] carries TCP connections,
//! [`TlsStream`] runs on one of them, and [`http`] and [`mqtt`] turn its bytes into messages and back.

mod connection;
mod error;
mod host;
pub mod http;
pub mod mqtt;
mod queue;
mod tls;

pub use connection::{ConnId, ConnState, Endpoint};
pub use error::{Blame, HttpFault, MqttFault, NetError, TlsFault};
pub use host::{ConnStream, Host};
pub use tls::{Handshake, TlsStream};
