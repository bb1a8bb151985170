//! The real clock, and what this process has used of the machine. Nothing here may reach a transcript.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;
use time::macros::format_description;

/// Measures real time from its start.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Real time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The date and time in UTC as a word that sorts and that any file system takes: `20260131T235959Z`.
pub fn stamp() -> String {
    OffsetDateTime::now_utc()
        .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
        .unwrap_or_else(|_| "undated".to_owned())
}

/// The date and time in UTC as RFC 3339 has it: `2026-01-31T23:59:59Z`.
pub fn now_text() -> String {
    OffsetDateTime::now_utc()
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// What this machine is called; `unknown` where the kernel does not say.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}

/// Seconds since the Unix epoch.
pub fn unix_s() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0)
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

/// CPU time that the calling thread has used (POSIX CLOCK_THREAD_CPUTIME_ID).
pub fn thread_cpu_time() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
}

/// The most memory that this process has held at once, in bytes; `None` where the kernel does not say.
pub fn peak_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kib.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_sorts_as_time_does() {
        let stamp = stamp();
        assert_eq!(stamp.len(), "20260131T235959Z".len());
        assert!(stamp.as_str() > "20250101T000000Z");
    }

    #[test]
    fn usage_only_grows() {
        let watch = Stopwatch::start();
        let (before, peak) = (thread_cpu_time(), peak_memory_bytes());
        let work: Vec<u64> = (0..200_000).map(|n| n * n).collect();
        assert!(work.len() == 200_000 && watch.elapsed() > Duration::ZERO);
        assert!(thread_cpu_time() >= before && peak_memory_bytes() >= peak);
    }
}
