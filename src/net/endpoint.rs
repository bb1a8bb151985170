//! Where the services of the lab are: their names, addresses and ports on the service network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::event::Actor;

/// Where the registrar listens, and the name that its certificate carries.
pub const REGISTRAR: ServiceAddress =
    ServiceAddress { actor: Actor::REGISTRAR, port: 443, name: "registrar.cellbed.test" };
/// The same of the onboarding service (EST).
pub const EST: ServiceAddress = ServiceAddress { actor: Actor::CA, port: 443, name: "est.cellbed.test" };
/// Where the authority publishes its root, its revocation list and the status of its certificates: plain HTTP, since all
/// of it is signed, and since who verifies certificates cannot ask by TLS.
pub const PKI: ServiceAddress = ServiceAddress { actor: Actor::CA, port: 80, name: "pki.cellbed.test" };
/// The same as [`EST`] of the MQTT broker.
pub const BROKER: ServiceAddress =
    ServiceAddress { actor: Actor::CLOUD, port: 8883, name: "mqtt.cellbed.test" };
/// The same of the SM-DP+.
pub const SMDP: ServiceAddress = ServiceAddress { actor: Actor::SMDP, port: 443, name: "smdp.cellbed.test" };
/// The same of the SM-DS.
pub const SMDS: ServiceAddress = ServiceAddress { actor: Actor::SMDS, port: 443, name: "smds.cellbed.test" };
/// The same of the eIM.
pub const EIM: ServiceAddress = ServiceAddress { actor: Actor::EIM, port: 443, name: "eim.cellbed.test" };

/// The same of the update service.
pub const UPDATES: ServiceAddress =
    ServiceAddress { actor: Actor::UPDATES, port: 443, name: "updates.cellbed.test" };

/// The eSIM servers: all that a bootstrap subscription reaches.
pub const ESIM_SERVERS: [ServiceAddress; 3] = [SMDP, SMDS, EIM];

/// Where a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Who offers it.
    pub actor: Actor,
    /// The TCP port.
    pub port: u16,
    /// The DNS name, which its certificate carries.
    pub name: &'static str,
}

impl ServiceAddress {
    /// Its address and port.
    pub fn socket(&self) -> (Ipv4Addr, u16) {
        (self.actor.transport_address(), self.port)
    }

    /// Its addresses: of IPv4, and of IPv6.
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.actor.transport_address().into(), self.actor.transport_address_v6().into()]
    }

    /// The same as [`socket`](Self::socket), in the version of IP that `like` is of.
    pub fn socket_like(&self, like: IpAddr) -> SocketAddr {
        let [four, six] = self.addresses();
        SocketAddr::new(if like.is_ipv6() { six } else { four }, self.port)
    }

    /// The eSIM server that goes by `name`, where it is one of the lab's.
    pub fn esim_server(name: &str) -> Option<Self> {
        ESIM_SERVERS.into_iter().find(|server| server.name == name)
    }
}
