//! The radio of one UE of NB-IoT (RadioResourceConfigDedicated-NB, TS 36.331 clause 6.7.3.2).

use super::super::coder::{Code, Coder};
use super::super::error::Error;
use super::super::kinds::{Bits, Index, Int, List, UnspokenChoice, choice, sequence};

sequence! {
    /// RadioResourceConfigDedicated-NB.
    RadioResourceConfigDedicatedNb extensible {
        srbs: Option<List<SrbToAddModNb, 1, 1>>,
        drbs: Option<List<DrbToAddModNb, 1, 2>>,
        drbs_to_release: Option<List<Int<1, 32>, 1, 2>>,
        mac: Option<ExplicitMacNb>,
        physical: Option<PhysicalConfigDedicatedNb>,
        rlf_timers: Option<RlfTimersNb>,
    }
    /// SRB-ToAddMod-NB.
    SrbToAddModNb extensible {
        rlc: Option<ExplicitRlcNb>,
        logical_channel: Option<ExplicitLogicalChannelNb>,
    }
    /// DRB-ToAddMod-NB.
    DrbToAddModNb extensible {
        eps_bearer_identity: Option<Int<0, 15>>,
        identity: Int<1, 32>,
        pdcp: Option<PdcpConfigNb>,
        rlc: Option<RlcConfigNb>,
        logical_channel_identity: Option<Int<3, 10>>,
        logical_channel: Option<LogicalChannelConfigNb>,
    }
    /// PDCP-Config-NB.
    PdcpConfigNb extensible {
        discard_timer: Option<Index<8>>,
        header_compression: HeaderCompressionNb,
    }
    /// RLC-Config-NB, acknowledged mode.
    RlcAmNb { ul: UlAmRlcNb, dl: DlAmRlcNb }
    /// UL-AM-RLC-NB.
    UlAmRlcNb { t_poll_retransmit: Index<16>, max_retx_threshold: Index<8> }
    /// DL-AM-RLC-NB.
    DlAmRlcNb { enable_status_report_sn_gap: Option<()> }
    /// LogicalChannelConfig-NB.
    LogicalChannelConfigNb extensible { priority: Option<Int<1, 16>>, sr_prohibit: Option<bool> }
    /// MAC-MainConfig-NB.
    MacMainConfigNb extensible {
        ul_sch: Option<UlSchConfigNb>,
        drx: Option<DrxConfigNb>,
        time_alignment_timer: Index<8>,
        sr_config: Option<SrConfigNb>,
    }
    /// ul-SCH-Config.
    UlSchConfigNb { periodic_bsr_timer: Option<Index<8>>, retx_bsr_timer: Index<8> }
    /// DRX-Config-NB, set up.
    DrxSetupNb {
        on_duration_timer: Index<8>,
        inactivity_timer: Index<8>,
        retransmission_timer: Index<16>,
        cycle: Index<16>,
        start_offset: Int<0, 255>,
        ul_retransmission_timer: Index<17>,
    }
    /// PhysicalConfigDedicated-NB.
    PhysicalConfigDedicatedNb extensible {
        carrier: Option<CarrierConfigDedicated>,
        npdcch: Option<NpdcchConfigDedicated>,
        npusch: Option<NpuschConfigDedicated>,
        /// p0-UE-NPUSCH.
        power: Option<Int<-8, 7>>,
    }
    /// CarrierConfigDedicated-NB.
    CarrierConfigDedicated { dl: DlCarrierConfig, ul: UlCarrierConfig }
    /// DL-CarrierConfigDedicated-NB.
    DlCarrierConfig extensible {
        freq: CarrierFreq,
        bitmap: Option<NonAnchorBitmap>,
        gap: Option<NonAnchorGap>,
        inband: Option<InbandCarrierInfo>,
    }
    /// UL-CarrierConfigDedicated-NB.
    UlCarrierConfig extensible { freq: Option<CarrierFreq> }
    /// CarrierFreq-NB.
    CarrierFreq { freq: Int<0, 262_143>, offset: Option<Index<22>> }
    /// DL-GapConfig-NB.
    DlGapConfig { threshold: Index<4>, periodicity: Index<4>, duration_coeff: Index<4> }
    /// inbandCarrierInfo.
    InbandCarrierInfo {
        same_pci: Option<SamePciIndicator>,
        eutra_control_region_size: Index<3>,
    }
    /// NPDCCH-ConfigDedicated-NB.
    NpdcchConfigDedicated {
        num_repetitions: Index<16>,
        start_sf_uss: Index<8>,
        offset_uss: Index<4>,
    }
    /// NPUSCH-ConfigDedicated-NB.
    NpuschConfigDedicated {
        ack_nack_num_repetitions: Option<Index<8>>,
        all_symbols: Option<bool>,
        group_hopping_disabled: Option<()>,
    }
    /// RLF-TimersAndConstants-NB, set up.
    RlfTimersSetupNb extensible {
        t301: Index<8>,
        t310: Index<7>,
        n310: Index<8>,
        t311: Index<7>,
        n311: Index<8>,
    }
}

choice! {
    /// rlc-Config of a signalling bearer.
    ExplicitRlcNb { Explicit(RlcConfigNb), Default(()) }
    /// RLC-Config-NB.
    RlcConfigNb extensible { Am(RlcAmNb) }
    /// logicalChannelConfig of a signalling bearer.
    ExplicitLogicalChannelNb { Explicit(LogicalChannelConfigNb), Default(()) }
    /// headerCompression.
    HeaderCompressionNb { NotUsed(()), Rohc(UnspokenChoice) }
    /// mac-MainConfig.
    ExplicitMacNb { Explicit(MacMainConfigNb), Default(()) }
    /// DRX-Config-NB.
    DrxConfigNb { Release(()), Setup(DrxSetupNb) }
    /// logicalChannelSR-Config.
    SrConfigNb { Release(()), Setup(Index<8>) }
    /// downlinkBitmapNonAnchor.
    NonAnchorBitmap { None(()), Anchor(()), Explicit(DlBitmap), Spare(()) }
    /// dl-GapNonAnchor.
    NonAnchorGap { None(()), Anchor(()), Explicit(DlGapConfig), Spare(()) }
    /// DL-Bitmap-NB.
    DlBitmap { Pattern10(Bits<10>), Pattern40(Bits<40>) }
    /// samePCI-Indicator: the distance to the middle of the LTE carrier, or the ports of its reference signals.
    SamePciIndicator { Same(Int<-55, 54>), Different(Index<2>) }
    /// RLF-TimersAndConstants-NB.
    RlfTimersNb { Release(()), Setup(RlfTimersSetupNb) }
}
