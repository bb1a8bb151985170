//! What all UEs of a cell have in common on its radio (TS 36.331 clause 6.3.2): in system information, and for a cell that a UE
//! is handed over to.

use super::coder::{Code, Coder};
use super::error::Error;
use super::kinds::{Index, Int, choice, sequence};

sequence! {
    /// RadioResourceConfigCommonSIB.
    RadioResourceConfigCommonSib extensible {
        rach: RachConfigCommon,
        bcch: BcchConfig,
        pcch: PcchConfig,
        prach: PrachConfigSib,
        pdsch: PdschConfigCommon,
        pusch: PuschConfigCommon,
        pucch: PucchConfigCommon,
        sounding: SoundingCommon,
        power: UplinkPowerControlCommon,
        ul_cyclic_prefix_length: Index<2>,
    }
    /// RadioResourceConfigCommon.
    RadioResourceConfigCommon extensible {
        rach: Option<RachConfigCommon>,
        prach: PrachConfig,
        pdsch: Option<PdschConfigCommon>,
        pusch: PuschConfigCommon,
        phich: Option<PhichConfig>,
        pucch: Option<PucchConfigCommon>,
        sounding: Option<SoundingCommon>,
        power: Option<UplinkPowerControlCommon>,
        /// Antenna ports: 1, 2, 4.
        antenna_info: Option<Index<4>>,
        p_max: Option<Int<-30, 33>>,
        tdd_config: Option<TddConfig>,
        ul_cyclic_prefix_length: Index<2>,
    }
    /// RACH-ConfigCommon.
    RachConfigCommon extensible {
        preambles: PreambleInfo,
        power_ramping_step: Index<4>,
        preamble_initial_received_target_power: Index<16>,
        preamble_trans_max: Index<11>,
        ra_response_window_size: Index<8>,
        contention_resolution_timer: Index<8>,
        max_harq_msg3_tx: Int<1, 8>,
    }
    /// preambleInfo.
    PreambleInfo {
        number: Index<16>,
        group_a: Option<PreamblesGroupA>,
    }
    /// preamblesGroupAConfig.
    PreamblesGroupA extensible {
        size: Index<15>,
        message_size: Index<4>,
        message_power_offset: Index<8>,
    }
    /// BCCH-Config.
    BcchConfig {
        modification_period_coeff: Index<4>,
    }
    /// PCCH-Config.
    PcchConfig {
        /// 32, 64, 128 or 256 frames.
        default_paging_cycle: Index<4>,
        n_b: Index<8>,
    }
    /// PRACH-ConfigSIB.
    PrachConfigSib {
        root_sequence_index: Int<0, 837>,
        info: PrachConfigInfo,
    }
    /// PRACH-Config.
    PrachConfig {
        root_sequence_index: Int<0, 837>,
        info: Option<PrachConfigInfo>,
    }
    /// PRACH-ConfigInfo.
    PrachConfigInfo {
        config_index: Int<0, 63>,
        high_speed: bool,
        zero_correlation_zone: Int<0, 15>,
        freq_offset: Int<0, 94>,
    }
    /// PDSCH-ConfigCommon.
    PdschConfigCommon {
        reference_signal_power: Int<-60, 50>,
        p_b: Int<0, 3>,
    }
    /// PUSCH-ConfigCommon.
    PuschConfigCommon {
        n_sb: Int<1, 4>,
        hopping_mode: Index<2>,
        hopping_offset: Int<0, 98>,
        enable_64qam: bool,
        group_hopping: bool,
        group_assignment: Int<0, 29>,
        sequence_hopping: bool,
        cyclic_shift: Int<0, 7>,
    }
    /// PUCCH-ConfigCommon.
    PucchConfigCommon {
        delta_shift: Index<3>,
        n_rb_cqi: Int<0, 98>,
        n_cs_an: Int<0, 7>,
        n1_pucch_an: Int<0, 2047>,
    }
    /// SoundingRS-UL-ConfigCommon, set up.
    SoundingCommonSetup {
        bandwidth: Index<8>,
        subframe: Index<16>,
        ack_nack_simultaneous: bool,
        max_up_pts: Option<()>,
    }
    /// UplinkPowerControlCommon.
    UplinkPowerControlCommon {
        p0_nominal_pusch: Int<-126, 24>,
        alpha: Index<8>,
        p0_nominal_pucch: Int<-127, -96>,
        delta_f_format1: Index<3>,
        delta_f_format1b: Index<3>,
        delta_f_format2: Index<4>,
        delta_f_format2a: Index<3>,
        delta_f_format2b: Index<3>,
        delta_preamble_msg3: Int<-1, 6>,
    }
    /// PHICH-Config.
    PhichConfig {
        duration: Index<2>,
        resource: Index<4>,
    }
    /// TDD-Config.
    TddConfig {
        subframe_assignment: Index<7>,
        special_subframe_patterns: Index<9>,
    }
    /// SpeedStateScaleFactors.
    SpeedScaling {
        medium: Index<4>,
        high: Index<4>,
    }
}

choice! {
    /// SoundingRS-UL-ConfigCommon.
    SoundingCommon { Release(()), Setup(SoundingCommonSetup) }
}
