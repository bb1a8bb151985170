//! What a core network does.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::session::SessionChange;
use crate::event::{Actor, SessionKey};
use crate::wire::{Fields, Label};

/// What the core network does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum EpcOutput {
    /// A PDU for base station `enb`.
    S1 { enb: u32, bytes: Vec<u8>, label: Label, session: Option<SessionKey> },
    /// A datagram for the GTP-U port of `to`.
    GtpU { to: Ipv4Addr, bytes: Vec<u8>, label: Label, session: Option<SessionKey> },
    /// An IP packet of a UE for the service network.
    Sgi(Vec<u8>),
    /// A change of state, or a note with an empty `machine`.
    State {
        actor: Actor,
        machine: &'static str,
        change: Cow<'static, str>,
        fields: Fields,
        session: Option<SessionKey>,
    },
    /// A message between two nodes that is a function call here.
    Call { from: Actor, to: Actor, label: Label, session: SessionKey },
    /// What becomes of a session, and the same as the signed token that tells others of it.
    Session { change: SessionChange, token: Vec<u8>, label: Label, session: SessionKey },
}
