//! How long requests have waited, in the figures that are told.

use std::time::Duration;

use serde::Serialize;

/// How long the requests of one phase have waited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waits {
    /// Answered requests.
    pub requests: u64,
    /// The lower median, in milliseconds.
    pub p50_ms: f64,
    /// What 99 of 100 did not wait longer than.
    pub p99_ms: f64,
    pub max_ms: f64,
    /// How often a connection was lost before anything of the request was sent, and made again.
    pub again: u64,
    /// Requests that had no answer in their time.
    pub unserved: u64,
}

impl Waits {
    pub fn of(mut waits: Vec<Duration>, again: u64, unserved: u64) -> Self {
        waits.sort_unstable();
        let ms = |wait: Option<&Duration>| wait.map_or(0.0, |wait| wait.as_secs_f64() * 1e3);
        let share = |percent: usize| ms(waits.get((waits.len() * percent).div_ceil(100).saturating_sub(1)));
        Self {
            requests: waits.len() as u64,
            p50_ms: share(50),
            p99_ms: share(99),
            max_ms: ms(waits.last()),
            again,
            unserved,
        }
    }

    /// The longest wait, in times of the median of `quiet`.
    pub fn ratio_of_worst(&self, quiet: &Self) -> f64 {
        ratio(self.max_ms, quiet.p50_ms)
    }

    /// The median, in times of that of `quiet`.
    pub fn ratio_of_medians(&self, quiet: &Self) -> f64 {
        ratio(self.p50_ms, quiet.p50_ms)
    }
}

fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_shares_are_values_that_were_seen() {
        let waits = Waits::of((1..=200).rev().map(Duration::from_millis).collect(), 3, 0);
        assert_eq!((waits.requests, waits.p50_ms, waits.p99_ms, waits.max_ms), (200, 100.0, 198.0, 200.0));
        let quiet = Waits::of(vec![Duration::from_millis(50)], 0, 0);
        assert_eq!((waits.ratio_of_medians(&quiet), waits.ratio_of_worst(&quiet)), (2.0, 4.0));
        let none = Waits::of(Vec::new(), 0, 1);
        assert_eq!((none.p50_ms, none.max_ms, waits.ratio_of_worst(&none)), (0.0, 0.0, 0.0));
    }
}
