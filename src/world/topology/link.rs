//! A link between two ports: how long it takes, how much it carries, what it loses and when it is cut.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use crate::kernel::Instant;
use crate::ran::Lane;
use crate::world::port::Port;

/// How long an association waits before it sends again what was lost (RTO.Min, RFC 9260 clause 16); it doubles.
const RTO_MIN: Duration = Duration::from_secs(1);
/// RTO.Max of the same clause.
const RTO_MAX: Duration = Duration::from_secs(60);
/// How often it sends again before it gives up (Association.Max.Retrans).
const RETRANSMISSIONS_MAX: u32 = 10;

/// A link, as the bench wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// The two ports that it joins.
    pub ends: (Port, Port),
    /// One way.
    pub delay: Duration,
    /// How many in a million packets are lost. An association sends them again.
    pub loss_ppm: u32,
    /// Bits per second in each direction; `None` where the link is never the bottleneck.
    pub rate_bps: Option<u64>,
    /// When it is cut.
    pub cuts: Vec<Cut>,
}

impl LinkSpec {
    /// A link that takes `delay` and is otherwise perfect.
    pub fn new(a: Port, b: Port, delay: Duration) -> Self {
        Self { ends: (a, b), delay, loss_ppm: 0, rate_bps: None, cuts: Vec::new() }
    }
}

/// From when until when a link is cut, since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// From when, since the start of the run.
    pub from: Duration,
    /// Until when, since the start of the run.
    pub until: Duration,
}

pub(super) struct Link {
    pub spec: LinkSpec,
    /// Cut by the bench, and times that it was.
    up: bool,
    cuts: u32,
    forth: Lane,
    back: Lane,
    losses: ChaCha20Rng,
}

impl Link {
    pub fn new(spec: LinkSpec, losses: ChaCha20Rng) -> Self {
        Self { spec, up: true, cuts: 0, forth: Lane::default(), back: Lane::default(), losses }
    }

    pub fn is_association(&self) -> bool {
        self.spec.ends.0.at.is_association()
    }

    pub fn times_cut(&self) -> u32 {
        self.cuts
    }

    /// Whether what was sent when the link had been cut `cuts` times is still on it. Datagrams under way when a link
    /// is cut still arrive; an association that is lost takes what it has not delivered with it.
    pub fn carries(&self, cuts: u32) -> bool {
        !self.is_association() || self.cuts == cuts
    }

    pub fn set_up(&mut self, up: bool) -> bool {
        let changed = self.up != up;
        self.up = up;
        self.cuts += u32::from(changed && !up);
        changed
    }

    /// When a frame of `size` bytes that is sent at `at` arrives; `None` where it does not.
    pub fn send(&mut self, at: Instant, forth: bool, size: usize) -> Option<Instant> {
        if !self.up {
            return None;
        }
        let waits = self.wait()?;
        let occupied = match self.spec.rate_bps {
            Some(bps) => Duration::from_nanos((size as u64 * 8).saturating_mul(1_000_000_000) / bps.max(1)),
            None => Duration::ZERO,
        };
        let lane = if forth { &mut self.forth } else { &mut self.back };
        Some(lane.send(at, occupied, self.spec.delay + waits))
    }

    /// How long a frame waits since it was lost; `None` where it is lost for good.
    fn wait(&mut self) -> Option<Duration> {
        if !self.lose() {
            return Some(Duration::ZERO);
        }
        if !self.is_association() {
            return None;
        }
        let (mut waited, mut rto) = (Duration::ZERO, RTO_MIN);
        for _ in 0..RETRANSMISSIONS_MAX {
            waited += rto;
            rto = (rto * 2).min(RTO_MAX);
            if !self.lose() {
                return Some(waited);
            }
        }
        None
    }

    fn lose(&mut self) -> bool {
        let loss = u64::from(self.spec.loss_ppm);
        loss > 0 && self.losses.next_u64() % 1_000_000 < loss
    }
}
