//! The loop: one task an application, so that none starves another.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Shared, join_all};
use gitops_engine_core::{ChangeStream, Error, ErrorKind, Event, ObjectId, Problems, Revision};
use tokio::time::Instant;
use tracing::Instrument;

use super::Reconciler;
use super::pace::Pace;
use super::pass::{Pass, State};
use crate::{Application, Outcome};

impl Reconciler {
    /// Reconciles applications until `stop` completes; then no pass is begun, and those under way end early and cleanly.
    ///
    /// Each application has its own pace, so that none waits for another: new revisions are found by polling, drift by
    /// the change stream of the cache. What fails is tried again with back-off, or at once when a new revision comes.
    /// What has to be put back again and again is put back ever more slowly: somebody else insists on it, and a person
    /// has to decide.
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
        let mut pace = Pace::new(self.schedule.clone(), Instant::now());
        let mut revision: Option<Revision> = None;
        while stop.peek().is_none() {
            if pace.polls(Instant::now()) {
                match self.parts.resolve(&application).await {
                    Ok(found) => {
                        pace.polled(Instant::now(), revision.as_ref() != Some(&found));
                        revision = Some(found);
                    }
                    // The state store is out of reach: the last known revision is enforced all the same.
                    Err(error) => {
                        let wait = pace.store_failed(Instant::now());
                        self.tell_failure(&application, revision.clone(), &error.into(), wait);
                    }
                }
            }
            if let Some(revision) = &revision
                && pace.may_pass(Instant::now())
            {
                let superseded = self.superseded(&application, revision);
                let cancel = async {
                    tokio::select! {
                        () = stop.clone() => {}
                        () = superseded => {}
                    }
                };
                let synced_before = state.synced_revision() == Some(revision);
                let passed = self.pass_at(&application, &mut state, revision.clone(), cancel).await;
                self.take_stock(&application, revision, &passed, synced_before, &mut pace);
                if let Err(problems) = &passed
                    && problems.kind() == ErrorKind::Conflict
                {
                    state = State::default();
                }
            }
            if stop.peek().is_none() {
                self.rest(&mut changes, &state, &pace, stop.clone()).await;
            }
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
        pace: &Pace,
        stop: Shared<F>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(pace.wakes(Instant::now())));
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
                    if !pace.is_failing() && (batch.lagged || batch.kinds || concerns(state, &batch.objects)) {
                        let calm = pace.calm(Instant::now()).max(self.schedule.settle);
                        tokio::select! {
                            () = &mut stop => {}
                            () = &mut sleep => {}
                            () = tokio::time::sleep(calm) => {}
                        }
                        return;
                    }
                }
            }
        }
    }

    /// Tells how a pass ended, and sets the pace by it.
    fn take_stock(
        &self,
        application: &Application,
        revision: &Revision,
        passed: &Result<Pass, Problems>,
        synced_before: bool,
        pace: &mut Pace,
    ) {
        let events = &self.parts.driver.events;
        let now = Instant::now();
        let name = application.name.clone();
        match passed {
            Ok(Pass::InSync(_)) => pace.succeeded(),
            Ok(Pass::Executed(_, report)) => match report.outcome {
                Outcome::Synced => {
                    pace.succeeded();
                    if synced_before && report.writes > 0 {
                        let wait = pace.repaired(now);
                        if !wait.is_zero() {
                            let warning = Error::new(
                                ErrorKind::Conflict,
                                format!("drift keeps coming back: the next repair waits {} s", wait.as_secs()),
                            )
                            .help("see who changes the objects (the drift events say so), and let one side give way");
                            events.emit(Event::Warning { application: name.clone(), warning: Arc::new(warning) });
                        }
                    }
                    events.emit(Event::Synced { application: name, revision: revision.clone(), writes: report.writes });
                }
                Outcome::Cancelled => pace.poll_now(now),
                Outcome::Failed => {
                    let wait = pace.failed(now);
                    events.emit(Event::Failed {
                        application: name,
                        revision: Some(revision.clone()),
                        writes: report.writes,
                        errors: report.errors.clone(),
                        retry_ms: Some(milliseconds(wait)),
                    });
                }
            },
            Err(problems) => {
                let wait = pace.failed(now);
                self.tell_failure(application, Some(revision.clone()), problems, wait);
            }
        }
    }

    fn tell_failure(&self, application: &Application, revision: Option<Revision>, problems: &Problems, wait: Duration) {
        self.parts.driver.events.emit(Event::Failed {
            application: application.name.clone(),
            revision,
            writes: 0,
            errors: problems.errors().iter().map(|error| Arc::new(error.restate())).collect(),
            retry_ms: Some(milliseconds(wait)),
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
