//! UEs without a connection: connections on which nothing passes are given up, and UEs are paged when they listen.

use super::{Enb, EnbOutput, Stage, fault};
use crate::kernel::{Duration, Instant};
use crate::ran::RanError;
use crate::wire::rrc::system::{CnDomain, Paging as RrcPaging, PagingRecord, PagingUeIdentity, STmsi};
use crate::wire::rrc::{List, Pcch};
use crate::wire::s1ap::{Cause, Paging, UeIds};

/// How long a frame is.
const FRAME: Duration = Duration::from_millis(10);
/// The cycle in which a UE listens, in frames: that of block 2 (`rf128`).
const CYCLE: u64 = 128;
/// The subframe of a frame in which it does, of one millisecond each (TS 36.304 clause 7.2: Ns is 1).
const SUBFRAME: Duration = Duration::from_millis(9);
/// How many UEs are paged in one message (maxPageRec).
const RECORDS: usize = 16;
/// How many pages wait at most. One more takes the place of the oldest.
const PAGES_MAX: usize = 4096;

/// When a UE with this index listens next, from `now` on (TS 36.304 clause 7.1): in the frames whose number is the index
/// modulo the cycle, which all base stations of a run count from its start.
fn occasion(now: Instant, index: u16) -> Instant {
    let offset = FRAME * (u64::from(index) % CYCLE) as u32 + SUBFRAME;
    let cycle = FRAME * CYCLE as u32;
    let past = now.since(Instant::ZERO + offset.min(now.since(Instant::ZERO)));
    let cycles = past.as_nanos().div_ceil(cycle.as_nanos()) as u32;
    Instant::ZERO + offset + cycle * cycles
}

impl Enb {
    /// PAGING of the MME (TS 36.413 clause 8.5), where it is for the area of this cell.
    pub(super) fn paging_requested(&mut self, now: Instant, paging: &Paging) {
        if !paging.areas.contains(&(self.config.plmn, self.config.tac)) {
            return;
        }
        if self.pages.len() == PAGES_MAX {
            self.pages.pop_front();
        }
        self.pages.push_back((occasion(now, paging.index), paging.s_tmsi));
    }

    /// Pages whoever listens now.
    pub(super) fn page(&mut self, now: Instant, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let due: Vec<(u8, u32)> =
            self.pages.iter().filter(|(at, _)| *at <= now).map(|(_, s_tmsi)| *s_tmsi).collect();
        self.pages.retain(|(at, _)| *at > now);
        for some in due.chunks(RECORDS) {
            let record = |s_tmsi: &(u8, u32)| PagingRecord {
                ue_identity: PagingUeIdentity::STmsi(STmsi::of(*s_tmsi)),
                cn_domain: CnDomain::Ps,
            };
            let records = List::new(some.iter().map(record).collect());
            let message = Pcch::from(RrcPaging { records, ..Default::default() });
            let message = message.encode().map_err(|e| fault("Paging", &e))?;
            out.push(EnbOutput::Page { message });
        }
        Ok(())
    }

    /// From now on the connection is given up when nothing passes for as long as the configuration says.
    pub(super) fn watch_idle(&mut self, now: Instant, id: u32) {
        if let Some(inactivity) = self.config.inactivity {
            self.idling.insert((now + inactivity, id));
        }
    }

    /// Asks the MME to release the connections on which nothing has passed (TS 23.401 clause 5.3.5).
    pub(super) fn give_up_idle(&mut self, now: Instant, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(inactivity) = self.config.inactivity else { return Ok(()) };
        while let Some(&(until, id)) = self.idling.first().filter(|(until, _)| *until <= now) {
            self.idling.pop_first();
            let Some(context) = self.contexts.get(&id) else { continue };
            let (Stage::Active, Some(mme)) = (&context.stage, context.mme_id) else { continue };
            if context.active + inactivity > until {
                self.idling.insert((context.active + inactivity, id));
                continue;
            }
            self.request_release(UeIds { mme, enb: id }, Cause::USER_INACTIVITY, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ue_listens_in_its_frame_of_each_cycle() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        assert_eq!(occasion(at(0), 0), at(9));
        assert_eq!(occasion(at(9), 0), at(9));
        assert_eq!(occasion(at(10), 0), at(1_289));
        assert_eq!(occasion(at(0), 127), at(1_279));
        // 1023 mod 128.
        assert_eq!(occasion(at(1_280), 1_023), at(2_559));
        assert_eq!(occasion(at(5_000), 3), at(5_159));
    }
}
