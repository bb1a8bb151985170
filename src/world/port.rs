//! Where frames leave and arrive: interfaces, ports, and what travels between them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::event::{Actor, UnknownActor};
use crate::ran::Frame;

/// An interface of the bench, by the name that 3GPP gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Iface {
    /// The radio (TS 36.300).
    Uu,
    /// S1-MME: S1AP over SCTP (TS 36.412). An association: it is up or down, and loses nothing while it is up.
    S1Mme,
    /// S1-U: GTP-U over UDP (TS 29.281).
    S1U,
    /// SGi: IP between the gateway and the switch behind it (TS 29.061).
    Sgi,
    /// IP between the switch and the service network.
    SgiLan,
    /// What devices have sent and the switch has dropped, for the guard: each packet as it was.
    Mirror,
    /// OpenFlow 1.3 between the switch and its controller. An association.
    OpenFlow,
    /// What the gateway tells the AAA side of SGi of its sessions (TS 29.061 clause 16), as signed tokens in the place
    /// of accounting requests. An association.
    SgiAaa,
    /// What the registrar orders of the network's parts when the ledger has changed the status of a device, as signed
    /// tokens ([`crate::wire::order`]). An association.
    Orders,
    /// What guards state of devices, as signed tokens ([`crate::wire::alarm`]). An association.
    Alarms,
}

impl Iface {
    const ALL: [Self; 10] = [
        Self::Uu,
        Self::S1Mme,
        Self::S1U,
        Self::Sgi,
        Self::SgiLan,
        Self::Mirror,
        Self::OpenFlow,
        Self::SgiAaa,
        Self::Orders,
        Self::Alarms,
    ];

    /// The name, as in `s1-mme`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uu => "uu",
            Self::S1Mme => "s1-mme",
            Self::S1U => "s1-u",
            Self::Sgi => "sgi",
            Self::SgiLan => "sgi-lan",
            Self::Mirror => "mirror",
            Self::OpenFlow => "openflow",
            Self::SgiAaa => "sgi-aaa",
            Self::Orders => "orders",
            Self::Alarms => "alarms",
        }
    }

    /// Whether it runs over an association, whose ends are told when it comes up and when it is lost.
    pub const fn is_association(self) -> bool {
        matches!(self, Self::S1Mme | Self::SgiAaa | Self::Orders | Self::Alarms | Self::OpenFlow)
    }
}

/// One interface of one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// Whose it is.
    pub who: Actor,
    /// On which interface.
    pub at: Iface,
}

impl Port {
    /// The port of `who` on `at`.
    pub const fn new(who: Actor, at: Iface) -> Self {
        Self { who, at }
    }
}

impl fmt::Display for Port {
    /// As in `enb1.s1-mme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.who, self.at.name())
    }
}

/// Why a text is not the name of a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum UnknownPort {
    #[error(transparent)]
    Actor(#[from] UnknownActor),
    #[error("{0:?} is not a port; ports are called as in enb1.s1-mme or gw.sgi")]
    Iface(String),
}

impl FromStr for Port {
    type Err = UnknownPort;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, UnknownPort> {
        let unknown = || UnknownPort::Iface(text.to_owned());
        let (who, at) = text.split_once('.').ok_or_else(unknown)?;
        let at = Iface::ALL.into_iter().find(|iface| iface.name() == at).ok_or_else(unknown)?;
        Ok(Self { who: who.parse()?, at })
    }
}

/// Whom a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum To {
    /// The one at this port.
    Port(Port),
    /// Whoever has this transport address on the sender's interface.
    Address(Ipv4Addr),
    /// The base station of the cell that serves the sender.
    Serving,
    /// Everybody in the sender's cells, or whoever the sender hears: system information, and a search for it.
    Cells,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Payload {
    /// What a standard defines in octets.
    Bytes(Vec<u8>),
    /// What a UE sends on the radio.
    Up(Frame),
    /// What a UE hears on the radio.
    Down(Frame),
    /// What a cell says to everybody all the time: the messages of its system information, on BCCH.
    System(Vec<Vec<u8>>),
    /// A UE listens for a cell. Those that are not barred come first.
    Search,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_read_back_from_their_names() {
        for who in [Actor::enb(2), Actor::MME, Actor::ue(100_000)] {
            for at in Iface::ALL {
                let port = Port::new(who, at);
                assert_eq!(port.to_string().parse(), Ok(port));
            }
        }
        for text in ["", "enb1", "enb1.", ".sgi", "enb.sgi", "enb1.S1-U", "enb1.s1-u.x", "nobody.sgi"] {
            assert!(text.parse::<Port>().is_err(), "{text:?}");
        }
    }
}
