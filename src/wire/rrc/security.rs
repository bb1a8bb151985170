//! Security of the radio, capabilities, and NAS messages on their way (TS 36.331 clauses 5.3.4, 5.6.1 to 5.6.3).

use super::coder::{Code, Coder};
use super::error::Error;
use super::kinds::{
    Int, Later, List, Octets, OpenIndex, UnspokenChoice, choice, enumerated, message, sequence,
};

message! {
    /// SecurityModeCommand.
    SecurityModeCommand [transaction] 3 {
        config: SecurityConfigSmc,
        later: Later,
    }
    /// SecurityModeComplete.
    SecurityModeComplete [transaction] 1 {
        later: Later,
    }
    /// SecurityModeFailure.
    SecurityModeFailure [transaction] 1 {
        later: Later,
    }
    /// UECapabilityEnquiry.
    UeCapabilityEnquiry [transaction] 3 {
        request: List<OpenIndex<8>, 1, 8>,
        later: Later,
    }
    /// UECapabilityInformation.
    UeCapabilityInformation [transaction] 4 {
        containers: List<UeCapabilityRatContainer, 0, 8>,
        later: Later,
    }
    /// DLInformationTransfer.
    DlInformationTransfer [transaction] 3 {
        info: DedicatedInfo,
        later: Later,
    }
    /// ULInformationTransfer.
    UlInformationTransfer [] 3 {
        info: DedicatedInfo,
        later: Later,
    }
}

sequence! {
    /// SecurityConfigSMC.
    SecurityConfigSmc extensible { algorithms: SecurityAlgorithmConfig }
    /// SecurityAlgorithmConfig.
    SecurityAlgorithmConfig {
        ciphering: CipheringAlgorithm,
        integrity: IntegrityAlgorithm,
    }
    /// SecurityConfigHO.
    SecurityConfigHo extensible { handover: HandoverType }
    /// intraLTE.
    IntraLte {
        algorithms: Option<SecurityAlgorithmConfig>,
        key_change: bool,
        next_hop_chaining_count: Int<0, 7>,
    }
    /// UE-CapabilityRAT-Container.
    UeCapabilityRatContainer {
        /// eutra, utra, geran-cs, geran-ps, cdma2000-1XRTT, nr, eutra-nr.
        rat: OpenIndex<8>,
        container: Octets,
    }
}

choice! {
    /// handoverType.
    HandoverType { IntraLte(IntraLte), InterRat(UnspokenChoice) }
    /// dedicatedInfoType.
    DedicatedInfo { Nas(Octets), OneXrtt(Octets), Hrpd(Octets) }
}

enumerated! {
    /// CipheringAlgorithm-r12.
    CipheringAlgorithm extensible { Eea0, Eea1, Eea2, Eea3, Spare4, Spare3, Spare2, Spare1 }
    /// integrityProtAlgorithm.
    IntegrityAlgorithm extensible { Eia0, Eia1, Eia2, Eia3, Spare4, Spare3, Spare2, Spare1 }
}

impl CipheringAlgorithm {
    /// EEA`number`, 0 to 3.
    pub fn of(number: u8) -> Option<Self> {
        [Self::Eea0, Self::Eea1, Self::Eea2, Self::Eea3].get(usize::from(number)).copied()
    }

    /// Its number; 4 to 7 are of algorithms that there are not.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl IntegrityAlgorithm {
    /// EIA`number`, 0 to 3.
    pub fn of(number: u8) -> Option<Self> {
        [Self::Eia0, Self::Eia1, Self::Eia2, Self::Eia3].get(usize::from(number)).copied()
    }

    /// Its number; 4 to 7 are of algorithms that there are not.
    pub fn number(self) -> u8 {
        self as u8
    }
}
