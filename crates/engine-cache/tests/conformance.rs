//! The writer and the cache against the contracts of [`Cluster`], [`ClusterCache`] and [`Snapshot`], on the in-process
//! API; and writers and caches that are wrong on purpose, to prove that the suites can fail.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use gitops_engine_cache::{Cache, CacheOptions, KubeCluster};
use gitops_engine_core::conformance::{self, CacheBench, Report};
use gitops_engine_core::{
    ApiFault, ApiFaultKind, Applied, ApplyOptions, Capabilities, ChangeStream, Cluster, ClusterCache, Conflicts,
    Coverage, DeleteOptions, Deleted, GroupKind, KindState, LiveObject, Manifest, ObjectId, ResourceType, Result,
    Snapshot, Uid,
};
use gitops_engine_testkit as testkit;
use parking_lot::Mutex;

#[tokio::test(start_paused = true)]
async fn the_writer() {
    let cluster = testkit::Cluster::builder().build();
    let writer = KubeCluster::new(cluster.client());
    assert_eq!(conformance::cluster(&writer, "default").await.check().unwrap(), 19);
    // It tidies up: what a second run finds is what the first one found.
    assert_eq!(conformance::cluster(&writer, "default").await.check().unwrap(), 19);
    let left = |kind| cluster.objects(kind).iter().any(|object| object.to_string().contains("conformance-"));
    assert!(!left("ConfigMap") && !left("Secret"));
}

