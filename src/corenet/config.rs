//! What a core network is.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gateway::AddressPool;
use super::hss::HssFault;
use super::mme::PendingLimits;
use super::session::RatType;
use crate::crypto::Tally;
use crate::id::Plmn;
use crate::kernel::Duration;
use crate::wire::gtpu::PeerGroups;

/// What the core does with a subscriber whose device the ledger has in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quarantine {
    /// It is detached, and every attach is refused until it is released (operator determined barring, TS 23.015).
    #[default]
    Detach,
    /// It stays attached: what it may reach is for others to see to.
    Remediation,
}

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
    /// NAS integrity algorithms by number, best first. EIA0 is none of them: it is for emergency calls (TS 33.401 clause
    /// 5.1.4.1), of which there are none here.
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
    /// How long a UE without a connection is silent before it updates its tracking area (T3412, TS 24.301 clause 5.3.5);
    /// zero: it is never heard of, and stays registered for ever. At most 31 times 6 minutes.
    pub t3412: Duration,
    /// How many connections of UEs that have proved nothing there may be.
    pub pending: PendingLimits,
    /// Base stations that send user packets from more than one address, with all the addresses of each.
    pub peer_groups: PeerGroups,
    /// What is wrong with the HSS, on purpose.
    pub hss_fault: HssFault,
    /// What becomes of a subscriber in quarantine.
    pub quarantine: Quarantine,
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
            t3412: Duration::from_secs(54 * 60),
            pending: PendingLimits::default(),
            peer_groups: PeerGroups::default(),
            hss_fault: HssFault::None,
            quarantine: Quarantine::Detach,
            tally: Tally::new(),
        }
    }
}
