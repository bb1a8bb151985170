//! How often somebody may cause something: so many at once, and then one after each interval.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kernel::Instant;

/// How many callers are kept in mind before those that have waited long enough are forgotten.
const KEPT_MAX: usize = 4096;

/// A limit for each caller by himself, by his number.
#[derive(Debug)]
pub struct Rate {
    burst: u32,
    every: Duration,
    /// When each caller will have waited for all that he has done.
    until: BTreeMap<u32, Instant>,
}

impl Rate {
    /// `burst` at once, and then one after each `every`.
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, until: BTreeMap::new() }
    }

    /// Takes one for `caller`. Returns how long he has to wait, and takes none, where it is too early.
    pub fn take(&mut self, now: Instant, caller: u32) -> Result<(), Duration> {
        let began = self.until.get(&caller).copied().unwrap_or(now).max(now);
        let most = now + self.every * self.burst;
        let until = began + self.every;
        if until > most {
            return Err(until - most);
        }
        if self.until.len() >= KEPT_MAX && !self.until.contains_key(&caller) {
            self.until.retain(|_, until| *until > now);
        }
        self.until.insert(caller, until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_his_own_limit() {
        let mut rate = Rate::new(3, Duration::from_secs(10));
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let mut take = |seconds, caller| rate.take(at(seconds), caller).is_ok();
        let first: Vec<_> = (0..5).map(|_| take(100, 1)).collect();
        assert_eq!(first, [true, true, true, false, false]);
        assert!(take(100, 2));
        assert!(!take(109, 1) && take(110, 1) && !take(110, 1));
        assert_eq!((0..9).filter(|_| take(1000, 1)).count(), 3);
    }

    #[test]
    fn who_has_waited_is_forgotten() {
        let mut rate = Rate::new(1, Duration::from_secs(1));
        for caller in 0..2 * KEPT_MAX as u32 {
            rate.take(Instant::ZERO + Duration::from_millis(caller.into()), caller).unwrap();
        }
        assert!(rate.until.len() <= KEPT_MAX, "{}", rate.until.len());
    }
}
