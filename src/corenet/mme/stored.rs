//! What the MME keeps of a subscriber beyond its connections: the native EPS security context (TS 33.401 clause 3.1), by
//! which the next initial NAS message is verified, and the temporary identities (TS 24.301 clause 5.4.1).

use std::collections::BTreeMap;

use rand_core::RngCore;

use crate::id::{Imei, Imsi};
use crate::wire::nas::{Kasme, NetworkCapability, SecurityContext};

/// A full native EPS security context, with what the UE has told under it.
pub(super) struct Native {
    pub kasme: Kasme,
    pub nas: SecurityContext,
    /// The algorithms of the UE, from which those of the context were chosen.
    pub capability: NetworkCapability,
    pub imei: Option<Imei>,
}

/// The M-TMSIs of a subscriber.
#[derive(Default)]
struct Assigned {
    /// The one that the UE is known to have.
    confirmed: Option<u32>,
    /// The one that the UE was given and has not confirmed yet.
    offered: Option<u32>,
}

/// The M-TMSIs that were given out, and whose they are. While the UE has not confirmed a new one, it may come back with
/// either (TS 24.301 clauses 5.4.1.6 and 5.5.1.2.7, case c).
#[derive(Default)]
pub(super) struct Gutis {
    by_tmsi: BTreeMap<u32, Imsi>,
    of: BTreeMap<Imsi, Assigned>,
}

impl Gutis {
    /// Whose this M-TMSI is.
    pub(super) fn subscriber(&self, tmsi: u32) -> Option<&Imsi> {
        self.by_tmsi.get(&tmsi)
    }

    /// The M-TMSI that a subscriber's UE is known to have, or was given.
    pub(super) fn current(&self, imsi: &Imsi) -> Option<u32> {
        let assigned = self.of.get(imsi)?;
        assigned.confirmed.or(assigned.offered)
    }

    /// A new M-TMSI of a subscriber: 32 bits of which the first two are set, as a P-TMSI's are (TS 23.003 clause 2.4),
    /// never given to another. `shown` is the one by which the UE, which has proved who it is, has come: it has that.
    pub(super) fn offer(&mut self, imsi: &Imsi, shown: Option<u32>, random: &mut impl RngCore) -> u32 {
        let tmsi = loop {
            let candidate = random.next_u32() | 0xc000_0000;
            if !self.by_tmsi.contains_key(&candidate) {
                break candidate;
            }
        };
        if shown.is_some() && self.of.get(imsi).is_some_and(|assigned| assigned.offered == shown) {
            self.confirm(imsi);
        }
        let assigned = self.of.entry(imsi.clone()).or_default();
        if let Some(lost) = assigned.offered.replace(tmsi) {
            self.by_tmsi.remove(&lost);
        }
        self.by_tmsi.insert(tmsi, imsi.clone());
        tmsi
    }

    /// The UE has the M-TMSI that it was offered; the one before ends.
    pub(super) fn confirm(&mut self, imsi: &Imsi) {
        let Some(assigned) = self.of.get_mut(imsi) else { return };
        let Some(offered) = assigned.offered.take() else { return };
        if let Some(old) = assigned.confirmed.replace(offered) {
            self.by_tmsi.remove(&old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;

    #[test]
    fn both_identities_hold_until_the_new_one_is_confirmed_or_shown() {
        let (mut gutis, imsi) = (Gutis::default(), "001010000000001".parse::<Imsi>().unwrap());
        let mut random = RngTree::new(1).stream("m-tmsi");
        let first = gutis.offer(&imsi, None, &mut random);
        gutis.confirm(&imsi);
        let second = gutis.offer(&imsi, Some(first), &mut random);
        assert_eq!(gutis.subscriber(first), Some(&imsi));
        assert_eq!(gutis.subscriber(second), Some(&imsi));
        // The answer to the second was lost, and the UE comes back with the first: the second was never its.
        let third = gutis.offer(&imsi, Some(first), &mut random);
        assert_eq!((gutis.subscriber(first), gutis.subscriber(second)), (Some(&imsi), None));
        // It comes back with the third.
        let fourth = gutis.offer(&imsi, Some(third), &mut random);
        assert_eq!((gutis.subscriber(first), gutis.subscriber(third)), (None, Some(&imsi)));
        gutis.confirm(&imsi);
        assert_eq!((gutis.subscriber(third), gutis.subscriber(fourth)), (None, Some(&imsi)));
        gutis.confirm(&imsi);
        assert_eq!((gutis.subscriber(fourth), gutis.by_tmsi.len()), (Some(&imsi), 1));
    }
}
