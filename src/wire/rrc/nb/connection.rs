//! A connection of NB-IoT from its request to its release (TS 36.331 clause 6.7.2).

use super::super::coder::{Code, Coder};
use super::super::connection::{InitialUeIdentity, RegisteredMme};
use super::super::error::Error;
use super::super::kinds::{Bits, Index, Int, Later, List, Octets, OpenIndex, enumerated, message, sequence};
use super::super::system::STmsi;
use super::radio::{CarrierFreq, RadioResourceConfigDedicatedNb};

message! {
    /// RRCConnectionRequest-NB.
    RrcConnectionRequestNb [] 1 {
        ue_identity: InitialUeIdentity,
        cause: EstablishmentCauseNb,
        multi_tone_support: Option<()>,
        multi_carrier_support: Option<()>,
        early_contention_resolution: bool,
        cqi_npdcch: Index<13>,
        spare: Bits<17>,
    }
    /// RRCConnectionSetup-NB.
    RrcConnectionSetupNb [transaction] 2 {
        radio: RadioResourceConfigDedicatedNb,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionSetupComplete-NB.
    RrcConnectionSetupCompleteNb [transaction] 1 {
        selected_plmn: Int<1, 6>,
        s_tmsi: Option<STmsi>,
        registered_mme: Option<RegisteredMme>,
        nas: Octets,
        attach_without_pdn: Option<()>,
        up_ciot: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionReject-NB.
    RrcConnectionRejectNb [] 2 {
        /// Seconds.
        extended_wait_time: Int<1, 1800>,
        suspend_indication: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionReconfiguration-NB.
    RrcConnectionReconfigurationNb [transaction] 2 {
        nas: Option<List<Octets, 1, 2>>,
        radio: Option<RadioResourceConfigDedicatedNb>,
        full_config: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionReconfigurationComplete-NB.
    RrcConnectionReconfigurationCompleteNb [transaction] 1 {
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionRelease-NB.
    RrcConnectionReleaseNb [transaction] 2 {
        cause: ReleaseCauseNb,
        resume_identity: Option<Bits<40>>,
        /// Seconds.
        extended_wait_time: Option<Int<1, 1800>>,
        redirected_carrier_info: Option<CarrierFreq>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionReestablishmentRequest-NB.
    RrcConnectionReestablishmentRequestNb [] 1 {
        c_rnti: Bits<16>,
        phys_cell_id: Int<0, 503>,
        short_mac_i: Bits<16>,
        cause: ReestablishmentCauseNb,
        cqi_npdcch: Index<13>,
        early_contention_resolution: bool,
        spare: Bits<20>,
    }
    /// RRCConnectionReestablishment-NB.
    RrcConnectionReestablishmentNb [transaction] 2 {
        radio: RadioResourceConfigDedicatedNb,
        next_hop_chaining_count: Int<0, 7>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionReestablishmentComplete-NB.
    RrcConnectionReestablishmentCompleteNb [transaction] 1 {
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionResumeRequest-NB.
    RrcConnectionResumeRequestNb [] 1 {
        resume_identity: Bits<40>,
        short_resume_mac_i: Bits<16>,
        cause: EstablishmentCauseNb,
        early_contention_resolution: bool,
        cqi_npdcch: Index<13>,
        anr_info_available: bool,
        spare: Bits<3>,
    }
    /// RRCConnectionResume-NB.
    RrcConnectionResumeNb [transaction] 2 {
        radio: Option<RadioResourceConfigDedicatedNb>,
        next_hop_chaining_count: Int<0, 7>,
        drb_continue_rohc: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionResumeComplete-NB.
    RrcConnectionResumeCompleteNb [transaction] 1 {
        selected_plmn: Option<Int<1, 6>>,
        nas: Option<Octets>,
        late: Option<Octets>,
        later: Later,
    }
    /// DLInformationTransfer-NB.
    DlInformationTransferNb [transaction] 2 {
        nas: Octets,
        late: Option<Octets>,
        later: Later,
    }
    /// ULInformationTransfer-NB.
    UlInformationTransferNb [] 1 {
        nas: Octets,
        late: Option<Octets>,
        later: Later,
    }
    /// UECapabilityEnquiry-NB.
    UeCapabilityEnquiryNb [transaction] 2 {
        late: Option<Octets>,
        later: Later,
    }
    /// UECapabilityInformation-NB.
    UeCapabilityInformationNb [transaction] 1 {
        capability: UeCapabilityNb,
        paging: UeRadioPagingInfoNb,
        late: Option<Octets>,
        later: Later,
    }
}

enumerated! {
    /// EstablishmentCause-NB.
    EstablishmentCauseNb {
        MtAccess, MoSignalling, MoData, MoExceptionData, DelayTolerantAccess, MtEdt, Spare2, Spare1,
    }
    /// ReestablishmentCause-NB.
    ReestablishmentCauseNb { ReconfigurationFailure, OtherFailure, Spare2, Spare1 }
    /// ReleaseCause-NB.
    ReleaseCauseNb { LoadBalancingTauRequired, Other, RrcSuspend, Spare1 }
}

sequence! {
    /// UE-Capability-NB.
    UeCapabilityNb {
        /// Release 13 is at place 0.
        access_stratum_release: OpenIndex<8>,
        category_nb1: Option<()>,
        multiple_drb: Option<()>,
        pdcp: Option<PdcpParametersNb>,
        phy: PhyLayerParametersNb,
        rf: RfParametersNb,
        dummy: Option<()>,
    }
    /// PDCP-Parameters-NB.
    PdcpParametersNb extensible {
        /// Profiles 2, 3, 4, 6, 0x102, 0x103 and 0x104, the first as the first bit.
        supported_rohc_profiles: Bits<7>,
        /// `None` is 2.
        max_number_rohc_context_sessions: Option<Index<4>>,
    }
    /// PhyLayerParameters-NB.
    PhyLayerParametersNb { multi_tone: Option<()>, multi_carrier: Option<()> }
    /// RF-Parameters-NB.
    RfParametersNb { supported_bands: List<SupportedBandNb, 1, 64>, multi_ns_pmax: Option<()> }
    /// SupportedBand-NB.
    SupportedBandNb { band: Int<1, 256>, power_class_20dbm: Option<()> }
    /// UE-RadioPagingInfo-NB.
    UeRadioPagingInfoNb extensible { category_nb1: Option<()> }
}
