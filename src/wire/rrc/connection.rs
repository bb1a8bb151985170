//! A connection from its request to its release (TS 36.331 clauses 5.3 and 6.2.2).

use super::coder::{Code, Coder};
use super::common::RadioResourceConfigCommon;
use super::error::Error;
use super::kinds::{
    Bits, Index, Int, Later, List, Octets, Unspoken, UnspokenChoice, choice, enumerated, message, sequence,
};
use super::measurement::MeasConfig;
use super::radio::RadioResourceConfigDedicated;
use super::security::SecurityConfigHo;
use super::system::{PlmnIdentity, STmsi};

message! {
    /// RRCConnectionRequest.
    RrcConnectionRequest [] 1 {
        ue_identity: InitialUeIdentity,
        cause: EstablishmentCause,
        spare: Bits<1>,
    }
    /// RRCConnectionSetup.
    RrcConnectionSetup [transaction] 4 {
        radio: RadioResourceConfigDedicated,
        later: Later,
    }
    /// RRCConnectionSetupComplete.
    RrcConnectionSetupComplete [transaction] 3 {
        selected_plmn: Int<1, 6>,
        registered_mme: Option<RegisteredMme>,
        nas: Octets,
        v8a0: Option<SetupCompleteV8a0>,
    }
    /// RRCConnectionReject.
    RrcConnectionReject [] 3 {
        /// Seconds.
        wait_time: Int<1, 16>,
        v8a0: Option<RejectV8a0>,
    }
    /// RRCConnectionReconfiguration.
    RrcConnectionReconfiguration [transaction] 4 {
        meas_config: Option<MeasConfig>,
        mobility: Option<MobilityControlInfo>,
        nas: Option<List<Octets, 1, 11>>,
        radio: Option<RadioResourceConfigDedicated>,
        security_ho: Option<SecurityConfigHo>,
        later: Later,
    }
    /// RRCConnectionReconfigurationComplete.
    RrcConnectionReconfigurationComplete [transaction] 1 {
        later: Later,
    }
    /// RRCConnectionRelease.
    RrcConnectionRelease [transaction] 3 {
        cause: ReleaseCause,
        redirected_carrier_info: Option<RedirectedCarrierInfo>,
        idle_mode_mobility: Option<IdleModeMobilityControlInfo>,
        v890: Option<ReleaseV890>,
    }
    /// RRCConnectionReestablishmentRequest.
    RrcConnectionReestablishmentRequest [] 1 {
        c_rnti: Bits<16>,
        phys_cell_id: Int<0, 503>,
        short_mac_i: Bits<16>,
        cause: ReestablishmentCause,
        spare: Bits<2>,
    }
    /// RRCConnectionReestablishment.
    RrcConnectionReestablishment [transaction] 4 {
        radio: RadioResourceConfigDedicated,
        next_hop_chaining_count: Int<0, 7>,
        later: Later,
    }
    /// RRCConnectionReestablishmentComplete.
    RrcConnectionReestablishmentComplete [transaction] 1 {
        later: Later,
    }
    /// RRCConnectionReestablishmentReject.
    RrcConnectionReestablishmentReject [] 1 {
        later: Later,
    }
    /// RRCConnectionResumeRequest-r13.
    RrcConnectionResumeRequest [] 1 {
        identity: ResumeIdentity,
        short_resume_mac_i: Bits<16>,
        cause: ResumeCause,
        spare: Bits<1>,
    }
    /// RRCConnectionResume-r13.
    RrcConnectionResume [transaction] 3 {
        radio: Option<RadioResourceConfigDedicated>,
        next_hop_chaining_count: Int<0, 7>,
        meas_config: Option<MeasConfig>,
        antenna_info_pcell: Unspoken,
        drb_continue_rohc: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
    /// RRCConnectionResumeComplete-r13.
    RrcConnectionResumeComplete [transaction] 1 {
        selected_plmn: Option<Int<1, 6>>,
        nas: Option<Octets>,
        rlf_info_available: Option<()>,
        log_meas_available: Option<()>,
        conn_est_fail_info_available: Option<()>,
        mobility_state: Option<Index<4>>,
        mobility_history_available: Option<()>,
        log_meas_available_mbsfn: Option<()>,
        late: Option<Octets>,
        later: Later,
    }
}

choice! {
    /// InitialUE-Identity.
    InitialUeIdentity { STmsi(STmsi), Random(Bits<40>) }
    /// resumeIdentity-r13.
    ResumeIdentity { Full(Bits<40>), Truncated(Bits<24>) }
}

enumerated! {
    /// EstablishmentCause.
    EstablishmentCause {
        Emergency, HighPriorityAccess, MtAccess, MoSignalling, MoData, DelayTolerantAccess, MoVoiceCall, Spare1,
    }
    /// ReestablishmentCause.
    ReestablishmentCause { ReconfigurationFailure, HandoverFailure, OtherFailure, Spare1 }
    /// ResumeCause.
    ResumeCause {
        Emergency, HighPriorityAccess, MtAccess, MoSignalling, MoData, DelayTolerantAccess, MoVoiceCall, MtEdt,
    }
    /// ReleaseCause.
    ReleaseCause { LoadBalancingTauRequired, Other, CsFallbackHighPriority, RrcSuspend }
}

sequence! {
    /// RegisteredMME.
    RegisteredMme {
        plmn: Option<PlmnIdentity>,
        mmegi: Bits<16>,
        mmec: Bits<8>,
    }
    /// RRCConnectionSetupComplete-v8a0-IEs.
    SetupCompleteV8a0 { late: Option<Octets>, v1020: Option<SetupCompleteV1020> }
    /// RRCConnectionSetupComplete-v1020-IEs.
    SetupCompleteV1020 {
        /// native, mapped.
        gummei_type: Option<Index<2>>,
        rlf_info_available: Option<()>,
        log_meas_available: Option<()>,
        rn_subframe_config_request: Option<Index<2>>,
        v1130: Option<SetupCompleteV1130>,
    }
    /// RRCConnectionSetupComplete-v1130-IEs.
    SetupCompleteV1130 { conn_est_fail_info_available: Option<()>, v1250: Option<SetupCompleteV1250> }
    /// RRCConnectionSetupComplete-v1250-IEs.
    SetupCompleteV1250 {
        mobility_state: Option<Index<4>>,
        mobility_history_available: Option<()>,
        log_meas_available_mbsfn: Option<()>,
        v1320: Option<SetupCompleteV1320>,
    }
    /// RRCConnectionSetupComplete-v1320-IEs: what a UE with CIoT optimisations says.
    SetupCompleteV1320 {
        ce_mode_b: Option<()>,
        s_tmsi: Option<STmsi>,
        attach_without_pdn: Option<()>,
        up_ciot: Option<()>,
        cp_ciot: Option<()>,
        later: Later,
    }
    /// RRCConnectionReject-v8a0-IEs.
    RejectV8a0 { late: Option<Octets>, v1020: Option<RejectV1020> }
    /// RRCConnectionReject-v1020-IEs.
    RejectV1020 {
        /// Seconds, for delay tolerant access.
        extended_wait_time: Option<Int<1, 1800>>,
        later: Later,
    }
    /// MobilityControlInfo.
    MobilityControlInfo extensible {
        target_phys_cell_id: Int<0, 503>,
        carrier_freq: Option<CarrierFreq>,
        carrier_bandwidth: Option<CarrierBandwidth>,
        additional_spectrum_emission: Option<Int<1, 32>>,
        /// 50, 100, 150, 200, 500, 1000, 2000, 10000 ms.
        t304: Index<8>,
        new_ue_identity: Bits<16>,
        radio_common: RadioResourceConfigCommon,
        rach: Option<RachConfigDedicated>,
    }
    /// CarrierFreqEUTRA.
    CarrierFreq { dl: Int<0, 65_535>, ul: Option<Int<0, 65_535>> }
    /// CarrierBandwidthEUTRA.
    CarrierBandwidth { dl: Index<16>, ul: Option<Index<16>> }
    /// RACH-ConfigDedicated.
    RachConfigDedicated { preamble_index: Int<0, 63>, prach_mask_index: Int<0, 15> }
    /// IdleModeMobilityControlInfo.
    IdleModeMobilityControlInfo extensible {
        eutra: Option<List<FreqPriority, 1, 8>>,
        geran: Unspoken,
        utra_fdd: Unspoken,
        utra_tdd: Unspoken,
        hrpd: Unspoken,
        one_xrtt: Unspoken,
        t320: Option<Index<8>>,
    }
    /// FreqPriorityEUTRA.
    FreqPriority { carrier_freq: Int<0, 65_535>, priority: Int<0, 7> }
    /// RRCConnectionRelease-v890-IEs.
    ReleaseV890 { late: Option<Octets>, v920: Option<ReleaseV920> }
    /// RRCConnectionRelease-v920-IEs.
    ReleaseV920 { cell_info_list: Unspoken, v1020: Option<ReleaseV1020> }
    /// RRCConnectionRelease-v1020-IEs.
    ReleaseV1020 {
        /// Seconds.
        extended_wait_time: Option<Int<1, 1800>>,
        v1320: Option<ReleaseV1320>,
    }
    /// RRCConnectionRelease-v1320-IEs.
    ReleaseV1320 { resume_identity: Option<Bits<40>>, later: Later }
}

choice! {
    /// RedirectedCarrierInfo.
    RedirectedCarrierInfo extensible {
        Eutra(Int<0, 65_535>), Geran(UnspokenChoice), UtraFdd(Int<0, 16_383>), UtraTdd(Int<0, 16_383>),
        Hrpd(UnspokenChoice), OneXrtt(UnspokenChoice),
    }
}
