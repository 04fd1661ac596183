//! Law 6 and law 11: the executor is killed, or cancelled, at every one of its requests; the next run reaches the same
//! end, and nothing is ever untracked.
//!
//! A kill drops the future in the middle of a request, either before the server took it or after. The embedded cluster
//! and tokio's paused clock make each of the runs a matter of milliseconds.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gitops_engine::cache::{Cache, CacheOptions, KubeCluster};
use gitops_engine::core::{
    ApiFault, Applied, ApplyOptions, Cluster, DeleteOptions, Deleted, Inventory, Manifest, ObjectId, ResourceType,
    Timestamp,
};
use gitops_engine::git::write::{Change, LocalRepository, Signature};
use gitops_engine::sync::execute::Clock;
use gitops_engine::sync::reconcile::State;
use gitops_engine::{Application, ApplicationName, ClusterCache, Connection, Engine, Pass, TreePath};
use serde_json::Value;
use tokio::sync::Notify;

const SHOP: &[(&str, &str)] = &[
    ("namespace.yaml", include_str!("../examples/demo/namespace.yaml")),
    ("discounts.yaml", include_str!("../examples/demo/discounts.yaml")),
    ("settings.yaml", include_str!("../examples/demo/settings.yaml")),
    ("database.yaml", include_str!("../examples/demo/database.yaml")),
    ("migrate.yaml", include_str!("../examples/demo/migrate.yaml")),
    ("web.yaml", include_str!("../examples/demo/web.yaml")),
    ("banner.yaml", include_str!("../examples/demo/banner.yaml")),
];
const NEXT: &str = include_str!("../examples/demo/changes/web.yaml");

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

/// Tokio's clock, which the tests pause.
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millisecond(1_800_000_000_000 + elapsed).unwrap()
    }
}

struct Shop {
    repository: LocalRepository,
    folder: tempfile::TempDir,
    cluster: gitops_engine_testkit::Cluster,
    begun: tokio::time::Instant,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = LocalRepository::init(folder.path()).unwrap();
        let cluster = gitops_engine_testkit::Cluster::builder().build();
        let shop = Self { repository, folder, cluster, begun: tokio::time::Instant::now() };
        shop.commit(SHOP, &[]);
        shop
    }

    fn commit(&self, files: &[(&str, &str)], removed: &[&str]) {
        let files = files.iter().map(|(name, text)| Change::file(name, text.as_bytes().to_vec()).unwrap());
        let removed = removed.iter().map(|name| Change::remove(name).unwrap());
        let changes: Vec<_> = files.chain(removed).collect();
        let author = Signature::new("Test", "test@example.com", Timestamp::from_second(1_800_000_000).unwrap());
        self.repository.commit("main", "change", &author, &changes).unwrap();
    }

    /// A new process: nothing is remembered but what the cluster holds.
    fn process(&self, at: usize, fate: Fate) -> (Engine, Arc<Doomed>) {
        let connection = Connection::new(self.cluster.client());
        let inner = KubeCluster::new(connection.clone());
        let doomed = Arc::new(Doomed { inner, requests: AtomicUsize::new(0), at, fate, met: Notify::new() });
        let cache: Arc<dyn ClusterCache> = Arc::new(Cache::start(connection, CacheOptions::default()));
        let engine = Engine::builder()
            .repository(path(self.folder.path()))
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

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What a cluster holds of the application: specs and data, without what differs from run to run.
#[derive(Debug, PartialEq)]
struct Picture {
    objects: BTreeMap<String, Value>,
    inventory: BTreeSet<String>,
    closed: bool,
}

impl Picture {
    fn take(cluster: &gitops_engine_testkit::Cluster) -> Self {
        let mut objects = BTreeMap::new();
        for object in cluster.dump() {
            let metadata = &object["metadata"];
            if metadata["annotations"]["gitops-engine.dev/application"].is_null() {
                continue;
            }
            let manifest = Manifest::from_value((&object).into()).unwrap();
            let mut content = object.clone();
            for volatile in ["metadata", "status"] {
                content.as_object_mut().unwrap().remove(volatile);
            }
            // Addresses, and the uid of a Job in its own selector.
            for volatile in ["clusterIP", "clusterIPs", "selector", "template", "ports", "volumeName"] {
                if matches!(content["kind"].as_str(), Some("Service" | "Job")) {
                    content["spec"].as_object_mut().unwrap().remove(volatile);
                }
            }
            objects.insert(manifest.id().to_string(), content);
        }
        let inventory = inventory(cluster);
        let closed = inventory.as_ref().is_some_and(|inventory| inventory.operation.is_none());
        let inventory = inventory.map(|inventory| inventory.entries.keys().map(ToString::to_string).collect());
        Self { objects, inventory: inventory.unwrap_or_default(), closed }
    }
}

fn inventory(cluster: &gitops_engine_testkit::Cluster) -> Option<Inventory> {
    let stored = cluster.get("ConfigMap", "default", "gitops-engine-inventory-shop")?;
    Some(serde_json::from_str(stored["data"]["inventory.json"].as_str().unwrap()).unwrap())
}

/// Every object that carries our mark is in the inventory.
fn assert_nothing_untracked(cluster: &gitops_engine_testkit::Cluster, what: &str) {
    let picture = Picture::take(cluster);
    let untracked: Vec<_> = picture.objects.keys().filter(|id| !picture.inventory.contains(*id)).collect();
    assert!(untracked.is_empty(), "{what}: untracked: {untracked:?}");
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
        shop.commit(&[("web.yaml", NEXT)], &["banner.yaml"]);
    })
    .await;
    assert!(cases > 20, "{cases} cases");
}
