//! System information and paging (TS 36.331 clauses 6.2.2 and 6.3.1).

use super::coder::{Code, Coder};
use super::common::{PhichConfig, RadioResourceConfigCommonSib, SpeedScaling, TddConfig};
use super::error::Error;
use super::kinds::{
    Bits, Index, Int, Later, List, OpenIndex, UnspokenChoice, choice, enumerated, message, sequence,
};
use crate::id::Plmn;

sequence! {
    /// MasterInformationBlock.
    MasterInformationBlock {
        dl_bandwidth: Index<6>,
        phich: PhichConfig,
        /// The first eight bits of the number of the frame.
        frame_number: Bits<8>,
        scheduling_info_sib1_br: Int<0, 31>,
        system_info_unchanged_br: bool,
        part_earfcn: PartEarfcn,
        spare: Bits<1>,
    }
}

choice! {
    /// partEARFCN-r17, spare before Release 17.
    PartEarfcn { Spare(Bits<2>), EarfcnLsb(Bits<2>) }
}

sequence! {
    /// SystemInformationBlockType1.
    SystemInformationBlockType1 {
        access: CellAccessRelatedInfo,
        selection: CellSelectionInfo,
        p_max: Option<Int<-30, 33>>,
        freq_band_indicator: Int<1, 64>,
        scheduling_info_list: List<SchedulingInfo, 1, 32>,
        tdd_config: Option<TddConfig>,
        si_window_length: Index<7>,
        value_tag: Int<0, 31>,
        later: Later,
    }
    /// cellAccessRelatedInfo.
    CellAccessRelatedInfo {
        plmn_identity_list: List<PlmnIdentityInfo, 1, 6>,
        tracking_area_code: Bits<16>,
        cell_identity: Bits<28>,
        barred: CellBarred,
        intra_freq_reselection: Index<2>,
        csg_indication: bool,
        csg_identity: Option<Bits<27>>,
    }
    /// PLMN-IdentityInfo.
    PlmnIdentityInfo {
        plmn: PlmnIdentity,
        /// reserved, notReserved.
        reserved_for_operator_use: Index<2>,
    }
    /// PLMN-Identity; without a country code it has that of the one before it in a list.
    PlmnIdentity {
        mcc: Option<List<Int<0, 9>, 3, 3>>,
        mnc: List<Int<0, 9>, 2, 3>,
    }
    /// cellSelectionInfo, in steps of 2 dBm.
    CellSelectionInfo {
        q_rx_lev_min: Int<-70, -22>,
        q_rx_lev_min_offset: Option<Int<1, 8>>,
    }
    /// SchedulingInfo.
    SchedulingInfo {
        si_periodicity: Index<7>,
        /// Block 3 is at place 0.
        sib_mapping_info: List<OpenIndex<16>, 0, 31>,
    }
}

enumerated! {
    /// cellBarred.
    CellBarred { Barred, NotBarred }
}

impl PlmnIdentity {
    /// The identity of a network.
    pub fn of(plmn: Plmn) -> Self {
        let text = plmn.to_string();
        let digits: Vec<_> = text
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|digit| Int::clamped(i32::from(digit) - 48))
            .collect();
        let (mcc, mnc) = digits.split_at(3.min(digits.len()));
        Self { mcc: List::new(mcc.to_vec()), mnc: List::new(mnc.to_vec()).unwrap_or_default() }
    }

    /// The network, where its country code stands here too.
    pub fn plmn(&self) -> Option<Plmn> {
        let digits =
            |list: &[Int<0, 9>]| list.iter().map(|digit| digit.get().to_string()).collect::<String>();
        format!("{}{}", digits(self.mcc.as_deref()?), digits(&self.mnc)).parse().ok()
    }
}

message! {
    /// SystemInformation.
    SystemInformation [] 1 {
        blocks: List<SystemInformationBlock, 1, 32>,
        later: Later,
    }
}

choice! {
    /// sib-TypeAndInfo.
    SystemInformationBlock extensible {
        Sib2(SystemInformationBlockType2), Sib3(SystemInformationBlockType3),
        Sib4(UnspokenChoice), Sib5(UnspokenChoice), Sib6(UnspokenChoice), Sib7(UnspokenChoice),
        Sib8(UnspokenChoice), Sib9(UnspokenChoice), Sib10(UnspokenChoice), Sib11(UnspokenChoice),
    }
}

