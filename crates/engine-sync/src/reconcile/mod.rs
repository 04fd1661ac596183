//! Reconciliation: observe, plan, execute, again and again.

mod observe;
mod pace;
mod pass;
mod run;

use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{Generator, StateStore};

use crate::Driver;

pub use observe::Observed;
pub use pass::{Pass, State};

/// The parts that a reconciler works with: one for each job, each replaceable. Cheap to clone.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReconcilerParts {
    /// Where desired state comes from.
    pub store: Arc<dyn StateStore>,
    /// Turns files into objects.
    pub generator: Arc<dyn Generator>,
    /// The cluster, its cache, the inventory, health, events and the clock.
    pub driver: Driver,
}

impl ReconcilerParts {
    /// The parts.
    pub fn new(store: Arc<dyn StateStore>, generator: Arc<dyn Generator>, driver: Driver) -> Self {
        Self { store, generator, driver }
    }
}

/// When an application is looked at although nothing is known to have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// How often the state store is asked for a new revision. Default: 60 s.
    pub poll: Duration,
    /// The first wait after a failure; it doubles with each further one. Default: 2 s.
    pub first_retry: Duration,
    /// The longest wait after a failure. Default: 180 s.
    pub longest_retry: Duration,
    /// How long changes of the cluster are collected before they are looked at. Default: 50 ms.
    pub settle: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(60),
            first_retry: Duration::from_secs(2),
            longest_retry: Duration::from_secs(180),
            settle: Duration::from_millis(50),
        }
    }
}

impl Schedule {
    /// Sets how often the state store is asked.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Sets the first and the longest wait after a failure.
    #[must_use]
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_retry, self.longest_retry) = (first, longest);
        self
    }

    /// How long to wait after so many failures in a row.
    pub fn back_off(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_retry.saturating_mul(factor).min(self.longest_retry)
    }
}

/// Reconciles applications.
#[derive(Clone)]
pub struct Reconciler {
    parts: ReconcilerParts,
    schedule: Schedule,
}

impl Reconciler {
    /// A reconciler with the default schedule.
    pub fn new(parts: ReconcilerParts) -> Self {
        Self { parts, schedule: Schedule::default() }
    }

    /// Takes another schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// The parts.
    pub fn parts(&self) -> &ReconcilerParts {
        &self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let schedule = Schedule::default().retry(Duration::from_secs(2), Duration::from_secs(60));
        let waits: Vec<_> = [1, 2, 3, 6, 40, u32::MAX].map(|failures| schedule.back_off(failures).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 60, 60, 60]);
    }
}