/// A writer with one thing wrong.
struct WrongCluster(KubeCluster, &'static str);

impl WrongCluster {
    fn options(&self, options: &ApplyOptions) -> ApplyOptions {
        let mut options = options.clone();
        match self.1 {
            "dry run is wet" => options.mode = gitops_engine_core::ApplyMode::Wet,
            "always forces" => options.conflicts = Conflicts::Force,
            _ => {}
        }
        options
    }

    fn answer(&self, answer: Result<Applied, ApiFault>, manifest: &Manifest) -> Result<Applied, ApiFault> {
        let shown = |mut fault: ApiFault| {
            if self.1 == "shows what it sent" {
                fault.message = format!("{fault}: {}", String::from_utf8_lossy(&manifest.body().to_json()));
            }
            fault
        };
        let drop_fields = |applied: Applied| Applied::new(applied.object.edit(|_| {}).unwrap());
        let answer = answer.map_err(shown);
        if self.1 == "no managed fields" { answer.map(drop_fields) } else { answer }
    }
}

#[async_trait]
impl Cluster for WrongCluster {
    async fn get(&self, resource: &ResourceType, id: &ObjectId) -> Result<Option<Manifest>, ApiFault> {
        let found = self.0.get(resource, id).await?;
        if found.is_none() && self.1 == "absence is a fault" {
            return Err(ApiFault::new(ApiFaultKind::NotFound, 404, "not found"));
        }
        Ok(found)
    }

    async fn apply(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        let mut manifest = manifest.clone();
        if self.1 == "touches each time" {
            let now = self.0.get(resource, manifest.id()).await?;
            let version = now.as_ref().and_then(Manifest::resource_version).unwrap_or("0").to_owned();
            manifest = manifest.edit(|body| body.set(&["metadata", "annotations", "touched"], version.into())).unwrap();
        }
        if self.1 == "applies as a whole"
            && options.mode == gitops_engine_core::ApplyMode::Wet
            && self.0.get(resource, manifest.id()).await?.is_some()
        {
            return self.0.replace(resource, &manifest, options).await;
        }
        self.answer(self.0.apply(resource, &manifest, &self.options(options)).await, &manifest)
    }

    async fn create(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        if self.1 == "creates by apply" {
            return self.0.apply(resource, manifest, options).await;
        }
        self.answer(self.0.create(resource, manifest, &self.options(options)).await, manifest)
    }

    async fn replace(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        let mut manifest = manifest.clone();
        if self.1 == "replaces any version" {
            manifest = manifest.edit(|body| drop(body.unset(&["metadata", "resourceVersion"]))).unwrap();
        }
        self.answer(self.0.replace(resource, &manifest, &self.options(options)).await, &manifest)
    }

    async fn delete(
        &self,
        resource: &ResourceType,
        id: &ObjectId,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiFault> {
        let mut options = options.clone();
        match self.1 {
            "deletes any uid" => {
                if let Some(uid) = self.0.get(resource, id).await?.and_then(|object| object.uid()) {
                    options.uid = uid;
                }
            }
            "deletes any version" => options.resource_version = None,
            "is always done" => {
                return Ok(match self.0.delete(resource, id, &options).await? {
                    Deleted::NotFound => Deleted::Gone,
                    other => other,
                });
            }
            _ => {}
        }
        self.0.delete(resource, id, &options).await
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_writers_are_caught() {
    for (wrong, cases) in [
        ("absence is a fault", &["cluster_get_of_nothing"][..]),
        ("touches each time", &["cluster_same_apply_changes_nothing"]),
        ("applies as a whole", &["cluster_apply_leaves_fields_of_others"]),
        ("no managed fields", &["cluster_apply_returns_managed_fields"]),
        ("dry run is wet", &["cluster_dry_run_stores_nothing"]),
        ("always forces", &["cluster_conflict_names_field_and_owner"]),
        ("creates by apply", &["cluster_create_of_existing"]),
        ("replaces any version", &["cluster_replace_with_stale_version"]),
        ("deletes any uid", &["cluster_delete_with_wrong_uid", "cluster_delete_of_successor"]),
        ("deletes any version", &["cluster_delete_with_stale_version"]),
        ("is always done", &["cluster_delete_twice"]),
        ("shows what it sent", &["cluster_faults_hide_secrets"]),
    ] {
        let cluster = testkit::Cluster::builder().build();
        let report = conformance::cluster(&WrongCluster(KubeCluster::new(cluster.client()), wrong), "default").await;
        for case in cases {
            assert!(report.caught(case), "{wrong}: {report}");
        }
        assert!(!report.to_string().contains("hunter2"), "a report shows no Secret: {wrong}");
    }
}

fn wait() -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(tokio::time::sleep(Duration::from_millis(25)))
}

/// Runs the suite on a cache, as `wrap` makes it of a real one.
async fn on_a_cluster(wrap: &(dyn Fn(Cache) -> Arc<dyn ClusterCache> + Sync)) -> Report {
    let cluster = testkit::Cluster::builder().build();
    let writer = KubeCluster::new(cluster.client());
    let start = || wrap(Cache::start(cluster.client(), CacheOptions::default()));
    conformance::cluster_cache(CacheBench::new(&start, &wait, &writer, "default")).await
}

#[tokio::test(start_paused = true)]
async fn the_cache() {
    assert_eq!(on_a_cluster(&|cache| Arc::new(cache)).await.check().unwrap(), 9 + 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_on_several_threads() {
    assert_eq!(on_a_cluster(&|cache| Arc::new(cache)).await.check().unwrap(), 9 + 7);
}

/// A cache with one thing wrong.
struct WrongCache {
    right: Cache,
    wrong: &'static str,
    held: Mutex<Option<Arc<dyn Snapshot>>>,
}

/// A snapshot of such a cache.
struct WrongView {
    now: Arc<dyn Snapshot>,
    cache: Cache,
    wrong: &'static str,
}

impl WrongView {
    fn now(&self) -> Arc<dyn Snapshot> {
        if self.wrong == "alive" { self.cache.snapshot() } else { self.now.clone() }
    }
}

impl Snapshot for WrongView {
    fn generation(&self) -> u64 {
        if self.wrong == "one generation" { 1 } else { self.now().generation() }
    }

    fn capabilities(&self) -> Capabilities {
        self.now().capabilities()
    }

    fn kind(&self, kind: &GroupKind) -> KindState {
        let state = self.now().kind(kind);
        if self.wrong != "overconfident" {
            return state;
        }
        let resource = ResourceType {
            kind: kind.clone(),
            version: "v1".into(),
            plural: "configmaps".into(),
            scope: gitops_engine_core::Scope::Namespaced,
        };
        match state {
            KindState::Undetermined(_) => KindState::served(resource),
            state => state.covered(Coverage::Complete),
        }
    }

    fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.now().get(id)
    }

    fn children(&self, owner: &Uid) -> Vec<Arc<LiveObject>> {
        if self.wrong == "childless" { Vec::new() } else { self.now().children(owner) }
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        self.now().in_namespace(namespace)
    }

    fn holes(&self) -> Vec<(String, Coverage)> {
        self.now().holes()
    }
}

#[async_trait]
impl ClusterCache for WrongCache {
    async fn ready(&self) -> Result<()> {
        self.right.ready().await
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        let now = self.right.snapshot();
        let mut held = self.held.lock();
        // One step behind: the news is out before the picture.
        let now = if self.wrong == "behind" { held.replace(now.clone()).unwrap_or(now) } else { now };
        Arc::new(WrongView { now, cache: self.right.clone(), wrong: self.wrong })
    }

    fn changes(&self) -> ChangeStream {
        match self.wrong {
            "silent" => Box::pin(futures::stream::pending()),
            "ends" => Box::pin(self.right.changes().take(1)),
            "nameless" => Box::pin(self.right.changes().map(|mut batch| {
                batch.objects.clear();
                batch
            })),
            _ => self.right.changes(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_caches_are_caught() {
    for (wrong, case) in [
        ("overconfident", "cache_proves_no_absence_before_it_has_listed"),
        ("behind", "cache_announces_what_it_shows"),
        ("silent", "cache_announces_what_it_shows"),
        ("ends", "cache_announces_what_it_shows"),
        ("nameless", "cache_names_each_change"),
        ("alive", "cache_snapshots_never_change"),
        ("one generation", "cache_generation_grows"),
        ("childless", "cache_shows_children"),
    ] {
        let report = on_a_cluster(&|right| Arc::new(WrongCache { right, wrong, held: Mutex::new(None) })).await;
        assert!(report.caught(case), "{wrong}: {report}");
    }
}
