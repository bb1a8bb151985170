//! ISD-R and ECASD as applications: SELECT, STORE DATA with its chains (SGP.22 clause 5.7.2; GlobalPlatform Card
//! Specification clause 11.11) and GET DATA.

use super::super::{Reply, Uicc};
use super::Euicc;
use super::es10::Failed;
use crate::wire::rsp::tlv;
use crate::wire::{Command, StatusWord};

/// SGP.22 clause 2.4.3.
pub(in crate::card) const ISD_R_AID: [u8; 16] =
    [0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0];
/// SGP.22 clause 2.4.4.
pub(in crate::card) const ECASD_AID: [u8; 16] =
    [0xa0, 0, 0, 5, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 2, 0];

/// More blocks than this P2 cannot count.
const BLOCKS_MAX: usize = 256;

/// A command that comes in several blocks.
#[derive(Default)]
pub(super) struct Chain {
    blocks: usize,
    data: Vec<u8>,
}

impl Euicc {
    /// The answer to SELECT of the ISD-R: FCI with the version of SGP.22 (`ISDRProprietaryApplicationTemplate`).
    pub(in crate::card) fn isd_r_fci(&self) -> Vec<u8> {
        let template = tlv(0xe0, &[&tlv(0x82, &[&self.config.svn])]);
        tlv(0x6f, &[&tlv(0x84, &[&ISD_R_AID]), &tlv(0xa5, &[&tlv(0x9f65, &[&[0xff]])]), &template])
    }

    pub(in crate::card) fn ecasd_fci() -> Vec<u8> {
        tlv(0x6f, &[&tlv(0x84, &[&ECASD_AID]), &tlv(0xa5, &[&tlv(0x9f65, &[&[0xff]])])])
    }

    /// GET DATA of the ECASD: the EID (`005A`) and the eUICC's certificate (`7F21`).
    pub(in crate::card) fn get_data(&self, c: &Command<'_>) -> Reply {
        match (c.p1, c.p2) {
            (0x00, 0x5a) => Ok(tlv(0x5a, &[&self.eid])),
            (0x7f, 0x21) => Ok(tlv(0x7f21, &[self.config.chain[0].der()])),
            _ => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        }
    }

    /// STORE DATA to the ISD-R: P1 `11` where more blocks follow, `91` in the last one; P2 counts blocks.
    pub(in crate::card) fn store_data(&mut self, card: &mut Uicc, channel: usize, c: &Command<'_>) -> Reply {
        let last = match c.p1 {
            0x11 => false,
            0x91 => true,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let mut chain = self.chains.remove(&channel).unwrap_or_default();
        if c.p2 == 0 {
            chain = Chain::default();
        }
        if usize::from(c.p2) != chain.blocks {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        chain.data.extend_from_slice(c.data);
        chain.blocks += 1;
        if !last {
            if chain.blocks == BLOCKS_MAX {
                return Err(StatusWord::INSUFFICIENT_MEMORY);
            }
            self.chains.insert(channel, chain);
            return Ok(Vec::new());
        }
        self.es10(card, &chain.data).map_err(|failed| match failed {
            Failed::Status(status) => status,
            Failed::Malformed(_) => StatusWord::INCORRECT_DATA,
        })
    }
}
