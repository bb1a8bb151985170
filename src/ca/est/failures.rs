//! How often somebody may give wrong credentials: a password is not found out by trying.

use std::collections::BTreeMap;

/// How many failures there may be before whoever fails has to wait.
const FAILURES_MAX: u32 = 5;
/// How long it waits then, counted from the first of them, in seconds.
const WAIT_S: u64 = 300;
/// How many who fail are remembered.
const REMEMBERED_MAX: usize = 4096;

/// The failures of the last while, by who failed: a user name, or an address.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<String, Failed>);

#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u32,
    since_unix_s: u64,
}

impl Failed {
    fn left_s(&self, now_unix_s: u64) -> u64 {
        self.since_unix_s.saturating_add(WAIT_S).saturating_sub(now_unix_s)
    }
}

impl Failures {
    /// For how many seconds `who` has to wait before it may try again; 0 where it may now.
    pub fn wait_s(&self, who: &str, now_unix_s: u64) -> u64 {
        let failed = self.0.get(who).filter(|failed| failed.count >= FAILURES_MAX);
        failed.map_or(0, |failed| failed.left_s(now_unix_s))
    }

    /// Notes that `who` has failed.
    pub fn note(&mut self, who: &str, now_unix_s: u64) {
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(who) {
            self.0.retain(|_, failed| failed.left_s(now_unix_s) > 0);
        }
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(who) {
            // The oldest is the first that would be forgotten by itself.
            let oldest =
                self.0.iter().min_by_key(|(_, failed)| failed.since_unix_s).map(|(who, _)| who.clone());
            oldest.map(|who| self.0.remove(&who));
        }
        let failed = self.0.entry(who.to_owned()).or_insert(Failed { count: 0, since_unix_s: now_unix_s });
        if failed.left_s(now_unix_s) == 0 {
            *failed = Failed { count: 0, since_unix_s: now_unix_s };
        }
        failed.count = failed.count.saturating_add(1);
    }

    /// Notes that `who` has succeeded: its failures are forgotten.
    pub fn clear(&mut self, who: &str) {
        self.0.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits() {
        let mut failures = Failures::default();
        for at in 0..u64::from(FAILURES_MAX) {
            assert_eq!(failures.wait_s("sensor-1", 100 + at), 0);
            failures.note("sensor-1", 100 + at);
        }
        assert_eq!(failures.wait_s("sensor-1", 110), WAIT_S - 10);
        assert_eq!(failures.wait_s("sensor-2", 110), 0, "nobody else waits");
        assert_eq!(failures.wait_s("sensor-1", 100 + WAIT_S), 0);
        failures.note("sensor-1", 100 + WAIT_S);
        assert_eq!(failures.wait_s("sensor-1", 100 + WAIT_S), 0, "it is counted anew");
    }

    #[test]
    fn a_success_forgets_and_memory_is_bounded() {
        let mut failures = Failures::default();
        (0..FAILURES_MAX).for_each(|_| failures.note("a", 1));
        failures.clear("a");
        assert_eq!(failures.wait_s("a", 1), 0);
        (0..FAILURES_MAX).for_each(|_| failures.note("b", 2));
        for n in 0..2 * REMEMBERED_MAX {
            failures.note(&format!("{n}"), 3);
        }
        assert_eq!(failures.0.len(), REMEMBERED_MAX);
        // What is past does not count against who comes next.
        failures.note("c", 3 + WAIT_S);
        assert_eq!(failures.0.len(), 1);
    }
}
