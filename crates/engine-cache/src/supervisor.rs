//! Keeps the set of watches equal to what the cluster serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{GroupKind, ResourceType};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::cache::Shared;
use crate::definitions::{Definitions, Lost, is_blind};
use crate::discovery::{Discovery, discover};
use crate::index::{KindEntry, KindTable, Update};
use crate::options::CacheOptions;
use crate::watch::{Context, Stopped, Watch};

/// Ends its task when it is dropped.
#[derive(Debug)]
pub(crate) struct Task(pub(crate) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Running {
    resource: Arc<ResourceType>,
    run: u64,
    _task: Task,
}

pub(crate) struct Supervisor {
    context: Arc<Context>,
    options: CacheOptions,
    shared: Arc<Shared>,
    known: Option<Discovery>,
    watches: BTreeMap<GroupKind, Running>,
    last_run: u64,
    definitions: Definitions,
    lost: Lost,
    /// While the server cannot be asked.
    unreachable: Backoff,
    /// While some groups are broken.
    broken: Backoff,
    /// While discovery does not say yet what the CRDs do.
    behind: Backoff,
    /// How often it will be asked again for that.
    patience: u32,
}

/// CRDs come in bundles.
const GATHER: Duration = Duration::from_millis(50);
/// Some twenty seconds in all, as long as API servers take to publish a CRD under load.
const PATIENCE: u32 = 12;
/// How often discovery is asked where CRDs cannot be watched.
const BLIND: Duration = Duration::from_secs(300);

impl Supervisor {
    pub(crate) fn new(context: Arc<Context>, options: CacheOptions, shared: Arc<Shared>) -> Self {
        let seconds = |first, most| Backoff::new(Duration::from_millis(first), Duration::from_millis(most));
        Self {
            context,
            options,
            shared,
            known: None,
            watches: BTreeMap::new(),
            last_run: 0,
            definitions: Definitions::default(),
            lost: Lost::default(),
            unreachable: seconds(500, 30_000),
            broken: seconds(10_000, 300_000),
            behind: seconds(100, 3_000),
            patience: 0,
        }
    }

    /// Runs until the cache stops; dropping the future ends all watches.
    pub(crate) async fn run(mut self) {
        while self.turn().await.is_ok() {}
    }

    async fn turn(&mut self) -> Result<(), Stopped> {
        match discover(&self.context.connection, self.context.request_timeout).await {
            Ok(found) => {
                self.unreachable.reset();
                self.adopt(found).await?;
                self.shared.reachable();
                self.wait().await;
            }
            Err(fault) => {
                tracing::debug!(cluster = %self.context.connection, %fault, "discovery failed");
                self.shared.unreachable(fault);
                sleep(self.unreachable.next()).await;
            }
        }
        Ok(())
    }

    /// Waits until there is a reason to ask again.
    async fn wait(&mut self) {
        loop {
            self.review();
            let delay = self.delay();
            let timer = async {
                match delay {
                    Some(delay) => sleep(delay).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => return,
                () = self.context.missing.notified() => {
                    sleep(GATHER).await;
                    return;
                }
                () = self.shared.definitions_changed.notified() => {
                    sleep(GATHER).await;
                    self.patience = PATIENCE;
                    self.behind.reset();
                    self.review();
                    if !self.agrees() {
                        return;
                    }
                }
            }
        }
    }

    /// Reads what the CRDs say now.
    fn review(&mut self) {
        let now = Definitions::read(&self.shared.view());
        self.lost.add(now.lost_since(&self.definitions));
        self.definitions = now;
        if self.agrees() {
            self.lost = Lost::default();
            self.patience = 0;
        }
    }

    fn agrees(&self) -> bool {
        self.known.as_ref().is_some_and(|known| self.definitions.agree_with(known, &self.lost))
    }

    fn delay(&mut self) -> Option<Duration> {
        if self.patience > 0 {
            self.patience -= 1;
            return Some(self.behind.next());
        }
        if self.known.as_ref().is_some_and(|known| !known.broken.is_empty()) {
            return Some(self.broken.next());
        }
        self.broken.reset();
        is_blind(&self.shared.view()).then_some(BLIND)
    }

    /// Starts and stops watches.
    async fn adopt(&mut self, found: Discovery) -> Result<(), Stopped> {
        let found = match &self.known {
            Some(known) => found.keeping(known),
            None => found,
        };
        if self.known.as_ref() == Some(&found) {
            return Ok(());
        }
        let mut kinds = Vec::new();
        let mut starting = Vec::new();
        let mut before = std::mem::take(&mut self.watches);
        for (kind, versions) in found.kinds() {
            let watched = versions.iter().find(|version| version.watchable).map(|version| version.resource.clone());
            let watched = watched.filter(|_| !self.options.is_excluded(kind));
            let run = watched.map(|resource| match before.remove(kind) {
                Some(running) if running.resource == resource => {
                    let run = running.run;
                    self.watches.insert(kind.clone(), running);
                    run
                }
                _ => {
                    self.last_run += 1;
                    starting.push((kind.clone(), resource, self.last_run));
                    self.last_run
                }
            });
            let versions = versions.iter().map(|version| version.resource.clone()).collect();
            kinds.push(KindEntry { kind: kind.clone(), versions, run });
        }
        drop(before);
        let capabilities = Arc::new(found.capabilities());
        let table = KindTable { capabilities, kinds, broken_groups: found.broken.clone() };
        // Before the watches start: what they send belongs to a kind that the writer knows.
        self.context.updates.send(Update::Kinds(Box::new(table))).await.map_err(|_| Stopped)?;
        for (kind, resource, run) in starting {
            let watch = Watch::new(self.context.clone(), resource.clone(), run);
            let task = Task(tokio::spawn(watch.run()));
            self.watches.insert(kind, Running { resource, run, _task: task });
        }
        self.known = Some(found);
        Ok(())
    }
}
