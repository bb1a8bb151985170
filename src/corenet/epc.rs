//! The evolved packet core: MME, HSS and gateway behind one machine.

use std::net::Ipv4Addr;

use super::gateway::{Gateway, Policy};
use super::hss::{Hss, Subscriber};
use super::mme::{Core, Mme};
use super::orders::Followed;
use super::{CorenetError, EpcConfig, EpcOutput};
use crate::crypto::SoftKey;
use crate::event::Actor;
use crate::id::{Iccid, Imsi};
use crate::kernel::{Gone, Instant, RngTree};
use crate::wire::nas::algorithm_exists;

/// What happens to the core network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum EpcInput<'a> {
    /// The association of base station `enb` is up.
    S1Connected { enb: u32 },
    /// A PDU of base station `enb`.
    S1 { enb: u32, bytes: &'a [u8] },
    /// The association of base station `enb` is gone.
    S1Lost { enb: u32 },
    /// The association with those who are told of sessions is up.
    AaaConnected,
    /// A datagram on the gateway's GTP-U port.
    GtpU { from: Ipv4Addr, bytes: &'a [u8] },
    /// An IP packet from the service network to a UE.
    Sgi(&'a [u8]),
    /// An order of somebody whom the network follows ([`crate::wire::order`]).
    Order(&'a [u8]),
    /// The operator takes the subscriber off the network (TS 24.301 clause 5.5.2.3).
    Withdraw { imsi: &'a Imsi },
    /// The moment of [`Epc::deadline`] has come.
    Timer,
}

/// The longest T3412 that an ATTACH ACCEPT can tell (TS 24.008 clause 10.5.7.3).
const T3412_S_MAX: u64 = 31 * 360;

/// A core network.
pub struct Epc {
    mme: Mme,
    hss: Hss,
    gateway: Gateway,
    orders: Followed,
}

impl Epc {
    /// A core network without subscribers. Fails on algorithms that there are not, on EIA0, and on a T3412 that cannot be
    /// sent.
    pub fn new(config: EpcConfig, rng: RngTree) -> Result<Self, CorenetError> {
        if let Some(&eia) = config.eia.iter().find(|&&number| !algorithm_exists(number)) {
            return Err(CorenetError::Algorithm { eia, eea: 0 });
        }
        if let Some(&eea) = config.eea.iter().find(|&&number| !algorithm_exists(number)) {
            return Err(CorenetError::Algorithm { eia: 0, eea });
        }
        if config.eia.contains(&0) {
            return Err(CorenetError::NullIntegrity);
        }
        let seconds = config.t3412.as_secs();
        if seconds > T3412_S_MAX {
            return Err(CorenetError::T3412 { seconds });
        }
        let of_gateway = rng.branch(Actor::GATEWAY);
        let key = SoftKey::from_stream(&mut of_gateway.stream("attestation")).counted(&config.tally);
        let peers = config.peer_groups.clone();
        Ok(Self {
            orders: Followed::new(config.quarantine),
            hss: Hss::new(config.hss_fault, rng.branch(Actor::HSS)),
            gateway: Gateway::new(config.plmn, config.ue_pool, key, peers, config.mtu, &of_gateway),
            mme: Mme::new(config, &rng.branch(Actor::MME)),
        })
    }

    /// Follows the orders of `issuer` from now on, under the public point `X || Y`.
    pub fn follow(&mut self, issuer: &str, public: [u8; 64]) {
        self.orders.follow(issuer, public);
    }

    /// Adds a subscriber. Fails on an IMSI that is known, and on a sequence number that is none.
    pub fn provision(&mut self, subscriber: Subscriber) -> Result<(), CorenetError> {
        self.hss.provision(subscriber)
    }

    /// Every subscriber: who, by which card or profile, and what it may reach.
    pub fn subscribers(&self) -> impl Iterator<Item = (&Imsi, &Iccid, &Policy)> {
        self.hss.subscribers()
    }

    /// Takes one input. Fails where a codec lets the core down; what its peers do wrong is answered in the
    /// protocol.
    pub fn handle(
        &mut self,
        now: Instant,
        input: EpcInput<'_>,
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let mut core = Core { now, hss: &mut self.hss, gateway: &mut self.gateway, out };
        match input {
            EpcInput::S1Connected { enb } => {
                self.mme.connected(enb);
                Ok(())
            }
            EpcInput::S1 { enb, bytes } => self.mme.receive(enb, bytes, &mut core),
            EpcInput::S1Lost { enb } => {
                self.mme.lost(enb, &mut core);
                Ok(())
            }
            EpcInput::AaaConnected => {
                core.gateway.restate(now, core.out);
                Ok(())
            }
            EpcInput::GtpU { from, bytes } => core.gateway.receive_gtpu(now, from, bytes, core.out),
            EpcInput::Sgi(packet) => {
                core.gateway.receive_sgi(now, packet, core.out)?;
                self.mme.notified(&mut core)
            }
            EpcInput::Order(token) => self.orders.take(token, &mut self.mme, &mut core),
            EpcInput::Withdraw { imsi } => self.mme.withdraw(imsi, &mut core),
            EpcInput::Timer => self.mme.expire(&mut core),
        }
    }

    /// When the next timer expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.mme.deadline()
    }

    /// The public key, `X || Y`, under which the network's statements on sessions are to be verified.
    pub fn attestation_key(&self) -> [u8; 64] {
        self.gateway.attestation_key()
    }

    /// Takes the core down part by part, and names each part once it is gone.
    pub fn take_down(self, gone: Gone<'_>) {
        let Self { mme, hss, gateway, orders: _ } = self;
        drop(mme);
        gone("MME");
        drop(hss);
        gone("HSS");
        drop(gateway);
        gone("gateway");
    }

    /// How many NAS messages the MME has dropped: without protection where that is needed, not authentic, or malformed.
    pub fn messages_dropped(&self) -> u64 {
        self.mme.dropped
    }

    /// How many connections the MME has given up because there were too many without proof of who they are.
    pub fn connections_given_up(&self) -> u64 {
        self.mme.given_up
    }

    /// What the gateway has dropped, by reason, with how often.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.gateway.drops().map(|(why, count)| (why.name(), count))
    }

    /// How many UEs the MME has a context of.
    pub fn contexts(&self) -> usize {
        self.mme.contexts()
    }
}
