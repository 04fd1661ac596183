//! The cluster's clock: a start and tokio's time since then, so that a paused tokio clock steps the cluster too.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::fault::ClockJump;

/// Where a cluster's time starts unless the builder says otherwise: fixed, so that two runs have equal timestamps.
pub(crate) const DEFAULT_START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

/// Longer than any test, and short enough to be added to any time.
pub(crate) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[derive(Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    zero: Instant,
    /// How far jumps have moved the wall clock from where it would be, in milliseconds.
    jumped: AtomicI64,
}

impl Clock {
    pub(crate) fn new(start: Option<SystemTime>) -> Self {
        let fixed = Timestamp::from_second(DEFAULT_START).unwrap_or(Timestamp::UNIX_EPOCH);
        let start = start.and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(fixed);
        Self { start, zero: Instant::now(), jumped: AtomicI64::new(0) }
    }

    /// Time since the cluster was built.
    pub(crate) fn elapsed(&self) -> Duration {
        self.zero.elapsed()
    }

    /// The instant at which `elapsed` will be `at`, or one that nobody lives to see.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.zero + at.min(FAR)
    }

    pub(crate) fn jump(&self, jump: ClockJump) {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let by = match jump {
            ClockJump::Forwards(d) => millis(d),
            ClockJump::Backwards(d) => -millis(d),
        };
        // Far out of any calendar it stays where it is: see `now`.
        let _before = self.jumped.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(by)));
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.elapsed();
        let jumped = SignedDuration::from_millis(self.jumped.load(Ordering::SeqCst));
        let timestamp = self.start.saturating_add(elapsed).and_then(|t| t.saturating_add(jumped));
        Now { elapsed, timestamp: timestamp.unwrap_or(self.start) }
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
