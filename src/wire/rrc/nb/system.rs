//! System information and paging of NB-IoT (TS 36.331 clauses 6.7.2 and 6.7.3.1).

use super::super::coder::{Code, Coder};
use super::super::error::Error;
use super::super::kinds::{Bits, Index, Int, Later, List, Octets, UnspokenChoice, choice, message, sequence};
use super::super::system::{CellBarred, PagingUeIdentity, PartEarfcn, PlmnIdentity};
use super::radio::{CarrierFreq, DlBitmap, DlGapConfig};

sequence! {
    /// MasterInformationBlock-NB.
    MasterInformationBlockNb {
        /// The first four bits of the number of the frame.
        frame_number: Bits<4>,
        /// The last two bits of the number of the hyperframe.
        hyper_frame_number: Bits<2>,
        scheduling_info_sib1: Int<0, 15>,
        value_tag: Int<0, 31>,
        access_barring: bool,
        operation_mode: OperationMode,
        additional_transmission_sib1: bool,
        access_barring_5gc: bool,
        part_earfcn: PartEarfcn,
        spare: Bits<6>,
    }
    /// Inband-DifferentPCI-NB.
    InbandDifferentPci { crs_ports: Index<2>, raster_offset: Index<4>, spare: Bits<2> }
    /// Guardband-NB.
    Guardband { raster_offset: Index<4>, spare: Bits<3> }
}

choice! {
    /// operationModeInfo.
    OperationMode {
        InbandSamePci(Int<0, 31>), InbandDifferentPci(InbandDifferentPci), Guardband(Guardband),
        Standalone(Bits<5>),
    }
}

sequence! {
    /// SystemInformationBlockType1-NB.
    SystemInformationBlockType1Nb {
        hyper_frame_number: Bits<8>,
        access: CellAccessRelatedInfoNb,
        q_rx_lev_min: Int<-70, -22>,
        q_qual_min: Int<-34, -3>,
        p_max: Option<Int<-30, 33>>,
        freq_band_indicator: Int<1, 256>,
        freq_band_info: Option<List<NsPmaxValue, 1, 4>>,
        multi_band_info_list: Option<List<MultiBandInfo, 1, 8>>,
        downlink_bitmap: Option<DlBitmap>,
        eutra_control_region_size: Option<Index<3>>,
        nrs_crs_power_offset: Option<Index<16>>,
        scheduling_info_list: List<SchedulingInfoNb, 1, 8>,
        si_window_length: Index<8>,
        si_radio_frame_offset: Option<Int<1, 15>>,
        value_tag_list: Option<List<Int<0, 3>, 1, 8>>,
        late: Option<Octets>,
        later: Later,
    }
    /// cellAccessRelatedInfo.
    CellAccessRelatedInfoNb {
        plmn_identity_list: List<PlmnIdentityInfoNb, 1, 6>,
        tracking_area_code: Bits<16>,
        cell_identity: Bits<28>,
        barred: CellBarred,
        intra_freq_reselection: Index<2>,
    }
    /// PLMN-IdentityInfo-NB.
    PlmnIdentityInfoNb {
        plmn: PlmnIdentity,
        /// reserved, notReserved.
        reserved_for_operator_use: Index<2>,
        attach_without_pdn: Option<()>,
    }
    /// NS-PmaxValue-NB.
    NsPmaxValue { additional_p_max: Option<Int<-30, 33>>, additional_spectrum_emission: Int<1, 32> }
    /// MultiBandInfo-NB.
    MultiBandInfo {
        freq_band_indicator: Option<Int<1, 256>>,
        freq_band_info: Option<List<NsPmaxValue, 1, 4>>,
    }
    /// SchedulingInfo-NB.
    SchedulingInfoNb {
        si_periodicity: Index<8>,
        si_repetition_pattern: Index<4>,
        /// Blocks 3, 4, 5, 14, 16, 15, 20 and 22.
        sib_mapping_info: List<Index<8>, 0, 31>,
        /// 56, 120, 208, 256, 328, 440, 552 or 680 bits.
        si_tb: Index<8>,
    }
}

message! {
    /// SystemInformation-NB.
    SystemInformationNb [] 1 {
        blocks: List<SystemInformationBlockNb, 1, 32>,
        late: Option<Octets>,
        later: Later,
    }
}

choice! {
    /// sib-TypeAndInfo.
    SystemInformationBlockNb extensible {
        Sib2(SystemInformationBlockType2Nb), Sib3(SystemInformationBlockType3Nb), Sib4(UnspokenChoice),
        Sib5(UnspokenChoice), Sib14(UnspokenChoice), Sib16(UnspokenChoice),
    }
}

