//! How an MME has a UE looked for that has no connection (TS 36.413 clause 8.5).

use oxirush_s1ap::aper::Bits;
use oxirush_s1ap::helpers::tai;
use oxirush_s1ap::s1ap::Paging as AsnPaging;
use oxirush_s1ap::{build_s1ap_ie, ie, s1ap::*};

use super::values::{network, plmn_of, s_tmsi, s_tmsi_of};
use super::{Error, Pdu};
use crate::id::Plmn;

/// PAGING (clause 9.1.6) of a UE by its S-TMSI, for packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// UE Identity Index value (clause 9.2.3.10): IMSI mod 1024, from which the moments follow at which the UE listens.
    pub index: u16,
    /// MME code and M-TMSI (clause 9.2.3.6).
    pub s_tmsi: (u8, u32),
    /// The tracking areas in which the UE may be: network and code.
    pub areas: Vec<(Plmn, u16)>,
}

impl Paging {
    /// Fails on an index of more than ten bits.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let index = Bits::new(self.index.into(), 10).map_err(|error| Error::Value(error.to_string()))?;
        let identity = UEPagingID::s_TMSI(s_tmsi(self.s_tmsi));
        let mut areas = Vec::new();
        for (plmn, code) in &self.areas {
            let item = TAIItem::new(tai(network(*plmn), code.to_be_bytes()), None);
            areas.push(build_s1ap_ie!(IGNORE TAIItem(item))?);
        }
        let ies = vec![
            build_s1ap_ie!(Paging, UEIdentityIndexValue(UEIdentityIndexValue(index)))?,
            build_s1ap_ie!(Paging, UEPagingID(identity))?,
            build_s1ap_ie!(Paging, CNDomain(CNDomain::ps))?,
            build_s1ap_ie!(Paging, TAIList(TAIList(areas)))?,
        ];
        Ok(Pdu(S1AP_PDU::of_message(&AsnPaging::new(ProtocolIEContainer(ies)), Criticality::ignore)?))
    }

    /// Reads the message. Fails where it names its UE in another way, or not at all.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        let missing = |what: &str| Error::AbstractSyntax(format!("no {what}"));
        let Some(Ok(UEIdentityIndexValue(index))) = pdu.ie::<ie::UEIdentityIndexValue>() else {
            return Err(missing("UE Identity Index value"));
        };
        let Some(Ok(UEPagingID::s_TMSI(identity))) = pdu.ie::<ie::UEPagingID>() else {
            return Err(missing("S-TMSI to page by"));
        };
        let items = pdu.items::<ie::TAIList>().collect::<Result<Vec<_>, _>>()?;
        let area =
            |item: &TAIItem| Some((plmn_of(&item.tai.plmn_identity)?, u16::from_be_bytes(item.tai.tac.0)));
        Ok(Self {
            index: index.value() as u16,
            s_tmsi: s_tmsi_of(&identity),
            areas: items.iter().filter_map(area).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, sent};
    use super::*;

    #[test]
    fn a_page_survives() {
        let areas = vec![("001-01".parse().unwrap(), 7), ("310-410".parse().unwrap(), 0xfffe)];
        let paging = Paging { index: 0x3ff, s_tmsi: (0xfe, 0xc000_0001), areas };
        let octets = sent(paging.build(), Kind::Paging);
        assert_eq!(Paging::read(&Pdu::decode(&octets).unwrap()).unwrap(), paging);
        assert!(Paging { index: 0x400, ..paging }.build().is_err());
    }
}
