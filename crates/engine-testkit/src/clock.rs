//! The cluster's clock: a start and tokio's time since then, so that a paused tokio clock steps the cluster too.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// Where a cluster's time starts unless the builder says otherwise: fixed, so that two runs have equal timestamps.
pub(crate) const DEFAULT_START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    zero: Instant,
}

impl Clock {
    pub(crate) fn new(start: Option<SystemTime>) -> Self {
        let fixed = Timestamp::from_second(DEFAULT_START).unwrap_or(Timestamp::UNIX_EPOCH);
        let start = start.and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(fixed);
        Self { start, zero: Instant::now() }
    }

    /// Time since the cluster was built.
    pub(crate) fn elapsed(&self) -> Duration {
        self.zero.elapsed()
    }

    /// The instant at which `elapsed` will be `at`.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.zero + at
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.elapsed();
        Now { elapsed, timestamp: self.start.checked_add(elapsed).unwrap_or(self.start) }
    }
}

/// One reading of the clock, used for a whole request or controller round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Since the cluster was built.
    pub(crate) elapsed: Duration,
    /// Wall clock.
    pub(crate) timestamp: Timestamp,
}

impl Now {
    /// `2026-01-01T00:00:00Z`, as in `metav1.Time`.
    pub(crate) fn rfc3339(&self) -> String {
        self.timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Whole seconds from `earlier` (a `metav1.Time`) to `now`; 0 when `earlier` does not parse.
pub(crate) fn seconds_since(earlier: &str, now: Now) -> i64 {
    earlier.parse::<Timestamp>().map_or(0, |t| now.timestamp.as_second() - t.as_second())
}
