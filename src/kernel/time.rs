//! The virtual clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Unix time, in seconds, at which every virtual run starts: 2026-01-01T00:00:00Z. Certificates, blocks
/// and captures are dated from it, so that a run is a function of its inputs alone.
pub const EPOCH_UNIX_S: u64 = 1_767_225_600;

/// A moment of virtual time, in nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);

    /// `ns` nanoseconds after the start of the run.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start of the run.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Microseconds since the start of the run, rounded down.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds of Unix time.
    pub const fn unix_s(self) -> u64 {
        EPOCH_UNIX_S + self.0 / 1_000_000_000
    }

    /// Milliseconds of Unix time, rounded down.
    pub const fn unix_ms(self) -> u64 {
        EPOCH_UNIX_S * 1_000 + self.0 / 1_000_000
    }

    /// The moment at which Unix time comes to `unix_s` seconds; the start of the run where that was before it.
    pub const fn from_unix_s(unix_s: u64) -> Self {
        Self(unix_s.saturating_sub(EPOCH_UNIX_S).saturating_mul(1_000_000_000))
    }

    /// Time since `earlier`; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Instant {
    /// Seconds with six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}
