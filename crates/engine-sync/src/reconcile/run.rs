//! The loop: one task an application, so that none starves another.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Shared, join_all};
use gitops_engine_core::{ChangeStream, ErrorKind, Event, ObjectId, Problems, Revision};
use tokio::time::Instant;
use tracing::Instrument;

use super::Reconciler;
use super::pass::{Pass, State};
use crate::{Application, Outcome};

impl Reconciler {
    /// Reconciles applications until `stop` completes; then no pass is begun, and those under way end early and cleanly.
    ///
    /// Each application has its own pace: new revisions are found by polling, drift by the change stream of the cache,
    /// and a failure is tried again with back-off. A new change does not wait for the back-off of an old failure, unless
    /// the failure is about the desired state itself.
    pub async fn run(&self, applications: Vec<Application>, stop: impl Future<Output = ()> + Send + 'static) {
        let stop = futures::FutureExt::shared(stop);
        let tasks = applications.into_iter().map(|application| {
            let span = tracing::info_span!("application", name = %application.name);
            self.follow(application, stop.clone()).instrument(span)
        });
        join_all(tasks).await;
    }

    async fn follow<F: Future<Output = ()> + Send>(&self, application: Application, stop: Shared<F>) {
        let mut changes = self.parts.driver.cache.changes();
        let mut state = State::default();
        let mut failures = 0;
        let mut revision: Option<Revision> = None;
        let mut next_poll = Instant::now();
        loop {
            if stop.peek().is_some() {
                return;
            }
            if next_poll <= Instant::now() {
                next_poll = Instant::now() + self.schedule.poll;
                match self.parts.resolve(&application).await {
                    Ok(found) => revision = Some(found),
                    // The state store is out of reach: the last known revision is enforced all the same.
                    Err(error) => {
                        failures += 1;
                        self.tell_failure(&application, revision.clone(), 0, &error.into(), failures);
                        next_poll = Instant::now() + self.schedule.back_off(failures);
                    }
                }
            }
            let mut retry = None;
            if let Some(revision) = &revision {
                let superseded = self.superseded(&application, revision);
                let cancel = async {
                    tokio::select! {
                        () = stop.clone() => {}
                        () = superseded => {}
                    }
                };
                let passed = self.pass_at(&application, &mut state, revision.clone(), cancel).await;
                if let Ok(Pass::Executed(_, report)) = &passed
                    && report.outcome == Outcome::Cancelled
                {
                    next_poll = Instant::now();
                }
                let failed = self.tell(&application, revision, &passed, failures + 1);
                failures = if failed { failures + 1 } else { 0 };
                retry = failed.then(|| self.schedule.back_off(failures));
                if let Err(problems) = &passed
                    && problems.kind() == ErrorKind::Conflict
                {
                    state = State::default();
                }
            }
            if stop.peek().is_some() {
                return;
            }
            self.rest(&mut changes, &state, next_poll, retry, stop.clone()).await;
        }
    }

    /// Completes when the state store names another revision: what waits for an object that will never be healthy gives
    /// way to the commit that mends it.
    async fn superseded(&self, application: &Application, revision: &Revision) {
        loop {
            tokio::time::sleep(self.schedule.poll).await;
            match self.parts.resolve(application).await {
                Ok(found) if found != *revision => return,
                // Out of reach or unchanged: the execution goes on.
                _ => {}
            }
        }
    }

    /// Waits for a reason to look again.
    async fn rest<F: Future<Output = ()> + Send>(
        &self,
        changes: &mut ChangeStream,
        state: &State,
        next_poll: Instant,
        retry: Option<Duration>,
        stop: Shared<F>,
    ) {
        let wake = retry.map_or(next_poll, |retry| next_poll.min(Instant::now() + retry));
        let mut stop = std::pin::pin!(stop);
        let sleep = tokio::time::sleep_until(wake);
        let mut sleep = std::pin::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = &mut sleep => return,
                batch = changes.next() => {
                    let Some(batch) = batch else {
                        // The cache has stopped: only time is left.
                        sleep.as_mut().await;
                        return;
                    };
                    // After a failure the world moves all the time (Pods come and go): the back-off decides.
                    if retry.is_none() && (batch.lagged || batch.kinds || concerns(state, &batch.objects)) {
                        tokio::time::sleep(self.schedule.settle).await;
                        return;
                    }
                }
            }
        }
    }

    /// Tells how a pass ended. Returns whether it failed.
    fn tell(
        &self,
        application: &Application,
        revision: &Revision,
        passed: &Result<Pass, Problems>,
        failures: u32,
    ) -> bool {
        match passed {
            Ok(Pass::InSync(_)) => false,
            Ok(Pass::Executed(_, report)) => match report.outcome {
                Outcome::Synced => {
                    self.parts.driver.events.emit(Event::Synced {
                        application: application.name.clone(),
                        revision: revision.clone(),
                        writes: report.writes,
                    });
                    false
                }
                Outcome::Cancelled => false,
                Outcome::Failed => {
                    self.parts.driver.events.emit(Event::Failed {
                        application: application.name.clone(),
                        revision: Some(revision.clone()),
                        writes: report.writes,
                        errors: report.errors.clone(),
                        retry_ms: Some(milliseconds(self.schedule.back_off(failures))),
                    });
                    true
                }
            },
            Err(problems) => {
                self.tell_failure(application, Some(revision.clone()), 0, problems, failures);
                true
            }
        }
    }

    fn tell_failure(
        &self,
        application: &Application,
        revision: Option<Revision>,
        writes: usize,
        problems: &Problems,
        failures: u32,
    ) {
        let copy = |error: &gitops_engine_core::Error| Arc::new(error.restate());
        self.parts.driver.events.emit(Event::Failed {
            application: application.name.clone(),
            revision,
            writes,
            errors: problems.errors().iter().map(copy).collect(),
            retry_ms: Some(milliseconds(self.schedule.back_off(failures))),
        });
    }
}

/// Whether one of the objects belongs to the application.
fn concerns(state: &State, objects: &[ObjectId]) -> bool {
    let owned = |id: &ObjectId| state.inventory().is_none_or(|inventory| inventory.entries.contains_key(id));
    objects.iter().any(owned)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
