//! What the suites on the embedded cluster share: a repository, a cluster, a clock, and a picture of what came of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each suite uses its own part; tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gitops_engine::core::{Inventory, Manifest, Timestamp};
use gitops_engine::git::write::{Change, LocalRepository, Signature};
use gitops_engine::sync::execute::Clock;
use gitops_engine::{Event, EventSink};
use gitops_engine_testkit::Cluster;
use serde_json::Value;

/// The shop of the demonstration.
pub const SHOP: &[(&str, &str)] = &[
    ("namespace.yaml", include_str!("../../examples/demo/namespace.yaml")),
    ("discounts.yaml", include_str!("../../examples/demo/discounts.yaml")),
    ("settings.yaml", include_str!("../../examples/demo/settings.yaml")),
    ("database.yaml", include_str!("../../examples/demo/database.yaml")),
    ("migrate.yaml", include_str!("../../examples/demo/migrate.yaml")),
    ("web.yaml", include_str!("../../examples/demo/web.yaml")),
    ("banner.yaml", include_str!("../../examples/demo/banner.yaml")),
];
/// Its next version.
pub const NEXT: &str = include_str!("../../examples/demo/changes/web.yaml");

/// Tokio's clock, which the tests pause.
pub struct TokioClock(pub tokio::time::Instant);

impl TokioClock {
    pub fn start() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millisecond(1_800_000_000_000 + elapsed).unwrap()
    }
}

/// Remembers what the engine told.
#[derive(Clone, Default)]
pub struct Heard(pub Arc<Mutex<Vec<Event>>>);

impl EventSink for Heard {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    /// Waits until an event of that sort was told at least `times` times.
    pub async fn wait(&self, what: &str, times: usize, wanted: impl Fn(&Event) -> bool) {
        for _ in 0..20_000 {
            if self.count(&wanted) >= times {
                return;
            }
            // Tokio's paused clock: this takes no time.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} never came: {:#?}", self.0.lock().unwrap());
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }
}

/// A Git repository in a temporary folder.
pub struct Repository {
    pub folder: tempfile::TempDir,
    local: LocalRepository,
}

impl Repository {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalRepository::init(folder.path()).unwrap();
        let repository = Self { folder, local };
        repository.commit(files, &[]);
        repository
    }

    pub fn commit(&self, files: &[(&str, &str)], removed: &[&str]) {
        let files = files.iter().map(|(name, text)| Change::file(name, text.as_bytes().to_vec()).unwrap());
        let removed = removed.iter().map(|name| Change::remove(name).unwrap());
        let changes: Vec<_> = files.chain(removed).collect();
        let author = Signature::new("Test", "test@example.com", Timestamp::from_second(1_800_000_000).unwrap());
        self.local.commit("main", "change", &author, &changes).unwrap();
    }

    pub fn location(&self) -> String {
        self.folder.path().to_string_lossy().into_owned()
    }
}

/// What a cluster holds of the application: specs and data, without what differs from run to run.
#[derive(Debug, PartialEq)]
pub struct Picture {
    pub objects: BTreeMap<String, Value>,
    pub inventory: BTreeSet<String>,
    pub closed: bool,
}

impl Picture {
    pub fn take(cluster: &Cluster) -> Self {
        let mut objects = BTreeMap::new();
        for object in cluster.dump() {
            let metadata = &object["metadata"];
            // A Deployment's annotations are its ReplicaSets', too: what a controller made is not the application's.
            let made =
                metadata["ownerReferences"].as_array().is_some_and(|all| all.iter().any(|o| o["controller"] == true));
            if made || metadata["annotations"]["gitops-engine.dev/application"].is_null() {
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

pub fn inventory(cluster: &Cluster) -> Option<Inventory> {
    let stored = cluster.get("ConfigMap", "default", "gitops-engine-inventory-shop")?;
    Some(serde_json::from_str(stored["data"]["inventory.json"].as_str().unwrap()).unwrap())
}

/// Every object that carries our mark is in the inventory.
pub fn assert_nothing_untracked(cluster: &Cluster, what: &str) {
    let picture = Picture::take(cluster);
    let untracked: Vec<_> = picture.objects.keys().filter(|id| !picture.inventory.contains(*id)).collect();
    assert!(untracked.is_empty(), "{what}: untracked: {untracked:?}");
}
