//! The radio of one UE: its bearers, and how MAC and PHY serve it (RadioResourceConfigDedicated, TS 36.331 clause 6.3.2).

use super::coder::{Code, Coder};
use super::error::Error;
use super::kinds::{Bits, Index, Int, List, OpenIndex, Unspoken, UnspokenChoice, choice, sequence};

sequence! {
    /// RadioResourceConfigDedicated.
    RadioResourceConfigDedicated extensible {
        srbs: Option<List<SrbToAddMod, 1, 2>>,
        drbs: Option<List<DrbToAddMod, 1, 11>>,
        drbs_to_release: Option<List<Int<1, 32>, 1, 11>>,
        mac: Option<ExplicitMac>,
        sps_config: Unspoken,
        physical: Option<PhysicalConfigDedicated>,
    }
    /// SRB-ToAddMod.
    SrbToAddMod extensible {
        identity: Int<1, 2>,
        rlc: Option<ExplicitRlc>,
        logical_channel: Option<ExplicitLogicalChannel>,
    }
    /// DRB-ToAddMod.
    DrbToAddMod extensible {
        eps_bearer_identity: Option<Int<0, 15>>,
        identity: Int<1, 32>,
        pdcp: Option<PdcpConfig>,
        rlc: Option<RlcConfig>,
        logical_channel_identity: Option<Int<3, 10>>,
        logical_channel: Option<LogicalChannelConfig>,
    }
    /// PDCP-Config.
    PdcpConfig extensible {
        discard_timer: Option<Index<8>>,
        /// statusReportRequired of a bearer in acknowledged mode.
        rlc_am: Option<PdcpAm>,
        /// pdcp-SN-Size of a bearer in unacknowledged mode: 7 or 12 bits.
        rlc_um: Option<PdcpUm>,
        header_compression: HeaderCompression,
    }
    /// rlc-AM.
    PdcpAm { status_report_required: bool }
    /// rlc-UM.
    PdcpUm { sn_size: Index<2> }
    /// RLC-Config, acknowledged mode.
    RlcAm { ul: UlAmRlc, dl: DlAmRlc }
    /// UL-AM-RLC.
    UlAmRlc {
        t_poll_retransmit: Index<64>,
        poll_pdu: Index<8>,
        poll_byte: Index<16>,
        max_retx_threshold: Index<8>,
    }
    /// DL-AM-RLC.
    DlAmRlc {
        t_reordering: Index<32>,
        t_status_prohibit: Index<64>,
    }
    /// RLC-Config, unacknowledged mode both ways.
    RlcUmBoth { ul: UlUmRlc, dl: DlUmRlc }
    /// UL-UM-RLC.
    UlUmRlc { sn_field_length: Index<2> }
    /// DL-UM-RLC.
    DlUmRlc { sn_field_length: Index<2>, t_reordering: Index<32> }
    /// LogicalChannelConfig.
    LogicalChannelConfig extensible { ul: Option<UlSpecificParameters> }
    /// ul-SpecificParameters.
    UlSpecificParameters {
        priority: Int<1, 16>,
        prioritised_bit_rate: Index<16>,
        bucket_size_duration: Index<8>,
        group: Option<Int<0, 3>>,
    }
    /// MAC-MainConfig.
    MacMainConfig extensible {
        ul_sch: Option<UlSchConfig>,
        drx: Option<DrxConfig>,
        time_alignment_timer: Index<8>,
        phr: Option<PhrConfig>,
    }
    /// ul-SCH-Config.
    UlSchConfig {
        max_harq_tx: Option<Index<16>>,
        periodic_bsr_timer: Option<Index<16>>,
        retx_bsr_timer: Index<8>,
        tti_bundling: bool,
    }
    /// DRX-Config, set up.
    DrxSetup {
        on_duration_timer: Index<16>,
        inactivity_timer: Index<32>,
        retransmission_timer: Index<8>,
        long_cycle_start_offset: LongDrxCycle,
        short_drx: Option<ShortDrx>,
    }
    /// shortDRX.
    ShortDrx { cycle: Index<16>, timer: Int<1, 16> }
    /// phr-Config, set up.
    PhrSetup {
        periodic_timer: Index<8>,
        prohibit_timer: Index<8>,
        dl_pathloss_change: Index<4>,
    }
    /// PhysicalConfigDedicated.
    PhysicalConfigDedicated extensible {
        /// p-a.
        pdsch: Option<Index<8>>,
        pucch: Option<PucchConfigDedicated>,
        pusch: Option<PuschConfigDedicated>,
        power: Option<UplinkPowerControlDedicated>,
        tpc_pucch: Option<TpcPdcchConfig>,
        tpc_pusch: Option<TpcPdcchConfig>,
        cqi_report: Option<CqiReportConfig>,
        sounding: Option<SoundingDedicated>,
        antenna_info: Option<ExplicitAntennaInfo>,
        scheduling_request: Option<SchedulingRequestConfig>,
    }
    /// PUCCH-ConfigDedicated.
    PucchConfigDedicated {
        ack_nack_repetition: AckNackRepetition,
        tdd_feedback_mode: Option<Index<2>>,
    }
    /// ackNackRepetition, set up.
    AckNackRepetitionSetup { factor: Index<4>, n1_pucch_an_rep: Int<0, 2047> }
    /// PUSCH-ConfigDedicated.
    PuschConfigDedicated {
        beta_offset_ack: Int<0, 15>,
        beta_offset_ri: Int<0, 15>,
        beta_offset_cqi: Int<0, 15>,
    }
    /// UplinkPowerControlDedicated.
    UplinkPowerControlDedicated {
        p0_ue_pusch: Int<-8, 7>,
        delta_mcs_enabled: Index<2>,
        accumulation_enabled: bool,
        p0_ue_pucch: Int<-8, 7>,
        p_srs_offset: Int<0, 15>,
        /// `None` is fc4.
        filter_coefficient: Option<OpenIndex<16>>,
    }
    /// TPC-PDCCH-Config, set up.
    TpcSetup { rnti: Bits<16>, index: TpcIndex }
    /// CQI-ReportConfig.
    CqiReportConfig {
        mode_aperiodic: Option<Index<8>>,
        nom_pdsch_rs_epre_offset: Int<-1, 6>,
        periodic: Option<CqiReportPeriodic>,
    }
    /// CQI-ReportPeriodic, set up.
    CqiPeriodicSetup {
        pucch_resource_index: Int<0, 1185>,
        pmi_config_index: Int<0, 1023>,
        format: CqiFormat,
        ri_config_index: Option<Int<0, 1023>>,
        simultaneous_ack_nack: bool,
    }
    /// SoundingRS-UL-ConfigDedicated, set up.
    SoundingDedicatedSetup {
        bandwidth: Index<4>,
        hopping_bandwidth: Index<4>,
        freq_domain_position: Int<0, 23>,
        duration: bool,
        config_index: Int<0, 1023>,
        transmission_comb: Int<0, 1>,
        cyclic_shift: Index<8>,
    }
    /// AntennaInfoDedicated.
    AntennaInfoDedicated {
        transmission_mode: Index<8>,
        codebook_subset_restriction: Option<CodebookSubset>,
        ue_transmit_antenna_selection: AntennaSelection,
    }
    /// SchedulingRequestConfig, set up.
    SchedulingRequestSetup {
        pucch_resource_index: Int<0, 2047>,
        config_index: Int<0, 157>,
        dsr_trans_max: Index<8>,
    }
}

