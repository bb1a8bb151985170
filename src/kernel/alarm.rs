//! The timer of one machine on the event heap.

use super::{Blame, Instant};

/// How often a timer may go off at one moment. A machine has a handful of things to do at a moment; one that
/// asks to be woken again and again without doing them would keep the run there for ever.
const RINGS_MAX: u32 = 1_000;

/// Keeps track of which entry on the heap is the one that counts. Entries cannot be taken out of a heap, so
/// that those for moments that no longer matter come up as well: they are to be passed over, or each of them
/// would beget another.
#[derive(Debug, Default)]
pub struct Alarm {
    set: Option<Instant>,
    rang: Instant,
    rings: u32,
}

/// What an entry that has come up means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// The machine is to be woken.
    Due,
    /// The entry was for a moment that no longer matters.
    Stale,
    /// The machine has been woken a thousand times at this moment and asks for more.
    Stuck,
}

/// A machine that asks again and again for work at one moment and does not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{who} does not come to rest at {at} s of virtual time: it asks to be woken for something that it does \
     not do, which is a fault of cellbed"
)]
pub struct Restless {
    /// What it is called.
    pub who: String,
    /// The moment.
    pub at: Instant,
}

impl Restless {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Ours
    }
}

impl Alarm {
    /// Takes note of when the machine wants to be woken, and returns the moment for which an entry is to be put
    /// on the heap: none where one that is early enough is there already.
    pub fn set(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let at = deadline?.max(now);
        if self.set.is_some_and(|set| set <= at) {
            return None;
        }
        self.set = Some(at);
        Some(at)
    }

    /// An entry for `now` has come up.
    pub fn ring(&mut self, now: Instant) -> Ring {
        if self.set != Some(now) {
            return Ring::Stale;
        }
        self.set = None;
        self.rings = if self.rang == now { self.rings + 1 } else { 1 };
        self.rang = now;
        if self.rings > RINGS_MAX { Ring::Stuck } else { Ring::Due }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [Instant; 4] =
        [Instant::from_nanos(0), Instant::from_nanos(1), Instant::from_nanos(2), Instant::from_nanos(3)];

    #[test]
    fn an_entry_that_was_overtaken_is_stale_and_begets_nothing() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(Some(AT[3]), AT[0]), Some(AT[3]));
        assert_eq!(alarm.set(Some(AT[1]), AT[0]), Some(AT[1]), "the machine wants to be woken earlier");
        assert_eq!(alarm.set(Some(AT[2]), AT[0]), None, "the entry for 1 comes early enough");
        assert_eq!(alarm.ring(AT[1]), Ring::Due);
        assert_eq!(alarm.set(None, AT[1]), None);
        assert_eq!(alarm.ring(AT[3]), Ring::Stale);
    }

    #[test]
    fn a_deadline_in_the_past_is_now() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(Some(AT[1]), AT[2]), Some(AT[2]));
        assert_eq!(alarm.ring(AT[2]), Ring::Due);
    }

    #[test]
    fn a_machine_that_never_comes_to_rest_is_stuck_and_one_that_moves_on_is_not() {
        let mut alarm = Alarm::default();
        let mut ring = |now| {
            alarm.set(Some(AT[0]), now);
            alarm.ring(now)
        };
        for n in 0..RINGS_MAX {
            assert_eq!(ring(AT[1]), Ring::Due, "{n}");
        }
        assert_eq!(ring(AT[1]), Ring::Stuck);
        assert_eq!(ring(AT[2]), Ring::Due);
    }
}
