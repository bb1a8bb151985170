//! What a node of the user plane drops: why, how often, and when that is told. Everything is counted; of what happens
//! again and again to one session no more than one event a second is told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kernel::Instant;

/// How long nothing more is told of the same reason and the same session.
pub const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Why a datagram or a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// Octets that are no GTP-U message of version 1 (TS 29.281 clause 11).
    NotGtpU,
    /// A user packet for a tunnel whose other end is not known yet, or not any more.
    NoBearer,
    /// A user packet from an address that is not of the peer that signalling has named.
    ForeignPeer,
    /// An Error Indication of somebody who does not hold the tunnel (TS 29.281 clause 7.3.1).
    ForgedErrorIndication,
    /// An inner packet that is not from the address of the session.
    InnerSource,
    /// An inner packet that is no IP packet.
    NotIp,
    /// An inner packet of IPv6 that is for the link between UE and gateway alone.
    LinkLocal,
    /// A packet to where the policy of the session does not lead.
    PolicyUplink,
    /// A packet from where the policy of the session does not lead.
    PolicyDownlink,
    /// A packet for an address that no session has.
    NoSession,
    /// A packet that waited for a tunnel to a base station, and others came.
    BufferFull,
    /// A packet at a switch that no flow takes.
    NoFlow,
    /// A packet that the flows of a switch lead nowhere.
    FlowDrops,
}

impl DropCause {
    const ALL: [Self; 13] = [
        Self::NotGtpU,
        Self::NoBearer,
        Self::ForeignPeer,
        Self::ForgedErrorIndication,
        Self::InnerSource,
        Self::NotIp,
        Self::LinkLocal,
        Self::PolicyUplink,
        Self::PolicyDownlink,
        Self::NoSession,
        Self::BufferFull,
        Self::NoFlow,
        Self::FlowDrops,
    ];

    /// Its word in events and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotGtpU => "not-gtp-u",
            Self::NoBearer => "no-bearer",
            Self::ForeignPeer => "foreign-peer",
            Self::ForgedErrorIndication => "forged-error-indication",
            Self::InnerSource => "foreign-inner-source",
            Self::NotIp => "not-ip",
            Self::LinkLocal => "link-local",
            Self::PolicyUplink => "policy-uplink",
            Self::PolicyDownlink => "policy-downlink",
            Self::NoSession => "no-session",
            Self::BufferFull => "buffer-full",
            Self::NoFlow => "no-flow",
            Self::FlowDrops => "flow-drops",
        }
    }
}

/// What was told last of one reason and one session.
#[derive(Debug)]
struct Told {
    at: Instant,
    count: u64,
}

/// The book of what was dropped, of sessions that the owner knows by a key `K`.
#[derive(Debug)]
pub struct Drops<K> {
    counts: BTreeMap<DropCause, u64>,
    told: BTreeMap<(Option<K>, DropCause), Told>,
}

impl<K> Default for Drops<K> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), told: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Drops<K> {
    /// Counts one, of session `key` where it is one's. Returns how many there were of this reason and session, where
    /// that is to be told now.
    pub fn count(&mut self, now: Instant, why: DropCause, key: Option<K>) -> Option<u64> {
        *self.counts.entry(why).or_default() += 1;
        let first = !self.told.contains_key(&(key, why));
        let told = self.told.entry((key, why)).or_insert(Told { at: now, count: 0 });
        told.count += 1;
        if !first && now < told.at + TOLD_EVERY {
            return None;
        }
        told.at = now;
        Some(told.count)
    }

    /// The session is over: nothing is remembered of it but the sums.
    pub fn forget(&mut self, key: K) {
        for why in DropCause::ALL {
            self.told.remove(&(Some(key), why));
        }
    }

    /// How often, of each reason that there was.
    pub fn counts(&self) -> impl Iterator<Item = (DropCause, u64)> {
        self.counts.iter().map(|(why, count)| (*why, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_a_flood_is_told_once_a_second() {
        let mut drops = Drops::default();
        let at = |ms: u64| Instant::ZERO + Duration::from_millis(ms);
        let told: Vec<_> =
            (0..2_500).filter_map(|ms| drops.count(at(ms), DropCause::NoBearer, Some(1))).collect();
        assert_eq!(told, [1, 1_001, 2_001]);
        // Another session and another reason are told by themselves.
        assert_eq!(drops.count(at(2_500), DropCause::NoBearer, Some(2)), Some(1));
        assert_eq!(drops.count(at(2_500), DropCause::ForeignPeer, Some(1)), Some(1));
        assert_eq!(drops.count(at(2_500), DropCause::NoBearer, None), Some(1));
        drops.forget(1);
        assert_eq!(drops.count(at(2_501), DropCause::NoBearer, Some(1)), Some(1));
        assert_eq!(
            drops.counts().collect::<Vec<_>>(),
            [(DropCause::NoBearer, 2_503), (DropCause::ForeignPeer, 1)]
        );
    }
}
