//! The evolved packet core: MME, HSS and gateway behind one machine.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::CorenetError;
use super::gateway::{AddressPool, Gateway};
use super::hss::{Hss, HssFault, Subscriber};
use super::mme::{Core, Mme};
use super::session::{RatType, SessionChange};
use crate::crypto::{SoftKey, Tally};
use crate::event::Actor;
use crate::id::{Imsi, Plmn};
use crate::kernel::{Instant, RngTree};
use crate::wire::nas::algorithm_exists;
use crate::wire::{Fields, Label};

/// What a core network is.
#[derive(Debug, Clone)]
pub struct EpcConfig {
    /// The network's identity.
    pub plmn: Plmn,
    /// The tracking area code of its base stations (TS 23.003 clause 19.4.2.3).
    pub tac: u16,
    /// The radio access of its cells.
    pub rat: RatType,
    /// The access point name of subscribers that have none of their own.
    pub apn: String,
    /// NAS integrity algorithms by number, best first.
    pub eia: Vec<u8>,
    /// NAS ciphering algorithms by number, best first.
    pub eea: Vec<u8>,
    /// Where UEs get their addresses.
    pub ue_pool: AddressPool,
    /// The DNS server that UEs are told.
    pub dns: Option<Ipv4Addr>,
    /// The largest packet of a UE, in bytes.
    pub mtu: u16,
    /// MME Group ID of its GUTIs (TS 23.003 clause 2.8.1).
    pub mme_group: u16,
    /// MME Code of its GUTIs.
    pub mme_code: u8,
    /// What is wrong with the HSS, on purpose.
    pub hss_fault: HssFault,
    /// Counts what the network computes with its own key.
    pub tally: Tally,
}

impl EpcConfig {
    /// A core network without faults that prefers AES, then SNOW 3G, then ZUC, and has room for 65,533 UEs.
    pub fn new(plmn: Plmn, tac: u16, apn: impl Into<String>, ue_pool: AddressPool) -> Self {
        Self {
            plmn,
            tac,
            rat: RatType::Eutran,
            apn: apn.into(),
            eia: vec![2, 1, 3],
            eea: vec![2, 1, 3, 0],
            ue_pool,
            dns: None,
            mtu: 1400,
            mme_group: 1,
            mme_code: 1,
            hss_fault: HssFault::None,
            tally: Tally::new(),
        }
    }
}

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
    /// The operator takes the subscriber off the network (TS 24.301 clause 5.5.2.3).
    Withdraw { imsi: &'a Imsi },
    /// The moment of [`Epc::deadline`] has come.
    Timer,
}

/// What the core network does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum EpcOutput {
    /// A PDU for base station `enb`.
    S1 { enb: u32, bytes: Vec<u8>, label: Label },
    /// A datagram for the GTP-U port of `to`.
    GtpU { to: Ipv4Addr, bytes: Vec<u8>, label: Label },
    /// An IP packet of a UE for the service network.
    Sgi(Vec<u8>),
    /// A change of state, or a note with an empty `machine`.
    State { actor: Actor, machine: &'static str, change: Cow<'static, str>, fields: Fields },
    /// A message between two nodes that is a function call here.
    Call { from: Actor, to: Actor, label: Label },
    /// What becomes of a session, and the same as the signed token that tells others of it.
    Session { change: SessionChange, token: Vec<u8>, label: Label },
}

/// A core network.
pub struct Epc {
    mme: Mme,
    hss: Hss,
    gateway: Gateway,
}

impl Epc {
    /// A core network without subscribers. Fails on algorithms that there are not.
    pub fn new(config: EpcConfig, rng: RngTree) -> Result<Self, CorenetError> {
        if let Some(&eia) = config.eia.iter().find(|&&number| !algorithm_exists(number)) {
            return Err(CorenetError::Algorithm { eia, eea: 0 });
        }
        if let Some(&eea) = config.eea.iter().find(|&&number| !algorithm_exists(number)) {
            return Err(CorenetError::Algorithm { eia: 0, eea });
        }
        let key = SoftKey::from_stream(&mut rng.branch(Actor::GATEWAY).stream("attestation"));
        Ok(Self {
            hss: Hss::new(config.hss_fault, rng.branch(Actor::HSS)),
            gateway: Gateway::new(config.plmn, config.ue_pool, key.counted(&config.tally)),
            mme: Mme::new(config, &rng.branch(Actor::MME)),
        })
    }

    /// Adds a subscriber. Fails on an IMSI that is known, and on a sequence number that is none.
    pub fn provision(&mut self, subscriber: Subscriber) -> Result<(), CorenetError> {
        self.hss.provision(subscriber)
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
            EpcInput::GtpU { from, bytes } => core.gateway.receive_gtpu(from, bytes, core.out),
            EpcInput::Sgi(packet) => core.gateway.receive_sgi(packet, core.out),
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

    /// How many UEs the MME has a context of.
    pub fn contexts(&self) -> usize {
        self.mme.contexts()
    }
}
