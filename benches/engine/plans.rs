//! Planning: everything is there and as declared, or all but one object.
//!
//! The peer's no-op `Sync()` is given the live objects and a comparison that found no difference; [`unchanged`] is given
//! the snapshot and the verdicts of an earlier pass, which say the same. [`first`] has no verdicts: it compares.

use gitops_engine_core::{
    ApplicationName, Declared, DesiredState, EntryState, GroupKind, Inventory, InventoryEntry, LiveObject,
    ManagedFields, Manifest, MemorySnapshot, Place, ResourceType, Scope, Timestamp, TreePath,
};
use gitops_engine_sync::Application;
use gitops_engine_sync::plan::{PlanInput, Predictions, Verdict, Verdicts, plan, questions};

use crate::harness::{Line, measure};
use crate::objects::{self, NAMESPACE};

const ITERATIONS: usize = 20;

/// All that a plan depends on.
struct World {
    application: Application,
    /// The text of each declared object.
    texts: Vec<Vec<u8>>,
    desired: DesiredState,
    snapshot: MemorySnapshot,
    inventory: Inventory,
    verdicts: Verdicts,
}

impl World {
    /// So many objects, all applied by an earlier operation and left alone since.
    fn new(count: usize, waves: Option<usize>) -> Self {
        let pairs = objects::mixed(count, waves);
        let name = ApplicationName::new("shop");
        let mut inventory = Inventory::new(name.clone());
        let mut verdicts = Verdicts::new();
        let mut snapshot = served();
        let mut texts = Vec::with_capacity(count);
        for pair in &pairs {
            let text = pair.desired.to_string().into_bytes();
            let declared = parse(&text);
            let held = parse(pair.live.to_string().as_bytes());
            let mut entry = InventoryEntry::announced(declared.version().clone());
            entry.state = EntryState::Applied;
            entry.uid = held.uid();
            entry.wave = gitops_engine_core::Intent::read(&declared).wave;
            if !declared.id().kind.is("", "Secret") {
                entry.desired = Some(declared.digest());
                entry.applied = Some(gitops_engine_diff::applied_digest(&declared, &held));
            }
            inventory.entries.insert(declared.id().clone(), entry);
            let live = LiveObject::from_manifest(held).unwrap();
            let verdict = Verdict { desired: declared.digest(), resource_version: live.resource_version.clone() };
            verdicts.insert(declared.id().clone(), verdict);
            snapshot = snapshot.object(live);
            texts.push(text);
        }
        let desired = rendered(&texts);
        Self { application: Application::new(name), texts, desired, snapshot, inventory, verdicts }
    }

    fn input<'a>(&'a self, desired: &'a DesiredState, verdicts: &'a Verdicts) -> PlanInput<'a> {
        static NO_PREDICTIONS: Predictions = Predictions::new();
        PlanInput {
            application: &self.application,
            desired,
            actual: &self.snapshot,
            inventory: &self.inventory,
            predictions: &NO_PREDICTIONS,
            verdicts,
            now: Timestamp::UNIX_EPOCH,
        }
    }
}

/// A plan that finds nothing to do, from what earlier passes know. The result is the number of writes.
pub(crate) fn unchanged(name: &'static str, count: usize, waves: Option<usize>) -> Line {
    let world = World::new(count, waves);
    let input = world.input(&world.desired, &world.verdicts);
    measure(name, ITERATIONS, || {}, |()| writes(&input), |writes| *writes)
}

/// The first plan of a process: freshly rendered objects, no verdicts, every digest still to be computed.
pub(crate) fn first(name: &'static str, count: usize) -> Line {
    let world = World::new(count, None);
    let no_verdicts = Verdicts::new();
    measure(
        name,
        ITERATIONS / 2,
        || rendered(&world.texts),
        |desired| (writes(&world.input(&desired, &no_verdicts)), desired),
        |(writes, _)| *writes,
    )
}

/// What a whole pass of the reconciler computes where nothing changed: which questions to ask, and the plan.
pub(crate) fn pass(name: &'static str, count: usize) -> Line {
    let world = World::new(count, None);
    let input = world.input(&world.desired, &world.verdicts);
    measure(name, ITERATIONS, || {}, |()| questions(&input).unwrap().len() as u64 + writes(&input), |work| *work)
}

/// A new revision changed one object: the plan, without the answer of a server.
pub(crate) fn one_change(name: &'static str, count: usize) -> Line {
    let mut world = World::new(count, None);
    let changed = world.desired.objects[count / 2].manifest.edit(|body| {
        body.set(&["metadata", "labels", "app.kubernetes.io/version"], "2".into());
    });
    world.desired.objects[count / 2].manifest = changed.unwrap();
    let input = world.input(&world.desired, &world.verdicts);
    measure(name, ITERATIONS, || {}, |()| writes(&input), |writes| *writes)
}

fn writes(input: &PlanInput<'_>) -> u64 {
    plan(input).unwrap().writes() as u64
}

fn parse(text: &[u8]) -> Manifest {
    Manifest::from_json(text, ManagedFields::Drop).unwrap()
}

/// The declared objects, each in a file of its own.
fn rendered(texts: &[Vec<u8>]) -> DesiredState {
    let declared = |(at, text): (usize, &Vec<u8>)| {
        let file = TreePath::parse(&format!("shop/object-{at:05}.yaml")).unwrap();
        Declared::new(parse(text), Place::line(file, 1))
    };
    DesiredState::new("0123456789abcdef".into(), texts.iter().enumerate().map(declared).collect())
}

/// A cluster with the kinds of the objects and their namespace.
fn served() -> MemorySnapshot {
    let kinds = [
        ("", "ConfigMap"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "Secret"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("batch", "Job"),
        ("networking.k8s.io", "Ingress"),
    ];
    let resource = |group: &str, kind: &str, scope| ResourceType {
        kind: GroupKind::new(group, kind),
        version: "v1".into(),
        plural: format!("{}s", kind.to_lowercase()).into(),
        scope,
    };
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "uid": "shop", "resourceVersion": "1"},
    });
    let namespace = LiveObject::from_manifest(parse(namespace.to_string().as_bytes())).unwrap();
    kinds
        .into_iter()
        .fold(MemorySnapshot::new(), |snapshot, (group, kind)| snapshot.serve(resource(group, kind, Scope::Namespaced)))
        .serve(resource("", "Namespace", Scope::Cluster))
        .object(namespace)
}
