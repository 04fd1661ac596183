//! A small world to plan in.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::sync::Arc;

use gitops_engine_core::{
    ApplicationName, Coverage, Declared, DesiredState, EntryState, GroupKind, HookRecord, Inventory, InventoryEntry,
    KindState, LiveObject, Manifest, MemorySnapshot, Operation, Place, Problems, ResourceType, Scope, Timestamp,
    TreePath, Value,
};
use gitops_engine_sync::plan::{Plan, PlanInput, Predictions, Verdicts, plan, questions};
use gitops_engine_sync::{Application, Question};

pub const NOW: i64 = 1_800_000_000;
pub const REVISION: &str = "0123456789abcdef";
const APPLICATION: &str = "gitops-engine.dev/application";

pub fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Manifest {
    let mut body = Value::empty_object();
    body.set(&["apiVersion"], api_version.into());
    body.set(&["kind"], kind.into());
    body.set(&["metadata", "name"], name.into());
    if !namespace.is_empty() {
        body.set(&["metadata", "namespace"], namespace.into());
    }
    Manifest::from_value(body).unwrap()
}

pub fn with(manifest: Manifest, path: &[&str], value: &str) -> Manifest {
    manifest.edit(|body| body.set(path, value.into())).unwrap()
}

pub fn wave(manifest: Manifest, wave: i32) -> Manifest {
    with(manifest, &["metadata", "annotations", "argocd.argoproj.io/sync-wave"], &wave.to_string())
}

pub fn hook(manifest: Manifest, phases: &str) -> Manifest {
    with(manifest, &["metadata", "annotations", "argocd.argoproj.io/hook"], phases)
}

pub fn crd(group: &str, kind: &str, plural: &str) -> Manifest {
    let name = format!("{plural}.{group}");
    let version: Value = serde_json::json!({"name": "v1", "served": true, "storage": true}).into();
    object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &name)
        .edit(|body| {
            body.set(&["spec", "group"], group.into());
            body.set(&["spec", "scope"], "Namespaced".into());
            body.set(&["spec", "names", "kind"], kind.into());
            body.set(&["spec", "names", "plural"], plural.into());
            body.set(&["spec", "versions"], vec![version].into());
        })
        .unwrap()
}

/// The object as the server holds it after we applied it.
pub fn applied(declared: &Manifest) -> Manifest {
    declared
        .edit(|body| {
            let name = declared.id().name.clone();
            body.set(&["metadata", "uid"], format!("uid-{name}").into());
            body.set(&["metadata", "resourceVersion"], "7".into());
            body.set(&["metadata", "annotations", APPLICATION], "shop".into());
        })
        .unwrap()
}

pub fn live(declared: &Manifest) -> LiveObject {
    LiveObject::from_manifest(applied(declared)).unwrap()
}

/// Everything that a plan depends on.
#[derive(Clone)]
pub struct World {
    pub application: Application,
    pub objects: Vec<Declared>,
    pub snapshot: MemorySnapshot,
    pub inventory: Inventory,
    pub predictions: Predictions,
}

impl World {
    pub fn new() -> Self {
        let kinds = [
            ("", "v1", "Namespace", "namespaces", Scope::Cluster),
            ("", "v1", "ConfigMap", "configmaps", Scope::Namespaced),
            ("", "v1", "Secret", "secrets", Scope::Namespaced),
            ("", "v1", "Service", "services", Scope::Namespaced),
            ("apps", "v1", "Deployment", "deployments", Scope::Namespaced),
            ("batch", "v1", "Job", "jobs", Scope::Namespaced),
            ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", Scope::Cluster),
        ];
        let snapshot =
            kinds.into_iter().fold(MemorySnapshot::new(), |snapshot, (group, version, kind, plural, scope)| {
                snapshot.serve(ResourceType {
                    kind: GroupKind::new(group, kind),
                    version: version.into(),
                    plural: plural.into(),
                    scope,
                })
            });
        let name = ApplicationName::new("shop");
        Self {
            application: Application::new(name.clone()),
            objects: Vec::new(),
            snapshot,
            inventory: Inventory::new(name),
            predictions: Predictions::new(),
        }
    }

    pub fn declare(mut self, manifest: Manifest) -> Self {
        let file = TreePath::parse(&format!("file-{}.yaml", self.objects.len())).unwrap();
        self.objects.push(Declared::new(manifest, Place::line(file, 1)));
        self
    }

    pub fn put(mut self, live: LiveObject) -> Self {
        self.snapshot = self.snapshot.object(live);
        self
    }

    pub fn namespace(self, name: &str) -> Self {
        self.put(live(&object("v1", "Namespace", "", name)))
    }

    /// The object was applied by us and is still there.
    pub fn own(mut self, declared: &Manifest) -> Self {
        let held = applied(declared);
        let intent = gitops_engine_core::Intent::read(declared);
        let mut entry = InventoryEntry::announced(declared.version().clone());
        entry.state = EntryState::Applied;
        entry.uid = held.uid();
        entry.wave = intent.wave;
        if !declared.id().kind.is("", "Secret") {
            entry.desired = Some(declared.digest());
            entry.applied = Some(gitops_engine_diff::applied_digest(declared, &held));
        }
        self.inventory.entries.insert(declared.id().clone(), entry);
        self.put(LiveObject::from_manifest(held).unwrap())
    }

    pub fn forbid(mut self, group: &str, kind: &str) -> Self {
        use gitops_engine_core::Snapshot;
        let kind = GroupKind::new(group, kind);
        if let KindState::Served { preferred, .. } = self.snapshot.kind(&kind) {
            let coverage = Coverage::Forbidden(Arc::from("you may not"));
            let state = KindState::served(ResourceType::clone(&preferred)).covered(coverage);
            self.snapshot = self.snapshot.kind_state(kind, state);
        }
        self
    }

    pub fn record_hook(&mut self, declared: &Manifest, key: &str) {
        let mut operation = Operation::new(REVISION.into(), Timestamp::from_second(NOW - 60).unwrap());
        operation.hooks.insert(key.to_owned(), HookRecord::new(declared.digest(), true));
        self.inventory.operation = Some(operation);
    }

    fn with_input<T>(&self, use_it: impl FnOnce(&PlanInput<'_>) -> T) -> T {
        let desired = DesiredState::new(REVISION.into(), self.objects.clone());
        use_it(&PlanInput {
            application: &self.application,
            desired: &desired,
            actual: &self.snapshot,
            inventory: &self.inventory,
            predictions: &self.predictions,
            verdicts: &Verdicts::new(),
            now: Timestamp::from_second(NOW).unwrap(),
        })
    }

    pub fn plan(&self) -> Result<Plan, Problems> {
        self.with_input(plan)
    }

    pub fn questions(&self) -> Result<Vec<Question>, Problems> {
        self.with_input(questions)
    }
}