sequence! {
    /// SystemInformationBlockType2-NB.
    SystemInformationBlockType2Nb extensible {
        radio: RadioResourceConfigCommonSibNb,
        timers: UeTimersAndConstantsNb,
        freq_info: FreqInfoNb,
        time_alignment_timer_common: Index<8>,
        multi_band_info_list: Option<List<Int<1, 32>, 1, 8>>,
        late: Option<Octets>,
    }
    /// RadioResourceConfigCommonSIB-NB.
    RadioResourceConfigCommonSibNb extensible {
        rach: RachConfigCommonNb,
        /// 16, 32, 64 or 128 paging cycles.
        modification_period_coeff: Index<4>,
        pcch: PcchConfigNb,
        nprach: NprachConfigSib,
        nrs_power: Int<-60, 50>,
        npusch: NpuschConfigCommon,
        dl_gap: Option<DlGapConfig>,
        power: UplinkPowerControlCommonNb,
    }
    /// RACH-ConfigCommon-NB.
    RachConfigCommonNb extensible {
        preamble_trans_max_ce: Index<11>,
        power_ramping_step: Index<4>,
        preamble_initial_received_target_power: Index<16>,
        /// By coverage enhancement level.
        info_list: List<RachInfo, 1, 3>,
        conn_est_fail_offset: Option<Int<0, 15>>,
    }
    /// RACH-Info-NB, in NPDCCH periods: 2 to 8 or 10, and 1, 2, 3, 4, 8, 16, 32, 64.
    RachInfo { response_window_size: Index<8>, contention_resolution_timer: Index<8> }
    /// PCCH-Config-NB.
    PcchConfigNb {
        /// 128, 256, 512 or 1024 frames.
        default_paging_cycle: Index<4>,
        n_b: Index<16>,
        npdcch_num_repetition_paging: Index<16>,
    }
    /// NPRACH-ConfigSIB-NB.
    NprachConfigSib {
        /// 66.7 or 266.7 us.
        cp_length: Index<2>,
        rsrp_thresholds: Option<List<Int<0, 97>, 1, 2>>,
        /// By coverage enhancement level.
        parameters_list: List<NprachParameters, 1, 3>,
    }
    /// NPRACH-Parameters-NB.
    NprachParameters {
        periodicity: Index<8>,
        start_time: Index<8>,
        subcarrier_offset: Index<8>,
        num_subcarriers: Index<4>,
        subcarrier_msg3_range_start: Index<4>,
        max_num_preamble_attempt_ce: Index<8>,
        num_repetitions_per_preamble_attempt: Index<8>,
        npdcch_num_repetitions_ra: Index<16>,
        npdcch_start_sf_css_ra: Index<8>,
        npdcch_offset_ra: Index<4>,
    }
    /// NPUSCH-ConfigCommon-NB.
    NpuschConfigCommon {
        ack_nack_num_repetitions_msg4: List<Index<8>, 1, 3>,
        srs_subframe_config: Option<Index<16>>,
        dmrs: Option<DmrsConfig>,
        group_hopping: bool,
        group_assignment: Int<0, 29>,
    }
    /// dmrs-Config.
    DmrsConfig {
        three_tone_base_sequence: Option<Int<0, 12>>,
        three_tone_cyclic_shift: Int<0, 2>,
        six_tone_base_sequence: Option<Int<0, 14>>,
        six_tone_cyclic_shift: Int<0, 3>,
        twelve_tone_base_sequence: Option<Int<0, 30>>,
    }
    /// UplinkPowerControlCommon-NB.
    UplinkPowerControlCommonNb {
        p0_nominal_npusch: Int<-126, 24>,
        alpha: Index<8>,
        delta_preamble_msg3: Int<-1, 6>,
    }
    /// UE-TimersAndConstants-NB.
    UeTimersAndConstantsNb extensible {
        /// 2.5, 4, 6, 10, 15, 25, 40, 60 s.
        t300: Index<8>,
        t301: Index<8>,
        t310: Index<7>,
        n310: Index<8>,
        t311: Index<7>,
        n311: Index<8>,
    }
    /// freqInfo.
    FreqInfoNb { ul_carrier_freq: Option<CarrierFreq>, additional_spectrum_emission: Int<1, 32> }
    /// SystemInformationBlockType3-NB.
    SystemInformationBlockType3Nb extensible {
        q_hyst: Index<16>,
        s_non_intra_search: Int<0, 31>,
        intra: IntraFreqCellReselectionInfoNb,
        freq_band_info: Option<List<NsPmaxValue, 1, 4>>,
        multi_band_info_list: Option<List<List<NsPmaxValue, 1, 4>, 1, 8>>,
        late: Option<Octets>,
    }
    /// intraFreqCellReselectionInfo.
    IntraFreqCellReselectionInfoNb {
        q_rx_lev_min: Int<-70, -22>,
        q_qual_min: Option<Int<-34, -3>>,
        p_max: Option<Int<-30, 33>>,
        s_intra_search_p: Int<0, 31>,
        t_reselection: Index<8>,
    }
    /// Paging-NB.
    PagingNb {
        records: Option<List<PagingRecordNb, 1, 16>>,
        system_info_modification: Option<()>,
        system_info_modification_edrx: Option<()>,
        later: Later,
    }
    /// PagingRecord-NB.
    PagingRecordNb extensible { ue_identity: PagingUeIdentity }
}
