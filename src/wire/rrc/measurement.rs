//! What a UE measures of LTE cells, and what it reports (TS 36.331 clauses 5.5 and 6.3.5).

use super::coder::{Code, Coder};
use super::error::Error;
use super::kinds::{
    Bits, Index, Int, Later, List, OpenIndex, Unspoken, UnspokenChoice, choice, message, sequence,
};
use super::system::PlmnIdentity;

message! {
    /// MeasurementReport.
    MeasurementReport [] 4 {
        results: MeasResults,
        later: Later,
    }
}

sequence! {
    /// MeasConfig.
    MeasConfig extensible {
        objects_to_remove: Option<List<Int<1, 32>, 1, 32>>,
        objects: Option<List<MeasObjectToAddMod, 1, 32>>,
        reports_to_remove: Option<List<Int<1, 32>, 1, 32>>,
        reports: Option<List<ReportConfigToAddMod, 1, 32>>,
        ids_to_remove: Option<List<Int<1, 32>, 1, 32>>,
        ids: Option<List<MeasIdToAddMod, 1, 32>>,
        quantity: Option<QuantityConfig>,
        gap: Option<MeasGapConfig>,
        s_measure: Option<Int<0, 97>>,
        pre_registration_info_hrpd: Unspoken,
        speed_state: Unspoken,
    }
    /// MeasObjectToAddMod.
    MeasObjectToAddMod { id: Int<1, 32>, object: MeasObject }
    /// MeasObjectEUTRA.
    MeasObjectEutra extensible {
        carrier_freq: Int<0, 65_535>,
        allowed_meas_bandwidth: Index<6>,
        presence_antenna_port1: bool,
        neigh_cell_config: Bits<2>,
        /// `None` is dB0.
        offset_freq: Option<Index<31>>,
        cells_to_remove: Option<List<Int<1, 32>, 1, 32>>,
        cells: Option<List<CellsToAddMod, 1, 32>>,
        excluded_to_remove: Option<List<Int<1, 32>, 1, 32>>,
        excluded: Option<List<ExcludedCellsToAddMod, 1, 32>>,
        cell_to_report_cgi: Option<Int<0, 503>>,
    }
    /// CellsToAddMod.
    CellsToAddMod { index: Int<1, 32>, phys_cell_id: Int<0, 503>, individual_offset: Index<31> }
    /// ExcludedCellsToAddMod.
    ExcludedCellsToAddMod { index: Int<1, 32>, range: PhysCellIdRange }
    /// PhysCellIdRange.
    PhysCellIdRange { start: Int<0, 503>, range: Option<Index<16>> }
    /// ReportConfigToAddMod.
    ReportConfigToAddMod { id: Int<1, 32>, config: ReportConfig }
    /// ReportConfigEUTRA.
    ReportConfigEutra extensible {
        trigger: TriggerType,
        trigger_quantity: Index<2>,
        report_quantity: Index<2>,
        max_report_cells: Int<1, 8>,
        report_interval: Index<16>,
        report_amount: Index<8>,
    }
    /// event.
    Event {
        id: EventId,
        hysteresis: Int<0, 30>,
        time_to_trigger: Index<16>,
    }
    /// eventA3.
    EventA3 { offset: Int<-30, 30>, report_on_leave: bool }
    /// eventA5.
    EventA5 { threshold1: Threshold, threshold2: Threshold }
    /// MeasIdToAddMod.
    MeasIdToAddMod { id: Int<1, 32>, object: Int<1, 32>, report: Int<1, 32> }
    /// QuantityConfig.
    QuantityConfig extensible {
        eutra: Option<QuantityConfigEutra>,
        utra: Unspoken,
        geran: Unspoken,
        cdma2000: Unspoken,
    }
    /// QuantityConfigEUTRA; `None` is fc4.
    QuantityConfigEutra { filter_rsrp: Option<OpenIndex<16>>, filter_rsrq: Option<OpenIndex<16>> }
    /// MeasResults.
    MeasResults extensible {
        id: Int<1, 32>,
        /// In steps of 1 dBm from -140.
        rsrp: Int<0, 97>,
        /// In steps of 0.5 dB from -19.5.
        rsrq: Int<0, 34>,
        neighbours: Option<MeasResultNeighCells>,
    }
    /// MeasResultEUTRA.
    MeasResultEutra {
        phys_cell_id: Int<0, 503>,
        cgi_info: Option<CgiInfo>,
        result: MeasResult,
    }
    /// measResult.
    MeasResult extensible { rsrp: Option<Int<0, 97>>, rsrq: Option<Int<0, 34>> }
    /// cgi-Info.
    CgiInfo {
        plmn: PlmnIdentity,
        cell_identity: Bits<28>,
        tracking_area_code: Bits<16>,
        plmn_identity_list: Option<List<PlmnIdentity, 1, 5>>,
    }
}

choice! {
    /// measObject.
    MeasObject extensible {
        Eutra(MeasObjectEutra), Utra(UnspokenChoice), Geran(UnspokenChoice), Cdma2000(UnspokenChoice),
    }
    /// reportConfig.
    ReportConfig { Eutra(ReportConfigEutra), InterRat(UnspokenChoice) }
    /// triggerType. What is periodical has a purpose: reportStrongestCells, reportCGI.
    TriggerType { Event(Event), Periodical(Index<2>) }
    /// eventId.
    EventId extensible { A1(Threshold), A2(Threshold), A3(EventA3), A4(Threshold), A5(EventA5) }
    /// ThresholdEUTRA.
    Threshold { Rsrp(Int<0, 97>), Rsrq(Int<0, 34>) }
    /// MeasGapConfig.
    MeasGapConfig { Release(()), Setup(GapOffset) }
    /// gapOffset.
    GapOffset extensible { Gp0(Int<0, 39>), Gp1(Int<0, 79>) }
    /// measResultNeighCells.
    MeasResultNeighCells extensible {
        Eutra(List<MeasResultEutra, 1, 8>), Utra(UnspokenChoice), Geran(UnspokenChoice),
        Cdma2000(UnspokenChoice),
    }
}
