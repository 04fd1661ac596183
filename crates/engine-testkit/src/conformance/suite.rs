//! Running cases.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use tokio::time::Instant;

use super::{Case, CaseReport, Difference, Failure, Lab, Report, Verdict, lab::Compact};
use crate::Cluster;

/// No case takes longer, on tokio's clock.
const LIMIT: Duration = Duration::from_secs(120);
/// How many run at a time unless said.
const CONCURRENCY: usize = 16;

/// The cases, and the server that they are held against.
#[must_use = "nothing runs before `run`"]
pub struct Suite {
    client: kube::Client,
    cases: Vec<Case>,
    filter: Option<String>,
    controllers: bool,
    compact: Option<Compact>,
    tolerated: &'static [Difference],
    concurrency: usize,
    keep: bool,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("cases", &self.cases.len()).field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Suite {
    /// All cases, on the server of this client, which must be allowed to do everything: the cases create namespaces,
    /// CRDs and the like, and delete what they created. It must show every answer: a client that kube makes from a
    /// configuration repeats requests that are answered with 429, 503 or 504 unless `default_retry` is off.
    pub fn new(client: kube::Client) -> Self {
        Self {
            client,
            cases: super::all().collect(),
            filter: None,
            controllers: false,
            compact: None,
            tolerated: &[],
            concurrency: CONCURRENCY,
            keep: false,
        }
    }

    /// All cases, on a cluster of this crate: with its controllers, and with its way to forget its past.
    ///
    /// # Panics
    /// Outside a tokio runtime: see [`Cluster::client`].
    pub fn in_process(cluster: &Cluster) -> Self {
        let forgetful = cluster.clone();
        Self::new(cluster.client()).with_controllers().compact_with(move || {
            forgetful.force_compaction();
            std::future::ready(Ok(())).boxed()
        })
    }

    /// These cases instead of those that ship with this crate.
    pub fn cases(mut self, cases: impl IntoIterator<Item = Case>) -> Self {
        self.cases = cases.into_iter().collect();
        self
    }

    /// Only the cases whose name contains this text.
    pub fn filter(mut self, text: impl Into<String>) -> Self {
        self.filter = Some(text.into());
        self
    }

    /// Says that controllers run: a controller manager, a scheduler, and nodes that start Pods. The cases that need them
    /// are left out otherwise.
    pub fn with_controllers(mut self) -> Self {
        self.controllers = true;
        self
    }

    /// Says how the server's history can be made to go (etcd's compaction). The cases that need it are left out
    /// otherwise.
    pub fn compact_with(
        mut self,
        compact: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        self.compact = Some(Arc::new(compact));
        self
    }

    /// Cases in this list may fail, and must: one that holds does not belong into the list.
    pub fn tolerate(mut self, differences: &'static [Difference]) -> Self {
        self.tolerated = differences;
        self
    }

    /// How many cases run at a time, 16 unless said.
    pub fn concurrency(mut self, cases: usize) -> Self {
        self.concurrency = cases.max(1);
        self
    }

    /// Leaves what the cases made, for a server that goes anyway: deleting hundreds of namespaces takes it minutes.
    pub fn leave_everything(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Runs the cases: first those that can run beside each other, then the others one by one.
    pub async fn run(self) -> Report {
        let wanted: Vec<Case> =
            self.cases.iter().filter(|c| self.filter.as_deref().is_none_or(|f| c.name.contains(f))).copied().collect();
        let (alone, together): (Vec<_>, Vec<_>) = wanted.into_iter().enumerate().partition(|(_, c)| c.alone);
        let run = |(index, case): (usize, Case)| {
            let suite = &self;
            async move { (index, suite.run_one(case).await) }
        };
        let mut done: Vec<(usize, CaseReport)> =
            stream::iter(together).map(run).buffer_unordered(self.concurrency).collect().await;
        for next in alone {
            done.push(run(next).await);
        }
        done.sort_by_key(|(index, _)| *index);
        Report { cases: done.into_iter().map(|(_, report)| report).collect(), differences: self.tolerated }
    }

    async fn run_one(&self, case: Case) -> CaseReport {
        let began = Instant::now();
        let skipped = if case.needs_controllers && !self.controllers {
            Some("no controllers")
        } else if case.needs_compaction && self.compact.is_none() {
            Some("no way to compact the history")
        } else {
            None
        };
        let verdict = match skipped {
            Some(reason) => Verdict::Skipped(reason),
            None => self.judge(case, self.attempt(case).await),
        };
        CaseReport { name: case.name, verdict, took: began.elapsed() }
    }

    async fn attempt(&self, case: Case) -> Result<(), Failure> {
        let lab = Lab::open(self.client.clone(), self.compact.clone()).await?;
        let outcome = match tokio::time::timeout(LIMIT, (case.run)(&lab)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(format!("an end within {} s", LIMIT.as_secs()))),
        };
        if !self.keep {
            lab.close().await;
        }
        outcome
    }

    fn judge(&self, case: Case, outcome: Result<(), Failure>) -> Verdict {
        match (outcome, self.tolerated.iter().find(|d| d.what == case.name)) {
            (Ok(()), None) => Verdict::Passed,
            (Ok(()), Some(_)) => Verdict::Failed(Failure::new("a difference, as the list of differences says")),
            (Err(_), Some(difference)) => Verdict::Differs(difference.reason),
            (Err(failure), None) => Verdict::Failed(failure),
        }
    }
}
