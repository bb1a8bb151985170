//! Who asks a server, as far as the connection says it.

use super::json::Body;
use super::{FunctionRefusal, Reason};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Who runs the servers.
    House,
    /// Somebody at the other end of a connection.
    Peer {
        /// Where it is, as a word: an IP address, or the number of a device.
        address: String,
        /// Who it is.
        client: Client,
    },
}

/// What is known of a TLS client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// Nobody is asked: ES2+ and ES12 are for whoever reaches the servers.
    NotAsked,
    /// It has shown no certificate that counts; with what is wrong, for people.
    Nobody(String),
    /// An operator, for ES2+ (SGP.22 clause 5.3).
    Operator(ClientName),
    /// An SM-DP+, for ES12 (SGP.22 clause 5.9).
    Smdp(ClientName),
}

/// What the certificate of a TLS client calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// The object identifier, or else the subject: whose orders and events are whose.
    pub name: String,
    /// The object identifier, in dotted form, which the header of a function has to repeat.
    pub oid: Option<String>,
}

impl Caller {
    /// Where it is; none for who runs the servers.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::House => None,
            Self::Peer { address, .. } => Some(address),
        }
    }
}

/// That the header of ES2+ or ES12 is there, and names who has shown its certificate.
pub(super) fn check_requester(body: &Body, client: Option<&ClientName>) -> Result<(), FunctionRefusal> {
    let named = body.requester()?;
    match client.and_then(|client| client.oid.as_deref()) {
        Some(oid) if oid != named => {
            let detail = format!("The certificate is of {oid}, the header names {named}.");
            Err(FunctionRefusal::new(Reason::NotAuthenticated, detail))
        }
        _ => Ok(()),
    }
}
