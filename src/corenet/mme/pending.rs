//! The connections of UEs that have proved nothing yet: how many there may be, which one goes when there are too many, and
//! when base stations are asked to let nobody in (TS 36.413 clause 8.7.6).

use std::collections::{BTreeMap, BTreeSet};

use super::context::Phase;
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::id::Imsi;
use crate::wire::s1ap::{Cause, ContextReleaseCommand, OverloadAction, OverloadStart, OverloadStop};

/// How many connections without proof there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingLimits {
    /// In all.
    pub in_all: usize,
    /// Of one base station.
    pub of_base_station: usize,
    /// Of one claimed IMSI.
    pub of_subscriber: usize,
}

impl Default for PendingLimits {
    /// Room for some eight thousand devices of a base station that are switched on at the same moment, and for the owner
    /// of an IMSI among others who claim it.
    fn default() -> Self {
        Self { in_all: 32_768, of_base_station: 8_192, of_subscriber: 4 }
    }
}

impl PendingLimits {
    /// Above three quarters of a limit base stations are asked to let nobody in, until half of it is reached.
    fn is_high(count: usize, limit: usize) -> bool {
        count >= limit - limit / 4
    }

    fn is_low(count: usize, limit: usize) -> bool {
        count <= limit / 2
    }
}

/// Connections without proof, by MME UE S1AP ID, which grows: the first of a set is the oldest.
#[derive(Default)]
pub(super) struct Pending {
    all: BTreeMap<u32, (u32, Option<Imsi>)>,
    by_enb: BTreeMap<u32, BTreeSet<u32>>,
    by_imsi: BTreeMap<Imsi, BTreeSet<u32>>,
    /// Those that are one too many.
    surplus: Vec<u32>,
    /// Base stations that were asked to let nobody in.
    slowed: BTreeSet<u32>,
}

impl Pending {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// A connection without proof, of whoever claims to be `imsi`.
    pub(super) fn record(&mut self, id: u32, enb: u32, imsi: Option<&Imsi>, limits: PendingLimits) {
        if self.all.get(&id).is_some_and(|(at, claimed)| *at == enb && claimed.as_ref() == imsi) {
            return;
        }
        self.remove(id);
        self.all.insert(id, (enb, imsi.cloned()));
        let of_enb = self.by_enb.entry(enb).or_default();
        of_enb.insert(id);
        let mut crowd = (of_enb.len() > limits.of_base_station).then(|| of_enb.first().copied()).flatten();
        if let Some(imsi) = imsi {
            let of_imsi = self.by_imsi.entry(imsi.clone()).or_default();
            of_imsi.insert(id);
            if of_imsi.len() > limits.of_subscriber {
                crowd = of_imsi.first().copied();
            }
        }
        if crowd.is_none() && self.all.len() > limits.in_all {
            crowd = self.all.first_key_value().map(|(id, _)| *id);
        }
        self.surplus.extend(crowd);
    }

    /// The connection has ended, or its UE has proved who it is.
    pub(super) fn remove(&mut self, id: u32) {
        let Some((enb, imsi)) = self.all.remove(&id) else { return };
        drop_from(&mut self.by_enb, &enb, id);
        if let Some(imsi) = imsi {
            drop_from(&mut self.by_imsi, &imsi, id);
        }
    }

    /// Base station `enb` begins anew, or is gone.
    pub(super) fn forget_enb(&mut self, enb: u32) {
        self.slowed.remove(&enb);
    }
}

fn drop_from<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<u32>>, key: &K, id: u32) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(&id);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

impl Mme {
    /// Gives up the oldest connections that are too many, and slows base stations down or not any more.
    pub(super) fn relieve(&mut self, core: &mut Core<'_>) -> Result<(), CorenetError> {
        while let Some(id) = self.pending.surplus.pop() {
            let given_up = self.with(id, |mme, ue| {
                mme.stop_timer(ue);
                mme.given_up += 1;
                let commanded = ue.phase == Phase::Releasing;
                ue.phase = Phase::Ended;
                match ue.enb_id {
                    Some(_) if !commanded => {
                        let (mme_id, enb) = (ue.mme_id, ue.enb_id);
                        let command =
                            ContextReleaseCommand { mme: mme_id, enb, cause: Some(Cause::OVERLOAD) };
                        mme.send_s1(ue.enb, "UEContextReleaseCommand", command.build(), core)
                    }
                    _ => Ok(()),
                }
            });
            given_up.unwrap_or(Ok(()))?;
        }
        self.slow_down(core)
    }

    fn slow_down(&mut self, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let limits = self.config.pending;
        let in_all = self.pending.len();
        if self.pending.slowed.is_empty()
            && !PendingLimits::is_high(in_all, limits.in_all.min(limits.of_base_station))
        {
            return Ok(());
        }
        let ready: Vec<u32> = self.enbs.iter().filter(|(_, ready)| **ready).map(|(enb, _)| *enb).collect();
        for enb in ready {
            let own = self.pending.by_enb.get(&enb).map_or(0, BTreeSet::len);
            let slowed = self.pending.slowed.contains(&enb);
            let is_high = PendingLimits::is_high(in_all, limits.in_all)
                || PendingLimits::is_high(own, limits.of_base_station);
            let is_low = PendingLimits::is_low(in_all, limits.in_all)
                && PendingLimits::is_low(own, limits.of_base_station);
            if is_high && !slowed {
                self.pending.slowed.insert(enb);
                let start = OverloadStart { action: OverloadAction::RejectSignalling };
                self.send_s1(enb, "OverloadStart", start.build(), core)?;
            } else if is_low && slowed {
                self.pending.slowed.remove(&enb);
                self.send_s1(enb, "OverloadStop", OverloadStop.build(), core)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_a_crowd_is_one_too_many() {
        let limits = PendingLimits { in_all: 4, of_base_station: 3, of_subscriber: 2 };
        let imsi = |n| Some("001010000000001".parse::<Imsi>().unwrap().plus(n).unwrap());
        let mut pending = Pending::default();
        for id in 1..=3 {
            pending.record(id, 1, imsi(id).as_ref(), limits);
            pending.record(id, 1, imsi(id).as_ref(), limits);
        }
        assert_eq!((pending.len(), pending.surplus.len()), (3, 0));
        // The fourth of one base station, the third of one subscriber, the fifth in all.
        pending.record(4, 1, imsi(4).as_ref(), limits);
        assert_eq!(std::mem::take(&mut pending.surplus), [1]);
        pending.remove(1);
        pending.record(5, 2, imsi(3).as_ref(), limits);
        pending.remove(2);
        pending.record(6, 2, imsi(3).as_ref(), limits);
        assert_eq!(std::mem::take(&mut pending.surplus), [3]);
        pending.record(7, 2, None, limits);
        assert_eq!(std::mem::take(&mut pending.surplus), [3]);
        for id in 1..=7 {
            pending.remove(id);
        }
        assert!(pending.by_enb.is_empty() && pending.by_imsi.is_empty());
    }
}
