//! The IP host, TLS, HTTP and MQTT that run over the user plane.
//!
//! Nothing here owns a socket, a clock or a thread: IP packets come in, IP packets go out, and time is
//! [`crate::kernel::Instant`]. The layers stack as they do on a wire: [`Host`] carries TCP connections,
//! [`TlsStream`] runs on one of them, and [`crate::wire::http`] and [`mqtt`] turn its bytes into messages and back.

mod conn_id;
mod connection;
pub mod endpoint;
mod error;
mod host;
pub mod mqtt;
mod plain;
mod slaac;
mod stream;
mod tls;

pub use conn_id::ConnId;
pub use connection::{ConnState, Endpoint};
pub use endpoint::ServiceAddress;
pub use error::{MqttFault, NetError, TlsFault};
pub use host::{ConnStream, Host};
pub use plain::PlainStream;
pub use slaac::Slaac;
pub use stream::Stream;
pub use tls::{Handshake, TlsStream};
