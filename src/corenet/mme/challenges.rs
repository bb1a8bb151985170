//! How often a subscriber is challenged: whoever names an IMSI makes the HSS spend a sequence number, without any proof.
//! Fresh challenges are few, and beyond them one that nobody has answered is sent to the next who asks (TS 33.102 clause
//! 6.3.2: the sequence numbers of a card are finite, and its window is small).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::corenet::hss::Vector;
use crate::id::Imsi;
use crate::kernel::{Duration, Instant};

/// How long a challenge waits for its answer: T3460 with all its repetitions.
const KEPT: Duration = Duration::from_secs(30);
/// How many fresh challenges a subscriber gets in a [`PERIOD`] in which it does not authenticate; and as many more after an
/// AUTS, which is the card's own or of no use.
const FRESH_MAX: u8 = 5;
const PERIOD: Duration = Duration::from_secs(60);

struct Unanswered {
    vector: Option<(Arc<Vector>, Instant)>,
    fresh: u8,
    since: Instant,
}

/// The challenges of subscribers that have not authenticated since.
#[derive(Default)]
pub(super) struct Challenges(BTreeMap<Imsi, Unanswered>);

impl Challenges {
    /// The challenge that waits for its answer.
    pub(super) fn waiting(&self, imsi: &Imsi, now: Instant) -> Option<Arc<Vector>> {
        let (vector, drawn) = self.0.get(imsi)?.vector.as_ref()?;
        (now < *drawn + KEPT).then(|| vector.clone())
    }

    /// Whether a fresh challenge may be drawn; `resynchronises`: with an AUTS.
    pub(super) fn permits(&self, imsi: &Imsi, resynchronises: bool, now: Instant) -> bool {
        let most = if resynchronises { 2 * FRESH_MAX } else { FRESH_MAX };
        self.0.get(imsi).is_none_or(|one| one.fresh < most || now >= one.since + PERIOD)
    }

    /// A fresh challenge was drawn.
    pub(super) fn drawn(&mut self, imsi: &Imsi, vector: Vector, now: Instant) -> Arc<Vector> {
        let vector = Arc::new(vector);
        let one = self.0.entry(imsi.clone()).or_insert(Unanswered { vector: None, fresh: 0, since: now });
        if now >= one.since + PERIOD {
            (one.fresh, one.since) = (0, now);
        }
        one.fresh = one.fresh.saturating_add(1);
        one.vector = Some((vector.clone(), now));
        vector
    }

    /// The challenge was answered: it serves nobody else.
    pub(super) fn answered(&mut self, imsi: &Imsi) {
        if let Some(one) = self.0.get_mut(imsi) {
            one.vector = None;
        }
    }

    /// The subscriber is who it says.
    pub(super) fn succeeded(&mut self, imsi: &Imsi) {
        self.0.remove(imsi);
    }
}