choice! {
    /// RLC-Config.
    RlcConfig extensible { Am(RlcAm), UmBoth(RlcUmBoth), UmUplink(UlUmRlc), UmDownlink(DlUmRlc) }
    /// rlc-Config of a signalling bearer.
    ExplicitRlc { Explicit(RlcConfig), Default(()) }
    /// logicalChannelConfig of a signalling bearer.
    ExplicitLogicalChannel { Explicit(LogicalChannelConfig), Default(()) }
    /// headerCompression.
    HeaderCompression { NotUsed(()), Rohc(UnspokenChoice) }
    /// mac-MainConfig.
    ExplicitMac { Explicit(MacMainConfig), Default(()) }
    /// DRX-Config.
    DrxConfig { Release(()), Setup(DrxSetup) }
    /// longDRX-CycleStartOffset.
    LongDrxCycle {
        Sf10(Int<0, 9>), Sf20(Int<0, 19>), Sf32(Int<0, 31>), Sf40(Int<0, 39>), Sf64(Int<0, 63>),
        Sf80(Int<0, 79>), Sf128(Int<0, 127>), Sf160(Int<0, 159>), Sf256(Int<0, 255>), Sf320(Int<0, 319>),
        Sf512(Int<0, 511>), Sf640(Int<0, 639>), Sf1024(Int<0, 1023>), Sf1280(Int<0, 1279>),
        Sf2048(Int<0, 2047>), Sf2560(Int<0, 2559>),
    }
    /// phr-Config.
    PhrConfig { Release(()), Setup(PhrSetup) }
    /// ackNackRepetition.
    AckNackRepetition { Release(()), Setup(AckNackRepetitionSetup) }
    /// TPC-PDCCH-Config.
    TpcPdcchConfig { Release(()), Setup(TpcSetup) }
    /// TPC-Index.
    TpcIndex { OfFormat3(Int<1, 15>), OfFormat3a(Int<1, 31>) }
    /// CQI-ReportPeriodic.
    CqiReportPeriodic { Release(()), Setup(CqiPeriodicSetup) }
    /// cqi-FormatIndicatorPeriodic: of the whole band, or of parts with their number.
    CqiFormat { Wideband(()), Subband(Int<1, 4>) }
    /// SoundingRS-UL-ConfigDedicated.
    SoundingDedicated { Release(()), Setup(SoundingDedicatedSetup) }
    /// antennaInfo.
    ExplicitAntennaInfo { Explicit(AntennaInfoDedicated), Default(()) }
    /// codebookSubsetRestriction, by antennas and transmission mode.
    CodebookSubset {
        N2Tm3(Bits<2>), N4Tm3(Bits<4>), N2Tm4(Bits<6>), N4Tm4(Bits<64>), N2Tm5(Bits<4>), N4Tm5(Bits<16>),
        N2Tm6(Bits<4>), N4Tm6(Bits<16>),
    }
    /// ue-TransmitAntennaSelection: none, or closed or open loop.
    AntennaSelection { Release(()), Setup(Index<2>) }
    /// SchedulingRequestConfig.
    SchedulingRequestConfig { Release(()), Setup(SchedulingRequestSetup) }
}
