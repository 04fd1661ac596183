//! The async driver: does what the machine says, and tells it what happened.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use gitops_engine_core::{
    ApiFault, Applied, ApplyOptions, ChangeStream, Cluster, ClusterCache, Deleted, EventSink, HealthAssessor,
    Inventory, InventoryStore, InventoryVersion, Result, Timestamp,
};

use super::machine::{Command, Machine, Write, is_at_least};
use super::{Outcome, Report};
use crate::Policy;

/// Tells the time. The engine has no other clock.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The parts that an execution works with. Cheap to clone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Driver {
    /// Takes the writes.
    pub cluster: Arc<dyn Cluster>,
    /// Shows the cluster.
    pub cache: Arc<dyn ClusterCache>,
    /// Keeps the inventory.
    pub inventory: Arc<dyn InventoryStore>,
    /// Judges objects.
    pub health: Arc<dyn HealthAssessor>,
    /// Receives events.
    pub events: Arc<dyn EventSink>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

const CATCH_UP: Duration = Duration::from_secs(10);

/// What came back from outside.
enum Answer {
    Saved(Result<(Inventory, InventoryVersion)>),
    Written(usize, Result<Applied, ApiFault>),
    Deleted(usize, Result<Deleted, ApiFault>),
}

impl Driver {
    /// A driver with the system's clock.
    pub fn new(
        cluster: Arc<dyn Cluster>,
        cache: Arc<dyn ClusterCache>,
        inventory: Arc<dyn InventoryStore>,
        health: Arc<dyn HealthAssessor>,
        events: Arc<dyn EventSink>,
    ) -> Self {
        Self { cluster, cache, inventory, health, events, clock: Arc::new(SystemClock) }
    }

    /// Takes another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Brings a plan about.
    ///
    /// When `cancel` completes nothing more is started; requests under way are waited for and recorded. Dropping the
    /// future instead is safe, too: the inventory names everything that may exist, and the next pass finds out.
    pub async fn run(
        &self,
        mut machine: Machine,
        policy: &Policy,
        mut version: Option<InventoryVersion>,
        cancel: impl Future<Output = ()> + Send,
    ) -> Report {
        let mut changes = self.cache.changes();
        let mut answers = FuturesUnordered::new();
        let mut cancel = std::pin::pin!(cancel.fuse());
        let mut watching = true;
        loop {
            let now = self.clock.now();
            machine.observe(&*self.cache.snapshot(), now, &*self.health);
            for command in machine.commands() {
                answers.push(self.perform(command, policy, version.clone()));
            }
            for event in machine.take_events() {
                self.events.emit(event);
            }
            if let Some(outcome) = machine.outcome() {
                self.catch_up(&machine, &mut changes).await;
                return report(&machine, outcome, version);
            }
            if machine.wants_observation() {
                continue;
            }
            let due = machine.deadline().map(|due| until(now, due)).unwrap_or(Duration::from_secs(3600));
            tokio::select! {
                Some(answer) = answers.next() => self.take(&mut machine, answer, &mut version),
                () = &mut cancel => machine.cancel(),
                change = changes.next(), if watching => watching = change.is_some(),
                () = tokio::time::sleep(due) => {}
            }
        }
    }

    /// Waits until the cache shows what was written, so that the next plan does not write it again. A cache that is slow
    /// costs dry runs, nothing worse: so the wait is bounded.
    async fn catch_up(&self, machine: &Machine, changes: &mut ChangeStream) {
        let shown = || {
            let snapshot = self.cache.snapshot();
            machine.verdicts().iter().all(|(object, verdict)| {
                let live = snapshot.get(object);
                live.is_some_and(|live| is_at_least(&live.resource_version, Some(&verdict.resource_version)))
            })
        };
        let caught_up = async {
            while !shown() {
                if changes.next().await.is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(CATCH_UP, caught_up).await.is_err() {
            tracing::warn!("the cache does not show all that was written");
        }
    }

    fn take(&self, machine: &mut Machine, answer: Answer, version: &mut Option<InventoryVersion>) {
        let now = self.clock.now();
        match answer {
            Answer::Saved(Ok((inventory, stored))) => {
                *version = Some(stored);
                machine.saved(Ok(inventory));
            }
            Answer::Saved(Err(error)) => machine.saved(Err(error)),
            Answer::Written(step, result) => machine.written(step, result, now, &*self.health),
            Answer::Deleted(step, result) => machine.deleted(step, result, now),
        }
    }

    async fn perform(&self, command: Command, policy: &Policy, version: Option<InventoryVersion>) -> Answer {
        match command {
            Command::Save(inventory) => {
                let stored = self.inventory.save(&inventory, version.as_ref()).await;
                Answer::Saved(stored.map(|version| (inventory, version)))
            }
            Command::Write(Write::Apply { step, resource, manifest }) => {
                let options = ApplyOptions::new(&policy.field_manager).conflicts(policy.conflicts);
                Answer::Written(step, self.cluster.apply(&resource, &manifest, &options).await)
            }
            Command::Write(Write::Delete { step, resource, object, options }) => {
                Answer::Deleted(step, self.cluster.delete(&resource, &object, &options).await)
            }
        }
    }
}

fn report(machine: &Machine, outcome: Outcome, version: Option<InventoryVersion>) -> Report {
    Report {
        outcome,
        writes: machine.writes(),
        errors: machine.failures().to_vec(),
        skipped: machine.skipped().to_vec(),
        inventory: machine.stored_inventory().clone(),
        version,
        verdicts: machine.verdicts().clone(),
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    let milliseconds = due.as_millisecond().saturating_sub(now.as_millisecond());
    // A timer may fire a moment early, and a due time in the past must not spin.
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0).max(1))
}
