//! When an application is looked at again: pure, so that it can be tested with a table.

use std::time::Duration;

use tokio::time::Instant;

use super::Schedule;

/// The pace of one application.
pub(super) struct Pace {
    schedule: Schedule,
    poll_at: Instant,
    retry_at: Option<Instant>,
    failures: u32,
    store_failures: u32,
    repairs: u32,
    last_repair: Option<Instant>,
}

impl Pace {
    pub(super) fn new(schedule: Schedule, now: Instant) -> Self {
        Self { schedule, poll_at: now, retry_at: None, failures: 0, store_failures: 0, repairs: 0, last_repair: None }
    }

    /// Whether it is time to ask the state store.
    pub(super) fn polls(&self, now: Instant) -> bool {
        self.poll_at <= now
    }

    /// The state store answered. A new revision is tried at once, whatever became of the one before.
    pub(super) fn polled(&mut self, now: Instant, is_new: bool) {
        self.store_failures = 0;
        self.poll_at = now + self.schedule.poll;
        if is_new {
            self.succeeded();
            self.repairs = 0;
        }
    }

    /// The state store did not answer. Returns how long to wait.
    pub(super) fn store_failed(&mut self, now: Instant) -> Duration {
        self.store_failures = self.store_failures.saturating_add(1);
        let wait = self.schedule.back_off(self.store_failures);
        self.poll_at = now + wait;
        wait
    }

    /// Asks the state store again at once.
    pub(super) fn poll_now(&mut self, now: Instant) {
        self.poll_at = now;
    }

    /// Whether a pass may begin: neither a failure nor a fight over a field asks for patience.
    pub(super) fn may_pass(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|retry_at| retry_at <= now) && self.calm_until().is_none_or(|until| until <= now)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// A pass failed. Returns how long to wait.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = self.schedule.back_off(self.failures);
        self.retry_at = Some(now + wait);
        wait
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    /// Drift was put back. The first time costs nothing; when it comes back soon, the next repair waits. Returns how
    /// long.
    pub(super) fn repaired(&mut self, now: Instant) -> Duration {
        let soon = self.last_repair.is_some_and(|last| now - last <= self.schedule.longest_retry * 2);
        self.repairs = if soon { self.repairs.saturating_add(1) } else { 0 };
        self.last_repair = Some(now);
        self.calm(now)
    }

    /// How long the next repair of drift has to wait.
    pub(super) fn calm(&self, now: Instant) -> Duration {
        self.calm_until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn calm_until(&self) -> Option<Instant> {
        let last = self.last_repair.filter(|_| self.repairs > 0)?;
        Some(last + self.schedule.back_off(self.repairs))
    }

    /// The next time at which something is due although nothing happens.
    pub(super) fn wakes(&self, now: Instant) -> Instant {
        let calm = self.calm_until().filter(|until| *until > now);
        [self.retry_at, calm].into_iter().flatten().fold(self.poll_at, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> (Pace, Instant) {
        let now = Instant::now();
        let schedule = Schedule::default().retry(Duration::from_secs(2), Duration::from_secs(60));
        (Pace::new(schedule, now), now)
    }

    #[test]
    fn a_failure_waits_and_a_new_revision_does_not() {
        let (mut pace, now) = pace();
        pace.polled(now, true);
        assert_eq!(pace.failed(now).as_secs(), 2);
        assert_eq!(pace.failed(now).as_secs(), 4);
        pace.polled(now, false);
        assert!(!pace.may_pass(now) && pace.may_pass(now + Duration::from_secs(4)));
        pace.polled(now, true);
        assert!(pace.may_pass(now));
        assert_eq!(pace.failed(now).as_secs(), 2, "a new revision starts anew");
    }

    #[test]
    fn drift_that_comes_back_is_put_back_ever_more_slowly() {
        let (mut pace, now) = pace();
        let waits: Vec<_> = (0..8).map(|at| pace.repaired(now + Duration::from_secs(at)).as_secs()).collect();
        assert_eq!(waits, [0, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.repaired(now + Duration::from_secs(3600)).as_secs(), 0, "an hour of peace");
    }

    #[test]
    fn a_store_that_is_away_does_not_stop_passes() {
        let (mut pace, now) = pace();
        assert_eq!(pace.store_failed(now).as_secs(), 2);
        assert!(pace.may_pass(now) && !pace.polls(now) && pace.polls(now + Duration::from_secs(2)));
    }
}
