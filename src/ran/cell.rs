//! What a cell says of itself to everybody (TS 36.331 clauses 5.2 and 6.2.2): the base station's side, which writes it, and
//! what a UE reads of it.

use crate::event::Actor;
use crate::id::Plmn;
use crate::wire::rrc::common::{PcchConfig, RadioResourceConfigCommonSib};
use crate::wire::rrc::system::*;
use crate::wire::rrc::{BcchDlSch, Bits, Error, Index, Int, List};

/// The frequency band of the cells of a bench, whose radio is a model.
const BAND: i32 = 3;

/// How many cells a macro base station can have: their numbers are the last eight bits (TS 36.413 clause 9.2.1.38).
const CELL_BITS: u32 = 8;

/// The number of the one cell of a base station.
pub(super) const CELL: u8 = 1;

/// What a UE knows of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Its network.
    pub plmn: Plmn,
    /// Its tracking area code.
    pub tac: u16,
    /// The base station that it belongs to.
    pub station: Actor,
    /// Whether nobody is to camp on it.
    pub barred: bool,
}

impl Cell {
    /// Reads SystemInformationBlockType1; `None` where its network is none.
    pub fn read(sib1: &SystemInformationBlockType1) -> Option<Self> {
        let access = &sib1.access;
        Some(Self {
            plmn: access.plmn_identity_list.first()?.plmn.plmn()?,
            tac: access.tracking_area_code.get() as u16,
            station: Actor::enb((access.cell_identity.get() >> CELL_BITS) as u32),
            barred: access.barred == CellBarred::Barred,
        })
    }

    /// SystemInformationBlockType1 and SystemInformation with block 2, in octets. `version` tells a change (clause 5.2.1.3).
    pub(crate) fn system_information(&self, version: u32) -> Result<Vec<Vec<u8>>, Error> {
        let sib1 = SystemInformationBlockType1 {
            access: CellAccessRelatedInfo {
                plmn_identity_list: List::one(PlmnIdentityInfo {
                    plmn: PlmnIdentity::of(self.plmn),
                    reserved_for_operator_use: Index::clamped(1),
                }),
                tracking_area_code: Bits::of(self.tac.into()),
                cell_identity: Bits::of(u64::from(self.station.number) << CELL_BITS | u64::from(CELL)),
                barred: if self.barred { CellBarred::Barred } else { CellBarred::NotBarred },
                ..Default::default()
            },
            freq_band_indicator: Int::clamped(BAND),
            value_tag: Int::clamped((version % 32) as i32),
            ..Default::default()
        };
        let sib2 = SystemInformationBlockType2 {
            radio: RadioResourceConfigCommonSib {
                // rf128, oneT.
                pcch: PcchConfig { default_paging_cycle: Index::clamped(2), n_b: Index::clamped(2) },
                ..Default::default()
            },
            timers: UeTimersAndConstants { t300: Index::clamped(7), ..Default::default() },
            ..Default::default()
        };
        let information = SystemInformation {
            blocks: List::one(SystemInformationBlock::Sib2(sib2)),
            later: Default::default(),
        };
        [BcchDlSch::from(sib1), BcchDlSch::from(information)].iter().map(BcchDlSch::encode).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ue_reads_what_a_base_station_says() {
        for barred in [false, true] {
            let station = Actor::enb(0xf_ffff);
            let cell = Cell { plmn: "310-410".parse().unwrap(), tac: 0xfffe, station, barred };
            let said = cell.system_information(33).unwrap();
            let BcchDlSch::SystemInformationBlockType1(sib1) = BcchDlSch::decode(&said[0]).unwrap() else {
                panic!("not block 1");
            };
            assert_eq!(Cell::read(&sib1), Some(cell));
            assert_eq!(sib1.value_tag.get(), 1);
            assert!(matches!(BcchDlSch::decode(&said[1]), Ok(BcchDlSch::SystemInformation(_))));
        }
    }
}
