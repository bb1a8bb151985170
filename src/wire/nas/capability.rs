//! The algorithms that a UE says it has, and how the network replays them (TS 24.301 clauses 9.9.3.34 and 9.9.3.36).

use oxirush_nas::nas_eps::{NasUeNetworkCapability, NasUeSecurityCapability};

use super::AlgorithmSet;

/// The UE network capability (clause 9.9.3.34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCapability(pub(super) Vec<u8>);

impl NetworkCapability {
    /// The capability of a UE with the ciphering algorithms `eea` and the integrity algorithms `eia`.
    pub fn new(eea: AlgorithmSet, eia: AlgorithmSet) -> Self {
        Self(NasUeNetworkCapability::from_eea_eia(eea.octet(), eia.octet()).value.as_slice().to_vec())
    }

    /// The octet of ciphering algorithms, bit 8 for EEA0.
    pub fn eea_octet(&self) -> u8 {
        self.codec().eea_byte()
    }

    /// The octet of integrity algorithms, bit 8 for EIA0.
    pub fn eia_octet(&self) -> u8 {
        self.codec().eia_byte()
    }

    /// Whether the UE has EEA`number`.
    pub fn eea(&self, number: u8) -> bool {
        self.codec().supports_eea(number)
    }

    /// Whether the UE has EIA`number`.
    pub fn eia(&self, number: u8) -> bool {
        self.codec().supports_eia(number)
    }

    pub(super) fn codec(&self) -> NasUeNetworkCapability {
        NasUeNetworkCapability::new(self.0.clone())
    }
}

/// The UE security capability that the network replays, so that the UE sees what reached it (clause 9.9.3.36).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedCapability(pub(super) Vec<u8>);

impl ReplayedCapability {
    /// What is replayed of `capability`.
    pub fn of(capability: &NetworkCapability) -> Self {
        Self(
            NasUeSecurityCapability::from_ue_network_capability(&capability.codec())
                .value
                .as_slice()
                .to_vec(),
        )
    }

    /// Whether this is what a UE with `capability` has sent (clause 5.4.3.3).
    pub fn matches(&self, capability: &NetworkCapability) -> bool {
        self.codec().matches_ue_network_capability(&capability.codec())
    }

    pub(super) fn codec(&self) -> NasUeSecurityCapability {
        NasUeSecurityCapability::new(self.0.clone())
    }
}
