//! Law 6 and law 11: the executor is killed, or cancelled, at every one of its requests; the next run reaches the same
//! end, and nothing is ever untracked.
//!
//! A kill drops the future in the middle of a request, either before the server took it or after. The embedded cluster
//! and tokio's paused clock make each of the runs a matter of milliseconds.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gitops_engine::cache::{Cache, CacheOptions, KubeCluster};
use gitops_engine::core::{
    ApiFault, Applied, ApplyOptions, Cluster, DeleteOptions, Deleted, Manifest, ObjectId, ResourceType,
};
use gitops_engine::sync::reconcile::State;
use gitops_engine::{Application, ApplicationName, ClusterCache, Connection, Engine, Pass, TreePath};
use support::{NEXT, Picture, Repository, SHOP, TokioClock, assert_nothing_untracked};
use tokio::sync::Notify;

/// What happens at the chosen request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The process dies before the server hears of the request.
    KilledBefore,
    /// The process dies after the server took the request, before the answer is read.
    KilledAfter,
    /// The embedder cancels while the request is under way.
    Cancelled,
}

/// Counts the requests of the executor, and lets one of them meet its fate.
struct Doomed {
    inner: KubeCluster,
    requests: AtomicUsize,
    at: usize,
    fate: Fate,
    met: Notify,
}

impl Doomed {
    async fn pass<T>(&self, request: impl Future<Output = T>) -> T {
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.at {
            return request.await;
        }
        match self.fate {
            Fate::KilledBefore => self.die().await,
            Fate::KilledAfter => {
                drop(request.await);
                self.die().await
            }
            Fate::Cancelled => {
                self.met.notify_one();
                request.await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.met.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Cluster for Doomed {
    async fn get(&self, resource: &ResourceType, id: &ObjectId) -> Result<Option<Manifest>, ApiFault> {
        self.pass(self.inner.get(resource, id)).await
    }

    async fn apply(&self, to: &ResourceType, object: &Manifest, how: &ApplyOptions) -> Result<Applied, ApiFault> {
        self.pass(self.inner.apply(to, object, how)).await
    }

    async fn create(&self, to: &ResourceType, object: &Manifest, how: &ApplyOptions) -> Result<Applied, ApiFault> {
        self.pass(self.inner.create(to, object, how)).await
    }

    async fn replace(&self, to: &ResourceType, object: &Manifest, how: &ApplyOptions) -> Result<Applied, ApiFault> {
        self.pass(self.inner.replace(to, object, how)).await
    }

    async fn delete(&self, of: &ResourceType, id: &ObjectId, how: &DeleteOptions) -> Result<Deleted, ApiFault> {
        self.pass(self.inner.delete(of, id, how)).await
    }
}

struct Shop {
    repository: Repository,
    cluster: gitops_engine_testkit::Cluster,
    begun: tokio::time::Instant,
}

impl Shop {
    fn open() -> Self {
        let cluster = gitops_engine_testkit::Cluster::builder().build();
        Self { repository: Repository::new(SHOP), cluster, begun: tokio::time::Instant::now() }
    }

    /// A new process: nothing is remembered but what the cluster holds.
    fn process(&self, at: usize, fate: Fate) -> (Engine, Arc<Doomed>) {
        let connection = Connection::new(self.cluster.client());
        let inner = KubeCluster::new(connection.clone());
        let doomed = Arc::new(Doomed { inner, requests: AtomicUsize::new(0), at, fate, met: Notify::new() });
        let cache: Arc<dyn ClusterCache> = Arc::new(Cache::start(connection, CacheOptions::default()));
        let engine = Engine::builder()
            .repository(self.repository.location())
            .cache(cache)
            .cluster(doomed.clone())
            .clock(Arc::new(TokioClock(self.begun)))
            .start()
            .unwrap();
        (engine, doomed)
    }

    /// Runs a process to its end, or to its fate. Returns how many requests it made.
    async fn run(&self, at: usize, fate: Fate) -> (usize, Option<Pass>) {
        let (engine, doomed) = self.process(at, fate);
        let application = application();
        let mut state = State::default();
        let cancel = async {
            match fate {
                Fate::Cancelled => doomed.met.notified().await,
                _ => std::future::pending().await,
            }
        };
        let killed = async {
            match fate {
                Fate::Cancelled => std::future::pending().await,
                _ => doomed.met.notified().await,
            }
        };
        let pass = tokio::select! {
            pass = engine.reconciler().pass(&application, &mut state, cancel) => Some(pass.unwrap()),
            () = killed => None,
        };
        (doomed.requests.load(Ordering::SeqCst), pass)
    }

    /// Runs undisturbed until the cluster is as Git wants it, and returns what it came to.
    async fn finish(&self) -> Picture {
        let (_, pass) = self.run(usize::MAX, Fate::KilledBefore).await;
        let pass = pass.unwrap();
        assert!(pass.is_synced(), "{pass:?}");
        // What the engine removed goes at its own pace.
        tokio::time::sleep(Duration::from_secs(60)).await;
        Picture::take(&self.cluster)
    }
}

fn application() -> Application {
    Application::new(ApplicationName::parse("shop").unwrap()).path(TreePath::root()).namespace("shop")
}

/// Prepares a cluster, then meets a fate at each request of the sync that follows.
async fn at_every_request(prepare: impl AsyncFn(&Shop)) -> usize {
    let reference = Shop::open();
    prepare(&reference).await;
    let (requests, pass) = reference.run(usize::MAX, Fate::KilledBefore).await;
    assert!(pass.unwrap().is_synced());
    let expected = reference.finish().await;
    assert!(expected.closed && expected.objects.len() > 8, "{expected:?}");
    let mut cases = 0;
    for fate in [Fate::KilledBefore, Fate::KilledAfter, Fate::Cancelled] {
        for at in 1..=requests {
            let shop = Shop::open();
            prepare(&shop).await;
            let (made, pass) = shop.run(at, fate).await;
            let what = format!("{fate:?} at request {at} of {requests}");
            assert!(made >= at, "{what}: only {made} requests");
            assert!(fate == Fate::Cancelled || pass.is_none(), "{what}: it survived");
            assert_nothing_untracked(&shop.cluster, &what);
            let reached = shop.finish().await;
            assert_eq!(reached, expected, "{what}");
            cases += 1;
        }
    }
    cases
}

#[tokio::test(start_paused = true)]
async fn the_first_sync_survives_a_kill_and_a_cancel_at_every_request() {
    let cases = at_every_request(async |_| {}).await;
    assert!(cases > 40, "{cases} cases");
}

#[tokio::test(start_paused = true)]
async fn an_update_with_a_removal_survives_a_kill_and_a_cancel_at_every_request() {
    let cases = at_every_request(async |shop| {
        let (_, pass) = shop.run(usize::MAX, Fate::KilledBefore).await;
        assert!(pass.unwrap().is_synced());
        shop.repository.commit(&[("web.yaml", NEXT)], &["banner.yaml"]);
    })
    .await;
    assert!(cases > 20, "{cases} cases");
}