sequence! {
    /// SystemInformationBlockType2.
    SystemInformationBlockType2 extensible {
        ac_barring: Option<AcBarringInfo>,
        radio: RadioResourceConfigCommonSib,
        timers: UeTimersAndConstants,
        freq_info: FreqInfo,
        mbsfn_subframe_config_list: Option<List<MbsfnSubframeConfig, 1, 8>>,
        time_alignment_timer_common: Index<8>,
    }
    /// ac-BarringInfo.
    AcBarringInfo {
        for_emergency: bool,
        for_mo_signalling: Option<AcBarringConfig>,
        for_mo_data: Option<AcBarringConfig>,
    }
    /// AC-BarringConfig.
    AcBarringConfig {
        factor: Index<16>,
        time: Index<8>,
        for_special_ac: Bits<5>,
    }
    /// UE-TimersAndConstants.
    UeTimersAndConstants extensible {
        /// 100, 200, 300, 400, 600, 1000, 1500, 2000 ms.
        t300: Index<8>,
        t301: Index<8>,
        t310: Index<7>,
        n310: Index<8>,
        t311: Index<7>,
        n311: Index<8>,
    }
    /// freqInfo.
    FreqInfo {
        ul_carrier_freq: Option<Int<0, 65_535>>,
        ul_bandwidth: Option<Index<6>>,
        additional_spectrum_emission: Int<1, 32>,
    }
    /// MBSFN-SubframeConfig.
    MbsfnSubframeConfig {
        period: Index<6>,
        offset: Int<0, 7>,
        allocation: SubframeAllocation,
    }
    /// SystemInformationBlockType3.
    SystemInformationBlockType3 extensible {
        common: CellReselectionInfoCommon,
        serving: CellReselectionServingFreqInfo,
        intra: IntraFreqCellReselectionInfo,
    }
    /// cellReselectionInfoCommon.
    CellReselectionInfoCommon {
        q_hyst: Index<16>,
        speed: Option<SpeedStateReselectionPars>,
    }
    /// speedStateReselectionPars.
    SpeedStateReselectionPars {
        mobility: MobilityStateParameters,
        q_hyst_sf: SpeedScaling,
    }
    /// MobilityStateParameters.
    MobilityStateParameters {
        t_evaluation: Index<8>,
        t_hyst_normal: Index<8>,
        n_cell_change_medium: Int<1, 16>,
        n_cell_change_high: Int<1, 16>,
    }
    /// cellReselectionServingFreqInfo.
    CellReselectionServingFreqInfo {
        s_non_intra_search: Option<Int<0, 31>>,
        thresh_serving_low: Int<0, 31>,
        cell_reselection_priority: Int<0, 7>,
    }
    /// intraFreqCellReselectionInfo.
    IntraFreqCellReselectionInfo {
        q_rx_lev_min: Int<-70, -22>,
        p_max: Option<Int<-30, 33>>,
        s_intra_search: Option<Int<0, 31>>,
        allowed_meas_bandwidth: Option<Index<6>>,
        presence_antenna_port1: bool,
        neigh_cell_config: Bits<2>,
        t_reselection: Int<0, 7>,
        t_reselection_sf: Option<SpeedScaling>,
    }
}

choice! {
    /// subframeAllocation.
    SubframeAllocation { OneFrame(Bits<6>), FourFrames(Bits<24>) }
}

sequence! {
    /// Paging.
    Paging {
        records: Option<List<PagingRecord, 1, 16>>,
        system_info_modification: Option<()>,
        etws_indication: Option<()>,
        later: Later,
    }
    /// PagingRecord.
    PagingRecord extensible {
        ue_identity: PagingUeIdentity,
        cn_domain: CnDomain,
    }
    /// S-TMSI: what is short of a GUTI and enough within an area.
    STmsi {
        mmec: Bits<8>,
        m_tmsi: Bits<32>,
    }
}

impl STmsi {
    /// That of an MME code and an M-TMSI.
    pub fn of((code, tmsi): (u8, u32)) -> Self {
        Self { mmec: Bits::of(code.into()), m_tmsi: Bits::of(tmsi.into()) }
    }

    /// Its MME code and M-TMSI.
    pub fn parts(&self) -> (u8, u32) {
        (self.mmec.get() as u8, self.m_tmsi.get() as u32)
    }
}

choice! {
    /// PagingUE-Identity.
    PagingUeIdentity extensible { STmsi(STmsi), Imsi(List<Int<0, 9>, 6, 21>) }
}

enumerated! {
    /// cn-Domain.
    CnDomain { Ps, Cs }
}
